//! The console: state, messages, effects, keys, theme, layout, view.
//!
//! Elm-shaped. [`update`](update::update) is the only place where state changes; it and [`view`](view::view) do no IO and
//! look at no clock. The world is changed by writing resources, in [`effects`] and nowhere else, and only after the
//! user armed writes and confirmed. Deliberately absent: widgets with a state of their own, mouse capture, and anything
//! that grows with the number of machines.

pub mod action;
mod confirm;
mod effects;
mod export;
mod follow;
pub mod glyphs;
mod input;
pub mod keys;
pub mod layout;
mod log;
pub mod message;
mod palette;
pub mod run;
mod scale;
mod sift;
pub mod state;
pub mod terminal;
#[cfg(test)]
mod tests;
mod text;
pub mod theme;
mod tree;
pub mod update;
pub mod view;

use effects::Hands;
use glyphs::Glyphs;
use jiff::Timestamp;
use keys::Keymap;
use run::{FRAME, FRAME_OVER_SSH, Loop, Themes};
use state::{Place, State};
use std::io;
use theme::Theme;
use tokio::sync::mpsc;

/// Batches of log lines that may wait for the screen.
const LOG_BATCHES: usize = 32;

/// Why the console cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the console needs a terminal, and this is not one: for scripts there are `quarterdeck get` and `quarterdeck scale`"
    )]
    NotATerminal,
    #[error("the terminal does not answer")]
    Terminal(#[from] io::Error),
}

/// What the console is started with.
pub struct Options {
    pub client: kube::Client,
    pub place: Place,
    pub keymap: Keymap,
    pub theme: Theme,
    /// Names of themes, for completion, and how one is found.
    pub theme_names: Vec<String>,
    pub themes: Themes,
    pub glyphs: Glyphs,
    /// Mistakes in the user's files, said once at the start.
    pub warnings: Vec<String>,
}

/// Opens the console on a fleet, and returns when the user leaves. The terminal is as it was before, whatever happens.
pub async fn run(options: Options, data: impl run::Data) -> Result<(), Error> {
    if !terminal::is_terminal() {
        return Err(Error::NotATerminal);
    }
    let guard = terminal::Guard::take()?;
    let size = crossterm::terminal::size()?;
    let screen = terminal::screen(io::stdout(), size.0, size.1)?;
    let mut console = assemble(options, screen, size);
    console.guard = Some(guard);
    let input = crossterm::event::EventStream::new();
    console.run(input, data).await?;
    Ok(())
}

/// The loop with everything that it works with, on any screen.
pub fn assemble<W: io::Write>(options: Options, screen: terminal::Screen<W>, size: (u16, u16)) -> Loop<W> {
    let mut state = State::new(options.place, options.keymap, options.glyphs, size, Timestamp::now());
    state.themes = options.theme_names;
    state.theme.clone_from(&options.theme.name);
    if let Some(warning) = options.warnings.first() {
        state.complain(warning.clone());
    }
    let (sender, lines) = mpsc::channel(LOG_BATCHES);
    let over_ssh = ["SSH_TTY", "SSH_CONNECTION"].iter().any(|name| std::env::var_os(name).is_some());
    Loop {
        state,
        screen,
        theme: options.theme,
        themes: options.themes,
        hands: Hands::new(options.client, sender),
        lines,
        frame: if over_ssh { FRAME_OVER_SSH } else { FRAME },
        guard: None,
        frames: 0,
        wakes: 0,
    }
}
