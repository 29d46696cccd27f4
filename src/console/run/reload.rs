//! Files of the configuration that were changed while the console runs. They are looked at when somebody is there: with a key,
//! or when the terminal comes to the front, and not more than once a second. Nothing waits for it.

use super::{
    super::{
        configure_again,
        message::{Event, Msg},
        setup::{self, Setup},
        update::update,
    },
    Loop,
};
use crate::config::Config;
use std::{io::Write, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Between two looks.
const LOOKS: Duration = Duration::from_secs(1);

/// When the files were last looked at, and whether that is still going on.
#[derive(Debug, Default)]
pub struct Looks {
    last: Option<Instant>,
    under_way: bool,
}

impl<W: Write> Loop<W> {
    /// Looks at the files, on another thread: they may be at the far end of a network.
    pub(super) fn look_at_files(&mut self) {
        let is_due = self.looks.last.is_none_or(|last| last.elapsed() >= LOOKS);
        if self.looks.under_way || !is_due {
            return;
        }
        self.looks = Looks { last: Some(Instant::now()), under_way: true };
        let config = self.config.clone();
        self.hands.tasks.spawn_blocking(move || Some(Event::Configured(configure_again(&config).map(Box::new))));
    }

    /// Takes a configuration over that was read anew, if there is one.
    pub fn configure(&mut self, config: Option<Box<Config>>) {
        self.looks.under_way = false;
        let Some(config) = config else { return };
        let last = std::mem::replace(&mut self.config, Arc::from(config));
        let before = setup::theme(&last.settings, &self.environment).to_owned();
        self.frame = setup::frame(&self.config.settings, &self.environment);
        self.screen.backend_mut().synchronise(setup::sync(&self.config.settings));
        if self.config.settings.ssh != last.settings.ssh {
            let access = self.hands.access.renewed(&self.config.settings.ssh, self.environment.ssh_program.as_deref());
            self.hands.access = Arc::new(access);
        }
        let setup = Setup::of(&self.config, &self.environment).after(&last.settings, &self.config.settings);
        self.say(Event::Setup(Box::new(setup)));
        if let Err(error) = self.listen_to_mouse() {
            tracing::warn!(%error, "the terminal could not be told about the mouse");
        }
        // One that was chosen in the meantime stays, unless the file names another one now; what it looks like may be new.
        let wanted = setup::theme(&self.config.settings, &self.environment);
        let name = if wanted == before { self.state.theme.clone() } else { wanted.to_owned() };
        if self.paint_with(name.clone()).is_ok() {
            self.state.theme = name;
        }
    }

    fn say(&mut self, event: Event) {
        let more = update(&mut self.state, Msg { now: self.clock.now(), event });
        self.allowed(more).into_iter().for_each(|effect| self.hands.begin(effect));
    }
}
