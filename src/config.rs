//! What was typed into files, and what was resolved from it: settings, themes, keys.
//!
//! Everything has a built-in value. A file of the user's that is not right is answered with a [`Mistake`] that names
//! file, line and way out, and the built-in value stays: a typing error never keeps anybody from the console.

use std::path::{Path, PathBuf};

mod contexts;
pub mod keymap;
mod mistake;
mod nearest;
mod paths;
mod settings;
mod ssh;
mod style;
mod theme;
mod themes;

pub use contexts::{Accent, ContextSettings};
pub use keymap::{Binding, Known};
pub use mistake::Mistake;
pub(crate) use mistake::plain;
pub use nearest::nearest;
pub use paths::Paths;
pub use settings::{Glyphs, Settings, Sync};
pub use ssh::Ssh;
pub use theme::{Role, Theme};
pub use themes::Themes;

/// Longest file that is read. Larger ones are not configuration.
const LONGEST: u64 = 1 << 20;

/// Everything that configures the console.
#[derive(Clone, Debug)]
pub struct Config {
    pub settings: Settings,
    pub themes: Themes,
    /// Which keys ask for which action.
    pub bindings: Vec<Binding>,
    /// What was wrong in the user's files, to be shown.
    pub mistakes: Vec<Mistake>,
    /// The file of the settings, if it says something of contexts that could not be read.
    pub unknown_contexts: Option<PathBuf>,
}

impl Config {
    /// Reads the user's files. `actions` are those that a keymap may name; `key` brings a key into its one form, or
    /// says what is wrong with it.
    pub fn load(paths: &Paths, actions: &[Known], key: impl Fn(&str) -> Result<String, String>) -> Self {
        let mut mistakes = Vec::new();
        let (settings, speaks_of_contexts) = match read(&paths.settings()).transpose() {
            Ok(None) => (Some(Settings::default()), false),
            Ok(Some(text)) => {
                (keep(Settings::parse(&text, &paths.settings()), &mut mistakes), text.contains("contexts"))
            }
            // What cannot be opened may say anything.
            Err(mistake) => (keep(Err(vec![mistake]), &mut mistakes), true),
        };
        let unknown_contexts = (settings.is_none() && speaks_of_contexts).then(|| paths.settings());
        let settings = settings.unwrap_or_default();
        let themes = Themes::load(&paths.themes(), &mut mistakes);
        let user = match read(&paths.keymap()).transpose() {
            Ok(text) => text,
            Err(mistake) => keep(Err(vec![mistake]), &mut mistakes),
        };
        let file = paths.keymap();
        let bindings = user
            .and_then(|text| keep(keymap::with_user(&text, &file, actions, &key), &mut mistakes))
            .unwrap_or_else(keymap::built_in);
        for name in [&settings.theme, &settings.light_theme, &settings.dark_theme] {
            if let Err(mistake) = themes.check(name, &paths.settings()) {
                mistakes.push(mistake);
            }
        }
        Self { settings, themes, bindings, mistakes, unknown_contexts }
    }

    /// What there is without any file.
    pub fn built_in() -> Self {
        Self {
            settings: Settings::default(),
            themes: Themes::built_in(),
            bindings: keymap::built_in(),
            mistakes: Vec::new(),
            unknown_contexts: None,
        }
    }
}

/// The text of a file; `None` if it is not there.
fn read(path: &Path) -> Option<Result<String, Mistake>> {
    let size = std::fs::metadata(path).ok()?.len();
    if size > LONGEST {
        return Some(Err(Mistake::of_file(path, format!("the file has {size} bytes, more than {LONGEST}"))));
    }
    Some(std::fs::read_to_string(path).map_err(|error| Mistake::of_file(path, format!("it cannot be read: {error}"))))
}

fn keep<T>(outcome: Result<T, Vec<Mistake>>, mistakes: &mut Vec<Mistake>) -> Option<T> {
    outcome.map_err(|found| mistakes.extend(found)).ok()
}

/// The name of a file below a folder, without `.yaml`.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The `.yaml` files of a folder, in order of their names; none if there is no folder.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_yaml = |p: &PathBuf| p.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let mut files: Vec<_> = entries.flatten().map(|e| e.path()).filter(is_yaml).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests;
