//! The section `ssh` of `config.yaml`: how the console reaches hosts, and which program opens a session there.

use std::path::PathBuf;

use serde::Deserialize;

/// Key files that are looked for where none are named, in the folder `.ssh` of the home.
const USUAL_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// How hosts are reached. The agent is always asked as well.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ssh {
    /// Who logs in; whoever the machine or its cluster names when left out.
    pub user: Option<String>,
    /// Private keys; the usual ones of OpenSSH when empty.
    pub identity_files: Vec<String>,
    /// The file with the host keys that are trusted.
    pub known_hosts: String,
    /// For each of: the TCP connection, the handshake, the authentication.
    pub connect_timeout_seconds: u32,
    /// The program that opens a session on a host, with its own arguments.
    pub command: String,
}

impl Default for Ssh {
    fn default() -> Self {
        Self {
            user: None,
            identity_files: Vec::new(),
            known_hosts: "~/.ssh/known_hosts".to_owned(),
            connect_timeout_seconds: 10,
            command: "ssh".to_owned(),
        }
    }
}

impl Ssh {
    /// What is wrong in it: the key, and a sentence.
    pub(super) fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut mistakes = Vec::new();
        if let Some(user) = self.user.as_deref().filter(|user| !is_user(user)) {
            mistakes.push(("user", format!("`{user}` is no name of a user: letters, digits and `._-@` are")));
        }
        for file in self.identity_files.iter().filter(|file| !is_path(file)) {
            mistakes.push(("identityFiles", format!("`{file}` must begin with `/` or `~/`")));
        }
        if !is_path(&self.known_hosts) {
            mistakes.push(("knownHosts", format!("`{}` must begin with `/` or `~/`", self.known_hosts)));
        }
        if self.command.trim().is_empty() {
            mistakes.push(("command", "command is empty: name a program, such as `ssh`".to_owned()));
        }
        mistakes
    }

    pub fn known_hosts_file(&self) -> PathBuf {
        at_home(&self.known_hosts)
    }

    /// The keys that are named; else those of the usual ones that are there.
    pub fn key_files(&self) -> Vec<PathBuf> {
        if !self.identity_files.is_empty() {
            return self.identity_files.iter().map(|file| at_home(file)).collect();
        }
        let usual = USUAL_KEYS.iter().map(|name| at_home(&format!("~/.ssh/{name}")));
        usual.filter(|path| path.is_file()).collect()
    }
}

/// The name of a user as SSH takes it, and nothing that a program could take for something else.
fn is_user(user: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    !user.is_empty() && !user.starts_with('-') && user.chars().all(good)
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') || path.starts_with("~/")
}

/// The path with `~` in it replaced; as it is for somebody without a home.
fn at_home(path: &str) -> PathBuf {
    let home = path.strip_prefix("~/").zip(etcetera::home_dir().ok());
    home.map_or_else(|| PathBuf::from(path), |(rest, home)| home.join(rest))
}
