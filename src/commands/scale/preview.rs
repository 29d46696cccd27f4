//! The plan in words, and what the server would store as a diff.

use std::fmt::Write;

use kube::ResourceExt;

use crate::{
    api::{MachineReference, NodePool},
    commands::change::{show::diff, stakes::Stakes, write::Seen},
    plan::{estimate::Estimate, quorum, scale::Plan},
};

/// Machines that are named; of the rest only the number is said.
const NAMED: usize = 8;

/// All that is said before somebody is asked.
pub fn text(before: &NodePool, plan: &Plan, stakes: Option<&Stakes>, after: &NodePool) -> String {
    let mut text = format!("{}: {} -> {} replicas\n", before.name_any(), before.spec.replicas, after.spec.replicas);
    let warning = stakes.filter(|_| before.spec.replicas != after.spec.replicas).map(Stakes::warning);
    let caution = quorum::caution(before, after.spec.replicas);
    for line in sentences(plan).into_iter().chain(caution).chain(warning) {
        let _ = writeln!(text, "  {line}");
    }
    let after = serde_json::to_value(after).unwrap_or_default();
    text.push_str(&diff(&before.name_any(), &Seen::of(before), &after));
    text
}

fn sentences(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    if !plan.claims.is_empty() {
        lines.push(format!("claim {} of {} idle: {}", machines(plan.claims.len()), plan.idle, names(&plan.claims)));
    }
    if !plan.joins.is_empty() {
        lines.push(format!("{} claimed already: {}", machines(plan.joins.len()), names(&plan.joins)));
    }
    lines.extend(plan.shortfall_message());
    if !plan.victims.is_empty() {
        let list: Vec<_> =
            plan.victims.iter().take(NAMED).map(|v| format!("{} ({})", v.machine.name, v.why.words())).collect();
        let more = plan.victims.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(format!("drain and release {}: {}{more}", machines(plan.victims.len()), list.join(", ")));
        lines.push(format!(
            "deletion budget: {} of {} away",
            plan.budget.spent + plan.budget.wanted,
            plan.budget.allowed
        ));
    }
    if plan.left_to_rollout > 0 {
        let leave = machines(usize::try_from(plan.left_to_rollout).unwrap_or(0));
        lines.push(format!("drain and release {leave}: which, decides the rollout that is under way, old ones first"));
    }
    if !plan.releases.is_empty() {
        lines.push(format!(
            "give back {} on which nothing was done: {}",
            machines(plan.releases.len()),
            names(&plan.releases)
        ));
    }
    if !plan.waiting.is_empty() {
        lines.push(format!(
            "{} will leave after their operation: {}",
            machines(plan.waiting.len()),
            names(&plan.waiting)
        ));
    }
    lines.extend(plan.halt.as_ref().map(|halt| format!("held up: {}", halt.message())));
    lines.extend(plan.estimate.as_ref().map(estimate));
    lines
}

fn estimate(estimate: &Estimate) -> String {
    let seconds = |d: std::time::Duration| {
        let s = d.as_secs();
        if s < 60 { format!("{s}s") } else { format!("{}m{:02}s", s / 60, s % 60) }
    };
    format!(
        "about {}, {} if it is slow (from {} in the past)",
        seconds(estimate.typical),
        seconds(estimate.slow),
        machines(usize::try_from(estimate.samples).unwrap_or_default())
    )
}

fn machines(n: usize) -> String {
    if n == 1 { "1 machine".to_owned() } else { format!("{n} machines") }
}

fn names(all: &[MachineReference]) -> String {
    let named: Vec<_> = all.iter().take(NAMED).map(|m| m.name.as_str()).collect();
    match all.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
