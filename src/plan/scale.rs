//! Scaling a pool: which idle machines are claimed, which members leave, what stands in the way, how long it will take.
//!
//! The dialog shows this plan and the controller carries it out. It decides one step from what is true now: a plan that
//! could not be carried out in full is made again when something has changed.

use std::collections::BTreeMap;

use crate::api::{
    DeletionOrder, Machine, MachineReference, MachineState, NodePool, Operation, OperationType, Role, labels,
};

use super::{
    budget::Budget,
    estimate::{Estimate, estimate},
    victims::{Why, ranked},
    work::{Work, machine_state},
};

/// Machines worked on at once when nobody said otherwise.
pub const DEFAULT_PARALLELISM: usize = 30;

/// What is wanted of a pool.
#[derive(Clone, Debug)]
pub struct Demand<'a> {
    pub cluster: &'a str,
    /// Name of the `NodePool`.
    pub pool: &'a str,
    pub role: Role,
    pub replicas: i32,
    /// Labels that a machine must carry to be claimed.
    pub selector: &'a BTreeMap<String, String>,
    pub order: DeletionOrder,
    pub deletion_budget: Option<i32>,
    /// The number of replicas that a person has agreed to, beyond the budget.
    pub approved: Option<i32>,
    /// Nothing may happen.
    pub paused: bool,
    /// Nothing may be taken away.
    pub hold: bool,
    pub parallelism: usize,
}

impl<'a> Demand<'a> {
    /// What the pool asks for as it stands.
    pub fn of(pool: &'a NodePool) -> Self {
        let annotations = pool.metadata.annotations.as_ref();
        Self {
            cluster: &pool.spec.cluster_name,
            pool: pool.metadata.name.as_deref().unwrap_or_default(),
            role: pool.spec.role,
            replicas: pool.spec.replicas,
            selector: &pool.spec.machine_selector,
            order: pool.spec.deletion_order,
            deletion_budget: pool.spec.deletion_budget,
            approved: annotations.and_then(|a| a.get(labels::APPROVED_REPLICAS)).and_then(|v| v.parse().ok()),
            paused: pool.spec.paused,
            hold: pool.spec.hold,
            parallelism: DEFAULT_PARALLELISM,
        }
    }

    /// The same pool, asked for another number that nobody has approved yet.
    pub fn with_replicas(self, replicas: i32) -> Self {
        Self { replicas, approved: None, ..self }
    }
}

/// A machine that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    pub machine: MachineReference,
    pub why: Why,
    /// It has a node to be emptied, or had one.
    pub has_node: bool,
}

/// What stands in the way of taking machines away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    Paused,
    Hold,
    /// More machines would leave than may without a person's word.
    DeletionBudgetExceeded(Budget),
    /// One member of a control plane leaves at a time, and only while all others are well.
    OneMemberAtATime,
}

impl Halt {
    /// The word for conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Paused => "Paused",
            Self::Hold => "Hold",
            Self::DeletionBudgetExceeded(_) => "DeletionBudgetExceeded",
            Self::OneMemberAtATime => "OneMemberAtATime",
        }
    }

    pub fn message(&self) -> String {
        match self {
            Self::Paused => "the pool or its cluster is paused".to_owned(),
            Self::Hold => "the pool is on hold: nothing is taken away until the hold is lifted".to_owned(),
            Self::DeletionBudgetExceeded(b) => {
                let away = if b.spent > 0 { format!(", and {} away already", b.spent) } else { String::new() };
                format!(
                    "{} machines would leave{away}, and {} may without approval: scale again and confirm the number",
                    b.wanted, b.allowed
                )
            }
            Self::OneMemberAtATime => {
                "another member is leaving or unwell: control plane and etcd shrink by one member at a time".to_owned()
            }
        }
    }
}

/// What to do next, and what a person should know before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Machines that stay as things are, before the plan.
    pub from: i32,
    pub to: i32,
    /// Idle machines to claim, in this order.
    pub claims: Vec<MachineReference>,
    /// Members that are claimed and that no operation works on yet: the next `ScaleUp` takes them.
    pub joins: Vec<MachineReference>,
    /// Idle machines that match the selector, the claimed ones included.
    pub idle: i32,
    /// Machines that are wanted and not to be had.
    pub shortfall: i32,
    /// Members to drain and reset; carried out only without a `halt`.
    pub victims: Vec<Victim>,
    /// Claimed and untouched members that simply go back.
    pub releases: Vec<MachineReference>,
    /// Members that will leave as soon as the operation that works on them is over.
    pub waiting: Vec<MachineReference>,
    /// Members that are leaving already.
    pub leaving: i32,
    pub budget: Budget,
    pub halt: Option<Halt>,
    /// `None` without history.
    pub estimate: Option<Estimate>,
}

/// Plans the next step towards what is wanted.
pub fn plan<'a>(
    demand: &Demand,
    machines: impl IntoIterator<Item = &'a Machine>,
    operations: impl IntoIterator<Item = &'a Operation> + Clone,
) -> Plan {
    let work = Work::of(operations.clone());
    let (mut members, mut idle) = (Vec::new(), Vec::new());
    for machine in machines {
        if is_member(machine, demand) {
            members.push(machine);
        } else if is_candidate(machine, demand.selector) {
            idle.push(machine);
        }
    }
    let budget = Budget { allowed: Budget::allowance(demand.deletion_budget, members.len()), ..Budget::default() };
    let (leaving, staying): (Vec<_>, Vec<_>) = members.into_iter().partition(|m| work.is_leaving(m));
    let mut plan = Plan {
        from: count(&staying),
        to: demand.replicas,
        idle: count(&idle),
        leaving: count(&leaving),
        budget,
        halt: demand.paused.then_some(Halt::Paused),
        ..Plan::default()
    };
    let difference = demand.replicas.saturating_sub(plan.from);
    if difference >= 0 {
        plan.claim(idle, difference as usize);
    } else {
        plan.shrink(demand, staying.clone(), &leaving, difference.unsigned_abs() as usize, &work);
    }
    plan.joins = plan.untouched(&staying, &work);
    plan.estimate = plan.estimate_from(operations, demand.parallelism);
    plan
}

impl Plan {
    /// Nothing is to be done.
    pub fn is_done(&self) -> bool {
        self.claims.is_empty()
            && self.joins.is_empty()
            && self.victims.is_empty()
            && self.releases.is_empty()
            && self.waiting.is_empty()
            && self.shortfall == 0
    }

    /// It takes nodes away that serve, or served.
    pub fn is_destructive(&self) -> bool {
        !self.victims.is_empty()
    }

    /// A person has to confirm this very number before it happens.
    pub fn needs_approval(&self) -> bool {
        matches!(self.halt, Some(Halt::DeletionBudgetExceeded(_)))
    }

    /// What is missing, in words; `None` if nothing is.
    pub fn shortfall_message(&self) -> Option<String> {
        (self.shortfall > 0).then(|| {
            let wanted = self.shortfall + count(&self.claims);
            format!(
                "{wanted} more {} wanted and {} idle with matching labels: {} will join when machines are added or released",
                if wanted == 1 { "machine is" } else { "machines are" },
                match self.idle {
                    0 => "none is".to_owned(),
                    1 => "1 is".to_owned(),
                    n => format!("{n} are"),
                },
                self.shortfall
            )
        })
    }

    fn claim(&mut self, mut idle: Vec<&Machine>, wanted: usize) {
        idle.sort_by(|a, b| natural(name(a), name(b)));
        self.claims = idle.into_iter().take(wanted).map(reference).collect();
        self.shortfall = i32::try_from(wanted - self.claims.len()).unwrap_or(i32::MAX);
    }

    fn shrink(&mut self, demand: &Demand, staying: Vec<&Machine>, leaving: &[&Machine], excess: usize, work: &Work) {
        let ranked = ranked(staying, demand.order, work);
        let (chosen, rest) = ranked.split_at(excess.min(ranked.len()));
        let mut costly_waits = 0;
        for (machine, why) in chosen {
            if work.is_untouched(machine) {
                self.releases.push(reference(machine));
            } else if work.under_way(machine).is_some() {
                costly_waits += i32::from(has_node(machine));
                self.waiting.push(reference(machine));
            } else {
                self.victims.push(Victim { machine: reference(machine), why: *why, has_node: has_node(machine) });
            }
        }
        let unwell = rest.iter().filter(|(m, why)| has_node(m) && matches!(why, Why::Failed | Why::NotReady)).count();
        self.budget = Budget {
            spent: count(leaving) + i32::try_from(unwell).unwrap_or(i32::MAX),
            wanted: self.victims.iter().filter(|v| v.has_node).count() as i32 + costly_waits,
            approved: demand.approved == Some(demand.replicas),
            // With its last control plane a cluster is gone: never without a person's word.
            allowed: if demand.role == Role::ControlPlane && demand.replicas == 0 { 0 } else { self.budget.allowed },
        };
        self.brake(demand);
    }

    /// Says what stands in the way of the victims, the strongest reason first.
    fn brake(&mut self, demand: &Demand) {
        if self.victims.is_empty() || self.halt.is_some() {
            return;
        }
        if demand.hold {
            self.halt = Some(Halt::Hold);
        } else if self.budget.is_exceeded() {
            self.halt = Some(Halt::DeletionBudgetExceeded(self.budget));
        } else if demand.role != Role::Worker {
            self.victims.truncate(1);
            self.halt = (self.budget.spent > 0).then_some(Halt::OneMemberAtATime);
        }
    }

    /// Members for the next `ScaleUp`: claimed, untouched, and not about to go back.
    fn untouched(&self, staying: &[&Machine], work: &Work) -> Vec<MachineReference> {
        let mut joins: Vec<_> =
            staying.iter().filter(|m| work.is_untouched(m) && !m.spec.paused).map(|m| reference(m)).collect();
        joins.retain(|m| !self.releases.contains(m));
        joins.sort_by(|a, b| natural(&a.name, &b.name));
        joins
    }

    fn estimate_from<'a>(
        &self,
        operations: impl IntoIterator<Item = &'a Operation>,
        parallelism: usize,
    ) -> Option<Estimate> {
        let (kind, machines) = if self.victims.is_empty() {
            (OperationType::ScaleUp, self.claims.len() + self.joins.len())
        } else {
            (OperationType::ScaleDown, self.victims.len())
        };
        estimate(operations, kind, None, machines, parallelism)
    }
}

/// The machine is claimed for the pool.
pub fn is_member(machine: &Machine, demand: &Demand) -> bool {
    let claim = machine.spec.claim_ref.as_ref();
    claim.is_some_and(|c| c.cluster_name == demand.cluster && c.pool_name == demand.pool)
}

/// The machine is free, and such as the selector asks for.
pub fn is_candidate(machine: &Machine, selector: &BTreeMap<String, String>) -> bool {
    let carries = |(key, value): (&String, &String)| {
        machine.metadata.labels.as_ref().and_then(|l| l.get(key)).is_some_and(|v| v == value)
    };
    machine.spec.claim_ref.is_none()
        && !machine.spec.paused
        && machine.metadata.deletion_timestamp.is_none()
        && machine_state(machine) == MachineState::Idle
        && selector.iter().all(carries)
}

/// It is, or was, a node: taking it away costs something.
fn has_node(machine: &Machine) -> bool {
    machine.status.as_ref().is_some_and(|s| s.node.is_some())
        || matches!(
            machine_state(machine),
            MachineState::Deployed | MachineState::Ready | MachineState::NotReady | MachineState::Draining
        )
}

/// The machine by name and identity.
pub fn reference(machine: &Machine) -> MachineReference {
    MachineReference { name: name(machine).to_owned(), uid: machine.metadata.uid.clone().unwrap_or_default() }
}

fn name(machine: &Machine) -> &str {
    machine.metadata.name.as_deref().unwrap_or_default()
}

fn count<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX)
}

/// `m-9` before `m-10`: shorter runs of the same length class first, then by letter.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let digits = |s: &str| s.len() - s.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem_a, stem_b) = (&a[..a.len() - digits(a)], &b[..b.len() - digits(b)]);
    stem_a.cmp(stem_b).then(a.len().cmp(&b.len())).then(a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::notation;

    fn demand(replicas: i32, selector: &BTreeMap<String, String>) -> Demand<'_> {
        Demand {
            cluster: "blue",
            pool: "pool",
            role: Role::Worker,
            replicas,
            selector,
            order: DeletionOrder::Newest,
            deletion_budget: Some(10),
            approved: None,
            paused: false,
            hold: false,
            parallelism: DEFAULT_PARALLELISM,
        }
    }

    /// `+m` claimed, `*m` joined, `-m` drained, `~m` released, `.m` waited for, `?n` missing, `[reason]` what stands in the way.
    fn words(plan: &Plan) -> String {
        let mark = |sign: &str, machines: &[MachineReference]| {
            machines.iter().map(|m| format!("{sign}{}", m.name)).collect::<Vec<_>>()
        };
        let mut words = mark("+", &plan.claims);
        words.extend(mark("*", &plan.joins));
        words.extend(plan.victims.iter().map(|v| format!("-{}", v.machine.name)));
        words.extend(mark("~", &plan.releases));
        words.extend(mark(".", &plan.waiting));
        words.extend((plan.shortfall > 0).then(|| format!("?{}", plan.shortfall)));
        words.extend(plan.halt.as_ref().map(|h| format!("[{}]", h.reason())));
        words.join(" ")
    }

    fn check_with(change: impl Fn(&mut Demand), replicas: i32, machines: &str, operations: &str, expected: &str) {
        let selector = BTreeMap::new();
        let mut demand = demand(replicas, &selector);
        change(&mut demand);
        let (machines, operations) = (notation::machines(machines), notation::operations(operations));
        assert_eq!(words(&plan(&demand, &machines, &operations)), expected);
    }

    fn check(replicas: i32, machines: &str, operations: &str, expected: &str) {
        check_with(|_| (), replicas, machines, operations, expected);
    }

    #[test]
    fn claims_idle_machines_by_name_and_says_what_is_missing() {
        check(2, "m-10:idle m-9:idle m-2:idle", "", "+m-2 +m-9");
        check(3, "a:ready@1 b:idle", "", "+b ?1");
        check(1, "a:ready@1 b:idle", "", "");
        check(1, "a:failed b:releasing c:idle", "", "+c");
    }

    #[test]
    fn claimed_machines_without_an_operation_join_the_next_one() {
        check(2, "a:claimed@1 b:claimed@1#up", "up:ScaleUp:Pending=b", "*a");
        check(2, "a:claimed@1#gone b:ready@1", "", "*a");
    }

    #[test]
    fn the_newest_leave_first_unless_others_are_worse_off() {
        check(1, "a:ready@1 b:ready@2 c:ready@3", "", "-c -b");
        check(1, "a:ready@1^ b:ready@2", "", "-a");
        check(1, "a:ready@1! b:ready@2^", "", "-a");
        check(1, "a:ready@1 b:failed@1", "", "-b");
        check_with(|d| d.order = DeletionOrder::Oldest, 1, "a:ready@1 b:ready@2", "", "-a");
    }

    #[test]
    fn a_scale_up_that_is_taken_back_releases_what_is_untouched_and_waits_for_the_rest() {
        check(1, "a:ready@1 b:claimed@2 c:provisioning@2#up", "up:ScaleUp:Running=c", "~b .c");
        check(2, "a:ready@1 b:claimed@2 c:provisioning@2#up", "up:ScaleUp:Running=c", "~b");
    }

    #[test]
    fn machines_on_their_way_out_are_replaced_and_not_chosen_again() {
        check(1, "a:ready@1 b:draining@2#down", "down:ScaleDown:Draining=b", "");
        check(2, "a:ready@1 b:draining@2#down c:idle", "down:ScaleDown:Draining=b", "+c");
        check(1, "a:ready@1 b:failed@2#down", "down:ScaleDown:Failed=b", "");
    }

    #[test]
    fn more_than_the_budget_asks_and_what_is_away_spends_it() {
        let budget = |d: &mut Demand| d.deletion_budget = None;
        check_with(budget, 2, "a:ready@1 b:ready@2 c:ready@3", "", "-c");
        check_with(budget, 1, "a:ready@1 b:ready@2 c:ready@3", "", "-c -b [DeletionBudgetExceeded]");
        check_with(
            budget,
            1,
            "a:ready@1 b:ready@2 c:draining@3#d",
            "d:ScaleDown:Draining=c",
            "-b [DeletionBudgetExceeded]",
        );
        let approved = |d: &mut Demand| (d.deletion_budget, d.approved) = (None, Some(1));
        check_with(approved, 1, "a:ready@1 b:ready@2 c:ready@3", "", "-c -b");
        check_with(approved, 0, "a:ready@1 b:ready@2", "", "-b -a [DeletionBudgetExceeded]");
    }

    #[test]
    fn pause_stops_everything_and_hold_only_what_takes_away() {
        check_with(|d| d.paused = true, 2, "a:idle b:idle", "", "+a +b [Paused]");
        check_with(|d| d.hold = true, 2, "a:idle b:idle", "", "+a +b");
        check_with(|d| d.hold = true, 0, "a:ready@1", "", "-a [Hold]");
    }

    #[test]
    fn control_planes_shrink_one_by_one() {
        let control_plane = |d: &mut Demand| d.role = Role::ControlPlane;
        check_with(control_plane, 1, "a:ready@1 b:ready@2 c:ready@3", "", "-c");
        check_with(
            control_plane,
            1,
            "a:ready@1 b:ready@2 c:draining@3#d",
            "d:ScaleDown:Draining=c",
            "-b [OneMemberAtATime]",
        );
    }

    mod invariants {
        use super::*;
        use proptest::prelude::*;

        fn word() -> impl Strategy<Value = String> {
            let state = prop::sample::select(vec![
                "idle",
                "idle",
                "claimed@1",
                "claimed@2#op",
                "provisioning@1#op",
                "ready@3",
                "ready@4#op",
                "ready@5^",
                "notready@5",
                "failed@1",
                "failed@2#op",
                "draining@1#op",
                "releasing@1#op",
                "deployed@2",
            ]);
            state.prop_map(str::to_owned)
        }

        proptest! {
            #[test]
            fn no_machine_has_two_roles_and_the_number_comes_out(
                words in prop::collection::vec(word(), 0..24),
                replicas in 0i32..24,
                kind in prop::sample::select(vec!["ScaleUp:Running", "ScaleDown:Draining", "ScaleDown:Failed", "ScaleUp:Succeeded"]),
                budget in 1i32..24,
            ) {
                let machines: Vec<_> =
                    words.iter().enumerate().map(|(i, w)| notation::machine(&format!("m-{i}:{w}"))).collect();
                let reserved: Vec<_> = words.iter().enumerate().filter(|(_, w)| w.ends_with("#op"))
                    .map(|(i, _)| format!("m-{i}")).collect();
                let operations = notation::operations(&format!("op:{kind}={}", reserved.join("+")));
                let selector = BTreeMap::new();
                let demand = Demand { deletion_budget: Some(budget), ..demand(replicas, &selector) };
                let plan = plan(&demand, &machines, &operations);

                let mut touched: Vec<&MachineReference> = plan.claims.iter().chain(&plan.joins).chain(&plan.releases)
                    .chain(&plan.waiting).chain(plan.victims.iter().map(|v| &v.machine)).collect();
                let all = touched.len();
                touched.sort();
                touched.dedup();
                prop_assert_eq!(all, touched.len(), "each machine has one role");

                let by_uid = |m: &MachineReference| machines.iter().find(|x| x.metadata.uid.as_deref() == Some(&m.uid)).unwrap();
                prop_assert!(plan.claims.iter().all(|m| by_uid(m).spec.claim_ref.is_none()));
                let work = Work::of(&operations);
                prop_assert!(plan.victims.iter().all(|v| work.under_way(by_uid(&v.machine)).is_none()));
                prop_assert!(plan.victims.iter().all(|v| !work.is_leaving(by_uid(&v.machine))));

                let away = count(&plan.victims) + count(&plan.releases) + count(&plan.waiting);
                prop_assert_eq!(plan.from + count(&plan.claims) + plan.shortfall - away, replicas);
                if plan.halt.is_none() {
                    prop_assert!(plan.victims.iter().filter(|v| v.has_node).count() as i32 <= budget);
                }
                prop_assert_eq!(super::super::plan(&demand, machines.iter().rev(), &operations), plan, "in any order");
            }
        }
    }
}
