//! How often is drawn: on tokio's paused clock, with news a hundred times a second, each of which can be seen.

use super::{FLEET, desk::Paper};
use crate::{
    config::{Config, ContextSettings},
    console::{
        Environment, Options, assemble,
        clock::Clock,
        contexts::Context,
        question::Answer,
        run::{Data, Loop},
        state::Place,
        terminal,
    },
    embedded::{self, ApiServer},
    fleet::{Clients, Snapshot, testing},
};
use crossterm::event::Event as Input;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::time::{Interval, interval, timeout};

/// A machine comes and goes, and comes.
struct Rain {
    drops: Interval,
    snapshots: [Arc<Snapshot>; 2],
}

impl Rain {
    fn new() -> Self {
        let other = FLEET.replace("machine eu-1-m1 Ready", "machine eu-1-m1 Provisioning");
        assert_ne!(other, FLEET);
        let snapshots = [FLEET, &other].map(testing::snapshot);
        Self { drops: interval(Duration::from_millis(10)), snapshots }
    }
}

impl Data for &mut Rain {
    async fn changed(&mut self) -> Arc<Snapshot> {
        self.drops.tick().await;
        self.snapshots.rotate_left(1);
        self.snapshots[0].clone()
    }
}

struct Stand {
    console: Loop<Paper>,
    rain: Rain,
    paper: Paper,
}

impl Stand {
    fn new(environment: Environment) -> Self {
        let client = ApiServer::open(embedded::Options::default()).expect("it opens").client();
        let place =
            Place { context: "demo".into(), namespace: "fleet".into(), user: "alice".into(), ..Place::default() };
        let options = Options {
            clients: Clients::of_one(client),
            contexts: vec![Context::new(place, &ContextSettings::named("demo"), Path::new("config.yaml"))],
            config: Config::built_in(),
            tour: None,
            access: None,
            environment,
            session: None,
            clock: Clock::played(Timestamp::now(), 1.0),
            replayed: false,
        };
        let paper = Paper::default();
        let screen = terminal::screen(paper.clone(), 120, 40).expect("a screen of a stated size");
        Self { console: assemble(options, screen, (120, 40)), rain: Rain::new(), paper }
    }

    /// Frames in so much time from when this comes in.
    async fn frames(&mut self, input: impl IntoIterator<Item = Input>, time: Duration) -> u64 {
        let before = self.console.frames;
        let input = Box::pin(stream::iter(input.into_iter().map(Ok).collect::<Vec<_>>()).chain(stream::pending()));
        let ended = timeout(time, self.console.run(input, &mut self.rain)).await;
        assert!(ended.is_err(), "it goes on");
        self.console.frames - before
    }
}

const TWO_SECONDS: Duration = Duration::from_secs(2);

fn far_away() -> [Environment; 2] {
    let slow = Answer { round_trip: Some(Duration::from_millis(120)), ..Answer::default() };
    let ssh = Environment { over_ssh: true, ..Environment::default() };
    [ssh, Environment { answer: slow, ..Environment::default() }]
}

#[tokio::test(start_paused = true)]
async fn news_are_drawn_thirty_times_a_second_and_ten_times_where_it_is_far() {
    let mut near = Stand::new(Environment::default());
    near.frames([], TWO_SECONDS).await;
    let frames = near.frames([], TWO_SECONDS).await;
    assert!((50..=64).contains(&frames), "{frames}");
    for environment in far_away() {
        let mut far = Stand::new(environment);
        far.frames([], TWO_SECONDS).await;
        let frames = far.frames([], TWO_SECONDS).await;
        // The clock of the header has two of its own.
        assert!((16..=22).contains(&frames), "{frames}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_background_little_is_drawn_and_nothing_where_it_is_far() {
    let mut near = Stand::new(Environment::default());
    near.frames([Input::FocusLost], TWO_SECONDS).await;
    let frames = near.frames([], TWO_SECONDS).await;
    assert!((2..=7).contains(&frames), "{frames}");
    for environment in far_away() {
        let mut far = Stand::new(environment);
        far.frames([Input::FocusLost], TWO_SECONDS).await;
        far.paper.take();
        assert_eq!((far.frames([], TWO_SECONDS).await, far.paper.take()), (0, String::new()));
        // Whoever comes back sees at once what it is like now.
        assert!(far.frames([Input::FocusGained], Duration::from_millis(1)).await >= 1);
        assert!(far.paper.take().len() > 20);
    }
}
