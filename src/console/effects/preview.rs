//! What the server says that a change would do, as the diff that a person reads before they say yes.

use super::{
    super::message::{DiffLine, DryRun, Order, Refusal},
    apply::{AT_ONCE, DIFFS, api, refusal, try_out},
    within,
};
use crate::fleet::Clients;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::DynamicObject;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// What all of it would do, several asked about at once. Beyond the first few changes the diff only counts: they are alike.
pub async fn dry_run(clients: &Clients, order: &Order) -> Result<DryRun, Refusal> {
    let all: Vec<_> = (0..order.changes.len()).map(|at| one(clients, order, at)).collect();
    let lines: Vec<Vec<DiffLine>> = stream::iter(all).buffered(AT_ONCE).try_collect().await?;
    Ok(DryRun { diff: lines.concat() })
}

/// What one of its changes would do. What is there now is read for those whose diff is shown.
async fn one(clients: &Clients, order: &Order, at: usize) -> Result<Vec<DiffLine>, Refusal> {
    let change = &order.changes[at];
    let api = api(clients, &change.target)?;
    let live = async { api.get(&change.target.name).await.map_err(|e| refusal(&e, &change.target)) };
    let live = if at < DIFFS { Some(within(live).await?) } else { None };
    let after = within(try_out(&api, change)).await?;
    let mut lines: Vec<DiffLine> = headline(order, at).into_iter().collect();
    lines.extend(live.map(|live| diff(&shown(live), &shown(after))).unwrap_or_default());
    Ok(lines)
}

/// What stands above the diff of a change, where there are several.
fn headline(order: &Order, at: usize) -> Option<DiffLine> {
    let text = match at {
        _ if order.changes.len() == 1 => return None,
        ..DIFFS => order.changes[at].what(),
        DIFFS => format!("… and {} more", order.changes.len() - DIFFS),
        _ => return None,
    };
    Some(DiffLine { sign: ' ', text })
}

/// What a person compares: the object without what the server keeps for itself.
fn shown(object: DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in
                ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "ownerReferences"]
            {
                metadata.remove(field);
            }
        }
    }
    value
}

/// What differs, the spec first: that is what was asked for.
fn diff(before: &Value, after: &Value) -> Vec<DiffLine> {
    let fields = |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut sections = [fields(before), fields(after)].concat();
    sections.sort_by_key(|name| (name != "spec", name.clone()));
    sections.dedup();
    let mut lines = Vec::new();
    for name in sections.iter().filter(|name| before.get(name) != after.get(name)) {
        lines.push(DiffLine { sign: ' ', text: format!("{name}:") });
        section(before.get(name), after.get(name), &mut lines);
    }
    lines
}

fn section(before: Option<&Value>, after: Option<&Value>, lines: &mut Vec<DiffLine>) {
    let yaml = |value: Option<&Value>| value.and_then(|v| serde_saphyr::to_string(v).ok()).unwrap_or_default();
    let (before, after) = (yaml(before), yaml(after));
    let diff = TextDiff::from_lines(&before, &after);
    for (i, group) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
        if i > 0 {
            lines.push(DiffLine { sign: ' ', text: "  …".into() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(DiffLine { sign, text: format!("  {}", change.value().trim_end()) });
        }
    }
}

/// Lines of context around a change in a diff.
const CONTEXT_LINES: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::message::{Change, Kind, Target};
    use serde_json::json;

    #[test]
    fn a_diff_shows_the_change_with_little_around_it() {
        let spec = |replicas: i32| json!({"clusterName": "a", "paused": false, "replicas": replicas});
        let before = json!({"metadata": {"name": "gpu"}, "spec": spec(3)});
        let after = json!({"metadata": {"name": "gpu", "annotations": {"reason": "more"}}, "spec": spec(5)});
        let lines: Vec<String> =
            diff(&before, &after).iter().map(|line| format!("{}{}", line.sign, line.text)).collect();
        let spec = [" spec:", "   paused: false", "-  replicas: 3", "+  replicas: 5"];
        let metadata = [" metadata:", "+  annotations:", "+    reason: more", "   name: gpu"];
        assert_eq!(lines, [spec, metadata].concat());
    }

    #[test]
    fn several_changes_have_headlines_and_beyond_five_a_count() {
        let all = |count: usize| -> Vec<String> {
            let target = |n: usize| Target {
                context: crate::fleet::ContextId::FIRST,
                kind: Kind::Machine,
                namespace: "fleet".into(),
                name: format!("m-{n}"),
                uid: String::new(),
                resource_version: String::new(),
                generation: None,
            };
            let changes = (0..count).map(|n| Change { target: target(n), patch: json!({}) }).collect();
            let order = Order { changes, done: String::new() };
            (0..count).filter_map(|at| headline(&order, at)).map(|line| line.text).collect()
        };
        assert!(all(1).is_empty());
        assert_eq!(all(2), ["Machine m-0", "Machine m-1"]);
        assert_eq!(all(5).len(), 5);
        assert_eq!(all(8)[4..], ["Machine m-4", "… and 3 more"]);
    }

    #[test]
    fn what_the_server_keeps_for_itself_is_not_shown() {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "X",
            "metadata": {"name": "a", "resourceVersion": "1", "managedFields": []},
            "status": {"ready": 1}, "spec": {"replicas": 1}
        }))
        .unwrap();
        assert_eq!(
            shown(object),
            json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "spec": {"replicas": 1}})
        );
    }
}
