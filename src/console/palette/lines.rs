//! Command lines that were carried out, the newest last.

/// Lines that are kept.
const MOST: usize = 200;

/// What was carried out in this session and in those before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLines(Vec<String>);

impl CommandLines {
    pub fn of(typed: &[String]) -> Self {
        let mut lines = Self::default();
        typed.iter().for_each(|line| lines.add(line));
        lines
    }

    /// A line that was there before is there once, as the newest.
    pub fn add(&mut self, line: &str) {
        let line = line.trim().trim_start_matches(':').trim();
        if line.is_empty() || line.chars().any(char::is_control) {
            return;
        }
        self.0.retain(|known| known != line);
        self.0.push(line.to_owned());
        let beyond = self.0.len().saturating_sub(MOST);
        self.0.drain(..beyond);
    }

    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

/// Where in the history the prompt is.
#[derive(Clone, Debug, Default)]
pub struct Recall {
    lines: Vec<String>,
    /// Lines back from the newest.
    back: usize,
}

impl Recall {
    pub fn of(typed: &CommandLines) -> Self {
        Self { lines: typed.0.clone(), back: 0 }
    }

    pub fn is_on(&self) -> bool {
        self.back > 0
    }

    /// The line before, if there is one.
    pub fn older(&mut self) -> Option<&str> {
        if self.back == self.lines.len() {
            return None;
        }
        self.back += 1;
        self.line()
    }

    /// The line after; after the newest there is an empty one.
    pub fn newer(&mut self) -> &str {
        self.back = self.back.saturating_sub(1);
        self.line().unwrap_or_default()
    }

    fn line(&self) -> Option<&str> {
        let at = self.lines.len().checked_sub(self.back)?;
        self.lines.get(at).map(String::as_str)
    }

    /// What stands there is somebody's own now.
    pub fn end(&mut self) {
        self.back = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_back_and_forth() {
        let lines = CommandLines::of(&["pool a", "theme dark", "pool a", ":q"].map(ToOwned::to_owned));
        assert_eq!(lines.lines(), ["theme dark", "pool a", "q"]);
        let mut recall = Recall::of(&lines);
        assert_eq!(recall.older(), Some("q"));
        assert_eq!(recall.older(), Some("pool a"));
        assert_eq!(recall.older(), Some("theme dark"));
        assert_eq!(recall.older(), None);
        assert_eq!(recall.newer(), "pool a");
        assert_eq!(recall.newer(), "q");
        assert_eq!(recall.newer(), "");
        assert!(!recall.is_on());
    }

    #[test]
    fn is_bounded() {
        let mut lines = CommandLines::default();
        (0..500).for_each(|n| lines.add(&format!("pool {n}")));
        assert_eq!((lines.lines().len(), lines.lines()[0].as_str()), (MOST, "pool 300"));
        lines.add("a\u{1b}[2J");
        assert_eq!(lines.lines().last().map(String::as_str), Some("pool 499"));
    }
}
