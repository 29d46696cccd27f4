//! Whole pools and clusters that go to other machines or to another version, are stopped midway, and go on or back.

use crate::{
    hands::{command, console, fill_in, go_to_pool, leave, on_a_pool, open, yes},
    stage::Stage,
};

/// All machines of a pool are replaced; it is paused, ended where it is, and goes on to its end when it is asked for again.
pub fn replace_and_abort(stage: &Stage) {
    let mut terminal = on_a_pool(&stage.administrator(), "us-east-1", "gpu");
    terminal.sees("3/3");
    let before = stage.members("us-east-1-gpu");
    open(&mut terminal, "R", "Replace  us-east-1 / gpu");
    fill_in(&mut terminal, "CHG-7", "us-east-1-gpu");
    terminal.sees("why not faster");
    terminal.sees("if stopped now");
    // Stopping is one key, and going on is a question.
    terminal.press("p");
    terminal.sees("‖ Paused");
    open(&mut terminal, "A", "Abort  us-east-1 / gpu");
    terminal.sees("us-east-1-gpu is under way");
    fill_in(&mut terminal, "CHG-8", "us-east-1-gpu");
    terminal.sees("the rollout was ended: ");
    yes(&mut terminal, "p", "Let us-east-1-gpu go on?");
    terminal.until("the pool at rest", |text| text.contains("✔ Ready") && text.contains("3/3"));
    let kept = stage.members("us-east-1-gpu");
    assert!(kept.iter().any(|machine| before.contains(machine)), "some stay as they were: {kept:?} of {before:?}");
    assert!(terminal.text().contains("the rollout was ended: "), "{}", terminal.text());

    open(&mut terminal, "R", "Replace  us-east-1 / gpu");
    // There is one at a time: who asks for another one is told.
    fill_in(&mut terminal, "CHG-9", "us-east-1-gpu");
    terminal.sees("why not faster");
    terminal.press("R");
    terminal.sees("is being rolled out to 1.33.6 already");
    terminal.press(crate::hands::ESCAPE);
    terminal.until("the pool at rest", |text| {
        text.contains("✔ Ready") && text.contains("3/3") && !text.contains("the rollout was ended")
    });
    let new = stage.members("us-east-1-gpu");
    assert!(new.len() == 3 && new.iter().all(|machine| !kept.contains(machine)), "{new:?} after {kept:?}");
    leave(terminal);
}

/// A whole cluster goes to the next minor version; it takes a while, and others do something else meanwhile.
pub fn upgrade(stage: &Stage) {
    let mut terminal = console(&stage.administrator());
    command(&mut terminal, "cluster ap-south-1");
    open(&mut terminal, "U", "Upgrade  ap-south-1");
    // What is on offer, and each step of the way with its batches.
    for words in ["1.32.9 → [ 1.33.6 ]", "1.35.0  1.34.2  1.33.6  1.32.9", "stage 1", "InPlace", "stage 2", "at least"]
    {
        terminal.sees(words);
    }
    // Further than kubelets may be behind: the way there is longer.
    terminal.press("\x1b[A\x1b[A");
    terminal.sees("[ 1.35.0 ]");
    terminal.sees("1.33.6 → 1.34.2");
    terminal.press("\x1b[B\x1b[B");
    terminal.sees("[ 1.33.6 ]");
    terminal.until("the dry run", |text| text.contains("dry run ✔") && text.contains("version: \"1.33.6\""));
    fill_in(&mut terminal, "CHG-10", "ap-south-1");
    go_to_pool(&mut terminal, "ap-south-1", "control-plane");
    terminal.until("how far it is", |text| text.contains("1.32.9 → 1.33.6") && text.contains("if stopped now"));
    leave(terminal);
}

/// A pool of that cluster goes back to the version before, while the cluster is at the next one.
pub fn roll_back(stage: &Stage) {
    let mut terminal = on_a_pool(&stage.administrator(), "ap-south-1", "gpu");
    terminal.until("machines at the new version", |text| {
        text.contains("1.32.9 → 1.33.6") || text.contains("3/3 1.33.6") || text.contains("version 1.33.6")
    });
    open(&mut terminal, "z", "Roll back  ap-south-1 / gpu");
    terminal.sees("1.33.6 → 1.32.9");
    terminal.sees("no longer follows its cluster");
    fill_in(&mut terminal, "CHG-11", "ap-south-1-gpu");
    terminal.until("the pool back where it was", |text| text.contains("✔ Ready") && text.contains("version 1.32.9"));
    // The rest of the cluster is at the next version when that is over; nothing of it is left for the flows after this one.
    go_to_pool(&mut terminal, "ap-south-1", "general");
    terminal.until("the pool upgraded", |text| {
        text.contains("✔ Ready") && text.contains("version 1.33.6") && !text.contains("why not faster")
    });
    leave(terminal);
}
