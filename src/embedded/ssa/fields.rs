//! A set of fields of an object, in memory and as `fieldsV1`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::embedded::shape::{ListShape, Shape};

/// What the server itself writes into metadata: nobody owns it.
const SERVERS: [&str; 11] = [
    "name",
    "namespace",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// A tree whose edges are written as in `fieldsV1`: `f:replicas`, `k:{"name":"a"}`, `v:"x"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// The place itself is in the set, not only places below it.
    pub member: bool,
    pub below: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    pub fn leaf() -> Self {
        Self { member: true, below: BTreeMap::new() }
    }

    pub fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }

    /// Puts a part in its place, unless there is nothing in it.
    pub fn put(&mut self, edge: &str, part: Self) {
        if !part.is_empty() {
            self.below.insert(edge.to_owned(), part);
        }
    }

    /// The fields that an applied object sets.
    pub fn of(shape: Shape<'_>, value: &Value) -> Result<Self, String> {
        collect(shape, value, "")
    }

    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.member |= other.member;
        for (edge, part) in &other.below {
            let joined = all.below.get(edge).map_or_else(|| part.clone(), |mine| mine.union(part));
            all.below.insert(edge.clone(), joined);
        }
        all
    }

    pub fn minus(&self, other: &Self) -> Self {
        let mut rest = Self { member: self.member && !other.member, below: BTreeMap::new() };
        for (edge, part) in &self.below {
            rest.put(edge, other.below.get(edge).map_or_else(|| part.clone(), |theirs| part.minus(theirs)));
        }
        rest
    }

    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { member: self.member && other.member, below: BTreeMap::new() };
        for (edge, part) in &self.below {
            if let Some(theirs) = other.below.get(edge) {
                both.put(edge, part.intersection(theirs));
            }
        }
        both
    }

    /// Nobody owns what the server itself writes, nor what a write may not touch.
    pub fn forget_identity(&mut self, untouched: &[&str]) {
        for name in ["apiVersion", "kind"].iter().chain(untouched) {
            self.below.remove(&format!("f:{name}"));
        }
        let Some(metadata) = self.below.get_mut("f:metadata") else { return };
        metadata.member = false;
        SERVERS.iter().for_each(|name| drop(metadata.below.remove(&format!("f:{name}"))));
        if metadata.is_empty() {
            self.below.remove("f:metadata");
        }
    }

    /// Every place in the set, written for people: `.spec.pools[name="a"].replicas`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, path: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(path.to_owned());
        }
        for (edge, part) in &self.below {
            part.collect_paths(&format!("{path}{}", spoken(edge)), paths);
        }
    }

    /// As `fieldsV1`.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        if self.member && !self.below.is_empty() {
            object.insert(".".into(), json!({}));
        }
        object.extend(self.below.iter().map(|(edge, part)| (edge.clone(), part.to_json())));
        Value::Object(object)
    }

    pub fn from_json(value: &Value) -> Result<Self, String> {
        let Value::Object(object) = value else { return Err(format!("fieldsV1 has {value} where an object belongs")) };
        let mut set = Self { member: object.is_empty() || object.contains_key("."), below: BTreeMap::new() };
        for (edge, part) in object.iter().filter(|(edge, _)| *edge != ".") {
            if !["f:", "k:", "v:", "i:"].iter().any(|known| edge.starts_with(known)) {
                return Err(format!("fieldsV1 has the unknown key {edge:?}"));
            }
            set.below.insert(edge.clone(), Self::from_json(part)?);
        }
        Ok(set)
    }
}

/// One edge for people.
fn spoken(edge: &str) -> String {
    match edge.split_at(2) {
        ("f:", name) => format!(".{name}"),
        ("k:", keys) => match serde_json::from_str::<Map<String, Value>>(keys) {
            Ok(keys) => {
                let each: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("[{}]", each.join(","))
            }
            Err(_) => format!("[{keys}]"),
        },
        ("v:", value) => format!("[={value}]"),
        (_, rest) => format!("[{rest}]"),
    }
}

fn collect(shape: Shape<'_>, value: &Value, path: &str) -> Result<FieldSet, String> {
    match value {
        Value::Object(object) if !object.is_empty() && !shape.is_atomic_map() => {
            let mut set = FieldSet::default();
            for (name, value) in object {
                let mut part = collect(shape.field(name), value, &format!("{path}.{name}"))?;
                part.member |= !shape.declares(name);
                set.put(&format!("f:{name}"), part);
            }
            Ok(set)
        }
        Value::Array(items) if !items.is_empty() && shape.list() != ListShape::Atomic => {
            let mut set = FieldSet::default();
            for (at, item) in items.iter().enumerate() {
                let edge = edge(shape, item).map_err(|why| format!("{path}: element {at}: {why}"))?;
                if set.below.contains_key(&edge) {
                    return Err(format!("{path}: duplicate entries for key {}", spoken(&edge)));
                }
                let mut part = collect(shape.item(), item, &format!("{path}{}", spoken(&edge)))?;
                part.member = true;
                set.put(&edge, part);
            }
            Ok(set)
        }
        _ => Ok(FieldSet::leaf()),
    }
}

/// How an item of a set or of a list map is written: `v:"x"`, `k:{"name":"a"}`.
pub fn edge(shape: Shape<'_>, item: &Value) -> Result<String, String> {
    let list = shape.list();
    if list == ListShape::Set {
        return Ok(format!("v:{item}"));
    }
    let mut keys: BTreeMap<&str, Value> = BTreeMap::new();
    for key in list.keys() {
        let given = item.get(key).filter(|v| !v.is_null()).cloned();
        if let Some(value) = given.or_else(|| shape.default_key(key)) {
            keys.insert(key, value);
        }
    }
    match keys.is_empty() {
        true => Err("associative list with keys has an element that omits all key fields".to_owned()),
        false => Ok(format!("k:{}", json!(keys))),
    }
}
