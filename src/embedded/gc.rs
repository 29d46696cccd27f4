//! Garbage collection: what is owned goes with its owners.
//!
//! An object whose owners are all gone is deleted; a reference to an owner that is gone is dropped if others are left.
//! With `foregroundDeletion` an owner waits for the dependents that block it; with `orphan` they are let go first. Owners
//! of kinds that are not served here are taken to be there: deleting on ignorance cannot be undone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;

use super::{
    ApiServer, deletion,
    kind::{Kind, Kinds},
    object::{Key, Object, text},
    options::{DeleteOptions, Preconditions, Propagation},
    refusal::Refusal,
    writing::{self, Write},
};

/// Deletions within this time are looked at together.
const COALESCE: Duration = Duration::from_millis(20);
/// A sweep rests this many times as long as it took, so that it never takes more than a tenth of a core.
const REST: u32 = 9;
/// When something that could not be deleted is tried again.
const RETRY: Duration = Duration::from_secs(1);

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// One object and its kind.
type Item = (Arc<Kind>, Arc<Object>);

/// Runs until it is dropped.
pub async fn run(server: ApiServer) {
    let mut garbage = server.store().garbage();
    loop {
        garbage.borrow_and_update();
        let begin = tokio::time::Instant::now();
        let failed = sweep(&server).await;
        tokio::time::sleep(COALESCE.max(begin.elapsed() * REST)).await;
        let again = async {
            match failed {
                true => tokio::time::sleep(RETRY).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = garbage.changed() => if changed.is_err() { return },
            () = again => {}
        }
    }
}

/// Looks at everything once; true if something could not be done.
async fn sweep(server: &ApiServer) -> bool {
    let kinds = server.kinds().clone();
    let items: Vec<Item> = kinds
        .collections()
        .flat_map(|kind| {
            let (objects, _) = server.store().list(&kind.collection, None, None);
            objects.into_iter().map(|object| (kind.clone(), object))
        })
        .collect();
    let present: HashSet<&str> = items.iter().map(|(_, object)| &*object.index.uid).collect();
    let mut dependents: HashMap<&str, Vec<&Item>> = HashMap::new();
    for item in &items {
        item.1.index.owners.iter().for_each(|owner| dependents.entry(owner).or_default().push(item));
    }
    let mut failed = false;
    for item in items.iter().filter(|(_, object)| object.index.deleting) {
        let owned = dependents.get(&*item.1.index.uid).map(Vec::as_slice).unwrap_or_default();
        let is_owner = |uid: &str| dependents.contains_key(uid);
        failed |= finish(server, item, owned, is_owner).await.is_err();
    }
    for item in &items {
        let suspect = item.1.index.owners.iter().any(|owner| !present.contains(&**owner));
        if suspect && !item.1.index.deleting {
            failed |= collect(server, &kinds, item).await.is_err();
        }
    }
    failed
}

/// Takes an owner that is being deleted on its way: deletes or releases its dependents, then its finalizer.
///
/// Only a dependent that others depend on is itself deleted in the foreground, as the garbage collector of Kubernetes does.
async fn finish(
    server: &ApiServer,
    (kind, owner): &Item,
    dependents: &[&Item],
    is_owner: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let value = owner.value();
    let holds = |name: &str| value["metadata"]["finalizers"].as_array().is_some_and(|all| all.contains(&name.into()));
    if holds(ORPHAN) {
        for (kind, dependent) in dependents {
            disown(server, kind, dependent, |uid| uid == &*owner.index.uid).await?;
        }
        return release(server, kind, owner, ORPHAN).await;
    }
    if !holds(FOREGROUND) {
        return Ok(());
    }
    let mut blocked = false;
    for (kind, dependent) in dependents {
        let value = dependent.value();
        let mut references = value["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        blocked |= references.any(|r| r["uid"] == *owner.index.uid && r["blockOwnerDeletion"] == true);
        if !dependent.index.deleting {
            let policy = is_owner(&dependent.index.uid).then_some(Propagation::Foreground);
            delete(server, kind, dependent, policy).await?;
            // It may have gone at once; the sweep that its going causes sees whether it did.
        }
    }
    if blocked { Ok(()) } else { release(server, kind, owner, FOREGROUND).await }
}

/// Deletes an object without owners, after a live look at each of them; drops references to owners that are gone.
async fn collect(server: &ApiServer, kinds: &Kinds, (kind, object): &Item) -> Result<(), Refusal> {
    let value = object.value();
    let references: Vec<&Value> = value["metadata"]["ownerReferences"].as_array().into_iter().flatten().collect();
    let gone: HashSet<&str> = references
        .iter()
        .filter(|reference| !is_there(server, kinds, &object.key.namespace, reference))
        .map(|reference| text(&reference["uid"]))
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    match gone.len() == references.len() {
        true => delete(server, kind, object, None).await,
        false => disown(server, kind, object, |uid| gone.contains(uid)).await,
    }
}

/// Reads an owner, as it was last accepted.
fn is_there(server: &ApiServer, kinds: &Kinds, namespace: &str, reference: &Value) -> bool {
    let group = text(&reference["apiVersion"]).rsplit_once('/').map_or("", |(group, _)| group);
    let Some(kind) = kinds.find_kind(group, text(&reference["kind"])) else { return true };
    let key = Key::new(if kind.namespaced { namespace } else { "" }, text(&reference["name"]));
    let found = server.store().latest(&kind.collection, &key);
    found.is_some_and(|owner| *owner.index.uid == *text(&reference["uid"]))
}

async fn delete(
    server: &ApiServer,
    kind: &Kind,
    object: &Object,
    propagation_policy: Option<Propagation>,
) -> Result<(), Refusal> {
    let preconditions = Preconditions { uid: Some(object.index.uid.to_string()), ..Preconditions::default() };
    let options = DeleteOptions { propagation_policy, preconditions, ..DeleteOptions::default() };
    settled(deletion::delete(server, kind, &object.key, &options).await.map(drop))
}

async fn disown(
    server: &ApiServer,
    kind: &Kind,
    object: &Object,
    is_gone: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    edit(server, kind, object, |metadata| {
        if let Some(references) = metadata["ownerReferences"].as_array_mut() {
            references.retain(|reference| !is_gone(text(&reference["uid"])));
        }
    })
    .await
}

async fn release(server: &ApiServer, kind: &Kind, object: &Object, finalizer: &str) -> Result<(), Refusal> {
    edit(server, kind, object, |metadata| {
        if let Some(finalizers) = metadata["finalizers"].as_array_mut() {
            finalizers.retain(|name| name != finalizer);
        }
    })
    .await
}

/// Edits the metadata of this very object.
async fn edit(server: &ApiServer, kind: &Kind, object: &Object, change: impl Fn(&mut Value)) -> Result<(), Refusal> {
    let change = |old: &Value| {
        let mut new = old.clone();
        new["metadata"]["uid"] = (*object.index.uid).into();
        change(&mut new["metadata"]);
        Ok(new)
    };
    settled(writing::modify(server, kind, &object.key, &Write::internal(), &mut Vec::new(), change).await.map(drop))
}

/// An object that is gone or another one by now needs nothing more.
fn settled(result: Result<(), Refusal>) -> Result<(), Refusal> {
    match result {
        Err(refusal) if matches!(refusal.code, 404 | 409) => Ok(()),
        Err(refusal) => {
            tracing::debug!(%refusal, "garbage collection");
            Err(refusal)
        }
        Ok(()) => Ok(()),
    }
}
