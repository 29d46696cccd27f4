//! `quarterdeck demo`: a meta cluster in this process, the controllers, and a fleet whose machines are simulated. Everything
//! between a key and a host is the real path.

mod folder;
mod running;
mod situation;
mod size;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;

use super::{
    Globals, console,
    exit::{Ended, Exit},
    lines,
    stop::stop_signal,
};
use crate::{
    config::Paths,
    console::{hosts::Access, seen, session, state::Place, terminal::is_terminal},
    embedded::simulation::{self, NAMESPACE, Pace, Scenario},
};
use folder::Folder;
use running::Running;
use situation::Situation;

/// A fleet of so many machines is not there at once.
const SLOW: usize = 10_000;

/// Shows the console on a fleet of simulated machines; nothing outside of this process is touched.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub size: size::Wanted,
    /// How many times faster than in the real world hosts work.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// The share of steps that something goes wrong with: 2% or 0.02 [default: 0, or that of the scenario].
    #[arg(long, value_name = "P", value_parser = share)]
    pub fault: Option<f64>,
    /// Start in this situation; `list` names all there are.
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Keep everything in this folder, and go on from there at the next start.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// No console: print one JSON line when ready, and run until SIGTERM.
    #[arg(long)]
    pub headless: bool,
}

/// What `--scenario` takes.
pub fn scenarios() -> Vec<&'static str> {
    Scenario::all().iter().map(|scenario| scenario.name.as_str()).chain([situation::LIST]).collect()
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    if globals.kubeconfig.is_some() || !globals.contexts.is_empty() || globals.namespace.is_some() {
        let why = "the demo brings its own meta cluster: leave out --kubeconfig, --context and --namespace, or leave out `demo`";
        return Err(Ended::new(Exit::BadInput, why).into());
    }
    if args.scenario.as_deref() == Some(situation::LIST) {
        lines::out(&situation::list())?;
        return Ok(Exit::Success.into());
    }
    let Situation { size, scenario } = Situation::settle(args.size, args.scenario.as_deref(), args.data.as_deref())?;
    if !args.headless && !is_terminal() {
        return Err(console::not_a_terminal().into());
    }
    let folder = Folder::open(args.data.as_deref())?;
    folder.log(args.headless)?;
    let options = simulation::Options {
        clusters: size.clusters,
        machines: size.machines,
        pace: Pace {
            seed: size.seed,
            speed: args.speed,
            fault: args.fault.unwrap_or(scenario.map_or(0.0, |s| s.fault)),
        },
        scenario,
        directory: args.data.clone(),
    };
    if !args.headless && options.machines >= SLOW {
        lines::err(&format!(
            "a fleet of {} machines: it takes some seconds until there is something to see",
            options.machines
        ));
    }
    let running = Running::start(options, &folder).await?;
    let ended = if args.headless {
        headless(&running, &folder, scenario).await
    } else {
        watch(&running, &folder, args.data.as_deref()).await
    };
    running.end().await;
    ended.map(|()| Exit::Success.into())
}

/// One line, and then nothing until somebody wants an end.
async fn headless(running: &Running, folder: &Folder, scenario: Option<&Scenario>) -> color_eyre::Result<()> {
    let mut ready = json!({
        "kubeconfig": folder.kubeconfig(),
        "server": running.listener.url(""),
        "namespace": NAMESPACE,
        "clusters": running.simulation.clusters,
        "machines": running.simulation.machines,
        "seed": running.simulation.seed,
        "simulated": true,
        "pid": std::process::id(),
    });
    if let Some(scenario) = scenario {
        ready["scenario"] = json!({"name": scenario.name, "about": scenario.about, "task": scenario.task});
    }
    // Whoever reads the line may end us at once, and in order.
    let stop = stop_signal()?;
    lines::out(&format!("{ready}\n"))?;
    stop.await;
    Ok(())
}

/// The console on this fleet, until it is closed.
async fn watch(running: &Running, folder: &Folder, data: Option<&Path>) -> color_eyre::Result<()> {
    let context = format!("demo-{}", running.simulation.seed);
    let kubeconfig = Some(folder.kubeconfig().display().to_string());
    let place =
        Place { context, namespace: NAMESPACE.to_owned(), user: console::user(), kubeconfig, ..Place::default() };
    // A fleet that is kept is one to come back to.
    let session = data.map(|folder| session::path(folder, &place.context, &place.namespace));
    let (key, known_hosts) = folder.ways_in(&running.simulation.key, &running.simulation.known_hosts)?;
    let reach = |access: Access| access.with_only(key, known_hosts);
    console::open(running.meta.client(), place, session, seen::unless_seen(Paths::of_user().state()), reach)
        .await
        .map(|_| ())
}

fn speed(text: &str) -> Result<f64, String> {
    match text.trim_end_matches(['x', 'X']).parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.01..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.01 to 100000 is needed".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent, 100.0));
    match number.trim().parse::<f64>().map(|n| n / scale) {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is needed, such as 2% or 0.02".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_speeds() {
        assert_eq!(share("2%"), Ok(0.02));
        assert_eq!(share("0.02"), Ok(0.02));
        assert_eq!(share("100 %"), Ok(1.0));
        assert!(share("2").is_err() && share("-1%").is_err() && share("x").is_err() && share("NaN").is_err());
        assert_eq!(speed("20"), Ok(20.0));
        assert_eq!(speed("0.5x"), Ok(0.5));
        assert!(speed("0").is_err() && speed("inf").is_err());
    }
}
