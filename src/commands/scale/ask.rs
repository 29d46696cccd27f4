//! The question before the change: a letter for what is easily taken back, the name of the pool for what is not.

use kube::ResourceExt;

use crate::{
    api::{NodePool, labels},
    commands::{change::ask::agreed, exit::Ended},
    plan::scale::Plan,
};

use super::Args;

/// Goes on only with a yes; where nobody can be asked, only with `--yes`.
pub fn confirm(args: &Args, pool: &NodePool, plan: &Plan, in_production: bool) -> Result<(), Ended> {
    let name = pool.name_any();
    if in_production || needs_name(pool, plan) {
        agreed(args.yes, &format!("Type {name} to scale it to {}: ", args.replicas), Some(&name))?;
    } else {
        agreed(args.yes, &format!("Scale {name} to {}? [y/N] ", args.replicas), None)?;
    }
    Ok(())
}

/// Machines leave, or it is production: a stray key must not do.
fn needs_name(pool: &NodePool, plan: &Plan) -> bool {
    let production = pool.labels().get(labels::ENVIRONMENT).is_some_and(|e| e == "production");
    plan.is_destructive() || production
}
