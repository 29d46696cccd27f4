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
    use crate::api::Role;

    #[test]
    fn a_member_leaves_etcd_before_its_host_is_reset_and_votes_before_it_counts() {
        let steps = |book: &str, role| {
            let book = crate::runbook::parse(builtin(book).unwrap()).unwrap();
            let scope = crate::runbook::Scope { role, phases: &[] };
            let phases = book.phases_for(scope).map(|(_, phase)| phase);
            let named = phases.flat_map(|p| p.steps.iter().map(|s| format!("{}/{}", p.name(), s.name.value)));
            named.collect::<Vec<_>>()
        };
        let at = |steps: &[String], step: &str| steps.iter().position(|s| s == step);
        let leaving = steps("node-reset", Role::ControlPlane);
        let order =
            ["Etcd/the others are a quorum", "Etcd/leave etcd", "Etcd/etcd has let it go", "Reset/kubeadm reset"];
        let order = order.map(|step| at(&leaving, step).expect("the step is there"));
        assert!(order.is_sorted(), "{leaving:?}");
        assert!(steps("node-reset", Role::Worker)[0].starts_with("Reset/"), "a worker has no part in etcd");
        let joining = steps("node-join", Role::ControlPlane);
        assert_eq!(joining.last().map(String::as_str), Some("Verify/member of etcd votes"));
    }

    #[test]
    fn every_builtin_is_called_as_it_says_and_passes_the_lint() {
        for name in builtin_names() {
            let text = builtin(name).unwrap();
            assert_eq!(crate::runbook::parse(text).unwrap().name(), name);
            assert_eq!(crate::runbook::lint(text), []);
        }
    }
}
