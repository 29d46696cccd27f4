//! A Kubernetes List, written as its items come: no more than one page is held.

use std::io::{self, Write};

use kube::api::DynamicObject;

use super::Output;

pub(super) struct List {
    output: Output,
    items: usize,
}

impl List {
    pub(super) fn begin(output: Output) -> Self {
        Self { output, items: 0 }
    }

    /// Writes one item. Other outputs than json and yaml write nothing here.
    pub(super) fn item(&mut self, object: &DynamicObject, out: &mut impl Write) -> io::Result<()> {
        let first = self.items == 0;
        self.items += 1;
        match self.output {
            Output::Json => {
                out.write_all(if first { JSON_HEAD.as_bytes() } else { b",\n" })?;
                let text = serde_json::to_string_pretty(object)?;
                out.write_all(indented(&text, "    ", "    ").as_bytes())
            }
            Output::Yaml => {
                if first {
                    out.write_all(YAML_HEAD.as_bytes())?;
                }
                let text = serde_saphyr::to_string(object).map_err(io::Error::other)?;
                writeln!(out, "{}", indented(text.trim_end(), "- ", "  "))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn end(&self, out: &mut impl Write) -> io::Result<()> {
        match (self.output, self.items) {
            (Output::Json, 0) => writeln!(out, "{JSON_HEAD}  ]\n}}"),
            (Output::Json, _) => writeln!(out, "\n  ]\n}}"),
            (Output::Yaml, 0) => writeln!(out, "apiVersion: v1\nkind: List\nmetadata: {{}}\nitems: []"),
            _ => Ok(()),
        }
    }
}

const JSON_HEAD: &str = "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"metadata\": {},\n  \"items\": [\n";
const YAML_HEAD: &str = "apiVersion: v1\nkind: List\nmetadata: {}\nitems:\n";

fn indented(text: &str, first: &str, other: &str) -> String {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(at, line)| format!("{}{line}", if at == 0 { first } else { other }));
    lines.collect::<Vec<_>>().join("\n")
}
