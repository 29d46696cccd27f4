//! Which resource of a server a word stands for, as kubectl reads it: a kind, its plural or its short name, in any case, with
//! its group behind a dot where that is needed.

use futures::{StreamExt as _, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList};
use kube::{
    Client,
    core::{
        ApiResource,
        discovery::v2::{APIGroupDiscoveryList, APIVersionDiscovery},
    },
};
use std::pin::pin;

/// Groups that are asked for at once, where each has to be asked for by itself.
const AT_ONCE: usize = 8;

/// A resource, and whether its objects are in namespaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub resource: ApiResource,
    pub namespaced: bool,
}

/// Looks the word up, in the core group first and then in the others, in the order of the server. `None`: it has no such kind.
///
/// Servers since 1.27 say all of their groups in one answer; of an older one each is asked for, several at once.
pub async fn discover(client: &Client, word: &str) -> kube::Result<Option<Found>> {
    let (name, group) = match word.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (word, None),
    };
    if group.is_none() {
        let core = match lists(client.list_core_api_versions_aggregated().await)? {
            lists if lists.is_empty() => vec![client.list_core_api_resources("v1").await?],
            lists => lists,
        };
        if let Some(found) = core.iter().find_map(|list| named(list, name)) {
            return Ok(Some(found));
        }
    }
    match lists(client.list_api_groups_aggregated().await)? {
        lists if lists.is_empty() => in_each_group(client, name, group).await,
        lists => Ok(lists.iter().filter(|list| is_of(list, group)).find_map(|list| named(list, name))),
    }
}

fn is_of(list: &APIResourceList, group: Option<&str>) -> bool {
    let own = list.group_version.split_once('/').map_or("", |(group, _)| group);
    group.is_none_or(|group| group == own)
}

/// Asks for one group after another, and for the next ones meanwhile.
async fn in_each_group(client: &Client, name: &str, group: Option<&str>) -> kube::Result<Option<Found>> {
    let known = client.list_api_groups().await?.groups.into_iter();
    let wanted = known.filter(|known| group.is_none_or(|group| group == known.name));
    let versions = wanted.filter_map(|known| known.preferred_version.or_else(|| known.versions.into_iter().next()));
    let asked = versions.map(|version| {
        let client = client.clone();
        async move { (client.list_api_group_resources(&version.group_version).await, version.group_version) }
    });
    let mut answers = pin!(stream::iter(asked.collect::<Vec<_>>()).buffered(AT_ONCE));
    while let Some((answer, group)) = answers.next().await {
        match answer {
            Ok(list) => {
                if let Some(found) = named(&list, name) {
                    return Ok(Some(found));
                }
            }
            // A group whose own server is away does not hide the others.
            Err(kube::Error::Api(status)) => tracing::debug!(group, %status, "its kinds are not known"),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The kinds of all versions, those that the server prefers first. None: it does not know this form, and has answered with the
/// older one, which has nothing of it, or not at all.
fn lists(answer: kube::Result<APIGroupDiscoveryList>) -> kube::Result<Vec<APIResourceList>> {
    let groups = match answer {
        Ok(list) => list.items,
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 406) => Vec::new(),
        Err(error) => return Err(error),
    };
    let of_group = groups.into_iter().flat_map(|group| {
        let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
        group.versions.into_iter().map(move |version| list(&name, version))
    });
    Ok(of_group.collect())
}

/// The same in the older form.
fn list(group: &str, known: APIVersionDiscovery) -> APIResourceList {
    let version = known.version.unwrap_or_default();
    let resources = known.resources.into_iter().map(|resource| APIResource {
        name: resource.resource.unwrap_or_default(),
        singular_name: resource.singular_resource.unwrap_or_default(),
        kind: resource.response_kind.and_then(|response| response.kind).unwrap_or_default(),
        namespaced: resource.scope.as_deref() == Some("Namespaced"),
        short_names: Some(resource.short_names),
        verbs: resource.verbs,
        ..APIResource::default()
    });
    let group_version = if group.is_empty() { version } else { format!("{group}/{version}") };
    APIResourceList { group_version, resources: resources.collect() }
}

fn named(list: &APIResourceList, word: &str) -> Option<Found> {
    let is = |name: &str| !word.is_empty() && name.eq_ignore_ascii_case(word);
    let means = |resource: &&APIResource| {
        let short = resource.short_names.iter().flatten();
        is(&resource.name)
            || is(&resource.singular_name)
            || is(&resource.kind)
            || short.into_iter().any(|name| is(name))
    };
    // What has a slash is a part of another one.
    let whole = list.resources.iter().filter(|r| !r.name.contains('/') && r.verbs.iter().any(|verb| verb == "get"));
    let found = whole.into_iter().find(means)?;
    let (group, version) = list.group_version.split_once('/').unwrap_or(("", &list.group_version));
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: list.group_version.clone(),
        kind: found.kind.clone(),
        plural: found.name.clone(),
    };
    Some(Found { resource, namespaced: found.namespaced })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: Option<&str>) {
        let resource = |name: &str, kind: &str, short: &[&str], verbs: &[&str]| APIResource {
            name: name.into(),
            singular_name: kind.to_lowercase(),
            kind: kind.into(),
            short_names: Some(short.iter().map(ToString::to_string).collect()),
            verbs: verbs.iter().map(ToString::to_string).collect(),
            namespaced: true,
            ..APIResource::default()
        };
        let list = APIResourceList {
            group_version: "apps/v1".into(),
            resources: vec![
                resource("deployments/scale", "Scale", &[], &["get"]),
                resource("deployments", "Deployment", &["deploy"], &["get", "list"]),
                resource("reviews", "Review", &[], &["create"]),
            ],
        };
        let found = named(&list, word).map(|found| format!("{} {}", found.resource.api_version, found.resource.plural));
        assert_eq!(found.as_deref(), expected, "{word}");
    }

    #[test]
    fn a_kind_is_known_by_all_its_names() {
        for word in ["deployments", "deployment", "Deployment", "deploy", "DEPLOY"] {
            check(word, Some("apps/v1 deployments"));
        }
        for word in ["scale", "deployments/scale", "review", "pods", ""] {
            check(word, None);
        }
    }
}
