//! Child processes of this one in place of hosts, with connections that can be cut. For tests.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::{Answer, Session, Transport, Unreachable};
use crate::api::FailureClass;
use crate::runbook::job::InventoryMachine;
use crate::ssh::Output;

/// Runs every command with a shell of this host.
#[derive(Clone, Default)]
pub struct LocalTransport {
    /// Searched before PATH, for another `sh`.
    pub path: Option<String>,
    /// Cut when it is cancelled; every connection is a new one.
    pub cut: Arc<Mutex<CancellationToken>>,
    /// Connections that were made.
    pub connections: Arc<AtomicUsize>,
    /// Nobody answers.
    pub down: Vec<String>,
}

impl LocalTransport {
    /// Drops all connections that are there now.
    pub fn cut(&self) {
        let old = std::mem::take(&mut *self.cut.lock().unwrap());
        old.cancel();
    }
}

impl Transport for LocalTransport {
    fn connect<'a>(&'a self, machine: &'a InventoryMachine) -> BoxFuture<'a, Result<Box<dyn Session>, Unreachable>> {
        Box::pin(async move {
            if self.down.contains(&machine.name) {
                let message = format!("cannot reach {}", machine.name);
                return Err(Unreachable { class: FailureClass::Transport, passing: true, message });
            }
            self.connections.fetch_add(1, Ordering::Relaxed);
            let cut = self.cut.lock().unwrap().clone();
            Ok(Box::new(LocalSession { path: self.path.clone(), cut }) as Box<dyn Session>)
        })
    }
}

struct LocalSession {
    path: Option<String>,
    cut: CancellationToken,
}

impl Session for LocalSession {
    fn exec<'a>(&'a self, command: &'a str, stdin: Bytes) -> BoxFuture<'a, Result<Box<dyn Answer>, Unreachable>> {
        Box::pin(async move {
            let mut child = Command::new("sh");
            if let Some(path) = &self.path {
                child.env("PATH", path);
            }
            let spawned = child
                .args(["-c", command])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn();
            let mut child = spawned.expect("sh starts");
            let mut pipe = child.stdin.take().expect("it is piped");
            // A command that does not read its input must not hold us up.
            tokio::spawn(async move { pipe.write_all(&stdin).await });
            Ok(Box::new(LocalAnswer { child, cut: self.cut.clone(), ended: false }) as Box<dyn Answer>)
        })
    }

    fn host_key(&self) -> Option<String> {
        None
    }

    fn is_closed(&self) -> bool {
        self.cut.is_cancelled()
    }
}

struct LocalAnswer {
    child: Child,
    cut: CancellationToken,
    ended: bool,
}

impl Answer for LocalAnswer {
    fn next(&mut self) -> BoxFuture<'_, Option<Output>> {
        Box::pin(async move {
            if self.ended {
                return None;
            }
            let output = tokio::select! {
                () = self.cut.cancelled() => Output::Lost("cut".into()),
                output = read(&mut self.child) => output,
            };
            self.ended = matches!(output, Output::Exit(_) | Output::Lost(_));
            Some(output)
        })
    }

    fn close(self: Box<Self>) {}
}

async fn read(child: &mut Child) -> Output {
    let (mut out, mut err) = ([0; 1000], [0; 1000]);
    loop {
        let (has_out, has_err) = (child.stdout.is_some(), child.stderr.is_some());
        if !has_out && !has_err {
            break;
        }
        let (stdout, stderr) = (child.stdout.as_mut(), child.stderr.as_mut());
        let (is_out, read) = tokio::select! {
            read = async { stdout.expect("checked").read(&mut out).await }, if has_out => (true, read),
            read = async { stderr.expect("checked").read(&mut err).await }, if has_err => (false, read),
        };
        match (is_out, read.unwrap_or(0)) {
            (true, 0) => child.stdout = None,
            (false, 0) => child.stderr = None,
            (true, n) => return Output::Stdout(Bytes::copy_from_slice(&out[..n])),
            (false, n) => return Output::Stderr(Bytes::copy_from_slice(&err[..n])),
        }
    }
    Output::Exit(child.wait().await.ok().and_then(|status| status.code()).unwrap_or(255))
}
