//! The body of a request: read as JSON or YAML, as an object of the kind that the path names.

use serde_json::{Value, json};

use super::{events, http::Call, kind::Kind, object::text, reading, refusal::Refusal, strategy, typed};

/// How much of a body that cannot be read is repeated to its sender.
const SHOWN: usize = 30;

/// Reads the body as an object of the kind, in the shape that is kept.
pub fn read(kind: &Kind, call: &Call) -> Result<Value, Refusal> {
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

/// How a complaint about JSON begins, unless it is a patch.
pub const UNREADABLE: &str = "couldn't get version/kind; json parse error: ";

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

pub fn is_apply(call: &Call) -> bool {
    call.content_type.starts_with("application/apply-patch")
}
