//! What is asked for against what is there, as a unified diff: `-` is asked for and not there, `+` is there and not asked for.
//!
//! Each side is a text of `key: value` lines that are made of what was just read; the same fields stand on both sides in one
//! order, so that what agrees is context. What nobody asks for (ages, facts of a host) is on neither.

mod cluster;
mod machine;
mod operation;
mod pool;

use super::{Reading, yaml};
use crate::{
    api::{ClusterDeployment, MachineSet, NodePool},
    console::text::{number, plural},
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
use std::fmt::Write;

/// Lines that agree, around those that do not.
const CONTEXT_LINES: usize = 3;
/// What `kubectl apply` writes down.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What is read for a diff besides the object itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    pub deployment: Option<Box<ClusterDeployment>>,
    /// Of a cluster all of them, of a machine its own.
    pub pools: Vec<NodePool>,
    pub sets: Vec<MachineSet>,
    pub members: Vec<Member>,
    pub left_out: LeftOut,
}

/// The lists that were cut: of what is not in them nobody knows anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    pub pools: bool,
    pub sets: bool,
    pub machines: bool,
}

/// A machine, as far as a diff wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    /// The set that has claimed it.
    pub set: Option<String>,
    pub version: Option<String>,
    pub state: String,
    pub operation: Option<String>,
    /// The phase that it is in, or was in last.
    pub phase: Option<String>,
    /// All phases are through.
    pub through: bool,
    /// When work on it began.
    pub since: Option<Timestamp>,
}

/// The two texts, and what has to be said before them.
#[derive(Debug, Default)]
struct Sides {
    /// What the two sides are called.
    asked_by: String,
    said_by: String,
    asked: String,
    there: String,
    notes: Vec<String>,
    fields: usize,
}

impl Sides {
    fn between(asked_by: impl Into<String>, said_by: impl Into<String>) -> Self {
        Self { asked_by: asked_by.into(), said_by: said_by.into(), ..Self::default() }
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// A field that is on both sides.
    fn field(&mut self, key: &str, asked: impl std::fmt::Display, there: impl std::fmt::Display) {
        self.fields += 1;
        let _ = writeln!(self.asked, "{key}: {asked}");
        let _ = writeln!(self.there, "{key}: {there}");
    }

    /// Something that is there and nobody asks for.
    fn besides(&mut self, line: &str) {
        let _ = writeln!(self.there, "{line}");
    }

    fn heading(&mut self, key: &str) {
        let _ = writeln!(self.asked, "{key}:");
        let _ = writeln!(self.there, "{key}:");
    }

    /// Something with fields of its own.
    fn value(&mut self, key: &str, asked: &impl Serialize, there: &impl Serialize) {
        self.fields += 1;
        self.asked += &nested(key, asked);
        self.there += &nested(key, there);
    }

    fn text(self) -> String {
        let mut out = format!("--- {}\n+++ {}\n", self.asked_by, self.said_by);
        for note in &self.notes {
            let _ = writeln!(out, "# {note}");
        }
        if self.asked == self.there {
            let fields = plural(self.fields, "field");
            let _ = writeln!(out, "\nNothing differs: in {fields} what is asked for is what is there.");
            return out;
        }
        let diff = TextDiff::from_lines(&self.asked, &self.there);
        for (i, group) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
            out += if i > 0 { "  …\n" } else { "\n" };
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                let _ = writeln!(out, "{sign} {}", change.value().trim_end_matches('\n'));
            }
        }
        out
    }
}

/// `key: value` where the value is one word, and the value below its key where it is more.
fn nested(key: &str, value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    let is_empty = match &value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    if is_empty {
        return format!("{key}: –\n");
    }
    let yaml = serde_saphyr::to_string(&value).unwrap_or_default();
    if !value.is_object() && !value.is_array() {
        return format!("{key}: {yaml}");
    }
    let indent = " ".repeat(key.len() - key.trim_start().len() + 2);
    let lines: String = yaml.lines().map(|line| format!("{indent}{line}\n")).collect();
    format!("{key}:\n{lines}")
}

/// The diff of what was read.
pub fn text(reading: &Reading, now: Timestamp) -> String {
    let Some(object) = reading.objects.first() else { return String::new() };
    let beside = &reading.beside;
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let sides = match kind {
        "NodePool" => read(object).map(|pool| pool::sides(&pool, beside)),
        "ClusterDeployment" => {
            let observed = reading.objects.get(1).and_then(read);
            read(object).map(|deployment| cluster::sides(&deployment, observed.as_ref(), beside, now))
        }
        "Machine" => read(object).map(|machine| machine::sides(&machine, beside)),
        "Operation" => read(object).map(|operation| operation::sides(&operation, beside)),
        _ => None,
    };
    let Some(mut sides) = sides else {
        return match kind {
            "Cluster" => "Nothing is asked for: this Cluster has no ClusterDeployment.\n".to_owned(),
            "NodePool" | "ClusterDeployment" | "Machine" | "Operation" => {
                format!("This {kind} has fields that this version of Quarterdeck cannot read: look at its YAML.\n")
            }
            _ => format!("Nothing can be compared: nobody asks for anything of a {kind} by itself.\n"),
        };
    };
    sides.notes.extend(reading.objects.iter().filter_map(|object| yaml::managed_by(object, now)));
    cut(&mut sides, beside);
    last_applied(object, &mut sides);
    sides.text()
}

/// What was not read.
fn cut(sides: &mut Sides, beside: &Beside) {
    let lists = [
        (beside.left_out.pools, "pools", beside.pools.len()),
        (beside.left_out.sets, "sets", beside.sets.len()),
        (beside.left_out.machines, "machines", beside.members.len()),
    ];
    for (_, what, count) in lists.into_iter().filter(|(is_cut, ..)| *is_cut) {
        sides.note(format!("there are more {what}: only the first {} were read", number(count)));
    }
}

fn read<K: DeserializeOwned>(object: &Value) -> Option<K> {
    serde_json::from_value(object.clone()).ok()
}

/// What `kubectl apply` was given, against what the object asks for now: somebody may have changed it since.
fn last_applied(object: &Value, sides: &mut Sides) {
    let Some(applied) = object.pointer("/metadata/annotations").and_then(|all| all.get(LAST_APPLIED)) else { return };
    let applied = applied.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(asked) = applied.as_ref().and_then(|applied| applied.get("spec")) else { return };
    let there = restricted(object.get("spec").unwrap_or(&Value::Null), asked);
    sides.value("spec, as it was last applied", asked, &there);
}

/// Only the fields that the other one has. Items of a list belong to each other by their name, or else by their place: what
/// is inside them may have got defaults.
fn restricted(value: &Value, to: &Value) -> Value {
    match (value, to) {
        (Value::Object(value), Value::Object(to)) => {
            let both = to.iter().filter_map(|(key, to)| Some((key.clone(), restricted(value.get(key)?, to))));
            Value::Object(both.collect())
        }
        (Value::Array(value), Value::Array(to)) => {
            let like = |(at, item): (usize, &Value)| {
                let partner = match item.get("name") {
                    Some(name) => to.iter().find(|to| to.get("name") == Some(name)),
                    None => to.get(at),
                };
                partner.map_or_else(|| item.clone(), |to| restricted(item, to))
            };
            Value::Array(value.iter().enumerate().map(like).collect())
        }
        (value, _) => value.clone(),
    }
}

/// A word, or that there is none.
fn or_none(value: Option<&str>) -> &str {
    value.unwrap_or("–")
}

/// A number, or that nobody knows it.
fn or_unknown(value: Option<i32>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests;
