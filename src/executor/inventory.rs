//! From the input of a Job to what has to be done on which machine; all mistakes of the input are found here.

use std::collections::{BTreeMap, BTreeSet};

use crate::runbook::job::{InventoryMachine, JobInput, PASSPHRASE, PASSWORD, PRIVATE_KEY, SUDO_PASSWORD};
use crate::runbook::{Action, Facts, MachineFacts, RenderError, Renderer, Runbook, Scope, parse};

/// Largest file that an upload may carry.
const LARGEST_UPLOAD: u64 = 1 << 20;

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum BadInput {
    #[error("the runbook cannot be used: {0}")]
    Runbook(#[from] crate::runbook::Error),
    #[error("{0}")]
    Template(#[from] RenderError),
    #[error("runbook {runbook:?} has no phase {phase:?}; it has {known}")]
    UnknownPhase { runbook: String, phase: String, known: String },
    #[error(
        "runbook {runbook:?} needs variables that have no value: {names}. Set them in spec.variables of the ClusterDeployment"
    )]
    MissingVariables { runbook: String, names: String },
    #[error("there are two machines with the name {0:?} in the inventory")]
    TwiceTheSame(String),
    #[error("the inventory is empty: there is no machine to work on")]
    Empty,
    #[error("step {step:?} uploads {source_file:?}, which {reason}")]
    Upload { step: String, source_file: String, reason: String },
}

/// Files of secrets by name. Values that end in a line break lose it where they are used as words.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, String>);

impl Secrets {
    pub fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(files.into_iter().collect())
    }

    /// A value as it stands in its file; nothing for an empty file.
    pub fn text(&self, key: &str) -> Option<String> {
        let value = self.0.get(key)?;
        let is_key = key == PRIVATE_KEY;
        let value = if is_key { value.as_str() } else { value.trim_end_matches(['\n', '\r']) };
        (!value.is_empty()).then(|| value.to_owned())
    }

    pub fn sudo_password(&self) -> Option<String> {
        self.text(SUDO_PASSWORD)
    }

    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// What templates may use: all but the access to the hosts.
    fn variables(&self) -> impl Iterator<Item = (&str, String)> {
        let access = [PRIVATE_KEY, PASSPHRASE, PASSWORD, SUDO_PASSWORD];
        self.0
            .keys()
            .filter(move |key| !access.contains(&key.as_str()))
            .filter_map(|key| Some((key.as_str(), self.text(key)?)))
    }
}

/// What has to be done.
pub struct Plan {
    pub input: JobInput,
    pub runbook: Runbook,
    pub renderer: Renderer,
    pub machines: Vec<Course>,
    /// Files that uploads carry, by their path.
    pub sources: BTreeMap<String, Vec<u8>>,
}

/// What has to be done on one machine.
pub struct Course {
    pub machine: InventoryMachine,
    /// Indices of its phases in the runbook.
    pub phases: Vec<usize>,
    /// What its templates can say, but for what the host says of itself.
    pub facts: Facts,
}

impl Plan {
    /// Number of steps over all phases of one machine.
    pub fn steps(&self, course: &Course) -> usize {
        course.phases.iter().map(|p| self.runbook.phases[*p].steps.len()).sum()
    }
}

/// Reads and checks everything before any machine is touched.
pub fn plan(input: JobInput, secrets: &Secrets) -> Result<Plan, BadInput> {
    let runbook = parse(&input.runbook)?;
    check_phases(&runbook, &input.phases)?;
    check_machines(&input.machines)?;
    let renderer = Renderer::new(&runbook)?;
    let machines: Vec<Course> =
        input.machines.iter().map(|machine| course(&input, &runbook, secrets, machine)).collect();
    for course in &machines {
        let known: BTreeSet<&str> = course.facts.vars.keys().map(String::as_str).collect();
        let missing = renderer.missing_variables(&known, &course.phases.iter().copied().collect());
        if !missing.is_empty() {
            let names = missing.join(", ");
            return Err(BadInput::MissingVariables { runbook: runbook.name().to_owned(), names });
        }
    }
    let sources = sources(&runbook)?;
    Ok(Plan { input, runbook, renderer, machines, sources })
}

fn check_phases(runbook: &Runbook, wanted: &[String]) -> Result<(), BadInput> {
    let Some(phase) = runbook.unknown_phase(wanted) else { return Ok(()) };
    let known: Vec<&str> = runbook.phases.iter().map(crate::runbook::Phase::name).collect();
    Err(BadInput::UnknownPhase { runbook: runbook.name().to_owned(), phase: phase.to_owned(), known: known.join(", ") })
}

fn check_machines(machines: &[InventoryMachine]) -> Result<(), BadInput> {
    let mut names = BTreeSet::new();
    match machines.iter().find(|machine| !names.insert(&machine.name)) {
        Some(twice) => Err(BadInput::TwiceTheSame(twice.name.clone())),
        None if machines.is_empty() => Err(BadInput::Empty),
        None => Ok(()),
    }
}

fn course(input: &JobInput, runbook: &Runbook, secrets: &Secrets, machine: &InventoryMachine) -> Course {
    // What is nearer to the machine wins.
    let mut vars: BTreeMap<String, String> = runbook
        .variables
        .iter()
        .filter_map(|(name, variable)| Some((name.clone(), variable.default.clone()?)))
        .collect();
    vars.extend(input.variables.clone());
    vars.extend(machine.variables.clone());
    vars.extend(secrets.variables().map(|(name, value)| (name.to_owned(), value)));
    let facts = Facts {
        machine: MachineFacts {
            name: machine.name.clone(),
            uid: machine.uid.clone(),
            address: machine.address.clone(),
            role: machine.role.as_str().to_owned(),
            labels: machine.labels.clone(),
        },
        cluster: input.cluster.clone(),
        operation: input.operation.clone(),
        provider_id: crate::api::provider_id(&machine.uid),
        state_directory: input.ssh.state_directory.clone(),
        vars,
        facts: BTreeMap::new(),
    };
    let scope = Scope { role: machine.role, phases: &input.phases };
    Course { machine: machine.clone(), phases: runbook.phases_for(scope).map(|(p, _)| p).collect(), facts }
}

/// Reads the files that uploads carry.
fn sources(runbook: &Runbook) -> Result<BTreeMap<String, Vec<u8>>, BadInput> {
    let steps = runbook.phases.iter().flat_map(|phase| &phase.steps);
    let files = steps.filter_map(|step| Some((step, step.upload.as_ref()?.source.as_ref()?)));
    files
        .map(|(step, source)| {
            let bad = |reason: String| BadInput::Upload {
                step: step.name.value.clone(),
                source_file: source.clone(),
                reason,
            };
            let size = std::fs::metadata(source).map_err(|e| bad(format!("cannot be read: {e}")))?.len();
            if size > LARGEST_UPLOAD {
                return Err(bad(format!(
                    "has {size} bytes; more than {LARGEST_UPLOAD} have to be fetched by the host"
                )));
            }
            Ok((source.clone(), std::fs::read(source).map_err(|e| bad(format!("cannot be read: {e}")))?))
        })
        .collect()
}

impl Plan {
    /// The bytes of an action that uploads a file.
    pub fn source(&self, action: &Action) -> Option<&[u8]> {
        match action {
            Action::Source { source, .. } => self.sources.get(source).map(Vec::as_slice),
            _ => None,
        }
    }
}
