//! What the rows of one meta cluster share: which one it is, and one copy of each word, such as names of clusters, pools and phases, versions, labels.

use std::{collections::HashSet, sync::Arc};

use super::{ContextId, Uid};

/// Distinct words that are kept; later ones are simply not shared. Host names as label values would fill it otherwise.
const CAPACITY: usize = 65_536;

/// Hands out shared copies of words. Words are never forgotten, so its size is bounded by `CAPACITY`.
#[derive(Debug, Default)]
pub struct Interner {
    context: ContextId,
    words: HashSet<Arc<str>>,
}

impl Interner {
    /// For rows of one of several meta clusters.
    pub fn of(context: ContextId) -> Self {
        Self { context, ..Self::default() }
    }

    /// The identity of what a resource's metadata are those of.
    pub fn uid(&self, text: Option<&str>) -> Uid {
        Uid::new(self.context, text.unwrap_or_default())
    }

    /// The shared copy of `word`.
    pub fn share(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.words.get(word) {
            return known.clone();
        }
        let fresh: Arc<str> = word.into();
        if self.words.len() < CAPACITY {
            self.words.insert(fresh.clone());
        }
        fresh
    }

    /// The shared copy of a word that may be missing; an empty word counts as missing.
    pub fn share_some(&mut self, word: Option<&str>) -> Option<Arc<str>> {
        word.filter(|w| !w.is_empty()).map(|w| self.share(w))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_words_are_one_copy() {
        let mut interner = Interner::default();
        let (a, b) = (interner.share("gpu"), interner.share("gpu"));
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(interner.share_some(Some("")), None);
    }
}
