//! Writes: create, replace and patch. Each reads the latest object, makes the new one outside of any lock, and swaps it in
//! if nobody was faster; a patch then begins again, a replacement with an old resourceVersion is a conflict.

use http::Method;
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
    typed,
};

/// How often a patch is tried anew when others write the same object.
const ATTEMPTS: usize = 64;

/// How much of a body that cannot be read is repeated to its sender.
const SHOWN: usize = 30;

/// The circumstances of a write that are not in the object.
pub struct Write<'c> {
    pub part: Part,
    pub manager: &'c str,
    pub dry_run: bool,
    pub validation: FieldValidation,
    /// Who owns what is still to be written down; an apply has done so itself.
    pub tracked: bool,
    /// Through the scale, whose writers are noted apart.
    pub scaling: bool,
}

impl<'c> Write<'c> {
    /// A write of the server's own.
    pub fn internal() -> Self {
        let validation = FieldValidation::Ignore;
        Self { part: Part::Main, manager: "quarterdeck", dry_run: false, validation, tracked: true, scaling: false }
    }

    pub fn of(call: &'c Call) -> Self {
        let part = match call.resource.subresource.as_deref() {
            Some("status") => Part::Status,
            _ => Part::Main,
        };
        let agent = call.user_agent.split('/').next().unwrap_or_default();
        let manager = Some(call.query.field_manager.as_str()).filter(|m| !m.is_empty()).unwrap_or(agent);
        let manager = if manager.is_empty() { "unknown" } else { manager };
        let (dry_run, validation) = (call.query.dry_run, call.query.field_validation);
        let scaling = call.resource.subresource.as_deref() == Some("scale");
        Self { part, manager, dry_run, validation, tracked: true, scaling }
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
    let mut value = decode(call).map_err(|refusal| {
        let message = unrecognised(kind, call, &refusal);
        refusal.reworded(message)
    })?;
    typed::check_duplicates(kind, call)?;
    if !value.is_object() {
        return Err(Refusal::bad_request("the body is not an object"));
    }
    let (version, name) = (text(&value["apiVersion"]).to_owned(), text(&value["kind"]).to_owned());
    match kind.custom() {
        true => check_custom_identity(kind, call, &version, &name)?,
        false => {
            check_identity(kind, &version, &name)?;
            value["apiVersion"] = kind.api_version().into();
            value["kind"] = kind.kind.as_str().into();
        }
    }
    typed::check(kind, &value).map_err(|why| {
        let (name, version) = (&kind.kind, &kind.version);
        Refusal::bad_request(format!("{name} in version {version:?} cannot be handled as a {name}: {why}"))
    })?;
    Ok(events::incoming(kind, value))
}

/// Built-in kinds may leave out what they are.
fn check_identity(kind: &Kind, version: &str, name: &str) -> Result<(), Refusal> {
    if !version.is_empty() && version != kind.api_version() {
        let name = &kind.kind;
        return Err(Refusal::bad_request(format!(
            "{name} in version {version:?} cannot be handled as a {name}: no kind {name:?} is registered for version \
             {version:?} in scheme \"pkg/runtime/scheme.go:111\""
        )));
    }
    if !name.is_empty() && name != kind.kind {
        return Err(Refusal::bad_request(format!(
            "{name} in version {:?} cannot be handled as a {}: converting ({}.{name}) to (core.{}): unknown conversion",
            kind.version, kind.kind, kind.version, kind.kind
        )));
    }
    Ok(())
}

/// A custom resource says what it is. Whether its kind is the right one is a question of validity.
fn check_custom_identity(kind: &Kind, call: &Call, version: &str, name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        let why = format!("Object 'Kind' is missing in '{}'", String::from_utf8_lossy(&call.body));
        return Err(Refusal::bad_request(unrecognised(kind, call, &Refusal::bad_request(why))));
    }
    let expected = kind.api_version();
    match version == expected {
        true => Ok(()),
        false => Err(Refusal::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        ))),
    }
}

/// Says what could not be read, with the beginning of it.
fn unrecognised(kind: &Kind, call: &Call, refusal: &Refusal) -> String {
    if refusal.code != 400 {
        return refusal.message.clone();
    }
    let body = String::from_utf8_lossy(&call.body);
    let shown = match body.chars().count() {
        0 => "<empty>".to_owned(),
        1..=SHOWN => body.into_owned(),
        _ => format!("{} ...", body.chars().take(SHOWN).collect::<String>()),
    };
    format!("the object provided is unrecognized (must be of type {}): {} ({shown})", kind.kind, refusal.message)
}

const UNREADABLE: &str = "couldn't get version/kind; json parse error: ";

fn complaint(error: &serde_json::Error) -> String {
    match error.is_eof() {
        true => "unexpected end of JSON input".to_owned(),
        false => error.to_string(),
    }
}

/// JSON or YAML, by content type.
pub fn decode(call: &Call) -> Result<Value, Refusal> {
    match call.content_type.split(';').next().unwrap_or_default().trim() {
        ""
        | "application/json"
        | "application/merge-patch+json"
        | "application/strategic-merge-patch+json"
        | "application/json-patch+json" => serde_json::from_slice(&call.body)
            .map_err(|error| Refusal::bad_request(format!("{UNREADABLE}{}", complaint(&error)))),
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
    let accepted = match content_type {
        "application/vnd.kubernetes.protobuf" => {
            "application/json, application/yaml; this server does not read protobuf: let kubectl write YAML first, with \
             --dry-run=client -o yaml | kubectl create -f -"
        }
        _ => "application/json, application/yaml, application/vnd.kubernetes.protobuf",
    };
    let message =
        format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
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
        None | Some("") if is_apply(call) => value["metadata"]["name"] = name.as_str().into(),
        None | Some("") => {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        Some(found) if found == name => {}
        Some(found) => {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({found}) does not match the name on the URL ({name})"
            )));
        }
    }
    Ok(())
}

fn is_apply(call: &Call) -> bool {
    call.content_type.starts_with("application/apply-patch")
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
        return Err(Refusal::unworded("resourceVersion should not be set on objects to be created"));
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
    check_revision(&value)?;
    let mut warnings = Vec::new();
    let write = Write::of(call);
    if kind.made_by_replacing() && server.store().latest(&kind.collection, &key).is_none() {
        let object = insert(server, kind, value, &write, &mut warnings).await?;
        return Ok(reply(kind, call, 201, &object, warnings));
    }
    let finalize = call.resource.subresource.as_deref() == Some("finalize");
    let change = |old: &Value| {
        check_uid(kind, &key, old, &value)?;
        let mut new = value.clone();
        if !finalize && kind.kind == "Namespace" {
            strategy::copy(&old["spec"], &mut new["spec"], "finalizers");
        }
        Ok(new)
    };
    let object = modify(server, kind, &key, &write, &mut warnings, change).await?;
    Ok(reply(kind, call, 200, &object, warnings))
}

/// A revision has to be a number.
fn check_revision(value: &Value) -> Result<(), Refusal> {
    let revision = text(&value["metadata"]["resourceVersion"]);
    match revision.is_empty() || revision.parse::<u64>().is_ok() {
        true => Ok(()),
        false => Err(Refusal::unworded(format!("strconv.ParseUint: parsing {revision:?}: invalid syntax"))),
    }
}

/// Whoever replaces an object may say which one by its uid.
fn check_uid(kind: &Kind, key: &Key, old: &Value, new: &Value) -> Result<(), Refusal> {
    let (found, uid) = (text(&old["metadata"]["uid"]), text(&new["metadata"]["uid"]));
    match uid.is_empty() || uid == found {
        true => Ok(()),
        false => {
            let place: Vec<&str> = [&*kind.group, &*kind.plural, &*key.namespace, &*key.name]
                .into_iter()
                .filter(|p| !p.is_empty())
                .collect();
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}, ResourceVersion: 0, AdditionalErrorMsg: \
                 Precondition failed: UID in precondition: {uid}, UID in object meta: {found}",
                place.join("/")
            );
            Err(Refusal::conflict(kind, &key.name, &why))
        }
    }
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
    let last = finished.then(|| Object::seal(new.clone(), revision, &kind.selectable));
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
    // Who takes the last finalizer away is told the revision that went.
    Ok(last.map_or(object, Into::into))
}

/// What names a revision means that one. Custom resources have to name one, in a status and in a patch as well; who
/// patches has it from the live object.
fn check_preconditions(kind: &Kind, key: &Key, old: &Value, new: &Value) -> Result<(), Refusal> {
    let (old, new) = (&old["metadata"], &new["metadata"]);
    let uid = text(&new["uid"]);
    if !uid.is_empty() && uid != text(&old["uid"]) {
        let cause = Cause::invalid("metadata.uid", &uid.into(), "field is immutable");
        // Once for the change of metadata, once for that of the whole object.
        return Err(Refusal::invalid(kind, &key.name, &[cause.clone(), cause]));
    }
    let revision = text(&new["resourceVersion"]);
    if revision.is_empty() && kind.custom() {
        let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        let named_by_resource = Kind { kind: kind.plural.clone(), ..kind.clone() };
        return Err(Refusal::invalid(&named_by_resource, &key.name, &[cause]));
    }
    match revision.is_empty() || revision == text(&old["resourceVersion"]) {
        true => Ok(()),
        false => Err(Refusal::stale(kind, &key.name)),
    }
}

/// `PATCH` of an object or of its status.
pub async fn patch(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    if is_apply(call) {
        return applying::apply(server, kind, call).await;
    }
    if call.query.force.is_some() {
        let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
        return Err(Refusal::options(&Method::PATCH, &[cause]));
    }
    let key = reading::key(kind, call)?;
    let patch = decode_patch(kind, call)?;
    let mut warnings = Vec::new();
    let change = |old: &Value| {
        let shown = events::outgoing(kind, old.clone());
        let mut new = patched(kind, call, shown, &patch)?;
        check_type(kind, &new)?;
        check_strictly(kind, call, &new)?;
        meet(kind, call, &mut new)?;
        Ok(events::incoming(kind, new))
    };
    let object = modify(server, kind, &key, &Write::of(call), &mut warnings, change).await?;
    Ok(reply(kind, call, 200, &object, warnings))
}

/// A patch does not make another kind of what is there.
fn check_type(kind: &Kind, new: &Value) -> Result<(), Refusal> {
    if !kind.custom() && text(&new["kind"]) != kind.kind {
        return Err(unfit(new, &format!("it is no {} any more", kind.kind)));
    }
    typed::check(kind, new).map_err(|why| unfit(new, &why))
}

/// What comes of a patch and is no object of its kind.
pub fn unfit(new: &Value, why: &str) -> Refusal {
    let cause = Cause::invalid("patch", &new.to_string().into(), why);
    Refusal::invalid(&Kind::default(), "", &[cause])
}

/// Reads a patch; its type has to be one that the kind takes.
fn decode_patch(kind: &Kind, call: &Call) -> Result<Value, Refusal> {
    match call.content_type.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" | "application/merge-patch+json" => {}
        "application/strategic-merge-patch+json" if !kind.custom() => {}
        "application/strategic-merge-patch+json" => {
            let message = "the body of the request was in an unknown format - accepted media types include: \
                           application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
            return Err(Refusal::new(415, "UnsupportedMediaType", message));
        }
        _ => return Err(Refusal::generic(415, "UnsupportedMediaType", "415: Unsupported Media Type")),
    }
    decode(call).map_err(|refusal| {
        let message = refusal.message.replacen(UNREADABLE, "error decoding patch: ", 1);
        refusal.reworded(message)
    })
}

/// Where fields are looked at strictly, a patch may not bring in what the kind does not know.
fn check_strictly(kind: &Kind, call: &Call, new: &Value) -> Result<(), Refusal> {
    if call.query.field_validation != FieldValidation::Strict {
        return Ok(());
    }
    let unknown = admission::unknown(kind, &mut new.clone());
    let unknown: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(unfit(new, &format!("strict decoding error: {}", unknown.join(", ")))),
    }
}

pub fn patched(kind: &Kind, call: &Call, mut value: Value, patch: &Value) -> Result<Value, Refusal> {
    match call.content_type.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => patch::json(&mut value, patch)?,
        "application/strategic-merge-patch+json" if !kind.custom() => strategic::merge(&mut value, patch)?,
        _ => patch::merge(&mut value, patch)?,
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
