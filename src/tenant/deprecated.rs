//! Which APIs that a later version no longer has are still asked for, as the API server itself counts.

use super::{Error, Tenant, bounded};
use crate::api::DeprecatedApi;

/// The gauge of kube-apiserver (stable since 1.19, KEP-1693): a line for each deprecated API that was asked for since the
/// server started.
const GAUGE: &str = "apiserver_requested_deprecated_apis{";
/// More than anybody would read.
const MOST: usize = 50;

impl Tenant {
    /// APIs that were asked for since the API server started, and that a later version removes. With several API servers
    /// one of them answers, and knows only what itself was asked.
    pub async fn deprecated_apis(&self) -> Result<Vec<DeprecatedApi>, Error> {
        let request = http::Request::get("/metrics").body(Vec::new()).expect("a path and nothing else");
        Ok(read(&bounded(self.client.request_text(request)).await?))
    }
}

/// Those lines of a Prometheus text that name a release, sorted.
fn read(metrics: &str) -> Vec<DeprecatedApi> {
    let mut all: Vec<_> = metrics.lines().filter_map(|line| api(line.strip_prefix(GAUGE)?)).collect();
    all.sort();
    all.dedup();
    all.truncate(MOST);
    all
}

/// What follows the brace. The values of these labels are names and versions, in which nothing is ever escaped.
fn api(labels: &str) -> Option<DeprecatedApi> {
    let (labels, value) = labels.split_once('}')?;
    let label = |name: &str| {
        labels.split(',').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| {
            let value = value.trim_matches('"');
            if value.chars().all(|c| c.is_ascii_alphanumeric() || "-./".contains(c)) { value } else { "" }
        })
    };
    let (group, version) = (label("group")?, label("version").filter(|v| !v.is_empty())?);
    let counted = value.trim().parse::<f64>().is_ok_and(|count| count > 0.0);
    let removed_in = label("removed_release").filter(|release| counted && !release.is_empty())?;
    Some(DeprecatedApi {
        api_version: if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
        resource: label("resource").filter(|r| !r.is_empty())?.to_owned(),
        removed_in: removed_in.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metrics: &str, expected: &[&str]) {
        let words = |api: DeprecatedApi| format!("{} {} {}", api.removed_in, api.api_version, api.resource);
        assert_eq!(read(metrics).into_iter().map(words).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_gauge_is_read_and_nothing_else() {
        check("", &[]);
        check("apiserver_request_total{group=\"apps\",removed_release=\"1.30\"} 1", &[]);
        check(
            "# TYPE apiserver_requested_deprecated_apis gauge\n\
            apiserver_requested_deprecated_apis{group=\"\",removed_release=\"\",resource=\"componentstatuses\",subresource=\"\",version=\"v1\"} 1\n\
            apiserver_requested_deprecated_apis{group=\"resource.k8s.io\",removed_release=\"1.38\",resource=\"deviceclasses\",subresource=\"\",version=\"v1beta1\"} 1\n\
            apiserver_requested_deprecated_apis{group=\"networking.k8s.io\",removed_release=\"1.37\",resource=\"ipaddresses\",subresource=\"status\",version=\"v1beta1\"} 1\n\
            apiserver_requested_deprecated_apis{group=\"networking.k8s.io\",removed_release=\"1.37\",resource=\"ipaddresses\",subresource=\"\",version=\"v1beta1\"} 1\n",
            &["1.37 networking.k8s.io/v1beta1 ipaddresses", "1.38 resource.k8s.io/v1beta1 deviceclasses"],
        );
        check(
            "apiserver_requested_deprecated_apis{group=\"a\",removed_release=\"1.38\",resource=\"b\",version=\"v1\"} 0",
            &[],
        );
        check("apiserver_requested_deprecated_apis{group=\"a", &[]);
        check(
            "apiserver_requested_deprecated_apis{group=\"a\",removed_release=\"\x1b[2J\",resource=\"b\",version=\"v1\"} 1",
            &[],
        );
    }
}
