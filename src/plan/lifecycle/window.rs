//! What the maintenance windows of a cluster mean for a wish.

use jiff::{SignedDuration, Timestamp};

use super::{Preview, Scene, Wish};
use crate::plan::window::{self, Window, moment};

/// What the maintenance windows of a cluster mean for a wish.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowPreview {
    pub state: WindowState,
    /// When it opens, if it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens: Option<Timestamp>,
    /// When it closes: the one that is open, or else the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes: Option<Timestamp>,
    /// Seconds until it opens or closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    /// It is closed, or may close before all is done.
    pub is_in_the_way: bool,
    /// The wish does not wait for it.
    pub is_overridden: bool,
    /// Among the warnings as well.
    #[serde(skip)]
    pub(super) warning: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum WindowState {
    Open,
    Closed,
    /// One of them cannot be read.
    Invalid,
}

/// `None` where there are no windows, or where nothing is disrupted.
pub(super) fn look(scene: &Scene, wish: &Wish, preview: &Preview) -> Option<WindowPreview> {
    let windows = &scene.deployment.spec.maintenance_windows;
    if windows.is_empty() || !wish.waits_for_window() {
        return None;
    }
    let window = window::at(windows, scene.now);
    // Nobody knows how long a thing takes that was never done.
    let ends = |begins: Timestamp| {
        let slow = preview.estimate.map(|(_, slow)| SignedDuration::from_secs(slow))?;
        begins.checked_add(slow).ok()
    };
    let is_too_long = |begins, closes| ends(begins).is_none_or(|end| end > closes);
    let until = |at: Timestamp| Some(at.duration_since(scene.now).as_secs());
    let is_overridden = wish.is_outside_window();
    let free = WindowPreview {
        state: WindowState::Open,
        opens: None,
        closes: None,
        seconds: None,
        is_in_the_way: false,
        is_overridden,
        warning: None,
    };
    let seen = match window {
        Window::Always => free,
        Window::Open { closes, then } => {
            let is_in_the_way = is_too_long(scene.now, closes);
            let warning = is_in_the_way.then(|| rest(closes, then));
            WindowPreview { closes: Some(closes), seconds: until(closes), is_in_the_way, warning, ..free }
        }
        Window::Closed { opens } => {
            let next = match window::at(windows, opens) {
                Window::Open { closes, then } => Some((closes, then)),
                _ => None,
            };
            let warning =
                next.filter(|(closes, _)| is_too_long(opens, *closes)).map(|(closes, then)| rest(closes, then));
            WindowPreview {
                state: WindowState::Closed,
                opens: Some(opens),
                closes: next.map(|(closes, _)| closes),
                seconds: until(opens),
                is_in_the_way: true,
                warning,
                ..free
            }
        }
        Window::Invalid(why) => {
            WindowPreview { state: WindowState::Invalid, is_in_the_way: true, warning: Some(why), ..free }
        }
    };
    let warning = seen.warning.filter(|_| !is_overridden);
    Some(WindowPreview { warning, ..seen })
}

fn rest(closes: Timestamp, then: Timestamp) -> String {
    format!("what is not begun by {} waits for the next window, {}", moment(closes), moment(then))
}

impl WindowPreview {
    /// In one line, with the time until it changes as the caller writes times.
    pub fn words(&self, duration: impl Fn(i64) -> String) -> String {
        let left = self.seconds.map(duration).unwrap_or_default();
        let or_not = if self.is_overridden { ", not waited for" } else { "" };
        match (self.state, self.opens, self.closes) {
            (WindowState::Open, _, Some(closes)) => format!("open: closes in {left}, {}{or_not}", moment(closes)),
            (WindowState::Closed, Some(opens), _) => format!("closed: opens in {left}, {}{or_not}", moment(opens)),
            (WindowState::Invalid, ..) => format!("cannot be read{or_not}"),
            _ => "open".to_owned(),
        }
    }
}
