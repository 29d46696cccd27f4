//! Maintenance windows: whether rollouts of a cluster may begin something now, and when that changes.
//!
//! Time zones come with the program and not from the host: console, command line and controllers are to give the same
//! answer, wherever they run and whatever their image holds. A window that cannot be read neither opens nor closes
//! anything by itself: it is an answer of its own, which is shown, and rollouts wait.

mod gate;

use std::sync::LazyLock;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    SignedDuration, Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};

use crate::api::MaintenanceWindow;

pub use gate::{Gate, gate};

/// Windows that run into each other are one; most of them that are followed to see where they end.
const JOINED: usize = 1_000;
/// What has no end within so many hours has none that anybody plans with.
const LOOK_AHEAD_HOURS: i64 = 31 * 24;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// What the windows of a cluster say of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// There are none, or they leave no gap for as long as anybody looks ahead.
    Always,
    Open {
        closes: Timestamp,
        /// When the next one opens after that.
        then: Timestamp,
    },
    Closed {
        opens: Timestamp,
    },
    /// One cannot be read: which, why, and the way out, in a sentence.
    Invalid(String),
}

/// What the windows say of this moment.
pub fn at(windows: &[MaintenanceWindow], now: Timestamp) -> Window {
    if windows.is_empty() {
        return Window::Always;
    }
    match look(windows, now) {
        Ok(window) => window,
        Err((at, why)) => Window::Invalid(format!(
            "maintenanceWindows[{at}] cannot be read: {why}; rollouts of this cluster wait until it is corrected, as in {{schedule: 0 9 * * 2-4, durationMinutes: 240, timeZone: Europe/Berlin}}, or taken out"
        )),
    }
}

/// A moment for people: `Tue 24 Nov 09:00 UTC`.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%a %-d %b %H:%M UTC").to_string()
}

fn look(windows: &[MaintenanceWindow], now: Timestamp) -> Result<Window, (usize, Reason)> {
    let each = || windows.iter().enumerate();
    let read = |(at, window)| Recurrence::read(window).map_err(|why| (at, why));
    let all = each().map(read).collect::<Result<Vec<_>, _>>()?;
    let next = |after: Timestamp| {
        let opens = all.iter().enumerate().map(|(at, r)| r.next(after).map_err(|why| (at, why)));
        opens.collect::<Result<Vec<_>, _>>().map(|all| all.into_iter().min().expect("there are windows"))
    };
    // Asked of all in any case: one that never opens is a mistake, though others are open now.
    let opens = next(now)?;
    let mut closes = now;
    for _ in 0..JOINED {
        let further = all.iter().filter_map(|r| r.end(closes)).max().filter(|end| *end > closes);
        let Some(end) = further.filter(|end| end.duration_since(now).as_hours() < LOOK_AHEAD_HOURS) else {
            return Ok(match further {
                Some(_) => Window::Always,
                None if closes == now => Window::Closed { opens },
                None => Window::Open { closes, then: next(closes)? },
            });
        };
        closes = end;
    }
    Ok(Window::Always)
}

/// Why a window cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("{0:?} is not a schedule of five fields (minute, hour, day of month, month, day of week)")]
    Fields(String),
    #[error("schedule {schedule:?}: {why}")]
    Schedule { schedule: String, why: String },
    #[error("{0:?} is not a time zone that is known")]
    TimeZone(String),
    #[error("{0} minutes are none")]
    Duration(i32),
    #[error("schedule {0:?} never comes")]
    Never(String),
}

/// One window, read.
struct Recurrence {
    cron: Cron,
    zone: TimeZone,
    lasts: SignedDuration,
}

impl Recurrence {
    fn read(window: &MaintenanceWindow) -> Result<Self, Reason> {
        let schedule = &window.schedule;
        // Nicknames such as `@daily` are one field, and what lists nothing, as `,` does, is looked for until the year 5000.
        let is_something = |item: &str| item.contains(|c: char| c.is_ascii_alphanumeric() || "*?".contains(c));
        let lists_something = |field: &str| field.split(',').all(is_something);
        if schedule.split_whitespace().count() != 5 || !schedule.split_whitespace().all(lists_something) {
            return Err(Reason::Fields(schedule.clone()));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let why = |error: croner::errors::CronError| {
            let why = error.to_string().to_lowercase();
            Reason::Schedule { schedule: schedule.clone(), why: why.trim_end_matches('.').to_owned() }
        };
        let cron = parser.parse(schedule).map_err(why)?;
        let name = window.time_zone.as_deref().unwrap_or("UTC");
        let zone = ZONES.get(name).map_err(|_| Reason::TimeZone(name.to_owned()))?;
        if window.duration_minutes < 1 {
            return Err(Reason::Duration(window.duration_minutes));
        }
        Ok(Self { cron, zone, lasts: SignedDuration::from_mins(i64::from(window.duration_minutes)) })
    }

    /// When it opens next, after this moment.
    fn next(&self, after: Timestamp) -> Result<Timestamp, Reason> {
        let next = self.cron.find_next_occurrence(&after.to_zoned(self.zone.clone()), false);
        next.map(|z| z.timestamp()).map_err(|_| Reason::Never(self.cron.pattern.to_string()))
    }

    /// When the one ends that opened last, at this moment or before; it may be over.
    fn end(&self, moment: Timestamp) -> Option<Timestamp> {
        let last = self.cron.find_previous_occurrence(&moment.to_zoned(self.zone.clone()), true).ok()?;
        last.timestamp().checked_add(self.lasts).ok()
    }
}

#[cfg(test)]
mod tests;
