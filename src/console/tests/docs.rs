//! What docs/console.md says is what the code does.

use crate::{
    config::{Paths, Role, Settings},
    console::{action::ACTIONS, configure, palette},
};

const PAGE: &str = include_str!("../../../docs/console.md");

/// The examples of the page, in its order.
fn examples() -> Vec<&'static str> {
    PAGE.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_examples_are_good_and_the_defaults_are_those() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("themes")).expect("a folder");
    let files = ["config.yaml", "keymap.yaml", "themes/sea.yaml"];
    assert_eq!(examples().len(), files.len());
    for (name, text) in files.iter().zip(examples()) {
        std::fs::write(folder.path().join(name), text).expect("it can be written");
    }
    let config = configure(&Paths::below(folder.path()));
    assert!(config.mistakes.is_empty(), "{:?}", config.mistakes);
    assert_eq!(config.settings, Settings::default());
    let (sea, dark) = (config.themes.find("sea").expect("it is read"), config.themes.find_or_default("dark"));
    assert_ne!(sea.style(Role::Accent), dark.style(Role::Accent));
    assert_eq!(sea.style(Role::Bad), dark.style(Role::Bad));
}

#[test]
fn the_commands_of_the_page_are_good() {
    let page = include_str!("../../../docs/custom-commands.md");
    let examples: String = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("commands.yaml"), examples).expect("it can be written");
    let config = configure(&Paths::below(folder.path()));
    assert!(config.mistakes.is_empty(), "{:?}", config.mistakes);
    let names: Vec<&str> = config.commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["ping", "sets", "power-cycle", "k9s"]);
    for placeholder in crate::config::Placeholder::ALL {
        assert!(page.contains(&format!("`{{{}}}`", placeholder.as_str())), "{placeholder:?}");
    }
}

/// The pages for tasks show screens as the tests of screens see them. `UPDATE=1` puts them there.
#[test]
fn the_screens_of_the_pages_are_those_of_the_console() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for page in ["scale", "upgrade", "replace", "drain", "failed-phase", "contexts", "hosts"] {
        let path = root.join(format!("docs/{page}.md"));
        let text = std::fs::read_to_string(&path).expect("the page");
        let mut parts = text.split("<!-- screen: ");
        let mut fresh = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once(" -->\n```text\n").expect("a fence follows the name");
            let (_, after) = rest.split_once("```").expect("the fence ends");
            let file = format!("src/console/tests/snapshots/quarterdeck__console__tests__{name}.snap");
            let snapshot = std::fs::read_to_string(root.join(file)).expect("a snapshot of that name");
            let screen = snapshot.splitn(3, "---\n").nth(2).expect("a head, and the screen");
            let screen: Vec<&str> = screen.trim_end().lines().map(str::trim_end).collect();
            fresh += &format!("<!-- screen: {name} -->\n```text\n{}\n```{after}", screen.join("\n"));
            seen += 1;
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &fresh).expect("the page is written");
        } else {
            assert!(
                fresh == text,
                "docs/{page}.md shows a screen that is no more: UPDATE=1 cargo test --lib the_screens"
            );
        }
    }
    assert!(seen >= 5, "{seen} screens");
}

#[test]
fn every_role_theme_and_command_is_named() {
    for name in Role::ALL.iter().map(|role| role.as_str()).chain(config_themes().iter().map(String::as_str)) {
        assert!(PAGE.contains(name), "{name} is not on the page");
    }
    let commands = PAGE.split("Commands, completed by").nth(1).expect("there is such a line");
    for word in commands.split("\n\n").next().unwrap_or_default().split('`').skip(3).step_by(2) {
        let verb = word.split(' ').next().unwrap_or_default();
        let known = !palette::parse(verb).is_err_and(|why| why.starts_with("there is no command"));
        assert!(known, "{word} is no command");
    }
    for entry in ACTIONS {
        let said = palette::parse(entry.name);
        assert!(!said.is_err_and(|why| why.starts_with("there is no command")), "{} is no command", entry.name);
    }
}

fn config_themes() -> Vec<String> {
    crate::config::Themes::built_in().names().map(ToOwned::to_owned).collect()
}
