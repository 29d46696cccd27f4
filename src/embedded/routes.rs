//! From the path of a request to what it is about.

/// What a path names. Names are as they stand in the path; whether they exist is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Version,
    Health,
    Metrics,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/G`
    Group(String),
    /// `/api/v1` and `/apis/G/V`
    GroupVersion(String, String),
    /// `/openapi/v3`
    OpenApi,
    /// `/openapi/v3/api/v1` and `/openapi/v3/apis/G/V`
    OpenApiOf(String, String),
    Resource(Resource),
}

/// A collection, an object, or a subresource of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
}

/// Reads a path; `None` is an unknown one.
pub fn parse(path: &str) -> Option<Route> {
    let decoded: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    Some(match parts.as_slice() {
        ["version"] => Route::Version,
        ["healthz" | "livez" | "readyz", ..] => Route::Health,
        ["metrics"] => Route::Metrics,
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["apis", group] => Route::Group((*group).to_owned()),
        ["api", version] => Route::GroupVersion(String::new(), (*version).to_owned()),
        ["apis", group, version] => Route::GroupVersion((*group).to_owned(), (*version).to_owned()),
        ["openapi", "v3"] => Route::OpenApi,
        ["openapi", "v3", "api", version] => Route::OpenApiOf(String::new(), (*version).to_owned()),
        ["openapi", "v3", "apis", group, version] => Route::OpenApiOf((*group).to_owned(), (*version).to_owned()),
        ["api", version, rest @ ..] => Route::Resource(resource("", version, rest)?),
        ["apis", group, version, rest @ ..] => Route::Resource(resource(group, version, rest)?),
        _ => return None,
    })
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Option<Resource> {
    let (namespace, rest) = match rest {
        // A namespace itself, and its own subresources.
        ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest),
        _ => (None, rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(name), None),
        [plural, name, subresource] => (plural, Some(name), Some(subresource)),
        _ => return None,
    };
    let owned = |text: &&str| (*text).to_owned();
    Some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: owned(plural),
        namespace,
        name: name.map(owned),
        subresource: subresource.map(owned),
    })
}

/// Undoes percent encoding; what is not valid stays as it is.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        let found = match parse(path) {
            Some(Route::Resource(r)) => {
                let optional = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                let (namespace, name) = (optional(r.namespace), optional(r.name));
                format!("{}/{} {} {namespace} {name} {}", r.group, r.version, r.plural, optional(r.subresource))
            }
            other => format!("{other:?}"),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn paths() {
        check("/api/v1/namespaces", "/v1 namespaces - - -");
        check("/api/v1/namespaces/x", "/v1 namespaces - x -");
        check("/api/v1/namespaces/x/status", "/v1 namespaces - x status");
        check("/api/v1/namespaces/x/pods", "/v1 pods x - -");
        check("/api/v1/namespaces/x/pods/p/eviction", "/v1 pods x p eviction");
        check("/apis/g/v1/namespaces/x/things/a%20b", "g/v1 things x a b -");
        check("/apis/g/v1/things", "g/v1 things - - -");
        check("/apis/g/v1", "Some(GroupVersion(\"g\", \"v1\"))");
        check("/openapi/v3/api/v1", "Some(OpenApiOf(\"\", \"v1\"))");
        check("/nothing", "None");
    }
}
