//! What holds of every plan, whatever the fleet looks like.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{tests::demand, *};
use crate::plan::notation;

fn word() -> impl Strategy<Value = String> {
    let state = prop::sample::select(vec![
        "idle",
        "idle",
        "claimed@1",
        "claimed@2#op",
        "provisioning@1#op",
        "ready@3",
        "ready@4#op",
        "ready@5^",
        "notready@5",
        "failed@1",
        "failed@2#op",
        "draining@1#op",
        "releasing@1#op",
        "deployed@2",
    ]);
    state.prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn no_machine_has_two_roles_and_the_number_comes_out(
        words in prop::collection::vec(word(), 0..24),
        replicas in 0i32..24,
        kind in prop::sample::select(vec!["ScaleUp:Running", "ScaleDown:Draining", "ScaleDown:Failed", "ScaleUp:Succeeded"]),
        budget in 1i32..24,
    ) {
        let machines: Vec<_> =
            words.iter().enumerate().map(|(i, w)| notation::machine(&format!("m-{i}:{w}"))).collect();
        let reserved: Vec<_> = words.iter().enumerate().filter(|(_, w)| w.ends_with("#op"))
            .map(|(i, _)| format!("m-{i}")).collect();
        let operations = notation::operations(&format!("op:{kind}={}", reserved.join("+")));
        let selector = BTreeMap::new();
        let demand = Demand { deletion_budget: Some(budget), ..demand(replicas, &selector) };
        let plan = plan(&demand, &machines, &operations);

        let mut touched: Vec<&MachineReference> = plan.claims.iter().chain(&plan.joins).chain(&plan.releases)
            .chain(&plan.waiting).chain(plan.victims.iter().map(|v| &v.machine)).collect();
        let all = touched.len();
        touched.sort();
        touched.dedup();
        prop_assert_eq!(all, touched.len(), "each machine has one role");

        let by_uid = |m: &MachineReference| machines.iter().find(|x| x.metadata.uid.as_deref() == Some(&m.uid)).unwrap();
        prop_assert!(plan.claims.iter().all(|m| by_uid(m).spec.claim_ref.is_none()));
        let work = Work::of(&operations);
        prop_assert!(plan.victims.iter().all(|v| work.under_way(by_uid(&v.machine)).is_none()));
        prop_assert!(plan.victims.iter().all(|v| !work.is_leaving(by_uid(&v.machine))));

        let away = count(&plan.victims) + count(&plan.releases) + count(&plan.waiting);
        prop_assert_eq!(plan.from + count(&plan.claims) + plan.shortfall - away, replicas);
        if plan.halt.is_none() {
            prop_assert!(plan.victims.iter().filter(|v| v.has_node).count() as i32 <= budget);
        }
        prop_assert_eq!(super::plan(&demand, machines.iter().rev(), &operations), plan, "in any order");
    }
}
