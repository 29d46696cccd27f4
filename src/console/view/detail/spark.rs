//! The last half hour as small curves, each with what it is now, what it may be, and between which numbers it went.
//!
//! The scale goes from the lowest to the highest, and both are written beside it: on one that began at nothing, the dip of one
//! machine of four hundred could not be seen. What did not change is a flat line in the middle, or at the bottom if it is
//! nothing. A minute that nobody saw is a gap.

use super::{super::pen::Strip, Panel, Room};
use crate::{
    api::MachineState,
    config::Role,
    console::{
        glyphs::Glyphs,
        state::State,
        text,
        trends::{MINUTES, Minutes, Of, Trend},
    },
    fleet::{Health, StateCounts},
};

/// Columns of the words before a curve.
const LABEL: usize = 13;

/// How ready machines and those that move went, and how fast a rollout was; nothing before there is something to compare.
pub fn panel(
    glyphs: Glyphs,
    state: &State,
    what: Of,
    counts: &StateCounts,
    desired: usize,
    room: Room,
) -> Option<Panel> {
    let trend = state.trends.of(what, state.now)?;
    // The words are of what is drawn, and how much is drawn depends on the room that words leave.
    let mut cells = MINUTES;
    let curves = loop {
        let curves = curves(&trend.newest(cells), counts, desired);
        let numbers = curves.iter().map(|curve| 5 + curve.now.len() + curve.scale.len()).max().unwrap_or(0);
        let fit = room.width.saturating_sub(LABEL + numbers).clamp(8, MINUTES);
        if fit >= cells {
            break curves;
        }
        cells = fit;
    };
    let lines = curves.into_iter().map(|Curve { label, minutes, now, scale }| {
        Strip::of(text::left(label, LABEL), Role::Muted)
            .append(line(glyphs, &minutes, cells))
            .add(format!("  {now}"), Role::Text)
            .add(format!("   {scale}"), Role::Muted)
    });
    let gap = if glyphs.is_ascii() { "space:" } else { glyphs.gap() };
    let legend = Strip::of(format!("from lowest to highest   {gap} not seen"), Role::Muted);
    Some(Panel::new(format!("Last {cells} minutes"), lines.collect()).right(legend))
}

/// A curve, what it is now, and its scale in words.
struct Curve {
    label: &'static str,
    minutes: Minutes,
    now: String,
    scale: String,
}

fn curves(trend: &Trend, counts: &StateCounts, desired: usize) -> Vec<Curve> {
    let ready = format!("{}/{}", text::number(counts.of(MachineState::Ready)), text::number(desired));
    let moving = format!("{}/{}", text::number(counts.health(Health::Moving)), text::number(counts.total()));
    let curve = |label, minutes: &Minutes, now, scale| Curve { label, minutes: *minutes, now, scale };
    let mut curves = vec![
        curve("ready", &trend.ready, ready, between(&trend.ready)),
        curve("moving", &trend.moving, moving, between(&trend.moving)),
    ];
    if trend.done.known().any(|done| done > 0) {
        let most = trend.done.range().map_or(0, |(_, most)| most);
        let now = format!("{}/min", rate(&trend.done));
        curves.push(curve("rolled out", &trend.done, now, format!("most {}/min", text::number(most as usize))));
    }
    curves.extend(changes(trend).map(|(now, most)| curve("changes seen", &trend.changes, now, most)));
    curves
}

/// What came in the last minute that is over.
fn rate(minutes: &Minutes) -> String {
    minutes.whole().map_or_else(|| "–".to_owned(), |n| text::number(n as usize))
}

/// Changes a second, and the most of them. Only where somebody counts.
fn changes(trend: &Trend) -> Option<(String, String)> {
    let (_, most) = trend.changes.range()?;
    let each_second = |n: u32| match n {
        0..600 => format!("{}.{}/s", n / 60, n % 60 / 6),
        n => format!("{}/s", text::number(n as usize / 60)),
    };
    let now = trend.changes.whole().map_or_else(|| "–".to_owned(), each_second);
    Some((now, format!("most {}", each_second(most))))
}

/// Between which numbers it went.
fn between(minutes: &Minutes) -> String {
    match minutes.range() {
        Some((low, high)) if low < high => format!("{}..{}", text::number(low as usize), text::number(high as usize)),
        Some(_) => "no change".to_owned(),
        None => String::new(),
    }
}

/// The newest minutes, as many as there are cells.
fn line(glyphs: Glyphs, minutes: &Minutes, cells: usize) -> Strip {
    let drawn = &minutes.0[MINUTES - cells.min(MINUTES)..];
    let known = || drawn.iter().copied().flatten();
    let (low, high) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    drawn.iter().fold(Strip::new(), |strip, value| match value {
        Some(value) => strip.add(glyphs.level(height(*value, low, high)), Role::Accent),
        None => strip.add(glyphs.gap(), Role::Muted),
    })
}

/// Only the lowest is at the bottom, and only the highest at the top.
fn height(value: u32, low: u32, high: u32) -> usize {
    match () {
        () if low == high => {
            if value == 0 {
                0
            } else {
                Glyphs::TOP / 2
            }
        }
        () if value <= low => 0,
        () if value >= high => Glyphs::TOP,
        () => {
            let part = u64::from(value - low) * (Glyphs::TOP as u64 - 1) / u64::from(high - low);
            (part as usize).clamp(1, Glyphs::TOP - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the last minutes (`.` is a gap), and the curve in both sets of shapes.
    fn check(values: &str, unicode: &str, ascii: &str) {
        let values: Vec<Option<u32>> = values.split(' ').map(|v| v.parse().ok()).collect();
        let mut minutes = Minutes::default();
        minutes.0[MINUTES - values.len()..].copy_from_slice(&values);
        for (glyphs, expected) in [(Glyphs::Unicode, unicode), (Glyphs::Ascii, ascii)] {
            let strip = line(glyphs, &minutes, values.len());
            assert_eq!(strip.width(), values.len());
            assert_eq!(strip.text(), expected, "{values:?}");
        }
    }

    #[test]
    fn a_dip_of_one_of_many_goes_to_the_bottom() {
        check("412 411 412", "█▁█", "^_^");
        check("412 412 412", "▄▄▄", "...");
        check("0 0 0", "▁▁▁", "___");
        check("0 1 2 3 4 5 6 7", "▁▂▂▃▄▅▆█", "___..--^");
        check("7 . 9", "▁·█", "_ ^");
    }

    #[test]
    fn the_words_are_of_what_is_drawn() {
        let mut minutes = Minutes(std::array::from_fn(|at| Some(at as u32)));
        minutes.0[0] = Some(900);
        let trend = Trend { ready: minutes, moving: minutes, done: minutes, changes: minutes };
        let said = |cells| -> Vec<String> {
            let curves = curves(&trend.newest(cells), &StateCounts::default(), 0);
            curves.into_iter().map(|curve| curve.scale).collect()
        };
        assert_eq!(said(MINUTES), ["1..900", "1..900", "most 900/min", "most 15/s"]);
        assert_eq!(said(10), ["20..29", "20..29", "most 29/min", "most 0.4/s"]);
    }

    #[test]
    fn extremes_belong_to_the_extremes() {
        for value in 1..999 {
            let at = height(value, 0, 999);
            assert!((1..Glyphs::TOP).contains(&at), "{value} is at {at}");
        }
        assert_eq!((height(0, 0, 999), height(999, 0, 999)), (0, Glyphs::TOP));
    }
}
