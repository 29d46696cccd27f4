//! The way to a machine's host, from what the fleet knows: the address of the machine, and the SSH access of its cluster.

use crate::fleet::{MachineRow, Snapshot, Uid};
use std::sync::Arc;

/// Who logs in where nobody is named.
const USER: &str = "root";
const PORT: u16 = 22;

/// Where a host is, and through which others it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub uid: Uid,
    /// The machine's, and what errors call it.
    pub name: Arc<str>,
    pub namespace: Arc<str>,
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The first is reached directly, each other through the one before it.
    pub jumps: Vec<Jump>,
    /// The ConfigMap in which the cluster keeps the keys of its hosts.
    pub known_hosts: Option<String>,
    /// The cluster takes a key that is new, and writes it down in the status of the machine.
    pub pins: bool,
}

/// One host on the way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Jump {
    pub host: String,
    pub port: u16,
    /// `None`: whoever logs in to the machine.
    pub user: Option<String>,
}

impl Way {
    /// The way to a machine. One that no cluster has claimed is reached directly.
    pub fn to(snapshot: &Snapshot, machine: &MachineRow) -> Self {
        use crate::api::HostKeyPolicy;
        let cluster = machine.cluster.as_deref().and_then(|name| snapshot.cluster_named(machine.uid.context, name));
        let ssh = cluster.and_then(|node| Some(&node.row.deployment.as_ref()?.spec.ssh));
        let port = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT);
        let user = machine.user.as_deref().or(ssh.and_then(|ssh| ssh.user.as_deref())).unwrap_or(USER);
        let jumps = ssh.map_or(&[][..], |ssh| &ssh.jump_hosts).iter().map(|jump| Jump {
            host: jump.address.clone(),
            port: port(jump.port),
            user: jump.user.clone(),
        });
        Self {
            uid: machine.uid.clone(),
            name: machine.name.clone(),
            namespace: machine.namespace.clone(),
            host: machine.address.to_string(),
            port: machine.port,
            user: user.to_owned(),
            jumps: jumps.collect(),
            known_hosts: ssh.and_then(|ssh| ssh.known_hosts_config_map.clone()),
            pins: ssh.is_some_and(|ssh| ssh.host_key_policy == HostKeyPolicy::AcceptNew),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{ClusterDeployment, JumpHost},
        fleet::testing,
    };

    #[test]
    fn the_machine_says_where_and_the_cluster_through_whom() {
        let mut snapshot = testing::snapshot("cluster eu-1\npool gpu\nmachine m-1 Ready\nidle 1 spare-");
        let fleet = Arc::make_mut(&mut snapshot);
        let row = Arc::make_mut(&mut Arc::make_mut(&mut fleet.clusters[0]).row);
        let mut deployment = row.deployment.as_deref().cloned().unwrap_or_else(ClusterDeployment::default);
        deployment.spec.ssh.user = Some("ops".into());
        deployment.spec.ssh.known_hosts_config_map = Some("keys".into());
        deployment.spec.ssh.jump_hosts = vec![
            JumpHost { address: "bastion.example".into(), port: Some(2222), user: Some("gate".into()) },
            JumpHost { address: "10.0.0.1".into(), ..JumpHost::default() },
        ];
        row.deployment = Some(Arc::new(deployment));
        let way = Way::to(&snapshot, snapshot.machine(&testing::uid("m-1")).expect("it is there"));
        assert_eq!((way.user.as_str(), way.known_hosts.as_deref(), way.pins), ("ops", Some("keys"), false));
        let jumps: Vec<String> =
            way.jumps.iter().map(|j| format!("{}@{}:{}", j.user.as_deref().unwrap_or("-"), j.host, j.port)).collect();
        assert_eq!(jumps, ["gate@bastion.example:2222", "-@10.0.0.1:22"]);
        let idle =
            Way::to(&snapshot, snapshot.idle(way.uid.context).and_then(|idle| idle.at(0)).expect("there is one"));
        assert_eq!((idle.user.as_str(), idle.jumps.len(), idle.known_hosts), ("root", 0, None));
    }
}
