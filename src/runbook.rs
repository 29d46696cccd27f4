//! Phases and steps as YAML: parse, lint, template, select by role. Pure: no IO, no clock.
//!
//! A runbook is a list of phases, a phase a list of steps, and a step is POSIX shell that says how to see whether it is
//! done already (`check`), how to do it (`run`, `upload` or `template`) and how to see that it worked (`verify`).

mod builtin;
mod lint;
mod model;
mod quote;
mod select;
mod template;

pub mod job;
pub mod wire;

pub use builtin::{builtin, builtin_names};
pub use lint::{Finding, Level, lint};
pub use model::{Error, Phase, Runbook, Step, Strategy, TemplateFile, Upload, Variable, parse};
pub use quote::quote;
pub use select::Scope;
pub use template::{Action, Facts, MachineFacts, RenderError, Rendered, Renderer};
