//! What a changed `config.yaml` does to a console that runs.

use super::{super::driver::Console, FLEET};
use crate::{
    api::NodePool,
    config::{ContextSettings, Sync},
    console::action::Action::{Arm, Pause, Redraw, Scale},
};

/// What a terminal is told before a frame that is to be shown in one piece.
const IN_ONE_PIECE: &str = "\x1b[?2026h";

#[test]
fn a_file_that_forbids_writes_disarms_at_once_and_one_that_allows_them_arms_nothing() {
    let mut console = Console::on(FLEET);
    let dialog = console.pool("eu-1/gpu").press(Scale).expect_dialog().set(8);
    dialog
        .while_open(|console| {
            console.configure(|settings| settings.read_only = true).expect_said("read-only from now on");
        })
        .confirm_with("gpu")
        .expect_refused("read-only: ctrl-o arms writes")
        .cancel();
    console.pool("eu-1/gpu").press(Pause).expect_refused("read-only: `W` arms writes for 15 minutes");
    console.configure(|settings| settings.read_only = false).expect_said("`readOnly: false` arms nothing");
    console.pool("eu-1/gpu").press(Pause).expect_refused("read-only: `W` arms writes for 15 minutes");
    assert_eq!(console.changes(), [""; 0]);
    // Whoever has armed by hand under `readOnly: true` stays so while the file says the same.
    console.configure(|settings| settings.read_only = true).press(Arm);
    console.configure(|settings| settings.log_lines = 500).pool("eu-1/gpu").press(Pause).expect_done("is paused");
    assert_eq!(console.spec::<NodePool>("eu-1-gpu")["paused"], true);
}

#[test]
fn frames_are_asked_for_in_one_piece_as_the_file_says_by_now() {
    let mut console = Console::on(FLEET);
    for (sync, expected) in [(Sync::Off, false), (Sync::On, true), (Sync::Off, false), (Sync::Auto, true)] {
        console.configure(|settings| settings.sync = sync);
        console.written();
        console.press(Redraw);
        assert_eq!(console.written().contains(IN_ONE_PIECE), expected, "{sync:?}");
    }
}

#[test]
fn hosts_are_reached_as_the_file_says_by_now() {
    let mut console = Console::on(FLEET);
    assert_eq!(console.user_on_hosts(), None);
    console.configure(|settings| settings.ssh.user = Some("ops".into()));
    assert_eq!(console.user_on_hosts(), Some("ops"));
}

#[test]
fn other_contexts_are_for_the_next_start_and_that_is_said() {
    let mut console = Console::on(FLEET);
    console.configure(|settings| settings.contexts.push(ContextSettings::named("other")));
    console.expect_said("contexts are those of the file at the next start");
    assert_eq!(console.state().contexts.len(), 1);
    console.configure(|settings| settings.log_lines = 500).expect_not_shown("at the next start");
}
