//! What words of the notation stand for that have a small language of their own: rollouts, budgets, drains, phases.

use super::{Words, ago};
use crate::api::{
    BudgetStanding, DrainBlocker, DrainStatus, NeverSatisfiable, NodeReference, PhaseState, PhaseStatus, RolloutStatus,
};

/// A rollout on its way, ten minutes old.
pub(super) fn rollout(words: &mut Words, version: String) -> RolloutStatus {
    let mut number = |key: &str| words.take(key).and_then(|n| n.parse().ok()).unwrap_or(0);
    let (updated, outdated, in_flight) = (number("updated"), number("outdated"), number("inflight"));
    let (kept, quarantined) = (number("kept"), number("quarantined"));
    RolloutStatus {
        revision: "new".to_owned(),
        version: Some(version),
        from_versions: words.take("from").into_iter().collect(),
        outdated,
        updated,
        kept,
        quarantined,
        updated_available: updated,
        in_flight,
        message: words.take("why"),
        started_at: Some(ago(600)),
        ..RolloutStatus::default()
    }
}

/// `namespace/name:ALLOWED/EXPECTED@node+node`: a pod on each of these nodes, all but one healthy where none is allowed;
/// `!` behind the numbers is a budget that never allows one.
pub(super) fn budget(word: &str) -> Option<BudgetStanding> {
    let (name, rest) = word.split_once(':')?;
    let (numbers, nodes) = rest.split_once('@')?;
    let (allowed, expected) = numbers.trim_end_matches('!').split_once('/')?;
    let (allowed, expected): (i32, i32) = (allowed.parse().ok()?, expected.parse().ok()?);
    let never = numbers.ends_with('!').then_some(NeverSatisfiable::NeedsAll);
    let healthy = if allowed == 0 && never.is_none() { expected - 1 } else { expected };
    Some(BudgetStanding {
        name: name.to_owned(),
        requires: format!("minAvailable {}", healthy - allowed),
        allowed,
        healthy,
        desired: if allowed == 0 { expected } else { healthy - allowed },
        expected,
        never,
        nodes: nodes.split('+').map(|node| (node.to_owned(), 1)).collect(),
        ..BudgetStanding::default()
    })
}

/// A drain that this budget holds up, five minutes old.
pub(super) fn blocked(pdb: &str) -> DrainStatus {
    let node = NodeReference { name: "node".to_owned(), uid: "uid-node".to_owned() };
    let blocker = DrainBlocker {
        pod: format!("{pdb}-0"),
        pdb: Some(pdb.to_owned()),
        disruptions_allowed: Some(0),
        message: format!("PDB {pdb} allows 0 disruptions: it needs 2 healthy of 2"),
        hint: Some("scale Deployment/api to 3 (now 2)".to_owned()),
        since: Some(ago(252)),
        ..DrainBlocker::default()
    };
    let drain = DrainStatus::new("drain-1", 1, node, ago(300), ago(-600));
    DrainStatus { pods_total: 9, pods_left: 1, blockers: vec![blocker], ..drain }
}

/// `Preflight:ok:20,Kubelet:run:12,Join`: the last one that has begun reaches until now.
pub(super) fn phases(text: &str) -> Option<Vec<PhaseStatus>> {
    let mut end = 0;
    let mut phases = text
        .rsplit(',')
        .map(|part| {
            let mut fields = part.split(':');
            let name = fields.next()?.to_owned();
            let state = match fields.next() {
                None => PhaseState::Pending,
                Some("ok") => PhaseState::Succeeded,
                Some("run") => PhaseState::Running,
                Some("fail") => PhaseState::Failed,
                Some("skip") => PhaseState::Skipped,
                Some(_) => return None,
            };
            let seconds: i64 = fields.next().map_or(Some(0), |s| s.parse().ok())?;
            let ended = matches!(state, PhaseState::Succeeded | PhaseState::Failed);
            let finished_at = ended.then(|| ago(end));
            let begun = ended || state == PhaseState::Running;
            end += seconds;
            let steps_done = if state == PhaseState::Succeeded { 3 } else { i32::from(begun) };
            let started_at = begun.then(|| ago(end));
            Some(PhaseStatus { name, state, started_at, finished_at, steps_done, steps: 3, ..PhaseStatus::default() })
        })
        .collect::<Option<Vec<_>>>()?;
    phases.reverse();
    Some(phases)
}
