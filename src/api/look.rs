//! The first lines of the scripts with which the console looks at hosts. A real host takes them for comments, a simulated
//! one knows by them what it is asked for.

/// Load, disk, units and clock, once.
pub const STATE_LINE: &str = "# quarterdeck-state\n";

/// What the first line of a script that follows a journal begins with; a unit and a number of lines come after it.
const JOURNAL: &str = "# quarterdeck-journal ";

/// The units whose state and journals are looked at.
pub const UNITS: [&str; 3] = ["kubelet", "containerd", "etcd"];

/// The first line of a script that shows the last lines of a unit's journal, and then what comes.
pub fn journal_line(unit: &str, lines: usize) -> String {
    format!("{JOURNAL}{unit} {lines}\n")
}

/// The unit and the number of lines that such a line asks for.
pub fn asked_journal(line: &str) -> Option<(&str, usize)> {
    let (unit, lines) = line.strip_prefix(JOURNAL)?.trim_end().split_once(' ')?;
    Some((unit, lines.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_again() {
        assert_eq!(asked_journal(&journal_line("etcd", 40)), Some(("etcd", 40)));
        assert_eq!(asked_journal(STATE_LINE), None);
        assert_eq!(asked_journal("# quarterdeck-journal etcd"), None);
    }
}
