//! What must not be sent: read-only, another context, a line that is broken.

use super::{super::driver::Console, FLEET, TROUBLE};
use crate::{
    api::{Machine, NodePool},
    config::{Config, ContextSettings},
    console::{
        action::{ACTIONS, Action, Layer},
        state::Overlay,
    },
};
use std::time::Duration;

#[test]
fn read_only_no_key_sends_anything() {
    let mut console = Console::read_only_on(TROUBLE);
    let writes = ACTIONS.iter().filter(|entry| entry.writes);
    for (place, entry) in writes.flat_map(|entry| [("pool eu-1/general", entry), ("machine g-3", entry)]) {
        if entry.layer == Layer::BlockedDrain && place != "machine g-3" {
            continue;
        }
        console.command(place).press(entry.action);
        // Whatever has opened: yes, and Enter wherever there is something to be pressed.
        for _ in 0..6 {
            console.key(super::super::driver::ENTER).write("y").key(super::super::driver::TAB);
        }
        console.key(super::super::driver::ESC).key(super::super::driver::ESC).expect_nothing_sent();
    }
    assert_ne!(console.spec::<NodePool>("eu-1-general")["paused"], true);
    console.pool("eu-1/general").press(Action::Pause).expect_refused("read-only: `W` arms writes for 15 minutes");
}

#[test]
fn of_two_contexts_the_one_that_is_locked_stays_as_it_is() {
    let locked = ContextSettings { read_only: true, ..ContextSettings::named("partner") };
    let contexts = [(ContextSettings::named("lab"), FLEET), (locked, FLEET)];
    let mut console = Console::with(Config::built_in(), &contexts);
    console.press(Action::Arm).expect_said("partner stays read-only");
    console.pool("partner/eu-1/gpu").press(Action::Scale).expect_refused("partner is read-only");
    console.pool("partner/eu-1/gpu").press(Action::Pause).expect_refused("partner is read-only");
    console.machine("partner/w-1").press(Action::Cordon).expect_refused("partner is read-only");
    console.expect_nothing_sent();
    let dialog = console.pool("lab/eu-1/gpu").press(Action::Scale).expect_dialog().set(8);
    dialog.confirm_with("gpu").expect_done("eu-1-gpu scales from 3 to 8");
    let replicas = |site| console.object_in::<NodePool>(site, "eu-1-gpu")["spec"]["replicas"].clone();
    assert_eq!((replicas(0), replicas(1)), (8.into(), 3.into()));
}

#[test]
fn a_line_that_breaks_while_a_dialog_is_open_sends_nothing() {
    let mut console = Console::on(FLEET);
    let dialog = console.pool("eu-1/gpu").press(Action::Scale).expect_dialog().set(8);
    dialog
        .while_open(|console| {
            console.cut();
        })
        .confirm_with("gpu")
        .expect_refused("cannot reach the API server")
        .cancel();
    assert_eq!(console.spec::<NodePool>("eu-1-gpu")["replicas"], 3);
    console.mend();
    // Nothing is sent later by itself.
    assert_eq!(console.spec::<NodePool>("eu-1-gpu")["replicas"], 3);
    assert_eq!(console.changes(), [""; 0]);
    console.pool("eu-1/gpu").press(Action::Scale).expect_dialog().set(4).confirm_with("gpu").expect_done("from 3 to 4");
    assert_eq!(console.spec::<NodePool>("eu-1-gpu")["replicas"], 4);
}

#[test]
fn what_is_done_without_a_line_is_refused_and_not_kept_for_later() {
    let mut console = Console::on(FLEET);
    console.cut();
    console.pool("eu-1/gpu").press(Action::Pause).expect_refused("cannot reach the API server");
    console.mend().wait(Duration::from_secs(60));
    assert_ne!(console.spec::<NodePool>("eu-1-gpu")["paused"], true);
}

#[test]
fn who_leaves_is_told_of_a_change_that_is_on_its_way_and_it_is_written() {
    let mut console = Console::on(FLEET);
    console.work(Duration::from_secs(3));
    console.pool("eu-1/gpu").press(Action::Pause);
    console.press(Action::Quit).expect_said("NodePool eu-1-gpu is being written: once more leaves");
    console.leave();
    assert_eq!(console.changes(), ["PATCH nodepools/eu-1-gpu"]);
    assert_eq!(console.spec::<NodePool>("eu-1-gpu")["paused"], true);
}

#[test]
fn who_leaves_does_not_wait_for_ever() {
    let mut console = Console::on(FLEET);
    console.work(Duration::from_secs(15));
    console.pool("eu-1/gpu").press(Action::Pause);
    console.press(Action::Quit).expect_said("is being written");
    console.leave();
    assert_eq!(console.changes(), [""; 0]);
}

#[test]
fn a_dangerous_command_of_the_users_waits_for_arming() {
    let folder = tempfile::tempdir().expect("a folder");
    let witness = folder.path().join("ran");
    let text = format!(
        "touch:\n  key: f7\n  scope: machine\n  command: [touch, '{}']\n  description: leaves a witness\n  dangerous: true\n  confirm: true\n  output: notice\n",
        witness.display()
    );
    let mut config = Config::built_in();
    config.commands = parsed(&text);
    let mut console = Console::with(config, &[(ContextSettings::named("lab"), FLEET)]);
    console.machine("w-1").command("touch").expect_said("read-only: `W` arms writes");
    console.key(super::super::driver::ENTER).write("y");
    // As long as it would have taken, many times over.
    std::thread::sleep(Duration::from_millis(300));
    console.wait(Duration::from_millis(10));
    assert!(!witness.exists());
    console.key(super::super::driver::ESC).press(Action::Arm);
    console.machine("w-1").command("touch");
    console.expect(matches!(console.state().overlay, Overlay::Confirm(_)), "it asks");
    console.write("y");
    // A program takes the time that it takes.
    for _ in 0..1_000 {
        if witness.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        console.wait(Duration::from_millis(10));
    }
    assert!(witness.exists(), "{}", console.shown());
    assert!(console.spec::<Machine>("w-1")["maintenance"].is_null());
}

pub fn parsed(text: &str) -> Vec<crate::config::commands::Command> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("commands.yaml"), text).expect("a file");
    let paths = crate::config::Paths::below(folder.path());
    let config = crate::console::configure(&paths);
    assert!(config.mistakes.is_empty(), "{:?}", config.mistakes);
    config.commands
}
