//! One machine, or a few marked ones: cordoned, drained, given back, replaced; and what failed on them tried again.

use russh::keys::{PrivateKey, ssh_key::LineEnding, ssh_key::private::Ed25519Keypair};

use crate::{
    hands::{RIGHT, arm, fill_in, leave, on_a_pool, open, yes},
    screen::Terminal,
    stage::Stage,
};

/// The cursor on the first machine of the pool under the cursor, whose name is handed back.
fn first_machine(terminal: &mut Terminal) -> String {
    const MACHINE: &str = "   Machine   simulated";
    // The row that machines of one state fold into.
    const FOLDED: &str = "▌      ▸ m-";
    terminal.press(RIGHT);
    terminal.until("an open pool", |text| text.contains("▌    ▾"));
    terminal.press("j");
    let text = terminal.until("a machine, or several in a row", |text| text.contains(MACHINE) || text.contains(FOLDED));
    if text.contains(FOLDED) {
        terminal.press(RIGHT);
        terminal.sees("▌      ▾ m-");
        terminal.press("j");
    }
    let text = terminal.sees(MACHINE);
    let title = text.split(MACHINE).next().expect("it is there");
    title.rsplit("─ ").next().expect("a title").to_owned()
}

pub fn by_hand(stage: &Stage) {
    let mut terminal = on_a_pool(&stage.administrator(), "eu-west-1", "gpu");
    terminal.sees("3/3");
    let machine = first_machine(&mut terminal);
    terminal.press("c");
    terminal.sees("read-only: `W` arms writes");
    arm(&mut terminal);
    yes(&mut terminal, "c", &format!("Cordon {machine}?"));
    terminal.sees("Ready cordoned");
    terminal.sees("cordoned by tester");
    yes(&mut terminal, "u", &format!("Uncordon {machine}?"));
    terminal.until("the node given back", |text| text.contains("Ready   kubelet"));
    yes(&mut terminal, "r", &format!("Drain {machine}?"));
    terminal.sees("drained by tester");
    terminal.until("an empty node", |text| text.contains("Ready cordoned") && text.contains("pods gone"));
    yes(&mut terminal, "u", &format!("Uncordon {machine}?"));
    terminal.until("the node given back", |text| text.contains("Ready   kubelet") && !text.contains("drained by"));
    // Nobody cordoned it from here: whoever did that gives it back.
    terminal.press("u");
    terminal.sees("was not cordoned from here");
    leave(terminal);
}

/// Two machines are replaced, and held in between: what is under way is finished, and nothing more is taken away.
pub fn marked(stage: &Stage) {
    let mut terminal = on_a_pool(&stage.administrator(), "eu-west-1", "general");
    terminal.sees("6/6");
    let before = stage.members("eu-west-1-general");
    let first = first_machine(&mut terminal);
    terminal.press("  ");
    terminal.sees("2 marked");
    open(&mut terminal, "R", "Replace  eu-west-1 / general");
    terminal.sees(&first);
    fill_in(&mut terminal, "r02 is old", "replace 2");
    crate::hands::go_to_pool(&mut terminal, "eu-west-1", "general");
    terminal.sees("why not faster");
    terminal.press("H");
    terminal.sees("‖ on hold");
    yes(&mut terminal, "H", "Lift the hold of eu-west-1-general?");
    terminal.until("the pool at rest", |text| text.contains("✔ Ready") && !text.contains("why not faster"));
    let after = stage.members("eu-west-1-general");
    let new: Vec<&String> = after.iter().filter(|machine| !before.contains(machine)).collect();
    assert!(after.len() == 6 && new.len() == 2, "{after:?} after {before:?}");
    leave(terminal);
}

/// Hosts do not let the executor in until somebody has put the key in order.
pub fn retry(stage: &Stage) {
    let mut terminal = on_a_pool(&stage.administrator(), "us-east-1", "gpu");
    terminal.until("the pool at rest", |text| text.contains("✔ Ready") && text.contains("3/3"));
    let (key, other) = (stage.ssh_key(), PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32])));
    stage.set_ssh_key(&other.to_openssh(LineEnding::LF).expect("it has a file form"));
    stage.scale("us-east-1-gpu", 4);
    terminal.sees("✖ m-");
    terminal.until("a failed operation", |text| {
        text.lines().any(|line| line.contains("ScaleUp") && line.contains("1 failed") && line.contains("Failed"))
    });
    stage.set_ssh_key(&key);
    arm(&mut terminal);
    yes(&mut terminal, "t", "Try again what failed in us-east-1 / gpu?");
    terminal.until("all four at work", |text| text.contains("✔ Ready") && text.contains("4/4"));
    stage.scale("us-east-1-gpu", 3);
    terminal.until("three again", |text| text.contains("✔ Ready") && text.contains("3/3"));
    leave(terminal);
}
