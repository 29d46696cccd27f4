//! Where a demo keeps its kubeconfig, its log and, if it is asked to, its state.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Mutex,
};

use color_eyre::eyre::WrapErr;
use tracing_subscriber::EnvFilter;

use crate::embedded::write_private;

/// Without a word in `RUST_LOG`.
const LEVELS: &str = "warn,quarterdeck=info";

/// A folder that only its owner can read; it goes when the demo ends, unless it was asked for.
pub struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    /// The folder that was asked for, or a fresh one among temporary files.
    pub fn open(data: Option<&Path>) -> color_eyre::Result<Self> {
        let fresh = || {
            let base = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|p| p.is_dir());
            base.unwrap_or_else(std::env::temp_dir).join(format!("quarterdeck-demo-{}", uuid::Uuid::new_v4().simple()))
        };
        let path = data.map_or_else(fresh, Path::to_path_buf);
        DirBuilder::new()
            .recursive(data.is_some())
            .mode(0o700)
            .create(&path)
            .wrap_err_with(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self { path: path.canonicalize()?, kept: data.is_some() })
    }

    /// Where the meta cluster keeps its objects; nowhere if nothing is to be kept.
    pub fn meta(&self) -> Option<PathBuf> {
        self.kept.then(|| self.path.join("meta"))
    }

    /// Where the identity of the listener is kept.
    pub fn kept(&self) -> Option<&Path> {
        self.kept.then_some(self.path.as_path())
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// The port that was used last time, so that kubeconfigs stay good.
    pub fn port(&self) -> Option<u16> {
        fs::read_to_string(self.path.join("port")).ok()?.trim().parse().ok()
    }

    pub fn keep_port(&self, port: u16) -> io::Result<()> {
        if self.kept { fs::write(self.path.join("port"), port.to_string()) } else { Ok(()) }
    }

    /// Writes down what opens the hosts, for the console and for the `ssh` that it starts: a key, and theirs.
    pub fn ways_in(&self, key: &str, known_hosts: &str) -> io::Result<(PathBuf, PathBuf)> {
        let (key_file, known_hosts_file) = (self.path.join("ssh-key"), self.path.join("known_hosts"));
        write_private(&key_file, key)?;
        write_private(&known_hosts_file, known_hosts)?;
        Ok((key_file, known_hosts_file))
    }

    /// Sends the log to standard error, or to a file where a console has the screen.
    pub fn log(&self, headless: bool) -> color_eyre::Result<()> {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LEVELS));
        let builder = tracing_subscriber::fmt().with_env_filter(filter);
        // Whoever has set up a log already keeps it.
        let _ = if headless {
            builder.with_writer(io::stderr).try_init()
        } else {
            builder.with_ansi(false).with_writer(Mutex::new(self.log_file()?)).try_init()
        };
        Ok(())
    }

    fn log_file(&self) -> color_eyre::Result<File> {
        let path = self.path.join("demo.log");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        file.wrap_err_with(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is in a folder for temporary files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
