//! What is asked of a fleet, one thing after another, and a run of it in which controllers die.

use quarterdeck::embedded::faults::Faults;

use crate::{
    fleet::Fleet,
    runs::{self, Outcome},
    stop::{Stop, When},
};

#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The pool is to have so many machines.
    Scale(usize),
    /// And this version, by this strategy, which lets so many be missing on the way.
    Roll { version: &'static str, strategy: &'static str, missing: usize },
}

/// New machines join first.
pub const fn surge(version: &'static str) -> Step {
    Step::Roll { version, strategy: "RollingUpdate", missing: 0 }
}

/// The machines stay.
pub const fn in_place(version: &'static str) -> Step {
    Step::Roll { version, strategy: "InPlace", missing: 1 }
}

/// So many machines, and what is asked of them.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    pub machines: usize,
    pub steps: &'static [Step],
}

impl Script {
    /// Follows the steps, with controllers that die as they are told to and are started again under another name.
    /// Answers how it ended, and what happened how often.
    pub async fn run(self, faults: &Faults, deaths: &[When]) -> (String, Outcome) {
        let fleet = Fleet::open(self.machines).await;
        let outcome = perform(&fleet, faults, deaths, self.carry_out(&fleet)).await;
        (fleet.verdict().await, outcome)
    }
    async fn carry_out(self, fleet: &Fleet) {
        let mut replicas = 0;
        for step in self.steps {
            match *step {
                Step::Scale(count) => {
                    replicas = count;
                    fleet.scale(count as i32).await;
                    fleet.settled(count).await;
                }
                Step::Roll { version, strategy, missing } => {
                    fleet.ledger.keep_serving(Some(replicas - missing));
                    fleet.roll(version, strategy).await;
                    fleet.rolled(replicas).await;
                    fleet.ledger.keep_serving(None);
                }
            }
        }
    }

    /// The end of the run in which nothing goes wrong.
    pub fn peaceful(self) -> (String, Outcome) {
        runs::alone(self.run(&Faults::none(), &[]))
    }
}

/// A story, while controllers die as they are told to and are started again under another name, until all is at rest.
/// Answers what happened how often.
pub async fn perform(fleet: &Fleet, faults: &Faults, deaths: &[When], story: impl Future<Output = ()>) -> Outcome {
    let layer = faults.layer();
    let mut died = 0;
    let controllers = async {
        for when in deaths.iter().chain([&When::Never]) {
            let (stop, layer) = (Stop::at(*when), layer.clone());
            let path = stop.clone();
            let running = fleet.start(&format!("controller-{died}"), move |c| path.around(layer.around(c)));
            tokio::select! {
                () = stop.died() => {}
                () = fleet.ledger.happened(when.effect()) => stop.kill(),
            }
            drop(running);
            died += 1;
        }
    };
    let story = async {
        story.await;
        let counts = [
            ("writes", fleet.ledger.writes()),
            ("writes and leases", fleet.ledger.asked()),
            ("effects", fleet.ledger.effects()),
        ];
        fleet.rests(&layer).await;
        counts.into_iter().map(|(what, count)| (what, count as u32)).collect::<Outcome>()
    };
    let mut outcome = tokio::select! {
        outcome = story => outcome,
        () = controllers => unreachable!("the last ones live on"),
    };
    outcome.extend(layer.tally());
    outcome.insert("deaths", died);
    outcome
}
