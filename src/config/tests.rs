//! What files come to. What is wrong in them is in `mistakes`.

mod changed;
mod mistakes;
mod vision;

use ratatui::style::Color;

use super::{contrast::contrast, *};

const ACTIONS: &[Known] = &[
    everywhere("down"),
    everywhere("up"),
    Known { action: "scale", place: "", writes: true },
    everywhere("quit"),
    everywhere("half-page-down"),
    Known { action: "drain-skip", place: "a blocked drain", writes: true },
];

const WORDS: Vocabulary = Vocabulary { actions: ACTIONS, is_taken: |word| ["theme", "scale"].contains(&word), key };

const fn everywhere(action: &str) -> Known<'_> {
    Known { action, place: "", writes: false }
}

fn key(text: &str) -> Result<String, String> {
    let good = text.chars().count() == 1 || ["enter", "down", "up", "ctrl-d"].contains(&text);
    if good { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a key")) }
}

/// Loads a folder with these files; what is wrong is returned with the folder left out of it.
fn load(files: &[(&str, &str)]) -> (Config, Vec<String>) {
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
    let (config, _) = load(&[("config.yaml", "contexts:\n- {name: p, tags: [Production], accent: orange}\n")]);
    assert!(config.settings.contexts[0].is_production());
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
