//! `get --watch`: what is there, then what changes, for as long as somebody reads. A line that breaks is said once, on
//! stderr, and tried again.

use std::{collections::HashMap, io::Write, time::Duration};

use futures::{StreamExt, pin_mut};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, TypeMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};

use super::{Args, Output, PAGE, View, connect};
use crate::fleet::Fault;

/// Wait for the second line of news before printing the first: a change seldom comes alone.
const QUIET: Duration = Duration::from_millis(30);

pub(super) async fn follow(
    api: Api<DynamicObject>,
    args: &Args,
    scope: Option<&str>,
    mut view: View,
    out: &mut impl Write,
) -> color_eyre::Result<()> {
    let config = watcher::Config { label_selector: args.selector.clone(), ..watcher::Config::default() };
    let stream = watcher::watcher(api, config.page_size(PAGE)).default_backoff();
    pin_mut!(stream);
    // What was printed of each object, so that a new list repeats nothing.
    let mut printed: HashMap<String, String> = HashMap::new();
    let mut listed: Option<Vec<DynamicObject>> = None;
    let mut was_broken = false;
    loop {
        let event = match tokio::time::timeout(QUIET, stream.next()).await {
            Err(_) => {
                out.flush()?;
                stream.next().await
            }
            Ok(event) => event,
        };
        let Some(event) = event else { return Ok(()) };
        match event {
            Err(error) => {
                let fault = Fault::of_watch(&error, args.resource.plural(), scope);
                match fault {
                    Fault::Expired => {}
                    Fault::Forbidden { .. } | Fault::NoKinds { .. } | Fault::Unauthorized { .. } => {
                        return Err(super::Ended::new(connect::exit_of(&fault), fault.to_string()).into());
                    }
                    _ if was_broken => {}
                    _ => eprintln!("quarterdeck: {fault}; trying again"),
                }
                was_broken = true;
                continue;
            }
            Ok(event) => {
                was_broken = false;
                match event {
                    Event::Init => listed = Some(Vec::new()),
                    Event::InitApply(object) => listed.get_or_insert_default().push(object),
                    Event::InitDone => {
                        for object in listed.take().unwrap_or_default() {
                            print(&object, false, &mut printed, args, &mut view, out)?;
                        }
                        view.table.print(out)?;
                    }
                    Event::Apply(object) => print(&object, false, &mut printed, args, &mut view, out)?,
                    Event::Delete(object) => print(&object, true, &mut printed, args, &mut view, out)?,
                }
            }
        }
        if listed.is_none() {
            view.table.print(out)?;
        }
    }
}

fn print(
    object: &DynamicObject,
    gone: bool,
    printed: &mut HashMap<String, String>,
    args: &Args,
    view: &mut View,
    out: &mut impl Write,
) -> color_eyre::Result<()> {
    let (uid, version) = (object.uid().unwrap_or_default(), object.resource_version().unwrap_or_default());
    let before = if gone { printed.remove(&uid) } else { printed.insert(uid, version.clone()) };
    if before.as_ref() == Some(&version) && !gone {
        return Ok(());
    }
    let Some(row) = view.query.take(object, args.resource)? else { return Ok(()) };
    match args.output {
        Output::Name => writeln!(out, "{}/{}", args.resource.singular(), row.name)?,
        Output::Json | Output::Yaml => {
            let kind = args.resource.kind();
            let types = TypeMeta { api_version: kind.api_version, kind: kind.kind };
            let object = DynamicObject { types: Some(types), ..object.clone() };
            let type_ = match (gone, before) {
                (true, _) => "DELETED",
                (false, Some(_)) => "MODIFIED",
                (false, None) => "ADDED",
            };
            let event = serde_json::json!({ "type": type_, "object": object });
            writeln!(out, "{event}")?;
        }
        Output::Table | Output::Wide if gone => {}
        Output::Table | Output::Wide => view.table.push(&row),
    }
    Ok(())
}
