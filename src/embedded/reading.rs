//! GET of one object and of lists, in the shape that is asked for.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    ApiServer, events,
    http::{Accept, Call, Reply},
    kind::Kind,
    object::{Key, Object},
    refusal::Refusal,
    selector::Selector,
    table,
};

/// Answers with one object.
pub fn one(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    let key = key(kind, call)?;
    let object = server.store().read(&kind.collection, &key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
    if call.accept == Accept::Table {
        let metadata = json!({"resourceVersion": object.revision.to_string()});
        let table = table::table(kind, &[object.value()], call.query.include, &metadata, true);
        return Ok(Reply::json(200, &table));
    }
    Ok(Reply::bytes(200, shown(kind, call.accept, &object)))
}

/// The object that a call names. A namespace in the path and a kind without one, or the reverse, do not meet.
pub fn key(kind: &Kind, call: &Call) -> Result<Key, Refusal> {
    let name = call.resource.name.as_deref().unwrap_or_default();
    match (&call.resource.namespace, kind.namespaced) {
        (Some(namespace), true) => Ok(Key::new(namespace, name)),
        (None, false) => Ok(Key::new("", name)),
        _ => Err(Refusal::no_resource()),
    }
}

/// An object as a client gets it.
pub fn shown(kind: &Kind, accept: Accept, object: &Object) -> Bytes {
    match accept {
        Accept::Json | Accept::Discovery | Accept::Table if !events::is_view(kind) => object.bytes.clone(),
        Accept::PartialMetadata => bytes(&partial(&object.value())),
        _ => bytes(&events::outgoing(kind, object.value())),
    }
}

fn bytes(value: &Value) -> Bytes {
    serde_json::to_vec(value).expect("a JSON value serialises").into()
}

/// `PartialObjectMetadata`.
pub fn partial(value: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]})
}

/// One page of a list.
pub struct Page {
    pub items: Vec<Arc<Object>>,
    pub metadata: Value,
}

/// Answers with a list.
pub fn list(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    let page = page(server, kind, call)?;
    if call.accept == Accept::Table {
        let objects: Vec<Value> = page.items.iter().map(|object| object.value()).collect();
        return Ok(Reply::json(200, &table::table(kind, &objects, call.query.include, &page.metadata, true)));
    }
    let (list_kind, api_version) = match call.accept {
        Accept::PartialMetadata => ("PartialObjectMetadataList", "meta.k8s.io/v1".to_owned()),
        _ => (kind.list_kind.as_str(), kind.api_version()),
    };
    let size: usize = page.items.iter().map(|object| object.bytes.len() + 1).sum();
    let mut out = Vec::with_capacity(size + 256);
    out.extend_from_slice(format!("{{\"kind\":\"{list_kind}\",\"apiVersion\":\"{api_version}\",").as_bytes());
    out.extend_from_slice(format!("\"metadata\":{},\"items\":[", page.metadata).as_bytes());
    for (position, object) in page.items.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&shown(kind, call.accept, object));
    }
    out.extend_from_slice(b"]}");
    Ok(Reply::bytes(200, out))
}

/// Reads what a list call selects.
///
/// All pages carry the revision of the first one. Later pages are read from what is there by then, so an object may be
/// newer than the list says; a watch from that revision tells the same change again, and misses none.
pub fn page(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Page, Refusal> {
    let selector = Selector::parse(kind, &call.query.label_selector, &call.query.field_selector)?;
    check_version(server, call)?;
    let namespace = namespace(kind, call)?;
    let resumed = Token::read(&call.query.continue_token)?;
    let (mut items, now) = match (selector.name(), namespace) {
        (Some(name), Some(namespace)) => single(server, kind, &Key::new(namespace, name)),
        (Some(name), None) if !kind.namespaced => single(server, kind, &Key::new("", name)),
        _ => server.store().list(&kind.collection, namespace, resumed.as_ref().map(|token| &token.after)),
    };
    if !selector.is_empty() {
        items.retain(|object| selector.matches(object));
    }
    let revision = match &resumed {
        Some(token) => still_known(server, kind, token.revision)?,
        None => now,
    };
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if kind.custom() && call.accept == Accept::Json {
        metadata["continue"] = "".into();
    }
    if call.query.limit > 0 && items.len() > call.query.limit {
        if selector.is_empty() {
            metadata["remainingItemCount"] = (items.len() - call.query.limit).into();
        }
        items.truncate(call.query.limit);
        let after = items.last().expect("the limit is not zero").key.clone();
        metadata["continue"] = Token { revision, after }.write().into();
    }
    Ok(Page { items, metadata })
}

fn single(server: &ApiServer, kind: &Kind, key: &Key) -> (Vec<Arc<Object>>, u64) {
    // The revision first: the object may then be newer than it, never older.
    let revision = server.store().revision();
    (server.store().read(&kind.collection, key).into_iter().collect(), revision)
}

/// The namespace that a list is confined to.
pub fn namespace<'c>(kind: &Kind, call: &'c Call) -> Result<Option<&'c str>, Refusal> {
    match (&call.resource.namespace, kind.namespaced) {
        (Some(_), false) => Err(Refusal::no_resource()),
        (namespace, _) => Ok(namespace.as_deref()),
    }
}

fn check_version(server: &ApiServer, call: &Call) -> Result<(), Refusal> {
    call.query.check_list()?;
    let invalid = |r: Refusal| Refusal::bad_request(format!("invalid resource version: {}", r.message));
    let asked = revision(&call.query.resource_version).map_err(invalid)?;
    if !call.query.continue_token.is_empty() && asked.is_some_and(|asked| asked > 0) {
        return Err(Refusal::bad_request("specifying resource version is not allowed when using continue"));
    }
    match (call.query.resource_version_match.as_str(), asked) {
        ("Exact", Some(asked)) if asked != server.store().revision() => {
            Err(Refusal::expired(format!("The resourceVersion for the provided list is too old: {asked}")))
        }
        _ => Ok(()),
    }
}

/// A resourceVersion in a query; `None` where there is none.
pub fn revision(text: &str) -> Result<Option<u64>, Refusal> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            Refusal::bad_request(format!(
                "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))
        }),
    }
}

fn still_known(server: &ApiServer, kind: &Kind, revision: u64) -> Result<u64, Refusal> {
    match server.store().events(&kind.collection, revision, 0) {
        Ok(_) if revision <= server.store().revision() => Ok(revision),
        _ => Err(Refusal::expired(
            "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.",
        )),
    }
}

/// What a continue parameter says: the revision of the first page, and the last key that was given.
struct Token {
    revision: u64,
    after: Key,
}

impl Token {
    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(json!([self.revision, self.after.namespace, self.after.name]).to_string())
    }

    fn read(text: &str) -> Result<Option<Self>, Refusal> {
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = || {
            Refusal::bad_request("invalid continue token: continue key is not valid: it was not given by this server")
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let (revision, namespace, name): (u64, String, String) = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        Ok(Some(Self { revision, after: Key::new(&namespace, &name) }))
    }
}
