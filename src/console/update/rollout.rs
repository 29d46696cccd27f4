//! Upgrade, replace, roll back, abort, retry: from a key to the dialog, or to the question.

use std::sync::Arc;

use super::{
    super::{
        action::Action,
        form::Ask,
        permissions,
        rollout::{About, RolloutDialog, Verb},
        stakes::Stakes,
        state::{Overlay, State, Subject, Undo},
        text,
    },
    change,
};
use crate::{
    api,
    fleet::{PoolNode, Uid},
};

/// The dialog of an upgrade: of the pool under the cursor, or of a whole cluster.
pub fn upgrade(state: &mut State) {
    if !permissions::allows(state, Action::Upgrade) {
        return;
    }
    let about = match (state.subject(), state.pool_in_reach()) {
        (Subject::Cluster(node), _) => Some((node.row.uid.clone(), None)),
        (_, Some(pool)) => cluster_of(state, pool).map(|cluster| {
            // A control plane has one version: that of its cluster.
            (cluster, (pool.row.role == api::Role::Worker).then(|| pool.row.name.clone()))
        }),
        _ => None,
    };
    match about {
        Some((cluster, pool)) => open(state, About { verb: Verb::Upgrade, cluster, pool, machines: Vec::new() }),
        None => state.complain("nothing to upgrade here: put the cursor on a cluster or a pool"),
    }
}

/// The dialog of a replacement: of the marked machines, of the machine under the cursor, or of all of the pool.
pub fn replace(state: &mut State) {
    if !permissions::allows(state, Action::Replace) {
        return;
    }
    let machines = match state.chosen_machines() {
        machines if machines.is_empty() => None,
        machines => Some(machines),
    };
    let pool = match &machines {
        Some(machines) => {
            let name = machines[0].pool.clone();
            let context = machines[0].uid.context;
            if machines.iter().any(|m| m.pool != name || m.uid.context != context) {
                return state
                    .complain("the marked machines are of several pools: mark those of one, esc takes marks away");
            }
            state.snapshot.pool_of(&machines[0]).cloned()
        }
        None => state.pool_in_reach().cloned(),
    };
    let names = machines.unwrap_or_default().iter().map(|m| m.name.to_string()).collect();
    of_pool(state, Verb::Replace, pool.as_ref(), names);
}

pub fn rollback(state: &mut State) {
    if permissions::allows(state, Action::Rollback) {
        let pool = state.pool_in_reach().cloned();
        let undo = state.undo.clone().filter(|undo| pool.as_ref().is_some_and(|pool| pool.row.uid == undo.pool));
        if let (Some(undo), Some(pool)) = (undo, &pool) {
            return scale_back(state, &undo, pool);
        }
        of_pool(state, Verb::Rollback, pool.as_ref(), Vec::new());
    }
}

/// The last thing that was done to this pool from here was to scale it: the way back is the number from before.
fn scale_back(state: &mut State, undo: &Undo, pool: &PoolNode) {
    let now = pool.row.resource.as_ref().map(|pool| pool.spec.replicas);
    match now {
        Some(now) if now == undo.to => super::dialog::scale(state, Some(undo.from)),
        Some(now) if now == undo.from => state.tell("the change is on its way: try again when it is shown"),
        Some(now) => {
            // What somebody else decided since is not taken back; the next one is about versions again.
            state.undo = None;
            state.complain(format!(
                "{} was scaled to {now} since you made it {}: nothing is taken back, `{}` sets a number",
                pool.row.name,
                undo.to,
                state.keymap.key(Action::Scale)
            ));
        }
        None => state.undo = None,
    }
}

pub fn abort(state: &mut State) {
    if permissions::allows(state, Action::Abort) {
        let pool = state.pool_in_reach().cloned();
        of_pool(state, Verb::Abort, pool.as_ref(), Vec::new());
    }
}

/// Asks whether all that failed in the pool is tried again.
pub fn retry(state: &mut State) {
    let about = state.pool_in_reach().and_then(|pool| {
        let (cluster, pool) = (cluster_of(state, pool)?, Some(pool.row.name.clone()));
        Some(About { verb: Verb::Retry, cluster, pool, machines: Vec::new() })
    });
    let dialog = about.and_then(|about| RolloutDialog::open(about, &state.snapshot, &state.user, state.now));
    let Some(dialog) = dialog else {
        return state.complain("nothing is planned for this pool: it has no ClusterDeployment");
    };
    match dialog.order() {
        Ok(order) => {
            let question = format!("Try again what failed in {}?", dialog.subject());
            let meaning =
                format!("{}; what is done already is not done again", text::plural(order.changes.len(), "operation"));
            change::ask(state, order, &question, &meaning);
        }
        Err(why) => state.complain(why),
    }
}

fn of_pool(state: &mut State, verb: Verb, pool: Option<&Arc<PoolNode>>, machines: Vec<String>) {
    let about = pool.and_then(|pool| {
        let cluster = cluster_of(state, pool)?;
        Some(About { verb, cluster, pool: Some(pool.row.name.clone()), machines })
    });
    match about {
        Some(about) => open(state, about),
        None => {
            let what = verb.title().to_lowercase();
            state.complain(format!("nothing to {what} here: put the cursor on a pool or one of its machines"));
        }
    }
}

fn cluster_of(state: &State, pool: &PoolNode) -> Option<Uid> {
    state.snapshot.cluster_of(&pool.row).map(|node| node.row.uid.clone())
}

fn open(state: &mut State, about: About) {
    match RolloutDialog::open(about, &state.snapshot, &state.user, state.now) {
        Some(mut dialog) => {
            let chosen: Vec<_> = state.chosen_machines();
            let machines = chosen.iter().filter(|_| !dialog.about.machines.is_empty());
            let share = state.share(machines.map(AsRef::as_ref));
            dialog.form.stakes = Stakes { share, ..state.stakes_in(dialog.about.cluster.context) };
            state.overlay = Overlay::Rollout(Box::new(dialog));
        }
        None => state.complain("there is no ClusterDeployment of this cluster: nothing is planned without one"),
    }
}
