//! `install` and `uninstall` where nothing may be written; what they do on a real server is in `tests/install`.

use quarterdeck::embedded::{ApiServer, Options};

use crate::door::Door;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_installed_into_a_locked_context_nor_removed_from_it() {
    let server = ApiServer::open(Options::default()).expect("it opens");
    let door = Door::open(&server).await;
    door.configure("contexts:\n- name: test\n  readOnly: true\n");
    for words in ["install", "install --force-conflicts", "uninstall", "uninstall --delete-data --abandon --yes"] {
        door.check(words, 6, "test is read-only: `readOnly: true` of that context in ").await;
    }
    door.check("install --export", 0, "kind: Deployment").await;
    for words in ["install --dry-run", "uninstall --dry-run"] {
        let (_, out, err) = door.run(words).await;
        assert!(!err.contains("is read-only"), "{words}\n{out}\n{err}");
    }
}
