//! `keymap.yaml`: which keys ask for which action. The built-in file is `config/keymap.yaml`.
//!
//! ```yaml
//! down: [j, down]   # the first key is the one that is shown
//! quit: q
//! retry: []         # no key
//! ```
//!
//! A user's file names only what it changes; an action in it loses its built-in keys. A key has one meaning in a place.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::Path,
};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::{Vocabulary, mistake::Mistake, nearest::advice, settings::is_blank};

const BUILT_IN: &str = include_str!("../../config/keymap.yaml");

/// One action and its keys, the one to show first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub action: String,
    pub keys: Vec<String>,
}

/// An action that a keymap may name, and where its keys go for it: keys of two places may be the same.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub action: &'a str,
    pub place: &'a str,
    /// It changes the fleet: no ctrl key may do that, for those are pressed from habit, in a shell or an editor.
    pub writes: bool,
}

/// One key, or a list of them. Not an untagged enum: that would lose the positions.
pub(super) enum Keys {
    One(String),
    Many(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor;

        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key as in `down: j`, or a list of keys as in `down: [j, down]`")
            }

            fn visit_str<E>(self, key: &str) -> Result<Keys, E> {
                Ok(Keys::One(key.to_owned()))
            }

            fn visit_u64<E>(self, digit: u64) -> Result<Keys, E> {
                Ok(Keys::One(digit.to_string()))
            }

            fn visit_i64<E>(self, digit: i64) -> Result<Keys, E> {
                Ok(Keys::One(digit.to_string()))
            }

            fn visit_bool<E>(self, letter: bool) -> Result<Keys, E> {
                // YAML 1.1 takes `y` and `n` for these.
                Ok(Keys::One(if letter { "y" } else { "n" }.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut keys: A) -> Result<Keys, A::Error> {
                let mut many = Vec::new();
                while let Some(key) = keys.next_element()? {
                    many.push(key);
                }
                Ok(Keys::Many(many))
            }
        }

        deserializer.deserialize_any(KeysVisitor)
    }
}

/// The action that a key means in a place.
type Taken<'a> = HashMap<(&'a str, String), &'a str>;

type Row = (String, Vec<Spanned<String>>, Location);

/// The built-in keys.
pub fn built_in() -> Vec<Binding> {
    let rows = rows(BUILT_IN, Path::new("config/keymap.yaml")).expect("the built-in keymap is right: a test looks");
    let plain = |(action, keys, _): Row| Binding { action, keys: keys.into_iter().map(|k| k.value).collect() };
    rows.into_iter().map(plain).collect()
}

/// The built-in keys with a user's file laid over them; all mistakes at once, and then nothing of the file is taken.
pub fn with_user(text: &str, file: &Path, words: &Vocabulary) -> Result<Vec<Binding>, Vec<Mistake>> {
    let Vocabulary { actions, key, .. } = *words;
    let rows = rows(text, file).map_err(|m| vec![m])?;
    let mut mistakes = Vec::new();
    let mut bindings = built_in();
    let mut taken: Taken = HashMap::new();
    for (action, keys, at) in &rows {
        let Some(Known { place, writes, .. }) = actions.iter().find(|k| k.action == action) else {
            let advice = advice(action, actions.iter().map(|k| k.action));
            mistakes.push(Mistake::at(file, *at, format!("there is no action `{action}`{advice}")));
            continue;
        };
        let mut read = Vec::new();
        for typed in keys {
            match key(&typed.value) {
                Err(message) => mistakes.push(Mistake::at(file, typed.referenced, message)),
                Ok(key) if *writes && has_ctrl(&key) => {
                    let message = format!("`{key}` is no key for `{action}`: {NO_CTRL}");
                    mistakes.push(Mistake::at(file, typed.referenced, message));
                }
                Ok(key) => match taken.insert((place, key.clone()), action) {
                    Some(other) if other != action => {
                        let message =
                            format!("the key `{key}` is both `{other}` and `{action}`: a key has one meaning");
                        mistakes.push(Mistake::at(file, typed.referenced, message));
                    }
                    _ => read.push(key),
                },
            }
        }
        match bindings.iter_mut().find(|b| b.action == *action) {
            Some(binding) => binding.keys = read,
            None => bindings.push(Binding { action: action.clone(), keys: read }),
        }
    }
    let place = |action: &str| actions.iter().find(|k| k.action == action).map_or("", |k| k.place);
    mistakes.extend(clashes(&rows, &bindings, &taken, file, place, key));
    if mistakes.is_empty() { Ok(bindings) } else { Err(mistakes) }
}

/// Such keys are pressed from habit, in a shell or an editor.
pub(super) const NO_CTRL: &str = "no ctrl key changes anything in the fleet; a letter, a sign, alt- or f1 to f12 may";

/// In its one form a key begins with its modifiers, and ctrl is the first of them.
pub(super) fn has_ctrl(key: &str) -> bool {
    key.starts_with("ctrl-")
}

/// Keys of the user that a built-in action still has.
fn clashes<'a>(
    rows: &[Row],
    bindings: &[Binding],
    taken: &Taken,
    file: &Path,
    place: impl Fn(&str) -> &'a str,
    key: impl Fn(&str) -> Result<String, String>,
) -> Vec<Mistake> {
    let own = |action: &str| rows.iter().find(|(a, ..)| a == action);
    let mut found = Vec::new();
    for binding in bindings.iter().filter(|b| own(&b.action).is_none()) {
        for built_in in binding.keys.iter().filter_map(|k| key(k).ok()) {
            let Some(action) = taken.get(&(place(&binding.action), built_in.clone())) else { continue };
            let at = own(action).map_or(Location::UNKNOWN, |(.., at)| *at);
            let message = format!(
                "the key `{built_in}` of `{action}` is built in for `{0}`: give `{0}` another key too, or none: `{0}: []`",
                binding.action
            );
            found.push(Mistake::at(file, at, message));
        }
    }
    found
}

fn rows(text: &str, file: &Path) -> Result<Vec<Row>, Mistake> {
    if is_blank(text) {
        return Ok(Vec::new());
    }
    let parsed: BTreeMap<String, Spanned<Keys>> =
        serde_saphyr::from_str(text).map_err(|e| Mistake::of_yaml(file, &e))?;
    let mut rows: Vec<Row> = parsed
        .into_iter()
        .map(|(action, keys)| match keys.value {
            Keys::One(key) => (action, vec![Spanned::new(key, keys.referenced, keys.defined)], keys.referenced),
            Keys::Many(many) => (action, many, keys.referenced),
        })
        .collect();
    rows.sort_by_key(|(.., at)| (at.line(), at.column()));
    Ok(rows)
}
