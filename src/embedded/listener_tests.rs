//! The listener as kube-rs sees it over TLS.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::{ApiServer, Identity, Listener, Options};

async fn client(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).expect("it is a kubeconfig");
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("it is complete");
    config.default_retry = false;
    Client::try_from(config).expect("the certificates are good")
}

#[tokio::test]
async fn serves_each_prefix_and_asks_for_the_token() {
    let identity = Identity::open(None).expect("made");
    let listener = Listener::start("127.0.0.1:0".parse().expect("an address"), identity).await.expect("listening");
    for (prefix, name) in [("", "meta"), ("/clusters/alpha", "alpha")] {
        let server = ApiServer::open(Options { name: name.to_owned(), ..Options::default() }).expect("it opens");
        super::writing::namespace(&server, &format!("only-{name}")).await.expect("created");
        listener.mount(prefix, server);
    }
    for (prefix, expected) in [("", "only-meta"), ("/clusters/alpha", "only-alpha")] {
        let kubeconfig = listener.kubeconfig(prefix, "x", "default");
        let api: Api<Namespace> = Api::all(client(&kubeconfig).await);
        let all = api.list(&ListParams::default()).await.expect("listed");
        assert!(all.iter().any(|n| n.metadata.name.as_deref() == Some(expected)), "{prefix}");

        let wrong = kubeconfig.replace("    token: ", "    token: no");
        match Api::<Namespace>::all(client(&wrong).await).list(&ListParams::default()).await {
            Err(kube::Error::Api(status)) => assert_eq!(status.code, 401),
            other => panic!("{other:?}"),
        }
    }
    let lost = client(&listener.kubeconfig("/clusters/beta", "x", "default")).await;
    assert!(Api::<Namespace>::all(lost).list(&ListParams::default()).await.is_err());
}

#[test]
fn an_identity_lasts() {
    let directory = tempfile::tempdir().expect("a directory");
    let made = Identity::open(Some(directory.path())).expect("made");
    let again = Identity::open(Some(directory.path())).expect("read");
    assert_eq!((made.token, made.certificate), (again.token, again.certificate));
}
