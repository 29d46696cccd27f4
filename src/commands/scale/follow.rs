//! How it goes, until the pool has what it asks for.

mod look;
mod screen;

use std::{collections::BTreeSet, time::Duration};

use kube::{Client, ResourceExt};

use crate::{
    api::NodePool,
    commands::{
        exit::Ended,
        follow::{Verdict, Watched, until_done},
    },
};
use look::Look;
use screen::Screen;

/// Waits until the pool has what it asks for. Answers a sentence, or what went wrong.
pub async fn follow(client: &Client, namespace: &str, pool: &NodePool, limit: Duration) -> Result<String, Ended> {
    let mut scaling = Scaling { client, namespace, pool, screen: Screen::new(pool), old: None };
    until_done(&mut scaling, namespace, limit).await
}

struct Scaling<'a> {
    client: &'a Client,
    namespace: &'a str,
    pool: &'a NodePool,
    screen: Screen,
    /// Operations that were over before say nothing about this change.
    old: Option<BTreeSet<String>>,
}

impl Watched for Scaling<'_> {
    type Look = Look;

    async fn look(&self) -> Result<Look, kube::Error> {
        Look::take(self.client, self.namespace, self.pool).await
    }

    fn judge(&mut self, look: &Look) -> Verdict {
        let old = self.old.get_or_insert_with(|| look.over().map(|o| o.uid().unwrap_or_default()).collect());
        self.screen.show(look);
        if let Some(failed) = look.failed(old) {
            return Verdict::Failed(failed);
        }
        if look.is_done(self.pool) {
            return Verdict::Done(look.summary());
        }
        look.held_up().map_or(Verdict::GoesOn, |(exit, why)| Verdict::HeldUp(exit, why))
    }

    fn name(&self) -> String {
        self.pool.name_any()
    }

    fn in_short(&self, last: &Look) -> String {
        last.in_short()
    }

    fn interrupted(&self) -> String {
        let (cluster, name) = (&self.pool.spec.cluster_name, self.pool.name_any());
        format!("{name} goes on without us; stop it with  quarterdeck pause {cluster}/{name}")
    }

    fn clear(&mut self) {
        self.screen.clear();
    }
}
