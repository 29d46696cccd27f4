//! Commands of the user's own: which key means which, what they are about, and what is filled in.
//!
//! Nothing here runs anything: what is asked for is a [`Run`], carried out in `effects/command`.

use super::{
    keys::Chord,
    state::{State, Subject},
};
use crate::{
    config::{
        Placeholder,
        commands::{Command, Output, Scope},
    },
    fleet::{ContextId, MachineRow, OperationRow, PoolNode},
};
use std::sync::Arc;

/// A command, and its key as it is pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    pub chord: Option<Chord>,
    pub command: Command,
}

/// A program that is to be run, all filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub ticket: u64,
    /// The command's name.
    pub name: String,
    /// What it is about.
    pub subject: String,
    /// The program first; no shell reads it.
    pub argv: Vec<String>,
    pub output: Output,
    pub timeout_seconds: u64,
    /// It changes something.
    pub dangerous: bool,
    /// Where it is run; `None`: for all contexts.
    pub context: Option<ContextId>,
}

impl Custom {
    /// A sentence for the help page and the palette.
    pub fn about(&self, state: &State) -> String {
        let scopes: Vec<&str> = self.command.scopes.iter().map(|scope| scope.as_str()).collect();
        let said = match self.command.description.trim() {
            "" => "a command of yours",
            description => description,
        };
        let arm = super::action::Action::Arm;
        let first = if self.command.dangerous { format!(", {} first", state.keymap.key(arm)) } else { String::new() };
        format!("{said} ({}{first})", scopes.join(", "))
    }
}

/// The commands of a file with their keys.
pub fn all(commands: &[Command]) -> Arc<[Custom]> {
    let custom = |command: &Command| Custom {
        chord: command.key.as_ref().and_then(|key| key.parse().ok()),
        command: command.clone(),
    };
    commands.iter().map(custom).collect()
}

/// What a command is about, as the cursor stands.
#[derive(Clone, Copy, Debug, Default)]
struct Reach<'a> {
    cluster: Option<&'a str>,
    pool: Option<&'a PoolNode>,
    machine: Option<&'a MachineRow>,
    operation: Option<&'a OperationRow>,
}

impl<'a> Reach<'a> {
    /// Of the first scope that there is something for.
    fn of(state: &'a State, scopes: &[Scope]) -> Result<(Scope, Self), String> {
        scopes.iter().find_map(|scope| Some((*scope, Self::in_scope(state, *scope)?))).ok_or_else(|| {
            let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
            format!("put the cursor on a {}", names.join(" or a "))
        })
    }

    fn in_scope(state: &'a State, scope: Scope) -> Option<Self> {
        let subject = state.subject();
        match (scope, subject) {
            (Scope::Fleet, _) => Some(Self::default()),
            (Scope::Machine, Subject::Machine(machine)) => Some(Self {
                cluster: machine.cluster.as_deref(),
                pool: state.pool_in_reach().map(|node| &**node),
                machine: Some(machine),
                operation: machine
                    .operation
                    .as_deref()
                    .and_then(|name| state.snapshot.operation_named(machine.uid.context, name))
                    .map(|o| &**o),
            }),
            (Scope::Operation, Subject::Operation(operation)) => Some(Self {
                cluster: Some(&operation.cluster),
                pool: state.pool_in_reach().map(|node| &**node),
                operation: Some(operation),
                ..Self::default()
            }),
            (Scope::Pool, _) => {
                let node = state.pool_in_reach()?;
                Some(Self { cluster: Some(&node.row.cluster), pool: Some(node), ..Self::default() })
            }
            (Scope::Cluster, Subject::Cluster(node)) => Some(Self { cluster: Some(&node.row.name), ..Self::default() }),
            (Scope::Cluster, Subject::Pool(node)) => Some(Self { cluster: Some(&node.row.cluster), ..Self::default() }),
            (Scope::Cluster, Subject::Machine(machine)) => {
                Some(Self { cluster: Some(machine.cluster.as_deref()?), ..Self::default() })
            }
            (Scope::Cluster, Subject::Operation(operation)) => {
                Some(Self { cluster: Some(&operation.cluster), ..Self::default() })
            }
            _ => None,
        }
    }

    /// What the command is about, by its name.
    fn name(&self, scope: Scope) -> Option<&'a str> {
        match scope {
            Scope::Fleet => None,
            Scope::Cluster => self.cluster,
            Scope::Pool => self.pool.map(|node| &*node.row.name),
            Scope::Machine => self.machine.map(|machine| &*machine.name),
            Scope::Operation => self.operation.map(|operation| &*operation.name),
        }
    }

    fn value(&self, state: &State, scope: Scope, placeholder: Placeholder) -> Result<String, String> {
        let context = state.context_here();
        let place = context.map(|context| &state.context(context).place);
        let found = match placeholder {
            Placeholder::Name => self.name(scope).map(ToOwned::to_owned),
            Placeholder::Cluster => self.cluster.map(ToOwned::to_owned),
            Placeholder::Pool => self.pool.map(|node| node.row.name.to_string()),
            Placeholder::Operation => self.operation.map(|operation| operation.name.to_string()),
            Placeholder::Address => self.machine.map(|machine| machine.address.to_string()),
            Placeholder::Port => self.machine.map(|machine| machine.port.to_string()),
            Placeholder::Node => self.machine.and_then(|m| m.node.as_ref()?.name.as_deref()).map(ToOwned::to_owned),
            Placeholder::Namespace => place.map(|place| place.namespace.clone()),
            Placeholder::Context => place.map(|place| place.context.clone()),
            Placeholder::Kubeconfig => place.and_then(|place| place.kubeconfig.clone()),
            Placeholder::User => Some(state.user.clone()),
        };
        let subject = self.name(scope).unwrap_or("the fleet");
        found.filter(|value| !value.is_empty()).ok_or_else(|| match placeholder {
            placeholder if context.is_none() => {
                format!("{{{}}} depends on the context: put the cursor on something in one", placeholder.as_str())
            }
            Placeholder::Kubeconfig => "there is no kubeconfig: the console runs inside of the cluster".to_owned(),
            placeholder => format!("{subject} has no {}", placeholder.as_str()),
        })
    }
}

impl State {
    /// The user's command of a key.
    pub fn custom_of(&self, chord: Chord) -> Option<&Custom> {
        self.commands.iter().find(|custom| custom.chord == Some(chord))
    }

    pub fn custom_named(&self, name: &str) -> Option<&Custom> {
        self.commands.iter().find(|custom| custom.command.name == name)
    }

    /// Why no command changes anything there: a context of which nothing is changed. Of all contexts it takes one such.
    pub fn locked_for(&self, context: Option<ContextId>) -> Option<String> {
        let meant = self.contexts.iter().enumerate().filter(|(at, _)| context.is_none_or(|c| c.index() == *at));
        meant.map(|(_, context)| context).find_map(|c| c.locked.clone().or_else(|| c.place.only_look.clone()))
    }

    /// What a command comes to where the cursor is; `Err` is a sentence. The ticket is not set yet.
    pub fn fill(&self, command: &Command) -> Result<Run, String> {
        let why = |why: String| format!("`{}` cannot be run here: {why}", command.name);
        let (scope, reach) = Reach::of(self, &command.scopes).map_err(why)?;
        let value = |placeholder| reach.value(self, scope, placeholder);
        let argv = command.argv.iter().map(|word| word.fill(value)).collect::<Result<_, _>>().map_err(why)?;
        Ok(Run {
            ticket: 0,
            name: command.name.clone(),
            subject: reach.name(scope).unwrap_or_default().to_owned(),
            argv,
            output: command.output,
            timeout_seconds: command.timeout_seconds,
            dangerous: command.dangerous,
            context: self.context_here(),
        })
    }
}
