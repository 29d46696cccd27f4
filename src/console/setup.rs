//! What a configuration comes to on this terminal: when the console starts, and again when a file was changed.

use super::{
    Environment,
    custom::{self, Custom},
    glyphs::Glyphs,
    keys::Keymap,
    run::FRAME_FAR_AWAY,
    state::State,
};
use crate::config::{self, Config, Settings};
use std::{sync::Arc, time::Duration};

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
    /// What is wrong in the files.
    mistakes: Vec<String>,
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
            armed_seconds: i64::from(config.settings.arm_minutes) * 60,
            mistakes,
        }
    }

    /// Puts it into the state; mistakes are said, each on a line.
    pub fn settle(self, state: &mut State) {
        if let Some(keymap) = self.keymap {
            state.keymap = keymap;
        }
        (state.commands, state.glyphs, state.themes) = (self.commands, self.glyphs, self.themes);
        (state.log_lines, state.armed_seconds) = (self.log_lines, self.armed_seconds);
        if !self.mistakes.is_empty() {
            state.complain(self.mistakes.join("\n"));
        }
    }

    /// The same while the console runs.
    pub fn settle_anew(self, state: &mut State) {
        let is_good = self.mistakes.is_empty();
        self.settle(state);
        match state.notice.as_mut() {
            Some(notice) if !is_good => notice.text.push_str("\nwhat was right before stays"),
            _ => state.tell("the configuration was changed, and is read anew"),
        }
    }
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

/// The least time between frames that news ask for.
pub fn frame(settings: &Settings, environment: &Environment) -> Duration {
    let frame = Duration::from_millis(1000 / u64::from(settings.frames_per_second.max(1)));
    if environment.is_far() { frame.max(FRAME_FAR_AWAY) } else { frame }
}
