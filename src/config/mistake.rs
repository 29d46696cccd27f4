//! What is wrong in a file, where, and what may stand there.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde_saphyr::{Error, Location};

/// One mistake in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub file: PathBuf,
    /// Line and column, from 1; `None` if it is about the whole file.
    pub at: Option<(u64, u64)>,
    /// What is wrong and what may stand there.
    pub message: String,
}

impl Mistake {
    pub(super) fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self::on_line(file, None, message)
    }

    pub(super) fn at(file: &Path, location: Location, message: impl Into<String>) -> Self {
        Self::on_line(file, (location != Location::UNKNOWN).then(|| (location.line(), location.column())), message)
    }

    /// As [`Self::at`], where the parser has no place to give and the text was looked through for one.
    pub(super) fn on_line(file: &Path, at: Option<(u64, u64)>, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), at, message: plain(&message.into()) }
    }

    /// What the parser did not like; unknown keys come with what is allowed.
    pub(super) fn of_yaml(file: &Path, error: &Error) -> Self {
        let error = error.without_snippet();
        let message = match error {
            Error::SerdeUnknownField { field, expected, .. } => {
                format!("there is no key `{field}`{}", super::nearest::advice(field, expected.iter().copied()))
            }
            Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
            Error::SerdeUnknownVariant { variant, expected, .. } => {
                format!("`{variant}` cannot stand here{}", super::nearest::advice(variant, expected.iter().copied()))
            }
            Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` stands there twice"),
            Error::InvalidScalar { ty: "boolean" | "bool", .. } | Error::InvalidBooleanStrict { .. } => {
                "`true` or `false` is wanted here".to_owned()
            }
            Error::InvalidScalar { ty, .. } if ty.starts_with(['u', 'i']) => "a whole number is wanted here".to_owned(),
            Error::Unexpected { expected: "mapping start", .. } => {
                "keys with values are wanted here, as in `key: value`".to_owned()
            }
            Error::Unexpected { expected: "string scalar", .. } => "a text is wanted here".to_owned(),
            other => {
                let said = other.to_string();
                let first = said.lines().next().unwrap_or_default();
                // Our own position comes first; the parser appends its own.
                first.split(" at line ").next().unwrap_or(first).to_owned()
            }
        };
        error.location().map_or_else(|| Self::of_file(file, message.clone()), |at| Self::at(file, at, message.clone()))
    }
}

/// Longest sentence about a file, in characters: what it repeats of the file may be as long as the file.
const LONGEST: usize = 400;
/// Longest word that is repeated whole, so that there is room for what to write in its place.
const LONGEST_WORD: usize = 80;

/// What is said of a file, without anything of it that a terminal would obey, and no longer than people read. What
/// stands between backticks is cut first: behind it comes what is allowed.
pub(crate) fn plain(message: &str) -> String {
    let pieces = message.split('`').enumerate();
    let short: Vec<_> =
        pieces.map(|(at, piece)| cut(piece, if at % 2 == 1 { LONGEST_WORD } else { LONGEST })).collect();
    let shown: String = short.join("`").chars().map(|c| if c.is_control() { '·' } else { c }).collect();
    cut(&shown, LONGEST)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_is_repeated_is_cut_before_what_is_allowed() {
        let long = "x".repeat(5_000);
        let said = plain(&format!("there is no theme `{long}`; allowed: dark, light"));
        assert_eq!(said, format!("there is no theme `{}…`; allowed: dark, light", "x".repeat(80)));
        assert_eq!(plain(&long).chars().count(), 401);
        assert_eq!(plain("`a\u{1b}[2J` is no name"), "`a·[2J` is no name");
    }
}
