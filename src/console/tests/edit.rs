//! `e`: from the key to the editor, and from what came out of it to the question.

use super::{FLEET, press, send, state};
use crate::console::{
    message::{Effect, Event},
    sheet::{About, Form, Kind, Reading},
    state::{Overlay, State},
};
use serde_json::{Value, json};

fn object(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": "quarterdeck.dev/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": "fleet", "uid": format!("uid-{name}"), "resourceVersion": "9", "generation": 1},
        "spec": {"replicas": 6},
    })
}

fn said(state: &State) -> String {
    state.notice.as_ref().map(|notice| notice.text.clone()).unwrap_or_default()
}

/// The read that a key asks for.
fn asked(effects: &[Effect]) -> Option<(u64, About)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Read { ticket, about, form: Form::Yaml } => Some((*ticket, about.clone())),
        _ => None,
    })
}

/// A state whose editor has been given a pool.
fn at_the_editor() -> (State, Box<crate::console::edit::Draft>) {
    let mut state = state(FLEET, (120, 40));
    let (ticket, _) = asked(&press(&mut state, "W j right j e")).expect("a read");
    let reading = Reading { objects: vec![object("NodePool", "eu-1-gpu")], ..Reading::default() };
    let effects = send(&mut state, Event::Read { ticket, outcome: Ok(Box::new(reading)) });
    let [Effect::Edit(draft)] = effects.as_slice() else { panic!("{effects:?}") };
    let draft = draft.clone();
    (state, draft)
}

#[test]
fn what_the_cursor_is_on_is_read_and_edited() {
    let check = |keys: &str, kind: Kind, name: &str| {
        let mut state = state(FLEET, (120, 40));
        let (_, about) = asked(&press(&mut state, keys)).unwrap_or_else(|| panic!("{keys}"));
        assert_eq!((about.kind, about.name.as_str()), (kind, name), "{keys}");
    };
    check("W j e", Kind::Cluster, "eu-1");
    check("W j right j e", Kind::NodePool, "eu-1-gpu");
    check("W j right j right j e", Kind::Machine, "eu-1-m6");
    check("W 2 e", Kind::Operation, "eu-1-gpu-up");
    check("W 4 e", Kind::Machine, "eu-1-m6");
    check("W j right j y e", Kind::NodePool, "eu-1-gpu");
}

#[test]
fn nothing_is_read_where_nothing_could_be_written() {
    let check = |keys: &str, why: &str| {
        let mut state = state(FLEET, (120, 40));
        assert_eq!(asked(&press(&mut state, keys)), None, "{keys}");
        assert!(said(&state).contains(why), "{keys}: {}", said(&state));
    };
    check("j e", "read-only: `W` arms writes");
    check("W e", "put the cursor on a cluster");
}

#[test]
fn what_is_there_of_a_cluster_is_not_what_is_edited() {
    let mut state = state(FLEET, (120, 40));
    let (ticket, _) = asked(&press(&mut state, "W j e")).expect("a read");
    let reading = Reading { objects: vec![object("Cluster", "eu-1")], ..Reading::default() };
    assert!(send(&mut state, Event::Read { ticket, outcome: Ok(Box::new(reading)) }).is_empty());
    assert_eq!(said(&state), "eu-1 has no ClusterDeployment: there is nothing to edit");
}

#[test]
fn a_key_that_comes_first_is_for_the_console() {
    let mut state = state(FLEET, (120, 40));
    let (ticket, _) = asked(&press(&mut state, "W j right j e")).expect("a read");
    press(&mut state, "k");
    assert!(said(&state).contains("another key came first"), "{}", said(&state));
    let reading = Reading { objects: vec![object("NodePool", "eu-1-gpu")], ..Reading::default() };
    assert!(send(&mut state, Event::Read { ticket, outcome: Ok(Box::new(reading)) }).is_empty());
}

#[test]
fn what_was_changed_is_asked_about_with_a_dry_run_and_nothing_else_is_sent() {
    let (mut state, draft) = at_the_editor();
    let text = draft.text.replace("replicas: 6", "replicas: 9");
    let effects = send(&mut state, Event::Edited { draft: draft.clone(), outcome: Ok(text) });
    let [Effect::DryRun { order, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let body = order.changes[0].body();
    assert_eq!((&body["spec"], &body["metadata"]["resourceVersion"]), (&json!({"replicas": 9}), &"9".into()));
    let Overlay::Typed(dialog) = &state.overlay else { panic!("a dialog") };
    assert_eq!((dialog.level, dialog.phrase.as_str()), (2, "eu-1-gpu"));
    assert!(
        dialog.meaning.iter().any(|line| line.contains("`s`, `U` and `R` show that first")),
        "{:?}",
        dialog.meaning
    );

    let (mut state, draft) = at_the_editor();
    let outcome = Ok(draft.text.clone());
    assert!(send(&mut state, Event::Edited { draft, outcome }).is_empty());
    assert_eq!(said(&state), "NodePool eu-1-gpu is as it was: nothing is written");

    let (mut state, draft) = at_the_editor();
    let outcome = Ok(draft.text.replace("kind: NodePool", "kind: Machine"));
    let effects = send(&mut state, Event::Edited { draft: draft.clone(), outcome });
    let [Effect::Edit(again)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(again.text.contains("# kind cannot be changed here"), "{}", again.text);

    let effects = send(&mut state, Event::Edited { draft, outcome: Err("there is no program `vi` here".to_owned()) });
    assert!(effects.is_empty());
    assert_eq!(said(&state), "NodePool eu-1-gpu is not changed: there is no program `vi` here");
}
