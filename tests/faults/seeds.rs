//! Many seeds, each a bad day of its own, on which controllers die as well.

use quarterdeck::embedded::faults::Faults;

use crate::{
    fleet::Fleet,
    runs::{self, Outcome},
    stop::{Stop, When},
};

/// Follows the steps, with controllers that die as they are told to and are started again under another name.
/// Answers how it ended, and how many writes there were.
pub async fn follow(machines: usize, steps: &[usize], faults: &Faults, deaths: &[When]) -> (String, Outcome) {
    let layer = faults.layer();
    let fleet = Fleet::open(machines).await;
    let mut died = 0;
    let mut writes = 0;
    let controllers = async {
        for when in deaths.iter().chain([&When::Never]) {
            let (stop, layer) = (Stop::at(*when), layer.clone());
            let path = stop.clone();
            let running = fleet.start(&format!("controller-{died}"), move |c| path.around(layer.around(c)));
            stop.died().await;
            drop(running);
            died += 1;
            writes += stop.writes();
        }
    };
    let steps = async {
        for replicas in steps {
            fleet.scale(*replicas as i32).await;
            fleet.settled(*replicas).await;
        }
        // Silence is something to be written down: whoever does not answer for long is unknown.
        layer.turn(|faults| faults.silent = 0.0);
        fleet.rests().await;
        fleet.verdict().await
    };
    let end = tokio::select! {
        end = steps => end,
        () = controllers => unreachable!("the last ones live on"),
    };
    let mut outcome = layer.tally();
    outcome.insert("deaths", died);
    outcome.insert("writes", fleet.ledger.writes() as u32);
    (end, outcome)
}

/// The end of the run in which nothing goes wrong.
pub fn peaceful(machines: usize, steps: &[usize]) -> (String, Outcome) {
    runs::alone(follow(machines, steps, &Faults::none(), &[]))
}

fn check(test: &str, few: u64, machines: usize, steps: &[usize]) {
    let (expected, _) = peaceful(machines, steps);
    runs::each(test, &runs::seeds(few), |seed| {
        let expected = expected.clone();
        async move {
            // Every third seed lives, the others die once or twice.
            let when = |at| if seed % 2 == 0 { When::Before(at) } else { When::After(at) };
            let deaths: Vec<_> = (0..seed % 3).map(|n| when((seed * 7 + n * 11) % 40 + 1)).collect();
            let (end, outcome) = follow(machines, steps, &Faults::bad_day(seed), &deaths).await;
            assert_eq!(end, expected, "seed {seed} ends otherwise");
            outcome
        }
    });
}

#[test]
fn a_bad_day_ends_as_a_good_one() {
    check("a_bad_day_ends_as_a_good_one", 4, 4, &[3, 1, 2]);
}

/// Each time the nodes are listed the cluster has answered, however soon the watch ends after that.
#[test]
fn watches_that_end_at_once_make_no_node_unknown() {
    let faults = Faults { seed: 1, watch_expired: 1.0, ..Faults::none() };
    let (end, outcome) = runs::alone(follow(2, &[2], &faults, &[]));
    assert_eq!(end, peaceful(2, &[2]).0);
    assert!(outcome["watch-expired"] > 20, "{outcome:?}");
}

/// News of nodes come once: those that could not be written are written later.
#[test]
fn news_that_could_not_be_written_are_written_later() {
    let faults = Faults { seed: 1, failed: 0.15, lost: 0.2, ..Faults::none() };
    let (end, outcome) = runs::alone(follow(2, &[2, 1], &faults, &[]));
    assert_eq!(end, peaceful(2, &[2, 1]).0);
    assert!(outcome["failed"] > 50 && outcome["lost"] > 10, "{outcome:?}");
}

#[test]
fn fifty_machines_on_a_bad_day() {
    // Some ten seconds for each seed.
    if !runs::is_thorough() {
        println!("left out: fifty machines (set QUARTERDECK_SEEDS)");
        return;
    }
    check("fifty_machines_on_a_bad_day", 1, 50, &[50, 0]);
}
