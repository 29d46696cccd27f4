//! What hosts and logs say: output with control lines, host keys, event lines, clocks.

use quarterdeck::{
    console::{
        hosts::{
            journal::Reader,
            probe::{self, Reading},
        },
        log,
    },
    executor::listen::{Heard, Listener, shorten},
    runbook::wire::{Control, End, Outcome, Start, StepHeader},
    ssh::{fingerprint, host_keys::KnownHosts},
};
use serde_json::json;

use super::bench::{check, sentence};

const OUTPUT: &[&str] = &[
    "\n@n start \"fresh\"\none\ntwo\n\n@n end {\"outcome\":\"done\",\"status\":0,\"replayed\":false}\n",
    "@n start \"attached\"\r\n\n\nno break\n@m end {}\n@n end {\"outcome\":\"unverified\",\"status\":3}\n",
    "@n end \n@n start \"receipt\"\n\u{fffd}\u{1b}[31mred\n@n  x\n",
];

/// What is heard does not depend on how the bytes were cut, and offsets count what was heard.
#[test]
fn output() {
    check("output", OUTPUT, |bytes| {
        let whole = heard(bytes, bytes.len().max(1));
        for piece in [1, 7] {
            let pieces = heard(bytes, piece);
            if pieces != whole {
                return Err(format!("in pieces of {piece} it says {pieces:?}, as a whole {whole:?}"));
            }
        }
        match whole.1 <= bytes.len() as u64 {
            true => Ok(()),
            false => Err(format!("{} bytes were heard of {}", whole.1, bytes.len())),
        }
    });
}

fn heard(bytes: &[u8], piece: usize) -> (Vec<Heard>, u64) {
    let mut listener = Listener::new("n".into());
    let heard = bytes.chunks(piece).flat_map(|piece| listener.hear(piece)).collect();
    (heard, listener.offset())
}

/// What is read as a control line or a header, and written again, is read as the same.
#[test]
fn control_lines() {
    let header = StepHeader {
        operation: "op-1".into(),
        run: 1,
        machine: "m-1".into(),
        machine_uid: "u".into(),
        cluster: "east".into(),
        phase: "Join".into(),
        step: "kubeadm \"join\"\n".into(),
        digest: "d".into(),
        attempt: 1,
        fence: 7,
        once: false,
        looks: true,
        timeout_seconds: 60,
        nonce: "n".into(),
        offset: 0,
    };
    let examples = [
        header.line(),
        Control::Start(Start::Fresh).line("n"),
        Control::End(End { outcome: Outcome::TimedOut, status: 124, replayed: true }).line("n"),
    ];
    check("control", &examples, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Some(header) = StepHeader::parse(&text)
            && StepHeader::parse(&header.line()).as_ref() != Some(&header)
        {
            return Err(format!("{header:?} is not read again"));
        }
        let lines = text.lines().filter_map(|line| Control::parse(line, "n"));
        let lost = lines.into_iter().find(|c| Control::parse(c.line("n").trim_end(), "n").as_ref() != Some(c));
        lost.map_or(Ok(()), |control| Err(format!("{control:?} is not read again")))
    });
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";

#[test]
fn known_hosts() {
    let examples = [
        format!("m-1 {KEY}\n[m-2]:2222,10.0.0.* {OTHER} a comment\n"),
        format!(
            "# all\n@revoked * {KEY}\n@cert-authority *.a {OTHER}\n|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= {OTHER}\n"
        ),
        format!("*.example.com,!b.example.com,?-1\t{KEY}\r\n"),
    ];
    check("known-hosts", &examples, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let hosts = KnownHosts::parse(&text);
        for (host, port) in [("m-1", 22), ("m-2", 2222), ("a.example.com", 22), ("", 0), (&"*a".repeat(100), 22)] {
            // A key that stands nowhere in the file is never trusted.
            if hosts.trusts(host, port, KEY) && !text.contains("IJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ") {
                return Err(format!("{host}:{port} is trusted"));
            }
        }
        text.lines().filter_map(fingerprint).try_for_each(|words| sentence(&words))
    });
}

#[test]
fn the_log_of_a_pod_is_not_obeyed_by_the_terminal() {
    for line in ["\u{1b}[2Jnot an event", r#"{"event": "output", "line": "\u001b]0;title\u0007"}"#] {
        let shown = quarterdeck::commands::logs::readable(line).expect("something");
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
}

#[test]
fn event_lines() {
    let line = json!({
        "at": "2026-07-01T12:04:31.123Z", "seq": 1, "operation": "op-1", "machine": "m-1", "phase": "Join", "step": "kubeadm join",
        "event": "step-finished", "line": "it said \u{1b}[31m", "attempt": 2, "outcome": "failed", "status": 1, "milliseconds": 1500,
        "class": "Exit", "message": "it ended with status 1", "phases": [{"name": "Join", "steps": ["a"]}], "changes": 1,
    });
    let events = ["planned", "output", "machine-finished", "operation-finished", "step-retrying", "phase-finished"];
    let mut examples: Vec<String> =
        events.iter().map(|event| line.to_string().replace("step-finished", event)).collect();
    examples.push("not an event".into());
    check("event", &examples, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines() {
            let shown = log::Line::parse(line);
            let parts = [&shown.time, &shown.machine, &shown.phase, &shown.text];
            if let Some(part) = parts.into_iter().find(|part| part.chars().any(char::is_control)) {
                return Err(format!("control characters reach the screen: {part:?}"));
            }
            let printed = quarterdeck::commands::logs::readable(line).unwrap_or_default();
            if printed.chars().any(char::is_control) {
                return Err(format!("control characters reach the terminal: {printed:?}"));
            }
            let short = shorten(line.to_owned());
            if short.len() > 4200 {
                return Err(format!("{} bytes of one line", short.len()));
            }
        }
        Ok(())
    });
}

const STATES: &[&str] = &[
    "clock=1795262400.250000000\nuptime=3552420.11\nload=0.08 0.05 0.01\ncpus=16\ndisk=47%\nunit=kubelet LoadState=loaded \
     ActiveState=active\nunit=etcd LoadState=not-found ActiveState=inactive\nprocess=etcd\nend=here\n",
    "clock=-9223372036854775\nload=1e300 inf -1\ncpus=0\ndisk=255%\nend=here\n",
    "This account is currently not available.\n",
];

/// What a host says of itself is read and judged, or refused in a sentence.
#[test]
fn states() {
    check("states", STATES, |bytes| match probe::read(&String::from_utf8_lossy(bytes)) {
        Ok(seen) => {
            let worries = Reading::new(seen, 1_795_262_400_000, 20).worries(true);
            worries.iter().try_for_each(|worry| sentence(&worry.text))
        }
        Err(why) => sentence(&why),
    });
}

const JOURNALS: &[&str] = &[
    "1795262400.250000 m-1 kubelet[812]: E1121 12:00:00.25 812 server.go:1] \"no network\"\n   goroutine 1\n-- Boot x --\n",
    "2026-11-21T12:00:02.5Z stderr F {\"level\":\"warn\",\"msg\":\"slow\"}\n1795262401.000001 m systemd[1]: a: b\n",
    "99999999999999.000000 m kubelet[1]: x\n1795262400.2 m kubelet[1]: \u{1b}[2J\n",
];

/// Each line is one line, cut and clean, whatever stands in it.
#[test]
fn journals() {
    check("journals", JOURNALS, |bytes| {
        let mut reader = Reader::default();
        for line in String::from_utf8_lossy(bytes).lines().filter_map(|line| reader.read("kubelet", line)) {
            if line.line.text.chars().count() > 2_000 || line.line.text.chars().any(char::is_control) {
                return Err(format!("it shows {:?}", line.line.text));
            }
        }
        Ok(())
    });
}
