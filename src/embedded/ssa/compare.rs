//! What differs between two states of an object, as sets of fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::fields::{FieldSet, edge};
use crate::embedded::shape::{ListShape, Shape};

/// Fields by what became of them.
#[derive(Debug, Default)]
pub struct Difference {
    pub added: FieldSet,
    pub modified: FieldSet,
    pub removed: FieldSet,
}

impl Difference {
    pub fn forget_identity(&mut self, untouched: &[&str]) {
        for set in [&mut self.added, &mut self.modified, &mut self.removed] {
            set.forget_identity(untouched);
        }
    }

    fn put(&mut self, edge: &str, part: Self) {
        self.added.put(edge, part.added);
        self.modified.put(edge, part.modified);
        self.removed.put(edge, part.removed);
    }
}

/// Compares two whole objects.
pub fn compare(shape: Shape<'_>, old: &Value, new: &Value) -> Difference {
    let mut difference = part(shape, Some(old), Some(new));
    difference.forget_identity(&[]);
    difference
}

fn part(shape: Shape<'_>, old: Option<&Value>, new: Option<&Value>) -> Difference {
    if old == new {
        return Difference::default();
    }
    let mut difference = below(shape, old, new).unwrap_or_else(|| leaf(old, new));
    // A container that comes or goes is a place of its own, except for structures that are always there.
    if !shape.is_always_there() {
        difference.added.member |= old.is_none();
        difference.removed.member |= new.is_none();
    }
    difference
}

fn leaf(old: Option<&Value>, new: Option<&Value>) -> Difference {
    let mut difference = Difference::default();
    difference.modified.member = old.is_some() && new.is_some();
    difference
}

/// The difference of what is inside; `None` if the value counts as one thing.
fn below(shape: Shape<'_>, old: Option<&Value>, new: Option<&Value>) -> Option<Difference> {
    let sides = || [old, new].into_iter().flatten();
    if sides().all(Value::is_object) && !shape.is_atomic_map() {
        return maps(shape, old.and_then(Value::as_object), new.and_then(Value::as_object));
    }
    if sides().all(Value::is_array) && shape.list() != ListShape::Atomic {
        return lists(shape, old, new);
    }
    None
}

fn maps(shape: Shape<'_>, old: Option<&Map<String, Value>>, new: Option<&Map<String, Value>>) -> Option<Difference> {
    let names: BTreeSet<&String> = old.into_iter().chain(new).flat_map(Map::keys).collect();
    if names.is_empty() {
        return None;
    }
    let mut difference = Difference::default();
    for name in names {
        let (before, after) = (old.and_then(|o| o.get(name)), new.and_then(|n| n.get(name)));
        difference.put(&format!("f:{name}"), part(shape.field(name), before, after));
    }
    Some(difference)
}

fn lists(shape: Shape<'_>, old: Option<&Value>, new: Option<&Value>) -> Option<Difference> {
    let (before, after) = (keyed(shape, old)?, keyed(shape, new)?);
    let edges: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    if edges.is_empty() {
        return None;
    }
    let mut difference = Difference::default();
    for edge in edges {
        let (old, new) = (before.get(edge).copied(), after.get(edge).copied());
        difference.put(edge, part(shape.item(), old, new));
    }
    Some(difference)
}

/// Items by identity; `None` if some have none, or share it.
fn keyed<'v>(shape: Shape<'_>, list: Option<&'v Value>) -> Option<BTreeMap<String, &'v Value>> {
    let mut items = BTreeMap::new();
    for item in list.and_then(Value::as_array).into_iter().flatten() {
        if items.insert(edge(shape, item).ok()?, item).is_some() {
            return None;
        }
    }
    Some(items)
}
