//! `quarterdeck report OPERATION`: what happened, as one file for whoever was not there.

mod log;
mod timeline;

use std::process::ExitCode;

use k8s_openapi::api::core::v1::Event;
use kube::{Api, ResourceExt, api::ListParams};
use minijinja::{AutoEscape, Environment, syntax::SyntaxConfig, value::Serde};

use super::{
    Globals, connect,
    exit::{Ended, Exit},
    lines,
};
use crate::{
    api::Operation,
    fleet::{EventRow, Interner},
};
use log::Log;
use timeline::{Report, report};

/// Events that are looked through at once.
const PAGE: u32 = 500;
const MARKDOWN: &str = include_str!("report/report.md.j2");
const HTML: &str = include_str!("report/report.html.j2");

/// Write what happened in an operation as one document, for the post-mortem.
#[derive(Debug, clap::Args)]
#[command(after_help = "  quarterdeck report blue-gpu-up-1f2e3d4c -o html > report.html")]
pub struct Args {
    /// Name of the operation, as `quarterdeck get operations` lists it.
    pub operation: String,
    #[arg(short, long, value_name = "FORMAT", default_value = "md")]
    pub output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Markdown.
    Md,
    /// One page without anything from elsewhere.
    Html,
}

pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let (client, namespace) = connect::client(globals).await?;
    let failed = |error: &kube::Error, verb, what| connect::failed(error, verb, what, Some(&namespace));
    let operations: Api<Operation> = Api::namespaced(client.clone(), &namespace);
    let found = operations.get_opt(&args.operation).await.map_err(|e| failed(&e, "get", "operations"))?;
    let Some(operation) = found else {
        let why = format!("there is no operation {}: see  quarterdeck get operations", args.operation);
        return Err(Ended::new(Exit::NotFound, why).into());
    };
    let events = Api::<Event>::namespaced(client.clone(), &namespace);
    let events = events_of(&events, &operation).await.map_err(|e| failed(&e, "list", "events"))?;
    let log = Log::of(&Api::namespaced(client, &namespace), &namespace, &operation).await;
    let report = report(&operation, &events, &log);
    lines::out(&written(&report, args.output)?)?;
    Ok(Exit::Success.into())
}

/// What was said of the operation, its pool and its machines while it went on.
async fn events_of(api: &Api<Event>, operation: &Operation) -> Result<Vec<EventRow>, kube::Error> {
    let (mut interner, mut page, mut all) = (Interner::default(), ListParams::default().limit(PAGE), Vec::new());
    loop {
        let list = api.list(&page).await?;
        let next = list.metadata.continue_.clone().filter(|token| !token.is_empty());
        all.extend(list.items.into_iter().filter_map(|event| EventRow::project(event, &mut interner)));
        match next {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    all.retain(|event| concerns(operation, event));
    Ok(all)
}

fn concerns(operation: &Operation, event: &EventRow) -> bool {
    let spec = &operation.spec;
    let name = &*event.name;
    let is_about = match &*event.kind {
        "Operation" => operation.name_any() == name,
        "NodePool" => spec.pool_name.as_deref() == Some(name),
        "Machine" => spec.machines.iter().any(|m| m.name == name),
        _ => false,
    };
    let begun = operation.metadata.creation_timestamp.as_ref().map(|t| t.0);
    let ended = operation.status.as_ref().and_then(|s| s.finished_at.as_ref()).map(|t| t.0);
    // What came of it is seen a little later.
    let after = jiff::SignedDuration::from_mins(1);
    is_about
        && begun.is_none_or(|begun| event.at >= begun)
        && ended.is_none_or(|ended| event.first_at <= ended.saturating_add(after).unwrap_or(ended))
}

fn written(report: &Report, output: Output) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    let (escape, template) = match output {
        Output::Md => (AutoEscape::None, MARKDOWN),
        Output::Html => (AutoEscape::Html, HTML),
    };
    environment.set_auto_escape_callback(move |_| escape.clone());
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    // What people wrote must not become a table, a link or code.
    environment.add_filter("md", |text: String| {
        let special = |c: char| "\\`*_{}[]<>|#".contains(c);
        text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect::<String>()
    });
    environment.render_str(template, Serde(report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use timeline::{Broken, Moment};

    #[test]
    fn what_people_wrote_is_text_in_either_format() {
        let report = Report {
            title: "ScaleUp of <b>|blue|</b>".to_owned(),
            outcome: "Failed: [link](x)".to_owned(),
            is_bad: true,
            facts: vec![("reason".to_owned(), "<script>alert(1)</script>".to_owned())],
            failures: vec![Broken {
                machine: "m-1".to_owned(),
                place: "Join / kubeadm".to_owned(),
                message: "exit 1".to_owned(),
                output: vec!["```".to_owned(), "</pre><script>".to_owned()],
            }],
            moments: vec![Moment {
                instant: jiff::Timestamp::UNIX_EPOCH,
                at: "2026-11-21T12:00:00Z".to_owned(),
                what: "m-1".to_owned(),
                text: "a|b".to_owned(),
                is_bad: false,
            }],
            ..Report::default()
        };
        let html = written(&report, Output::Html).expect("a page");
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
        assert!(!html.contains("http://") && !html.contains("https://"), "nothing from elsewhere: {html}");
        let text = written(&report, Output::Md).expect("a text");
        assert!(text.starts_with("# ScaleUp of \\<b\\>\\|blue\\|\\</b\\>\n"), "{text}");
        assert!(text.contains("| 2026-11-21T12:00:00Z | m-1 | a\\|b |"), "{text}");
        assert!(text.contains("\n    ```\n"), "output is indented, so that it cannot end itself: {text}");
    }
}
