//! Merge patches (RFC 7396) and JSON patches (RFC 6902).

use serde_json::Value;

/// Why a patch was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The patch itself cannot be understood: a bad request.
    #[error("error decoding patch: {0}")]
    Undecodable(String),
    /// It does not fit the object: unprocessable.
    #[error("the server rejected our request due to an error in our request: {0}")]
    Unfit(String),
}

/// Most operations of one JSON patch, as kube-apiserver limits them.
const MAX_OPERATIONS: usize = 10_000;

/// Applies a merge patch: `null` removes.
pub fn merge(live: &mut Value, patch: &Value) -> Result<(), Error> {
    if !patch.is_object() {
        return Err(Error::Undecodable("a merge patch has to be an object".to_owned()));
    }
    json_patch::merge(live, patch);
    Ok(())
}

/// Applies a JSON patch: all of its operations, or none.
pub fn json(live: &mut Value, patch: &Value) -> Result<(), Error> {
    let undecodable = |error: &dyn std::fmt::Display| Error::Undecodable(error.to_string());
    if !patch.is_array() {
        return Err(undecodable(&"a JSON patch has to be a list"));
    }
    let unfit = |error: serde_json::Error| Error::Unfit(error.to_string());
    let operations: json_patch::Patch = serde_json::from_value(patch.clone()).map_err(unfit)?;
    if operations.len() > MAX_OPERATIONS {
        return Err(undecodable(&format!("the allowed maximum operations in a JSON patch is {MAX_OPERATIONS}")));
    }
    json_patch::patch(live, &operations).map_err(|error| Error::Unfit(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn merge_removes_null() {
        let mut live = json!({"a": {"b": 1, "c": 2}});
        super::merge(&mut live, &json!({"a": {"b": null, "d": 3}})).expect("it is an object");
        assert_eq!(live, json!({"a": {"c": 2, "d": 3}}));
        assert!(super::merge(&mut live, &json!([])).is_err());
    }

    #[test]
    fn json_is_all_or_nothing() {
        let mut live = json!({"a": 1});
        let patch = json!([{"op": "replace", "path": "/a", "value": 2}, {"op": "test", "path": "/b", "value": 1}]);
        assert!(super::json(&mut live, &patch).is_err());
        assert_eq!(live, json!({"a": 1}));
        super::json(&mut live, &json!([{"op": "add", "path": "/b", "value": [1]}])).expect("it fits");
        assert_eq!(live, json!({"a": 1, "b": [1]}));
    }
}
