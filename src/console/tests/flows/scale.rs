//! More machines, fewer, and what may come in between.

use super::{super::driver::Console, FLEET};
use crate::{
    api::{NodePool, labels},
    console::action::Action::{Hold, Pause, Rollback, Scale},
};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

fn replicas(console: &Console, pool: &str) -> Value {
    console.spec::<NodePool>(pool)["replicas"].clone()
}

#[test]
fn a_pool_is_scaled() {
    let mut console = Console::on(FLEET);
    console
        .pool("eu-1/gpu")
        .press(Scale)
        .expect_dialog()
        .set(8)
        .expect_level(2)
        .reason("launch")
        .confirm_with("gpu")
        .expect_done("eu-1-gpu scales from 3 to 8");
    assert_eq!(replicas(&console, "eu-1-gpu"), 8);
    assert_eq!(console.note::<NodePool>("eu-1-gpu", labels::REASON), "launch");
    assert_eq!(console.note::<NodePool>("eu-1-gpu", labels::REQUESTED_BY), "alice");
    assert_eq!(console.recorded(), ["eu-1-gpu scales from 3 to 8, by alice: launch"]);
    assert_eq!(console.changes(), ["PATCH nodepools/eu-1-gpu"]);
}

#[test]
fn keys_are_those_of_the_keymap() {
    let mut config = crate::config::Config::built_in();
    config.settings.read_only = false;
    for binding in &mut config.bindings {
        match binding.action.as_str() {
            "scale" => binding.keys = vec!["f9".into()],
            "command" => binding.keys = vec!["f8".into()],
            _ => {}
        }
    }
    let mut console = Console::with(config, &[(crate::config::ContextSettings::named("lab"), FLEET)]);
    console.pool("eu-1/gpu").press(Scale).expect_dialog().set(4).confirm_with("gpu").expect_done("from 3 to 4");
    assert_eq!(replicas(&console, "eu-1-gpu"), 4);
}

#[test]
fn what_the_server_refuses_to_try_out_is_not_sent() {
    let mut console = Console::on(FLEET);
    console.refuse(|sent| {
        let is_pool = sent.verb == Method::PATCH && sent.kind() == "nodepools";
        is_pool.then_some((403, "exceeded quota: gpus, requested: 5, used: 3, limited: 4"))
    });
    console
        .pool("eu-1/gpu")
        .press(Scale)
        .expect_dialog()
        .set(8)
        .confirm_with("gpu")
        .expect_refused("exceeded quota: gpus")
        .cancel()
        .expect_on("eu-1-gpu");
    assert_eq!(console.changes(), [""; 0]);
    assert_eq!(replicas(&console, "eu-1-gpu"), 3);
}

#[test]
fn who_may_try_out_and_not_write_is_told_in_the_dialog() {
    let mut console = Console::on(FLEET);
    console.refuse(|sent| {
        let is_made = sent.verb == Method::PATCH && sent.kind() == "nodepools" && !sent.dry_run;
        is_made.then_some((403, "nodepools.quarterdeck.dev \"eu-1-gpu\" is forbidden: User \"alice\" cannot patch"))
    });
    let dialog = console.pool("eu-1/gpu").press(Scale).expect_dialog().set(8).confirm_with("gpu");
    dialog.expect_refused("patch").cancel();
    assert_eq!(replicas(&console, "eu-1-gpu"), 3);
    assert_eq!(console.recorded(), [""; 0], "what was not made is not recorded");
}

#[test]
fn what_somebody_changed_meanwhile_is_read_again_and_confirmed_anew() {
    let mut console = Console::on(FLEET);
    let bob = json!({"metadata": {"annotations": {labels::REQUESTED_BY: "bob"}}, "spec": {"replicas": 5}});
    console
        .pool("eu-1/gpu")
        .press(Scale)
        .expect_dialog()
        .set(8)
        .while_open(|console| {
            console.meanwhile::<NodePool>("eu-1-gpu", bob);
        })
        .confirm_with("gpu")
        .expect_refused("replicas went from 3 to 5 by bob since you opened this: ctrl-r reads it again");
    assert_eq!(replicas(&console, "eu-1-gpu"), 5);
    console.control('r').key(super::super::driver::ESC);
    let dialog = console.pool("eu-1/gpu").press(Scale).expect_dialog().set(8);
    dialog.confirm_with("gpu").expect_done("eu-1-gpu scales from 5 to 8");
    assert_eq!(replicas(&console, "eu-1-gpu"), 8);
}

#[test]
fn a_dialog_that_reads_again_wants_its_yes_again() {
    let mut console = Console::on(FLEET);
    let five = json!({"spec": {"replicas": 5}});
    let dialog = console.pool("eu-1/gpu").press(Scale).expect_dialog().set(8);
    let dialog = dialog
        .while_open(|console| {
            console.meanwhile::<NodePool>("eu-1-gpu", five);
        })
        .reload();
    dialog.confirm_with("gp").expect_refused("type `gpu` to confirm").confirm_with("gpu").expect_done("from 5 to 8");
    assert_eq!(replicas(&console, "eu-1-gpu"), 8);
}

#[test]
fn status_that_is_written_meanwhile_is_in_nobodys_way() {
    let mut console = Console::on(FLEET);
    let dialog = console.pool("eu-1/gpu").press(Scale).expect_dialog().set(8);
    // A label moves the version and not the generation, as status does.
    let label = json!({"metadata": {"labels": {"seen": "yes"}}});
    dialog
        .while_open(|console| {
            console.meanwhile::<NodePool>("eu-1-gpu", label);
        })
        .confirm_with("gpu")
        .expect_done("from 3 to 8");
    assert_eq!(replicas(&console, "eu-1-gpu"), 8);
}

#[test]
fn a_change_is_exported_in_place_of_being_made() {
    let mut console = Console::read_only_on(FLEET);
    console
        .pool("eu-1/gpu")
        .press(Scale)
        .expect_dialog()
        .set(8)
        .export()
        .expect_shown("kubectl --namespace fleet patch nodepools.quarterdeck.dev eu-1-gpu")
        .next()
        .expect_shown("\"replicas\": 8")
        .next()
        .expect_shown("kind: NodePool")
        .copy()
        .expect_done("copied");
    console.pool("eu-1/gpu").press(Scale).expect_dialog().set(8).export().save().expect_done("written to");
    assert!(
        console.saved("eu-1-gpu.sh").starts_with("kubectl --namespace fleet patch nodepools.quarterdeck.dev eu-1-gpu")
    );
    console.expect_nothing_sent();
    assert_eq!(replicas(&console, "eu-1-gpu"), 3);
}

#[test]
fn production_wants_a_reason_and_the_number() {
    let mut console = Console::on(FLEET);
    console
        .pool("us-2/web")
        .press(Scale)
        .expect_dialog()
        .set(3)
        .expect_level(3)
        .confirm_with("web 3")
        .expect_refused("a change of this level needs a reason")
        .reason("CHG-7")
        .confirm_with("web")
        .expect_refused("type `web 3` to confirm")
        .confirm_with("web 3")
        .expect_done("us-2-web scales from 2 to 3");
    assert_eq!(replicas(&console, "us-2-web"), 3);
    assert_eq!(console.recorded(), ["us-2-web scales from 2 to 3, by alice: CHG-7"]);
}

#[test]
fn the_last_change_is_taken_back_with_a_plan_of_its_own() {
    let mut console = Console::on(FLEET);
    let dialog = console.pool("eu-1/gpu").press(Scale).expect_dialog().set(8);
    let row = dialog.confirm_with("gpu").expect_done("plans the way back");
    let dialog = row.press(Rollback).expect_dialog();
    // Five of eight at once are a large part.
    dialog.expect_level(3).reason("too many").confirm_with("gpu 3").expect_done("eu-1-gpu scales from 8 to 3");
    assert_eq!(replicas(&console, "eu-1-gpu"), 3);
}

#[test]
fn pausing_and_holding_are_immediate_and_going_on_asks() {
    let mut console = Console::on(FLEET);
    console.pool("eu-1/gpu").press(Pause).expect_done("eu-1-gpu is paused");
    assert_eq!(console.spec::<NodePool>("eu-1-gpu")["paused"], true);
    console.pool("eu-1/gpu").press(Pause).expect_question("Let eu-1-gpu go on?").enter();
    assert_eq!(console.spec::<NodePool>("eu-1-gpu")["paused"], true, "no is the default");
    console.pool("eu-1/gpu").press(Pause).expect_question("Let eu-1-gpu go on?").yes().expect_done("goes on");
    assert_ne!(console.spec::<NodePool>("eu-1-gpu")["paused"], true);
    console.pool("us-2/web").press(Hold).expect_done("us-2-web is on hold");
    assert_eq!(console.spec::<NodePool>("us-2-web")["hold"], true, "to stop is easy in production too");
    let dialog = console.pool("us-2/web").press(Hold).expect_dialog();
    dialog.confirm_with("us-2-web").expect_done("is no longer on hold");
    assert_ne!(console.spec::<NodePool>("us-2-web")["hold"], true);
}

#[test]
fn arming_that_runs_out_in_a_dialog_sends_nothing() {
    let mut config = crate::config::Config::built_in();
    config.settings.arm_minutes = 1;
    let mut console = Console::with(config, &[(crate::config::ContextSettings::named("lab"), FLEET)]);
    console.press(crate::console::action::Action::Arm);
    let dialog = console.pool("eu-1/gpu").press(Scale).expect_dialog().set(8);
    let dialog = dialog.while_open(|console| {
        console.wait(Duration::from_secs(61));
    });
    dialog.confirm_with("gpu").expect_refused("read-only: ctrl-o arms writes");
    assert_eq!(replicas(&console, "eu-1-gpu"), 3);
}
