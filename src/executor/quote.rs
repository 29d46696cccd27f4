//! What a failure quotes of the output of its step: the last lines, and the line that names the reason.
//!
//! Many programs end with a summary: what apt says last is that dpkg failed, and "No space left on device" stands six lines
//! before it. Whoever is called at night should read the reason in the list of machines.

use regex::Regex;
use std::{collections::VecDeque, fmt, sync::LazyLock};

/// Lines that are quoted.
const QUOTED: usize = 3;
/// How many lines before the end a reason may stand: further up it is more likely one that was dealt with.
const FAR: usize = 200;
/// Of each line.
const MOST_CHARACTERS: usize = 300;

/// What the system says of a call that failed, as strerror(3) and getaddrinfo(3) of glibc and musl have it. Those that
/// scripts come across while all is well (a file that does not exist, or does) are not among them.
static REASON: LazyLock<Regex> = LazyLock::new(|| {
    let reasons = [
        "no space left on device",
        "quota exceeded",
        "read-only file system",
        "input/output error",
        "i/o error",
        "cannot allocate memory",
        "out of memory",
        "too many open files",
        "operation not permitted",
        "permission denied",
        "exec format error",
        "connection refused",
        "connection reset by peer",
        "connection timed out",
        "operation timed out",
        "no route to host",
        "host is unreachable",
        "network is unreachable",
        "name or service not known",
        "could not resolve",
        "temporary failure in name resolution",
        "temporary failure resolving",
    ];
    Regex::new(&format!("(?i){}", reasons.join("|"))).expect("a test uses it")
});

/// The end of an output, as much as is needed to quote it.
#[derive(Default)]
pub struct Quote {
    lines: usize,
    last: VecDeque<String>,
    /// The last line that names a reason, and which it was.
    reason: Option<(usize, String)>,
}

impl Quote {
    pub fn add(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let line: String = line.chars().take(MOST_CHARACTERS).collect();
        self.lines += 1;
        if REASON.is_match(&line) {
            self.reason = Some((self.lines, line.clone()));
        }
        if self.last.len() == QUOTED {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The reason, where it is neither among the last lines nor far from them.
    fn before(&self) -> Option<&str> {
        let (at, line) = self.reason.as_ref()?;
        let lines_after = self.lines - at;
        (QUOTED..=FAR).contains(&lines_after).then_some(line)
    }
}

/// The last lines; where the reason stands before them, in place of the first of them.
impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.before();
        let last = self.last.iter().map(String::as_str).skip(before.iter().len());
        for (at, line) in before.into_iter().chain(last).enumerate() {
            write!(f, "{}{line}", if at > 0 { " / " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_quoted_and_the_one_that_names_the_reason() {
        let check = |output: &str, quoted: &str| {
            let mut quote = Quote::default();
            output.split('|').for_each(|line| quote.add(line));
            assert_eq!(quote.to_string(), quoted, "{output}");
        };
        check("", "");
        check("a", "a");
        check("a||b| ", "a / b");
        check("a|b|c|d", "b / c / d");
        check(
            "Unpacking x|dpkg: error|cannot copy './x': No space left on device|Errors were encountered:| x.deb|E: dpkg failed",
            "cannot copy './x': No space left on device /  x.deb / E: dpkg failed",
        );
        // The nearest to the end, and none where the last lines name one themselves.
        check("a: Permission denied|b: Connection refused|c|d|e", "b: Connection refused / d / e");
        check(
            "a: Permission denied|b|c|curl: (7) Failed to connect: Connection refused",
            "b / c / curl: (7) Failed to connect: Connection refused",
        );
        let far = ["x: permission denied"].into_iter().chain(std::iter::repeat_n("y", FAR + 1)).collect::<Vec<_>>();
        check(&far.join("|"), "y / y / y");
    }
}
