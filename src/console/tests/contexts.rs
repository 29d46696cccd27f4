//! Several meta clusters at once: what is shown of them, what it takes to change something there, and that a change goes to
//! the one that its row came from and to no other.

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
        message::{Effect, Event, Order},
        state::{Overlay, Place, State, Subject},
        view::view,
    },
    embedded::{self, ApiServer},
    fleet::{Clients, ContextId, Feeds, Snapshot, Welcome, testing},
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
fn the_dialog_says_why_it_is_harder() {
    let mut state = state(fleet(ONE), (120, 40));
    press(&mut state, ": 'pool prod-eu/eu-1/gpu' enter W right j j space space r");
    assert!(matches!(state.overlay, Overlay::Typed(_)));
    let shown = screen(&state);
    assert!(shown.contains("level 3: context prod-eu is tagged production; 2 of 4 machines"), "{shown}");
    assert!(shown.contains("prod-eu · production · level 3"), "{shown}");
    // A reason is needed, and goes with the change.
    let effects = press(&mut state, "enter '2' enter");
    assert!(effects.iter().all(|e| !matches!(e, Effect::Apply { .. })), "{effects:?}");
    let effects = press(&mut state, "up 'rack moves' enter");
    let mut more = agree(&mut state, &effects);
    more.extend(press(&mut state, "down up"));
    let orders: Vec<&Order> = effects.iter().chain(&more).filter_map(sent).collect();
    for order in &orders {
        assert!(
            order
                .changes
                .iter()
                .all(|c| c.patch["metadata"]["annotations"][crate::api::labels::REASON] == "rack moves")
        );
    }
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

async fn server() -> Client {
    let server = ApiServer::open(embedded::Options::default()).expect("it opens");
    server.install(definitions()).await.expect("the kinds are right");
    let client = server.client();
    let metadata = kube::api::ObjectMeta { name: Some("fleet".into()), ..Default::default() };
    let namespace = k8s_openapi::api::core::v1::Namespace { metadata, ..Default::default() };
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.expect("there is none yet");
    let spec = ClusterDeploymentSpec { version: "1.34.2".into(), ..Default::default() };
    let deployments: Api<ClusterDeployment> = Api::namespaced(client.clone(), "fleet");
    deployments.create(&PostParams::default(), &ClusterDeployment::new("eu-1", spec)).await.expect("it is right");
    let spec = NodePoolSpec { cluster_name: "eu-1".into(), replicas: 1, ..NodePoolSpec::default() };
    let pools: Api<NodePool> = Api::namespaced(client.clone(), "fleet");
    pools.create(&PostParams::default(), &NodePool::new("eu-1-gpu", spec)).await.expect("it is right");
    client
}

fn access() -> Access {
    Access::of(&Config::built_in().settings.ssh, None)
}

async fn replicas(client: &Client) -> (i32, bool) {
    let pools: Api<NodePool> = Api::namespaced(client.clone(), "fleet");
    let pool = pools.get("eu-1-gpu").await.expect("it is there");
    (pool.spec.replicas, pool.spec.paused)
}

/// Carries effects out, and what comes of them, until there is nothing more to do.
async fn carry_out(state: &mut State, hands: &mut Hands, effects: Vec<Effect>) {
    effects.into_iter().for_each(|effect| hands.begin(effect));
    while let Some(Ok(event)) = hands.tasks.join_next().await {
        let more = event.map(|event| send(state, event)).unwrap_or_default();
        more.into_iter().for_each(|effect| hands.begin(effect));
    }
}

/// Two servers with objects of the same names, and a third one that never answers.
#[tokio::test]
async fn changes_reach_the_server_of_their_row_and_no_other() {
    let servers = [server().await, server().await];
    let open = |place: usize| -> crate::fleet::Open {
        let client = servers.get(place).cloned();
        Arc::new(move || {
            let client = client.clone().ok_or_else(|| "the API server cannot be reached".to_owned());
            let welcome = Welcome { namespace: "fleet".into(), only_look: None };
            async move { client.map(|client| (client, welcome)) }.boxed()
        })
    };
    let names = ["prod-eu", "lab", "partner"].into_iter().enumerate();
    let mut feeds = Feeds::open(names.map(|(place, name)| (name.to_owned(), open(place))).collect());
    let wait = Duration::from_secs(20);
    let both = |snapshot: &Snapshot| {
        [0, 1].iter().all(|place| snapshot.pool_named(at(*place), "eu-1-gpu").is_some())
            && snapshot.connection_of(at(2)).is_some_and(|c| c.line.error().is_some())
    };
    let snapshot = tokio::time::timeout(wait, feeds.wait_for(both)).await.expect("they are listed in time");
    assert_eq!(snapshot.connection_of(at(2)).and_then(|c| c.line.error()), Some("the API server cannot be reached"));
    let mut state = state(snapshot, (120, 40));
    assert_eq!(state.contexts.iter().map(|c| c.place.namespace.as_str()).collect::<Vec<_>>(), ["fleet", "fleet", ""]);
    let (sender, _lines) = mpsc::channel(4);
    let mut hands = Hands::new(feeds.clients(), access(), sender);
    press(&mut state, "W : 'pool lab/eu-1/gpu' enter");
    let effects = press(&mut state, "s 7");
    carry_out(&mut state, &mut hands, effects).await;
    let effects = press(&mut state, "enter enter 'gpu' enter");
    carry_out(&mut state, &mut hands, effects).await;
    assert!(matches!(state.overlay, Overlay::None), "{}", screen(&state));
    assert_eq!((replicas(&servers[0]).await, replicas(&servers[1]).await), ((1, false), (7, false)));
    press(&mut state, ": 'pool prod-eu/eu-1/gpu' enter");
    let effects = press(&mut state, "p");
    carry_out(&mut state, &mut hands, effects).await;
    assert_eq!((replicas(&servers[0]).await, replicas(&servers[1]).await), ((1, true), (7, false)));
    assert!(said(&state).contains("eu-1-gpu is paused"), "{}", said(&state));
    // Who did it is written down where it was done.
    for (server, expected) in
        servers.iter().zip(["eu-1-gpu is paused, by alice", "eu-1-gpu scales from 1 to 7, by alice"])
    {
        let events: Api<k8s_openapi::api::core::v1::Event> = Api::namespaced(server.clone(), "fleet");
        let all = events.list(&kube::api::ListParams::default()).await.expect("they are listed").items;
        let messages: Vec<&str> = all.iter().filter_map(|event| event.message.as_deref()).collect();
        assert_eq!(messages, [expected]);
    }
}

/// A change that was decided on for a server that is not there is not sent anywhere.
#[tokio::test]
async fn what_has_no_server_is_refused() {
    let only = server().await;
    let (sender, _lines) = mpsc::channel(4);
    let mut hands = Hands::new(Clients::of_one(only.clone()), access(), sender);
    let mut state = state(fleet(ONE), (120, 40));
    let effects = press(&mut state, "W : 'pool lab/eu-1/gpu' enter H");
    assert!(effects.iter().any(|e| matches!(e, Effect::Apply { .. })), "{effects:?}");
    carry_out(&mut state, &mut hands, effects).await;
    assert_eq!(said(&state), "the meta cluster of eu-1-gpu has not answered yet: nothing is sent");
    assert_eq!(replicas(&only).await, (1, false));
}
