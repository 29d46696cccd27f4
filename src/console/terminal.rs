//! The terminal: taken over, and given back whatever happens — return, error, panic, signal, suspension.
//!
//! Nothing here knows what is drawn.

use super::brush::Brush;
use crossterm::{
    cursor, event, execute,
    style::Print,
    terminal::{self, EnterAlternateScreen, LeaveAlternateScreen},
};
use ratatui::{Terminal, TerminalOptions, Viewport, layout::Rect};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::{
    io::{self, BufWriter, IsTerminal, Write},
    sync::{
        Mutex, Once,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ThreadId},
};

/// Every queued command of crossterm is a `write`; without a buffer one frame is thousands of system calls.
const BUFFER_BYTES: usize = 64 * 1024;

/// The terminal is ours now.
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// The mouse is to be reported.
static MOUSE: AtomicBool = AtomicBool::new(false);
/// Buttons and the wheel, in the notation that has no end of the screen. Not crossterm's: that asks for each motion of the pointer as well.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";
/// The thread that draws; a panic there ends the console, one elsewhere is only reported.
static OWNER: Mutex<Option<ThreadId>> = Mutex::new(None);
/// What the last panic of another thread said; the loop shows it.
static BACKGROUND_PANIC: Mutex<Option<String>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// A ratatui terminal over a buffered writer.
pub type Screen<W> = Terminal<Brush<BufWriter<W>>>;

/// A screen of a stated size; the loop resizes it when the terminal says so.
pub fn screen<W: Write>(writer: W, width: u16, height: u16) -> io::Result<Screen<W>> {
    let backend = Brush::new(BufWriter::with_capacity(BUFFER_BYTES, writer));
    let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
    Terminal::with_options(backend, TerminalOptions { viewport })
}

/// Both ends are a terminal.
pub fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Holds the terminal; dropping it gives the terminal back.
#[derive(Debug)]
pub struct Guard {
    /// The modes that the terminal had before: what others leave behind is set back to them.
    before: Option<Termios>,
}

impl Guard {
    /// Takes the terminal over: raw mode, the other screen, pastes as one event, news of focus.
    pub fn take() -> io::Result<Self> {
        install_hook();
        let before = tcgetattr(io::stdin()).ok();
        enter()?;
        Ok(Self { before })
    }

    /// Gives the terminal back to another program, until [`Guard::resume`].
    pub fn release(&self) {
        restore();
    }

    /// After another program, which may have ended without setting right what it had changed: its modes must not be taken for
    /// those that were there before us.
    pub fn regain(&self) {
        if let Some(before) = &self.before {
            // Nothing more can be done if the terminal is gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }

    /// One more line on the screen that is not ours, and keys one by one.
    pub fn say_and_listen(&self, line: &str) -> io::Result<()> {
        let mut out = io::stdout();
        writeln!(out, "\n{line}")?;
        out.flush()?;
        terminal::enable_raw_mode()
    }

    pub fn listen_no_more(&self) {
        // Nothing more can be done if the terminal is gone.
        let _ = terminal::disable_raw_mode();
    }

    /// Gives the terminal back and stops the process as Ctrl-Z does; returns when it is resumed.
    pub fn suspend(&self) -> io::Result<()> {
        restore();
        // The whole group, as the terminal itself would: a wrapper such as `cargo run` stops with us.
        rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
        Ok(())
    }

    /// Takes the terminal again after a stop.
    pub fn resume(&self) -> io::Result<()> {
        enter()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// What a panic on another thread said since the last call.
pub fn take_background_panic() -> Option<String> {
    BACKGROUND_PANIC.lock().ok()?.take()
}

/// Has the terminal report buttons and the wheel, or leaves them to it. What it is stays so over a stop.
pub fn listen_to_mouse(on: bool) -> io::Result<()> {
    if MOUSE.swap(on, Ordering::SeqCst) == on || !ACTIVE.load(Ordering::SeqCst) {
        return Ok(());
    }
    execute!(io::stdout(), Print(if on { MOUSE_ON } else { MOUSE_OFF }))
}

fn enter() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    ACTIVE.store(true, Ordering::SeqCst);
    if let Ok(mut owner) = OWNER.lock() {
        *owner = Some(thread::current().id());
    }
    execute!(
        io::stdout(),
        EnterAlternateScreen,
        event::EnableBracketedPaste,
        event::EnableFocusChange,
        cursor::Hide,
        terminal::Clear(terminal::ClearType::All),
        Print(if MOUSE.load(Ordering::SeqCst) { MOUSE_ON } else { "" })
    )
}

/// May be called at any time and any number of times; only the first call after [`enter`] does anything.
fn restore() {
    if !ACTIVE.swap(false, Ordering::SeqCst) {
        return;
    }
    // Nothing more can be done if the terminal is gone.
    let _ = execute!(
        io::stdout(),
        Print(if MOUSE.load(Ordering::SeqCst) { MOUSE_OFF } else { "" }),
        event::DisableFocusChange,
        event::DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = terminal::disable_raw_mode();
}

/// Gives the terminal back before the report of a panic is printed, so that it can be read.
fn install_hook() {
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let ours = OWNER.lock().is_ok_and(|owner| *owner == Some(thread::current().id()));
            if ours || !ACTIVE.load(Ordering::SeqCst) {
                restore();
                report(panic);
            } else if let Ok(mut said) = BACKGROUND_PANIC.lock() {
                *said = Some(panic.to_string());
            }
        }));
    });
}
