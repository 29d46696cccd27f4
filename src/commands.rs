//! The command line: one file for each subcommand. The only place that wires modules together.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use exit::Ended;

pub mod change;
pub mod completions;
pub mod connect;
pub mod console;
pub mod controller;
pub mod crds;
pub mod demo;
pub mod executor;
pub mod exit;
mod follow;
pub mod get;
pub mod install;
pub mod lines;
pub mod logs;
pub mod maintain;
pub mod man;
pub mod report;
pub mod rollout;
pub mod runbook;
pub mod scale;
mod stop;
pub mod tape;
pub mod uninstall;

/// A terminal operations console, and the operator behind it, for fleets of Kubernetes clusters.
///
/// Without a subcommand it opens the console on the meta cluster of the kubeconfig.
#[derive(Debug, Parser)]
#[command(name = "quarterdeck", version, after_help = exit::HELP)]
pub struct Arguments {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every subcommand understands.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Globals {
    /// The kubeconfig of the meta cluster (else KUBECONFIG, else ~/.kube/config, else in-cluster).
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; the console shows several together, each named by a flag of its own.
    #[arg(long = "context", global = true, value_name = "NAME", action = clap::ArgAction::Append)]
    pub contexts: Vec<String>,
    /// The namespace; that of the context if left out.
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// It was called by kubectl, and `quarterdeck` itself need not be on the PATH.
    #[arg(skip)]
    pub by_kubectl: bool,
}

impl Globals {
    /// The same sentence with commands that work where this one did: those that it names, with two spaces around them, get the
    /// flags that were given. Without them a next step that is copied would reach another meta cluster.
    pub fn here(&self, sentence: &str) -> String {
        let mut flags = String::new();
        let kubeconfig = self.kubeconfig.as_ref().map(|file| file.display().to_string());
        let context = self.contexts.first().filter(|_| self.contexts.len() == 1);
        for (flag, value) in
            [("--kubeconfig", kubeconfig.as_ref()), ("--context", context), ("--namespace", self.namespace.as_ref())]
        {
            flags.extend(value.map(|value| format!("{flag} {} ", crate::runbook::quote(value))));
        }
        let program = if self.by_kubectl { "kubectl quarterdeck" } else { "quarterdeck" };
        // Nodes are in another cluster: what kubectl is to do with them stays as it is. The demo needs no cluster.
        sentence
            .replace("  quarterdeck ", &format!("  {program} {flags}"))
            .replace("  kubectl annotate ", &format!("  kubectl {flags}annotate "))
            .replace(&format!("  {program} {flags}demo"), &format!("  {program} demo"))
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List clusters, pools, machines or operations.
    Get(get::Args),
    /// Change the number of replicas of a node pool.
    Scale(scale::Args),
    /// Bring a cluster or a pool to another Kubernetes version.
    Upgrade(rollout::Upgrade),
    /// Replace the machines of a pool, or some of them, by others.
    Replace(rollout::Replace),
    /// Bring a pool back to what its machines were made like before.
    Rollback(rollout::Rollback),
    /// Stop everything in a pool at once.
    Pause(rollout::OfPool),
    /// Let a paused pool go on.
    Resume(rollout::OfPool),
    /// Finish what is under way in a pool, and take nothing more away.
    Hold(rollout::OfPool),
    /// Let a pool on hold go on.
    Unhold(rollout::OfPool),
    /// Try again what failed in a pool.
    Retry(rollout::OfPool),
    /// End the rollout of a pool where it is.
    Abort(rollout::OfPool),
    /// Let no more pods onto the nodes of machines.
    Cordon(maintain::OfMachines),
    /// Give the nodes of machines back that were cordoned or drained here.
    Uncordon(maintain::OfMachines),
    /// Cordon the nodes of machines, and ask their pods to leave as budgets allow.
    Drain(maintain::OfMachines),
    /// Show the log of an operation.
    Logs(logs::Args),
    /// Write what happened in an operation as one document.
    Report(report::Args),
    /// Open the console, and record what the API server answers and what is typed.
    Record(tape::Record),
    /// Open the console on a recording; nothing leaves this machine.
    Replay(tape::Replay),
    /// Run the controllers against a meta cluster.
    Controller(controller::Args),
    /// Carry out one operation on its machines; this is what a Job's pod runs.
    Executor(executor::Args),
    /// List, show and check runbooks.
    Runbook(runbook::Args),
    /// Print the definitions of all kinds, for `kubectl apply -f -`.
    Crds(crds::Args),
    /// Install the controllers, their accounts and roles, and the kinds into a cluster; or print them.
    Install(install::Args),
    /// Remove what install brought; the data stay unless told otherwise.
    Uninstall(uninstall::Args),
    /// Try it all on simulated machines.
    Demo(demo::Args),
    /// Print a script that completes commands and options in a shell.
    Completions(completions::Args),
    /// Print the manual page, or write a page for each command.
    Man(man::Args),
}

/// Carries out what was typed.
pub async fn run(arguments: Arguments) -> color_eyre::Result<ExitCode> {
    let globals = arguments.globals.clone();
    carry_out(arguments).await.map_err(|report| match report.downcast::<Ended>() {
        Ok(ended) => Ended::new(ended.exit, globals.here(&ended.message)).into(),
        Err(report) => report,
    })
}

async fn carry_out(arguments: Arguments) -> color_eyre::Result<ExitCode> {
    match arguments.command {
        None => console::run(&arguments.globals).await,
        Some(Command::Get(args)) => get::run(args, &arguments.globals).await,
        Some(Command::Scale(args)) => scale::run(args, &arguments.globals).await,
        Some(Command::Upgrade(args)) => rollout::upgrade(args, &arguments.globals).await,
        Some(Command::Replace(args)) => rollout::replace(args, &arguments.globals).await,
        Some(Command::Rollback(args)) => rollout::rollback(args, &arguments.globals).await,
        Some(Command::Pause(args)) => rollout::of_pool(rollout::Verb::Pause, args, &arguments.globals).await,
        Some(Command::Resume(args)) => rollout::of_pool(rollout::Verb::Resume, args, &arguments.globals).await,
        Some(Command::Hold(args)) => rollout::of_pool(rollout::Verb::Hold, args, &arguments.globals).await,
        Some(Command::Unhold(args)) => rollout::of_pool(rollout::Verb::Unhold, args, &arguments.globals).await,
        Some(Command::Retry(args)) => rollout::of_pool(rollout::Verb::Retry, args, &arguments.globals).await,
        Some(Command::Abort(args)) => rollout::of_pool(rollout::Verb::Abort, args, &arguments.globals).await,
        Some(Command::Cordon(args)) => maintain::run(maintain::Verb::Cordon, args, &arguments.globals).await,
        Some(Command::Uncordon(args)) => maintain::run(maintain::Verb::Uncordon, args, &arguments.globals).await,
        Some(Command::Drain(args)) => maintain::run(maintain::Verb::Drain, args, &arguments.globals).await,
        Some(Command::Logs(args)) => logs::run(args, &arguments.globals).await,
        Some(Command::Report(args)) => report::run(args, &arguments.globals).await,
        Some(Command::Record(args)) => tape::record(args, &arguments.globals).await,
        Some(Command::Replay(args)) => tape::replay(args).await,
        Some(Command::Controller(args)) => controller::run(args, &arguments.globals).await,
        Some(Command::Executor(args)) => executor::run(args, &arguments.globals).await,
        Some(Command::Runbook(args)) => runbook::run(&args),
        Some(Command::Crds(args)) => crds::run(args, &arguments.globals).await,
        Some(Command::Install(args)) => install::run(args, &arguments.globals).await,
        Some(Command::Uninstall(args)) => uninstall::run(args, &arguments.globals).await,
        Some(Command::Demo(args)) => demo::run(args, &arguments.globals).await,
        Some(Command::Completions(args)) => completions::run(&args),
        Some(Command::Man(args)) => man::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_step_that_is_copied_reaches_the_same_cluster() {
        let check = |globals: &Globals, said: &str, expected: &str| assert_eq!(globals.here(said), expected);
        let paused = "It goes on with  quarterdeck resume eu/gpu";
        check(&Globals::default(), paused, paused);
        let there = Globals { contexts: vec!["prod eu".into()], namespace: Some("fleet".into()), ..Globals::default() };
        check(&there, paused, "It goes on with  quarterdeck --context 'prod eu' --namespace fleet resume eu/gpu");
        let several = "See  quarterdeck logs op  then  quarterdeck retry eu/gpu  or  kubectl annotate operation op a=2";
        let file = Globals { kubeconfig: Some("k.yaml".into()), ..Globals::default() };
        check(
            &file,
            several,
            "See  quarterdeck --kubeconfig k.yaml logs op  then  quarterdeck --kubeconfig k.yaml retry eu/gpu  or  kubectl \
             --kubeconfig k.yaml annotate operation op a=2",
        );
        let plugin = Globals { by_kubectl: true, ..there.clone() };
        let named = "It goes on with  kubectl quarterdeck --context 'prod eu' --namespace fleet resume eu/gpu";
        check(&plugin, paused, named);
        for elsewhere in ["try  quarterdeck demo  which needs none", "give it back with  kubectl uncordon n-1"] {
            check(&there, elsewhere, elsewhere);
        }
    }
}
