//! A runbook of real shell steps on real OpenSSH servers behind a jump host, carried out by the real program.
//!
//! Every destructive step adds a line to a file of its host, so that doing it twice is seen; beside it stand the
//! receipts.

#[path = "executor/program.rs"]
mod program;
#[path = "sshd/server.rs"]
mod sshd;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use program::{Ended, Executor, PROGRAM, write_job};
use quarterdeck::{
    api::{HostKeyPolicy, JumpHost, Role},
    runbook::job::{InventoryMachine, JobInput, PRIVATE_KEY, SUDO_PASSWORD, SshAccess},
    ssh::fingerprint,
};
use serde_json::Value;
use sshd::{Account, Lab, Sshd, is_root, known_hosts};

/// Bounds every run of the program.
const PATIENCE: Duration = Duration::from_secs(90);
const HOSTS: usize = 8;

/// Three phases, six steps. `once` is a step that nobody may repeat blindly.
const RUNBOOK: &str = r#"
name: real
revision: 1
description: Steps that count how often they were carried out.
phases:
- name: Prepare
  steps:
  - name: wipe
    once: true
    run: echo wipe >> {{ state_directory }}/counter-{{ machine.name }}
  - name: settings
    template:
      path: "{{ state_directory }}/settings-{{ machine.name }}"
      content: |
        name={{ machine.name }} cluster={{ cluster }}
- name: Work
  steps:
  - name: long
    once: true
    timeoutSeconds: 60
    run: |
      echo long >> {{ state_directory }}/counter-{{ machine.name }}
      for tick in 1 2 3 4 5 6; do echo "tick $tick"; sleep 0.5; done
      echo longer >> {{ state_directory }}/counter-{{ machine.name }}
  - name: maybe
    check: '[ ! -e {{ state_directory }}/broken-{{ machine.name }} ]'
    run: |
      echo maybe >> {{ state_directory }}/counter-{{ machine.name }}
      echo "the disk is full" >&2
      exit 3
- name: Finish
  steps:
  - name: marker
    check: '[ -e {{ state_directory }}/marker-{{ machine.name }} ]'
    run: |
      echo marker >> {{ state_directory }}/counter-{{ machine.name }}
      : > {{ state_directory }}/marker-{{ machine.name }}
    verify: '[ -e {{ state_directory }}/marker-{{ machine.name }} ]'
  - name: last
    once: true
    run: echo last >> {{ state_directory }}/counter-{{ machine.name }}
"#;
/// What a host's file says when every step was carried out once.
const EACH_ONCE: &str = "wipe long longer marker last";
/// Steps of the runbook: as many receipts on each host.
const STEPS: usize = 6;

/// Hosts, a jump host, and what the program is given about them.
struct Fleet {
    lab: Lab,
    hosts: Vec<Sshd>,
    jump: Sshd,
    input: JobInput,
    secrets: BTreeMap<&'static str, String>,
}

fn machine_name(at: usize) -> String {
    format!("m-{at}")
}

impl Fleet {
    fn new(hosts: usize) -> Self {
        Self::with(hosts, &[])
    }

    fn with(hosts: usize, extra: &[&str]) -> Self {
        let lab = Lab::new();
        let hosts: Vec<Sshd> = (0..hosts).map(|_| lab.start(extra)).collect();
        let jump = lab.start(extra);
        let machines = hosts.iter().enumerate().map(|(at, host)| InventoryMachine {
            name: machine_name(at),
            uid: format!("00000000-0000-4000-8000-{at:012}"),
            address: host.host.clone(),
            port: host.port,
            user: None,
            role: Role::Worker,
            labels: BTreeMap::new(),
            variables: BTreeMap::new(),
            host_key: None,
        });
        let servers: Vec<&Sshd> = hosts.iter().chain([&jump]).collect();
        let input = JobInput {
            namespace: "default".into(),
            operation: "op-1".into(),
            run: 1,
            fence: 7,
            cluster: "alpha".into(),
            runbook: RUNBOOK.into(),
            phases: Vec::new(),
            parallelism: 20,
            variables: BTreeMap::new(),
            machines: machines.collect(),
            ssh: SshAccess {
                user: lab.user.clone(),
                sudo: false,
                host_key_policy: HostKeyPolicy::Strict,
                known_hosts: known_hosts(&servers),
                jump_hosts: vec![JumpHost {
                    address: jump.host.clone(),
                    port: Some(jump.port.into()),
                    ..JumpHost::default()
                }],
                keepalive_seconds: 15,
                max_handshakes: 8,
                state_directory: lab.this_host().display().to_string(),
            },
        };
        let secrets = BTreeMap::from([(PRIVATE_KEY, lab.private_key.clone())]);
        Self { lab, hosts, jump, input, secrets }
    }

    fn start(&self) -> Executor {
        let folder = self.lab.folder.path().join("job");
        write_job(&folder, &self.input, &self.secrets);
        Executor::start(Command::new(PROGRAM), &folder, 5, PATIENCE)
    }

    /// Runs the program to its end.
    fn run(&self) -> Ended {
        self.start().finish()
    }

    /// The state folder of a machine, as we see it.
    fn state(&self, at: usize) -> PathBuf {
        if self.lab.has_mounts() { self.hosts[at].state.clone() } else { self.lab.this_host() }
    }

    /// What was carried out on a machine, in order.
    fn counter(&self, at: usize) -> String {
        let file = self.state(at).join(format!("counter-{}", machine_name(at)));
        fs::read_to_string(file).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// How many receipts a machine holds.
    fn receipts(&self, at: usize) -> usize {
        files(&self.state(at)).iter().filter(|file| is_receipt(file, &machine_name(at))).count()
    }

    fn assert_each_once(&self, machines: impl IntoIterator<Item = usize>) {
        for at in machines {
            assert_eq!(self.counter(at), EACH_ONCE, "{}", machine_name(at));
            assert_eq!(self.receipts(at), STEPS, "receipts of {}", machine_name(at));
            let settings = fs::read_to_string(self.state(at).join(format!("settings-{}", machine_name(at))));
            assert_eq!(settings.expect("a file"), format!("name={} cluster=alpha\n", machine_name(at)));
        }
    }
}

fn is_receipt(file: &Path, machine: &str) -> bool {
    file.file_name().is_some_and(|name| name == "receipt")
        && fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("\"machine\":\"{machine}\"")))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Reads until a machine's long step says so.
fn saw_tick(executor: &mut Executor, at: usize, tick: u32) {
    let (machine, line) = (machine_name(at), format!("tick {tick}"));
    assert!(executor.has_said(|event| event["machine"] == machine.as_str() && event["line"] == line.as_str()));
}

#[test]
fn needs_sshd_a_runbook_on_eight_hosts_behind_a_jump_host() {
    needs_sshd!("needs_sshd_a_runbook_on_eight_hosts_behind_a_jump_host");
    let fleet = Fleet::new(HOSTS);
    let first = fleet.run();
    assert_eq!(first.code, Some(0), "{:#?}", first.events.last());
    assert_eq!(first.ran(), HOSTS * STEPS);
    fleet.assert_each_once(0..HOSTS);
    assert_eq!(fleet.jump.logins(), 1, "one connection to the jump host for all");
    assert!(fleet.hosts.iter().all(|host| host.logins() == 1), "one connection to each host");

    let again = fleet.run();
    assert_eq!((again.code, again.ran()), (Some(0), 0), "every receipt speaks");
    fleet.assert_each_once(0..HOSTS);
}

#[test]
fn needs_sshd_a_step_that_fails_stops_its_machine_and_no_other() {
    needs_sshd!("needs_sshd_a_step_that_fails_stops_its_machine_and_no_other");
    let mut fleet = Fleet::new(HOSTS);
    let broken = fleet.state(3).join("broken-m-3");
    fs::write(&broken, "").expect("a file");
    let ended = fleet.run();
    ended.assert_failed_alone(&machine_name(3), "Exit", &["status 3", "the disk is full"]);
    assert_eq!(ended.machine(&machine_name(3))["step"], "maybe");
    assert_eq!(fleet.counter(3), "wipe long longer maybe");
    fleet.assert_each_once((0..HOSTS).filter(|at| *at != 3));

    // A person mends it and asks again: what was done stays done.
    fs::remove_file(broken).expect("a file");
    fleet.input.run = 2;
    let ended = fleet.run();
    assert_eq!(ended.code, Some(0), "{:#}", ended.machine(&machine_name(3)));
    assert_eq!(fleet.counter(3), "wipe long longer maybe marker last");
    fleet.assert_each_once((0..HOSTS).filter(|at| *at != 3));
}

#[test]
fn needs_sshd_a_connection_that_is_cut_costs_nothing() {
    needs_sshd!("needs_sshd_a_connection_that_is_cut_costs_nothing");
    let fleet = Fleet::new(HOSTS);
    let mut executor = fleet.start();
    saw_tick(&mut executor, 1, 2);
    assert!(fleet.hosts[1].cut_sessions() > 0);
    saw_tick(&mut executor, 2, 4);
    assert!(fleet.jump.cut_sessions() > 0, "and now all of them at once");
    let ended = executor.finish();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.events);
    fleet.assert_each_once(0..HOSTS);
    for at in 0..HOSTS {
        let is_tick = |event: &&Value| event["machine"] == machine_name(at).as_str() && event["event"] == "output";
        let lines: Vec<&str> = ended.events.iter().filter(is_tick).filter_map(|event| event["line"].as_str()).collect();
        assert_eq!(lines, (1..=6).map(|tick| format!("tick {tick}")).collect::<Vec<_>>(), "each line once");
    }
}

#[test]
fn needs_sshd_a_host_that_loses_its_power_is_not_trusted_to_have_done_it() {
    needs_sshd!("needs_sshd_a_host_that_loses_its_power_is_not_trusted_to_have_done_it");
    let mut fleet = Fleet::new(HOSTS);
    let mut executor = fleet.start();
    saw_tick(&mut executor, 7, 2);
    fleet.hosts[7].down();
    fleet.hosts[7].up();
    let ended = executor.finish();
    ended.assert_failed_alone(&machine_name(7), "Unknown", &["look at the host"]);
    assert_eq!(ended.machine(&machine_name(7))["step"], "long");
    fleet.assert_each_once(0..HOSTS - 1);
    // Nobody has looked: the same run does not try it again.
    fleet.run().assert_failed_alone(&machine_name(7), "Unknown", &[]);
    assert_eq!(fleet.counter(7), "wipe long");
}

#[test]
fn needs_sshd_an_executor_that_is_killed_within_a_step_picks_it_up_again() {
    needs_sshd!("needs_sshd_an_executor_that_is_killed_within_a_step_picks_it_up_again");
    let fleet = Fleet::new(HOSTS);
    for tick in [1, 3] {
        let mut executor = fleet.start();
        saw_tick(&mut executor, 5, tick);
        executor.kill();
    }
    let ended = fleet.run();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.events.last());
    fleet.assert_each_once(0..HOSTS);
}

#[test]
fn needs_sshd_an_executor_that_is_killed_anywhere_never_repeats_a_step() {
    needs_sshd!("needs_sshd_an_executor_that_is_killed_anywhere_never_repeats_a_step");
    let fleet = Fleet::new(HOSTS);
    // After ever more events: while it connects, between steps, within them, at the end.
    let mut runs = 0;
    let ended = (0..).map(|kill| 9 + kill * 13).find_map(|events| {
        runs += 1;
        assert!(runs < 60, "it never ends");
        let mut executor = fleet.start();
        for _ in 0..events {
            if !executor.saw(|_| true) {
                return Some(executor.finish());
            }
        }
        executor.kill();
        None
    });
    assert_eq!(ended.and_then(|ended| ended.code), Some(0));
    println!("killed {} times", runs - 1);
    fleet.assert_each_once(0..HOSTS);
}

#[test]
fn needs_sshd_a_changed_host_key_is_a_hard_stop() {
    needs_sshd!("needs_sshd_a_changed_host_key_is_a_hard_stop");
    let mut fleet = Fleet::new(HOSTS);
    let known = fingerprint(&fleet.hosts[2].public_key).expect("a fingerprint");
    fleet.hosts[2].down();
    fleet.hosts[2].new_host_key();
    fleet.hosts[2].up();
    let presented = fingerprint(&fleet.hosts[2].public_key).expect("a fingerprint");
    fleet.input.ssh.host_key_policy = HostKeyPolicy::AcceptNew;
    fleet.run().assert_failed_alone(&machine_name(2), "HostKey", &["CHANGED", &known, &presented]);
    assert_eq!((fleet.counter(2).as_str(), fleet.receipts(2), fleet.hosts[2].logins()), ("", 0, 0));
    fleet.assert_each_once((0..HOSTS).filter(|at| *at != 2));
}

#[test]
fn needs_sshd_a_host_that_is_down_fails_alone() {
    needs_sshd!("needs_sshd_a_host_that_is_down_fails_alone");
    let mut fleet = Fleet::new(HOSTS);
    fleet.hosts[6].down();
    fleet.run().assert_failed_alone(&machine_name(6), "Transport", &["cannot reach m-6 through"]);
    fleet.assert_each_once((0..HOSTS).filter(|at| *at != 6));
    fleet.hosts[6].up();
    assert_eq!(fleet.run().code, Some(0));
    fleet.assert_each_once(0..HOSTS);
}

#[test]
fn needs_sshd_servers_that_refuse_are_asked_again() {
    needs_sshd!("needs_sshd_servers_that_refuse_are_asked_again");
    let fleet = Fleet::with(HOSTS, &["MaxStartups 2:100:2"]);
    // Strangers hold all places of two hosts and of the jump host until somebody was refused.
    let busy = [&fleet.hosts[0], &fleet.hosts[4], &fleet.jump];
    let strangers: Vec<_> = busy.iter().flat_map(|host| [host; 2]).map(|host| host.stranger()).collect();
    let executor = fleet.start();
    sshd::wait_for("a refusal", || fleet.jump.log().contains("MaxStartups"), || fleet.jump.log());
    drop(strangers);
    let ended = executor.finish();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.events.last());
    fleet.assert_each_once(0..HOSTS);
}

#[test]
fn needs_sshd_wrong_sudo_does_nothing() {
    const NAME: &str = "needs_sshd_wrong_sudo_does_nothing";
    needs_sshd!(NAME);
    if !is_root(NAME) || !sshd::present(NAME, "sudo", "sudo") {
        return;
    }
    let (nobody, admin) = (Account::create("none"), Account::create("sudo"));
    admin.allow_sudo();
    let mut fleet = Fleet::new(2);
    fleet.input.ssh.sudo = true;
    let check = |fleet: &mut Fleet, account: &Account, password: Option<&str>, good: bool| {
        for machine in &mut fleet.input.machines {
            machine.user = Some(account.name.clone());
        }
        fleet.secrets.remove(SUDO_PASSWORD);
        fleet.secrets.extend(password.map(|password| (SUDO_PASSWORD, password.to_owned())));
        let ended = fleet.run();
        for at in 0..2 {
            let event = ended.machine(&machine_name(at));
            assert_eq!(event["outcome"] == "done", good, "{event:#}");
            if !good {
                assert_eq!(event["class"], "Auth", "{event:#}");
                assert_eq!((fleet.counter(at).as_str(), fleet.receipts(at)), ("", 0));
            }
        }
        let said = format!("{:?}", ended.events);
        assert!(password.is_none_or(|password| !said.contains(password)), "the password is in the log");
    };
    check(&mut fleet, &nobody, None, false);
    check(&mut fleet, &nobody, Some(&nobody.password), false);
    check(&mut fleet, &admin, None, false);
    check(&mut fleet, &admin, Some("wrong"), false);
    check(&mut fleet, &admin, Some(&admin.password), true);
    fleet.assert_each_once(0..2);
}
