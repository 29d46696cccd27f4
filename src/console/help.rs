//! The help page while it is open. It lies over whatever is there, dialogs aside, and that is as it was when it is closed.

use super::input::Line;

#[derive(Clone, Debug, Default)]
pub struct Help {
    /// Lines that are scrolled away.
    pub scroll: usize,
    /// Only lines that have all of these words are shown.
    pub filter: Line,
    /// The filter is being typed.
    pub typing: bool,
}

impl Help {
    /// The words that a line has to have, in lower case.
    pub fn words(&self) -> Vec<String> {
        self.filter.value().split_whitespace().map(str::to_lowercase).collect()
    }
}
