//! What maintenance windows mean for a wish, and what is written by who does not wait for them.

use serde_json::json;

use super::*;

/// The cluster is asked at 13:46:40 UTC of 12 January 1970, a Monday.
fn windowed(schedule: &str, minutes: i32, pools: &str) -> Small {
    let mut small = small("1.33.6", pools, 2);
    let window = json!({"schedule": schedule, "durationMinutes": minutes});
    small.deployment.spec.maintenance_windows = vec![serde_json::from_value(window).expect("a window")];
    small
}

fn now(wish: Wish) -> Wish {
    match wish {
        Wish::Upgrade { pool, version, .. } => Wish::Upgrade { pool, version, outside_window: true },
        Wish::Replace { pool, .. } => Wish::Replace { pool, outside_window: true },
        Wish::ReplaceMachines { pool, machines, .. } => Wish::ReplaceMachines { pool, machines, outside_window: true },
        Wish::Rollback { pool, .. } => Wish::Rollback { pool, outside_window: true },
        other => other,
    }
}

#[test]
fn a_plan_says_what_the_maintenance_window_means_for_it() {
    let said = |small: &Small, wish: Wish| {
        let preview = preview(&small.scene(), &wish).expect("it is planned");
        let window = preview.window.map(|w| format!("{} {}", w.words(|s| format!("{s} s")), w.is_in_the_way));
        (window.unwrap_or_default(), preview.warnings.join("; "))
    };
    let to = || upgrade(None, "1.34.2");
    let none = said(&small("1.33.6", "a=2@1.33.6", 2), to());
    assert_eq!(none, (String::new(), String::new()));

    let mut open = windowed("0 12 * * *", 120, "a=2@1.33.6");
    let rest = "what is not begun by Mon 12 Jan 14:00 UTC waits for the next window, Tue 13 Jan 12:00 UTC";
    let closes = "open: closes in 800 s, Mon 12 Jan 14:00 UTC";
    assert_eq!(said(&open, to()), (format!("{closes} true"), rest.to_owned()), "nobody knows how long it takes");
    open.operations = notation::operations("up:ScaleUp:Succeeded=x down:Replace:Succeeded=x");
    let phase = |p95| json!({"phase": "All", "machines": 1, "p50Milliseconds": 1000, "p95Milliseconds": p95});
    let took = |small: &mut Small, p95: i64| {
        for operation in &mut small.operations {
            let durations = vec![serde_json::from_value(phase(p95)).expect("a phase")];
            operation.status.as_mut().expect("a status").phase_durations = durations;
        }
    };
    took(&mut open, 150_000);
    assert_eq!(said(&open, to()), (format!("{closes} false"), String::new()));
    took(&mut open, 300_000);
    assert_eq!(said(&open, to()), (format!("{closes} true"), rest.to_owned()));
    assert_eq!(said(&open, now(to())), (format!("{closes}, not waited for true"), String::new()));

    let closed = windowed("0 12 * * 3", 120, "a=2@1.33.6");
    let opens = "closed: opens in 166400 s, Wed 14 Jan 12:00 UTC";
    assert_eq!(said(&closed, to()).0, format!("{opens} true"));
    assert_eq!(said(&closed, now(to())), (format!("{opens}, not waited for true"), String::new()));
    let broken = windowed("0 25 * * 3", 120, "a=2@1.33.6");
    let (window, warning) = said(&broken, to());
    assert!(window == "cannot be read true" && warning.contains("maintenanceWindows[0] cannot be read"), "{warning}");
    assert_eq!(said(&broken, Wish::Hold { pool: "a".to_owned() }).0, "", "nothing waits");
}

#[test]
fn who_does_not_wait_for_a_window_confirms_more_and_says_so_of_this_rollout_alone() {
    let small = windowed("0 12 * * 3", 120, "a=20@1.33.6");
    let level = |wish: Wish| preview(&small.scene(), &wish).expect("it is planned").level;
    assert_eq!((level(upgrade(None, "1.34.2")), level(now(upgrade(None, "1.34.2")))), (2, 3));

    let author = Author { by: "alice", reason: Some("CVE") };
    let of = |small: &Small, wish: Wish| changes(&small.scene(), &wish, &author).expect("it is planned");
    let said = |change: &Change| change.patch["metadata"]["annotations"]["quarterdeck.dev/outside-window"].clone();
    let revision = |pool: &NodePool, version: &str| json!(pool.spec.revision(Some(version)));

    // A whole cluster: the deployment first, then the word on each of its pools, for all versions on the way.
    let both = windowed("0 12 * * 3", 120, "cp:ControlPlane=3@1.33.6 a=2@1.33.6");
    let all = of(&both, now(upgrade(None, "1.35.0")));
    let kinds: Vec<_> = all.iter().map(|c| (c.kind, c.name.as_str())).collect();
    assert_eq!(kinds, [("ClusterDeployment", "blue"), ("NodePool", "cp"), ("NodePool", "a")]);
    let steps = ["1.34.2", "1.35.0"].map(|v| both.pools[0].spec.revision(Some(v)));
    assert_eq!((said(&all[1]), said(&all[2])), (json!(steps.join(",")), revision(&both.pools[1], "1.35.0")));
    assert_eq!(all[1].patch["metadata"]["annotations"]["quarterdeck.dev/reason"], "CVE");
    assert_eq!(all[1].patch.get("spec"), None, "the pool itself stays as it is");

    // One pool, machines by name, and the way back.
    let [one] = &of(&small, now(upgrade(Some("a"), "1.32.9")))[..] else { panic!("one change") };
    assert_eq!(said(one), revision(&small.pools[0], "1.32.9"));
    let replace = Wish::Replace { pool: "a".into(), outside_window: true };
    let [all] = &of(&small, replace.clone())[..] else { panic!("one change") };
    let mut after = serde_json::to_value(&small.pools[0]).expect("it serialises");
    json_patch::merge(&mut after, &all.patch);
    let after: NodePool = serde_json::from_value(after).expect("still a pool");
    assert_eq!(said(all), revision(&after, "1.33.6"), "the revision that the pool has once it is written");
    let some = Wish::ReplaceMachines { pool: "a".into(), machines: vec!["a-1".into()], outside_window: true };
    let marks = of(&small, some.clone());
    assert_eq!(said(&marks[0]), marks[0].patch["metadata"]["annotations"]["quarterdeck.dev/replace-machine"]);

    // Nothing is said where there is no window, and what was said before is taken back by who does not say it.
    let without = super::small("1.33.6", "a=20@1.33.6", 2);
    for wish in [replace, some, now(upgrade(Some("a"), "1.32.9"))] {
        assert!(of(&without, wish).iter().all(|c| said(c).is_null() && !c.patch.to_string().contains("outside")));
    }
    let mut again = windowed("0 12 * * 3", 120, "a=2@1.33.6");
    again.pool(json!({"metadata": {"annotations": {"quarterdeck.dev/outside-window": "0badcafe"}}}));
    for wish in [upgrade(None, "1.34.2"), Wish::Replace { pool: "a".into(), outside_window: false }] {
        let all = of(&again, wish);
        let last = all.last().expect("a change");
        assert!(last.kind == "NodePool" && last.patch.to_string().contains("\"quarterdeck.dev/outside-window\":null"));
    }
}

#[test]
fn a_replacement_that_waits_already_is_told_that_it_need_not() {
    let mut small = windowed("0 12 * * 3", 120, "a=3@1.33.6");
    let waits = |reason: &str, after: serde_json::Value, from: &str| {
        json!({
            "spec": {"rollout": {"after": after}},
            "status": {"rollout": {"revision": "new", "version": "1.33.6", "fromVersions": [from], "outdated": 2, "reason": reason}},
        })
    };
    let asked = "1970-01-12T13:00:00Z";
    small.pool(waits("WindowClosed", json!(asked), "1.33.6"));
    small.machines[0].spec.claim_ref.as_mut().expect("a claim").revision = Some("new".to_owned());
    let replace = Wish::Replace { pool: "a".into(), outside_window: false };
    let said = words(preview(&small.scene(), &replace));
    assert!(said.contains("waits for a maintenance window (2 machines left)") && said.contains("ctrl-n"), "{said}");
    let begun = preview(&small.scene(), &now(replace.clone())).expect("it is planned");
    assert_eq!((begun.machines, begun.title.as_str(), begun.level), (2, "Replace what is left of a: 2 machines", 3));
    let author = Author { by: "alice", reason: None };
    let [one] = &changes(&small.scene(), &now(replace.clone()), &author).expect("it is planned")[..] else { panic!() };
    assert_eq!(one.patch["metadata"]["annotations"]["quarterdeck.dev/outside-window"], "new");
    assert_eq!(one.patch.get("spec"), None, "no second one is begun");
    // Another rollout under way is another rollout.
    for (reason, after, from) in [
        ("Limit", json!(asked), "1.33.6"),
        ("WindowClosed", json!(null), "1.33.6"),
        ("WindowClosed", json!(asked), "1.32.9"),
    ] {
        small.pool(waits(reason, after, from));
        let said = words(preview(&small.scene(), &now(replace.clone())));
        assert!(said.contains("is being rolled out to 1.33.6 already"), "{said}");
    }
}
