//! What leaves the process, counted at the line, under random keys: the real loop, effects and watches on an embedded server.
//!
//! Read-only, nothing that writes leaves, not even a dry run. Armed, what is made is what was confirmed: a patch for each change
//! of the order that stood in the dialog, and an Event about each of them, by the same key and in that order. What counts as
//! confirmed is said here once more, from what a person sees, and not asked of the console. Two things are sent without a
//! question, and are known by what they say: what stops (pause, hold, a longer wait for a drain), which has its Event as well, and the
//! mark that has the pods of a cluster counted while the dialog of a rollout is open, which has none.

mod confirmed;
mod standing;
mod steps;

use super::{
    desk::{Desk, NAMESPACE, Site},
    wire::Sent,
};
use crate::{
    api::{Machine, NodePool},
    config::{Config, ContextSettings},
    console::{
        action::Action,
        form::Field,
        keys::Chord,
        state::{Overlay, State},
        update::dialog,
    },
};
use confirmed::{Confirmed, confirmed, is_count, is_stop, must_stop, unbound};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use http::Method;
use kube::api::DeleteParams;
use proptest::prelude::*;
use serde_json::{Value, json};
use standing::Standing;
use std::time::Duration;
use steps::{Step, Typed, steps};

/// Something of everything that can be acted on: a blocked drain, what has failed, a rollout, production.
const FLEET: &str = r#"
    cluster eu-1 version=1.33.6 versions=1.33.6,1.34.2 uncounted
    pool gpu replicas=3 selector.gpu=h100 previous=1.32.4
    machine g-1 Ready kubelet=1.33.6
    machine g-2 Draining kubelet=1.33.6 blocked=web/api op=drain-1 phases=Drain:run:252
    machine g-3 Failed phases=Preflight:ok:3,Kubelet:fail:9 op=grow-1 message="kubelet does not start"
    operation drain-1 Replace Draining 0/1 by=bob machines=g-2
    operation grow-1 ScaleUp Failed 0/1 by=bob machines=g-3 failed=1
    pool web replicas=4
    machine w-1 Ready kubelet=1.33.6
    machine w-2 Ready kubelet=1.33.6
    machine w-3 Ready kubelet=1.33.6 maintained
    machine w-4 Ready kubelet=1.33.6
    cluster us-2 version=1.33.6 production
    pool web replicas=2 paused
    machine u-1 Ready kubelet=1.33.6
    machine u-2 Ready kubelet=1.33.6
    idle 4 spare- gpu=h100
"#;

/// A case: the console, what it has tried out so far, and how many changes were made.
struct Case {
    desk: Desk,
    armed: bool,
    tried: Vec<(String, Value)>,
    made: usize,
}

impl Case {
    async fn of(armed: bool) -> Self {
        let mut config = Config::built_in();
        config.settings.read_only = !armed;
        let site = Site::of(ContextSettings::named("lab"), FLEET).await;
        let desk = Desk::of(vec![site], config, (120, 40)).await;
        let mut case = Self { desk, armed, tried: Vec::new(), made: 0 };
        case.account(Confirmed::Nothing, None);
        case
    }

    fn state(&self) -> &State {
        self.desk.state()
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Do(action) => {
                let chord = self.state().keymap.keys(*action).first().copied().expect("every action has a key");
                self.key(chord.into()).await;
            }
            Step::Key(key) => self.key(key.parse::<Chord>().expect("a key").into()).await,
            Step::Go(place) => {
                self.leave_all().await;
                self.word(&format!(":{place}")).await;
                self.key(KeyCode::Enter.into()).await;
            }
            Step::Submit(typed) => self.submit(*typed).await,
            Step::Slow(slow) => {
                let time = if *slow { Duration::from_secs(10) } else { Duration::ZERO };
                self.desk.sites[0].wire.think(time);
            }
            Step::Resize(width, height) => {
                self.desk.resize((*width, *height)).await;
                self.account(Confirmed::Nothing, None);
            }
            Step::Scaled(..) | Step::Said(..) | Step::Deleted(_) => self.meanwhile(step).await,
        }
    }

    /// Where letters are only written down: they come at once.
    async fn word(&mut self, word: &str) {
        self.desk.press(word.chars().map(|c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))).await;
        self.account(Confirmed::Nothing, None);
    }

    async fn leave_all(&mut self) {
        for _ in 0..3 {
            self.key(KeyCode::Esc.into()).await;
        }
    }

    /// A reason, then the phrase or not, and Enter.
    async fn submit(&mut self, typed: Typed) {
        let overlay = &mut self.desk.console.state.overlay;
        let Some(phrase) = dialog::current(overlay).map(|dialog| dialog.phrase()) else { return };
        for _ in 0..6 {
            match dialog::current(&mut self.desk.console.state.overlay).map(|dialog| dialog.form().focus) {
                Some(Field::Reason) => {
                    self.word("why").await;
                    self.key(KeyCode::Enter.into()).await;
                }
                Some(Field::Confirm) => break,
                Some(_) => self.key(KeyCode::Tab.into()).await,
                None => return,
            }
        }
        self.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)).await;
        match typed {
            Typed::Right => self.word(&phrase).await,
            Typed::Wrong => self.word(&phrase[..phrase.len().saturating_sub(1)]).await,
            Typed::Nothing => {}
        }
        self.key(KeyCode::Enter.into()).await;
    }

    async fn key(&mut self, key: KeyEvent) {
        if self.desk.is_over {
            return;
        }
        let (expected, must) = (confirmed(self.state(), key), must_stop(self.state(), key));
        self.desk.press([key]).await;
        self.account(expected, must);
    }

    /// Compares what has left since the last time with what was confirmed.
    fn account(&mut self, confirmed: Confirmed, must_stop: Option<bool>) {
        let sent = self.desk.sites[0].wire.take();
        let (dry, rest): (Vec<Sent>, Vec<Sent>) = sent.into_iter().partition(|sent| sent.dry_run);
        let made: Vec<Sent> = rest.into_iter().filter(Sent::is_mutation).collect();
        let shown = || self.desk.shown();
        if !self.armed {
            assert!(made.is_empty() && dry.is_empty(), "read-only, and this left: {made:#?} {dry:#?}\n{}", shown());
            return;
        }
        self.tried.extend(dry.iter().map(|sent| (sent.path.clone(), unbound(&sent.body))));
        let (counts, made): (Vec<Sent>, Vec<Sent>) = made.into_iter().partition(is_count);
        let on_rollout = matches!(self.desk.state().overlay, Overlay::Rollout(_));
        assert!(counts.is_empty() || (counts.len() == 1 && on_rollout), "{counts:#?}\n{}", shown());
        let (changes, events): (Vec<&Sent>, Vec<&Sent>) = made.iter().partition(|sent| sent.verb == Method::PATCH);
        let refused = made.iter().find(|sent| !sent.is_made());
        assert!(refused.is_none(), "{refused:#?}\n{}", shown());
        if changes.is_empty() && events.is_empty() && matches!(confirmed, Confirmed::Nothing) {
            return;
        }
        let what = format!("confirmed {confirmed:?}, sent {made:#?}\n{}", shown());
        let expected = match &confirmed {
            Confirmed::Nothing => Vec::new(),
            Confirmed::Stop => {
                assert!(changes.len() <= 1 && changes.iter().all(|sent| is_stop(&sent.body)), "{what}");
                assert!(must_stop.is_none_or(|must| must == (changes.len() == 1)), "{must_stop:?} {what}");
                changes.iter().map(|sent| (sent.path.clone(), unbound(&sent.body))).collect()
            }
            Confirmed::Order(order, _) => order
                .changes
                .iter()
                .map(|change| {
                    let kind = change.target.kind.plural();
                    let path =
                        format!("/apis/quarterdeck.dev/v1alpha1/namespaces/{NAMESPACE}/{kind}/{}", change.target.name);
                    (path, unbound(&change.body()))
                })
                .collect(),
        };
        let sent: Vec<_> = changes.iter().map(|sent| (sent.path.clone(), unbound(&sent.body))).collect();
        assert_eq!(sent, expected, "{what}");
        if let Confirmed::Order(_, true) = confirmed {
            assert!(sent.iter().all(|change| self.tried.contains(change)), "not tried out: {what}");
        }
        // Each has left its Event, about the same object, and there are no others.
        let about = |sent: &&Sent| sent.path.rsplit('/').next().unwrap_or_default().to_owned();
        let recorded = |sent: &&Sent| sent.body["involvedObject"]["name"].as_str().unwrap_or_default().to_owned();
        assert!(events.iter().all(|sent| sent.verb == Method::POST && sent.kind() == "events"), "{what}");
        let (named, told): (Vec<_>, Vec<_>) =
            (changes.iter().map(about).collect(), events.iter().map(recorded).collect());
        assert_eq!(named, told, "{what}");
        self.made += changes.len();
    }

    /// Others change something: the cursor stays on what it is on, or goes to what that belonged to.
    async fn meanwhile(&mut self, step: &Step) {
        let before = Standing::of(self.state());
        let site = &self.desk.sites[0];
        match step {
            Step::Scaled(pool, replicas) => site.patch::<NodePool>(pool, json!({"spec": {"replicas": replicas}})).await,
            Step::Said(machine, state) if site.api::<Machine>().get_opt(machine).await.expect("a read").is_some() => {
                site.say(machine, json!({"state": state})).await;
            }
            Step::Deleted(machine) => {
                // It may be gone already.
                let _ = site.api::<Machine>().delete(machine, &DeleteParams::default()).await;
            }
            _ => {}
        }
        self.desk.until_idle().await;
        self.account(Confirmed::Nothing, None);
        let after = Standing::of(self.state());
        assert!(before.leads_to(&after, self.state()), "{step:?}: {before:?} -> {after:?}\n{}", self.desk.shown());
    }
}

fn run(armed: bool, steps: &[Step]) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut case = Case::of(armed).await;
        for step in steps {
            case.take(step).await;
        }
        case.made
    })
}

/// How many cases: few by default; a case takes as long as ten of those that `QUARTERDECK_FUZZ_CASES` counts elsewhere.
fn cases(few: u32) -> ProptestConfig {
    let many = std::env::var("QUARTERDECK_FUZZ_CASES").ok().and_then(|cases| cases.parse::<u32>().ok());
    ProptestConfig { cases: many.map_or(few, |many| (many / 10).max(few)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn read_only_nothing_that_writes_leaves(steps in steps()) {
        run(false, &steps);
    }

    #[test]
    fn what_is_made_is_what_was_confirmed(steps in steps()) {
        run(true, &steps);
    }
}

/// The random ones would show nothing if nothing could be made: these steps make something of each level, and what lacks
/// a part of the yes makes nothing.
#[test]
fn what_is_confirmed_is_made() {
    let scale = [Step::Do(Action::Scale), Step::Key("up"), Step::Submit(Typed::Right)];
    let steps = [
        vec![Step::Go("pool eu-1/web")],
        vec![Step::Do(Action::Scale), Step::Key("up"), Step::Submit(Typed::Wrong), Step::Key("esc")],
        vec![Step::Slow(true), Step::Do(Action::Scale), Step::Key("up"), Step::Submit(Typed::Right), Step::Key("esc")],
        vec![Step::Slow(false)],
        scale.to_vec(),
        vec![Step::Go("pool us-2/web")],
        scale.to_vec(),
        vec![Step::Go("machine w-2"), Step::Do(Action::Cordon), Step::Key("y")],
        vec![Step::Go("pool eu-1/web"), Step::Do(Action::Pause)],
    ];
    assert_eq!(run(true, &steps.concat()), 4);
    assert_eq!(run(false, &steps.concat()), 0);
}
