//! What a user does with a fleet, from the first look to the last: the same keys on the embedded server and on a real one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use quarterdeck::install::{OPERATOR_ROLE, VIEWER_ROLE};

use crate::{
    hands::{ENTER, ESCAPE, SIZE, command, console, leave, on_a_pool},
    lifecycle, machines,
    screen::{BEFORE_A_DIALOG, Terminal},
    stage::Stage,
};

const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const SENTENCE: &str =
    "you may not patch nodepools in namespace fleet (RBAC: ask for ClusterRole quarterdeck-operator)";

type Flow = (&'static str, fn(&Stage));

/// One fleet for all of them, for it takes a while to stand; each flow has pools of its own, and so some run side by side.
#[test]
fn everything_on_a_fleet() {
    let stage = Stage::open();
    let begin: Vec<Flow> = vec![
        ("a look around, and a filter", look_and_filter),
        ("whatever the server has, as text", any_object),
        ("scaled up, its log followed, scaled down", scale_and_follow),
        ("an upgrade of a cluster begun", lifecycle::upgrade),
    ];
    let one: Vec<Flow> = vec![("a pool replaced, paused, ended midway and gone on with", lifecycle::replace_and_abort)];
    let other: Vec<Flow> = vec![
        ("exported instead of applied", export),
        ("one machine cordoned, given back, drained and given back", machines::by_hand),
        ("marked machines replaced, held meanwhile", machines::marked),
        ("a pool of the upgraded cluster taken back", lifecycle::roll_back),
    ];
    let mut end: Vec<Flow> =
        vec![("what failed is tried again", machines::retry), ("the server is lost and comes back", lost_and_found)];
    if stage.is_real {
        // The embedded server lets everybody do everything.
        end.extend([("whoever may only look", viewer as fn(&Stage)), ("whoever may act", operator)]);
    }
    let mut failed = run(&stage, begin);
    std::thread::scope(|scope| {
        let lanes = [one, other].map(|lane| scope.spawn(|| run(&stage, lane)));
        failed.extend(lanes.into_iter().flat_map(|lane| lane.join().expect("it catches what breaks")));
    });
    failed.extend(run(&stage, end));
    assert!(failed.is_empty(), "{failed:?}");
}

/// One after another; the names of those that failed. To look at one again: `QUARTERDECK_FLOWS=WORDS` of its name.
fn run(stage: &Stage, mut flows: Vec<Flow>) -> Vec<&'static str> {
    if let Ok(words) = std::env::var("QUARTERDECK_FLOWS") {
        flows.retain(|(name, _)| name.contains(&words));
    }
    let failed = flows.into_iter().filter_map(|(name, flow)| {
        let start = std::time::Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| flow(stage)));
        println!("{name}: {} after {:.1?}", if outcome.is_ok() { "ok" } else { "FAILED" }, start.elapsed());
        outcome.is_err().then_some(name)
    });
    failed.collect()
}

/// Opens the scale dialog, arms writes in it, presses keys, and types what it takes.
fn scale(terminal: &mut Terminal, keys: &str, to: i32, phrase: &str) {
    terminal.press("s");
    terminal.sees("server dry run");
    std::thread::sleep(BEFORE_A_DIALOG);
    if !terminal.text().contains("WRITE") {
        terminal.press("W");
    }
    terminal.press(keys);
    terminal.sees(&format!("[ {to} ]"));
    let replicas = format!("replicas: {to}");
    terminal.until("the server's dry run", |text| text.contains("dry run ✔") && text.contains(&replicas));
    terminal.press(ENTER);
    terminal.type_slowly("more room");
    terminal.press(ENTER);
    terminal.type_slowly(phrase);
    terminal.sees("enter applies it");
    terminal.press(ENTER);
    terminal.sees(&format!("to {to}"));
}

fn look_and_filter(stage: &Stage) {
    let mut terminal = console(&stage.administrator());
    for words in ["ap-south-1", "eu-west-1", "us-east-1", "3 clusters", "READ-ONLY"] {
        terminal.sees(words);
    }
    terminal.press("/");
    terminal.type_slowly("cluster=eu-west-1 state=ready");
    terminal.sees("12 machines");
    terminal.sees("12 of 60 match");
    terminal.press(ESCAPE);
    terminal.until("all of it again", |text| !text.contains("match"));
    terminal.press("2");
    terminal.sees("under way · 11 known");
    terminal.press("4");
    terminal.press("?");
    terminal.sees("one row down");
    terminal.press("qqqq");
    assert_eq!(terminal.ends(), 0);
    assert!(terminal.is_restored());
}

fn scale_and_follow(stage: &Stage) {
    let mut terminal = on_a_pool(&stage.administrator(), "ap-south-1", "general");
    terminal.sees("6/6");
    scale(&mut terminal, &UP.repeat(2), 8, "general");
    terminal.sees("replicas 6 to 8");
    terminal.press("l");
    // From the pod, line by line: what the executor says of the last phase is said while we look.
    terminal.until("the log of the operation", |text| {
        text.contains("Log ap-south-1-general-up") && text.contains("Verify")
    });
    terminal.press(ESCAPE);
    terminal.sees("8/8");
    assert_eq!(stage.replicas("ap-south-1-general"), 8);

    // The terminal grows and shrinks, and the screen with it.
    terminal.resize((160, 48));
    terminal.sees("QUARTERDECK");
    terminal.resize((50, 10));
    terminal.sees("50x10 is too small");
    terminal.resize(SIZE);
    terminal.sees("8/8");

    // More than a tenth of the pool: the number is typed as well.
    scale(&mut terminal, DOWN, 7, "general 7");
    terminal.sees("7/7");
    assert_eq!(stage.replicas("ap-south-1-general"), 7);
    leave(terminal);
}

/// By the names that kubectl has for it; what is secret stays so.
fn any_object(stage: &Stage) {
    let mut terminal = console(&stage.administrator());
    for (line, said) in [
        ("yaml nodepools us-east-1-gpu", "kind: NodePool"),
        ("yaml np.quarterdeck.dev us-east-1-gpu", "clusterName: us-east-1"),
        ("describe machineset nobody", "there is no machineset nobody in fleet"),
        ("yaml secret fleet-ssh", "a Secret is not shown"),
        ("yaml widget a", "the server has no kind `widget`"),
        ("logs nobody", "pods \"nobody\" not found"),
        ("yaml namespace fleet/secrets/fleet-ssh", "is no name of an object"),
        ("messages", "Messages"),
    ] {
        command(&mut terminal, line);
        terminal.sees(said);
        terminal.press(ESCAPE);
        terminal.until("the pager to close", |text| text.contains("idle machines"));
    }
    leave(terminal);
}

fn export(stage: &Stage) {
    let mut terminal = on_a_pool(&stage.administrator(), "us-east-1", "general");
    terminal.sees("6/6");
    let open = |terminal: &mut Terminal| {
        terminal.press("s");
        terminal.sees("server dry run");
        std::thread::sleep(BEFORE_A_DIALOG);
        terminal.press(UP);
        terminal.sees("[ 7 ]");
        // Still read-only: that is when an export is of use.
        terminal.press("x");
        terminal.sees("kubectl command");
        std::thread::sleep(BEFORE_A_DIALOG);
    };
    open(&mut terminal);
    terminal.sees("kubectl --namespace fleet patch nodepools.quarterdeck.dev us-east-1-general");
    terminal.press("\t\t");
    terminal.sees("apiVersion: quarterdeck.dev/v1alpha1");
    terminal.press("w");
    terminal.sees("written to");
    let text = std::fs::read_to_string(terminal.home.path().join("us-east-1-general.yaml")).expect("it is written");
    assert!(text.contains("replicas: 7") && text.contains("kind: NodePool"), "{text}");
    // Nothing was changed, and what is written is not written over.
    assert_eq!(stage.replicas("us-east-1-general"), 6);
    open(&mut terminal);
    terminal.press("\t\tw");
    terminal.sees("is there already, and is not written over");
    leave(terminal);
}

fn lost_and_found(stage: &Stage) {
    let mut terminal = on_a_pool(&stage.administrator(), "us-east-1", "gpu");
    terminal.sees("desired 3");
    terminal.press("W");
    terminal.sees("WRITE");
    stage.line.cut();
    terminal.until("the age of what is shown", |text| text.contains(" old") && text.contains("again in"));
    terminal.sees("the API server cannot be reached");
    assert!(terminal.text().contains("desired 3"), "what was last seen stays: {}", terminal.text());
    terminal.press("p");
    terminal.sees("cannot reach the API server");
    stage.scale("us-east-1-gpu", 4);
    stage.line.heal();
    terminal.sees("● live");
    terminal.sees("desired 4");
    assert!(!terminal.text().contains("paused"), "what could not be sent is not sent later: {}", terminal.text());
    leave(terminal);
}

/// An account with the role for looking; then the administrator gives it the other one.
fn viewer(stage: &Stage) {
    let nobody = stage.account("vera");
    let output = stage.command(&nobody, "get pools");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("you may not list nodepools in namespace fleet (RBAC: ask for ClusterRole quarterdeck-viewer)")
    );

    stage.grant("vera", VIEWER_ROLE);
    let mut terminal = on_a_pool(&nobody, "eu-west-1", "gpu");
    terminal.until("that nothing can be changed", |text| text.contains("VIEW ONLY") && text.contains("(s scale)"));
    for key in ["s", "p", "H", "W"] {
        terminal.press(key);
        terminal.sees(SENTENCE);
        terminal.press("j");
        terminal.until("the sentence gone", |text| !text.contains(SENTENCE));
        terminal.press("k");
    }
    assert!(!terminal.text().contains("server dry run"), "{}", terminal.text());
    terminal.press(":");
    terminal.type_slowly("scale");
    terminal.sees("you may not patch nodepools");
    // By itself: with a key right behind it, it would be that key with alt.
    terminal.press(ESCAPE);
    terminal.sees("(s scale)");
    // Looking is what the role is for, and the log of a pod belongs to it.
    command(&mut terminal, "pool ap-south-1/general");
    terminal.press("l");
    terminal.until("a log", |text| text.contains("Log ap-south-1-general-") && text.contains("Cleanup"));

    let output = stage.command(&nobody, "scale eu-west-1/gpu 4 --yes");
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains(SENTENCE), "{output:?}");
    assert_eq!(stage.replicas("eu-west-1-gpu"), 3);

    stage.grant("vera", OPERATOR_ROLE);
    terminal.press(ESCAPE);
    std::thread::sleep(std::time::Duration::from_secs(5));
    terminal.press("s");
    terminal.sees("you may change the fleet now");
    terminal.sees("READ-ONLY");
    leave(terminal);
}

fn operator(stage: &Stage) {
    let account = stage.account("otto");
    stage.grant("otto", OPERATOR_ROLE);
    let mut terminal = on_a_pool(&account, "eu-west-1", "general");
    terminal.sees("6/6");
    // Production: the number as well.
    scale(&mut terminal, UP, 7, "general 7");
    terminal.sees("7/7");
    assert_eq!(stage.replicas("eu-west-1-general"), 7);
    leave(terminal);
}
