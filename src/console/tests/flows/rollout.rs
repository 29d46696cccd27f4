//! Versions, replacements, and the ways back.

use super::{super::driver::Console, FLEET, TROUBLE};
use crate::{
    api::{ClusterDeployment, Machine, NodePool, Operation, labels},
    console::action::Action::{Abort, Mark, Pause, Replace, Retry, Rollback, Upgrade},
};

#[test]
fn a_cluster_is_upgraded() {
    let mut console = Console::on(FLEET);
    console
        .cluster("eu-1")
        .press(Upgrade)
        .expect_dialog()
        .version("1.35.0")
        .confirm_with("eu-1")
        .expect_refused("not among the versions")
        .version("1.34.2")
        .reason("CHG-1")
        .confirm_with("eu-1")
        .expect_done("is under way");
    let deployment = console.spec::<ClusterDeployment>("eu-1");
    assert_eq!(deployment["version"], "1.34.2");
    assert_eq!(console.changes(), ["PATCH clusterdeployments/eu-1"]);
}

#[test]
fn a_pool_is_replaced() {
    let mut console = Console::on(FLEET);
    console.pool("eu-1/web").press(Replace).expect_dialog().confirm_with("eu-1-web").expect_done("is under way");
    let after = &console.spec::<NodePool>("eu-1-web")["rollout"]["after"];
    assert!(after.is_string(), "{after}");
}

#[test]
fn marked_machines_are_replaced_and_no_other() {
    let mut console = Console::on(FLEET);
    let row = console.machine("w-5").press(Mark).press(Mark).press(Replace);
    row.expect_dialog().reason("hot").confirm_with("replace 2").expect_done("is under way");
    let marked = |name: &str| console.note::<Machine>(name, labels::REPLACE_MACHINE).is_string();
    let all = ["w-4", "w-5", "w-6", "w-7"].map(marked);
    assert_eq!(all, [false, true, true, false]);
}

#[test]
fn a_rollout_is_stopped_where_it_is() {
    let mut console = Console::on(TROUBLE);
    let dialog = console.pool("eu-1/general").press(Abort).expect_dialog().expect_level(3);
    dialog.confirm_with("abort general").expect_refused("a change of this level needs a reason");
    console.key(super::super::driver::ESC);
    let mut dialog = console.pool("eu-1/general").press(Abort).expect_dialog().reason("bad image");
    let phrase = dialog.phrase();
    dialog.confirm_with(&phrase).expect_done("stops where it is");
    assert_eq!(console.spec::<NodePool>("eu-1-general")["rollout"]["partition"], 3);
    assert_eq!(console.spec::<Operation>("drain-1")["cancelled"], true);
    assert_eq!(console.changes(), ["PATCH nodepools/eu-1-general", "PATCH operations/drain-1"]);
}

#[test]
fn a_pool_goes_back_to_the_revision_before() {
    let mut console = Console::on(TROUBLE);
    let mut dialog = console.pool("eu-1/general").press(Rollback).expect_dialog();
    let phrase = dialog.phrase();
    dialog.confirm_with(&phrase).expect_done("is under way");
    assert_eq!(console.spec::<NodePool>("eu-1-general")["version"], "1.32.4");
}

#[test]
fn what_failed_is_tried_again_after_a_yes() {
    let mut console = Console::on(TROUBLE);
    console.operation("grow-1").press(Retry).expect_question("Try grow-1 again?").enter();
    assert!(console.note::<Operation>("grow-1", labels::RETRY).is_null(), "no is the default");
    console.operation("grow-1").press(Retry).expect_question("Try grow-1 again?").yes().expect_done("tries again");
    assert!(console.note::<Operation>("grow-1", labels::RETRY).is_string());
    console.operation("drain-1").press(Retry).expect_refused("only a failed operation is tried again");
}

#[test]
fn an_operation_pauses_at_once_from_its_own_list() {
    let mut console = Console::on(TROUBLE);
    console.operations().row("drain-1").press(Pause).expect_done("drain-1 begins no new machine");
    assert_eq!(console.spec::<Operation>("drain-1")["paused"], true);
    console.operations().row("grow-1").press(Pause).expect_refused("the operation is over");
    assert_ne!(console.spec::<Operation>("grow-1")["paused"], true);
}
