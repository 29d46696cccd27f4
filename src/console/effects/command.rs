//! Runs a program of the user's: no shell, no input, a bounded time and a bounded output. One that is ended takes what it
//! started with it.

use super::super::{
    custom::Run,
    message::{Event, Ran},
};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};

/// Most bytes that are taken of what it prints.
const MOST_BYTES: usize = 1 << 20;
/// Read at once.
const CHUNK_BYTES: usize = 8 * 1024;
/// For what is asked to end, before it is made to.
const GRACE: Duration = Duration::from_secs(2);
/// After its end somebody else may still hold what it wrote to: so long is waited for that.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// Runs it until it ends, is stopped, or has had its time; what it prints comes as it goes, and its end behind that on the
/// same way: an end that overtakes the last words loses them.
pub async fn run(run: Run, stop: oneshot::Receiver<()>, events: mpsc::Sender<Event>) -> Option<Event> {
    let ticket = run.ticket;
    let mut printer = Printer { ticket, events, bytes: 0, tail: Vec::new(), last_line: String::new(), prints: true };
    let (how, good) = match start(&run) {
        Err(error) => (cannot_start(&run.argv[0], &error), false),
        Ok(mut child) => {
            let end = follow(&mut child, &mut printer, stop, run.timeout_seconds).await;
            printer.flush().await;
            say(&end, run.timeout_seconds)
        }
    };
    let ran = Ran { how, good, last_line: printer.last_line };
    // Nobody is there to hear it where this fails.
    let _ = printer.events.send(Event::Ended { ticket, ran }).await;
    None
}

fn start(run: &Run) -> io::Result<Child> {
    let (program, arguments) = run.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(arguments)
        // What it prints is text here, whatever it finds out about our terminal.
        .env("NO_COLOR", "1")
        .env("TERM", "dumb")
        .env("PAGER", "cat")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Of its own, so that all that it starts ends with it, and no key of the terminal reaches it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

fn cannot_start(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no program `{program}`: is it installed, and in PATH?"),
        io::ErrorKind::PermissionDenied => format!("`{program}` may not be run: is it executable?"),
        _ => format!("`{program}` cannot be run: {error}"),
    }
}

/// How it came to its end.
enum End {
    Itself(io::Result<ExitStatus>),
    Stopped,
    Late,
    TooMuch,
}

fn say(end: &End, seconds: u64) -> (String, bool) {
    match end {
        End::Itself(Ok(status)) if status.success() => ("done".to_owned(), true),
        End::Itself(Ok(status)) => match status.code() {
            Some(code) => (format!("ended with status {code}"), false),
            None => (format!("ended by a signal ({status})"), false),
        },
        End::Itself(Err(error)) => (format!("lost: {error}"), false),
        End::Stopped => ("stopped".to_owned(), false),
        End::Late => (format!("ended after {seconds} s: that is as long as it may take"), false),
        End::TooMuch => (format!("ended: it printed more than {MOST_BYTES} bytes"), false),
    }
}

/// The group of the program: made to end when nobody follows it any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may be gone already.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

async fn follow(child: &mut Child, printer: &mut Printer, stop: oneshot::Receiver<()>, seconds: u64) -> End {
    let mut group = Group::of(child);
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut of_out, mut of_err) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let late = Instant::now() + Duration::from_secs(seconds);
    let mut afterwards = late;
    let mut status = None;
    tokio::pin!(stop);
    let end = loop {
        if (out.is_none() && err.is_none() || Instant::now() >= afterwards)
            && let Some(status) = status.take()
        {
            break End::Itself(status);
        }
        tokio::select! {
            biased;
            _ = &mut stop => break End::Stopped,
            () = sleep_until(late) => break End::Late,
            n = read(&mut out, &mut of_out), if out.is_some() => printer.take(&of_out[..n]).await,
            n = read(&mut err, &mut of_err), if err.is_some() => printer.take(&of_err[..n]).await,
            ended = child.wait(), if status.is_none() => {
                status = Some(ended);
                afterwards = Instant::now() + AFTERWARDS;
            }
            () = sleep_until(afterwards), if status.is_some() => {}
        }
        if printer.bytes >= MOST_BYTES {
            break End::TooMuch;
        }
    };
    if matches!(end, End::Itself(_)) {
        // What it has left behind on purpose is not ours, and its number may be somebody else's soon.
        group.0 = None;
    } else {
        group.signal(Signal::TERM);
        let _ = timeout(GRACE, child.wait()).await;
    }
    end
}

/// Reads once; what is at its end, or broken, is not read again.
async fn read<R: AsyncRead + Unpin>(from: &mut Option<R>, into: &mut [u8]) -> usize {
    let n = match from {
        Some(reader) => reader.read(into).await.unwrap_or(0),
        None => 0,
    };
    if n == 0 {
        *from = None;
    }
    n
}

/// Hands on what was printed, as text.
struct Printer {
    ticket: u64,
    events: mpsc::Sender<Event>,
    bytes: usize,
    /// The beginning of a character whose end is still to come.
    tail: Vec<u8>,
    last_line: String,
    prints: bool,
}

impl Printer {
    async fn take(&mut self, bytes: &[u8]) {
        let room = MOST_BYTES - self.bytes;
        let bytes = &bytes[..bytes.len().min(room)];
        self.bytes += bytes.len();
        self.tail.extend_from_slice(bytes);
        let whole = whole_characters(&self.tail);
        let text = String::from_utf8_lossy(&self.tail[..whole]).into_owned();
        self.tail.drain(..whole);
        self.send(text).await;
    }

    async fn flush(&mut self) {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.tail)).into_owned();
        self.send(text).await;
    }

    async fn send(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        if let Some(line) = text.lines().rfind(|line| !line.trim().is_empty()) {
            self.last_line = line.trim().chars().take(400).collect();
        }
        if self.prints {
            self.prints = self.events.send(Event::Printed { ticket: self.ticket, text }).await.is_ok();
        }
    }
}

/// Bytes up to the last character that is there as a whole; bytes that are no text count as such.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::commands::Output;
    use tokio::time::sleep;

    /// Runs a program; hands back what it printed, and how it ended.
    async fn played(argv: &[&str], seconds: u64, stop_after: Option<Duration>) -> (String, String, bool) {
        let (sender, mut events) = mpsc::channel(1_000);
        let (stop, stopped) = oneshot::channel();
        let argv = argv.iter().map(ToString::to_string).collect();
        let (name, subject) = ("test".to_owned(), String::new());
        let (output, dangerous) = (Output::Pager, false);
        let asked = Run { ticket: 7, name, subject, argv, output, timeout_seconds: seconds, dangerous, context: None };
        let running = run(asked, stopped, sender);
        let aside = match stop_after {
            None => {
                let aside = running.await;
                drop(stop);
                aside
            }
            Some(after) => {
                let stopper = async {
                    sleep(after).await;
                    stop.send(()).expect("it is listened to");
                };
                tokio::join!(running, stopper).0
            }
        };
        assert!(aside.is_none(), "nothing comes on another way, where it would overtake");
        let mut printed = String::new();
        loop {
            match events.try_recv() {
                Ok(Event::Printed { text, .. }) => printed.push_str(&text),
                Ok(Event::Ended { ran, .. }) => return (printed, ran.how, ran.good),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn arguments_are_not_read_by_a_shell() {
        let (printed, how, good) = played(&["printf", "%s|", "a b", "$(id)", "; echo x"], 10, None).await;
        assert_eq!((printed.as_str(), how.as_str(), good), ("a b|$(id)|; echo x|", "done", true));
    }

    #[tokio::test]
    async fn how_it_ended_is_said() {
        let (printed, how, good) = played(&["sh", "-c", "echo out; echo err >&2; exit 3"], 10, None).await;
        assert!(printed.contains("out\n") && printed.contains("err\n"), "{printed}");
        assert_eq!((how.as_str(), good), ("ended with status 3", false));
        let (_, how, _) = played(&["quarterdeck-no-such-program"], 10, None).await;
        assert_eq!(how, "there is no program `quarterdeck-no-such-program`: is it installed, and in PATH?");
        let (_, how, _) = played(&["/"], 10, None).await;
        assert_eq!(how, "`/` may not be run: is it executable?");
    }

    #[tokio::test]
    async fn it_has_no_input_and_a_time() {
        let (_, how, good) = played(&["cat"], 10, None).await;
        assert!(good, "{how}");
        let (_, how, _) = played(&["sleep", "60"], 1, None).await;
        assert_eq!(how, "ended after 1 s: that is as long as it may take");
    }

    #[tokio::test]
    async fn what_it_started_ends_with_it() {
        let script = "sleep 61 & echo $!; wait";
        let (printed, how, _) = played(&["sh", "-c", script], 30, Some(Duration::from_secs(2))).await;
        assert_eq!(how, "stopped");
        let pid = printed.trim().parse::<i32>().expect("the number of a process");
        let is_gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        // It was told to end, and does so in its own time.
        for _ in 0..100 {
            if is_gone() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("it runs still");
    }

    #[tokio::test]
    async fn output_is_bounded() {
        let (printed, how, _) = played(&["yes"], 30, None).await;
        assert_eq!(how, "ended: it printed more than 1048576 bytes");
        assert!(printed.len() <= MOST_BYTES);
    }

    #[test]
    fn characters_are_not_torn() {
        assert_eq!(whole_characters("aé".as_bytes()), 3);
        assert_eq!(whole_characters(&"aé".as_bytes()[..2]), 1);
        assert_eq!(whole_characters(b"a\xff"), 2);
    }
}
