//! How far a host's clock is off, by ours: certificates and tokens of a cluster do not forgive minutes.

use jiff::Timestamp;

/// Seconds that a host's clock is ahead of ours (negative: behind), at least. It was asked at `asked` and answered by
/// `heard`, and looked at its clock somewhere in between: that much doubt is taken off, so a slow connection never
/// looks like a wrong clock.
///
/// `said` is a Unix time, with or without a fraction; `None` if it is neither.
pub fn offset_seconds(said: &str, asked: Timestamp, heard: Timestamp) -> Option<i64> {
    // Not every `date` knows fractions; what it prints in their place says nothing.
    let (seconds, fraction) = said.split_once('.').unwrap_or((said, ""));
    let milliseconds: Option<i64> = fraction.get(..3).and_then(|digits| digits.parse().ok());
    let from = seconds.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(milliseconds.unwrap_or(0))?;
    let to = from.checked_add(if milliseconds.is_some() { 0 } else { 999 })?;
    let (asked, heard) = (asked.as_millisecond(), heard.as_millisecond().max(asked.as_millisecond()));
    let (ahead, behind) = (from.checked_sub(heard)?, asked.checked_sub(to)?);
    Some(if ahead > 0 { ahead / 1000 } else { -(behind.max(0) / 1000) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &str, expected: Option<i64>) {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        assert_eq!(offset_seconds(said, at(1_000_000), at(1_004_000)), expected, "{said}");
    }

    #[test]
    fn doubt_is_no_offset() {
        check("1000.5", Some(0));
        check("1002.000000001", Some(0));
        check("1004.900000000", Some(0));
        check("1064.100000000", Some(60));
        check("990.100000000", Some(-9));
        check("1600.000000000", Some(596));
    }

    #[test]
    fn a_date_without_fractions_is_less_certain() {
        check("999", Some(0));
        check("1003.%N", Some(0));
        check("1014.%N", Some(10));
        check("990.N", Some(-9));
    }

    #[test]
    fn nonsense_is_no_answer() {
        check("", None);
        check("yesterday", None);
        check("99999999999999999999.0", None);
        check("9223372036854775.999", None);
    }
}
