//! The query of a request, and the options in a delete body, read once into fields.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    refusal::{Cause, Refusal},
    routes::decode,
    table::Include,
};

/// What a query may say. Unknown parameters are ignored, as kube-apiserver does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub watch: bool,
    pub label_selector: String,
    pub field_selector: String,
    pub limit: usize,
    pub continue_token: String,
    pub resource_version: String,
    pub resource_version_match: String,
    pub timeout_seconds: Option<u64>,
    pub allow_watch_bookmarks: bool,
    pub send_initial_events: Option<bool>,
    pub dry_run: bool,
    pub field_manager: String,
    pub field_validation: FieldValidation,
    pub force: Option<bool>,
    pub propagation: Option<Propagation>,
    pub grace_period_seconds: Option<i64>,
    pub include: Include,
    pub log: LogQuery,
}

/// What happens to unknown fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// What becomes of dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Propagation {
    Orphan,
    Background,
    Foreground,
}

/// What of a pod's log is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    pub follow: bool,
    pub tail_lines: Option<usize>,
    pub since_seconds: Option<i64>,
    pub since_time: Option<String>,
    pub timestamps: bool,
    pub limit_bytes: Option<usize>,
}

impl Query {
    /// Reads a query. What is not a value of its parameter is refused in the name of the options of the method.
    pub fn parse(method: &Method, query: &str) -> Result<Self, Refusal> {
        let mut found = Self::default();
        let mut causes = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            found.set(&decode(key), &decode(&value.replace('+', " ")), &mut causes)?;
        }
        found.check_manager(&mut causes);
        match causes.is_empty() {
            true => Ok(found),
            false => Err(Refusal::options(method, &causes)),
        }
    }

    fn set(&mut self, key: &str, value: &str, causes: &mut Vec<Cause>) -> Result<(), Refusal> {
        match key {
            "watch" => self.watch = flag(value),
            "labelSelector" => value.clone_into(&mut self.label_selector),
            "fieldSelector" => value.clone_into(&mut self.field_selector),
            // Below zero there is no limit.
            "limit" => self.limit = usize::try_from(number::<i64>(value)?).unwrap_or_default(),
            "continue" => value.clone_into(&mut self.continue_token),
            "resourceVersion" => value.clone_into(&mut self.resource_version),
            "resourceVersionMatch" => value.clone_into(&mut self.resource_version_match),
            "timeoutSeconds" => self.timeout_seconds = u64::try_from(number::<i64>(value)?).ok(),
            "allowWatchBookmarks" => self.allow_watch_bookmarks = flag(value),
            "sendInitialEvents" => self.send_initial_events = Some(flag(value)),
            "dryRun" => {
                self.dry_run = value == "All";
                if !matches!(value, "All" | "") {
                    causes.push(Cause::unsupported("dryRun", &json!([value]), &["All"]));
                }
            }
            "fieldManager" => value.clone_into(&mut self.field_manager),
            "fieldValidation" => match field_validation(value) {
                Some(validation) => self.field_validation = validation,
                None => causes.push(Cause::unsupported(key, &value.into(), &["", "Ignore", "Strict", "Warn"])),
            },
            "force" => self.force = Some(flag(value)),
            "propagationPolicy" => match propagation(value) {
                Ok(propagation) => self.propagation = propagation,
                Err(()) => causes.push(Cause::unsupported(key, &value.into(), &POLICIES)),
            },
            "gracePeriodSeconds" => self.grace_period_seconds = Some(number(value)?),
            "includeObject" => self.include = include(value),
            "follow" => self.log.follow = flag(value),
            "tailLines" => self.log.tail_lines = Some(number(value)?),
            "sinceSeconds" => self.log.since_seconds = Some(number(value)?),
            "sinceTime" => self.log.since_time = Some(value.to_owned()),
            "timestamps" => self.log.timestamps = flag(value),
            "limitBytes" => self.log.limit_bytes = Some(number(value)?),
            _ => {}
        }
        Ok(())
    }

    fn check_manager(&self, causes: &mut Vec<Cause>) {
        if self.field_manager.len() > MAX_MANAGER {
            let message = format!("Too long: may not be more than {MAX_MANAGER} bytes");
            causes.push(Cause::new("FieldValueTooLong", "fieldManager", message));
        }
    }

    /// Whether revision, match, continue and initial events go together, in a list or in a watch.
    pub fn check_list(&self) -> Result<(), Refusal> {
        let causes = if self.watch { self.watch_causes() } else { self.list_causes() };
        match causes.is_empty() {
            true => Ok(()),
            false => Err(Refusal::options(&Method::GET, &causes)),
        }
    }

    fn list_causes(&self) -> Vec<Cause> {
        let (wanted, mut causes) = (self.resource_version_match.as_str(), Vec::new());
        let mut forbid = |field: &str, why: &str| causes.push(Cause::forbidden(field, why));
        if !wanted.is_empty() && self.resource_version.is_empty() {
            forbid(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if !wanted.is_empty() && !self.continue_token.is_empty() {
            forbid(MATCH, "resourceVersionMatch is forbidden when continue is provided");
        }
        if wanted == "Exact" && self.resource_version == "0" {
            forbid(MATCH, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
        if self.send_initial_events.is_some() {
            forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
        }
        if !matches!(wanted, "" | "Exact" | "NotOlderThan") {
            causes.push(Cause::unsupported(MATCH, &wanted.into(), &["Exact", "NotOlderThan", ""]));
        }
        causes
    }

    fn watch_causes(&self) -> Vec<Cause> {
        let (wanted, mut causes) = (self.resource_version_match.as_str(), Vec::new());
        if self.send_initial_events.is_some() && wanted != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            causes.push(Cause::forbidden(MATCH, why));
        }
        if !wanted.is_empty() && self.send_initial_events.is_none() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.push(Cause::forbidden(MATCH, why));
        }
        if !matches!(wanted, "" | "NotOlderThan") {
            causes.push(Cause::unsupported(MATCH, &wanted.into(), &["NotOlderThan"]));
        }
        causes
    }
}

const MATCH: &str = "resourceVersionMatch";
const MAX_MANAGER: usize = 128;
const POLICIES: [&str; 4] = ["Foreground", "Background", "Orphan", "nil"];

fn flag(value: &str) -> bool {
    !matches!(value, "false" | "0" | "False" | "f")
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, Refusal> {
    let why = || format!("strconv.ParseInt: parsing {value:?}: invalid syntax");
    value.parse().map_err(|_| Refusal::bad_request(why()))
}

fn include(value: &str) -> Include {
    match value {
        "None" => Include::None,
        "Object" => Include::Object,
        _ => Include::Metadata,
    }
}

fn field_validation(value: &str) -> Option<FieldValidation> {
    match value {
        "Ignore" => Some(FieldValidation::Ignore),
        "Warn" | "" => Some(FieldValidation::Warn),
        "Strict" => Some(FieldValidation::Strict),
        _ => None,
    }
}

/// An error says that there is no such policy.
fn propagation(value: &str) -> Result<Option<Propagation>, ()> {
    match value {
        "" => Ok(None),
        "Orphan" => Ok(Some(Propagation::Orphan)),
        "Background" => Ok(Some(Propagation::Background)),
        "Foreground" => Ok(Some(Propagation::Foreground)),
        _ => Err(()),
    }
}

/// `DeleteOptions`, from the body and the query together; the body wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteOptions {
    pub grace_period_seconds: Option<i64>,
    pub propagation_policy: Option<Propagation>,
    pub orphan_dependents: Option<bool>,
    pub preconditions: Preconditions,
    pub dry_run: Vec<String>,
}

/// What must hold of the live object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preconditions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

impl DeleteOptions {
    pub fn parse(body: &Value, query: &Query) -> Result<Self, Refusal> {
        let mut options = match body {
            Value::Null => Self::default(),
            body => Self::read(body)?,
        };
        if let (Some(policy), Some(_)) = (options.propagation_policy, options.orphan_dependents) {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            let cause = Cause::invalid("propagationPolicy", &format!("{policy:?}").into(), why);
            return Err(Refusal::options(&Method::DELETE, &[cause]));
        }
        options.grace_period_seconds = options.grace_period_seconds.or(query.grace_period_seconds);
        let legacy = options.orphan_dependents.filter(|orphan| *orphan).map(|_| Propagation::Orphan);
        options.propagation_policy = options.propagation_policy.or(legacy).or(query.propagation);
        if query.dry_run {
            options.dry_run.push("All".to_owned());
        }
        Ok(options)
    }

    fn read(body: &Value) -> Result<Self, Refusal> {
        let kind = body["kind"].as_str().unwrap_or("DeleteOptions");
        if kind != "DeleteOptions" {
            let version = body["apiVersion"].as_str().unwrap_or_default();
            return Err(Refusal::bad_request(format!(
                "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\""
            )));
        }
        let policy = body["propagationPolicy"].as_str().unwrap_or_default();
        if propagation(policy).is_err() {
            let cause = Cause::unsupported("propagationPolicy", &policy.into(), &POLICIES);
            return Err(Refusal::options(&Method::DELETE, &[cause]));
        }
        Self::deserialize(body).map_err(|e| Refusal::bad_request(format!("DeleteOptions: {e}")))
    }

    pub fn is_dry_run(&self) -> bool {
        !self.dry_run.is_empty()
    }
}
