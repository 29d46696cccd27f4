//! What a configuration comes to on this terminal: when the console starts, and again when a file was changed.

use super::{
    Environment, brush,
    custom::{self, Custom},
    glyphs::Glyphs,
    keys::Keymap,
    run::FRAME_FAR_AWAY,
    state::State,
};
use crate::config::{self, Config, Settings};
use jiff::SignedDuration;
use std::{sync::Arc, time::Duration};

/// Of a terminal at the end of a line that does not say; and the most that is believed, for a slow start is no slow line.
const UNKNOWN_LAG: Duration = Duration::from_millis(300);
const MOST_LAG: Duration = Duration::from_secs(1);

/// What the state takes over of it.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `None`: the one before stays.
    keymap: Option<Keymap>,
    commands: Arc<[Custom]>,
    glyphs: Glyphs,
    themes: Vec<String>,
    log_lines: usize,
    armed_seconds: i64,
    mouse: bool,
    confirms_quickly: bool,
    lag: SignedDuration,
    /// What is wrong in the files.
    mistakes: Vec<String>,
    /// The file says now that the console is read-only, and did not say so before.
    disarms: bool,
    /// What else there is to be said of what was changed.
    remarks: Vec<&'static str>,
}

impl Setup {
    pub fn of(config: &Config, environment: &Environment) -> Self {
        let rows = config.bindings.iter().map(|binding| (binding.action.as_str(), binding.keys.as_slice()));
        let keymap = Keymap::build(rows);
        let mut mistakes: Vec<String> = config.mistakes.iter().map(ToString::to_string).collect();
        mistakes.extend(keymap.as_ref().err().into_iter().flatten().cloned());
        Self {
            keymap: keymap.ok(),
            commands: custom::all(&config.commands),
            glyphs: glyphs(&config.settings, environment),
            themes: config.themes.names().map(ToOwned::to_owned).collect(),
            log_lines: config.settings.log_lines,
            mouse: config.settings.mouse,
            armed_seconds: i64::from(config.settings.arm_minutes) * 60,
            confirms_quickly: config.settings.confirm == config::Confirm::Quick,
            lag: lag(environment),
            mistakes,
            disarms: false,
            remarks: Vec::new(),
        }
    }

    /// The same for a console that runs under other settings. `readOnly` of the whole
    /// console forbids writes at once; to allow them is for a key, and contexts are those of the start.
    pub fn after(mut self, before: &Settings, now: &Settings) -> Self {
        self.disarms = now.read_only && !before.read_only;
        if self.disarms {
            self.remarks.push("read-only from now on");
        } else if before.read_only && !now.read_only {
            self.remarks.push("`readOnly: false` arms nothing while the console runs");
        }
        if before.contexts != now.contexts {
            self.remarks.push("contexts are those of the file at the next start");
        }
        self
    }

    /// Puts it into the state; mistakes are said, each on a line.
    pub fn settle(self, state: &mut State) {
        if let Some(keymap) = self.keymap {
            state.keymap = keymap;
        }
        (state.commands, state.glyphs, state.themes) = (self.commands, self.glyphs, self.themes);
        (state.log_lines, state.armed_seconds) = (self.log_lines, self.armed_seconds);
        (state.confirms_quickly, state.lag) = (self.confirms_quickly, self.lag);
        if self.mouse != state.mouse_set {
            (state.mouse, state.mouse_set) = (self.mouse, self.mouse);
        }
        if !self.mistakes.is_empty() {
            state.complain(self.mistakes.join("\n"));
        }
    }

    /// The same while the console runs.
    pub fn settle_anew(self, state: &mut State) {
        let (is_good, remarks) = (self.mistakes.is_empty(), self.remarks.clone());
        if self.disarms {
            state.armed_until = None;
        }
        self.settle(state);
        match state.notice.as_mut() {
            Some(notice) if !is_good => {
                let remarks = remarks.iter().map(|remark| format!("\n{remark}"));
                notice.text.extend(std::iter::once("\nwhat was right before stays".to_owned()).chain(remarks));
            }
            _ => {
                let said = ["the configuration was changed, and is read anew"];
                state.tell(said.into_iter().chain(remarks).collect::<Vec<_>>().join("; "));
            }
        }
    }
}

/// How old what is seen on this terminal is when a key from there comes in.
fn lag(environment: &Environment) -> SignedDuration {
    // Near by, what took long was the start of the console, and not the line.
    let lag = environment.over_ssh.then(|| environment.answer.round_trip.unwrap_or(UNKNOWN_LAG).min(MOST_LAG));
    lag.and_then(|lag| SignedDuration::try_from(lag).ok()).unwrap_or(SignedDuration::ZERO)
}

fn glyphs(settings: &Settings, environment: &Environment) -> Glyphs {
    match settings.glyphs {
        config::Glyphs::Auto => Glyphs::detect(environment.locale.as_deref(), environment.term.as_deref()),
        config::Glyphs::Unicode => Glyphs::Unicode,
        config::Glyphs::Ascii => Glyphs::Ascii,
    }
}

/// The theme that the settings ask for on this terminal.
pub fn theme<'a>(settings: &'a Settings, environment: &Environment) -> &'a str {
    let is_light = environment.answer.is_light.unwrap_or(false);
    settings.theme(environment.no_color, environment.has_256_colours(), is_light)
}

/// Frames of more cells than that are shown in one piece; `None`: none are.
pub fn sync(settings: &Settings) -> Option<usize> {
    match settings.sync {
        config::Sync::Auto => Some(brush::SYNC_FROM),
        config::Sync::On => Some(0),
        config::Sync::Off => None,
    }
}

/// The least time between frames that news ask for.
pub fn frame(settings: &Settings, environment: &Environment) -> Duration {
    let frame = Duration::from_millis(1000 / u64::from(settings.frames_per_second.max(1)));
    if environment.is_far() { frame.max(FRAME_FAR_AWAY) } else { frame }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_trip_counts_at_the_end_of_a_line() {
        let check = |over_ssh: bool, milliseconds: Option<u64>, expected: i64| {
            let mut environment = Environment { over_ssh, ..Environment::default() };
            environment.answer.round_trip = milliseconds.map(Duration::from_millis);
            assert_eq!(lag(&environment), SignedDuration::from_millis(expected), "{over_ssh} {milliseconds:?}");
        };
        check(false, Some(3), 0);
        check(false, Some(250), 0);
        check(true, Some(80), 80);
        check(true, Some(5_000), 1_000);
        check(true, None, 300);
    }
}
