//! What a flat list of machines can show of each and be ordered by. Trees are in the order of
//! [`Machines`](super::Machines) already.

use std::{cmp::Ordering, sync::Arc};

use jiff::Timestamp;

use super::{machines, rows::MachineRow};

/// One thing that is known of a machine: a column, and what a list is ordered by. Ties go by urgency and then by name;
/// machines without a value come last, whichever way the list is turned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Key {
    /// The most urgent first.
    #[default]
    Urgency,
    Name,
    /// The meta cluster, in the order in which they are shown.
    Context,
    Cluster,
    Pool,
    State,
    /// The longest in its state first.
    Since,
    Phase,
    Version,
    Node,
    Address,
    /// The oldest first.
    Age,
    Operation,
    Message,
    /// A label, by its whole key or by what comes after the `/`.
    Label(Arc<str>),
}

/// How a label is written where keys are named: `label:rack`.
const LABEL: &str = "label:";

impl Key {
    /// Those that every machine may have.
    pub const COMMON: [Self; 14] = [
        Self::Urgency,
        Self::Name,
        Self::Context,
        Self::Cluster,
        Self::Pool,
        Self::State,
        Self::Since,
        Self::Phase,
        Self::Version,
        Self::Node,
        Self::Address,
        Self::Age,
        Self::Operation,
        Self::Message,
    ];

    /// The key of a name: `cluster`, `label:rack`.
    pub fn named(name: &str) -> Option<Self> {
        if let Some(label) = name.strip_prefix(LABEL).filter(|label| !label.is_empty()) {
            return Some(Self::Label(label.into()));
        }
        Self::COMMON.into_iter().find(|key| key.name() == name)
    }

    /// Its name, as people write it.
    pub fn name(&self) -> String {
        let word = match self {
            Self::Urgency => "urgency",
            Self::Name => "name",
            Self::Context => "context",
            Self::Cluster => "cluster",
            Self::Pool => "pool",
            Self::State => "state",
            Self::Since => "since",
            Self::Phase => "phase",
            Self::Version => "version",
            Self::Node => "node",
            Self::Address => "address",
            Self::Age => "age",
            Self::Operation => "operation",
            Self::Message => "message",
            Self::Label(label) => return format!("{LABEL}{label}"),
        };
        word.to_owned()
    }

    /// What the machine has of it, where that is a text.
    pub fn text<'a>(&self, machine: &'a MachineRow) -> Option<&'a str> {
        match self {
            Self::Name => Some(&machine.name),
            Self::Cluster => machine.cluster.as_deref(),
            Self::Pool => machine.pool.as_deref(),
            Self::State => Some(machine.state.as_str()),
            Self::Phase => machine.phase.as_deref(),
            Self::Version => machine.version(),
            Self::Node => machine.node_name(),
            Self::Address => Some(&machine.address),
            Self::Operation => machine.operation.as_deref(),
            Self::Message => machine.message.as_deref(),
            Self::Label(label) => machine.label_called(label),
            // What it is called the row does not know.
            Self::Urgency | Self::Context | Self::Since | Self::Age => None,
        }
    }

    /// What the machine has of it, where that is a moment.
    pub fn moment(&self, machine: &MachineRow) -> Option<Timestamp> {
        match self {
            Self::Since => machine.state_since,
            Self::Age => machine.created_at,
            _ => None,
        }
    }

    /// Which of two machines comes first.
    pub fn compare(&self, a: &MachineRow, b: &MachineRow, reversed: bool) -> Ordering {
        let turn = |ordering: Ordering| if reversed { ordering.reverse() } else { ordering };
        let first = match self {
            Self::Urgency => return turn(machines::order(a, b)),
            Self::Since | Self::Age => missing_last(self.moment(a), self.moment(b), |a, b| turn(a.cmp(&b))),
            Self::State => turn(a.state.cmp(&b.state)),
            Self::Context => turn(a.uid.context.cmp(&b.uid.context)),
            Self::Cluster => {
                missing_last(a.cluster.as_deref(), b.cluster.as_deref(), |a, b| turn(machines::natural(a, b)))
                    .then_with(|| missing_last(a.pool.as_deref(), b.pool.as_deref(), machines::natural))
            }
            _ => missing_last(self.text(a), self.text(b), |a, b| turn(machines::natural(a, b))),
        };
        first.then_with(|| machines::order(a, b))
    }
}

/// Sorts machines; `reversed` turns the order of the values round.
pub fn machines(rows: &mut [Arc<MachineRow>], key: &Key, reversed: bool) {
    rows.sort_unstable_by(|a, b| key.compare(a, b, reversed));
}

fn missing_last<T>(a: Option<T>, b: Option<T>, compare: impl Fn(T, T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::testing::snapshot;

    fn check(key: &str, reversed: bool, wanted: &str) {
        let fleet = snapshot(
            "cluster b\n pool p\n machine m-10 Ready since=9 kubelet=1.9.0 rack=r2\n machine m-2 Failed since=5\n
             cluster a\n pool q\n machine m-3 Ready since=7 kubelet=1.10.0 rack=r10\n idle 1 z-",
        );
        let mut rows: Vec<_> = fleet.all_machines().cloned().collect();
        machines(&mut rows, &Key::named(key).expect(key), reversed);
        let names: Vec<_> = rows.iter().map(|m| &*m.name).collect();
        assert_eq!(names.join(" "), wanted, "{key}");
    }

    #[test]
    fn machines_can_be_ordered_by_anything_and_those_without_it_come_last() {
        check("urgency", false, "m-2 m-3 m-10 z-1");
        check("urgency", true, "z-1 m-10 m-3 m-2");
        check("name", false, "m-2 m-3 m-10 z-1");
        check("name", true, "z-1 m-10 m-3 m-2");
        check("state", false, "z-1 m-3 m-10 m-2");
        check("since", false, "m-10 m-3 m-2 z-1");
        check("since", true, "m-2 m-3 m-10 z-1");
        check("cluster", false, "m-3 m-2 m-10 z-1");
        check("cluster", true, "m-2 m-10 m-3 z-1");
        check("version", false, "m-10 m-3 m-2 z-1");
        check("version", true, "m-3 m-10 m-2 z-1");
        check("label:rack", false, "m-10 m-3 m-2 z-1");
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        for key in Key::COMMON.into_iter().chain([Key::Label("topology.kubernetes.io/zone".into())]) {
            assert_eq!(Key::named(&key.name()), Some(key));
        }
        assert_eq!((Key::named("label:"), Key::named("rack")), (None, None));
    }
}
