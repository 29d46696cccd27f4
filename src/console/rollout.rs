//! The dialog of an upgrade, a replacement, a rollback or an abort: what will happen by the planner, why, the typed yes.
//!
//! It holds the scene that the user is looking at and asks `plan::lifecycle`, as the controllers will.

mod look;

use super::{
    form::{Ask, Form, Pressed},
    input::Line,
    message::Order,
};
use crate::{
    fleet::{ClusterNode, Snapshot, Uid},
    plan::{
        forecast::{Finding, FindingKind},
        lifecycle::{self, Author, Preview, Wish},
        version::Version,
    },
};
use crossterm::event::{KeyCode, KeyEvent};
use jiff::Timestamp;
use look::{Seen, Target};
use std::{collections::BTreeMap, sync::Arc};

/// The plan is made anew at most this often while data comes in.
const LOOK_EVERY_SECONDS: i64 = 1;
/// How long we say that the pods of a cluster are being counted.
const COUNTED_WITHIN_SECONDS: i64 = 20;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Upgrade,
    Replace,
    Rollback,
    Abort,
    /// What failed is tried again: asked about with yes or no, not in the dialog.
    Retry,
}

impl Verb {
    pub fn title(self) -> &'static str {
        match self {
            Self::Upgrade => "Upgrade",
            Self::Replace => "Replace",
            Self::Rollback => "Roll back",
            Self::Abort => "Abort",
            Self::Retry => "Retry",
        }
    }
}

/// What it is asked of.
#[derive(Clone, Debug)]
pub struct About {
    pub verb: Verb,
    /// UID of the cluster.
    pub cluster: Uid,
    /// Name of the `NodePool`; none for the whole cluster.
    pub pool: Option<Arc<str>>,
    /// Names of machines; all of the pool if empty.
    pub machines: Vec<String>,
}

/// The dialog.
#[derive(Clone, Debug)]
pub struct RolloutDialog {
    pub about: About,
    pub form: Form,
    /// The version that is wanted; empty where none is.
    pub version: Line,
    /// It begins now, though a maintenance window is closed or closes before its end.
    pub outside_window: bool,
    /// What may be chosen from, the oldest first.
    pub offered: Vec<Version>,
    /// How many machines have which version now.
    pub versions: BTreeMap<Version, usize>,
    /// What will happen, or why it will not.
    pub preview: Result<Preview, String>,
    /// What the drains would run into.
    pub findings: Vec<Finding>,
    /// What would be written, or why nothing would.
    planned: Result<Vec<lifecycle::Change>, String>,
    seen: Seen,
    targets: Vec<Target>,
    /// The moment that patches are made for: the same for as long as the dialog is open.
    decided_at: Timestamp,
    looked_at: Timestamp,
    /// When it was asked for a count of the cluster's pods.
    counting_since: Option<Timestamp>,
}

impl RolloutDialog {
    /// Opens on what the user is looking at; `None` if there is no deployment to plan for.
    pub fn open(about: About, snapshot: &Snapshot, user: &str, now: Timestamp) -> Option<Self> {
        let node = snapshot.cluster(&about.cluster)?;
        let seen = Seen::of(node, snapshot)?;
        let has_version = about.verb == Verb::Upgrade;
        let mut dialog = Self {
            form: Form::new(user, has_version, now),
            version: Line::default(),
            outside_window: false,
            offered: Vec::new(),
            versions: look::versions(node, about.pool.as_deref()),
            preview: Err(String::new()),
            findings: Vec::new(),
            planned: Err(String::new()),
            targets: Vec::new(),
            decided_at: now,
            looked_at: now,
            counting_since: None,
            about,
            seen,
        };
        if has_version {
            dialog.offered = look::offered(&dialog.seen, &dialog.versions);
            let first = dialog.first_choice().map(ToString::to_string).unwrap_or_default();
            dialog.version = Line::with(&first);
        }
        dialog.plan();
        Some(dialog)
    }

    /// The next minor version's newest, for that is the usual step; else the newest there is. A pool goes where its
    /// control plane is.
    fn first_choice(&self) -> Option<&Version> {
        let now = self.versions.keys().next_back();
        let Some(now) = now else { return self.offered.last() };
        if self.about.pool.is_some()
            && let Some(deployed) = self.offered.iter().find(|v| v.to_string() == self.seen.deployment.spec.version)
            && deployed > now
        {
            return Some(deployed);
        }
        let next = self.offered.iter().find(|v| v.minor() > now.minor()).map(Version::minor);
        self.offered.iter().rfind(|v| Some(v.minor()) == next).or(self.offered.last())
    }

    fn wish(&self) -> Wish {
        let pool = self.about.pool.as_deref().map(ToOwned::to_owned);
        let named = || pool.clone().unwrap_or_default();
        let outside_window = self.outside_window;
        match self.about.verb {
            Verb::Upgrade => Wish::Upgrade { pool, version: self.version.value().trim().to_owned(), outside_window },
            Verb::Replace if self.about.machines.is_empty() => Wish::Replace { pool: named(), outside_window },
            Verb::Replace => {
                Wish::ReplaceMachines { pool: named(), machines: self.about.machines.clone(), outside_window }
            }
            Verb::Rollback => Wish::Rollback { pool: named(), outside_window },
            Verb::Abort => Wish::Abort { pool: named() },
            Verb::Retry => Wish::Retry { pool: named() },
        }
    }

    /// Asks the planner anew.
    fn plan(&mut self) {
        let (wish, scene) = (self.wish(), self.seen.scene(self.decided_at));
        self.preview = lifecycle::preview(&scene, &wish).map_err(|refusal| refusal.to_string());
        self.findings = self.preview.as_ref().map(|preview| preview.drains.clone()).unwrap_or_default();
        self.write();
        self.form.complaint = None;
    }

    /// What is written for it, with the reason as it stands.
    fn write(&mut self) {
        let scene = self.seen.scene(self.decided_at);
        let author = Author { by: &self.form.user, reason: self.form.reason() };
        let planned = lifecycle::changes(&scene, &self.wish(), &author).map_err(|refusal| refusal.to_string());
        self.targets = planned.as_ref().map(|changes| self.seen.targets(changes)).unwrap_or_default();
        self.planned = planned;
    }

    /// What is under way already on the pools that it is about, in sentences.
    pub fn under_way(&self) -> Vec<String> {
        self.seen.under_way(self.about.pool.as_deref())
    }

    /// The cluster whose pods somebody has to count before what its drains run into is known; once for a dialog.
    pub fn wants_count(&mut self, now: Timestamp) -> Option<(String, String)> {
        let unknown = self.findings.iter().any(|finding| finding.kind == FindingKind::Incomplete && finding.pods == 0);
        if !unknown || self.counting_since.is_some() || !self.seen.is_uncounted() {
            return None;
        }
        self.counting_since = Some(now);
        Some((self.seen.deployment.metadata.namespace.clone()?, self.seen.name().to_owned()))
    }

    /// It was asked for not long ago.
    pub fn is_counting(&self, now: Timestamp) -> bool {
        self.counting_since.is_some_and(|at| now.duration_since(at).as_secs() < COUNTED_WITHIN_SECONDS)
    }

    /// The cluster, or the pool with its cluster.
    pub fn subject(&self) -> String {
        let cluster = self.seen.name();
        match &self.about.pool {
            Some(pool) => {
                let short = pool.strip_prefix(cluster).and_then(|p| p.strip_prefix('-')).unwrap_or(pool);
                format!("{cluster} / {short}")
            }
            None => cluster.to_owned(),
        }
    }

    pub fn is_production(&self, snapshot: &Snapshot) -> bool {
        let pool = self.about.pool.as_deref().and_then(|pool| snapshot.pool_named(self.about.cluster.context, pool));
        snapshot.cluster(&self.about.cluster).is_some_and(|c| c.row.production)
            || pool.is_some_and(|p| p.row.production)
    }

    /// Nothing to plan for now is not what was planned for: says what is different.
    fn difference(&self, node: &ClusterNode, snapshot: &Snapshot) -> Option<String> {
        self.targets.iter().find_map(|target| target.difference(node, snapshot))
    }

    fn choose(&mut self, up: bool) {
        let now: Option<Version> = self.version.value().trim().parse().ok();
        let chosen = match now {
            Some(now) if up => self.offered.iter().find(|v| **v > now),
            Some(now) => self.offered.iter().rfind(|v| **v < now),
            None => self.offered.last(),
        };
        if let Some(version) = chosen {
            self.version = Line::with(&version.to_string());
            self.form.typing_value = false;
            self.form.value_changed();
            self.plan();
        }
    }

    /// A character replaces what was chosen at first and is added to it then.
    fn type_version(&mut self, key: KeyEvent) {
        if !self.form.typing_value && key.code != KeyCode::Backspace {
            self.version = Line::default();
        }
        self.form.typing_value = true;
        self.version.key(key);
        self.form.value_changed();
        self.plan();
    }
}

impl Ask for RolloutDialog {
    fn form(&self) -> &Form {
        &self.form
    }

    fn form_mut(&mut self) -> &mut Form {
        &mut self.form
    }

    fn order(&self) -> Result<Order, String> {
        let preview = self.preview.as_ref().map_err(Clone::clone)?;
        let planned = self.planned.as_ref().map_err(Clone::clone)?;
        let changes = planned.iter().zip(&self.targets).map(|(change, target)| target.bind(change)).collect();
        let done = match self.about.verb {
            Verb::Abort => format!("{} stops where it is", self.subject()),
            Verb::Retry => format!("{} tries again what failed", self.subject()),
            _ => format!("{} is under way", preview.title),
        };
        Ok(Order { changes, done })
    }

    fn level(&self) -> u8 {
        self.form.stakes.level(self.preview.as_ref().map_or(2, |preview| preview.level))
    }

    fn phrase(&self) -> String {
        self.preview.as_ref().map(|preview| preview.confirm.clone()).unwrap_or_default()
    }

    fn refresh(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let Some(node) = snapshot.cluster(&self.about.cluster) else {
            self.form.changed = Some(format!("{} was deleted: Esc closes this", self.seen.name()));
            return;
        };
        if let Some(difference) = self.difference(node, snapshot) {
            self.form.changed = Some(format!("{difference} since you opened this: ctrl-r plans it anew"));
            return;
        }
        let due = now.duration_since(self.looked_at).as_secs() >= LOOK_EVERY_SECONDS;
        if due && self.form.applying.is_none() && !self.seen.is_of(node, snapshot) {
            self.look(snapshot, now);
        }
    }

    fn reload(&mut self, snapshot: &Snapshot, now: Timestamp) {
        self.form.begin_again();
        self.decided_at = now;
        self.look(snapshot, now);
    }

    fn press_value(&mut self, key: KeyEvent) -> Pressed {
        match key.code {
            KeyCode::Up => self.choose(true),
            KeyCode::Down => self.choose(false),
            KeyCode::Enter => self.form.step(true),
            KeyCode::Char('x') if !self.form.typing_value => return Pressed::Export,
            KeyCode::Char('W') => return Pressed::Arm,
            KeyCode::Char('q') if !self.form.typing_value => return Pressed::Cancel,
            KeyCode::Char(_) | KeyCode::Backspace | KeyCode::Delete => self.type_version(key),
            _ => {}
        }
        Pressed::Taken
    }

    fn turn_window(&mut self) {
        let window =
            |dialog: &Self| dialog.preview.as_ref().ok().and_then(|p| p.window.as_ref().map(|w| w.is_in_the_way));
        let (before, was) = (window(self), self.outside_window);
        // What is refused may be refused because it waits for one.
        if was || before == Some(true) || self.preview.is_err() {
            self.outside_window = !was;
            self.plan();
            if !was && window(self).is_none() {
                self.outside_window = false;
                self.plan();
                return;
            }
            self.form.value_changed();
        }
    }

    fn settle(&mut self) {
        self.write();
    }
}

impl RolloutDialog {
    /// Takes the scene as it is now and plans anew.
    fn look(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let Some(node) = snapshot.cluster(&self.about.cluster) else { return };
        if let Some(seen) = Seen::of(node, snapshot) {
            self.versions = look::versions(node, self.about.pool.as_deref());
            self.seen = seen;
            self.looked_at = now;
            let complaint = self.form.complaint.take();
            self.plan();
            self.form.complaint = complaint;
        }
    }
}
