//! What can happen to the console, and what the console can ask for: two closed lists.

mod order;

pub use order::{Change, Kind, Order, Target};

use super::{
    custom::Run,
    edit::Draft,
    hosts::{Answer, Way, journal::Entry},
    permissions::Answers,
    setup::Setup,
    sheet::{About, Form, Reading},
    sift, table,
};
use crate::{
    api::Machine,
    config::Config,
    fleet::{ContextId, Snapshot, Uid},
};
use crossterm::event::{KeyEvent, MouseEvent};
use jiff::Timestamp;
use std::{path::PathBuf, sync::Arc};

/// Something that happened, and when: neither `update` nor `view` looks at a clock.
#[derive(Clone, Debug)]
pub struct Msg {
    pub now: Timestamp,
    pub event: Event,
}

#[derive(Clone, Debug)]
pub enum Event {
    Key(KeyEvent),
    Paste(String),
    Resize(u16, u16),
    /// The mouse, where it is switched on.
    Mouse(MouseEvent),
    /// The terminal came to the front, or left it.
    Focus(bool),
    /// A moment at which something visible is due to change.
    Tick,
    /// The fleet, as it is now.
    Data(Arc<Snapshot>),
    /// The whole resource of a machine in that context, or nothing if it cannot be had.
    Machine(ContextId, Option<Arc<Machine>>),
    /// The table of machines, in its order.
    Arranged(table::Answer),
    /// What a filter leaves.
    Sifted(sift::Answer),
    /// Lines of the log that follow number `follow` asked for.
    LogLines {
        follow: u64,
        /// They take the place of all that came before.
        anew: bool,
        lines: Vec<String>,
    },
    /// Lines of one of several logs that are followed together.
    MergedLines {
        follow: u64,
        source: usize,
        /// They take the place of all that came of this one before.
        anew: bool,
        lines: Vec<String>,
    },
    /// That log is over, or cannot be read; it says why.
    LogEnded {
        follow: u64,
        why: Option<String>,
    },
    /// What came of asking a host, in this round of questions.
    Host {
        round: u64,
        uid: Uid,
        answer: Answer,
    },
    /// Lines of a host's journals, which this ticket asked for.
    Journal {
        ticket: u64,
        entries: Vec<Entry>,
    },
    /// There will be no more of them, or there never were any; it says why.
    JournalsEnded {
        ticket: u64,
        why: String,
    },
    /// A session on this host is over: its exit code, or why there was none.
    Visited {
        name: Arc<str>,
        outcome: Result<i32, String>,
    },
    /// The text that came out of the editor, or why none did.
    Edited {
        draft: Box<Draft>,
        outcome: Result<String, String>,
    },
    /// What the server says that the change would do.
    DryRun {
        ticket: u64,
        outcome: Result<DryRun, Refusal>,
    },
    /// What became of a change.
    Applied {
        ticket: u64,
        outcome: Result<String, Refusal>,
    },
    /// What the server of a context lets us do, as far as it said.
    Reviewed(ContextId, Answers),
    /// What the server said of an object that is shown as text, or a sentence.
    Read {
        ticket: u64,
        outcome: Result<Box<Reading>, String>,
    },
    /// More of what a program prints.
    Printed {
        ticket: u64,
        text: String,
    },
    /// A program is over.
    Ended {
        ticket: u64,
        ran: Ran,
    },
    /// What became of an export.
    Saved(Result<PathBuf, String>),
    /// A theme was loaded, or was not.
    Themed(Result<String, String>),
    /// The configuration as it is now, if a file was changed; for the loop.
    Configured(Option<Box<Config>>),
    /// What it comes to for the state.
    Setup(Box<Setup>),
    /// Something to tell the user.
    Notice(String),
}

/// What the server says that a change would do: the lines of a unified diff.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DryRun {
    pub diff: Vec<DiffLine>,
}

/// One line of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// `+`, `-` or a space.
    pub sign: char,
    pub text: String,
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub message: String,
    pub why: Why,
}

/// What kind of a refusal it is, where that makes a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Why {
    #[default]
    Other,
    /// Somebody else changed the object first: reading it again may help.
    Conflict,
    /// We lack the permission: what we believed to be allowed is not.
    Forbidden,
    /// Nobody refused it: the answer did not come, or the server was in trouble. It may have been carried out.
    Unknown,
}

/// How a program came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    pub how: String,
    /// It ended by itself and says that all is well.
    pub good: bool,
    /// The last line that it printed.
    pub last_line: String,
}

/// Something for the loop to carry out.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Quit,
    Suspend,
    /// Draw every cell again.
    Redraw,
    /// Ask the server what the changes would do. Writes nothing.
    DryRun {
        ticket: u64,
        order: Order,
    },
    /// Make the changes. The only effect that changes what is wanted of the fleet.
    Apply {
        ticket: u64,
        order: Order,
    },
    /// Ask the controllers to count the pods of a cluster, for a forecast of its drains: an annotation of the `Cluster`.
    Count {
        context: ContextId,
        namespace: String,
        cluster: String,
        at: Timestamp,
    },
    /// Ask the server what we may do in the namespace.
    Review {
        context: ContextId,
        namespace: String,
    },
    /// Read the whole resource of a machine.
    Look {
        context: ContextId,
        namespace: String,
        name: String,
    },
    /// Put the table of machines in order, on another thread: they are many.
    Arrange(table::Question),
    /// Apply a filter, on another thread: the fleet is large.
    Sift(sift::Question),
    /// Read an object live, with what the form shows of it.
    Read {
        ticket: u64,
        about: About,
        form: Form,
    },
    /// Run a program, without a shell.
    Run(Run),
    /// End what runs.
    Stop {
        ticket: u64,
    },
    /// Follow the log of an operation, in place of any other.
    Follow {
        follow: u64,
        operation: OperationKey,
        /// Most lines of its past that are wanted.
        tail_lines: usize,
    },
    /// Follow the logs of several operations together, in place of any other.
    FollowAll {
        follow: u64,
        operations: Vec<OperationKey>,
        /// Most lines of the past of each that are wanted.
        tail_lines: usize,
    },
    Unfollow,
    /// Ask these hosts over SSH how they are, besides those that are asked in this round already; those of a round before are
    /// given up.
    AskHosts {
        round: u64,
        ways: Vec<Way>,
    },
    /// Follow the journals of this host, in place of any other's.
    Journals {
        ticket: u64,
        way: Way,
        /// Most lines of the past of each journal that are wanted.
        lines: usize,
    },
    StopJournals,
    /// Give the terminal to the user's own `ssh` on this host, until it ends.
    Visit(Way),
    /// Give the terminal to the user's own editor on this text, until it ends.
    Edit(Box<Draft>),
    /// Write an export to a file that must not exist yet.
    Save {
        name: String,
        text: String,
    },
    /// Keep where we are and what the user has set up, for the next time.
    Remember,
    /// Have the terminal report the mouse, or not any more.
    Mouse(bool),
    /// The tour is over: write down that it was seen.
    TourSeen,
    /// To the clipboard of the user's terminal (OSC 52).
    Copy(String),
    Theme(String),
}

impl Effect {
    /// Carrying it out changes resources.
    pub fn is_mutation(&self) -> bool {
        matches!(self, Self::Apply { .. } | Self::Count { .. } | Self::Run(Run { dangerous: true, .. }))
    }
}

/// An operation, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationKey {
    pub context: ContextId,
    pub namespace: String,
    pub name: String,
}
