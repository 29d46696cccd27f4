//! Which versions go together, by the version skew policy of Kubernetes
//! (<https://kubernetes.io/releases/version-skew-policy/>).

use super::version::Version;

/// Minor versions that a kubelet may be behind its API server.
const KUBELET_BEHIND: i64 = 3;
/// The same for kubelets before 1.25.
const OLD_KUBELET_BEHIND: i64 = 2;
const FIRST_NEW_KUBELET: u64 = 25;

/// Why two versions do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skew {
    #[error(
        "kubelet {kubelet} would be newer than the control plane, which has {control_plane}: upgrade the control plane first"
    )]
    KubeletAhead { kubelet: Version, control_plane: Version },
    #[error(
        "kubelet {kubelet} would be {behind} minor versions behind the control plane, and {allowed} are allowed: upgrade the nodes first"
    )]
    KubeletBehind { kubelet: Version, behind: i64, allowed: i64 },
    #[error("{from} to {to} is a downgrade: a control plane only goes forward, so choose {from} or a newer version")]
    Downgrade { from: Version, to: Version },
    #[error("{from} to {to} skips minor versions: a control plane goes one at a time")]
    SkippedMinor { from: Version, to: Version },
    #[error("{from} to {to} changes the major version")]
    Major { from: Version, to: Version },
}

/// Minor versions that this kubelet may be behind.
pub fn allowed_behind(kubelet: &Version) -> i64 {
    if kubelet.minor() < FIRST_NEW_KUBELET { OLD_KUBELET_BEHIND } else { KUBELET_BEHIND }
}

/// Whether a kubelet of this version may serve an API server of that one.
pub fn kubelet(kubelet: &Version, control_plane: &Version) -> Result<(), Skew> {
    let Some(behind) = kubelet.minors_behind(control_plane) else {
        return Err(Skew::Major { from: kubelet.clone(), to: control_plane.clone() });
    };
    let allowed = allowed_behind(kubelet);
    if behind < 0 {
        Err(Skew::KubeletAhead { kubelet: kubelet.clone(), control_plane: control_plane.clone() })
    } else if behind > allowed {
        Err(Skew::KubeletBehind { kubelet: kubelet.clone(), behind, allowed })
    } else {
        Ok(())
    }
}

/// Whether a control plane may go from one version to the other in one step.
pub fn control_plane(from: &Version, to: &Version) -> Result<(), Skew> {
    match from.minors_behind(to) {
        None => Err(Skew::Major { from: from.clone(), to: to.clone() }),
        Some(minors) if minors < 0 || to < from => Err(Skew::Downgrade { from: from.clone(), to: to.clone() }),
        Some(minors) if minors > 1 => Err(Skew::SkippedMinor { from: from.clone(), to: to.clone() }),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    /// The word of the refusal, or `ok`.
    fn word(result: Result<(), Skew>) -> &'static str {
        match result {
            Ok(()) => "ok",
            Err(Skew::KubeletAhead { .. }) => "ahead",
            Err(Skew::KubeletBehind { .. }) => "behind",
            Err(Skew::Downgrade { .. }) => "downgrade",
            Err(Skew::SkippedMinor { .. }) => "skipped",
            Err(Skew::Major { .. }) => "major",
        }
    }

    #[test]
    fn a_kubelet_is_never_ahead_and_at_most_three_minors_behind() {
        for (kubelet, control_plane, expected) in [
            ("1.34.2", "1.34.2", "ok"),
            // Within one minor version the patch does not matter.
            ("1.34.3", "1.34.2", "ok"),
            ("1.35.0", "1.34.9", "ahead"),
            ("1.31.0", "1.34.2", "ok"),
            ("1.30.9", "1.34.0", "behind"),
            ("1.24.1", "1.26.0", "ok"),
            ("1.24.1", "1.27.0", "behind"),
            ("1.25.0", "1.28.0", "ok"),
            ("1.34.0", "2.0.0", "major"),
        ] {
            assert_eq!(
                word(super::kubelet(&version(kubelet), &version(control_plane))),
                expected,
                "{kubelet} {control_plane}"
            );
        }
    }

    #[test]
    fn a_control_plane_goes_forward_one_minor_at_a_time() {
        for (from, to, expected) in [
            ("1.33.6", "1.34.2", "ok"),
            ("1.33.6", "1.33.7", "ok"),
            ("1.33.6", "1.33.6", "ok"),
            ("1.33.6", "1.33.5", "downgrade"),
            ("1.33.6", "1.32.9", "downgrade"),
            ("1.33.6", "1.35.0", "skipped"),
            ("1.34.0", "2.0.0", "major"),
        ] {
            assert_eq!(word(control_plane(&version(from), &version(to))), expected, "{from} {to}");
        }
    }
}
