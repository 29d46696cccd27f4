//! What lies over the panes and is not a dialog: help, the filter's line, the palette.

use super::{
    super::{
        action::{ACTIONS, Action, Entry, Group},
        glyphs::Glyphs,
        palette::Palette,
        places::{Location, Purpose},
        state::State,
        text,
    },
    pen::{Pen, Strip, middle, row_of},
};
use crate::config::Role;
use ratatui::layout::{Position, Rect};

const HELP_WIDTH: u16 = 104;
/// What is typed, two spaces, what it takes.
const FILTER: &[&str] = &[
    "gpu eu  words match anywhere, in order or not; all terms must hold",
    "state=failed,notready  equal to one of these; pool!=infra is the opposite",
    "version:1.34  begins so",
    "message~pdb  contains; message!~pdb does not",
    "rack=r12  any label",
    "!  problems only",
];
const LEVELS: &[&str] = &[
    "0  at once: pausing and holding",
    "1  yes or no: going on, trying again, cordon and drain of machines",
    "2  preview, server dry run, the typed name: scale, upgrade, replace, roll back",
    "3  the same and a reason: abort, production, or more than a tenth of a pool leaves",
];

/// The bookmarks that there are, while a letter is awaited.
pub fn bookmarks(pen: &mut Pen, state: &State, purpose: Purpose, area: Rect) -> Option<Position> {
    let title = match purpose {
        Purpose::Set => "Set a bookmark: a letter",
        Purpose::Jump => "Go to a bookmark: its letter",
    };
    let height = (state.bookmarks.len().max(1) as u16 + 2).min(area.height.saturating_sub(4)).max(3);
    let area = middle(area, 64, height);
    let inner = pen.frame(area, true, &Strip::of(title, Role::Title), &Strip::new());
    let line = |(letter, location): (&char, &Location)| {
        Strip::of(format!(" {letter}  "), Role::Key)
            .add(format!("{:<11}", location.view.title()), Role::Muted)
            .add(text::cut(&location.title(state), 46), Role::Text)
    };
    let mut lines: Vec<Strip> = state.bookmarks.iter().map(line).collect();
    if lines.is_empty() {
        lines.push(Strip::of(" none yet", Role::Muted));
    }
    pen.strips(inner, &lines);
    None
}

/// The help page, made from the table of actions and the keymap.
pub fn help(pen: &mut Pen, state: &State, scroll: usize, area: Rect) -> Option<Position> {
    let width = area.width.min(HELP_WIDTH);
    let lines = help_lines(state, width);
    let height = (lines.len() as u16 + 2).min(area.height.saturating_sub(2));
    let area = middle(area, width, height);
    let inner = pen.frame(area, true, &Strip::of("Help", Role::Title), &Strip::new());
    let scroll = scroll.min(lines.len().saturating_sub(inner.height.into()));
    pen.strips(inner, &lines[scroll..]);
    let below = lines.len().saturating_sub(scroll + usize::from(inner.height));
    if below > 0 {
        let more = Strip::of(format!(" {} more below ", text::plural(below, "line")), Role::Accent);
        pen.right(Rect { y: area.bottom() - 1, height: 1, width: area.width - 2, ..area }, &more);
    }
    None
}

/// Lines of the help page that can be scrolled away.
pub fn help_farthest(state: &State) -> usize {
    let (width, height) = state.size;
    help_lines(state, width.min(HELP_WIDTH)).len().saturating_sub(usize::from(height).saturating_sub(4))
}

fn help_lines(state: &State, width: u16) -> Vec<Strip> {
    let width = usize::from(width).saturating_sub(3);
    let mut lines = Vec::new();
    for group in Group::ALL {
        lines.push(Strip::of(format!(" {}", group.title()), Role::Title));
        let entries = ACTIONS.iter().filter(|entry| entry.group == group);
        entries.for_each(|entry| lines.extend(entry_lines(state, entry, width)));
        lines.push(Strip::new());
    }
    lines.extend(own_commands(state, width));
    lines.extend(legend(state.glyphs, width));
    lines
}

/// Keys, name and meaning; a meaning that is too long goes on below.
fn entry_lines(state: &State, entry: &Entry, width: usize) -> Vec<Strip> {
    let keys: Vec<String> = state.keymap.keys(entry.action).iter().map(|k| state.glyphs.key(&k.to_string())).collect();
    let (keys_width, name_width) = if width > 90 { (20, 16) } else { (13, 15) };
    let why_not = state.why_not(entry.action);
    let grey = |role| if why_not.is_some() { Role::Muted } else { role };
    let head = Strip::of(format!("  {} ", text::left(&keys.join(" "), keys_width)), grey(Role::Key))
        .add(format!("{} ", text::left(entry.name, name_width)), grey(Role::Accent));
    let begin = head.width();
    let arm = state.keymap.key(Action::Arm);
    let writes = if entry.writes { format!(" ({arm} first)") } else { String::new() };
    let meaning = why_not.clone().unwrap_or_else(|| format!("{}{writes}", entry.help));
    let mut parts = text::wrap(&meaning, width.saturating_sub(begin).max(20)).into_iter();
    let first = head.add(parts.next().unwrap_or_default(), grey(Role::Text));
    std::iter::once(first).chain(parts.map(|part| Strip::new().tab(begin).add(part, grey(Role::Text)))).collect()
}

/// The user's own commands, if there are any.
fn own_commands(state: &State, width: usize) -> Vec<Strip> {
    if state.commands.is_empty() {
        return Vec::new();
    }
    let (keys_width, name_width) = if width > 90 { (20, 16) } else { (13, 15) };
    let mut lines = vec![Strip::of(" Your commands", Role::Title)];
    for custom in &*state.commands {
        let key = custom.chord.map(|chord| state.glyphs.key(&chord.to_string())).unwrap_or_default();
        let head = Strip::of(format!("  {} ", text::left(&key, keys_width)), Role::Key)
            .add(format!("{} ", text::left(&custom.command.name, name_width)), Role::Accent);
        let begin = head.width();
        let parts = text::wrap(&custom.about(state), width.saturating_sub(begin).max(20));
        let mut parts = parts.into_iter();
        lines.push(head.add(parts.next().unwrap_or_default(), Role::Text));
        lines.extend(parts.map(|part| Strip::new().tab(begin).add(part, Role::Text)));
    }
    lines.push(Strip::new());
    lines
}

/// Shapes, the filter, and what the levels ask for.
fn legend(glyphs: Glyphs, width: usize) -> Vec<Strip> {
    use crate::fleet::Health;
    let words = [
        (Health::Good, "well"),
        (Health::Moving, "work under way"),
        (Health::Warning, "blocked, or not known"),
        (Health::Bad, "failed"),
        (Health::Idle, "idle"),
    ];
    let mut line = Strip::of("  ", Role::Text);
    for (health, word) in words {
        line.push(format!("{} ", glyphs.health(health)), super::tree::role(health));
        line.push(format!("{word}   "), Role::Text);
    }
    let mut lines = vec![Strip::of(" Shapes", Role::Title), line];
    for (title, sentences) in [("Filter", FILTER), ("Levels of confirmation", LEVELS)] {
        lines.push(Strip::new());
        lines.push(Strip::of(format!(" {title}"), Role::Title));
        for sentence in sentences {
            let (first, rest) = sentence.split_once("  ").unwrap_or(("", sentence));
            let parts = text::wrap(rest, width.saturating_sub(27).max(20));
            for (row, part) in parts.into_iter().enumerate() {
                let head = if row == 0 { first } else { "" };
                lines.push(Strip::of(format!("  {}", text::left(head, 25)), Role::Key).add(part, Role::Text));
            }
        }
    }
    lines
}

/// The line on which the filter is typed.
pub fn filter(pen: &mut Pen, state: &State, area: Rect) -> Option<Position> {
    pen.clear(area);
    let mut strip = Strip::of(" / ", Role::Key).add(text::clean(state.filter.value()), Role::Text);
    let start = 3;
    match (state.sifter.mistake(), state.filter.is_empty()) {
        (Some(mistake), _) => strip.push(format!("   {mistake}"), Role::Warning),
        (None, true) => {
            strip.push("  words, or state=failed pool!=infra; enter keeps it, esc takes it back", Role::Muted)
        }
        (None, false) => {
            let count = state.sifter.matches().map_or(0, |m| m.count);
            strip.push(format!("   {}", text::plural(count, "machine")), Role::Muted);
        }
    }
    pen.strip(area, &strip);
    let column = start + state.filter.cursor() as u16;
    Some(Position::new((area.x + column).min(area.right().saturating_sub(1)), area.y))
}

pub fn palette(pen: &mut Pen, state: &State, palette: &Palette, area: Rect) -> Option<Position> {
    let rows = palette.completions.len().max(1) as u16;
    let width = area.width.saturating_sub(4).min(84);
    let area = Rect { y: area.y + area.height / 6, ..middle(area, width, rows + 3) }.intersection(area);
    let inner = pen.frame(area, true, &Strip::of("Command", Role::Title), &Strip::of("tab completes", Role::Muted));
    pen.strip(row_of(inner, 0), &Strip::of(" : ", Role::Key).add(text::clean(palette.line.value()), Role::Text));
    if let Some(complaint) = &palette.complaint {
        pen.strip(row_of(inner, 1), &Strip::of(format!("   {complaint}"), Role::Warning));
        return Some(Position::new(inner.x + 3 + palette.line.cursor() as u16, inner.y));
    }
    for (row, (index, completion)) in (1..inner.height).zip(palette.completions.iter().enumerate()) {
        let selected = index == palette.selected;
        let mark = if selected { pen.glyphs.cursor() } else { " " };
        let why_not = completion.action().and_then(|action| state.why_not(action));
        let role = if why_not.is_some() { Role::Muted } else { Role::Text };
        let help = text::cut(why_not.as_deref().unwrap_or(&completion.help), usize::from(inner.width) - 34);
        let strip = Strip::of(format!(" {mark} "), Role::Accent)
            .add(text::left(&completion.text, 30), role)
            .add(help, Role::Muted);
        pen.strip(row_of(inner, row), &strip);
        if selected {
            pen.highlight(row_of(inner, row));
        }
    }
    Some(Position::new(inner.x + 3 + palette.line.cursor() as u16, inner.y))
}
