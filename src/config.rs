//! What was typed, and what was resolved from it.
