//! APIs that an upgrade takes away while somebody still asks for them.

use super::{Scene, Wish};
use crate::{api::DeprecatedApi, plan::version::Version};

/// Sentences for those that the version no longer has; none where the API server does not say what it is asked for.
pub(super) fn warnings(scene: &Scene, wish: &Wish) -> Vec<String> {
    let Wish::Upgrade { pool: None, version, .. } = wish else { return Vec::new() };
    let (Ok(to), Some(asked)) = (version.parse::<Version>(), asked_for(scene)) else { return Vec::new() };
    asked
        .iter()
        .filter(|api| format!("{}.0", api.removed_in).parse::<Version>().is_ok_and(|removed| removed <= to))
        .map(|api| {
            format!(
                "{} {} is gone in {} and still asked for: whoever does it fails after the upgrade",
                api.api_version, api.resource, api.removed_in
            )
        })
        .collect()
}

fn asked_for<'a>(scene: &Scene<'a>) -> Option<&'a [DeprecatedApi]> {
    scene.cluster?.status.as_ref()?.deprecated_apis.as_deref()
}
