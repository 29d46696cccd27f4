//! Phases against time: one line for each machine, or one for each phase of one machine.
//!
//! The scale snaps to steps that people read, so that bars grow instead of shifting with every frame.

use super::{
    super::{glyphs::Glyphs, text},
    pen::Strip,
    tree::role,
};
use crate::config::Role;
use crate::{
    api::PhaseState,
    fleet::{Health, MachineRow, PhaseHistory, PhaseRow},
};
use jiff::Timestamp;
use std::sync::Arc;

/// Milliseconds of one column.
const STEPS: [i64; 17] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000,
    3_600_000, 14_400_000,
];

/// Time on columns: the newest column is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    start: i64,
    end: i64,
    step: i64,
    columns: usize,
}

impl Axis {
    /// Fits `earliest` to `now` into the columns; what is older is clipped.
    pub fn new(earliest: Option<Timestamp>, now: Timestamp, columns: usize) -> Self {
        let end = now.as_millisecond();
        let columns = columns.max(4);
        let span = earliest.map_or(0, |at| end - at.as_millisecond()).max(1);
        let step = STEPS.into_iter().find(|step| step * (columns as i64 - 1) >= span).unwrap_or(STEPS[STEPS.len() - 1]);
        // The left edge moves in whole columns.
        let right = end.div_euclid(step) + 1;
        Self { start: (right - columns as i64) * step, end, step, columns }
    }

    fn column(&self, at: i64) -> usize {
        usize::try_from((at - self.start).div_euclid(self.step)).unwrap_or(0).min(self.columns - 1)
    }

    /// Times of day below which the columns begin.
    pub fn labels(&self) -> String {
        let width = if self.step < 10_000 { 8 } else { 5 };
        let every = 16;
        let mut out = String::new();
        let mut column = 0;
        while column + width <= self.columns {
            let at = Timestamp::from_millisecond(self.start + column as i64 * self.step).unwrap_or_default();
            let label = if width == 8 { text::clock(at) } else { text::clock_minutes(at) };
            out.push_str(&text::left(&label, every.min(self.columns - column)));
            column += every;
        }
        out
    }

    /// One line of bars; `index` says which fill a phase gets.
    pub fn bars(&self, glyphs: Glyphs, phases: &[PhaseRow], index: impl Fn(&str) -> usize) -> Strip {
        let mut cells: Vec<(&'static str, Role)> = vec![(" ", Role::Text); self.columns];
        let mut clipped = false;
        for phase in phases {
            let Some(start) = phase.started_at.map(Timestamp::as_millisecond) else { continue };
            let end = phase.finished_at.map_or(self.end, Timestamp::as_millisecond);
            if end < self.start {
                continue;
            }
            clipped |= start < self.start;
            let (first, last) = (self.column(start), self.column(end));
            let fill = (glyphs.fill(index(&phase.name)), phase_role(phase.state));
            cells[first..=last].fill(fill);
            if phase.state == PhaseState::Running {
                cells[last] = (glyphs.now(), Role::Moving);
            }
        }
        if clipped {
            cells[0] = (glyphs.clipped(), Role::Muted);
        }
        gathered(&cells)
    }
}

/// Neighbours of one role become one piece.
fn gathered(cells: &[(&str, Role)]) -> Strip {
    let mut strip = Strip::new();
    for group in cells.chunk_by(|a, b| a.1 == b.1) {
        strip.push(group.iter().map(|(symbol, _)| *symbol).collect::<String>(), group[0].1);
    }
    strip
}

fn phase_role(state: PhaseState) -> Role {
    match state {
        PhaseState::Failed => Role::Bad,
        PhaseState::Running => Role::Moving,
        PhaseState::Succeeded => Role::Good,
        PhaseState::Pending | PhaseState::Skipped => Role::Muted,
    }
}

/// The names of all phases in the order in which they come.
fn order(machines: &[&Arc<MachineRow>]) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for phase in machines.iter().flat_map(|m| spans(m)) {
        if !names.contains(&phase.name) {
            names.push(phase.name);
        }
    }
    names
}

/// Machines in progress: bars, the phase that runs, how long it has, against the median and the slow ones.
pub fn machines(
    glyphs: Glyphs,
    machines: &[&Arc<MachineRow>],
    history: &PhaseHistory,
    now: Timestamp,
    width: usize,
    height: usize,
) -> Vec<Strip> {
    let name = machines.iter().map(|m| text::width(&m.name)).max().unwrap_or(8).clamp(8, (width / 5).max(8));
    let columns = width.saturating_sub(name + 3 + 36);
    let rows = height.saturating_sub(2).max(1);
    let shown = &machines[..machines.len().min(rows)];
    let begun = shown.iter().flat_map(|m| spans(m)).filter_map(|p| p.started_at).min();
    let axis = Axis::new(begun, now, columns);
    let order = order(shown);
    let index = |phase: &str| order.iter().position(|n| **n == *phase).unwrap_or(0);
    let head = Strip::of(
        format!(
            "  {} {} {} {} {}",
            text::left("", name),
            text::left(&axis.labels(), axis.columns),
            text::left("PHASE", 16),
            text::right("TOOK", 6),
            text::right("P50/P95", 11)
        ),
        Role::Muted,
    );
    let mut lines = vec![head];
    for machine in shown {
        lines.push(machine_line(glyphs, machine, history, now, &axis, name, index));
    }
    if lines.len() < height {
        lines.push(legend(glyphs, &order, machines.len() - shown.len(), width));
    }
    lines
}

/// The phases of a machine; what is done to it by no executor, such as a drain, is one as well.
fn spans(machine: &MachineRow) -> Vec<PhaseRow> {
    let mut spans = machine.phases.to_vec();
    let is_running = spans.iter().any(|phase| phase.state == PhaseState::Running);
    if !is_running && let Some(since) = machine.state_since.filter(|_| machine.state.is_moving()) {
        spans.push(PhaseRow {
            name: machine.state.as_str().into(),
            state: PhaseState::Running,
            started_at: Some(since),
            finished_at: None,
            steps_done: 0,
            steps: 0,
            step: None,
            message: None,
        });
    }
    spans
}

fn machine_line(
    glyphs: Glyphs,
    machine: &MachineRow,
    history: &PhaseHistory,
    now: Timestamp,
    axis: &Axis,
    name: usize,
    index: impl Fn(&str) -> usize,
) -> Strip {
    let role = role(machine.health);
    let mut strip =
        Strip::of(format!("{} ", glyphs.health(machine.health)), role).add(text::left(&machine.name, name), Role::Text);
    strip.push(" ", Role::Text);
    strip = strip.append(axis.bars(glyphs, &spans(machine), index));
    let word = machine.phase.as_deref().unwrap_or(machine.state.as_str());
    strip.push(format!(" {} ", text::left(word, 16)), role);
    let since = machine.phase_since.or(machine.state_since);
    let took = since.map_or(0, |at| now.as_millisecond() - at.as_millisecond());
    let usual = machine.phase.as_deref().and_then(|phase| history.phase(phase));
    strip.push(text::right(&text::short_duration(took), 6), slow_role(took, usual.map(|u| u.p95.as_millis() as i64)));
    strip.push(format!(" {}", text::right(&usual_text(usual), 11)), Role::Muted);
    strip
}

/// Beyond the slow twentieth something may be wrong; well beyond it, it is.
fn slow_role(took: i64, p95: Option<i64>) -> Role {
    match p95 {
        Some(p95) if took > p95 * 3 => Role::Bad,
        Some(p95) if took > p95 => Role::Warning,
        _ => Role::Text,
    }
}

fn usual_text(usual: Option<crate::fleet::PhaseStatistics>) -> String {
    usual.map_or_else(String::new, |u| {
        format!("{}/{}", text::short_duration(u.p50.as_millis() as i64), text::short_duration(u.p95.as_millis() as i64))
    })
}

fn legend(glyphs: Glyphs, order: &[Arc<str>], more: usize, width: usize) -> Strip {
    let mut strip = Strip::new();
    if more > 0 {
        strip.push(format!("{} {} more   ", glyphs.ellipsis(), text::number(more)), Role::Muted);
    }
    for (i, name) in order.iter().enumerate() {
        let piece = text::clean(&format!("{} {name}  ", glyphs.fill(i)));
        let rest = if i + 1 < order.len() { text::width(glyphs.ellipsis()) } else { 0 };
        if strip.width() + text::width(&piece) + rest > width {
            strip.push(glyphs.ellipsis(), Role::Muted);
            break;
        }
        strip.push(piece, Role::Muted);
    }
    strip
}

/// The phases of one machine: start, bar, how long it took, what is usual.
pub fn phases(
    glyphs: Glyphs,
    machine: &MachineRow,
    history: &PhaseHistory,
    now: Timestamp,
    width: usize,
) -> Vec<Strip> {
    if machine.phases.is_empty() {
        return Vec::new();
    }
    let wide = width >= 70;
    let name = machine.phases.iter().map(|p| text::width(&p.name)).max().unwrap_or(8).clamp(8, 18);
    let columns = width.saturating_sub(name + 2 + 10 + 8 + 14 + if wide { 10 } else { 0 }).max(8);
    let begun = machine.phases.iter().filter_map(|p| p.started_at).min();
    let over = machine.phases.iter().all(|p| p.state != PhaseState::Running);
    let until = machine.phases.iter().filter_map(|p| p.finished_at).max().filter(|_| over).unwrap_or(now);
    let axis = Axis::new(begun, until, columns);
    let mut lines = vec![Strip::of(
        format!(
            "  {} {} {} {} {}",
            text::left("PHASE", name),
            text::left("START", 8),
            text::left("", columns),
            text::right("TOOK", 7),
            text::right("P50/P95", 12)
        ),
        Role::Muted,
    )];
    for phase in &machine.phases {
        lines.push(phase_line(glyphs, phase, history, now, &axis, name));
        if let Some(message) = phase.message.as_deref() {
            let role = if phase.state == PhaseState::Failed { Role::Bad } else { Role::Warning };
            lines.push(Strip::of(format!("    {}", text::cut(message, width.saturating_sub(5))), role));
        }
    }
    lines
}

fn phase_line(
    glyphs: Glyphs,
    phase: &PhaseRow,
    history: &PhaseHistory,
    now: Timestamp,
    axis: &Axis,
    name: usize,
) -> Strip {
    let role = phase_role(phase.state);
    let took = phase.elapsed(now).map(|d| d.as_millis() as i64);
    let usual = history.phase(&phase.name);
    let start = phase.started_at.map(|at| text::when_short(at, now)).unwrap_or_default();
    let running = phase.state == PhaseState::Running;
    let steps =
        if running && phase.steps > 0 { format!(" {}/{}", phase.steps_done, phase.steps) } else { String::new() };
    let mut strip = Strip::of(format!("{} ", glyphs.phase(phase.state)), role)
        .add(text::left(&phase.name, name), if phase.state == PhaseState::Pending { Role::Muted } else { Role::Text })
        .add(format!(" {} ", text::left(&start, 8)), Role::Muted)
        .append(axis.bars(glyphs, std::slice::from_ref(phase), |_| 2));
    let over = slow_role(took.unwrap_or(0), usual.map(|u| u.p95.as_millis() as i64));
    strip.push(format!(" {}", text::right(&took.map(text::short_duration).unwrap_or_default(), 7)), over);
    strip.push(format!(" {}", text::right(&usual_text(usual), 12)), Role::Muted);
    if let Some(step) = phase.step.as_deref().filter(|_| running) {
        strip.push(format!("{steps} {}", text::cut(step, 30)), Role::Moving);
    }
    strip
}

/// Machines of a list that are worth a line here, those with problems first.
pub fn in_progress<'a>(machines: impl Iterator<Item = &'a Arc<MachineRow>>, limit: usize) -> Vec<&'a Arc<MachineRow>> {
    machines.take_while(|m| m.health <= Health::Moving).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    #[test]
    fn the_axis_snaps_and_keeps_all_in_view() {
        let axis = Axis::new(Some(at(100_000)), at(160_000), 40);
        assert_eq!(axis.step, 2_000);
        assert!(axis.start <= 100_000);
        assert_eq!(axis.column(160_000), 39);
        // A second later the left edge has not moved by a fraction of a column.
        assert_eq!(Axis::new(Some(at(100_000)), at(161_000), 40).start % 2_000, 0);
    }

    #[test]
    fn a_legend_leaves_out_what_comes_later_and_says_so() {
        let order: Vec<Arc<str>> = ["Preflight", "ContainerRuntime", "Join"].map(Arc::from).to_vec();
        let check = |width, wanted: &str| {
            let strip = legend(Glyphs::Ascii, &order, 0, width);
            assert_eq!(strip.text().trim_end(), wanted, "{width}");
        };
        check(60, "= Preflight  # ContainerRuntime  % Join");
        check(36, "= Preflight  # ContainerRuntime  ..");
        check(30, "= Preflight  ..");
    }

    #[test]
    fn odd_times_do_not_break_the_axis() {
        for (earliest, now, columns) in [(None, 5, 0), (Some(10), 5, 1), (Some(0), i64::from(i32::MAX) * 1000, 10)] {
            let axis = Axis::new(earliest.map(at), at(now), columns);
            assert!(axis.column(i64::MIN / 2) < axis.columns && axis.column(i64::MAX / 2) < axis.columns);
            axis.labels();
        }
    }
}
