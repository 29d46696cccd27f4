//! The Containerfile: its stages, what it copies, and whom it runs as. Building it needs base images, which a test does
//! not fetch; what a build would take from this tree is laid out in a folder, and cargo reads it there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use quarterdeck::install::Options;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Instructions with their arguments; continued lines are one, comments none.
fn instructions() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("Containerfile")).expect("a Containerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines.filter_map(|l| l.split_once(' ')).map(|(verb, rest)| (verb.to_owned(), rest.trim().to_owned())).collect()
}

fn all(verb: &str) -> Vec<String> {
    instructions().into_iter().filter(|(v, _)| v == verb).map(|(_, rest)| rest).collect()
}

/// What is copied from this tree.
fn sources() -> Vec<String> {
    let copies = all("COPY").into_iter().filter(|c| !c.starts_with("--from="));
    copies
        .flat_map(|c| {
            let words: Vec<String> = c.split_whitespace().map(str::to_owned).collect();
            words[..words.len() - 1].to_vec()
        })
        .collect()
}

#[test]
fn two_stages_of_which_the_second_has_only_what_runs() {
    let stages = all("FROM");
    assert_eq!(stages, ["${BUILD_BASE} AS build", "${BASE}"]);
    let copied: Vec<_> = all("COPY").into_iter().filter(|c| c.starts_with("--from=build ")).collect();
    assert_eq!(copied.len(), 2, "the binary and the authorities: {copied:?}");
    assert!(copied.iter().any(|c| c.ends_with("/usr/local/bin/quarterdeck")));
    assert_eq!(all("ENTRYPOINT"), [r#"["quarterdeck"]"#]);
    for label in ["title", "description", "licenses", "version", "revision"] {
        assert!(all("LABEL")[0].contains(&format!("org.opencontainers.image.{label}=")), "{label}");
    }
    assert!(
        all("ARG").contains(&format!("VERSION={}", env!("CARGO_PKG_VERSION"))),
        "the version is that of the program"
    );
    let toolchain = format!("BUILD_BASE=rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    assert!(all("ARG").iter().any(|a| a.starts_with(&toolchain)), "the toolchain is the one that we need");
}

/// A pod that insists on a user without rights runs only as the one that the image has.
#[test]
fn the_user_is_the_one_that_the_pods_ask_for() {
    let user = all("USER").remove(0);
    let (user, group) = user.split_once(':').expect("a user and a group");
    let objects = quarterdeck::install::objects(&Options::default());
    let deployment = objects.iter().find(|o| o["kind"] == "Deployment").expect("a Deployment");
    let context = &deployment["spec"]["template"]["spec"]["securityContext"];
    assert_eq!(context["runAsUser"].to_string(), user);
    assert_eq!(context["runAsGroup"].to_string(), group);
}

#[test]
fn what_a_build_takes_from_here_is_enough_for_cargo() {
    let folder = tempfile::tempdir().expect("a folder");
    for source in sources() {
        copy(&root().join(&source), &folder.path().join(&source));
    }
    let read = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(folder.path())
        .output()
        .expect("cargo starts");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    for (file, included) in included(&folder.path().join("src")) {
        assert!(included.exists(), "{} includes {}, which no COPY brings", file.display(), included.display());
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("a readable folder").map(|e| e.expect("an entry")) {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    }
}

/// Files that the compiler reads beside the sources.
fn included(folder: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
        // What only tests read is not built.
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(included(&path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        for macro_ in ["include_str!(\"", "include_bytes!(\""] {
            for part in text.split(macro_).skip(1) {
                let name = part.split('"').next().unwrap_or_default();
                found.push((path.clone(), path.parent().expect("a folder").join(name)));
            }
        }
    }
    found
}
