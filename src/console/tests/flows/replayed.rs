//! A recording is played: whatever was typed then, nothing is done to the machine of whoever looks, nor from it.

use super::{
    super::driver::{Console, ENTER, ESC},
    FLEET,
    apart::parsed,
};
use crate::{
    config::{Config, ContextSettings},
    console::action::Action::{Arm, Copy, Ssh, Why, Yaml},
};
use std::time::Duration;

#[test]
fn a_replay_runs_visits_asks_writes_and_copies_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let witness = |name: &str| folder.path().join(name);
    let command = |name: &str, rest: &str| {
        format!("{name}:\n  scope: machine\n  command: [touch, '{}']\n  {rest}\n", witness(name).display())
    };
    let text = command("touch", "dangerous: true\n  confirm: true\n  output: notice")
        + &command("paged", "output: pager")
        + &command("shown", "output: terminal");
    let mut config = Config::built_in();
    config.commands = parsed(&text);
    config.settings.ssh.command = format!("touch {}", witness("ssh").display());
    let mut console = Console::with(config, &[(ContextSettings::named("lab"), FLEET)]).replayed();
    console.press(Arm).machine("w-1").command("touch").write("y").expect_said("touch: not run: this is a recording");
    console.machine("w-1").command("paged").expect_shown("not run: this is a recording").key(ESC);
    console.machine("w-1").command("shown").expect_said("shown: not run: this is a recording");
    console.machine("w-1").press(Ssh).expect_said("w-1: not visited: this is a recording");
    console.machine("w-1").press(Copy).expect_said("not copied: this is a recording");
    console.machine("w-1").press(Why).expect_shown("no journals: not asked: this is a recording").press(Why);
    console.machine("w-1").press(Yaml).expect_pager().key('s').expect_shown("not written: this is a recording").close();
    console.pool("eu-1/gpu").expect_on("eu-1-gpu");
    console.hosts().expect_shown("not asked: this is a recording");
    // As long as a program takes that runs, many times over.
    std::thread::sleep(Duration::from_millis(300));
    console.wait(Duration::from_millis(10));
    let left = folder.path().read_dir().expect("a folder").count();
    assert_eq!((left, console.files()), (0, 0), "{}", console.shown());
    assert!(!console.written().contains("\x1b]52"));
    console.key(ENTER).expect_nothing_sent();
}
