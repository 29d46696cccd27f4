//! Which phases and steps are for which machine.

use super::{Phase, Runbook, Strategy};
use crate::api::Role;

/// What an operation asks for: a role, and perhaps only some of the phases.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    pub role: Role,
    /// All when empty.
    pub phases: &'a [String],
}

impl Phase {
    pub fn name(&self) -> &str {
        &self.name.value
    }

    /// Whether machines of this role go through the phase.
    pub fn is_for(&self, role: Role) -> bool {
        self.roles.is_empty() || self.roles.contains(&role)
    }

    /// Most machines in the phase at once; `None` if there is no limit.
    pub fn width(&self) -> Option<usize> {
        match self.strategy {
            Strategy::Parallel => self.batch.map(|batch| batch.max(1) as usize),
            Strategy::Serial | Strategy::First => Some(1),
        }
    }
}

impl Runbook {
    pub fn name(&self) -> &str {
        &self.name.value
    }

    /// The phases that machines in a scope go through, with their index, in order.
    pub fn phases_for<'a>(&'a self, scope: Scope<'a>) -> impl Iterator<Item = (usize, &'a Phase)> {
        self.phases.iter().enumerate().filter(move |(_, phase)| {
            phase.is_for(scope.role) && (scope.phases.is_empty() || scope.phases.iter().any(|p| p == phase.name()))
        })
    }

    /// A phase that was asked for and is not there.
    pub fn unknown_phase<'a>(&self, wanted: &'a [String]) -> Option<&'a str> {
        wanted.iter().find(|name| self.phases.iter().all(|phase| phase.name() != name.as_str())).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(role: Role, phases: &[&str], expected: &str) {
        let text = "name: r\nrevision: 1\nphases:\n- {name: A, steps: []}\n- {name: B, roles: [Worker], steps: []}\n- \
                    {name: C, roles: [ControlPlane, Etcd], steps: []}\n";
        let runbook = super::super::parse(text).unwrap();
        let phases: Vec<String> = phases.iter().map(ToString::to_string).collect();
        let names: Vec<&str> = runbook.phases_for(Scope { role, phases: &phases }).map(|(_, p)| p.name()).collect();
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn roles_and_names_select() {
        check(Role::Worker, &[], "A B");
        check(Role::Etcd, &[], "A C");
        check(Role::Worker, &["B"], "B");
        check(Role::Worker, &["C"], "");
    }
}
