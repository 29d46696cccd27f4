//! The two servers, as clients that answer raw HTTP.

use std::{env, io::Write, path::PathBuf, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use quarterdeck::embedded::{ApiServer, Options};

/// A server to play scenarios on.
pub struct Server {
    pub client: Client,
    /// In paths, before what a scenario says: what a kubeconfig's server URL carries.
    pub prefix: String,
    /// Keeps the embedded one alive.
    _embedded: Option<ApiServer>,
}

/// A fresh one in this process.
pub fn embedded() -> Server {
    let server = ApiServer::open(Options::default()).expect("it opens");
    Server { client: server.client(), prefix: String::new(), _embedded: Some(server) }
}

/// The one that the environment names; without one, says what is left out, or fails if it was asked for.
pub async fn real(test: &str) -> Option<Server> {
    let Some(path) = env::var_os("QUARTERDECK_REAL_KUBECONFIG").map(PathBuf::from) else {
        let required = env::var_os("QUARTERDECK_TEST_REAL").is_some_and(|real| real == "1");
        assert!(!required, "{test} needs a kube-apiserver: QUARTERDECK_REAL_KUBECONFIG");
        writeln!(std::io::stderr(), "left out: needs_real_api_server::{test} (needs tests/run --real)")
            .expect("it is there");
        return None;
    };
    let kubeconfig = Kubeconfig::read_from(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a context");
    // What the server says is what we want to see, also where it says "later".
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    let prefix = config.cluster_url.path().trim_end_matches('/').to_owned();
    Some(Server { client: Client::try_from(config).expect("a client"), prefix, _embedded: None })
}

/// Major and minor version of a server, such as `1.36`.
pub async fn version(server: &Server) -> String {
    let info = server.client.apiserver_version().await.expect("every server says its version");
    format!("{}.{}", info.major, info.minor.trim_end_matches('+'))
}
