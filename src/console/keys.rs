//! Keys: how they are written in the keymap file, how they are shown, and which action each one asks for.

use super::action::{Action, Layer};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::{collections::HashMap, fmt, str::FromStr};

/// One key with its modifiers, as `ctrl-d`, `G`, `?`, `pgdn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl From<KeyEvent> for Chord {
    fn from(key: KeyEvent) -> Self {
        Self::new(key.code, key.modifiers)
    }
}

impl From<Chord> for KeyEvent {
    fn from(chord: Chord) -> Self {
        Self::new(chord.code, chord.modifiers)
    }
}

impl Chord {
    /// Shift is part of a character and is dropped there; terminals disagree on whether they report it.
    pub fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let modifiers = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        match code {
            KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => {
                Self { code: KeyCode::Char(c.to_ascii_lowercase()), modifiers: modifiers - KeyModifiers::SHIFT }
            }
            KeyCode::Char(_) | KeyCode::BackTab => Self { code, modifiers: modifiers - KeyModifiers::SHIFT },
            _ => Self { code, modifiers },
        }
    }
}

const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
];

impl FromStr for Chord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        while let Some((modifier, after)) = rest.split_once('-').filter(|(_, after)| !after.is_empty()) {
            modifiers |= match modifier.to_ascii_lowercase().as_str() {
                "ctrl" | "c" => KeyModifiers::CONTROL,
                "alt" | "a" => KeyModifiers::ALT,
                "shift" | "s" => KeyModifiers::SHIFT,
                _ => break,
            };
            rest = after;
        }
        let lower = rest.to_ascii_lowercase();
        let mut characters = rest.chars();
        let code = match (NAMED.iter().find(|(name, _)| *name == lower), characters.next(), characters.next()) {
            (Some((_, code)), ..) => *code,
            (None, Some(c), None) => KeyCode::Char(c),
            _ => match lower.strip_prefix('f').and_then(|n| n.parse().ok()) {
                Some(n @ 1..=12) => KeyCode::F(n),
                _ => return Err(format!("`{text}` is not a key: write `s`, `G`, `ctrl-d`, `pgdn`, `f5`")),
            },
        };
        if (code, modifiers) == (KeyCode::Tab, KeyModifiers::SHIFT) {
            return Ok(Self::new(KeyCode::BackTab, KeyModifiers::NONE));
        }
        Ok(Self::new(code, modifiers))
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in
            [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")]
        {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match (self.code, NAMED.iter().find(|(_, code)| *code == self.code)) {
            (KeyCode::BackTab, _) => f.write_str("shift-tab"),
            (_, Some((name, _))) => f.write_str(name),
            (KeyCode::Char(c), None) => write!(f, "{c}"),
            (KeyCode::F(n), None) => write!(f, "f{n}"),
            (other, None) => write!(f, "{other:?}"),
        }
    }
}

/// Which key asks for which action. A key has one meaning; an action may have several keys, the first is shown.
#[derive(Clone, Debug, Default)]
pub struct Keymap {
    actions: HashMap<(Layer, Chord), Action>,
    keys: HashMap<Action, Vec<Chord>>,
}

impl Keymap {
    /// Builds a map from `(action name, keys)`; every mistake comes back as a sentence, and nothing is half loaded.
    pub fn build<'a>(rows: impl IntoIterator<Item = (&'a str, &'a [String])>) -> Result<Self, Vec<String>> {
        let mut map = Self::default();
        let mut mistakes = Vec::new();
        for (name, keys) in rows {
            let Some(action) = Action::named(name) else {
                mistakes.push(format!("there is no action `{name}`: the help page lists them"));
                continue;
            };
            for key in keys {
                match key.parse::<Chord>() {
                    Ok(chord) => match map.actions.insert((action.entry().layer, chord), action) {
                        Some(other) if other != action => mistakes.push(format!(
                            "`{chord}` is both `{}` and `{name}`: a key has one meaning",
                            other.entry().name
                        )),
                        _ => map.keys.entry(action).or_default().push(chord),
                    },
                    Err(mistake) => mistakes.push(mistake),
                }
            }
        }
        if mistakes.is_empty() { Ok(map) } else { Err(mistakes) }
    }

    pub fn action(&self, chord: Chord) -> Option<Action> {
        self.actions.get(&(Layer::Everywhere, chord)).copied()
    }

    /// What the key means in a place of its own, if it has a meaning there.
    pub fn action_on(&self, layer: Layer, chord: Chord) -> Option<Action> {
        self.actions.get(&(layer, chord)).copied()
    }

    /// The keys of an action, the one to show first.
    pub fn keys(&self, action: Action) -> &[Chord] {
        self.keys.get(&action).map_or(&[], Vec::as_slice)
    }

    /// The key to show for an action; empty if it has none.
    pub fn key(&self, action: Action) -> String {
        self.keys(action).first().map(ToString::to_string).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str) {
        assert_eq!(text.parse::<Chord>().map_or_else(|e| e, |chord| chord.to_string()), shown, "{text}");
    }

    #[test]
    fn keys_read_as_they_are_shown() {
        for same in ["s", "G", "?", "ctrl-d", "pgdn", "f5", "alt-x", "-", "shift-tab", "space", "/", "ctrl-space"] {
            check(same, same);
        }
        check("Ctrl-D", "ctrl-d");
        check("C-d", "ctrl-d");
        check("backtab", "shift-tab");
        check("ctrl--", "ctrl--");
        check("strg-d", "`strg-d` is not a key: write `s`, `G`, `ctrl-d`, `pgdn`, `f5`");
    }

    #[test]
    fn events_meet_the_map_whatever_the_terminal_says_about_shift() {
        let map = Keymap::build([("last", ["G".to_owned()].as_slice())]).unwrap();
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            let key = KeyEvent::new(KeyCode::Char('G'), modifiers);
            assert_eq!(map.action(key.into()), Some(Action::Last));
        }
    }

    #[test]
    fn a_key_with_two_meanings_and_an_unknown_action_are_refused() {
        let keys = ["x".to_owned()];
        let mistakes = Keymap::build([("up", keys.as_slice()), ("down", &keys), ("fly", &keys)]).unwrap_err();
        assert_eq!(
            mistakes,
            [
                "`x` is both `up` and `down`: a key has one meaning",
                "there is no action `fly`: the help page lists them"
            ]
        );
    }
}
