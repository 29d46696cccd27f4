//! Whole flows, page by page: a console on embedded servers, and pages that know what can be done on them.
//!
//! ```ignore
//! let mut console = Console::on(FLEET);
//! console.pool("eu-1/gpu").press(Scale).expect_dialog().set(8).reason("launch").confirm_with("gpu").expect_done("scales");
//! assert_eq!(console.spec::<NodePool>("eu-1-gpu")["replicas"], 8);
//! ```
//!
//! Keys are asked of the live keymap by what they do. Those of dialogs are the same in every keymap and have names here. What
//! fails prints the screen.

use super::{
    desk::{Desk, Site},
    wire::{Refuse, Sent},
};
use crate::{
    config::{Config, ContextSettings, Settings},
    console::{
        action::Action,
        form::{Ask, Field},
        state::{Overlay, State, Subject},
        update::dialog,
    },
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use kube::{Resource, core::NamespaceResourceScope};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{fmt::Debug, time::Duration};
use tokio::runtime::Runtime;

mod pages;

use pages::{List, Row};

pub const ENTER: KeyCode = KeyCode::Enter;
pub const ESC: KeyCode = KeyCode::Esc;
pub const TAB: KeyCode = KeyCode::Tab;

/// A console, and the meta clusters behind it.
pub struct Console {
    runtime: Runtime,
    desk: Desk,
}

impl Console {
    /// On one meta cluster, with writes armed.
    pub fn on(fleet: &str) -> Self {
        let mut config = Config::built_in();
        config.settings.read_only = false;
        Self::with(config, &[(ContextSettings::named("lab"), fleet)])
    }

    /// The same as it starts by itself: read-only.
    pub fn read_only_on(fleet: &str) -> Self {
        Self::with(Config::built_in(), &[(ContextSettings::named("lab"), fleet)])
    }

    pub fn with(config: Config, contexts: &[(ContextSettings, &str)]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let desk = runtime.block_on(async {
            let mut sites = Vec::new();
            for (settings, fleet) in contexts {
                sites.push(Site::of(settings.clone(), fleet).await);
            }
            Desk::of(sites, config, (160, 48)).await
        });
        let mut console = Self { runtime, desk };
        console.sent();
        console
    }

    /// From here on as where a recording is played.
    pub fn replayed(mut self) -> Self {
        self.desk.console.replayed = true;
        self
    }

    pub fn state(&self) -> &State {
        self.desk.state()
    }

    pub fn shown(&self) -> String {
        self.desk.shown()
    }

    /// What was said last: the line below, or in the dialog.
    pub fn said(&mut self) -> String {
        let notice = self.state().notice.as_ref().map(|notice| notice.text.clone());
        let armed = self.state().is_armed();
        let dialog = dialog::current(&mut self.desk.console.state.overlay).and_then(|dialog| {
            let form = dialog.form();
            form.complaint.clone().or_else(|| form.changed.clone()).or_else(|| dialog.blocked(armed))
        });
        [notice, dialog].into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    pub fn fail(&self, what: &str) -> ! {
        panic!("{what}\n{}", self.shown());
    }

    #[track_caller]
    pub fn expect(&self, good: bool, what: &str) {
        if !good {
            self.fail(what);
        }
    }

    /// The screen shows these words in one line.
    #[track_caller]
    pub fn expect_shown(&mut self, words: &str) -> &mut Self {
        self.expect(self.shown().contains(words), &format!("`{words}` is not shown"));
        self
    }

    #[track_caller]
    pub fn expect_not_shown(&mut self, words: &str) -> &mut Self {
        self.expect(!self.shown().contains(words), &format!("`{words}` is shown"));
        self
    }

    /// It was said, and can be seen.
    #[track_caller]
    pub fn expect_said(&mut self, words: &str) -> &mut Self {
        let said = self.said();
        self.expect(said.contains(words), &format!("`{words}` was not said, but `{said}`"));
        let begin: String = said.lines().next().unwrap_or_default().chars().take(24).collect();
        self.expect(self.shown().contains(begin.trim_end()), &format!("`{begin}…` was said and is not shown"));
        self
    }

    fn keys(&mut self, keys: impl IntoIterator<Item = KeyEvent>) {
        let Self { runtime, desk } = self;
        runtime.block_on(desk.press(keys));
        assert!(!desk.is_over, "the console was left");
    }

    pub fn key(&mut self, code: KeyCode) -> &mut Self {
        self.keys([KeyEvent::new(code, KeyModifiers::NONE)]);
        self
    }

    pub fn control(&mut self, c: char) -> &mut Self {
        self.keys([KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)]);
        self
    }

    /// The key of an action, wherever it is bound.
    pub fn press(&mut self, action: Action) -> &mut Self {
        let chord = self.state().keymap.keys(action).first().copied();
        let chord = chord.unwrap_or_else(|| self.fail(&format!("{action:?} has no key")));
        self.keys([chord.into()]);
        self
    }

    /// Letters that are written down where they are typed.
    pub fn write(&mut self, text: &str) -> &mut Self {
        self.keys(text.chars().map(|c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        self
    }

    /// Time goes by.
    pub fn wait(&mut self, time: Duration) -> &mut Self {
        let Self { runtime, desk } = self;
        runtime.block_on(desk.wait(time));
        self
    }

    /// A line for the command line.
    #[track_caller]
    pub fn command(&mut self, line: &str) -> &mut Self {
        self.press(Action::Command).write(line).key(ENTER);
        let open = matches!(self.state().overlay, Overlay::Palette(_));
        self.expect(!open, &format!("`{line}` could not be carried out"));
        self
    }

    /// The cursor on something in the fleet.
    #[track_caller]
    fn go(&mut self, kind: &str, name: &str) -> Row<'_> {
        self.command(&format!("{kind} {name}"));
        Row(self)
    }

    /// By `CLUSTER/POOL`.
    #[track_caller]
    pub fn pool(&mut self, name: &str) -> Row<'_> {
        self.go("pool", name)
    }

    #[track_caller]
    pub fn machine(&mut self, name: &str) -> Row<'_> {
        self.go("machine", name)
    }

    #[track_caller]
    pub fn cluster(&mut self, name: &str) -> Row<'_> {
        self.go("cluster", name)
    }

    #[track_caller]
    pub fn operation(&mut self, name: &str) -> Row<'_> {
        self.go("operation", name)
    }

    /// All machines in one table.
    pub fn table(&mut self) -> List<'_> {
        List::open(self, Action::ViewMachines)
    }

    pub fn operations(&mut self) -> List<'_> {
        List::open(self, Action::ViewOperations)
    }

    pub fn hosts(&mut self) -> List<'_> {
        List::open(self, Action::ViewHosts)
    }

    pub fn events(&mut self) -> List<'_> {
        List::open(self, Action::ViewEvents)
    }

    /// What the cursor is on, by its name.
    pub fn subject(&self) -> String {
        match self.state().subject() {
            Subject::Fleet => "fleet".into(),
            Subject::Context(context) => self.state().context(context).place.context.clone(),
            Subject::Idle(_) => "idle".into(),
            Subject::Clusters(_) => "clusters".into(),
            Subject::Cluster(node) => node.row.name.to_string(),
            Subject::Pool(node) => node.row.name.to_string(),
            Subject::Machine(machine) => machine.name.to_string(),
            Subject::Operation(operation) => operation.name.to_string(),
        }
    }

    /// What has left for the first meta cluster since the last time.
    pub fn sent(&mut self) -> Vec<Sent> {
        self.sent_to(0)
    }

    pub fn sent_to(&mut self, site: usize) -> Vec<Sent> {
        self.desk.sites[site].wire.take()
    }

    /// Nothing that writes has left since the last time, to be carried out or to be tried out.
    #[track_caller]
    pub fn expect_nothing_sent(&mut self) -> &mut Self {
        for site in 0..self.desk.sites.len() {
            let sent = self.sent_to(site);
            let writes: Vec<&Sent> = sent.iter().filter(|sent| sent.is_mutation() || sent.dry_run).collect();
            self.expect(writes.is_empty(), &format!("this has left: {writes:#?}"));
        }
        self
    }

    /// What was changed, as `PATCH nodepools/eu-1-gpu`, the Events about it aside.
    pub fn changes(&mut self) -> Vec<String> {
        let sent = self.sent();
        let name = |sent: &Sent| sent.path.rsplit('/').next().unwrap_or_default().to_owned();
        let made = sent.iter().filter(|sent| sent.is_made() && sent.kind() != "events");
        made.map(|sent| format!("{} {}/{}", sent.verb, sent.kind(), name(sent))).collect()
    }

    /// The line to the first meta cluster breaks.
    pub fn cut(&mut self) -> &mut Self {
        self.desk.sites[0].wire.cut();
        self.wait(Duration::from_secs(1))
    }

    pub fn mend(&mut self) -> &mut Self {
        self.desk.sites[0].wire.mend();
        self.wait(Duration::from_secs(40))
    }

    /// Changes take so long from now on.
    pub fn work(&mut self, time: Duration) -> &mut Self {
        self.desk.sites[0].wire.work(time);
        self
    }

    /// Leaves, and waits for the end of it.
    #[track_caller]
    pub fn leave(&mut self) {
        let key = self.state().keymap.keys(Action::Quit)[0];
        let Self { runtime, desk } = self;
        runtime.block_on(desk.press_for([key.into()], Duration::from_secs(60)));
        self.expect(self.desk.is_over, "the console is still there");
    }

    /// The server refuses some of what it is asked from now on.
    pub fn refuse(&mut self, refuse: Refuse) -> &mut Self {
        self.desk.sites[0].wire.refuse(refuse);
        self
    }

    /// Somebody else changes something.
    pub fn meanwhile<K>(&mut self, name: &str, patch: Value) -> &mut Self
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Serialize + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let Self { runtime, desk } = self;
        runtime.block_on(async {
            desk.sites[0].patch::<K>(name, patch).await;
            desk.until_idle().await;
        });
        self
    }

    /// A controller says something of a machine.
    pub fn say(&mut self, machine: &str, status: Value) -> &mut Self {
        let Self { runtime, desk } = self;
        runtime.block_on(async {
            desk.sites[0].say(machine, status).await;
            desk.until_idle().await;
        });
        self
    }

    /// An object of the first meta cluster, as kubectl shows it.
    pub fn object<K>(&self, name: &str) -> Value
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Serialize + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        self.object_in::<K>(0, name)
    }

    pub fn object_in<K>(&self, site: usize, name: &str) -> Value
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Serialize + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        self.runtime.block_on(self.desk.sites[site].read::<K>(name))
    }

    /// Its spec.
    pub fn spec<K>(&self, name: &str) -> Value
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Serialize + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        self.object::<K>(name)["spec"].take()
    }

    /// An annotation of it; nothing if it has none of that name.
    pub fn note<K>(&self, name: &str, key: &str) -> Value
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Serialize + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        self.object::<K>(name)["metadata"]["annotations"][key].take()
    }

    /// A file that the console has written.
    #[track_caller]
    pub fn saved(&self, name: &str) -> String {
        std::fs::read_to_string(self.desk.folder.path().join(name))
            .unwrap_or_else(|e| self.fail(&format!("{name}: {e}")))
    }

    /// Whatever files the console has written.
    pub fn files(&self) -> usize {
        self.desk.folder.path().read_dir().map_or(0, Iterator::count)
    }

    /// What the terminal was told since the last time.
    pub fn written(&self) -> String {
        self.desk.paper.take()
    }

    /// The files of the configuration say something else by now, and that was noticed.
    pub fn configure(&mut self, change: impl FnOnce(&mut Settings)) -> &mut Self {
        let mut config = (*self.desk.console.config).clone();
        change(&mut config.settings);
        self.desk.console.configure(Some(Box::new(config)));
        let Self { runtime, desk } = self;
        runtime.block_on(desk.until_idle());
        self
    }

    /// Whoever logs in to hosts, if the settings name somebody.
    pub fn user_on_hosts(&self) -> Option<&str> {
        self.desk.console.hands.access.user.as_deref()
    }

    /// What the Events of the first meta cluster say.
    pub fn recorded(&self) -> Vec<String> {
        self.runtime.block_on(self.desk.sites[0].recorded())
    }
}
