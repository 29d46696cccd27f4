//! What was typed into files, and what was resolved from it: settings, themes, keys.
//!
//! Everything has a built-in value. A file of the user's that is not right is answered with a [`Mistake`] that names
//! file, line and way out, and the built-in value stays: a typing error never keeps anybody from the console.

use std::path::{Path, PathBuf};

pub mod commands;
mod contexts;
pub mod keymap;
mod mistake;
mod nearest;
mod paths;
mod settings;
mod ssh;
mod style;
mod template;
mod theme;
mod themes;
mod vocabulary;
mod watched;

pub use contexts::{Accent, ContextSettings};
pub use keymap::{Binding, Known};
pub use mistake::Mistake;
pub(crate) use mistake::plain;
pub use nearest::nearest;
pub use paths::Paths;
pub use settings::{Confirm, Glyphs, Settings, Sync};
pub use ssh::Ssh;
pub use template::{Placeholder, Template};
pub use theme::{Role, Theme};
pub use themes::Themes;
pub use vocabulary::Vocabulary;
use watched::Seen;

/// Longest file that is read. Larger ones are not configuration.
const LONGEST: u64 = 1 << 20;

/// Everything that configures the console.
#[derive(Clone, Debug)]
pub struct Config {
    pub settings: Settings,
    pub themes: Themes,
    /// Which keys ask for which action.
    pub bindings: Vec<Binding>,
    /// The user's own.
    pub commands: Vec<commands::Command>,
    /// What was wrong in the user's files, to be shown.
    pub mistakes: Vec<Mistake>,
    /// The file of the settings, if it says something of contexts that could not be read.
    pub unknown_contexts: Option<PathBuf>,
    /// Where the files are, and how they looked when they were read; `None`: there are none.
    files: Option<(Paths, Seen)>,
}

impl Config {
    /// Reads the user's files. What is wrong in them is as it is built in.
    pub fn load(paths: &Paths, words: &Vocabulary) -> Self {
        Self::built_in().read(paths, words)
    }

    /// Reads the user's files again if any of them was changed since; `None` if none was. What is wrong in them stays as it
    /// was.
    pub fn reload(&self, words: &Vocabulary) -> Option<Self> {
        let (paths, seen) = self.files.as_ref()?;
        (Seen::of(paths) != *seen).then(|| self.read(paths, words))
    }

    /// Reads the files; of one that is not right, what there was before stays.
    fn read(&self, paths: &Paths, words: &Vocabulary) -> Self {
        // Looked at before they are read: what is written meanwhile is read again the next time.
        let seen = Seen::of(paths);
        let mut mistakes = Vec::new();
        let themes = Themes::load(&paths.themes(), &self.themes, &mut mistakes);
        let mut typed = String::new();
        let settings = file(&paths.settings(), &mut mistakes, |text, file| {
            text.clone_into(&mut typed);
            Settings::parse(text, file)
        });
        let unknown_contexts = match &settings {
            Some(_) => None,
            // What was read once is what there is.
            None if self.files.is_some() => self.unknown_contexts.clone(),
            None => speaks_of_contexts(&paths.settings()).then(|| paths.settings()),
        };
        let is_read = settings.is_some();
        let settings = settings.unwrap_or_else(|| self.settings.clone());
        // What stays from before may not be in the file any more.
        for (key, name) in settings.named_themes().into_iter().filter(|_| is_read) {
            if let Err(message) = themes.check(key, name) {
                mistakes.push(Mistake::on_line(&paths.settings(), settings::line_of(&typed, key), message));
            }
        }
        let bindings = file(&paths.keymap(), &mut mistakes, |text, file| keymap::with_user(text, file, words));
        let bindings = bindings.unwrap_or_else(|| self.bindings.clone());
        let commands =
            file(&paths.commands(), &mut mistakes, |text, file| commands::parse(text, file, words, &bindings));
        let commands = commands.unwrap_or_else(|| commands::still_good(&self.commands, words, &bindings));
        Self { settings, themes, bindings, commands, mistakes, unknown_contexts, files: Some((paths.clone(), seen)) }
    }

    /// What there is without any file.
    pub fn built_in() -> Self {
        Self {
            settings: Settings::default(),
            themes: Themes::built_in(),
            bindings: keymap::built_in(),
            commands: Vec::new(),
            mistakes: Vec::new(),
            unknown_contexts: None,
            files: None,
        }
    }
}

/// A file that is not right may say something of contexts; what cannot be opened may say anything.
fn speaks_of_contexts(path: &Path) -> bool {
    read(path).is_some_and(|text| text.map_or(true, |text| text.contains("contexts")))
}

/// What a file comes to; one that is not there is like an empty one. `None`: it is not right, and the mistakes say why.
fn file<T>(
    path: &Path,
    mistakes: &mut Vec<Mistake>,
    parse: impl FnOnce(&str, &Path) -> Result<T, Vec<Mistake>>,
) -> Option<T> {
    let text = read(path).unwrap_or_else(|| Ok(String::new())).map_err(|mistake| vec![mistake]);
    text.and_then(|text| parse(&text, path)).map_err(|found| mistakes.extend(found)).ok()
}

/// The text of a file; `None` if it is not there.
fn read(path: &Path) -> Option<Result<String, Mistake>> {
    let size = std::fs::metadata(path).ok()?.len();
    if size > LONGEST {
        return Some(Err(Mistake::of_file(path, format!("the file has {size} bytes, more than {LONGEST}"))));
    }
    Some(std::fs::read_to_string(path).map_err(|error| Mistake::of_file(path, format!("it cannot be read: {error}"))))
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
pub(crate) mod contrast;
#[cfg(test)]
mod tests;
