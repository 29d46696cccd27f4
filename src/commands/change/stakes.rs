//! In production a change takes one level more, as in the console: by the tags of the context that is written to, in the
//! user's configuration, or by a label of the pool or its cluster.

use kube::ResourceExt;

use crate::{
    api::{ClusterDeployment, NodePool, labels},
    commands::{
        Globals, connect,
        exit::{Ended, Exit},
    },
    config::{Config, Paths},
    plan::lifecycle::Preview,
};

/// The hardest confirmation: words are typed, and it is said why.
pub const HARDEST: u8 = 3;

/// Why more is asked for here than elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stakes {
    /// What is typed where nothing else is.
    word: String,
    why: String,
}

impl Stakes {
    /// Of the context that the flags, or else the kubeconfig, name; `None` where nothing is at stake. A file that may speak of
    /// contexts and cannot be read is taken at its worst.
    ///
    /// # Errors
    /// The user has said that nothing is changed in this context, or there is no telling which one it is.
    pub fn of(globals: &Globals) -> Result<Option<Self>, Ended> {
        let paths = Paths::of_user();
        let config = crate::console::configure(&paths);
        let context = match globals.contexts.first() {
            Some(named) => named.clone(),
            None => connect::current_context(globals)?,
        };
        Self::unlocked(&context, &config, &paths)?;
        Ok(Self::in_context(context, &config))
    }

    fn unlocked(context: &str, config: &Config, paths: &Paths) -> Result<(), Ended> {
        let is_locked = config.settings.contexts.iter().any(|known| known.name == context && known.read_only);
        if !is_locked {
            return Ok(());
        }
        let file = paths.settings();
        let why = format!(
            "{context} is read-only: `readOnly: true` of that context in {} says so; nothing was changed: take it away \
             there, or name another context with --context",
            file.display()
        );
        Err(Ended::new(Exit::Declined, why))
    }

    fn in_context(context: String, config: &Config) -> Option<Self> {
        let is_tagged = config.settings.contexts.iter().any(|known| known.name == context && known.is_production());
        let why = match &config.unknown_contexts {
            _ if is_tagged => format!("context {context} is tagged production"),
            Some(file) => format!("{} cannot be read, and may say that {context} is production", file.display()),
            None => return None,
        };
        Some(Self { word: context, why })
    }

    /// By the label of the pool that is changed, or of its cluster; `None` where neither has it.
    pub fn labelled(pool: Option<&NodePool>, cluster: Option<&ClusterDeployment>) -> Option<Self> {
        let of = |kind: &str, name: String| Self { why: format!("{kind} {name} is labelled production"), word: name };
        let pool = pool.filter(|pool| labels::is_production(&pool.metadata)).map(|pool| of("pool", pool.name_any()));
        pool.or_else(|| {
            let cluster = cluster.filter(|cluster| labels::is_production(&cluster.metadata))?;
            Some(of("cluster", cluster.name_any()))
        })
    }

    /// One level more, and the reason among the warnings. What is immediate stays so: stopping is easy everywhere.
    pub fn raise(&self, preview: &mut Preview) {
        if preview.level == 0 {
            return;
        }
        preview.level = (preview.level + 1).min(HARDEST);
        preview.warnings.push(self.warning());
        if preview.confirm.is_empty() {
            preview.confirm.clone_from(&self.word);
        }
    }

    /// What is production, by its name.
    pub fn word(&self) -> &str {
        &self.word
    }

    pub fn warning(&self) -> String {
        format!("{}: one level more to confirm", self.why)
    }

    /// At the highest level it has to be said why, by whoever types and by whatever runs with `--yes`.
    pub fn demand(&self, level: u8, reason: Option<&str>) -> Result<(), Ended> {
        if level < HARDEST || reason.is_some_and(|reason| !reason.trim().is_empty()) {
            return Ok(());
        }
        let why = format!("{}: say why with --reason TEXT; nothing was changed", self.why);
        Err(Ended::new(Exit::Declined, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ContextSettings;

    fn config(tags: &[&str]) -> Config {
        let mut config = Config::built_in();
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        config.settings.contexts = vec![ContextSettings { tags, ..ContextSettings::named("prod-eu") }];
        config
    }

    /// A level, what is to be typed, and both where the context counts.
    fn check(config: &Config, context: &str, level: u8, confirm: &str, expected: (u8, &str)) {
        let mut preview = Preview { level, confirm: confirm.to_owned(), ..Preview::default() };
        if let Some(stakes) = Stakes::in_context(context.to_owned(), config) {
            stakes.raise(&mut preview);
        }
        assert_eq!((preview.level, preview.confirm.as_str()), expected, "{context} {level}");
    }

    #[test]
    fn production_raises_all_but_what_is_immediate() {
        let production = config(&["Production", "eu"]);
        check(&production, "prod-eu", 0, "", (0, ""));
        check(&production, "prod-eu", 1, "", (2, "prod-eu"));
        check(&production, "prod-eu", 2, "blue-pool", (3, "blue-pool"));
        check(&production, "prod-eu", 3, "blue-pool", (3, "blue-pool"));
        check(&production, "lab", 2, "blue-pool", (2, "blue-pool"));
        check(&config(&["eu"]), "prod-eu", 2, "blue-pool", (2, "blue-pool"));
    }

    #[test]
    fn a_label_counts_as_much_as_a_tag() {
        let mut pool = NodePool::new("blue-gpu", Default::default());
        let mut cluster = ClusterDeployment::new("blue", Default::default());
        let said = |pool: &NodePool, cluster: &ClusterDeployment| {
            Stakes::labelled(Some(pool), Some(cluster)).map(|stakes| stakes.warning()).unwrap_or_default()
        };
        pool.labels_mut().insert(labels::ENVIRONMENT.to_owned(), "staging".to_owned());
        assert_eq!(said(&pool, &cluster), "");
        cluster.labels_mut().insert(labels::ENVIRONMENT.to_owned(), "production".to_owned());
        assert_eq!(said(&pool, &cluster), "cluster blue is labelled production: one level more to confirm");
        pool.labels_mut().insert(labels::ENVIRONMENT.to_owned(), "production".to_owned());
        assert_eq!(said(&pool, &cluster), "pool blue-gpu is labelled production: one level more to confirm");
    }

    #[test]
    fn what_cannot_be_read_is_taken_at_its_worst() {
        let mut config = Config::built_in();
        config.unknown_contexts = Some("/c/config.yaml".into());
        check(&config, "lab", 2, "blue-pool", (3, "blue-pool"));
    }

    #[test]
    fn what_is_locked_for_the_console_is_locked_here() {
        let (mut config, paths) = (config(&["production"]), Paths::below(std::path::Path::new("/c")));
        assert!(Stakes::unlocked("prod-eu", &config, &paths).is_ok());
        config.settings.contexts[0].read_only = true;
        assert!(Stakes::unlocked("lab", &config, &paths).is_ok());
        let said = Stakes::unlocked("prod-eu", &config, &paths).expect_err("it is locked").message;
        assert!(said.starts_with("prod-eu is read-only: `readOnly: true` of that context in /c/"), "{said}");
    }

    #[test]
    fn the_highest_level_takes_a_reason() {
        let stakes = Stakes::in_context("prod-eu".to_owned(), &config(&["production"])).expect("it is tagged");
        assert!(stakes.demand(2, None).is_ok() && stakes.demand(3, Some("CHG-1")).is_ok());
        for reason in [None, Some(" ")] {
            let said = stakes.demand(3, reason).expect_err("it has to be said").message;
            assert_eq!(said, "context prod-eu is tagged production: say why with --reason TEXT; nothing was changed");
        }
    }
}
