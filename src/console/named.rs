//! What a name that was typed stands for. Two contexts may have a cluster of the same name: then it wants the context too.

use crate::fleet::{ClusterNode, ContextId, PoolNode, Snapshot, Uid};
use std::sync::Arc;

/// The context that stands before the name, if there is one, and the name.
fn scope<'a>(snapshot: &Snapshot, written: &'a str) -> (Option<ContextId>, &'a str) {
    let strip = |context: ContextId| {
        let rest = written.strip_prefix(&*snapshot.part(context)?.name)?.strip_prefix('/')?;
        Some((Some(context), rest))
    };
    snapshot.contexts().find_map(strip).unwrap_or((None, written))
}

/// How a name is written that no other context can be meant with.
pub fn full(snapshot: &Snapshot, context: ContextId, name: &str) -> String {
    snapshot.part(context).map_or_else(|| name.to_owned(), |part| format!("{}/{name}", part.name))
}

/// The only one of several; a sentence where there is none, or where contexts have one each.
fn only<T>(
    snapshot: &Snapshot,
    (what, name): (&str, &str),
    found: impl IntoIterator<Item = (ContextId, T)>,
) -> Result<T, String> {
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some((_, one)), None) => Ok(one),
        (None, _) => Err(format!("there is no {what} `{name}`: Tab completes names")),
        (Some((a, _)), Some((b, _))) => {
            let (a, b) = (full(snapshot, a, name), full(snapshot, b, name));
            Err(format!("several are called `{name}`: write `{a}` or `{b}`"))
        }
    }
}

fn in_scope(snapshot: &Snapshot, scope: Option<ContextId>) -> impl Iterator<Item = ContextId> + use<> {
    snapshot.contexts().filter(move |context| scope.is_none_or(|only| only == *context))
}

/// A cluster by its name, or by `CONTEXT/NAME`.
pub fn cluster<'a>(snapshot: &'a Snapshot, written: &str) -> Result<&'a Arc<ClusterNode>, String> {
    let (scope, name) = scope(snapshot, written);
    let found = in_scope(snapshot, scope).filter_map(|context| Some((context, snapshot.cluster_named(context, name)?)));
    only(snapshot, ("cluster", name), found)
}

/// The UID of a pool that is written as `CLUSTER/POOL`, as its full name, or as a short name that only one has.
pub fn pool(snapshot: &Snapshot, written: &str) -> Result<Uid, String> {
    let (scope, name) = scope(snapshot, written);
    if let Some((cluster_name, pool)) = name.split_once('/') {
        let found = in_scope(snapshot, scope)
            .filter_map(|context| Some((context, snapshot.cluster_named(context, cluster_name)?)));
        let found: Vec<(ContextId, &Arc<ClusterNode>)> = found.collect();
        if let [(_, node)] = found.as_slice() {
            return of_cluster(node, pool);
        }
        let has = |node: &ClusterNode| of_cluster(node, pool).ok();
        let pools = found.iter().filter_map(|(context, node)| Some((*context, has(node)?)));
        return if found.is_empty() {
            Err(format!("there is no cluster `{cluster_name}`: Tab completes names"))
        } else {
            only(snapshot, ("pool", name), pools)
        };
    }
    let is_it = |p: &PoolNode| *p.row.name == *name || *p.row.short_name == *name;
    let mut named = snapshot.pools().filter(|(c, p)| scope.is_none_or(|s| s == c.row.uid.context) && is_it(p));
    match (named.next(), named.next()) {
        (Some((_, pool)), None) => Ok(pool.row.uid.clone()),
        (Some((a, _)), Some((b, _))) => {
            let (a, b) =
                (full(snapshot, a.row.uid.context, &a.row.name), full(snapshot, b.row.uid.context, &b.row.name));
            let how = if snapshot.is_of_several() { "CONTEXT/CLUSTER/POOL" } else { "CLUSTER/POOL" };
            Err(format!("several pools are called `{name}`, in {a} and {b}: write {how}"))
        }
        (None, _) => Err(format!("there is no pool `{name}`: Tab completes names")),
    }
}

fn of_cluster(node: &ClusterNode, pool: &str) -> Result<Uid, String> {
    let found = node.pools.iter().find(|p| *p.row.short_name == *pool || *p.row.name == *pool);
    found.map(|p| p.row.uid.clone()).ok_or_else(|| {
        let names: Vec<&str> = node.pools.iter().take(8).map(|p| &*p.row.short_name).collect();
        format!("cluster {} has no pool `{pool}`: it has {}", node.row.name, names.join(", "))
    })
}

pub fn machine(snapshot: &Snapshot, written: &str) -> Result<Uid, String> {
    let (scope, name) = scope(snapshot, written);
    let all = snapshot.all_machines().filter(|m| *m.name == *name && scope.is_none_or(|s| s == m.uid.context));
    only(snapshot, ("machine", name), all.map(|m| (m.uid.context, m.uid.clone())))
}

pub fn operation(snapshot: &Snapshot, written: &str) -> Result<Uid, String> {
    let (scope, name) = scope(snapshot, written);
    let found = in_scope(snapshot, scope)
        .filter_map(|context| Some((context, snapshot.operation_named(context, name)?.uid.clone())));
    only(snapshot, ("operation", name), found)
}

/// What an object of a kind and a name is in one context: for whoever has no UID of it.
pub fn object(snapshot: &Snapshot, context: ContextId, kind: &str, name: &str) -> Option<Uid> {
    match kind {
        "Machine" => snapshot.of(context)?.all_machines().find(|m| *m.name == *name).map(|m| m.uid.clone()),
        "NodePool" => snapshot.pool_named(context, name).map(|node| node.row.uid.clone()),
        "Cluster" | "ClusterDeployment" => snapshot.cluster_named(context, name).map(|node| node.row.uid.clone()),
        "Operation" => snapshot.operation_named(context, name).map(|operation| operation.uid.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::testing::{self, uid_in};

    #[test]
    fn what_has_no_uid_is_found_by_kind_and_name_in_its_context() {
        let fleet = "cluster a\npool p replicas=1\nmachine m-1 Ready\noperation op-1 ScaleUp Running 0/1\nidle 1 i-";
        let snapshot = testing::several(&[("one", "cluster z"), ("two", fleet)]);
        let check = |context: usize, kind: &str, name: &str, expected: Option<&str>| {
            let context = ContextId::at(context);
            let expected = expected.map(|expected| uid_in(context, expected));
            assert_eq!(object(&snapshot, context, kind, name), expected, "{kind} {name}");
        };
        check(1, "Machine", "m-1", Some("m-1"));
        check(1, "Machine", "i-1", Some("i-1"));
        check(1, "NodePool", "a-p", Some("a-p"));
        check(1, "ClusterDeployment", "a", Some("a"));
        check(1, "Operation", "op-1", Some("op-1"));
        check(1, "Machine", "a", None);
        check(1, "MachineSet", "a-p", None);
        check(0, "Machine", "m-1", None);
    }

    fn check(found: Result<Uid, String>, expected: Result<(usize, &str), &str>) {
        let expected = expected.map(|(context, name)| uid_in(ContextId::at(context), name)).map_err(ToOwned::to_owned);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_name_that_two_contexts_have_wants_the_context() {
        let one = "cluster eu-1\n pool gpu replicas=1\n machine m-1 Ready\n operation eu-1-gpu-up ScaleUp Running 0/1";
        let fleet =
            testing::several(&[("prod", one), ("stage/eu", one), ("lab", "cluster lab-1\n pool cpu replicas=1")]);
        check(pool(&fleet, "prod/eu-1/gpu"), Ok((0, "eu-1-gpu")));
        check(pool(&fleet, "stage/eu/eu-1/gpu"), Ok((1, "eu-1-gpu")));
        check(pool(&fleet, "lab-1/cpu"), Ok((2, "lab-1-cpu")));
        check(pool(&fleet, "cpu"), Ok((2, "lab-1-cpu")));
        check(
            pool(&fleet, "eu-1/gpu"),
            Err("several are called `eu-1/gpu`: write `prod/eu-1/gpu` or `stage/eu/eu-1/gpu`"),
        );
        check(
            pool(&fleet, "gpu"),
            Err("several pools are called `gpu`, in prod/eu-1 and stage/eu/eu-1: write CONTEXT/CLUSTER/POOL"),
        );
        check(pool(&fleet, "lab/eu-1/gpu"), Err("there is no cluster `eu-1`: Tab completes names"));
        check(machine(&fleet, "prod/m-1"), Ok((0, "m-1")));
        check(machine(&fleet, "m-1"), Err("several are called `m-1`: write `prod/m-1` or `stage/eu/m-1`"));
        check(operation(&fleet, "stage/eu/eu-1-gpu-up"), Ok((1, "eu-1-gpu-up")));
        assert_eq!(cluster(&fleet, "stage/eu/eu-1").map(|c| c.row.uid.context), Ok(ContextId::at(1)));
        assert!(cluster(&fleet, "eu-1").is_err());
    }
}
