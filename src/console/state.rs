//! All that the console remembers. Changed by [`update`](super::update) only, read by `view`.

mod subject;

pub use subject::Subject;

use super::{
    audit::Audit,
    confirm::Confirmation,
    contexts::Context,
    custom::{Custom, Run},
    export::ExportDialog,
    failures::Failures,
    glyphs::Glyphs,
    help::Help,
    hosts::Hosts,
    input::Line,
    keys::Keymap,
    layout::{self, Layout},
    log::Ring,
    message::{Effect, OperationKey, Order},
    pager::Pager,
    palette::{CommandLines, Palette},
    places::{Bookmarks, History, Location, Purpose},
    rollout::RolloutDialog,
    said::Said,
    scale::ScaleDialog,
    sieve::Sieves,
    sift::Sifter,
    table::{self, Table},
    tour::Tour,
    tree::{Restriction, RowId, Tree},
    trends::Trends,
    typed::TypedDialog,
    why::Why,
};
use crate::{
    api::Machine,
    fleet::{ContextId, Health, Snapshot, Uid, sort::Key},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How long news stay on the notice line; complaints stay until the next key.
const NEWS_SECONDS: i64 = 8;

/// Where we are and who we are: it does not change while the console runs.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The context of the kubeconfig, or what the meta cluster is called.
    pub context: String,
    pub namespace: String,
    pub user: String,
    /// Why nothing may be written there whoever we are: the server is one that we do not support.
    pub only_look: Option<String>,
    /// The kubeconfig that it was found in, for commands; `None` inside of the cluster.
    pub kubeconfig: Option<String>,
}

/// Which list the main pane shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    #[default]
    Fleet,
    Operations,
    /// One flat table of machines over every cluster.
    Machines,
    Events,
    /// Hosts, asked over SSH.
    Hosts,
}

impl View {
    pub const ALL: [Self; 5] = [Self::Fleet, Self::Operations, Self::Machines, Self::Events, Self::Hosts];

    pub fn title(self) -> &'static str {
        match self {
            Self::Fleet => "Fleet",
            Self::Operations => "Operations",
            Self::Machines => "Machines",
            Self::Events => "Events",
            Self::Hosts => "Hosts",
        }
    }

    /// The view of a title, whatever its case.
    pub fn named(title: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.title().eq_ignore_ascii_case(title))
    }
}

/// Which pane keys go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    Main,
    Detail,
    /// Events, or the log while one is open.
    Feed,
}

/// What lies over the panes and takes the keys.
#[derive(Clone, Debug, Default)]
pub enum Overlay {
    #[default]
    None,
    /// The filter is being typed.
    Filter,
    Palette(Palette),
    Scale(Box<ScaleDialog>),
    Rollout(Box<RolloutDialog>),
    Typed(Box<TypedDialog>),
    Confirm(Box<Confirmation>),
    /// The letter of a bookmark is awaited.
    Bookmark(Purpose),
    Export(Box<ExportDialog>),
    /// A text on the whole screen.
    Pager(Box<Pager>),
    Audit(Box<Audit>),
}

/// One line to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    /// It stays until a key is pressed.
    pub complaint: bool,
    pub until: Timestamp,
}

/// A log that is open.
#[derive(Clone, Debug)]
pub struct LogPane {
    /// Which request its lines belong to.
    pub follow: u64,
    /// Whose it is; several are merged.
    pub operations: Vec<OperationKey>,
    /// Operations that are at work there as well, and are too many.
    pub left_out: usize,
    /// Only lines of this machine.
    pub machine: Option<Arc<str>>,
    pub ring: Ring,
    /// Lines below the window; 0 while it follows.
    pub scroll: usize,
    pub following: bool,
    /// It is over, and why, if that is not simply the end.
    pub ended: Option<Option<String>>,
}

impl LogPane {
    /// The operation that a line is from, where there are several.
    pub fn operation_of(&self, source: usize) -> Option<&OperationKey> {
        self.operations.get(source).filter(|_| self.is_merged())
    }

    pub fn is_merged(&self) -> bool {
        self.operations.len() > 1
    }
}

/// A list with a cursor that holds on to an identity: operations and events.
#[derive(Clone, Debug, Default)]
pub struct List {
    pub cursor: Option<Uid>,
    pub index: usize,
    pub top: usize,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct State {
    pub now: Timestamp,
    /// The round trip to the terminal: so old is what is seen there when a key that comes now was pressed.
    pub lag: SignedDuration,
    pub size: (u16, u16),
    /// Who is at the keyboard: recorded with each change that is asked for.
    pub user: String,
    /// The meta clusters that are shown, by [`ContextId`]; there is always one.
    pub contexts: Vec<Context>,
    pub keymap: Keymap,
    pub glyphs: Glyphs,
    pub themes: Vec<String>,
    pub theme: String,
    pub snapshot: Arc<Snapshot>,
    pub view: View,
    pub pane: Pane,
    pub zoom: bool,
    pub tree: Tree,
    /// Machines that the next key is for, by UID, in place of the one under the cursor.
    pub marks: BTreeSet<Uid>,
    pub operations: List,
    pub table: Table,
    /// Columns of the table that the user has given a name.
    pub column_sets: BTreeMap<String, Vec<Key>>,
    pub events: List,
    /// Events that are newer than the first one in their pane.
    pub feed_top: usize,
    pub history: History,
    pub bookmarks: Bookmarks,
    /// Where the user was the last time, and what was open there, until the fleet is known.
    pub come_back_to: Option<(Location, Vec<RowId>)>,
    /// Lines of the detail pane that are scrolled away.
    pub detail_scroll: usize,
    pub filter: Line,
    /// What the filter said before it was edited: Esc goes back to it.
    pub filter_before: String,
    /// Where the cursors of the tree and of the table were then: they come back too.
    pub cursors_before: (RowId, Option<Uid>),
    pub sifter: Sifter,
    /// Filters of other lists than that of machines.
    pub sieves: Sieves,
    pub problems_only: bool,
    pub overlay: Overlay,
    /// The help page, over all else.
    pub help: Option<Box<Help>>,
    /// The terminal reports the mouse.
    pub mouse: bool,
    /// What the configuration says of that: what was chosen since stays until it says something else.
    pub mouse_set: bool,
    /// The tour, over all else.
    pub tour: Option<Tour>,
    /// It is to be shown as soon as there is a fleet to speak of.
    pub wants_tour: bool,
    /// `Timestamp::MAX`: for as long as the console runs.
    pub armed_until: Option<Timestamp>,
    /// How long writes stay armed.
    pub armed_seconds: i64,
    pub notice: Option<Notice>,
    /// What was said before, for `:messages`.
    pub said: Said,
    /// Enter means yes in a question of level 1.
    pub confirms_quickly: bool,
    /// The user's own commands.
    pub commands: Arc<[Custom]>,
    /// What was carried out on the command line.
    pub command_lines: CommandLines,
    /// The one of them that runs.
    pub running: Option<Run>,
    pub log: Option<LogPane>,
    /// Lines of a log that are kept.
    pub log_lines: usize,
    /// Long lines of a log are broken, not cut.
    pub log_wraps: bool,
    /// The whole resource of the machine under the cursor: its facts and conditions, which rows do not keep.
    pub machine: Option<(ContextId, Arc<Machine>)>,
    /// That resource is asked for.
    pub fetching: bool,
    /// UID and version of the machine that was asked for last: an answer that does not come is not asked for again.
    pub asked_for: Option<(Uid, Box<str>)>,
    pub hosts: Hosts,
    /// The page that says why a machine is not Ready; it lies over the panes.
    pub why: Option<Box<Why>>,
    /// Journals are read for that page.
    pub reading: bool,
    pub failures: Failures,
    pub trends: Trends,
    /// The last change of this session that has a plan for the way back.
    pub undo: Option<Undo>,
    /// Changes that are on their way, outside the scale dialog.
    pub tickets: u64,
    /// Changes without a dialog whose answer has not come: ticket, and the objects that they are about.
    pub sent: Vec<(u64, Vec<String>)>,
    /// What is read to be edited.
    pub editing: Option<(u64, super::sheet::About)>,
    pub focused: bool,
    /// Nothing is drawn while the terminal is in the background, for it is far away; nearby it is drawn rarely.
    pub rests_behind: bool,
    /// Rises with every change that can be seen.
    pub revision: u64,
}

/// A pool that was scaled from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    pub pool: Uid,
    pub from: i32,
    pub to: i32,
}

impl State {
    /// On one meta cluster.
    pub fn new(place: Place, keymap: Keymap, glyphs: Glyphs, size: (u16, u16), now: Timestamp) -> Self {
        Self::on(vec![Context::plain(place)], keymap, glyphs, size, now)
    }

    /// On some meta clusters, at least one.
    pub fn on(contexts: Vec<Context>, keymap: Keymap, glyphs: Glyphs, size: (u16, u16), now: Timestamp) -> Self {
        let user = contexts.first().map(|context| context.place.user.clone()).unwrap_or_default();
        let mut state = Self {
            now,
            lag: SignedDuration::ZERO,
            size,
            user,
            contexts,
            keymap,
            glyphs,
            themes: Vec::new(),
            theme: String::new(),
            snapshot: Arc::default(),
            view: View::default(),
            pane: Pane::default(),
            zoom: false,
            tree: Tree::default(),
            marks: BTreeSet::new(),
            operations: List::default(),
            table: Table::default(),
            column_sets: BTreeMap::new(),
            events: List::default(),
            feed_top: 0,
            history: History::default(),
            bookmarks: Bookmarks::default(),
            come_back_to: None,
            detail_scroll: 0,
            filter: Line::default(),
            filter_before: String::new(),
            cursors_before: (RowId::Meta, None),
            sifter: Sifter::default(),
            sieves: Sieves::default(),
            problems_only: false,
            overlay: Overlay::None,
            help: None,
            mouse: false,
            mouse_set: false,
            tour: None,
            wants_tour: false,
            armed_until: None,
            armed_seconds: 15 * 60,
            notice: None,
            said: Said::default(),
            confirms_quickly: false,
            commands: Arc::default(),
            running: None,
            command_lines: CommandLines::default(),
            log: None,
            log_lines: 10_000,
            log_wraps: false,
            machine: None,
            fetching: false,
            asked_for: None,
            hosts: Hosts::default(),
            why: None,
            reading: false,
            failures: Failures::default(),
            trends: Trends::default(),
            tickets: 0,
            sent: Vec::new(),
            editing: None,
            undo: None,
            focused: true,
            rests_behind: false,
            revision: 0,
        };
        state.table.columns = table::built_in(table::PLAIN, state.has_several_contexts());
        state.lay_out();
        state
    }

    /// Where the panes are.
    pub fn layout(&self) -> Layout {
        layout::layout(self)
    }

    /// The screen stands still: nobody looks, and drawing would cost somebody's line.
    pub fn is_still(&self) -> bool {
        self.rests_behind && !self.focused
    }

    /// What opened later than that was not on the screen yet for whoever pressed the key that comes now.
    pub fn seen_at(&self) -> Timestamp {
        self.now.checked_sub(self.lag).unwrap_or(self.now)
    }

    /// Writes are allowed now.
    pub fn is_armed(&self) -> bool {
        self.armed_until.is_some_and(|until| self.now < until)
    }

    /// Something on screen counts seconds. A fleet at rest is a screen at rest.
    pub fn shows_seconds(&self) -> bool {
        let counts = &self.snapshot.counts;
        let line = &self.snapshot.connection.line;
        (self.is_armed() && self.armed_until != Some(Timestamp::MAX))
            || !line.is_live()
            || [Health::Bad, Health::Warning, Health::Moving].iter().any(|h| counts.health(*h) > 0)
            || self.snapshot.operations.first().is_some_and(|o| !o.is_final())
    }

    /// When something on screen changes by itself.
    pub fn next_tick(&self) -> Timestamp {
        let unit = if self.shows_seconds() { 1 } else { 60 };
        let next = Timestamp::from_second((self.now.as_second().div_euclid(unit) + 1) * unit).unwrap_or(self.now);
        let notice = self.notice.as_ref().map(|notice| notice.until);
        let order = (self.view == View::Machines).then(|| self.table.next(&self.snapshot)).flatten();
        [notice, order].into_iter().flatten().fold(next, Timestamp::min)
    }

    /// The filter of the view: machines have one, wherever they are shown.
    pub fn line(&self) -> &Line {
        match self.view {
            View::Operations => &self.sieves.operations.line,
            View::Events => &self.sieves.events.line,
            View::Hosts => &self.hosts.sieve.line,
            View::Fleet | View::Machines => &self.filter,
        }
    }

    pub fn line_mut(&mut self) -> &mut Line {
        match self.view {
            View::Operations => &mut self.sieves.operations.line,
            View::Events => &mut self.sieves.events.line,
            View::Hosts => &mut self.hosts.sieve.line,
            View::Fleet | View::Machines => &mut self.filter,
        }
    }

    /// Why it cannot be read.
    pub fn mistake(&self) -> Option<&str> {
        match self.view {
            View::Operations => self.sieves.operations.mistake(),
            View::Events => self.sieves.events.mistake(),
            View::Hosts => self.hosts.sieve.mistake(),
            View::Fleet | View::Machines => self.sifter.mistake(),
        }
    }

    /// Finds out which rows lists and tree have, after news and after anything that decides about it.
    pub fn sift_lists(&mut self) {
        self.sieves.refresh(&self.snapshot, self.problems_only);
        self.hosts.sift(self.problems_only);
        self.lay_out();
    }

    /// Lays the tree out anew, after anything that decides which rows there are.
    pub fn lay_out(&mut self) {
        let matches = self.sifter.matches();
        let restriction = Restriction { matches, problems_only: self.problems_only };
        self.tree.lay_out(&self.snapshot, restriction);
    }

    /// News: gone after a while.
    pub fn tell(&mut self, text: impl Into<String>) {
        let until = self.now + jiff::SignedDuration::from_secs(NEWS_SECONDS);
        self.say(Notice { text: text.into(), complaint: false, until });
    }

    /// Something that was refused, and the way out: stays until the next key.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.say(Notice { text: text.into(), complaint: true, until: Timestamp::MAX });
    }

    fn say(&mut self, notice: Notice) {
        self.said.add(self.now, &notice);
        self.notice = Some(notice);
    }

    /// Changes that are sent now.
    pub fn apply(&mut self, order: Order) -> Effect {
        self.tickets += 1;
        self.sent.push((self.tickets, order.changes.iter().map(|change| change.target.uid.clone()).collect()));
        Effect::Apply { ticket: self.tickets, order }
    }
}
