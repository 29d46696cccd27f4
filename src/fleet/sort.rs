//! Orders for flat lists of machines. Trees are in the order of [`Machines`](super::Machines) already.

use std::{cmp::Ordering, sync::Arc};

use super::{machines, rows::MachineRow};

/// What a list of machines is ordered by. Ties, and machines without a value, go by urgency and then by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The most urgent first.
    #[default]
    Urgency,
    Name,
    State,
    /// The longest in its state first.
    Since,
    Cluster,
    Version,
}

impl Order {
    pub const ALL: [Self; 6] = [Self::Urgency, Self::Name, Self::State, Self::Since, Self::Cluster, Self::Version];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgency => "urgency",
            Self::Name => "name",
            Self::State => "state",
            Self::Since => "since",
            Self::Cluster => "cluster",
            Self::Version => "version",
        }
    }

    /// The next one, and after the last the first.
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|o| *o == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    pub fn compare(self, a: &MachineRow, b: &MachineRow) -> Ordering {
        let first = match self {
            Self::Urgency => Ordering::Equal,
            Self::Name => machines::natural(&a.name, &b.name),
            Self::State => a.state.cmp(&b.state),
            Self::Since => missing_last(a.state_since, b.state_since, |a, b| a.cmp(&b)),
            Self::Cluster => missing_last(a.cluster.as_deref(), b.cluster.as_deref(), machines::natural)
                .then_with(|| missing_last(a.pool.as_deref(), b.pool.as_deref(), machines::natural)),
            Self::Version => missing_last(a.version(), b.version(), machines::natural),
        };
        first.then_with(|| machines::order(a, b))
    }
}

/// Sorts machines; `reversed` turns the whole order round.
pub fn machines(rows: &mut [Arc<MachineRow>], order: Order, reversed: bool) {
    rows.sort_unstable_by(|a, b| {
        let ordering = order.compare(a, b);
        if reversed { ordering.reverse() } else { ordering }
    });
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

    fn check(order: Order, reversed: bool, wanted: &str) {
        let fleet = snapshot(
            "cluster b\n pool p\n machine m-10 Ready since=9 kubelet=1.9.0\n machine m-2 Failed since=5\n
             cluster a\n pool q\n machine m-3 Ready since=7 kubelet=1.10.0\n idle 1 z-",
        );
        let mut rows: Vec<_> = fleet.all_machines().cloned().collect();
        machines(&mut rows, order, reversed);
        let names: Vec<_> = rows.iter().map(|m| &*m.name).collect();
        assert_eq!(names.join(" "), wanted, "{order:?}");
    }

    #[test]
    fn machines_can_be_ordered_in_several_ways() {
        check(Order::Urgency, false, "m-2 m-3 m-10 z-1");
        check(Order::Name, false, "m-2 m-3 m-10 z-1");
        check(Order::Name, true, "z-1 m-10 m-3 m-2");
        check(Order::State, false, "z-1 m-3 m-10 m-2");
        check(Order::Since, false, "m-10 m-3 m-2 z-1");
        check(Order::Cluster, false, "m-3 m-2 m-10 z-1");
        check(Order::Version, false, "m-10 m-3 m-2 z-1");
    }
}
