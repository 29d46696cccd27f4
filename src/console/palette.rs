//! The command line of the console: verbs and names, completed as they are typed.

mod lines;

pub use lines::{CommandLines, Recall};

use super::{
    action::{ACTIONS, Action},
    input::Line,
    named,
    scale::MOST,
    sheet::{Form, Kind},
};
use crate::fleet::{ClusterNode, PoolNode, Snapshot, Uid};
use nucleo_matcher::{
    Config, Matcher,
    pattern::{CaseMatching, Normalization, Pattern},
};
use std::{borrow::Cow, sync::Arc};

/// Completions that are shown.
pub const SHOWN: usize = 8;
/// Machines that completions are chosen from.
const MACHINES: usize = 200;

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Do(Action),
    /// `scale CLUSTER/POOL N`: opens the dialog with that number; it is confirmed there like any other.
    Scale {
        pool: String,
        replicas: Option<i32>,
    },
    Pool(String),
    Cluster(String),
    Machine(String),
    Operation(String),
    Filter(String),
    Tour,
    /// `mouse on`, `mouse off`.
    Mouse(bool),
    Theme(String),
    /// Everything that was said, in the pager.
    Messages,
    /// `yaml KIND NAME`, `describe KIND NAME`, `diff KIND NAME`.
    Show {
        form: Form,
        kind: Kind,
        name: String,
    },
    /// A command of the user's.
    Own(String),
    /// `columns NAME…`, the name of a set, or `save NAME`.
    Columns(Vec<String>),
}

/// One line of the list below the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    pub text: String,
    pub help: Cow<'static, str>,
}

impl Completion {
    /// What it would do to the fleet or the console, as far as its first word says.
    pub fn action(&self) -> Option<Action> {
        self.text.split(' ').next().and_then(Action::named)
    }
}

/// The prompt and what it offers.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    pub line: Line,
    pub completions: Vec<Completion>,
    pub selected: usize,
    /// Why the line cannot be carried out.
    pub complaint: Option<String>,
    /// The user's own commands: names, and what they are for.
    pub own: Vec<(String, String)>,
    /// What may stand behind `columns`.
    pub columns: Vec<String>,
    pub recall: Recall,
}

const VERBS: &[(&str, &str)] = &[
    ("scale", "CLUSTER/POOL N: open the dialog with N replicas"),
    ("pool", "CLUSTER/POOL: go to a pool"),
    ("cluster", "NAME: go to a cluster"),
    ("machine", "NAME: go to a machine"),
    ("operation", "NAME: go to an operation"),
    ("filter", "WORDS: set the filter"),
    ("theme", "NAME: change colours"),
    ("mouse", "on, off: wheel and clicks, in place of the terminal's own selection"),
    ("tour", "five screens that say how the console is used"),
    ("messages", "what the console has said so far"),
    ("columns", "NAME…, the name of a set, or `save NAME`: the columns of the machines"),
];

impl Palette {
    /// Looks for completions of what stands on the line.
    pub fn complete(&mut self, snapshot: &Snapshot, themes: &[String]) {
        self.complaint = None;
        self.completions = completions(self.line.value(), snapshot, themes, &self.own, &self.columns);
        self.selected = 0;
    }

    /// Reads a command line, the user's own commands included.
    pub fn read(&self, text: &str) -> Result<Command, String> {
        let word = text.trim().trim_start_matches(':').trim();
        match self.own.iter().find(|(name, _)| name == word) {
            Some((name, _)) => Ok(Command::Own(name.clone())),
            None => parse(text),
        }
    }

    /// Puts a line of the history on the prompt.
    pub fn go_back(&mut self, older: bool) {
        let line = if older { self.recall.older() } else { Some(self.recall.newer()) };
        if let Some(line) = line {
            self.line = Line::with(line);
        }
    }

    /// Takes the selected completion over; true if that changed the line.
    pub fn accept(&mut self) -> bool {
        let Some(chosen) = self.completions.get(self.selected) else { return false };
        if chosen.text.trim() == self.line.value().trim() {
            return false;
        }
        self.line = Line::with(&chosen.text);
        true
    }

    pub fn select(&mut self, down: bool) {
        let len = self.completions.len().max(1);
        self.selected = (self.selected + if down { 1 } else { len - 1 }) % len;
    }
}

/// Reads a command line; a mistake is a sentence.
pub fn parse(text: &str) -> Result<Command, String> {
    let mut words = text.trim().trim_start_matches(':').split_whitespace();
    let verb = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let one = |make: fn(String) -> Command, what: &str| match rest.as_slice() {
        [name] => Ok(make((*name).to_owned())),
        _ => Err(format!("write `{verb} {what}`")),
    };
    match verb {
        "" => Err("type a command; Tab completes it, Esc leaves".into()),
        "q" | "quit" | "exit" => Ok(Command::Do(Action::Quit)),
        "scale" => scale(&rest),
        "pool" => one(Command::Pool, "CLUSTER/POOL"),
        "cluster" => one(Command::Cluster, "NAME"),
        "machine" => one(Command::Machine, "NAME"),
        "operation" | "op" => one(Command::Operation, "NAME"),
        "mouse" => match rest.as_slice() {
            ["on"] => Ok(Command::Mouse(true)),
            ["off"] => Ok(Command::Mouse(false)),
            _ => Err("write `mouse on` or `mouse off`".into()),
        },
        "tour" if rest.is_empty() => Ok(Command::Tour),
        "tour" => Err("`tour` takes no argument".into()),
        "theme" => one(Command::Theme, "NAME"),
        "logs" if !rest.is_empty() => one(
            |name| Command::Show { form: Form::Log, kind: Kind::Other("pod".into()), name },
            "POD or POD/CONTAINER: a pod in the namespace of the fleet",
        ),
        "messages" | "mess" if rest.is_empty() => Ok(Command::Messages),
        "filter" => Ok(Command::Filter(rest.join(" "))),
        "yaml" => show(Form::Yaml, verb, &rest),
        "describe" => show(Form::Describe, verb, &rest),
        "diff" => show(Form::Diff, verb, &rest),
        "fleet" => Ok(Command::Do(Action::ViewFleet)),
        "operations" | "ops" => Ok(Command::Do(Action::ViewOperations)),
        "machines" => Ok(Command::Do(Action::ViewMachines)),
        "events" => Ok(Command::Do(Action::ViewEvents)),
        "columns" => Ok(Command::Columns(rest.into_iter().map(ToOwned::to_owned).collect())),
        verb => match (Action::named(verb), rest.is_empty()) {
            (Some(action), true) => Ok(Command::Do(action)),
            (Some(_), false) => Err(format!("`{verb}` takes no argument")),
            (None, _) => Err(format!("there is no command `{verb}`: Tab shows what there is")),
        },
    }
}

fn show(form: Form, verb: &str, words: &[&str]) -> Result<Command, String> {
    let kinds = Kind::OWN.map(|(name, _)| name).join(", ");
    match words {
        [] if form == Form::Yaml => Ok(Command::Do(Action::Yaml)),
        [] if form == Form::Diff => Ok(Command::Do(Action::Diff)),
        [] => Ok(Command::Do(Action::Describe)),
        [kind, name] => match Kind::named(kind) {
            Kind::Other(_) if form == Form::Diff => Err(format!("`{kind}` has nothing to compare: {kinds} have")),
            kind => Ok(Command::Show { form, kind, name: (*name).to_owned() }),
        },
        _ => Err(format!(
            "write `{verb}` for what is under the cursor, or `{verb} KIND NAME`: {kinds}, or any kind that the server has"
        )),
    }
}

/// The word begins a command line.
pub fn knows(word: &str) -> bool {
    !word.is_empty() && !parse(word).is_err_and(|why| why.starts_with("there is no command"))
}

fn scale(words: &[&str]) -> Result<Command, String> {
    let usage = || "write `scale CLUSTER/POOL N`, for example `scale eu-1/gpu 12`".to_owned();
    match words {
        [] => Ok(Command::Do(Action::Scale)),
        [pool] => Ok(Command::Scale { pool: (*pool).to_owned(), replicas: None }),
        [pool, number] => {
            let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
            let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
            let range = || format!("N is 0 to {}: {}", super::text::number(MOST as usize), usage());
            let wrong = || if is_number { range() } else { usage() };
            // `+5` would be read as 5, and means five more.
            let read = number.parse().ok().filter(|n| digits == *number && (0..=MOST).contains(n));
            let replicas = read.ok_or_else(wrong)?;
            Ok(Command::Scale { pool: (*pool).to_owned(), replicas: Some(replicas) })
        }
        _ => Err(usage()),
    }
}

fn completions(
    text: &str,
    snapshot: &Snapshot,
    themes: &[String],
    own: &[(String, String)],
    columns: &[String],
) -> Vec<Completion> {
    let text = text.trim_start_matches(':').trim_start();
    let full = |uid: &Uid, name: &str| named::full(snapshot, uid.context, name);
    let pool =
        |(c, p): (&Arc<ClusterNode>, &Arc<PoolNode>)| full(&c.row.uid, &format!("{}/{}", c.row.name, p.row.short_name));
    let pools = || snapshot.pools().map(pool).collect::<Vec<_>>();
    let Some((verb, rest)) = text.split_once(' ') else { return verbs(text, own) };
    if let ("yaml" | "describe" | "diff", Some((kind, name))) = (verb, rest.trim_start().split_once(' ')) {
        // What there is of a kind is what one can go to.
        let of_kind = completions(&format!("{kind} {name}"), snapshot, themes, own, columns);
        return of_kind.into_iter().map(|c| Completion { text: format!("{verb} {}", c.text), ..c }).collect();
    }
    if verb == "columns" {
        return columns_after(rest, columns);
    }
    let (names, help): (Vec<String>, &'static str) = match verb {
        "yaml" | "describe" | "diff" => (Kind::OWN.map(|(name, _)| format!("{name} ")).to_vec(), "kind"),
        "machine" => (machines(snapshot, rest.trim()), "machine"),
        "scale" if rest.trim_start().contains(' ') => return Vec::new(),
        "scale" => (pools(), "pool"),
        "pool" => (pools(), "pool"),
        "cluster" => (snapshot.clusters.iter().map(|c| full(&c.row.uid, &c.row.name)).collect(), "cluster"),
        "operation" | "op" => (snapshot.operations.iter().map(|o| full(&o.uid, &o.name)).collect(), "operation"),
        "theme" => (themes.to_vec(), "colours"),
        "mouse" => (["on", "off"].map(ToOwned::to_owned).to_vec(), "wheel and clicks"),
        _ => return Vec::new(),
    };
    best(rest.trim(), names)
        .into_iter()
        .map(|name| Completion {
            text: format!("{verb} {name}{}", if verb == "scale" { " " } else { "" }),
            help: help.into(),
        })
        .collect()
}

/// Columns are many words: the last one is completed, behind those that stand there.
fn columns_after(rest: &str, columns: &[String]) -> Vec<Completion> {
    let (before, last) = rest.rsplit_once(' ').map_or(("", rest), |(before, last)| (before, last));
    let known: Vec<&str> = before.split_whitespace().collect();
    let left = columns.iter().filter(|name| !known.contains(&name.as_str())).cloned().collect();
    let before = if before.is_empty() { String::new() } else { format!("{before} ") };
    let completion =
        |name| Completion { text: format!("columns {before}{name}"), help: "columns of the machines".into() };
    best(last.trim(), left).into_iter().map(completion).collect()
}

/// Some machines that may be meant: they are too many to be looked at with every key as the others are.
fn machines(snapshot: &Snapshot, typed: &str) -> Vec<String> {
    let may_be = snapshot.all_machines().filter(|machine| machine.name.contains(typed)).take(MACHINES);
    may_be.map(|machine| named::full(snapshot, machine.uid.context, &machine.name)).collect()
}

fn verbs(text: &str, own: &[(String, String)]) -> Vec<Completion> {
    let verbs = VERBS.iter().map(|(verb, help)| (format!("{verb}{}", if *verb == "tour" { "" } else { " " }), *help));
    let actions = ACTIONS
        .iter()
        .filter(|entry| entry.group != super::action::Group::Move)
        .filter(|entry| VERBS.iter().all(|(verb, _)| *verb != entry.name))
        .map(|entry| (entry.name.to_owned(), entry.help));
    let own = own.iter().map(|(name, about)| (name.clone(), Cow::Owned(about.clone())));
    let all: Vec<(String, Cow<'static, str>)> =
        verbs.chain(actions).map(|(name, help)| (name, Cow::Borrowed(help))).chain(own).collect();
    best(text, all.iter().map(|(name, _)| name.clone()).collect())
        .into_iter()
        .filter_map(|name| {
            let help = all.iter().find(|(n, _)| *n == name)?.1.clone();
            Some(Completion { text: name, help })
        })
        .collect()
}

/// The best fuzzy matches, the best first; all in their order if nothing is typed.
fn best(pattern: &str, names: Vec<String>) -> Vec<String> {
    if pattern.is_empty() {
        return names.into_iter().take(SHOWN).collect();
    }
    let mut matcher = Matcher::new(Config::DEFAULT.match_paths());
    let pattern = Pattern::parse(pattern, CaseMatching::Ignore, Normalization::Smart);
    pattern.match_list(names, &mut matcher).into_iter().map(|(name, _)| name).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_read() {
        let scale = |replicas| Command::Scale { pool: "eu/gpu".into(), replicas };
        assert_eq!(parse("scale eu/gpu 12"), Ok(scale(Some(12))));
        assert_eq!(parse(":scale eu/gpu"), Ok(scale(None)));
        assert_eq!(parse("q"), Ok(Command::Do(Action::Quit)));
        assert_eq!(parse("theme light"), Ok(Command::Theme("light".into())));
        assert_eq!(parse("filter state=failed gpu"), Ok(Command::Filter("state=failed gpu".into())));
        assert_eq!(parse("problems"), Ok(Command::Do(Action::Problems)));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, expected) in [
            ("", "type a command; Tab completes it, Esc leaves"),
            ("fly", "there is no command `fly`: Tab shows what there is"),
            ("scale eu/gpu many", "write `scale CLUSTER/POOL N`, for example `scale eu-1/gpu 12`"),
            ("scale eu/gpu -1", "N is 0 to 100,000: write `scale CLUSTER/POOL N`, for example `scale eu-1/gpu 12`"),
            ("scale eu/gpu +5", "N is 0 to 100,000: write `scale CLUSTER/POOL N`, for example `scale eu-1/gpu 12`"),
            (
                "scale eu/gpu 99999999999",
                "N is 0 to 100,000: write `scale CLUSTER/POOL N`, for example `scale eu-1/gpu 12`",
            ),
            ("pool", "write `pool CLUSTER/POOL`"),
            ("help me", "`help` takes no argument"),
            ("diff fish x", "`fish` has nothing to compare: cluster, pool, set, machine, operation have"),
        ] {
            assert_eq!(parse(text), Err(expected.into()), "{text}");
        }
    }

    #[test]
    fn verbs_complete_fuzzily() {
        let columns = ["plain", "wide", "save ", "mine", "name", "node"].map(ToOwned::to_owned);
        let first = |text| {
            completions(text, &Snapshot::default(), &["dark".into(), "light".into()], &[], &columns)[0].text.clone()
        };
        assert_eq!(first("sc"), "scale ");
        assert_eq!(first("theme li"), "theme light");
        assert_eq!(first("prob"), "problems");
        assert_eq!(first("columns "), "columns plain");
        assert_eq!(first("columns mi"), "columns mine");
        assert_eq!(first("columns name no"), "columns name node");
    }
}
