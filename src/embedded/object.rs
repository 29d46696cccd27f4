//! One stored object: its canonical JSON, and the few values that lists, selectors and owners look at.

use bytes::Bytes;
use serde_json::Value;

/// An object as it is kept: the bytes are what clients read; nothing else of it stays in memory.
#[derive(Debug)]
pub struct Object {
    pub key: Key,
    pub bytes: Bytes,
    pub revision: u64,
    pub index: Index,
}

/// Where an object stands among those of its kind. The namespace is empty for cluster-scoped kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub namespace: Box<str>,
    pub name: Box<str>,
}

impl Key {
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// What is looked at without parsing the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    pub uid: Box<str>,
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// Values of the kind's selectable fields, in the order of [`super::kind::Kind::selectable`].
    pub fields: Box<[Box<str>]>,
    /// UIDs of owner references.
    pub owners: Box<[Box<str>]>,
    pub deleting: bool,
}

impl Index {
    /// Reads the values out of an object.
    pub fn of(value: &Value, selectable: &[String]) -> Self {
        let metadata = &value["metadata"];
        let labels = metadata["labels"].as_object().into_iter().flatten();
        let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
        Self {
            uid: text(&metadata["uid"]).into(),
            labels: labels.map(|(k, v)| (k.as_str().into(), text(v).into())).collect(),
            fields: selectable.iter().map(|path| scalar(at(value, path)).into()).collect(),
            owners: owners.map(|owner| text(&owner["uid"]).into()).collect(),
            deleting: metadata["deletionTimestamp"].is_string(),
        }
    }

    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| &**k == key).map(|(_, v)| &**v)
    }
}

impl Object {
    /// Stamps the revision into the object and serialises it once.
    pub fn seal(mut value: Value, revision: u64, selectable: &[String]) -> Self {
        value["metadata"]["resourceVersion"] = revision.to_string().into();
        let index = Index::of(&value, selectable);
        let bytes = serde_json::to_vec(&value).expect("a JSON value serialises").into();
        let key = Key::new(text(&value["metadata"]["namespace"]), text(&value["metadata"]["name"]));
        Self { key, bytes, revision, index }
    }

    /// The answer to a dry run: as it would be, without a revision of its own.
    #[allow(clippy::needless_pass_by_value)] // the object takes its place
    pub fn unsaved(value: Value) -> Self {
        let key = Key::new(text(&value["metadata"]["namespace"]), text(&value["metadata"]["name"]));
        let bytes = serde_json::to_vec(&value).expect("a JSON value serialises").into();
        Self { key, bytes, revision: 0, index: Index::of(&value, &[]) }
    }

    /// The same object with other selectable fields.
    pub fn reindexed(&self, selectable: &[String]) -> Self {
        let index = Index::of(&self.value(), selectable);
        Self { key: self.key.clone(), bytes: self.bytes.clone(), revision: self.revision, index }
    }

    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("stored bytes are JSON")
    }
}

/// The value at a dotted path such as `.spec.nodeName`; null where there is none.
pub fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').filter(|part| !part.is_empty()).fold(value, |value, part| &value[part])
}

/// A string as it is, or nothing.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A scalar the way field selectors spell it.
pub fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
