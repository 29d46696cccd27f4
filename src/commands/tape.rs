//! `quarterdeck record` and `quarterdeck replay`: the console with a recording of what it is answered and of what is typed.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    process::ExitCode,
    sync::Arc,
    task::{Poll, ready},
};

use crossterm::event::{Event as Input, KeyEvent};
use futures::{FutureExt, Stream, StreamExt, stream, stream::BoxStream};
use jiff::Timestamp;

use super::{
    Globals,
    connect::{self, Connected},
    console::{self as opened, not_a_terminal, user},
    exit::{Ended, Exit},
    lines,
};
use crate::{
    config::{Config, ContextSettings, Paths},
    console::{
        self, Options,
        clock::Clock,
        contexts::Context,
        keys::Chord,
        run::{Keyboard, Keys},
        session,
        state::Place,
    },
    fleet::{self, Clients, Feeds, Welcome},
    tape::{self, Entry, Extent, Head, Pace, Player, Recorder, What, Writer},
};

/// Opens the console, and records what the API server answers and what is typed.
#[derive(Debug, clap::Args)]
pub struct Record {
    /// The file to write; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Opens the console on a recording; nothing leaves this machine.
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// The recording.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How many times faster than it was.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Leave out what was typed: you drive, and nothing can be changed.
    #[arg(long)]
    pub free: bool,
}

impl From<tape::Error> for Ended {
    fn from(error: tape::Error) -> Self {
        Self::new(Exit::BadInput, error.to_string())
    }
}

pub async fn record(args: Record, globals: &Globals) -> color_eyre::Result<ExitCode> {
    if !console::terminal::is_terminal() {
        return Err(not_a_terminal().into());
    }
    let paths = Paths::of_user();
    let config = console::configure(&paths);
    let chosen = opened::chosen(globals, &config.settings.contexts)?;
    let (writer, ended) = match chosen.as_slice() {
        [one] => record_one(&args, globals, one, config, &paths).await?,
        several => record_several(&args, globals, several, config, &paths).await?,
    };
    let extent = writer.finish().map_err(|source| tape::Error::Unwritable { path: args.file.clone(), source });
    let rest = match extent.map_err(Ended::from)? {
        Extent::Whole => "",
        Extent::Full => ", as far as it fitted into 2 GiB",
        Extent::Slow => ", until the disk was too slow for it",
    };
    lines::out(&format!(
        "recorded in {}{rest}; see it with  quarterdeck replay {}\n",
        args.file.display(),
        args.file.display()
    ))?;
    opened::ended(ended)
}

type Recorded = (Writer, Result<(), console::Error>);

/// On one meta cluster: it has to answer first.
async fn record_one(
    args: &Record,
    globals: &Globals,
    chosen: &ContextSettings,
    config: Config,
    paths: &Paths,
) -> Result<Recorded, Ended> {
    let globals = opened::of_only(globals, chosen);
    let Connected { client, namespace, too_old } = connect::open(&globals).await?;
    let only_look = too_old.map(|why| why.to_string());
    let place = Place { only_look, ..opened::place(&globals, chosen, namespace) };
    let head = Head::new(&place.context, &place.namespace, &place.user, Timestamp::now());
    let head = Head { contexts: vec![marked(chosen, &place.namespace)], ..head };
    let (recorder, writer) = Recorder::begin(&args.file, &head)?;
    let client = recorder.around(client, 0);
    let feed = fleet::watch(&client, &place.namespace);
    let session = session::path(paths.state(), &place.context, &place.namespace);
    let contexts = vec![Context::new(place, chosen, &paths.settings())];
    let options = Options::of_process(Clients::of_one(client), contexts, config, Some(session));
    let tapped = move || Tapped { keyboard: Keyboard::new(), recorder };
    Ok((writer, console::run_with(options, feed, tapped).await))
}

/// On several: the recording has the name of each with what it answered, from when it answered first.
async fn record_several(
    args: &Record,
    globals: &Globals,
    chosen: &[ContextSettings],
    config: Config,
    paths: &Paths,
) -> Result<Recorded, Ended> {
    let namespace = |settings: &ContextSettings| {
        globals.namespace.clone().or_else(|| settings.namespace.clone()).unwrap_or_default()
    };
    let names: Vec<&str> = chosen.iter().map(|context| context.name.as_str()).collect();
    let head = Head {
        contexts: chosen.iter().map(|settings| marked(settings, &namespace(settings))).collect(),
        ..Head::new(names[0], &namespace(&chosen[0]), &user(), Timestamp::now())
    };
    let (recorder, writer) = Recorder::begin(&args.file, &head)?;
    let opens = chosen.iter().enumerate().map(|(at, settings)| {
        (settings.name.clone(), tape_of(opened::opener(globals, settings), recorder.clone(), at))
    });
    let feeds = Feeds::open(opens.collect());
    let session = session::path(paths.state(), &names.join("+"), globals.namespace.as_deref().unwrap_or_default());
    let place =
        |settings: &ContextSettings| opened::place(&opened::of_one(globals, settings), settings, namespace(settings));
    let contexts = chosen.iter().map(|settings| Context::new(place(settings), settings, &paths.settings())).collect();
    let options = Options::of_process(feeds.clients(), contexts, config, Some(session));
    let tapped = move || Tapped { keyboard: Keyboard::new(), recorder };
    Ok((writer, console::run_with(options, feeds, tapped).await))
}

/// The same way to a context, and what it answers is noted.
fn tape_of(open: fleet::Open, recorder: Recorder, context: usize) -> fleet::Open {
    Arc::new(move || {
        let (opening, recorder) = (open(), recorder.clone());
        async move {
            let (client, welcome) = opening.await?;
            let Welcome { namespace, only_look } = welcome.clone();
            recorder.note(What::Joined { context, namespace, only_look });
            Ok((recorder.around(client, context), welcome))
        }
        .boxed()
    })
}

/// What the recording has to know of a context: where it is, and what it takes to change something there.
fn marked(settings: &ContextSettings, namespace: &str) -> tape::Place {
    tape::Place {
        context: settings.name.clone(),
        namespace: namespace.to_owned(),
        tags: settings.tags.clone(),
        read_only: settings.read_only,
    }
}

/// The same, for whoever plays it; colours are those of the one who looks.
fn settings_of(place: &tape::Place, config: &Config) -> ContextSettings {
    let known = config.settings.contexts.iter().find(|context| context.name == place.context);
    ContextSettings {
        tags: place.tags.clone(),
        read_only: place.read_only,
        accent: known.and_then(|known| known.accent),
        ..ContextSettings::named(&place.context)
    }
}

pub async fn replay(args: Replay) -> color_eyre::Result<ExitCode> {
    let (head, entries) = tape::read(&args.file).map_err(Ended::from)?;
    if !console::terminal::is_terminal() {
        return Err(not_a_terminal().into());
    }
    let pace = Pace::begin(args.speed);
    let paths = Paths::of_user();
    let config = console::configure(&paths);
    let only_look = args.free.then(|| "this is a recording: there is nothing that could be changed".to_owned());
    let clock = Clock::played(head.started_at, args.speed);
    let context =
        |place: Place, marked: &tape::Place| Context::new(place, &settings_of(marked, &config), &paths.settings());
    if head.contexts.len() > 1 {
        let user = format!("REPLAY {}", head.user);
        let place = |marked: &tape::Place| Place {
            context: marked.context.clone(),
            namespace: marked.namespace.clone(),
            user: user.clone(),
            kubeconfig: kubeconfig_of_then(),
            ..Place::default()
        };
        let contexts = head.contexts.iter().map(|marked| context(place(marked), marked)).collect();
        let open = |(at, marked): (usize, &tape::Place)| {
            (marked.context.clone(), played(&entries, at, pace, only_look.clone()))
        };
        let feeds = Feeds::open(head.contexts.iter().enumerate().map(open).collect());
        let options = looking(feeds.clients(), contexts, config, clock);
        return opened::ended(console::run_with(options, feeds, keys(&args, entries, pace)).await);
    }
    let client = Player::new(&entries, 0, pace).client(&head.namespace);
    let marked = head.contexts.first().cloned().unwrap_or_default();
    let name = format!("REPLAY {}", head.context);
    let kubeconfig = kubeconfig_of_then();
    let place = Place { context: name, namespace: head.namespace, user: head.user, only_look, kubeconfig };
    let feed = fleet::watch(&client, &place.namespace);
    let contexts = vec![context(place, &marked)];
    let options = looking(Clients::of_one(client), contexts, config, clock);
    opened::ended(console::run_with(options, feed, keys(&args, entries, pace)).await)
}

/// The way to a context as it was then: it answers when it answered.
fn played(entries: &[Entry], context: usize, pace: Pace, only_look: Option<String>) -> fleet::Open {
    let player = Player::new(entries, context, pace);
    let joined = entries.iter().find_map(|entry| match &entry.what {
        What::Joined { context: of, namespace, only_look: then } if *of == context => {
            let only_look = only_look.clone().or_else(|| then.clone());
            Some((entry.at, Welcome { namespace: namespace.clone(), only_look }))
        }
        _ => None,
    });
    Arc::new(move || {
        let (player, joined) = (player.clone(), joined.clone());
        async move {
            let (at, welcome) = joined.ok_or_else(|| "it did not answer while this was recorded".to_owned())?;
            pace.until(at).await;
            Ok((player.client(&welcome.namespace), welcome))
        }
        .boxed()
    })
}

/// What was typed then, if that is wanted, and what is typed now.
fn keys(args: &Replay, entries: Vec<Entry>, pace: Pace) -> impl FnOnce() -> Played + use<> {
    let typed: Vec<(u64, Input)> = if args.free { Vec::new() } else { typed(entries) };
    move || Played { keyboard: Keyboard::new(), recorded: play(typed, pace).boxed() }
}

/// It is not in the recording, and nothing is run with it. A command that was given one then is to come as far as it did:
/// what was typed next was typed there.
fn kubeconfig_of_then() -> Option<String> {
    Some("KUBECONFIG".to_owned())
}

/// For a recording: nothing is kept, and nothing is done beside what the recording answers.
fn looking(clients: Clients, contexts: Vec<Context>, config: Config, clock: Clock) -> Options {
    Options { clock, replayed: true, ..Options::of_process(clients, contexts, config, None) }
}

/// The keyboard, and what is typed is noted.
struct Tapped {
    keyboard: Keyboard,
    recorder: Recorder,
}

impl Stream for Tapped {
    type Item = io::Result<Input>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        let event = ready!(self.keyboard.poll_next_unpin(context));
        if let Some(event) = &event {
            note(&self.recorder, event);
        }
        Poll::Ready(event)
    }
}

impl Keys for Tapped {
    fn let_go(&mut self) {
        self.keyboard.let_go();
    }

    fn take_up(&mut self) {
        self.keyboard.take_up();
    }
}

/// What was typed then, and what is typed now.
struct Played {
    keyboard: Keyboard,
    recorded: BoxStream<'static, io::Result<Input>>,
}

impl Stream for Played {
    type Item = io::Result<Input>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        match self.keyboard.poll_next_unpin(context) {
            Poll::Pending => self.recorded.poll_next_unpin(context),
            typed @ Poll::Ready(_) => typed,
        }
    }
}

impl Keys for Played {
    fn let_go(&mut self) {
        self.keyboard.let_go();
    }

    fn take_up(&mut self) {
        self.keyboard.take_up();
    }
}

/// Notes what was typed; the size of a terminal is the reader's own.
fn note(recorder: &Recorder, event: &io::Result<Input>) {
    let what = match event {
        Ok(Input::Key(key)) => What::Key(Chord::from(*key).to_string()),
        Ok(Input::Paste(text)) => What::Paste(text.clone()),
        Ok(Input::FocusGained) => What::Focus(true),
        Ok(Input::FocusLost) => What::Focus(false),
        Ok(Input::Mouse(_) | Input::Resize(..)) | Err(_) => return,
    };
    recorder.note(what);
}

/// Keys that leave the console.
const WAYS_OUT: [&[&str]; 3] = [&["q"], &[":", "q", "enter"], &[":", "q", "u", "i", "t", "enter"]];

/// What was typed, and when. The keys with which the recording was ended, and those that stopped the program, are left to
/// whoever looks at it.
fn typed(entries: Vec<Entry>) -> Vec<(u64, Input)> {
    let mut inputs: Vec<(u64, Input)> = entries
        .into_iter()
        .filter_map(|Entry { at, what }| match what {
            What::Key(key) if key == "ctrl-c" || key == "ctrl-z" => None,
            What::Key(key) => Some((at, Input::Key(KeyEvent::from(key.parse::<Chord>().ok()?)))),
            What::Paste(text) => Some((at, Input::Paste(text))),
            What::Focus(_) => None,
            What::Answer { .. }
            | What::Chunk { .. }
            | What::Bytes { .. }
            | What::End { .. }
            | What::Lost { .. }
            | What::Joined { .. } => None,
        })
        .collect();
    // However it was left, what was seen last is to be looked at.
    let word = |(_, input): &(u64, Input)| match input {
        Input::Key(key) => Chord::from(*key).to_string(),
        _ => String::new(),
    };
    let is_end = |keys: &&&[&str], inputs: &[(u64, Input)]| {
        let at = inputs.len().checked_sub(keys.len());
        at.is_some_and(|at| inputs[at..].iter().map(word).eq(keys.iter().copied()))
    };
    while let Some(keys) = WAYS_OUT.iter().find(|keys| is_end(keys, &inputs)) {
        inputs.truncate(inputs.len() - keys.len());
    }
    inputs
}

/// The same again, each at its time.
fn play(inputs: Vec<(u64, Input)>, pace: Pace) -> impl Stream<Item = io::Result<Input>> {
    stream::iter(inputs)
        .then(move |(at, input)| async move {
            pace.until(at).await;
            Ok(input)
        })
        // The user's own keys go on.
        .chain(stream::pending())
}

fn speed(text: &str) -> Result<f64, String> {
    match text.trim_end_matches(['x', 'X']).parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.01..=1_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.01 to 1000 is needed".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_comes_again_but_the_end() {
        let key = |at: u64, key: &str| Entry { at, what: What::Key(key.into()) };
        let entries = vec![key(5, "j"), key(9, "ctrl-c"), key(12, "G"), key(20, "q"), key(21, "q")];
        let typed: Vec<(u64, String)> = typed(entries)
            .into_iter()
            .map(|(at, input)| match input {
                Input::Key(key) => (at, Chord::from(key).to_string()),
                other => (at, format!("{other:?}")),
            })
            .collect();
        assert_eq!(typed, [(5, "j".to_owned()), (12, "G".to_owned())]);
        for end in [":qE", ":quitE", "q:qE", ":qEq"] {
            let keys =
                "jG".chars().chain(end.chars()).map(|c| if c == 'E' { "enter".to_owned() } else { c.to_string() });
            let entries = keys.map(|name| Entry { at: 1, what: What::Key(name) }).collect();
            assert_eq!(super::typed(entries).len(), 2, "{end}");
        }
    }
}
