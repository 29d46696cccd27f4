//! The change as text, for a shell, a review or Git, instead of applying it.

use super::{
    form::TYPE_AHEAD_MILLISECONDS,
    message::{Change, Order},
    state::Overlay,
    text,
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
    /// Where it was opened, with all that was typed there.
    back: Overlay,
}

impl ExportDialog {
    pub fn new(order: Order, back: Overlay, now: Timestamp) -> Self {
        Self { order, form: Form::default(), opened_at: now, back }
    }

    /// What was there before, which comes into sight only now.
    pub fn back(self, now: Timestamp) -> Overlay {
        let mut back = self.back;
        match &mut back {
            Overlay::Scale(dialog) => dialog.form.opened_at = now,
            Overlay::Rollout(dialog) => dialog.form.opened_at = now,
            Overlay::Typed(dialog) => dialog.form.opened_at = now,
            Overlay::Confirm(confirmation) => confirmation.opened_at = now,
            _ => {}
        }
        back
    }

    /// Keys that come so soon were on their way before it was there.
    pub fn is_guarded(&self, seen_at: Timestamp) -> bool {
        seen_at.as_millisecond() - self.opened_at.as_millisecond() < TYPE_AHEAD_MILLISECONDS
    }

    pub fn text(&self) -> String {
        self.order.changes.iter().map(|change| render(change, self.form)).collect::<Vec<_>>().join(self.form.between())
    }

    /// A name in the working directory.
    pub fn file_name(&self) -> String {
        let name = self.order.changes.first().map_or("nothing", |change| &change.target.name);
        format!("{}.{}", text::plain(name), self.form.extension())
    }
}

/// The change as text that ends in a line break.
pub fn render(change: &Change, form: Form) -> String {
    let target = &change.target;
    let patch = &change.patch;
    match form {
        Form::Command => format!(
            "kubectl --namespace {} patch {}.{GROUP} {} --type merge --patch {}\n",
            word(&target.namespace),
            target.kind.plural(),
            word(&target.name),
            quote(&patch.to_string())
        ),
        Form::Patch => format!("{}\n", serde_json::to_string_pretty(patch).unwrap_or_default()),
        Form::Manifest => {
            let mut manifest = json!({
                "apiVersion": format!("{GROUP}/{VERSION}"),
                "kind": target.kind.as_str(),
                "metadata": {"name": target.name, "namespace": target.namespace},
            });
            json_patch::merge(&mut manifest, patch);
            let yaml = serde_saphyr::to_string(&manifest).unwrap_or_default();
            let mut text =
                "# kubectl apply --server-side --field-manager quarterdeck-console -f THIS_FILE\n".to_owned();
            let taken = taken_away(patch, "");
            if !taken.is_empty() {
                text += "# A manifest cannot take fields away: the merge patch does. These stay if they are there:\n";
                text.extend(taken.iter().map(|field| format!("#   {field}\n")));
            }
            text + &yaml
        }
    }
}

/// The fields that a merge patch takes away, as paths.
fn taken_away(patch: &Value, path: &str) -> Vec<String> {
    match patch {
        Value::Null => vec![path.to_owned()],
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| {
                let is_word = key.chars().all(|c| c.is_ascii_alphanumeric());
                let key = if is_word { format!(".{key}") } else { format!("[{key:?}]") };
                taken_away(value, &format!("{path}{key}"))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A word of a shell: quoted where it needs to be, which no name is that a server takes.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if text.chars().all(is_plain) && !text.is_empty() { text.to_owned() } else { quote(text) }
}

/// Quoted for a POSIX shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::message::{Kind, Target};

    fn target() -> Target {
        Target {
            context: crate::fleet::ContextId::FIRST,
            kind: Kind::NodePool,
            namespace: "fleet".into(),
            name: "eu-1-gpu".into(),
            uid: "u".into(),
            resource_version: "1".into(),
            generation: Some(1),
        }
    }

    #[test]
    fn each_form_carries_the_change_and_nothing_else() {
        let target = target();
        let patch = json!({"metadata": {"annotations": {"a": "it's", "b": null}}, "spec": {"replicas": 3}});
        let change = Change { target, patch };
        assert_eq!(
            render(&change, Form::Command),
            "kubectl --namespace fleet patch nodepools.quarterdeck.dev eu-1-gpu --type merge --patch \
             '{\"metadata\":{\"annotations\":{\"a\":\"it'\\''s\",\"b\":null}},\"spec\":{\"replicas\":3}}'\n"
        );
        assert!(render(&change, Form::Patch).contains("\"replicas\": 3"));
        let manifest = render(&change, Form::Manifest);
        assert!(manifest.contains("kind: NodePool\n") && manifest.contains("replicas: 3\n"), "{manifest}");
        let left = "These stay if they are there:\n#   .metadata.annotations.b\napiVersion:";
        assert!(manifest.contains(left) && !manifest.contains("null"), "{manifest}");
        // What a change is for may be to take away: it is not lost on the way.
        let uncordon = Change { patch: json!({"spec": {"maintenance": null}}), ..change };
        assert!(render(&uncordon, Form::Command).ends_with("'{\"spec\":{\"maintenance\":null}}'\n"));
        assert!(render(&uncordon, Form::Patch).contains("\"maintenance\": null"));
    }

    #[test]
    fn a_name_from_a_server_is_no_path_and_no_command() {
        let target = Target { namespace: "$(id)".into(), name: "../a b".into(), ..target() };
        let change = Change { target, patch: json!({}) };
        let said = render(&change, Form::Command);
        assert!(said.starts_with("kubectl --namespace '$(id)' patch nodepools.quarterdeck.dev '../a b' "), "{said}");
        let dialog = ExportDialog::new(Order::one(change, String::new()), Overlay::None, Timestamp::UNIX_EPOCH);
        assert!(!dialog.file_name().contains('/'), "{}", dialog.file_name());
    }
}
