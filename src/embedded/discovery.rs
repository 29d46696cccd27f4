//! What there is: aggregated discovery (`apidiscovery.k8s.io/v2`) and the older lists, both from the same kinds.

use serde_json::{Value, json};

use super::{
    kind::{Kind, Kinds},
    review,
};

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// The same for custom resources, in the order in which Kubernetes lists them.
const CUSTOM_VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
/// How the aggregated form is labelled, so that clients know that they got it.
pub const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A subresource: name, group, version and kind of what it answers with, verbs.
type Subresource = (&'static str, String, String, String, &'static [&'static str]);

fn subresources(kind: &Kind) -> Vec<Subresource> {
    let own = || (kind.group.clone(), kind.version.clone(), kind.kind.clone());
    let mut all: Vec<Subresource> = Vec::new();
    if kind.status {
        let (group, version, name) = own();
        all.push(("status", group, version, name, &["get", "patch", "update"]));
    }
    if kind.scale.is_some() {
        let (group, version, name) = ("autoscaling".to_owned(), "v1".to_owned(), "Scale".to_owned());
        all.push(("scale", group, version, name, &["get", "patch", "update"]));
    }
    if kind.collection == "pods" {
        all.push(("eviction", "policy".to_owned(), "v1".to_owned(), "Eviction".to_owned(), &["create"]));
        let (group, version, name) = own();
        all.push(("log", group, version, name, &["get"]));
    }
    if kind.collection == "namespaces" {
        let (group, version, name) = own();
        all.push(("finalize", group, version, name, &["update"]));
    }
    all
}

/// Groups and their versions, in order of appearance, with the kinds of each.
fn groups(kinds: &Kinds) -> Vec<(String, String, Vec<Kind>)> {
    let mut groups: Vec<(String, String, Vec<Kind>)> = Vec::new();
    let reviews = review::kinds();
    for kind in kinds.iter().map(|kind| (**kind).clone()).chain(reviews) {
        match groups.iter_mut().find(|(group, version, _)| *group == kind.group && *version == kind.version) {
            Some((_, _, found)) => found.push(kind),
            None => groups.push((kind.group.clone(), kind.version.clone(), vec![kind])),
        }
    }
    groups
}

fn verbs(kind: &Kind) -> Vec<&'static str> {
    match () {
        () if review::is_review(kind) => vec!["create"],
        () if kind.custom() => CUSTOM_VERBS.to_vec(),
        () => VERBS.to_vec(),
    }
}

/// `APIGroupDiscoveryList` of the core group, or of all others.
pub fn aggregated(kinds: &Kinds, core: bool) -> Value {
    let mut items: Vec<Value> = Vec::new();
    for (group, version, found) in groups(kinds).iter().filter(|(group, _, _)| group.is_empty() == core) {
        let resources: Vec<Value> = found.iter().map(resource).collect();
        let version = json!({"version": version, "freshness": "Current", "resources": resources});
        let known = items.iter_mut().find(|item| !core && item["metadata"]["name"] == group.as_str());
        match known.and_then(|item| item["versions"].as_array_mut()) {
            Some(versions) => versions.push(version),
            None if core => items.push(json!({"metadata": {"creationTimestamp": null}, "versions": [version]})),
            None => items.push(json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": [version]})),
        }
    }
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn resource(kind: &Kind) -> Value {
    let subresources: Vec<Value> = subresources(kind)
        .into_iter()
        .map(|(name, group, version, kind, verbs)| {
            let response = json!({"group": group, "version": version, "kind": kind});
            json!({"subresource": name, "responseKind": response, "verbs": verbs})
        })
        .collect();
    let mut resource = json!({
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": verbs(kind),
    });
    for (key, list) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
        if !list.is_empty() {
            resource[key] = json!(list);
        }
    }
    if !subresources.is_empty() {
        resource["subresources"] = subresources.into();
    }
    resource
}

/// `APIVersions` of the core group.
pub fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `APIGroupList`.
pub fn group_list(kinds: &Kinds) -> Value {
    let mut names: Vec<String> = groups(kinds).into_iter().map(|(group, _, _)| group).collect();
    names.dedup();
    let groups: Vec<Value> =
        names.iter().filter(|name| !name.is_empty()).filter_map(|name| group(kinds, name)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `APIGroup`.
pub fn group(kinds: &Kinds, name: &str) -> Option<Value> {
    let version = |version: &String| json!({"groupVersion": format!("{name}/{version}"), "version": version});
    let versions: Vec<Value> =
        groups(kinds).iter().filter(|(group, _, _)| group == name).map(|(_, v, _)| version(v)).collect();
    let preferred = versions.first()?.clone();
    Some(json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": versions, "preferredVersion": preferred,
    }))
}

/// `APIResourceList` of a group and version.
pub fn resource_list(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let all = groups(kinds);
    let (_, _, found) = all.iter().find(|(g, v, _)| g == group && v == version)?;
    let mut resources = Vec::new();
    for kind in found {
        let mut main = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": verbs(kind),
        });
        for (key, list) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
            if !list.is_empty() {
                main[key] = json!(list);
            }
        }
        resources.push(main);
        for (name, group, version, answer, verbs) in subresources(kind) {
            let mut part = json!({
                "name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": answer, "verbs": verbs,
            });
            if group != kind.group {
                part["group"] = group.into();
                part["version"] = version.into();
            }
            resources.push(part);
        }
    }
    let group_version = found.first()?.api_version();
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}
