//! Takes secrets out of lines before anybody sees them: as they are, and in base64.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

const MARK: &str = "[redacted]";
/// Shorter ones would take half of every line with them.
const SHORTEST: usize = 4;

/// What must not be seen.
#[derive(Clone, Default)]
pub struct Redactor {
    /// The longest first, so that none is cut apart by another.
    needles: Vec<String>,
}

impl Redactor {
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut needles: Vec<String> = secrets.into_iter().flat_map(forms).filter(|n| n.len() >= SHORTEST).collect();
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        needles.dedup();
        Self { needles }
    }

    pub fn line(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for needle in &self.needles {
            if line.contains(needle.as_str()) {
                line = line.replace(needle.as_str(), MARK);
            }
        }
        line
    }
}

/// A secret in all its forms; of several lines, each for itself, as output comes line by line.
fn forms(secret: &str) -> Vec<String> {
    let whole = secret.trim();
    let mut forms: Vec<String> = whole.lines().map(|line| line.trim().to_owned()).collect();
    for bytes in [whole.as_bytes(), secret.as_bytes()] {
        forms.extend([STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)]);
    }
    // Encoded after something else, it starts at another bit, and its ends mix with its neighbours.
    for skipped in [1, 2] {
        let shifted = STANDARD_NO_PAD.encode([&vec![0; skipped], whole.as_bytes()].concat());
        let inner = shifted.get(skipped + 1..shifted.len().saturating_sub(2)).unwrap_or_default();
        forms.push(if inner.len() >= 12 { inner.to_owned() } else { String::new() });
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secret: &str, line: &str, expected: &str) {
        assert_eq!(Redactor::new([secret]).line(line), expected);
    }

    #[test]
    fn secrets_are_taken_out_in_every_form() {
        check("hunter22\n", "password hunter22!", "password [redacted]!");
        check("hunter22", &format!("x {}", STANDARD.encode("hunter22\n")), "x [redacted]K");
        check("hunter22\n", &format!("x {}", STANDARD.encode("hunter22\n")), "x [redacted]");
        check("abc", "abc", "abc");
        check("first line\nsecond line", "a second line b", "a [redacted] b");
        let within = STANDARD.encode("user:correct horse battery");
        assert!(Redactor::new(["correct horse battery"]).line(&within).contains(MARK));
    }
}
