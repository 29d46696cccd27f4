//! Against the embedded server, through a line that can be cut.

use std::sync::atomic::{AtomicBool, Ordering};

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use tower::ServiceExt;

use super::*;
use crate::{
    api::{MachineSpec, NodePoolSpec, definitions},
    fleet::Line,
};

type Body = kube::client::Body;

/// A client whose requests fail, and whose watches end, while the line is cut.
fn cuttable(server: &Client) -> (Client, Arc<AtomicBool>) {
    let cut = Arc::new(AtomicBool::new(false));
    let (server, is_cut) = (server.clone(), cut.clone());
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (server, is_cut) = (server.clone(), is_cut.clone());
        async move {
            let down = || std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
            if is_cut.load(Ordering::Relaxed) {
                return Err(kube::Error::Service(Box::new(down())));
            }
            let (parts, body) = server.send(request).await?.into_parts();
            let body = futures::stream::unfold(
                (http_body_util::BodyStream::new(body), is_cut),
                |(mut body, is_cut)| async move {
                    loop {
                        let tick = Duration::from_millis(20);
                        match timeout(tick, body.next()).await {
                            _ if is_cut.load(Ordering::Relaxed) => return None,
                            Ok(frame) => return frame.map(|f| (f, (body, is_cut))),
                            Err(_) => {}
                        }
                    }
                },
            );
            Ok(http::Response::from_parts(parts, http_body_util::StreamBody::new(body)))
        }
    });
    (Client::new(service.map_err(|e: kube::Error| Box::new(e) as tower::BoxError), "fleet"), cut)
}

async fn put(client: &Client, name: &str) {
    let machines: Api<Machine> = Api::namespaced(client.clone(), "fleet");
    let machine = Machine::new(name, MachineSpec { address: "10.0.0.1".into(), ..MachineSpec::default() });
    machines.create(&PostParams::default(), &machine).await.unwrap();
}

async fn server() -> Client {
    let server = crate::embedded::ApiServer::open(crate::embedded::Options::default()).unwrap();
    server.install(definitions()).await.unwrap();
    let client = server.client();
    let name = kube::api::ObjectMeta { name: Some("fleet".into()), ..Default::default() };
    let namespace = k8s_openapi::api::core::v1::Namespace { metadata: name, ..Default::default() };
    let _ = Api::all(client.clone()).create(&PostParams::default(), &namespace).await;
    client
}

#[tokio::test]
async fn a_cut_line_shows_what_was_last_seen_and_heals() {
    let direct = server().await;
    for n in 1..=1200 {
        put(&direct, &format!("m-{n}")).await;
    }
    let (client, cut) = cuttable(&direct);
    let mut feed = watch(&client, "fleet");
    let seen = timeout(Duration::from_secs(20), feed.wait_for(|s| s.complete && s.connection.line.is_live())).await;
    assert_eq!(seen.expect("listed in time").idle_count(), 1200);

    cut.store(true, Ordering::Relaxed);
    let broken = timeout(Duration::from_secs(20), feed.wait_for(|s| !s.connection.line.is_live())).await.unwrap();
    assert_eq!(broken.idle_count(), 1200, "the last picture stays");
    assert!(broken.connection.line.error().unwrap().contains("cannot be reached"), "{:?}", broken.connection.line);
    assert!(matches!(broken.connection.line, Line::Reconnecting { .. }));
    let machines: Api<Machine> = Api::namespaced(direct.clone(), "fleet");
    machines.delete("m-7", &DeleteParams::default()).await.unwrap();
    put(&direct, "m-new").await;

    cut.store(false, Ordering::Relaxed);
    feed.retry_now();
    let mut smallest = usize::MAX;
    let healed = feed.wait_for(|s| {
        smallest = smallest.min(s.idle_count());
        s.connection.line.is_live()
            && s.all_machines().any(|m| &*m.name == "m-new")
            && !s.all_machines().any(|m| &*m.name == "m-7")
    });
    let healed = timeout(Duration::from_secs(30), healed).await.expect("healed in time");
    assert_eq!(healed.idle_count(), 1200);
    assert!(smallest >= 1199, "the fleet flashed empty: {smallest}");
}

#[tokio::test]
async fn changes_arrive_and_coalesce() {
    let client = server().await;
    let pools: Api<NodePool> = Api::namespaced(client.clone(), "fleet");
    let spec = NodePoolSpec { cluster_name: "eu-1".into(), replicas: 3, ..NodePoolSpec::default() };
    pools.create(&PostParams::default(), &NodePool::new("eu-1-gpu", spec)).await.unwrap();
    let mut feed = watch(&client, "fleet");
    let wait = Duration::from_secs(20);
    timeout(wait, feed.wait_for(|s| s.complete && s.pool_named(ContextId::FIRST, "eu-1-gpu").is_some())).await.unwrap();
    for replicas in 4..=9 {
        let patch = serde_json::json!({ "spec": { "replicas": replicas } });
        pools.patch("eu-1-gpu", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }
    timeout(wait, feed.wait_for(|s| s.pool_named(ContextId::FIRST, "eu-1-gpu").is_some_and(|p| p.row.desired == 9)))
        .await
        .unwrap();
    pools.delete("eu-1-gpu", &DeleteParams::default()).await.unwrap();
    let last = timeout(wait, feed.wait_for(|s| s.pool_named(ContextId::FIRST, "eu-1-gpu").is_none())).await.unwrap();
    assert!(last.clusters.is_empty() && last.complete);
    assert!(last.connection.contact.last().is_some());
}
