//! How hosts are reached from here: as whom, with which keys, trusting which host keys; and the command line of the user's
//! own `ssh` for the same way. Pure: nothing here opens a file or a connection.

use super::way::Way;
use crate::{
    config,
    ssh::{Endpoint, Target},
};
use std::{path::PathBuf, time::Duration};

/// What the user, or the demo, has to log in with.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whoever is to log in, in place of whom machine or cluster name.
    pub user: Option<String>,
    pub key_files: Vec<PathBuf>,
    /// The key files were named, so that `ssh` is told of them.
    pub named_keys: bool,
    pub known_hosts: PathBuf,
    /// That file was named, so that `ssh` is told of it.
    pub named_known_hosts: bool,
    pub connect_timeout: Duration,
    /// The program that opens a session, and its own arguments.
    pub command: Vec<String>,
    /// Nothing else of the user's counts: no agent, no files of OpenSSH's. So it is in a demo.
    pub only_this: bool,
}

impl Access {
    /// What the settings say; `program` stands above them.
    pub fn of(settings: &config::Ssh, program: Option<&str>) -> Self {
        let command = program.unwrap_or(&settings.command);
        Self {
            user: settings.user.clone(),
            key_files: settings.key_files(),
            named_keys: !settings.identity_files.is_empty(),
            known_hosts: settings.known_hosts_file(),
            named_known_hosts: settings.known_hosts != config::Ssh::default().known_hosts,
            connect_timeout: Duration::from_secs(u64::from(settings.connect_timeout_seconds)),
            command: command.split_whitespace().map(ToOwned::to_owned).collect(),
            only_this: false,
        }
    }

    /// The same with these files and no others.
    #[must_use]
    pub fn with_only(self, key: PathBuf, known_hosts: PathBuf) -> Self {
        Self {
            user: None,
            key_files: vec![key],
            known_hosts,
            named_keys: true,
            named_known_hosts: true,
            only_this: true,
            ..self
        }
    }

    /// What other settings say, as far as they count.
    #[must_use]
    pub fn renewed(&self, settings: &config::Ssh, program: Option<&str>) -> Self {
        let renewed = Self::of(settings, program);
        match self.key_files.first().filter(|_| self.only_this) {
            Some(key) => renewed.with_only(key.clone(), self.known_hosts.clone()),
            None => renewed,
        }
    }

    fn user<'a>(&'a self, way: &'a Way) -> &'a str {
        self.user.as_deref().unwrap_or(&way.user)
    }

    /// The way, as the SSH client takes it.
    pub fn target(&self, way: &Way, pinned_key: Option<String>) -> Target {
        let jumps = way.jumps.iter().map(|jump| Endpoint {
            host: jump.host.clone(),
            port: jump.port,
            user: jump.user.as_deref().unwrap_or(self.user(way)).to_owned(),
        });
        Target {
            name: way.name.to_string(),
            endpoint: Endpoint { host: way.host.clone(), port: way.port, user: self.user(way).to_owned() },
            jumps: jumps.collect(),
            pinned_key,
        }
    }

    /// The program and its arguments for a session there. Names that a program could take for an option, or a shell for
    /// something else, are refused: they come from resources that others write.
    pub fn command_line(&self, way: &Way) -> Result<Vec<String>, String> {
        let target = self.target(way, None);
        for endpoint in target.jumps.iter().chain([&target.endpoint]) {
            check(&endpoint.host, "host", &way.name)?;
            check(&endpoint.user, "user", &way.name)?;
        }
        let mut words = self.command.clone();
        let mut option = |text: String| words.extend(["-o".to_owned(), text]);
        if self.only_this {
            for text in ["IdentitiesOnly=yes", "IdentityAgent=none", "StrictHostKeyChecking=yes", "LogLevel=ERROR"] {
                option(text.to_owned());
            }
        }
        option(format!("ConnectTimeout={}", self.connect_timeout.as_secs()));
        if self.named_known_hosts {
            option(format!("UserKnownHostsFile=\"{}\"", self.known_hosts.display()));
        }
        if self.only_this {
            words.extend(["-F".to_owned(), "/dev/null".to_owned()]);
        }
        for file in self.key_files.iter().filter(|_| self.named_keys) {
            words.extend(["-i".to_owned(), file.display().to_string()]);
        }
        if !target.jumps.is_empty() {
            let jumps: Vec<String> = target.jumps.iter().map(hop).collect();
            words.extend(["-J".to_owned(), jumps.join(",")]);
        }
        words.extend(["-p".to_owned(), way.port.to_string(), "-l".to_owned(), target.endpoint.user]);
        words.extend(["--".to_owned(), way.host.clone()]);
        Ok(words)
    }
}

/// A jump host, as `-J` takes it.
fn hop(jump: &Endpoint) -> String {
    let host = if jump.host.contains(':') { format!("[{}]", jump.host) } else { jump.host.clone() };
    format!("{}@{host}:{}", jump.user, jump.port)
}

/// `ssh` hands such names to a shell where it jumps; what is in them is letters, digits and little else.
fn check(name: &str, what: &str, machine: &str) -> Result<(), String> {
    let more = if what == "host" { ".:-_%" } else { ".-_" };
    let good = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    if !name.is_empty() && !name.starts_with('-') && name.chars().all(good) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    Err(format!("{machine} names the {what} `{shown}`, which is not given to a program: mend its address or its user"))
}

#[cfg(test)]
mod tests {
    use super::{super::way::Jump, *};

    fn way(host: &str, user: &str, jumps: &[(&str, u16, Option<&str>)]) -> Way {
        let jump = |(host, port, user): &(&str, u16, Option<&str>)| Jump {
            host: (*host).to_owned(),
            port: *port,
            user: user.map(ToOwned::to_owned),
        };
        Way {
            uid: crate::fleet::testing::uid("m-1"),
            name: "m-1".into(),
            namespace: "fleet".into(),
            host: host.to_owned(),
            port: 22,
            user: user.to_owned(),
            jumps: jumps.iter().map(jump).collect(),
            known_hosts: None,
            pins: false,
        }
    }

    fn check(settings: &config::Ssh, way: &Way, expected: &str) {
        let said = Access::of(settings, None).command_line(way).map_or_else(|why| why, |words| words.join(" "));
        assert_eq!(said, expected);
    }

    #[test]
    fn a_session_takes_the_way_that_the_executor_takes() {
        let plain = config::Ssh::default();
        check(&plain, &way("10.0.0.7", "root", &[]), "ssh -o ConnectTimeout=10 -p 22 -l root -- 10.0.0.7");
        let jumps = [("bastion", 2222, Some("gate")), ("fd00::1", 22, None)];
        check(
            &plain,
            &way("10.0.0.7", "root", &jumps),
            "ssh -o ConnectTimeout=10 -J gate@bastion:2222,root@[fd00::1]:22 -p 22 -l root -- 10.0.0.7",
        );
        let named = config::Ssh {
            user: Some("alice".into()),
            identity_files: vec!["/k/id".into()],
            known_hosts: "/k/known".into(),
            connect_timeout_seconds: 3,
            command: "kitten ssh".into(),
        };
        check(
            &named,
            &way("10.0.0.7", "root", &[("bastion", 22, None)]),
            "kitten ssh -o ConnectTimeout=3 -o UserKnownHostsFile=\"/k/known\" -i /k/id -J alice@bastion:22 -p 22 \
             -l alice -- 10.0.0.7",
        );
    }

    #[test]
    fn nothing_that_others_wrote_becomes_an_option_or_a_command() {
        let plain = config::Ssh::default();
        let refused = |what: &str, name: &str| {
            format!("m-1 names the {what} `{name}`, which is not given to a program: mend its address or its user")
        };
        check(&plain, &way("-oProxyCommand=x", "root", &[]), &refused("host", "-oProxyCommand=x"));
        check(&plain, &way("a b", "root", &[]), &refused("host", "a b"));
        check(&plain, &way("", "root", &[]), &refused("host", ""));
        check(&plain, &way("h", "-l", &[]), &refused("user", "-l"));
        check(&plain, &way("h", "root", &[("$(id)", 22, None)]), &refused("host", "$(id)"));
        check(&plain, &way("h", "root", &[("j,k", 22, None)]), &refused("host", "j,k"));
        check(&plain, &way("h", "root", &[("j", 22, Some("a@b"))]), &refused("user", "a@b"));
    }

    #[test]
    fn a_demo_brings_all_of_it_along() {
        let access =
            Access::of(&config::Ssh::default(), Some("/opt/ssh")).with_only("/d/key".into(), "/d/known".into());
        let words = access.command_line(&way("127.64.0.1", "root", &[])).expect("good names").join(" ");
        assert_eq!(
            words,
            "/opt/ssh -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=yes -o LogLevel=ERROR \
             -o ConnectTimeout=10 -o UserKnownHostsFile=\"/d/known\" -F /dev/null -i /d/key -p 22 -l root -- 127.64.0.1"
        );
    }

    #[test]
    fn other_settings_do_not_take_away_what_a_demo_has_to_log_in_with() {
        let (before, now) =
            (config::Ssh::default(), config::Ssh { user: Some("ops".into()), ..config::Ssh::default() });
        assert_eq!(Access::of(&before, None).renewed(&now, None).user.as_deref(), Some("ops"));
        let demo = Access::of(&before, None).with_only("/demo/key".into(), "/demo/hosts".into());
        let renewed = demo.renewed(&now, Some("mossh -v"));
        assert_eq!((renewed.user, renewed.only_this, renewed.key_files), (None, true, vec!["/demo/key".into()]));
        assert_eq!((renewed.known_hosts, renewed.command), ("/demo/hosts".into(), vec!["mossh".into(), "-v".into()]));
    }
}
