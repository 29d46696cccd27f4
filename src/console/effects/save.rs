//! Exports to files.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Writes an export into a folder, else into the working directory; never over a file that is there.
pub fn save(folder: Option<PathBuf>, name: &str, text: &str) -> Result<PathBuf, String> {
    let folder = folder.map_or_else(std::env::current_dir, Ok);
    let path = folder.map_err(|e| format!("no working directory: {e}"))?.join(name);
    match write_new(&path, text) {
        Ok(()) => Ok(path),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            Err(format!("{} is there already, and is not written over: move it away first", path.display()))
        }
        Err(e) => Err(format!("cannot write {}: {e}", path.display())),
    }
}

/// All of the file or none of it: it gets its name when it is whole.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unnamed = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&unnamed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // A link, not a renaming: that would write over what is there.
    let named = written.and_then(|()| std::fs::hard_link(&unnamed, path));
    std::fs::remove_file(&unnamed)?;
    match named {
        // File systems without links.
        Err(e) if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
            file.write_all(text.as_bytes())
        }
        named => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_and_never_over_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gpu.yaml");
        write_new(&path, "one").expect("it is not there yet");
        let again = write_new(&path, "two").expect_err("it is there");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "one");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
    }
}
