//! Kubernetes versions: `1.34.2`, with or without a `v`, and with whatever a distribution appends.

use std::{fmt, str::FromStr};

/// A Kubernetes version. Printed without the `v`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(semver::Version);

/// The text is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a version such as 1.34.2")]
pub struct NotAVersion(pub String);

impl Version {
    pub fn major(&self) -> u64 {
        self.0.major
    }

    pub fn minor(&self) -> u64 {
        self.0.minor
    }

    /// How many minor versions this is behind `other`; negative if it is ahead. `None` across majors.
    pub fn minors_behind(&self, other: &Self) -> Option<i64> {
        (self.major() == other.major()).then(|| i64::try_from(other.minor()).unwrap_or(i64::MAX) - self.minor() as i64)
    }

    /// `1.34`.
    pub fn minor_words(&self) -> String {
        format!("{}.{}", self.major(), self.minor())
    }
}

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let bare = text.trim().trim_start_matches('v');
        semver::Version::parse(bare).map(Self).map_err(|_| NotAVersion(text.to_owned()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        let version = |text: &str| text.parse::<Version>();
        assert_eq!(version("v1.34.2").unwrap().to_string(), "1.34.2");
        assert_eq!(version("v1.34.2+k3s1").unwrap().minor_words(), "1.34");
        assert!(version("1.9.9").unwrap() < version("1.10.0").unwrap());
        assert!(version("1.35.0-rc.1").unwrap() < version("1.35.0").unwrap());
        assert_eq!(version("1.30.1").unwrap().minors_behind(&version("1.33.0").unwrap()), Some(3));
        assert_eq!(version("1.30.1").unwrap().minors_behind(&version("2.0.0").unwrap()), None);
        for bad in ["", "1.34", "latest", "1.34.2.1", "01.2.3"] {
            assert!(version(bad).is_err(), "{bad}");
        }
    }
}
