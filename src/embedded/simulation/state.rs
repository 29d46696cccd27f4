//! What a simulation must not forget between two starts: its size, its seed, its secret, its port.

use std::{fs, io, path::PathBuf};

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{Error, MACHINES_PER_CLUSTER, Options, keys::Keyring, network::Network};
use crate::embedded::write_private;

const FILE: &str = "simulation.json";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    pub clusters: usize,
    pub machines: usize,
    pub seed: u64,
    /// Of the hosts, where they share one.
    pub port: Option<u16>,
    /// All keys come from it.
    secret: [u8; 32],
}

impl State {
    /// Reads the state of the directory, or makes one.
    pub fn open(options: &Options) -> Result<Self, Error> {
        if let Some(path) = path(options).filter(|p| p.exists()) {
            return Self::read(&path).map_err(|source| Error::State { path, source });
        }
        let (clusters, machines) = (options.clusters, options.machines);
        if clusters == 0 || machines < clusters * MACHINES_PER_CLUSTER {
            return Err(Error::TooFew { clusters, machines });
        }
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Ok(Self { clusters, machines, seed: options.pace.seed, port: None, secret })
    }

    fn read(path: &PathBuf) -> io::Result<Self> {
        serde_json::from_str(&fs::read_to_string(path)?).map_err(io::Error::other)
    }

    /// Remembers where the hosts are, and all the rest.
    pub fn settle(&mut self, options: &Options, network: &Network) -> Result<(), Error> {
        self.port = match network {
            Network::Shared { port, .. } => Some(*port),
            Network::Each(_) => None,
        };
        let Some(path) = path(options) else { return Ok(()) };
        let text = serde_json::to_string(self).expect("numbers only");
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            write_private(&path, &text)
        };
        write().map_err(|source| Error::State { path: path.clone(), source })
    }

    pub fn keyring(&self) -> Keyring {
        Keyring::new(self.secret)
    }
}

fn path(options: &Options) -> Option<PathBuf> {
    options.directory.as_ref().map(|directory| directory.join(FILE))
}
