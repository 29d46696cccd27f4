//! The query of a request, and the options in a delete body, read once into fields.

use serde::Deserialize;
use serde_json::Value;

use super::{refusal::Refusal, routes::decode, table::Include};

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
    pub send_initial_events: bool,
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
    pub fn parse(query: &str) -> Result<Self, Refusal> {
        let mut found = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            found.set(&decode(key), &decode(&value.replace('+', " ")))?;
        }
        Ok(found)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        match key {
            "watch" => self.watch = flag(value),
            "labelSelector" => value.clone_into(&mut self.label_selector),
            "fieldSelector" => value.clone_into(&mut self.field_selector),
            "limit" => self.limit = number(key, value)?,
            "continue" => value.clone_into(&mut self.continue_token),
            "resourceVersion" => value.clone_into(&mut self.resource_version),
            "resourceVersionMatch" => value.clone_into(&mut self.resource_version_match),
            "timeoutSeconds" => self.timeout_seconds = Some(number(key, value)?),
            "allowWatchBookmarks" => self.allow_watch_bookmarks = flag(value),
            "sendInitialEvents" => self.send_initial_events = flag(value),
            "dryRun" => self.dry_run = dry_run(value)?,
            "fieldManager" => value.clone_into(&mut self.field_manager),
            "fieldValidation" => self.field_validation = field_validation(value)?,
            "force" => self.force = Some(flag(value)),
            "propagationPolicy" => self.propagation = propagation(value)?,
            "gracePeriodSeconds" => self.grace_period_seconds = Some(number(key, value)?),
            "includeObject" => self.include = include(value),
            "follow" => self.log.follow = flag(value),
            "tailLines" => self.log.tail_lines = Some(number(key, value)?),
            "sinceSeconds" => self.log.since_seconds = Some(number(key, value)?),
            "sinceTime" => self.log.since_time = Some(value.to_owned()),
            "timestamps" => self.log.timestamps = flag(value),
            "limitBytes" => self.log.limit_bytes = Some(number(key, value)?),
            _ => {}
        }
        Ok(())
    }
}

fn flag(value: &str) -> bool {
    !matches!(value, "false" | "0" | "False" | "f")
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, Refusal> {
    value.parse().map_err(|_| Refusal::bad_request(format!("{key}: {value:?} is not a number that fits")))
}

fn include(value: &str) -> Include {
    match value {
        "None" => Include::None,
        "Object" => Include::Object,
        _ => Include::Metadata,
    }
}

fn dry_run(value: &str) -> Result<bool, Refusal> {
    match value {
        "All" => Ok(true),
        "" => Ok(false),
        _ => Err(Refusal::bad_request(format!("dryRun: Unsupported value: {value:?}: supported values: \"All\""))),
    }
}

fn field_validation(value: &str) -> Result<FieldValidation, Refusal> {
    match value {
        "Ignore" => Ok(FieldValidation::Ignore),
        "Warn" | "" => Ok(FieldValidation::Warn),
        "Strict" => Ok(FieldValidation::Strict),
        _ => Err(Refusal::bad_request(format!(
            "fieldValidation: Unsupported value: {value:?}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""
        ))),
    }
}

fn propagation(value: &str) -> Result<Option<Propagation>, Refusal> {
    match value {
        "" => Ok(None),
        "Orphan" => Ok(Some(Propagation::Orphan)),
        "Background" => Ok(Some(Propagation::Background)),
        "Foreground" => Ok(Some(Propagation::Foreground)),
        _ => Err(Refusal::bad_request(format!("propagationPolicy: Unsupported value: {value:?}"))),
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
            body => Self::deserialize(body).map_err(|e| Refusal::bad_request(format!("DeleteOptions: {e}")))?,
        };
        options.grace_period_seconds = options.grace_period_seconds.or(query.grace_period_seconds);
        let legacy = options.orphan_dependents.filter(|orphan| *orphan).map(|_| Propagation::Orphan);
        options.propagation_policy = options.propagation_policy.or(legacy).or(query.propagation);
        if query.dry_run {
            options.dry_run.push("All".to_owned());
        }
        Ok(options)
    }

    pub fn is_dry_run(&self) -> bool {
        !self.dry_run.is_empty()
    }
}
