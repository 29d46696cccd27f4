//! Machines as cells: one cell for each, or for as many as there is no room for.
//!
//! A cell that stands for several shows the worst of them, so that one failed machine of five thousand is never averaged away.
//! Only counts are looked at, whatever the number of machines, and of many clusters only as many are put in order as there is
//! room for: a frame costs as much as there are cells, rows and clusters. A pool in a rollout is the exception, for nobody
//! counts what is new: its machines, and no others, are walked.

use super::{
    super::{contexts, pen::Strip, tree::role},
    Panel, Room,
};
use crate::{
    config::Role,
    console::{contexts::is_live, glyphs::Glyphs, state::State, text},
    fleet::{ClusterNode, Health, PoolNode, StateCounts},
};
use std::{borrow::Cow, sync::Arc};

/// What the cells mean where machines are counted by health: as the help page says it, and shorter.
pub const BY_HEALTH: [&[(Health, &str)]; 2] = [&by_health("blocked, or not known"), &by_health("blocked or ?")];

const fn by_health(warning: &str) -> [(Health, &str); 4] {
    [(Health::Good, "ready"), (Health::Moving, "moving"), (Health::Warning, warning), (Health::Bad, "failed")]
}

/// Machines by health, the worst first.
pub fn runs(counts: &StateCounts) -> [(Health, usize); Health::ALL.len()] {
    Health::ALL.map(|health| (health, counts.health(health)))
}

/// What each shape means, and how many machines one cell stands for.
pub fn legend(glyphs: Glyphs, meanings: &[(Health, &str)], per_cell: usize) -> Strip {
    let mut strip = Strip::new();
    for (health, word) in meanings {
        let gap = if strip.width() > 0 { " " } else { "" };
        strip.push(format!("{gap}{} ", glyphs.cell(*health)), role(*health));
        strip.push(*word, Role::Muted);
    }
    if per_cell > 1 {
        let gap = if strip.width() > 0 { "  " } else { "" };
        strip.push(format!("{gap}1 cell = {}", text::number(per_cell)), Role::Muted);
    }
    strip
}

/// The first of these legends that fits beside a title; without words if none of them does.
pub fn fitting(glyphs: Glyphs, meanings: &[&[(Health, &str)]], per_cell: usize, title: &str, width: usize) -> Strip {
    let strips = meanings.iter().map(|words| legend(glyphs, words, per_cell));
    let mut fits = strips.filter(|strip| Panel::has_room(title, strip, width));
    fits.next().unwrap_or_else(|| legend(glyphs, &[], per_cell))
}

/// Runs of equal cells: each cell is the worst of the `per_cell` machines that it stands for.
pub fn shares(runs: &[(Health, usize)], per_cell: usize) -> Vec<(Health, usize)> {
    let mut out: Vec<(Health, usize)> = Vec::new();
    let mut push = |health: Health, cells: usize| match out.last_mut() {
        Some((last, count)) if *last == health => *count += cells,
        _ if cells > 0 => out.push((health, cells)),
        _ => {}
    };
    // The cell that is begun and not full: its worst so far, and how many it stands for.
    let mut open: Option<(Health, usize)> = None;
    for (health, count) in runs.iter().copied().filter(|(_, count)| *count > 0) {
        let mut left = count;
        if let Some((worst, taken)) = open.take() {
            let takes = left.min(per_cell - taken);
            left -= takes;
            let worst = worst.min(health);
            if taken + takes < per_cell {
                open = Some((worst, taken + takes));
                continue;
            }
            push(worst, 1);
        }
        push(health, left / per_cell);
        open = (left % per_cell > 0).then_some((health, left % per_cell));
    }
    if let Some((worst, _)) = open {
        push(worst, 1);
    }
    out
}

/// Cells, broken into lines.
pub fn cells(glyphs: Glyphs, runs: &[(Health, usize)], width: usize, per_cell: usize) -> Vec<Strip> {
    let mut lines = Vec::new();
    let mut strip = Strip::new();
    for (health, mut cells) in shares(runs, per_cell) {
        while cells > 0 && width > 0 {
            let fits = cells.min(width - strip.width().min(width));
            strip.push(glyphs.cell(health).repeat(fits), role(health));
            cells -= fits;
            if strip.width() >= width {
                lines.push(std::mem::take(&mut strip));
            }
        }
    }
    if strip.width() > 0 {
        lines.push(strip);
    }
    if lines.is_empty() {
        lines.push(Strip::of("no machines yet", Role::Muted));
    }
    lines
}

/// A cluster or a pool, on a line of its own.
pub struct Entry<'a> {
    pub name: Cow<'a, str>,
    pub health: Health,
    pub counts: &'a StateCounts,
    pub ready: usize,
    pub desired: usize,
    /// What has to be said besides: it is paused.
    pub word: &'static str,
    /// Nobody knows whether it is still so: the line to it is down.
    pub stale: bool,
}

impl<'a> Entry<'a> {
    /// With the context that it is in, where there are several and they are not the page of one.
    pub fn cluster(state: &State, node: &'a ClusterNode) -> Self {
        let here = node.row.uid.context;
        let context = if state.context_here().is_none() { contexts::column(state, Some(here)) } else { String::new() };
        let stale = !is_live(&state.snapshot, here);
        Self {
            name: if context.is_empty() { Cow::from(&*node.row.name) } else { Cow::from(context + &node.row.name) },
            health: node.health,
            counts: &node.counts,
            ready: node.ready(),
            desired: node.desired,
            word: match (stale, node.row.paused) {
                (true, true) => "stale, paused",
                (true, false) => "stale",
                (false, true) => "paused",
                (false, false) => "",
            },
            stale,
        }
    }

    pub fn pool(node: &'a PoolNode) -> Self {
        let (row, word) = (&node.row, [(node.row.paused, "paused"), (node.row.hold, "hold")]);
        Self {
            name: Cow::from(&*row.short_name),
            health: node.health,
            counts: &node.counts,
            ready: node.ready(),
            desired: row.desired,
            word: word.into_iter().find(|(is, _)| *is).map_or("", |(_, word)| word),
            stale: false,
        }
    }

    fn ratio(&self) -> String {
        format!("{}/{}", text::number(self.ready), text::number(self.desired))
    }
}

/// Some of them on lines of their own, the worst first, and the sum of the others.
pub struct Entries<'a> {
    shown: Vec<Entry<'a>>,
    others: Others,
}

/// What is said of those for which there is no line.
#[derive(Clone, Copy)]
struct Others {
    count: usize,
    worst: Health,
    ready: usize,
    desired: usize,
}

impl Others {
    const NONE: Self = Self { count: 0, worst: Health::Good, ready: 0, desired: 0 };

    fn and(self, health: Health, ready: usize, desired: usize) -> Self {
        Self {
            count: self.count + 1,
            worst: self.worst.min(health),
            ready: self.ready + ready,
            desired: self.desired + desired,
        }
    }
}

impl<'a> Entries<'a> {
    /// All of them, as they are.
    pub fn all(shown: Vec<Entry<'a>>) -> Self {
        Self { shown, others: Others::NONE }
    }

    /// The worst clusters, at most so many; those of several contexts stand one after another.
    pub fn worst(state: &State, clusters: &'a [Arc<ClusterNode>], most: usize) -> Self {
        let mut order: Vec<(Health, usize)> = clusters.iter().enumerate().map(|(at, node)| (node.health, at)).collect();
        let mut others = Others::NONE;
        if order.len() > most {
            order.select_nth_unstable(most);
            for (health, at) in order.drain(most..) {
                others = others.and(health, clusters[at].ready(), clusters[at].desired);
            }
        }
        order.sort_unstable();
        Self { shown: order.into_iter().map(|(_, at)| Entry::cluster(state, &clusters[at])).collect(), others }
    }

    fn len(&self) -> usize {
        self.shown.len() + self.others.count
    }
}

/// One line for each of them, as many as there is room for, and how many machines a cell stands for. What is left is summed up
/// in the last line.
///
/// All lines are of one scale: a cluster that is twice as large is twice as long.
pub fn table(glyphs: Glyphs, entries: &Entries, rows: usize, width: usize) -> (Vec<Strip>, usize) {
    let rows = rows.max(1);
    let shown = if entries.len() > rows { entries.shown.len().min(rows - 1) } else { entries.shown.len() };
    let (shown, rest) = entries.shown.split_at(shown);
    let widest = |of: &dyn Fn(&Entry) -> usize| shown.iter().map(of).max().unwrap_or(0);
    let name = widest(&|e| text::width(&e.name)).min(width / 3);
    let ratio = widest(&|e| text::width(&e.ratio()));
    let word = widest(&|e| e.word.len());
    let beside = 2 + name + 1 + 1 + ratio + if word > 0 { 1 + word } else { 0 };
    let cells = width.saturating_sub(beside).max(1);
    let per_cell = widest(&|e| e.counts.total()).div_ceil(cells).max(1);
    let mut lines: Vec<Strip> = shown
        .iter()
        .map(|entry| {
            let well = entry.stale && !entry.health.is_problem();
            let shape = if well { Role::Muted } else { role(entry.health) };
            let mut strip = Strip::of(format!("{} ", glyphs.health(entry.health)), shape)
                .add(text::left(&entry.name, name), Role::Text)
                .add(" ", Role::Text);
            for (health, count) in shares(&runs(entry.counts), per_cell) {
                strip.push(glyphs.cell(health).repeat(count), role(health));
            }
            let colour = if entry.stale { Role::Muted } else { Role::Text };
            strip = strip.tab(2 + name + 1 + cells + 1).add(text::right(&entry.ratio(), ratio), colour);
            if entry.word.is_empty() { strip } else { strip.add(format!(" {}", entry.word), Role::Warning) }
        })
        .collect();
    let rest = rest.iter().fold(entries.others, |sum, entry| sum.and(entry.health, entry.ready, entry.desired));
    if rest.count > 0 {
        let sum = format!("{}/{}", text::number(rest.ready), text::number(rest.desired));
        lines.push(
            Strip::of(format!("… {} more ", text::number(rest.count)), Role::Muted)
                .add(glyphs.health(rest.worst), role(rest.worst))
                .add(format!(" {sum}"), Role::Muted),
        );
    }
    (lines, per_cell)
}

/// The facts of something and the machines in it. Where every line counts the rows stand in the frame of the facts, below the
/// first line and below all that is wrong: however many rows there are, that is seen.
pub fn below(glyphs: Glyphs, facts: Panel, what: &str, entries: &Entries, room: Room) -> Vec<Panel> {
    if entries.len() == 0 {
        return vec![facts];
    }
    if room.tight {
        let mut facts = facts;
        let is_wrong = |line: &Strip| line.has(Role::Warning) || line.has(Role::Bad);
        let first = facts.lines.iter().rposition(is_wrong).map_or(1, |at| at + 1).min(facts.lines.len());
        let (lines, per_cell) = table(glyphs, entries, room.height.saturating_sub(first), room.width);
        facts.lines.splice(first..first, lines);
        let state = std::mem::take(&mut facts.right);
        let scale = legend(glyphs, &[], per_cell);
        let gap = if state.width() > 0 && scale.width() > 0 { "   " } else { "" };
        return vec![facts.right(scale.add(gap, Role::Text).append(state))];
    }
    let rows = (room.height.saturating_sub(facts.lines.len() + 2) / 2).max(3);
    let (lines, per_cell) = table(glyphs, entries, rows, room.width);
    let title = format!("{what} {}", text::number(entries.len()));
    let legend = fitting(glyphs, &BY_HEALTH, per_cell, &title, room.width);
    vec![facts, Panel::new(title, lines).right(legend)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs and machines for each cell, and the cells: a letter for each health.
    fn check(runs: &str, per_cell: usize, expected: &str) {
        let health = |letter: &str| match letter {
            "x" => Health::Bad,
            "!" => Health::Warning,
            "o" => Health::Moving,
            "#" => Health::Good,
            _ => Health::Idle,
        };
        let runs: Vec<(Health, usize)> =
            runs.split(' ').map(|run| (health(&run[..1]), run[1..].parse().expect("a number"))).collect();
        let cells: String =
            shares(&runs, per_cell).iter().map(|(h, count)| Glyphs::Ascii.cell(*h).repeat(*count)).collect();
        assert_eq!(cells, expected, "{runs:?} by {per_cell}");
    }

    #[test]
    fn a_cell_shows_the_worst_of_those_that_it_stands_for() {
        check("x1 #4", 1, "x####");
        check("x1 #4999", 1000, "x####");
        check("x1 !1 o1 #7", 10, "x");
        // Whatever the order: that of a rollout is not by health.
        check("#95 x1 .4", 10, "#########x");
        check("#5 o5 x1", 10, "ox");
        check("#3 .2", 2, "##.");
        check("#0 x0", 3, "");
        check("#10", 3, "####");
    }

    #[test]
    fn a_legend_says_what_the_help_page_says_or_less() {
        let check = |title: &str, width, expected: &str| {
            let strip = fitting(Glyphs::Ascii, &BY_HEALTH, 1, title, width);
            assert_eq!(strip.text().split(" ! ").nth(1).unwrap_or_default(), expected, "{title} in {width}");
        };
        check("Clusters 12", 100, "blocked, or not known x failed");
        check("Clusters 12", 59, "blocked or ? x failed");
        check("Clusters 12", 30, "");
        let scale = fitting(Glyphs::Ascii, &BY_HEALTH, 9, "Machines 4,000", 59);
        assert_eq!(scale.text(), "1 cell = 9", "the scale says more than the words");
    }

    #[test]
    fn no_failed_machine_is_lost_however_many_there_are() {
        for total in [1, 9, 400, 5000, 100_000] {
            for width in [1, 7, 40, 120] {
                for before in [0, total / 3, total - 1] {
                    let per_cell = usize::div_ceil(total, width).max(1);
                    let runs = [(Health::Good, before), (Health::Bad, 1), (Health::Good, total - 1 - before)];
                    let shares = shares(&runs, per_cell);
                    let bad: usize = shares.iter().filter(|(h, _)| *h == Health::Bad).map(|(_, n)| n).sum();
                    assert_eq!(bad, 1, "{total} in {width}");
                    assert!(shares.iter().map(|(_, n)| n).sum::<usize>() <= width, "{total} in {width}");
                }
            }
        }
    }
}
