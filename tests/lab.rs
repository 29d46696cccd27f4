//! The runbook that is shipped, on real Debian machines with systemd, apt and containerd, some of them behind a bastion.
//!
//! `tests/run --lab` runs it; `docs/lab.md` says what the machines are. In the simulation and against servers on loopback
//! a step is what we think it is; here it is what Debian makes of it.

#[path = "lab/machines.rs"]
mod machines;
#[path = "executor/program.rs"]
mod program;

use std::{
    thread,
    time::{Duration, Instant},
};

use machines::Lab;
use program::{Ended, Executor};
use quarterdeck::console::hosts::{
    journal::{self, Entry, Reader},
    probe::{self, Seen, Unit},
};
use serde_json::Value;

const WORKERS: [&str; 5] = ["m1", "m2", "m3", "m4", "m5"];
/// Where most of the time goes: in the middle of it there is a lot to break.
const INSTALL: &str = "install containerd";
const UNPACKING: &str = "Unpacking containerd";
/// A container of the lab's own making: there is no registry.
const CONTAINER: &str = r#"
cd "$(mktemp -d)"
mkdir -p root/bin
cp /bin/busybox root/bin
tar -C root -cf layer.tar .
layer=$(sha256sum < layer.tar | cut -c 1-64)
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$layer" > config.json
printf '[{"Config":"config.json","RepoTags":["localhost/lab/busybox:1"],"Layers":["layer.tar"]}]' > manifest.json
tar -cf image.tar manifest.json config.json layer.tar
ctr --namespace k8s.io images import image.tar > /dev/null
ctr --namespace k8s.io run --rm --runc-systemd-cgroup --cgroup system.slice:lab:one localhost/lab/busybox:1 one \
    /bin/busybox echo "from a container" < /dev/null
"#;

/// Reads until a machine's step says so.
fn saw_line(executor: &mut Executor, machine: &str, words: &str) {
    let is =
        |event: &Value| event["machine"] == machine && event["line"].as_str().is_some_and(|line| line.contains(words));
    assert!(executor.has_said(is), "{machine} never said {words:?}");
}

/// How the asking for a step began, time after time.
fn starts(ended: &Ended, machine: &str, step: &str) -> Vec<String> {
    let of = |event: &&Value| event["event"] == "step-started" && event["machine"] == machine && event["step"] == step;
    ended.events.iter().filter(of).map(|event| event["start"].as_str().unwrap_or_default().to_owned()).collect()
}

/// How often the installation began, whoever picked it up after that.
fn begun(ended: &Ended, machine: &str) -> usize {
    starts(ended, machine, INSTALL).iter().filter(|start| *start == "fresh").count()
}

fn assert_done(ended: &Ended) {
    let last: Vec<_> = ended.events.iter().filter(|event| event["event"] == "machine-finished").collect();
    assert_eq!(ended.code, Some(0), "{last:#?}");
}

/// Another operation finds nothing to do, and says so: whatever happened before, the machines are as they should be.
fn assert_whole(lab: &Lab, operation: &str, machines: &[&str]) {
    let mut job = lab.job(operation, machines);
    job.fence = 9;
    let ended = lab.carry_out(&job);
    assert_done(&ended);
    for machine in machines {
        let event = ended.machine(machine);
        assert_eq!(
            (event["changes"].as_u64(), &event["message"]),
            (Some(0), &"nothing was changed".into()),
            "{event:#}"
        );
        assert_eq!(lab.on(machine, "dpkg --audit; systemctl is-active containerd"), "active");
    }
    let last = ended.events.last().expect("there are events");
    assert_eq!((&last["changes"], &last["message"]), (&0.into(), &"nothing was changed".into()));
}

/// How often a machine's dpkg began to install a package.
fn installations(lab: &Lab, machine: &str) -> String {
    lab.on(machine, "grep -c ' install containerd:' /var/log/dpkg.log")
}

#[test]
fn needs_lab_five_machines_are_made_ready_and_the_second_run_changes_nothing() {
    let lab = needs_lab!("needs_lab_five_machines_are_made_ready_and_the_second_run_changes_nothing");
    lab.reinstall(&WORKERS);
    let began = Instant::now();
    let first = lab.carry_out(&lab.job("op-1", &WORKERS));
    println!("five machines in {:.1} s", began.elapsed().as_secs_f64());
    assert_done(&first);
    for machine in WORKERS {
        // Swap, modules, settings, packages, configuration.
        assert_eq!(first.machine(machine)["changes"], 5);
        assert_eq!(lab.on(machine, "sysctl -n net.ipv4.ip_forward; grep -c '^# /swapfile' /etc/fstab"), "1\n1");
    }
    assert_eq!(lab.on("m5", CONTAINER), "from a container");

    let state =
        "stat -c '%n %Y' /etc/containerd/config.toml /etc/sysctl.d/* /etc/fstab; systemctl show -P MainPID containerd";
    let before = WORKERS.map(|machine| lab.on(machine, state));
    let began = Instant::now();
    assert_whole(&lab, "op-2", &WORKERS);
    println!("and again in {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(WORKERS.map(|machine| lab.on(machine, state)), before);
}

#[test]
fn needs_lab_cables_are_pulled_within_a_step_and_it_goes_on() {
    let lab = needs_lab!("needs_lab_cables_are_pulled_within_a_step_and_it_goes_on");
    lab.reinstall(&["m2", "m3"]);
    let mut executor = lab.start(&lab.job("op-1", &["m2", "m3"]));
    // The cables of the first that is so far, and the bastion's when the other is: then nobody is heard of any more.
    let unpacking = |event: &Value| event["line"].as_str().is_some_and(|line| line.contains(UNPACKING));
    assert!(executor.saw(unpacking));
    let first = executor.last()["machine"].as_str().expect("a machine").to_owned();
    lab.run("cut", &[&first]);
    assert!(executor.saw(|event| unpacking(event) && event["machine"] != first.as_str()));
    lab.run("cut", &["bastion"]);
    // Longer than it takes to give a connection up.
    thread::sleep(Duration::from_secs(12));
    lab.run("cut", &["--undo", "bastion"]);
    lab.run("cut", &["--undo", &first]);
    let ended = executor.finish();
    assert_done(&ended);
    for machine in ["m2", "m3"] {
        let lost = |event: &&Value| event["event"] == "disconnected" && event["machine"] == machine;
        assert!(ended.events.iter().any(|event| lost(&event)), "{machine} was lost");
        let starts = starts(&ended, machine, INSTALL);
        assert!(starts[0] == "fresh" && starts.len() > 1, "{starts:?}");
        assert!(starts[1..].iter().all(|start| start != "fresh"), "picked up, not begun anew: {starts:?}");
    }
    assert_eq!(["m2", "m3"].map(|machine| installations(&lab, machine)), ["1", "1"]);
    assert_whole(&lab, "op-2", &["m2", "m3"]);
}

#[test]
fn needs_lab_machines_reboot_within_a_phase_and_it_is_brought_to_its_end() {
    let lab = needs_lab!("needs_lab_machines_reboot_within_a_phase_and_it_is_brought_to_its_end");
    lab.reinstall(&["m2", "m3"]);
    let job = lab.job("op-1", &["m2", "m3"]);
    let boots = || ["m2", "m3"].map(|machine| lab.on(machine, "cat /proc/sys/kernel/random/boot_id"));
    let before = boots();
    let mut executor = lab.start(&job);
    // One loses its power while dpkg unpacks, the other is rebooted by somebody who did not ask.
    saw_line(&mut executor, "m2", UNPACKING);
    lab.run("reboot", &["--power", "m2"]);
    lab.run("reboot", &["m3"]);
    let ended = executor.finish();
    assert_done(&ended);
    assert!(boots().iter().zip(&before).all(|(now, before)| now != before));
    assert_eq!(begun(&ended, "m2"), 2, "what the power failure cut short was begun again");
    assert_whole(&lab, "op-2", &["m2", "m3"]);
}

#[test]
fn needs_lab_a_full_disk_stops_its_machine_and_says_so() {
    let lab = needs_lab!("needs_lab_a_full_disk_stops_its_machine_and_says_so");
    lab.reinstall(&["m2", "m3", "m4"]);
    lab.run("fill-disk", &["m2"]);
    let mut job = lab.job("op-1", &["m2", "m3", "m4"]);
    let mut executor = lab.start(&job);
    saw_line(&mut executor, "m3", UNPACKING);
    lab.run("fill-disk", &["m3"]);
    let ended = executor.finish();
    assert_eq!(ended.code, Some(1));
    for machine in ["m2", "m3"] {
        ended.assert_failed(machine, "Exit", &["o space left on"]);
    }
    // What apt says last stands on the disk that was full by then.
    let is_last = |line: &&str| line.contains("Sub-process /usr/bin/dpkg returned an error");
    assert!(ended.lines("m3").iter().any(is_last), "{:#?}", ended.lines("m3"));
    assert_eq!(ended.machine("m4")["outcome"], "done");
    assert_eq!(ended.machine("m2")["changes"], 0);

    // A person makes room and asks again.
    lab.run("fill-disk", &["--undo", "m2"]);
    lab.run("fill-disk", &["--undo", "m3"]);
    job.run = 2;
    assert_done(&lab.carry_out(&job));
    assert_whole(&lab, "op-2", &["m2", "m3", "m4"]);
}

#[test]
fn needs_lab_somebody_else_installs_packages() {
    let lab = needs_lab!("needs_lab_somebody_else_installs_packages");
    lab.reinstall(&["m2", "m3"]);
    for machine in ["m2", "m3"] {
        lab.run("lock-apt", &[machine]);
    }
    let mut job = lab.job("op-1", &["m2", "m3"]);
    job.machines[1].variables.insert("package_lock_seconds".into(), "1".into());
    let mut executor = lab.start(&job);
    // On m2 it comes to an end, and is waited for; on m3 it does not, and who it is is said.
    saw_line(&mut executor, "m2", "perl");
    lab.run("lock-apt", &["--undo", "m2"]);
    let ended = executor.finish();
    ended.assert_failed_alone("m3", "Exit", &["held by process", "perl"]);
    assert_eq!(begun(&ended, "m2"), 1, "it is waited for");
    lab.run("lock-apt", &["--undo", "m3"]);
    job.run = 2;
    assert_done(&lab.carry_out(&job));
    assert_whole(&lab, "op-2", &["m2", "m3"]);
}

#[test]
fn needs_lab_a_clock_that_is_off_by_ten_minutes_is_refused_before_anything_is_changed() {
    let lab = needs_lab!("needs_lab_a_clock_that_is_off_by_ten_minutes_is_refused_before_anything_is_changed");
    lab.reinstall(&["m1", "m2"]);
    for (operators, words) in [(600, "s behind the operator's"), (-600, "s ahead of the operator's")] {
        let ended = lab.start_at(&lab.job(&format!("op{operators}"), &["m1", "m2"]), operators).finish();
        assert_eq!(ended.code, Some(1));
        for machine in ["m1", "m2"] {
            ended.assert_failed(machine, "Verify", &[words, "the clock is "]);
            let event = ended.machine(machine);
            assert_eq!((&event["phase"], &event["step"]), (&"Preflight".into(), &"clock".into()));
            let said: Vec<&str> = event["message"].as_str().expect("words").split("the clock is ").collect();
            let seconds: u32 = said[1].split(' ').next().and_then(|n| n.parse().ok()).expect("seconds");
            assert!((595..=600).contains(&seconds), "{event:#}");
            assert_eq!(event["changes"], 0);
        }
    }
    // Twenty seconds are no trouble.
    assert_done(&lab.start_at(&lab.job("op-20", &["m1"]), 20).finish());
}

#[test]
fn needs_lab_two_operators_at_once_do_it_once() {
    let lab = needs_lab!("needs_lab_two_operators_at_once_do_it_once");
    lab.reinstall(&["m2", "m3"]);
    // Two executors of one operation: each step is begun by one of them, and both see how it ends.
    let job = lab.job("op-1", &["m2"]);
    let both = [lab.start(&job), lab.start(&job)].map(Executor::finish);
    both.iter().for_each(assert_done);
    assert_eq!(installations(&lab, "m2"), "1");

    // A newer controller takes over within a step: the older one stops at the next, and the newer one ends it.
    let mut older = lab.start(&lab.job("op-1", &["m3"]));
    assert!(older.has_said(|event| event["event"] == "step-started" && event["step"] == INSTALL));
    let mut job = lab.job("op-2", &["m3"]);
    job.fence = 2;
    let newer = lab.start(&job);
    older.finish().assert_failed_alone("m3", "Fenced", &["newer controller"]);
    assert_done(&newer.finish());
    assert_eq!(installations(&lab, "m3"), "1");
    assert_whole(&lab, "op-3", &["m2", "m3"]);
}

/// A unit of ours on a machine, and what systemd is told to do with it.
fn unit(lab: &Lab, name: &str, service: &str, then: &str) {
    let text = format!("[Unit]\nStartLimitIntervalSec=0\n[Service]\n{service}\n");
    let write = format!("cat > /etc/systemd/system/{name}.service <<'END'\n{text}END\nsystemctl daemon-reload\n{then}");
    lab.on("m1", &write);
}

/// What the console is told by a machine when it looks.
fn looked_at(lab: &Lab) -> Seen {
    probe::read(&lab.on("m1", &probe::script())).unwrap_or_else(|said| panic!("{said}"))
}

/// The same as soon as it is so: systemd takes its time.
fn seen_once(lab: &Lab, is_so: impl Fn(&Seen) -> bool) -> Seen {
    for _ in 0..20 {
        let seen = looked_at(lab);
        if is_so(&seen) {
            return seen;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    looked_at(lab)
}

/// The console's own words to a host, on one with systemd: what units are, and what their journals say.
#[test]
fn needs_lab_hosts_are_seen_as_they_are() {
    let lab = needs_lab!("needs_lab_hosts_are_seen_as_they_are");
    lab.reinstall(&["m1"]);
    let bare = looked_at(&lab);
    assert_eq!((bare.kubelet, bare.containerd, bare.etcd), (Unit::Absent, Unit::Absent, Unit::Absent));
    assert!(bare.clock.is_some() && bare.uptime_seconds.is_some() && bare.load.is_some(), "{bare:?}");
    assert!(bare.cpus.is_some() && bare.disk_percent.is_some(), "{bare:?}");

    unit(&lab, "containerd", "ExecStart=/bin/sleep infinity", "systemctl start containerd");
    let says =
        "ExecStart=/bin/sh -c 'echo \"I1121 12:00:00.25 812 server.go:1] one: two\"; echo; echo \"  three\"; exit 3'";
    unit(&lab, "kubelet", says, "systemctl start kubelet");
    let seen = seen_once(&lab, |seen| seen.kubelet == Unit::Failed);
    assert_eq!((seen.kubelet, seen.containerd, seen.etcd), (Unit::Failed, Unit::Active, Unit::Absent));

    let asked =
        format!("cat > /tmp/ask <<'END'\n{}END\ntimeout 3 sh -s < /tmp/ask || true", journal::script("kubelet", 50));
    let mut reader = Reader::default();
    let read: Vec<Entry> = lab.on("m1", &asked).lines().filter_map(|raw| reader.read("kubelet", raw)).collect();
    let said: Vec<&str> = read.iter().map(|entry| entry.line.text.as_str()).collect();
    assert!(said.contains(&"I1121 12:00:00.25 812 server.go:1] one: two") && said.contains(&"  three"), "{said:#?}");
    assert!(said.iter().any(|line| line.contains("kubelet.service: Failed with result 'exit-code'")), "{said:#?}");
    // What systemd says carries the moment at which it said so, and the rest that at which journald heard of it.
    let back = read.windows(2).map(|pair| pair[0].at.as_microsecond() - pair[1].at.as_microsecond()).max();
    assert!(back.is_some_and(|back| back < 5_000_000), "{read:#?}");
    let now: i64 = lab.on("m1", "date +%s").parse().expect("seconds");
    assert!(read.iter().all(|entry| (now - entry.at.as_second()).abs() < 120), "{now} {read:#?}");

    // It begins again and again, as a kubelet without a configuration does.
    unit(&lab, "kubelet", "Type=notify\nExecStart=/bin/sleep infinity", "systemctl restart --no-block kubelet");
    assert_eq!(seen_once(&lab, |seen| seen.kubelet == Unit::Changing).kubelet, Unit::Changing);
    unit(&lab, "kubelet", "ExecStart=/bin/sleep infinity", "systemctl restart kubelet");
    assert_eq!(looked_at(&lab).kubelet, Unit::Active);
    lab.on("m1", "systemctl stop kubelet");
    assert_eq!(looked_at(&lab).kubelet, Unit::Inactive);
    // etcd in a static pod is a process without a unit.
    lab.on("m1", "cp /bin/sleep /tmp/etcd && (setsid /tmp/etcd 300 > /dev/null 2>&1 < /dev/null &)");
    assert_eq!(seen_once(&lab, |seen| seen.etcd == Unit::Process).etcd, Unit::Process);
    unit(&lab, "etcd", "ExecStart=/bin/sleep infinity", "systemctl start etcd");
    assert_eq!(looked_at(&lab).etcd, Unit::Active, "a unit goes before a process");
    lab.reinstall(&["m1"]);
}
