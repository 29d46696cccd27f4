//! The row of a pool.

use std::sync::Arc;

use crate::{
    api::{ConditionStatus, NodePool, PoolPhase, Role, condition_status, find_condition, labels},
    fleet::{ContextId, Health, Interner, StateCounts, Uid},
};

/// One pool. Pools are few, so the whole resource is kept (without managed fields): what a plan, a diff and `y` read.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolRow {
    pub uid: Uid,
    /// Name of the `NodePool`: unique in its namespace.
    pub name: Arc<str>,
    /// The name without the cluster's, as an administrator writes it: `gpu` of `eu-1-gpu`.
    pub short_name: Arc<str>,
    pub cluster: Arc<str>,
    pub role: Role,
    /// The version that its nodes are made with; `None` while no controller has said so and the pool asks for none.
    pub version: Option<Arc<str>>,
    /// Nodes wanted, and as the controllers count them.
    pub desired: usize,
    pub replicas: usize,
    pub ready: usize,
    pub phase: Option<PoolPhase>,
    /// What stands in the way or goes on, in one sentence: the message of the condition that matters most.
    pub message: Option<Arc<str>>,
    pub paused: bool,
    pub hold: bool,
    pub production: bool,
    /// `None`: machines are claimed for this pool and it is not there.
    pub resource: Option<Arc<NodePool>>,
}

impl PoolRow {
    /// Takes a pool in. `resource.metadata.managedFields` are dropped.
    pub fn project(mut pool: NodePool, interner: &mut Interner) -> Self {
        pool.metadata.managed_fields = None;
        let count = |n: i32| usize::try_from(n).unwrap_or(0);
        let name = pool.metadata.name.clone().unwrap_or_default();
        let cluster = pool.spec.cluster_name.clone();
        let status = pool.status.clone().unwrap_or_default();
        Self {
            uid: interner.uid(pool.metadata.uid.as_deref()),
            short_name: short_name(&name, &cluster).into(),
            cluster: interner.share(&cluster),
            role: pool.spec.role,
            version: interner.share_some(status.version.as_deref().or(pool.spec.version.as_deref())),
            desired: count(pool.spec.replicas),
            replicas: count(status.replicas),
            ready: count(status.ready_replicas),
            phase: status.phase,
            message: pool_message(&pool).map(Into::into),
            paused: pool.spec.paused,
            hold: pool.spec.hold,
            production: labels::is_production(&pool.metadata),
            name: interner.share(&name),
            resource: Some(Arc::new(pool)),
        }
    }

    /// Stands for a pool that machines are claimed for and that does not exist (yet, or any more).
    pub(in crate::fleet) fn missing(context: ContextId, cluster: &Arc<str>, name: &Arc<str>) -> Self {
        Self {
            uid: Uid::new(context, format!("missing:{name}")),
            short_name: short_name(name, cluster).into(),
            cluster: cluster.clone(),
            role: Role::Worker,
            version: None,
            desired: 0,
            replicas: 0,
            ready: 0,
            phase: None,
            message: Some("the pool does not exist, but machines are claimed for it".into()),
            paused: false,
            hold: false,
            production: false,
            resource: None,
            name: name.clone(),
        }
    }

    /// The version under which the row was read: a precondition for writes.
    pub fn resource_version(&self) -> Option<&str> {
        self.resource.as_ref()?.metadata.resource_version.as_deref()
    }

    /// How urgent the pool is, its machines included.
    pub fn health(&self, machines: &StateCounts) -> Health {
        let own = match self.phase {
            _ if self.resource.is_none() => Health::Warning,
            Some(PoolPhase::Blocked | PoolPhase::Degraded) => Health::Warning,
            Some(PoolPhase::ScalingUp | PoolPhase::ScalingDown | PoolPhase::RollingOut | PoolPhase::Deleting) => {
                Health::Moving
            }
            None if self.desired != self.replicas => Health::Moving,
            _ => Health::Good,
        };
        own.min(machines.worst())
    }
}

fn short_name<'a>(name: &'a str, cluster: &str) -> &'a str {
    name.strip_prefix(cluster).and_then(|rest| rest.strip_prefix('-')).filter(|s| !s.is_empty()).unwrap_or(name)
}

/// The message of the first condition that explains why the pool is not simply Ready: a pause, what stands in the way of
/// its size, what goes on, and then only how many are Ready.
fn pool_message(pool: &NodePool) -> Option<String> {
    let conditions = &pool.status.as_ref()?.conditions;
    let explained = |(type_, status): (&str, ConditionStatus)| {
        let found = find_condition(conditions, type_).filter(|c| !c.message.is_empty());
        found.filter(|_| condition_status(conditions, type_) == status).map(|c| c.message.clone())
    };
    // A set that has nothing to scale says so without a message.
    let order = [
        ("Paused", ConditionStatus::True),
        ("ScalingDown", ConditionStatus::False),
        ("ScalingUp", ConditionStatus::False),
        ("RollingOut", ConditionStatus::True),
        ("ScalingUp", ConditionStatus::True),
        ("ScalingDown", ConditionStatus::True),
        ("Ready", ConditionStatus::False),
        ("Available", ConditionStatus::False),
    ];
    order.into_iter().find_map(explained)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{NodePoolStatus, condition};

    /// Conditions as `Type=Status message`, one a line, and which message the pool shows.
    fn check(conditions: &[&str], expected: Option<&str>) {
        let mut pool = NodePool::new("eu-gpu", Default::default());
        let conditions = conditions.iter().map(|line| {
            let (head, message) = line.split_once(' ').unwrap_or((line, ""));
            let (type_, status) = head.split_once('=').expect("a condition is Type=Status");
            let status = (status == "True").into();
            condition(type_, status, "Reason", message, None, jiff::Timestamp::UNIX_EPOCH)
        });
        pool.status = Some(NodePoolStatus { conditions: conditions.collect(), ..NodePoolStatus::default() });
        assert_eq!(pool_message(&pool).as_deref(), expected);
    }

    #[test]
    fn what_stands_in_the_way_is_said_before_how_many_are_ready() {
        let few = "Ready=False 4 of 20 machines are Ready";
        check(&[few, "ScalingUp=False", "ScalingDown=False"], Some("4 of 20 machines are Ready"));
        check(&[few, "ScalingUp=False none is idle", "ScalingDown=False"], Some("none is idle"));
        check(&[few, "ScalingUp=False", "ScalingDown=False too many"], Some("too many"));
        check(&[few, "ScalingUp=False none is idle", "RollingOut=True 1 of 3"], Some("none is idle"));
        check(&[few, "ScalingUp=True two come", "RollingOut=True 1 of 3"], Some("1 of 3"));
        check(&[few, "ScalingUp=True two come"], Some("two come"));
        check(&[few, "ScalingDown=False it is paused", "Paused=True paused by root"], Some("paused by root"));
        check(&["Ready=True all", "ScalingUp=False", "Available=True"], None);
    }
}
