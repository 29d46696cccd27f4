//! The change as text, for a shell, a review or Git, instead of applying it.

use super::{
    form::TYPE_AHEAD_MILLISECONDS,
    message::{Change, Order},
};
use crate::api::{GROUP, VERSION};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Forms that a change is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A `kubectl` command.
    #[default]
    Command,
    /// A merge patch.
    Patch,
    /// A manifest for server-side apply: only the fields that the change sets.
    Manifest,
}

impl Form {
    pub const ALL: [Self; 3] = [Self::Command, Self::Patch, Self::Manifest];

    pub fn title(self) -> &'static str {
        match self {
            Self::Command => "kubectl command",
            Self::Patch => "merge patch",
            Self::Manifest => "manifest",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Command => "sh",
            Self::Patch => "patch.json",
            Self::Manifest => "yaml",
        }
    }

    /// What stands between one change and the next.
    fn between(self) -> &'static str {
        match self {
            Self::Command | Self::Patch => "",
            Self::Manifest => "---\n",
        }
    }
}

/// Shows a change as text, and writes it to a file if asked.
#[derive(Clone, Debug)]
pub struct ExportDialog {
    pub order: Order,
    pub form: Form,
    opened_at: Timestamp,
}

impl ExportDialog {
    pub fn new(order: Order, now: Timestamp) -> Self {
        Self { order, form: Form::default(), opened_at: now }
    }

    /// Keys that come so soon were on their way before it was there.
    pub fn is_guarded(&self, now: Timestamp) -> bool {
        now.as_millisecond() - self.opened_at.as_millisecond() < TYPE_AHEAD_MILLISECONDS
    }

    pub fn text(&self) -> String {
        self.order.changes.iter().map(|change| render(change, self.form)).collect::<Vec<_>>().join(self.form.between())
    }

    /// A name in the working directory.
    pub fn file_name(&self) -> String {
        let name = self.order.changes.first().map_or("nothing", |change| &change.target.name);
        format!("{name}.{}", self.form.extension())
    }
}

/// The change as text that ends in a line break.
pub fn render(change: &Change, form: Form) -> String {
    let target = &change.target;
    let patch = without_nulls(change.patch.clone());
    match form {
        Form::Command => format!(
            "kubectl --namespace {} patch {}.{GROUP} {} --type merge --patch {}\n",
            target.namespace,
            target.kind.plural(),
            target.name,
            quote(&patch.to_string())
        ),
        Form::Patch => format!("{}\n", serde_json::to_string_pretty(&patch).unwrap_or_default()),
        Form::Manifest => {
            let mut manifest = json!({
                "apiVersion": format!("{GROUP}/{VERSION}"),
                "kind": target.kind.as_str(),
                "metadata": {"name": target.name, "namespace": target.namespace},
            });
            json_patch::merge(&mut manifest, &patch);
            let yaml = serde_saphyr::to_string(&manifest).unwrap_or_default();
            format!("# kubectl apply --server-side --field-manager quarterdeck-console -f THIS_FILE\n{yaml}")
        }
    }
}

/// Without the fields that a merge patch deletes: they matter to a live object only.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            map.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect()
        }
        other => other,
    }
}

/// Quoted for a POSIX shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::message::{Kind, Target};

    #[test]
    fn each_form_carries_the_change_and_nothing_else() {
        let target = Target {
            context: crate::fleet::ContextId::FIRST,
            kind: Kind::NodePool,
            namespace: "fleet".into(),
            name: "eu-1-gpu".into(),
            uid: "u".into(),
            resource_version: "1".into(),
            generation: Some(1),
        };
        let patch = json!({"metadata": {"annotations": {"a": "it's", "b": null}}, "spec": {"replicas": 3}});
        let change = Change { target, patch };
        assert_eq!(
            render(&change, Form::Command),
            "kubectl --namespace fleet patch nodepools.quarterdeck.dev eu-1-gpu --type merge --patch \
             '{\"metadata\":{\"annotations\":{\"a\":\"it'\\''s\"}},\"spec\":{\"replicas\":3}}'\n"
        );
        assert!(render(&change, Form::Patch).contains("\"replicas\": 3"));
        let manifest = render(&change, Form::Manifest);
        assert!(manifest.contains("kind: NodePool\n") && manifest.contains("replicas: 3\n"), "{manifest}");
    }
}
