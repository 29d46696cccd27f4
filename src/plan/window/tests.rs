//! Tables: windows and a moment on the left, what they say of it on the right.

use proptest::prelude::*;

use super::*;

/// `0 9 * * 2-4 +240 Europe/Berlin; …`: schedule, minutes, time zone if it is not UTC.
fn windows(line: &str) -> Vec<MaintenanceWindow> {
    let window = |text: &str| {
        let (schedule, rest) = text.split_once('+').expect("schedule +minutes");
        let (minutes, zone) = rest.trim().split_once(' ').map_or((rest.trim(), None), |(m, z)| (m, Some(z.to_owned())));
        MaintenanceWindow {
            schedule: schedule.trim().to_owned(),
            duration_minutes: minutes.parse().expect("minutes"),
            time_zone: zone,
        }
    };
    line.split(';').filter(|w| !w.trim().is_empty()).map(window).collect()
}

/// `open -24T13:00 -25T09:00` (closes, then opens), `closed -24T09:00`, `always`, `invalid …`.
fn check(line: &str, now: &str, expected: &str) {
    let now: Timestamp = format!("{now}Z").parse().expect("a moment");
    let short = |at: Timestamp| at.to_string()[4..16].to_owned();
    let said = match at(&windows(line), now) {
        Window::Always => "always".to_owned(),
        Window::Open { closes, then } => format!("open {} {}", short(closes), short(then)),
        Window::Closed { opens } => format!("closed {}", short(opens)),
        Window::Invalid(why) => format!("invalid {why}"),
    };
    let is_as_expected = if expected.starts_with("invalid") { said.starts_with(expected) } else { said == expected };
    assert!(is_as_expected, "{line} at {now}: {said}, not {expected}");
}

#[test]
fn a_window_is_open_from_its_first_moment_to_before_its_last() {
    let tuesdays = "0 9 * * 2-4 +240";
    check("", "2026-11-21T12:00:00", "always");
    check(tuesdays, "2026-11-21T12:00:00", "closed -11-24T09:00");
    check(tuesdays, "2026-11-24T08:59:59.9", "closed -11-24T09:00");
    check(tuesdays, "2026-11-24T09:00:00", "open -11-24T13:00 -11-25T09:00");
    check(tuesdays, "2026-11-24T12:59:59.9", "open -11-24T13:00 -11-25T09:00");
    check(tuesdays, "2026-11-24T13:00:00", "closed -11-25T09:00");
    check("0 9 * * tue +60", "2026-11-24T10:00:00", "closed -12-01T09:00");
    check("0 9 29 2 * +60", "2026-11-24T10:00:00", "closed -02-29T09:00");
}

#[test]
fn one_that_began_yesterday_is_open_past_midnight() {
    check("0 22 * * * +300", "2026-11-24T01:30:00", "open -11-24T03:00 -11-24T22:00");
    check("0 22 * * 5 +3000", "2026-11-22T23:00:00", "open -11-23T00:00 -11-27T22:00");
    check("0 22 31 12 * +300", "2027-01-01T02:00:00", "open -01-01T03:00 -12-31T22:00");
}

#[test]
fn those_that_run_into_each_other_are_one() {
    check("0 9 * * * +120; 0 10 * * * +120", "2026-11-24T09:30:00", "open -11-24T12:00 -11-25T09:00");
    check("0 9 * * * +60; 0 10 * * * +60", "2026-11-24T09:30:00", "open -11-24T11:00 -11-25T09:00");
    check("0 9 * * * +600; 0 10 * * * +60", "2026-11-24T11:30:00", "open -11-24T19:00 -11-25T09:00");
    check("0 9 * * * +60; 1 10 * * * +60", "2026-11-24T09:30:00", "open -11-24T10:00 -11-24T10:01");
    check("0 9-11 * * * +60", "2026-11-24T09:30:00", "open -11-24T12:00 -11-25T09:00");
    check("0 9 * * * +60; 0 9 * * 2 +30", "2026-11-24T09:40:00", "open -11-24T10:00 -11-25T09:00");
    check("* * * * * +1", "2026-11-24T09:30:30", "always");
    check("0 0 * * * +1440", "2026-11-24T09:30:00", "always");
    check("0 0 * * 1 +10080", "2026-11-24T09:30:00", "always");
}

#[test]
fn the_clock_on_the_wall_opens_it_and_minutes_that_pass_close_it() {
    let berlin = "0 9 * * * +60 Europe/Berlin";
    check(berlin, "2026-10-24T08:30:00", "closed -10-25T08:00");
    check(berlin, "2026-10-24T07:30:00", "open -10-24T08:00 -10-25T08:00");
    check(berlin, "2026-10-25T08:30:00", "open -10-25T09:00 -10-26T08:00");
    check(berlin, "2027-03-28T06:00:00", "closed -03-28T07:00");
    // An hour that does not exist: it opens at the first moment after it.
    check("30 2 * * * +60 Europe/Berlin", "2027-03-28T00:30:00", "closed -03-28T01:00");
    check("30 2 * * * +60 Europe/Berlin", "2027-03-28T01:30:00", "open -03-28T02:00 -03-29T00:30");
    // An hour that comes twice: it opens once, the first time.
    check("30 2 * * * +60 Europe/Berlin", "2026-10-25T01:00:00", "open -10-25T01:30 -10-26T01:30");
    check("30 2 * * * +60 Europe/Berlin", "2026-10-25T01:45:00", "closed -10-26T01:30");
    // It is as long as it says, though the clock was put back meanwhile.
    check("0 1 * * * +240 Europe/Berlin", "2026-10-25T02:30:00", "open -10-25T03:00 -10-26T00:00");
}

#[test]
fn two_zones_are_two_windows() {
    let both = "0 9 * * * +60 Asia/Tokyo; 0 9 * * * +60 America/New_York";
    check(both, "2026-11-24T00:30:00", "open -11-24T01:00 -11-24T14:00");
    check(both, "2026-11-24T03:00:00", "closed -11-24T14:00");
}

#[test]
fn what_cannot_be_read_is_said_and_opens_nothing() {
    let now = "2026-11-24T09:30:00";
    check("61 9 * * * +60", now, "invalid maintenanceWindows[0] cannot be read: schedule \"61 9 * * *\": ");
    check("0 9 * * * +60; 0 9 * * 8 +60", now, "invalid maintenanceWindows[1] cannot be read: schedule");
    check("0 9 * * * +60 Berlin", now, "invalid maintenanceWindows[0] cannot be read: \"Berlin\" is not a time zone");
    check("@daily +60", now, "invalid maintenanceWindows[0] cannot be read: \"@daily\" is not a schedule of five");
    check("0 0 9 * * 2 +60", now, "invalid maintenanceWindows[0] cannot be read: \"0 0 9 * * 2\" is not a schedule");
    for empty in [", 9 * * *", "0 9 * * +", "0 9,,10 * * *"] {
        let line = [MaintenanceWindow { schedule: empty.to_owned(), duration_minutes: 60, time_zone: None }];
        let Window::Invalid(why) = at(&line, Timestamp::UNIX_EPOCH) else { panic!("{empty}") };
        assert!(why.contains("is not a schedule of five fields"), "{why}");
    }
    check("0 9 31 2 * +60", now, "invalid maintenanceWindows[0] cannot be read: schedule \"0 9 31 2 *\" never comes");
    check("0 9 * * * +0", now, "invalid maintenanceWindows[0] cannot be read: 0 minutes are none");
}

prop_compose! {
    fn any_window()(
        minute in prop::sample::select(vec!["0", "30", "5,50", "*/20", "*"]),
        hour in prop::sample::select(vec!["9", "0", "2", "22-23", "*/6", "*"]),
        day in prop::sample::select(vec!["* * 2-4", "* * *", "1 * *", "L * *", "* 3,10 SUN", "29 2 *"]),
        minutes in prop::sample::select(vec![1, 30, 60, 240, 1440, 3000, 10_080]),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo"]),
    ) -> MaintenanceWindow {
        let schedule = format!("{minute} {hour} {day}");
        MaintenanceWindow { schedule, duration_minutes: minutes, time_zone: Some(zone.to_owned()) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What is said of a moment holds until the moment that is said, and not any longer.
    #[test]
    fn what_is_said_holds_for_as_long_as_is_said(
        all in prop::collection::vec(any_window(), 1..4), second in 1_790_000_000i64..1_830_000_000,
    ) {
        let now = Timestamp::from_second(second).expect("a second");
        let moment = SignedDuration::from_secs(1);
        match at(&all, now) {
            Window::Always => {}
            Window::Open { closes, then } => {
                prop_assert!(now < closes && closes < then);
                prop_assert_eq!(at(&all, closes - moment), Window::Open { closes, then });
                prop_assert_eq!(at(&all, closes), Window::Closed { opens: then });
            }
            Window::Closed { opens } => {
                prop_assert!(now < opens);
                prop_assert_eq!(at(&all, opens - moment), Window::Closed { opens });
                let is_closed = matches!(at(&all, opens), Window::Closed { .. });
                prop_assert!(!is_closed);
            }
            Window::Invalid(why) => prop_assert!(false, "{}", why),
        }
    }
}
