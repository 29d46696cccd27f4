//! `quarterdeck cordon`, `uncordon` and `drain`: what a person wants of the nodes of some machines. It is written into
//! the machines; the controllers do it, and take back only a cordon of their own.

mod follow;

use std::process::ExitCode;

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{
    Globals,
    change::{
        Options, Planned, carry_out,
        output::say,
        scene::Scene,
        stakes::Stakes,
        write::{Seen, Writer},
    },
    console::user,
    exit::{Ended, Exit},
    follow::until_done,
};
use crate::{
    api::Machine,
    plan::lifecycle::{Change, Preview},
};
use follow::Nodes;

/// Some machines.
#[derive(Debug, clap::Args)]
pub struct OfMachines {
    /// The machines whose nodes are meant.
    #[arg(value_name = "MACHINE", required = true)]
    pub machines: Vec<String>,
    #[command(flatten)]
    pub options: Options,
}

/// What can be asked of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Cordon,
    Uncordon,
    Drain,
}

/// How a machine stands to what is asked.
enum Standing {
    /// It is to be changed; and what a person should know about that.
    Change(Option<String>),
    Already(String),
    /// It is left as it is.
    Left(String),
}

pub async fn run(verb: Verb, args: OfMachines, globals: &Globals) -> color_eyre::Result<ExitCode> {
    let OfMachines { mut machines, options } = args;
    machines.sort();
    machines.dedup();
    let writer = Writer::open(globals).await?;
    let (by, now) = (user(), Timestamp::now());
    let wanted = wanted(verb, &by, options.reason.as_deref(), now);
    let plan = async || {
        let scene = Scene::look(&writer.client, &writer.namespace).await?;
        planned(&scene, verb, &machines, &wanted)
    };
    let Some((planned, written)) = carry_out(&options, &writer, plan).await? else { return Ok(Exit::Success.into()) };
    if !options.wait {
        // Where nothing was written there is nothing to follow.
        if !written.is_empty() {
            say(options.output, &globals.here("Follow it with  quarterdeck get machines -w\n"));
        }
        return Ok(Exit::Success.into());
    }
    let mut nodes = Nodes::new(&writer, verb, planned.subject);
    let message = until_done(&mut nodes, &writer.namespace, options.timeout).await?;
    say(options.output, &globals.here(&format!("{message}\n")));
    Ok(Exit::Success.into())
}

/// What is written as `spec.maintenance`.
fn wanted(verb: Verb, by: &str, reason: Option<&str>, now: Timestamp) -> Value {
    // As the API keeps it.
    let since = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    match verb {
        Verb::Uncordon => Value::Null,
        _ => json!({ "drain": verb == Verb::Drain, "by": by, "reason": reason, "since": since }),
    }
}

/// Names and UIDs of the machines that are waited for.
type Subject = Vec<(String, Option<String>)>;

fn planned(scene: &Scene, verb: Verb, names: &[String], wanted: &Value) -> Result<Planned<Subject>, Ended> {
    let (mut chosen, mut warnings, mut left) = (Vec::new(), Vec::new(), 0);
    let mut subject = Vec::new();
    for name in names {
        let machine = scene.machine(name)?;
        match verb.standing(machine)? {
            Standing::Change(warning) => {
                chosen.push(machine);
                warnings.extend(warning);
            }
            Standing::Already(why) => warnings.push(why),
            Standing::Left(why) => {
                left += 1;
                warnings.push(why);
                continue;
            }
        }
        subject.push((name.clone(), machine.uid()));
    }
    if left == names.len() {
        return Err(Ended::new(Exit::Declined, format!("{}; nothing was changed", warnings.join("; "))));
    }
    if chosen.is_empty() {
        return Ok(Planned::nothing(warnings.join("; "), subject));
    }
    let preview = verb.preview(&chosen, warnings);
    let changes = chosen.iter().map(|m| change(m, wanted)).collect();
    let seen = |c: &Change| chosen.iter().find(|m| m.name_any() == c.name).map(|m| Seen::of(*m)).unwrap_or_default();
    let stakes = chosen.iter().filter_map(|m| m.spec.claim_ref.as_ref()).find_map(|claim| {
        let pool = scene.pools.iter().find(|pool| pool.name_any() == claim.pool_name);
        Stakes::labelled(pool, scene.deployment(&claim.cluster_name).ok())
    });
    Ok(Planned::new(preview, changes, seen, subject).at(stakes))
}

fn change(machine: &Machine, wanted: &Value) -> Change {
    Change {
        kind: "Machine",
        name: machine.name_any(),
        uid: machine.metadata.uid.clone(),
        resource_version: machine.metadata.resource_version.clone(),
        patch: json!({ "spec": { "maintenance": wanted } }),
    }
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Cordon => "cordon",
            Self::Uncordon => "uncordon",
            Self::Drain => "drain",
        }
    }

    fn standing(self, machine: &Machine) -> Result<Standing, Ended> {
        let name = machine.name_any();
        if machine.spec.claim_ref.is_none() {
            let why = format!("{name} belongs to no cluster: it has no node to {}; nothing was changed", self.word());
            return Err(Ended::new(Exit::BadInput, why));
        }
        let node = machine.status.as_ref().and_then(|s| s.node.as_ref());
        let cordon = node.filter(|n| n.unschedulable).map(|n| n.cordoned_by.as_deref());
        let node = node.and_then(|n| n.name.as_deref()).unwrap_or(&name);
        Ok(match (self, &machine.spec.maintenance, cordon) {
            (Self::Uncordon, Some(_), Some(None)) => {
                Standing::Change(Some(format!("{node} was cordoned outside of Quarterdeck too, and stays so")))
            }
            (Self::Uncordon, Some(_), _) => Standing::Change(None),
            (Self::Uncordon, None, None) => Standing::Already(format!("{name} is not cordoned")),
            (Self::Uncordon, None, Some(None)) => Standing::Left(format!(
                "{node} was cordoned outside of Quarterdeck and is left so: give it back with  kubectl uncordon {node}"
            )),
            (Self::Uncordon, None, Some(Some(by))) => Standing::Left(format!(
                "{node} is cordoned for {by}, which gives it back at its end: see  quarterdeck get operations"
            )),
            (Self::Drain, Some(m), _) if m.drain => Standing::Already(format!("{name} is drained already")),
            (Self::Cordon, Some(m), _) if !m.drain => Standing::Already(format!("{name} is cordoned already")),
            (Self::Cordon, Some(_), _) => {
                Standing::Change(Some(format!("the drain of {name} ends; what has left does not come back")))
            }
            (_, None, Some(None)) => {
                Standing::Change(Some(format!("{node} was cordoned outside of Quarterdeck: uncordon will leave it so")))
            }
            _ => Standing::Change(None),
        })
    }

    fn preview(self, chosen: &[&Machine], warnings: Vec<String>) -> Preview {
        let (what, confirm) = match chosen {
            [one] => (one.name_any(), one.name_any()),
            all => (format!("{} machines", all.len()), format!("{} {}", self.word(), all.len())),
        };
        let word = self.word();
        Preview {
            title: format!("{}{} {what}", word[..1].to_uppercase(), &word[1..]),
            machines: if self == Self::Drain { i32::try_from(chosen.len()).unwrap_or(i32::MAX) } else { 0 },
            warnings,
            level: 1,
            confirm,
            ..Preview::default()
        }
    }
}
