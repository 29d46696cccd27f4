//! What may be the name of an object.
//!
//! A name becomes a part of a path, and nobody behind us asks what it was meant as: with a slash in it, it is the path of
//! another object, of a kind that we may not want to show, or the way through a node to its kubelet.

use crate::console::text;

/// Characters that a name has at most.
const LONGEST: usize = 253;

/// It can be the name of an object, of whatever kind: those of RBAC have colons.
pub fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '_' | '-');
    !text.is_empty() && text.len() <= LONGEST && !matches!(text, "." | "..") && text.chars().all(is_plain)
}

/// The same for what somebody has typed; `Err` is a sentence.
pub fn name(typed: &str) -> Result<&str, String> {
    is_name(typed).then_some(typed).ok_or_else(|| {
        let typed = text::cut(typed, 40);
        format!(
            "`{typed}` is no name of an object: write it as `kubectl get` lists it, in letters, digits and . : _ - only"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        for good in ["db", "10.0.0.1", "system:node-proxier", "Eu_1", &"a".repeat(LONGEST)] {
            assert_eq!(name(good), Ok(good));
        }
        let too_long = "a".repeat(LONGEST + 1);
        for bad in ["", ".", "..", "a/b", "fleet/secrets/db", "a%2Fb", "a?b", "a#b", "a b", "ä", "a\n", &too_long] {
            assert!(name(bad).is_err_and(|why| why.contains("is no name of an object: write it as")), "{bad}");
        }
    }
}
