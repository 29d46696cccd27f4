//! The real server, if there is one, and accounts on it.

use std::{env, path::PathBuf};

use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::ServiceAccount};
use kube::{
    Api, Client, Config,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::ApiResource,
};
use quarterdeck::install::{self, Options};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::program;

/// Roles and kinds are of the whole cluster: one test at a time.
static ONE: Mutex<()> = Mutex::const_new(());

pub struct Real {
    pub kubeconfig: PathBuf,
    pub client: Client,
    _one: MutexGuard<'static, ()>,
}

/// Without a real server the test is left out, or fails if it was asked for.
pub async fn open(test: &str) -> Option<Real> {
    let Some(path) = env::var_os("QUARTERDECK_REAL_KUBECONFIG").map(PathBuf::from) else {
        let required = env::var_os("QUARTERDECK_TEST_REAL").is_some_and(|real| real == "1");
        assert!(!required, "{test} needs a kube-apiserver: QUARTERDECK_REAL_KUBECONFIG");
        program::say_left_out(test, "tests/run --real");
        return None;
    };
    let one = ONE.lock().await;
    let text = std::fs::read_to_string(&path).expect("a kubeconfig");
    Some(Real { kubeconfig: path, client: client(&text).await, _one: one })
}

async fn client(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig");
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a context");
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

impl Real {
    /// Applies the accounts and roles, and not the Deployment: the test is the controllers.
    pub async fn grant(&self, options: &Options) {
        for object in install::objects(options) {
            if ["ClusterRole", "Role", "RoleBinding", "ServiceAccount", "Namespace"]
                .iter()
                .any(|k| object["kind"] == *k)
            {
                self.apply(&object).await;
            }
        }
    }

    pub async fn apply(&self, object: &Value) {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let typed: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
        let (group, version) = text("/apiVersion").rsplit_once('/').unwrap_or(("", text("/apiVersion")));
        let kind = kube::core::GroupVersionKind::gvk(group, version, text("/kind"));
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> = match text("/metadata/namespace") {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        let parameters = PatchParams::apply("test").force();
        api.patch(text("/metadata/name"), &parameters, &Patch::Apply(typed)).await.expect("applied");
    }

    /// The kubeconfig of an account, with a token that the server made for it.
    pub async fn kubeconfig_of(&self, namespace: &str, account: &str) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let request: TokenRequest =
            serde_json::from_value(json!({"metadata": {}, "spec": {"audiences": [], "expirationSeconds": 3600}}))
                .expect("a request");
        let token = accounts.create_token_request(account, &PostParams::default(), &request).await.expect("a token");
        let text = std::fs::read_to_string(&self.kubeconfig).expect("a kubeconfig");
        let mut value: Value = serde_saphyr::from_str(&text).expect("YAML");
        value["users"][0]["user"] = json!({ "token": token.status.expect("a status").token });
        value["contexts"][0]["context"]["namespace"] = json!(namespace);
        serde_saphyr::to_string(&value).expect("YAML")
    }

    /// A client of that account, at home in its namespace.
    pub async fn client_of(&self, namespace: &str, account: &str) -> Client {
        client(&self.kubeconfig_of(namespace, account).await).await
    }

    /// A person, in the shape of an account, with a role in a namespace.
    pub async fn person(&self, name: &str, role: &str, namespace: &str) {
        self.apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": name, "namespace": namespace } }))
            .await;
        self.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": name, "namespace": namespace },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": namespace }],
        }))
        .await;
    }
}
