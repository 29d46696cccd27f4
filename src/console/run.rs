//! The loop: one task owns the state, the screen and all that is under way.
//!
//! Input is drawn at once. Data marks the screen as dirty only if something visible changed, and is drawn at most so
//! many times a second. At rest nothing is written and nothing wakes up but the clock.

mod editor;
mod guest;
mod leaving;
mod reload;
mod remembering;
mod replayed;
mod sources;

use super::{
    Environment,
    clock::Clock,
    effects::Hands,
    keys::Chord,
    message::{Effect, Event, Msg},
    session::Session,
    state::State,
    terminal::{self, Guard, Screen},
    update::update,
    view::view,
};
use crate::config::{Config, Theme, commands::Output};
use base64::Engine as _;
use crossterm::event::Event as Input;
use futures::StreamExt;
pub use guest::Guest;
use ratatui::layout::Rect;
pub use reload::Looks;
pub use remembering::Remembering;
pub use sources::{Data, Keyboard, Keys};
pub(super) use sources::{Said, Signals};
use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Between frames that data asks for where the terminal is far away: a frame is bytes on somebody's link.
pub const FRAME_FAR_AWAY: Duration = Duration::from_millis(100);
/// Most inputs that are taken before the next frame.
const TYPED_MEANWHILE: usize = 64;
/// Between two looks at the clock while nothing is drawn.
const STILL: Duration = Duration::from_secs(60);
/// The same while the terminal is in the background.
const FRAME_IN_BACKGROUND: Duration = Duration::from_millis(500);

/// What the loop works with.
pub struct Loop<W: Write> {
    pub state: State,
    pub screen: Screen<W>,
    pub theme: Theme,
    /// The terminal has 256 colours and no more.
    pub fewer_colours: bool,
    pub hands: Hands,
    pub lines: mpsc::Receiver<Event>,
    pub frame: Duration,
    /// Keys until then are not taken: they may be what the terminal answered too late.
    pub deaf_until: Option<std::time::Instant>,
    /// The terminal, where there is one to be suspended.
    pub guard: Option<Guard>,
    /// Where what is worth remembering is kept.
    pub session: Option<PathBuf>,
    /// Where it is written down that the tour was seen, if it was not yet.
    pub tour: Option<PathBuf>,
    /// What of both waits to be written.
    pub remembering: Remembering,
    pub panic_key: Option<Chord>,
    pub clock: Clock,
    /// A recording is played: nothing is done that would leave it.
    pub replayed: bool,
    /// There is a tmux between us and the terminal.
    pub in_tmux: bool,
    /// Whom the terminal is to be given to, when what is under way is done.
    pub visit: Option<Guest>,
    /// As it was last read, and what it was read for.
    pub config: Arc<Config>,
    pub environment: Environment,
    pub looks: Looks,
    /// Frames drawn, for the benchmark.
    pub frames: u64,
    /// Times that the loop woke up, for the benchmark.
    pub wakes: u64,
}

impl<W: Write> Loop<W> {
    /// Runs until the user leaves, a signal comes, or the terminal is gone; then keeps where the user was, and waits a little
    /// for changes that are on their way.
    pub async fn run(&mut self, input: impl Keys, data: impl Data) -> io::Result<()> {
        let ended = self.turn(input, data).await;
        self.remember();
        if let Some(why) = self.remembering.write() {
            tracing::warn!(why, "what the console remembers could not be written");
        }
        self.wait_for_changes().await;
        ended
    }

    async fn turn(&mut self, mut input: impl Keys, mut data: impl Data) -> io::Result<()> {
        let mut signals = Signals::new()?;
        let mut drawn = u64::MAX;
        let mut next_frame = Instant::now();
        loop {
            let dirty = self.state.revision != drawn;
            let tick = if self.is_still() { STILL } else { self.clock.until(self.state.next_tick()) };
            let (event, urgent) = tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Said::End | Said::Interrupt => return Ok(()),
                    // Whoever stopped us from outside has left the terminal in some state of theirs.
                    Said::Continue => {
                        self.take_terminal()?;
                        continue;
                    }
                    Said::Resized if self.guard.is_some() => {
                        let (width, height) = crossterm::terminal::size()?;
                        (Event::Resize(width, height), true)
                    }
                    Said::Resized => continue,
                },
                event = input.next() => match event {
                    Some(event) => match self.translate(event?) {
                        Some(event) => (event, true),
                        None => continue,
                    },
                    None => return Err(gone()),
                },
                () = tokio::time::sleep_until(next_frame), if dirty && !self.is_still() => {
                    self.draw()?;
                    drawn = self.state.revision;
                    next_frame = Instant::now() + self.interval();
                    continue;
                }
                done = self.hands.next(), if self.hands.is_busy() => match done {
                    Some(event) => (event, true),
                    None => continue,
                },
                Some(event) = self.lines.recv() => (event, false),
                () = tokio::time::sleep(tick) => (Event::Tick, true),
                snapshot = data.changed() => (Event::Data(snapshot), false),
            };
            self.wakes += 1;
            let is_word_of_focus = matches!(event, Event::Focus(_));
            if matches!(event, Event::Key(_)) && self.deaf_until.is_some_and(|until| std::time::Instant::now() < until)
            {
                continue;
            }
            if matches!(event, Event::Key(_) | Event::Focus(true)) {
                self.look_at_files();
            }
            if let Event::Focus(true) = event {
                data.retry_now();
            }
            let is_input = matches!(
                event,
                Event::Key(_) | Event::Paste(_) | Event::Resize(..) | Event::Focus(_) | Event::Mouse(_)
            );
            if self.take(event)? {
                return Ok(());
            }
            // Whatever else has been typed meanwhile: a terminal that is slow to draw gets the newest frame, not every one. What
            // comes after a program was called for is that program's.
            for _ in 0..if is_input { TYPED_MEANWHILE } else { 0 } {
                if self.visit.is_some() {
                    break;
                }
                // With the waker of this task: one of no effect would stay with the reader, and the next key would wake nobody.
                let Poll::Ready(next) = futures::poll!(input.next()) else { break };
                let Some(next) = next else { return Err(gone()) };
                if let Some(event) = self.translate(next?)
                    && self.take(event)?
                {
                    return Ok(());
                }
            }
            // One may lead to the next: a text that cannot be taken goes back to the editor.
            while let Some(guest) = self.visit.take() {
                if !self.visit(&guest, &mut input, &mut signals).await? {
                    return Ok(());
                }
            }
            if let Some(panic) = terminal::take_background_panic() {
                self.take(Event::Notice(format!("something in the background broke: {panic}")))?;
            }
            if urgent && self.state.revision != drawn && (!self.is_still() || is_word_of_focus) {
                self.draw()?;
                drawn = self.state.revision;
                next_frame = Instant::now() + self.interval();
            }
        }
    }

    /// Nobody looks, and drawing would cost somebody's line.
    fn is_still(&self) -> bool {
        self.state.is_still()
    }

    fn interval(&self) -> Duration {
        if self.state.focused { self.frame } else { FRAME_IN_BACKGROUND }
    }

    /// Takes one event in and begins what it asks for; true if the user leaves.
    fn take(&mut self, event: Event) -> io::Result<bool> {
        if let Event::Key(key) = &event {
            assert!(self.panic_key != Some(Chord::from(*key)), "a test asked for it");
        }
        if let Event::Configured(config) = event {
            self.configure(config);
            return Ok(false);
        }
        let mut effects = update(&mut self.state, Msg { now: self.clock.now(), event });
        while !effects.is_empty() {
            let mut more = Vec::new();
            for effect in self.allowed(effects) {
                match effect {
                    Effect::Quit => match self.object() {
                        Some(said) => more.extend(said),
                        None => return Ok(true),
                    },
                    Effect::Suspend => self.suspend()?,
                    Effect::Redraw => self.redraw()?,
                    Effect::Copy(text) => self.copy(&text)?,
                    Effect::Remember => {
                        self.remember();
                        self.write_beside();
                    }
                    Effect::Mouse(_) => self.listen_to_mouse()?,
                    Effect::TourSeen => {
                        self.tour.take().into_iter().for_each(|path| self.remembering.keep_tour(path));
                        self.write_beside();
                    }
                    Effect::Visit(way) => self.visit = Some(Guest::Host(way)),
                    Effect::Edit(draft) => self.visit = Some(Guest::Editor(draft)),
                    Effect::Run(run) if run.output == Output::Terminal => self.visit = Some(Guest::Program(run)),
                    Effect::Theme(name) => {
                        let event = Event::Themed(self.paint_with(name));
                        more.extend(update(&mut self.state, Msg { now: self.clock.now(), event }));
                    }
                    effect => self.hands.begin(effect),
                }
            }
            effects = more;
        }
        Ok(false)
    }

    /// Has what is worth remembering written, if anything ever was there to be remembered.
    fn remember(&self) {
        if let Some(path) = self.session.as_deref().filter(|_| self.state.snapshot.complete) {
            self.remembering.keep(path, Session::of(&self.state));
        }
    }

    fn write_beside(&mut self) {
        let remembering = self.remembering.clone();
        self.hands.tasks.spawn_blocking(move || remembering.write().map(Event::Notice));
    }

    fn translate(&self, event: Input) -> Option<Event> {
        match event {
            Input::Key(key) => Some(Event::Key(key)),
            Input::Paste(text) => Some(Event::Paste(text)),
            // Of its own terminal the loop hears by signal.
            Input::Resize(width, height) => self.guard.is_none().then_some(Event::Resize(width, height)),
            Input::FocusGained => Some(Event::Focus(true)),
            Input::FocusLost => Some(Event::Focus(false)),
            Input::Mouse(event) => self.state.mouse.then_some(Event::Mouse(event)),
        }
    }

    /// Has the terminal report the mouse, or not, as the state says.
    pub(super) fn listen_to_mouse(&self) -> io::Result<()> {
        if self.guard.is_some() { terminal::listen_to_mouse(self.state.mouse) } else { Ok(()) }
    }

    /// Draws the state as it is now.
    pub fn draw(&mut self) -> io::Result<()> {
        self.frames += 1;
        let (state, theme) = (&self.state, &self.theme);
        self.screen.draw(|frame| view(state, theme, frame))?;
        Ok(())
    }

    /// Every cell anew, at the size that the terminal has now.
    fn redraw(&mut self) -> io::Result<()> {
        let (width, height) = self.state.size;
        self.screen.resize(Rect::new(0, 0, width, height))?;
        self.state.revision += 1;
        Ok(())
    }

    fn paint_with(&mut self, name: String) -> Result<String, String> {
        let Some(theme) = self.config.themes.find(&name) else {
            let names: Vec<&str> = self.config.themes.names().collect();
            return Err(format!("there is no theme `{name}`: there are {}", names.join(", ")));
        };
        self.theme = if self.fewer_colours { theme.to_256() } else { theme.clone() };
        Ok(name)
    }

    fn suspend(&mut self) -> io::Result<()> {
        if let Some(guard) = &self.guard {
            Write::flush(self.screen.backend_mut())?;
            guard.suspend()?;
            self.take_terminal()?;
        }
        Ok(())
    }

    /// Takes the terminal as it is after a stop, and draws every cell.
    fn take_terminal(&mut self) -> io::Result<()> {
        if let Some(guard) = &self.guard {
            guard.resume()?;
            self.screen.backend_mut().forget();
            self.state.size = crossterm::terminal::size().unwrap_or(self.state.size);
            self.redraw()?;
        }
        Ok(())
    }

    /// To the clipboard of whatever terminal the user sits at, also over SSH (OSC 52).
    fn copy(&mut self, text: &str) -> io::Result<()> {
        let backend = self.screen.backend_mut();
        backend.write_all(clip(text, self.in_tmux).as_bytes())?;
        Write::flush(backend)
    }
}

/// The sequence that puts a text on the clipboard. tmux takes it as it is under `set-clipboard on`, and hands what is
/// wrapped to the terminal around it under `allow-passthrough on`; of the two, what is off is dropped, and both are the same text.
fn clip(text: &str, in_tmux: bool) -> String {
    let plain = format!("\x1b]52;c;{}\x07", base64::engine::general_purpose::STANDARD.encode(text));
    if !in_tmux {
        return plain;
    }
    format!("{plain}\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b"))
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the terminal is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_tmux_a_copy_goes_both_ways() {
        let check = |in_tmux, expected: &str| assert_eq!(clip("gpu", in_tmux).replace('\x1b', "^"), expected);
        check(false, "^]52;c;Z3B1\x07");
        check(true, "^]52;c;Z3B1\x07^Ptmux;^^]52;c;Z3B1\x07^\\");
    }
}
