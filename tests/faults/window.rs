//! A rollout that meets the end of a maintenance window: time alone stops it and lets it go on. Nothing else goes wrong.

use jiff::Timestamp;
use quarterdeck::{api::labels, embedded::faults::Faults};
use serde_json::{Value, json};

use crate::{
    fleet::{Fleet, Running},
    runs::{alone, now},
};

/// A pool of three whose cluster has this window, asked for another version; each new node has to prove itself for ten
/// minutes.
async fn rolling(schedule: &str, minutes: i32) -> (Fleet, Running) {
    let fleet = Fleet::open(5).await;
    let running = fleet.start("one", |client| client);
    fleet.scale(3).await;
    fleet.settled(3).await;
    let window = json!({ "schedule": schedule, "durationMinutes": minutes });
    fleet.change("clusterdeployments", "blue", &json!({ "spec": { "maintenanceWindows": [window] } })).await;
    let rollout = json!({ "spec": { "version": "1.34.3", "rollout": { "minReadySeconds": 600 } } });
    fleet.change("nodepools", "blue-pool", &rollout).await;
    (fleet, running)
}

/// What the pool says of its rollout: a word and a sentence.
async fn said(fleet: &Fleet) -> (String, String) {
    let pool = fleet.pool().await.unwrap_or_default();
    let all = pool["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let of = |key: &str| {
        let condition = all.iter().find(|c| c["type"] == "RollingOut");
        condition.and_then(|c| c[key].as_str()).unwrap_or_default().to_owned()
    };
    (of("reason"), of("message"))
}

async fn waits(fleet: &Fleet, for_: &str) {
    fleet
        .until(&format!("it waits for {for_}"), async || {
            let (reason, message) = said(fleet).await;
            reason == "WindowClosed" && message.contains(&format!("outside of the maintenance window: goes on {for_}"))
        })
        .await;
}

/// Nothing goes wrong here, so there is nothing to wait for before.
async fn rests(fleet: &Fleet) {
    fleet.rests(&Faults::none().layer()).await;
}

async fn operations(fleet: &Fleet) -> Vec<Value> {
    fleet.list("operations").await
}

async fn is_idle(fleet: &Fleet) -> bool {
    operations(fleet).await.iter().all(|o| o["status"]["finishedAt"].is_string())
}

/// Minutes since the run began, at midnight.
fn minute() -> i64 {
    now().duration_since(Timestamp::constant(1_767_225_600, 0)).as_mins()
}

#[test]
fn a_rollout_stops_as_the_window_closes_and_goes_on_as_it_opens() {
    alone(async {
        let (fleet, _running) = rolling("20 * * * *", 15).await;
        waits(&fleet, "Thu 1 Jan 00:20 UTC").await;
        let before = operations(&fleet).await.len();
        rests(&fleet).await;
        assert_eq!((operations(&fleet).await.len(), minute() < 20), (before, true), "nothing is begun before");

        fleet.until("it begins", async || operations(&fleet).await.len() > before).await;
        assert_eq!(minute(), 20, "as soon as it opens, and without polling");
        fleet
            .until("a machine has given way", async || fleet.pool().await.unwrap()["status"]["updatedReplicas"] == 2)
            .await;
        waits(&fleet, "Thu 1 Jan 01:20 UTC").await;
        assert!(minute() >= 35, "{}", minute());
        fleet.until("what was under way is finished", async || is_idle(&fleet).await).await;
        let half = operations(&fleet).await.len();
        let updated = fleet.pool().await.unwrap()["status"]["updatedReplicas"].as_i64().unwrap();
        assert!((1..3).contains(&updated), "between two batches: {updated}");
        rests(&fleet).await;
        assert_eq!(operations(&fleet).await.len(), half, "nothing more is begun");

        fleet.rolled(3).await;
        assert!((80..110).contains(&minute()), "in the next window: {}", minute());
        fleet.verdict().await;
    });
}

#[test]
fn who_does_not_wait_is_obeyed_for_one_rollout() {
    alone(async {
        let (fleet, _running) = rolling("0 9 * * *", 60).await;
        waits(&fleet, "Thu 1 Jan 09:00 UTC").await;
        let pool = fleet.pool().await.unwrap();
        let word = |revision: &str| json!({ "metadata": { "annotations": { labels::OUTSIDE_WINDOW: revision } } });
        fleet.change("nodepools", "blue-pool", &word("0badcafe")).await;
        rests(&fleet).await;
        waits(&fleet, "Thu 1 Jan 09:00 UTC").await;
        let revision = pool["status"]["rollout"]["revision"].as_str().expect("it is being rolled out");
        fleet.change("nodepools", "blue-pool", &word(revision)).await;
        fleet.rolled(3).await;
        let is_used_up =
            async || fleet.pool().await.unwrap()["metadata"]["annotations"][labels::OUTSIDE_WINDOW].is_null();
        fleet.until("the word is used up", is_used_up).await;
        fleet.roll("1.34.4", "RollingUpdate").await;
        waits(&fleet, "Thu 1 Jan 09:00 UTC").await;
        rests(&fleet).await;
        fleet.verdict().await;
    });
}

#[test]
fn a_window_that_cannot_be_read_is_said_and_holds_rollouts_up() {
    alone(async {
        let (fleet, _running) = rolling("0 25 * * *", 60).await;
        fleet.until("the rollout says so", async || said(&fleet).await.0 == "InvalidMaintenanceWindow").await;
        let ready = async || {
            let deployment = fleet.list("clusterdeployments").await.remove(0);
            let all = deployment["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = all.into_iter().find(|c| c["type"] == "Ready").unwrap_or_default();
            (ready["status"].to_string(), ready["reason"].to_string(), ready["message"].to_string())
        };
        let (status, reason, message) = ready().await;
        assert_eq!((status.as_str(), reason.as_str()), ("\"False\"", "\"InvalidMaintenanceWindow\""));
        assert!(message.contains("maintenanceWindows[0] cannot be read: schedule"), "{message}");
        let before = operations(&fleet).await.len();
        // Scaling waits for nothing.
        fleet.scale(4).await;
        fleet.until("a fourth joins", async || fleet.list("nodes").await.len() == 4).await;
        fleet.until("it is up", async || is_idle(&fleet).await).await;
        assert_eq!(operations(&fleet).await.len(), before + 1);
        rests(&fleet).await;
        let always = json!({ "spec": { "maintenanceWindows": null } });
        fleet.change("clusterdeployments", "blue", &always).await;
        fleet.rolled(4).await;
        assert_eq!(ready().await.1, "\"Ready\"");
        fleet.verdict().await;
    });
}
