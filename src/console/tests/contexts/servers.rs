//! A change goes to the server of its row, and where that one is not there, nowhere.

use super::*;
use crate::console::sheet::{About, Form, Kind};

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
    while hands.is_busy() {
        let event = hands.next().await;
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

/// Whoever reads an object there does not wait for ever either.
#[tokio::test]
async fn what_has_no_server_is_not_waited_for() {
    let (sender, _lines) = mpsc::channel(4);
    let mut hands = Hands::new(Clients::of_one(server().await), access(), sender);
    let about = About { context: at(1), kind: Kind::named("pod"), namespace: "fleet".into(), name: "web-0".into() };
    hands.begin(Effect::Read { ticket: 7, about, form: Form::Yaml });
    let Some(Event::Read { ticket: 7, outcome: Err(why) }) = hands.next().await else { panic!("it is not read") };
    assert_eq!(why, "the meta cluster of web-0 has not answered yet: nothing is read");
}
