//! What a request asks, as far as faults are concerned.

use http::{Method, Request};

use crate::embedded::routes::{self, Resource, Route};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Read,
    /// A list that is content with what a cache has.
    AnyList,
    /// A list of what there is now.
    List,
    Watch,
    Write,
}

#[derive(Debug)]
pub struct Question {
    pub verb: Verb,
    method: Method,
    resource: Option<Resource>,
    /// Path and selectors of a list.
    pub selection: String,
}

impl Question {
    pub fn of<B>(request: &Request<B>) -> Self {
        let (method, uri) = (request.method().clone(), request.uri());
        let resource = match routes::parse(uri.path()) {
            Some(Route::Resource(resource)) => Some(resource),
            _ => None,
        };
        let mut query: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty()).collect();
        let verb = match method {
            Method::GET if query.contains(&"watch=true") => Verb::Watch,
            Method::GET if resource.as_ref().is_some_and(|r| r.name.is_none()) => {
                if query.contains(&"resourceVersion=0") { Verb::AnyList } else { Verb::List }
            }
            Method::GET => Verb::Read,
            _ => Verb::Write,
        };
        query.retain(|part| !part.starts_with("resourceVersion"));
        query.sort_unstable();
        let selection = format!("{}?{}", uri.path(), query.join("&"));
        Self { verb, method, resource, selection }
    }

    pub fn is_list(&self) -> bool {
        matches!(self.verb, Verb::List | Verb::AnyList)
    }

    /// Verb and resource, without the name, which may be made up anew each time.
    pub fn shape(&self) -> String {
        let Some(resource) = &self.resource else { return format!("{} {}", self.method, self.selection) };
        let verb = if self.verb == Verb::Watch { "WATCH" } else { self.method.as_str() };
        let one = if resource.name.is_some() { "/one" } else { "" };
        let part = resource.subresource.as_deref().map(|s| format!("/{s}")).unwrap_or_default();
        format!("{verb} {}{one}{part}", resource.plural)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, uri: &str, verb: Verb, shape: &str) {
        let question = Question::of(&Request::builder().method(method).uri(uri).body(()).unwrap());
        assert_eq!((question.verb, question.shape().as_str()), (verb, shape));
    }

    #[test]
    fn what_is_asked_is_read_from_the_request() {
        check(Method::GET, "/api/v1/namespaces/x/pods?watch=true&resourceVersion=7", Verb::Watch, "WATCH pods");
        check(Method::GET, "/api/v1/pods?resourceVersion=0&limit=5", Verb::AnyList, "GET pods");
        check(Method::GET, "/api/v1/pods?limit=5", Verb::List, "GET pods");
        check(Method::GET, "/api/v1/namespaces/x/pods/p", Verb::Read, "GET pods/one");
        check(Method::POST, "/api/v1/namespaces/x/pods/p/eviction?", Verb::Write, "POST pods/one/eviction");
        check(Method::PATCH, "/apis/g/v1/namespaces/x/things/t/status", Verb::Write, "PATCH things/one/status");
        check(Method::GET, "/version", Verb::Read, "GET /version?");
    }
}
