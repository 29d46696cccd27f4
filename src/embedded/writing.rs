//! Writes: create, replace and patch. Each reads the latest object, makes the new one outside of any lock, and swaps it in
//! if nobody was faster; a patch then begins again, a replacement with an old resourceVersion is a conflict.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ApiServer, admission, applying, definition, events,
    http::{Accept, Call, Reply},
    kind::Kind,
    names,
    object::{Key, Object, text},
    options::FieldValidation,
    patch, reading,
    refusal::{Cause, Refusal},
    store::{self, Expected},
    strategic,
    strategy::{self, Part},
};

/// How often a patch is tried anew when others write the same object.
const ATTEMPTS: usize = 64;

/// The circumstances of a write that are not in the object.
pub struct Write<'c> {
    pub part: Part,
    pub manager: &'c str,
    pub dry_run: bool,
    pub validation: FieldValidation,
    /// Who owns what is still to be written down; an apply has done so itself.
    pub tracked: bool,
}

impl<'c> Write<'c> {
    /// A write of the server's own.
    pub fn internal() -> Self {
        let validation = FieldValidation::Ignore;
        Self { part: Part::Main, manager: "quarterdeck", dry_run: false, validation, tracked: true }
    }

    pub fn of(call: &'c Call) -> Self {
        let part = match call.resource.subresource.as_deref() {
            Some("status") => Part::Status,
            _ => Part::Main,
        };
        let agent = call.user_agent.split('/').next().unwrap_or_default();
        let manager = Some(call.query.field_manager.as_str()).filter(|m| !m.is_empty()).unwrap_or(agent);
        let manager = if manager.is_empty() { "unknown" } else { manager };
        Self { part, manager, dry_run: call.query.dry_run, validation: call.query.field_validation, tracked: true }
    }
}

/// Now, to the second, as metadata has it.
pub fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `POST` of an object.
pub async fn create(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    let mut value = body(kind, call)?;
    meet(kind, call, &mut value)?;
    let mut warnings = Vec::new();
    let object = insert(server, kind, value, &Write::of(call), &mut warnings).await?;
    Ok(reply(kind, call, 201, &object, warnings))
}

pub fn reply(kind: &Kind, call: &Call, code: u16, object: &Object, warnings: Vec<String>) -> Reply {
    let accept = if call.accept == Accept::PartialMetadata { Accept::PartialMetadata } else { Accept::Json };
    Reply::bytes(code, reading::shown(kind, accept, object)).warn(warnings)
}

/// Reads the body as an object of the kind, in the shape that is kept.
pub fn body(kind: &Kind, call: &Call) -> Result<Value, Refusal> {
    let mut value = decode(call)?;
    if !value.is_object() {
        return Err(Refusal::bad_request("the body is not an object"));
    }
    let (api_version, name) = (kind.api_version(), kind.kind.as_str());
    for (key, expected) in [("apiVersion", api_version.as_str()), ("kind", name)] {
        match value[key].as_str() {
            Some(found) if found == expected => {}
            None | Some("") if !kind.custom() => value[key] = expected.into(),
            None | Some("") => {
                let missing = if key == "kind" { "Object 'Kind' is missing" } else { "Object 'apiVersion' is missing" };
                return Err(Refusal::bad_request(format!("{missing} in '{}'", String::from_utf8_lossy(&call.body))));
            }
            Some(found) => {
                let message = format!("the object provided has {key} {found:?}, and this resource takes {expected:?}");
                return Err(Refusal::bad_request(message));
            }
        }
    }
    Ok(events::incoming(kind, value))
}

/// JSON or YAML, by content type.
pub fn decode(call: &Call) -> Result<Value, Refusal> {
    match call.content_type.split(';').next().unwrap_or_default().trim() {
        ""
        | "application/json"
        | "application/merge-patch+json"
        | "application/strategic-merge-patch+json"
        | "application/json-patch+json" => serde_json::from_slice(&call.body)
            .map_err(|e| Refusal::bad_request(format!("couldn't get version/kind; json parse error: {e}"))),
        "application/yaml" | "application/apply-patch+yaml" => {
            let text = std::str::from_utf8(&call.body).map_err(|e| Refusal::bad_request(e.to_string()))?;
            serde_saphyr::from_str(text).map_err(|e| Refusal::bad_request(format!("error decoding YAML: {e}")))
        }
        other => Err(unknown_format(other)),
    }
}

/// The words of a real server. kubectl sends its typed commands as protobuf whatever a server offers, and does not try
/// again with JSON after a 415: what is left is to say how it can be done.
fn unknown_format(content_type: &str) -> Refusal {
    let hint = match content_type {
        "application/vnd.kubernetes.protobuf" => {
            "; this server does not read protobuf: let kubectl write YAML first, with \
             --dry-run=client -o yaml | kubectl create -f -"
        }
        _ => "",
    };
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: application/json, \
         application/yaml ({content_type} is not among them){hint}"
    );
    Refusal::new(415, "UnsupportedMediaType", message)
}

/// Name and namespace of the path and of the body have to agree; what the body leaves out is taken from the path.
pub fn meet(kind: &Kind, call: &Call, value: &mut Value) -> Result<(), Refusal> {
    if !value["metadata"].is_object() {
        value["metadata"] = json!({});
    }
    let namespace = reading::namespace(kind, call)?;
    if kind.namespaced {
        let Some(namespace) = namespace else { return Err(Refusal::method_not_allowed()) };
        match value["metadata"]["namespace"].as_str() {
            None | Some("") => value["metadata"]["namespace"] = namespace.into(),
            Some(found) if found == namespace => {}
            Some(_) => {
                let message = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Refusal::bad_request(message));
            }
        }
    } else {
        strategy::remove(&mut value["metadata"], "namespace");
    }
    let Some(name) = &call.resource.name else { return Ok(()) };
    match value["metadata"]["name"].as_str() {
        None | Some("") => value["metadata"]["name"] = name.as_str().into(),
        Some(found) if found == name => {}
        Some(found) => {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({found}) does not match the name on the URL ({name})"
            )));
        }
    }
    Ok(())
}

/// Stores a new object.
pub async fn insert(
    server: &ApiServer,
    kind: &Kind,
    mut value: Value,
    write: &Write<'_>,
    warnings: &mut Vec<String>,
) -> Result<std::sync::Arc<Object>, Refusal> {
    if !text(&value["metadata"]["resourceVersion"]).is_empty() {
        return Err(Refusal::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let generated = name(&mut value);
    admission::complete(kind, &mut value, write.validation, warnings)?;
    strategy::create(kind, &mut value, &Uuid::new_v4().to_string(), &now());
    admission::admit(kind, &mut value, None, write)?;
    let key = Key::new(text(&value["metadata"]["namespace"]), text(&value["metadata"]["name"]));
    check_namespace(server, kind, &key)?;
    if write.dry_run {
        return match server.store().latest(&kind.collection, &key) {
            Some(_) => Err(Refusal::already_exists(kind, &key.name)),
            None => Ok(Object::unsaved(value).into()),
        };
    }
    let registered = is_definition(kind).then(|| value.clone());
    let name = key.name.clone();
    let seal = |revision| Object::seal(value, revision, &kind.selectable);
    match server.store().put(&kind.collection, key, Expected::Absent, seal).await {
        Ok(object) => {
            if let Some(definition) = &registered {
                server.register(definition);
            }
            Ok(object)
        }
        Err(store::Error::Stale) if generated => Err(Refusal::already_exists(kind, &name).retry_after(1)),
        Err(store::Error::Stale) => Err(Refusal::already_exists(kind, &name)),
        Err(error) => Err(Refusal::internal(error)),
    }
}

/// Makes a name up if only its beginning is given.
fn name(value: &mut Value) -> bool {
    let metadata = &mut value["metadata"];
    let prefix = text(&metadata["generateName"]).to_owned();
    let wanted = text(&metadata["name"]).is_empty() && !prefix.is_empty();
    if wanted {
        let short: String = prefix.chars().take(58).collect();
        metadata["name"] = format!("{short}{}", names::suffix()).into();
    }
    wanted
}

fn check_namespace(server: &ApiServer, kind: &Kind, key: &Key) -> Result<(), Refusal> {
    if !kind.namespaced {
        return Ok(());
    }
    let kinds = server.kinds();
    let namespaces = kinds.find("", "v1", "namespaces").expect("it is built in");
    match server.store().latest("namespaces", &Key::new("", &key.namespace)) {
        None => Err(Refusal::not_found(namespaces, &key.namespace)),
        Some(namespace) if namespace.index.deleting => {
            let why =
                format!("unable to create new content in namespace {} because it is being terminated", key.namespace);
            let cause = Cause::new(
                "NamespaceTerminating",
                "metadata.namespace",
                format!("namespace {} is being terminated", key.namespace),
            );
            Err(Refusal::forbidden(kind, &key.name, &why).because(&[cause]))
        }
        Some(_) => Ok(()),
    }
}

fn is_definition(kind: &Kind) -> bool {
    kind.collection == definition::COLLECTION
}

/// `PUT` of an object or of its status.
pub async fn replace(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    let mut value = body(kind, call)?;
    meet(kind, call, &mut value)?;
    let key = reading::key(kind, call)?;
    if kind.custom() && text(&value["metadata"]["resourceVersion"]).is_empty() {
        let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        return Err(Refusal::invalid(kind, &key.name, &[cause]));
    }
    let mut warnings = Vec::new();
    let finalize = call.resource.subresource.as_deref() == Some("finalize");
    let change = |old: &Value| {
        let mut new = value.clone();
        if !finalize && kind.kind == "Namespace" {
            strategy::copy(&old["spec"], &mut new["spec"], "finalizers");
        }
        Ok(new)
    };
    let object = modify(server, kind, &key, &Write::of(call), &mut warnings, change).await?;
    Ok(reply(kind, call, 200, &object, warnings))
}

/// Changes an object: `change` gets what is there and answers what should be.
///
/// If the new object names a uid or a resourceVersion they have to be those of the old one.
pub async fn modify(
    server: &ApiServer,
    kind: &Kind,
    key: &Key,
    write: &Write<'_>,
    warnings: &mut Vec<String>,
    change: impl Fn(&Value) -> Result<Value, Refusal>,
) -> Result<std::sync::Arc<Object>, Refusal> {
    for _ in 0..ATTEMPTS {
        let latest = server.store().latest(&kind.collection, key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
        let old = latest.value();
        let mut new = change(&old)?;
        check_preconditions(kind, key, &old, &new)?;
        warnings.clear();
        admission::complete(kind, &mut new, write.validation, warnings)?;
        strategy::update(kind, &old, &mut new, write.part, &now());
        strategy::no_new_finalizers(kind, &old, &new)?;
        admission::admit(kind, &mut new, Some(&old), write)?;
        if strategy::unchanged(&old, &new) {
            return Ok(latest);
        }
        if write.dry_run {
            strategy::copy(&old["metadata"], &mut new["metadata"], "resourceVersion");
            return Ok(Object::unsaved(new).into());
        }
        match swap(server, kind, key, latest.revision, new).await {
            Err(store::Error::Stale) => {}
            Err(error) => return Err(Refusal::internal(error)),
            Ok(object) => return Ok(object),
        }
    }
    Err(Refusal::stale(kind, &key.name))
}

async fn swap(
    server: &ApiServer,
    kind: &Kind,
    key: &Key,
    revision: u64,
    new: Value,
) -> Result<std::sync::Arc<Object>, store::Error> {
    let registered = is_definition(kind).then(|| new.clone());
    let finished = strategy::is_finished(&new);
    let seal = |revision| Object::seal(new, revision, &kind.selectable);
    let expected = Expected::Revision(revision);
    let object = match finished {
        true => server.store().delete(&kind.collection, key.clone(), expected, seal).await?,
        false => server.store().put(&kind.collection, key.clone(), expected, seal).await?,
    };
    if let Some(definition) = &registered {
        match finished {
            true => server.unregister(text(&definition["spec"]["group"]), text(&definition["spec"]["names"]["plural"])),
            false => server.register(definition),
        }
    }
    Ok(object)
}

fn check_preconditions(kind: &Kind, key: &Key, old: &Value, new: &Value) -> Result<(), Refusal> {
    let (old, new) = (&old["metadata"], &new["metadata"]);
    let uid = text(&new["uid"]);
    if !uid.is_empty() && uid != text(&old["uid"]) {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", text(&old["uid"]));
        return Err(Refusal::conflict(kind, &key.name, &why));
    }
    let revision = text(&new["resourceVersion"]);
    match revision.is_empty() || revision == text(&old["resourceVersion"]) {
        true => Ok(()),
        false => Err(Refusal::stale(kind, &key.name)),
    }
}

/// `PATCH` of an object or of its status.
pub async fn patch(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    if call.content_type.starts_with("application/apply-patch") {
        return applying::apply(server, kind, call).await;
    }
    let key = reading::key(kind, call)?;
    let patch = decode(call)?;
    let mut warnings = Vec::new();
    let change = |old: &Value| {
        let shown = events::outgoing(kind, old.clone());
        patched(kind, call, shown, &patch).map(|new| events::incoming(kind, new))
    };
    let object = modify(server, kind, &key, &Write::of(call), &mut warnings, change).await?;
    Ok(reply(kind, call, 200, &object, warnings))
}

pub fn patched(kind: &Kind, call: &Call, mut value: Value, patch: &Value) -> Result<Value, Refusal> {
    match call.content_type.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => patch::json(&mut value, patch)?,
        "application/merge-patch+json" => patch::merge(&mut value, patch)?,
        "application/strategic-merge-patch+json" if !kind.custom() => strategic::merge(&mut value, patch)?,
        other => {
            let message = format!(
                "the body of the request was in an unknown format - {other:?} is no patch of this kind; \
                                   accepted are application/json-patch+json, application/merge-patch+json, \
                                   application/apply-patch+yaml"
            );
            return Err(Refusal::new(415, "UnsupportedMediaType", message));
        }
    }
    Ok(value)
}

/// Creates a definition, or brings the one that is there up to date.
pub async fn install(server: &ApiServer, value: Value) -> Result<(), Refusal> {
    let kinds = server.kinds().clone();
    let kind = kinds.find("apiextensions.k8s.io", "v1", "customresourcedefinitions").expect("it is built in");
    let key = Key::new("", text(&value["metadata"]["name"]));
    let write = Write::internal();
    if server.store().latest(&kind.collection, &key).is_none() {
        return insert(server, kind, value, &write, &mut Vec::new()).await.map(drop);
    }
    let change = |old: &Value| {
        let mut new = old.clone();
        new["spec"] = value["spec"].clone();
        Ok(new)
    };
    modify(server, kind, &key, &write, &mut Vec::new(), change).await.map(drop)
}

/// Makes sure of a namespace.
pub async fn namespace(server: &ApiServer, name: &str) -> Result<(), Refusal> {
    let kinds = server.kinds().clone();
    let kind = kinds.find("", "v1", "namespaces").expect("it is built in");
    if server.store().latest(&kind.collection, &Key::new("", name)).is_some() {
        return Ok(());
    }
    let write = Write::internal();
    let value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    insert(server, kind, value, &write, &mut Vec::new()).await.map(drop)
}
