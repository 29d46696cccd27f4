//! Which kubeconfig is meant, and what it says: for the client that is made from it, and for whoever asks which context that is.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::ConnectError;
use crate::commands::{Globals, exit::Ended};

/// What a pod's own context is called.
const IN_CLUSTER: &str = "in-cluster";

/// Where a client comes from.
enum Source {
    /// A file, or what several come to, and where that is.
    File(Box<Kubeconfig>, PathBuf),
    /// There is none, and this is a pod.
    Pod(Box<Config>),
}

/// What flags and kubeconfigs come to.
pub(super) async fn config(globals: &Globals) -> Result<Config, ConnectError> {
    let context = match globals.contexts.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => return Err(ConnectError::SeveralContexts { names: several.join(", ") }),
    };
    let (kubeconfig, path) = match source(globals, of_environment())? {
        Source::File(kubeconfig, path) => (*kubeconfig, path),
        Source::Pod(config) => return Ok(*config),
    };
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let known = known(&kubeconfig);
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| explain(error, &path, known))
}

/// The context that a client is made for where none is named: what is marked for it counts.
///
/// # Errors
/// A kubeconfig that no client can be made from has no current context either: nobody may take it for one without marks.
pub fn current_context(globals: &Globals) -> Result<String, Ended> {
    Ok(current(globals, of_environment())?)
}

fn current(globals: &Globals, listed: Option<OsString>) -> Result<String, ConnectError> {
    match source(globals, listed)? {
        Source::Pod(_) => Ok(IN_CLUSTER.to_owned()),
        Source::File(kubeconfig, _) => {
            let known = known(&kubeconfig);
            let named = kubeconfig.current_context.filter(|name| !name.is_empty());
            named.ok_or(ConnectError::NoCurrentContext { known })
        }
    }
}

fn of_environment() -> Option<OsString> {
    std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty())
}

/// The flag, else what the environment lists, else the usual file, else the pod.
fn source(globals: &Globals, listed: Option<OsString>) -> Result<Source, ConnectError> {
    let (kubeconfig, path) = match (globals.kubeconfig.clone(), listed) {
        (Some(path), _) => (read(&path)?, path),
        (None, Some(list)) => (merged(&list)?, PathBuf::from(list)),
        (None, None) => {
            let path = home_kubeconfig();
            if !path.exists() {
                let config = Config::incluster().map_err(|_| ConnectError::NoKubeconfig { path })?;
                return Ok(Source::Pod(Box::new(config)));
            }
            (read(&path)?, path)
        }
    };
    Ok(Source::File(Box::new(kubeconfig), path))
}

/// The contexts that there are, as they are said.
fn known(kubeconfig: &Kubeconfig) -> String {
    let known = kubeconfig.contexts.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    if known.is_empty() { "none at all".to_owned() } else { known }
}

fn home_kubeconfig() -> PathBuf {
    etcetera::home_dir().unwrap_or_default().join(".kube/config")
}

fn read(path: &Path) -> Result<Kubeconfig, ConnectError> {
    if !path.exists() {
        return Err(ConnectError::MissingFile { path: path.to_owned() });
    }
    Kubeconfig::read_from(path).map_err(|error| explain(error, path, String::new()))
}

/// `KUBECONFIG` may list several files; those that do not exist are passed over, as kubectl does.
fn merged(list: &OsStr) -> Result<Kubeconfig, ConnectError> {
    let paths: Vec<_> = std::env::split_paths(list).filter(|p| !p.as_os_str().is_empty()).collect();
    let mut merged: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|p| p.exists()) {
        let next = read(path)?;
        merged = Some(match merged {
            None => next,
            Some(first) => first.merge(next).map_err(|e| explain(e, path, String::new()))?,
        });
    }
    merged.ok_or_else(|| ConnectError::MissingFile { path: paths.into_iter().next().unwrap_or_default() })
}

fn explain(error: KubeconfigError, path: &Path, known: String) -> ConnectError {
    match error {
        KubeconfigError::CurrentContextNotSet => ConnectError::NoCurrentContext { known },
        KubeconfigError::LoadContext(name) if name.is_empty() => ConnectError::NoCurrentContext { known },
        KubeconfigError::LoadContext(name) => ConnectError::NoContext { name, known },
        KubeconfigError::ReadConfig(error, path) => ConnectError::UnreadableFile { path, reason: error.to_string() },
        KubeconfigError::Parse(error) => {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            ConnectError::UnreadableFile { path: path.to_owned(), reason: first }
        }
        other => ConnectError::BadKubeconfig { reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files by what is in them; `None`: there is none of that name. What the context is, or why it is not known.
    fn check(files: &[Option<&str>], expected: Result<&str, &str>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |(at, content): (usize, Option<&str>)| {
            let path = folder.path().join(at.to_string());
            if let Some(content) = content {
                std::fs::write(&path, format!("apiVersion: v1\nkind: Config\n{content}")).expect("a file");
            }
            path
        };
        let list = std::env::join_paths(files.iter().copied().enumerate().map(path)).expect("plain names");
        let found = current(&Globals::default(), Some(list)).map_err(|error| error.to_string());
        match expected {
            Ok(name) => assert_eq!(found.as_deref(), Ok(name), "{files:?}"),
            Err(why) => assert!(found.as_ref().is_err_and(|said| said.contains(why)), "{files:?}: {found:?}"),
        }
    }

    #[test]
    fn the_current_context_is_that_of_the_client_or_an_error() {
        let prod = Some("current-context: prod\n");
        check(&[prod], Ok("prod"));
        // A file that is not there is passed over, as kubectl does; of others the first counts.
        check(&[None, prod], Ok("prod"));
        check(&[prod, None, Some("current-context: lab\n")], Ok("prod"));
        check(&[Some(""), prod], Ok("prod"));
        check(&[None], Err("does not exist"));
        check(&[None, Some("contexts: 7\n")], Err("cannot be read"));
        check(&[Some("")], Err("no current context"));
        check(&[Some("current-context: ''\n")], Err("no current context"));
    }
}
