//! Orders of many changes, on a server that takes its time.

use super::*;
use crate::{
    config::Config,
    console::{
        effects::Hands,
        hosts::Access,
        message::{Change, Effect, Event, Kind as Changed, Order, Target},
    },
    fleet::Clients,
};
use http::Method;
use tokio::sync::mpsc;

fn order(count: usize) -> Order {
    let target = |n: usize| Target {
        context: ContextId::FIRST,
        kind: Changed::Machine,
        namespace: "fleet".into(),
        name: format!("m-{n}"),
        uid: format!("u-{n}"),
        resource_version: "1".into(),
        generation: None,
    };
    let changes = (0..count).map(|n| Change { target: target(n), patch: json!({"spec": {"maintenance": "Drain"}}) });
    Order { changes: changes.collect(), done: "they are drained".into() }
}

/// Answers every request with the same object after so long.
fn slow(time: Duration) -> (Client, Asked) {
    let machine = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Machine", "metadata": {"name": "m"}});
    server(move |request| {
        let (text, verb) = (machine.to_string(), request.method().clone());
        async move {
            tokio::time::sleep(if verb == Method::POST { Duration::ZERO } else { time }).await;
            Response::new(Body::from(text.into_bytes()))
        }
        .boxed()
    })
}

fn hands(client: Client) -> Hands {
    let access = Access::of(&Config::built_in().settings.ssh, None);
    Hands::new(Clients::of_one(client), access, mpsc::channel(4).0)
}

/// What comes of an effect, and after how many seconds.
async fn outcome(hands: &mut Hands, effect: Effect) -> (Event, u64) {
    let begin = tokio::time::Instant::now();
    hands.begin(effect);
    let event = hands.next().await.expect("something comes of it");
    (event, begin.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_large_order_is_tried_out_over_a_slow_line() {
    let (client, asked) = slow(Duration::from_secs(1));
    let (event, seconds) = outcome(&mut hands(client), Effect::DryRun { ticket: 1, order: order(200) }).await;
    assert!(matches!(event, Event::DryRun { outcome: Ok(_), .. }), "{event:?}");
    assert!((20..40).contains(&seconds), "{seconds} s");
    // Read is what is shown, and no more.
    assert_eq!(asked.take().len(), 5 + 200);
}

#[tokio::test(start_paused = true)]
async fn a_large_order_is_made_over_a_slow_line() {
    let (client, asked) = slow(Duration::from_millis(500));
    let (event, seconds) = outcome(&mut hands(client), Effect::Apply { ticket: 1, order: order(200) }).await;
    assert!(matches!(event, Event::Applied { outcome: Ok(_), .. }), "{event:?}");
    // Tried out together, made one after another.
    assert!((112..120).contains(&seconds), "{seconds} s");
    assert_eq!(asked.take().iter().filter(|question| question.contains("dryRun=All")).count(), 200);
}

#[tokio::test(start_paused = true)]
async fn one_request_that_is_never_answered_ends_it() {
    let (client, _) = slow(Duration::from_secs(3_600));
    let (event, seconds) = outcome(&mut hands(client), Effect::DryRun { ticket: 1, order: order(200) }).await;
    let Event::DryRun { outcome: Err(refusal), .. } = event else { panic!("{event:?}") };
    assert!(refusal.message.contains("did not answer within 20 s"), "{refusal:?}");
    assert_eq!(seconds, 20);
}
