//! The page that says why a machine is not Ready: the causes on top, the merged log and journals below.

use super::{
    super::{
        action::Action,
        contexts::{is_stale, staleness},
        hosts::journal::UNITS,
        state::State,
        text,
        why::{self, Why},
    },
    feed::log_rows,
    pen::{Pen, Strip, row_of},
    tree::role,
};
use crate::{config::Role, fleet::Health};
use ratatui::layout::Rect;

/// Lines of one cause at most, where there is no room for all of them.
const CAUSE_LINES: usize = 3;
/// Rows that the journals keep.
const JOURNAL_ROWS: u16 = 5;
/// The same of what keeps the journals from us.
const ENDING_LINES: usize = 4;

pub fn draw(pen: &mut Pen, state: &State, page: &Why, area: Rect) {
    let (upper, lower) = split(state, page, area);
    summary(pen, state, page, upper);
    journals(pen, state, page, lower);
}

/// Lines of journals that can be seen.
pub fn journal_height(state: &State) -> usize {
    match (&state.why, state.layout().feed) {
        (Some(page), Some(area)) => {
            let ended = ending(state, page, usize::from(area.width).saturating_sub(2)).len();
            usize::from(split(state, page, area).1.height).saturating_sub(2 + ended)
        }
        _ => 0,
    }
}

/// The causes take what they need, as long as the journals keep some rows: half of the page where there are few of all.
fn split(state: &State, page: &Why, area: Rect) -> (Rect, Rect) {
    let ended = ending(state, page, usize::from(area.width).saturating_sub(2)).len();
    let journals = u16::try_from(ended).unwrap_or(u16::MAX).saturating_add(JOURNAL_ROWS + 2);
    let most = area.height.saturating_sub(journals).max(area.height / 2);
    let lines = lines(state, page, usize::from(area.width).saturating_sub(4), usize::from(most).saturating_sub(2));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(most);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

fn summary(pen: &mut Pen, state: &State, page: &Why, area: Rect) {
    let machine = state.snapshot.machine(&page.uid);
    let well = machine.is_some_and(|machine| machine.health >= Health::Good);
    let (before, after) = if well { ("How is ", "?") } else { ("Why is ", " not Ready?") };
    let title = Strip::of(before, Role::Title).add(text::cut(&page.name, 40), Role::Accent).add(after, Role::Title);
    let right = machine.map_or_else(
        || Strip::of("gone", Role::Muted),
        |m| Strip::of(format!("{} {}", pen.glyphs.health(m.health), m.state.as_str()), role(m.health)),
    );
    let right = if is_stale(&state.snapshot, page.uid.context) { right.stale(pen.glyphs) } else { right };
    let inner = pen.frame(area, false, &title, &right);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    pen.strips(inner, &lines(state, page, inner.width.into(), inner.height.into()));
}

/// All causes in these rows: where that is too much each says less, before the last of them are left out.
fn lines(state: &State, page: &Why, width: usize, rows: usize) -> Vec<Strip> {
    let whole = told(state, page, width, usize::MAX);
    if whole.len() <= rows {
        return whole;
    }
    Strip::first(told(state, page, width, CAUSE_LINES), width, rows)
}

fn told(state: &State, page: &Why, width: usize, of_each: usize) -> Vec<Strip> {
    let Some(machine) = state.snapshot.machine(&page.uid) else {
        return vec![Strip::of("the machine is not in the fleet any more", Role::Warning)];
    };
    let causes = why::causes(state, machine);
    let old = staleness(state, machine.uid.context);
    let well = if old.is_some() { Role::Muted } else { Role::Good };
    let mut lines: Vec<Strip> = old.into_iter().map(|said| Strip::of(text::cut(&said, width), Role::Warning)).collect();
    if let Some(group) = state.failures.of(&page.uid).filter(|group| group.machines.len() > 1) {
        let (list, mark) = (state.keymap.key(Action::Open), state.keymap.key(Action::Mark));
        let said = format!("{}: same step, same line ({list} lists, {mark} marks)", group.size());
        let sign = format!("{} ", state.glyphs.health(Health::Warning));
        lines.push(Strip::of(sign, Role::Warning).add(text::cut(&said, width.saturating_sub(2)), Role::Warning));
    }
    if causes.is_empty() {
        lines.push(Strip::of("nothing that the fleet knows of is wrong with it", well));
    }
    for cause in causes {
        let mark = format!("{} ", state.glyphs.health(cause.health));
        lines
            .push(Strip::of(mark, role(cause.health)).add(text::cut(&cause.what, width.saturating_sub(2)), Role::Text));
        let said = text::wrap_to(&cause.said, width.saturating_sub(4), of_each);
        lines.extend(said.into_iter().map(|part| Strip::of(format!("    {part}"), role(cause.health))));
    }
    lines
}

/// Why nothing more comes from the host, above what has come.
fn ending(state: &State, page: &Why, width: usize) -> Vec<Strip> {
    let Some(why) = &page.ended else { return Vec::new() };
    let parts = text::wrap_to(&format!("no journals: {why}"), width.saturating_sub(3), ENDING_LINES);
    let sign = |row: usize| if row == 0 { state.glyphs.health(Health::Warning) } else { " " };
    parts
        .into_iter()
        .enumerate()
        .map(|(row, part)| Strip::of(format!(" {} {part}", sign(row)), Role::Warning))
        .collect()
}

fn journals(pen: &mut Pen, state: &State, page: &Why, area: Rect) {
    let counts = ["runbook"].iter().chain(UNITS.iter()).filter_map(|source| match page.entries.of(source) {
        0 => None,
        lines => Some(format!("{source} {}", text::number(lines))),
    });
    let counts = counts.collect::<Vec<_>>().join(" · ");
    let title = Strip::of("Journals ", Role::Title).add(counts, Role::Muted);
    let key = state.keymap.key(Action::Follow);
    let right = match (page.following, &page.ended) {
        (true, None) => Strip::of(format!("follow {}", pen.glyphs.connection(true)), Role::Good),
        (true, Some(_)) => Strip::of("ended", Role::Muted),
        (false, _) => Strip::of(format!("held, {} below · {key} follow", text::number(page.scroll)), Role::Warning),
    };
    let inner = pen.frame(area, true, &title, &right);
    let ended = ending(state, page, inner.width.into());
    pen.strips(inner, &ended);
    let above = u16::try_from(ended.len()).unwrap_or(0).min(inner.height);
    let inner = Rect { y: inner.y + above, height: inner.height - above, ..inner };
    let (height, width) = (usize::from(inner.height), usize::from(inner.width));
    let mut rows: Vec<Strip> = Vec::with_capacity(height);
    for entry in page.entries.newest_first().skip(page.scroll) {
        rows.extend(log_rows(&entry.line, None, false, width, state.log_wraps).into_iter().rev());
        if rows.len() >= height {
            break;
        }
    }
    rows.truncate(height);
    rows.reverse();
    if page.entries.is_empty() && page.ended.is_none() {
        pen.strip(row_of(inner, 0), &Strip::of(" Waiting for the host …", Role::Muted));
    }
    pen.strips(inner, &rows);
}
