//! Words for people and objects for programs: standard output is for one of them at a time.

use serde::Serialize;
use serde_json::{Value, json};

use crate::commands::lines;

/// How objects are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Json,
    Yaml,
}

/// For people: on standard output, unless objects are printed there.
pub fn say(output: Option<Output>, text: &str) {
    if output.is_some() {
        lines::err(text.trim_end());
    } else {
        // What is done counts, not whether it could be told.
        let _ = lines::out(text);
    }
}

/// For programs, if it was asked for.
pub fn print(output: Option<Output>, object: &impl Serialize) -> color_eyre::Result<()> {
    let text = match output {
        None => return Ok(()),
        Some(Output::Json) => format!("{}\n", serde_json::to_string_pretty(object)?),
        Some(Output::Yaml) => serde_saphyr::to_string(object)?,
    };
    Ok(lines::out(&text)?)
}

/// One object as it is, several as a List.
pub fn print_all(output: Option<Output>, objects: &[Value]) -> color_eyre::Result<()> {
    match objects {
        [one] => print(output, one),
        all => print(output, &json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": all })),
    }
}
