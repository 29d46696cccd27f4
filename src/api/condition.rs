//! Conditions as in Kubernetes: typed facts with a reason, a message and the time of the last change.
//!
//! A lost connection is `Unknown`, never `False`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// Builds a condition that changed at `now`.
pub fn condition(
    type_: &str,
    status: ConditionStatus,
    reason: &str,
    message: impl Into<String>,
    generation: Option<i64>,
    now: jiff::Timestamp,
) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message: message.into(),
        observed_generation: generation,
        last_transition_time: Time(now),
    }
}

/// Puts `next` among `conditions`; the time of transition moves only if the status does.
pub fn set_condition(conditions: &mut Vec<Condition>, mut next: Condition) {
    match conditions.iter_mut().find(|c| c.type_ == next.type_) {
        Some(current) => {
            if current.status == next.status {
                next.last_transition_time = current.last_transition_time.clone();
            }
            *current = next;
        }
        None => conditions.push(next),
    }
}

/// The condition of one type.
pub fn find_condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// What the condition of one type says; `Unknown` if nobody has said anything.
pub fn condition_status(conditions: &[Condition], type_: &str) -> ConditionStatus {
    match find_condition(conditions, type_).map(|c| c.status.as_str()) {
        Some("True") => ConditionStatus::True,
        Some("False") => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_transition_moves_only_with_the_status() {
        let at = |s: i64| jiff::Timestamp::from_second(s).unwrap();
        let mut all = vec![];
        set_condition(&mut all, condition("Ready", ConditionStatus::False, "NotReady", "a", None, at(1)));
        set_condition(&mut all, condition("Ready", ConditionStatus::False, "NotReady", "b", None, at(2)));
        assert_eq!((all[0].last_transition_time.0, all[0].message.as_str()), (at(1), "b"));
        set_condition(&mut all, condition("Ready", ConditionStatus::True, "Ready", "", None, at(3)));
        assert_eq!(all[0].last_transition_time.0, at(3));
        assert_eq!(condition_status(&all, "Ready"), ConditionStatus::True);
        assert_eq!(condition_status(&all, "Other"), ConditionStatus::Unknown);
    }
}
