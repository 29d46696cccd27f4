//! What files may name: the actions of the console, its words, and how a key is written. The configuration knows none of them.

use super::keymap::Known;

/// The words that files may use, or may not use for something of their own.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// Actions that a keymap may name.
    pub actions: &'a [Known<'a>],
    /// The console's command line knows the word.
    pub is_taken: fn(&str) -> bool,
    /// Brings a key into its one form, or says what is wrong with it.
    pub key: fn(&str) -> Result<String, String>,
}
