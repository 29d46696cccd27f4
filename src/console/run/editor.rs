//! The user's own editor, and the file that it is given.

use crate::console::edit::Draft;
use std::{
    env,
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};
use tempfile::TempDir;

/// Who names the editor; the first that is set counts. As kubectl has it, and between the two what Git asks first.
const NAMED_IN: [&str; 3] = ["KUBE_EDITOR", "VISUAL", "EDITOR"];
/// What there is on every system (POSIX).
const ELSE: &str = "vi";

/// What to do where there is no such program.
pub const IS_MISSING: &str = "name your editor in EDITOR";

/// A text in a folder that nobody else may look into; gone when this is.
pub struct File {
    path: PathBuf,
    _folder: TempDir,
}

impl File {
    pub fn write(draft: &Draft) -> Result<Self, String> {
        let written = || -> io::Result<Self> {
            let folder =
                tempfile::Builder::new().prefix("quarterdeck-").permissions(Permissions::from_mode(0o700)).tempdir()?;
            let path = folder.path().join(draft.file_name());
            fs::write(&path, &draft.text)?;
            Ok(Self { path, _folder: folder })
        };
        written().map_err(|why| format!("there is no place for its text in {}: {why}", env::temp_dir().display()))
    }

    /// What the editor left there.
    pub fn read(&self) -> Result<String, String> {
        fs::read_to_string(&self.path).map_err(|why| format!("its text cannot be read: {why}"))
    }

    /// The editor with the file.
    pub fn command_line(&self) -> Result<Vec<String>, String> {
        let named =
            NAMED_IN.iter().find_map(|name| Some((*name, env::var(name).ok().filter(|v| !v.trim().is_empty())?)));
        let (name, editor) = named.unwrap_or(("EDITOR", ELSE.to_owned()));
        let words = shlex::split(&editor).filter(|words| !words.is_empty());
        let mut words = words.ok_or_else(|| format!("{name} is `{editor}`: a quote in it has no end"))?;
        words.push(self.path.display().to_string());
        Ok(words)
    }
}
