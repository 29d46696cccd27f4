//! What the server knows about a kind: names, scope, subresources, columns, schema; and the set of all kinds.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::schema::Structural;

/// One served kind of one group and version.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_field_names)] // the words of the API
pub struct Kind {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub list_kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    /// Has a `status` subresource, so that the main resource does not write `status`, and the reverse.
    pub status: bool,
    pub scale: Option<Scale>,
    /// `metadata.generation` counts changes of the specification.
    pub generation: bool,
    /// Beyond `metadata.name` and `metadata.namespace`, the fields that field selectors may name.
    pub selectable: Vec<String>,
    pub columns: Vec<Column>,
    /// `openAPIV3Schema` as it was given, for `kubectl explain`.
    pub document: Option<Arc<Value>>,
    /// The same, as objects are checked against it.
    pub schema: Option<Arc<Structural>>,
    /// Name of the collection in the store. Two kinds with one collection are two views of the same objects.
    pub collection: String,
}

/// JSON paths of the scale subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    pub spec_replicas: String,
    pub status_replicas: String,
    pub selector: Option<String>,
}

/// One printed column.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: String,
    pub format: String,
    pub description: String,
    /// 0 is always shown, more only in wide output.
    pub priority: i32,
    pub cell: Cell,
}

/// Where a cell's value comes from.
#[derive(Clone, Debug)]
pub enum Cell {
    /// A JSON path, as definitions of custom resources give it.
    Path(String),
    /// Code, for what built-in kinds print.
    Code(fn(&Value) -> Value),
}

impl Kind {
    /// `machines.quarterdeck.dev`, or `pods` in the core group.
    pub fn resource(&self) -> String {
        match self.group.is_empty() {
            true => self.plural.clone(),
            false => format!("{}.{}", self.plural, self.group),
        }
    }

    /// `quarterdeck.dev/v1alpha1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        match self.group.is_empty() {
            true => self.version.clone(),
            false => format!("{}/{}", self.group, self.version),
        }
    }

    /// A few built-in kinds are made by a `PUT` of what is not there yet.
    pub fn made_by_replacing(&self) -> bool {
        matches!(self.kind.as_str(), "Lease" | "Event" | "Service") && !self.custom()
            || self.group == "rbac.authorization.k8s.io"
    }

    /// Custom resources follow stricter rules of update than built-in kinds.
    pub fn custom(&self) -> bool {
        self.document.is_some()
    }
}

/// All kinds, in the order in which discovery lists them. Immutable: a definition makes a new set.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    kinds: Vec<Arc<Kind>>,
    by_resource: HashMap<(String, String, String), Arc<Kind>>,
}

impl Kinds {
    pub fn new(kinds: Vec<Kind>) -> Self {
        let mut all = Self::default();
        for kind in kinds {
            all.insert(kind);
        }
        all
    }

    /// Adds a kind, or takes the place of the one with the same group, version and plural.
    pub fn insert(&mut self, kind: Kind) {
        let kind = Arc::new(kind);
        let id = (kind.group.clone(), kind.version.clone(), kind.plural.clone());
        self.kinds.retain(|k| (&k.group, &k.version, &k.plural) != (&id.0, &id.1, &id.2));
        self.kinds.push(kind.clone());
        self.by_resource.insert(id, kind);
    }

    pub fn remove(&mut self, group: &str, plural: &str) {
        self.kinds.retain(|k| k.group != group || k.plural != plural);
        self.by_resource.retain(|(g, _, p), _| g != group || p != plural);
    }

    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.by_resource.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// By group and kind, as owner references name it; the version does not matter.
    pub fn find_kind(&self, group: &str, kind: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|k| k.group == group && k.kind == kind)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.iter()
    }

    /// One kind for each collection of the store.
    pub fn collections(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.iter().filter(|k| k.collection == k.resource())
    }
}
