//! The upper part of the dialog of a rollout: versions, stages, batches, time, what to know first, what the server says.

use super::{
    super::{
        super::{
            form::Field,
            rollout::{RolloutDialog, Verb},
            state::State,
            text,
        },
        pen::{Pen, Strip},
    },
    LABEL, drains, label, opinion,
};
use crate::{
    config::Role,
    fleet::Health,
    plan::{
        lifecycle::{PoolPreview, Preview, StagePreview, WindowPreview},
        rollout::preview::Batch,
    },
};

/// Machines of a list that are named.
const NAMED: usize = 8;

/// All above the rule: it may be longer than the screen is high. `short` leaves out what can be done without.
pub fn lines(pen: &Pen, state: &State, dialog: &RolloutDialog, width: usize, short: bool) -> Vec<Strip> {
    let mut lines = Vec::new();
    if dialog.about.verb == Verb::Upgrade {
        lines.extend(version(pen, dialog, width));
    }
    if !dialog.about.machines.is_empty() {
        lines.push(label("machines").add(text::cut(&named(&dialog.about.machines), width - LABEL), Role::Text));
    }
    for sentence in dialog.under_way() {
        lines.extend(marked(pen, Health::Moving, &sentence, width));
    }
    match &dialog.preview {
        Err(refusal) => lines.extend(marked(pen, Health::Bad, refusal, width)),
        Ok(preview) => {
            // What would go wrong before how it goes: on a small screen the rest is a page away.
            lines.extend(sums(pen, preview, width));
            lines.extend(drains::risks(pen, dialog, width, short));
            lines.extend(preview.stages.iter().enumerate().flat_map(|(i, one)| stage(pen, i + 1, one, width, short)));
            lines.extend(drains::notes(pen, state, dialog, width));
        }
    }
    if !short {
        lines.push(Strip::of(pen.glyphs.rule().repeat(width), Role::Border));
    }
    lines.extend(opinion::lines(pen, state, dialog, width, short));
    lines
}

/// From what to what, and what else there is.
fn version(pen: &Pen, dialog: &RolloutDialog, width: usize) -> Vec<Strip> {
    let now: Vec<String> = match dialog.versions.len() {
        0 | 1 => dialog.versions.keys().map(ToString::to_string).collect(),
        _ => dialog.versions.iter().map(|(version, count)| format!("{version} ×{count}")).collect(),
    };
    let now = text::cut(&now.join(", ").replace('×', if pen.glyphs.is_ascii() { "x" } else { "×" }), width / 2);
    let wanted = text::clean(dialog.version.value());
    let focus = dialog.form.focus == Field::Value;
    let chosen = label("version")
        .add(format!("{now} {} ", pen.glyphs.arrow()), Role::Text)
        .add(format!("[ {wanted} ]"), if focus { Role::Cursor } else { Role::Title });
    let offered: Vec<String> = dialog.offered.iter().rev().map(ToString::to_string).collect();
    let keys = if pen.glyphs.is_ascii() { "up/down" } else { "↑↓" };
    let hint = if offered.is_empty() {
        "none is listed in spec.artifacts.versions: type one".to_owned()
    } else {
        format!("{}   {keys}, or type one", text::cut(&offered.join("  "), width.saturating_sub(LABEL + 26)))
    };
    vec![chosen, label("on offer").add(hint, Role::Muted)]
}

/// When it begins at all, how long, how many, and what to know first.
fn sums(pen: &Pen, preview: &Preview, width: usize) -> Vec<Strip> {
    let mut lines: Vec<Strip> = preview.window.iter().flat_map(|seen| window(seen, width)).collect();
    if preview.machines > 0 {
        lines.push(time(pen, preview));
    }
    for warning in &preview.warnings {
        lines.extend(marked(pen, Health::Warning, warning, width));
    }
    lines
}

/// The maintenance window, and the key that has it waited for or not, where that makes a difference.
fn window(window: &WindowPreview, width: usize) -> Vec<Strip> {
    let role = if window.is_in_the_way { Role::Warning } else { Role::Text };
    let line = label("window").add(text::cut(&window.words(text::duration), width - LABEL), role);
    if !window.is_in_the_way && !window.is_overridden {
        return vec![line];
    }
    let meaning = if window.is_overridden { "waits for it" } else { "begins now" };
    let hint = |strip: Strip| strip.add("ctrl-n ", Role::Key).add(meaning, Role::Muted);
    if line.width() + text::width(meaning) + 9 <= width {
        return vec![hint(line.add("  ", Role::Text))];
    }
    vec![line, hint(label(""))]
}

/// One stage: which pools go from what to what, each with its batches.
fn stage(pen: &Pen, number: usize, stage: &StagePreview, width: usize, short: bool) -> Vec<Strip> {
    let mut lines = Vec::new();
    let versions = match (stage.from.as_str(), stage.to.as_str()) {
        ("", "") => String::new(),
        (from, to) => format!("{from} {} {to}   ", pen.glyphs.arrow()),
    };
    for (i, pool) in stage.pools.iter().enumerate() {
        let head = if i == 0 { format!("stage {number}") } else { String::new() };
        let numbers = format!(
            "{}, {} of surge, {} missing at most",
            text::plural(usize::try_from(pool.machines).unwrap_or(0), "machine"),
            pool.surge,
            pool.unavailable
        );
        let line = label(&head)
            .add(text::clean(&pool.pool), Role::Title)
            .add(format!("   {versions}{}   ", pool.strategy), Role::Text);
        let room = width.saturating_sub(line.width());
        if text::width(&numbers) <= room {
            lines.push(line.add(numbers, Role::Muted));
        } else {
            lines.push(line);
            lines.push(label("").add(text::cut(&numbers, width - LABEL), Role::Muted));
        }
        lines.extend(batches(pen, pool, width, short));
        if let Some(brake) = &pool.brake {
            lines.extend(marked(pen, Health::Warning, brake, width));
        }
    }
    lines
}

/// What is done together, as runs of equal batches, and the worst that happens meanwhile.
fn batches(pen: &Pen, pool: &PoolPreview, width: usize, short: bool) -> Vec<Strip> {
    if pool.batches.is_empty() {
        return Vec::new();
    }
    let ascii = pen.glyphs.is_ascii();
    let words: Vec<String> = pool.batches.iter().map(|batch| moves(batch, ascii)).collect();
    let words = runs(&words, if ascii { "x" } else { "×" });
    let more = if pool.is_cut { ", and more" } else { "" };
    let all =
        format!("{}: {}", text::plural(pool.batches.len(), "batch").replace("batchs", "batches"), words.join(", "));
    let mut lines = vec![label("").add(text::cut(&format!("{all}{more}"), width - LABEL), Role::Text)];
    let least = pool.batches.iter().map(|b| b.available).min().unwrap_or(0);
    let mut worst = format!("at least {least} serve");
    if let Some(skew) = pool.batches.iter().filter_map(|b| b.skew).max().filter(|skew| *skew > 0) {
        worst += &format!("; kubelets {skew} minor behind the control plane at most");
    }
    if let Some(quorum) = pool.batches.iter().find_map(|b| b.quorum.as_deref()) {
        worst += &format!("; {quorum}");
    }
    if !short || pool.batches.iter().any(|b| b.quorum.is_some()) {
        lines.extend(text::wrap(&worst, width - LABEL).into_iter().map(|part| label("").add(part, Role::Muted)));
    }
    lines
}

/// What comes several times in a row is said once, also where two take turns: `(+1, −1) ×6`.
fn runs(words: &[String], times: &str) -> Vec<String> {
    let mut said = Vec::new();
    let mut rest = words;
    while let Some(first) = rest.first() {
        let repeats = |period: usize| rest.chunks_exact(period).take_while(|chunk| *chunk == &rest[..period]).count();
        let (alone, turns) = (repeats(1), if rest.len() > 1 { repeats(2) } else { 0 });
        let (taken, word) = match (alone, turns) {
            (1, 2..) => (turns * 2, format!("({first}, {}) {times}{turns}", rest[1])),
            (1, _) => (1, first.clone()),
            (count, _) => (count, format!("{first} {times}{count}")),
        };
        said.push(word);
        rest = &rest[taken..];
    }
    said
}

/// What one batch does: joins, leaves, is upgraded where it is.
fn moves(batch: &Batch, ascii: bool) -> String {
    let part = |sign: &str, count: i32| (count > 0).then(|| format!("{sign}{count}"));
    let parts = [
        part("+", batch.claim),
        part(if ascii { "-" } else { "−" }, batch.remove),
        part(if ascii { "^" } else { "↑" }, batch.upgrade),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn time(pen: &Pen, preview: &Preview) -> Strip {
    let drained = format!("   {} drained", text::plural(usize::try_from(preview.machines).unwrap_or(0), "machine"));
    let strip = label("time");
    let strip = match preview.estimate {
        Some((typical, slow)) => {
            let about = if pen.glyphs.is_ascii() { "about" } else { "≈" };
            let said = format!("all {about} {}, slow case {}", text::duration(typical), text::duration(slow));
            strip.add(said, Role::Text)
        }
        None => strip.add("not known: it was never done here yet", Role::Muted),
    };
    strip.add(drained, Role::Muted)
}

/// A sentence with its shape, on as many lines as it takes.
pub fn marked(pen: &Pen, health: Health, sentence: &str, width: usize) -> Vec<Strip> {
    let role = super::super::tree::role(health);
    let parts = text::wrap(sentence, width.saturating_sub(LABEL + 2));
    let mark = |row: usize| if row == 0 { format!("{} ", pen.glyphs.health(health)) } else { "  ".to_owned() };
    parts.iter().enumerate().map(|(row, part)| label("").add(mark(row), role).add(part.clone(), role)).collect()
}

fn named(machines: &[String]) -> String {
    let more = machines.len().saturating_sub(NAMED);
    let mut words: Vec<String> = machines.iter().take(NAMED).cloned().collect();
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_said_once() {
        let said = |words: &str| runs(&words.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>(), "×").join(", ");
        assert_eq!(said("+1"), "+1");
        assert_eq!(said("↑1 ↑1 ↑1"), "↑1 ×3");
        assert_eq!(said("+1 −1 +1 −1 +1 −1"), "(+1, −1) ×3");
        assert_eq!(said("+2 −2 +2 −2 +1 −1"), "(+2, −2) ×2, +1, −1");
        assert_eq!(said("+1 −1"), "+1, −1");
    }
}
