//! What a diff has to know besides the object: its pool, its sets, its machines, what its cluster asks for. All of it is read
//! live, and a list of machines is read page by page and cut to what a diff wants to know.

use super::read::sentence;
use crate::{
    api::{
        ClusterDeployment, Machine, MachineSet, NodePool, Operation, PhaseState,
        labels::{CLUSTER, POOL},
    },
    console::sheet::{Beside, Member},
};
use kube::{Api, Client, ResourceExt, api::ListParams, core::NamespaceResourceScope};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

/// Objects that are asked for at once.
const PAGE: u32 = 500;
/// Machines that are read at most.
const MACHINES: usize = 10_000;
/// Pools of a cluster, and sets of a pool, that are read at most: twice as many as a deployment may name.
const FEW: usize = 2_000;

/// What belongs beside the object that was read.
pub async fn beside(client: &Client, namespace: &str, object: &Value) -> Result<Beside, String> {
    let there = There { client, namespace };
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    let mut beside = Beside::default();
    match kind.as_str() {
        "NodePool" => {
            let cluster = text("/spec/clusterName");
            let selector = format!("{CLUSTER}={cluster},{POOL}={name}");
            beside.deployment = there.one::<ClusterDeployment>(&cluster, "clusterdeployments").await?.map(Box::new);
            (beside.sets, beside.left_out.sets) = there.list::<MachineSet>(&selector, "machinesets").await?;
            (beside.members, beside.left_out.machines) = there.members(&selector).await?;
        }
        "ClusterDeployment" | "Cluster" => {
            let selector = format!("{CLUSTER}={name}");
            (beside.pools, beside.left_out.pools) = there.list::<NodePool>(&selector, "nodepools").await?;
        }
        "Machine" if object.pointer("/spec/claimRef").is_some() => {
            let claim = |field: &str| text(&format!("/spec/claimRef/{field}"));
            let pool = there.one::<NodePool>(&claim("poolName"), "nodepools").await?;
            let cluster = claim("clusterName");
            beside.deployment = there.one::<ClusterDeployment>(&cluster, "clusterdeployments").await?.map(Box::new);
            beside.sets.extend(there.one::<MachineSet>(&claim("name"), "machinesets").await?);
            beside.pools.extend(pool);
        }
        "Operation" => {
            let operation: Option<Operation> = serde_json::from_value(object.clone()).ok();
            let spec = operation.map(|operation| operation.spec).unwrap_or_default();
            if let Some(pool) = &spec.pool_name {
                let selector = format!("{CLUSTER}={},{POOL}={pool}", spec.cluster_name);
                (beside.members, beside.left_out.machines) = there.members(&selector).await?;
            }
        }
        _ => {}
    }
    Ok(beside)
}

/// The place that is read.
struct There<'a> {
    client: &'a Client,
    namespace: &'a str,
}

impl There<'_> {
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    async fn one<K>(&self, name: &str, plural: &str) -> Result<Option<K>, String>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        self.api::<K>().get_opt(name).await.map_err(|error| sentence(&error, "get", plural, self.namespace))
    }

    async fn list<K>(&self, selector: &str, plural: &str) -> Result<(Vec<K>, bool), String>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        self.pages(selector, plural, FEW, |object: K| object).await
    }

    async fn members(&self, selector: &str) -> Result<(Vec<Member>, bool), String> {
        self.pages(selector, "machines", MACHINES, |machine: Machine| member(&machine)).await
    }

    /// What is wanted of objects that carry these labels, and whether there are more of them.
    async fn pages<K, T>(
        &self,
        selector: &str,
        plural: &str,
        most: usize,
        wanted: impl Fn(K) -> T,
    ) -> Result<(Vec<T>, bool), String>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let (api, mut found) = (self.api::<K>(), Vec::new());
        let mut page = ListParams::default().labels(selector).limit(PAGE);
        loop {
            let list = api.list(&page).await.map_err(|error| sentence(&error, "list", plural, self.namespace))?;
            found.extend(list.items.into_iter().map(&wanted));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(_) if found.len() >= most => return Ok((found, true)),
                Some(token) => page = page.continue_token(&token),
                None => return Ok((found, false)),
            }
        }
    }
}

fn member(machine: &Machine) -> Member {
    let status = machine.status.clone().unwrap_or_default();
    let claim = machine.spec.claim_ref.as_ref();
    let kubelet = status.node.as_ref().and_then(|node| node.kubelet_version.as_deref());
    let over = |state: PhaseState| matches!(state, PhaseState::Succeeded | PhaseState::Skipped);
    Member {
        name: machine.name_any(),
        set: claim.map(|claim| claim.name.clone()),
        version: kubelet
            .map(|version| version.trim_start_matches('v').to_owned())
            .or_else(|| claim.and_then(|claim| claim.version.clone())),
        state: status.state.map_or("–", |state| state.as_str()).to_owned(),
        through: !status.phases.is_empty() && status.phases.iter().all(|phase| over(phase.state)),
        since: status.phases.iter().filter_map(|phase| Some(phase.started_at.as_ref()?.0)).min(),
        phase: status.current_phase,
        operation: status.operation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

    /// A server that has so many of everything, and gives them away a page at a time.
    fn server(count: usize) -> Client {
        let serve = tower::service_fn(move |request: Request<Body>| async move {
            let query = request.uri().query().unwrap_or_default();
            let of = |key: &str| {
                query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')?.parse::<usize>().ok())
            };
            let Some(limit) = of("limit") else {
                let gone =
                    json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": ""});
                let answer = Response::builder().status(404).body(Body::from(gone.to_string().into_bytes()));
                return answer;
            };
            let from = of("continue").unwrap_or(0);
            let to = count.min(from + limit);
            let items: Vec<Value> =
                (from..to).map(|n| json!({"metadata": {"name": n.to_string()}, "spec": least()})).collect();
            let next = if to < count { to.to_string() } else { String::new() };
            let list = json!({"kind": "List", "metadata": {"continue": next}, "items": items});
            Ok(Response::new(Body::from(list.to_string().into_bytes())))
        });
        Client::new(serve, "fleet")
    }

    /// What a pool, a set and a machine cannot be without.
    fn least() -> Value {
        json!({"clusterName": "eu-1", "poolName": "eu-1-gpu", "revision": "1", "replicas": 1, "address": "10.0.0.1"})
    }

    /// How many pools, sets and machines are read of so many that there are, and which lists are cut.
    async fn check(kind: &str, count: usize, expected: [(usize, bool); 3]) {
        let object = json!({"kind": kind, "metadata": {"name": "eu-1"}, "spec": {"clusterName": "eu-1"}});
        let beside = beside(&server(count), "fleet", &object).await.expect("it is read");
        let cut = beside.left_out;
        let pools = (beside.pools.len(), cut.pools);
        let sets = (beside.sets.len(), cut.sets);
        assert_eq!([pools, sets, (beside.members.len(), cut.machines)], expected, "{kind} {count}");
    }

    #[tokio::test]
    async fn lists_are_read_to_their_end_or_called_cut() {
        let none = (0, false);
        check("ClusterDeployment", 1_200, [(1_200, false), none, none]).await;
        check("Cluster", 2_000, [(2_000, false), none, none]).await;
        check("ClusterDeployment", 2_001, [(2_000, true), none, none]).await;
        check("NodePool", 600, [none, (600, false), (600, false)]).await;
        check("NodePool", 10_001, [none, (2_000, true), (10_000, true)]).await;
    }
}
