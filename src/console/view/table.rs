//! The flat table of machines: one line for each that can be seen.

use super::{
    super::{
        contexts::{as_of, is_stale},
        state::{Pane, State},
        table::shown,
        text,
    },
    contexts,
    pen::{Pen, Strip, row_of},
    tree::role,
};
use crate::{
    config::Role,
    fleet::{MachineRow, sort::Key},
};
use ratatui::layout::Rect;

/// Before the first column: the cursor, a mark, and the shape of the health.
const BEFORE: usize = 4;
/// Between two columns.
const GAP: usize = 2;

pub fn draw(pen: &mut Pen, state: &State, area: Rect) {
    let room = usize::from(area.width.saturating_sub(2));
    let columns = fit(&state.table.columns, &widths(state), room.saturating_sub(BEFORE));
    let hidden = state.table.columns.len() - columns.len();
    let inner = pen.frame(
        area,
        state.pane == Pane::Main,
        &Strip::of("Machines", Role::Title).append(super::header::compact(state)),
        &right_title(state, hidden, pen.glyphs.is_ascii()),
    );
    if inner.height == 0 {
        return;
    }
    pen.strip(row_of(inner, 0), &head(state, &columns, pen.glyphs.is_ascii()));
    let rows = state.layout().list_height();
    let list = &state.table.list;
    for (offset, uid) in state.table.rows().iter().skip(list.top).take(rows).enumerate() {
        let here = row_of(inner, offset as u16 + 1);
        let selected = list.top + offset == list.index;
        match state.snapshot.machine(uid) {
            Some(machine) => pen.strip(here, &row(pen, state, machine, &columns, selected)),
            None => pen.strip(here, &Strip::of("    gone", Role::Muted)),
        }
        if selected {
            pen.highlight(here);
        }
    }
    if state.table.is_empty() {
        nothing(pen, state, inner);
    }
}

/// What contexts are called no machine says: their names are known here.
fn widths(state: &State) -> Vec<usize> {
    let widest = state.contexts.iter().map(|context| text::width(&contexts::marked(context))).max().unwrap_or(0);
    let keys = state.table.columns.iter().enumerate();
    let width = |(at, key): (usize, &Key)| match key {
        Key::Context => widest,
        _ => state.table.widths().get(at).copied().unwrap_or(0),
    };
    keys.map(width).collect()
}

fn nothing(pen: &mut Pen, state: &State, inner: Rect) {
    if state.table.is_behind(&state.snapshot) {
        return pen.strip(row_of(inner, 2), &Strip::of("   Looking through the machines …", Role::Muted));
    }
    super::nothing::draw(pen, state, inner, 2, "There are no machines in this namespace yet.");
}

fn right_title(state: &State, hidden: usize, ascii: bool) -> Strip {
    let table = &state.table;
    let (of, all) = (text::number(table.len()), text::number(state.snapshot.counts.total()));
    let count = if table.len() == state.snapshot.counts.total() { all } else { format!("{of} of {all}") };
    let order =
        if table.key == Key::Urgency { "problems first".to_owned() } else { format!("by {}", table.key.name()) };
    let turned = if table.reversed { ", turned round" } else { "" };
    let mut strip = Strip::of(format!("{count} · {order}{turned}"), Role::Muted);
    if hidden > 0 {
        let more = if ascii { "+" } else { "›" };
        strip.push(format!(" · {} {more}", text::plural(hidden, "column")), Role::Muted);
    }
    strip
}

fn head(state: &State, columns: &[(Key, usize)], ascii: bool) -> Strip {
    let mut strip = Strip::of(" ".repeat(BEFORE), Role::Muted);
    for (key, width) in columns {
        let sorted = *key == state.table.key;
        let mark = match (sorted, state.table.reversed, ascii) {
            (false, ..) => "",
            (true, false, false) => "▲",
            (true, true, false) => "▼",
            (true, false, true) => "^",
            (true, true, true) => "v",
        };
        let title = format!("{}{mark}", title(key));
        strip.push(text::left(&title, *width), if sorted { Role::Accent } else { Role::Muted });
        strip.push(" ".repeat(GAP), Role::Muted);
    }
    strip
}

/// The column of the table whose title stands there, counted from within the frame.
pub fn column_at(state: &State, area: Rect, column: u16) -> Option<Key> {
    let room = usize::from(area.width.saturating_sub(2));
    let columns = fit(&state.table.columns, &widths(state), room.saturating_sub(BEFORE));
    let mut begin = BEFORE;
    columns.into_iter().find_map(|(key, width)| {
        let is_here = (begin..begin + width).contains(&usize::from(column));
        begin += width + GAP;
        is_here.then_some(key)
    })
}

fn title(key: &Key) -> String {
    match key {
        Key::Label(label) => label.rsplit('/').next().unwrap_or(label).to_uppercase(),
        key => key.name().to_uppercase(),
    }
}

fn row(pen: &Pen, state: &State, machine: &MachineRow, columns: &[(Key, usize)], selected: bool) -> Strip {
    let mut strip = Strip::of(if selected { pen.glyphs.cursor() } else { " " }, Role::Accent);
    strip.push(if state.marks.contains(&machine.uid) { "*" } else { " " }, Role::Accent);
    strip.push(format!("{} ", pen.glyphs.health(machine.health)), role(machine.health));
    for (key, width) in columns {
        if *key == Key::Context {
            strip = strip.append(contexts::cell(state, machine.uid.context, *width)).add(" ".repeat(GAP), Role::Muted);
            continue;
        }
        let colour = match key {
            Key::Name => Role::Text,
            Key::State | Key::Phase if machine.health.is_problem() || machine.state.is_moving() => role(machine.health),
            Key::Message if machine.health.is_problem() => role(machine.health),
            _ => Role::Muted,
        };
        strip.push(text::left(&cell(state, machine, key), *width), colour);
        strip.push(" ".repeat(GAP), Role::Muted);
    }
    if is_stale(&state.snapshot, machine.uid.context) { strip.stale(pen.glyphs) } else { strip }
}

fn cell(state: &State, machine: &MachineRow, key: &Key) -> String {
    match key.moment(machine) {
        Some(at) => text::duration(text::seconds_between(at, as_of(state, machine.uid.context))),
        None => shown(key, machine).unwrap_or_default().to_owned(),
    }
}

/// How wide a column may grow, and how narrow it may get before others are left out.
fn bounds(key: &Key) -> (usize, usize) {
    match key {
        Key::Since | Key::Age => (6, 6),
        Key::Message => (10, 200),
        Key::State => (12, 16),
        Key::Version => (9, 16),
        Key::Address => (15, 40),
        Key::Context => (7, 24),
        _ => (10, 40),
    }
}

/// The columns for which there is room, and their widths: as wide as what stands in them; where that is too much the
/// widest give way, and then the last ones are left out.
fn fit(columns: &[Key], widest: &[usize], room: usize) -> Vec<(Key, usize)> {
    let natural = |(at, key): (usize, &Key)| {
        let (_, most) = bounds(key);
        let moment = if matches!(key, Key::Since | Key::Age) { 6 } else { 0 };
        let text = widest.get(at).copied().unwrap_or(0).max(moment).min(most);
        // The mark of the order stands behind the title.
        (key.clone(), text.max(text::width(&title(key)) + 1))
    };
    let mut fitted: Vec<(Key, usize)> = columns.iter().enumerate().map(natural).collect();
    let all = |fitted: &[(Key, usize)]| fitted.iter().map(|(_, width)| width + GAP).sum::<usize>().saturating_sub(GAP);
    while all(&fitted) > room {
        let over = all(&fitted) - room;
        let least = |key: &Key| bounds(key).0.max(text::width(&title(key)) + 1);
        let gives = fitted.iter_mut().filter(|(key, width)| *width > least(key)).max_by_key(|(_, width)| *width);
        if let Some((key, width)) = gives {
            *width -= over.min(*width - least(key)).min((*width / 8).max(1));
        } else if fitted.len() > 1 {
            fitted.pop();
        } else {
            break;
        }
    }
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::table::columns;

    #[test]
    fn columns_fit_whatever_room_there_is() {
        let keys = columns(crate::console::table::WIDE);
        let widest = [22, 12, 30, 12, 0, 18, 7, 22, 12, 0, 30, 90];
        for room in 20..260 {
            let fitted = fit(&keys, &widest, room);
            let sum: usize = fitted.iter().map(|(_, width)| width + GAP).sum::<usize>() - GAP;
            assert!(sum <= room && !fitted.is_empty(), "{room}: {fitted:?}");
        }
        assert_eq!(fit(&keys, &widest, 400).len(), keys.len());
    }
}
