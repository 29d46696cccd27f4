//! Is this the host we mean? Pure: text and a key in, a verdict out.

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::{
    Algorithm, HashAlg, PublicKey,
    ssh_key::known_hosts::{Entry, HostPatterns, Marker},
};
use sha1::Sha1;

/// The `SHA256:…` words that people compare keys by; `None` if this is no public key.
pub fn fingerprint(public_key: &str) -> Option<String> {
    PublicKey::from_openssh(public_key).ok().map(|key| words(&key))
}

pub(super) fn words(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The readable lines of a `known_hosts` file. Lines that nobody could use are skipped, as `ssh` does.
#[derive(Debug, Default)]
pub struct KnownHosts(Vec<Entry>);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Trusted,
    Unknown,
    Revoked,
    /// The host is known, by another key.
    Changed {
        known: PublicKey,
    },
}

impl KnownHosts {
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(|line| line.trim().replace('\t', " "));
        Self(lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.parse().ok()).collect())
    }

    /// The keys that stand for a host, revoked ones and certificate authorities aside.
    pub(super) fn keys(&self, host: &str, port: u16) -> Vec<&PublicKey> {
        let name = name(host, port);
        let entries = self.0.iter().filter(|entry| entry.marker().is_none() && names(entry.host_patterns(), &name));
        entries.map(Entry::public_key).collect()
    }

    /// Whether a host that presents this key, in the form of a `.pub` file, is the one that the file means.
    pub fn trusts(&self, host: &str, port: u16, public_key: &str) -> bool {
        PublicKey::from_openssh(public_key).is_ok_and(|key| self.judge(host, port, None, &key) == Verdict::Trusted)
    }

    /// Judges the key that a host presented. A pinned key stands above the file; a revoked key is never trusted.
    ///
    /// A host that we know by a key of another type counts as changed: it was asked for the types we know first.
    pub(super) fn judge(&self, host: &str, port: u16, pinned: Option<&PublicKey>, presented: &PublicKey) -> Verdict {
        if self.revoked(host, port, presented) {
            return Verdict::Revoked;
        }
        let known = pinned.map_or_else(|| self.keys(host, port), |key| vec![key]);
        match known.first() {
            None => Verdict::Unknown,
            Some(_) if known.iter().any(|key| key.key_data() == presented.key_data()) => Verdict::Trusted,
            Some(first) => {
                let alike = known.iter().find(|key| key.algorithm() == presented.algorithm());
                Verdict::Changed { known: (*alike.unwrap_or(first)).clone() }
            }
        }
    }

    fn revoked(&self, host: &str, port: u16, presented: &PublicKey) -> bool {
        let name = name(host, port);
        self.0.iter().any(|entry| {
            entry.marker() == Some(&Marker::Revoked)
                && names(entry.host_patterns(), &name)
                && entry.public_key().key_data() == presented.key_data()
        })
    }
}

/// Types of host key, those that we know of the host first, so that it presents one we can compare.
pub(super) fn preference(known: &[&PublicKey], all: &[Algorithm]) -> Vec<Algorithm> {
    let is_known = |algorithm: &&Algorithm| {
        known.iter().any(|key| match (key.algorithm(), algorithm) {
            (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
            (ours, theirs) => ours == **theirs,
        })
    };
    let (first, rest): (Vec<_>, Vec<_>) = all.iter().partition(is_known);
    first.into_iter().chain(rest).cloned().collect()
}

fn name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

fn names(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => {
            let matches = |pattern: &str| glob(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes());
            let (no, yes): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| pattern.starts_with('!'));
            yes.into_iter().any(|p| matches(p)) && !no.into_iter().any(|p| matches(&p[1..]))
        }
        HostPatterns::HashedName { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
            .is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(hash).is_ok()),
    }
}

/// `*` stands for any characters, `?` for one. Linear in practice: only the last `*` is tried again.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
    /// `example.com`, hashed, with key B.
    const HASHED: &str = "|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak=";

    fn key(line: &str) -> PublicKey {
        PublicKey::from_openssh(line).expect("a key")
    }

    /// In the file, `A` and `B` stand for two keys; key A is what the host presents.
    fn check(file: &str, host: &str, expected: &str) {
        let file = file.replace(" A", &format!(" {A}")).replace(" B", &format!(" {B}"));
        let (host, port) =
            host.split_once(' ').map_or((host, 22), |(host, port)| (host, port.parse().expect("a port")));
        let said = match KnownHosts::parse(&file).judge(host, port, None, &key(A)) {
            Verdict::Trusted => "trusted",
            Verdict::Unknown => "unknown",
            Verdict::Revoked => "revoked",
            Verdict::Changed { known } if known.key_data() == key(B).key_data() => "was B",
            Verdict::Changed { .. } => "was another",
        };
        assert_eq!(said, expected, "{host}:{port} in\n{file}");
    }

    #[test]
    fn a_host_is_known_by_name_port_pattern_or_hash() {
        check("", "m-1", "unknown");
        check("m-1 A", "m-1", "trusted");
        check("M-1 A a comment", "m-1", "trusted");
        check("m-1 A", "m-1 2222", "unknown");
        check("[m-1]:2222 A", "m-1 2222", "trusted");
        check("m-0,10.0.0.? A", "10.0.0.7", "trusted");
        check("m-*,!m-1 A", "m-1", "unknown");
        check("m-*,!m-1 A", "m-2", "trusted");
        check("[10.0.0.*]:* A", "10.0.0.1 2222", "trusted");
        check(&format!("{HASHED} B"), "example.com", "was B");
        check(&format!("{HASHED} B"), "example.org", "unknown");
        check("# m-1 B\nrubbish\nm-1 A", "m-1", "trusted");
        check(&format!("m-1\t{}", A.replace(' ', "\t")), "m-1", "trusted");
    }

    #[test]
    fn a_changed_or_revoked_key_is_never_trusted() {
        check("m-1 B", "m-1", "was B");
        check("m-1 B\nm-1 A", "m-1", "trusted");
        check("@revoked * A\nm-1 A", "m-1", "revoked");
        check("@revoked * B\nm-1 A", "m-1", "trusted");
        check("@revoked m-1 B", "m-1", "unknown");
        check("@cert-authority * A", "m-1", "unknown");
    }

    #[test]
    fn a_pinned_key_stands_above_the_file() {
        let file = KnownHosts::parse(&format!("m-1 {A}"));
        assert_eq!(file.judge("m-1", 22, Some(&key(B)), &key(A)), Verdict::Changed { known: key(B) });
        assert_eq!(file.judge("m-1", 22, Some(&key(B)), &key(B)), Verdict::Trusted);
    }

    #[test]
    fn a_host_is_asked_for_the_type_of_key_that_we_know() {
        let all = [Algorithm::Ed25519, Algorithm::Rsa { hash: Some(HashAlg::Sha512) }, Algorithm::Rsa { hash: None }];
        assert_eq!(preference(&[&key(A)], &all[1..]), all[1..].to_vec());
        let mut turned = all.to_vec();
        turned.rotate_left(1);
        assert_eq!(preference(&[&key(A)], &turned), all.to_vec());
    }
}
