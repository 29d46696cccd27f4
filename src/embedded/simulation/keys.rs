//! The keys of simulated hosts and of the one client that they let in.
//!
//! All are derived from one random secret of the demo, so that a thousand hosts need no thousand stored keys and still
//! present the same keys after a restart. A host key is made when somebody asks for it.

use russh::keys::{
    PrivateKey,
    ssh_key::{LineEnding, private::Ed25519Keypair},
};
use sha2::{Digest, Sha256};

/// The secret that every key is derived from.
#[derive(Clone)]
pub struct Keyring([u8; 32]);

impl Keyring {
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The key that a host presents.
    pub fn host(&self, machine: &str) -> PrivateKey {
        self.derive("host", machine)
    }

    /// The key that hosts accept.
    pub fn client(&self) -> PrivateKey {
        self.derive("client", "quarterdeck")
    }

    /// The client's key as an OpenSSH file.
    pub fn client_file(&self) -> String {
        self.client().to_openssh(LineEnding::LF).expect("an ed25519 key has a file form").to_string()
    }

    /// The line of `known_hosts` for a host.
    pub fn known_host(&self, machine: &str, address: &str, port: u16) -> String {
        let key = self.host(machine).public_key().to_openssh().expect("an ed25519 key has a line form");
        // The comment of a key is no part of it.
        let key: Vec<_> = key.split(' ').take(2).collect();
        match port {
            22 => format!("{address} {}\n", key.join(" ")),
            port => format!("[{address}]:{port} {}\n", key.join(" ")),
        }
    }

    fn derive(&self, purpose: &str, name: &str) -> PrivateKey {
        let seed = Sha256::new().chain_update(self.0).chain_update(purpose).chain_update([0]).chain_update(name);
        PrivateKey::from(Ed25519Keypair::from_seed(&seed.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_host_and_stay_the_same() {
        let ring = Keyring::new([7; 32]);
        let line = ring.known_host("m-1", "127.64.0.1", 2200);
        assert!(line.starts_with("[127.64.0.1]:2200 ssh-ed25519 AAAA"), "{line}");
        assert_eq!(line, Keyring::new([7; 32]).known_host("m-1", "127.64.0.1", 2200));
        assert_ne!(ring.host("m-1").public_key(), ring.host("m-2").public_key());
        assert!(ring.client_file().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
    }
}
