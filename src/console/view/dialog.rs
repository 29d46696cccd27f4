//! Dialogs: scale, yes or no, export. One skeleton: what, is it there, what will happen, what the server says, why, yes.

use super::{
    super::{
        confirm::Confirmation,
        export::{ExportDialog, Form},
        input::Line,
        scale::{Field, Opinion, ScaleDialog},
        state::State,
        text,
        theme::Role,
    },
    pen::{Pen, Strip, middle, row_of},
};
use crate::fleet::Health;
use ratatui::layout::{Position, Rect};

const LABEL: usize = 11;

pub fn scale(pen: &mut Pen, state: &State, dialog: &ScaleDialog, area: Rect) -> Option<Position> {
    let width = area.width.saturating_sub(2).min(96);
    let body = body(pen, state, dialog, usize::from(width) - 4);
    let foot = 6;
    let height = (body.len() as u16 + foot + 2).min(area.height.saturating_sub(1));
    let area = middle(area, width, height);
    let title = Strip::of("Scale  ", Role::Title)
        .add(text::cut(&format!("{} / {}", dialog.pool.spec.cluster_name, dialog.short_name), 44), Role::Accent);
    let level = dialog.level();
    let production = if dialog.production { "production · " } else { "" };
    let right = Strip::of(format!("{production}level {level}"), if level > 2 { Role::Warning } else { Role::Muted });
    let inner = pen.frame(area, true, &title, &right);
    let upper = Rect { height: inner.height.saturating_sub(foot), ..inner };
    let scroll = dialog.scroll.min(body.len().saturating_sub(upper.height.into()));
    pen.strips(indent(upper), &body[scroll..]);
    let lower = Rect { y: upper.bottom(), height: foot.min(inner.height), ..inner };
    rule(pen, row_of(lower, 0));
    let reason = typed(
        pen,
        row_of(lower, 1),
        "reason",
        &dialog.reason,
        dialog.focus == Field::Reason,
        "recorded with the change",
    );
    let want = format!("type {}", dialog.phrase());
    let confirm = typed(pen, row_of(lower, 2), "confirm", &dialog.confirm, dialog.focus == Field::Confirm, &want);
    status(pen, state, dialog, row_of(lower, 3));
    buttons(pen, state, dialog, row_of(lower, 5));
    match dialog.focus {
        Field::Reason => Some(reason),
        Field::Confirm => Some(confirm),
        _ => None,
    }
}

fn indent(area: Rect) -> Rect {
    Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area }
}

fn rule(pen: &mut Pen, area: Rect) {
    let line = pen.glyphs.rule().repeat(area.width.into());
    pen.strip(area, &Strip::of(line, Role::Border));
}

fn label(text: &str) -> Strip {
    Strip::of(text::left(text, LABEL), Role::Muted)
}

/// All above the rule: it may be longer than the screen is high.
fn body(pen: &Pen, state: &State, dialog: &ScaleDialog, width: usize) -> Vec<Strip> {
    let mut lines = vec![stepper(pen, dialog, width), inventory(pen, dialog)];
    lines.extend(plan(pen, state, dialog, width));
    lines.push(time(state, dialog));
    for warning in dialog.warnings() {
        for (i, part) in wrap(&warning, width - LABEL - 2).into_iter().enumerate() {
            let mark = if i == 0 { format!("{} ", pen.glyphs.health(Health::Warning)) } else { "  ".into() };
            lines.push(label("").add(mark, Role::Warning).add(part, Role::Warning));
        }
    }
    lines.push(Strip::of(pen.glyphs.rule().repeat(width), Role::Border));
    lines.extend(opinion(pen, state, dialog, width));
    lines
}

fn stepper(pen: &Pen, dialog: &ScaleDialog, width: usize) -> Strip {
    let difference = dialog.replicas - dialog.from();
    let focus = dialog.focus == Field::Replicas;
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

fn inventory(pen: &Pen, dialog: &ScaleDialog) -> Strip {
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
    let (used, free) = text::bar(fraction, 20, pen.glyphs.is_ascii());
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
fn plan(pen: &Pen, state: &State, dialog: &ScaleDialog, width: usize) -> Vec<Strip> {
    let plan = &dialog.plan;
    let mut lines = Vec::new();
    let names = |list: Vec<&str>| text::cut(&listed(&list), width.saturating_sub(LABEL + 14));
    if !plan.claims.is_empty() {
        let list = plan.claims.iter().map(|m| m.name.as_str()).collect();
        lines.push(label("claims").add(format!("{:>4}  ", plan.claims.len()), Role::Good).add(names(list), Role::Text));
    }
    if !plan.joins.is_empty() {
        let list = plan.joins.iter().map(|m| m.name.as_str()).collect();
        lines.push(label("joins").add(format!("{:>4}  ", plan.joins.len()), Role::Good).add(names(list), Role::Text));
    }
    if !plan.victims.is_empty() {
        let list = plan.victims.iter().map(|v| v.machine.name.as_str()).collect();
        lines.push(
            label("drains").add(format!("{:>4}  ", plan.victims.len()), Role::Warning).add(names(list), Role::Text),
        );
    }
    if !plan.releases.is_empty() {
        let list = plan.releases.iter().map(|m| m.name.as_str()).collect();
        lines.push(
            label("releases").add(format!("{:>4}  ", plan.releases.len()), Role::Text).add(names(list), Role::Text),
        );
    }
    if !plan.waiting.is_empty() {
        let list = plan.waiting.iter().map(|m| m.name.as_str()).collect();
        lines.push(label("then").add(format!("{:>4}  ", plan.waiting.len()), Role::Text).add(names(list), Role::Text));
    }
    if lines.is_empty() {
        lines.push(label("plan").add("nothing to do", Role::Muted));
    } else {
        lines.push(label("phases").add(phases(pen, state, dialog, width), Role::Muted));
    }
    lines
}

/// The phases of the machines that join or leave, as far as any have been seen.
fn phases(pen: &Pen, state: &State, dialog: &ScaleDialog, width: usize) -> String {
    let arrow = if pen.glyphs.is_ascii() { " > " } else { " ▸ " };
    let shrinks = dialog.replicas < dialog.from();
    let wanted = if shrinks { crate::api::OperationType::ScaleDown } else { crate::api::OperationType::ScaleUp };
    let known = state.snapshot.operations.iter().find(|o| o.type_ == wanted && !o.phase_durations.is_empty());
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
        None => strip.add("not known: nothing like it has been done here yet", Role::Muted),
    }
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [a, b, c] => format!("{a}, {b}, {c}"),
        [first, .., last] => format!("{first} … {last}"),
    }
}

/// What the server says, as a diff.
fn opinion(pen: &Pen, state: &State, dialog: &ScaleDialog, width: usize) -> Vec<Strip> {
    let stale = |replicas: i32| replicas != dialog.replicas;
    match &dialog.opinion {
        _ if dialog.replicas == dialog.from() => {
            vec![Strip::of("server dry run: asked as soon as there is a change", Role::Muted)]
        }
        _ if !state.is_armed() => {
            vec![Strip::of("server dry run: not asked while read-only (W arms writes)", Role::Muted)]
        }
        Opinion::NotAsked => vec![Strip::of("server dry run …", Role::Muted)],
        Opinion::Waiting { .. } => vec![Strip::of("server dry run: asking …", Role::Muted)],
        Opinion::Refused { message, .. } => {
            let mut lines = vec![Strip::of(format!("server dry run {}", pen.glyphs.health(Health::Bad)), Role::Bad)];
            lines.extend(wrap(message, width).into_iter().map(|part| Strip::of(part, Role::Bad)));
            lines
        }
        Opinion::Given { replicas, answer } => {
            let word = if stale(*replicas) { " …" } else { "" };
            let mut lines = vec![
                Strip::of("server dry run ", Role::Text)
                    .add(format!("{}{word}", pen.glyphs.health(Health::Good)), Role::Good),
            ];
            lines.extend(answer.diff.iter().map(|line| {
                let role = match line.sign {
                    '+' => Role::Added,
                    '-' => Role::Removed,
                    _ => Role::Muted,
                };
                Strip::of(format!("{} {}", line.sign, text::cut(&line.text, width.saturating_sub(2))), role)
            }));
            lines
        }
    }
}

fn typed(pen: &mut Pen, area: Rect, name: &str, line: &Line, focused: bool, hint: &str) -> Position {
    let area = indent(area);
    let room = usize::from(area.width).saturating_sub(LABEL + 34).clamp(12, 40);
    let shown = tail(line.value(), room);
    let strip = label(name)
        .add("[ ", if focused { Role::Focus } else { Role::Border })
        .add(text::left(&shown, room), if focused { Role::Input } else { Role::Text })
        .add(" ]", if focused { Role::Focus } else { Role::Border })
        .add(format!("  {hint}"), Role::Muted);
    pen.strip(area, &strip);
    let column = LABEL + 2 + line.cursor().min(room);
    Position::new(area.x + column as u16, area.y)
}

/// The end of a text that is too long for its field.
fn tail(value: &str, room: usize) -> String {
    let value = text::clean(value);
    let mut start = 0;
    while text::width(&value[start..]) > room {
        start += value[start..].chars().next().map_or(1, char::len_utf8);
    }
    value[start..].to_owned()
}

/// Why it is refused, or what happens on Enter.
fn status(pen: &mut Pen, state: &State, dialog: &ScaleDialog, area: Rect) {
    let area = indent(area);
    let strip = match (&dialog.complaint, dialog.blocked(state.is_armed())) {
        _ if dialog.applying.is_some() => {
            Strip::of(format!("{} applying …", pen.glyphs.health(Health::Moving)), Role::Moving)
        }
        (Some(complaint), _) => Strip::of(format!("{} {complaint}", pen.glyphs.health(Health::Warning)), Role::Warning),
        (None, Some(why)) => Strip::of(format!("{} {why}", pen.glyphs.dot()), Role::Muted),
        (None, None) => Strip::of(format!("{} enter applies it", pen.glyphs.health(Health::Good)), Role::Good),
    };
    pen.strip(area, &strip);
}

fn buttons(pen: &mut Pen, state: &State, dialog: &ScaleDialog, area: Rect) {
    let ready = dialog.blocked(state.is_armed()).is_none();
    // Until the name is typed, Cancel is what Enter would mean here.
    let shown_focus = match dialog.focus {
        Field::Replicas | Field::Reason => Field::Cancel,
        Field::Confirm if ready => Field::Apply,
        Field::Confirm => Field::Cancel,
        other => other,
    };
    let mut strip = Strip::of("  ", Role::Text);
    for (field, name) in [(Field::Cancel, " Cancel "), (Field::Export, " Export (ctrl-x) "), (Field::Apply, " Apply ")]
    {
        let role = match (field == shown_focus, field, ready) {
            (true, ..) => Role::Cursor,
            (false, Field::Apply, false) => Role::Muted,
            (false, ..) => Role::Text,
        };
        strip.push(name, role);
        strip.push("   ", Role::Text);
    }
    pen.strip(area, &strip);
}

pub fn confirm(pen: &mut Pen, confirmation: &Confirmation, area: Rect) -> Option<Position> {
    let width = area.width.saturating_sub(4).min(72);
    let meaning = wrap(&confirmation.meaning, usize::from(width) - 4);
    let area = middle(area, width, meaning.len() as u16 + 5);
    let inner = pen.frame(area, true, &Strip::of("Confirm", Role::Title), &Strip::of("level 1", Role::Muted));
    let inner = indent(inner);
    pen.strip(row_of(inner, 0), &Strip::of(text::clean(&confirmation.question), Role::Text));
    for (row, part) in (1..).zip(&meaning) {
        pen.strip(row_of(inner, row), &Strip::of(part.as_str(), Role::Muted));
    }
    let role = |focused: bool| if focused { Role::Cursor } else { Role::Text };
    let buttons = Strip::new()
        .add(" No (n) ", role(!confirmation.yes))
        .add("   ", Role::Text)
        .add(" Yes (y) ", role(confirmation.yes));
    pen.strip(row_of(inner, meaning.len() as u16 + 2), &buttons);
    None
}

pub fn export(pen: &mut Pen, export: &ExportDialog, area: Rect) -> Option<Position> {
    let text = export.text();
    let width = area.width.saturating_sub(4).min(110);
    let lines: Vec<String> = text.lines().flat_map(|line| hard_wrap(line, usize::from(width) - 4)).collect();
    let area = middle(area, width, (lines.len() as u16 + 6).min(area.height.saturating_sub(2)));
    let inner = pen.frame(
        area,
        true,
        &Strip::of("Export instead of applying", Role::Title),
        &Strip::of("esc closes", Role::Muted),
    );
    let inner = indent(inner);
    let mut tabs = Strip::new();
    for (i, form) in Form::ALL.into_iter().enumerate() {
        tabs.push(format!("{} ", i + 1), Role::Key);
        tabs.push(format!(" {} ", form.title()), if form == export.form { Role::Cursor } else { Role::Text });
        tabs.push("   ", Role::Text);
    }
    pen.strip(row_of(inner, 0), &tabs);
    for (row, line) in (2..inner.height.saturating_sub(2)).zip(&lines) {
        pen.strip(row_of(inner, row), &Strip::of(text::clean(line), Role::Text));
    }
    let keys = Strip::of("w", Role::Key)
        .add(format!(" write {}   ", export.file_name()), Role::Muted)
        .add("y", Role::Key)
        .add(" copy   ", Role::Muted)
        .add("tab", Role::Key)
        .add(" next form", Role::Muted);
    pen.strip(row_of(inner, inner.height.saturating_sub(1)), &keys);
    None
}

/// Breaks a sentence between words.
pub fn wrap(sentence: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text::clean(sentence).split_whitespace() {
        match lines.last_mut() {
            Some(line) if text::width(line) + 1 + text::width(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Breaks anywhere: for text that is copied.
fn hard_wrap(line: &str, width: usize) -> Vec<String> {
    let characters: Vec<char> = line.chars().collect();
    characters.chunks(width.max(8)).map(|chunk| chunk.iter().collect()).collect()
}
