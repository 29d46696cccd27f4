//! What all commands share that change a fleet: options, the look at what is there, the question, and writes that hold
//! only for what was shown.
//!
//! Which change it is, and what it means, the planners say; here nothing is decided.

pub mod ask;
pub mod nearest;
pub mod obstacle;
pub mod output;
pub mod scene;
pub mod show;
pub mod stakes;
pub mod write;

use std::time::Duration;

use crate::plan::lifecycle::{Change, Preview};

use super::exit::{Ended, Exit};
use output::{Output, print, print_all, say};
use stakes::Stakes;
use write::{Bound, Writer};

/// What every command of this kind understands.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Show the plan and what the server would store; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask. In production, by a tag or a label, say --reason as well.
    #[arg(short, long)]
    pub yes: bool,
    /// Wait until it is done, and say how it goes.
    #[arg(short, long)]
    pub wait: bool,
    /// Longest time to wait, as in 90s or 1h30m; a bare number is seconds.
    #[arg(long, value_name = "DURATION", default_value = "6h", value_parser = limit, requires = "wait")]
    pub timeout: Duration,
    /// Why; kept with what is changed and in the operations that follow.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Print on standard output what was changed, or with --dry-run the plan; all else goes to standard error.
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// What would happen, and what is written for it.
pub struct Planned<T> {
    pub preview: Preview,
    pub writes: Vec<Bound>,
    /// It is production by a label; what the context says comes before.
    pub stakes: Option<Stakes>,
    /// What the plan is about, for whoever goes on from it.
    pub subject: T,
}

/// An object that was changed.
pub struct Written {
    pub kind: &'static str,
    pub name: String,
    pub uid: Option<String>,
    /// As it was stored.
    pub generation: Option<i64>,
}

/// Shows the plan, lets the server check it, asks, and writes it. `plan` is asked again after a person has thought: what
/// it says then must be no more than what was shown. `None` after a dry run: all is said.
pub async fn carry_out<T>(
    options: &Options,
    writer: &Writer,
    plan: impl AsyncFn() -> Result<Planned<T>, Ended>,
) -> color_eyre::Result<Option<(Planned<T>, Vec<Written>)>> {
    let plan = async || {
        plan().await.map(|mut planned| {
            planned.stakes = writer.stakes.clone().or(planned.stakes).filter(|_| !planned.writes.is_empty());
            if let Some(stakes) = &planned.stakes {
                stakes.raise(&mut planned.preview);
            }
            planned
        })
    };
    let planned = plan().await?;
    let checked = writer.all(&planned.writes, true).await?;
    say(options.output, &show::text(&planned.preview, &planned.writes, &checked));
    if options.dry_run {
        print(options.output, &planned.preview)?;
        return Ok(None);
    }
    if let Some(stakes) = &planned.stakes {
        stakes.demand(planned.preview.level, options.reason.as_deref())?;
    }
    let asked = !planned.writes.is_empty() && ask::confirm(options.yes, &planned.preview)?;
    let planned = if asked { again(&planned, plan().await?)? } else { planned };
    let stored = writer.all(&planned.writes, false).await?;
    print_all(options.output, &stored)?;
    let written = planned.writes.iter().zip(&stored).map(|(bound, object)| Written {
        kind: bound.change.kind,
        name: bound.change.name.clone(),
        uid: bound.change.uid.clone(),
        generation: object["metadata"]["generation"].as_i64(),
    });
    let written = written.collect();
    Ok(Some((planned, written)))
}

/// The plan of now, if a person who agreed to the one that was shown agreed to this one as well.
fn again<T>(shown: &Planned<T>, now: Planned<T>) -> Result<Planned<T>, Ended> {
    let meanwhile = |why: String| Err(Ended::new(Exit::Declined, format!("{why}: nothing was changed; look again")));
    for bound in &now.writes {
        match shown.writes.iter().find(|b| b.is_same(bound)) {
            Some(before) if before.seen == bound.seen => {}
            Some(_) => return meanwhile(format!("{} was changed by somebody else meanwhile", bound.change.name)),
            None => return meanwhile(format!("{} is another object than the one that was shown", bound.change.name)),
        }
    }
    if now.preview.machines > shown.preview.machines || now.preview.level > shown.preview.level {
        return meanwhile("more would happen now than was shown".to_owned());
    }
    Ok(now)
}

impl<T> Planned<T> {
    /// Nothing is to be written: all is as it was asked for.
    pub fn nothing(title: String, subject: T) -> Self {
        Self { preview: Preview { title, ..Preview::default() }, writes: Vec::new(), stakes: None, subject }
    }

    pub fn new(preview: Preview, changes: Vec<Change>, seen: impl Fn(&Change) -> write::Seen, subject: T) -> Self {
        let bind = |change: Change| Bound { seen: seen(&change), change };
        Self { preview, writes: changes.into_iter().map(bind).collect(), stakes: None, subject }
    }

    /// The same, where this is at stake.
    pub fn at(self, stakes: Option<Stakes>) -> Self {
        Self { stakes, ..self }
    }
}

/// Longest wait that can be asked for.
const LONGEST: Duration = Duration::from_hours(7 * 24);

pub fn limit(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let limit = seconds.or_else(|| Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok());
    match limit {
        Some(limit) if !limit.is_zero() && limit <= LONGEST => Ok(limit),
        _ => Err("a time up to seven days is needed, such as 90s, 5m or 1h30m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_time_or_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400)] {
            assert_eq!(limit(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["0", "0s", "-1s", "8d", "200h", "soon", ""] {
            assert!(limit(text).is_err(), "{text}");
        }
    }

    fn planned(objects: &[(&str, &str, i32)], machines: i32) -> Planned<()> {
        let bound = |(name, uid, spec): &(&str, &str, i32)| Bound {
            change: Change {
                kind: "NodePool",
                name: (*name).to_owned(),
                uid: Some((*uid).to_owned()),
                resource_version: None,
                patch: serde_json::json!({}),
            },
            seen: write::Seen { spec: serde_json::json!(spec), annotations: None },
        };
        let preview = Preview { machines, ..Preview::default() };
        Planned { preview, writes: objects.iter().map(bound).collect(), stakes: None, subject: () }
    }

    #[test]
    fn what_a_person_agreed_to_is_what_happens() {
        let shown = || planned(&[("a", "1", 3)], 3);
        let check = |now: Planned<()>, wanted: &str| {
            let said = again(&shown(), now).map_or_else(|ended| ended.message, |_| "goes on".to_owned());
            assert!(said.starts_with(wanted), "{said}");
        };
        check(planned(&[("a", "1", 3)], 3), "goes on");
        check(planned(&[("a", "1", 3)], 2), "goes on");
        check(planned(&[("a", "1", 4)], 3), "a was changed by somebody else");
        check(planned(&[("a", "2", 3)], 3), "a is another object");
        check(planned(&[("a", "1", 3)], 4), "more would happen now");
    }
}
