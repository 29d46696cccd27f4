//! What a simulated host answers to commands that people and health checks run: a handful, plainly.

use super::{
    chronicle,
    hosts::{Host, now},
    vitals::{Unit, Vitals},
};

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
    let vitals = || Vitals::of(host, now());
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
        ["uptime"] => vitals().uptime(),
        ["df", ..] => {
            let used = vitals().disk_percent;
            format!(
                "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 104857600 {0} {1} {used}% /\n",
                used * 1_048_576,
                (100 - used) * 1_048_576
            )
        }
        ["systemctl", "is-active", unit] => {
            let unit = vitals().unit(unit);
            return Answer { text: format!("{}\n", unit.word()), status: if unit == Unit::Active { 0 } else { 3 } };
        }
        ["systemctl", "status", unit] => status(unit, vitals().unit(unit)),
        ["date"] => format!("@{}\n", now() / 1000),
        ["echo", rest @ ..] => format!("{}\n", rest.join(" ")),
        ["journalctl", rest @ ..] => match rest.iter().position(|word| *word == "-u") {
            Some(at) => lines_of(host, rest.get(at + 1).copied().unwrap_or_default()),
            None => journal(host),
        },
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

/// How the host is, as the console asks for it.
pub fn state(host: &Host) -> String {
    Vitals::of(host, now()).answer()
}

fn status(name: &str, unit: Unit) -> String {
    let load = if unit == Unit::Absent { "not-found" } else { "loaded" };
    format!("{name}.service (simulated)\n     Loaded: {load}\n     Active: {}\n", unit.word())
}

fn lines_of(host: &Host, unit: &str) -> String {
    let lines = chronicle::tail(host, unit.trim_end_matches(".service"), 40, now());
    if lines.is_empty() { "-- No entries --\n".into() } else { lines.concat() }
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
