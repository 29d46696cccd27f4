//! Access reviews: there is no access control here, so every question is answered with yes. Nothing of it is kept.

use serde_json::{Value, json};

use super::{kind::Kind, object::text, refusal::Refusal, validity::access};

const ALL: [(&str, &str, &str); 4] = [
    ("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews"),
    ("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    ("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews"),
];

/// The kinds, for discovery.
pub fn kinds() -> Vec<Kind> {
    ALL.iter().map(kind).collect()
}

fn kind(&(group, name, plural): &(&str, &str, &str)) -> Kind {
    Kind {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: name.to_owned(),
        plural: plural.to_owned(),
        singular: name.to_lowercase(),
        ..Kind::default()
    }
}

pub fn is_review(kind: &Kind) -> bool {
    ALL.iter().any(|(_, name, _)| kind.kind == *name)
}

/// The kind that a resource names.
pub fn find(group: &str, plural: &str) -> Option<Kind> {
    ALL.iter().find(|(g, _, p)| *g == group && *p == plural).map(kind)
}

/// The review with its answer, if it is a question.
pub fn answer(kind: &Kind, mut review: Value) -> Result<Value, Refusal> {
    if !review.is_object() {
        return Err(Refusal::bad_request("the body is not an object"));
    }
    let rules = kind.kind == "SelfSubjectRulesReview";
    if rules && text(&review["spec"]["namespace"]).is_empty() {
        return Err(Refusal::bad_request("no namespace on request"));
    }
    let causes = access::review(kind, &review["spec"]);
    if !causes.is_empty() {
        // A real server does not say of which kind.
        return Err(Refusal::invalid(&Kind { kind: String::new(), ..kind.clone() }, "", &causes));
    }
    if rules {
        review["spec"] = json!({});
    }
    review["apiVersion"] = kind.api_version().into();
    review["kind"] = kind.kind.as_str().into();
    review["status"] = match kind.kind.as_str() {
        "SelfSubjectReview" => json!({"userInfo": {"username": "admin", "groups": ["system:authenticated"]}}),
        "SelfSubjectRulesReview" => json!({
            "incomplete": false,
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }),
        _ => json!({"allowed": true}),
    };
    Ok(review)
}
