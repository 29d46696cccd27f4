//! The runbook that is shipped, on real Debian machines with systemd, apt and containerd, some of them behind a bastion.
//!
//! `tests/run --lab` runs it; `docs/lab.md` says what the machines are. In the simulation and against servers on loopback
//! a step is what we think it is; here it is what Debian makes of it.

#[path = "lab/machines.rs"]
mod machines;
#[path = "executor/program.rs"]
mod program;

const WORKERS: [&str; 5] = ["m1", "m2", "m3", "m4", "m5"];

#[test]
fn needs_lab_five_machines_become_ready_for_a_cluster_and_stay_as_they_are() {
    let lab = needs_lab!("needs_lab_five_machines_become_ready_for_a_cluster_and_stay_as_they_are");
    lab.reinstall(&WORKERS);
    let first = lab.carry_out(&lab.job("op-1", &WORKERS));
    for event in &first.events {
        if event["event"] != "planned" {
            println!("{event}");
        }
    }
    assert_eq!(first.code, Some(0), "{:#?}", first.events.last());
}
