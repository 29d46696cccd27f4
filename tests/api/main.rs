//! One API suite, two servers: the same requests to the embedded server and to a real kube-apiserver.
//!
//! `scenarios/` holds the requests, `transcripts/` what a real kube-apiserver answered, with what differs from run to run
//! replaced by names. The embedded server is held to the transcripts by every `cargo test`; a real one is asked where
//! `QUARTERDECK_REAL_KUBECONFIG` names it (`tests/run --real` does), and with `QUARTERDECK_RECORD=1` its answers become the
//! new transcripts. Where the two differ, `tests/real/differences.md` says so and why, and nothing that is not true.

mod differences;
mod normal;
mod player;
mod scenario;
mod server;
mod transcript;

use std::{env, fs, path::PathBuf};

use differences::{Allowed, Difference};
use transcript::Step;

/// The minor version of Kubernetes that the transcripts are of.
const RECORDED: &str = "1.36";

/// Declares the scenarios: each is a file of `scenarios/`, and a test against either server.
macro_rules! scenarios {
    ($($name:ident)*) => {
        const SCENARIOS: &[&str] = &[$(stringify!($name)),*];

        mod embedded {
            $(#[tokio::test]
            async fn $name() {
                super::replay(stringify!($name)).await;
            })*
        }

        mod needs_real_api_server {
            $(#[tokio::test]
            async fn $name() {
                super::ask_the_real_one(stringify!($name)).await;
            })*
        }
    };
}

scenarios! {
    applying create_and_read custom_resources definitions deleting errors events evicting lists namespaces ownership patching
    pods rbac replacing subresources validation watching
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/api")
}

fn recorded(name: &str) -> Vec<Step> {
    let path = folder().join("transcripts").join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        !text.is_empty(),
        "{} is not there: record it with QUARTERDECK_RECORD=1 ./tests/run --real --test api",
        path.display()
    );
    transcript::parse(&text)
}

/// The embedded server answers as the transcript says, but for the differences that are listed; and those are there.
async fn replay(name: &str) {
    let answers = player::play(&server::embedded(), name).await;
    let differences = differences::between(&recorded(name), &answers);
    let allowed = Allowed::read();
    let surprises: Vec<&Difference> = differences.iter().filter(|d| !allowed.covers(name, d)).collect();
    let stale = allowed.unused(name, &differences);
    assert!(
        surprises.is_empty() && stale.is_empty(),
        "{name}: the embedded server (found) and the transcript of a real one (expected) differ:\n{}\n{}",
        differences::report(name, &surprises),
        stale.iter().map(|row| format!("listed, but not so any more: {row}\n")).collect::<String>(),
    );
}

/// The real server answers as it did when the transcript was recorded; or the transcript is recorded now.
async fn ask_the_real_one(name: &str) {
    let Some(server) = server::real(name).await else { return };
    let answers = player::play(&server, name).await;
    if env::var_os("QUARTERDECK_RECORD").is_some_and(|record| record == "1") {
        let path = folder().join("transcripts").join(format!("{name}.txt"));
        fs::write(path, transcript::write(&answers)).expect("the folder of transcripts is there");
        return;
    }
    let differences = differences::between(&recorded(name), &answers);
    // Words change from one minor version to the next, codes do not.
    let same_words = server::version(&server).await == RECORDED;
    let all: Vec<&Difference> = differences.iter().filter(|d| same_words || d.path == "code").collect();
    assert!(all.is_empty(), "{name}: not what was recorded:\n{}", differences::report(name, &all));
}

#[test]
fn every_file_is_a_scenario_and_every_transcript_has_one() {
    for (place, ending) in [("scenarios", "txt"), ("transcripts", "txt")] {
        let files = fs::read_dir(folder().join(place)).expect("the folder is there");
        let mut names: Vec<String> = files
            .map(|file| file.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|e| e == ending))
            .map(|path| path.file_stem().expect("it has a name").to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(
            names, SCENARIOS,
            "files in {place}, and the scenarios that main.rs declares (in order of the alphabet)"
        );
    }
}

/// The gate: a status code is never different, so none may be listed.
#[test]
fn no_difference_in_status_codes_is_listed() {
    let allowed = Allowed::read();
    let codes: Vec<_> = allowed.rows().filter(|row| row.path.contains("code") || row.path == "*").collect();
    assert!(codes.is_empty(), "status codes may not differ: {codes:?}");
    let unknown: Vec<_> = allowed.rows().filter(|row| !SCENARIOS.contains(&row.scenario.as_str())).collect();
    assert!(unknown.is_empty(), "no such scenario: {unknown:?}");
}
