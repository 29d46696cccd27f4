//! `config/manifests` is what the program prints, and kubectl takes it for a kustomization.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use quarterdeck::{commands::install, install::Options};
use serde_json::Value;

use crate::program::{find, leave_out};

const BINARY: &str = env!("CARGO_BIN_EXE_quarterdeck");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_committed_manifests_are_current() {
    let path = root().join("config/manifests/quarterdeck.yaml");
    let text = install::manifests(&Options::default()).expect("the objects serialise");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).expect("the file can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "config/manifests/quarterdeck.yaml is not what the program prints: UPDATE=1 cargo test --test install"
    );
}

/// Kind and name of each document.
fn names(yaml: &str) -> BTreeSet<String> {
    let documents = yaml.split("\n---\n").map(|text| text.trim_start_matches("---\n"));
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    documents
        .map(read)
        .map(|d| format!("{} {} {}", d["kind"], d["metadata"]["namespace"], d["metadata"]["name"]))
        .collect()
}

/// The binary where there is no cluster and no home.
fn export(words: &[&str]) -> String {
    let output = Command::new(BINARY)
        .args(["install", "--export"])
        .args(words)
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .env("HOME", "/nonexistent")
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn an_export_needs_no_cluster_and_says_what_was_chosen() {
    let text = export(&[
        "--namespace",
        "qd",
        "--watch-namespace",
        "blue",
        "--watch-namespace",
        "green",
        "--image",
        "registry.example/qd:9",
    ]);
    let names = names(&text);
    assert_eq!(names.iter().filter(|n| n.contains("CustomResourceDefinition")).count(), 6);
    for expected in [
        r#""Deployment" "qd" "quarterdeck-controller""#,
        r#""ServiceAccount" "green" "quarterdeck-executor""#,
        r#""Namespace" null "blue""#,
    ] {
        assert!(names.contains(expected), "{expected}: {names:#?}");
    }
    assert_eq!(text.matches("registry.example/qd:9").count(), 2, "of the controllers and of the executors");
    assert!(text.contains("--watch-namespace=green"));
}

#[test]
fn needs_kubectl_that_takes_the_base_for_a_kustomization() {
    let named = std::env::var("QUARTERDECK_KUBECTL").ok();
    let Some(kubectl) = named.or_else(|| find("kubectl").map(|p| p.display().to_string())) else {
        return leave_out("needs_kubectl_that_takes_the_base_for_a_kustomization", "kubectl");
    };
    let output =
        Command::new(kubectl).arg("kustomize").arg(root().join("config/manifests")).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let built = String::from_utf8(output.stdout).expect("text");
    assert_eq!(names(&built), names(&export(&[])), "the base holds what the program prints, and nothing else");
}
