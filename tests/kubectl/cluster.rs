//! An embedded API server behind its listener, and a real kubectl that talks to it.

use std::{env, net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};

use quarterdeck::{
    api,
    embedded::{ApiServer, Identity, Listener, Options},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use super::program;

/// Bounds every kubectl.
const PATIENCE: Duration = Duration::from_secs(60);

/// The kubectl of the environment, else of PATH. Without one the test says so and ends.
fn kubectl(test: &str) -> Option<PathBuf> {
    let chosen = env::var_os("QUARTERDECK_KUBECTL").map(PathBuf::from).filter(|path| path.exists());
    let found = chosen.or_else(|| program::find("kubectl"));
    if found.is_none() {
        program::leave_out(test, "kubectl");
    }
    found
}

pub struct Cluster {
    pub server: ApiServer,
    _listener: Listener,
    folder: TempDir,
    kubectl: PathBuf,
}

impl Cluster {
    pub async fn start(test: &str) -> Option<Self> {
        let kubectl = kubectl(test)?;
        let server = ApiServer::open(Options { name: "meta".to_owned(), ..Options::default() }).expect("it opens");
        server.install(api::definitions()).await.expect("our kinds are valid");
        let identity = Identity::open(None).expect("an identity");
        let listener = Listener::start(SocketAddr::from(([127, 0, 0, 1], 0)), identity).await.expect("a port");
        listener.mount("", server.clone());
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("config"), listener.kubeconfig("", "test", "default")).expect("written");
        Some(Self { server, _listener: listener, folder, kubectl })
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .args(words.split_whitespace())
            .env("KUBECONFIG", self.folder.path().join("config"))
            .env("HOME", self.folder.path())
            .env("KUBECACHEDIR", self.folder.path().join("cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs kubectl to its end: exit code, standard output, standard error.
    pub async fn run(&self, words: &str, input: &str) -> (i32, String, String) {
        let mut child = self.command(words).spawn().expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        // Whoever does not read has ended by itself.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = ended.unwrap_or_else(|_| panic!("kubectl {words} does not end")).expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// Runs kubectl on documents at its standard input, which has to go well; what it says on standard output.
    #[track_caller]
    pub fn feed(&self, words: &str, input: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let (code, out, err) = self.run(words, input).await;
            assert_eq!(code, 0, "{caller}: kubectl {words}: {err}{out}");
            out
        }
    }

    /// Runs kubectl, which has to go well; what it says on standard output.
    #[track_caller]
    pub fn ask(&self, words: &str) -> impl Future<Output = String> {
        self.feed(words, "")
    }

    /// Runs kubectl, which has to go well and say all of these.
    #[track_caller]
    pub fn says(&self, words: &str, expected: &[&str]) -> impl Future<Output = ()> {
        let (caller, asked) = (std::panic::Location::caller(), self.feed(words, ""));
        async move {
            let out = asked.await;
            for part in expected {
                assert!(out.contains(part), "{caller}: kubectl {words} does not say {part:?}:\n{out}");
            }
        }
    }

    /// Runs kubectl on documents, which has to fail and say this on standard error.
    #[track_caller]
    pub fn refuses(&self, words: &str, input: &str, expected: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let (code, out, err) = self.run(words, input).await;
            assert!(
                code != 0 && err.contains(expected),
                "{caller}: kubectl {words}: {code}, not {expected:?}:\n{err}{out}"
            );
        }
    }

    /// Starts kubectl and reads on.
    pub fn follow(&self, words: &str) -> Following {
        let mut child = self.command(words).spawn().expect("kubectl starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Following { _child: child, lines }
    }
}

/// A kubectl that goes on; it is killed with this value.
pub struct Following {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    /// Reads up to the line that contains the text.
    pub async fn until(&mut self, text: &str) -> String {
        let reading = async {
            let mut seen = String::new();
            while let Some(line) = self.lines.next_line().await.expect("it can be read") {
                if line.contains(text) {
                    return line;
                }
                seen += &line;
                seen.push('\n');
            }
            panic!("kubectl ended without {text:?}:\n{seen}");
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no {text:?}"))
    }
}
