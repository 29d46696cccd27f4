//! From one revision of a pool to the next.

pub mod fences;
pub mod moves;
