//! The SSH client against real OpenSSH servers.

#[path = "ssh/console.rs"]
mod console;
#[path = "sshd/server.rs"]
mod sshd;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::join_all;
use quarterdeck::ssh::{
    Connection, Connector, Credentials, Endpoint, Error, HostKeyRule, HostKeys, Options, Output, Target, fingerprint,
};
use sshd::{Account, Lab, is_root, key_pair, present, shell, text, wait_for};

/// What a command says on standard output; it has to end well.
async fn run(connection: &Connection, command: &str) -> String {
    let channel = connection.exec(command, Bytes::new()).await.expect("a channel");
    let (out, err, status) = channel.finish().await;
    assert_eq!(status, Ok(0), "{command}: {}", String::from_utf8_lossy(&err));
    String::from_utf8_lossy(&out).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_runs_commands_and_says_how_they_end() {
    needs_sshd!("needs_sshd_runs_commands_and_says_how_they_end");
    let lab = Lab::new();
    let host = lab.start(&[]);
    let connection = Connector::new(lab.options(&[&host])).connect(&host.target(&[])).await.expect("connects");
    assert_eq!(connection.host_key(), host.public_key);

    let script = "read line; echo \"got $line\"; echo oops >&2; exit 7\n";
    let stdin = Bytes::from("hello\nand more that nobody reads\n".repeat(20_000));
    let (out, err, status) = connection.exec(script, stdin).await.expect("a channel").finish().await;
    assert_eq!((&out[..], &err[..], status), (&b"got hello\n"[..], &b"oops\n"[..], Ok(7)));

    let (_, _, status) = connection.exec("kill -KILL $$", Bytes::new()).await.expect("a channel").finish().await;
    assert_eq!(status, Ok(137));
    let (_, _, status) =
        connection.exec("sleep 300 & echo left", Bytes::new()).await.expect("a channel").finish().await;
    assert_eq!(status, Ok(0), "a daemon that keeps the channel open does not keep us");

    let (out, ..) = connection.exec("wc -c", Bytes::from(vec![b'x'; 5 << 20])).await.expect("a channel").finish().await;
    assert_eq!(String::from_utf8_lossy(&out).trim(), (5 << 20).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_runs_many_channels_and_no_reader_holds_up_another() {
    needs_sshd!("needs_sshd_runs_many_channels_and_no_reader_holds_up_another");
    let lab = Lab::new();
    let host = lab.start(&[]);
    let connector = Connector::new(lab.options(&[&host]));
    let connection = connector.connect(&host.target(&[])).await.expect("connects");
    // sshd allows ten sessions; fifty wait for each other.
    let many = (0..50).map(|i| {
        let connection = connection.clone();
        async move { run(&connection, &format!("sleep 0.05; echo {i}")).await }
    });
    assert_eq!(join_all(many).await, (0..50).map(|i| i.to_string()).collect::<Vec<_>>());

    // Nobody reads this one.
    let mut unread = connection.exec("head -c 30000000 /dev/zero; sleep 300", Bytes::new()).await.expect("a channel");
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(run(&connection, "echo here").await, "here");
    }
    assert!(start.elapsed() < Duration::from_secs(30), "neighbours took {:?}", start.elapsed());
    println!("a command beside a busy one: {:?}", start.elapsed() / 20);
    let mut last = None;
    while let Some(output) = unread.next().await {
        last = Some(output);
    }
    assert!(matches!(last, Some(Output::Lost(reason)) if reason.contains("not read")));

    // Whoever drops a channel frees its place, as soon as the command notices.
    for _ in 0..30 {
        drop(connection.exec("while sleep 0.1; do echo there; done", Bytes::new()).await.expect("a channel"));
    }
    assert_eq!(run(&connection, "echo free").await, "free");
    assert_eq!(host.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_lets_a_command_go_that_has_said_all() {
    needs_sshd!("needs_sshd_lets_a_command_go_that_has_said_all");
    let lab = Lab::new();
    let host = lab.start(&[]);
    let connection = Connector::new(lab.options(&[&host])).connect(&host.target(&[])).await.expect("connects");
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("ours");
    // More than the host has places for, each after the word of the one before.
    for _ in 0..30 {
        let command = format!("echo said; sleep 0.1; echo went >> {}", trace.display());
        let mut channel = connection.exec(&command, Bytes::new()).await.expect("a channel");
        assert_eq!(channel.next().await, Some(Output::Stdout(Bytes::from("said\n"))));
        channel.close();
    }
    // None was ended by a signal, and all places are free.
    let went = || fs::read_to_string(&trace).unwrap_or_default().lines().count();
    wait_for("all commands to go by themselves", || went() == 30, || format!("{} of 30 went", went()));
    let many = (0..8).map(|_| run(&connection, "echo free"));
    assert_eq!(join_all(many).await, ["free"; 8]);
    assert_eq!(host.logins(), 1);
}

/// Logs in with these credentials alone, and says how it went.
async fn log_in(lab: &Lab, host: &sshd::Sshd, credentials: Credentials) -> Result<Connection, Error> {
    let options = Options { credentials, ..lab.options(&[host]) };
    Connector::new(options).connect(&host.target(&[])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_opens_encrypted_keys_and_key_files() {
    needs_sshd!("needs_sshd_opens_encrypted_keys_and_key_files");
    let lab = Lab::new();
    let host = lab.start(&[]);
    let file = lab.folder.path().join("id_encrypted");
    fs::write(&file, &lab.private_key).expect("a file");
    // OpenSSH's own encryption, not ours.
    shell(&format!("chmod 600 {0}; ssh-keygen -q -p -P '' -N sesame -f {0}", file.display()));
    let with = |passphrase: Option<&str>| Credentials {
        key_files: vec![file.clone()],
        passphrase: passphrase.map(Into::into),
        ..Credentials::default()
    };
    assert_eq!(run(&log_in(&lab, &host, with(Some("sesame"))).await.expect("opens"), "echo in").await, "in");
    for (passphrase, word) in [(Some("wrong"), "does not open"), (None, "no passphrase")] {
        let error = log_in(&lab, &host, with(passphrase)).await.expect_err("must not open");
        assert!(matches!(&error, Error::PrivateKey { reason, .. } if reason.contains(word)), "{error}");
    }
    let rsa = lab.folder.path().join("id_rsa");
    shell(&format!("ssh-keygen -q -t rsa -b 2048 -N '' -f {}", rsa.display()));
    let public = fs::read_to_string(rsa.with_extension("pub")).expect("a public key");
    host.authorize(&public);
    let credentials = Credentials { key_files: vec![rsa], ..Credentials::default() };
    assert_eq!(run(&log_in(&lab, &host, credentials).await.expect("RSA with SHA-2"), "echo in").await, "in");
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_refuses_the_wrong_key_once() {
    needs_sshd!("needs_sshd_refuses_the_wrong_key_once");
    let lab = Lab::new();
    let host = lab.start(&[]);
    let wrong = Credentials { private_key: Some(text(&key_pair().0)), ..Credentials::default() };
    let error = log_in(&lab, &host, wrong).await.expect_err("must not open");
    assert!(matches!(error, Error::Authentication { .. }), "{error}");
    assert_eq!(error.retry_after(), None, "a wrong key is not tried again");
    assert_eq!(host.log().matches("Connection from ").count(), 1);
    let error = log_in(&lab, &host, Credentials::default()).await.expect_err("must not open");
    assert!(error.to_string().contains("nothing was given"), "{error}");
}

/// Hangs up while it is asked, as a host does whose sessions are killed.
struct HangsUp;

impl russh::server::Handler for HangsUp {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        _: russh::server::PublicKeyOffer<'_>,
    ) -> Result<russh::server::Auth, Self::Error> {
        Err(russh::Error::Disconnect)
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: russh::server::VerifiedPublicKey<'_>,
    ) -> Result<russh::server::Auth, Self::Error> {
        Err(russh::Error::Disconnect)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_goes_while_we_authenticate_is_lost_and_not_closed_to_us() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let keys = vec![key_pair().0];
    let config = std::sync::Arc::new(russh::server::Config { keys, ..Default::default() });
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        if let Ok(session) = russh::server::run_stream(config, stream, HangsUp).await {
            let _ = session.await;
        }
    });
    let options = Options {
        credentials: Credentials { private_key: Some(text(&key_pair().0)), ..Credentials::default() },
        host_keys: HostKeys { policy: HostKeyRule::AcceptNew, ..HostKeys::default() },
        ..Options::default()
    };
    let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port, user: "root".to_owned() };
    let target = Target { name: "m-1".to_owned(), endpoint, jumps: vec![], pinned_key: None };
    let error = Connector::new(options).connect(&target).await.expect_err("it hung up");
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert!(error.retry_after().is_some(), "it is asked again");
    serving.await.expect("the server ends");
}

struct Agent {
    process: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(lab: &Lab, key: &str) -> Self {
        let (socket, file) = (lab.folder.path().join("agent"), lab.folder.path().join("id_agent"));
        fs::write(&file, key).expect("a file");
        let process = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
        let agent = Self { process: process.expect("ssh-agent starts"), socket };
        wait_for("the agent", || agent.socket.exists(), String::new);
        let socket = agent.socket.display();
        shell(&format!("chmod 600 {0}; SSH_AUTH_SOCK={socket} ssh-add -q {0}; rm {0}", file.display()));
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_asks_the_agent() {
    const NAME: &str = "needs_sshd_asks_the_agent";
    needs_sshd!(NAME);
    if !present(NAME, "ssh-agent", "openssh-client") {
        return;
    }
    let lab = Lab::new();
    let host = lab.start(&[]);
    let agent = Agent::start(&lab, &lab.private_key);
    let ask = |agent_socket| Credentials { agent: true, agent_socket: Some(agent_socket), ..Credentials::default() };
    let connection = log_in(&lab, &host, ask(agent.socket.clone())).await.expect("the agent signs");
    assert_eq!(run(&connection, "echo in").await, "in");
    let error = log_in(&lab, &host, ask("/nowhere".into())).await.expect_err("no agent");
    assert!(error.to_string().contains("agent"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_gives_a_password_only_if_it_has_one() {
    const NAME: &str = "needs_sshd_gives_a_password_only_if_it_has_one";
    needs_sshd!(NAME);
    if !is_root(NAME) {
        return;
    }
    let account = Account::create("pw");
    let lab = Lab::new();
    let mut hosts = vec![lab.start(&["PasswordAuthentication yes"])];
    // Without PAM's configuration, OpenSSH has no questions to ask.
    if std::path::Path::new("/etc/pam.d/sshd").exists() {
        hosts.push(lab.start(&["UsePAM yes", "KbdInteractiveAuthentication yes"]));
    }
    for host in &mut hosts {
        host.user.clone_from(&account.name);
        let with =
            |password: Option<&str>| Credentials { password: password.map(Into::into), ..Credentials::default() };
        let connection = log_in(&lab, host, with(Some(&account.password))).await;
        assert_eq!(run(&connection.expect("opens"), "id -un").await, account.name);
        for password in [None, Some("wrong")] {
            let error = log_in(&lab, host, with(password)).await.expect_err("must not open");
            assert!(matches!(error, Error::Authentication { .. }), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_trusts_no_key_by_itself() {
    needs_sshd!("needs_sshd_trusts_no_key_by_itself");
    let lab = Lab::new();
    let mut host = lab.start(&[]);
    let target = host.target(&[]);
    let mut options = lab.options(&[]);
    let error = Connector::new(options.clone()).connect(&target).await.expect_err("unknown");
    let first = fingerprint(&host.public_key).expect("a fingerprint");
    assert!(matches!(&error, Error::UnknownHostKey { fingerprint, .. } if *fingerprint == first), "{error}");

    options.host_keys.policy = HostKeyRule::AcceptNew;
    let accepting = Connector::new(options.clone());
    accepting.connect(&target).await.expect("new and taken").close().await;
    let pinned = quarterdeck::ssh::Target { pinned_key: Some(host.public_key.clone()), ..target.clone() };
    accepting.connect(&pinned).await.expect("it is the pinned one").close().await;

    let old_line = host.known_hosts_line();
    host.down();
    host.new_host_key();
    host.up();
    let second = fingerprint(&host.public_key).expect("a fingerprint");
    let in_file = |line: String| {
        let mut options = options.clone();
        options.host_keys.known_hosts = line;
        Connector::new(options)
    };
    let hashed = hashed(&lab, &old_line);
    for (connector, target) in [
        (accepting, &target),                       // it saw the first key itself
        (in_file(old_line), &target),               // accept-new does not mean accept-changed
        (in_file(hashed), &target),                 // nor does a hashed name hide it
        (Connector::new(options.clone()), &pinned), // nor does a pin give way
    ] {
        let error = connector.connect(target).await.expect_err("changed");
        let Error::ChangedHostKey { known, presented, .. } = &error else { panic!("{error}") };
        assert_eq!((known, presented), (&first, &second));
        assert!(error.to_string().contains(&first) && error.to_string().contains(&second), "{error}");
        assert_eq!(error.retry_after(), None);
    }
    let revoked = in_file(format!("{}\n@revoked * {}", host.known_hosts_line(), host.public_key));
    assert!(matches!(revoked.connect(&target).await, Err(Error::RevokedHostKey { .. })));
}

/// OpenSSH's own way to hide the names.
fn hashed(lab: &Lab, line: &str) -> String {
    let file = lab.folder.path().join("known_hosts");
    fs::write(&file, format!("{line}\n")).expect("a file");
    shell(&format!("ssh-keygen -q -H -f {}", file.display()));
    let hashed = fs::read_to_string(file).expect("a file");
    assert!(hashed.starts_with("|1|"), "{hashed}");
    hashed
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_goes_through_two_jump_hosts_and_shares_them() {
    needs_sshd!("needs_sshd_goes_through_two_jump_hosts_and_shares_them");
    let lab = Lab::new();
    let hosts: Vec<_> = (0..12).map(|_| lab.start(&[])).collect();
    let inner = lab.start(&["AllowTcpForwarding local"]);
    let outer = lab.start(&[&format!("PermitOpen {}:{}", inner.host, inner.port)]);
    let servers: Vec<_> = hosts.iter().chain([&inner, &outer]).collect();
    let connector = Connector::new(lab.options(&servers));
    let all = hosts.iter().map(|host| {
        let (connector, target) = (connector.clone(), host.target(&[&outer, &inner]));
        async move { run(&connector.connect(&target).await.expect("connects"), "echo $STATE").await }
    });
    let states: Vec<_> = hosts.iter().map(|host| host.state.display().to_string()).collect();
    assert_eq!(join_all(all).await, states);
    assert_eq!((outer.logins(), inner.logins()), (1, 1), "all share the connections to the jump hosts");

    // The outer one may not connect to the hosts itself.
    let error = connector.connect(&hosts[0].target(&[&outer])).await.expect_err("not permitted");
    assert!(matches!(&error, Error::JumpFailed { .. }), "{error}");
    let mut gone = lab.start(&[]);
    gone.down();
    let error = connector.connect(&gone.target(&[&outer, &inner])).await.expect_err("down");
    assert!(matches!(&error, Error::JumpFailed { jump, .. } if *jump == inner.endpoint().to_string()), "{error}");
    assert!(error.retry_after().is_some());
    assert_eq!((outer.logins(), inner.logins()), (1, 1), "a host that is down costs no connection of its neighbours");
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_gets_through_max_startups() {
    needs_sshd!("needs_sshd_gets_through_max_startups");
    let lab = Lab::new();
    let host = lab.start(&["MaxStartups 4:50:8"]);
    let one = Connector::new(lab.options(&[&host]));
    let target = host.target(&[]);
    let shared = join_all((0..60).map(|_| one.connect(&target)));
    assert!(shared.await.iter().all(Result::is_ok));
    assert_eq!(host.logins(), 1, "sixty who ask one connector share one connection");

    // Sixty processes, as it were: none knows of the others.
    let storm = (0..60).map(|_| {
        let (connector, target) = (Connector::new(lab.options(&[&host])), host.target(&[]));
        async move { run(&connector.connect(&target).await.expect("gets through"), "echo in").await }
    });
    let start = Instant::now();
    assert!(join_all(storm).await.iter().all(|said| said == "in"));
    let refused = host.log().matches("past MaxStartups").count() + host.log().matches("drop connection").count();
    println!("60 connections in {:?}, sshd refused {refused} times", start.elapsed());
    assert!(refused > 0, "sshd was never busy: {}", host.log());

    let jump = lab.start(&[]);
    let through = Connector::new(lab.options(&[&host, &jump]));
    let connection = through.connect(&host.target(&[&jump])).await.expect("through a jump host as well");
    assert_eq!(run(&connection, "echo in").await, "in");
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_says_that_a_connection_was_cut() {
    needs_sshd!("needs_sshd_says_that_a_connection_was_cut");
    let lab = Lab::new();
    let host = lab.start(&[]);
    let connector = Connector::new(lab.options(&[&host]));
    let connection = connector.connect(&host.target(&[])).await.expect("connects");
    let mut channel = connection.exec("echo started; sleep 300", Bytes::new()).await.expect("a channel");
    assert_eq!(channel.next().await, Some(Output::Stdout("started\n".into())));
    assert!(host.cut_sessions() > 0);
    assert!(matches!(channel.next().await, Some(Output::Lost(_))));
    assert_eq!(channel.next().await, None);
    assert!(connection.is_closed());
    assert!(matches!(connection.exec("true", Bytes::new()).await, Err(Error::Lost { .. })));
    let again = connector.connect(&host.target(&[])).await.expect("the connector opens another one");
    assert_eq!(run(&again, "echo in").await, "in");
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_says_that_a_host_is_down() {
    needs_sshd!("needs_sshd_says_that_a_host_is_down");
    let lab = Lab::new();
    let mut host = lab.start(&[]);
    host.down();
    let connector = Connector::new(lab.options(&[&host]));
    let error = connector.connect(&host.target(&[])).await.expect_err("down");
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.retry_after().is_some());
    host.up();
    connector.connect(&host.target(&[])).await.expect("up again");
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_sshd_notices_a_host_that_has_gone_silent() {
    needs_sshd!("needs_sshd_notices_a_host_that_has_gone_silent");
    let lab = Lab::new();
    let host = lab.start(&[]);
    let second = Duration::from_secs(1);
    let options = Options { keepalive: second, connect_timeout: 30 * second, ..lab.options(&[&host]) };
    let connection = Connector::new(options.clone()).connect(&host.target(&[])).await.expect("connects");
    // A quiet command is not a silent host.
    assert_eq!(run(&connection, "sleep 5; echo awake").await, "awake");
    let mut channel = connection.exec("echo started; sleep 300", Bytes::new()).await.expect("a channel");
    assert_eq!(channel.next().await, Some(Output::Stdout("started\n".into())));
    host.freeze();
    let start = Instant::now();
    let lost = channel.next().await;
    assert!(matches!(&lost, Some(Output::Lost(reason)) if reason.contains("eepalive")), "{lost:?}");
    assert!(start.elapsed() < 30 * second, "noticed after {:?}", start.elapsed());
    // It takes the TCP connection, and then says nothing.
    let options = Options { connect_timeout: second, ..options };
    let error = Connector::new(options).connect(&host.target(&[])).await.expect_err("frozen");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    host.thaw();
}
