//! What the console remembers from one time to the next: where somebody was, what was open, bookmarks, columns.
//!
//! State, not configuration: one file for each context below `$XDG_STATE_HOME`, written as a whole and renamed into its
//! place, so that neither a crash nor a second console leaves half of one. A file that cannot be read is no reason to
//! say anything: one starts at the top.

use super::{
    palette::CommandLines,
    places::{Location, Spot},
    state::{State, View},
    table,
    tree::RowId,
};
use crate::fleet::sort::Key;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

/// Longest file that is read.
const LONGEST: u64 = 1 << 20;
/// Most branches whose being open is remembered.
const BRANCHES: usize = 500;

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Session {
    place: Option<Place>,
    /// Branches that are open.
    open: Vec<String>,
    sort: String,
    reversed: bool,
    columns: Vec<String>,
    column_sets: BTreeMap<String, Vec<String>>,
    bookmarks: BTreeMap<char, Place>,
    /// What was typed on the command line, the newest last.
    command_lines: Vec<String>,
}

/// A [`Location`] as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Place {
    view: String,
    filter: String,
    problems_only: bool,
    row: String,
}

impl Place {
    fn of(location: &Location) -> Self {
        let row = match &location.spot {
            Spot::Row(row) => row.to_string(),
            Spot::Item(uid) => uid.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        Self {
            view: location.view.title().to_lowercase(),
            filter: location.filter.clone(),
            problems_only: location.problems_only,
            row,
        }
    }

    fn location(&self) -> Option<Location> {
        let view = View::named(&self.view)?;
        let spot = match view {
            View::Fleet => Spot::Row(self.row.parse().ok()?),
            _ => Spot::Item((!self.row.is_empty()).then(|| self.row.parse().ok()).flatten()),
        };
        Some(Location { view, filter: self.filter.clone(), problems_only: self.problems_only, spot })
    }
}

impl Session {
    /// What is worth remembering of the console as it is now.
    pub fn of(state: &State) -> Self {
        let names = |keys: &[Key]| keys.iter().map(Key::name).collect::<Vec<_>>();
        let mut open: Vec<String> = state.tree.open().map(ToString::to_string).take(BRANCHES).collect();
        open.sort_unstable();
        Self {
            place: Some(Place::of(&Location::of(state))),
            open,
            sort: state.table.key.name(),
            reversed: state.table.reversed,
            columns: names(&state.table.columns),
            column_sets: state.column_sets.iter().map(|(name, keys)| (name.clone(), names(keys))).collect(),
            command_lines: state.command_lines.lines().to_vec(),
            bookmarks: state.bookmarks.iter().map(|(letter, location)| (*letter, Place::of(location))).collect(),
        }
    }

    /// Sets up what does not depend on data; hands back where somebody was, and what was open there.
    pub fn restore(&self, state: &mut State) -> Option<(Location, Vec<RowId>)> {
        let keys = |names: &[String]| table::parse(names.iter().map(String::as_str)).ok();
        if let Some(columns) = keys(&self.columns) {
            state.table.columns = columns;
        }
        if let Some(key) = Key::named(&self.sort) {
            (state.table.key, state.table.reversed) = (key, self.reversed);
        }
        for (name, names) in &self.column_sets {
            if let Some(keys) = keys(names) {
                state.column_sets.insert(name.clone(), keys);
            }
        }
        for (letter, place) in &self.bookmarks {
            if let Some(location) = place.location() {
                state.bookmarks.insert(*letter, location);
            }
        }
        state.command_lines = CommandLines::of(&self.command_lines);
        let open = self.open.iter().filter_map(|row| row.parse().ok()).collect();
        Some((self.place.as_ref()?.location()?, open))
    }

    /// What another console has kept meanwhile stays, unless this one has given the same name to something else.
    fn over(mut self, other: Self) -> Self {
        for (name, keys) in other.column_sets {
            self.column_sets.entry(name).or_insert(keys);
        }
        for (letter, place) in other.bookmarks {
            self.bookmarks.entry(letter).or_insert(place);
        }
        let typed = [other.command_lines, self.command_lines].concat();
        self.command_lines = CommandLines::of(&typed).lines().to_vec();
        self
    }
}

/// Where the session of a context is kept.
pub fn path(folder: &Path, context: &str, namespace: &str) -> PathBuf {
    let name = format!("{context}_{namespace}");
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let digest = Sha256::digest(name.as_bytes());
    let tail: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    folder.join("sessions").join(format!("{}-{tail}.json", plain.chars().take(80).collect::<String>()))
}

/// What was remembered; nothing where there is no file, or none that can be read.
pub fn load(path: &Path) -> Session {
    let is_small = fs::metadata(path).is_ok_and(|file| file.len() <= LONGEST);
    let text = is_small.then(|| fs::read(path).ok()).flatten();
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Writes a session, in one step: readable by its owner alone.
pub fn save(path: &Path, session: Session) -> io::Result<()> {
    let merged = session.over(load(path));
    replace(path, &serde_json::to_vec_pretty(&merged)?)
}

/// Writes a file whole or not at all, readable by its owner alone, and makes its folder where there is none.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
    let written = file.write_all(bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_consoles_keep_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = path(folder.path(), "prod/eu", "fleet");
        let with = |letter: char, row: &str| Session {
            bookmarks: [(letter, Place { view: "machines".into(), row: row.into(), ..Place::default() })].into(),
            ..Session::default()
        };
        save(&path, with('a', "1")).expect("it can be written");
        save(&path, with('b', "2")).expect("it can be written");
        save(&path, with('a', "3")).expect("it can be written");
        let rows: Vec<String> = load(&path).bookmarks.into_values().map(|place| place.row).collect();
        assert_eq!(rows, ["3", "2"]);
        let files: Vec<_> = fs::read_dir(path.parent().expect("a folder")).expect("it is there").collect();
        assert_eq!(files.len(), 1, "no drafts are left");
    }

    #[test]
    fn a_broken_file_is_no_session() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.json");
        for text in ["", "{", "[]", "{\"place\": 7}", "\u{0}"] {
            fs::write(&path, text).expect("it can be written");
            assert_eq!(load(&path), Session::default(), "{text}");
        }
        assert_eq!(load(&folder.path().join("none")), Session::default());
    }

    #[test]
    fn contexts_that_look_alike_have_files_of_their_own() {
        let of = |context: &str| path(Path::new("/s"), context, "fleet");
        assert_ne!(of("a/b"), of("a_b"));
        assert!(of("arn:aws:eks:eu-west-1:1:cluster/x").to_str().expect("ascii").len() < 120);
    }
}
