//! Server-side apply: who owns which field, and what follows when somebody applies or writes.
//!
//! The rules are those of structured-merge-diff. An applied object is merged into the live one; fields that its manager
//! applied before and no longer does are removed unless somebody else owns them too; changing a field that another
//! manager owns is a conflict, or with force a transfer. Every other write makes its writer the owner of what it
//! changed. Versions are not converted, since every kind here has one.

mod compare;
mod fields;
mod managers;
mod merge;

use serde_json::Value;

use self::{
    compare::compare,
    fields::FieldSet,
    managers::{Entry, Managers, Operation},
};
use super::{schema::Structural, shape::Shape};

/// The circumstances of a write.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    pub manager: &'a str,
    /// `status`, `scale`; empty for the object itself.
    pub subresource: &'a str,
    /// Of the custom resource; `None` for built-in kinds.
    pub schema: Option<&'a Structural>,
    /// Top-level fields that this write does not touch, such as `status`, and hence never owns.
    pub untouched: &'a [&'a str],
    /// In the form of metadata: RFC 3339 in UTC, to the second.
    pub now: &'a str,
}

/// Why an object was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Conflicts(Conflicts),
    /// An item of a list map without its keys, or twice.
    #[error("failed to create typed patch object: {0}")]
    Untyped(String),
    #[error("metadata.managedFields must be nil")]
    ManagedFieldsGiven,
    #[error("metadata.managedFields cannot be read: {0}")]
    Damaged(String),
}

/// Fields that others own and that would change: `(manager in words, path)`, ordered by manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflicts(pub Vec<(String, String)>);

impl std::fmt::Display for Conflicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let [(manager, path)] = self.0.as_slice() {
            return write!(f, "Apply failed with 1 conflict: conflict with {manager}: {path}");
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        for (at, (manager, path)) in self.0.iter().enumerate() {
            let first_of_manager = at == 0 || self.0[at - 1].0 != *manager;
            if first_of_manager {
                write!(f, "{}conflicts with {manager}:", if at == 0 { "" } else { "\n" })?;
            }
            write!(f, "\n- {path}")?;
        }
        Ok(())
    }
}

/// Applies an object to the live one, or makes a new one. Nothing else than `managedFields` changes if all was so already.
pub fn apply(writer: &Writer<'_>, live: Option<&Value>, applied: &Value, force: bool) -> Result<Value, Error> {
    if applied["metadata"]["managedFields"].as_array().is_some_and(|fields| !fields.is_empty()) {
        return Err(Error::ManagedFieldsGiven);
    }
    let shape = Shape::object(writer.schema);
    let applied = without(applied, writer.untouched);
    let empty = Value::Object(serde_json::Map::new());
    let before = live.unwrap_or(&empty);
    let mut managers = Managers::read(before).map_err(Error::Damaged)?;

    if managers.is_empty() && live.is_some() {
        // Whoever wrote before anybody kept a record owns what is there.
        let writer = Writer { manager: "before-first-apply", ..*writer };
        let there = compare(shape, &empty, before);
        let fields = there.added.union(&there.modified);
        managers.insert(
            managers::Id::of(&writer, Operation::Update, before),
            Entry { time: writer.now.to_owned(), fields },
        );
    }
    let mut config = FieldSet::of(shape, &applied).map_err(Error::Untyped)?;
    config.forget_identity(writer.untouched);
    let mut object = merge::merge(shape, before, &applied).map_err(Error::Untyped)?;
    let id = managers::Id::of(writer, Operation::Apply, &applied);
    let last = managers.take(&id);
    let dropped = last.as_ref().map(|entry| entry.fields.minus(&config)).unwrap_or_default();
    merge::remove(shape, &mut object, &dropped, &managers.others(&id).union(&config));

    let difference = compare(shape, before, &object);
    let changed = difference.modified.union(&difference.added);
    let conflicts = managers.conflicts(&id, &changed);
    if !force && !conflicts.is_empty() {
        return Err(Error::Conflicts(Conflicts(conflicts)));
    }
    managers.lose(&id, &changed, &difference.removed);
    let untouched = changed.is_empty() && difference.removed.is_empty();
    let time = match last {
        Some(last) if untouched && last.fields == config => last.time,
        _ => writer.now.to_owned(),
    };
    managers.insert(id, Entry { time, fields: config });
    managers.write(&mut object);
    Ok(object)
}

/// Writes down who owns what after a write other than an apply.
pub fn track(writer: &Writer<'_>, old: Option<&Value>, new: &mut Value) {
    if new["metadata"]["managedFields"].as_array().is_some_and(|fields| fields == &[serde_json::json!({})]) {
        // An explicit wish to forget all owners.
        new["metadata"]["managedFields"] = Value::Null;
        return Managers::default().write(new);
    }
    if old.is_some_and(|old| old["metadata"]["managedFields"].as_array().is_none_or(Vec::is_empty)) {
        // The record was given up, and begins anew with the first apply.
        return Managers::default().write(new);
    }
    let shape = Shape::object(writer.schema);
    let empty = Value::Object(serde_json::Map::new());
    // Damaged records cannot be obeyed; they are replaced by true ones.
    let mut managers =
        Managers::read(if new["metadata"]["managedFields"].is_array() { new } else { old.unwrap_or(&empty) })
            .unwrap_or_default();
    let mut difference = compare(shape, old.unwrap_or(&empty), new);
    difference.forget_identity(writer.untouched);
    let changed = difference.modified.union(&difference.added);
    let id = managers::Id::of(writer, Operation::Update, new);
    managers.lose(&id, &changed, &difference.removed);
    let last = managers.take(&id);
    let owned = last.as_ref().map(|entry| entry.fields.clone()).unwrap_or_default();
    let fields = owned.union(&changed).minus(&difference.removed);
    if !fields.is_empty() {
        let time = match last {
            Some(last) if last.fields == fields && changed.is_empty() => last.time,
            _ => writer.now.to_owned(),
        };
        managers.insert(id, Entry { time, fields });
    }
    managers.limit();
    managers.write(new);
}

fn without(value: &Value, fields: &[&str]) -> Value {
    let mut value = value.clone();
    if let Value::Object(object) = &mut value {
        object.retain(|name, _| !fields.contains(&name.as_str()));
    }
    value
}

#[cfg(test)]
mod tests;
