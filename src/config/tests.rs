//! Every mistake that a file can have, and what is said of it.

use ratatui::style::Color;

use super::*;

const ACTIONS: &[Known] = &[
    everywhere("down"),
    everywhere("up"),
    everywhere("scale"),
    everywhere("quit"),
    everywhere("half-page-down"),
    Known { action: "drain-skip", place: "a blocked drain" },
];

pub(super) const WORDS: Vocabulary =
    Vocabulary { actions: ACTIONS, is_taken: |word| ["theme", "scale"].contains(&word), key };

const fn everywhere(action: &str) -> Known<'_> {
    Known { action, place: "" }
}

fn key(text: &str) -> Result<String, String> {
    let good = text.chars().count() == 1 || ["enter", "down", "up", "ctrl-d"].contains(&text);
    if good { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a key")) }
}

/// Loads a folder with these files; what is wrong is returned with the folder left out of it.
pub(super) fn load(files: &[(&str, &str)]) -> (Config, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let config = Config::load(&Paths::below(folder.path()), &WORDS);
    let prefix = format!("{}/", folder.path().display());
    let said = config.mistakes.iter().map(|m| m.to_string().replace(&prefix, "")).collect();
    (config, said)
}

/// One file with one mistake: the sentence begins with `wanted`, and everything is as built in.
fn check(name: &str, text: &str, wanted: &str) {
    let (config, said) = load(&[(name, text)]);
    assert_eq!(said.len(), 1, "{text}: {said:?}");
    assert!(said[0].starts_with(wanted), "{text}\n  said   {}\n  wanted {wanted}", said[0]);
    if name == "config.yaml" && !wanted.contains("no theme") {
        assert_eq!(config.settings, Settings::default());
    }
    assert_eq!(config.bindings, keymap::built_in());
}

#[test]
fn without_files_everything_is_built_in() {
    let (config, said) = load(&[]);
    assert!(said.is_empty(), "{said:?}");
    let names: Vec<&str> = config.themes.names().collect();
    assert_eq!(names[..5], ["16", "dark", "gruvbox", "high-contrast", "light"]);
    assert_eq!(names[5..], ["none", "nord", "okabe-ito", "solarized-dark", "solarized-light"]);
    assert!(config.bindings.iter().any(|b| b.action == "down" && b.keys == ["j", "down"]));
    assert!(config.settings.read_only);
}

#[test]
fn the_built_in_themes_are_right_and_set_every_role_that_matters() {
    let mut mistakes = Vec::new();
    let themes = Themes::load(std::path::Path::new(""), &Themes::default(), &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    for name in themes.names().filter(|name| *name != "none") {
        for role in [Role::Good, Role::Moving, Role::Warning, Role::Bad, Role::Cursor, Role::Simulated] {
            assert_ne!(themes.find(name).unwrap().style(role), ratatui::style::Style::new(), "{name} {role:?}");
        }
    }
    let none = themes.find("none").unwrap();
    assert!(Role::ALL.iter().all(|r| none.style(*r).fg.is_none() && none.style(*r).bg.is_none()));
}

/// Of the light that a colour gives, from 0 to 1 (WCAG 2.2, relative luminance).
fn luminance(color: Color) -> f64 {
    let Color::Rgb(r, g, b) = color else { panic!("{color:?} is not of the theme's own") };
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

fn contrast(one: Color, other: Color) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// What has to be read stands out from the background that a theme is made for: at least 4.5 to 1 (WCAG 2.2, 1.4.3).
#[test]
fn themes_can_be_read() {
    let themes = Themes::built_in();
    let grounds = [
        ("dark", "#1a1b26"),
        ("gruvbox", "#282828"),
        ("nord", "#2e3440"),
        ("okabe-ito", "#101010"),
        ("solarized-dark", "#002b36"),
        ("light", "#ffffff"),
        ("solarized-light", "#fdf6e3"),
    ];
    for (name, ground) in grounds {
        let ground: Color = ground.parse().expect("a colour");
        for role in Role::ALL.iter().filter(|role| !matches!(role, Role::Border)) {
            let style = themes.find(name).expect("it is built in").style(*role);
            let Some(ink) = style.fg else { continue };
            let seen = contrast(ink, style.bg.unwrap_or(ground));
            assert!(seen >= 4.5, "{name}: {} has {seen:.1}", role.as_str());
        }
    }
}

#[test]
fn contexts_that_cannot_be_read_are_not_taken_for_none() {
    let unknown = |text: &str| load(&[("config.yaml", text)]).0.unknown_contexts.is_some();
    assert!(unknown("contexts:\n- name: prod\n  readonly: true\n"));
    assert!(unknown("contexts:\n- name: prod\narmMinutes: 0\n"));
    assert!(!unknown("contexts:\n- name: prod\n  readOnly: true\n") && !unknown("armMinutes: 0\n"));
    let said = |text: &str| load(&[("config.yaml", text)]).1;
    assert_eq!(said("contexts:\n- name: a\n- name: a\n"), ["config.yaml:1:1: contexts has `a` twice"]);
    assert!(said("contexts:\n- name: ''\n")[0].contains("entry 1 of contexts has no name"));
    assert!(said("contexts:\n- tags: [production]\n")[0].contains("name"));
    let (config, _) = load(&[("config.yaml", "contexts:\n- {name: p, tags: [Production], accent: orange}\n")]);
    assert!(config.settings.contexts[0].is_production());
}

#[test]
fn mistakes_in_settings() {
    check("config.yaml", "theem: dark\n", "config.yaml:1:1: there is no key `theem`: did you mean `theme`? Allowed: ");
    check("config.yaml", "theme: dark\nreadOnly: perhaps\n", "config.yaml:2:11: ");
    check("config.yaml", "theme: drak\n", "config.yaml: there is no theme `drak`: did you mean `dark`?");
    check("config.yaml", "glyphs: emoji\n", "config.yaml:1:9: ");
    check("config.yaml", "\narmMinutes: 0\n", "config.yaml:2:1: armMinutes is 0: it must lie between 1 and 480");
    check("config.yaml", "- a\n", "config.yaml:1:1: ");
    check("config.yaml", "ssh:\n  port: 22\n", "config.yaml:2:3: there is no key `port`");
    check(
        "config.yaml",
        "ssh:\n  user: -oProxyCommand=x\n",
        "config.yaml:2:1: `-oProxyCommand=x` is no name of a user",
    );
    check("config.yaml", "ssh:\n  identityFiles: [id_rsa]\n", "config.yaml:2:1: `id_rsa` must begin with `/` or `~/`");
    check("config.yaml", "ssh:\n  knownHosts: hosts\n", "config.yaml:2:1: `hosts` must begin with `/` or `~/`");
    check("config.yaml", "ssh:\n  command: ''\n", "config.yaml:2:1: command is empty: name a program");
    let timeout = "config.yaml:2:1: connectTimeoutSeconds is 0: it must lie between 1 and 120";
    check("config.yaml", "ssh:\n  connectTimeoutSeconds: 0\n", timeout);
    check("config.yaml", "theme: [\n", "config.yaml:");
    check("config.yaml", "theme: dark\ntheme: light\n", "config.yaml:2:1: ");
    check("config.yaml", "\u{0}\u{1}", "config.yaml");
}

#[test]
fn mistakes_in_themes() {
    let allowed = "there is no role `god`: did you mean `good`? Allowed: text, muted";
    check("themes/mine.yaml", "roles:\n  god: green\n", &format!("themes/mine.yaml:2:8: {allowed}"));
    check("themes/mine.yaml", "roles:\n  good: grean\n", "themes/mine.yaml:2:9: good: there is no colour `grean`");
    check("themes/mine.yaml", "roles:\n  good: #00ff00\n", "themes/mine.yaml:2");
    check("themes/mine.yaml", "colours: {}\n", "themes/mine.yaml:1:1: there is no key `colours`");
    check("themes/mine.yaml", "inherits: drak\n", "themes/mine.yaml:1:11: there is no theme `drak` to inherit from");
    check("themes/mine.yaml", "palette:\n  a: '#12'\n", "themes/mine.yaml:2:6: a: `#12` is not a colour");
    check("themes/mine.yaml", "inherits: mine\n", "themes/mine.yaml:1:11: there is no theme `mine` to inherit from");
    check("themes/dark.yaml", "roles: 7\n", "themes/dark.yaml:1:8: ");
    let (_, said) = load(&[("themes/a.yaml", "inherits: b\n"), ("themes/b.yaml", "inherits: a\n")]);
    assert!(said.len() == 2 && said[0].contains("in a circle"), "{said:?}");
}

#[test]
fn mistakes_in_keymaps() {
    let advice = "did you mean `scale`? Allowed: down, up, scale";
    check("keymap.yaml", "scael: x\n", &format!("keymap.yaml:1:8: there is no action `scael`: {advice}"));
    check("keymap.yaml", "scale: [x, strg-d]\n", "keymap.yaml:1:12: `strg-d` is not a key");
    check("keymap.yaml", "up: x\nscale: x\n", "keymap.yaml:2:8: the key `x` is both `up` and `scale`");
    check("keymap.yaml", "up: j\n", "keymap.yaml:1:5: the key `j` of `up` is built in for `down`: give `down` another");
    check("keymap.yaml", "up: {a: b}\n", "keymap.yaml:1:5: ");
    check("keymap.yaml", "up: [x\n", "keymap.yaml:");
    check("keymap.yaml", "up: x\nup: z\n", "keymap.yaml:2:1: ");
    check("keymap.yaml", "7\n", "keymap.yaml:1:1: ");
}

#[test]
fn a_users_files_are_laid_over_what_is_built_in() {
    let (config, said) = load(&[
        ("config.yaml", "theme: mine\narmMinutes: 5\n"),
        ("themes/mine.yaml", "inherits: dark\npalette: {sea: '#0000ff'}\nroles:\n  good: sea bold\n"),
        ("themes/dark.yaml", "inherits: dark\nroles:\n  bad: magenta\n"),
        ("keymap.yaml", "down: [x, down]\nup: j\nscale: []\n"),
    ]);
    assert!(said.is_empty(), "{said:?}");
    let (mine, dark) = (config.themes.find("mine").unwrap(), config.themes.find("dark").unwrap());
    assert_eq!(mine.style(Role::Bad), ratatui::style::Style::new().fg(ratatui::style::Color::Magenta));
    assert_eq!(mine.style(Role::Warning), dark.style(Role::Warning));
    assert_ne!(mine.style(Role::Good), dark.style(Role::Good));
    let keys = |action: &str| config.bindings.iter().find(|b| b.action == action).unwrap().keys.clone();
    assert_eq!((keys("down"), keys("up"), keys("scale")), (vec!["x".into(), "down".into()], vec!["j".into()], vec![]));
    assert_eq!(config.settings.theme(false, true, false), "mine");
    assert_eq!(config.settings.theme(true, true, false), "none");
    let auto = Settings { dark_theme: "nord".into(), ..Settings::default() };
    assert_eq!([false, true].map(|is_light| auto.theme(false, true, is_light)), ["nord", "light"]);
    assert_eq!(auto.theme(false, false, true), "16");
}

#[test]
fn a_key_may_mean_something_else_in_a_place_of_its_own() {
    let (config, said) = load(&[("keymap.yaml", "scale: s\ndrain-skip: s\nup: [up]\n")]);
    assert!(said.is_empty(), "{said:?}");
    assert!(["scale", "drain-skip"].iter().all(|a| config.bindings.iter().any(|b| b.action == *a && b.keys == ["s"])));
    let (_, said) = load(&[("keymap.yaml", "up: s\n")]);
    assert!(said.len() == 1 && said[0].contains("built in for `scale`"), "{said:?}");
}

#[test]
fn blank_files_are_fine() {
    let (_, said) = load(&[("config.yaml", "# nothing\n"), ("keymap.yaml", ""), ("themes/x.yaml", "---\n")]);
    assert!(said.is_empty(), "{said:?}");
}
