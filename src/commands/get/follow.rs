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

use super::{Args, Ended, Output, PAGE, View, connect, lines, none};
use crate::fleet::Fault;

/// Wait for the second line of news before printing the first: a change seldom comes alone.
const QUIET: Duration = Duration::from_millis(30);

pub(super) async fn follow(
    api: Api<DynamicObject>,
    args: &Args,
    scope: Option<&str>,
    view: View,
    out: &mut impl Write,
) -> color_eyre::Result<()> {
    let config = watcher::Config { label_selector: args.selector.clone(), ..watcher::Config::default() };
    let stream = watcher::watcher(api, config.page_size(PAGE)).default_backoff();
    pin_mut!(stream);
    let mut news = News { args, scope, view, printed: HashMap::new(), listed: None, begun: false };
    let mut was_broken = false;
    loop {
        let event = match tokio::time::timeout(QUIET, stream.next()).await {
            Err(_) => {
                out.flush()?;
                stream.next().await
            }
            Ok(event) => event,
        };
        match event {
            None => return Ok(()),
            Some(Ok(event)) => {
                was_broken = false;
                news.take(event, out)?;
            }
            Some(Err(error)) => {
                broken(Fault::of_watch(&error, args.resource.plural(), scope), was_broken)?;
                was_broken = true;
            }
        }
    }
}

/// Ends with a fault that waiting does not mend; says any other, once.
fn broken(fault: Fault, before: bool) -> Result<(), Ended> {
    match fault {
        Fault::Forbidden { .. } | Fault::NoKinds { .. } | Fault::Unauthorized { .. } | Fault::Login { .. } => {
            Err(Ended::new(connect::exit_of(&fault), fault.to_string()))
        }
        Fault::Expired => Ok(()),
        _ if before => Ok(()),
        _ => {
            lines::err(&format!("quarterdeck: {fault}; trying again"));
            Ok(())
        }
    }
}

/// What was printed, so that nothing is said twice.
struct News<'a> {
    args: &'a Args,
    scope: Option<&'a str>,
    view: View,
    /// By UID: the row as it was printed, or the version of the resource where all of it is printed.
    printed: HashMap<String, String>,
    /// A list that is not complete yet.
    listed: Option<Vec<DynamicObject>>,
    begun: bool,
}

impl News<'_> {
    fn take(&mut self, event: Event<DynamicObject>, out: &mut impl Write) -> color_eyre::Result<()> {
        match event {
            Event::Init => self.listed = Some(Vec::new()),
            Event::InitApply(object) => self.listed.get_or_insert_default().push(object),
            Event::InitDone => {
                for object in self.listed.take().unwrap_or_default() {
                    self.print(&object, false, out)?;
                }
                if !self.begun && self.printed.is_empty() {
                    lines::err(&none(self.args, self.scope, self.view.query.filter.is_empty()));
                }
                self.begun = true;
            }
            Event::Apply(object) => self.print(&object, false, out)?,
            Event::Delete(object) => self.print(&object, true, out)?,
        }
        // A table is as wide as the first list needs: none of it is printed before all of it is there.
        if self.listed.is_none() {
            self.view.table.print(out)?;
        }
        Ok(())
    }

    fn print(&mut self, object: &DynamicObject, gone: bool, out: &mut impl Write) -> color_eyre::Result<()> {
        let Some(row) = self.view.query.take(object, self.args.resource)? else { return Ok(()) };
        let uid = object.uid().unwrap_or_default();
        let face = match self.args.output {
            Output::Table | Output::Wide => self.view.table.face(&row),
            _ => object.resource_version().unwrap_or_default(),
        };
        let before = if gone { self.printed.remove(&uid) } else { self.printed.insert(uid, face.clone()) };
        if before.as_ref() == Some(&face) && !gone {
            return Ok(());
        }
        match self.args.output {
            Output::Name => writeln!(out, "{}/{}", self.args.resource.singular(), row.name)?,
            Output::Json | Output::Yaml => writeln!(out, "{}", self.event(object, gone, before.is_some()))?,
            Output::Table | Output::Wide if gone => {}
            Output::Table | Output::Wide => self.view.table.push(&row),
        }
        Ok(())
    }

    /// A watch event, as the API server would send it.
    fn event(&self, object: &DynamicObject, gone: bool, known: bool) -> serde_json::Value {
        let kind = self.args.resource.kind();
        let types = TypeMeta { api_version: kind.api_version, kind: kind.kind };
        let object = DynamicObject { types: Some(types), ..object.clone() };
        let type_ = match (gone, known) {
            (true, _) => "DELETED",
            (false, true) => "MODIFIED",
            (false, false) => "ADDED",
        };
        serde_json::json!({ "type": type_, "object": object })
    }
}
