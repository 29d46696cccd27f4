//! The runbooks that are compiled in; a file of the same name, or a ConfigMap `runbook-NAME`, takes their place.

const ALL: [(&str, &str); 4] = [
    ("node-join", include_str!("../../config/runbooks/node-join.yaml")),
    ("node-reset", include_str!("../../config/runbooks/node-reset.yaml")),
    ("node-upgrade", include_str!("../../config/runbooks/node-upgrade.yaml")),
    ("verify", include_str!("../../config/runbooks/verify.yaml")),
];

/// The text of a runbook that is compiled in.
pub fn builtin(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of all that are compiled in.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_called_as_it_says_and_passes_the_lint() {
        for name in builtin_names() {
            let text = builtin(name).unwrap();
            assert_eq!(crate::runbook::parse(text).unwrap().name(), name);
            assert_eq!(crate::runbook::lint(text), []);
        }
    }
}
