//! `quarterdeck controller` as a Deployment runs it: its port for probes and metrics.

use std::{net::SocketAddr, time::Duration};

use quarterdeck::{
    api::definitions,
    embedded::{ApiServer, Options},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::door::Door;

/// Status and body of an answer; `None` if nobody answers.
async fn get(at: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(at).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: quarterdeck\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

async fn until(at: SocketAddr, path: &str, holds: impl Fn(u16, &str) -> bool) -> String {
    let mut last = None;
    for _ in 0..200 {
        last = get(at, path).await;
        match &last {
            Some((code, body)) if holds(*code, body) => return body.clone(),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("{path}: {last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_answers_probes_and_collectors() {
    let server = ApiServer::open(Options::default()).expect("it opens");
    server.install(definitions()).await.expect("the kinds are valid");
    let door = Door::open(&server).await;
    // Nobody has it now; that somebody takes it meanwhile would be said.
    let at = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let mut first = door.start(&format!("controller --metrics-bind-address {at}"));
    until(at, "/readyz", |code, _| code == 200).await;
    assert_eq!(get(at, "/healthz").await.map(|a| a.0), Some(200));
    let text = until(at, "/metrics", |_, body| body.contains("quarterdeck_leader 1\n")).await;
    assert!(text.ends_with("# EOF\n"), "a collector knows that this is all");
    until(at, "/metrics", |_, body| body.contains(r#"quarterdeck_api_requests_total{method="GET",code="200"}"#)).await;
    assert_eq!(get(at, "/else").await.map(|a| a.0), Some(404));

    // A standby is ready as well; and one port has one process.
    door.check(&format!("controller --metrics-bind-address {at}"), 2, "another process has that port; choose another")
        .await;
    let other = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let mut second = door.start(&format!("controller --metrics-bind-address {other}"));
    until(other, "/readyz", |code, _| code == 200).await;
    until(other, "/metrics", |_, body| body.contains("quarterdeck_leader 0\n")).await;

    // The API server goes: still alive, no longer ready.
    drop(door);
    let why = until(at, "/readyz", |code, _| code == 503).await;
    assert!(why.contains("has not answered for"), "{why}");
    assert_eq!(get(at, "/healthz").await.map(|a| a.0), Some(200));
    for child in [&mut first, &mut second] {
        child.kill().await.expect("ended");
    }
}
