//! `quarterdeck executor`: what runs in the pod of an operation's Job. The embedded meta cluster runs the same in process.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Globals;
use super::exit::{Ended, Exit};
use crate::embedded::jobs::{PodRun, RunPod};
use crate::executor::{self, Context, KubernetesStatus, Limits, LineSink, Secrets, SshTransport, StatusSink};
use crate::runbook::job::{EXIT_BAD_INPUT, INPUT_DIRECTORY, INPUT_KEY, JobInput, SECRET_DIRECTORY};

/// Carries out one operation on its machines; events go to standard output, one JSON object a line.
///
/// Exit codes: 0 all machines are through, 1 some machine failed, 2 bad input, 143 ended before all were through.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The inventory and the variables, as JSON.
    #[arg(long, value_name = "FILE", default_value_os_t = Path::new(INPUT_DIRECTORY).join(INPUT_KEY))]
    pub input: PathBuf,
    /// A folder with one file for each secret: ssh-privatekey, passphrase, password, sudo-password, and variables.
    #[arg(long, value_name = "DIR", default_value = SECRET_DIRECTORY)]
    pub secrets: PathBuf,
    /// Do not write status: there is no meta cluster.
    #[arg(long)]
    pub no_status: bool,
    /// How long a machine may be out of reach before it has failed.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().reconnect.as_secs())]
    pub reconnect_seconds: u64,
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let input = std::fs::read_to_string(&args.input)
        .map_err(|error| bad(format!("cannot read the input {}: {error}", args.input.display())))?;
    let input = parse(&input).map_err(|error| bad(format!("{}: {error}", args.input.display())))?;
    let secrets = read_secrets(&args.secrets)?;
    let status = if args.no_status { None } else { Some(client(globals).await?) };
    let cancel = CancellationToken::new();
    let (stop, stopped) = (super::stop::stop_signal()?, cancel.clone());
    tokio::spawn(async move {
        stop.await;
        stopped.cancel();
    });
    let events: LineSink = Arc::new(|line| {
        // A log that nobody reads any more is no reason to stop.
        writeln!(std::io::stdout().lock(), "{line}").ok();
    });
    let limits = Limits { reconnect: Duration::from_secs(args.reconnect_seconds), ..Limits::default() };
    let code = carry_out(input, secrets, status, events, cancel, limits).await;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Runs pods of Jobs in this process, with a client of the meta cluster that they belong to.
pub fn in_process(client: kube::Client) -> RunPod {
    Arc::new(move |pod| {
        let client = client.clone();
        Box::pin(async move { run_pod(client, pod).await })
    })
}

async fn run_pod(client: kube::Client, pod: PodRun) -> i32 {
    let PodRun { args, files, log, cancel, .. } = pod;
    if args.first().is_none_or(|verb| verb != "executor") {
        log.line(&format!("only pods that run `executor` can run in this process, not {args:?}"));
        return EXIT_BAD_INPUT;
    }
    let text = |path: &str| files.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let input = text(&format!("{INPUT_DIRECTORY}/{INPUT_KEY}")).ok_or_else(|| "the input is missing".to_owned());
    let input = match input.and_then(|input| parse(&input)) {
        Ok(input) => input,
        Err(error) => {
            log.line(&error);
            return EXIT_BAD_INPUT;
        }
    };
    let secrets = Secrets::new(secret_files(&files));
    carry_out(input, secrets, Some(client), Arc::new(move |line| log.line(&line)), cancel, Limits::default()).await
}

/// The files below the folder of secrets, by name.
fn secret_files(files: &BTreeMap<String, Vec<u8>>) -> Vec<(String, String)> {
    let below = |path: &str| Some(path.strip_prefix(SECRET_DIRECTORY)?.trim_start_matches('/').to_owned());
    let all =
        files.iter().filter_map(|(path, bytes)| Some((below(path)?, String::from_utf8_lossy(bytes).into_owned())));
    all.collect()
}

async fn carry_out(
    input: JobInput,
    secrets: Secrets,
    client: Option<kube::Client>,
    events: LineSink,
    cancel: CancellationToken,
    limits: Limits,
) -> i32 {
    let status = client.map(|c| Arc::new(KubernetesStatus::new(c, &input.namespace)) as Arc<dyn StatusSink>);
    let transport = Arc::new(SshTransport::new(&input, &secrets));
    let operation = input.operation.clone();
    let sink = Arc::clone(&events);
    let context = Context { input, secrets, transport, status, events, cancel, limits };
    match executor::run(context).await {
        Ok(summary) => summary.exit_code(),
        Err(error) => {
            executor::refuse(operation, &error, sink);
            EXIT_BAD_INPUT
        }
    }
}

fn parse(input: &str) -> Result<JobInput, String> {
    serde_json::from_str(input).map_err(|error| format!("the input is not right: {error}"))
}

fn bad(message: String) -> Ended {
    Ended::new(Exit::BadInput, message)
}

/// A folder that is not there holds no secrets: an agent, or nothing, may do.
fn read_secrets(directory: &Path) -> Result<Secrets, Ended> {
    let unreadable =
        |error: std::io::Error| bad(format!("cannot read the secrets in {}: {error}", directory.display()));
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Secrets::default()),
        entries => entries.map_err(unreadable)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Mounted Secrets keep their versions in folders that begin with two dots.
        if path.is_file() && !name.starts_with('.') {
            files.push((name, std::fs::read_to_string(&path).map_err(unreadable)?));
        }
    }
    Ok(Secrets::new(files))
}

/// In a pod, the account of the pod; else as every command does it.
async fn client(globals: &Globals) -> Result<kube::Client, Ended> {
    if globals.kubeconfig.is_none()
        && let Ok(config) = kube::Config::incluster()
    {
        return kube::Client::try_from(config).map_err(|error| Ended::new(Exit::Unreachable, error.to_string()));
    }
    Ok(super::connect::client(globals).await?.0)
}
