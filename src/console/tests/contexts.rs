//! Several meta clusters at once: what is shown of them, what it takes to change something there, and that a change goes to
//! the one that its row came from and to no other.

mod reach;
mod servers;

use super::{agree, keymap, press, screen, send};
use crate::{
    api::{ClusterDeployment, ClusterDeploymentSpec, NodePool, NodePoolSpec, definitions},
    config::{Accent, Config, ContextSettings, Themes},
    console::{
        action::Action,
        contexts::Context,
        effects::Hands,
        form::Ask as _,
        glyphs::Glyphs,
        hosts::Access,
        message::{Change, Effect, Event, Order},
        state::{Overlay, Place, State, Subject},
        view::view,
    },
    embedded::{self, ApiServer},
    fleet::{Clients, ContextId, Feeds, Snapshot, Welcome, merge, testing},
};
use futures::FutureExt as _;
use kube::{Api, Client, api::PostParams};
use proptest::prelude::*;
use ratatui::{Terminal, backend::TestBackend, style::Modifier};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::sync::mpsc;

const ONE: &str = r#"
    cluster eu-1 version=1.34.2
    pool gpu replicas=4
    machine m-1 Ready
    machine m-2 Ready
    machine m-3 Ready
    machine m-4 Failed
    operation eu-1-gpu-up ScaleUp Running 1/4 by=alice machines=m-4
    event Warning DrainBlocked Machine/m-4 "pdb web/api allows 0 disruptions" ago=5
    idle 2 spare-
"#;

fn settings() -> [ContextSettings; 3] {
    [
        ContextSettings {
            tags: vec!["production".into()],
            accent: Some(Accent::Red),
            ..ContextSettings::named("prod-eu")
        },
        ContextSettings { accent: Some(Accent::Green), ..ContextSettings::named("lab") },
        ContextSettings { read_only: true, ..ContextSettings::named("partner") },
    ]
}

/// Production, a laboratory, and one that is not to be touched; the latter two with what the first one has.
fn fleet(lab: &str) -> Arc<Snapshot> {
    testing::several(&[("prod-eu", ONE), ("lab", lab), ("partner", ONE)])
}

fn state(snapshot: Arc<Snapshot>, size: (u16, u16)) -> State {
    let context = |settings: &ContextSettings| {
        let place = Place { context: settings.name.clone(), user: "alice".into(), ..Place::default() };
        Context::new(place, settings, Path::new("/home/alice/.config/quarterdeck/config.yaml"))
    };
    let contexts = settings().iter().map(context).collect();
    let mut state = State::on(contexts, keymap(), Glyphs::Unicode, size, testing::NOW);
    send(&mut state, Event::Data(snapshot));
    state
}

fn at(place: usize) -> ContextId {
    ContextId::at(place)
}

fn said(state: &State) -> &str {
    state.notice.as_ref().map_or("", |notice| &notice.text)
}

#[test]
fn each_context_is_a_branch() {
    for size in [(80, 24), (160, 48)] {
        let lab = format!("{ONE}\noffline");
        let mut state = state(fleet(&lab), size);
        let check = |name: &str, state: &State| {
            insta::assert_snapshot!(format!("contexts_{name}_{}x{}", size.0, size.1), screen(state));
        };
        check("fleet", &state);
        press(&mut state, ": 'cluster prod-eu/eu-1' enter right");
        check("production", &state);
        press(&mut state, ": 'pool lab/eu-1/gpu' enter h h");
        check("offline", &state);
        press(&mut state, "2");
        check("operations", &state);
    }
}

#[test]
fn what_a_lost_context_had_under_way_is_not_shown_as_live() {
    // Keys, and how the line to the laboratory is; what is said of all, and how many rows are of a lost line.
    for (keys, lab, title, lost) in [
        ("2", "", "3 under way · 3 known", 0),
        ("2", "offline", "2 under way, 1 when last seen · 3 known", 1),
        ("g", "", "Operations 3 under way ─", 0),
        ("g", "offline", "Operations 2 under way, 1 when last seen ─", 1),
        (": 'cluster lab/eu-1' enter", "offline", "Operations 1 under way when last seen ─", 1),
    ] {
        let mut state = state(fleet(&format!("{ONE}\n{lab}")), (160, 48));
        press(&mut state, keys);
        let shown = screen(&state);
        let of_lost = |line: &&str| line.contains("◍ lab  ") || line.contains("◍ eu-1/gpu");
        let seen = shown.lines().filter(|line| line.contains("ScaleUp")).filter(of_lost).count();
        assert!(shown.contains(title) && seen == lost, "{keys} {lab} {seen}: {shown}");
    }
}

#[test]
fn hosts_say_which_context_they_are_of_and_are_filtered_by_it() {
    for size in [(80, 24), (160, 48)] {
        let mut state = state(fleet(ONE), size);
        press(&mut state, "g 5");
        let shown = screen(&state);
        let rows = |name: &str| shown.lines().filter(|line| line.contains(name) && line.contains(" m-4 ")).count();
        assert!(shown.contains(" CONTEXT  NAME ") && shown.contains(" RTT"), "{shown}");
        assert_eq!([rows("!prod-eu m-4"), rows("lab      m-4"), rows("partner  m-4")], [1, 1, 1], "{shown}");
        press(&mut state, "/ 'context=lab' enter");
        assert!(state.hosts.len() == 6 && state.hosts.from(0).all(|host| host.uid.context == at(1)));
        press(&mut state, "/ ctrl-u '!partner m-4' enter");
        assert_eq!(state.hosts.len(), 2);
    }
}

/// The accent of the header in a theme: whether it is turned round, and what it says.
#[test]
fn production_is_a_word_and_not_only_a_colour() {
    for theme in ["none", "16", "dark", "light", "high-contrast"] {
        let mut state = state(fleet(ONE), (120, 40));
        press(&mut state, ": 'cluster prod-eu/eu-1' enter");
        let themes = Themes::built_in();
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).expect("a test backend");
        terminal
            .draw(|frame| view(&state, themes.find(theme).expect("it is built in"), frame))
            .expect("a test backend");
        let buffer = terminal.backend().buffer();
        let first: String = (0..120).map(|x| buffer[(x, 0)].symbol()).collect();
        let column = first.find("PROD prod-eu").map(|at| first[..at].chars().count() as u16).expect("it is said");
        let style = buffer[(column, 0)].style();
        let turned = style.add_modifier.contains(Modifier::REVERSED);
        let plain = buffer[(60, 20)].style().bg;
        assert!(turned == (theme == "none") && (turned || style.bg != plain), "{theme}: {style:?}");
    }
}

#[test]
fn names_that_two_contexts_have_are_not_mixed() {
    let lab = ONE.replace("replicas=4", "replicas=7").replace("eu-1-gpu-up", "eu-1-gpu-other");
    let mut state = state(fleet(&lab), (120, 40));
    for (place, name, replicas, operation) in
        [(0, "prod-eu", 4, "eu-1-gpu-up"), (1, "lab", 7, "eu-1-gpu-other"), (2, "partner", 4, "eu-1-gpu-up")]
    {
        press(&mut state, &format!(": 'machine {name}/m-4' enter"));
        let Subject::Machine(machine) = state.subject() else { panic!("{:?}", state.subject()) };
        assert_eq!(machine.uid, testing::uid_in(at(place), "m-4"));
        assert_eq!(state.pool_in_reach().map(|pool| pool.row.desired), Some(replicas));
        let found = state.operation_in_reach().expect("it works there");
        assert_eq!((found.uid.context, &*found.name), (at(place), operation));
        let effects = press(&mut state, "l");
        let follows =
            effects.iter().any(|e| matches!(e, Effect::Follow { operation, .. } if operation.context == at(place)));
        assert!(follows, "{effects:?}");
        press(&mut state, "esc");
    }
    // Two idle machines in each, and a pool may claim those of its own context only.
    let pool = state.snapshot.pool_named(at(0), "eu-1-gpu").expect("it is there");
    assert_eq!((state.snapshot.capacity(&pool.row), state.snapshot.idle_count()), (2, 6));
}

#[test]
fn what_only_the_server_knows_is_asked_of_the_context_that_the_cursor_is_in() {
    for line in ["yaml cm settings", "describe node n-1", "logs web-0", "yaml set eu-1-gpu-1"] {
        let mut state = state(fleet(ONE), (120, 40));
        let effects = press(&mut state, &format!("g : '{line}' enter"));
        assert!(effects.is_empty(), "{line} {effects:?}");
        let Overlay::Palette(palette) = &state.overlay else { panic!("{line} {:?}", state.overlay) };
        let why = palette.complaint.as_deref().unwrap_or_default();
        assert!(
            why.starts_with("put the cursor into a context first") && why.ends_with("prod-eu, lab, partner"),
            "{why}"
        );

        press(&mut state, "esc : 'machine lab/m-4' enter");
        let effects = press(&mut state, &format!(": '{line}' enter"));
        let asks = effects.iter().any(|e| matches!(e, Effect::Read { about, .. } if about.context == at(1)));
        assert!(asks, "{line} {effects:?}");
        let Overlay::Pager(pager) = &state.overlay else { panic!("{line} {:?}", state.overlay) };
        assert!(pager.title.ends_with("  in lab"), "{}", pager.title);
    }
}

/// Keys on the pool of a context; the levels of what opens, `y` for a question and `-` for nothing.
fn level(context: &str, keys: &str) -> String {
    let paused = ONE.replace("pool gpu", "pool gpu paused");
    let mut state = state(testing::several(&[("prod-eu", &paused), ("lab", &paused), ("partner", &paused)]), (120, 40));
    press(&mut state, &format!(": 'pool {context}/eu-1/gpu' enter W"));
    press(&mut state, keys);
    match &state.overlay {
        Overlay::Scale(dialog) => dialog.level().to_string(),
        Overlay::Rollout(dialog) => dialog.level().to_string(),
        Overlay::Typed(dialog) => dialog.level().to_string(),
        Overlay::Confirm(_) => "1".into(),
        _ => "-".into(),
    }
}

#[test]
fn production_raises_the_level_of_each_action_and_a_locked_context_opens_none() {
    // Keys on a pool, in production, in the laboratory, and where nothing may be changed.
    for (what, keys, expected) in [
        ("scale up", "s up", ["3", "2", "-"]),
        ("scale down by much", "s 1", ["3", "3", "-"]),
        ("let go on", "p", ["2", "1", "-"]),
        ("hold", "H", ["-", "-", "-"]),
        ("upgrade", "U", ["3", "2", "-"]),
        ("replace", "R", ["3", "2", "-"]),
        ("cordon one", "right j j c", ["2", "1", "-"]),
        ("drain one", "right j j r", ["2", "1", "-"]),
        ("give half of it back", "right j j space space u", ["-", "-", "-"]),
        ("drain half of it", "right j j space space r", ["3", "2", "-"]),
        ("replace half of it", "right j j space space R", ["3", "3", "-"]),
    ] {
        let seen = ["prod-eu", "lab", "partner"].map(|context| level(context, keys));
        assert_eq!(seen, expected.map(str::to_owned), "{what}");
    }
}

#[test]
fn a_narrow_dialog_keeps_its_level_and_the_way_out() {
    for keys in ["s up", "R", "s up tab tab"] {
        let mut state = state(fleet(ONE), (60, 15));
        press(&mut state, &format!(": 'pool prod-eu/eu-1/gpu' enter W {keys}"));
        let shown = screen(&state);
        assert!(shown.contains("level 3 · production"), "{shown}");
        assert!(shown.lines().last().is_some_and(|line| line.trim_start().starts_with("esc cancel")), "{shown}");
    }
}

#[test]
fn the_dialog_says_why_it_is_harder() {
    let mut state = state(fleet(ONE), (120, 40));
    let effects = press(&mut state, ": 'pool prod-eu/eu-1/gpu' enter W right j j space space r");
    agree(&mut state, &effects);
    assert!(matches!(state.overlay, Overlay::Typed(_)));
    let shown = screen(&state);
    assert!(shown.contains("level 3: context prod-eu is tagged production; 2 of 4 machines"), "{shown}");
    assert!(shown.contains("level 3 · production · prod-eu"), "{shown}");
    // A reason is needed, and goes with the change.
    let effects = press(&mut state, "enter '2' enter");
    assert!(effects.iter().all(|e| !matches!(e, Effect::Apply { .. })), "{effects:?}");
    let effects = press(&mut state, "up 'rack moves' enter");
    let mut more = agree(&mut state, &effects);
    more.extend(press(&mut state, "enter"));
    let Some(Effect::Apply { order, .. }) = more.last() else { panic!("{effects:?} {more:?}") };
    let reason = |change: &Change| change.patch["metadata"]["annotations"][crate::api::labels::REASON].clone();
    assert!(order.changes.iter().all(|change| reason(change) == "rack moves"), "{order:?}");
}

#[test]
fn a_locked_context_names_the_file_that_locks_it() {
    let mut state = state(fleet(ONE), (120, 40));
    press(&mut state, ": 'pool partner/eu-1/gpu' enter W");
    let sentence =
        "partner is read-only: `readOnly: true` of that context in /home/alice/.config/quarterdeck/config.yaml";
    assert!(!state.is_armed() && said(&state).starts_with(sentence), "{}", said(&state));
    press(&mut state, ": 'pool lab/eu-1/gpu' enter W");
    assert!(state.is_armed() && said(&state).ends_with("; partner stays read-only"), "{}", said(&state));
    assert!(screen(&state).contains(" WRITE "));
    press(&mut state, ": 'pool partner/eu-1/gpu' enter");
    assert!(screen(&state).contains("READ-ONLY HERE") && !screen(&state).contains(" WRITE "));
    for keys in ["s", "p", "H", "R", "U", "A", "t"] {
        press(&mut state, ": 'pool partner/eu-1/gpu' enter");
        let effects = press(&mut state, keys);
        assert!(
            effects.iter().all(|e| !e.is_mutation()) && matches!(state.overlay, Overlay::None),
            "{keys}: {effects:?}"
        );
        assert!(said(&state).starts_with(sentence), "{keys}: {}", said(&state));
    }
    assert!(state.why_not(Action::Logs).is_none(), "reading is another matter");
}

#[test]
fn a_filter_may_name_the_context() {
    let check = |text: &str, expected: usize| {
        let mut state = state(fleet(ONE), (120, 40));
        press(&mut state, &format!("/ '{text}' enter"));
        assert_eq!(state.sifter.matches().map(|matches| matches.count), Some(expected), "{text}");
    };
    check("context=lab", 6);
    check("context:p", 12);
    check("context!=lab state=failed", 2);
    check("context=lab pool=gpu m-4", 1);
    check("context=nowhere", 0);
}

#[test]
fn marks_of_two_contexts_are_refused() {
    let mut state = state(fleet(ONE), (120, 40));
    press(&mut state, "W : 'machine prod-eu/m-4' enter space : 'machine lab/m-4' enter space");
    assert_eq!(state.marks.len(), 2, "copies with one UID are two machines");
    for keys in ["c", "u", "r"] {
        assert!(press(&mut state, keys).is_empty() && matches!(state.overlay, Overlay::None));
        assert!(
            said(&state).starts_with("the marked machines are of several contexts (prod-eu, lab)"),
            "{}",
            said(&state)
        );
    }
    press(&mut state, "R");
    assert!(matches!(state.overlay, Overlay::None) && said(&state).contains("of several pools"), "{}", said(&state));
}

#[test]
fn one_that_is_offline_leaves_the_others_as_they_are() {
    let lab = format!("{ONE}\noffline");
    let mut state = state(fleet(&lab), (120, 40));
    let effects = press(&mut state, "W : 'pool prod-eu/eu-1/gpu' enter s up");
    let asked: Vec<&Order> = effects.iter().filter_map(sent).collect();
    assert!(!asked.is_empty() && asked.iter().all(|order| order.contexts() == [at(0)].into()), "{effects:?}");
    // Nobody is asked what we may where nobody answers.
    let reviews = |effects: &[Effect]| effects.iter().filter(|e| matches!(e, Effect::Review { .. })).count();
    send(&mut state, Event::Reviewed(at(0), [Some(true); 6]));
    assert_eq!(reviews(&send(&mut state, Event::Data(fleet(&lab)))), 0);
}

/// What an effect sends to a server, to be tried out or made.
fn sent(effect: &Effect) -> Option<&Order> {
    match effect {
        Effect::Apply { order, .. } | Effect::DryRun { order, .. } => Some(order),
        _ => None,
    }
}

const KEYS: &[&str] = &[
    "j",
    "k",
    "right",
    "h",
    "enter",
    "space",
    "s",
    "p",
    "H",
    "c",
    "u",
    "r",
    "R",
    "U",
    "z",
    "A",
    "t",
    "y",
    "up",
    "tab",
    "esc",
    "W",
    "1",
    "2",
    "3",
    "4",
    "'gpu'",
    "'eu-1-gpu'",
    "'m-1'",
    "'2'",
    "l",
    "x",
    "!",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever is pressed: what is sent goes to the context that the cursor was in, all of it, and never to a locked one.
    #[test]
    fn a_change_goes_to_the_context_of_its_subject(
        keys in prop::collection::vec((0..KEYS.len(), 0..12_usize), 1..80),
    ) {
        let mut state = state(fleet(ONE), (120, 40));
        press(&mut state, "W");
        let mut opened_in: Vec<ContextId> = Vec::new();
        for (key, jump) in keys {
            if let (Some(name), Overlay::None) = (["prod-eu", "lab", "partner"].get(jump), &state.overlay) {
                press(&mut state, &format!(": 'pool {name}/eu-1/gpu' enter"));
            }
            // A word is so many keys, and what they are for is looked at before each.
            let keys: Vec<String> = match KEYS[key].strip_prefix('\'') {
                Some(word) => word.trim_end_matches('\'').chars().map(|c| format!("'{c}'")).collect(),
                None => vec![KEYS[key].to_owned()],
            };
            for key in keys {
                if matches!(state.overlay, Overlay::None) {
                    opened_in = state.marks.iter().map(|uid| uid.context).chain(state.context_here()).collect();
                }
                let before = state.context_here();
                let mut effects = press(&mut state, &key);
                effects.extend(agree(&mut state, &effects));
                for effect in &effects {
                    if let Some(order) = sent(effect) {
                        let contexts: Vec<ContextId> = order.contexts().into_iter().collect();
                        prop_assert_eq!(contexts.len(), 1, "{:?}", order);
                        prop_assert!(contexts[0] != at(2), "{:?}", order);
                        prop_assert!(opened_in.contains(&contexts[0]), "{:?} {:?}", order, opened_in);
                    }
                    if let Effect::Follow { operation, .. } = effect {
                        prop_assert_eq!(Some(operation.context), before);
                    }
                }
            }
        }
    }
}

#[test]
fn the_table_of_machines_says_which_context_each_is_of_and_is_put_in_order_by_it() {
    for size in [(80, 24), (160, 48)] {
        let mut state = state(fleet(ONE), size);
        press(&mut state, "3 o");
        insta::assert_snapshot!(format!("contexts_machines_{}x{}", size.0, size.1), screen(&state));
    }
    let contexts = |keys: &str| {
        let mut state = state(fleet(ONE), (160, 48));
        press(&mut state, "3");
        press(&mut state, keys);
        let rows = state.table.rows().iter().map(|uid| uid.context.index().to_string());
        rows.collect::<Vec<_>>().concat()
    };
    assert_eq!(contexts("o"), "000000111111222222");
    assert_eq!(contexts("o O"), "222222111111000000");
    assert_eq!(contexts("/ 'context:prod' enter"), "000000");
    assert_eq!(contexts("o / 'context!=lab' enter"), "000000222222");
    // Where there is one there is no column for it.
    let mut one = super::state(ONE, (160, 48));
    press(&mut one, "3");
    assert!(!screen(&one).contains("CONTEXT"));
}

/// Each host is asked by the way that its own context says: as whom, through whom, trusting whose keys.
#[test]
fn each_host_is_asked_by_the_way_of_its_own_context() {
    let seen = fleet(ONE);
    let part = |(place, user): (usize, &str)| {
        let mut part = seen.part(at(place)).expect("it is there").clone();
        let snapshot = Arc::make_mut(&mut part.snapshot);
        let row = Arc::make_mut(&mut Arc::make_mut(&mut snapshot.clusters[0]).row);
        let mut deployment = row.deployment.as_deref().cloned().unwrap_or_else(ClusterDeployment::default);
        deployment.spec.ssh.user = Some(user.to_owned());
        deployment.spec.ssh.known_hosts_config_map = Some(format!("keys-of-{user}"));
        row.deployment = Some(Arc::new(deployment));
        part
    };
    let parts = [(0, "ops"), (1, "lab"), (2, "partner")].map(part);
    let parts = Arc::new(merge(parts.into(), &Snapshot::default()));
    let mut state = state(parts, (160, 48));
    let effects = press(&mut state, "5");
    let mut ways = effects.iter().find_map(|effect| match effect {
        Effect::AskHosts { ways, .. } => Some(ways.clone()),
        _ => None,
    });
    let ways = ways.take().expect("hosts are asked");
    assert_eq!(ways.len(), 18);
    for way in ways.iter().filter(|way| !way.name.starts_with("spare")) {
        let user = ["ops", "lab", "partner"][way.uid.context.index()];
        assert_eq!((way.user.as_str(), way.known_hosts.clone()), (user, Some(format!("keys-of-{user}"))), "{way:?}");
    }
}
