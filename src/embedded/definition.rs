//! From a `CustomResourceDefinition` to the kind it describes, and the status that says that it is served.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    kind::{Cell, Column, Kind, Scale},
    object::text,
    schema::Structural,
};

/// Keeps a definition until its instances are gone.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Where definitions are stored.
pub const COLLECTION: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// The kind that a definition describes: its storage version. Conversion between versions is not offered.
pub fn kind(definition: &Value) -> Option<Kind> {
    let spec = &definition["spec"];
    let names = &spec["names"];
    let versions = spec["versions"].as_array()?;
    let version = versions.iter().find(|v| v["storage"] == true && v["served"] != false)?;
    let (group, plural) = (text(&spec["group"]).to_owned(), text(&names["plural"]).to_owned());
    let kind = text(&names["kind"]).to_owned();
    let subresources = &version["subresources"];
    let list = |value: &Value| value.as_array().into_iter().flatten().map(|v| text(v).to_owned()).collect();
    let or = |value: &Value, default: String| value.as_str().map_or(default, str::to_owned);
    let selectable = version["selectableFields"].as_array().into_iter().flatten();
    Some(Kind {
        collection: format!("{plural}.{group}"),
        group,
        version: text(&version["name"]).to_owned(),
        list_kind: or(&names["listKind"], format!("{kind}List")),
        singular: or(&names["singular"], kind.to_lowercase()),
        kind,
        plural,
        short_names: list(&names["shortNames"]),
        categories: list(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        status: subresources["status"].is_object(),
        scale: scale(&subresources["scale"]),
        generation: true,
        selectable: selectable.map(|field| text(&field["jsonPath"]).to_owned()).collect(),
        columns: columns(&version["additionalPrinterColumns"]),
        document: Some(Arc::new(version["schema"]["openAPIV3Schema"].clone())),
        // A definition whose schema does not parse was refused when it was written.
        schema: Structural::parse(&version["schema"]["openAPIV3Schema"]).ok().map(Arc::new),
    })
}

fn scale(scale: &Value) -> Option<Scale> {
    Some(Scale {
        spec_replicas: scale["specReplicasPath"].as_str()?.to_owned(),
        status_replicas: scale["statusReplicasPath"].as_str()?.to_owned(),
        selector: scale["labelSelectorPath"].as_str().map(str::to_owned),
    })
}

fn columns(columns: &Value) -> Vec<Column> {
    let column = |c: &Value| Column {
        name: text(&c["name"]).to_owned(),
        kind: text(&c["type"]).to_owned(),
        format: text(&c["format"]).to_owned(),
        description: match text(&c["description"]) {
            "" => format!("Custom resource definition column (in JSONPath format): {}", text(&c["jsonPath"])),
            said => said.to_owned(),
        },
        priority: c["priority"].as_i64().unwrap_or_default() as i32,
        cell: Cell::Path(text(&c["jsonPath"]).to_owned()),
    };
    match columns.as_array() {
        Some(columns) if !columns.is_empty() => columns.iter().map(column).collect(),
        _ => {
            let age = column(&json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}));
            vec![Column { description: String::new(), ..age }]
        }
    }
}

/// Sets what the naming and establishing controllers of apiextensions would: kinds are served as soon as they are stored.
pub fn establish(definition: &mut Value, now: &str) {
    let spec = &definition["spec"];
    let mut names = spec["names"].clone();
    let kind = text(&names["kind"]).to_owned();
    for (key, default) in [("listKind", format!("{kind}List")), ("singular", kind.to_lowercase())] {
        if names[key].is_null() {
            names[key] = default.into();
        }
    }
    definition["spec"]["names"] = names.clone();
    if definition["spec"]["conversion"].is_null() {
        definition["spec"]["conversion"] = json!({"strategy": "None"});
    }
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let stored: Vec<Value> = versions.filter(|v| v["storage"] == true).map(|v| v["name"].clone()).collect();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now});
    let conditions = match definition["status"]["conditions"].as_array() {
        Some(conditions) if !conditions.is_empty() => Value::Array(conditions.clone()),
        _ => json!([
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ]),
    };
    definition["status"] = json!({"acceptedNames": names, "conditions": conditions, "storedVersions": stored});
}
