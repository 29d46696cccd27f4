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
        Self { file: file.to_owned(), at: None, message: plain(&message.into()) }
    }

    pub(super) fn at(file: &Path, location: Location, message: impl Into<String>) -> Self {
        let at = (location != Location::UNKNOWN).then(|| (location.line(), location.column()));
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

/// Longest sentence about a file: what it repeats of the file may be as long as the file.
const LONGEST: usize = 400;

/// What is said of a file, without anything of it that a terminal would obey, and no longer than people read.
pub(crate) fn plain(message: &str) -> String {
    let shown: String = message.chars().map(|c| if c.is_control() { '·' } else { c }).take(LONGEST).collect();
    if shown.chars().count() < LONGEST { shown } else { shown + "…" }
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
