//! What nobody knows is not shown as a fact: clusters that do not answer, objects without a status, lists that were cut.

use super::*;

#[test]
fn a_cluster_that_is_not_reached_answers_neither_yes_nor_no() {
    let check = |probe: &str, status: Value, expected: &[&str]| {
        let mut status = status;
        status["conditions"] = json!([{"type": "RemoteConnectionProbe", "status": probe, "reason": "R", "message": "",
            "lastTransitionTime": "2026-11-21T11:00:00Z"}]);
        let words = ["not reached", "+ answers", "  answers", "+ version", "+ nodes", "  nodes"];
        assert_eq!(lines(&[deployment(), cluster(status)], Beside::default(), &words), expected, "{probe}");
    };
    let seen = json!({"version": "v1.33.6", "nodes": {"total": 3, "ready": 2}});
    let figures = ["+ version: 1.33.6", "+ nodes: 3", "+ nodes that are ready: 2"];
    let mut known = seen.clone();
    known["lastProbeTime"] = json!("2026-11-21T11:00:00Z");
    let said = "# not reached: its version and its nodes are as of 2026-11-21T11:00:00Z (1h00m ago)";
    check("True", known.clone(), &[&["  answers: yes"], &figures[..]].concat());
    check("Unknown", known.clone(), &[&[said, "+ answers: unknown"], &figures[..]].concat());
    check("False", known, &[&[said, "+ answers: no"], &figures[..]].concat());
    let said = "# not reached: its version and its nodes are as last seen, nobody knows when";
    check("Unknown", seen, &[&[said, "+ answers: unknown"], &figures[..]].concat());
    let nothing = ["+ version: –", "+ nodes: –", "+ nodes that are ready: –"];
    let said = "# not reached: nobody has answered yet";
    check("Unknown", json!({}), &[&[said, "+ answers: unknown"], &nothing[..]].concat());
}

#[test]
fn of_pools_that_nobody_has_looked_at_nothing_is_known() {
    let plane = |name: &str, status: Value| -> NodePool {
        let mut pool = pool(status);
        pool["metadata"]["name"] = json!(name);
        pool["spec"]["role"] = json!("ControlPlane");
        object(pool)
    };
    let check = |pools: Vec<NodePool>, cut: bool, words: &[&str], expected: &[&str]| {
        let left_out = LeftOut { pools: cut, ..LeftOut::default() };
        let beside = Beside { pools, left_out, ..Beside::default() };
        assert_eq!(lines(&[deployment(), cluster(json!({}))], beside, words), expected);
    };
    let (seen, none) = (plane("eu-1-a", json!({"replicas": 3, "readyReplicas": 2})), plane("eu-1-b", Value::Null));
    check(vec![seen.clone()], false, &["+ members"], &["+ members that are ready: 2"]);
    let unknown =
        ["+ members of the control plane: –", "+ members that are ready: –", "+   eu-1-b: – ready, made by hand"];
    check(vec![seen.clone(), none], false, &["+ members", "eu-1-b"], &unknown);
    let cut = ["# there are more pools: only the first 1 were read", "-   gpu: one", "+   gpu: not read"];
    check(vec![seen], true, &["more pools", "nodes", "members", "gpu"], &cut);
    let alone = lines(&[pool(Value::Null)], Beside::default(), &["looked", "+ "]);
    let fields = ["+ replicas: –", "+ ready: –", "+ up to date: –", "+ failed: –"];
    let rest = ["+   any version: 0", "+ set of the present revision: –"];
    let names = ["+++ is there: its status, its machines and its sets", "# no controller has looked at it yet"];
    assert_eq!(alone, [&names[..], &fields, &rest].concat());
}

#[test]
fn machines_that_were_left_out_are_not_missing() {
    let status = json!({"replicas": 50_000, "readyReplicas": 50_000, "updatedReplicas": 50_000, "version": "1.34.2",
        "currentMachineSet": "eu-1-gpu-new"});
    let mut pool = pool(status);
    pool["spec"]["replicas"] = json!(50_000);
    let check = |pool: &Value, versions: &[&str], cut: LeftOut, sets: Vec<MachineSet>, expected: &[&str]| {
        let members = versions.iter().map(|version| member("m", "eu-1-gpu-new", version)).collect();
        let beside = Beside { left_out: cut, ..with_deployment(members, sets) };
        assert_eq!(lines(std::slice::from_ref(pool), beside, &["# there", "read", "Nothing"]), expected);
    };
    let machines = LeftOut { machines: true, ..LeftOut::default() };
    let note = "# there are more machines: only the first 2 were read";
    let sets = vec![set("eu-1-gpu-new", "1.34.2", "ml")];
    let same = "Nothing differs: in 12 fields what is asked for is what is there.";
    check(&pool, &["1.34.2", "1.34.2"], machines, sets.clone(), &[note, same]);
    let mixed = [
        note,
        "-   1.34.2: 2 of 2 read",
        "+   1.34.2: 1 of 2 read",
        "+   1.33.6: 1 of 2 read",
        "  set eu-1-gpu-new, revision -new: 2 of 2 read",
    ];
    check(&pool, &["1.34.2", "1.33.6"], machines, sets, &mixed);
    let cut = LeftOut { sets: true, ..LeftOut::default() };
    let said = ["# there are more sets: only the first 0 were read", "+ set of the present revision: not read"];
    check(&pool, &[], cut, Vec::new(), &said);
}

#[test]
fn of_a_machine_nobody_says_more_than_is_known() {
    let check = |(type_, state, cut): (&str, &str, bool), found: Option<Member>, expected: &str| {
        let operation = json!({
            "kind": "Operation", "metadata": {"name": "ours"},
            "spec": {"type": type_, "clusterName": "eu-1", "poolName": "eu-1-gpu", "runbook": "r",
                "machines": [{"name": "m1", "uid": "u"}]},
            "status": {"state": state, "startedAt": "2026-11-21T11:00:00Z"},
        });
        let left_out = LeftOut { machines: cut, ..LeftOut::default() };
        let beside = Beside { members: found.into_iter().collect(), left_out, ..Beside::default() };
        let said = lines(&[operation], beside, &["  m1: "]);
        let there = said.last().map(|line| line[1..].trim().to_owned());
        assert_eq!(there, Some(format!("m1: {expected}")), "{type_} {state} {cut}");
    };
    check(("ScaleDown", "Running", false), None, "released");
    check(("ScaleDown", "Failed", false), None, "done");
    check(("Replace", "Cancelled", false), None, "no machine of this pool any more");
    check(("ScaleUp", "Running", false), None, "no machine of this pool any more");
    for (type_, state) in [("ScaleDown", "Running"), ("Replace", "Failed"), ("ScaleUp", "Running")] {
        check((type_, state, true), None, "not read");
    }
    check(("ScaleDown", "Succeeded", true), None, "done");
    let worked = |by: Option<&str>, at: Option<&str>| {
        let since = at.map(|at| at.parse().expect("a time"));
        Some(Member {
            name: "m1".into(),
            state: "Ready".into(),
            operation: by.map(Into::into),
            since,
            ..Member::default()
        })
    };
    let ended = ("Upgrade", "Failed", false);
    check(ended, worked(None, None), "left as it was, Ready");
    check(ended, worked(Some("other"), Some("2026-11-21T10:00:00Z")), "left as it was, Ready");
    check(ended, worked(Some("other"), Some("2026-11-21T11:30:00Z")), "since then worked on by other");
    check(ended, worked(Some("other"), None), "last worked on by other");
    check(("Upgrade", "Running", false), worked(Some("other"), None), "not begun");
}
