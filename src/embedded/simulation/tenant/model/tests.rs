//! Small clusters in a notation, and what is due in them.

use k8s_openapi::{api::core::v1::PodTemplateSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::*;

/// Nodes `name` with flags: `!` not ready, `x` cordoned, `~` kubelet stopped, `g` tainted, `o` to be avoided, `a` given up,
/// `b` of a broken version.
fn nodes(model: &mut Model, words: &str) {
    for word in words.split_whitespace() {
        let (name, flags) = word.split_at(2);
        let taints = |flag, key: &str| flags.contains(flag).then(|| key.to_owned()).into_iter().collect();
        let row = NodeRow {
            revision: 1,
            ready: !flags.contains('!'),
            schedulable: !flags.contains('x'),
            kubelet: !flags.contains('~'),
            version: if flags.contains('b') { "1.35.0" } else { "1.34.2" }.to_owned(),
            taints: taints('g', "gpu"),
            avoided: taints('o', "outdated"),
            ..NodeRow::default()
        };
        model.put_node(name.into(), row);
        if flags.contains('a') {
            model.abandon(name);
        }
    }
}

/// Pods `name@node` with flags: `.` not running, `,` running and not ready, `-` being deleted, `g` tolerating, `*` tolerating
/// everything; all belong to one set.
fn pods(model: &mut Model, words: &str) {
    for word in words.split_whitespace() {
        let (name, rest) = word.split_once('@').unwrap();
        let (node, flags) = rest.split_at(rest.len().min(2));
        let tolerates = |flag, key: &str| flags.contains(flag).then(|| key.to_owned());
        let row = PodRow {
            namespace: "x".into(),
            name: name.into(),
            revision: 1,
            owner: Some("set".into()),
            node: (node != "--").then(|| node.into()),
            running: !flags.contains('.'),
            ready: !flags.contains(['.', ',']),
            ready_after_secs: 9,
            grace: flags.contains('-').then_some(30),
            tolerates: tolerates('g', "gpu").into_iter().chain(tolerates('*', "")).collect(),
            over: false,
        };
        model.put_pod(name.into(), row);
    }
}

fn model(node_words: &str, pod_words: &str, size: Size) -> Model {
    let mut model = Model::new(Some(Broken { version: "1.35.0".into(), workers_only: false }));
    nodes(&mut model, node_words);
    pods(&mut model, pod_words);
    let metadata = ObjectMeta { name: Some("set".into()), uid: Some("set".into()), ..ObjectMeta::default() };
    model.put_set(SetRow::new("Set", &metadata, size, PodTemplateSpec::default()));
    model
}

fn words(acts: &[Act]) -> String {
    let word = |act: &Act| match act {
        Act::Create { node: Some(node), .. } => format!("create at {node}"),
        Act::Create { nth, .. } => format!("create{nth}"),
        Act::Remove { pod } => format!("remove {pod}"),
        Act::Bind { pod, node } => format!("bind {pod} {node}"),
        Act::Start { pod } => format!("start {pod}"),
        Act::Ready { pod, after_secs } => format!("ready {pod} {after_secs}"),
        Act::Unready { pod } => format!("unready {pod}"),
        Act::Finish { pod, grace } => format!("finish {pod} {grace}"),
        Act::NodeReady { node } => format!("ready {node}"),
        Act::NodeLost { node } => format!("lost {node}"),
        Act::Abandon { node } => format!("abandon {node}"),
    };
    acts.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn check_size(nodes: &str, pods: &str, size: Size, expected: &str) {
    let mut model = model(nodes, pods, size);
    assert_eq!(words(&model.due(&BTreeSet::new())), expected, "{nodes} | {pods}");
    assert_eq!(words(&model.due(&BTreeSet::new())), "", "what was said is not said again: {nodes} | {pods}");
}

#[track_caller]
fn check(nodes: &str, pods: &str, replicas: usize, expected: &str) {
    check_size(nodes, pods, Size::Replicas(replicas), expected);
}

#[test]
fn a_set_keeps_its_number_and_evicted_pods_are_replaced_elsewhere() {
    check("n1 n2", "a@n1 b@n2", 2, "");
    check("n1 n2", "a@n1 b@n2", 3, "create0");
    check("n1x n2", "a@n1- b@n2", 2, "finish a 30, create0");
    check("n1x n2", "c@--. b@n2", 2, "bind c n2");
    check("n1x n2", "c@n2. b@n2", 2, "start c");
    check("n1x n2", "c@n2, b@n2", 2, "ready c 9");
    check("n1 n2", "a@n1 b@n2.", 1, "start b, remove b");
}

#[test]
fn pods_go_where_there_is_room_and_they_are_tolerated() {
    check("n1 n2 n3", "a@n1 b@n2 c@--. d@--.", 4, "bind c n3, bind d n1");
    check("n1! n2x n3g", "c@--.", 1, "ready n1");
    check("n1 n2 n3g", "c@--.g", 1, "bind c n3");
    check("n1o n2", "a@n2 b@n2 c@--.", 3, "bind c n2");
    check("n1o n2x", "b@n2 c@--.", 2, "bind c n1");
    check("n1x n2x", "c@--.", 1, "");
}

#[test]
fn pods_of_a_stateful_set_have_numbers_and_come_one_after_the_other() {
    let check = |pods, replicas, expected| check_size("n1 n2", pods, Size::Ordinals(replicas), expected);
    check("", 3, "create0");
    check("set-0@n1, set-1@n1", 3, "ready set-0 9");
    check("set-0@n1 set-2@n1", 3, "create1");
    check("set-0@n1 set-1@n1- set-2@n1", 3, "finish set-1 30");
    check("set-0@n1 set-1@n1 set-2@n1", 1, "remove set-2");
}

#[test]
fn daemons_run_on_every_node_whose_kubelet_runs() {
    check_size("n1 n2x n3~!a", "a@n1*", Size::EachNode, "create at n2");
}

#[test]
fn a_lost_node_keeps_its_pods_for_a_while_and_a_gone_node_takes_them_along() {
    check("n1~ n2", "a@n1-", 0, "lost n1");
    check("n1~! n2", "a@n1 b@n1*", 2, "abandon n1, unready a, unready b");
    check("n1~!a n2", "a@n1, b@n1,*", 2, "remove a");
    check("n2", "a@n1 b@n1-", 0, "finish a 0, finish b 0, remove a");
}

#[test]
fn a_broken_version_never_becomes_ready() {
    check("n1!b n2!", "", 0, "ready n2");
    let workers = Broken { version: "1.35.0".into(), workers_only: true };
    assert!(workers.breaks("1.35.0", false) && !workers.breaks("1.35.0", true) && !workers.breaks("1.34.2", false));
}

#[test]
fn only_what_changed_is_looked_at() {
    let mut model = model("n1 n2", "a@n1 b@n2", Size::Replicas(2));
    assert_eq!(words(&model.due(&BTreeSet::new())), "");
    assert!(model.pod_gone("a"));
    assert_eq!(model.dirty.pods.len() + model.dirty.nodes.len(), 1);
    assert_eq!(words(&model.due(&BTreeSet::new())), "create0");
    pods(&mut model, "c@--.");
    let bind = model.due(&BTreeSet::new());
    assert_eq!(words(&bind), "bind c n1");
    // It could not be begun: it is due again.
    model.touch(&bind[0]);
    assert_eq!(words(&model.due(&BTreeSet::new())), "bind c n1");
    nodes(&mut model, "n3");
    assert_eq!(model.dirty.pods.len(), 0, "a node more concerns no pod that has one");
}
