//! What a demo starts with: the fleet that a folder has already, else the scenario that was asked for, else the usual one.

use std::{fmt::Write, path::Path};

use super::size::{self, Wanted};
use crate::{
    commands::exit::{Ended, Exit},
    embedded::simulation::{self, Kept, Scenario, Size},
};

/// The word that asks for the list.
pub const LIST: &str = "list";

/// Size and scenario to start with.
#[derive(Debug)]
pub struct Situation {
    pub size: Size,
    pub scenario: Option<&'static Scenario>,
}

impl Situation {
    /// Settles what was typed. Reads the folder and changes nothing there.
    pub fn settle(wanted: Wanted, scenario: Option<&str>, data: Option<&Path>) -> Result<Self, Ended> {
        let asked = scenario.map(named).transpose()?;
        let kept = data.map(simulation::kept).transpose().map(Option::flatten);
        let kept = kept.map_err(|e| {
            let cause = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
            Ended::new(Exit::BadInput, format!("{e} cannot be read{cause}; choose another folder with --data"))
        })?;
        let scenario = match (&kept, data) {
            (Some(kept), Some(data)) => same(kept, asked, data)?,
            _ => asked,
        };
        let default = scenario.map_or(size::DEFAULT, |s| Size {
            clusters: s.clusters,
            machines: s.machines,
            seed: size::DEFAULT.seed,
        });
        let kept = kept.map(|kept| kept.size).zip(data);
        Ok(Self { size: wanted.settle(kept, default)?, scenario })
    }
}

/// The scenario of a folder, if no other one was asked for.
fn same(kept: &Kept, asked: Option<&'static Scenario>, data: &Path) -> Result<Option<&'static Scenario>, Ended> {
    let known = kept.scenario.as_deref();
    if let Some(asked) = asked.filter(|asked| known != Some(asked.name.as_str())) {
        let has = known.map_or("without a scenario".to_owned(), |name| format!("with the scenario {name}"));
        let message = format!(
            "the folder {} was begun {has}, and keeps to that: leave --scenario out to go on with it, or name another \
             folder with --data for {}",
            data.display(),
            asked.name
        );
        return Err(Ended::new(Exit::BadInput, message));
    }
    Ok(known.and_then(Scenario::named))
}

fn named(name: &str) -> Result<&'static Scenario, Ended> {
    Scenario::named(name).ok_or_else(|| {
        Ended::new(Exit::BadInput, format!("there is no scenario {name:?}; there are:\n{}", list().trim_end()))
    })
}

/// A line for each scenario.
pub fn list() -> String {
    let width = Scenario::all().iter().map(|s| s.name.len()).max().unwrap_or(0);
    Scenario::all().iter().fold(String::new(), |mut text, scenario| {
        let _ = writeln!(text, "  {:width$}  {}", scenario.name, scenario.about);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is settled, or the sentence, without the name of the folder; `-` is a folder without a scenario.
    #[track_caller]
    fn check(scenario: Option<&str>, kept: Option<&str>, expected: &str) {
        let asked = scenario.map(named).transpose();
        let size = Size { clusters: 1, machines: 24, seed: 1 };
        let kept = kept.map(|name| Kept { size, scenario: Some(name.to_owned()).filter(|name| name != "-") });
        let settled = match (asked, kept) {
            (Ok(asked), Some(kept)) => same(&kept, asked, Path::new("d")),
            (asked, _) => asked,
        };
        let said = settled.map_or_else(|e| e.message, |s| s.map_or_else(|| "none".to_owned(), |s| s.name.clone()));
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn a_scenario_is_found_or_all_are_named() {
        check(None, None, "none");
        check(Some("lost-rack"), None, "lost-rack");
        check(Some("no-such"), None, "there is no scenario \"no-such\"; there are:\n  blocked-drain        A pool is");
        assert_eq!(list().lines().count(), Scenario::all().len());
    }

    #[test]
    fn a_folder_keeps_its_scenario() {
        check(None, Some("ssh-cut"), "ssh-cut");
        check(Some("ssh-cut"), Some("ssh-cut"), "ssh-cut");
        check(Some("lost-rack"), Some("ssh-cut"), "the folder d was begun with the scenario ssh-cut, and keeps");
        check(Some("lost-rack"), Some("-"), "the folder d was begun without a scenario");
    }

    #[test]
    fn a_scenario_has_a_size_that_can_be_overridden() {
        let settled = Situation::settle(Wanted::default(), Some("full-fleet"), None).unwrap();
        assert_eq!((settled.size.clusters, settled.size.machines), (8, 400));
        let wanted = Wanted { machines: Some(90), ..Wanted::default() };
        assert_eq!(Situation::settle(wanted, Some("lost-rack"), None).unwrap().size.machines, 90);
    }
}
