//! What a server in trouble says, worded as kube-apiserver does.

use bytes::Bytes;
use http::{Response, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde_json::{Value, json};
use tower::BoxError;

use super::Reply;

/// A body that is all there.
pub fn whole(bytes: Bytes) -> UnsyncBoxBody<Bytes, BoxError> {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

pub fn json(code: u16, body: Bytes) -> Reply {
    let response = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    response.body(whole(body)).expect("a status and a fixed header make a response")
}

fn status(code: u16, reason: &str, message: &str, details: &Value) -> Reply {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message, "details": details,
    });
    json(code, body.to_string().into())
}

pub fn conflict() -> Reply {
    let message = "Operation cannot be fulfilled: the object has been modified; \
                   please apply your changes to the latest version and try again";
    status(409, "Conflict", message, &json!({}))
}

pub fn throttled(seconds: u64) -> Reply {
    let message = "the server has received too many requests and has asked us to try again later";
    let mut response = status(429, "TooManyRequests", message, &json!({ "retryAfterSeconds": seconds }));
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

pub fn failed() -> Reply {
    status(500, "InternalError", "Internal error occurred: etcdserver: leader changed", &json!({}))
}

/// Nobody knows whether it was done.
pub fn timeout() -> Reply {
    status(504, "Timeout", "Timeout: request did not complete within the allotted timeout", &json!({}))
}

/// The event that ends a watch which came too late.
pub fn expired() -> Bytes {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": 410, "reason": "Expired", "message": "too old resource version: 1 (2)",
    });
    format!("{}\n", json!({ "type": "ERROR", "object": status })).into()
}
