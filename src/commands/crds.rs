//! `quarterdeck crds`: the definitions of all kinds as one stream of YAML documents, for `kubectl apply -f -`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use color_eyre::eyre::Context;

use super::Globals;
use crate::install;

/// Prints the definitions of all kinds.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Nothing is read and nothing is changed: the output depends on the program only.
#[expect(clippy::unused_async, reason = "every subcommand has this shape")]
pub async fn run(_: Args, _: &Globals) -> color_eyre::Result<ExitCode> {
    let mut out = io::stdout().lock();
    for (_, text) in documents()? {
        match out.write_all(text.as_bytes()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            result => result.wrap_err("cannot write to stdout")?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Each definition as a YAML document with a file name, in the order of the names.
pub fn documents() -> color_eyre::Result<Vec<(String, String)>> {
    let mut documents = Vec::new();
    for definition in install::definitions() {
        let name = format!("{}.yaml", definition.spec.names.plural);
        let text = serde_saphyr::to_string(&definition).wrap_err("a definition does not serialise")?;
        documents.push((name, format!("---\n{}\n", text.trim_end())));
    }
    documents.sort();
    Ok(documents)
}
