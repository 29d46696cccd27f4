//! What the drains of a rollout would meet: budgets as a table, and in sentences what blocks, is lost or takes longer.

use super::{
    super::{
        super::{rollout::RolloutDialog, state::State, text},
        pen::{Pen, Strip},
    },
    LABEL, label,
    rollout::marked,
};
use crate::{
    config::Role,
    fleet::Health,
    plan::forecast::{BudgetDemand, Effect, Finding, FindingKind, Severity},
};

/// Budgets that the table names.
const ROWS: usize = 8;
const ROWS_IF_SHORT: usize = 4;
const NUMBERS: usize = 8;
const EFFECT: usize = 24;
const COUNTING: &str = "the pods of this cluster are being counted …";
const COUNTS_WHEN_ARMED: &str = "to have them counted is a small write: ctrl-o arms, and asks for it";

/// What a person should know before, worst first.
pub fn risks(pen: &Pen, dialog: &RolloutDialog, width: usize, short: bool) -> Vec<Strip> {
    let mut lines = Vec::new();
    if let Ok(preview) = &dialog.preview {
        lines.extend(table(pen, &preview.budgets, width, if short { ROWS_IF_SHORT } else { ROWS }));
    }
    let told = |finding: &&Finding| finding.severity < Severity::Notes && !is_in_table(finding);
    for finding in dialog.findings.iter().filter(told) {
        let health = if finding.severity == Severity::Blocks { Health::Bad } else { Health::Warning };
        lines.extend(marked(pen, health, &finding.sentence, width));
    }
    lines
}

/// What is good to know, and what is not known.
pub fn notes(pen: &Pen, state: &State, dialog: &RolloutDialog, width: usize) -> Vec<Strip> {
    let mut lines = Vec::new();
    for finding in dialog.findings.iter().filter(|f| f.severity == Severity::Notes) {
        let sentence = match finding.kind {
            FindingKind::Incomplete if dialog.is_counting(state.now) => COUNTING,
            _ => finding.sentence.as_str(),
        };
        lines.extend(marked(pen, Health::Idle, sentence, width));
        if finding.kind == FindingKind::Incomplete && !state.is_armed() {
            lines.extend(marked(pen, Health::Idle, COUNTS_WHEN_ARMED, width));
        }
    }
    lines
}

/// There is no way out to be told, only that it takes longer: that the table says.
fn is_in_table(finding: &Finding) -> bool {
    finding.kind == FindingKind::OneAfterAnother
}

fn table(pen: &Pen, budgets: &[BudgetDemand], width: usize, rows: usize) -> Vec<Strip> {
    if budgets.is_empty() {
        return Vec::new();
    }
    let name = width.saturating_sub(LABEL + 2 + 2 * NUMBERS + 2 + EFFECT);
    let head = format!(
        "  {}{}{}  {}",
        text::left("PDB", name),
        text::right("ALLOWS", NUMBERS),
        text::right("A BATCH", NUMBERS),
        text::left("EFFECT", EFFECT)
    );
    let mut lines = vec![label("budgets").add(head, Role::Muted)];
    for one in budgets.iter().take(rows) {
        let health = health(one.effect);
        let role = super::super::tree::role(health);
        lines.push(
            label("")
                .add(format!("{} ", pen.glyphs.health(health)), role)
                .add(text::left(&text::clean(&one.budget), name), Role::Text)
                .add(text::right(&one.allowed.to_string(), NUMBERS), Role::Text)
                .add(text::right(&one.in_batch.to_string(), NUMBERS), Role::Text)
                .add(format!("  {}", text::cut(&words(one), EFFECT)), role),
        );
    }
    let more = budgets.len().saturating_sub(rows);
    if more > 0 {
        lines.push(label("").add(format!("  … {more} more, none of them worse"), Role::Muted));
    }
    lines
}

fn health(effect: Effect) -> Health {
    match effect {
        Effect::Never => Health::Bad,
        Effect::Waits => Health::Warning,
        Effect::Slows => Health::Moving,
        Effect::Fine => Health::Good,
    }
}

fn words(demand: &BudgetDemand) -> String {
    match demand.effect {
        Effect::Never => "never lets a pod go".to_owned(),
        Effect::Waits => format!("waits: {} of {} healthy", demand.healthy, demand.expected),
        Effect::Slows => "one after another".to_owned(),
        Effect::Fine => "ok".to_owned(),
    }
}
