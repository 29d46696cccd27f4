//! The console: state, messages, effects, keys, theme, layout, view.
//!
//! Elm-shaped. [`update`](update::update) is the only place where state changes; it and [`view`](view::view) do no IO and
//! look at no clock. The world is changed by writing resources, in `effects` and nowhere else, and only after the
//! user armed writes and confirmed. Deliberately absent: widgets with a state of their own, and anything
//! that grows with the number of machines.

pub mod action;
mod audit;
mod brush;
pub mod clock;
mod columns;
mod confirm;
pub mod contexts;
mod custom;
mod edit;
mod effects;
mod export;
mod failures;
mod follow;
mod form;
pub mod glyphs;
mod help;
mod here;
pub mod hosts;
pub mod input;
pub mod keys;
pub mod layout;
pub mod log;
mod maintenance;
mod managed_by;
pub mod message;
mod mouse;
pub mod named;
mod pager;
pub mod palette;
pub mod permissions;
mod places;
mod question;
mod review;
mod rollout;
pub mod run;
mod said;
mod scale;
pub mod session;
mod setup;
mod sheet;
mod sieve;
mod sift;
mod stakes;
mod standing;
pub mod state;
pub mod table;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod text;
mod tour;
mod tree;
mod trends;
mod typed;
pub mod update;
pub mod view;
mod visit;
mod why;

use crate::{
    config::{self, Config, Paths},
    fleet::Clients,
};
use clock::Clock;
use contexts::Context;
use effects::Hands;
use glyphs::Glyphs;
use hosts::Access;
use jiff::Timestamp;
use keys::{Chord, Keymap};
use run::{Data, Keyboard, Keys, Looks, Loop};
use setup::Setup;
use state::State;
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use terminal::{Guard, Screen};
use tokio::sync::mpsc;
pub use tour::seen;

/// A terminal that takes longer to answer is at the end of a slow line.
const FAR_ROUND_TRIP: Duration = Duration::from_millis(80);
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
    pub clients: Clients,
    /// The meta clusters that are shown, at least one.
    pub contexts: Vec<Context>,
    pub config: Config,
    pub environment: Environment,
    /// Where the console keeps what it remembers; `None`: nowhere, as for a fleet that is gone the next time.
    pub session: Option<PathBuf>,
    /// Where it is written down that the tour was seen, which is shown at the start; `None`: it is not.
    pub tour: Option<PathBuf>,
    /// How hosts are reached, where that is not as the settings say.
    pub access: Option<Access>,
    /// The time, or that of a recording.
    pub clock: Clock,
    /// A recording is played: no host is asked, no program run, nothing written or copied.
    pub replayed: bool,
}

impl Options {
    /// On these meta clusters, from the terminal of this process, now.
    pub fn of_process(clients: Clients, contexts: Vec<Context>, config: Config, session: Option<PathBuf>) -> Self {
        let environment = Environment::of_process();
        let clock = Clock::default();
        Self { clients, contexts, config, environment, session, tour: None, access: None, clock, replayed: false }
    }
}

/// What the environment says of the terminal.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `NO_COLOR` is set, to anything but nothing.
    pub no_color: bool,
    /// `COLORTERM`, `TERM`, and the locale that decides about characters.
    pub color_term: Option<String>,
    pub term: Option<String>,
    pub locale: Option<String>,
    /// The user sits at the other end of an SSH connection.
    pub over_ssh: bool,
    /// The terminal is a pane of tmux.
    pub in_tmux: bool,
    /// What the terminal has said when it was asked.
    pub answer: question::Answer,
    /// `QUARTERDECK_SSH`: the program that opens a session on a host, above what the settings name.
    pub ssh_program: Option<String>,
    /// A key that makes the console panic: how a test finds out that the terminal is given back. Debug builds only.
    pub panic_key: Option<Chord>,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn of_process() -> Self {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            no_color: read("NO_COLOR").is_some(),
            color_term: read("COLORTERM"),
            term: read("TERM"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(read),
            in_tmux: read("TMUX").is_some(),
            over_ssh: read("SSH_TTY").or_else(|| read("SSH_CONNECTION")).is_some(),
            answer: question::Answer::default(),
            ssh_program: read("QUARTERDECK_SSH").filter(|program| !program.trim().is_empty()),
            panic_key: read("QUARTERDECK_TEST_PANIC_KEY")
                .filter(|_| cfg!(debug_assertions))
                .and_then(|key| key.parse().ok()),
        }
    }

    /// A frame takes long to get to where it is seen.
    fn is_far(&self) -> bool {
        self.over_ssh || self.answer.round_trip.is_some_and(|took| took > FAR_ROUND_TRIP)
    }

    fn has_true_color(&self) -> bool {
        matches!(self.color_term.as_deref(), Some("truecolor" | "24bit"))
    }

    fn has_256_colours(&self) -> bool {
        self.has_true_color() || self.term.as_deref().is_some_and(|term| term.contains("256color"))
    }
}

/// Reads the user's configuration with the console's own actions, words and keys.
pub fn configure(paths: &Paths) -> Config {
    with_words(|words| Config::load(paths, words))
}

/// The same once more, if a file was changed since.
fn configure_again(before: &Config) -> Option<Config> {
    with_words(|words| before.reload(words))
}

fn with_words<T>(read: impl FnOnce(&config::Vocabulary) -> T) -> T {
    let known =
        |entry: &action::Entry| config::Known { action: entry.name, place: entry.layer.place(), writes: entry.writes };
    let actions: Vec<_> = action::ACTIONS.iter().map(known).collect();
    let key = |key: &str| key.parse::<Chord>().map(|chord| chord.to_string());
    read(&config::Vocabulary { actions: &actions, is_taken: palette::knows, key })
}

/// Opens the console on what `data` brings, and returns when the user leaves. The terminal is as it was before, whatever happens.
pub async fn run(options: Options, data: impl Data) -> Result<(), Error> {
    run_with(options, data, Keyboard::new).await
}

/// The same with keys from elsewhere; `input` is called when the terminal is ready.
pub async fn run_with<I: Keys>(mut options: Options, data: impl Data, input: impl FnOnce() -> I) -> Result<(), Error> {
    if !terminal::is_terminal() {
        return Err(Error::NotATerminal);
    }
    // The fleet is read meanwhile.
    options.environment.answer = question::ask(options.environment.over_ssh);
    let guard = Guard::take()?;
    let size = crossterm::terminal::size()?;
    let screen = terminal::screen(io::stdout(), size.0, size.1)?;
    let mut console = assemble(options, screen, size);
    console.guard = Some(guard);
    console.listen_to_mouse()?;
    console.run(input(), data).await?;
    Ok(())
}

/// The loop with everything that it works with, on any screen.
pub fn assemble<W: io::Write>(options: Options, screen: Screen<W>, size: (u16, u16)) -> Loop<W> {
    let Options { clients, contexts, config, environment, session, tour, access, clock, replayed } = options;
    let settings = &config.settings;
    let access = access.unwrap_or_else(|| Access::of(&settings.ssh, environment.ssh_program.as_deref()));
    let mut screen = screen;
    screen.backend_mut().synchronise(setup::sync(settings));
    let mut contexts = contexts;
    if let Some(file) = &config.unknown_contexts {
        let file = file.display();
        let why = format!("{file} cannot be read, and may lock this context: nothing is armed until it is mended");
        contexts.iter_mut().for_each(|context| context.locked = Some(why.clone()));
    }
    let mut state = State::on(contexts, Keymap::default(), Glyphs::default(), size, clock.now());
    let theme = config.themes.find_or_default(setup::theme(settings, &environment));
    state.theme.clone_from(&theme.name);
    state.rests_behind = environment.is_far();
    if !settings.read_only {
        state.armed_until = Some(Timestamp::MAX);
    }
    if let Some(path) = &session {
        state.come_back_to = session::load(path).restore(&mut state);
    }
    state.wants_tour = tour.is_some();
    Setup::of(&config, &environment).settle(&mut state);
    let (sender, lines) = mpsc::channel(LOG_BATCHES);
    let mut hands = Hands::new(clients, access, sender);
    hands.user.clone_from(&state.user);
    let fewer_colours = !environment.has_true_color();
    Loop {
        theme: if fewer_colours { theme.to_256() } else { theme.clone() },
        frame: setup::frame(settings, &environment),
        state,
        screen,
        fewer_colours,
        hands,
        lines,
        deaf_until: environment.answer.deaf_until,
        guard: None,
        session,
        tour,
        remembering: run::Remembering::default(),
        panic_key: environment.panic_key,
        clock,
        replayed,
        in_tmux: environment.in_tmux,
        visit: None,
        looks: Looks::default(),
        config: Arc::new(config),
        environment,
        frames: 0,
        wakes: 0,
    }
}
