//! Ways through the console that change nothing: there and back, and what is read on the way.

use super::{super::driver::Console, FLEET, TROUBLE};
use crate::console::action::Action::{
    Audit, Describe, HistoryBack, HistoryForward, HistorySwap, JumpBookmark, Pause, SetBookmark, Why, Yaml,
};

#[test]
fn bookmarks_and_the_history_lead_back_to_the_same_row() {
    let mut console = Console::read_only_on(FLEET);
    console.machine("w-5").press(SetBookmark).write("a");
    console.pool("us-2/web").expect_on("us-2-web");
    console.table().row("u-1");
    console.press(JumpBookmark).write("a");
    assert_eq!(console.subject(), "w-5");
    console.press(HistoryBack);
    assert_eq!(console.subject(), "u-1");
    console.press(HistoryBack);
    assert_eq!(console.subject(), "us-2-web");
    console.press(HistoryForward);
    assert_eq!(console.subject(), "u-1");
    console.press(HistorySwap);
    assert_eq!(console.subject(), "us-2-web");
    console.expect_nothing_sent();
}

#[test]
fn why_a_machine_is_not_ready_stands_on_one_page() {
    let mut console = Console::read_only_on(TROUBLE);
    let mut row = console.machine("m-2").press(Why);
    row.expect_shown("phase Kubelet failed").expect_shown("kubelet does not start: no such image");
    // Its host cannot be asked here, and that is said in place of journals.
    row.expect_shown("no journals: cannot reach m-2");
    row.press(Why).key(super::super::driver::ESC);
    console.expect(console.state().why.is_none(), "the page is closed");
    console.expect_nothing_sent();
}

#[test]
fn an_object_is_read_searched_and_saved() {
    let mut console = Console::read_only_on(FLEET);
    let pager =
        console.machine("g-2").press(Yaml).expect_pager().expect_shown("kind: Machine").search("kubeletVersion");
    let pager = pager.expect_shown("kubeletVersion: \"1.33.6\"").key('s').expect_shown("written to");
    pager.close().expect_on("g-2");
    let saved = console.saved("g-2.yaml");
    assert!(saved.contains("kubeletVersion: \"1.33.6\"") && !saved.contains('\u{1b}'), "{saved}");
    console
        .machine("g-2")
        .press(Yaml)
        .expect_pager()
        .key('s')
        .expect_shown("is there already, and is not written over");
    console.expect_nothing_sent();
}

#[test]
fn who_did_what_can_be_read_where_it_was_done() {
    let mut console = Console::on(FLEET);
    console.pool("eu-1/gpu").press(Pause).expect_done("eu-1-gpu is paused");
    console.pool("eu-1/gpu").press(Audit);
    console.expect_shown("alice").expect_shown("is paused").key(super::super::driver::ESC);
    console.pool("us-2/web").press(Audit);
    console.expect_shown("Who did what").expect_not_shown("eu-1-gpu is paused");
}

#[test]
fn a_change_is_described_with_its_author() {
    let mut console = Console::on(FLEET);
    console.pool("eu-1/gpu").press(Pause).expect_done("eu-1-gpu is paused");
    console.pool("eu-1/gpu").press(Describe).expect_pager().expect_shown("alice");
}

#[test]
fn hosts_that_do_not_answer_say_so_one_by_one() {
    let mut console = Console::read_only_on(FLEET);
    console.pool("eu-1/gpu").expect_on("eu-1-gpu");
    console.hosts().expect_shown("g-1").expect_shown("g-3").here();
    console.wait(std::time::Duration::from_secs(30));
    console.expect_shown("refused");
    console.expect_nothing_sent();
}

#[test]
fn what_was_done_stands_among_the_events() {
    let mut console = Console::on(FLEET);
    console.pool("eu-1/gpu").press(Pause).expect_done("eu-1-gpu is paused");
    console.events().expect_shown("eu-1-gpu is paused, by alice");
}
