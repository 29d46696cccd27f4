//! The notation reads its own example.

use super::*;
use crate::fleet::Health;

const FLEET: &str = r#"
    cluster eu-1 production simulated
    pool gpu replicas=3 selector.gpu=h100
    machine m-1 Ready rack=r12
    machine m-2 Provisioning phases=Preflight:ok:20,Kubelet:run:12,Join
    machine m-3 Failed phases=Preflight:ok:20,Kubelet:fail:9 message="kubelet does not start"
    operation eu-1-gpu-up ScaleUp Running 1/3 by=alice reason="more room" machines=m-2,m-3
    event Warning DrainBlocked Machine/m-3 "pdb web/api allows 0" count=37
    cluster eu-0
    pool general replicas=1
    machine m-4 Ready
    idle 4 spare- gpu=h100
    idle 2 other-
"#;

#[test]
fn reads_its_own_example() {
    let fleet = snapshot(FLEET);
    let names: Vec<_> = fleet.clusters.iter().map(|c| (&*c.row.name, c.health)).collect();
    assert_eq!(names, [("eu-1", Health::Bad), ("eu-0", Health::Good)]);
    let pool = fleet.pool(&uid("eu-1-gpu")).unwrap();
    let machines: Vec<_> = pool.machines.iter().map(|m| &*m.name).collect();
    assert_eq!((machines, &*pool.row.short_name), (vec!["m-3", "m-2", "m-1"], "gpu"));
    assert_eq!((fleet.capacity(&pool.row), fleet.idle_count(), fleet.counts.total()), (4, 6, 10));
    let kubelet = &fleet.machine(&uid("m-2")).unwrap().phases[1];
    assert_eq!(kubelet.elapsed(NOW).unwrap().as_secs(), 12);
    assert!(fleet.machine(&uid("m-1")).unwrap().phases.is_empty());
    assert_eq!(fleet.history(ContextId::FIRST).phase("Preflight").unwrap().p50.as_secs(), 20);
    assert_eq!(fleet.operations[0].reason.as_deref(), Some("more room"));
    assert_eq!((fleet.events[0].count, fleet.events[0].warning), (37, true));
    assert_eq!(NOW.to_string(), "2026-11-21T12:00:00Z");
    assert!(fleet.complete && fleet.connection.line.is_live() && fleet.is_simulated());
}
