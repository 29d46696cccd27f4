//! Every kind of mistake in every file: its exact warning. And what is right once is kept when it is broken later.

use std::path::Path;

use super::{
    tests::{WORDS, load},
    *,
};

/// A file as it is typed, and all that is said of it.
const TABLE: &[(&str, &str, &str)] = &[
    // config.yaml
    (
        "config.yaml",
        "theem: dark\n",
        "config.yaml:1:1: there is no key `theem`: did you mean `theme`? Allowed: theme, …",
    ),
    ("config.yaml", "- a\n", "config.yaml:1:1: keys with values are wanted here, as in `key: value`"),
    ("config.yaml", "theme: [\n", "config.yaml:1:8: a text is wanted here"),
    ("config.yaml", "theme: a\ntheme: b\n", "config.yaml:2:1: the key `theme` stands there twice"),
    ("config.yaml", "readOnly: perhaps\n", "config.yaml:1:11: `true` or `false` is wanted here"),
    ("config.yaml", "glyphs: emoji\n", "config.yaml:1:9: `emoji` cannot stand here; allowed: auto, unicode, ascii"),
    ("config.yaml", "armMinutes: many\n", "config.yaml:1:13: a whole number is wanted here"),
    ("config.yaml", "armMinutes: 0\n", "config.yaml:1:1: armMinutes is 0: it must lie between 1 and 480"),
    ("config.yaml", "framesPerSecond: 99\n", "config.yaml:1:1: framesPerSecond is 99: it must lie between 1 and 60"),
    ("config.yaml", "logLines: 5\n", "config.yaml:1:1: logLines is 5: it must lie between 100 and 100000"),
    (
        "config.yaml",
        "theme: drak\n",
        "config.yaml: there is no theme `drak`: did you mean `dark`? Allowed: auto, 16, …",
    ),
    // keymap.yaml
    (
        "keymap.yaml",
        "scael: x\n",
        "keymap.yaml:1:8: there is no action `scael`: did you mean `scale`? Allowed: down, …",
    ),
    ("keymap.yaml", "scale: strg\n", "keymap.yaml:1:8: `strg` is not a key"),
    (
        "keymap.yaml",
        "up: x\nscale: x\n",
        "keymap.yaml:2:8: the key `x` is both `up` and `scale`: a key has one meaning",
    ),
    (
        "keymap.yaml",
        "up: j\n",
        "keymap.yaml:1:5: the key `j` of `up` is built in for `down`: give `down` another key too, or none: `down: []`",
    ),
    (
        "keymap.yaml",
        "up: {a: b}\n",
        "keymap.yaml:1:5: invalid type: map, expected a key as in `down: j`, or a list of keys as in `down: [j, down]`",
    ),
    ("keymap.yaml", "up: a\nup: b\n", "keymap.yaml:2:1: the key `up` stands there twice"),
    ("keymap.yaml", "7\n", "keymap.yaml:1:1: keys with values are wanted here, as in `key: value`"),
    // themes
    (
        "themes/m.yaml",
        "roles:\n  god: red\n",
        "themes/m.yaml:2:8: there is no role `god`: did you mean `good`? Allowed: text, …",
    ),
    (
        "themes/m.yaml",
        "roles:\n  good: grean\n",
        "themes/m.yaml:2:9: good: there is no colour `grean`: did you mean `green`? Allowed: default, …",
    ),
    (
        "themes/m.yaml",
        "roles:\n  good: red blue\n",
        "themes/m.yaml:2:9: good: `blue` is a second colour: a background is written `on blue`",
    ),
    ("themes/m.yaml", "roles:\n  good: on\n", "themes/m.yaml:2:9: good: `on` wants a colour behind it"),
    (
        "themes/m.yaml",
        "roles:\n  good: #fff\n",
        "themes/m.yaml:2:7: good: nothing is set: a colour that begins with # must stand in quotes, else it is a comment",
    ),
    (
        "themes/m.yaml",
        "palette:\n  a: '#12'\n",
        "themes/m.yaml:2:6: a: `#12` is not a colour: six hexadecimal digits are wanted, as in #7aa2f7",
    ),
    (
        "themes/m.yaml",
        "inherits: drak\n",
        "themes/m.yaml:1:11: there is no theme `drak` to inherit from: did you mean `dark`? Allowed: 16, …",
    ),
    (
        "themes/m.yaml",
        "colours: {}\n",
        "themes/m.yaml:1:1: there is no key `colours`; allowed: description, inherits, palette, roles",
    ),
    // commands.yaml
    ("commands.yaml", "- a\n", "commands.yaml:1:1: keys with values are wanted here, as in `key: value`"),
    ("commands.yaml", "a: {scope: pool, command: [x]}\na: {}\n", "commands.yaml:2:1: the key `a` stands there twice"),
    ("commands.yaml", "a: {command: [x]}\n", "commands.yaml:1:5: the key `scope` is missing"),
    ("commands.yaml", "a: {scope: pool}\n", "commands.yaml:1:5: the key `command` is missing"),
    (
        "commands.yaml",
        "a: {scope: pool, command: [x], shell: true}\n",
        "commands.yaml:1:32: there is no key `shell`; allowed: key, scope, command, description, dangerous, confirm, output, timeoutSeconds",
    ),
    (
        "commands.yaml",
        "A b: {scope: pool, command: [x]}\n",
        "commands.yaml:1:6: `A b` is no name of a command: small letters, digits and `-` are, 40 at most",
    ),
    (
        "commands.yaml",
        "scale: {scope: pool, command: [x]}\n",
        "commands.yaml:1:8: `scale` is a command of the console already: choose another name",
    ),
    (
        "commands.yaml",
        "a: {scope: pol, command: [x]}\n",
        "commands.yaml:1:12: there is no scope `pol`: did you mean `pool`? Allowed: fleet, cluster, pool, machine, operation",
    ),
    (
        "commands.yaml",
        "a: {scope: [], command: [x]}\n",
        "commands.yaml:1:12: scope is empty: name at least one of fleet, cluster, pool, machine, operation",
    ),
    (
        "commands.yaml",
        "a: {scope: pool, command: x y}\n",
        "commands.yaml:1:18: invalid type: string \"x y\", expected a program and its arguments as a list, as in `[ping, -c, \"3\", \"{address}\"]`",
    ),
    (
        "commands.yaml",
        "a: {scope: pool, command: []}\n",
        "commands.yaml:1:27: the command of `a` is empty: name a program and its arguments",
    ),
    (
        "commands.yaml",
        "a: {scope: pool, command: ['{pool}']}\n",
        "commands.yaml:1:27: the program of `a` is named by a placeholder: write its name",
    ),
    (
        "commands.yaml",
        "a: {scope: pool, command: [x, '{address}']}\n",
        "commands.yaml:1:31: nothing is called `{address}` here; allowed: name, cluster, pool, namespace, context, kubeconfig, user; a brace is written twice, `{{`",
    ),
    (
        "commands.yaml",
        "a: {scope: [fleet, pool], command: [x, '{name}']}\n",
        "commands.yaml:1:40: nothing is called `{name}` here; allowed: namespace, context, kubeconfig, user; a brace is written twice, `{{`",
    ),
    (
        "commands.yaml",
        "a: {scope: pool, command: [x, 'a{b']}\n",
        "commands.yaml:1:31: `a{b` has a brace without its other half: a brace is written twice, `{{`",
    ),
    ("commands.yaml", "a: {scope: pool, command: [x], key: strg}\n", "commands.yaml:1:37: `strg` is not a key"),
    (
        "commands.yaml",
        "a: {scope: pool, command: [x], key: [x, y]}\n",
        "commands.yaml:1:37: a command has one key: write it without brackets",
    ),
    (
        "commands.yaml",
        "a: {scope: pool, command: [x], key: s}\n",
        "commands.yaml:1:37: the key `s` of `a` is that of `scale` already: choose another one, or give `scale` another one in keymap.yaml",
    ),
    (
        "commands.yaml",
        "a: {scope: pool, command: [x], key: '='}\nb: {scope: pool, command: [x], key: '='}\n",
        "commands.yaml:2:37: the key `=` is both `a` and `b`: a key has one meaning",
    ),
    (
        "commands.yaml",
        "a: {scope: pool, command: [x], output: pagre}\n",
        "commands.yaml:1:40: there is no output `pagre`: did you mean `pager`? Allowed: pager, terminal, notice",
    ),
    (
        "commands.yaml",
        "a: {scope: pool, command: [x], timeoutSeconds: 0}\n",
        "commands.yaml:1:48: timeoutSeconds is 0: it must lie between 1 and 3600",
    ),
    (
        "commands.yaml",
        "a: {scope: pool, command: [x], dangerous: perhaps}\n",
        "commands.yaml:1:43: `true` or `false` is wanted here",
    ),
];

#[test]
fn every_mistake_has_its_warning() {
    let mut wrong = Vec::new();
    for (name, text, wanted) in TABLE {
        let (config, said) = load(&[(name, text)]);
        if !matches!(said.as_slice(), [said] if is(said, wanted)) {
            wrong.push(format!("{name} {text:?}\n  said   {}\n  wanted {wanted}", said.join("\n         ")));
        }
        assert!(config.commands.is_empty());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The sentence; where `…` is at its end, as far as that.
fn is(said: &str, wanted: &str) -> bool {
    wanted.strip_suffix('…').map_or(said == wanted, |begin| said.starts_with(begin))
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("it is below the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
}

const GOOD: &[(&str, &str)] = &[
    ("config.yaml", "theme: mine\narmMinutes: 5\n"),
    ("keymap.yaml", "half-page-down: '%'\n"),
    ("themes/mine.yaml", "inherits: dark\nroles:\n  good: magenta\n"),
    ("commands.yaml", "ping: {scope: machine, command: [ping, '{address}'], key: '&'}\n"),
];

#[test]
fn whatever_is_broken_later_stays_as_it_was_and_is_named() {
    for (name, text, wanted) in TABLE {
        let name = name.replace("m.yaml", "mine.yaml");
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), GOOD);
        let before = Config::load(&Paths::below(folder.path()), &WORDS);
        assert!(before.mistakes.is_empty(), "{:?}", before.mistakes);
        assert!(before.reload(&WORDS).is_none(), "nothing was changed");
        write(folder.path(), &[(&name, &format!("{text}# longer, for a file may be changed twice in a moment\n"))]);
        let after = before.reload(&WORDS).expect("it was changed");
        assert_eq!(after.mistakes.len(), 1, "{name} {text:?}: {:?}", after.mistakes);
        let said = after.mistakes[0].to_string();
        let wanted = format!("{}/{}", folder.path().display(), wanted.replace("m.yaml", "mine.yaml"));
        assert!(is(&said, &wanted), "{said}");
        // The name of a theme that is not there is the one mistake that leaves the rest of its file as it is typed.
        if !wanted.contains("there is no theme `drak`: did") {
            assert_eq!(after.settings, before.settings, "{name} {text:?}");
        }
        assert_eq!((&after.bindings, &after.commands), (&before.bindings, &before.commands), "{name} {text:?}");
        assert_eq!(after.themes.find("mine"), before.themes.find("mine"), "{name} {text:?}");
        assert!(after.reload(&WORDS).is_none(), "a mistake is said once");
        write(folder.path(), GOOD);
        let mended = after.reload(&WORDS).expect("it was changed");
        assert!(mended.mistakes.is_empty(), "{:?}", mended.mistakes);
    }
}

#[test]
fn a_command_whose_key_was_given_away_is_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), GOOD);
    let before = Config::load(&Paths::below(folder.path()), &WORDS);
    write(folder.path(), &[("keymap.yaml", "half-page-down: '%'\nquit: '&'\n")]);
    let after = before.reload(&WORDS).expect("it was changed");
    let said = after.mistakes[0].to_string();
    assert!(said.contains("the key `&` of `ping` is that of `quit` already"), "{said}");
    assert!(after.commands.is_empty() && after.bindings.iter().any(|b| b.action == "quit" && b.keys == ["&"]));
}

#[test]
fn a_file_that_is_taken_away_is_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), GOOD);
    let before = Config::load(&Paths::below(folder.path()), &WORDS);
    for (name, _) in GOOD {
        std::fs::remove_file(folder.path().join(name)).expect("it was there");
    }
    let after = before.reload(&WORDS).expect("it was changed");
    assert_eq!(after.settings, Settings::default());
    assert_eq!(after.bindings, keymap::built_in());
    assert!(after.commands.is_empty() && after.themes.find("mine").is_none() && after.mistakes.is_empty());
}

#[test]
fn commands_are_read() {
    let text = "top:\n  key: f5\n  scope: [machine, pool]\n  command: [watch, -n, '5', 'x {name} {{}}', 3]\n  \
                description: look\n  dangerous: true\n  confirm: true\n  output: terminal\n  timeoutSeconds: 5\n";
    let words = Vocabulary { key: |key| Ok(key.to_owned()), ..WORDS };
    let commands = commands::parse(text, Path::new("c"), &words, &keymap::built_in()).expect("it is right");
    let [top] = commands.as_slice() else { panic!("{commands:?}") };
    let filled: Vec<String> = top.argv.iter().map(|word| word.fill(|_| Ok("a b".into())).expect("a value")).collect();
    assert_eq!(filled, ["watch", "-n", "5", "x a b {}", "3"]);
    assert_eq!((top.key.as_deref(), top.dangerous, top.confirm, top.timeout_seconds), (Some("f5"), true, true, 5));
    assert_eq!(
        (top.output, top.scopes.as_slice()),
        (commands::Output::Terminal, [commands::Scope::Machine, commands::Scope::Pool].as_slice())
    );
}
