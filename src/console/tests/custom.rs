//! Commands of the user's own: what is asked, what is refused, what runs, and where its output goes.

use super::{FLEET, press, screen, send, state};
use crate::{
    config::{Config, Paths},
    console::{
        Environment, configure, custom,
        message::{Effect, Event, Ran},
        palette::CommandLines,
        setup::Setup,
        state::{Overlay, State},
    },
};

const COMMANDS: &str = r#"
ping: {key: f5, scope: machine, command: [ping, -c, "3", "{address}"], description: three pings}
nodes: {key: f6, scope: [cluster, pool], command: [kubectl, --context, "{cluster}", get, nodes], output: notice}
reset: {key: f7, scope: machine, command: [ipmi, -H, "{address}", reset], dangerous: true, confirm: true}
top: {scope: fleet, command: [k9s, --kubeconfig, "{kubeconfig}"], output: terminal, description: "k9s on the meta cluster"}
"#;

fn configured(files: &[(&str, &str)]) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    configure(&Paths::below(folder.path()))
}

fn with_commands(size: (u16, u16)) -> State {
    let config = configured(&[("commands.yaml", COMMANDS)]);
    assert!(config.mistakes.is_empty(), "{:?}", config.mistakes);
    let mut state = state(FLEET, size);
    state.commands = custom::all(&config.commands);
    state
}

const MACHINE: &str = "j right j right j j";

fn said(state: &State) -> &str {
    state.notice.as_ref().map_or("", |notice| &notice.text)
}

/// Presses keys; hands back what runs, or what is said.
fn check(keys: &str, expected: &str) {
    let mut state = with_commands((120, 40));
    let effects = press(&mut state, keys);
    let run = effects.iter().find_map(|effect| match effect {
        Effect::Run(run) => Some(run.argv.join(" ")),
        _ => None,
    });
    assert_eq!(run.as_deref().unwrap_or(said(&state)), expected, "{keys}");
}

#[test]
fn a_key_runs_it_where_it_means_something() {
    check(&format!("{MACHINE} f5"), "ping -c 3 eu-1-m5.example");
    check("f5", "`ping` cannot be run here: put the cursor on a machine");
    check("j f6", "kubectl --context eu-1 get nodes");
    check("j right j f6", "kubectl --context eu-1 get nodes");
    check("f6", "`nodes` cannot be run here: put the cursor on a cluster or a pool");
    check(": 'top' enter", "`top` cannot be run here: there is no kubeconfig: the console runs inside of the cluster");
    check(&format!("{MACHINE} : 'ping' enter"), "ping -c 3 eu-1-m5.example");
}

#[test]
fn what_is_dangerous_waits_for_arming_and_what_wants_a_yes_for_that() {
    check(&format!("{MACHINE} f7"), "read-only: `W` arms writes for 15 minutes");
    let mut state = with_commands((120, 40));
    assert!(press(&mut state, &format!("W {MACHINE} f7")).iter().all(|e| !e.is_mutation()));
    assert!(matches!(state.overlay, Overlay::Confirm(_)));
    assert!(press(&mut state, "enter").is_empty(), "no is the default");
    let effects = press(&mut state, "f7 y");
    let [Effect::Run(run)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(effects[0].is_mutation());
    assert_eq!(run.argv, ["ipmi", "-H", "eu-1-m5.example", "reset"]);
    // Arming may run out while it is asked.
    let mut state = with_commands((120, 40));
    press(&mut state, &format!("W {MACHINE} f7"));
    state.now += jiff::SignedDuration::from_mins(16);
    assert!(press(&mut state, "y").is_empty());
}

fn ran(how: &str, good: bool, last_line: &str) -> Ran {
    Ran { how: how.into(), good, last_line: last_line.into() }
}

#[test]
fn output_goes_to_the_pager_as_it_comes_and_escape_ends_it_first() {
    let mut state = with_commands((80, 24));
    let effects = press(&mut state, &format!("{MACHINE} f5"));
    let Some(Effect::Run(run)) = effects.last() else { panic!("{effects:?}") };
    let ticket = run.ticket;
    send(&mut state, Event::Printed { ticket, text: "64 bytes from 10.0.0.5\n64 by".into() });
    send(&mut state, Event::Printed { ticket, text: "tes \u{1b}[2Jagain\n".into() });
    insta::assert_snapshot!("custom_running_80x24", screen(&state));
    // Another one waits, whatever key asks for it.
    assert_eq!(press(&mut state, "esc"), [Effect::Stop { ticket }]);
    assert!(matches!(state.overlay, Overlay::Pager(_)), "what it printed stays");
    send(&mut state, Event::Ended { ticket, ran: ran("stopped", false, "again") });
    assert!(screen(&state).contains("stopped") && state.running.is_none());
    press(&mut state, "esc");
    assert!(matches!(state.overlay, Overlay::None));
}

#[test]
fn closing_the_pager_ends_what_runs() {
    let mut state = with_commands((80, 24));
    let effects = press(&mut state, &format!("{MACHINE} f5"));
    let Some(Effect::Run(run)) = effects.last() else { panic!("{effects:?}") };
    let ticket = run.ticket;
    assert_eq!(press(&mut state, "q"), [Effect::Stop { ticket }]);
    assert!(matches!(state.overlay, Overlay::None));
    press(&mut state, "f5");
    assert_eq!(said(&state), "`ping` is still at work: esc ends it");
    send(&mut state, Event::Ended { ticket, ran: ran("stopped", false, "") });
    assert!(press(&mut state, "f5").iter().any(|e| matches!(e, Effect::Run(_))));
}

#[test]
fn a_notice_says_the_last_line() {
    let after = |ran: Ran| {
        let mut state = with_commands((120, 40));
        let effects = press(&mut state, "j f6");
        let Some(Effect::Run(run)) = effects.last() else { panic!("{effects:?}") };
        send(&mut state, Event::Ended { ticket: run.ticket, ran });
        said(&state).to_owned()
    };
    assert_eq!(after(ran("done", true, "3 nodes\u{7}")), "nodes: 3 nodes·");
    assert_eq!(after(ran("done", true, "")), "nodes: done");
    assert_eq!(after(ran("ended with status 1", false, "no route")), "nodes: ended with status 1: no route");
    let mut state = with_commands((120, 40));
    press(&mut state, "j f6");
    assert!(matches!(press(&mut state, "esc").as_slice(), [Effect::Stop { .. }]));
}

#[test]
fn they_are_on_the_help_page_and_on_the_command_line() {
    let mut state = with_commands((120, 60));
    press(&mut state, "? G");
    insta::assert_snapshot!("custom_help_120x60", screen(&state));
    press(&mut state, "esc : 'pin'");
    insta::assert_snapshot!("custom_palette_120x60", screen(&state));
}

#[test]
fn command_lines_come_back() {
    let mut state = state(FLEET, (120, 40));
    press(&mut state, ": 'pool eu-1/gpu' enter : 'theme dark' enter : 'nonsense' enter esc");
    assert_eq!(state.command_lines.lines(), ["pool eu-1/gpu", "theme dark"]);
    press(&mut state, ": up");
    let line = |state: &State| match &state.overlay {
        Overlay::Palette(palette) => palette.line.value().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(line(&state), "theme dark");
    press(&mut state, "up");
    assert_eq!(line(&state), "pool eu-1/gpu");
    press(&mut state, "down down");
    assert_eq!(line(&state), "");
    // What is typed is not the history's any more: up goes through the completions again.
    press(&mut state, "up 'x' up");
    assert_eq!(line(&state), "theme darkx");
    // The order is that of the last use.
    state.command_lines = CommandLines::of(&["a".into(), "b".into(), "a".into()]);
    assert_eq!(state.command_lines.lines(), ["b", "a"]);
}

#[test]
fn the_command_line_goes_to_objects_and_shows_them() {
    let read = |line: &str| {
        let mut state = state(FLEET, (120, 40));
        let effects = press(&mut state, &format!(": '{line}' enter"));
        effects.into_iter().find_map(|effect| match effect {
            Effect::Read { about, form, .. } => Some(format!("{form:?} {} {}", about.kind.as_str(), about.name)),
            _ => None,
        })
    };
    assert_eq!(read("yaml pool eu-1/gpu").as_deref(), Some("Yaml NodePool eu-1-gpu"));
    assert_eq!(read("describe machine us-2-m1").as_deref(), Some("Describe Machine us-2-m1"));
    assert_eq!(read("yaml set eu-1-gpu-5f").as_deref(), Some("Yaml MachineSet eu-1-gpu-5f"));
    let mut state = state(FLEET, (120, 40));
    press(&mut state, ": 'machine us-2-m3' enter");
    assert!(matches!(state.subject(), crate::console::state::Subject::Machine(m) if &*m.name == "us-2-m3"));
    press(&mut state, ": 'machine m6'");
    assert!(screen(&state).contains("machine eu-1-m6"), "{}", screen(&state));
}

#[test]
fn a_configuration_that_is_read_anew_is_taken_and_a_broken_one_said() {
    let environment = Environment::default();
    let mut state = with_commands((120, 40));
    let good = configured(&[("keymap.yaml", "scale: f9\n"), ("config.yaml", "logLines: 500\narmMinutes: 5\n")]);
    send(&mut state, Event::Setup(Box::new(Setup::of(&good, &environment))));
    assert_eq!(said(&state), "the configuration was changed, and is read anew");
    assert_eq!((state.log_lines, state.armed_seconds, state.commands.len()), (500, 300, 0));
    press(&mut state, "j right j f9");
    assert!(matches!(state.overlay, Overlay::Scale(_)));
    let broken = configured(&[("keymap.yaml", "scale: p\n")]);
    send(&mut state, Event::Setup(Box::new(Setup::of(&broken, &environment))));
    assert!(
        said(&state).contains("keymap.yaml:1:8: the key `p` of `scale` is built in for `pause`"),
        "{}",
        said(&state)
    );
    assert!(said(&state).ends_with("what was right before stays"));
}

#[test]
fn what_is_dangerous_is_not_run_for_what_is_locked_and_is_asked_in_production() {
    let config =
        configured(&[("commands.yaml", "off: {key: f9, scope: [machine, fleet], command: [ipmi], dangerous: true}\n")]);
    let check = |locked: bool, production: bool, expected: &str| {
        let mut state = state(FLEET, (120, 40));
        state.commands = custom::all(&config.commands);
        state.contexts[0].production = production;
        press(&mut state, &format!("W {MACHINE}"));
        state.contexts[0].locked = locked.then(|| "demo is read-only".to_owned());
        let effects = press(&mut state, "f9");
        let asked = matches!(state.overlay, Overlay::Confirm(_));
        let runs = effects.iter().any(|effect| matches!(effect, Effect::Run(_)));
        let heard = if runs {
            "runs"
        } else if asked {
            "asks"
        } else {
            said(&state)
        };
        assert_eq!(heard, expected);
    };
    check(false, false, "runs");
    check(false, true, "asks");
    check(true, false, "demo is read-only");
}

#[test]
fn on_the_page_of_a_machine_no_command_is_run_for_another_one() {
    let mut state = with_commands((120, 40));
    press(&mut state, &format!("{MACHINE} i"));
    assert!(state.why.is_some());
    press(&mut state, "f5");
    assert!(state.running.is_some(), "it is about the machine under the cursor");
    let mut state = with_commands((120, 40));
    press(&mut state, &format!("{MACHINE} i"));
    let page = state.why.as_mut().expect("it is open");
    page.uid = crate::fleet::Uid::new(page.uid.context, "another");
    let effects = press(&mut state, "f5");
    assert!(
        effects.is_empty() && said(&state) == "`esc` closes this page; then that key has its meaning",
        "{effects:?}"
    );
}
