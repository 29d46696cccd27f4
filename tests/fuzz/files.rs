//! Files that people write: runbooks, configuration, themes, keys, kubeconfigs, and the input of a Job.

use std::{fs, path::PathBuf};

use quarterdeck::{
    commands::{Globals, connect::resolved},
    config::Paths,
    console::{self, keys::Chord},
    runbook::{self, Facts, Level, MachineFacts, Renderer, Runbook, builtin, builtin_names},
};

use super::bench::{check, sentence};

fn tree(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(tree(path)).expect("it is in the tree")
}

/// One of everything that a runbook may say.
const RUNBOOK: &str = r#"name: all
revision: 3
description: "one of everything"
variables:
  version: {default: "1.2", description: what to install}
  token: {secret: true}
phases:
- name: Prepare
  roles: [ControlPlane, Worker]
  strategy: serial
  batch: 2
  steps:
  - name: look
    verify: '[ {{ facts.clockOffset }} -lt 30 ]'
  - &a
    name: do
    check: 'test -e /a'
    run: |
      echo {{ vars.version }} "{{ machine.name | upper }}" '{{ machine.labels }}' > /a
      cat <<EOF
      {{ vars.token }} $(date) ${x:-y}
      EOF
    verify: test -e /a
    timeoutSeconds: 10
    retries: 2
    backoffSeconds: 0.5
    when: machine.role == 'Worker' and vars.version
    env: {KEY: "{{ vars.token }}", B: plain}
    sudo: true
    secret: false
- name: Files
  strategy: first
  steps:
  - {name: file, template: {path: "/etc/{{ cluster }}", mode: "0600", content: "{% if operation %}x{% endif %}\n"}}
  - {name: up, once: true, upload: {path: /b, content: "plain {{ x }}"}}
"#;

fn facts() -> Facts {
    let words = |words: &[(&str, &str)]| words.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Facts {
        machine: MachineFacts { name: "m-1".into(), role: "Worker".into(), ..MachineFacts::default() },
        cluster: "east".into(),
        operation: "op-1".into(),
        vars: words(&[("version", "1.2"), ("token", "it's $HOME\n\"`x`\"")]),
        facts: words(&[("clockOffset", "0")]),
        ..Facts::default()
    }
}

fn read_runbook(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let findings = runbook::lint(&text);
    for finding in &findings {
        sentence(&finding.to_string())?;
        let beyond = finding.line.is_some_and(|line| line == 0 || line > text.lines().count() as u64 + 1);
        if beyond {
            return Err(format!("a line that is not there: {finding}"));
        }
    }
    match runbook::parse(&text) {
        Err(error) => sentence(&error.to_string()),
        Ok(runbook) => render(&runbook, findings.iter().any(|finding| finding.level == Level::Error)),
    }
}

fn render(runbook: &Runbook, faulty: bool) -> Result<(), String> {
    let renderer = match Renderer::new(runbook) {
        Ok(renderer) => renderer,
        Err(error) if faulty => return sentence(&error.to_string()),
        Err(error) => return Err(format!("the lint finds nothing, and it cannot be used: {error}")),
    };
    for (p, phase) in runbook.phases.iter().enumerate() {
        for s in 0..phase.steps.len() {
            if let Err(error) = renderer.render(runbook, p, s, facts().value()) {
                sentence(&error.to_string())?;
            }
        }
    }
    Ok(())
}

#[test]
fn runbooks() {
    let mut examples: Vec<String> = builtin_names().filter_map(builtin).map(str::to_owned).collect();
    examples.extend([RUNBOOK.to_owned(), RUNBOOK.to_owned()]);
    check("runbook", &examples, read_runbook);
}

#[test]
fn a_runbook_is_not_repeated_at_length() {
    let long = RUNBOOK.replace("secret: true", &format!("{}: true", "secret".repeat(1_000)));
    read_runbook(long.as_bytes()).expect("one sentence");
    let named =
        RUNBOOK.replace("name: look", &format!("name: {}", "look".repeat(1_000))).replace("facts.clock", "facts.lock");
    read_runbook(named.as_bytes()).expect("one sentence");
}

/// Billions of items in a few lines, and levels without an end.
#[test]
fn what_grows_without_bounds_is_refused() {
    let levels = (1..40).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(",")));
    let bomb = format!("a0: &a0 x\n{}", levels.collect::<String>());
    for text in
        [bomb.as_str(), &"[".repeat(100_000), &"{a: ".repeat(30_000), &"- ".repeat(50_000), &"a:\n ".repeat(20_000)]
    {
        read_runbook(text.as_bytes()).expect("one sentence");
        for file in ["config.yaml", "keymap.yaml", "commands.yaml", "themes/mine.yaml"] {
            load(file, text.as_bytes()).expect("one sentence");
        }
    }
}

/// Loads a folder of configuration that has one file which may be anything.
fn load(name: &str, bytes: &[u8]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    fs::create_dir_all(file.parent().expect("it is below the folder")).expect("a folder");
    fs::write(&file, bytes).expect("a file");
    let config = console::configure(&Paths::below(folder.path()));
    for mistake in &config.mistakes {
        sentence(&mistake.to_string())?;
        let lines = String::from_utf8_lossy(bytes).lines().count() as u64;
        if mistake.at.is_some_and(|(line, column)| line == 0 || column == 0 || line > lines + 1) {
            return Err(format!("a place that is not there: {mistake}"));
        }
    }
    // Whatever the file says, there is something to work with.
    let left = config.themes.find_or_default(&config.settings.theme);
    let clash = config.bindings.iter().flat_map(|b| &b.keys).any(|key| key.parse::<Chord>().is_err());
    match () {
        () if clash => Err("a key that cannot be pressed".into()),
        () if !config.bindings.iter().any(|b| b.action == "quit") => Err(format!("no way out, in {left:?}")),
        () => Ok(()),
    }
}

#[test]
fn settings() {
    let examples = [
        "theme: dark\nglyphs: unicode\nreadOnly: false\narmMinutes: 15\nframesPerSecond: 30\nlogLines: 10000\n",
        "# nothing\n---\n",
        "{theme: auto, logLines: 100}",
    ];
    check("settings", &examples, |bytes| load("config.yaml", bytes));
}

#[test]
fn a_setting_is_not_repeated_at_length() {
    let long = "d".repeat(5_000);
    for text in [format!("theme: {long}\n"), format!("contexts: [{{name: {long}}}, {{name: {long}}}]\n")] {
        load("config.yaml", text.as_bytes()).expect("one sentence");
    }
}

#[test]
fn keymap() {
    let examples =
        [text("config/keymap.yaml"), "quit: q\nretry: []\ndown: [j, down, 'ctrl-n']\nmenu: y\nup: 1\n".into()];
    check("keymap", &examples, |bytes| load("keymap.yaml", bytes));
}

#[test]
fn own_commands() {
    let page = text("docs/custom-commands.md");
    let mut examples: Vec<String> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).map(ToOwned::to_owned).collect();
    examples.push("a: {scope: [pool, machine], command: [x, 'a{{{name}}}b'], key: '&', output: notice}\n".into());
    check("commands", &examples, |bytes| load("commands.yaml", bytes));
}

#[test]
fn a_mistake_in_the_keymap_is_not_obeyed_by_the_terminal() {
    load("keymap.yaml", b"\"v\\tiew\\e[2J\": q\n").expect("one sentence");
}

#[test]
fn themes() {
    let mut examples: Vec<String> =
        ["dark", "light", "16", "none", "high-contrast"].map(|name| text(&format!("themes/{name}.yaml"))).into();
    examples
        .push("inherits: mine\npalette: {ink: \"#0a0b0c\"}\nroles: {text: ink on black bold, good: \"7\"}\n".into());
    let own = examples.last().expect("it was just pushed").replace("mine", "dark");
    *examples.last_mut().expect("it was just pushed") = own;
    check("theme", &examples, |bytes| load("themes/mine.yaml", bytes));
}

/// `user` holds what it needs, and no program to run: what a text is broken into must not start anything.
const KUBECONFIG: &str = r#"apiVersion: v1
kind: Config
current-context: one
preferences: {}
contexts:
- name: one
  context: {cluster: c, user: u, namespace: default}
- name: two
  context: {cluster: d, user: v}
clusters:
- name: c
  cluster: {server: "https://127.0.0.1:1/clusters/a", insecure-skip-tls-verify: true, tls-server-name: x}
- name: d
  cluster:
    server: http://[::1]:8001
    certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==
users:
- name: u
  user: {token: t}
- name: v
  user: {username: a, password: b, client-certificate-data: AA==, client-key-data: AA==}
"#;

/// The context is named in the sentence, however it is called.
#[test]
fn a_long_context_is_cut() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    fs::write(&path, KUBECONFIG.replace("t-context: one", &format!("t-context: \"\\e{}\"", "one".repeat(1_000))))
        .expect("a file");
    let globals = Globals { kubeconfig: Some(path), ..Globals::default() };
    let ended = runtime.block_on(resolved(&globals)).expect_err("there is no such context");
    sentence(&ended.message).expect("one sentence");
}

#[test]
fn kubeconfigs() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    let examples = [KUBECONFIG.to_owned(), KUBECONFIG.replace("t-context: one", "t-context: two")];
    check("kubeconfig", &examples, |bytes| {
        fs::write(&path, bytes).expect("a file");
        let globals = Globals { kubeconfig: Some(path.clone()), ..Globals::default() };
        runtime.block_on(resolved(&globals)).map_or_else(|ended| sentence(&ended.message), |_| Ok(()))
    });
}
