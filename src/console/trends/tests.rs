use super::*;
use crate::fleet::{Part, merge, testing};
use jiff::SignedDuration;

/// Fleets with the minute in which each was seen, and what is drawn of the pool `a-w` (or of the fleet) at the last minute:
/// ready, moving and done.
struct Story {
    trends: Trends,
    before: Arc<Snapshot>,
    now: Timestamp,
}

impl Story {
    fn new() -> Self {
        Self { trends: Trends::default(), before: Arc::default(), now: testing::NOW }
    }

    fn at(mut self, minute: i64, fleet: &str) -> Self {
        self.now = testing::NOW + SignedDuration::from_mins(minute);
        let after = testing::snapshot(&format!("cluster a\n{fleet}"));
        self.trends.pass(&self.before, self.now, false);
        self.trends.take(&self.before, &after, self.now);
        self.before = after;
        self
    }

    /// Nothing but time.
    fn pass(mut self, minute: i64) -> Self {
        self.now = testing::NOW + SignedDuration::from_mins(minute);
        self.trends.pass(&self.before, self.now, false);
        self
    }

    fn check(self, what: Of, expected: &str) -> Self {
        let show = |minutes: &Minutes| {
            let cells = minutes.0.iter().map(|v| v.map_or("·".to_owned(), |v| v.to_string()));
            cells.collect::<Vec<_>>().join(" ").trim_start_matches(['·', ' ']).to_owned()
        };
        let shown = self.trends.of(what, self.now).map_or_else(
            || "nothing".to_owned(),
            |trend| format!("{} | {} | {}", show(&trend.ready), show(&trend.moving), show(&trend.done)),
        );
        assert_eq!(shown, expected, "{what:?}");
        self
    }
}

const TWO: &str = "pool w replicas=2\nmachine m1 Ready\nmachine m2 Ready";
const ONE: &str = "pool w replicas=2\nmachine m1 Ready\nmachine m2 Draining";

#[test]
fn a_dip_of_one_machine_is_seen_for_half_an_hour() {
    let pool = testing::uid("a-w");
    let story = Story::new().at(0, TWO).check(Of::Row(&pool), "nothing");
    let story = story.at(1, ONE).at(1, TWO).pass(2).pass(3);
    let story = story.check(Of::Row(&pool), "2 1 2 2 | 0 1 0 0 | 0 0 0 0");
    story
        .check(Of::Fleet, "2 1 2 2 | 0 1 0 0 | 0 0 0 0")
        .check(Of::Row(&testing::uid("a")), "2 1 2 2 | 0 1 0 0 | 0 0 0 0");
}

#[test]
fn a_line_that_is_lost_is_a_gap_and_so_is_a_computer_that_sleeps() {
    let pool = testing::uid("a-w");
    let offline = format!("{TWO}\noffline");
    let story = Story::new().at(0, TWO).pass(1).at(1, &offline).pass(2).pass(3).at(4, TWO).pass(5);
    story.check(Of::Row(&pool), "2 2 · · 2 2 | 0 0 · · 0 0 | 0 0 · · 0 0");
    let story = Story::new().at(0, TWO).pass(1).pass(6).pass(7);
    story.check(Of::Row(&pool), "2 2 · · · · 2 2 | 0 0 · · · · 0 0 | 0 0 · · · · 0 0");
}

#[test]
fn the_fleet_is_known_in_minutes_in_which_all_of_it_was_seen() {
    let fleet = |lab: &str| testing::several(&[("prod", &format!("cluster a\n{TWO}")), ("lab", lab)]);
    let lab = format!("cluster a\n{ONE}");
    let (seen, down) = (fleet(&lab), fleet(&format!("{lab}\noffline")));
    let mut story = Story::new();
    let mut before = Arc::<Snapshot>::default();
    for (minute, after) in [(0, &seen), (1, &seen), (2, &down), (3, &down), (4, &seen), (5, &seen)] {
        story.now = testing::NOW + SignedDuration::from_mins(minute);
        story.trends.pass(&before, story.now, false);
        story.trends.take(&before, after, story.now);
        before.clone_from(after);
    }
    story
        .check(Of::Context(ContextId::FIRST), "2 2 2 2 2 2 | 0 0 0 0 0 0 | 0 0 0 0 0 0")
        .check(Of::Fleet, "3 3 3 · 3 3 | 1 1 1 · 1 1 | 0 0 0 · 0 0");
}

#[test]
fn what_was_never_listed_is_a_gap_and_no_fall_to_zero() {
    let prod = format!("cluster a\n{TWO}");
    let fleet = |lab: &str| testing::several(&[("prod", &prod), ("lab", lab)]);
    let unknown = {
        let fleet = fleet("offline");
        let mut parts: Vec<Part> = fleet.contexts().filter_map(|context| fleet.part(context).cloned()).collect();
        Arc::make_mut(&mut parts[1].snapshot).complete = false;
        Arc::new(merge(parts.into(), &Snapshot::default()))
    };
    assert!(unknown.complete, "there is nothing to wait for");
    let known = fleet(&format!("cluster a\n{ONE}"));
    let mut story = Story::new();
    let mut before = Arc::<Snapshot>::default();
    for (minute, after) in [(0, &unknown), (1, &known), (2, &known), (3, &known)] {
        story.now = testing::NOW + SignedDuration::from_mins(minute);
        story.trends.pass(&before, story.now, false);
        story.trends.take(&before, after, story.now);
        before.clone_from(after);
    }
    let trend = story.trends.of(Of::Fleet, story.now).expect("there is one");
    assert_eq!(trend.ready.range(), Some((3, 3)), "{trend:?}");
}

#[test]
fn a_rollout_has_a_rate() {
    let rolling = |updated: usize| {
        format!("pool w replicas=4 from=1.33.6 to=1.34.2 updated={updated} outdated={}\nmachine m1 Ready", 4 - updated)
    };
    let pool = testing::uid("a-w");
    let story = Story::new().at(0, TWO).at(1, &rolling(0)).at(2, &rolling(1)).at(2, &rolling(3)).pass(3).at(4, TWO);
    let story = story.check(Of::Row(&pool), "2 1 1 1 1 | 0 0 0 0 0 | 0 0 3 0 1");
    story.check(Of::Fleet, "2 1 1 1 1 | 0 0 0 0 0 | 0 0 3 0 1");
}

#[test]
fn what_is_gone_is_forgotten() {
    let many: String = (0..200).map(|n| format!("pool p{n} replicas=0\n")).collect();
    let story = Story::new().at(0, &many);
    assert_eq!(story.trends.rows.len(), 201);
    assert_eq!(story.at(1, TWO).trends.rows.len(), 2);
}
