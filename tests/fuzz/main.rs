//! Everything that reads bytes of others, given bytes that nobody meant.
//!
//! Each check begins with examples that are right and breaks them in a few places: random bytes alone would never get past
//! the first token. A reader may say no in a sentence; it may not panic, take long, take memory out of proportion, or say yes
//! to what it cannot write again. What fails is made smaller before it is shown. `QUARTERDECK_FUZZ_CASES` says how many
//! cases each check has, `QUARTERDECK_FUZZ_SEED` where chance begins (always the same, unless it is given). A bug that was
//! found stays beside its check as an example with a name.
//!
//! This is proptest with mutations of our own on a stable toolchain: coverage-guided fuzzing (`cargo fuzz`) wants a nightly
//! one, which nobody should need in order to test.

mod bench;
mod files;
mod hosts;
mod mutation;
mod requests;
#[path = "../api/scenario.rs"]
#[allow(dead_code, reason = "its tests are those of the API suite")]
mod scenario;
mod words;
