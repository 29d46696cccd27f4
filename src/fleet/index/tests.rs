//! Whatever happens in whatever order: what is kept incrementally is what a recount gives.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    api::{ClaimReference, Machine, MachineSpec, MachineState, MachineStatus, NodePool, NodePoolSpec},
    fleet::{Health, Interner, snapshot::carries, testing},
};

fn machine(name: u8, state: usize, pool: u8, rack: u8) -> Change {
    let state = MachineState::ALL[state % MachineState::ALL.len()];
    let claim = (state != MachineState::Idle).then(|| ClaimReference {
        cluster_name: format!("c{}", pool % 2),
        pool_name: format!("p{pool}"),
        ..ClaimReference::default()
    });
    let spec = MachineSpec { claim_ref: claim, address: "a".into(), ..MachineSpec::default() };
    let mut machine = Machine::new(&format!("m-{name}"), spec);
    machine.metadata.uid = Some(format!("m-{name}"));
    machine.metadata.labels = Some([("rack".to_owned(), format!("r{rack}"))].into());
    machine.status = Some(MachineStatus { state: Some(state), ..MachineStatus::default() });
    Change::Machine(Arc::new(MachineRow::project(machine, &mut Interner::default())))
}

fn pool(name: u8, cluster: u8, rack: u8) -> Change {
    let spec = NodePoolSpec {
        cluster_name: format!("c{cluster}"),
        machine_selector: BTreeMap::from([("rack".to_owned(), format!("r{rack}"))]),
        ..NodePoolSpec::default()
    };
    let mut pool = NodePool::new(&format!("p{name}"), spec);
    pool.metadata.uid = Some(format!("p{name}"));
    Change::Pool(Arc::new(PoolRow::project(pool, &mut Interner::default())))
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let machines = (0_u8..120, 0_usize..9, 0_u8..4, 0_u8..3).prop_map(|(n, s, p, r)| machine(n, s, p, r));
    let gone = (0_u8..120).prop_map(|n| Change::Gone(Kind::Machine, Uid::new(ContextId::FIRST, format!("m-{n}"))));
    let pools = (0_u8..4, 0_u8..3, 0_u8..3).prop_map(|(n, c, r)| pool(n, c, r));
    let pool_gone = (0_u8..4).prop_map(|n| Change::Gone(Kind::Pool, Uid::new(ContextId::FIRST, format!("p{n}"))));
    prop::collection::vec(prop_oneof![12 => machines, 3 => gone, 2 => pools, 1 => pool_gone], 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_kept_is_what_a_recount_gives(changes in changes()) {
        let mut index = Index::default();
        let mut machines: BTreeMap<Uid, Arc<MachineRow>> = BTreeMap::new();
        for (at, change) in changes.into_iter().enumerate() {
            match &change {
                Change::Machine(m) => drop(machines.insert(m.uid.clone(), m.clone())),
                Change::Gone(Kind::Machine, uid) => drop(machines.remove(uid)),
                _ => {}
            }
            index.apply(change);
            if at % 7 != 0 {
                continue;
            }
            let snapshot = index.publish();
            let mut counts = StateCounts::default();
            for machine in machines.values() {
                counts.add(machine);
            }
            prop_assert_eq!(snapshot.counts, counts);
            prop_assert_eq!(snapshot.all_machines().count(), machines.len());
            for (_, pool) in snapshot.pools() {
                let mut counts = StateCounts::default();
                for machine in pool.machines.iter() {
                    counts.add(machine);
                }
                prop_assert_eq!(pool.counts, counts);
                prop_assert_eq!(pool.machines.iter().count(), pool.machines.len());
                let ordered = pool.machines.iter().is_sorted_by(|a, b| {
                    crate::fleet::machines::order(a, b) == std::cmp::Ordering::Less
                });
                prop_assert!(ordered);
                if let Some(resource) = &pool.row.resource {
                    let selector = &resource.spec.machine_selector;
                    let free = machines.values().filter(|m| m.is_available() && carries(m, selector)).count();
                    prop_assert_eq!(snapshot.capacity(&pool.row), free);
                }
            }
            let idle = snapshot.idle(ContextId::FIRST).expect("there is one");
            for (at, machine) in idle.iter().enumerate() {
                prop_assert_eq!(idle.position(machine), Some(at));
            }
            for (uid, machine) in &machines {
                prop_assert_eq!(snapshot.machine(uid).map(|m| m.state), Some(machine.state));
            }
        }
    }
}

#[test]
fn a_snapshot_stands_while_the_index_goes_on() {
    let mut index =
        testing::fleet("cluster a\n pool p replicas=1\n machine m-1 Ready\n cluster b\n pool q\n machine m-2 Ready");
    let before = index.publish();
    let failed = testing::snapshot("cluster a\n pool p replicas=1\n machine m-1 Failed")
        .machine(&testing::uid("m-1"))
        .unwrap()
        .clone();
    index.apply(Change::Machine(failed));
    let after = index.publish();
    assert_eq!(before.machine(&testing::uid("m-1")).unwrap().state, MachineState::Ready);
    assert_eq!(after.machine(&testing::uid("m-1")).unwrap().state, MachineState::Failed);
    assert_eq!((before.clusters[0].health, after.clusters[0].health), (Health::Good, Health::Bad));
    assert!(
        Arc::ptr_eq(
            before.cluster_named(ContextId::FIRST, "b").unwrap(),
            after.cluster_named(ContextId::FIRST, "b").unwrap()
        ),
        "what did not change is shared"
    );
}
