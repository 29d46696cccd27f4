//! A machine: where it is, what it is, its phases against what is usual, what stands in the way, what to do next.

use super::{
    super::{
        gantt,
        pen::Strip,
        tree::{is_cordoned, role, since_of},
    },
    Panel, Room, alike,
};
use crate::{
    api::{DrainStatus, Machine, MachineState},
    config::Role,
    console::{action::Action, contexts::as_of, glyphs::Glyphs, maintenance, state::State, text},
    fleet::{Health, MachineRow},
};

pub fn panels(glyphs: Glyphs, state: &State, machine: &MachineRow, room: Room) -> Vec<Panel> {
    let resource = state.resource_of(machine).map(AsRef::as_ref);
    let mut panels = vec![facts(glyphs, state, machine, resource, room)];
    if machine.phases.is_empty() {
        let words = resource.filter(|_| machine.drain.is_none()).map_or("", |_| "no phases are recorded");
        if let Some(restored) = resource.map(|m| restored(m, machine)).filter(|m| !m.phases.is_empty()) {
            panels.push(phases(glyphs, state, &restored, room));
        } else if !words.is_empty() && !room.tight {
            panels.push(Panel::new("Phases", vec![Strip::of(words, Role::Muted)]));
        }
    } else {
        panels.push(phases(glyphs, state, machine, room));
    }
    if let Some(drain) = machine.drain.as_deref() {
        panels.push(drain_panel(glyphs, state, drain, room));
    }
    if let Some(resource) = resource {
        panels.extend(conditions(glyphs, state, resource, room));
    }
    panels
}

/// The row with the phases of the resource, which rows of settled machines do not keep.
fn restored(resource: &Machine, row: &MachineRow) -> MachineRow {
    let projected = MachineRow::project(resource.clone(), &mut crate::fleet::Interner::default());
    MachineRow { phases: projected.phases, ..row.clone() }
}

fn phases(glyphs: Glyphs, state: &State, machine: &MachineRow, room: Room) -> Panel {
    let history = state.snapshot.history(machine.uid.context);
    let lines = gantt::phases(glyphs, machine, history, as_of(state, machine.uid.context), room.width);
    let operation = machine.operation.as_deref().map(|o| text::cut(o, 40)).unwrap_or_default();
    Panel::new("Phases", lines).right(Strip::of(operation, Role::Muted))
}

fn facts(glyphs: Glyphs, state: &State, machine: &MachineRow, resource: Option<&Machine>, room: Room) -> Panel {
    let mut lines = Vec::new();
    let user = machine.user.as_deref().map(|u| format!("{u}@")).unwrap_or_default();
    let mut host = Strip::new().fact("host", format!("{user}{}:{}", machine.address, machine.port), Role::Text);
    if let Some(capacity) = &machine.capacity {
        let gpu = capacity.gpu.map(|n| format!("  {n} GPU")).unwrap_or_default();
        host = host.fact(
            "capacity",
            format!("{} cores  {} GiB{gpu}", capacity.cpu, capacity.memory_gibibytes),
            Role::Text,
        );
    }
    lines.extend(host.flow(room.width));
    lines.extend(node(machine).flow(room.width));
    if !room.tight {
        let place =
            [machine.cluster.as_deref(), machine.pool.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" › ");
        let mut claim = Strip::new().fact("claimed by", if place.is_empty() { "nobody" } else { &place }, Role::Text);
        if let Some(at) = machine.claimed_at {
            claim = claim.fact("since", text::duration(text::seconds_between(at, state.now)), Role::Text);
        }
        if let Some(revision) = &machine.revision {
            claim = claim.fact("revision", revision, Role::Text);
        }
        if machine.marked_for_replacement.is_some() {
            claim = claim.fact("to be", "replaced", Role::Moving);
        }
        if let Some(care) = &machine.maintenance {
            let what = if care.drain { "drained" } else { "cordoned" };
            claim = claim.fact(what, format!("by {}", care.by.as_deref().unwrap_or("somebody")), Role::Warning);
        }
        lines.extend(claim.flow(room.width));
        let labels: Vec<String> = machine.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        lines.push(Strip::new().fact("labels", text::cut(&labels.join(" "), room.width.saturating_sub(8)), Role::Text));
        if let Some(facts) = resource.and_then(|m| m.status.as_ref()).map(|s| &s.facts).filter(|f| !f.is_empty()) {
            let facts: Vec<String> = facts.iter().map(|(k, v)| format!("{k}={v}")).collect();
            lines.push(Strip::new().fact(
                "facts",
                text::cut(&facts.join("  "), room.width.saturating_sub(8)),
                Role::Text,
            ));
        }
    }
    if let Some(message) = &machine.message {
        let role = if machine.health.is_problem() { role(machine.health) } else { Role::Muted };
        // What is all in one frame is scrolled.
        let most = if room.tight { usize::MAX } else { (room.height / 4).max(4) };
        lines.extend(text::wrap_to(message, room.width, most).into_iter().map(|part| Strip::of(part, role)));
    }
    if let Some(group) = state.failures.of(&machine.uid).filter(|group| group.machines.len() > 1) {
        lines.push(Strip::of(text::cut(&alike::sentence(state, group), room.width), Role::Warning));
    }
    if let Some(next) = next_step(state, machine) {
        let parts = text::wrap(&next, room.width.saturating_sub(2)).into_iter().enumerate();
        let mark = |row: usize| if row == 0 { glyphs.now() } else { " " };
        lines.extend(parts.map(|(row, part)| Strip::of(format!("{} {part}", mark(row)), Role::Accent)));
    }
    let now = as_of(state, machine.uid.context);
    let word = if is_cordoned(machine) { "Ready, cordoned" } else { machine.state.as_str() };
    let since =
        since_of(machine).map(|at| format!(" {}", text::duration(text::seconds_between(at, now)))).unwrap_or_default();
    let mut panel = Panel::new(text::clean(&machine.name), lines)
        .right(Strip::of(format!("{} {word}{since}", glyphs.health(machine.health)), role(machine.health)));
    panel.title.push("   Machine", Role::Muted);
    if machine.simulated {
        panel.title.push("   simulated", Role::Simulated);
    }
    panel
}

fn node(machine: &MachineRow) -> Strip {
    let Some(node) = &machine.node else { return Strip::new().fact("node", "none", Role::Muted) };
    let (word, role) = match node.ready {
        Some(true) => ("Ready", Role::Good),
        Some(false) => ("NotReady", Role::Bad),
        None => ("unknown", Role::Warning),
    };
    let mut strip =
        Strip::new().fact("node", node.name.as_deref().unwrap_or("–"), Role::Text).add(format!(" {word}"), role);
    if node.unschedulable {
        strip.push(" cordoned", Role::Warning);
    }
    if let Some(version) = &node.version {
        strip = strip.fact("kubelet", version, Role::Text);
    }
    strip
}

/// What a person can do now.
fn next_step(state: &State, machine: &MachineRow) -> Option<String> {
    let key = |action| state.keymap.key(action);
    Some(match machine.state {
        MachineState::Failed => {
            format!("`{}` says why, `{}` on the operation tries again", key(Action::Why), key(Action::Retry))
        }
        MachineState::NotReady => {
            format!("its node does not answer: `{}` says why, `{}` goes there", key(Action::Why), key(Action::Ssh))
        }
        MachineState::Draining if machine.health == Health::Warning => {
            let choices = [Action::DrainWait, Action::DrainSkip, Action::DrainHint, Action::DrainForce];
            let waits = machine.drain.as_deref().and_then(maintenance::waits).is_some();
            let left = choices.into_iter().filter(|choice| !waits || *choice != Action::DrainWait);
            let words: Vec<String> = left.map(|choice| format!("`{}` {}", key(choice), choice.entry().hint)).collect();
            format!("its drain is blocked: {}", words.join(", "))
        }
        _ if machine.is_stuck(state.now) => {
            format!("longer in {} than that should take: `{}` shows its log", machine.state.as_str(), key(Action::Logs))
        }
        _ => return None,
    })
}

fn drain_panel(glyphs: Glyphs, state: &State, drain: &DrainStatus, room: Room) -> Panel {
    let left = text::seconds_between(state.now, drain.deadline.0);
    let gone = drain.pods_total - drain.pods_left;
    let first = Strip::new().fact("pods gone", format!("{gone}/{}", drain.pods_total), Role::Text).fact(
        "since",
        text::when(drain.started_at.0, state.now),
        Role::Text,
    );
    let mut lines = vec![match maintenance::waits(drain) {
        Some(_) => first.fact("deadline", "does not count", Role::Text),
        None => first.fact("deadline in", text::duration(left), if left < 60 { Role::Warning } else { Role::Text }),
    }];
    if let Some(decision) = &drain.choice {
        let who = decision.by.as_deref().unwrap_or("somebody");
        let said = format!("{:?} by {} at {}", decision.choice, text::clean(who), text::when(decision.at.0, state.now));
        lines.push(Strip::new().fact("decided", said, Role::Accent));
    }
    for blocker in &drain.blockers {
        // One that allows some is in the way together with another: its number would say the opposite of the sentence below.
        let budget = blocker.pdb.as_deref().map(|pdb| match blocker.disruptions_allowed {
            Some(1..) => format!("  PDB {pdb}"),
            Some(none) => format!("  PDB {pdb} allows {none}"),
            None => format!("  PDB {pdb} allows ?"),
        });
        let since = blocker.since.as_ref().map(|at| text::duration(text::seconds_between(at.0, state.now)));
        let since = since.map(|since| format!(", since {since}")).unwrap_or_default();
        lines.push(Strip::of(
            text::cut(
                &format!("{} {}{}{since}", glyphs.health(Health::Warning), blocker.pod, budget.unwrap_or_default()),
                room.width,
            ),
            Role::Warning,
        ));
        let hint = blocker.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let why = text::wrap_to(&format!("{}{hint}", blocker.message), room.width.saturating_sub(2), 3);
        lines.extend(why.into_iter().map(|part| Strip::of(format!("  {part}"), Role::Muted)));
    }
    Panel::new(format!("Drain {}", if drain.blockers.is_empty() { "" } else { "blocked" }), lines)
}

fn conditions(glyphs: Glyphs, state: &State, resource: &Machine, room: Room) -> Option<Panel> {
    let conditions = &resource.status.as_ref()?.conditions;
    let lines = conditions.iter().map(|condition| {
        let (health, word) = match condition.status.as_str() {
            "True" => (if condition.type_ == "DrainBlocked" { Health::Warning } else { Health::Good }, "True"),
            "False" => (if condition.type_ == "DrainBlocked" { Health::Good } else { Health::Bad }, "False"),
            _ => (Health::Warning, "Unknown"),
        };
        let since = text::duration(text::seconds_between(condition.last_transition_time.0, state.now));
        Strip::of(format!("{} ", glyphs.health(health)), role(health))
            .add(text::left(&condition.type_, 16), Role::Text)
            .add(format!(" {} {} ", text::left(word, 7), text::right(&since, 7)), Role::Muted)
            .add(
                text::cut(&format!("{}  {}", condition.reason, condition.message), room.width.saturating_sub(36)),
                Role::Text,
            )
    });
    let lines: Vec<Strip> = lines.collect();
    (!lines.is_empty()).then(|| Panel::new("Conditions", lines))
}
