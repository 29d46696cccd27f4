//! A plan in words, and what the server would store as a diff.

use std::fmt::Write;

use serde_json::{Value, json};
use similar::TextDiff;

use super::write::{Bound, Seen};
use crate::plan::{
    forecast::{BudgetDemand, Effect, Severity},
    lifecycle::{PoolPreview, Preview, StagePreview},
    rollout::preview::Batch,
};

/// Steps of a pool that are listed; of the rest only the number is said.
const STEPS: usize = 8;
/// Budgets that are named.
const BUDGETS: usize = 8;
/// Objects whose change is shown.
const DIFFS: usize = 4;

/// All that is said before somebody is asked.
pub fn text(plan: &Preview, writes: &[Bound], checked: &[Value]) -> String {
    let mut text = preview(plan);
    for (bound, after) in writes.iter().zip(checked).take(DIFFS) {
        text.push_str(&diff(&bound.change.name, &bound.seen, after));
    }
    if writes.len() > DIFFS {
        let _ = writeln!(text, "… and {} more objects in the same way", writes.len() - DIFFS);
    }
    text
}

fn preview(preview: &Preview) -> String {
    let mut text = format!("{}\n", preview.title);
    let many = preview.stages.len() > 1;
    for (at, stage) in preview.stages.iter().enumerate() {
        if !stage.to.is_empty() {
            let number = if many { format!("{}. ", at + 1) } else { String::new() };
            let _ = writeln!(text, "  {number}{}", way(stage));
        }
        for one in &stage.pools {
            pool(&mut text, one);
        }
    }
    if let Some(estimate) = preview.estimate {
        let _ = writeln!(text, "  {} drained; {}", machines(preview.machines), seconds(estimate));
    } else if preview.machines > 0 {
        let _ = writeln!(text, "  {} drained; how long is not known: there is no history", machines(preview.machines));
    }
    if let Some(window) = &preview.window {
        let _ = writeln!(text, "  maintenance window {}", window.words(clock));
    }
    for warning in &preview.warnings {
        let _ = writeln!(text, "  ! {warning}");
    }
    for budget in preview.budgets.iter().filter(|b| b.effect == Effect::Slows).take(BUDGETS) {
        let _ = writeln!(text, "  · {}", slows(budget));
    }
    for finding in &preview.drains {
        let mark = if finding.severity <= Severity::Slows { "!" } else { "·" };
        let _ = writeln!(text, "  {mark} {}", finding.sentence);
    }
    text
}

/// What cannot go, or has to wait, is among the findings.
fn slows(demand: &BudgetDemand) -> String {
    let BudgetDemand { budget, allowed, in_batch, .. } = demand;
    format!("PDB {budget} allows {allowed}, and {in_batch} of its pods are in a batch: they go one after another")
}

fn way(stage: &StagePreview) -> String {
    let who = match stage.role.as_str() {
        "ControlPlane" => "control plane",
        "Etcd" => "etcd",
        _ => "workers",
    };
    format!("{who} {} → {}", stage.from, stage.to)
}

fn pool(text: &mut String, pool: &PoolPreview) {
    let _ = writeln!(
        text,
        "  {}: {}, {} above and {} below its size at once",
        pool.pool, pool.strategy, pool.surge, pool.unavailable
    );
    let groups = grouped(&pool.batches);
    for (from, to, batch) in groups.iter().take(STEPS) {
        let _ = writeln!(text, "    {}", step(*from, *to, batch));
    }
    if groups.len() > STEPS {
        let (next, ..) = groups[STEPS];
        let open = if pool.is_cut { " and more" } else { "" };
        let _ = writeln!(text, "    … {} more steps{open}", pool.batches.len() + 1 - next);
    }
    if let Some(brake) = &pool.brake {
        let _ = writeln!(text, "    then: {brake}");
    }
}

/// Steps that look alike follow each other as one: from, to, the last of them.
fn grouped(batches: &[Batch]) -> Vec<(usize, usize, &Batch)> {
    let alike = |a: &Batch, b: &Batch| {
        (a.claim, a.remove, a.upgrade, a.available, a.skew, &a.quorum)
            == (b.claim, b.remove, b.upgrade, b.available, b.skew, &b.quorum)
    };
    let mut groups: Vec<(usize, usize, &Batch)> = Vec::new();
    for (at, batch) in batches.iter().enumerate() {
        match groups.last_mut() {
            Some((_, to, last)) if alike(last, batch) => (*to, *last) = (at + 1, batch),
            _ => groups.push((at + 1, at + 1, batch)),
        }
    }
    groups
}

fn step(from: usize, to: usize, batch: &Batch) -> String {
    let number = if from == to { format!("{from}.") } else { format!("{from}.–{to}.") };
    let part = |n: i32, one: &str, many: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    };
    let moves = [
        part(batch.claim, "joins", "join"),
        part(batch.remove, "is drained and leaves", "are drained and leave"),
        part(batch.upgrade, "is drained and upgraded", "are drained and upgraded"),
    ];
    let mut words = format!("{number} {}", moves.into_iter().flatten().collect::<Vec<_>>().join(", "));
    let _ =
        write!(words, "; {} new, {} old after it, {} serve meanwhile", batch.updated, batch.outdated, batch.available);
    if let Some(skew @ 1..) = batch.skew {
        let versions = if skew == 1 { "version" } else { "versions" };
        let _ = write!(words, ", {skew} minor {versions} behind the control plane");
    }
    if let Some(quorum) = &batch.quorum {
        let _ = write!(words, "; {quorum}");
    }
    words
}

fn machines(n: i32) -> String {
    if n == 1 { "1 machine is".to_owned() } else { format!("{n} machines are") }
}

fn seconds((typical, slow): (i64, i64)) -> String {
    format!("about {}, {} if it is slow", clock(typical), clock(slow))
}

/// In the largest unit and the one below it.
pub fn clock(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

pub fn diff(name: &str, before: &Seen, after: &Value) -> String {
    let annotations = after["metadata"]["annotations"].clone();
    let (old, new) = (shown(json!(before.annotations), before.spec.clone()), shown(annotations, after["spec"].clone()));
    if old == new {
        return String::new();
    }
    TextDiff::from_lines(&old, &new)
        .unified_diff()
        .context_radius(2)
        .header(&format!("{name} now"), &format!("{name} by the server's dry run"))
        .to_string()
}

/// What people change, as YAML.
fn shown(annotations: Value, spec: Value) -> String {
    let value = json!({ "metadata": { "annotations": annotations }, "spec": spec });
    serde_saphyr::to_string(&value).unwrap_or_else(|_| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_look_alike_are_one_line() {
        let batch = |claim, remove, outdated| Batch { claim, remove, outdated, ..Batch::default() };
        let batches = [batch(1, 0, 3), batch(1, 1, 2), batch(1, 1, 1), batch(0, 1, 0)];
        let said: Vec<_> = grouped(&batches).into_iter().map(|(from, to, b)| step(from, to, b)).collect();
        let expected = [
            "1. 1 joins; 0 new, 3 old after it, 0 serve meanwhile",
            "2.–3. 1 joins, 1 is drained and leaves; 0 new, 1 old after it, 0 serve meanwhile",
            "4. 1 is drained and leaves; 0 new, 0 old after it, 0 serve meanwhile",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn times_are_short() {
        for (seconds, wanted) in [(9, "9s"), (61, "1m01s"), (7260, "2h01m"), (180_000, "2d02h")] {
            assert_eq!(clock(seconds), wanted);
        }
    }
}
