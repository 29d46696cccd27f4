//! Where progress is shown: bars on a terminal, a line for each change elsewhere; always on standard error.

use std::{collections::BTreeMap, io::IsTerminal};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kube::ResourceExt;

use super::look::{Look, state, words};
use crate::{
    api::{MachineState, NodePool},
    commands::lines,
};

/// Machines that have a line of their own on a terminal.
const LINES: usize = 12;

pub(super) enum Screen {
    Bars(Bars),
    /// What was last said of each machine.
    Lines(BTreeMap<String, String>),
}

impl Screen {
    pub(super) fn new(pool: &NodePool) -> Self {
        if std::io::stderr().is_terminal() { Self::Bars(Bars::new(pool)) } else { Self::Lines(BTreeMap::new()) }
    }

    pub(super) fn show(&mut self, look: &Look) {
        match self {
            Self::Bars(bars) => bars.show(look),
            Self::Lines(last) => say(last, look),
        }
    }

    /// Leaves what was reached.
    pub(super) fn clear(&mut self) {
        if let Self::Bars(bars) = self {
            bars.lines.values().for_each(ProgressBar::finish_and_clear);
            bars.total.abandon();
        }
    }
}

fn say(last: &mut BTreeMap<String, String>, look: &Look) {
    for machine in &look.machines {
        let (name, words) = (machine.name_any(), words(machine));
        if last.get(&name) != Some(&words) {
            lines::err(&format!("{name}  {words}"));
            last.insert(name, words);
        }
    }
    last.retain(|name, _| {
        let stays = look.machines.iter().any(|m| m.name_any() == *name);
        if !stays {
            lines::err(&format!("{name}  Released"));
        }
        stays
    });
}

pub(super) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    lines: BTreeMap<String, ProgressBar>,
    /// Machines that the pool had at the first look.
    began: Option<usize>,
}

impl Bars {
    fn new(pool: &NodePool) -> Self {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(1));
        let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos}/{len} {msg}  {elapsed}");
        total.set_style(style.expect("the template is valid").progress_chars("=> "));
        total.set_prefix(pool.name_any());
        Self { all, total, lines: BTreeMap::new(), began: None }
    }

    fn show(&mut self, look: &Look) {
        self.count(look);
        let moving = look.machines.iter().filter(|m| state(m) != MachineState::Ready).take(LINES);
        let moving: BTreeMap<_, _> = moving.map(|m| (m.name_any(), words(m))).collect();
        self.lines.retain(|name, bar| {
            let stays = moving.contains_key(name);
            if !stays {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
            stays
        });
        for (name, words) in moving {
            let bar = self.lines.entry(name.clone()).or_insert_with(|| {
                let bar = self.all.add(ProgressBar::new(1));
                // Cut at the edge: a line that wraps leaves its second half on the screen.
                bar.set_style(ProgressStyle::with_template("  {wide_msg}").expect("the template is valid"));
                bar
            });
            bar.set_message(format!("{name}  {words}"));
        }
    }

    /// A pool that grows counts what is Ready, one that shrinks what has left.
    fn count(&mut self, look: &Look) {
        let (there, wanted) = (look.machines.len(), usize::try_from(look.pool.spec.replicas).unwrap_or_default());
        let began = *self.began.get_or_insert(there);
        let (at, of, words) = if began > wanted {
            (began.saturating_sub(there), began - wanted, "released")
        } else {
            (look.ready(), wanted, "Ready")
        };
        self.total.set_length(of as u64);
        self.total.set_message(words);
        self.total.set_position(at as u64);
    }
}
