//! Whether files were changed since they were read: by their time and size, looked at when somebody is there to see it. No
//! thread waits for it, and no timer.

use std::{collections::BTreeMap, path::PathBuf, time::SystemTime};

use super::{Paths, yaml_files};

/// How the files looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen(BTreeMap<PathBuf, Stamp>);

/// Size and time of a file; nothing of one that is not there.
type Stamp = Option<(u64, Option<SystemTime>)>;

impl Seen {
    pub fn of(paths: &Paths) -> Self {
        let mut files = vec![paths.settings(), paths.keymap(), paths.commands()];
        files.extend(yaml_files(&paths.themes()));
        let stamp = |path: &PathBuf| -> Stamp {
            let file = std::fs::metadata(path).ok()?;
            Some((file.len(), file.modified().ok()))
        };
        Self(files.into_iter().map(|path| (path.clone(), stamp(&path))).collect())
    }
}
