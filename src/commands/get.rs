//! `quarterdeck get`: the resources, as a table for people or as they are for programs.
//!
//! It reads page by page and keeps only what it prints, so a fleet of 100,000 machines needs no more memory than one of
//! a hundred.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use clap::ValueEnum;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
};

use super::{
    Globals, connect,
    exit::{Ended, Exit},
    lines,
};
use crate::{
    api::{Cluster, Machine, NodePool, Operation},
    fleet::{Filter, Interner, PoolRow, filter::Scratch},
};

mod document;
mod follow;
mod row;
mod table;

use row::Row;
use table::Table;

const PAGE: u32 = 500;

/// List clusters, pools, machines or operations.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Terms are names, or tests as in the console's filter: state=failed rack!=r12 version:1.34 reason~pdb
A pool may be named CLUSTER/POOL. A name that does not exist ends with exit code 3.

  quarterdeck get pools
  quarterdeck get machines state=failed,notready -o wide
  quarterdeck get machines -l rack=r12 -o json | jq '.items[].spec.address'
  quarterdeck get operations -w"
)]
pub struct Args {
    /// What to list.
    #[arg(value_enum)]
    resource: Listed,
    /// Names, and tests such as state=failed.
    #[arg(value_name = "NAME|TEST")]
    terms: Vec<String>,
    /// A filter as in the console; its words are fuzzy.
    #[arg(short, long, value_name = "FILTER")]
    filter: Option<String>,
    /// How to print. json and yaml print a List of the resources themselves; json with --watch prints watch events, one
    /// a line.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Go on printing what changes.
    #[arg(short, long)]
    watch: bool,
    /// Labels that the resources must carry, as in kubectl; the server selects.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// In all namespaces.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    #[value(aliases = ["cluster", "cl"])]
    Clusters,
    #[value(aliases = ["pool", "nodepools", "nodepool", "np"])]
    Pools,
    #[value(aliases = ["machine", "ma"])]
    Machines,
    #[value(aliases = ["operation", "op"])]
    Operations,
}

impl Listed {
    /// Plural, as in a URL and in RBAC.
    fn plural(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Pools => "nodepools",
            Self::Machines => "machines",
            Self::Operations => "operations",
        }
    }

    /// Plural, as it is typed.
    fn typed(self) -> &'static str {
        match self {
            Self::Pools => "pools",
            other => other.plural(),
        }
    }

    fn singular(self) -> &'static str {
        match self {
            Self::Clusters => "cluster",
            Self::Pools => "pool",
            Self::Machines => "machine",
            Self::Operations => "operation",
        }
    }

    fn kind(self) -> ApiResource {
        match self {
            Self::Clusters => ApiResource::erase::<Cluster>(&()),
            Self::Pools => ApiResource::erase::<NodePool>(&()),
            Self::Machines => ApiResource::erase::<Machine>(&()),
            Self::Operations => ApiResource::erase::<Operation>(&()),
        }
    }
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Wide,
    Json,
    Yaml,
    /// kind/name, one a line.
    Name,
}

/// Lists, and watches if asked to.
pub async fn run(args: Args, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let query = Query::new(&args)?;
    if args.watch && args.output == Output::Yaml {
        return Err(Ended::new(
            Exit::BadInput,
            "--watch prints table, wide, json or name: yaml has no end of a document",
        )
        .into());
    }
    let (client, namespace) = connect::client(globals).await?;
    let scope = (!args.all_namespaces).then_some(namespace.as_str());
    let terminal = io::stdout().is_terminal();
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let room = terminal.then(crossterm::terminal::size).and_then(Result::ok).map(|(columns, _)| usize::from(columns));
    let wide = args.output == Output::Wide;
    let table = Table::new(args.resource, wide, scope.is_none(), colours, room);
    let mut view = View { table: if args.watch { table.reserve() } else { table }, query };
    view.query.know_pools(&client, scope, args.resource).await?;
    let api = api(client, scope, args.resource);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let ended = if args.watch {
        follow::follow(api, &args, scope, view, &mut out).await
    } else {
        list(&api, &args, scope, view, &mut out).await
    };
    match ended.and_then(|()| out.flush().map_err(Into::into)) {
        // Who reads has read enough: `| head`.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        outcome => outcome.map(|()| ExitCode::SUCCESS),
    }
}

fn is_broken_pipe(error: &color_eyre::Report) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

fn api(client: Client, scope: Option<&str>, resource: Listed) -> Api<DynamicObject> {
    match scope {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource.kind()),
        None => Api::all_with(client, &resource.kind()),
    }
}

/// What was asked for, read.
struct Query {
    names: Vec<Name>,
    filter: Filter,
    pools: Vec<PoolRow>,
    words: Interner,
    scratch: Scratch,
}

impl Query {
    fn new(args: &Args) -> Result<Self, Ended> {
        let (tests, names): (Vec<_>, Vec<_>) =
            args.terms.iter().partition(|t| t.contains(['=', '~', ':']) || *t == "!");
        let text = tests.into_iter().cloned().chain(args.filter.clone()).collect::<Vec<_>>().join(" ");
        let filter = Filter::parse(&text)
            .map_err(|e| Ended::new(Exit::BadInput, format!("the filter `{text}` cannot be read: {e}")))?;
        let names = names.into_iter().map(|text| Name { text: text.clone(), found: false }).collect();
        Ok(Self { names, filter, pools: Vec::new(), words: Interner::default(), scratch: Scratch::default() })
    }

    /// Tests of a machine's role look at its pool.
    async fn know_pools(&mut self, client: &Client, scope: Option<&str>, resource: Listed) -> color_eyre::Result<()> {
        if resource != Listed::Machines || self.filter.is_empty() {
            return Ok(());
        }
        let pools: Api<NodePool> = match scope {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let listed = pools.list(&ListParams::default()).await;
        let listed = listed.map_err(|e| connect::failed(&e, "list", "nodepools", scope))?;
        self.pools = listed.items.into_iter().map(|p| PoolRow::project(p, &mut self.words)).collect();
        Ok(())
    }

    /// The row of an object, if it is asked for.
    fn take(&mut self, object: &DynamicObject, resource: Listed) -> color_eyre::Result<Option<Row>> {
        let row = Row::read(object, resource, &mut self.words)?;
        if !self.names.is_empty() {
            let Some(named) = self.names.iter_mut().find(|n| n.is_of(&row)) else { return Ok(None) };
            named.found = true;
        }
        Ok(row.is_taken(&self.filter, &self.pools, &mut self.scratch).then_some(row))
    }
}

/// A name that was asked for.
struct Name {
    text: String,
    found: bool,
}

impl Name {
    fn is_of(&self, row: &Row) -> bool {
        match self.text.split_once('/') {
            None => row.name == self.text,
            Some((cluster, pool)) => row.is_pool(cluster, pool),
        }
    }
}

struct View {
    query: Query,
    table: Table,
}

async fn list(
    api: &Api<DynamicObject>,
    args: &Args,
    scope: Option<&str>,
    mut view: View,
    out: &mut impl Write,
) -> color_eyre::Result<()> {
    let mut documents = document::List::begin(args.output);
    let mut count = 0;
    let mut page = ListParams { label_selector: args.selector.clone(), limit: Some(PAGE), ..ListParams::default() };
    loop {
        let listed = api.list(&page).await.map_err(|e| refused(&e, args, scope))?;
        for mut object in listed.items {
            let Some(row) = view.query.take(&object, args.resource)? else { continue };
            object.types = Some(kube::api::TypeMeta {
                api_version: args.resource.kind().api_version,
                kind: args.resource.kind().kind,
            });
            count += 1;
            match args.output {
                Output::Table | Output::Wide => view.table.push(&row),
                Output::Name => writeln!(out, "{}/{}", args.resource.singular(), row.name)?,
                Output::Json | Output::Yaml => documents.item(&object, out)?,
            }
        }
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page.continue_token = Some(token),
            None => break,
        }
    }
    if let Some(missing) = view.query.names.iter().find(|n| !n.found) {
        return Err(not_found(&missing.text, args, scope).into());
    }
    documents.end(out)?;
    if matches!(args.output, Output::Table | Output::Wide) {
        view.table.print(out)?;
    }
    if count == 0 && matches!(args.output, Output::Table | Output::Wide | Output::Name) {
        lines::err(&none(args, scope, view.query.filter.is_empty()));
    }
    Ok(())
}

/// What is said instead of a table without rows.
fn none(args: &Args, scope: Option<&str>, all: bool) -> String {
    let matching = if all && args.selector.is_none() { "" } else { " that match" };
    format!("There are no {}{}{matching}.", args.resource.typed(), place(scope))
}

fn place(scope: Option<&str>) -> String {
    scope.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"))
}

fn not_found(name: &str, args: &Args, scope: Option<&str>) -> Ended {
    let (kind, plural) = (args.resource.singular(), args.resource.typed());
    let message =
        format!("there is no {kind} {name}{}:  quarterdeck get {plural}  lists those that exist", place(scope));
    Ended::new(Exit::NotFound, message)
}

/// A selector that the server cannot read is the user's mistake, all else the server's word.
fn refused(error: &kube::Error, args: &Args, scope: Option<&str>) -> Ended {
    match error {
        kube::Error::Api(status) if status.code == 400 => Ended::new(Exit::BadInput, status.message.clone()),
        other => connect::failed(other, "list", args.resource.plural(), scope),
    }
}

#[cfg(test)]
mod tests;
