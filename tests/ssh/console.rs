//! How the console asks hosts, against real OpenSSH servers: through a jump host, and never past a key that is not known.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use quarterdeck::{
    config::{self, Config},
    console::{
        self, Environment, Options,
        contexts::Context,
        hosts::{
            Access, Answer, Way,
            probe::{Reading, Unit},
            way::Jump,
        },
        message::{Effect, Event},
        run::Loop,
        state::Place,
        terminal,
    },
    fleet::{Clients, ContextId, Uid},
};

use crate::{
    needs_sshd,
    sshd::{Lab, Sshd, known_hosts, wait_for},
};

/// A console on no fleet, which logs in with the lab's key and trusts these servers.
fn console(lab: &Lab, trusted: &[&Sshd]) -> Loop<Vec<u8>> {
    let (key, keys) = (lab.folder.path().join("id"), lab.folder.path().join("known_hosts"));
    fs::write(&key, &lab.private_key).expect("a file");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("ours");
    fs::write(&keys, known_hosts(trusted)).expect("a file");
    let client = kube::Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().expect("a URL")));
    let options = Options {
        clients: Clients::of_one(client.expect("a client")),
        contexts: vec![Context::plain(Place::default())],
        config: Config::built_in(),
        environment: Environment::default(),
        session: None,
        tour: None,
        access: Some(Access::of(&config::Ssh::default(), None).with_only(key, keys)),
        clock: quarterdeck::console::clock::Clock::default(),
        replayed: false,
    };
    let screen = terminal::screen(Vec::new(), 80, 24).expect("a screen of a stated size");
    console::assemble(options, screen, (80, 24))
}

fn way(host: &Sshd, jumps: &[&Sshd]) -> Way {
    let jump = |jump: &&Sshd| Jump { host: jump.host.clone(), port: jump.port, user: Some(jump.user.clone()) };
    Way {
        uid: Uid::new(ContextId::FIRST, "uid-m-1"),
        name: "m-1".into(),
        namespace: "fleet".into(),
        host: host.host.clone(),
        port: host.port,
        user: host.user.clone(),
        jumps: jumps.iter().map(jump).collect(),
        known_hosts: None,
        pins: false,
    }
}

async fn ask(console: &mut Loop<Vec<u8>>, way: Way) -> Result<Reading, String> {
    console.hands.begin(Effect::AskHosts { round: 1, ways: vec![way] });
    answer(console).await
}

async fn answer(console: &mut Loop<Vec<u8>>) -> Result<Reading, String> {
    let event = tokio::time::timeout(Duration::from_secs(30), console.lines.recv()).await.expect("within its bound");
    let Some(Event::Host { round: 1, answer, .. }) = event else { panic!("{event:?}") };
    match answer {
        Answer::Read(reading) => Ok(reading),
        Answer::Failed(why) => Err(why),
        Answer::Awaited => panic!("it was answered"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_console_reads_a_host_behind_a_jump_host() {
    needs_sshd!("needs_sshd_console_reads_a_host_behind_a_jump_host");
    let lab = Lab::new();
    let (jump, host) = (lab.start(&[]), lab.start(&[]));
    let reading = ask(&mut console(&lab, &[&jump, &host]), way(&host, &[&jump])).await.expect("it answers");
    assert!(reading.seen.uptime_seconds.is_some_and(|seconds| seconds > 0), "{reading:?}");
    assert!(reading.seen.load.is_some() && reading.seen.cpus.is_some() && reading.seen.disk_percent.is_some());
    // It is this machine: one clock.
    assert!(reading.clock_agrees(), "{reading:?}");
    assert_eq!((jump.logins(), host.logins()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_console_refuses_a_key_that_is_not_known() {
    needs_sshd!("needs_sshd_console_refuses_a_key_that_is_not_known");
    let lab = Lab::new();
    let (jump, host) = (lab.start(&[]), lab.start(&[]));
    let file = lab.folder.path().join("known_hosts");
    let check = |said: Result<Reading, String>, who: &str, way_out: &Sshd| {
        let said = said.expect_err("it is not trusted");
        let begin = format!("{who} presented a host key that we do not know: SHA256:");
        let end =
            format!("then `ssh -p {} {}@{}` adds it to {}", way_out.port, way_out.user, way_out.host, file.display());
        assert!(said.contains(&begin) && said.ends_with(&end), "{said}");
    };
    check(ask(&mut console(&lab, &[&jump]), way(&host, &[&jump])).await, "m-1", &host);
    let name = format!("{}:{}", jump.host, jump.port);
    check(ask(&mut console(&lab, &[&host]), way(&host, &[&jump])).await, &name, &jump);
    check(ask(&mut console(&lab, &[]), way(&host, &[])).await, "m-1", &host);
    assert_eq!(host.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_console_keeps_a_round_its_jump_hosts_and_no_connection_to_a_host() {
    needs_sshd!("needs_sshd_console_keeps_a_round_its_jump_hosts_and_no_connection_to_a_host");
    let lab = Lab::new();
    let (jump, host, other) = (lab.start(&[]), lab.start(&[]), lab.start(&[]));
    let mut console = console(&lab, &[&jump, &host, &other]);
    let gone = |host: &Sshd| host.log().matches("Disconnected from").count();
    for (asked, host) in [&host, &other, &host].into_iter().enumerate() {
        let before = gone(host);
        ask(&mut console, way(host, &[&jump])).await.expect("it answers");
        wait_for("the connection to the host to be closed", || gone(host) == before + 1, || host.log());
        assert_eq!((jump.logins(), gone(&jump)), (1, 0), "after host {asked}: one connection carries all");
    }
    // A host through which others are reached is closed as a host, and goes on as a jump host.
    ask(&mut console, way(&jump, &[])).await.expect("it answers");
    wait_for("the connection to the host to be closed", || gone(&jump) == 1, || jump.log());
    ask(&mut console, way(&other, &[&jump])).await.expect("it answers");
    assert_eq!((jump.logins(), gone(&jump)), (2, 1));
}

/// The answers of a round say what to do about an unknown key; whoever has done it asks again, or changes the settings.
#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_console_trusts_what_was_added_since_when_it_asks_with_other_settings() {
    needs_sshd!("needs_sshd_console_trusts_what_was_added_since_when_it_asks_with_other_settings");
    let lab = Lab::new();
    let (host, slow) = (lab.start(&[]), lab.start(&["ForceCommand sleep 2; sh -s"]));
    let slower = lab.start(&["ForceCommand sleep 20; sh -s"]);
    let mut console = console(&lab, &[&slow, &slower]);
    ask(&mut console, way(&host, &[])).await.expect_err("it is not trusted");
    fs::write(lab.folder.path().join("known_hosts"), known_hosts(&[&host, &slow, &slower])).expect("a file");
    ask(&mut console, way(&host, &[])).await.expect_err("those that are asked together are asked with the same keys");
    // One that is being asked is asked to its end, the next one as the settings are now.
    console.hands.begin(Effect::AskHosts { round: 1, ways: vec![way(&slow, &[])] });
    wait_for("the slow one to be asked", || slow.logins() == 1, || slow.log());
    console.hands.access = std::sync::Arc::new((*console.hands.access).clone());
    ask(&mut console, way(&host, &[])).await.expect("its key is known now");
    answer(&mut console).await.expect("it was not given up");
    // A round of its own gives up what was asked before.
    console.hands.begin(Effect::AskHosts { round: 1, ways: vec![way(&slower, &[])] });
    wait_for("the slower one to be asked", || slower.logins() == 1, || slower.log());
    console.hands.begin(Effect::AskHosts { round: 2, ways: Vec::new() });
    let quiet = tokio::time::timeout(Duration::from_secs(3), console.lines.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

/// A program of this name, for sessions of the server.
fn stand_in(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_console_follows_journals_until_it_is_told_to_stop() {
    needs_sshd!("needs_sshd_console_follows_journals_until_it_is_told_to_stop");
    let lab = Lab::new();
    let programs = lab.folder.path().join("programs");
    fs::create_dir(&programs).expect("a folder");
    fs::set_permissions(&programs, fs::Permissions::from_mode(0o777)).expect("ours");
    stand_in(&programs, "systemctl", "printf 'LoadState=loaded\\nActiveState=failed\\n'");
    // It says the unit that it was asked for, and goes on until nobody hears it.
    let trace = programs.join("running");
    let script = format!(
        "trap '' PIPE\necho x >> {0}\nfor unit; do :; done\nn=0\nwhile echo \"179526240$n.000000 h $unit[1]: E1121 line $n of $unit\"; do \
         n=$(( (n + 1) % 10 )); sleep 0.1; done 2>/dev/null\necho y >> {0}",
        trace.display()
    );
    stand_in(&programs, "journalctl", &script);
    let force = format!("ForceCommand PATH={}:$PATH sh -c \"$SSH_ORIGINAL_COMMAND\"", programs.display());
    let host = lab.start(&[&force]);
    let mut console = console(&lab, &[&host]);
    let reading = ask(&mut console, way(&host, &[])).await.expect("it answers");
    assert_eq!((reading.seen.kubelet, reading.seen.etcd), (Unit::Failed, Unit::Failed));
    assert_eq!(reading.worries(true)[0].text, "kubelet has failed");

    console.hands.begin(Effect::Journals { ticket: 7, way: way(&host, &[]), lines: 20 });
    let mut heard = std::collections::BTreeMap::<String, usize>::new();
    let listen = async {
        while heard.len() < 3 || heard.values().any(|lines| *lines < 5) {
            let event = console.lines.recv().await;
            let Some(Event::Journal { ticket: 7, entries }) = event else { panic!("{event:?}") };
            for entry in entries {
                assert!(entry.line.text.starts_with("E1121 line "), "{entry:?}");
                *heard.entry(entry.line.phase.clone()).or_default() += 1;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), listen).await.expect("it hears all three");
    let count = |what: &str| fs::read_to_string(&trace).unwrap_or_default().matches(what).count();
    let gone = || host.log().matches("Disconnected from").count() + host.log().matches("Connection closed").count();
    wait_for("the connection that asked to be closed", || gone() == 1, || host.log());
    assert_eq!((host.logins(), count("x"), count("y")), (2, 3, 0), "one connection carries all three, to the end");
    console.hands.begin(Effect::StopJournals);
    wait_for("the connection to be closed", || gone() == 2, || host.log());
    wait_for("what ran there to end", || count("y") == 3, || fs::read_to_string(&trace).unwrap_or_default());
    assert_eq!((host.logins(), count("x")), (2, 3));
}
