//! Where the user's files are: the XDG folders.

use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, base_strategy::Xdg};

const NAME: &str = "quarterdeck";

/// Where files of the user are looked for, and where state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    config: PathBuf,
    state: PathBuf,
    data: PathBuf,
}

impl Paths {
    /// `$XDG_CONFIG_HOME/quarterdeck` and so on; relative folders in the environment are ignored, as XDG demands. A
    /// user without a home has files nowhere.
    pub fn of_user() -> Self {
        match Xdg::new() {
            Ok(xdg) => Self {
                config: xdg.config_dir().join(NAME),
                state: xdg.state_dir().unwrap_or_else(|| xdg.data_dir()).join(NAME),
                data: xdg.data_dir().join(NAME),
            },
            Err(_) => Self::below(Path::new("/nonexistent")),
        }
    }

    /// All files below one folder.
    pub fn below(folder: &Path) -> Self {
        Self { config: folder.to_owned(), state: folder.join("state"), data: folder.join("data") }
    }

    pub fn settings(&self) -> PathBuf {
        self.config.join("config.yaml")
    }

    pub fn keymap(&self) -> PathBuf {
        self.config.join("keymap.yaml")
    }

    pub fn commands(&self) -> PathBuf {
        self.config.join("commands.yaml")
    }

    /// The folder of the user's themes.
    pub fn themes(&self) -> PathBuf {
        self.config.join("themes")
    }

    /// For logs: what may be thrown away.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// For what has to stay: the embedded meta cluster.
    pub fn data(&self) -> &Path {
        &self.data
    }
}
