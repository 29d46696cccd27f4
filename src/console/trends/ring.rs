//! A number for each of the last minutes.

/// Minutes that are kept.
pub const MINUTES: usize = 30;
/// Nobody knows.
const UNKNOWN: u32 = u32::MAX;

/// What a number was in each minute. Minutes in which it was not written down are what it was last.
#[derive(Clone, Debug)]
pub struct Ring {
    /// The minute that was written last; `None`: none.
    minute: Option<i64>,
    /// What it is at the end of that minute.
    last: u32,
    values: [u32; MINUTES],
}

impl Default for Ring {
    fn default() -> Self {
        Self { minute: None, last: UNKNOWN, values: [UNKNOWN; MINUTES] }
    }
}

impl Ring {
    /// It is `value` now; of a minute the least is kept.
    pub fn lowest(&mut self, minute: i64, value: u32) {
        self.put(minute, value, u32::min);
    }

    /// The same; the most is kept.
    pub fn highest(&mut self, minute: i64, value: u32) {
        self.put(minute, value, u32::max);
    }

    fn put(&mut self, minute: i64, value: u32, fold: fn(u32, u32) -> u32) {
        let at = self.turn(minute);
        let slot = &mut self.values[at];
        *slot = if *slot == UNKNOWN { value } else { fold(*slot, value) };
        self.last = value;
    }

    /// So many more in this minute. What is not added to is 0.
    pub fn add(&mut self, minute: i64, value: u32) {
        let at = self.turn(minute);
        let slot = &mut self.values[at];
        *slot = if *slot == UNKNOWN { 0 } else { *slot }.saturating_add(value).min(UNKNOWN - 1);
        self.last = 0;
    }

    /// What it was after the last minute that was written is not known.
    pub fn forget(&mut self) {
        self.last = UNKNOWN;
    }

    /// Goes on to a minute; time that goes back stands still. Returns where it is.
    fn turn(&mut self, minute: i64) -> usize {
        let last = self.minute.unwrap_or(minute - 1);
        let minute = minute.max(last);
        for passed in (last + 1..=minute).rev().take(MINUTES) {
            self.values[slot(passed)] = self.last;
        }
        self.minute = Some(minute);
        slot(minute)
    }

    pub fn at(&self, minute: i64) -> Option<u32> {
        let last = self.minute?;
        let value = match minute {
            m if m > last => self.last,
            m if m <= last - MINUTES as i64 => UNKNOWN,
            m => self.values[slot(m)],
        };
        (value != UNKNOWN).then_some(value)
    }

    /// The minutes that end with this one.
    pub fn minutes(&self, minute: i64) -> Minutes {
        Minutes::of(minute, |at| self.at(at))
    }
}

fn slot(minute: i64) -> usize {
    minute.rem_euclid(MINUTES as i64) as usize
}

/// The last [`MINUTES`], the oldest first; `None` where nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minutes(pub [Option<u32>; MINUTES]);

impl Minutes {
    pub fn of(minute: i64, value: impl Fn(i64) -> Option<u32>) -> Self {
        Self(std::array::from_fn(|at| value(minute - (MINUTES - 1 - at) as i64)))
    }

    pub fn known(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied().flatten()
    }

    /// The least and the most.
    pub fn range(&self) -> Option<(u32, u32)> {
        Some((self.known().min()?, self.known().max()?))
    }

    /// The last minute that is over.
    pub fn whole(&self) -> Option<u32> {
        self.0[MINUTES - 2]
    }

    /// Only those that the other one knows.
    pub fn where_known(self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].filter(|_| other.0[at].is_some())))
    }

    /// Only the newest.
    pub fn newest(self, count: usize) -> Self {
        let first = MINUTES - count.min(MINUTES);
        Self(std::array::from_fn(|at| self.0[at].filter(|_| at >= first)))
    }

    /// Minute by minute; what one of the two does not know counts as nothing.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = match (*mine, theirs) {
                (Some(mine), Some(theirs)) => Some(mine.saturating_add(theirs)),
                (one, other) => one.or(other),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes and values (`+` adds, `^` keeps the most, else the least; `~` forgets) and what is read at the minute after `@`.
    fn check(story: &str, expected: &str) {
        let mut ring = Ring::default();
        for word in story.split_whitespace() {
            if let Some(now) = word.strip_prefix('@') {
                let minutes = ring.minutes(now.parse().expect("a minute"));
                let text: Vec<String> = minutes.0.iter().map(|v| v.map_or("·".to_owned(), |v| v.to_string())).collect();
                let text = text.join(" ");
                let begin = text.find(|c| c != '·' && c != ' ').unwrap_or(text.len());
                assert_eq!(&text[begin..], expected, "{story}");
                return;
            }
            let (minute, value) = word.split_once(':').expect("minute:value");
            let minute = minute.parse().expect("a minute");
            match value.split_at(1) {
                ("+", value) => ring.add(minute, value.parse().expect("a number")),
                ("^", value) => ring.highest(minute, value.parse().expect("a number")),
                ("~", _) => ring.forget(),
                _ => ring.lowest(minute, value.parse().expect("a number")),
            }
        }
        panic!("nobody reads: {story}");
    }

    #[test]
    fn a_minute_keeps_what_was_worst_and_the_next_begins_with_what_is() {
        check("100:412 100:411 100:412 @100", "411");
        check("100:412 100:411 100:412 101:412 @101", "411 412");
        check("100:5 101:3 101:9 102:9 @102", "5 3 9");
        check("100:^1 100:^4 100:^0 101:^0 @101", "4 0");
        check("100:+2 100:+3 101:+1 @101", "5 1");
    }

    #[test]
    fn what_does_not_change_goes_on() {
        check("100:7 @103", "7 7 7 7");
        check("100:7 103:5 @104", "7 7 7 5 5");
        check("100:+7 @102", "7 0 0");
        check("100:+7 103:+1 @103", "7 0 0 1");
    }

    #[test]
    fn what_nobody_knows_is_a_gap() {
        check("100:7 @99", "");
        check("100:7 100:~ @102", "7 · ·");
        check("100:7 100:~ 103:5 @104", "7 · · 5 5");
    }

    #[test]
    fn only_so_many_minutes_are_kept() {
        let all = |value: &str| vec![value; MINUTES].join(" ");
        check("100:7 @129", &all("7"));
        check("100:7 101:8 @131", &all("8"));
        check("100:7 900:8 @900", &all("7"));
        check("100:7 100000000:8 @100000029", &format!("7 {}", vec!["8"; MINUTES - 1].join(" ")));
    }

    #[test]
    fn time_that_goes_back_stands_still() {
        check("100:7 90:5 @100", "5");
        check("100:7 90:5 101:5 @101", "5 5");
    }
}
