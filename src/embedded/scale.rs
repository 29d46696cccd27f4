//! The scale subresource: replicas of anything, under one shape.

use serde_json::{Value, json};

use super::{
    ApiServer, body,
    http::{Call, Reply},
    kind::{Kind, Scale},
    object::{Object, text},
    patching, path, reading,
    refusal::{Cause, Refusal},
    strategy::Part,
    writing::{self, Write},
};

/// `GET` of the scale.
pub fn get(server: &ApiServer, kind: &Kind, paths: &Scale, call: &Call) -> Result<Reply, Refusal> {
    let key = reading::key(kind, call)?;
    let object = server.store().read(&kind.collection, &key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
    Ok(answer(paths, &object))
}

/// `PUT` or `PATCH` of the scale: only `spec.replicas` is taken.
pub async fn write(server: &ApiServer, kind: &Kind, paths: &Scale, call: &Call) -> Result<Reply, Refusal> {
    let key = reading::key(kind, call)?;
    let body = match call.method.as_str() {
        "PATCH" => patching::decode(&scale_kind(), call)?,
        _ => body::decode(call)?,
    };
    let write = Write { part: Part::Main, ..Write::of(call) };
    let change = |old: &Value| {
        let shown = shape(paths, old);
        let wanted = match call.method.as_str() {
            "PATCH" => patching::patched(&scale_kind(), call, shown, &body)?,
            _ => body.clone(),
        };
        let replicas = wanted["spec"]["replicas"].as_i64().unwrap_or_default();
        // Of a custom resource that is found out by its own validation.
        if replicas < 0 && !kind.custom() {
            let cause = Cause::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
            return Err(Refusal::invalid(&scale_kind(), &key.name, &[cause]));
        }
        let mut new = old.clone();
        set(&mut new, &paths.spec_replicas, replicas.into());
        for name in ["uid", "resourceVersion"] {
            if let Some(given) = wanted["metadata"][name].as_str().filter(|given| !given.is_empty()) {
                new["metadata"][name] = given.into();
            }
        }
        Ok(new)
    };
    let object = writing::modify(server, kind, &key, &write, &mut Vec::new(), change).await?;
    Ok(answer(paths, &object))
}

fn scale_kind() -> Kind {
    Kind { group: "autoscaling".to_owned(), kind: "Scale".to_owned(), plural: "scales".to_owned(), ..Kind::default() }
}

fn answer(paths: &Scale, object: &Object) -> Reply {
    Reply::json(200, &shape(paths, &object.value()))
}

fn shape(paths: &Scale, object: &Value) -> Value {
    let mut metadata = json!({});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(key) {
            metadata[key] = value.clone();
        }
    }
    let number = |path| path::find(object, path).as_i64().unwrap_or_default();
    let mut status = json!({"replicas": number(&paths.status_replicas)});
    match &paths.selector {
        Some(selector) => status["selector"] = path::find(object, selector),
        None => status["selector"] = spoken(&object["spec"]["selector"]["matchLabels"]).into(),
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": number(&paths.spec_replicas)}, "status": status,
    })
}

/// A selector of labels as it stands in a query.
fn spoken(labels: &Value) -> String {
    let each = labels.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value)));
    each.collect::<Vec<_>>().join(",")
}

fn set(value: &mut Value, path: &str, to: Value) {
    let mut place = value;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[part];
    }
    *place = to;
}
