use super::*;
use crate::embedded::{ApiServer, Options};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ListParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::json;

fn head() -> Head {
    Head::new("demo", "fleet", "alice", Timestamp::UNIX_EPOCH)
}

async fn make(client: &Client, name: &str) {
    let map = serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "ü"}})).expect("it is one");
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    maps.create(&PostParams::default(), &map).await.expect("it can be made");
}

/// Names that a watch from the start of time shows.
async fn watched(client: &Client, count: usize) -> Vec<String> {
    use futures::{StreamExt, TryStreamExt};
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let stream = maps.watch(&WatchParams::default(), "0").await.expect("it can be watched");
    let events: Vec<WatchEvent<ConfigMap>> = stream.take(count).try_collect().await.expect("all are events");
    let name = |event: WatchEvent<ConfigMap>| match event {
        WatchEvent::Added(map) => map.metadata.name,
        _ => None,
    };
    events.into_iter().filter_map(name).collect()
}

#[tokio::test]
async fn what_was_recorded_is_answered_again_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tape");
    let server = ApiServer::open(Options::default()).expect("it opens");
    let (recorder, writer) = Recorder::begin(&path, &head()).expect("it begins");
    let client = recorder.around(server.client(), 0);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    assert_eq!(maps.list(&ListParams::default()).await.expect("a list").items.len(), 0);
    make(&client, "one").await;
    make(&client, "two").await;
    assert_eq!(maps.list(&ListParams::default()).await.expect("a list").items.len(), 2);
    assert_eq!(watched(&client, 2).await, ["one", "two"]);
    assert!(maps.get("none").await.is_err());
    recorder.note(What::Key("j".into()));
    assert_eq!(writer.finish().expect("it was written"), Extent::Whole);

    let (read_head, entries) = read(&path).expect("it can be read");
    assert_eq!((read_head, entries.iter().filter(|e| e.what == What::Key("j".into())).count()), (head(), 1));
    let client = Player::new(&entries, 0, Pace::begin(1000.0)).client("default");
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(maps.list(&ListParams::default()).await.expect("a list").items.len());
    }
    assert_eq!(counts, [0, 2, 2], "in their order, and the last one again");
    assert_eq!(watched(&client, 2).await, ["one", "two"]);
    let said = |error: kube::Error| error.to_string();
    assert!(said(maps.get("none").await.unwrap_err()).contains("not found"));
    assert!(said(maps.get("other").await.unwrap_err()).contains("this was not asked while it was recorded"));
    // A watch that nobody recorded is silent, and does not end.
    let silent = tokio::time::timeout(std::time::Duration::from_millis(100), watched(&client, 1)).await;
    assert!(silent.is_err());
}

/// Two servers that are asked the same: each is answered with its own words.
#[tokio::test]
async fn what_one_context_answered_is_never_given_for_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tape");
    let place = |name: &str| Place { context: name.into(), namespace: "default".into(), ..Place::default() };
    let head = Head { contexts: vec![place("prod"), place("lab")], ..head() };
    let (recorder, writer) = Recorder::begin(&path, &head).expect("it begins");
    let servers = [(); 2].map(|()| ApiServer::open(Options::default()).expect("it opens"));
    let maps = |client: &Client| Api::<ConfigMap>::namespaced(client.clone(), "default");
    for (at, names) in [(1, &["a", "b"][..]), (0, &["c"][..])] {
        let client = recorder.around(servers[at].client(), at);
        for name in names {
            make(&client, name).await;
        }
        maps(&client).list(&ListParams::default()).await.expect("a list");
        recorder.note(What::Joined { context: at, namespace: "default".into(), only_look: None });
    }
    writer.finish().expect("it was written");
    let (seen, entries) = read(&path).expect("it can be read");
    assert_eq!(seen, head);
    for (at, count) in [(0, 1), (1, 2), (2, 0)] {
        let client = Player::new(&entries, at, Pace::begin(1000.0)).client("default");
        let list = maps(&client).list(&ListParams::default()).await;
        assert_eq!(list.map_or(0, |list| list.items.len()), count, "context {at}");
    }
}

/// What recordings looked like before there were several contexts.
#[tokio::test]
async fn a_recording_of_before_is_read_as_one_of_one_context() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tape");
    let text = r#"{"recording":1,"startedAt":"1970-01-01T00:00:00Z","context":"demo","namespace":"fleet","user":"alice","version":"0.1.0"}
{"at":1,"answer":{"id":0,"method":"GET","path":"/version","status":200,"content":"application/json"}}
{"at":2,"chunk":{"id":0,"text":"{\"major\":\"1\",\"minor\":\"34\",\"buildDate\":\"\",\"compiler\":\"\",\"gitCommit\":\"\",\"gitTreeState\":\"\",\"gitVersion\":\"\",\"goVersion\":\"\",\"platform\":\"\"}"}}
{"at":3,"end":{"id":0,"whole":true}}
"#;
    std::fs::write(&path, text).expect("it can be written");
    let (head, entries) = read(&path).expect("it can be read");
    assert!(head.contexts.is_empty());
    let client = Player::new(&entries, 0, Pace::begin(1000.0)).client("fleet");
    assert_eq!(client.apiserver_version().await.expect("an answer").minor, "34");
    // And what is written of one context today is what was written then.
    for entry in &entries {
        let line = serde_json::to_string(entry).expect("an entry");
        assert!(!line.contains("context"), "{line}");
    }
}

#[test]
fn a_recording_is_never_written_over_anything_and_a_torn_end_is_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tape");
    let (recorder, writer) = Recorder::begin(&path, &head()).expect("it begins");
    recorder.note(What::Focus(true));
    writer.finish().expect("it was written");
    let again = Recorder::begin(&path, &head()).map(|_| ()).unwrap_err().to_string();
    assert!(again.contains("is there already"), "{again}");
    let text = std::fs::read_to_string(&path).expect("text");
    std::fs::write(&path, format!("{text}{{\"at\":5,\"ke")).expect("it can be written");
    assert_eq!(read(&path).expect("it can be read").1.len(), 1);
}

/// A disk that takes nothing until it is told to, and what it has taken.
struct Stalled {
    go: std::sync::mpsc::Receiver<()>,
    goes: bool,
    taken: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
}

impl io::Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.goes {
            self.go.recv().expect("the test says so");
            self.goes = true;
        }
        self.taken.lock().expect("no panic while it is held").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_stalls_ends_the_recording_and_not_the_memory() {
    let check = |pastes: &[usize], kept: usize, extent: Extent| {
        let (go, wait) = std::sync::mpsc::channel();
        let taken = std::sync::Arc::<std::sync::Mutex<Vec<u8>>>::default();
        let disk = Stalled { go: wait, goes: false, taken: taken.clone() };
        let (recorder, writer) = Recorder::into(disk, 10_000).expect("it begins");
        for bytes in pastes {
            recorder.note(What::Paste("x".repeat(*bytes)));
        }
        go.send(()).expect("it waits");
        assert_eq!(writer.finish().expect("it was written"), extent, "{pastes:?}");
        let text = String::from_utf8(taken.lock().expect("no panic while it is held").clone()).expect("text");
        assert_eq!(text.lines().count(), kept, "{pastes:?}");
    };
    check(&[4_000, 4_000], 2, Extent::Whole);
    // Nothing comes after what is missing, though there would be room for it.
    check(&[4_000, 4_000, 4_000, 1, 1], 2, Extent::Slow);
    check(&[20_000, 1], 0, Extent::Slow);
}

#[test]
fn whatever_is_no_recording_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tape");
    let check = |text: &str, wanted: &str| {
        std::fs::write(&path, text).expect("it can be written");
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
    };
    let first = serde_json::to_string(&head()).expect("a head");
    check("", "it is empty; `quarterdeck record FILE` makes one");
    check("apiVersion: v1\n", "its first line is none of ours");
    check(&first.replace("\"recording\":1", "\"recording\":7"), "its format is 7, and this program reads 1");
    check(&format!("{first}\n{{}}\n{{\"at\":1,\"key\":\"j\"}}\n"), "line 2 cannot be read");
    assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("cannot be read: No such file"));
}

#[test]
fn requests_are_told_apart_by_what_they_ask() {
    let same = |a: &str, b: &str| question("GET", a) == question("GET", b);
    assert!(same("/a?limit=5&watch=true&resourceVersion=7", "/a?watch=true&resourceVersion=9&limit=5"));
    assert!(!same("/a?watch=true", "/a"));
    assert!(!same("/a?continue=x", "/a?continue=y"));
    assert_ne!(question("GET", "/a"), question("POST", "/a"));
}
