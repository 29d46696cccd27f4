//! How it goes, until it is done, has failed, is held up, or takes too long.

mod look;
mod screen;

use std::{collections::BTreeSet, time::Duration};

use kube::{Client, ResourceExt};
use tokio::time::{sleep, timeout};

use crate::{
    api::NodePool,
    commands::{
        connect,
        exit::{Ended, Exit},
    },
};
use look::Look;
use screen::Screen;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Failed looks in a row after which the meta cluster counts as gone.
const PATIENCE: u32 = 60;
/// How many looks in a row have to show that it is held up before we give up: the controllers may not have looked yet.
const HELD_UP: u32 = 6;

/// Waits until the pool has what it asks for. Answers a sentence, or what went wrong.
pub async fn until_done(client: &Client, namespace: &str, pool: &NodePool, limit: Duration) -> Result<String, Ended> {
    let mut screen = Screen::new(pool);
    let mut last = None;
    let ended = timeout(limit, watch(client, namespace, pool, &mut screen, &mut last)).await;
    screen.clear();
    ended.unwrap_or_else(|_| Err(late(pool, limit, last.as_ref())))
}

fn late(pool: &NodePool, limit: Duration, last: Option<&Look>) -> Ended {
    let state = last.map_or_else(|| "the meta cluster has not answered".to_owned(), Look::in_short);
    let (name, secs) = (pool.name_any(), limit.as_secs());
    let why = format!(
        "{name} is not there after {secs} s: {state}. It goes on without us; see  quarterdeck get operations -w"
    );
    Ended::new(Exit::TimedOut, why)
}

async fn watch(
    client: &Client,
    namespace: &str,
    pool: &NodePool,
    screen: &mut Screen,
    last: &mut Option<Look>,
) -> Result<String, Ended> {
    let (mut failures, mut held_up) = (0, 0);
    // Operations that were over before say nothing about this change.
    let mut old: Option<BTreeSet<String>> = None;
    loop {
        match Look::take(client, namespace, pool).await {
            Err(error) if failures >= PATIENCE || connect::is_refusal(&error) => {
                return Err(connect::failed(&error, "list", "machines", Some(namespace)));
            }
            Err(_) => failures += 1,
            Ok(look) => {
                failures = 0;
                let old = old.get_or_insert_with(|| look.over().map(|o| o.uid().unwrap_or_default()).collect());
                screen.show(&look);
                if let Some(failed) = look.failed(old) {
                    return Err(Ended::new(Exit::Failed, failed));
                }
                if look.is_done(pool) {
                    return Ok(look.summary());
                }
                match look.held_up() {
                    Some((exit, why)) if held_up >= HELD_UP => return Err(Ended::new(exit, why)),
                    Some(_) => held_up += 1,
                    None => held_up = 0,
                }
                *last = Some(look);
            }
        }
        sleep(LOOK_EVERY).await;
    }
}
