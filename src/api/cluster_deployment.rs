//! `ClusterDeployment`: all that an administrator edits of one cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{
    node_pool::{DrainPolicy, NodeTemplate, Role},
    rollout::{RemediationPolicy, RolloutPolicy},
};

/// All that an administrator edits of one cluster: version, access, executor, pools.
#[derive(kube::CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "quarterdeck.dev",
    version = "v1alpha1",
    kind = "ClusterDeployment",
    plural = "clusterdeployments",
    shortname = "cd",
    namespaced,
    status = "ClusterDeploymentStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "All that an administrator edits of one cluster: version, SSH access, executor, pools.",
    category = "quarterdeck",
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".spec.version"}"#,
    printcolumn = r#"{"name":"Pools","type":"integer","jsonPath":".status.pools"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Paused","type":"boolean","jsonPath":".spec.paused","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterDeploymentSpec {
    /// Kubernetes version of the cluster, without the `v`: `1.34.2`.
    #[x_kube(validation = Rule::new("self.matches('^[0-9]+[.][0-9]+[.][0-9]+([-+][0-9A-Za-z.-]+)?$')").message("version must look like 1.34.2, without a leading v"))]
    #[schemars(length(max = 64))]
    pub version: String,
    /// The Secret and key with a kubeconfig of the business cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<SecretKeyReference>,
    /// How its hosts are reached.
    #[serde(default)]
    pub ssh: SshSpec,
    /// How work on hosts is carried out.
    #[serde(default)]
    pub executor: ExecutorSpec,
    /// Its node pools. `replicas` is the number that a *new* pool starts with; afterwards the `NodePool` is scaled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[schemars(length(max = 1000))]
    pub pools: Vec<PoolSpec>,
    /// What is to be had for its machines.
    #[serde(default)]
    pub artifacts: ArtifactsSpec,
    /// Values for the templates of runbooks. Not for secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// When rollouts may begin to disrupt: new machines, drains and upgrades for a new revision. At any time when empty.
    ///
    /// What is under way as a window closes is finished. Scaling, the replacement of ill machines and the maintenance of
    /// single nodes are not held up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub maintenance_windows: Vec<MaintenanceWindow>,
    /// Stops every controller from acting on this cluster.
    #[serde(default)]
    pub paused: bool,
}

/// A stretch of time that comes again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindow {
    /// When it opens, in the five fields of cron (minute, hour, day of month, month, day of week): `0 9 * * 2-4`.
    #[schemars(length(min = 9, max = 128), extend("pattern" = r"^[0-9A-Za-z*?#/,+-]+( +[0-9A-Za-z*?#/,+-]+){4}$"))]
    pub schedule: String,
    /// Minutes that it stays open: so many pass, also where a clock is put forward or back meanwhile.
    #[schemars(range(min = 1, max = 10_080))]
    pub duration_minutes: i32,
    /// The time zone of the schedule by its IANA name, as in `Europe/Berlin`; `UTC` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("pattern" = r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"))]
    pub time_zone: Option<String>,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// Name of the Secret.
    pub name: String,
    /// Key within it; `kubeconfig`, `ssh-privatekey` or `password` by default, as the field asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// SSH access to the hosts of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SshSpec {
    /// User to log in as; `root` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Secret with the private key (`ssh-privatekey`) and, if it is encrypted, its `passphrase`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<SecretKeyReference>,
    /// Secret with a password, used for login only where this is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretKeyReference>,
    /// Run steps with `sudo`; the password, if sudo wants one, comes from this Secret.
    #[serde(default)]
    pub sudo: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_password: Option<SecretKeyReference>,
    /// What to do with a host whose key is not known yet. A *changed* key is always refused.
    #[serde(default)]
    pub host_key_policy: HostKeyPolicy,
    /// ConfigMap with a `known_hosts` file, in the format of OpenSSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts_config_map: Option<String>,
    /// Hosts to go through, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jump_hosts: Vec<JumpHost>,
    /// Seconds between keepalives; 15 by default, three misses end a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub keepalive_seconds: Option<i32>,
    /// Most handshakes under way at once for one endpoint; 8 by default, below the 10 of sshd's `MaxStartups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max_handshakes: Option<i32>,
    /// Where receipts are kept on hosts; `/var/lib/quarterdeck` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_directory: Option<String>,
}

/// What to do with the key of a host that is not in `known_hosts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HostKeyPolicy {
    /// Refuse it.
    #[default]
    Strict,
    /// Trust it at the first connection and pin it.
    AcceptNew,
}

/// One hop on the way to the hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JumpHost {
    pub address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// How work on hosts is carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutorSpec {
    /// Machines worked on at once; 30 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub parallelism: Option<i32>,
    /// Image of the Job's pod in a real meta cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Which runbook serves which kind of operation.
    #[serde(default)]
    pub runbooks: RunbookNames,
}

/// Names of runbooks, compiled in or from a ConfigMap `runbook-NAME` in the namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunbookNames {
    /// Makes an idle machine a node; `node-join` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// Makes a drained node an idle machine; `node-reset` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<String>,
    /// Brings a drained node to another version where it is; `node-upgrade` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<String>,
}

/// What is to be had for the machines of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactsSpec {
    /// Kubernetes versions that can be installed, without the `v`. An upgrade to any other is refused, and one over several
    /// minor versions takes its steps from here. Any version is taken when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub versions: Vec<String>,
}

/// One pool as the administrator writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.role != 'ControlPlane' || self.replicas > 0").message("a control plane needs at least one replica: say how many, or leave the pool out where somebody else looks after the control plane"))]
pub struct PoolSpec {
    /// Name within the cluster; the `NodePool` is called `<cluster>-<name>`.
    pub name: String,
    #[serde(default)]
    pub role: Role,
    /// The number that a new pool starts with.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: i32,
    /// Labels that a machine must carry to be claimed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub machine_selector: BTreeMap<String, String>,
    #[serde(default)]
    pub template: NodeTemplate,
    /// How it gets from one revision to the next; the pool's own policy is left alone when left out. `partition` and
    /// `after` are for a new pool: later they are changed on the `NodePool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutPolicy>,
    /// What is done about machines that fall ill by themselves; the pool's own policy is left alone when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<RemediationPolicy>,
    #[serde(default)]
    pub drain: DrainPolicy,
}

/// What the controllers say of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterDeploymentStatus {
    /// Number of pools that exist.
    #[serde(default)]
    pub pools: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` (`False` with `InvalidMaintenanceWindow` while a window cannot be read), `Paused`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
