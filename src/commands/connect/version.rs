//! Which Kubernetes a meta cluster has to be, at least.

use k8s_openapi::apimachinery::pkg::version::Info;

/// The oldest minor on which all that we rely on is stable or on by default: CEL rules with `oldSelf` (1.29), objects that
/// outlive a stricter definition (1.30), selectable fields of Machines and `podFailurePolicy` of our Jobs (1.31).
pub const OLDEST: (u32, u32) = (1, 31);

/// A server that is older than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the API server is Kubernetes {}.{}, and Quarterdeck needs {}.{} or newer: upgrade it, or choose another cluster with \
     --context; until then nothing is written", found.0, found.1, OLDEST.0, OLDEST.1
)]
pub struct TooOld {
    found: (u32, u32),
}

/// What the version says of the server; one that cannot be read says nothing against it.
pub fn check(info: &Info) -> Result<(), TooOld> {
    match (number(&info.major), number(&info.minor)) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => Err(TooOld { found: (major, minor) }),
        _ => Ok(()),
    }
}

/// Providers write `31+`.
fn number(text: &str) -> Option<u32> {
    text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(major: &str, minor: &str, expected: &str) {
        let info = Info { major: major.to_owned(), minor: minor.to_owned(), ..Info::default() };
        let said = super::check(&info).map_or_else(|old| old.to_string(), |()| "good".to_owned());
        assert!(said.starts_with(expected), "{major}.{minor}: {said}");
    }

    #[test]
    fn an_old_one_is_named_with_what_is_needed() {
        check("1", "30", "the API server is Kubernetes 1.30, and Quarterdeck needs 1.31 or newer: ");
        check("1", "27+", "the API server is Kubernetes 1.27,");
        check("0", "99", "the API server is Kubernetes 0.99,");
        check("1", "31", "good");
        check("1", "36+", "good");
        check("2", "0", "good");
    }

    #[test]
    fn one_that_cannot_be_read_is_not_refused() {
        check("", "", "good");
        check("1", "", "good");
        check("one", "two", "good");
    }
}
