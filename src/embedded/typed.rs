//! Whether JSON is of the type that a kind has in Kubernetes: what a server written in Go learns from decoding it.
//!
//! Built-in kinds are read into the types of k8s-openapi, of custom resources only the metadata is. What is read is thrown
//! away again: the object is kept as it was sent. Fields that a type does not have are found by writing it anew.

use k8s_openapi::{
    api::{
        apps::v1 as apps, batch::v1 as batch, coordination::v1 as coordination, core::v1 as core, events::v1 as events,
        policy::v1 as policy, rbac::v1 as rbac, storage::v1 as storage,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use super::{http::Call, kind::Kind, options::FieldValidation, refusal::Refusal};

/// What can be asked of a type.
struct Type {
    /// Whether a value can be read into it.
    read: fn(&Value) -> Result<(), String>,
    /// What is left of a value that was read and is written again.
    round: fn(&Value) -> Option<Value>,
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    T::deserialize(value).map(drop).map_err(|error| format!("json: {error}"))
}

fn of<T: DeserializeOwned + Serialize>() -> Type {
    Type { read: read::<T>, round: |value| serde_json::to_value(T::deserialize(value).ok()?).ok() }
}

/// The type of a built-in kind.
fn built_in(kind: &Kind) -> Option<Type> {
    Some(match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "ConfigMap") => of::<core::ConfigMap>(),
        ("", "Event") => of::<core::Event>(),
        ("", "Namespace") => of::<core::Namespace>(),
        ("", "Node") => of::<core::Node>(),
        ("", "Pod") => of::<core::Pod>(),
        ("", "Secret") => of::<core::Secret>(),
        ("", "Service") => of::<core::Service>(),
        ("", "ServiceAccount") => of::<core::ServiceAccount>(),
        ("apps", "DaemonSet") => of::<apps::DaemonSet>(),
        ("apps", "Deployment") => of::<apps::Deployment>(),
        ("apps", "ReplicaSet") => of::<apps::ReplicaSet>(),
        ("apps", "StatefulSet") => of::<apps::StatefulSet>(),
        ("events.k8s.io", "Event") => of::<events::Event>(),
        ("batch", "Job") => of::<batch::Job>(),
        ("policy", "PodDisruptionBudget") => of::<policy::PodDisruptionBudget>(),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => of::<rbac::ClusterRoleBinding>(),
        ("rbac.authorization.k8s.io", "ClusterRole") => of::<rbac::ClusterRole>(),
        ("rbac.authorization.k8s.io", "RoleBinding") => of::<rbac::RoleBinding>(),
        ("rbac.authorization.k8s.io", "Role") => of::<rbac::Role>(),
        ("storage.k8s.io", "VolumeAttachment") => of::<storage::VolumeAttachment>(),
        ("coordination.k8s.io", "Lease") => of::<coordination::Lease>(),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => of::<CustomResourceDefinition>(),
        _ => return None,
    })
}

/// Says why a value is not of the type of its kind. What is required is a question of validity, not of type.
pub fn check(kind: &Kind, value: &Value) -> Result<(), String> {
    if value["metadata"].is_object() {
        read::<ObjectMeta>(&value["metadata"])?;
    }
    match built_in(kind).map(|of| (of.read)(value)) {
        Some(Err(why)) if !why.contains("missing field") => Err(why),
        _ => Ok(()),
    }
}

/// Removes fields that the type of a built-in kind does not have, and tells their paths.
pub fn prune(kind: &Kind, value: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    // A definition holds schemas, and in them anything.
    if let (Some(of), false) = (built_in(kind), kind.kind == "CustomResourceDefinition")
        && let Some(known) = (of.round)(value)
    {
        walk(value, &known, "", &mut unknown);
    }
    unknown
}

fn walk(value: &mut Value, known: &Value, path: &str, unknown: &mut Vec<String>) {
    match (value, known) {
        (Value::Object(fields), Value::Object(known)) => fields.retain(|name, field| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match known.get(name) {
                Some(known) => walk(field, known, &path, unknown),
                // An absent field and one that is null cannot be told apart by their types.
                None if field.is_null() => {}
                None => {
                    unknown.push(path);
                    return false;
                }
            }
            true
        }),
        (Value::Array(items), Value::Array(known)) => {
            for (at, (item, known)) in items.iter_mut().zip(known).enumerate() {
                walk(item, known, &format!("{path}[{at}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Refuses a body that gives a field twice, where the request is strict about fields.
pub fn check_duplicates(kind: &Kind, call: &Call) -> Result<(), Refusal> {
    if call.query.field_validation != FieldValidation::Strict || call.content_type.contains("yaml") {
        return Ok(());
    }
    let mut found = Vec::new();
    let seed = Duplicates { path: String::new(), found: &mut found };
    // What is no JSON was refused before.
    let _ = seed.deserialize(&mut serde_json::Deserializer::from_slice(&call.body));
    match found.is_empty() {
        true => Ok(()),
        false => Err(strict(kind, &found)),
    }
}

/// The refusal of fields that are unknown or given twice.
pub fn strict(kind: &Kind, found: &[String]) -> Refusal {
    let (name, version) = (&kind.kind, &kind.version);
    Refusal::bad_request(format!(
        "{name} in version {version:?} cannot be handled as a {name}: strict decoding error: {}",
        found.join(", ")
    ))
}

/// Walks through JSON and notes the paths of fields that are there twice.
struct Duplicates<'f> {
    path: String,
    found: &'f mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Duplicates<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Duplicates<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = std::collections::HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            if !seen.insert(name) {
                self.found.push(format!("duplicate field {path:?}"));
            }
            map.next_value_seed(Duplicates { path, found: self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut at = 0;
        while items.next_element_seed(Duplicates { path: format!("{}[{at}]", self.path), found: self.found })?.is_some()
        {
            at += 1;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config_map() -> Kind {
        Kind { kind: "ConfigMap".into(), version: "v1".into(), ..Kind::default() }
    }

    #[test]
    fn types_are_those_of_kubernetes() {
        let check = |value: &Value, fits: bool| assert_eq!(check(&config_map(), value).is_ok(), fits, "{value}");
        check(&json!({"metadata": {"name": "a"}, "data": {"k": "v"}}), true);
        check(&json!({"metadata": {"name": "a"}, "data": {"k": 1}}), false);
        check(&json!({"metadata": {"labels": ["a"]}}), false);
        check(&json!({"metadata": {}, "unknown": 1}), true);
    }

    #[test]
    fn unknown_fields_are_taken_out() {
        let mut value =
            json!({"metadata": {"name": "a", "color": 1}, "data": {"k": "v"}, "dada": {}, "immutable": null});
        assert_eq!(prune(&config_map(), &mut value), ["dada", "metadata.color"]);
        assert_eq!(value, json!({"metadata": {"name": "a"}, "data": {"k": "v"}, "immutable": null}));
    }

    #[test]
    fn duplicates_are_found_at_any_depth() {
        let mut found = Vec::new();
        let text = r#"{"a": [{"b": 1, "b": {"c": null}}], "d": true, "a": 1.5}"#;
        let seed = Duplicates { path: String::new(), found: &mut found };
        seed.deserialize(&mut serde_json::Deserializer::from_str(text)).expect("it is JSON");
        assert_eq!(found, ["duplicate field \"a[0].b\"", "duplicate field \"a\""]);
    }
}
