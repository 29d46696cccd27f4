//! A drain that budgets hold up, and what a person may decide about it.
//!
//! Only on the embedded server: the scenario is a fleet of its own, and a server with `QUARTERDECK_META=real` has one fleet, that
//! of the other flows, in the namespace that both would take. What is decided here are annotations of a machine, which
//! the other flows write on the real server as well.

use crate::{
    hands::{ENTER, ESCAPE, arm, command, fill_in, go_to_pool, leave, on_a_pool, open, yes},
    screen::{BEFORE_A_DIALOG, Terminal},
    stage::Stage,
};

const POOL: (&str, &str) = ("eu-west-1", "general");

/// The machine that the panel of the pool names as blocked, unless it is `other`.
fn blocked_machine(terminal: &mut Terminal, other: Option<&str>) -> String {
    go_to_pool(terminal, POOL.0, POOL.1);
    let named = |text: &str| {
        // `▲ m-0011  legacy/queue-1  PDB …`
        let after =
            text.split("▲ m-").skip(1).find(|rest| rest.get(4..).is_some_and(|r| r.starts_with("  legacy/")))?;
        Some(format!("m-{}", &after[..4])).filter(|name| Some(name.as_str()) != other)
    };
    let text = terminal.until("a blocked drain, and the keys for it", |text| {
        named(text).is_some() && text.contains("on its row: w wait  s skip  h hint  f force")
    });
    named(&text).expect("it was just there")
}

fn on_machine(terminal: &mut Terminal, machine: &str) {
    command(terminal, &format!("machine {machine}"));
    terminal.sees(&format!("{machine}   Machine"));
    terminal.sees("its drain is blocked: `w` wait, `s` skip, `h` hint,");
}

#[test]
fn a_blocked_drain_is_decided_with_one_key() {
    let stage = Stage::in_scenario("blocked-drain");
    let mut terminal = on_a_pool(&stage.administrator(), POOL.0, POOL.1);
    let first = blocked_machine(&mut terminal, None);
    on_machine(&mut terminal, &first);
    // Why, and what would help: that needs no arming. Only there the pod has its owner behind it: the events name it as well.
    let hints = |text: &str| text.lines().any(|line| line.contains("legacy/") && line.contains("): "));
    assert!(!hints(&terminal.text()), "{}", terminal.text());
    terminal.press("h");
    terminal.until("the hint", hints);
    terminal.press("w");
    terminal.sees("read-only: `W` arms writes");
    arm(&mut terminal);
    terminal.press("w");
    terminal.sees("goes on trying past its deadline");
    terminal.sees("decided Wait by tester");

    // Whoever types another name deletes nothing.
    open(&mut terminal, "f", &format!("Force the drain of {first}"));
    terminal.type_slowly("CHG-11");
    terminal.press(ENTER);
    terminal.until("what the server says with the reason", |text| {
        text.contains("dry run ✔") && text.contains("reason: CHG-11")
    });
    terminal.type_slowly("m-9999");
    terminal.press(ENTER);
    terminal.sees(&format!("type `{first}` to confirm"));
    std::thread::sleep(BEFORE_A_DIALOG);
    terminal.press(ESCAPE);
    terminal.until("the dialog gone", |text| !text.contains("Force the drain of"));
    terminal.sees("Drain blocked");
    open(&mut terminal, "f", &format!("Force the drain of {first}"));
    fill_in(&mut terminal, "CHG-12", &first);

    // It goes on with the next one, which stays as it is, in quarantine.
    let second = blocked_machine(&mut terminal, Some(&first));
    on_machine(&mut terminal, &second);
    arm(&mut terminal);
    yes(&mut terminal, "s", &format!("Leave {second} in quarantine?"));
    go_to_pool(&mut terminal, POOL.0, POOL.1);
    terminal.sees("quarantined 1");
    leave(terminal);
}
