//! Structural schemas of custom resources: what `openAPIV3Schema` says, parsed once.
//!
//! A parsed schema prunes unknown fields, fills in defaults and validates, with the words that kube-apiserver uses, so
//! that a person learns the same sentence everywhere. It deliberately knows only what structural schemas may contain:
//! no `$ref`, no types below `allOf` and its kin.

mod default;
mod format;
mod parse;
mod prune;
mod validate;

use std::collections::BTreeMap;

use serde_json::Value;

use super::cel::Rule;

/// One thing that is wrong with an object; the shape of an entry of `details.causes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path in dots, such as `spec.replicas` or `spec.pools[0].name`.
    pub field: String,
    /// A `CauseType` of apimachinery: `FieldValueInvalid`, `FieldValueRequired`, …
    pub reason: String,
    /// The sentence, beginning with what kind of error it is: `Invalid value: -1: …`.
    pub message: String,
}

impl FieldError {
    pub(super) fn new(field: &str, reason: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.to_owned(), message: message.into() }
    }

    /// `Invalid value: VALUE: WHY`.
    pub(super) fn invalid(field: &str, value: &Value, why: &str) -> Self {
        let shown = match value {
            Value::Object(_) => "\"object\"".to_owned(),
            Value::Array(_) => "\"array\"".to_owned(),
            scalar => scalar.to_string(),
        };
        Self::new(field, "FieldValueInvalid", format!("Invalid value: {shown}: {why}"))
    }
}

/// Why a schema cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Error {
    /// Path within the schema, such as `properties[spec].items`.
    pub path: String,
    pub why: String,
}

/// How a list is merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListType {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Type {
    /// Not said: `x-kubernetes-preserve-unknown-fields` or `x-kubernetes-int-or-string`.
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// One schema, and those of its parts.
#[derive(Debug, Default)]
pub struct Structural {
    kind: Type,
    nullable: bool,
    int_or_string: bool,
    preserve_unknown: bool,
    embedded: bool,
    atomic_map: bool,
    list: ListType,
    default: Option<Value>,
    properties: BTreeMap<String, Structural>,
    items: Option<Box<Structural>>,
    /// Schema of the values of a map.
    additional: Option<Box<Structural>>,
    limits: Limits,
    all_of: Vec<Structural>,
    any_of: Vec<Structural>,
    one_of: Vec<Structural>,
    not: Option<Box<Structural>>,
    rules: Vec<Rule>,
    /// Whether this schema or one below it has a default; most do not, and need no walk.
    has_defaults: bool,
    /// Whether there is a rule here or below.
    has_rules: bool,
}

/// What a value has to keep to besides its type.
#[derive(Debug, Default)]
struct Limits {
    required: Vec<String>,
    enumeration: Vec<Value>,
    pattern: Option<regex::Regex>,
    format: String,
    minimum: Option<f64>,
    maximum: Option<f64>,
    exclusive_minimum: bool,
    exclusive_maximum: bool,
    multiple_of: Option<f64>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    min_items: Option<usize>,
    max_items: Option<usize>,
    min_properties: Option<usize>,
    max_properties: Option<usize>,
    unique_items: bool,
}

impl Structural {
    /// Reads an `openAPIV3Schema`; says why if it is not structural or a rule does not compile.
    pub fn parse(schema: &Value) -> Result<Self, Error> {
        parse::parse(schema)
    }

    /// Paths of properties that lack a type although they have to have one.
    pub fn untyped(schema: &Value) -> Vec<String> {
        parse::untyped(schema)
    }

    /// Removes what the schema does not know and returns the paths of what was removed, such as `spec.oops`.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut unknown = Vec::new();
        prune::prune(self, object, "", true, &mut unknown);
        unknown
    }

    /// Fills in defaults where nothing was given.
    pub fn fill_defaults(&self, object: &mut Value) {
        default::forget_nulls(self, object);
        default::fill(self, object);
    }

    /// Everything that is wrong with an object; rules about change are asked only when there is an old one.
    pub fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        validate::validate(self, object, old)
    }

    /// The schema of a field of an object, or of a value of a map.
    pub(super) fn field(&self, name: &str) -> Option<&Structural> {
        self.properties.get(name).or(self.additional.as_deref())
    }

    pub fn has_defaults(&self) -> bool {
        self.has_defaults
    }

    pub(super) fn has_rules(&self) -> bool {
        self.has_rules
    }

    /// Whole numbers of this type are still numbers with a fraction.
    pub(super) fn is_number(&self) -> bool {
        self.kind == Type::Number
    }

    pub(super) fn items(&self) -> Option<&Structural> {
        self.items.as_deref()
    }

    pub(super) fn list_type(&self) -> &ListType {
        &self.list
    }

    pub(super) fn is_atomic_map(&self) -> bool {
        self.atomic_map
    }

    pub(super) fn declares(&self, name: &str) -> bool {
        self.properties.contains_key(name)
    }

    pub(super) fn default_value(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    /// What rules see: date-times and durations of strings become values of their own.
    pub(super) fn format(&self) -> &str {
        &self.limits.format
    }

    /// Rules at this place; those of `allOf` count too.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().chain(self.all_of.iter().flat_map(|branch| branch.rules.iter()))
    }
}
