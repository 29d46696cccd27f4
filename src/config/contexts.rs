//! The meta clusters of `config.yaml`: which ones the console opens together, and how each is marked.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{mistake::Mistake, nearest::nearest, theme::Role};

/// Most of them: each has watches of its own.
const MOST: usize = 32;
/// The tag that raises what it takes to confirm a change.
const PRODUCTION: &str = "production";

/// One meta cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContextSettings {
    /// A context of the kubeconfig.
    pub name: String,
    /// The file that it is in, if not in the usual one.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// If not the one that the context says.
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    /// The colour of the block that it is marked with.
    #[serde(default)]
    pub accent: Option<Accent>,
    /// Nothing is ever changed there from the console.
    #[serde(default)]
    pub read_only: bool,
}

impl ContextSettings {
    /// One of which only the name is known.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub fn is_production(&self) -> bool {
        self.tags.iter().any(|tag| tag.eq_ignore_ascii_case(PRODUCTION))
    }
}

/// Colours that contexts are marked with. A theme has a role for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Accent {
    Red,
    Orange,
    Yellow,
    Green,
    Blue,
    Purple,
    Gray,
}

impl Accent {
    pub fn role(self) -> Role {
        match self {
            Self::Red => Role::ContextRed,
            Self::Orange => Role::ContextOrange,
            Self::Yellow => Role::ContextYellow,
            Self::Green => Role::ContextGreen,
            Self::Blue => Role::ContextBlue,
            Self::Purple => Role::ContextPurple,
            Self::Gray => Role::ContextGray,
        }
    }
}

/// Any tag is a word of the user's own but this one: written wrongly, what it protects would be open without a word.
fn is_nearly_production(tag: &str) -> bool {
    let is_short = tag.eq_ignore_ascii_case("prod");
    !tag.eq_ignore_ascii_case(PRODUCTION) && (is_short || nearest(tag, [PRODUCTION]).is_some())
}

/// What no parser sees: names that are missing or there twice, and too many of them.
pub(super) fn check(contexts: &[ContextSettings], text: &str, file: &Path) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut say = |message: String| {
        let at = text.lines().position(|line| line.trim_start().starts_with("contexts")).map(|at| (at as u64 + 1, 1));
        mistakes.push(Mistake::on_line(file, at, message));
    };
    if contexts.len() > MOST {
        say(format!("contexts has {} entries: at most {MOST} are shown together", contexts.len()));
    }
    for (at, context) in contexts.iter().enumerate() {
        if context.name.trim().is_empty() {
            say(format!("entry {} of contexts has no name: that of a context of the kubeconfig", at + 1));
        } else if contexts[..at].iter().any(|before| before.name == context.name) {
            say(format!("contexts has `{}` twice", context.name));
        }
        for tag in context.tags.iter().filter(|tag| is_nearly_production(tag)) {
            let name = &context.name;
            say(format!("the tag `{tag}` of `{name}` protects nothing: did you mean `{PRODUCTION}`?"));
        }
    }
    mistakes
}
