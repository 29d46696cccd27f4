//! What a client asks for, in the words of RBAC, and what it was refused.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use http::{Method, Request};
use kube::{Client, client::Body};
use serde_json::Value;

#[derive(Clone, Default)]
pub struct Record {
    /// `verb resource[/sub].group`
    used: Arc<Mutex<BTreeSet<String>>>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Record {
    /// The same client, watched.
    pub fn of(&self, client: Client) -> Client {
        let (record, namespace) = (self.clone(), client.default_namespace().to_owned());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, record) = (client.clone(), record.clone());
            async move {
                let (permission, uri) = (permission(request.method(), request.uri()), request.uri().clone());
                let answer = client.send(request).await;
                if let Some(permission) = permission {
                    if answer.as_ref().is_ok_and(|a| a.status() == 403) {
                        record.refused.lock().unwrap().push(format!("{permission}: {uri}"));
                    }
                    record.used.lock().unwrap().insert(permission);
                }
                answer
            }
        });
        Client::new(service, namespace)
    }

    pub fn used(&self) -> BTreeSet<String> {
        self.used.lock().unwrap().clone()
    }

    #[track_caller]
    pub fn nothing_was_refused(&self) {
        let refused = self.refused.lock().unwrap().clone();
        assert!(refused.is_empty(), "refused: {refused:#?}");
    }
}

/// What a request needs; `None` if it is for no resource.
pub fn permission(method: &Method, uri: &http::Uri) -> Option<String> {
    let parts: Vec<&str> = uri.path().split('/').filter(|p| !p.is_empty()).collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let rest = match rest {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    let (resource, name) = (rest.first()?, rest.get(1));
    let watches = uri.query().is_some_and(|q| q.split('&').any(|p| p == "watch=true" || p == "watch=1"));
    let verb = match *method {
        Method::GET if watches => "watch",
        Method::GET if name.is_some() => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if name.is_some() => "delete",
        Method::DELETE => "deletecollection",
        _ => return None,
    };
    Some(words(verb, resource, rest.get(2).copied(), group))
}

fn words(verb: &str, resource: &str, sub: Option<&str>, group: &str) -> String {
    let sub = sub.map_or_else(String::new, |s| format!("/{s}"));
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    format!("{verb} {resource}{sub}{group}")
}

/// What roles of these names grant.
pub fn granted(objects: &[Value], names: &[&str]) -> BTreeSet<String> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let roles = objects.iter().filter(|o| {
        o["kind"].as_str().is_some_and(|k| k.ends_with("Role"))
            && o["metadata"]["name"].as_str().is_some_and(|n| names.contains(&n))
    });
    let mut granted = BTreeSet::new();
    for rule in roles.flat_map(|r| r["rules"].as_array().into_iter().flatten()) {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let (resource, sub) = resource.split_once('/').map_or((&*resource, None), |(r, s)| (r, Some(s)));
                granted.extend(texts(&rule["verbs"]).iter().map(|verb| words(verb, resource, sub, &group)));
            }
        }
    }
    granted
}

#[test]
fn requests_are_read_as_the_authorizer_reads_them() {
    let check = |method: Method, path: &str, expected: Option<&str>| {
        let said = permission(&method, &path.parse().expect("a path"));
        assert_eq!(said.as_deref(), expected, "{method} {path}");
    };
    let ours = "/apis/quarterdeck.dev/v1alpha1";
    check(Method::GET, &format!("{ours}/namespaces/a/machines?limit=5"), Some("list machines.quarterdeck.dev"));
    check(Method::GET, &format!("{ours}/namespaces/a/machines?watch=true"), Some("watch machines.quarterdeck.dev"));
    check(Method::GET, &format!("{ours}/machines"), Some("list machines.quarterdeck.dev"));
    check(
        Method::PATCH,
        &format!("{ours}/namespaces/a/machines/m-1/status?x=y"),
        Some("patch machines/status.quarterdeck.dev"),
    );
    check(Method::GET, "/api/v1/namespaces/a/secrets/s", Some("get secrets"));
    check(Method::GET, "/api/v1/namespaces/a", Some("get namespaces"));
    check(Method::GET, "/api/v1/namespaces/a/pods/p/log?follow=true", Some("get pods/log"));
    check(Method::DELETE, "/apis/batch/v1/namespaces/a/jobs/j", Some("delete jobs.batch"));
    check(Method::GET, "/version", None);
}
