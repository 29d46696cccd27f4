//! The top lines and the bottom line: where we are, how the line is, what is wrong, what keys do.

use super::{
    super::{
        action::Action,
        confirm::Deed,
        contexts::is_unknown,
        form::Field,
        here::{self, Hint},
        layout::Class,
        state::{Notice, Overlay, Pane, State, Subject, View},
        text,
    },
    contexts,
    pen::{Pen, Strip},
    tree::role,
};
use crate::config::Role;
use crate::fleet::{Health, Line};
use ratatui::layout::Rect;

/// Most lines that one notice takes.
const NOTICE_LINES: usize = 6;

/// Context, connection, totals by state; mode, user and clock on the right.
pub fn header(pen: &mut Pen, state: &State, area: Rect) {
    let snapshot = &*state.snapshot;
    let wide = area.width >= 120;
    let mut left = Strip::of(format!("{}QUARTERDECK ", pen.glyphs.cursor()), Role::Accent);
    if !wide {
        left = Strip::of(pen.glyphs.cursor(), Role::Accent);
    }
    left = left.append(contexts::title(pen.glyphs, state, if wide { 28 } else { 16 }));
    left.push(" ", Role::Text);
    if state.has_several_contexts() {
        left = left.append(contexts::lines(pen.glyphs, state));
    } else {
        connection(&mut left, pen, state);
    }
    if snapshot.is_simulated() {
        left.push(if area.width >= 80 { " SIMULATED" } else { " SIM" }, Role::Simulated);
    }
    let right = mode(pen, state, wide);
    let room = usize::from(area.width).saturating_sub(right.width() + 1);
    let bar = format!(" {} ", pen.glyphs.bar());
    let sizes = match is_unknown(snapshot, None) {
        true => "nothing is known yet".to_owned(),
        false => format!(
            "{} · {} · {}",
            text::plural(snapshot.clusters.len(), "cluster"),
            text::plural(snapshot.pools().count(), "pool"),
            text::plural(snapshot.counts.total(), "machine")
        ),
    };
    // How many there are goes before how they are.
    let states = Health::ALL.iter().map(|h| text::width(&count(pen, state, *h))).sum::<usize>();
    if left.width() + text::width(&sizes) + text::width(&bar) * 2 + states <= room {
        left.push(&bar, Role::Border);
        left.push(&sizes, Role::Text);
    }
    left.push(&bar, Role::Border);
    totals(&mut left, pen, state, room);
    pen.strip(area, &left);
    pen.right(area, &right);
}

/// One state and how many have it; `?` while nobody knows.
fn count(pen: &Pen, state: &State, health: Health) -> String {
    let count = || text::number(state.snapshot.counts.health(health));
    let count = if is_unknown(&state.snapshot, None) { "?".to_owned() } else { count() };
    format!("{} {count}  ", pen.glyphs.health(health))
}

/// Machines by health; where there is no room for all, what is zero goes first, and then what is well.
fn totals(strip: &mut Strip, pen: &Pen, state: &State, room: usize) {
    let mut shown = vec![Health::Good, Health::Moving, Health::Warning, Health::Bad, Health::Idle];
    let fits = |shown: &[Health]| {
        strip.width() + shown.iter().map(|h| text::width(&count(pen, state, *h))).sum::<usize>() <= room
    };
    let has_none = |health: &Health| state.snapshot.counts.health(*health) == 0;
    if !fits(&shown) {
        shown.retain(|health| !has_none(health) || *health == Health::Good);
    }
    for least in [Health::Idle, Health::Good, Health::Moving, Health::Warning] {
        if !fits(&shown) {
            shown.retain(|health| *health != least);
        }
    }
    for health in shown {
        strip.push(count(pen, state, health), if has_none(&health) { Role::Muted } else { role(health) });
    }
}

/// The dot, and how old what we show is while the line is down.
fn connection(strip: &mut Strip, pen: &Pen, state: &State) {
    let connection = &state.snapshot.connection;
    let live = connection.line.is_live();
    let dot = pen.glyphs.connection(live);
    match &connection.line {
        Line::Live => strip.push(format!("{dot} live"), Role::Good),
        Line::Connecting => strip.push(format!("{dot} connecting"), Role::Moving),
        line => {
            let age = connection.contact.age(state.now).map_or(0, |age| age.as_secs() as i64);
            let next = line.next().map_or(0, |at| text::seconds_between(state.now, at));
            strip.push(format!("{dot} {} old", text::duration(age)), Role::Warning);
            strip.push(format!(", again in {}", text::duration(next)), Role::Muted);
        }
    }
}

fn mode(pen: &Pen, state: &State, wide: bool) -> Strip {
    let mut strip = Strip::new();
    match state.armed_until.filter(|_| state.is_armed()) {
        // Not ours to arm, and no choice of the user's: it has a name of its own.
        _ if state.only_look().is_some() => strip.push(if wide { "VIEW ONLY" } else { "VIEW" }, Role::Warning),
        // Armed, and not for what the cursor is on.
        Some(_) if state.context_here().is_some_and(|context| state.context(context).locked.is_some()) => {
            strip.push(if wide { "READ-ONLY HERE" } else { "RO HERE" }, Role::Warning);
        }
        Some(until) => {
            let left = text::seconds_between(state.now, until);
            let left = if until == jiff::Timestamp::MAX { String::new() } else { text::duration(left) + " " };
            strip.push(format!(" WRITE {left}"), Role::Armed);
        }
        None => strip.push(if wide { "READ-ONLY" } else { "RO" }, Role::Muted),
    }
    strip.push(format!("  {}  ", text::cut(&state.user, if wide { 24 } else { 10 })), Role::Text);
    // Seconds only where they are looked at: a clock that ticks for nobody keeps a link busy.
    let clock = if state.shows_seconds() { text::clock(state.now) } else { text::clock_minutes(state.now) };
    if state.is_still() {
        strip.push(format!("STILL since {}Z ", text::clock(state.now)), Role::Warning);
        return strip;
    }
    strip.push(text::right(&format!("{clock}Z"), if wide { 9 } else { 0 }.max(clock.len() + 1)), Role::Text);
    let _ = pen;
    strip
}

/// Views, where the cursor is, and the filter.
pub fn tabs(pen: &mut Pen, state: &State, area: Rect) {
    let mut left = Strip::of(" ", Role::Text);
    for view in View::ALL {
        let (key, title) = (state.keymap.key(Action::of_view(view)), view.title());
        let here = state.view == view;
        left.push(key, Role::Key);
        left.push(format!(" {title}"), if here { Role::Title } else { Role::Muted });
        left.push("  ", Role::Text);
    }
    if area.width >= 100 {
        left.push("  ", Role::Text);
        left.push(text::cut(&breadcrumb(state), 60), Role::Muted);
    }
    pen.strip(area, &left);
    let mut right = restricted(state);
    if let Some(error) = contexts::error(state).filter(|_| right.width() == 0) {
        right.push(text::cut(&error, usize::from(area.width).saturating_sub(left.width() + 2)), Role::Warning);
    }
    pen.right(area, &right);
}

/// What leaves rows out, and what is marked.
fn restricted(state: &State) -> Strip {
    let mut strip = Strip::new();
    if !state.line().is_empty() && !matches!(state.overlay, Overlay::Filter) {
        strip.push(format!("{} ", state.keymap.key(Action::Filter)), Role::Key);
        strip.push(text::cut(state.line().value(), 30), Role::Accent);
        strip.push(" ", Role::Text);
    }
    if !state.marks.is_empty() {
        strip.push(format!("{} marked ", text::number(state.marks.len())), Role::Accent);
    }
    if state.problems_only {
        strip.push(format!("{} problems only ", state.keymap.key(Action::Problems)), Role::Warning);
    }
    strip
}

/// The same behind the title of a list, where the line of views has no room: what is marked is what the next key is for.
pub fn compact(state: &State) -> Strip {
    if state.layout().tabs.is_some() {
        return Strip::new();
    }
    let mut strip = Strip::new();
    if !state.marks.is_empty() {
        strip.push(format!(" {} marked", text::number(state.marks.len())), Role::Accent);
    }
    if state.problems_only {
        strip.push(format!(" {} problems", state.keymap.key(Action::Problems)), Role::Warning);
    }
    if !state.line().is_empty() && !matches!(state.overlay, Overlay::Filter) {
        strip.push(format!(" {} ", state.keymap.key(Action::Filter)), Role::Key);
        strip.push(text::cut(state.line().value(), 30), Role::Accent);
    }
    strip
}

/// The view whose title stands in that column of the line of views.
pub fn tab_at(state: &State, column: u16) -> Option<View> {
    let mut begin = 1;
    View::ALL.into_iter().find(|view| {
        let key = text::width(&state.keymap.key(Action::of_view(*view)));
        let end = begin + key + 1 + text::width(view.title());
        let is_here = (begin..end).contains(&usize::from(column));
        begin = end + 2;
        is_here
    })
}

fn breadcrumb(state: &State) -> String {
    let mut parts: Vec<String> = match state.context_here() {
        Some(context) if state.has_several_contexts() => vec![state.context(context).place.context.clone()],
        Some(context) => vec![state.context(context).place.namespace.clone()],
        None => Vec::new(),
    };
    match state.subject() {
        Subject::Fleet | Subject::Context(_) | Subject::Clusters(_) => {}
        Subject::Idle(_) => parts.push("idle".into()),
        Subject::Cluster(node) => parts.push(node.row.name.to_string()),
        Subject::Pool(node) => parts.extend([node.row.cluster.to_string(), node.row.short_name.to_string()]),
        Subject::Machine(machine) => {
            parts.extend(machine.cluster.as_deref().map(ToOwned::to_owned));
            let pool = state.snapshot.pool_of(machine);
            parts.extend(pool.map(|p| p.row.short_name.to_string()));
            parts.push(machine.name.to_string());
        }
        Subject::Operation(operation) => parts.extend([operation.cluster.to_string(), operation.name.to_string()]),
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" › ")
}

/// What can be done here; or, while there is something to say, that.
pub fn hints(pen: &mut Pen, state: &State, area: Rect) {
    if let Some(notice) = &state.notice {
        // A filter is typed below it: what is wrong there is read in whole above.
        let typed = u16::from(matches!(state.overlay, Overlay::Filter));
        return say(pen, notice, Rect { y: area.y.saturating_sub(typed), ..area });
    }
    let mut strip = Strip::of(" ", Role::Text);
    let of_hint = |hint: Hint| {
        let allowed = hint.action().is_none_or(|action| state.why_not(action).is_none());
        (hint.keys(state).into_iter().next().unwrap_or_default(), hint.hint(), allowed)
    };
    let mut keys: Vec<(String, &str, bool)> = match of_overlay(state) {
        Some(keys) => keys.iter().map(|(key, hint)| ((*key).to_owned(), *hint, true)).collect(),
        None => hinted(state).into_iter().map(of_hint).collect(),
    };
    // Where there is no room for all, the way out is not what is left out.
    let is_dialog = matches!(state.overlay, Overlay::Scale(_) | Overlay::Rollout(_) | Overlay::Typed(_));
    if is_dialog && state.layout().class == Class::Compact {
        keys.sort_by_key(|(key, ..)| key != "esc");
    }
    for (key, hint, allowed) in keys {
        let piece = hint_of(&pen.glyphs.key(&key), hint, allowed);
        if !key.is_empty() && strip.width() + piece.width() <= area.width.into() {
            strip = strip.append(piece);
        }
    }
    pen.strip(area, &strip);
}

/// A key and what it does; in parentheses, and grey, where the server would refuse it.
fn hint_of(key: &str, hint: &str, allowed: bool) -> Strip {
    if allowed {
        Strip::of(key, Role::Key).add(format!(" {hint}  "), Role::Muted)
    } else {
        Strip::of(format!("({key} {hint})  "), Role::Border)
    }
}

/// One line to the user; a long one takes the lines above it as well.
pub fn say(pen: &mut Pen, notice: &Notice, area: Rect) {
    let (glyph, role) = if notice.complaint {
        (pen.glyphs.health(Health::Warning), Role::Warning)
    } else {
        (pen.glyphs.now(), Role::Accent)
    };
    let room = usize::from(area.width).saturating_sub(4);
    let parts: Vec<String> = notice.text.lines().flat_map(|line| text::wrap(line, room)).collect();
    let parts = text::first(parts, room, NOTICE_LINES);
    let height = (parts.len() as u16).max(1).min(area.bottom());
    let area = Rect { y: area.bottom() - height, height, ..area };
    pen.clear(area);
    let mark = |row: usize| if row == 0 { glyph } else { " " };
    let strips: Vec<Strip> =
        parts.iter().enumerate().map(|(row, part)| Strip::of(format!(" {} {part}", mark(row)), role)).collect();
    pen.strips(area, &strips);
}

/// What the keys do while something lies over the panes; `None` while nothing does.
fn of_overlay(state: &State) -> Option<&'static [(&'static str, &'static str)]> {
    match &state.overlay {
        // The pager has a line of its own.
        Overlay::None | Overlay::Filter | Overlay::Pager(_) | Overlay::Audit(_) => None,
        Overlay::Palette(_) => {
            Some(&[("up", "up"), ("down", "down"), ("tab", "complete"), ("enter", "run"), ("esc", "close")])
        }
        Overlay::Bookmark(_) => Some(&[("a…z", "the letter"), ("esc", "leave it")]),
        Overlay::Confirm(asked) if matches!(asked.deed, Deed::Run(_)) => {
            Some(&[("y", "yes"), ("n", "no"), ("esc", "no")])
        }
        Overlay::Confirm(_) => Some(&[("y", "yes"), ("n", "no"), ("x", "export"), ("esc", "no")]),
        Overlay::Export(_) => Some(&[("tab", "next form"), ("w", "write file"), ("y", "copy"), ("esc", "close")]),
        Overlay::Scale(dialog) if dialog.form.focus == Field::Value => Some(&[
            ("up", "one more"),
            ("down", "one less"),
            ("tab", "next field"),
            ("ctrl-o", "arm"),
            ("ctrl-x", "export"),
            ("esc", "cancel"),
        ]),
        Overlay::Rollout(dialog) if dialog.form.focus == Field::Value => Some(&[
            ("up", "newer"),
            ("down", "older"),
            ("tab", "next field"),
            ("ctrl-o", "arm"),
            ("ctrl-x", "export"),
            ("esc", "cancel"),
        ]),
        Overlay::Scale(_) | Overlay::Rollout(_) | Overlay::Typed(_) => Some(&[
            ("tab", "next field"),
            ("shift-tab", "field before"),
            ("ctrl-o", "arm"),
            ("ctrl-x", "export"),
            ("esc", "cancel"),
        ]),
    }
}

/// What is worth a hint here, the most useful first, and then what is useful everywhere.
fn hinted(state: &State) -> Vec<Hint> {
    let mut hints = here::here(state).first;
    let in_log = state.pane == Pane::Feed && state.log.is_some();
    let mut add = |action| {
        // A filter is of the list, and not of the log that is read.
        let is_said = hints.iter().any(|hint| hint.action() == Some(action));
        let is_other = in_log && action == Action::Filter;
        if !is_said && !is_other {
            hints.push(Hint::Of(action));
        }
    };
    if state.why.is_some() {
        [Action::Help, Action::Back].into_iter().for_each(add);
        return hints;
    }
    if state.layout().class > Class::Compact {
        add(Action::NextPane);
    }
    [Action::Filter, Action::Problems, Action::Command, Action::Help].into_iter().for_each(&mut add);
    if !state.is_armed() {
        add(Action::Arm);
    }
    if !super::super::update::is_at_top(state) {
        add(Action::Back);
    }
    add(Action::Quit);
    hints
}
