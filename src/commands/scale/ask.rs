//! The question before the change: a letter for what is easily taken back, the name of the pool for what is not.

use kube::ResourceExt;

use crate::{
    api::NodePool,
    commands::{change::ask::agreed, exit::Ended},
    plan::scale::Plan,
};

use super::Args;

/// Goes on only with a yes; where nobody can be asked, only with `--yes`.
pub fn confirm(args: &Args, pool: &NodePool, plan: &Plan, in_production: bool) -> Result<(), Ended> {
    let name = pool.name_any();
    // Machines leave, or it is production: a stray key must not do.
    if in_production || plan.is_destructive() {
        agreed(args.yes, &format!("Type {name} to scale it to {}: ", args.replicas), Some(&name))?;
    } else {
        agreed(args.yes, &format!("Scale {name} to {}? [y/N] ", args.replicas), None)?;
    }
    Ok(())
}
