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

/// The name of the object that an Event is about.
async fn about(request: Request<Body>) -> String {
    let event: Value = serde_json::from_slice(&request.into_body().collect_bytes().await.expect("it is whole"))
        .expect("it is an Event");
    event["involvedObject"]["name"].as_str().unwrap_or_default().to_owned()
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

/// What is said after an order of so many, where an Event about `m-3` is never taken, and those about `m-7` and, with `all`,
/// about all others are refused.
async fn missing(count: usize, all: bool) -> (Option<String>, usize, u64) {
    let machine = json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Machine", "metadata": {"name": "m"}});
    let refusal = json!({"kind": "Status", "status": "Failure", "code": 403, "message": "events is forbidden"});
    let (client, asked) = server(move |request| {
        let (machine, refusal) = (machine.to_string(), refusal.to_string());
        async move {
            if request.method() != Method::POST {
                return Response::new(Body::from(machine.into_bytes()));
            }
            let name = about(request).await;
            match name.as_str() {
                "m-3" => std::future::pending().await,
                name if all || name == "m-7" => {
                    let answer = Response::builder().status(403).body(Body::from(refusal.into_bytes()));
                    answer.expect("it is an answer")
                }
                _ => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let event = json!({"metadata": {"name": name}, "involvedObject": {}});
                    Response::new(Body::from(event.to_string().into_bytes()))
                }
            }
        }
        .boxed()
    });
    let mut hands = hands(client);
    let (event, _) = outcome(&mut hands, Effect::Apply { ticket: 1, order: order(count) }).await;
    assert!(matches!(event, Event::Applied { outcome: Ok(_), .. }), "nobody waits for the audit: {event:?}");
    let begin = tokio::time::Instant::now();
    let said = match hands.next().await {
        Some(Event::Notice(text)) => Some(text),
        None => None,
        event => panic!("{event:?}"),
    };
    let events = asked.take().iter().filter(|question| question.contains("/events?")).count();
    (said, events, begin.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn what_is_not_in_the_audit_is_counted_and_the_rest_is_there() {
    assert_eq!(missing(2, false).await, (None, 2, 1));
    let (said, events, seconds) = missing(200, false).await;
    assert_eq!((events, seconds < 20), (200, true), "{seconds} s");
    let said = said.expect("two are missing");
    assert!(said.starts_with("they are drained; 2 of 200 changes are not in the audit: "), "{said}");
    let (said, ..) = missing(1, true).await;
    assert_eq!(said.as_deref(), Some("they are drained; 1 of 1 change is not in the audit: events is forbidden"));
}
