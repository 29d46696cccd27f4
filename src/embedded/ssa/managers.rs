//! The record `metadata.managedFields`: which manager owns what, and by which kind of write.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Writer, fields::FieldSet};

/// Managers that update rather than apply, before the oldest ones are merged into one.
const MAX_UPDATERS: usize = 10;
/// The name of those that were merged.
const ANCIENT: &str = "ancient-changes";

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Apply,
    Update,
}

/// What makes an entry: the same manager through another subresource or operation is another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub manager: String,
    pub operation: Operation,
    pub api_version: String,
    pub subresource: String,
}

impl Id {
    pub fn of(writer: &Writer<'_>, operation: Operation, object: &Value) -> Self {
        Self {
            manager: writer.manager.to_owned(),
            operation,
            api_version: object["apiVersion"].as_str().unwrap_or_default().to_owned(),
            subresource: writer.subresource.to_owned(),
        }
    }

    /// In the words of a conflict.
    fn spoken(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text += &format!(" with subresource {:?}", self.subresource);
        }
        if self.operation == Operation::Update {
            text += &format!(" using {}", self.api_version);
        }
        text
    }
}

/// What a manager owns, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub time: String,
    pub fields: FieldSet,
}

/// All managers of one object.
#[derive(Clone, Debug, Default)]
pub struct Managers(BTreeMap<Id, Entry>);

impl Managers {
    pub fn read(object: &Value) -> Result<Self, String> {
        let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        entries.map(entry).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a manager's entry out.
    pub fn take(&mut self, id: &Id) -> Option<Entry> {
        self.0.remove(id)
    }

    pub fn insert(&mut self, id: Id, entry: Entry) {
        if !entry.fields.is_empty() {
            self.0.insert(id, entry);
        }
    }

    /// What all managers but one own together.
    pub fn others(&self, id: &Id) -> FieldSet {
        let others = self.0.iter().filter(|(other, _)| *other != id);
        others.fold(FieldSet::default(), |all, (_, entry)| all.union(&entry.fields))
    }

    /// Changed fields that others own: who, and where.
    pub fn conflicts(&self, id: &Id, changed: &FieldSet) -> Vec<(String, String)> {
        let others = self.0.iter().filter(|(other, _)| *other != id);
        others
            .flat_map(|(other, entry)| {
                let paths = entry.fields.intersection(changed).paths();
                paths.into_iter().map(|path| (other.spoken(), path))
            })
            .collect()
    }

    /// Others lose what was changed, everyone what was removed.
    pub fn lose(&mut self, id: &Id, changed: &FieldSet, removed: &FieldSet) {
        for (other, entry) in &mut self.0 {
            if other != id {
                entry.fields = entry.fields.minus(changed);
            }
            entry.fields = entry.fields.minus(removed);
        }
        self.0.retain(|_, entry| !entry.fields.is_empty());
    }

    /// Keeps the record from growing with every program that ever wrote.
    pub fn limit(&mut self) {
        let updates = self.0.iter().filter(|(id, _)| id.operation == Operation::Update && id.subresource.is_empty());
        let mut updaters: Vec<(Id, String)> = updates.map(|(id, entry)| (id.clone(), entry.time.clone())).collect();
        updaters.sort_by(|a, b| a.1.cmp(&b.1));
        let excess = updaters.len().saturating_sub(MAX_UPDATERS);
        for (id, time) in updaters.into_iter().take(excess + usize::from(excess > 0)) {
            let Some(entry) = self.0.remove(&id) else { continue };
            let ancient = Id { manager: ANCIENT.to_owned(), ..id };
            let merged = self.0.remove(&ancient).map_or(entry.fields.clone(), |e| e.fields.union(&entry.fields));
            self.0.insert(ancient, Entry { time, fields: merged });
        }
    }

    pub fn write(self, object: &mut Value) {
        let mut entries: Vec<(Id, Entry)> = self.0.into_iter().collect();
        entries.sort_by(|(a, x), (b, y)| (a.operation, &x.time, &a.manager).cmp(&(b.operation, &y.time, &b.manager)));
        let entries: Vec<Value> = entries.into_iter().map(|(id, entry)| shown(&id, &entry)).collect();
        let Some(metadata) = object["metadata"].as_object_mut() else { return };
        match entries.is_empty() {
            true => drop(metadata.remove("managedFields")),
            false => drop(metadata.insert("managedFields".into(), entries.into())),
        }
    }
}

fn entry(value: &Value) -> Result<(Id, Entry), String> {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let operation = match value["operation"].as_str() {
        Some("Apply") => Operation::Apply,
        Some("Update") => Operation::Update,
        _ => return Err(format!("operation {} is neither Apply nor Update", value["operation"])),
    };
    let (manager, api_version, subresource) = (text("manager"), text("apiVersion"), text("subresource"));
    let fields = value.get("fieldsV1").map_or_else(|| Ok(FieldSet::default()), read_fields)?;
    Ok((Id { manager, operation, api_version, subresource }, Entry { time: text("time"), fields }))
}

/// The root is no field, so an empty record is an empty set.
fn read_fields(value: &Value) -> Result<FieldSet, String> {
    FieldSet::from_json(value).map(|set| FieldSet { member: false, ..set })
}

fn shown(id: &Id, entry: &Entry) -> Value {
    let mut value = json!({
        "apiVersion": id.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": entry.fields.to_json(),
        "manager": id.manager,
        "operation": format!("{:?}", id.operation),
    });
    if !entry.time.is_empty() {
        value["time"] = entry.time.as_str().into();
    }
    if !id.subresource.is_empty() {
        value["subresource"] = id.subresource.as_str().into();
    }
    value
}
