//! How a pool gets from one revision to the next, and what is done about machines that fall ill by themselves.

use k8s_openapi::apimachinery::pkg::{apis::meta::v1::Time, util::intstr::IntOrString};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a pool gets from one revision to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutPolicy {
    #[serde(default)]
    pub strategy: RolloutStrategy,
    /// Machines of older revisions that are kept as they are: a canary is all but one. 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub partition: Option<i32>,
    /// Seconds that a new node has to be Ready before it counts as available; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400))]
    pub min_ready_seconds: Option<i32>,
    /// Seconds without progress after which the pool says so; 3600 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800))]
    pub progress_deadline_seconds: Option<i32>,
    /// Machines that were claimed before this moment are replaced, though nothing else has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Time>,
}

impl RolloutPolicy {
    /// Machines of older revisions that are kept.
    pub fn partition(&self) -> i32 {
        self.partition.unwrap_or(0)
    }

    pub fn min_ready_seconds(&self) -> i64 {
        i64::from(self.min_ready_seconds.unwrap_or(0))
    }

    pub fn progress_deadline_seconds(&self) -> i64 {
        i64::from(self.progress_deadline_seconds.unwrap_or(3600))
    }
}

/// The way in which machines of an older revision give way to those of the newest, with its numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStrategy {
    /// `InPlace` for a control plane, `RollingUpdate` for all others, when left out.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<StrategyType>,
    /// Numbers of `RollingUpdate` and, but for the surge, of `InPlace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling_update: Option<RollingUpdate>,
    /// Numbers of `BlueGreen`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blue_green: Option<BlueGreen>,
}

/// The ways in which machines of an older revision give way to those of the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum StrategyType {
    /// New machines join first, as many as `maxSurge`; then old ones are drained and released.
    #[default]
    RollingUpdate,
    /// The whole new pool stands before the first old machine is drained, and the old one stands until the new has soaked.
    BlueGreen,
    /// Nothing by itself: an old machine is replaced when somebody marks it.
    OnDelete,
    /// Machines stay, and are drained, upgraded and given back, as many at once as may be unavailable.
    InPlace,
}

impl StrategyType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RollingUpdate => "RollingUpdate",
            Self::BlueGreen => "BlueGreen",
            Self::OnDelete => "OnDelete",
            Self::InPlace => "InPlace",
        }
    }
}

/// Numbers of a rolling update, as a `Deployment` has them: counts, or shares of the replicas as in `10%`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.maxSurge) && has(self.maxUnavailable) && (self.maxSurge == 0 || self.maxSurge == '0%') && (self.maxUnavailable == 0 || self.maxUnavailable == '0%'))").message("maxSurge and maxUnavailable cannot both be 0: nothing could ever be replaced"))]
pub struct RollingUpdate {
    /// Machines above `replicas`; a share is rounded up. 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "pattern" = "^[0-9]+%$"))]
    pub max_surge: Option<IntOrString>,
    /// Machines below `replicas` that may be missing; a share is rounded down. 0 by default, 1 for `InPlace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "pattern" = "^[0-9]+%$"))]
    pub max_unavailable: Option<IntOrString>,
}

/// Numbers of a blue-green rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlueGreen {
    /// Old machines that are drained together; 10 % by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 1, "pattern" = "^[1-9][0-9]*%$"))]
    pub batch_size: Option<IntOrString>,
    /// Seconds between one batch and the next; 60 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604_800))]
    pub batch_soak_seconds: Option<i32>,
    /// Seconds that the drained old pool stands before its machines are reset; 600 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604_800))]
    pub pool_soak_seconds: Option<i32>,
}

impl BlueGreen {
    pub fn batch_soak_seconds(&self) -> i64 {
        i64::from(self.batch_soak_seconds.unwrap_or(60))
    }

    pub fn pool_soak_seconds(&self) -> i64 {
        i64::from(self.pool_soak_seconds.unwrap_or(600))
    }
}

/// Where a rollout stands, as the controllers say it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// The revision that machines are brought to.
    pub revision: String,
    /// The Kubernetes version of that revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The versions of the machines that are to give way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_versions: Vec<String>,
    /// Machines of an older revision, or marked to be replaced.
    #[serde(default)]
    pub outdated: i32,
    /// Of these, the ones that are kept.
    #[serde(default)]
    pub kept: i32,
    /// Machines of the current revision.
    #[serde(default)]
    pub updated: i32,
    /// Of these, the ones that are available.
    #[serde(default)]
    pub updated_available: i32,
    /// Machines that are drained, reset or upgraded now.
    #[serde(default)]
    pub in_flight: i32,
    /// Machines whose drain was given up: cordoned, and still there.
    #[serde(default)]
    pub quarantined: i32,
    /// Why it is not faster: a word and a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the number of available new machines last rose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progressed_at: Option<Time>,
}

/// What is done about machines whose nodes stay unhealthy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemediationPolicy {
    /// Seconds that a node is not Ready before its machine is replaced; 600 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30, max = 604_800))]
    pub timeout_seconds: Option<i32>,
    /// Seconds that the cluster has not heard of a node (Ready is Unknown) before its machine is replaced. Never when left
    /// out: silence is no verdict, and what still runs there cannot be asked to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30, max = 604_800))]
    pub silent_timeout_seconds: Option<i32>,
    /// Nothing is replaced while more machines than these are unhealthy: many at once are one cause. 40 % by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "pattern" = "^[0-9]+%$"))]
    pub unhealthy_less_than_or_equal_to: Option<IntOrString>,
    /// Machines that are replaced at the same time; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_in_flight: Option<i32>,
    /// Replacements in a row that did not become Ready, after which it stops; 3 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_retry: Option<i32>,
}

/// What is known of machines that fell ill by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemediationStatus {
    /// Machines that are not known to be well, for whatever reason.
    #[serde(default)]
    pub unhealthy: i32,
    /// Machines that are being replaced for it.
    #[serde(default)]
    pub in_flight: i32,
    /// Replacements in a row that did not become Ready.
    #[serde(default)]
    pub retries: i32,
}

impl RemediationPolicy {
    pub fn timeout_seconds(&self) -> i64 {
        i64::from(self.timeout_seconds.unwrap_or(600))
    }

    pub fn silent_timeout_seconds(&self) -> Option<i64> {
        self.silent_timeout_seconds.map(i64::from)
    }

    pub fn unhealthy_less_than_or_equal_to(&self) -> IntOrString {
        self.unhealthy_less_than_or_equal_to.clone().unwrap_or_else(|| IntOrString::String("40%".to_owned()))
    }

    pub fn max_in_flight(&self) -> i32 {
        self.max_in_flight.unwrap_or(1)
    }

    pub fn max_retry(&self) -> i32 {
        self.max_retry.unwrap_or(3)
    }
}
