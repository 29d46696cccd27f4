//! How it goes with the nodes of some machines: a line on standard error whenever something has changed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{Api, ResourceExt};

use super::{Subject, Verb};
use crate::{
    api::{Machine, MachineState},
    commands::{
        change::{obstacle::obstacle, write::Writer},
        exit::Exit,
        follow::{Verdict, Watched},
        lines,
    },
};

pub(super) struct Nodes<'a> {
    writer: &'a Writer,
    verb: Verb,
    machines: Subject,
    /// What was last said of each machine.
    said: BTreeMap<String, String>,
}

/// Where one node stands.
enum Where {
    There,
    /// In words, and the same without what only time changes.
    OnTheWay(String, String),
    HeldUp(String),
    Failed(String),
}

impl<'a> Nodes<'a> {
    pub(super) fn new(writer: &'a Writer, verb: Verb, machines: Subject) -> Self {
        Self { writer, verb, machines, said: BTreeMap::new() }
    }

    fn stand(&self, machine: &Machine) -> Where {
        let name = machine.name_any();
        let status = machine.status.clone().unwrap_or_default();
        let (is_cordoned, is_ours) =
            status.node.as_ref().map_or((false, false), |n| (n.unschedulable, n.cordoned_by.is_some()));
        let failed = |why: &str| Where::Failed(format!("{name} {why}; see  quarterdeck get operations"));
        let moves = |word: &str| Where::OnTheWay(format!("{name}: {word}"), word.to_owned());
        if machine.spec.claim_ref.is_none() {
            return failed("has left its cluster meanwhile");
        }
        match (self.verb, &machine.spec.maintenance) {
            (Verb::Uncordon, None) if !is_cordoned => Where::There,
            (Verb::Uncordon, None) if !is_ours => Where::HeldUp(format!(
                "{name} stays cordoned: somebody cordoned it outside of Quarterdeck, and  kubectl uncordon  gives it back"
            )),
            (Verb::Uncordon, None) => moves("cordoned"),
            (Verb::Cordon | Verb::Drain, None) => failed("was given back by somebody else meanwhile"),
            (Verb::Uncordon, Some(_)) => failed("was cordoned again by somebody else meanwhile"),
            (Verb::Cordon, Some(_)) if is_cordoned => Where::There,
            (Verb::Cordon, Some(_)) => moves("not cordoned yet"),
            (Verb::Drain, Some(wanted)) => {
                let drain =
                    status.drain.as_ref().filter(|d| wanted.since.as_ref().is_none_or(|s| d.started_at.0 >= s.0));
                let Some(drain) = drain else { return moves("not begun") };
                if drain.skipped_at.is_some() {
                    return failed(&format!("could not be emptied in time, {}", obstacle(machine, Timestamp::now()).0));
                }
                if drain.completed_at.is_some() && status.state != Some(MachineState::Draining) {
                    return Where::There;
                }
                let pods = format!("{name}: draining, {} of {} pods left", drain.pods_left, drain.pods_total);
                let (with, without) = obstacle(machine, Timestamp::now());
                let joined = |more: String| if more.is_empty() { pods.clone() } else { format!("{pods}, {more}") };
                Where::OnTheWay(joined(with), joined(without))
            }
        }
    }

    fn say(&mut self, name: &str, line: &str, face: String) {
        if self.said.get(name) != Some(&face) {
            lines::err(line);
            self.said.insert(name.to_owned(), face);
        }
    }
}

impl Watched for Nodes<'_> {
    type Look = Vec<Machine>;

    async fn look(&self) -> Result<Vec<Machine>, kube::Error> {
        let api: Api<Machine> = Api::namespaced(self.writer.client.clone(), &self.writer.namespace);
        let mut found = Vec::new();
        for (name, uid) in &self.machines {
            found.extend(api.get_opt(name).await?.filter(|m| m.metadata.uid == *uid));
        }
        Ok(found)
    }

    fn judge(&mut self, look: &Vec<Machine>) -> Verdict {
        if let Some((gone, _)) = self.machines.iter().find(|(name, _)| !look.iter().any(|m| m.name_any() == *name)) {
            return Verdict::Failed(format!("{gone} is not there any more"));
        }
        let (mut there, mut held_up) = (0, None);
        for machine in look {
            let name = machine.name_any();
            match self.stand(machine) {
                Where::There => {
                    there += 1;
                    self.say(&name, &format!("{name}: done"), "done".to_owned());
                }
                Where::OnTheWay(line, face) => self.say(&name, &line, face),
                Where::HeldUp(why) => held_up = Some(why),
                Where::Failed(why) => return Verdict::Failed(why),
            }
        }
        if there == look.len() {
            return Verdict::Done(format!("{}: done", self.name()));
        }
        held_up.map_or(Verdict::GoesOn, |why| Verdict::HeldUp(Exit::Declined, why))
    }

    fn name(&self) -> String {
        match self.machines.as_slice() {
            [(one, _)] => one.clone(),
            all => format!("{} machines", all.len()),
        }
    }

    fn in_short(&self, last: &Vec<Machine>) -> String {
        let open = last.iter().filter_map(|machine| match self.stand(machine) {
            Where::OnTheWay(line, _) => Some(line),
            _ => None,
        });
        open.collect::<Vec<_>>().join("; ")
    }

    fn interrupted(&self) -> String {
        let names: Vec<_> = self.machines.iter().map(|(name, _)| name.as_str()).collect();
        let stop = if self.verb == Verb::Uncordon { "cordon" } else { "uncordon" };
        format!("it goes on without us; take it back with  quarterdeck {stop} {}", names.join(" "))
    }
}
