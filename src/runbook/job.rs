//! What a Job's pod is given: the inventory and the variables that the operation controller renders into a ConfigMap.
//!
//! Secrets are not in here: they are mounted beside it, straight from their Secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::{HostKeyPolicy, JumpHost, Role};

/// Where the ConfigMap is mounted, and the key that holds a [`JobInput`] as JSON.
pub const INPUT_DIRECTORY: &str = "/etc/quarterdeck/operation";
pub const INPUT_KEY: &str = "input.json";
/// Where secrets are mounted, one file for each key.
pub const SECRET_DIRECTORY: &str = "/etc/quarterdeck/ssh";
pub const PRIVATE_KEY: &str = "ssh-privatekey";
pub const PASSPHRASE: &str = "passphrase";
pub const PASSWORD: &str = "password";
pub const SUDO_PASSWORD: &str = "sudo-password";
/// The fact of a machine that holds the public key that its host showed first, as in a `.pub` file.
pub const HOST_KEY_FACT: &str = "hostKey";
/// Exit code of the executor: some machine failed. Starting it again would not help.
pub const EXIT_MACHINES_FAILED: i32 = 1;
/// Exit code of the executor: its input cannot be used.
pub const EXIT_BAD_INPUT: i32 = 2;
/// Exit code of the executor: it was ended before all machines were through, as if by SIGTERM. It is started again, and
/// goes on where it stopped.
pub const EXIT_CANCELLED: i32 = 143;

/// Everything that the executor needs to know, except secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobInput {
    pub namespace: String,
    pub operation: String,
    /// 1, and one more for each retry that a person asked for.
    pub run: i32,
    /// The controller's term; hosts refuse a lower one.
    pub fence: i64,
    pub cluster: String,
    /// The runbook, as YAML.
    pub runbook: String,
    /// Only these phases; all when empty.
    #[serde(default)]
    pub phases: Vec<String>,
    pub parallelism: u32,
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    pub machines: Vec<InventoryMachine>,
    pub ssh: SshAccess,
}

/// One host of the inventory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InventoryMachine {
    pub name: String,
    pub uid: String,
    pub address: String,
    pub port: u16,
    #[serde(default)]
    pub user: Option<String>,
    pub role: Role,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The pinned public key, as in a `.pub` file, if the host was seen before.
    #[serde(default)]
    pub host_key: Option<String>,
}

/// How hosts are reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SshAccess {
    pub user: String,
    pub sudo: bool,
    pub host_key_policy: HostKeyPolicy,
    /// Lines of a `known_hosts` file.
    #[serde(default)]
    pub known_hosts: String,
    #[serde(default)]
    pub jump_hosts: Vec<JumpHost>,
    pub keepalive_seconds: u32,
    pub max_handshakes: u32,
    pub state_directory: String,
}
