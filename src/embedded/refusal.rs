//! What the server answers when it says no: the `Status` body, its code, reason and causes, worded as kube-apiserver does.

use http::Method;
use serde_json::{Map, Value, json};

use super::kind::Kind;

/// One `details.causes` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid`, `FieldValueRequired`, …; see apimachinery's `CauseType`.
    pub reason: String,
    pub message: String,
    /// JSON path in dots, such as `spec.replicas`.
    pub field: String,
}

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: u16,
    /// CamelCase word of apimachinery's `StatusReason`.
    pub reason: &'static str,
    pub message: String,
    details: Map<String, Value>,
    /// Details are sent although there are none, as kube-apiserver does where it only knows the code.
    generic: bool,
}

impl Refusal {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Map::new(), generic: false }
    }

    /// With `details.{name, group, kind}` of the resource; empty ones are left out.
    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                self.details.insert(key.into(), value.into());
            }
        }
        self
    }

    pub fn because(mut self, causes: &[Cause]) -> Self {
        if !causes.is_empty() {
            let causes = causes.iter().map(|c| match c.field.is_empty() {
                true => json!({"reason": c.reason, "message": c.message}),
                false => json!({"reason": c.reason, "message": c.message, "field": c.field}),
            });
            self.details.insert("causes".into(), causes.collect());
        }
        self
    }

    /// What is said of a code of which no more is known.
    pub fn generic(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { generic: true, ..Self::new(code, reason, message) }
    }

    /// A patch that cannot be carried out.
    pub fn unfit_patch() -> Self {
        Self::generic(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    /// The same in other words.
    pub fn reworded(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.details.insert("retryAfterSeconds".into(), seconds.into());
        self
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.resource());
        Self::new(404, "NotFound", message).about(&kind.group, &kind.plural, name)
    }

    /// A path under a known group that names no resource, kind or subresource.
    pub fn no_resource() -> Self {
        Self::generic(404, "NotFound", "the server could not find the requested resource")
    }

    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.resource());
        Self::new(409, "AlreadyExists", message).about(&kind.group, &kind.plural, name)
    }

    /// Somebody else wrote in between, or a precondition does not hold.
    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
        Self::new(409, "Conflict", message).about(&kind.group, &kind.plural, name)
    }

    pub fn stale(kind: &Kind, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    /// Other field managers own what was applied.
    pub fn apply_conflict(message: impl Into<String>, causes: &[Cause]) -> Self {
        Self::new(409, "Conflict", message).because(causes)
    }

    pub fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        let kind_group = match kind.group.is_empty() {
            true => kind.kind.clone(),
            false => format!("{}.{}", kind.kind, kind.group),
        };
        let each: Vec<String> = causes
            .iter()
            .map(|c| match c.field.is_empty() {
                true => c.message.clone(),
                false => format!("{}: {}", c.field, c.message),
            })
            .fold(Vec::new(), |mut each, cause| {
                // What is found twice is said once.
                if !each.contains(&cause) {
                    each.push(cause);
                }
                each
            });
        let all = match each.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{kind_group} \"{name}\" is invalid: {all}");
        Self::new(422, "Invalid", message).about(&kind.group, &kind.kind, name).because(causes)
    }

    /// Options of a request that are none, or do not go together.
    pub fn options(method: &Method, causes: &[Cause]) -> Self {
        let name = match method.as_str() {
            "POST" => "CreateOptions",
            "PUT" => "UpdateOptions",
            "PATCH" => "PatchOptions",
            "DELETE" => "DeleteOptions",
            _ => "ListOptions",
        };
        let kind = Kind { group: "meta.k8s.io".to_owned(), kind: name.to_owned(), ..Kind::default() };
        Self::invalid(&kind, "", causes)
    }

    pub fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", kind.resource());
        Self::new(403, "Forbidden", message).about(&kind.group, &kind.plural, name)
    }

    /// The resourceVersion or the continue token is older than what is still remembered.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::generic(405, "MethodNotAllowed", message)
    }

    /// The same, where the resource is known.
    pub fn not_supported(kind: &Kind, verb: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind \"{}\"", kind.resource());
        Self::new(405, "MethodNotAllowed", message).about(&kind.group, &kind.plural, "")
    }

    /// What kube-apiserver does not put into words of its own: a code of 500 and no reason.
    pub fn unworded(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub fn too_many_requests(message: impl Into<String>, causes: &[Cause]) -> Self {
        Self::new(429, "TooManyRequests", message).because(causes)
    }

    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
    }

    /// The `Status` object.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if self.generic || !self.details.is_empty() {
            status["details"] = Value::Object(self.details.clone());
        }
        status
    }
}

impl Cause {
    pub fn new(reason: &str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into(), field: field.into() }
    }

    /// `Invalid value: …: why`, as the field package of apimachinery words it.
    pub fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self::new("FieldValueInvalid", field, format!("Invalid value: {value}: {why}"))
    }

    /// `Unsupported value: …: supported values: …`.
    pub fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|word| format!("{word:?}")).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        Self::new("FieldValueNotSupported", field, message)
    }

    pub fn required(field: impl Into<String>, why: &str) -> Self {
        let message = match why.is_empty() {
            true => "Required value".to_owned(),
            false => format!("Required value: {why}"),
        };
        Self::new("FieldValueRequired", field, message)
    }

    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self::new("FieldValueForbidden", field, format!("Forbidden: {why}"))
    }
}
