//! An object as text: what is read of it, and the two forms that it is shown in.
//!
//! Under the cursor are our own kinds; whatever else the server has is read by its name. A `Secret` never is.

mod describe;
mod diff;
mod yaml;

pub use diff::{Beside, Member};
pub use yaml::yaml;

use super::{
    pager::{Look, Text},
    state::{State, Subject},
    text,
};
use crate::{
    api::{Cluster, ClusterDeployment, Machine, MachineSet, NodePool, Operation},
    fleet::ContextId,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::core::ApiResource;
use serde_json::Value;

/// The kinds that are shown as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The `ClusterDeployment` and the `Cluster` of that name.
    Cluster,
    NodePool,
    MachineSet,
    Machine,
    Operation,
    /// Any other, as somebody wrote it: the server knows what it stands for.
    Other(Box<str>),
}

impl Kind {
    /// As they are written in commands.
    pub const OWN: [(&'static str, Self); 5] = [
        ("cluster", Self::Cluster),
        ("pool", Self::NodePool),
        ("set", Self::MachineSet),
        ("machine", Self::Machine),
        ("operation", Self::Operation),
    ];

    pub fn named(name: &str) -> Self {
        let own = Self::OWN.into_iter().find(|(known, _)| *known == name);
        own.map_or_else(|| Self::Other(name.into()), |(_, kind)| kind)
    }

    /// As an event names it.
    pub fn of_event(kind: &str) -> Option<Self> {
        Some(match kind {
            "Cluster" | "ClusterDeployment" => Self::Cluster,
            "NodePool" => Self::NodePool,
            "MachineSet" => Self::MachineSet,
            "Machine" => Self::Machine,
            "Operation" => Self::Operation,
            _ => return None,
        })
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Cluster => "Cluster",
            Self::NodePool => "NodePool",
            Self::MachineSet => "MachineSet",
            Self::Machine => "Machine",
            Self::Operation => "Operation",
            Self::Other(name) => name,
        }
    }

    /// The resources that are read for it, the one that people write first; none where the server has to be asked.
    pub fn resources(&self) -> Vec<ApiResource> {
        match self {
            Self::Cluster => vec![ApiResource::erase::<ClusterDeployment>(&()), ApiResource::erase::<Cluster>(&())],
            Self::NodePool => vec![ApiResource::erase::<NodePool>(&())],
            Self::MachineSet => vec![ApiResource::erase::<MachineSet>(&())],
            Self::Machine => vec![ApiResource::erase::<Machine>(&())],
            Self::Operation => vec![ApiResource::erase::<Operation>(&())],
            Self::Other(_) => Vec::new(),
        }
    }
}

/// The resource of a kind of ours, by the name that owner references have for it.
pub fn resource_named(kind: &str) -> Option<ApiResource> {
    let kinds = [Kind::Cluster, Kind::NodePool, Kind::MachineSet, Kind::Machine, Kind::Operation];
    kinds.iter().flat_map(Kind::resources).find(|resource| resource.kind == kind)
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub context: ContextId,
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
}

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Yaml,
    /// The way of kubectl: fields, conditions, owners, events.
    Describe,
    /// What is asked for against what is there.
    Diff,
    /// The end of the log of a pod.
    Log,
}

impl Form {
    pub fn title(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Describe => "Describe",
            Self::Diff => "Diff",
            Self::Log => "Log",
        }
    }

    pub fn look(self) -> Look {
        match self {
            Self::Yaml => Look::Yaml,
            Self::Describe => Look::Labels,
            Self::Diff => Look::Diff,
            Self::Log => Look::Plain,
        }
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Describe => "txt",
            Self::Diff => "diff",
            Self::Log => "log",
        }
    }
}

/// An owner that was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub kind: String,
    pub name: String,
    /// It was not found: it is gone, or of a kind that is not read.
    pub is_known: bool,
}

/// What the server said of it, just now.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub objects: Vec<Value>,
    /// From the next one up.
    pub owners: Vec<Owner>,
    /// Events about it, or why they cannot be had. Empty for a form that does not show them.
    pub events: Result<Vec<Event>, String>,
    /// What a diff compares it with.
    pub beside: Beside,
    pub log: String,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            objects: Vec::new(),
            owners: Vec::new(),
            events: Ok(Vec::new()),
            beside: Beside::default(),
            log: String::new(),
        }
    }
}

/// What the cursor is on, where that is an object.
pub fn about(state: &State) -> Option<About> {
    let subject = state.subject();
    let context = state.context_here()?;
    let (kind, name) = match &subject {
        Subject::Cluster(node) => (Kind::Cluster, &node.row.name),
        Subject::Pool(node) => (Kind::NodePool, &node.row.name),
        Subject::Machine(machine) => (Kind::Machine, &machine.name),
        Subject::Operation(operation) => (Kind::Operation, &operation.name),
        Subject::Fleet | Subject::Context(_) | Subject::Idle(_) | Subject::Clusters(_) => return None,
    };
    Some(About { context, kind, namespace: state.context(context).place.namespace.clone(), name: name.to_string() })
}

/// The text of what was read.
pub fn render(reading: &Reading, form: Form, now: Timestamp) -> Text {
    match form {
        Form::Yaml => yaml::text(&reading.objects, now),
        Form::Describe => Text { folded: describe::text(reading, now), whole: None },
        Form::Log => Text { folded: reading.log.clone(), whole: None },
        Form::Diff => Text { folded: diff::text(reading, now), whole: None },
    }
}

/// `4m02s ago`, of a time as objects say it.
fn age(at: Option<&str>, now: Timestamp) -> Option<String> {
    let at: Timestamp = at?.parse().ok()?;
    Some(if at > now {
        format!("in {}", text::duration(text::seconds_between(now, at)))
    } else {
        format!("{} ago", text::duration(text::seconds_between(at, now)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-11-21T12:00:00Z";

    fn reading(object: Value) -> Reading {
        Reading { objects: vec![object], ..Reading::default() }
    }

    fn pool() -> Value {
        json!({
            "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "NodePool",
            "metadata": {
                "name": "gpu", "namespace": "fleet", "uid": "u", "creationTimestamp": "2026-11-21T11:00:00Z",
                "labels": {"team": "ml"},
                "managedFields": [
                    {"manager": "kubectl", "operation": "Apply", "time": "2026-11-21T11:00:00Z",
                     "fieldsV1": {"f:spec": {".": {}, "f:replicas": {}, "f:clusterName": {}}}},
                    {"manager": "quarterdeck", "operation": "Update", "subresource": "status", "time": "2026-11-21T11:59:18Z",
                     "fieldsV1": {"f:status": {"f:ready": {}}}}
                ]
            },
            "spec": {"clusterName": "eu-1", "replicas": 3, "template": {"taints": ["a", "b"]}},
            "status": {
                "readyReplicas": 2,
                "failures": [],
                "since": "2026-11-21T11:58:00Z",
                "conditions": [
                    {"type": "Ready", "status": "False", "reason": "Scaling", "message": "one joins", "lastTransitionTime": "2026-11-21T11:58:00Z"},
                    {"type": "Available", "status": "True", "reason": "Enough", "message": "", "lastTransitionTime": "2026-11-21T11:00:00Z"}
                ]
            }
        })
    }

    fn check(form: Form, reading: &Reading, expected: &str) {
        let text = render(reading, form, NOW.parse().expect("a time"));
        assert_eq!(text.folded.trim_end(), expected.trim());
    }

    #[test]
    fn managed_fields_are_one_line_until_they_are_unfolded() {
        let text = render(&reading(pool()), Form::Yaml, NOW.parse().expect("a time"));
        let folded: Vec<&str> = text.folded.lines().take(4).collect();
        assert_eq!(
            folded,
            [
                "apiVersion: quarterdeck.dev/v1alpha1",
                "kind: NodePool",
                "metadata:",
                "  # managedFields: kubectl 2 fields 1h00m ago, quarterdeck (status) 1 field 42s ago",
            ]
        );
        assert!(!text.folded.contains("fieldsV1"));
        let whole = text.whole.expect("there is something to unfold");
        assert!(whole.contains("fieldsV1") && !whole.contains('#'), "{whole}");
        for text in [&text.folded, &whole] {
            serde_saphyr::from_str::<Value>(text).expect("it is YAML still");
        }
    }

    #[test]
    fn two_objects_are_two_documents() {
        let bare = json!({"kind": "Cluster", "metadata": {"name": "a"}});
        let two = Reading { objects: vec![bare.clone(), bare], ..reading(Value::Null) };
        check(Form::Yaml, &two, "kind: Cluster\nmetadata:\n  name: a\n---\nkind: Cluster\nmetadata:\n  name: a");
    }

    #[test]
    fn describing_is_the_way_of_kubectl() {
        let event = |reason: &str, at: &str, count| Event {
            reason: Some(reason.into()),
            type_: Some("Normal".into()),
            count: Some(count),
            message: Some(format!("{reason}\nhappened")),
            last_timestamp: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at.parse().expect("a time"))),
            reporting_component: Some("node-pool".into()),
            ..Event::default()
        };
        let owner = |kind: &str, is_known| Owner { kind: kind.into(), name: "eu-1".into(), is_known };
        let reading = Reading {
            owners: vec![owner("ClusterDeployment", true), owner("Fleet", false)],
            events: Ok(vec![event("Late", "2026-11-21T11:59:00Z", 3), event("Early", "2026-11-21T11:58:00Z", 1)]),
            ..reading(pool())
        };
        check(
            Form::Describe,
            &reading,
            "
Name:         gpu
Namespace:    fleet
Kind:         NodePool (quarterdeck.dev/v1alpha1)
Created:      2026-11-21T11:00:00Z (1h00m ago)
Labels:       team=ml
Annotations:  <none>
Owned by:     ClusterDeployment eu-1 < Fleet eu-1 (not read)

Spec:
  Cluster Name:  eu-1
  Replicas:      3
  Template:
    Taints:
      a
      b

Status:
  Failures:        <none>
  Ready Replicas:  2
  Since:           2026-11-21T11:58:00Z (2m00s ago)

Conditions:
  TYPE       STATUS  AGE     REASON   MESSAGE
  Ready      False   2m00s   Scaling  one joins
  Available  True    1h00m   Enough   

Events:
  AGE     TYPE    COUNT  REASON  FROM       MESSAGE
  2m00s   Normal  1      Early   node-pool  Early happened
  1m00s   Normal  3      Late    node-pool  Late happened",
        );
    }

    #[test]
    fn conditions_are_a_table_in_the_status_only() {
        let map =
            json!({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"conditions": "dry", "soil": "sand"}});
        let text = render(&reading(map), Form::Describe, NOW.parse().expect("a time")).folded;
        assert!(text.contains("\nData:\n  Conditions:  dry\n  Soil:        sand\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        let reading = Reading { events: Err("you may not list events".into()), ..reading(json!({"kind": "Machine"})) };
        let text = render(&reading, Form::Describe, NOW.parse().expect("a time")).folded;
        assert!(text.ends_with("Events:       you may not list events\n"), "{text}");
    }
}
