//! What a simulated host answers to commands that people and health checks run: a handful, plainly.

use super::hosts::{Host, now};

/// Text on standard output, and the exit status.
pub struct Answer {
    pub text: String,
    pub status: u32,
}

const OS: &str = "Debian GNU/Linux 12 (bookworm)";
const KERNEL: &str = "6.1.0-28-amd64";

/// Answers one command.
pub fn answer(host: &Host, command: &str) -> Answer {
    let words: Vec<_> = command.split_whitespace().collect();
    let text = match words.as_slice() {
        [] | ["true"] => String::new(),
        ["hostname", ..] => format!("{}\n", host.name),
        ["whoami"] => "root\n".into(),
        ["id", "-u"] => "0\n".into(),
        ["uname", "-r"] => format!("{KERNEL}\n"),
        ["uname", "-m"] | ["arch"] => "x86_64\n".into(),
        ["uname", ..] => format!("Linux {} {KERNEL} #1 SMP Debian x86_64 GNU/Linux (simulated)\n", host.name),
        ["cat", "/etc/os-release"] => {
            format!("PRETTY_NAME=\"{OS}\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n")
        }
        ["uptime"] => " 12:00:00 up 41 days,  3:07,  0 users,  load average: 0.08, 0.05, 0.01\n".into(),
        ["date"] => format!("@{}\n", now() / 1000),
        ["echo", rest @ ..] => format!("{}\n", rest.join(" ")),
        ["journalctl", ..] => journal(host),
        [other, ..] => {
            let text = format!("{other}: this host is simulated and knows no such command\n");
            return Answer { text, status: 127 };
        }
    };
    Answer { text, status: 0 }
}

/// The facts that the executor asks for.
pub fn facts(host: &Host) -> String {
    let clock = jiff::Timestamp::now().as_second();
    format!("os={OS}\nkernel={KERNEL}\narch=x86_64\nbootId=simulated-{}\nclock={clock}\n", host.name)
}

/// The steps that ran here, as a log.
fn journal(host: &Host) -> String {
    let memory = host.remembers();
    let line = |a: &super::host::Attempt| {
        let end = if a.ended { format!("{:?}", a.course.outcome) } else { "running".into() };
        format!("{} quarterdeck[{}]: {}/{} attempt {}: {end}\n", host.name, a.operation, a.phase, a.step, a.attempt)
    };
    let lines: String = memory.attempts().iter().map(line).collect();
    if lines.is_empty() { "-- No entries --\n".into() } else { lines }
}
