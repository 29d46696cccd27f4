//! Who something is among all meta clusters: which of them it is in, and the UID that it has there.
//!
//! A UID alone is not enough. A meta cluster that was restored from another one's backup holds the same UIDs, and a change
//! that was decided on a row of one of them must not find the row of the other.

use std::{fmt, sync::Arc};

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

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
