//! Real OpenSSH servers for tests: each a process of its own on a loopback address of its own, with its own host key,
//! configuration, log and state folder. All of it goes when the value goes, whatever its sessions left running included.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

#[path = "../needs/program.rs"]
mod program;

use std::{
    env, fs,
    io::{self, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use quarterdeck::ssh::{Credentials, Endpoint, HostKeyRule, HostKeys, Options, Target};
use russh::keys::{Algorithm, PrivateKey, key::safe_rng, ssh_key::LineEnding};
use tempfile::TempDir;

pub use program::{leave_out, present};

const SSHD: &str = "/usr/sbin/sshd";
/// Bounds every wait for a process.
const PATIENCE: Duration = Duration::from_secs(20);

/// Some tests make accounts. That takes root, which nobody has to be in order to run all tests.
pub fn is_root(test: &str) -> bool {
    let root = shell("id -u") == "0";
    if !root {
        writeln!(io::stderr(), "left out: {test} (needs root, to make an account)").expect("standard error is there");
    }
    root
}

/// Returns from the test, with a note, unless OpenSSH's server is installed.
#[macro_export]
macro_rules! needs_sshd {
    ($test:expr) => {
        if !$crate::sshd::present($test, "/usr/sbin/sshd", "openssh-server") {
            return;
        }
    };
}

/// A folder and a key pair that servers accept.
pub struct Lab {
    pub folder: TempDir,
    pub user: String,
    /// The private key as text, and its public half as a line.
    pub private_key: String,
    pub public_key: String,
    /// Every server may have a folder of its own in this place, as every host has its own `/var/lib`.
    mounts: bool,
}

pub fn key_pair() -> (PrivateKey, String) {
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).expect("a key");
    let public = key.public_key().to_openssh().expect("a line");
    (key, public)
}

pub fn text(key: &PrivateKey) -> String {
    key.to_openssh(LineEnding::LF).expect("a key as text").to_string()
}

impl Lab {
    pub fn new() -> Self {
        let (key, public_key) = key_pair();
        let folder = tempfile::Builder::new().prefix("quarterdeck-sshd-").tempdir().expect("a temporary folder");
        // Other users than root log in as well, and look for their keys here.
        shell(&format!("chmod 755 {}", folder.path().display()));
        let here = folder.path().join("this-host");
        fs::create_dir(&here).expect("a folder");
        let mount = format!("mount --bind {0} {0}", here.display());
        let mounts = Command::new("unshare").args(["--mount", "sh", "-c", &mount]).stderr(Stdio::null()).status();
        let mounts = mounts.is_ok_and(|status| status.success());
        Self { folder, user: shell("id -un"), private_key: text(&key), public_key, mounts }
    }

    pub fn has_mounts(&self) -> bool {
        self.mounts
    }

    /// A path that is another folder on each server: its `state`. The same folder for all where we may not mount.
    pub fn this_host(&self) -> PathBuf {
        self.folder.path().join("this-host")
    }

    pub fn credentials(&self) -> Credentials {
        Credentials { private_key: Some(self.private_key.clone()), ..Credentials::default() }
    }

    /// Logs in with the lab's key, and trusts these servers and no others.
    pub fn options(&self, servers: &[&Sshd]) -> Options {
        Options {
            credentials: self.credentials(),
            host_keys: HostKeys { policy: HostKeyRule::Strict, known_hosts: known_hosts(servers) },
            connect_timeout: Duration::from_secs(10),
            ..Options::default()
        }
    }

    /// A server with lines of its own before the usual configuration (sshd takes the first value of each).
    pub fn start(&self, extra: &[&str]) -> Sshd {
        Sshd::start(self, extra)
    }
}

pub fn known_hosts(servers: &[&Sshd]) -> String {
    servers.iter().map(|server| server.known_hosts_line() + "\n").collect()
}

/// One OpenSSH server.
pub struct Sshd {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// Where its steps may keep what they like.
    pub state: PathBuf,
    pub public_key: String,
    folder: PathBuf,
    /// Where `state` is mounted for the sessions of this server.
    this_host: Option<PathBuf>,
    /// Found in the environment of every process that a session starts.
    mark: String,
    listener: Option<Child>,
}

impl Sshd {
    fn start(lab: &Lab, extra: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // The process chooses the network, the number the host: tests in other processes stay apart.
        let host = format!("127.{}.{}.{}", 16 + process::id() % 200, number / 250, number % 250 + 1);
        let port = TcpListener::bind((host.as_str(), 0)).and_then(|l| l.local_addr()).expect("a free port").port();
        let folder = lab.folder.path().join(format!("sshd-{number}"));
        let state = folder.join("state");
        fs::create_dir_all(&state).expect("a folder");
        shell(&format!("chmod 755 {}; chmod 1777 {}", folder.display(), state.display()));
        fs::write(folder.join("authorized_keys"), format!("{}\n", lab.public_key)).expect("a file");
        let mark = format!("quarterdeck-test-{}-{number}", process::id());
        let mut server = Self {
            host,
            port,
            user: lab.user.clone(),
            state,
            public_key: String::new(),
            folder,
            this_host: lab.mounts.then(|| lab.this_host()),
            mark,
            listener: None,
        };
        server.write_config(extra);
        server.new_host_key();
        server.up();
        server
    }

    fn write_config(&self, extra: &[&str]) {
        let folder = self.folder.display();
        let config = format!(
            "{}\nListenAddress {}:{}\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized_keys\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin yes\nLogLevel VERBOSE\nPrintMotd no\nUseDNS no\nPermitUserRC no\n\
             SetEnv QUARTERDECK_SSHD={} STATE={state} HOME={state}\n",
            extra.join("\n"),
            self.host,
            self.port,
            self.mark,
            state = self.state.display()
        );
        fs::write(self.folder.join("sshd_config"), config).expect("a file");
    }

    /// As after a reinstallation. The next `up` presents it.
    pub fn new_host_key(&mut self) {
        let (key, public) = key_pair();
        let path = self.folder.join("host_key");
        fs::write(&path, text(&key)).expect("a file");
        shell(&format!("chmod 600 {}", path.display()));
        self.public_key = public;
    }

    /// Lets another key in.
    pub fn authorize(&self, public_key: &str) {
        let path = self.folder.join("authorized_keys");
        let before = fs::read_to_string(&path).expect("a file");
        fs::write(path, format!("{before}{public_key}\n")).expect("a file");
    }

    /// Starts the listener and waits until it listens.
    pub fn up(&mut self) {
        assert!(self.listener.is_none(), "it is up");
        // Its separation folder is made by the package's service, which does not run here.
        fs::create_dir_all("/run/sshd").ok();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let before = self.log().matches("Server listening on").count();
        let run = format!("exec {SSHD} -D -e -f {}", self.folder.join("sshd_config").display());
        let mut command = Command::new(if self.this_host.is_some() { "unshare" } else { "sh" });
        if let Some(here) = &self.this_host {
            let mount = format!("mount --bind {} {}", self.state.display(), here.display());
            command.args(["--mount", "sh", "-c", &format!("{mount} && {run}")]);
        } else {
            command.args(["-c", &run]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("sshd starts");
        self.listener = Some(child);
        wait_for("sshd to listen", || self.log().matches("Server listening on").count() > before, || self.log());
    }

    /// Stops the listener and every session, as a host that loses its power. Detached commands are lost as well.
    pub fn down(&mut self) {
        let Some(mut listener) = self.listener.take() else { return };
        let mut all = descendants(listener.id());
        all.extend(self.marked());
        signal("CONT", &[listener.id()]);
        listener.kill().ok();
        signal("KILL", &all);
        listener.wait().ok();
        signal("KILL", &self.marked());
    }

    /// Kills the processes that serve sessions, and nothing that these started: a connection cut in the middle.
    pub fn cut_sessions(&self) -> usize {
        let sessions: Vec<u32> =
            descendants(self.pid()).into_iter().filter(|&pid| command_line(pid).starts_with("sshd:")).collect();
        signal("KILL", &sessions);
        sessions.len()
    }

    /// The host no longer answers, and does not hang up either.
    pub fn freeze(&self) {
        let mut all = descendants(self.pid());
        all.push(self.pid());
        signal("STOP", &all);
    }

    pub fn thaw(&self) {
        let mut all = descendants(self.pid());
        all.push(self.pid());
        signal("CONT", &all);
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// How many connections were let in.
    pub fn logins(&self) -> usize {
        self.log().lines().filter(|line| line.contains("Accepted ") && !line.contains("Accepted key ")).count()
    }

    /// Somebody who connects and says nothing: it takes one of the places of `MaxStartups`.
    pub fn stranger(&self) -> TcpStream {
        TcpStream::connect((self.host.as_str(), self.port)).expect("it listens")
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint { host: self.host.clone(), port: self.port, user: self.user.clone() }
    }

    pub fn target(&self, jumps: &[&Sshd]) -> Target {
        Target {
            name: format!("{}:{}", self.host, self.port),
            endpoint: self.endpoint(),
            jumps: jumps.iter().map(|jump| jump.endpoint()).collect(),
            pinned_key: None,
        }
    }

    pub fn known_hosts_line(&self) -> String {
        format!("[{}]:{} {}", self.host, self.port, self.public_key)
    }

    fn pid(&self) -> u32 {
        self.listener.as_ref().expect("it is up").id()
    }

    /// Whatever a session started and left behind: it has our mark, or (sudo takes that away) a file of ours open.
    fn marked(&self) -> Vec<u32> {
        let mark = format!("QUARTERDECK_SSHD={}\0", self.mark);
        processes().filter(|pid| environment(*pid).contains(&mark) || has_open(*pid, &self.state)).collect()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.down();
    }
}

/// Waits, a stated time at most, until it holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool, details: impl Fn() -> String) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}: {}", details());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a shell command that has to succeed, and returns what it said.
pub fn shell(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().expect("a shell");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn signal(name: &str, pids: &[u32]) {
    if !pids.is_empty() {
        let pids = pids.iter().map(u32::to_string);
        Command::new("kill").arg(format!("-{name}")).args(pids).stderr(Stdio::null()).status().ok();
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn environment(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()).into_owned()
}

fn has_open(pid: u32, folder: &Path) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    pid != process::id()
        && files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file.starts_with(folder))
}

fn command_line(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

fn descendants(of: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> = processes().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![of];
    let mut at = 0;
    while let Some(&above) = found.get(at) {
        found.extend(all.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| pid));
        at += 1;
    }
    found.split_off(1)
}

/// An account of this machine for the time of a test. Only root can make one: see [`is_root`].
pub struct Account {
    pub name: String,
    pub password: String,
}

impl Account {
    pub fn create(purpose: &str) -> Self {
        let name = format!("qd-{purpose}-{}", process::id() % 100_000);
        let password = format!("P4ss-{}", process::id());
        shell(&format!("flock /run/lock/quarterdeck-accounts useradd -M -d /tmp -s /bin/sh {name}"));
        shell(&format!("echo '{name}:{password}' | flock /run/lock/quarterdeck-accounts chpasswd"));
        Self { name, password }
    }

    /// Lets it use sudo with its password.
    pub fn allow_sudo(&self) {
        let file = self.sudoers();
        shell(&format!("mkdir -p /etc/sudoers.d; echo '{} ALL=(ALL) ALL' > {file}; chmod 440 {file}", self.name));
    }

    fn sudoers(&self) -> String {
        format!("/etc/sudoers.d/{}", self.name)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        fs::remove_file(self.sudoers()).ok();
        let remove = format!("flock /run/lock/quarterdeck-accounts userdel -f {}", self.name);
        Command::new("sh").args(["-c", &remove]).stderr(Stdio::null()).status().ok();
    }
}
