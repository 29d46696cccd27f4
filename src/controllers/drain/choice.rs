//! What a person decides about a blocked drain: read from the machine once, recorded, and taken off.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::json;

use crate::{
    api::{DrainDecision, DrainStatus, Machine, labels},
    plan::drain::choice::{self, Choice},
};

use super::super::{Context, Error, write};

/// Obeys the choice that is written on the machine, if there is one. Answers whether anything was written.
///
/// The record comes first and the annotation goes afterwards, so that a controller that dies in between finds both, and
/// decides nothing twice.
pub async fn consume(context: &Context, machine: &Machine, drain: &DrainStatus) -> Result<bool, Error> {
    let Some(value) = machine.annotations().get(labels::DRAIN_CHOICE) else { return Ok(false) };
    let by = machine.annotations().get(labels::REQUESTED_BY).cloned();
    match choice::read(value, &drain.operation) {
        Choice::Obey(choice) if drain.choice.as_ref().is_none_or(|c| c.choice != choice || c.by != by) => {
            let note = format!(
                "{} chose to {} for the drain of node {} ({})",
                by.as_deref().unwrap_or("somebody"),
                choice::word(choice),
                drain.node.name,
                drain.operation
            );
            let decision = DrainDecision { choice, by, at: Time(context.now()) };
            super::save(context, machine, DrainStatus { choice: Some(decision), ..drain.clone() }).await?;
            context.events.normal(machine, "DrainChoice", note).await;
            return Ok(true);
        }
        Choice::Obey(_) => {}
        Choice::Other => {
            let note = format!("{value} is for another operation than {}", drain.operation);
            context.events.warning(machine, "DrainChoiceIgnored", note).await;
        }
        Choice::Unreadable => {
            let note = format!("{value} is not {}=wait, =skip or =force", drain.operation);
            context.events.warning(machine, "DrainChoiceIgnored", note).await;
        }
    }
    let patch = json!({ "metadata": { "annotations": { labels::DRAIN_CHOICE: null } } });
    write::object(&context.api(&machine.namespace().unwrap_or_default()), machine, patch).await?;
    Ok(true)
}
