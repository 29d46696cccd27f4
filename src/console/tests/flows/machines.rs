//! Machines one by one, several at once, and in rows that move.

use super::{super::driver::Console, FLEET, TROUBLE};
use crate::{
    api::{Machine, labels},
    console::action::Action::{
        ClearMarks, Cordon, Down, Drain, DrainForce, DrainHint, DrainSkip, DrainWait, Mark, MarkRange, SortNext,
        Uncordon,
    },
};
use serde_json::{Value, json};

fn maintenance(console: &Console, name: &str) -> Value {
    console.spec::<Machine>(name)["maintenance"].clone()
}

#[test]
fn a_machine_is_cordoned_and_given_back() {
    let mut console = Console::on(FLEET);
    console.machine("w-1").press(Cordon).expect_question("Cordon w-1?").enter();
    assert!(maintenance(&console, "w-1").is_null(), "no is the default");
    console.machine("w-1").press(Cordon).expect_question("Cordon w-1?").yes().expect_done("w-1 is to be cordoned");
    assert_eq!(maintenance(&console, "w-1")["by"], "alice");
    console.machine("w-1").press(Uncordon).expect_question("Uncordon w-1?").yes().expect_done("to be given back");
    assert!(maintenance(&console, "w-1").is_null());
    console.machine("w-2").press(Uncordon).expect_refused("w-2 was not cordoned from here");
    console.machine("spare-1").press(Cordon).expect_refused("spare-1 has no node");
}

#[test]
fn a_range_is_marked_and_drained_with_its_number() {
    let mut console = Console::on(FLEET);
    let row = console.machine("w-5").press(Mark).press(Down).press(Down).press(MarkRange);
    row.press(Drain).expect_dialog().expect_level(2).confirm_with("4").expect_done("4 machines are to be emptied");
    let drained: Vec<String> =
        (1..=12).map(|n| format!("w-{n}")).filter(|name| maintenance(&console, name)["drain"] == true).collect();
    assert_eq!(drained, ["w-5", "w-6", "w-7", "w-8"]);
    console.press(ClearMarks);
    assert!(console.state().marks.is_empty());
}

#[test]
fn a_dry_run_that_failed_is_asked_for_again() {
    let mut console = Console::on(FLEET);
    console.refuse(|sent| sent.dry_run.then_some((500, "etcdserver: request timed out")));
    let dialog = console.machine("w-5").press(Mark).press(Down).press(Mark).press(Drain).expect_dialog();
    let dialog = dialog.confirm_with("2").expect_refused("request timed out");
    let dialog = dialog.while_open(|console| {
        console.refuse(|_| None);
    });
    dialog.reload().confirm_with("2").expect_done("2 machines are to be emptied");
}

#[test]
fn a_blocked_drain_waits_is_skipped_or_forced() {
    let mut console = Console::on(TROUBLE);
    let choice = |console: &Console| console.note::<Machine>("g-3", labels::DRAIN_CHOICE);
    console.machine("g-3").press(DrainHint).expect_refused("scale Deployment/api to 3");
    console.expect_nothing_sent();
    console.machine("g-3").press(DrainWait).expect_done("g-3");
    assert_eq!(choice(&console), "drain-1=wait");
    console.machine("g-3").press(DrainSkip).expect_question("Leave g-3 in quarantine?").enter();
    assert_eq!(choice(&console), "drain-1=wait");
    console.machine("g-3").press(DrainSkip).expect_question("Leave g-3 in quarantine?").yes();
    assert_eq!(choice(&console), "drain-1=skip");
    let dialog = console.machine("g-3").press(DrainForce).expect_dialog();
    dialog.confirm_with("g-3").expect_refused("type `g-3-node` to confirm").confirm_with("g-3-node").expect_done("g-3");
    assert_eq!(choice(&console), "drain-1=force");
}

#[test]
fn what_is_done_to_a_filtered_row_is_done_to_that_machine() {
    let mut console = Console::on(FLEET);
    let row = console.table().filter("w-11").expect_not_shown("w-10 ").row("w-11");
    row.press(Cordon).expect_question("Cordon w-11?").yes().expect_done("w-11 is to be cordoned");
    let cordoned: Vec<String> =
        (1..=12).map(|n| format!("w-{n}")).filter(|name| !maintenance(&console, name).is_null()).collect();
    assert_eq!(cordoned, ["w-3", "w-11"], "w-3 was before");
}

#[test]
fn a_row_that_moves_while_it_is_asked_about_is_the_one_that_is_meant() {
    let mut console = Console::on(FLEET);
    // What has failed comes first: all other rows move.
    let failed = json!({"state": "Failed", "message": "gone"});
    let before = console.table().row("w-2").state().table.list.index;
    let row = console.table().row("w-2").press(Cordon).expect_question("Cordon w-2?").while_open(|console| {
        console.say("u-2", failed.clone()).say("w-9", failed);
    });
    row.yes().expect_done("w-2 is to be cordoned").expect_on("w-2");
    assert_ne!(console.state().table.list.index, before, "it has moved");
    assert!(!maintenance(&console, "w-2").is_null());
    assert_eq!(console.changes(), ["PATCH machines/w-2"]);
}

#[test]
fn the_order_of_the_table_does_not_take_the_cursor_away() {
    let mut console = Console::on(FLEET);
    let row = console.table().row("w-7").press(SortNext).expect_on("w-7").press(SortNext).expect_on("w-7");
    row.press(Cordon).expect_question("Cordon w-7?").yes();
    assert!(!maintenance(&console, "w-7").is_null());
}
