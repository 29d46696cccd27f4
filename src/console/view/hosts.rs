//! The hosts of the view: a row for each, and all that one said.

use super::{
    super::{
        action::Action,
        hosts::{
            Answer, HostRow, MOST_HOSTS, Stage,
            probe::{Reading, Unit},
        },
        state::{Pane, State},
        text,
    },
    contexts,
    detail::Panel,
    header,
    pen::{Pen, Strip, row_of},
    tree::role,
};
use crate::{config::Role, fleet::Health};
use jiff::Timestamp;
use ratatui::layout::Rect;

/// From this width on there is room for what is wrong in words.
const WORDS: u16 = 110;

pub fn draw(pen: &mut Pen, state: &State, area: Rect) {
    let hosts = &state.hosts;
    let mut title = Strip::of("Hosts", Role::Title).append(header::compact(state));
    if !hosts.scope.is_empty() {
        title.push(format!(" {}", text::cut(&hosts.scope, 40)), Role::Accent);
    }
    if hosts.of > hosts.rows.len() {
        let filter = state.keymap.key(Action::Filter);
        let most = text::number(MOST_HOSTS);
        title.push(format!("  {most} of {}: `{filter}` or a pool", text::number(hosts.of)), Role::Warning);
    }
    let inner = pen.frame(area, state.pane == Pane::Main, &title, &progress(state));
    if inner.height == 0 {
        return;
    }
    let context = contexts::column(state, None);
    let columns = Columns::of(inner.width, text::width(&context));
    pen.strip(row_of(inner, 0), &columns.head(&context));
    if hosts.rows.is_empty() {
        let key = state.keymap.key(Action::AskAgain);
        let none = match hosts.round {
            0 => format!("Nothing is asked by itself: `{key}` asks the hosts of what the cursor is on."),
            _ => "No machine is here: put the cursor of the fleet on a pool, or change the filter.".to_owned(),
        };
        super::nothing::draw(pen, state, inner, 2, &none);
    }
    if hosts.is_empty() && !hosts.rows.is_empty() {
        super::nothing::draw(pen, state, inner, 2, "");
    }
    let rows = state.layout().list_height();
    for (offset, host) in hosts.from(hosts.list.top).take(rows).enumerate() {
        let here = row_of(inner, offset as u16 + 1);
        let selected = hosts.list.top + offset == hosts.list.index;
        pen.strip(here, &columns.row(pen, state, host, selected));
        if selected {
            pen.highlight(here);
        }
    }
}

/// How far the questions have come.
fn progress(state: &State) -> Strip {
    let hosts = &state.hosts;
    let key = state.keymap.key(Action::AskAgain);
    let (answered, all) = (hosts.answered(), hosts.rows.len());
    let mut strip = Strip::new();
    if hosts.sieve.is_on() {
        let (left, of) = (text::number(hosts.len()), text::number(all));
        strip = strip.add(format!("{left} of {of} match · "), Role::Accent);
    }
    // Who is out of sight was not asked, or long ago.
    let mut seen = Vec::new();
    if answered < all {
        seen.push(format!("{} of {} asked", text::number(answered), text::number(all)));
    }
    if hosts.stale() > 0 {
        seen.push(format!("{} too old", text::number(hosts.stale())));
    }
    let again = if seen.is_empty() { format!("{key} asks again") } else { format!("{key} asks those in view again") };
    match (hosts.awaited(), hosts.troubled()) {
        (0, 0) => {
            // Nobody is well of whom nobody knows anything.
            let well = (answered > 0).then(|| "all well".to_owned());
            let parts: Vec<String> = seen.into_iter().chain(well).collect();
            let gap = if parts.is_empty() { "" } else { " · " };
            strip.add(format!("{}{gap}{again}", parts.join(", ")), Role::Muted)
        }
        (0, bad) => {
            let gap = if seen.is_empty() { "" } else { " · " };
            strip
                .add(format!("{} to look at", text::number(bad)), Role::Warning)
                .add(format!("{gap}{} · {key} asks again", seen.join(", ")), Role::Muted)
        }
        (left, _) => strip.add(format!("asking, {} left", text::number(left)), Role::Moving),
    }
}

/// What there is room for.
#[derive(Clone, Copy)]
struct Columns {
    name: usize,
    load: bool,
    /// For what is wrong; 0 where there is none.
    words: usize,
    width: usize,
}

/// All but the name and the words.
const FIXED: usize = 65;
/// The load with the space before it.
const LOAD: usize = 15;
/// Columns of a name that come before the load.
const NAME: usize = 12;

impl Columns {
    /// `context` is how wide the column of that is.
    fn of(width: u16, context: usize) -> Self {
        let all = usize::from(width);
        let load = all >= FIXED + context + NAME;
        let room = all.saturating_sub(FIXED - if load { 0 } else { LOAD } + context);
        if width < WORDS {
            return Self { name: room.max(8), load, words: 0, width: all };
        }
        let name = (room / 3).clamp(NAME, 30);
        Self { name, load, words: room.saturating_sub(name + 1), width: all }
    }

    fn head(self, context: &str) -> Strip {
        let head = format!(
            "   {context}{} {}{} {} {} {} {} {} {}{}",
            text::left("NAME", self.name),
            text::right("UP", 6),
            if self.load { text::right("LOAD 1/5/15", LOAD) } else { String::new() },
            text::right("DISK", 4),
            text::left("KUBELET", 7),
            text::left("CONTD", 6),
            text::left("ETCD", 6),
            text::right("CLOCK", 6),
            text::right("RTT", 5),
            if self.words > 0 { " WHAT" } else { "" },
        );
        Strip::of(head, Role::Muted)
    }

    fn row(self, pen: &Pen, state: &State, host: &HostRow, selected: bool) -> Strip {
        let health = host.health();
        let strip = Strip::of(if selected { pen.glyphs.cursor() } else { " " }, Role::Accent)
            .add(format!("{} ", pen.glyphs.health(health)), role(health))
            .append(contexts::named(state, host.uid.context))
            .add(text::left(&host.name, self.name), Role::Text);
        let room = self.width.saturating_sub(strip.width() + 1);
        match &host.answer {
            Answer::Awaited if host.stage == Stage::Asked => strip.add(" …", Role::Muted),
            Answer::Awaited => strip.add(format!(" {}", pen.glyphs.dot()), Role::Muted),
            answer if host.stale => {
                strip.add(format!(" {}", text::cut(&old(answer, host, state.now), room)), Role::Muted)
            }
            Answer::Failed(why) => strip.add(format!(" {}", text::cut(without_name(why, &host.name), room)), Role::Bad),
            Answer::Read(reading) => self.reading(strip, reading, host.serves),
        }
    }

    fn reading(self, strip: Strip, reading: &Reading, serves: bool) -> Strip {
        let seen = &reading.seen;
        let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
        let worries = reading.worries(serves);
        let about =
            |word: &str, usual: Role| worries.iter().find(|w| w.text.contains(word)).map_or(usual, |w| role(w.health));
        let unit = |name: &str, unit: Unit| match unit {
            Unit::Active | Unit::Process => Role::Good,
            _ => about(name, Role::Muted),
        };
        let mut strip = strip
            .add(format!(" {}", text::right(&or_unknown(seen.uptime_seconds.map(text::duration)), 6)), Role::Text)
            .add(
                if self.load { text::right(&or_unknown(seen.load.map(load)), LOAD) } else { String::new() },
                about("load", Role::Text),
            )
            .add(
                format!(" {}", text::right(&or_unknown(seen.disk_percent.map(|n| format!("{n}%"))), 4)),
                about("disk", Role::Text),
            )
            .add(format!(" {}", text::left(seen.kubelet.word(), 7)), unit("kubelet", seen.kubelet))
            .add(format!(" {}", text::left(seen.containerd.word(), 6)), unit("containerd", seen.containerd))
            .add(format!(" {}", text::left(seen.etcd.word(), 6)), unit("etcd", seen.etcd))
            .add(format!(" {}", text::right(&clock(reading), 6)), about("clock", Role::Text))
            .add(format!(" {}", text::right(&round_trip(reading), 5)), Role::Muted);
        if self.words > 0
            && let Some(worst) = worries.first()
        {
            let more = if worries.len() > 1 { format!(" +{}", worries.len() - 1) } else { String::new() };
            strip.push(format!(" {}{more}", text::cut(&worst.text, self.words.saturating_sub(3))), role(worst.health));
        }
        strip
    }
}

/// What a host said too long ago, with its age and without the marks of what is known.
fn old(answer: &Answer, host: &HostRow, now: Timestamp) -> String {
    let age = host.at.map_or_else(String::new, |at| age(at, now));
    match answer {
        Answer::Awaited => String::new(),
        Answer::Failed(why) => format!("asked {age} ago: {}", without_name(why, &host.name)),
        Answer::Read(reading) => {
            let worries = reading.worries(host.serves);
            let said = worries.first().map_or("well then", |worry| worry.text.as_str());
            format!("answered {age} ago: {said}")
        }
    }
}

/// A sentence about a host that begins with its name, where that stands already.
fn without_name<'a>(why: &'a str, name: &str) -> &'a str {
    let rest = why.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ").or_else(|| rest.strip_prefix(' ')));
    rest.filter(|rest| !rest.is_empty()).unwrap_or(why)
}

/// A screen at rest is drawn once a minute: seconds would stand still.
fn age(at: Timestamp, now: Timestamp) -> String {
    match text::seconds_between(at, now) {
        seconds @ ..3600 => format!("{}m", seconds / 60),
        seconds => text::duration(seconds),
    }
}

fn load([one, five, fifteen]: [f64; 3]) -> String {
    let short = |n: f64| if n < 10.0 { format!("{n:.2}") } else { format!("{n:.0}") };
    format!("{} {} {}", short(one), short(five), short(fifteen))
}

/// The sign is the host's: ahead of us is `+`. What is within the round trip is no difference.
fn clock(reading: &Reading) -> String {
    match reading.offset_milliseconds {
        None => "?".to_owned(),
        Some(_) if reading.clock_agrees() => "ok".to_owned(),
        Some(off) => {
            let sign = if off > 0 { '+' } else { '-' };
            format!("{sign}{}", text::short_duration(off.abs()))
        }
    }
}

fn round_trip(reading: &Reading) -> String {
    match reading.round_trip_milliseconds {
        milliseconds @ ..1_000 => format!("{milliseconds}ms"),
        milliseconds => text::short_duration(milliseconds),
    }
}

/// All that the host under the cursor said, for the detail.
pub fn panel(state: &State, width: usize) -> Option<Panel> {
    let host = state.hosts.selected()?;
    let mut lines = Vec::new();
    // What is too old has no colour of what is known.
    let now_or_then = |role: Role| if host.stale { Role::Muted } else { role };
    match &host.answer {
        Answer::Awaited if host.stage == Stage::Asked => lines.push(Strip::of("it has not answered yet", Role::Muted)),
        Answer::Awaited => lines.push(Strip::of("it was not asked yet", Role::Muted)),
        Answer::Failed(why) => {
            lines.extend(text::wrap_to(why, width, 5).into_iter().map(|part| Strip::of(part, now_or_then(Role::Bad))));
        }
        Answer::Read(reading) => {
            let worries = reading.worries(host.serves);
            lines.extend(worries.iter().map(|worry| Strip::of(worry.text.clone(), now_or_then(role(worry.health)))));
            if worries.is_empty() {
                let well = if host.stale { "it was well then" } else { "well, as far as it says itself" };
                lines.push(Strip::of(well, now_or_then(role(Health::Good))));
            }
        }
    }
    let mut panel = Panel::new(format!("Host {}", text::clean(&host.name)), lines);
    if let Some(at) = host.at {
        let again = if host.stage == Stage::Asked { ", asked again" } else { "" };
        let is_fresh = text::seconds_between(at, state.now) < 60;
        let age = if is_fresh { String::new() } else { format!(", {} ago", age(at, state.now)) };
        let did = if matches!(host.answer, Answer::Failed(_)) { "tried" } else { "answered" };
        let said = format!("{did} {}{age}{again}", text::when(at, state.now));
        panel = panel.right(Strip::of(said, Role::Muted));
    }
    Some(panel)
}
