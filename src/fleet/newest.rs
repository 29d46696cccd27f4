//! Waiting for snapshots: what a feed of one meta cluster and one of several have in common.

use std::sync::Arc;

use tokio::sync::watch::Receiver;

use super::snapshot::Snapshot;

/// Waits for a newer snapshot than the last one that was taken, and takes it. Cancel safe.
pub(super) async fn changed(snapshots: &mut Receiver<Arc<Snapshot>>) -> Arc<Snapshot> {
    if snapshots.changed().await.is_err() {
        // The task that publishes ends with the feed only, so this is not reached while anybody waits.
        futures::future::pending::<()>().await;
    }
    snapshots.borrow_and_update().clone()
}

/// Waits for a snapshot that fulfils `condition`; it may be the present one.
pub(super) async fn wait_for(
    snapshots: &mut Receiver<Arc<Snapshot>>,
    mut condition: impl FnMut(&Snapshot) -> bool,
) -> Arc<Snapshot> {
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        if condition(&snapshot) {
            return snapshot;
        }
        changed(snapshots).await;
    }
}
