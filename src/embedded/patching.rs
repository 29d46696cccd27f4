//! `PATCH` of what is there: the patch is read, carried out on what clients see, and looked at before it is written.

use http::Method;
use serde_json::Value;

use super::{
    ApiServer, admission, applying, body, events,
    http::{Call, Reply},
    kind::Kind,
    object::text,
    options::FieldValidation,
    patch, reading,
    refusal::{Cause, Refusal},
    strategic, typed,
    writing::{self, Write},
};

/// `PATCH` of an object or of its status.
pub async fn patch(server: &ApiServer, kind: &Kind, call: &Call) -> Result<Reply, Refusal> {
    if body::is_apply(call) {
        return applying::apply(server, kind, call).await;
    }
    if call.query.force.is_some() {
        let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
        return Err(Refusal::options(&Method::PATCH, &[cause]));
    }
    let key = reading::key(kind, call)?;
    let patch = decode(kind, call)?;
    let mut warnings = Vec::new();
    let change = |old: &Value| {
        let shown = events::outgoing(kind, old.clone());
        let mut new = patched(kind, call, shown, &patch)?;
        check_type(kind, &new)?;
        check_strictly(kind, call, &new)?;
        body::meet(kind, call, &mut new)?;
        Ok(events::incoming(kind, new))
    };
    let object = writing::modify(server, kind, &key, &Write::of(call), &mut warnings, change).await?;
    Ok(writing::reply(kind, call, 200, &object, warnings))
}

/// A patch does not make another kind of what is there.
fn check_type(kind: &Kind, new: &Value) -> Result<(), Refusal> {
    if !kind.custom() && text(&new["kind"]) != kind.kind {
        return Err(unfit(new, &format!("it is no {} any more", kind.kind)));
    }
    typed::check(kind, new).map_err(|why| unfit(new, &why))
}

/// What comes of a patch and is no object of its kind.
fn unfit(new: &Value, why: &str) -> Refusal {
    let cause = Cause::invalid("patch", &new.to_string().into(), why);
    Refusal::invalid(&Kind::default(), "", &[cause])
}

/// Reads a patch; its type has to be one that the kind takes.
pub fn decode(kind: &Kind, call: &Call) -> Result<Value, Refusal> {
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
    body::decode(call).map_err(|refusal| {
        let message = refusal.message.replacen(body::UNREADABLE, "error decoding patch: ", 1);
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
