//! All themes: those that are compiled in, and the user's, which may inherit from them and replace them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    mistake::Mistake,
    nearest::advice,
    read,
    settings::AUTO,
    stem,
    theme::{Layer, Theme},
    yaml_files,
};

/// Compiled in. Tests look that each is right.
const BUILT_IN: &[(&str, &str)] = &[
    ("dark", include_str!("../../themes/dark.yaml")),
    ("light", include_str!("../../themes/light.yaml")),
    ("high-contrast", include_str!("../../themes/high-contrast.yaml")),
    ("gruvbox", include_str!("../../themes/gruvbox.yaml")),
    ("nord", include_str!("../../themes/nord.yaml")),
    ("okabe-ito", include_str!("../../themes/okabe-ito.yaml")),
    ("solarized-dark", include_str!("../../themes/solarized-dark.yaml")),
    ("solarized-light", include_str!("../../themes/solarized-light.yaml")),
    ("16", include_str!("../../themes/16.yaml")),
    ("none", include_str!("../../themes/none.yaml")),
];

/// Longest chain of `inherits`.
const DEPTH: usize = 8;

/// Themes by name.
#[derive(Clone, Debug, Default)]
pub struct Themes {
    themes: BTreeMap<String, Theme>,
}

impl Themes {
    pub fn built_in() -> Self {
        Self::load(Path::new(""), &Self::default(), &mut Vec::new())
    }

    /// The built-in themes and those of the folder, one file each, named like the file. A theme with a mistake is as it was
    /// `before`; else a built-in one of that name stays, or there is none.
    pub(super) fn load(folder: &Path, before: &Self, mistakes: &mut Vec<Mistake>) -> Self {
        let mut layers = Layers::default();
        for (name, text) in BUILT_IN {
            let file = format!("themes/{name}.yaml");
            keep(Layer::parse(text, Path::new(&file)), mistakes, |layer| {
                layers.built_in.insert((*name).to_owned(), layer);
            });
        }
        let files = if folder.as_os_str().is_empty() { Vec::new() } else { yaml_files(folder) };
        let named: Vec<String> = files.iter().map(|file| stem(file)).collect();
        for file in &files {
            let text = match read(file) {
                Some(Ok(text)) => text,
                Some(Err(mistake)) => {
                    mistakes.push(mistake);
                    continue;
                }
                None => continue,
            };
            keep(Layer::parse(&text, file), mistakes, |layer| {
                layers.user.insert(stem(file), layer);
            });
        }
        let mut themes = BTreeMap::new();
        for name in layers.built_in.keys() {
            keep(layers.resolve(name, false, DEPTH, folder).map_err(|m| vec![m]), mistakes, |theme| {
                themes.insert(name.clone(), theme);
            });
        }
        let mut resolved = BTreeSet::new();
        for name in layers.user.keys() {
            keep(layers.resolve(name, true, DEPTH, folder).map_err(|m| vec![m]), mistakes, |theme| {
                themes.insert(name.clone(), theme);
                resolved.insert(name.clone());
            });
        }
        for name in named {
            if !resolved.contains(&name)
                && let Some(theme) = before.themes.get(&name)
            {
                themes.insert(name, theme.clone());
            }
        }
        Self { themes }
    }

    /// A theme by name.
    pub fn find(&self, name: &str) -> Option<&Theme> {
        self.themes.get(name)
    }

    /// A theme by name; the built-in `16`, which works everywhere, if there is none.
    pub fn find_or_default(&self, name: &str) -> &Theme {
        self.find(name).or_else(|| self.find("16")).expect("the built-in themes are there: a test looks")
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.themes.keys().map(String::as_str)
    }

    /// What is wrong with a name of a theme in the settings; `theme` may be `auto`, what that takes may not.
    pub(super) fn check(&self, key: &str, name: &str) -> Result<(), String> {
        let auto = Some(AUTO).filter(|_| key == "theme");
        if auto == Some(name) || self.themes.contains_key(name) {
            return Ok(());
        }
        Err(format!("there is no theme `{name}`{}", advice(name, auto.into_iter().chain(self.names()))))
    }
}

#[derive(Default)]
struct Layers {
    built_in: BTreeMap<String, Layer>,
    user: BTreeMap<String, Layer>,
}

impl Layers {
    /// Lays a theme over what it inherits. A theme of the user's that inherits its own name means the built-in one.
    fn resolve(&self, name: &str, user: bool, depth: usize, folder: &Path) -> Result<Theme, Mistake> {
        let layer = if user { &self.user[name] } else { &self.built_in[name] };
        let Some((parent, at)) = &layer.inherits else { return Ok(layer.over(None, name)) };
        let file = if user { folder.join(format!("{name}.yaml")) } else { format!("themes/{name}.yaml").into() };
        if depth == 0 {
            return Err(Mistake::at(&file, *at, "the themes inherit from each other in a circle"));
        }
        let of_user = user && parent != name && self.user.contains_key(parent);
        if !of_user && !self.built_in.contains_key(parent) {
            let names = self.built_in.keys().chain(self.user.keys()).filter(|name| *name != parent).map(String::as_str);
            let advice = advice(parent, names);
            return Err(Mistake::at(&file, *at, format!("there is no theme `{parent}` to inherit from{advice}")));
        }
        Ok(layer.over(Some(self.resolve(parent, of_user, depth - 1, folder)?), name))
    }
}

fn keep<T>(outcome: Result<T, Vec<Mistake>>, mistakes: &mut Vec<Mistake>, mut with: impl FnMut(T)) {
    match outcome {
        Ok(value) => with(value),
        Err(found) => mistakes.extend(found),
    }
}
