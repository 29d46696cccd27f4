//! All that the console remembers. Changed by [`update`](super::update) only, read by `view`.

use super::{
    audit::Audit,
    confirm::Confirmation,
    contexts::Context,
    custom::{Custom, Run},
    export::ExportDialog,
    failures::Failures,
    glyphs::Glyphs,
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
    scale::ScaleDialog,
    sift::Sifter,
    table::Table,
    tree::{Restriction, RowId, Tree},
    typed::TypedDialog,
    why::{self, Why},
};
use crate::{
    api::{Machine, MachineState},
    fleet::{ClusterNode, ContextId, Health, MachineRow, OperationRow, PoolNode, Snapshot, Uid, sort::Key},
};
use jiff::Timestamp;
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
    Help {
        scroll: usize,
    },
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
    pub history: History,
    pub bookmarks: Bookmarks,
    /// Where the user was the last time, and what was open there, until the fleet is known.
    pub come_back_to: Option<(Location, Vec<RowId>)>,
    /// Lines of the detail pane that are scrolled away.
    pub detail_scroll: usize,
    pub filter: Line,
    /// What the filter said before it was edited: Esc goes back to it.
    pub filter_before: String,
    pub sifter: Sifter,
    pub problems_only: bool,
    pub overlay: Overlay,
    /// `Timestamp::MAX`: for as long as the console runs.
    pub armed_until: Option<Timestamp>,
    /// How long writes stay armed.
    pub armed_seconds: i64,
    pub notice: Option<Notice>,
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
    /// The last change of this session that has a plan for the way back.
    pub undo: Option<Undo>,
    /// Changes that are on their way, outside the scale dialog.
    pub tickets: u64,
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

/// What the cursor is on.
#[derive(Clone, Debug)]
pub enum Subject<'a> {
    Fleet,
    /// One of several meta clusters.
    Context(ContextId),
    Idle(ContextId),
    Clusters(usize),
    Cluster(&'a Arc<ClusterNode>),
    Pool(&'a Arc<PoolNode>),
    Machine(&'a Arc<MachineRow>),
    Operation(&'a Arc<OperationRow>),
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
            history: History::default(),
            bookmarks: Bookmarks::default(),
            come_back_to: None,
            detail_scroll: 0,
            filter: Line::default(),
            filter_before: String::new(),
            sifter: Sifter::default(),
            problems_only: false,
            overlay: Overlay::None,
            armed_until: None,
            armed_seconds: 15 * 60,
            notice: None,
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
            tickets: 0,
            undo: None,
            focused: true,
            rests_behind: false,
            revision: 0,
        };
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

    /// Lays the tree out anew, after anything that decides which rows there are.
    pub fn lay_out(&mut self) {
        let matches = self.sifter.matches();
        let restriction = Restriction { matches, problems_only: self.problems_only };
        self.tree.lay_out(&self.snapshot, restriction);
    }

    /// What the cursor is on.
    pub fn subject(&self) -> Subject<'_> {
        match self.view {
            View::Operations => self.operation_under_cursor().map_or(Subject::Fleet, Subject::Operation),
            View::Machines => self.machine_in_table().map_or(Subject::Fleet, Subject::Machine),
            View::Hosts => self.host_under_cursor().map_or_else(|| self.tree_subject(), Subject::Machine),
            View::Fleet | View::Events => self.tree_subject(),
        }
    }

    fn host_under_cursor(&self) -> Option<&Arc<MachineRow>> {
        self.snapshot.machine(&self.hosts.selected()?.uid)
    }

    /// The machine that a question about one machine is about; of an operation, one that failed.
    pub fn machine_in_reach(&self) -> Option<&Arc<MachineRow>> {
        if let Some(why) = &self.why {
            return self.snapshot.machine(&why.uid);
        }
        match self.subject() {
            Subject::Machine(machine) => Some(machine),
            Subject::Operation(operation) => why::failed_machine(self, operation),
            _ => None,
        }
    }

    /// What the cursor of the fleet is on, whichever view is shown.
    pub fn tree_subject(&self) -> Subject<'_> {
        let snapshot = &*self.snapshot;
        let found = match &self.tree.cursor {
            RowId::Meta => None,
            RowId::Context(context) => Some(Subject::Context(*context)),
            RowId::Idle(context) => Some(Subject::Idle(*context)),
            RowId::Clusters(uid) => snapshot.cluster(uid).map(|_| Subject::Clusters(self.tree.index())),
            RowId::Cluster(uid) => snapshot.cluster(uid).map(Subject::Cluster),
            RowId::Pool(uid) | RowId::Machines(uid) => snapshot.pool(uid).map(Subject::Pool),
            RowId::Machine(uid) => snapshot.machine(uid).map(Subject::Machine),
        };
        found.unwrap_or(Subject::Fleet)
    }

    fn machine_in_table(&self) -> Option<&Arc<MachineRow>> {
        self.snapshot.machine(self.table.rows().get(self.table.list.index)?)
    }

    fn operation_under_cursor(&self) -> Option<&Arc<OperationRow>> {
        self.snapshot.operations.get(self.operations.index)
    }

    /// The pool that an action on a pool is about.
    pub fn pool_in_reach(&self) -> Option<&Arc<PoolNode>> {
        match self.subject() {
            Subject::Pool(node) => Some(node),
            Subject::Machine(machine) => self.snapshot.pool_of(machine),
            Subject::Operation(operation) => {
                self.snapshot.pool_named(operation.uid.context, operation.pool.as_deref()?)
            }
            Subject::Cluster(node) if node.pools.len() == 1 => node.pools.first(),
            _ => None,
        }
    }

    /// The marked machines; without marks, the one under the cursor.
    pub fn chosen_machines(&self) -> Vec<Arc<MachineRow>> {
        let marked: Vec<_> = self.marks.iter().filter_map(|uid| self.snapshot.machine(uid).cloned()).collect();
        match self.subject() {
            Subject::Machine(machine) if marked.is_empty() => vec![machine.clone()],
            _ => marked,
        }
    }

    /// The whole resource of a machine, if it is what was read last.
    pub fn resource_of(&self, machine: &MachineRow) -> Option<&Arc<Machine>> {
        let (context, resource) = self.machine.as_ref()?;
        (*context == machine.uid.context && resource.metadata.uid.as_deref() == Some(machine.uid.as_str()))
            .then_some(resource)
    }

    /// The machine under the cursor, if its drain is blocked and a person may decide.
    pub fn blocked_drain(&self) -> Option<&Arc<MachineRow>> {
        let Subject::Machine(machine) = self.subject() else { return None };
        let blocked = machine.drain.as_deref().is_some_and(|d| !d.blockers.is_empty() && d.completed_at.is_none());
        (blocked && machine.state == MachineState::Draining).then_some(machine)
    }

    /// The operation that works here, or last did.
    pub fn operation_in_reach(&self) -> Option<&Arc<OperationRow>> {
        match self.subject() {
            Subject::Operation(operation) => Some(operation),
            Subject::Pool(node) => self.snapshot.operations_of(&node.row).next(),
            Subject::Machine(machine) => machine
                .operation
                .as_deref()
                .and_then(|name| self.snapshot.operation_named(machine.uid.context, name))
                .or_else(|| self.snapshot.operations_named(machine.uid.context, machine.pool.as_deref()?).next()),
            _ => None,
        }
    }

    /// News: gone after a while.
    pub fn tell(&mut self, text: impl Into<String>) {
        let until = self.now + jiff::SignedDuration::from_secs(NEWS_SECONDS);
        self.notice = Some(Notice { text: text.into(), complaint: false, until });
    }

    /// Something that was refused, and the way out: stays until the next key.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), complaint: true, until: Timestamp::MAX });
    }

    /// Changes that are sent now.
    pub fn apply(&mut self, order: Order) -> Effect {
        self.tickets += 1;
        Effect::Apply { ticket: self.tickets, order }
    }
}
