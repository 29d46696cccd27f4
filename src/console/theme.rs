//! The colours: roles that views paint with, and themes that give them a style. Views never name a colour.

pub use crate::config::{Role, Theme};
