//! The question before the change: a letter for what is easily taken back, the name of the pool for what is not.

use std::io::{BufRead, Write};

use kube::ResourceExt;

use crate::{
    api::{NodePool, labels},
    commands::exit::{Ended, Exit},
    plan::scale::Plan,
};

use super::{Args, is_interactive};

/// Goes on only with a yes; where nobody can be asked, only with `--yes`.
pub fn confirm(args: &Args, pool: &NodePool, plan: &Plan) -> Result<(), Ended> {
    if args.yes {
        return Ok(());
    }
    if !is_interactive() {
        let why = "nobody can be asked here: confirm with --yes, or look first with --dry-run; nothing was changed";
        return Err(Ended::new(Exit::Declined, why));
    }
    let name = pool.name_any();
    let typed = needs_name(pool, plan);
    let question = if typed {
        format!("Type {name} to scale it to {}: ", args.replicas)
    } else {
        format!("Scale {name} to {}? [y/N] ", args.replicas)
    };
    let answer = ask(&question);
    let agreed = if typed { answer == name } else { matches!(answer.as_str(), "y" | "Y" | "yes") };
    if agreed { Ok(()) } else { Err(Ended::new(Exit::Declined, "nothing was changed")) }
}

/// Machines leave, or it is production: a stray key must not do.
fn needs_name(pool: &NodePool, plan: &Plan) -> bool {
    let production = pool.labels().get(labels::ENVIRONMENT).is_some_and(|e| e == "production");
    plan.is_destructive() || production
}

/// An end of input is a no.
fn ask(question: &str) -> String {
    let mut screen = std::io::stderr();
    let _ = write!(screen, "{question}").and_then(|()| screen.flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer).unwrap_or(0);
    if read == 0 {
        let _ = writeln!(screen);
    }
    answer.trim().to_owned()
}
