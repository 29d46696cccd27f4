//! Builds what is sent to a host for one step: header, values, and the shell that follows and, if need be, starts a job.
//!
//! The job's text travels in a here-document, so neither scripts nor secrets ever stand in an argument or a file of the
//! host. A script that arrives cut short does nothing: its last line is what makes it go.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::runbook::wire::{FACTS_LINE, StepHeader};
use crate::runbook::{Action, Rendered, quote};

// Sent with each step, so without what only people read.
static COMMON: LazyLock<String> = LazyLock::new(|| shrink(include_str!("host_common.sh")));
static FOLLOW: LazyLock<String> = LazyLock::new(|| shrink(include_str!("host_follow.sh")));
static JOB: LazyLock<String> = LazyLock::new(|| shrink(include_str!("host_job.sh")));

/// Without comments and indentation. None of our scripts has text that spans lines.
fn shrink(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.fold(String::with_capacity(script.len()), |text, line| text + line + "\n")
}

/// A step as shell: an empty text means that there is nothing to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    pub check: String,
    pub act: String,
    pub verify: String,
    pub env: BTreeMap<String, String>,
    /// The output is thrown away on the host.
    pub secret: bool,
}

impl Scripts {
    /// `source` are the bytes of an upload's file, which the caller reads.
    pub fn new(rendered: &Rendered, source: Option<&[u8]>, secret: bool) -> Self {
        let mut scripts = Self {
            check: rendered.check.clone().unwrap_or_default(),
            verify: rendered.verify.clone().unwrap_or_default(),
            env: rendered.env.clone(),
            secret,
            act: String::new(),
        };
        match &rendered.action {
            Action::Nothing => {}
            Action::Run(run) => scripts.act.clone_from(run),
            Action::File { path, mode, content } => scripts.file(path, mode, content.as_bytes()),
            Action::Source { path, mode, .. } => scripts.file(path, mode, source.unwrap_or_default()),
        }
        scripts
    }

    /// Digest of all that would be done: another digest is another step.
    pub fn digest(&self) -> String {
        let parts = [&self.check, &self.act, &self.verify].into_iter().chain(self.env.iter().flat_map(|(k, v)| [k, v]));
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        hex(&digest.finalize())
    }

    /// A file is there if its digest and its mode are right; it is replaced whole or not at all.
    fn file(&mut self, path: &str, mode: &str, content: &[u8]) {
        use base64::Engine as _;
        let (path, digest) = (quote(path), hex(&Sha256::digest(content)));
        let text = base64::engine::general_purpose::STANDARD.encode(content);
        if self.check.is_empty() {
            let mode = mode.trim_start_matches('0');
            self.check = format!(
                "[ -f {path} ] && [ \"$(sha256sum < {path} | cut -c 1-64)\" = {digest} ] && [ \"$(stat -c %a {path})\" = {mode} ]"
            );
        }
        self.act = format!(
            "mkdir -p \"$(dirname {path})\"\numask 077\nnew={path}.quarterdeck-new\nbase64 -d > \"$new\" <<CONTENT\n{text}\n\
             CONTENT\nchmod {mode} \"$new\"\nmv \"$new\" {path}\n"
        );
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Where receipts and attempts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateDirectory {
    Absolute(String),
    /// In the home of the login user, for steps that do not run as root where others do.
    Home,
}

impl StateDirectory {
    fn word(&self) -> String {
        match self {
            Self::Absolute(path) => quote(path),
            Self::Home => "\"$HOME/.quarterdeck\"".into(),
        }
    }
}

/// The whole script for one attempt at a step, behind a line that is not part of it.
pub fn step(before: Option<&str>, header: &StepHeader, scripts: &Scripts, state: &StateDirectory) -> String {
    let own = scripts.check.len() + scripts.act.len() + scripts.verify.len();
    let mut text = String::with_capacity(2 * COMMON.len() + FOLLOW.len() + JOB.len() + 4096 + own * 5 / 4);
    text.extend(before.into_iter().flat_map(|line| [line, "\n"]));
    text.push_str(&header.line());
    values(&mut text, header, scripts, state);
    let _ =
        writeln!(text, "qd_nonce={} qd_offset={} qd_attempt={}", quote(&header.nonce), header.offset, header.attempt);
    text.push_str(&COMMON);
    launcher(&mut text, header, scripts, state);
    // A function, so that all of it is there before any of it runs.
    let _ = write!(text, "qd_main() {{\n{}}}\nqd_main\n", *FOLLOW);
    text
}

/// What both the follower and the job have to know.
fn values(text: &mut String, header: &StepHeader, scripts: &Scripts, state: &StateDirectory) {
    let _ = writeln!(text, "qd_state={} qd_cluster={}", state.word(), quote(&component(&header.cluster)));
    let place = [&header.operation, &header.machine, &header.phase, &header.step].map(|part| component(part)).join("/");
    let _ = writeln!(text, "qd_dir=\"$qd_state\"/operations/{}", quote(&place));
    let _ = writeln!(
        text,
        "qd_run={} qd_fence={} qd_digest={} qd_timeout={} qd_once={} qd_looks={} qd_checks={} qd_asked={}",
        header.run,
        header.fence,
        quote(&header.digest),
        header.timeout_seconds,
        word(header.once),
        word(header.looks),
        word(!scripts.check.is_empty()),
        asked(&header.nonce),
    );
}

fn word(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// Who asks, as the claim of a job says it: the nonce itself must not stand where the step could read it.
fn asked(nonce: &str) -> String {
    hex(&Sha256::digest(nonce)[..8])
}

/// The function that starts the job, whose text is a here-document.
fn launcher(text: &mut String, header: &StepHeader, scripts: &Scripts, state: &StateDirectory) {
    let end = format!("QD_{}", component(&header.nonce));
    let _ =
        writeln!(text, "qd_launch() {{\nqd_g=$qd_g qd_probe=$qd_probe setsid sh -s > /dev/null 2>&1 <<'{end}' &\n{{");
    text.push_str(
        "qd_value=$qd_g; unset qd_g; qd_g=$qd_value\nqd_value=$qd_probe; unset qd_probe; qd_probe=$qd_value\n",
    );
    values(text, header, scripts, state);
    let _ = writeln!(text, "qd_attempt={}", header.attempt);
    let output = if scripts.secret { "qd_output=/dev/null" } else { "qd_output=\"$qd_dir/output.$qd_g\"" };
    let _ = writeln!(text, "{output}\nqd_about={}", quote(&about(header)));
    for (name, script) in [("check", &scripts.check), ("act", &scripts.act), ("verify", &scripts.verify)] {
        let _ = writeln!(text, "qd_{name}={}", quote(script));
    }
    text.push_str("qd_environment() {\n:\n");
    for (key, value) in &scripts.env {
        let _ = writeln!(text, "export {key}={}", quote(value));
    }
    let _ = write!(text, "}}\n{}{}exit\n}}\n{end}\nqd_child=$!\n}}\n", *COMMON, *JOB);
}

/// The beginning of the receipt; times and outcome follow.
fn about(header: &StepHeader) -> String {
    let json = serde_json::json!({
        "operation": header.operation, "run": header.run, "machine": header.machine, "machineUid": header.machine_uid,
        "phase": header.phase, "step": header.step, "digest": header.digest, "attempt": header.attempt,
        "fence": header.fence,
    });
    json.to_string().trim_end_matches('}').to_owned()
}

/// A name as one component of a path; names that look alike afterwards stay apart by their digest.
fn component(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(|c| plain(c) || c == '.') && !name.starts_with('.') {
        return name.to_owned();
    }
    let slug: String = name.chars().map(|c| if plain(c) { c } else { '-' }).take(60).collect();
    format!("{slug}.{}", &hex(&Sha256::digest(name))[..8])
}

/// The script that asks a host what it is.
pub fn facts() -> String {
    format!(
        "{FACTS_LINE}{}",
        r#"qd_os=$(. /etc/os-release 2> /dev/null && printf %s "$PRETTY_NAME")
printf 'os=%s\nkernel=%s\narch=%s\n' "$qd_os" "$(uname -r)" "$(uname -m)"
printf 'bootId=%s\n' "$(cat /proc/sys/kernel/random/boot_id 2> /dev/null)"
date +clock=%s.%N
exit 0
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_components_and_stay_apart() {
        assert_eq!(component("Join"), "Join");
        assert_eq!(
            component("unpack containerd"),
            "unpack-containerd.".to_owned() + &component("unpack containerd")[18..]
        );
        assert_ne!(component("a b"), component("a-b"));
        assert_ne!(component("a b"), component("a/b"));
        assert!(!component("../x").contains('/'));
    }
}
