//! What a simulation must not forget between two starts: its size, its seed, its secret, its port.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{Error, MACHINES_PER_CLUSTER, Options, keys::Keyring, network::Network};
use crate::embedded::write_private;

const FILE: &str = "simulation.json";

/// What makes one fleet different from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub clusters: usize,
    pub machines: usize,
    pub seed: u64,
}

/// What a directory has that was used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub size: Size,
    /// Name of the scenario that it was begun with.
    pub scenario: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    pub clusters: usize,
    pub machines: usize,
    pub seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// Of the hosts, where they share one.
    pub port: Option<u16>,
    /// All keys come from it.
    secret: [u8; 32],
}

impl State {
    /// Reads the state of the directory, or makes one.
    pub fn open(options: &Options) -> Result<Self, Error> {
        if let Some(kept) = options.directory.as_deref().map(Self::kept).transpose()?.flatten() {
            return Ok(kept);
        }
        let (clusters, machines) = (options.clusters, options.machines);
        if clusters == 0 || machines < clusters * MACHINES_PER_CLUSTER {
            return Err(Error::TooFew { clusters, machines });
        }
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        let scenario = options.scenario.map(|scenario| scenario.name.clone());
        Ok(Self { clusters, machines, seed: options.pace.seed, scenario, port: None, secret })
    }

    /// The state of a directory that was used before.
    pub fn kept(directory: &Path) -> Result<Option<Self>, Error> {
        let path = directory.join(FILE);
        let read = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
            Ok(text) => serde_json::from_str(&text).map_err(io::Error::other),
        };
        read.map(Some).map_err(|source| Error::State { path, source })
    }

    pub fn into_kept(self) -> Kept {
        let size = Size { clusters: self.clusters, machines: self.machines, seed: self.seed };
        Kept { size, scenario: self.scenario }
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
