//! One SSH connection to one simulated host: who may come in, and what each channel asks for.

use std::{sync::Arc, time::Duration};

use russh::{
    Channel, ChannelMsg, Disconnect,
    keys::PublicKey,
    server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey, run_stream},
};
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{
    answers, chronicle,
    host::{Attempt, Decision},
    hosts::{Host, Hosts, now, until},
    output, shell,
};
use crate::{
    api::look::{self, STATE_LINE},
    runbook::wire::{Control, FACTS_LINE, StepHeader},
};

/// A longer script is refused.
const SCRIPT_BYTES: usize = 4 << 20;
/// A script that does not arrive in this time is given up.
const SCRIPT_PATIENCE: Duration = Duration::from_secs(30);
/// How often a journal that is followed is looked at.
const JOURNAL_EVERY: Duration = Duration::from_secs(1);
/// Whoever asks a lost host hears nothing for so long, if he waits.
const SILENCE: Duration = Duration::from_secs(60);

/// Serves one connection until it ends or the hosts are cancelled.
pub fn serve(hosts: &Arc<Hosts>, host: Arc<Host>, stream: TcpStream) {
    let connection = Connection { hosts: hosts.clone(), client: hosts.keyring.client().public_key().clone(), host };
    let (hosts, cancel) = (hosts.clone(), hosts.cancel.clone());
    if connection.host.plight().lost {
        hosts.clone().tasks.spawn(async move { cancel.run_until_cancelled(silence(stream)).await });
        return;
    }
    hosts.clone().tasks.spawn(async move {
        let config = hosts.config(&connection.host);
        let host = connection.host.clone();
        let Some(Ok(session)) = cancel.run_until_cancelled(run_stream(config, stream, connection)).await else {
            return;
        };
        let handle = session.handle();
        let lost = host.until_lost();
        let ended = async {
            tokio::select! {
                _ = session => None,
                () = lost => Some("connection reset"),
            }
        };
        let why = cancel.run_until_cancelled(ended).await.unwrap_or(Some("the demo has ended"));
        if let Some(why) = why {
            let _ = handle.disconnect(Disconnect::ByApplication, why.into(), String::new()).await;
        }
    });
}

/// Holds a connection and says nothing, until the other side gives up.
async fn silence(mut stream: TcpStream) {
    let mut unheard = [0; 256];
    let listen = async { while matches!(stream.read(&mut unheard).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(SILENCE, listen).await;
}

struct Connection {
    hosts: Arc<Hosts>,
    host: Arc<Host>,
    /// The only key that opens.
    client: PublicKey,
}

impl Connection {
    fn judge(&self, key: &PublicKey) -> Auth {
        if key.key_data() == self.client.key_data() { Auth::Accept } else { Auth::reject() }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge(offer.public_key))
    }

    async fn auth_publickey(&mut self, _: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge(key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        let (hosts, host, handle) = (self.hosts.clone(), self.host.clone(), session.handle());
        let errand = Errand { hosts, host, handle, channel, held: String::new() };
        let cancel = self.hosts.cancel.clone();
        self.hosts.tasks.spawn(async move { cancel.run_until_cancelled(errand.run()).await });
        Ok(())
    }
}

/// One channel: a command, or a shell.
pub struct Errand {
    pub hosts: Arc<Hosts>,
    pub host: Arc<Host>,
    pub handle: Handle,
    pub channel: Channel<Msg>,
    /// Output that goes out with what follows it, as what a command prints at once arrives at once.
    held: String,
}

impl Errand {
    async fn run(mut self) {
        let mut terminal = false;
        while let Some(message) = self.channel.wait().await {
            match message {
                ChannelMsg::RequestPty { .. } => {
                    terminal = true;
                    let _ = self.handle.channel_success(self.channel.id()).await;
                }
                ChannelMsg::RequestShell { .. } => {
                    let _ = self.handle.channel_success(self.channel.id()).await;
                    let status = shell::run(&mut self, terminal).await;
                    return self.finish(status).await;
                }
                ChannelMsg::Exec { command, .. } => {
                    let _ = self.handle.channel_success(self.channel.id()).await;
                    let status = self.exec(&String::from_utf8_lossy(&command)).await;
                    return self.finish(status).await;
                }
                ChannelMsg::RequestSubsystem { .. } => {
                    let _ = self.handle.channel_failure(self.channel.id()).await;
                }
                ChannelMsg::Close => return,
                _ => {}
            }
        }
    }

    async fn finish(self, status: u32) {
        let _ = self.channel.exit_status(status).await;
        let _ = self.channel.eof().await;
        let _ = self.channel.close().await;
    }

    async fn exec(&mut self, command: &str) -> u32 {
        let command = command.trim();
        if !command.ends_with("sh -s") {
            let answer = answers::answer(&self.host, command);
            return self.say(&answer.text).await.map_or(255, |()| answer.status);
        }
        let Ok(Some(first)) = tokio::time::timeout(SCRIPT_PATIENCE, self.script()).await else { return 255 };
        if first == STATE_LINE {
            return self.say(&answers::state(&self.host)).await.map_or(255, |()| 0);
        }
        if let Some((unit, lines)) = look::asked_journal(&first) {
            return self.journal(unit, lines).await;
        }
        match (StepHeader::parse(&first), first == FACTS_LINE) {
            (Some(header), _) => self.step(&header).await,
            (None, true) => self.say(&answers::facts(&self.host)).await.map_or(255, |()| 0),
            (None, false) => {
                let _ = self.say("this host is simulated: it carries out steps of Quarterdeck only\n").await;
                127
            }
        }
    }

    /// The last lines of a journal, and then what comes, until nobody listens.
    async fn journal(&mut self, unit: &str, lines: usize) -> u32 {
        let mut until = now();
        let mut said = chronicle::tail(&self.host, unit, lines, until).concat();
        loop {
            if self.say(&said).await.is_none() {
                return 255;
            }
            let gone = async { while !matches!(self.channel.wait().await, None | Some(ChannelMsg::Close)) {} };
            if tokio::time::timeout(JOURNAL_EVERY, gone).await.is_ok() {
                return 0;
            }
            let after = std::mem::replace(&mut until, now());
            said = chronicle::between(&self.host, unit, after, until).concat();
        }
    }

    /// The first line of what arrives on standard input, at its end: the rest is for real shells.
    async fn script(&mut self) -> Option<String> {
        let (mut line, mut length) = (Vec::new(), 0);
        loop {
            match self.channel.wait().await? {
                ChannelMsg::Data { data } if length + data.len() <= SCRIPT_BYTES => {
                    length += data.len();
                    if !line.ends_with(b"\n") {
                        line.extend(data.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default());
                    }
                }
                ChannelMsg::Data { .. } | ChannelMsg::Close => return None,
                ChannelMsg::Eof => return String::from_utf8(line).ok(),
                _ => {}
            }
        }
    }

    /// Answers for one step: its start, its output from where the other side left off, its end.
    async fn step(&mut self, header: &StepHeader) -> u32 {
        let decision = match self.hosts.ask(&self.host, header) {
            Ok(decision) => decision,
            Err(error) => {
                let _ = self.say(&format!("the simulated host cannot keep its state: {error}\n")).await;
                return 74;
            }
        };
        let (start, attempt) = decision.start();
        self.held = Control::Start(start).line(&header.nonce);
        let told = match attempt {
            Some(attempt) => self.follow(header, attempt).await,
            None => Some(()),
        };
        let end = match decision {
            Decision::Refuse(end) | Decision::Receipt(end) => end,
            Decision::Replay(attempt) => attempt.end(true),
            Decision::Attach(attempt) | Decision::Begin(attempt) => attempt.end(false),
        };
        match told {
            Some(()) => self.say(&Control::End(end).line(&header.nonce)).await.map_or(255, |()| 0),
            None => 255,
        }
    }

    /// Prints what the attempt prints, when it prints it, and returns when it has ended; `None` if the connection broke.
    async fn follow(&mut self, header: &StepHeader, attempt: &Attempt) -> Option<()> {
        let course = &attempt.course;
        let lines = output::lines(&attempt.phase, &attempt.step, &header.machine, course.roll, course.outcome);
        let breaks_at = course.drop_at.map(|at| attempt.begun_at + at).filter(|at| *at > now());
        let pause = course.milliseconds / (lines.len() as u64 + 1);
        let (mut skip, mut at) = (header.offset as usize, attempt.begun_at);
        for line in lines {
            at += pause;
            if breaks_at.is_some_and(|moment| moment < at) {
                break;
            }
            let unseen = &line[skip.min(line.len())..];
            skip = skip.saturating_sub(line.len());
            if !unseen.is_empty() {
                self.pass(until(at)).await?;
                self.held.push_str(unseen);
            }
        }
        if let Some(moment) = breaks_at {
            self.pass(until(moment)).await?;
            self.say("").await?;
            let _ = self.handle.disconnect(Disconnect::ByApplication, "connection reset".into(), String::new()).await;
            return None;
        }
        // What takes no time is over when its task has had its turn.
        tokio::task::yield_now().await;
        if !self.host.has_ended(attempt) {
            self.say("").await?;
            self.host.wait_for(attempt).await;
        }
        Some(())
    }

    /// Lets time go by, after what was held is said.
    async fn pass(&mut self, time: Duration) -> Option<()> {
        if time.is_zero() {
            return Some(());
        }
        self.say("").await?;
        tokio::time::sleep(time).await;
        Some(())
    }

    /// Says this, after what was held.
    pub async fn say(&mut self, text: &str) -> Option<()> {
        let text = std::mem::take(&mut self.held) + text;
        if text.is_empty() {
            return Some(());
        }
        self.channel.data_bytes(text.into_bytes()).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::Mutex};

    use russh::{
        client,
        keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate},
    };
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        embedded::simulation::{
            host::tests::header, hosts::HostsOptions, journal::Journal, keys::Keyring, network::Network, timing::Pace,
        },
        runbook::wire::{End, Outcome, Start},
    };

    struct Client(PublicKey);

    impl client::Handler for Client {
        type Error = russh::Error;
        async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
            Ok(matches!(key, PublicKeyOrCertificate::PublicKey { key, .. } if key.key_data() == self.0.key_data()))
        }
    }

    struct Bench {
        hosts: Arc<Hosts>,
        port: u16,
        ended: Arc<Mutex<Vec<String>>>,
        folder: tempfile::TempDir,
    }

    async fn bench(folder: tempfile::TempDir, fault: f64) -> Bench {
        at_speed(folder, fault, 50.0).await
    }

    async fn at_speed(folder: tempfile::TempDir, fault: f64, speed: f64) -> Bench {
        let machines: Vec<_> = (1..=3).map(|n| (format!("m-{n}"), Ipv4Addr::new(127, 77, 0, n))).collect();
        let network = Network::open(&machines, None).await.unwrap();
        let port = network.places(&machines).unwrap()["m-1"].port;
        let (journal, memories) = Journal::open(&folder.path().join("hosts.jsonl")).unwrap();
        let ended: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = ended.clone();
        let hosts = Hosts::start(HostsOptions {
            machines,
            keyring: Keyring::new([1; 32]),
            pace: Pace { seed: 2, speed, fault },
            journal,
            memories,
            on_end: Arc::new(move |host, attempt| {
                seen.lock().unwrap().push(format!("{host} {} {}", attempt.step, attempt.attempt));
                Box::pin(async {})
            }),
            cancel: CancellationToken::new(),
        });
        network.serve(&hosts);
        Bench { hosts, port, ended, folder }
    }

    impl Bench {
        async fn connect(&self, machine: &str, key: &Keyring) -> Option<client::Handle<Client>> {
            let host = self.hosts.all().iter().find(|h| h.name == machine).unwrap();
            let presented = Client(self.hosts.keyring.host(machine).public_key().clone());
            let config = Arc::new(client::Config { nodelay: true, ..client::Config::default() });
            let mut handle = client::connect(config, (host.address, self.port), presented).await.unwrap();
            let key = PrivateKeyWithHashAlg::new(Arc::new(key.client()), None);
            handle.authenticate_publickey("root", key).await.unwrap().success().then_some(handle)
        }

        /// Everything that a command says, and its exit status if the connection held.
        async fn run(&self, machine: &str, command: &str, stdin: &str) -> (String, Option<u32>) {
            let handle = self.connect(machine, &self.hosts.keyring).await.unwrap();
            let mut channel = handle.channel_open_session().await.unwrap();
            channel.exec(true, command).await.unwrap();
            channel.data_bytes(stdin.to_owned().into_bytes()).await.unwrap();
            channel.eof().await.unwrap();
            let (mut said, mut status) = (String::new(), None);
            while let Some(message) = channel.wait().await {
                match message {
                    ChannelMsg::Data { data } => said.push_str(&String::from_utf8_lossy(&data)),
                    ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                    _ => {}
                }
            }
            (said, status)
        }

        /// Runs a step; its control lines, and its output.
        async fn step(&self, asked: &StepHeader) -> (Vec<Control>, String) {
            let (said, _) = self.run(&asked.machine, "sh -s", &format!("{}exit 0\n", asked.line())).await;
            let controls = said.lines().filter_map(|l| Control::parse(l, "n")).collect();
            let is_output = |l: &&str| Control::parse(l.trim_end(), "n").is_none();
            (controls, said.split_inclusive('\n').filter(is_output).collect())
        }
    }

    fn end(outcome: Outcome, status: i32, replayed: bool) -> Control {
        Control::End(End { outcome, status, replayed })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn hosts_are_told_apart_let_only_the_demo_key_in_and_say_what_they_are() {
        let bench = bench(tempfile::tempdir().unwrap(), 0.0).await;
        for machine in ["m-1", "m-3"] {
            assert_eq!(bench.run(machine, "hostname", "").await, (format!("{machine}\n"), Some(0)));
        }
        assert!(bench.connect("m-1", &Keyring::new([2; 32])).await.is_none(), "a strange key opens nothing");
        assert_eq!(bench.run("m-1", "rm -rf /", "").await.1, Some(127));
        let (facts, status) = bench.run("m-1", "sudo -n sh -s", "# quarterdeck-facts\nuname\n").await;
        assert!(facts.contains("bootId=simulated-m-1\n") && status == Some(0), "{facts}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_step_runs_once_and_its_receipt_outlives_the_process() {
        let first = bench(tempfile::tempdir().unwrap(), 0.0).await;
        let asked = header("m-2", "Join", "kubeadm join", 1);
        let (controls, output) = first.step(&asked).await;
        assert_eq!(controls, [Control::Start(Start::Fresh), end(Outcome::Done, 0, false)]);
        assert!(output.contains("[kubelet-start] Starting the kubelet\n"), "{output}");
        assert_eq!(*first.ended.lock().unwrap(), ["m-2 kubeadm join 1"]);
        first.hosts.cancel.cancel();
        let again = bench(first.folder, 0.0).await;
        let (controls, output) = again.step(&StepHeader { attempt: 2, run: 2, ..asked.clone() }).await;
        assert_eq!(controls, [Control::Start(Start::Receipt), end(Outcome::Done, 0, true)]);
        assert_eq!(output, "");
        let (controls, _) = again.step(&StepHeader { fence: 1, ..asked }).await;
        assert_eq!(controls[1], end(Outcome::Fenced, 75, false));
        assert!(again.ended.lock().unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_step_whose_listener_is_cut_off_goes_on_and_is_picked_up_where_it_was() {
        let bench = at_speed(tempfile::tempdir().unwrap(), 1.0, 6.0).await;
        let drops = |n: &usize| {
            let asked = header("m-1", "Join", &format!("kubeadm join {n}"), 1);
            bench.hosts.pace.course(&asked, 0, false, false).drop_at.is_some()
        };
        let asked = header("m-1", "Join", &format!("kubeadm join {}", (0..100).find(drops).unwrap()), 1);
        let (controls, before) = bench.step(&asked).await;
        assert_eq!(controls, [Control::Start(Start::Fresh)], "no end: the connection broke");
        let (controls, after) = bench.step(&StepHeader { offset: before.len() as u64, ..asked.clone() }).await;
        assert_eq!(controls, [Control::Start(Start::Attached), end(Outcome::Done, 0, false)]);
        let course = bench.hosts.pace.course(&asked, 0, false, false);
        let whole = output::lines("Join", &asked.step, "m-1", course.roll, Outcome::Done).concat();
        assert_eq!(before + &after, whole);
        assert_eq!(bench.ended.lock().unwrap().len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_ran_when_the_process_ended_goes_on_after_it() {
        let bench1 = at_speed(tempfile::tempdir().unwrap(), 0.0, 6.0).await;
        let asked = header("m-1", "Join", "kubeadm join", 1);
        bench1.hosts.ask(&bench1.hosts.all()[0], &asked).unwrap();
        bench1.hosts.cancel.cancel();
        let bench2 = bench(bench1.folder, 0.0).await;
        let (controls, _) = bench2.step(&asked).await;
        assert_eq!(controls, [Control::Start(Start::Attached), end(Outcome::Done, 0, false)]);
        assert_eq!(*bench2.ended.lock().unwrap(), ["m-1 kubeadm join 1"]);
    }
}
