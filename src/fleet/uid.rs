//! Who something is among all meta clusters: which of them it is in, and the UID that it has there.
//!
//! A UID alone is not enough. A meta cluster that was restored from another one's backup holds the same UIDs, and a change
//! that was decided on a row of one of them must not find the row of the other.

use std::{convert::Infallible, fmt, str::FromStr, sync::Arc};

/// One of the meta clusters that are looked at: its place in the list that the console was started with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextId(u8);

impl ContextId {
    /// The first one; the only one, where there is no list.
    pub const FIRST: Self = Self(0);
    /// Most meta clusters that are looked at together: each has six watches.
    pub const MOST: usize = 32;

    /// The one at a place of the list.
    ///
    /// # Panics
    /// Beyond [`ContextId::MOST`], which whoever makes the list checks first.
    pub fn at(place: usize) -> Self {
        assert!(place < Self::MOST, "the list of contexts is bounded");
        Self(place as u8)
    }

    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// The identity of an object: there are no two with the same one, whatever was copied from where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid {
    pub context: ContextId,
    text: Arc<str>,
}

impl Uid {
    pub fn new(context: ContextId, text: impl Into<Arc<str>>) -> Self {
        Self { context, text: text.into() }
    }

    /// What the API server calls it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// As it is kept in a file: `UID`, of one of the later contexts `2@UID`.
impl FromStr for Uid {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let of_context = text.split_once('@').and_then(|(place, uid)| Some((place.parse().ok()?, uid)));
        let (place, uid) = of_context.filter(|(place, _)| *place < ContextId::MOST).unwrap_or((0, text));
        Ok(Self::new(ContextId::at(place), uid))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.context {
            ContextId::FIRST => f.write_str(&self.text),
            context => write!(f, "{}@{}", context.index(), self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (place, text, written) in [(0, "a-b", "a-b"), (2, "a-b", "2@a-b"), (31, "", "31@")] {
            let uid = Uid::new(ContextId::at(place), text);
            assert_eq!((uid.to_string().as_str(), uid.to_string().parse()), (written, Ok(uid)));
        }
        for odd in ["x@y", "32@y", "-1@y", "@"] {
            assert_eq!(odd.parse(), Ok(Uid::new(ContextId::FIRST, odd)));
        }
    }
}
