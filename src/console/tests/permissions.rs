//! What the server does not let us do: greyed, said, and never sent.

use super::{FLEET, agree, press, screen, send, state, with};
use crate::{
    console::{
        action::Action,
        message::{Effect, Event, Refusal, Why},
        permissions::{Answers, Need},
        state::{Overlay, State},
    },
    fleet::{ContextId, testing},
};

pub const NOTHING: Answers = [Some(false); Need::ALL.len()];
const VIEWER: Answers = [Some(false), Some(false), Some(false), Some(false), Some(true), Some(true)];
const OPERATOR: Answers = [Some(true); Need::ALL.len()];
const SENTENCE: &str =
    "you may not patch nodepools in namespace fleet (RBAC: ask for ClusterRole quarterdeck-operator)";

pub fn may(answers: Answers) -> State {
    let mut state = state(FLEET, (120, 40));
    send(&mut state, Event::Reviewed(ContextId::FIRST, answers));
    state
}

fn said(state: &State) -> &str {
    state.notice.as_ref().map_or("", |notice| &notice.text)
}

fn reviews(effects: &[Effect]) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::Review { .. })).count()
}

#[test]
fn it_is_asked_once_at_the_first_sign_of_life() {
    let mut state = super::empty((120, 40));
    assert!(press(&mut state, "j k").is_empty(), "the first answer is waited for");
    state.contexts[0].permissions = Default::default();
    assert_eq!(
        send(&mut state, Event::Tick),
        [Effect::Review { context: ContextId::FIRST, namespace: "fleet".into() }]
    );
    assert_eq!(reviews(&send(&mut state, Event::Tick)), 0);
}

#[test]
fn what_is_not_known_forbids_nothing() {
    for answers in [Answers::default(), OPERATOR] {
        let mut state = may(answers);
        press(&mut state, "W j right j s");
        assert!(state.is_armed() && matches!(state.overlay, Overlay::Scale(_)), "{answers:?}");
    }
    // Nor does a server that does not answer the second time make us forget the first.
    let mut state = may(VIEWER);
    send(&mut state, Event::Reviewed(ContextId::FIRST, Answers::default()));
    assert!(state.why_not(Action::Scale).is_some());
}

#[test]
fn a_key_that_is_not_for_us_says_why_and_opens_nothing() {
    for keys in ["s", "H", "p", "W", ": 'scale eu-1/gpu 9' enter", ": 'hold' enter"] {
        let mut state = may(VIEWER);
        press(&mut state, "j right j");
        let effects = press(&mut state, keys);
        assert_eq!(said(&state), SENTENCE, "{keys}");
        assert!(matches!(state.overlay, Overlay::None) && !state.is_armed(), "{keys}");
        assert!(effects.iter().all(|e| !e.is_mutation()), "{keys}");
    }
    let mut state = may(VIEWER);
    press(&mut state, "2 t");
    assert!(said(&state).starts_with("you may not patch operations in namespace fleet"), "{}", said(&state));
}

#[test]
fn each_action_has_its_own_need() {
    // Pools, operations, pods, logs.
    let check = |[pools, operations, pods, logs]: [bool; 4], keys: &str, expected: &str| {
        let answers = [pools, operations, pools, pools, pods, logs];
        let mut state = may(answers.map(Some));
        press(&mut state, keys);
        let why = |action| if state.why_not(action).is_some() { "-" } else { "+" };
        let all = [Action::Scale, Action::Pause, Action::Retry, Action::Logs, Action::Arm];
        assert_eq!(all.map(why).concat(), expected, "{answers:?} {keys}");
    };
    check([true, true, true, true], "", "+++++");
    check([true, false, true, true], "", "++-++");
    check([true, false, true, true], "2", "+--++");
    check([false, true, true, true], "", "--+++");
    check([false, true, true, true], "2", "-++++");
    check([true, true, true, false], "", "+++-+");
    check([true, true, false, true], "", "+++-+");
    check([false, false, true, true], "", "---+-");
}

#[test]
fn logs_that_may_not_be_read_are_not_asked_for() {
    let mut state = may([Some(true), Some(true), Some(true), Some(true), Some(true), Some(false)]);
    assert!(press(&mut state, "j l").is_empty(), "on a branch the key opens it");
    let effects = press(&mut state, "j l");
    assert!(!effects.iter().any(|e| matches!(e, Effect::Follow { .. })), "{effects:?}");
    assert!(said(&state).contains("get pods/log in namespace fleet (RBAC: ask for ClusterRole quarterdeck-viewer)"));
}

#[test]
fn a_server_that_refuses_is_asked_again() {
    let mut state = may(OPERATOR);
    let effects = press(&mut state, "W j right j p");
    let Some(Effect::Apply { ticket, .. }) = effects.last() else { panic!("{effects:?}") };
    let refusal = Refusal { message: SENTENCE.into(), why: Why::Forbidden };
    assert_eq!(reviews(&send(&mut state, Event::Applied { ticket: *ticket, outcome: Err(refusal) })), 1);
    send(&mut state, Event::Reviewed(ContextId::FIRST, VIEWER));
    assert!(press(&mut state, "p").is_empty() && said(&state) == SENTENCE);
}

#[test]
fn a_dry_run_that_is_refused_makes_it_ask_again_and_what_it_learns_counts_in_the_dialog() {
    let mut state = may(Answers::default());
    let effects = press(&mut state, "W j right j s up");
    let Some(Effect::DryRun { ticket, .. }) = effects.last() else { panic!("{effects:?}") };
    let refusal = Refusal { message: SENTENCE.into(), why: Why::Forbidden };
    assert_eq!(reviews(&send(&mut state, Event::DryRun { ticket: *ticket, outcome: Err(refusal) })), 1);
    send(&mut state, Event::Reviewed(ContextId::FIRST, VIEWER));
    let effects = press(&mut state, "up enter enter 'gpu' enter");
    assert!(effects.iter().all(|e| !matches!(e, Effect::Apply { .. } | Effect::DryRun { .. })), "{effects:?}");
    let Overlay::Scale(dialog) = &state.overlay else { panic!("{:?}", state.overlay) };
    assert_eq!(dialog.form.complaint.as_deref(), Some(SENTENCE));
}

#[test]
fn a_question_that_was_open_when_the_permission_went_sends_nothing() {
    let paused = FLEET.replace("pool gpu replicas=6", "pool gpu paused replicas=6");
    let mut state = may(OPERATOR);
    with(&mut state, testing::snapshot(&paused));
    press(&mut state, "W j right j p");
    assert!(matches!(state.overlay, Overlay::Confirm(_)));
    send(&mut state, Event::Reviewed(ContextId::FIRST, VIEWER));
    assert!(press(&mut state, "y").is_empty() && said(&state) == SENTENCE);
}

#[test]
fn a_new_line_may_be_that_of_somebody_else() {
    let mut state = may(VIEWER);
    let lost = testing::snapshot(&format!("{FLEET}\noffline"));
    assert_eq!(reviews(&with(&mut state, lost)), 0);
    assert_eq!(reviews(&press(&mut state, "j right j s")), 0, "there is nobody to ask");
    assert_eq!(reviews(&with(&mut state, testing::snapshot(FLEET))), 1);
    send(&mut state, Event::Reviewed(ContextId::FIRST, OPERATOR));
    assert_eq!(said(&state), "you may change the fleet now");
    press(&mut state, "s");
    assert!(matches!(state.overlay, Overlay::Scale(_)));
}

#[test]
fn a_key_that_is_not_for_us_asks_whether_that_is_still_so_but_not_all_the_time() {
    let mut state = may(VIEWER);
    state.now += jiff::SignedDuration::from_secs(10);
    let effects = press(&mut state, "j right j s s s s s s s s");
    assert_eq!(reviews(&effects), 1);
    send(&mut state, Event::Reviewed(ContextId::FIRST, VIEWER));
    assert_eq!(reviews(&press(&mut state, "s s s")), 0);
}

#[test]
fn an_unsupported_server_is_looked_at_only() {
    let why = "the API server is Kubernetes 1.28, and Quarterdeck needs 1.31 or newer";
    let mut state = may(OPERATOR);
    state.contexts[0].place.only_look = Some(why.into());
    for keys in ["W", "j right j s", "p", "H"] {
        assert!(press(&mut state, keys).iter().all(|e| !e.is_mutation()));
        assert_eq!(said(&state), why, "{keys}");
    }
    assert!(screen(&state).contains("VIEW ONLY"));
    let effects = press(&mut state, "l");
    assert!(effects.iter().any(|e| matches!(e, Effect::Follow { .. })), "reading is another matter");
}

#[test]
fn armed_by_the_configuration_is_still_view_only() {
    let mut state = may(VIEWER);
    state.armed_until = Some(jiff::Timestamp::MAX);
    assert!(screen(&state).contains("VIEW ONLY"));
    let effects = press(&mut state, "j right j s up");
    assert!(agree(&mut state, &effects).is_empty() && effects.iter().all(|e| !matches!(e, Effect::DryRun { .. })));
}
