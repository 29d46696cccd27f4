//! A way in from outside: a listener, a kubeconfig, and the binary that uses it.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Output, Stdio},
};

use quarterdeck::embedded::{ApiServer, Identity, Listener};
use tokio::process::{Child, Command};

pub const BINARY: &str = env!("CARGO_BIN_EXE_quarterdeck");

pub struct Door {
    _listener: Listener,
    directory: tempfile::TempDir,
}

impl Door {
    pub async fn open(server: &ApiServer) -> Self {
        let identity = Identity::open(None).expect("an identity");
        let listener = Listener::start(SocketAddr::from(([127, 0, 0, 1], 0)), identity).await.expect("a port");
        listener.mount("", server.clone());
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("kubeconfig"), listener.kubeconfig("", "test", "default"))
            .expect("written");
        Self { _listener: listener, directory }
    }

    /// What the user's `config.yaml` says.
    pub fn configure(&self, text: &str) {
        let folder = self.directory.path().join("quarterdeck");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("config.yaml"), text).expect("written");
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(words.split_whitespace())
            .env("KUBECONFIG", self.kubeconfig())
            .env("USER", "alice")
            .env("XDG_CONFIG_HOME", self.directory.path())
            .env_remove("QUARTERDECK_USER")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs the binary; nobody can be asked.
    pub async fn run(&self, words: &str) -> (i32, String, String) {
        let output: Output = self.command(words).output().await.expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// Starts the binary with both outputs piped.
    pub fn start(&self, words: &str) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    pub async fn check(&self, words: &str, code: i32, said: &str) {
        let (ended, out, err) = self.run(words).await;
        assert!(ended == code && (out.contains(said) || err.contains(said)), "{words}: {ended}\n{out}\n{err}");
    }
}
