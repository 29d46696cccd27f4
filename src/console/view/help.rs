//! Draws the help page: what can be done here, then every key there is, made from the table of actions and the keymap.

use super::{
    super::{
        action::{ACTIONS, Action, Entry, Group},
        help::Help,
        here::{self, Hint},
        state::State,
        text,
    },
    overlay::at_cursor,
    pen::{Pen, Strip, middle},
    tree,
};
use crate::{config::Role, fleet::Health};
use ratatui::layout::{Position, Rect};

const WIDTH: u16 = 104;
/// What is typed, two spaces, what it takes.
const FILTER: &[&str] = &[
    "gpu eu  words match anywhere, in order or not; all terms must hold",
    "state=failed,notready  equal to one of these; pool!=infra is the opposite",
    "version:1.34  begins so",
    "message~pdb  contains; message!~pdb does not",
    "rack=r12  any label",
    "!  problems only",
    "elsewhere  operations, events, hosts and audit take words as written; a key that is none of theirs is a mistake",
];
const LEVELS: &[&str] = &[
    "0  at once: pausing and holding",
    "1  yes or no: going on, trying again, cordon and drain of machines",
    "2  preview, server dry run, the typed name: scale, upgrade, replace, roll back",
    "3  the same and a reason: abort, production, or more than a tenth of a pool leaves",
];

/// Some items below a title.
struct Section {
    title: String,
    items: Vec<Item>,
}

/// What belongs together: one line, or several where it is long.
struct Item {
    /// What is searched, in lower case.
    words: String,
    lines: Vec<Strip>,
}

pub fn draw(pen: &mut Pen, state: &State, help: &Help, area: Rect) -> Option<Position> {
    let last = Rect { y: area.bottom().saturating_sub(1), height: 1.min(area.height), ..area };
    let width = area.width.min(WIDTH);
    let lines = lines(state, help, width);
    // The page is as high as it is without words to search for: it does not jump while one types.
    let all = if help.filter.is_empty() { lines.len() } else { usize::from(area.height) };
    let height = u16::try_from(all + 2).unwrap_or(u16::MAX).min(area.height.saturating_sub(2));
    let area = middle(area, width, height);
    let inner = pen.frame(area, true, &Strip::of("Help", Role::Title), &Strip::new());
    let scroll = help.scroll.min(lines.len().saturating_sub(inner.height.into()));
    pen.strips(inner, &lines[scroll..]);
    let below = lines.len().saturating_sub(scroll + usize::from(inner.height));
    if below > 0 {
        let more = Strip::of(format!(" {} more below ", text::plural(below, "line")), Role::Accent);
        pen.right(Rect { y: area.bottom() - 1, height: 1, width: area.width - 2, ..area }, &more);
    }
    foot(pen, state, help, last)
}

/// Lines of the page that can be scrolled away.
pub fn farthest(state: &State, help: &Help) -> usize {
    let (width, height) = state.size;
    lines(state, help, width.min(WIDTH)).len().saturating_sub(usize::from(height).saturating_sub(4))
}

/// The line at the bottom: the words that are searched for, or what keys do.
fn foot(pen: &mut Pen, state: &State, help: &Help, area: Rect) -> Option<Position> {
    pen.clear(area);
    if help.typing || !help.filter.is_empty() {
        let mut strip = Strip::of(" / ", Role::Key).add(text::clean(help.filter.value()), Role::Text);
        strip.push("   esc takes the words away", Role::Muted);
        pen.strip(area, &strip);
        return help.typing.then(|| at_cursor(&help.filter, area));
    }
    let key = |action| pen.glyphs.key(&state.keymap.key(action));
    let keys = [(key(Action::Down), "down"), (key(Action::Up), "up"), (key(Action::Filter), "search")];
    let mut strip = Strip::of(" ", Role::Text);
    for (key, hint) in keys.into_iter().chain([("esc".to_owned(), "close")]) {
        strip.push(key, Role::Key);
        strip.push(format!(" {hint}  "), Role::Muted);
    }
    pen.strip(area, &strip);
    None
}

fn lines(state: &State, help: &Help, width: u16) -> Vec<Strip> {
    let (width, words) = (usize::from(width).saturating_sub(3), help.words());
    let mut lines = Vec::new();
    for Section { title, items } in sections(state, width) {
        let found = items.into_iter().filter(|item| words.iter().all(|word| item.words.contains(word)));
        let found: Vec<Strip> = found.flat_map(|item| item.lines).collect();
        if !found.is_empty() {
            lines.push(Strip::of(format!(" {title}"), Role::Title));
            lines.extend(found);
            lines.push(Strip::new());
        }
    }
    if lines.is_empty() {
        lines.push(Strip::of(" Nothing on this page has these words.", Role::Muted));
    }
    lines
}

fn sections(state: &State, width: usize) -> Vec<Section> {
    let mut sections = vec![place(state, width)];
    for group in Group::ALL {
        let entries = ACTIONS.iter().filter(|entry| entry.group == group);
        let items = entries.map(|entry| entry_item(state, entry, width)).collect();
        sections.push(Section { title: group.title().to_owned(), items });
    }
    sections.extend(own_commands(state, width));
    sections.push(shapes(state));
    for (title, sentences) in [("Filter", FILTER), ("Levels of confirmation", LEVELS)] {
        sections.push(Section { title: title.to_owned(), items: sentences.iter().map(|s| legend(s, width)).collect() });
    }
    sections
}

/// What can be done here, and of what cannot, why.
fn place(state: &State, width: usize) -> Section {
    let here = here::here(state);
    let items = here.first.into_iter().chain(here.more).map(|hint| {
        let keys = hint.keys(state);
        let refused = hint.action().and_then(|action| state.refusal_in_brief(action));
        let meaning = match &refused {
            Some(why) => format!("{} ({why})", hint.help()),
            None => hint.help().to_owned(),
        };
        item(state, &keys, hint.hint(), &meaning, is_forbidden(state, hint), width)
    });
    Section { title: format!("Here: {}", text::clean(&here::title(state))), items: items.collect() }
}

/// Not for this user at all: read-only is for the user to change.
fn is_forbidden(state: &State, hint: Hint) -> bool {
    hint.action().is_some_and(|action| state.why_not(action).is_some())
}

/// Keys, name and meaning; what is refused says why in place of its meaning.
fn entry_item(state: &State, entry: &Entry, width: usize) -> Item {
    let keys: Vec<String> = state.keymap.keys(entry.action).iter().map(ToString::to_string).collect();
    let why_not = state.why_not(entry.action);
    let is_grey = why_not.is_some();
    let arm = state.keymap.key(Action::Arm);
    let writes = if entry.writes { format!(" ({arm} first)") } else { String::new() };
    let meaning = why_not.unwrap_or_else(|| format!("{}{writes}", entry.help));
    item(state, &keys, entry.name, &meaning, is_grey, width)
}

/// The user's own commands, if there are any.
fn own_commands(state: &State, width: usize) -> Option<Section> {
    if state.commands.is_empty() {
        return None;
    }
    let items = state.commands.iter().map(|custom| {
        let keys: Vec<String> = custom.chord.iter().map(ToString::to_string).collect();
        item(state, &keys, &custom.command.name, &custom.about(state), false, width)
    });
    Some(Section { title: "Your commands".to_owned(), items: items.collect() })
}

/// A meaning that is too long goes on below where it began.
fn item(state: &State, keys: &[String], name: &str, meaning: &str, is_grey: bool, width: usize) -> Item {
    let grey = |role| if is_grey { Role::Muted } else { role };
    let (keys_width, name_width) = if width > 90 { (20, 16) } else { (13, 15) };
    let shown: Vec<String> = keys.iter().map(|key| state.glyphs.key(key)).collect();
    let head = Strip::of(format!("  {} ", text::left(&shown.join(" "), keys_width)), grey(Role::Key))
        .add(format!("{} ", text::left(name, name_width)), grey(Role::Accent));
    let begin = head.width();
    let mut parts = text::wrap(meaning, width.saturating_sub(begin).max(20)).into_iter();
    let first = head.add(parts.next().unwrap_or_default(), grey(Role::Text));
    let rest = parts.map(|part| Strip::new().tab(begin).add(part, grey(Role::Text)));
    let words = format!("{} {name} {meaning}", keys.join(" ")).to_lowercase();
    Item { words, lines: std::iter::once(first).chain(rest).collect() }
}

fn shapes(state: &State) -> Section {
    let glyphs = state.glyphs;
    let words = [
        (Health::Good, "well"),
        (Health::Moving, "work under way"),
        (Health::Warning, "blocked, or not known"),
        (Health::Bad, "failed"),
        (Health::Idle, "idle"),
    ];
    let mut line = Strip::of("  ", Role::Text);
    for (health, word) in words {
        line.push(format!("{} ", glyphs.health(health)), tree::role(health));
        line.push(format!("{word}   "), Role::Text);
    }
    let words = words.map(|(health, word)| format!("{} {word}", glyphs.health(health))).join(" ");
    let mut items = vec![Item { words, lines: vec![line] }];
    if state.has_several_contexts() {
        let says = "! before the name of a context: production";
        items.push(Item { words: says.to_owned(), lines: vec![Strip::of(format!("  {says}"), Role::Text)] });
    }
    Section { title: "Shapes".to_owned(), items }
}

fn legend(sentence: &str, width: usize) -> Item {
    let (first, rest) = sentence.split_once("  ").unwrap_or(("", sentence));
    let parts = text::wrap(rest, width.saturating_sub(27).max(20));
    let line = |(row, part)| {
        let head = if row == 0 { first } else { "" };
        Strip::of(format!("  {}", text::left(head, 25)), Role::Key).add(part, Role::Text)
    };
    Item { words: sentence.to_lowercase(), lines: parts.into_iter().enumerate().map(line).collect() }
}
