//! What has to hold of roles, bindings and reviews of access. Nothing here grants or refuses anything.

use serde_json::{Value, json};

use crate::embedded::{kind::Kind, object::text, refusal::Cause};

const GROUP: &str = "rbac.authorization.k8s.io";

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

/// Each rule says what may be done, and to what.
pub fn role(kind: &Kind, value: &Value, causes: &mut Vec<Cause>) {
    for (at, rule) in value["rules"].as_array().into_iter().flatten().enumerate() {
        let field = |name: &str| format!("rules[{at}].{name}");
        if is_empty(&rule["verbs"]) {
            causes.push(Cause::required(field("verbs"), "verbs must contain at least one value"));
        }
        if !is_empty(&rule["nonResourceURLs"]) {
            let urls = &rule["nonResourceURLs"];
            if kind.namespaced {
                let why = "namespaced rules cannot apply to non-resource URLs";
                causes.push(Cause::invalid(field("nonResourceURLs"), urls, why));
            }
            if ["apiGroups", "resources", "resourceNames"].iter().any(|name| !is_empty(&rule[*name])) {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                causes.push(Cause::invalid(field("nonResourceURLs"), urls, why));
            }
            continue;
        }
        if is_empty(&rule["apiGroups"]) {
            causes.push(Cause::required(field("apiGroups"), "resource rules must supply at least one api group"));
        }
        if is_empty(&rule["resources"]) {
            causes.push(Cause::required(field("resources"), "resource rules must supply at least one resource"));
        }
    }
}

/// A binding names one role, for ever.
pub fn binding(kind: &Kind, value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let role = &value["roleRef"];
    let word = |field: &str| text(&role[field]);
    let kinds: &[&str] = if kind.namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if word("apiGroup") != GROUP {
        causes.push(Cause::unsupported("roleRef.apiGroup", &word("apiGroup").into(), &[GROUP]));
    }
    if !kinds.contains(&word("kind")) {
        causes.push(Cause::unsupported("roleRef.kind", &word("kind").into(), kinds));
    }
    if word("name").is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    for (at, subject) in value["subjects"].as_array().into_iter().flatten().enumerate() {
        self::subject(kind, subject, &format!("subjects[{at}]"), causes);
    }
    if old.is_some_and(|old| old["roleRef"] != *role) {
        let shown = json!({"APIGroup": word("apiGroup"), "Kind": word("kind"), "Name": word("name")});
        causes.push(Cause::invalid("roleRef", &shown, "cannot change roleRef"));
    }
}

fn subject(kind: &Kind, subject: &Value, field: &str, causes: &mut Vec<Cause>) {
    if text(&subject["name"]).is_empty() {
        causes.push(Cause::required(format!("{field}.name"), ""));
    }
    let expected = match text(&subject["kind"]) {
        "ServiceAccount" => {
            if !kind.namespaced && text(&subject["namespace"]).is_empty() {
                causes.push(Cause::required(format!("{field}.namespace"), ""));
            }
            ""
        }
        "User" | "Group" => GROUP,
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            causes.push(Cause::unsupported(format!("{field}.kind"), &other.into(), &kinds));
            return;
        }
    };
    let group = text(&subject["apiGroup"]);
    if group != expected {
        causes.push(Cause::unsupported(format!("{field}.apiGroup"), &group.into(), &[expected]));
    }
}

/// A question about access says who asks for what.
pub fn review(kind: &Kind, spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if kind.kind == "SubjectAccessReview" && text(&spec["user"]).is_empty() && is_empty(&spec["groups"]) {
        let why = "at least one of user or group must be specified";
        causes.push(Cause::invalid("spec.user", &"".into(), why));
    }
    if kind.kind.ends_with("SubjectAccessReview")
        && spec["resourceAttributes"].is_object() == spec["nonResourceAttributes"].is_object()
    {
        let why = match spec["resourceAttributes"].is_object() {
            true => "cannot be specified in combination with resourceAttributes",
            false => "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        };
        let both = spec["resourceAttributes"].is_object();
        let field = if both { "spec.nonResourceAttributes" } else { "spec.resourceAttributes" };
        let shown = if both { &spec["nonResourceAttributes"] } else { &Value::Null };
        causes.push(Cause::invalid(field, shown, why));
    }
    causes
}
