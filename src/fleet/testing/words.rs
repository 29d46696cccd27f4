//! A line of the notation, cut into words.

use std::collections::BTreeMap;

/// The words of a line: bare ones in order, and `key=value`.
pub struct Words {
    pub bare: Vec<String>,
    pub values: BTreeMap<String, String>,
}

impl Words {
    pub fn of(line: &str) -> Self {
        let mut words = Self { bare: Vec::new(), values: BTreeMap::new() };
        let mut quoted = false;
        let parts = line.split(|c: char| {
            quoted ^= c == '"';
            c == ' ' && !quoted
        });
        for part in parts.filter(|p| !p.is_empty()) {
            let clean = |s: &str| s.trim_matches('"').to_owned();
            match part.split_once('=').filter(|_| !part.starts_with('"')) {
                Some((key, value)) => drop(words.values.insert(key.to_owned(), clean(value))),
                None => words.bare.push(clean(part)),
            }
        }
        words
    }

    pub fn take(&mut self, key: &str) -> Option<String> {
        self.values.remove(key)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.bare.iter().any(|w| w == name)
    }

    pub fn at(&self, index: usize) -> Option<String> {
        self.bare.get(index).cloned()
    }
}

pub fn parsed<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}
