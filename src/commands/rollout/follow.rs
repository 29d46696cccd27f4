//! How a rollout goes: a line on standard error whenever something has changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{goal::Goal, look::Look};
use crate::commands::{
    change::write::Writer,
    exit::Exit,
    follow::{Verdict, Watched},
    lines,
};

pub(super) struct Rollout<'a> {
    writer: &'a Writer,
    goal: Goal,
    /// What was wrong before we began.
    old: Option<BTreeSet<String>>,
    /// What was last said of each pool.
    said: BTreeMap<usize, String>,
}

impl<'a> Rollout<'a> {
    pub(super) fn new(writer: &'a Writer, goal: Goal) -> Self {
        Self { writer, goal, old: None, said: BTreeMap::new() }
    }

    fn show(&mut self, look: &Look) {
        for (at, (line, face)) in look.lines(&self.goal).into_iter().enumerate() {
            if self.said.get(&at) != Some(&face) {
                lines::err(&line);
                self.said.insert(at, face);
            }
        }
    }
}

impl Watched for Rollout<'_> {
    type Look = Look;

    async fn look(&self) -> Result<Look, kube::Error> {
        Look::take(self.writer, &self.goal).await
    }

    fn judge(&mut self, look: &Look) -> Verdict {
        self.show(look);
        if self.goal.is_reached(look) {
            return Verdict::Done(format!("{}: done", self.name()));
        }
        let old = self.old.get_or_insert_with(|| look.wrongs());
        if let Some(wrong) = look.wrong(old, &self.goal) {
            return Verdict::Failed(wrong);
        }
        look.held_up(&self.goal).map_or(Verdict::GoesOn, |why| Verdict::HeldUp(Exit::Declined, why))
    }

    fn name(&self) -> String {
        match self.goal.pools.as_slice() {
            [one] => one.name.clone(),
            _ => self.goal.cluster.clone(),
        }
    }

    fn in_short(&self, last: &Look) -> String {
        last.lines(&self.goal).into_iter().map(|(line, _)| line).collect::<Vec<_>>().join("; ")
    }

    fn interrupted(&self) -> String {
        let words: Vec<_> = self.goal.pools.iter().map(|p| self.goal.words(&p.name)).collect();
        let first = words.first().cloned().unwrap_or_else(|| self.goal.cluster.clone());
        format!(
            "{} goes on without us. To stop it:  quarterdeck pause {first}  (at once),  hold  (after what is under way) or  abort",
            self.name()
        )
    }
}
