//! `quarterdeck man`: its manual, a page for each command.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::CommandFactory;
use clap_mangen::Man;

use super::{
    exit::{Ended, Exit},
    lines,
};

/// Print the manual page, or write a page for each command into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "  quarterdeck man | man -l -
  quarterdeck man --into /usr/local/share/man/man1")]
pub struct Args {
    /// The folder; it has to be there.
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    into: Option<PathBuf>,
}

/// Prints or writes them.
pub fn run(args: &Args) -> color_eyre::Result<ExitCode> {
    let pages = pages()?;
    let Some(folder) = &args.into else {
        lines::out(&String::from_utf8_lossy(&pages[0].1))?;
        return Ok(Exit::Success.into());
    };
    for (name, page) in &pages {
        let path = folder.join(name);
        fs::write(&path, page).map_err(|error| {
            let why = format!(
                "cannot write {}: {error}; name a folder that is there and that you may write to",
                path.display()
            );
            Ended::new(Exit::BadInput, why)
        })?;
    }
    lines::err(&format!("{} pages in {}", pages.len(), folder.display()));
    Ok(Exit::Success.into())
}

/// File names and pages, that of the program first.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    // A page refers to the pages of what is below it: `help` has nothing to say in a manual.
    let mut command = super::Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    below(&command, "quarterdeck", &mut pages)?;
    Ok(pages)
}

/// The page of a command, and then those of its subcommands.
fn below(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    pages.push(page(command, name)?);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        below(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str) -> std::io::Result<(String, Vec<u8>)> {
    let man = Man::new(command.clone()).title(name.to_uppercase());
    let mut page = Vec::new();
    man.render(&mut page)?;
    Ok((man.get_filename(), page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let pages = pages().expect("pages");
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "quarterdeck.1");
        assert!(names.contains(&"quarterdeck-upgrade.1"), "{names:?}");
        let page = |name: &str| {
            let found = pages.iter().find(|(n, _)| n == name).expect("the page");
            String::from_utf8_lossy(&found.1).into_owned()
        };
        assert!(page("quarterdeck.1").contains("upgrade"));
        assert!(page("quarterdeck-runbook-lint.1").contains("runbook"));
        for (name, page) in &pages {
            let page = String::from_utf8_lossy(page).replace("\\-", "-");
            let named = page.split_whitespace().filter_map(|word| word.strip_suffix("(1)"));
            for named in named.map(|word| word.trim_start_matches("\\fB")) {
                assert!(names.contains(&format!("{named}.1").as_str()), "{name} refers to {named}: {names:?}");
            }
        }
        assert!(page("quarterdeck-upgrade.1").contains("outside\\-window"), "{}", page("quarterdeck-upgrade.1"));
    }
}
