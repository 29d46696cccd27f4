//! How lists and maps merge: what `x-kubernetes-list-*` says for custom resources, and a table for built-in kinds.
//!
//! Server-side apply and strategic merge ask the same questions, so they ask them here. The table knows metadata,
//! conditions, pods and taints; every other list of a built-in kind is atomic, which is safe: it is replaced as a whole.

use super::schema::{ListType, Structural};

/// How a list is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListShape<'a> {
    /// Replaced as a whole.
    Atomic,
    /// Scalars, each there once.
    Set,
    /// Objects that are told apart by these keys.
    Map(&'a [String]),
    /// The same, of a built-in kind.
    Known(&'static [&'static str]),
}

impl ListShape<'_> {
    /// The names of the keys; none unless the list is a map.
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::Map(keys) => keys.iter().map(String::as_str).collect(),
            Self::Known(keys) => keys.to_vec(),
            Self::Atomic | Self::Set => Vec::new(),
        }
    }
}

/// What is known of the value at some path.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// The root of a custom resource: its metadata is of a built-in type.
    Root(&'a Structural),
    Custom(&'a Structural),
    /// A built-in type, with the field that it is the value of.
    Known(&'a str),
    /// Nothing: maps merge, lists do not.
    Free,
}

/// Lists of built-in types that are not atomic, by the name of their field.
const LISTS: &[(&str, &[&str])] = &[
    ("addresses", &["type"]),
    ("conditions", &["type"]),
    ("containerStatuses", &["name"]),
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ownerReferences", &["uid"]),
    ("ports", &["containerPort", "protocol"]),
    ("schedulingGates", &["name"]),
    ("secrets", &["name"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// Maps and structures of built-in types that are replaced as a whole.
const ATOMIC_MAPS: &[&str] = &[
    "configMapKeyRef",
    "fieldRef",
    "involvedObject",
    "labelSelector",
    "ownerReference",
    "nodeSelector",
    "regarding",
    "resourceFieldRef",
    "roleRef",
    "secretKeyRef",
    "selector",
];

impl<'a> Shape<'a> {
    /// The shape of a whole object.
    pub fn object(schema: Option<&'a Structural>) -> Self {
        schema.map_or(Self::Known(""), Self::Root)
    }

    /// The shape of a field of this map.
    pub fn field(self, name: &'a str) -> Self {
        match self {
            Self::Root(_) if name == "metadata" => Self::Known("metadata"),
            Self::Root(schema) | Self::Custom(schema) => schema.field(name).map_or(Self::Free, Self::Custom),
            Self::Known("labels" | "annotations" | "data" | "binaryData" | "stringData") | Self::Free => Self::Free,
            Self::Known(_) => Self::Known(name),
        }
    }

    /// The shape of an item of this list.
    pub fn item(self) -> Self {
        match self {
            Self::Root(schema) | Self::Custom(schema) => schema.items().map_or(Self::Free, Self::Custom),
            Self::Known("ownerReferences") => Self::Known("ownerReference"),
            Self::Known(_) => Self::Known(""),
            Self::Free => Self::Free,
        }
    }

    pub fn list(self) -> ListShape<'a> {
        match self {
            Self::Root(schema) | Self::Custom(schema) => match schema.list_type() {
                ListType::Atomic => ListShape::Atomic,
                ListType::Set => ListShape::Set,
                ListType::Map(keys) => ListShape::Map(keys),
            },
            Self::Known("finalizers") => ListShape::Set,
            Self::Known(name) => {
                let known = LISTS.iter().find(|(field, _)| *field == name);
                known.map_or(ListShape::Atomic, |(_, keys)| ListShape::Known(keys))
            }
            Self::Free => ListShape::Atomic,
        }
    }

    /// Replaced as a whole although it is a map.
    pub fn is_atomic_map(self) -> bool {
        match self {
            Self::Root(schema) | Self::Custom(schema) => schema.is_atomic_map(),
            Self::Known(name) => ATOMIC_MAPS.contains(&name),
            Self::Free => false,
        }
    }

    /// Whether the field is declared by name, as a field of a structure is and a key of a map is not.
    pub fn declares(self, name: &str) -> bool {
        match self {
            Self::Root(schema) | Self::Custom(schema) => name == "metadata" || schema.declares(name),
            Self::Known("labels" | "annotations" | "data" | "binaryData" | "stringData") | Self::Free => false,
            Self::Known(_) => true,
        }
    }

    /// Structures of built-in kinds that are there even when nobody wrote them.
    pub fn is_always_there(self) -> bool {
        matches!(
            self,
            Self::Known("metadata" | "spec" | "status" | "template" | "source" | "strategy" | "containers" | "names")
        )
    }

    /// The value of a list key that may be left out.
    pub fn default_key(self, key: &str) -> Option<serde_json::Value> {
        match self {
            Self::Root(schema) | Self::Custom(schema) => {
                schema.items().and_then(|item| item.field(key)).and_then(|field| field.default_value().cloned())
            }
            Self::Known(_) if key == "protocol" => Some("TCP".into()),
            Self::Known(_) | Self::Free => None,
        }
    }
}
