//! Failures that are the same: a line without what differs from machine to machine, and who shares it.
//!
//! What this costs depends on how many machines have failed, not on how many there are; a machine is looked at again only
//! when it has changed.

use crate::{
    api::PhaseState,
    fleet::{Health, MachineRow, Machines, Snapshot, Uid},
};
use regex::{Captures, Regex};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, LazyLock},
};

/// Failed machines that are compared. In a fleet with more, everything is on fire.
const MOST_MACHINES: usize = 5_000;
/// Longer lines are compared by their beginning.
const MOST_CHARACTERS: usize = 400;
/// A piece of a line that is shorter says too little to search for.
const LEAST_PIECE: usize = 8;
const MOST_PIECE: usize = 120;

/// What differs in lines that say the same. The order counts: the first that matches.
static DIFFERS: LazyLock<Regex> = LazyLock::new(|| {
    let parts = [
        r"(?P<hash>\bSHA256:[A-Za-z0-9+/=]{20,})",
        r#"(?P<path>"/[^"]*"|'/[^']*'|`/[^`]*`)"#,
        r"(?P<uid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)",
        r"(?P<time>\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|\b\d\d:\d\d:\d\d(?:\.\d+)?\b)",
        r"(?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[?\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b(?:\]:\d+)?|\[?\b[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*::(?:[0-9a-fA-F]{1,4}:)*[0-9a-fA-F]{1,4}\b(?:\]:\d+)?)",
        r"(?P<duration>\b\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h)(?:\d+(?:\.\d+)?(?:ms|s|m))*\b)",
        r"(?P<hex>\b0x[0-9a-fA-F]+\b|[0-9a-fA-F]{8,})",
        r"(?P<n>\d+(?:[.,]\d+)*%?)",
    ];
    Regex::new(&parts.join("|")).expect("a test uses it")
});

/// The line without what differs: numbers, hashes, UIDs, addresses, durations, times, quoted paths, and these names.
pub fn signature(line: &str, names: &[&str]) -> String {
    let line: String = line.chars().take(MOST_CHARACTERS).collect();
    let mut names: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let line = names.iter().fold(line, |line, name| without(&line, name));
    let same = DIFFERS.replace_all(&line, |found: &Captures| {
        let whole = &found[0];
        let kind =
            ["hash", "path", "uid", "time", "ip", "duration", "hex", "n"].into_iter().find(|k| found.name(k).is_some());
        match kind {
            // A word may look like a number to the base of 16, and such a number like one to the base of 10.
            Some("hex") if !whole.contains(|c: char| c.is_ascii_digit()) => whole.to_owned(),
            Some("hex") if whole.chars().all(|c| c.is_ascii_digit()) => "<n>".to_owned(),
            Some("path") => format!("{0}<path>{0}", &whole[..1]),
            kind => format!("<{}>", kind.unwrap_or("n")),
        }
    });
    same.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The line with `<host>` wherever the name stands as a word.
fn without(line: &str, name: &str) -> String {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '-');
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let after = &found[name.len()..];
        out.push_str(before);
        let word = !is_part(out.chars().next_back()) && !is_part(after.chars().next());
        out.push_str(if word { "<host>" } else { name });
        rest = after;
    }
    out + rest
}

/// Machines that failed in the same step with the same line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub phase: Arc<str>,
    pub step: Option<Arc<str>>,
    /// The line of the first of them, as it was written.
    pub line: Arc<str>,
    signature: Arc<str>,
    pub machines: Vec<Uid>,
    pub clusters: BTreeSet<Arc<str>>,
}

impl Group {
    /// `17 machines, 6 clusters`
    pub fn size(&self) -> String {
        let plural = super::text::plural;
        format!("{}, {}", plural(self.machines.len(), "machine"), plural(self.clusters.len(), "cluster"))
    }

    /// A filter that finds them: the phase, and the longest piece of the line that all of them have.
    pub fn filter(&self) -> String {
        // What stands in angles stands for something else in each of them.
        let pieces = self.signature.split('<').map(|part| part.split_once('>').map_or(part, |(_, rest)| rest));
        let pieces = pieces.flat_map(|piece| piece.split('"')).map(str::trim);
        let longest = pieces.filter(|piece| piece.len() >= LEAST_PIECE).max_by_key(|piece| piece.len());
        let piece: Option<String> = longest.map(|piece| piece.chars().take(MOST_PIECE).collect());
        let said = piece.map(|piece| format!(" \"message~{}\"", piece.trim())).unwrap_or_default();
        format!("state=failed phase={}{said}", self.phase)
    }
}

/// What is known of one failed machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    phase: Arc<str>,
    step: Option<Arc<str>>,
    signature: Arc<str>,
}

/// All failures of the fleet, the most frequent first.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    groups: Vec<Group>,
    by_machine: HashMap<Uid, usize>,
    /// By machine, with the version of it that was looked at.
    seen: HashMap<Uid, (Box<str>, Key)>,
}

impl Failures {
    /// Those that more than one machine shares, and those that stand alone.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The failure of a machine.
    pub fn of(&self, uid: &Uid) -> Option<&Group> {
        self.by_machine.get(uid).and_then(|at| self.groups.get(*at))
    }

    /// Looks at those that failed since the last time.
    pub fn refresh(&mut self, snapshot: &Snapshot) {
        let mut before = std::mem::take(&mut self.seen);
        let mut groups: HashMap<Key, Group> = HashMap::new();
        for machine in failed(snapshot).take(MOST_MACHINES) {
            let known = before.remove(&machine.uid).filter(|(version, _)| *version == machine.resource_version);
            let Some(key) = known.map(|(_, key)| key).or_else(|| key(machine)) else { continue };
            self.seen.insert(machine.uid.clone(), (machine.resource_version.clone(), key.clone()));
            let group = groups.entry(key.clone()).or_insert_with(|| Group {
                phase: key.phase.clone(),
                step: key.step.clone(),
                line: line(machine).into(),
                signature: key.signature.clone(),
                machines: Vec::new(),
                clusters: BTreeSet::new(),
            });
            group.machines.push(machine.uid.clone());
            group.clusters.extend(machine.cluster.clone());
        }
        self.groups = groups.into_values().collect();
        self.groups.sort_by(|a, b| {
            let of = |g: &Group| (std::cmp::Reverse(g.machines.len()), g.phase.clone(), g.signature.clone());
            of(a).cmp(&of(b))
        });
        let machines =
            |(at, group): (usize, &Group)| group.machines.iter().map(|m| (m.clone(), at)).collect::<Vec<_>>();
        self.by_machine = self.groups.iter().enumerate().flat_map(machines).collect();
    }
}

/// Machines whose step failed. Problems stand first in every pool, so the others are not looked at.
fn failed(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<MachineRow>> {
    let ill = |machine: &&Arc<MachineRow>| machine.health == Health::Bad;
    let pools = snapshot.pools().filter(|(_, pool)| pool.counts.health(Health::Bad) > 0);
    let of_pools = pools.flat_map(move |(_, pool)| pool.machines.iter().take_while(ill));
    let idle = snapshot.contexts().filter_map(|context| snapshot.idle(context));
    of_pools.chain(idle.flat_map(move |idle: &Machines| idle.iter().take_while(ill)))
}

fn key(machine: &MachineRow) -> Option<Key> {
    let failed = machine.phases.iter().rev().find(|phase| phase.state == PhaseState::Failed)?;
    let names = [Some(&*machine.name), machine.node_name(), machine.cluster.as_deref(), Some(&*machine.address)];
    let names: Vec<&str> = names.into_iter().flatten().collect();
    Some(Key {
        phase: failed.name.clone(),
        step: failed.step.clone(),
        signature: signature(&line(machine), &names).into(),
    })
}

/// What the failed phase says, else what the machine does.
fn line(machine: &MachineRow) -> String {
    let failed = machine.phases.iter().rev().find(|phase| phase.state == PhaseState::Failed);
    let said = failed.and_then(|phase| phase.message.as_deref()).or(machine.message.as_deref());
    said.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::testing;

    fn check(line: &str, expected: &str) {
        assert_eq!(signature(line, &["m-0041", "eu-1", "node-m-0041"]), expected, "{line}");
    }

    #[test]
    fn what_differs_is_left_out() {
        check("it ended with status 100: no route", "it ended with status <n>: no route");
        check("timed out after 4m12.5s, 300ms, 12h", "timed out after <duration>, <duration>, <duration>");
        check("dial tcp 10.17.14.31:6443: refused", "dial tcp <ip>: refused");
        check("dial tcp [fd00:1::17]:6443: refused", "dial tcp <ip>: refused");
        check("from fe80:0:0:0:1:2:3:4", "from <ip>");
        check("uid 0190a5d2-7c1e-7b2a-9f00-aabbccddeeff gone", "uid <uid> gone");
        check("sha256:0f3a9c21d4e5b6a7 mismatch", "sha<n>:<hex> mismatch");
        check("host key SHA256:Zm9v/YmFy+deadbeef00aabbccZm9vYmFyMTIzNDU= is unknown", "host key <hash> is unknown");
        check("panic at 0xc0002f8", "panic at <hex>");
        check("at 2026-11-21T12:00:01.204Z it broke", "at <time> it broke");
        check("12:00:01 it broke", "<time> it broke");
        check("open \"/var/lib/kubelet/pods/7/volumes\": denied", "open \"<path>\": denied");
        check("open '/etc/x' failed", "open '<path>' failed");
        check("nodes/m-0041 in eu-1 not ready", "nodes/<host> in <host> not ready");
        check("node-m-0041 and m-00411 and eu-12", "<host> and m-<n> and eu-<n>");
        check("disk 97% full, 1,024 of 1.5 left", "disk <n> full, <n> of <n> left");
        check("effaced   facade", "effaced facade");
        check("", "");
        check("std::io::Error", "std::io::Error");
    }

    #[test]
    fn equal_failures_are_one_over_all_clusters() {
        let machine = |name: &str, step: &str, status: u32, address: u32| {
            format!(
                "machine {name} Failed phases=Preflight:ok:3,{step}:fail:9 \
                 message=\"it ended with status {status}: dial tcp 10.0.0.{address}:443: no route to mirror of {name}\"\n"
            )
        };
        let fleet = [
            "cluster eu-1\npool gpu\n".to_owned(),
            machine("m-1", "BootstrapOS", 100, 1),
            machine("m-2", "BootstrapOS", 99, 2),
            machine("m-3", "Join", 100, 1),
            "machine m-4 Ready\n".to_owned(),
            "cluster us-2\npool gpu2\n".to_owned(),
            machine("m-5", "BootstrapOS", 1, 9),
        ];
        let snapshot = testing::snapshot(&fleet.concat());
        let mut failures = Failures::default();
        for _ in 0..2 {
            failures.refresh(&snapshot);
            let sizes: Vec<String> = failures.groups().iter().map(|g| format!("{} {}", g.phase, g.size())).collect();
            assert_eq!(sizes, ["BootstrapOS 3 machines, 2 clusters", "Join 1 machine, 1 cluster"]);
        }
        let group = failures.of(&testing::uid("m-5")).expect("it failed");
        assert!(failures.of(&testing::uid("m-4")).is_none());
        assert_eq!(group.filter(), "state=failed phase=BootstrapOS \"message~: no route to mirror of\"");
        let filter = crate::fleet::Filter::parse(&group.filter()).expect("it can be read");
        assert_eq!(filter.machines(&snapshot).len(), 3);
    }
}
