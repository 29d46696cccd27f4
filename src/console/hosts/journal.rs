//! Journals of a host: how they are asked for, and how their lines are read.

use crate::{
    api::look,
    console::{
        log::{Line, Tone},
        text,
    },
};
use jiff::Timestamp;

/// Longer lines are cut here: a stack trace in one line is not worth a screen.
const MOST_CHARACTERS: usize = 2_000;

/// The units that are followed.
pub use crate::api::look::UNITS;

/// The last lines of a unit's journal, and then what comes; of etcd in a static pod, its container's log.
///
/// For any POSIX shell. Reading a journal takes root or a group, so `sudo` is used where it asks for nothing. `journalctl -f` by
/// itself leaves out what was before the last boot, which may be why there was one: with `-m` it does not, and of the journals
/// that others have sent there the host's own is taken.
pub fn script(unit: &str, lines: usize) -> String {
    let first = look::journal_line(unit, lines);
    format!(
        "{first}sudo=; [ \"$(id -u)\" = 0 ] || {{ sudo -n true 2>/dev/null && sudo='sudo -n'; }}\n\
         if [ {unit} = etcd ] && ! systemctl show -p LoadState etcd 2>/dev/null | grep -q =loaded; then\n\
         file=$($sudo sh -c 'ls -t /var/log/containers/etcd-*_kube-system_etcd-*.log 2>/dev/null | head -n 1')\n\
         [ -n \"$file\" ] || exit 0\n\
         exec $sudo tail -n {lines} -F \"$file\" 2>/dev/null\n\
         fi\n\
         id=; {{ read -r id </etc/machine-id; }} 2>/dev/null\n\
         exec $sudo journalctl --no-pager -q -o short-unix -n {lines} -f -m -u {unit} ${{id:+\"_MACHINE_ID=$id\"}}\n"
    )
}

/// One line, with its moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub at: Timestamp,
    pub line: Line,
}

/// Reads the lines of one journal, in which a message may have several.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    last: Option<Timestamp>,
}

impl Reader {
    /// One line of a journal (`short-unix`) or of a container's log (CRI); `None` for what is not of the journal.
    pub fn read(&mut self, source: &str, raw: &str) -> Option<Entry> {
        let raw = raw.trim_end();
        if raw.is_empty() || raw.starts_with("-- ") {
            return None;
        }
        let (at, message) = match of_journal(raw).or_else(|| of_container(raw)) {
            Some((at, message)) => (at, message),
            // What goes on from the line before has no time of its own.
            None => (self.last?, raw.trim_start()),
        };
        self.last = Some(at);
        Some(Entry { at, line: line(at, source, message) })
    }
}

/// A line of a source, ready to be shown.
pub fn line(at: Timestamp, source: &str, message: &str) -> Line {
    let message: String = message.chars().take(MOST_CHARACTERS).collect();
    Line {
        time: text::clock(at),
        machine: String::new(),
        phase: source.to_owned(),
        tone: tone(&message),
        text: text::clean(&message),
        at: Some(at),
        source: 0,
    }
}

/// `SECONDS.MICROSECONDS HOST WORD[PID]: MESSAGE`
fn of_journal(raw: &str) -> Option<(Timestamp, &str)> {
    let (moment, rest) = raw.split_once(' ')?;
    let (seconds, fraction) = moment.split_once('.')?;
    let microseconds: i64 = fraction.get(..6)?.parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    let at = Timestamp::from_microsecond(seconds.checked_mul(1_000_000)?.checked_add(microseconds)?).ok()?;
    let (_, said) = rest.split_once(' ')?;
    let (who, message) = said.split_once(": ").unwrap_or((said, ""));
    // systemd speaks of the unit in its journal: then it is worth knowing who speaks.
    Some((at, if who.starts_with("systemd") { said } else { message }))
}

/// `2026-11-21T12:00:01.2Z stderr F MESSAGE`
fn of_container(raw: &str) -> Option<(Timestamp, &str)> {
    let mut parts = raw.splitn(4, ' ');
    let at: Timestamp = parts.next()?.parse().ok()?;
    matches!(parts.next()?, "stdout" | "stderr").then_some(())?;
    parts.next()?;
    Some((at, parts.next()?))
}

/// How loud it is, by what klog, logrus, zap and systemd write.
fn tone(message: &str) -> Tone {
    let klog = |letter: char| {
        message.starts_with(letter) && message.chars().skip(1).take(4).filter(char::is_ascii_digit).count() == 4
    };
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if klog('E')
        || klog('F')
        || has(&[
            "level=error",
            "level=fatal",
            "\"level\":\"error\"",
            "\"level\":\"fatal\"",
            "Failed with result",
            "status=1/FAILURE",
        ])
    {
        Tone::Bad
    } else if klog('W') || has(&["level=warn", "\"level\":\"warn\"", "Scheduled restart job"]) {
        Tone::Attention
    } else {
        Tone::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads lines of one journal, and says time, text and tone of each.
    fn check(raw: &str, expected: &[&str]) {
        let mut reader = Reader::default();
        let read = raw.lines().filter_map(|line| reader.read("kubelet", line));
        let said: Vec<String> = read.map(|e| format!("{} {} {:?}", e.line.time, e.line.text, e.line.tone)).collect();
        assert_eq!(said, expected, "{raw}");
    }

    #[test]
    fn journals_of_systemd() {
        check(
            "1795262400.250000 m-1 kubelet[812]: I1121 12:00:00.25 812 server.go:1] Started",
            &["12:00:00 I1121 12:00:00.25 812 server.go:1] Started Plain"],
        );
        check(
            "1795262401.000001 m-1 kubelet[812]: E1121 12:00:01 812 kubelet.go:9] \"no network\"",
            &["12:00:01 E1121 12:00:01 812 kubelet.go:9] \"no network\" Bad"],
        );
        check(
            "1795262401.000001 m-1 systemd[1]: kubelet.service: Failed with result 'exit-code'.",
            &["12:00:01 systemd[1]: kubelet.service: Failed with result 'exit-code'. Bad"],
        );
        check(
            "1795262401.000001 m-1 containerd[9]: time=\"x\" level=warning msg=\"slow\"",
            &["12:00:01 time=\"x\" level=warning msg=\"slow\" Attention"],
        );
        check(
            "1795262401.000001 m-1 kubelet[812]: panic: a: b\n   goroutine 1",
            &["12:00:01 panic: a: b Plain", "12:00:01 goroutine 1 Plain"],
        );
    }

    #[test]
    fn logs_of_containers() {
        check(
            r#"2026-11-21T12:00:02.5Z stderr F {"level":"warn","msg":"slow fdatasync"}"#,
            &[r#"12:00:02 {"level":"warn","msg":"slow fdatasync"} Attention"#],
        );
    }

    #[test]
    fn what_is_no_line_of_a_journal_is_left_out_and_nothing_is_obeyed() {
        check("-- No entries --\n\n   of nothing\n12 hours", &[]);
        check("1795262401.000001 m-1 kubelet[8]: a\u{1b}[2J", &["12:00:01 a·[2J Plain"]);
        let long = format!("1795262401.000001 m kubelet[8]: {}", "x".repeat(9_000));
        assert_eq!(Reader::default().read("kubelet", &long).map(|e| e.line.text.len()), Some(MOST_CHARACTERS));
    }
}
