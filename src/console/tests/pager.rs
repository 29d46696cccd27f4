//! An object as text: what is read, what of it is seen, and what can be done with it.

use super::{FLEET, agree, press, screen, send, state};
use crate::console::{
    message::{Effect, Event},
    sheet::{About, Beside, Form, Kind, Member, Owner, Reading},
    state::{Overlay, State},
};
use crate::{api::ClusterDeployment, fleet::ContextId};
use serde_json::{Value, json};
use std::sync::Arc;

fn pool() -> Value {
    let pools: Vec<Value> = (1..40).map(|n| json!({"name": format!("m-{n}"), "state": "Ready"})).collect();
    json!({
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": "NodePool",
        "metadata": {
            "name": "eu-1-gpu", "namespace": "fleet", "uid": "uid-eu-1-gpu", "resourceVersion": "1",
            "creationTimestamp": "2026-11-21T09:00:00Z",
            "annotations": {
                "argocd.argoproj.io/tracking-id": "prod-fleet:quarterdeck.dev/NodePool:fleet/eu-1-gpu",
                "note": "a [red]line[::] with [markup] and \u{1b}[31mescapes, longer than any screen is wide, so that it has to be cut or to be wrapped, by whoever reads it"
            },
            "managedFields": [{"manager": "kubectl", "operation": "Apply", "time": "2026-11-21T09:00:00Z",
                "fieldsV1": {"f:spec": {"f:replicas": {}, "f:clusterName": {}}}}]
        },
        "spec": {"clusterName": "eu-1", "replicas": 6, "machineSelector": {"gpu": "h100"}},
        "status": {
            "readyReplicas": 4, "machines": pools,
            "conditions": [{"type": "Ready", "status": "False", "reason": "ScalingUp", "message": "2 machines are on their way",
                "lastTransitionTime": "2026-11-21T11:58:00Z"}]
        }
    })
}

fn deployment() -> ClusterDeployment {
    let mut deployment = ClusterDeployment::default();
    deployment.metadata.name = Some("eu-1".to_owned());
    deployment.spec.version = "1.34.2".to_owned();
    deployment
}

fn members() -> Vec<Member> {
    let member = |(at, version): (usize, &&str)| Member {
        name: format!("eu-1-m{at}"),
        version: Some((*version).to_owned()),
        ..Member::default()
    };
    ["1.34.2", "1.34.2", "1.33.6", "1.34.2"].iter().enumerate().map(member).collect()
}

fn reading() -> Reading {
    let event = json!({
        "metadata": {"name": "e"}, "involvedObject": {}, "type": "Warning", "reason": "PhaseFailed", "count": 3,
        "message": "BootstrapOS: apt-get update ended with status 100", "lastTimestamp": "2026-11-21T11:59:00Z",
        "reportingComponent": "quarterdeck-controller"
    });
    Reading {
        objects: vec![pool()],
        owners: vec![Owner { kind: "ClusterDeployment".into(), name: "eu-1".into(), is_known: true }],
        events: Ok(vec![serde_json::from_value(event).expect("an event")]),
        beside: Beside { deployment: Some(Box::new(deployment())), members: members(), ..Beside::default() },
        log: (1..=200).map(|n| format!("2026-11-21T11:59:00Z line {n}\n")).collect(),
    }
}

/// Presses keys on the pool eu-1/gpu, and answers what is asked for.
fn opened(keys: &str, size: (u16, u16)) -> State {
    let mut state = state(FLEET, size);
    press(&mut state, "j right j");
    for key in keys.split_inclusive(' ') {
        let effects = press(&mut state, key);
        answer(&mut state, &effects);
    }
    state
}

fn answer(state: &mut State, effects: &[Effect]) {
    for effect in effects {
        if let Effect::Read { ticket, .. } = effect {
            send(state, Event::Read { ticket: *ticket, outcome: Ok(Box::new(reading())) });
        }
    }
}

fn check(name: &str, state: &State) {
    insta::assert_snapshot!(format!("{name}_{}x{}", state.size.0, state.size.1), screen(state));
}

#[test]
fn an_object_as_yaml_and_in_words() {
    for size in [(80, 24), (160, 48)] {
        check("pager_yaml", &opened("y", size));
        check("pager_unfolded", &opened("y m w", size));
        check("pager_search", &opened("y / 'ready' enter n n", size));
        check("pager_describe", &opened("d", size));
        check("pager_diff", &opened("D", size));
    }
}

#[test]
fn what_is_under_the_cursor_is_read_live() {
    let check = |keys: &str, kind: Kind, name: &str, form: Form| {
        let mut state = state(FLEET, (120, 40));
        let effects = press(&mut state, keys);
        let about = About { context: ContextId::FIRST, kind, namespace: "fleet".into(), name: name.into() };
        let wanted =
            effects.iter().any(|e| matches!(e, Effect::Read { about: a, form: f, .. } if *a == about && *f == form));
        assert!(wanted, "{keys} {effects:?}");
    };
    check("j y", Kind::Cluster, "eu-1", Form::Yaml);
    check("j D", Kind::Cluster, "eu-1", Form::Diff);
    check("2 D", Kind::Operation, "eu-1-gpu-up", Form::Diff);
    check("j right j d", Kind::NodePool, "eu-1-gpu", Form::Describe);
    check("j right j right j y", Kind::Machine, "eu-1-m6", Form::Yaml);
    check("2 y", Kind::Operation, "eu-1-gpu-up", Form::Yaml);
    check("4 y", Kind::Machine, "eu-1-m6", Form::Yaml);
    let mut nothing = state(FLEET, (120, 40));
    assert!(press(&mut nothing, "y").is_empty());
    assert!(nothing.notice.expect("a sentence").text.contains("put the cursor on a cluster"));
}

#[test]
fn keys_of_the_pager_go_nowhere_else() {
    let mut state = opened("y", (80, 24));
    for keys in ["j", "s", "p", "W", "U", "ctrl-d", "!", "space", "2"] {
        let effects = press(&mut state, keys);
        assert!(effects.iter().all(|e| !e.is_mutation()) && !state.is_armed(), "{keys} {effects:?}");
        assert!(matches!(state.overlay, Overlay::Pager(_)), "{keys}");
    }
    press(&mut state, "q");
    assert!(matches!(state.overlay, Overlay::None));
}

#[test]
fn escape_ends_the_search_first_and_then_the_pager() {
    let mut state = opened("y / 'm-3' enter", (80, 24));
    assert!(screen(&state).contains("1/11"), "{}", screen(&state));
    press(&mut state, "esc");
    assert!(!screen(&state).contains("1/11") && matches!(state.overlay, Overlay::Pager(_)));
    press(&mut state, "esc");
    assert!(matches!(state.overlay, Overlay::None));
    // While it is typed, Esc goes back to where it began.
    let mut state = opened("y / 'm-30'", (80, 24));
    assert!(screen(&state).contains("m-30"));
    press(&mut state, "esc");
    assert!(screen(&state).contains("apiVersion"));
}

#[test]
fn all_of_it_is_copied_and_saved_as_it_came() {
    let mut state = opened("y", (80, 24));
    let effects = press(&mut state, "Y");
    let [Effect::Copy(text)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(text.ends_with("state: Ready\n") || text.contains("m-39"), "{text}");
    let said = state.notice.clone().expect("a sentence").text;
    assert_eq!(
        said,
        format!("copied {} bytes to the clipboard of your terminal", super::super::text::number(text.len()))
    );
    let effects = press(&mut state, "s");
    let [Effect::Save { name, text: saved }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((name.as_str(), saved), ("eu-1-gpu.yaml", text));
    send(&mut state, Event::Saved(Ok("/tmp/eu-1-gpu.yaml".into())));
    assert!(screen(&state).contains("written to /tmp/eu-1-gpu.yaml"));
}

#[test]
fn an_answer_that_is_not_waited_for_is_dropped_and_a_refusal_said() {
    let mut state = state(FLEET, (80, 24));
    let first = press(&mut state, "j y");
    press(&mut state, "esc");
    let second = press(&mut state, "d");
    answer(&mut state, &first);
    assert!(screen(&state).contains("Reading"), "{}", screen(&state));
    let Some(Effect::Read { ticket, .. }) = second.last() else { panic!("{second:?}") };
    send(
        &mut state,
        Event::Read { ticket: *ticket, outcome: Err("you may not get clusters in namespace fleet".into()) },
    );
    assert!(screen(&state).contains("you may not get clusters in namespace fleet"));
    // Once there is a text, a refusal does not take it away.
    let mut state = opened("y", (80, 24));
    let again = press(&mut state, "f");
    let Some(Effect::Read { ticket, .. }) = again.last() else { panic!("{again:?}") };
    send(&mut state, Event::Read { ticket: *ticket, outcome: Err("the line is broken".into()) });
    assert!(screen(&state).contains("the line is broken") && screen(&state).contains("apiVersion"));
}

#[test]
fn nothing_in_the_data_is_obeyed() {
    let state = opened("y", (160, 48));
    assert!(screen(&state).contains("[red]line[::] with [markup]"));
    assert!(!screen(&state).contains('\u{1b}'));
}

#[test]
fn marks_are_copied_a_name_on_each_line_and_too_much_is_refused() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, "j right j right j space space");
    let effects = press(&mut state, "Y");
    assert_eq!(effects, [Effect::Copy("eu-1-m5\neu-1-m6\n".into())]);
    let mut state = opened("y", (80, 24));
    let mut long = reading();
    long.objects[0]["status"]["log"] = Value::String("x".repeat(200_000));
    let effects = press(&mut state, "f");
    let Some(Effect::Read { ticket, .. }) = effects.last() else { panic!("{effects:?}") };
    send(&mut state, Event::Read { ticket: *ticket, outcome: Ok(Box::new(long)) });
    assert!(press(&mut state, "Y").is_empty());
    assert!(state.notice.expect("a sentence").text.contains("too many for the clipboard"));
}

#[test]
fn whatever_the_server_has_is_read_by_its_name() {
    let read = |line: &str| {
        let mut state = state(FLEET, (80, 24));
        let effects = press(&mut state, &format!(": '{line}' enter"));
        match (effects.last(), &state.overlay) {
            (Some(Effect::Read { about, form, .. }), _) => {
                format!("{form:?} {} {} in {}", about.kind.as_str(), about.name, about.namespace)
            }
            (_, Overlay::Palette(palette)) => palette.complaint.clone().unwrap_or_default(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(read("yaml cm settings"), "Yaml cm settings in fleet");
    assert_eq!(read("describe deployments.apps web"), "Describe deployments.apps web in fleet");
    assert_eq!(read("logs op-gpu-up-1-x"), "Log pod op-gpu-up-1-x in fleet");
    assert!(read("diff cm settings").contains("`cm` has nothing to compare"));
    assert!(read("logs a b").contains("write `logs POD"));
}

#[test]
fn a_log_is_read_from_its_end_and_again_from_where_one_is() {
    let mut state = opened(": ", (80, 24));
    let effects = press(&mut state, "'logs op-gpu-up-1-x' enter");
    answer(&mut state, &effects);
    assert!(screen(&state).contains("line 200"), "{}", screen(&state));
    press(&mut state, "g");
    let effects = press(&mut state, "f");
    answer(&mut state, &effects);
    assert!(screen(&state).contains("line 1\n") || screen(&state).contains("line 1 "), "{}", screen(&state));
}

#[test]
fn the_log_of_a_container_has_a_file_name_without_a_folder() {
    let mut state = opened(": ", (80, 24));
    let effects = press(&mut state, "'logs web-0/app' enter");
    answer(&mut state, &effects);
    let effects = press(&mut state, "s");
    assert!(matches!(effects.as_slice(), [Effect::Save { name, .. }] if name == "web-0_app.log"), "{effects:?}");
}

/// The pool gets Argo's mark.
fn tracked(state: &mut State) {
    let mut snapshot = (*state.snapshot).clone();
    for cluster in &mut snapshot.clusters {
        for pool in &mut Arc::make_mut(cluster).pools {
            let row = Arc::make_mut(&mut Arc::make_mut(pool).row);
            let metadata = &mut Arc::make_mut(row.resource.as_mut().expect("it exists")).metadata;
            let id = "prod-fleet:quarterdeck.dev/NodePool:fleet/gpu".to_owned();
            metadata.annotations.get_or_insert_default().insert("argocd.argoproj.io/tracking-id".into(), id);
        }
    }
    send(state, Event::Data(Arc::new(snapshot)));
}

#[test]
fn whoever_else_writes_a_pool_is_named_before_it_is_changed() {
    for size in [(80, 24), (120, 40)] {
        let mut state = state(FLEET, size);
        tracked(&mut state);
        let effects = press(&mut state, "W j right j s up");
        agree(&mut state, &effects);
        check("managed_scale", &state);
    }
    let mut state = state(FLEET, (120, 40));
    tracked(&mut state);
    // Pausing asks nothing: it is said with what became of it.
    let effects = press(&mut state, "W j right j p");
    let Some(Effect::Apply { order, .. }) = effects.last() else { panic!("{effects:?}") };
    assert!(order.done.ends_with("prod-fleet owns this pool: it may take your change back"), "{}", order.done);
}

#[test]
fn a_question_can_be_exported() {
    let mut state = state(&FLEET.replace("pool gpu replicas=6", "pool gpu paused replicas=6"), (120, 40));
    tracked(&mut state);
    press(&mut state, "W j right j p");
    assert!(screen(&state).contains("x exports the change as"), "{}", screen(&state));
    press(&mut state, "x");
    let Overlay::Export(export) = &state.overlay else { panic!("{:?}", state.overlay) };
    assert!(
        export.text().contains(r#"{"spec":{"paused":false}}"#) || export.text().contains("paused"),
        "{}",
        export.text()
    );
}
