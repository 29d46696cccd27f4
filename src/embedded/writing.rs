//! Writes: what creating, replacing and patching have in common, and the first two. Each reads the latest object, makes the new one outside of any lock, and swaps it in
//! if nobody was faster; a patch then begins again, a replacement with an old resourceVersion is a conflict.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ApiServer, admission, body, definition,
    http::{Accept, Call, Reply},
    kind::Kind,
    names,
    object::{Key, Object, text},
    options::FieldValidation,
    reading,
    refusal::{Cause, Refusal},
    store::{self, Expected},
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
pub fn now(server: &ApiServer) -> String {
    server.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `POST` of an object.
pub async fn create(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    let mut value = body::read(kind, call)?;
    body::meet(kind, call, &mut value)?;
    let mut warnings = Vec::new();
    let object = insert(server, kind, value, &Write::of(call), &mut warnings).await?;
    Ok(reply(kind, call, 201, &object, warnings))
}

pub fn reply(kind: &Kind, call: &Call, code: u16, object: &Object, warnings: Vec<String>) -> Reply {
    let accept = if call.accept == Accept::PartialMetadata { Accept::PartialMetadata } else { Accept::Json };
    Reply::bytes(code, reading::shown(kind, accept, object)).warn(warnings)
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
    let now = now(server);
    strategy::create(kind, &mut value, &Uuid::new_v4().to_string(), &now);
    admission::admit(kind, &mut value, None, write, &now)?;
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
    let mut value = body::read(kind, call)?;
    body::meet(kind, call, &mut value)?;
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
        let now = now(server);
        strategy::update(kind, &old, &mut new, write.part, &now);
        strategy::no_new_finalizers(kind, &old, &new)?;
        admission::admit(kind, &mut new, Some(&old), write, &now)?;
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
