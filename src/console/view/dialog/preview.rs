//! The upper part of the scale dialog: how many, from where, what will happen, and what the server says to it.

use super::{
    super::{
        super::{form::Field, scale::ScaleDialog, state::State, text},
        pen::{Pen, Strip},
    },
    LABEL, label, opinion,
};
use crate::{
    api::{MachineReference, OperationState, OperationType},
    config::Role,
    fleet::{Health, OperationRow},
};

/// All above the rule: it may be longer than the screen is high. `short` leaves out what can be done without.
pub fn lines(pen: &Pen, state: &State, dialog: &ScaleDialog, width: usize, short: bool) -> Vec<Strip> {
    let mut lines = vec![stepper(pen, dialog, width), inventory(pen, dialog, width)];
    lines.extend(plan(dialog, width));
    if !short && !dialog.plan.is_done() {
        lines.push(label("phases").add(phases(pen, state, dialog, width), Role::Muted));
    }
    lines.push(time(state, dialog));
    for warning in dialog.warnings() {
        for (i, part) in text::wrap(&warning, width - LABEL - 2).into_iter().enumerate() {
            let mark = if i == 0 { format!("{} ", pen.glyphs.health(Health::Warning)) } else { "  ".into() };
            lines.push(label("").add(mark, Role::Warning).add(part, Role::Warning));
        }
    }
    if !short {
        lines.push(Strip::of(pen.glyphs.rule().repeat(width), Role::Border));
    }
    lines.extend(opinion::lines(pen, state, dialog, width, short));
    lines
}

fn stepper(pen: &Pen, dialog: &ScaleDialog, width: usize) -> Strip {
    let difference = dialog.replicas - dialog.from();
    let focus = dialog.form.focus == Field::Value;
    let mut strip = label("replicas")
        .add(format!("{} {} ", dialog.from(), pen.glyphs.arrow()), Role::Text)
        .add(format!("[ {} ]", dialog.replicas), if focus { Role::Cursor } else { Role::Title });
    let role = if difference < 0 { Role::Warning } else { Role::Good };
    if difference != 0 {
        strip.push(format!("  {difference:+}"), role);
    }
    if width > 60 {
        strip = strip.tab(40);
        let keys = if pen.glyphs.is_ascii() {
            "up/down 1   PgUp/PgDn 10   digits"
        } else {
            "↑↓ ±1   PgUp/PgDn ±10   digits"
        };
        strip.push(keys, Role::Muted);
    }
    strip
}

fn inventory(pen: &Pen, dialog: &ScaleDialog, width: usize) -> Strip {
    let uses = dialog.plan.claims.len();
    let idle = dialog.idle;
    let selector: Vec<String> = dialog
        .pool
        .spec
        .machine_selector
        .iter()
        .map(|(k, v)| format!("{}={}", k.rsplit('/').next().unwrap_or(k), v))
        .collect();
    let kind = if selector.is_empty() { String::new() } else { format!("{} ", text::cut(&selector.join(" "), 18)) };
    let fraction = if idle == 0 { f64::from(u8::from(dialog.plan.shortfall > 0)) } else { uses as f64 / idle as f64 };
    let (used, free) = text::bar(fraction, if width > 60 { 20 } else { 6 }, pen.glyphs.is_ascii());
    let short = dialog.plan.shortfall > 0;
    let mut strip = label("inventory")
        .add(format!("{kind}{} idle ", text::number(idle)), Role::Text)
        .add(used, if short { Role::Warning } else { Role::Accent })
        .add(free, Role::Muted);
    if short {
        strip.push(format!(" {} missing ", dialog.plan.shortfall), Role::Warning);
        strip.push(pen.glyphs.health(Health::Warning), Role::Warning);
    } else if uses > 0 {
        strip.push(format!(" uses {uses}, leaves {} ", idle.saturating_sub(uses)), Role::Muted);
        strip.push(pen.glyphs.health(Health::Good), Role::Good);
    }
    strip
}

/// What the controller will do: the same function decides.
fn plan(dialog: &ScaleDialog, width: usize) -> Vec<Strip> {
    let plan = &dialog.plan;
    let machines = |machines: &[MachineReference]| -> Vec<String> { machines.iter().map(|m| m.name.clone()).collect() };
    let victims = plan.victims.iter().map(|victim| victim.machine.name.clone()).collect();
    let rows = [
        ("claims", machines(&plan.claims), Role::Good),
        ("joins", machines(&plan.joins), Role::Good),
        ("drains", victims, Role::Warning),
        ("releases", machines(&plan.releases), Role::Text),
        ("then", machines(&plan.waiting), Role::Text),
    ];
    let room = width.saturating_sub(LABEL + 6);
    let mut lines: Vec<Strip> = rows
        .into_iter()
        .filter(|(_, names, _)| !names.is_empty())
        .map(|(what, names, role)| {
            let count = format!("{:>4}  ", names.len());
            label(what).add(count, role).add(text::cut(&listed(&names, room), room), Role::Text)
        })
        .collect();
    if plan.left_to_rollout > 0 {
        let count = format!("{:>4}  ", plan.left_to_rollout);
        let which = text::cut("old machines first: the rollout that is under way decides", room);
        lines.push(label("drains").add(count, Role::Warning).add(which, Role::Text));
    }
    if lines.is_empty() { vec![label("plan").add("nothing to do", Role::Muted)] } else { lines }
}

/// The phases of the machines that join or leave, as far as any have been seen.
fn phases(pen: &Pen, state: &State, dialog: &ScaleDialog, width: usize) -> String {
    let arrow = if pen.glyphs.is_ascii() { " > " } else { " ▸ " };
    let plan = &dialog.plan;
    let grows = !plan.claims.is_empty() || !plan.joins.is_empty();
    let leaves = !plan.victims.is_empty() || plan.left_to_rollout > 0;
    // What there is nothing to do for now is told by the number.
    let shrinks = leaves || !grows && dialog.replicas < dialog.from();
    let wanted = if shrinks { OperationType::ScaleDown } else { OperationType::ScaleUp };
    // One that is at work, or has failed, has not been through all of them.
    let is_whole = |o: &OperationRow| o.state == OperationState::Succeeded && !o.phase_durations.is_empty();
    let known = state.snapshot.operations.iter().find(|o| o.type_ == wanted && is_whole(o));
    let names: Vec<&str> = match known {
        Some(operation) => operation.phase_durations.iter().map(|p| p.phase.as_str()).collect(),
        None if shrinks => vec!["cordon", "drain", "reset", "release"],
        None => vec!["claim", "provision by the runbook", "join", "node Ready"],
    };
    let prefix = if known.is_some() && shrinks { vec!["Drain"] } else { Vec::new() };
    text::cut(&prefix.into_iter().chain(names).collect::<Vec<_>>().join(arrow), width.saturating_sub(LABEL))
}

fn time(state: &State, dialog: &ScaleDialog) -> Strip {
    let strip = label("time");
    match dialog.plan.estimate {
        Some(estimate) => strip
            .add(
                format!(
                    "all ≈ {}, slow case {}",
                    text::short_duration(estimate.typical.as_millis() as i64),
                    text::short_duration(estimate.slow.as_millis() as i64)
                )
                .replace('≈', if state.glyphs.is_ascii() { "about" } else { "≈" }),
                Role::Text,
            )
            .add(format!("   from {}", text::plural(estimate.samples.unsigned_abs() as usize, "machine")), Role::Muted),
        None if dialog.plan.is_done() => strip,
        None => strip.add("not known: it was never done here yet", Role::Muted),
    }
}

/// As many names as fit, or the first and the last.
fn listed(names: &[String], room: usize) -> String {
    let all = names.join(", ");
    match names {
        [first, .., last] if text::width(&all) > room => format!("{first} … {last}"),
        _ => all,
    }
}
