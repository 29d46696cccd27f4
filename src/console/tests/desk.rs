//! A whole console on embedded API servers: its real loop, its real effects, its real watches, and keys one by one.
//!
//! Time stands still but where nothing else is left to do, when it leaps (tokio's paused clock): [`Desk::until_idle`] is
//! over as soon as all that a key has brought about is done, and nothing waits for longer than that takes.

use super::{screen, wire::Wire};
use crate::{
    api::{Machine, definitions},
    config::{Config, ContextSettings},
    console::{
        Environment, Options, assemble,
        clock::Clock,
        contexts::Context,
        run::{Data, Loop},
        state::{Place, State},
        terminal,
    },
    embedded::{self, ApiServer},
    fleet::{self, Clients, Feed, Feeds, Snapshot, Welcome, testing},
};
use crossterm::event::{Event as Input, KeyEvent};
use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource,
    api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt::Debug,
    io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

/// Longer than anything takes that a key brings about: dry runs, watches, frames; shorter than what happens by itself. It passes
/// at once where nothing is left to do.
const SETTLED: Duration = Duration::from_millis(400);
/// Everything of a test is in it.
pub const NAMESPACE: &str = "fleet";

/// One meta cluster: what is there, and how it is reached.
pub struct Site {
    /// Not over the line that is looked at: for the test itself, in the place of kubectl and of other people.
    pub client: Client,
    pub wire: Wire,
    pub settings: ContextSettings,
}

impl Site {
    /// A server with the fleet that the notation describes.
    pub async fn of(settings: ContextSettings, fleet: &str) -> Self {
        let server = ApiServer::open(embedded::Options::default()).expect("it opens");
        server.install(definitions()).await.expect("the kinds are right");
        let client = server.client();
        let metadata = ObjectMeta { name: Some(NAMESPACE.into()), ..ObjectMeta::default() };
        let namespace = k8s_openapi::api::core::v1::Namespace { metadata, ..Default::default() };
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.expect("there is none yet");
        let site = Self { client, wire: Wire::default(), settings };
        site.furnish(&testing::snapshot(fleet)).await;
        site
    }

    async fn furnish(&self, snapshot: &Snapshot) {
        for cluster in &snapshot.clusters {
            if let Some(deployment) = &cluster.row.deployment {
                self.put((**deployment).clone()).await;
            }
            if let Some(resource) = &cluster.row.resource {
                self.put((**resource).clone()).await;
            }
            for pool in cluster.pools.iter().filter_map(|pool| pool.row.resource.as_deref()) {
                self.put(pool.clone()).await;
            }
        }
        for machine in snapshot.all_machines() {
            let mut machine = machine.to_machine();
            // Nobody listens there, and whoever asks is told at once.
            (machine.spec.address, machine.spec.port) = ("127.0.0.1".into(), Some(1));
            self.put(machine).await;
        }
        for operation in snapshot.operations.iter() {
            self.put((*operation.resource).clone()).await;
        }
    }

    /// Creates an object as it is, its status too.
    async fn put<K>(&self, mut object: K)
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope> + Clone + Serialize + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let name = object.meta().name.clone().expect("it has a name");
        let metadata = ObjectMeta {
            uid: None,
            resource_version: None,
            creation_timestamp: None,
            generation: None,
            ..object.meta().clone()
        };
        *object.meta_mut() = metadata;
        let status = serde_json::to_value(&object).expect("it is data")["status"].take();
        let api = self.api::<K>();
        api.create(&PostParams::default(), &object).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let patch = Patch::Merge(serde_json::json!({"status": status}));
        api.patch_status(&name, &PatchParams::default(), &patch).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// An object as kubectl shows it.
    pub async fn read<K>(&self, name: &str) -> serde_json::Value
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope> + Clone + Serialize + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let object = self.api::<K>().get(name).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        serde_json::to_value(object).expect("it is data")
    }

    /// Somebody else changes something.
    pub async fn patch<K>(&self, name: &str, patch: serde_json::Value)
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope> + Clone + Serialize + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let patched = self.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    /// A controller says something of a machine.
    pub async fn say(&self, machine: &str, status: serde_json::Value) {
        let patch = Patch::Merge(serde_json::json!({"status": status}));
        let said = self.api::<Machine>().patch_status(machine, &PatchParams::default(), &patch).await;
        said.unwrap_or_else(|e| panic!("{machine}: {e}"));
    }
}

impl Site {
    /// What its Events say.
    pub async fn recorded(&self) -> Vec<String> {
        let events = self.api::<k8s_openapi::api::core::v1::Event>();
        let all = events.list(&ListParams::default()).await.expect("they are listed").items;
        all.into_iter().filter_map(|event| event.message).collect()
    }
}

/// What comes of the watches.
enum News {
    OfOne(Feed),
    OfSeveral(Feeds),
}

impl Data for &mut News {
    async fn changed(&mut self) -> Arc<Snapshot> {
        match self {
            News::OfOne(feed) => feed.changed().await,
            News::OfSeveral(feeds) => feeds.changed().await,
        }
    }
}

/// What the terminal is told.
#[derive(Clone, Default)]
pub struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    /// Everything since the last time.
    pub fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.lock().expect("one thread at a time"))).into_owned()
    }
}

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one thread at a time").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A console, and the meta clusters that it looks at.
pub struct Desk {
    pub sites: Vec<Site>,
    pub console: Loop<Paper>,
    pub paper: Paper,
    /// Where the console writes files.
    pub folder: TempDir,
    news: News,
    /// The user has left.
    pub is_over: bool,
}

impl Desk {
    pub async fn of(sites: Vec<Site>, config: Config, size: (u16, u16)) -> Self {
        let (news, clients) = match sites.as_slice() {
            [site] => {
                let client = site.wire.around(site.client.clone());
                (News::OfOne(fleet::watch(&client, NAMESPACE)), Clients::of_one(client))
            }
            several => {
                let feeds =
                    Feeds::open(several.iter().map(|site| (site.settings.name.clone(), opener(site))).collect());
                let clients = feeds.clients();
                (News::OfSeveral(feeds), clients)
            }
        };
        let context = |site: &Site| {
            let (context, namespace) = (site.settings.name.clone(), NAMESPACE.to_owned());
            let place = Place { context, namespace, user: "alice".into(), ..Place::default() };
            Context::new(place, &site.settings, Path::new("/home/alice/.config/quarterdeck/config.yaml"))
        };
        let options = Options {
            clients,
            contexts: sites.iter().map(context).collect(),
            config,
            tour: None,
            access: None,
            environment: Environment {
                color_term: Some("truecolor".into()),
                locale: Some("C.UTF-8".into()),
                ssh_program: Some("true".into()),
                ..Environment::default()
            },
            session: None,
            clock: Clock::played(Timestamp::now(), 1.0),
            replayed: false,
        };
        let (paper, folder) = (Paper::default(), tempfile::tempdir().expect("a folder"));
        let screen = terminal::screen(paper.clone(), size.0, size.1).expect("a screen of a stated size");
        let mut console = assemble(options, screen, size);
        console.hands.folder = Some(folder.path().to_owned());
        let mut desk = Self { sites, console, paper, folder, news, is_over: false };
        desk.until_idle().await;
        assert!(desk.state().snapshot.complete, "the fleet is listed");
        desk
    }

    pub fn state(&self) -> &State {
        &self.console.state
    }

    pub fn shown(&self) -> String {
        screen(self.state())
    }

    /// Until all is done that is under way.
    pub async fn until_idle(&mut self) {
        self.press([]).await;
    }

    /// Until so much time has gone by.
    pub async fn wait(&mut self, time: Duration) {
        self.input_for(Vec::new(), time).await;
    }

    /// Keys that come at once, and all that they bring about.
    pub async fn press(&mut self, keys: impl IntoIterator<Item = KeyEvent>) {
        let keys: Vec<io::Result<Input>> = keys.into_iter().map(|key| Ok(Input::Key(key))).collect();
        self.input(keys).await;
    }

    /// Keys, and what they bring about in so much time.
    pub async fn press_for(&mut self, keys: impl IntoIterator<Item = KeyEvent>, time: Duration) {
        let keys: Vec<io::Result<Input>> = keys.into_iter().map(|key| Ok(Input::Key(key))).collect();
        self.input_for(keys, time).await;
    }

    pub async fn resize(&mut self, size: (u16, u16)) {
        self.input(vec![Ok(Input::Resize(size.0, size.1))]).await;
    }

    async fn input(&mut self, input: Vec<io::Result<Input>>) {
        self.input_for(input, SETTLED).await;
    }

    async fn input_for(&mut self, input: Vec<io::Result<Input>>, time: Duration) {
        let input = Box::pin(stream::iter(input).chain(stream::pending()));
        // A loop that is dropped where it waits has lost nothing: all that is under way is the loop's own.
        if let Ok(ended) = tokio::time::timeout(time, self.console.run(input, &mut self.news)).await {
            ended.expect("the keys do not end");
            self.is_over = true;
        }
    }
}

fn opener(site: &Site) -> fleet::Open {
    let (client, wire) = (site.client.clone(), site.wire.clone());
    Arc::new(move || {
        let client = wire.around(client.clone());
        let welcome = Welcome { namespace: NAMESPACE.into(), only_look: None };
        async move { Ok((client, welcome)) }.boxed()
    })
}
