//! That somebody has seen the tour: a file in the state folder. What matters is that it is there.

use super::super::session;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Where it is.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("tour-seen")
}

/// Where it is to be written once the tour is over; `None` where it is there already.
pub fn unless_seen(folder: &Path) -> Option<PathBuf> {
    Some(path(folder)).filter(|path| !path.exists())
}

pub fn write(path: &Path) -> io::Result<()> {
    session::replace(path, b"The tour of `quarterdeck demo` has been seen; `:tour` shows it again.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_written_it_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("quarterdeck");
        let path = unless_seen(&state).expect("nobody has seen it yet");
        write(&path).expect("it can be written");
        assert_eq!(unless_seen(&state), None);
        write(&path).expect("it can be written again");
        let files = std::fs::read_dir(&state).expect("the folder").count();
        assert_eq!(files, 1, "no drafts are left");
        assert!(write(&path.join("below-a-file")).is_err());
    }
}
