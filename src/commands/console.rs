//! The console, opened on the meta cluster of a kubeconfig, or on several; what `quarterdeck` does without a subcommand.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use futures::{FutureExt, future::BoxFuture};
use kube::Client;

use super::{
    Globals,
    connect::{self, Connected},
    exit::{Ended, Exit},
};
use crate::{
    config::{Config, ContextSettings, Paths},
    console::{self, Error, Options, contexts::Context, hosts::Access, run::Data, session, state::Place},
    fleet::{self, Clients, ContextId, Feeds, Welcome},
};

pub async fn run(globals: &Globals) -> color_eyre::Result<ExitCode> {
    if !console::terminal::is_terminal() {
        return Err(not_a_terminal().into());
    }
    let paths = Paths::of_user();
    let config = console::configure(&paths);
    match chosen(globals, &config.settings.contexts)?.as_slice() {
        [one] => on_one(globals, one, config, &paths).await,
        several => on_several(globals, several, config, &paths).await,
    }
}

/// On one meta cluster: it has to answer first.
async fn on_one(
    globals: &Globals,
    chosen: &ContextSettings,
    config: Config,
    paths: &Paths,
) -> color_eyre::Result<ExitCode> {
    let globals = of_only(globals, chosen);
    let Connected { client, namespace, too_old } = connect::open(&globals).await?;
    let only_look = too_old.map(|why| why.to_string());
    let place = Place { only_look, ..place(&globals, chosen, namespace) };
    let session = session::path(paths.state(), &place.context, &place.namespace);
    let feed = fleet::watch(&client, &place.namespace);
    let contexts = vec![Context::new(place, chosen, &paths.settings())];
    show(Options::of_process(Clients::of_one(client), contexts, config, Some(session)), feed).await
}

/// On several: each is reached by itself, and shown as soon as it answers.
async fn on_several(
    globals: &Globals,
    chosen: &[ContextSettings],
    config: Config,
    paths: &Paths,
) -> color_eyre::Result<ExitCode> {
    let names: Vec<&str> = chosen.iter().map(|context| context.name.as_str()).collect();
    let session = session::path(paths.state(), &names.join("+"), globals.namespace.as_deref().unwrap_or_default());
    let of = |settings: &ContextSettings| {
        let namespace = globals.namespace.clone().or_else(|| settings.namespace.clone()).unwrap_or_default();
        Context::new(place(&of_one(globals, settings), settings, namespace), settings, &paths.settings())
    };
    let contexts = chosen.iter().map(of).collect();
    let feeds = Feeds::open(chosen.iter().map(|context| (context.name.clone(), opener(globals, context))).collect());
    show(Options::of_process(feeds.clients(), contexts, config, Some(session)), feeds).await
}

/// Opens the console with the user's configuration on a fleet that runs in this process, whose hosts are reached in another
/// way. What the console remembers from one time to the next is in `session`; with `tour` it shows the tour, and writes down there
/// that it was seen.
pub async fn open(
    client: Client,
    place: Place,
    session: Option<PathBuf>,
    tour: Option<PathBuf>,
    reach: impl FnOnce(Access) -> Access,
) -> color_eyre::Result<ExitCode> {
    let config = console::configure(&Paths::of_user());
    let feed = fleet::watch(&client, &place.namespace);
    let (clients, contexts) = (Clients::of_one(client), vec![Context::plain(place)]);
    let options = Options::of_process(clients, contexts, config, session);
    let access = Access::of(&options.config.settings.ssh, options.environment.ssh_program.as_deref());
    show(Options { access: Some(reach(access)), tour, ..options }, feed).await
}

async fn show(options: Options, data: impl Data) -> color_eyre::Result<ExitCode> {
    ended(console::run(options, data).await)
}

/// How the console ended, as an exit code.
pub fn ended(outcome: Result<(), Error>) -> color_eyre::Result<ExitCode> {
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Error::NotATerminal) => Err(not_a_terminal().into()),
        Err(error) => Err(error.into()),
    }
}

/// What is said, with its exit code, where there is no terminal.
pub fn not_a_terminal() -> Ended {
    Ended::new(Exit::BadInput, Error::NotATerminal.to_string())
}

/// Who is at the keyboard: recorded with each change that is asked for.
pub fn user() -> String {
    ["QUARTERDECK_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .or_else(|| whoami::username().ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Where a context is, for whoever looks at it; `globals` are what is typed for that one.
pub(super) fn place(globals: &Globals, settings: &ContextSettings, namespace: String) -> Place {
    let (context, kubeconfig) = (settings.name.clone(), kubeconfig(globals));
    Place { context, namespace, user: user(), only_look: None, kubeconfig }
}

/// The file that a client is made from, for programs that are told where it is.
fn kubeconfig(globals: &Globals) -> Option<String> {
    let of_environment = || std::env::var("KUBECONFIG").ok().filter(|path| !path.is_empty()).map(PathBuf::from);
    let usual = || std::env::home_dir().map(|home| home.join(".kube/config")).filter(|path| path.exists());
    let path = globals.kubeconfig.clone().or_else(of_environment).or_else(usual)?;
    Some(path.display().to_string())
}

/// The meta clusters to show. Flags say which ones, else the configuration does, else the kubeconfig; how they are marked
/// is for the configuration alone.
pub(super) fn chosen(globals: &Globals, configured: &[ContextSettings]) -> Result<Vec<ContextSettings>, Ended> {
    let known = |name: &str| {
        let settings = configured.iter().find(|context| context.name == name);
        settings.cloned().unwrap_or_else(|| ContextSettings::named(name))
    };
    let named = &globals.contexts;
    if let Some(twice) = named.iter().enumerate().find(|(at, name)| named[..*at].contains(name)) {
        return Err(Ended::new(Exit::BadInput, format!("--context names `{}` twice", twice.1)));
    }
    if named.len() > ContextId::MOST {
        let said = format!("--context names {} contexts: at most {} are shown together", named.len(), ContextId::MOST);
        return Err(Ended::new(Exit::BadInput, said));
    }
    Ok(match (named.is_empty(), globals.kubeconfig.is_some() || configured.is_empty()) {
        (false, _) => named.iter().map(|name| known(name)).collect(),
        (true, false) => configured.to_vec(),
        (true, true) => vec![known(&connect::current_context(globals)?)],
    })
}

/// What is typed for the only one. Where no context is named, the kubeconfig's current one was looked up; that is for `connect`
/// to say no to.
pub(super) fn of_only(globals: &Globals, chosen: &ContextSettings) -> Globals {
    if globals.contexts.is_empty() && chosen.kubeconfig.is_none() && chosen.namespace.is_none() {
        return globals.clone();
    }
    of_one(globals, chosen)
}

/// What is typed for one of them.
pub(super) fn of_one(globals: &Globals, context: &ContextSettings) -> Globals {
    let kubeconfig = globals.kubeconfig.clone().or_else(|| context.kubeconfig.as_deref().map(at_home));
    let namespace = globals.namespace.clone().or_else(|| context.namespace.clone());
    Globals { kubeconfig, contexts: vec![context.name.clone()], namespace, ..Globals::default() }
}

/// `~/…` is below the user's home: no shell has looked at the file.
fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), etcetera::home_dir()) {
        (Ok(rest), Ok(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// Tries to reach a context, on a thread that may be kept waiting: a kubeconfig may name a program that logs in.
pub(super) fn opener(globals: &Globals, context: &ContextSettings) -> fleet::Open {
    let globals = of_one(globals, context);
    Arc::new(move || -> BoxFuture<'static, _> {
        let globals = globals.clone();
        async move {
            let runtime = tokio::runtime::Handle::current();
            let opening = tokio::task::spawn_blocking(move || runtime.block_on(connect::open(&globals)));
            let Connected { client, namespace, too_old } = match opening.await {
                Ok(opened) => opened.map_err(|ended| ended.message)?,
                Err(broke) => return Err(broke.to_string()),
            };
            Ok((client, Welcome { namespace, only_look: too_old.map(|why| why.to_string()) }))
        }
        .boxed()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flags: &[&str], kubeconfig: bool, configured: &[&str], expected: Result<&[&str], &str>) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        std::fs::write(&file, "apiVersion: v1\nkind: Config\ncurrent-context: here\n").expect("a file");
        let globals = Globals {
            kubeconfig: kubeconfig.then(|| file.clone()),
            contexts: flags.iter().map(ToString::to_string).collect(),
            ..Globals::default()
        };
        let with_tag = |name: &&str| ContextSettings { tags: vec!["x".into()], ..ContextSettings::named(name) };
        let configured: Vec<ContextSettings> = configured.iter().map(with_tag).collect();
        let chosen = chosen(&globals, &configured).map_err(|ended| ended.message);
        let names = chosen.as_ref().map(|all| all.iter().map(|c| c.name.as_str()).collect::<Vec<_>>());
        match expected {
            Ok(expected) => assert_eq!(names.expect("it is chosen"), expected),
            Err(said) => assert!(names.unwrap_err().contains(said), "{said}"),
        }
        for context in chosen.into_iter().flatten() {
            assert_eq!(context.tags.is_empty(), configured.iter().all(|c| c.name != context.name));
        }
    }

    #[test]
    fn flags_say_which_contexts_else_the_configuration_else_the_kubeconfig() {
        check(&["a", "b"], false, &["b", "c"], Ok(&["a", "b"]));
        check(&["c"], false, &["b", "c"], Ok(&["c"]));
        check(&[], false, &["b", "c"], Ok(&["b", "c"]));
        check(&[], true, &["b", "c"], Ok(&["here"]));
        check(&["a", "b", "a"], false, &[], Err("names `a` twice"));
        let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        check(&many.iter().map(String::as_str).collect::<Vec<_>>(), false, &[], Err("at most 32"));
    }
}
