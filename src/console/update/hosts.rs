//! The hosts of the view, and the session on a host.

use super::{
    super::{
        hosts::{Answer, HostRow, Hosts, MOST_HOSTS, Stage, Way},
        message::Effect,
        state::{List, State, Subject, View},
        tree::Kept,
    },
    lists, navigate,
};
use crate::{
    api::MachineState,
    fleet::{ContextId, MachineRow, PoolNode, Uid},
};
use std::sync::Arc;

/// Shows the hosts of what the cursor of the fleet is on, and asks them.
pub fn open(state: &mut State) {
    let (mut scope, machines, of) = gather(state);
    if state.view != View::Machines && !state.filter.is_empty() {
        scope = format!("{scope} ({})", state.filter.value());
    }
    state.tickets += 1;
    let row = |(place, machine): (usize, &Arc<MachineRow>)| HostRow {
        uid: machine.uid.clone(),
        name: machine.name.clone(),
        context: state.snapshot.part(machine.uid.context).map(|part| part.name.clone()),
        serves: serves(machine),
        troubled: machine.health.is_problem(),
        place,
        answer: Answer::Awaited,
        at: None,
        stale: false,
        stage: Stage::Due,
    };
    let cursor = state.hosts.list.cursor.clone().filter(|uid| machines.iter().any(|machine| machine.uid == *uid));
    // Whoever opens the view is on the first row: on the worst that is known.
    let index = machines.iter().position(|machine| Some(&machine.uid) == cursor.as_ref()).unwrap_or(0);
    let mut hosts = Hosts {
        round: state.tickets,
        asked_again_at: None,
        scope,
        of,
        rows: machines.iter().enumerate().map(row).collect(),
        sieve: state.hosts.sieve.clone(),
        list: List { cursor, index, top: 0 },
    };
    hosts.remember(&state.hosts, state.now);
    hosts.sift(state.problems_only);
    state.hosts = hosts;
    navigate::view(state, View::Hosts);
}

/// While they are shown, lets answers grow old, and asks those that have come into view or are marked; the list is where it
/// will be drawn.
pub fn ask_visible(state: &mut State) -> Option<Effect> {
    let layout = state.layout();
    if state.view != View::Hosts || state.hosts.rows.is_empty() {
        return None;
    }
    if state.hosts.age(state.now) {
        lists::keep(state);
        let hosts = state.hosts.len();
        lists::scroll(&mut state.hosts.list, hosts, layout.list_height());
        state.revision += 1;
    }
    // Whoever has the list out of sight asks nobody.
    layout.main?;
    let marks = &state.marks;
    let due = state.hosts.due(layout.list_height(), |uid| marks.contains(uid));
    let machine = |uid: &Uid| state.snapshot.machine(uid).map(|machine| Way::to(&state.snapshot, machine));
    let ways: Vec<Way> = due.iter().filter_map(machine).collect();
    let gone: Vec<&Uid> = due.iter().filter(|uid| state.snapshot.machine(uid).is_none()).collect();
    for uid in gone {
        let why = "it is not in the fleet any more".to_owned();
        state.hosts.take(state.hosts.round, uid, Answer::Failed(why), state.now);
    }
    (!ways.is_empty()).then_some(Effect::AskHosts { round: state.hosts.round, ways })
}

/// It is, or is to be, a node whose kubelet runs.
fn serves(machine: &MachineRow) -> bool {
    machine.pool.is_some()
        && matches!(machine.state, MachineState::Ready | MachineState::NotReady | MachineState::Draining)
}

/// Whose machines, the first of them (those with problems before the others), and how many there are.
fn gather(state: &State) -> (String, Vec<Arc<MachineRow>>, usize) {
    let snapshot = &*state.snapshot;
    if state.view == View::Machines {
        let rows = state.table.rows();
        let first = rows.iter().take(MOST_HOSTS).filter_map(|uid| snapshot.machine(uid).cloned());
        return ("the table of machines".to_owned(), first.collect(), rows.len());
    }
    let subject = state.tree_subject();
    if let Subject::Machine(machine) = subject {
        return (machine.name.to_string(), vec![machine.clone()], 1);
    }
    let all = || snapshot.pools().map(|(_, pool)| pool).collect();
    let (scope, pools, free): (String, Vec<&Arc<PoolNode>>, Vec<ContextId>) = match subject {
        Subject::Pool(node) => (node.row.name.to_string(), vec![node], Vec::new()),
        Subject::Cluster(node) => (node.row.name.to_string(), node.pools.iter().collect(), Vec::new()),
        Subject::Idle(context) => ("idle machines".to_owned(), Vec::new(), vec![context]),
        Subject::Context(context) => {
            let part = snapshot.clusters[snapshot.range(context)].iter().flat_map(|cluster| &cluster.pools);
            (state.context(context).place.context.clone(), part.collect(), vec![context])
        }
        _ => (state.title(), all(), snapshot.contexts().collect()),
    };
    let mut gathered = Gathered::default();
    for pool in pools {
        gathered.pool(state, pool);
    }
    for (context, idle) in free.into_iter().filter_map(|context| Some((context, snapshot.idle(context)?))) {
        match state.sifter.matches().map(|matches| matches.idle.get(&context)) {
            None => gathered.some(idle.iter(), idle.len()),
            Some(None) => {}
            Some(Some(at)) => gathered.some(at.iter().filter_map(|at| idle.at(*at as usize)), at.len()),
        }
    }
    let Gathered { mut first, rest, of } = gathered;
    first.extend(rest);
    first.truncate(MOST_HOSTS);
    (scope, first, of)
}

/// Never more than are shown, of each kind.
#[derive(Default)]
struct Gathered {
    first: Vec<Arc<MachineRow>>,
    rest: Vec<Arc<MachineRow>>,
    of: usize,
}

impl Gathered {
    fn pool(&mut self, state: &State, pool: &PoolNode) {
        match state.sifter.matches().map(|matches| matches.pools.get(&pool.row.uid)) {
            Some(None) => {}
            Some(Some(Kept::Machines(at))) => {
                self.some(at.iter().filter_map(|at| pool.machines.at(*at as usize)), at.len());
            }
            _ => self.some(pool.machines.iter(), pool.machines.len()),
        }
    }

    /// Problems are first in every list.
    fn some<'a>(&mut self, machines: impl Iterator<Item = &'a Arc<MachineRow>>, of: usize) {
        self.of += of;
        for machine in machines.take(MOST_HOSTS) {
            let into = if machine.health.is_problem() { &mut self.first } else { &mut self.rest };
            if into.len() < MOST_HOSTS {
                into.push(machine.clone());
            }
        }
    }
}

/// Asks those that can be seen again, with host keys and key files as they are now.
pub fn ask_again(state: &mut State) {
    if state.view != View::Hosts {
        return state
            .complain("hosts are asked from their view, and from the page that says why a machine is not Ready");
    }
    if state.hosts.rows.is_empty() {
        return open(state);
    }
    let (height, marks) = (state.layout().list_height(), &state.marks);
    state.tickets += 1;
    state.hosts.ask_again(state.tickets, height, state.now, |uid| marks.contains(uid));
}

/// Enter: to the machine of the host.
pub fn go_to(state: &mut State) {
    let Some(row) = state.hosts.selected().cloned() else { return };
    if !navigate::reveal(state, &row.uid) {
        state.complain(format!("{} is not in the fleet any more", row.name));
    }
}

/// Opens a session on the machine in reach.
pub fn visit(state: &mut State) -> Vec<Effect> {
    match state.machine_in_reach() {
        Some(machine) => vec![Effect::Visit(Way::to(&state.snapshot, machine))],
        None => {
            state.complain("a session is opened on one machine: put the cursor on it");
            Vec::new()
        }
    }
}

/// What came of a session.
pub fn visited(state: &mut State, name: &str, outcome: Result<i32, String>) {
    match outcome {
        Ok(0) => state.tell(format!("the session on {name} has ended")),
        // OpenSSH's own failures; what a shell ends with is its last command's.
        Ok(255) => state
            .complain(format!("the session on {name} ended with status 255: `ssh` has said why, or the line broke")),
        Ok(code) => state.tell(format!("the session on {name} ended with status {code}")),
        Err(why) => state.complain(why),
    }
}
