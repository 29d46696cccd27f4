//! `OpenAPI` v3, as far as kubectl reads it: `apply` looks for `fieldValidation`, `explain` for schemas with descriptions.

use k8s_openapi::{
    api::{
        apps::v1 as apps, batch::v1 as batch, coordination::v1 as coordination, core::v1 as core, events::v1 as events,
        policy::v1 as policy, rbac::v1 as rbac, storage::v1 as storage,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::kind::{Kind, Kinds};

const OBJECT_META: &str = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// `/openapi/v3`: the documents there are.
pub fn index(kinds: &Kinds) -> Value {
    let mut paths = Map::new();
    for kind in kinds.iter() {
        let path = root(&kind.group, &kind.version);
        // A different set of kinds is a different document; clients keep them by this hash.
        let members: Vec<String> = served(kinds, &kind.group, &kind.version).map(fingerprint).collect();
        let hash: String =
            Sha256::digest(members.join(" ")).iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"));
        paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}));
    }
    json!({"paths": paths})
}

fn fingerprint(kind: &Kind) -> String {
    format!("{} {}", kind.kind, kind.document.as_ref().map(ToString::to_string).unwrap_or_default())
}

fn root(group: &str, version: &str) -> String {
    match group.is_empty() {
        true => format!("api/{version}"),
        false => format!("apis/{group}/{version}"),
    }
}

fn served<'k>(kinds: &'k Kinds, group: &str, version: &str) -> impl Iterator<Item = &'k Kind> {
    kinds.iter().map(|kind| &**kind).filter(move |kind| kind.group == group && kind.version == version)
}

/// The document of a group and version.
pub fn document(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    generator.subschema_for::<ObjectMeta>();
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for kind in served(kinds, group, version) {
        let name = match &kind.document {
            Some(document) => {
                let name = format!("{}.{}.{}", reversed(&kind.group), kind.version, kind.kind);
                schemas.insert(name.clone(), custom(document));
                name
            }
            None => built_in(kind, &mut generator)?,
        };
        add_paths(kind, &name, &mut paths);
    }
    for (name, schema) in generator.take_definitions(true) {
        schemas.insert(name, schema);
    }
    for kind in served(kinds, group, version) {
        mark(kind, &mut schemas);
    }
    let title = json!({"title": "Quarterdeck embedded API server", "version": "v1.36.0"});
    (!paths.is_empty())
        .then(|| json!({"openapi": "3.0.0", "info": title, "paths": paths, "components": {"schemas": schemas}}))
}

/// `quarterdeck.dev` → `dev.quarterdeck`.
fn reversed(group: &str) -> String {
    group.split('.').rev().collect::<Vec<_>>().join(".")
}

fn custom(document: &Value) -> Value {
    let mut schema = document.clone();
    for key in ["apiVersion", "kind"] {
        if schema["properties"][key].is_null() {
            schema["properties"][key] = json!({"type": "string"});
        }
    }
    schema["properties"]["metadata"] =
        json!({"description": "Standard object's metadata.", "allOf": [{"$ref": OBJECT_META}]});
    schema
}

/// Says which kind a schema is of.
fn mark(kind: &Kind, schemas: &mut Map<String, Value>) {
    let suffix = format!(".{}.{}", kind.version, kind.kind);
    let group = kind.group.split('.').next().unwrap_or_default();
    let home = format!(".{}.", if group.is_empty() { "core" } else { group });
    let own = format!("{}{suffix}", reversed(&kind.group));
    let found = schemas.iter_mut().find(|(name, _)| **name == own || (name.ends_with(&suffix) && name.contains(&home)));
    if let Some((_, schema)) = found {
        schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(kind)]);
    }
}

fn group_version_kind(kind: &Kind) -> Value {
    json!({"group": kind.group, "version": kind.version, "kind": kind.kind})
}

fn add_paths(kind: &Kind, schema: &str, paths: &mut Map<String, Value>) {
    let root = root(&kind.group, &kind.version);
    let collection = match kind.namespaced {
        true => format!("/{root}/namespaces/{{namespace}}/{}", kind.plural),
        false => format!("/{root}/{}", kind.plural),
    };
    let answer = json!({"200": {"description": "OK", "content": {
        "application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}},
    }}});
    let query = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let operation = |action: &str, parameters: &[&str]| {
        json!({
            "parameters": parameters.iter().map(|name| query(name)).collect::<Vec<_>>(),
            "responses": answer, "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": group_version_kind(kind),
        })
    };
    let write = ["dryRun", "fieldManager", "fieldValidation"];
    paths.insert(
        collection.clone(),
        json!({"get": operation("list", &["labelSelector", "fieldSelector", "limit"]), "post": operation("post", &write)}),
    );
    paths.insert(
        format!("{collection}/{{name}}"),
        json!({
            "get": operation("get", &[]), "put": operation("put", &write),
            "patch": operation("patch", &["dryRun", "fieldManager", "fieldValidation", "force"]),
            "delete": operation("delete", &["dryRun", "gracePeriodSeconds", "propagationPolicy"]),
        }),
    );
}

/// Adds the schema of a built-in kind and everything it refers to; answers its name.
fn built_in(kind: &Kind, generator: &mut SchemaGenerator) -> Option<String> {
    macro_rules! schema {
        ($($group:literal $name:literal => $kind:ty),* $(,)?) => {
            match (kind.group.as_str(), kind.kind.as_str()) {
                $(($group, $name) => {
                    generator.subschema_for::<$kind>();
                    Some(<$kind as schemars::JsonSchema>::schema_name().into_owned())
                })*
                _ => None,
            }
        };
    }
    schema! {
        "" "ConfigMap" => core::ConfigMap,
        "" "Event" => core::Event,
        "" "Namespace" => core::Namespace,
        "" "Node" => core::Node,
        "" "Pod" => core::Pod,
        "" "Secret" => core::Secret,
        "" "Service" => core::Service,
        "" "ServiceAccount" => core::ServiceAccount,
        "apps" "DaemonSet" => apps::DaemonSet,
        "apps" "Deployment" => apps::Deployment,
        "apps" "ReplicaSet" => apps::ReplicaSet,
        "apps" "StatefulSet" => apps::StatefulSet,
        "events.k8s.io" "Event" => events::Event,
        "batch" "Job" => batch::Job,
        "policy" "PodDisruptionBudget" => policy::PodDisruptionBudget,
        "rbac.authorization.k8s.io" "ClusterRole" => rbac::ClusterRole,
        "rbac.authorization.k8s.io" "ClusterRoleBinding" => rbac::ClusterRoleBinding,
        "rbac.authorization.k8s.io" "Role" => rbac::Role,
        "rbac.authorization.k8s.io" "RoleBinding" => rbac::RoleBinding,
        "storage.k8s.io" "VolumeAttachment" => storage::VolumeAttachment,
        "apiextensions.k8s.io" "CustomResourceDefinition" => apiextensions::CustomResourceDefinition,
        "coordination.k8s.io" "Lease" => coordination::Lease,
    }
}
