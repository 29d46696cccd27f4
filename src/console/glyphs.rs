//! Shapes: they carry the state, colour only repeats it. Two sets of equal width, one of them plain ASCII.

use crate::{
    api::{OperationState, PhaseState},
    fleet::Health,
};

/// Which shapes are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    #[default]
    Unicode,
    Ascii,
}

impl Glyphs {
    /// The highest of the levels.
    pub const TOP: usize = 7;

    /// ASCII where the locale cannot show more, or the terminal is the bare Linux console.
    pub fn detect(locale: Option<&str>, term: Option<&str>) -> Self {
        let utf8 = locale.is_none_or(|l| {
            let l = l.to_ascii_lowercase();
            l.is_empty() || l.contains("utf-8") || l.contains("utf8")
        });
        if utf8 && !matches!(term, Some("linux" | "dumb")) { Self::Unicode } else { Self::Ascii }
    }

    /// `unicode` or `ascii`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "unicode" => Some(Self::Unicode),
            "ascii" => Some(Self::Ascii),
            _ => None,
        }
    }

    pub fn is_ascii(self) -> bool {
        self == Self::Ascii
    }

    fn pick<T>(self, unicode: T, ascii: T) -> T {
        match self {
            Self::Unicode => unicode,
            Self::Ascii => ascii,
        }
    }

    pub fn health(self, health: Health) -> &'static str {
        match health {
            Health::Bad => self.pick("✖", "x"),
            Health::Warning => self.pick("▲", "!"),
            Health::Moving => self.pick("◌", "o"),
            Health::Good => self.pick("✔", "+"),
            Health::Idle => self.pick("□", "."),
        }
    }

    /// One machine in the grid.
    pub fn cell(self, health: Health) -> &'static str {
        match health {
            Health::Good => self.pick("■", "#"),
            other => self.health(other),
        }
    }

    pub fn operation(self, state: OperationState, paused: bool) -> &'static str {
        match state {
            OperationState::Succeeded => self.pick("✔", "+"),
            OperationState::Failed => self.pick("✖", "x"),
            OperationState::Cancelled => self.pick("·", "."),
            _ if paused => self.pause(),
            OperationState::Pending => self.pick("·", "."),
            OperationState::Draining | OperationState::Running => self.pick("◌", "o"),
        }
    }

    pub fn phase(self, state: PhaseState) -> &'static str {
        match state {
            PhaseState::Pending => self.pick("·", "."),
            PhaseState::Running => self.pick("◌", "o"),
            PhaseState::Succeeded => self.pick("✔", "+"),
            PhaseState::Failed => self.pick("✖", "x"),
            PhaseState::Skipped => self.pick("–", "-"),
        }
    }

    pub fn pause(self) -> &'static str {
        self.pick("‖", "=")
    }

    /// A height from 0 to [`Glyphs::TOP`].
    pub fn level(self, height: usize) -> &'static str {
        let unicode = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
        let ascii = ["_", "_", ".", ".", "-", "-", "=", "^"];
        self.pick(unicode, ascii)[height.min(Self::TOP)]
    }

    /// A minute that nobody saw.
    pub fn gap(self) -> &'static str {
        self.pick("·", " ")
    }

    /// A live connection, or a lost one.
    pub fn connection(self, live: bool) -> &'static str {
        if live { self.pick("●", "*") } else { self.pick("◍", "?") }
    }

    pub fn branch(self, open: bool) -> &'static str {
        if open { self.pick("▾", "v") } else { self.pick("▸", ">") }
    }

    pub fn cursor(self) -> &'static str {
        self.pick("▌", ">")
    }

    pub fn arrow(self) -> &'static str {
        self.pick("→", "->")
    }

    /// A key as it stands on keyboards, where it can be shown.
    pub fn key(self, name: &str) -> String {
        let arrows = [("up", "↑"), ("down", "↓"), ("left", "←"), ("right", "→")];
        let arrow = arrows.iter().find(|(word, _)| *word == name && !self.is_ascii());
        arrow.map_or(name, |(_, arrow)| arrow).to_owned()
    }

    /// Fills of the gantt, for phases in turn: neighbours differ.
    pub fn fill(self, index: usize) -> &'static str {
        let set = self.pick(["▒", "▓", "█", "░"], ["=", "#", "%", "-"]);
        set[index % set.len()]
    }

    pub fn now(self) -> &'static str {
        self.pick("▸", ">")
    }

    pub fn clipped(self) -> &'static str {
        self.pick("◂", "<")
    }

    pub fn dot(self) -> &'static str {
        self.pick("·", ".")
    }

    pub fn rule(self) -> &'static str {
        self.pick("─", "-")
    }

    pub fn bar(self) -> &'static str {
        self.pick("│", "|")
    }

    pub fn ellipsis(self) -> &'static str {
        self.pick("…", "..")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_where_nothing_else_can_be_shown() {
        for (locale, term, expected) in [
            (Some("en_US.UTF-8"), Some("xterm-256color"), Glyphs::Unicode),
            (None, Some("xterm"), Glyphs::Unicode),
            (Some("C"), Some("xterm"), Glyphs::Ascii),
            (Some("de_DE.utf8"), Some("linux"), Glyphs::Ascii),
        ] {
            assert_eq!(Glyphs::detect(locale, term), expected, "{locale:?} {term:?}");
        }
    }

    #[test]
    fn a_branch_is_no_health() {
        for (glyphs, open) in [Glyphs::Unicode, Glyphs::Ascii].into_iter().flat_map(|g| [(g, true), (g, false)]) {
            assert!(
                Health::ALL.iter().all(|health| glyphs.health(*health) != glyphs.branch(open)),
                "{glyphs:?} {open}"
            );
        }
    }

    #[test]
    fn each_shape_takes_one_column() {
        for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
            for health in Health::ALL {
                assert_eq!(super::super::text::width(glyphs.health(health)), 1);
                assert_eq!(super::super::text::width(glyphs.cell(health)), 1);
            }
        }
    }
}
