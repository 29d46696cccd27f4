//! Chance that repeats: the same seed and the same question always give the same answer, on every machine and in every
//! order of asking. So a demo can be shown twice, and a test of a fault finds the fault again.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// A stream of numbers that belongs to one question.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The dice for one question, named by its parts.
    pub fn new(seed: u64, question: &[&str]) -> Self {
        let mut digest = Sha256::new();
        digest.update(seed.to_le_bytes());
        for part in question {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let bytes: [u8; 8] = digest.finalize()[..8].try_into().expect("a digest is longer than eight bytes");
        Self(u64::from_le_bytes(bytes))
    }

    /// The dice that continue from a number that was rolled before.
    pub fn from_roll(roll: u64) -> Self {
        Self(roll)
    }

    /// Any number (splitmix64).
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to, but not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high - low + 1)
    }

    /// Any part of a time, to the millisecond.
    pub fn share(&mut self, of: Duration) -> Duration {
        Duration::from_millis(self.between(0, of.as_millis() as u64))
    }

    /// One of some.
    pub fn pick<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[self.between(0, some.len() as u64 - 1) as usize]
    }

    /// How long a thing takes that mostly takes `median`, and sometimes a good deal longer: log-normal.
    pub fn around(&mut self, median: f64, sigma: f64) -> f64 {
        let (a, b) = (self.unit().max(f64::MIN_POSITIVE), self.unit());
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        median * (sigma * normal.clamp(-2.5, 2.5)).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_has_the_same_answer_and_another_has_another() {
        assert_eq!(Dice::new(7, &["a", "b"]).roll(), Dice::new(7, &["a", "b"]).roll());
        for other in [Dice::new(8, &["a", "b"]), Dice::new(7, &["ab"]), Dice::new(7, &["a", "c"])] {
            assert_ne!(Dice::new(7, &["a", "b"]).roll(), other.clone().roll());
        }
    }

    #[test]
    fn chances_come_true_about_as_often_as_they_say() {
        let mut dice = Dice::new(1, &[]);
        let hits = (0..10_000).filter(|_| dice.chance(0.02)).count();
        assert!((150..250).contains(&hits), "{hits}");
        let mut times: Vec<_> = (0..1001).map(|_| dice.around(10.0, 0.4)).collect();
        times.sort_by(f64::total_cmp);
        assert!((9.0..11.0).contains(&times[500]) && times[950] > 15.0, "{} {}", times[500], times[950]);
    }
}
