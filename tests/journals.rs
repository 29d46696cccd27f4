//! What the console says to a host to read its journals, on the real `journalctl` and a real journal.
//!
//! The journal is built from entries in systemd's export format, by systemd's own `systemd-journal-remote`. A `journalctl` that
//! stands before the real one in PATH adds only where the journal is: without it the program reads that of the machine it runs on.

#[path = "needs/program.rs"]
mod program;

use quarterdeck::console::hosts::journal::{Entry, Reader, UNITS, script};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Where Debian and others keep what is not for people to start.
const REMOTE: &str = "/usr/lib/systemd/systemd-journal-remote";
/// For what is there to be read.
const PATIENCE: Duration = Duration::from_secs(60);
/// After which nothing more is expected.
const QUIET: Duration = Duration::from_millis(700);
/// 2026-11-21T12:00:00Z, in microseconds.
const NOON: u64 = 1_795_262_400_000_000;

/// What journald would have written.
struct Said<'a> {
    at: u64,
    boot: char,
    unit: &'a str,
    /// The program, and its process.
    by: &'a str,
    message: &'a [u8],
    /// Another machine has sent it here.
    elsewhere: bool,
}

/// One of a unit's own program.
fn of<'a>(at: u64, unit: &'a str, message: &'a str) -> Said<'a> {
    Said { at, boot: 'a', unit, by: unit, message: message.as_bytes(), elsewhere: false }
}

impl Said<'_> {
    /// As `systemd.journal-fields(7)` and the export format have it: what is not plain text has a length before it.
    fn export(&self) -> Vec<u8> {
        let boot = self.boot.to_string().repeat(32);
        let mut text = format!(
            "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID={boot}\n_HOSTNAME=m-1\nPRIORITY=6\n\
             SYSLOG_IDENTIFIER={}\n_PID={}\n",
            self.at,
            self.at - NOON + 1_000_000,
            self.by,
            if self.by == "systemd" { 1 } else { 812 },
        );
        let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
        match (self.elsewhere, machine.trim()) {
            (true, _) => text += &format!("_MACHINE_ID={}\n", "e".repeat(32)),
            (false, "") => {}
            (false, id) => text += &format!("_MACHINE_ID={id}\n"),
        }
        // systemd speaks about a unit from its own.
        text += &match self.by {
            "systemd" => format!("_SYSTEMD_UNIT=init.scope\nUNIT={}.service\n", self.unit),
            _ => format!("_SYSTEMD_UNIT={}.service\n", self.unit),
        };
        let mut out = text.into_bytes();
        let is_plain = self.message.iter().all(|byte| *byte >= b' ');
        if is_plain {
            out.extend_from_slice(b"MESSAGE=");
        } else {
            out.extend_from_slice(b"MESSAGE\n");
            out.extend_from_slice(&(self.message.len() as u64).to_le_bytes());
        }
        out.extend_from_slice(self.message);
        out.extend_from_slice(b"\n\n");
        out
    }
}

/// A host with a journal; without systemd, which journals do not need.
struct Host {
    folder: TempDir,
}

/// Returns from the test, with a note, where the programs are not there.
macro_rules! host {
    ($test:expr) => {
        match Host::new($test) {
            Some(host) => host,
            None => return,
        }
    };
}

impl Host {
    fn new(test: &str) -> Option<Self> {
        let there = program::present(test, "journalctl", "journalctl: the Debian package systemd")
            && program::present(test, REMOTE, "systemd-journal-remote, a Debian package");
        if !there {
            return None;
        }
        let host = Self { folder: tempfile::tempdir().expect("a folder") };
        for folder in ["bin", "journal"] {
            fs::create_dir(host.folder.path().join(folder)).expect("a folder");
        }
        let real = program::find("journalctl").expect("it is there");
        let here = host.folder.path().join("journal");
        host.program("journalctl", &format!("exec {} --directory={} \"$@\"", real.display(), here.display()));
        // Whoever runs the test may read what it has made.
        host.program("sudo", "exit 1");
        // There is no systemd to be asked: etcd is a unit here.
        host.program("systemctl", "echo LoadState=loaded");
        Some(host)
    }

    fn program(&self, name: &str, line: &str) {
        let path = self.folder.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    fn path(&self) -> String {
        let rest = std::env::var("PATH").unwrap_or_default();
        format!("{}:{rest}", self.folder.path().join("bin").display())
    }

    /// Writes into the journal.
    fn hears(&self, all: &[Said]) {
        let file: PathBuf = self.folder.path().join("journal/host.journal");
        let mut remote = Command::new(Path::new(REMOTE))
            .arg("-o")
            .arg(file)
            .arg("-")
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is there");
        let entries: Vec<u8> = all.iter().flat_map(Said::export).collect();
        remote.stdin.take().expect("it is piped").write_all(&entries).expect("it reads");
        assert!(remote.wait().expect("it ends").success(), "the entries are right");
    }

    /// Follows the journal of a unit, as the console does.
    fn follow(&self, unit: &str, lines: usize) -> Following {
        let mut shell = Command::new("sh")
            .arg("-s")
            .env("PATH", self.path())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        shell.stdin.take().expect("it is piped").write_all(script(unit, lines).as_bytes()).expect("it reads");
        let out = BufReader::new(shell.stdout.take().expect("it is piped"));
        let (sender, received) = channel();
        std::thread::spawn(move || {
            for line in out.split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Following { shell, received, reader: Reader::default(), unit: unit.to_owned() }
    }

    /// What there is of a unit's journal: so many lines, and nothing more comes.
    fn reads(&self, unit: &str, lines: usize, count: usize) -> Vec<String> {
        self.follow(unit, lines).all(count)
    }
}

/// A journal that is followed; it ends with this.
struct Following {
    shell: Child,
    received: Receiver<String>,
    reader: Reader,
    unit: String,
}

impl Following {
    /// `MICROSECONDS TEXT` of so many lines, and of those that come after them, of which there should be none.
    fn all(&mut self, count: usize) -> Vec<String> {
        let mut all = Vec::new();
        let began = Instant::now();
        loop {
            let wait = if all.len() < count { PATIENCE.saturating_sub(began.elapsed()) } else { QUIET };
            match self.received.recv_timeout(wait) {
                Ok(raw) => all.extend(self.reader.read(&self.unit, &raw).map(shown)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return all,
            }
            assert!(began.elapsed() < PATIENCE, "it does not become quiet: {all:#?}");
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // The shell has become journalctl by now.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// The moment after noon, and what is said.
fn shown(entry: Entry) -> String {
    format!("{} {}", entry.at.as_microsecond() - i64::try_from(NOON).expect("it fits"), entry.line.text)
}

#[test]
fn needs_journalctl_each_unit_has_its_lines_in_their_order_to_the_microsecond() {
    let host = host!("needs_journalctl_each_unit_has_its_lines_in_their_order_to_the_microsecond");
    host.hears(&[
        of(NOON + 1, "kubelet", "I1121 12:00:00.000001     812 server.go:1] \"Started kubelet\" a: b"),
        of(NOON + 2, "containerd", "time=\"2026-11-21T12:00:00Z\" level=warning msg=\"slow: very\""),
        of(NOON + 2, "kubelet", "of the same microsecond"),
        of(NOON + 250_000, "etcd", r#"{"level":"warn","msg":"slow fdatasync"}"#),
        of(NOON + 999_999, "kubelet", ""),
        Said { by: "systemd", ..of(NOON + 1_000_000, "kubelet", "kubelet.service: Failed with result 'exit-code'.") },
        of(NOON + 2_000_000, "ssh", "nobody asked for this"),
    ]);
    // A host without an identity cannot tell its own lines from those that it only keeps.
    if fs::read_to_string("/etc/machine-id").is_ok_and(|id| !id.trim().is_empty()) {
        host.hears(&[Said { elsewhere: true, ..of(NOON + 2_000_001, "kubelet", "this host only keeps it") }]);
    }
    assert_eq!(
        host.reads("kubelet", 100, 4),
        [
            "1 I1121 12:00:00.000001     812 server.go:1] \"Started kubelet\" a: b",
            "2 of the same microsecond",
            "999999 ",
            "1000000 systemd[1]: kubelet.service: Failed with result 'exit-code'.",
        ]
    );
    assert_eq!(host.reads("containerd", 100, 1), ["2 time=\"2026-11-21T12:00:00Z\" level=warning msg=\"slow: very\""]);
    assert_eq!(host.reads("etcd", 100, 1), [r#"250000 {"level":"warn","msg":"slow fdatasync"}"#]);
    assert_eq!(UNITS.len(), 3, "each is read above");
}

#[test]
fn needs_journalctl_messages_of_several_lines_and_of_bytes() {
    let host = host!("needs_journalctl_messages_of_several_lines_and_of_bytes");
    let long = format!("long {}", "x".repeat(5_000));
    host.hears(&[
        of(
            NOON,
            "kubelet",
            "panic: a: b\n\ngoroutine 1 [running]:\n\t/src/main.go:7\n1795262400.5 m-1 kubelet[1]: quoted\n-- end",
        ),
        Said { message: b"raw \x1b[2J\x00\xff bytes", ..of(NOON + 1, "kubelet", "") },
        Said { message: "grün – ✔".as_bytes(), ..of(NOON + 2, "kubelet", "") },
        of(NOON + 3, "kubelet", &long),
        of(NOON + 4, "kubelet", "after it"),
    ]);
    let read = host.reads("kubelet", 100, 9);
    assert_eq!(
        read[..5],
        [
            "0 panic: a: b",
            "0 goroutine 1 [running]:",
            "0 /src/main.go:7",
            "0 1795262400.5 m-1 kubelet[1]: quoted",
            "0 -- end",
        ]
    );
    assert!(read[5].starts_with("1 [") && read[5].ends_with("blob data]"), "{}", read[5]);
    assert_eq!(read[6], "2 grün – ✔");
    assert_eq!(read[7].chars().count(), "3 ".len() + 2_000, "cut, in one line");
    assert_eq!(read[8..], ["4 after it"]);
    assert!(read.iter().all(|line| !line.contains(|c: char| c.is_control())), "{read:?}");
}

#[test]
fn needs_journalctl_a_boot_in_between_is_no_line() {
    let host = host!("needs_journalctl_a_boot_in_between_is_no_line");
    host.hears(&[
        of(NOON, "kubelet", "before"),
        Said { boot: 'b', ..of(NOON + 60_000_000, "kubelet", "after") },
        Said { boot: 'b', by: "systemd", ..of(NOON + 61_000_000, "kubelet", "Started kubelet.service.") },
    ]);
    let all = ["0 before", "60000000 after", "61000000 systemd[1]: Started kubelet.service."];
    assert_eq!(host.reads("kubelet", 100, 3), all);
    // The last ones only, across the boot as well.
    assert_eq!(host.reads("kubelet", 2, 2), all[1..]);
}

#[test]
fn needs_journalctl_what_comes_is_followed() {
    let host = host!("needs_journalctl_what_comes_is_followed");
    host.hears(&[of(NOON, "kubelet", "one"), of(NOON + 1, "kubelet", "two")]);
    let mut following = host.follow("kubelet", 1);
    assert_eq!(following.all(1), ["1 two"]);
    host.hears(&[
        of(NOON + 2, "kubelet", "three"),
        of(NOON + 3, "containerd", "not this"),
        of(NOON + 4, "kubelet", "four"),
    ]);
    assert_eq!(following.all(2), ["2 three", "4 four"]);
}
