//! What the console has said in this session: a notice is gone with the next key, what it said is not.

use super::{state::Notice, text};
use jiff::Timestamp;
use std::collections::VecDeque;

/// Messages that are kept.
const MOST: usize = 500;

/// Messages, the newest last; one that is said again and again is there once, with its count.
#[derive(Clone, Debug, Default)]
pub struct Said(VecDeque<Message>);

#[derive(Clone, Debug)]
struct Message {
    /// When it was said last.
    at: Timestamp,
    text: String,
    complaint: bool,
    times: usize,
}

impl Said {
    pub fn add(&mut self, at: Timestamp, notice: &Notice) {
        if let Some(last) = self.0.back_mut().filter(|last| last.text == notice.text) {
            (last.at, last.times) = (at, last.times + 1);
            return;
        }
        let (text, complaint) = (notice.text.clone(), notice.complaint);
        self.0.push_back(Message { at, text, complaint, times: 1 });
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// A line for each, the newest first, as in the feed of events.
    pub fn text(&self) -> String {
        if self.0.is_empty() {
            return "Nothing has been said yet.\n".to_owned();
        }
        self.0.iter().rev().map(Message::line).collect()
    }
}

impl Message {
    fn line(&self) -> String {
        let mark = if self.complaint { "!" } else { " " };
        let again = if self.times > 1 { format!(" (×{})", self.times) } else { String::new() };
        let indented = self.text.replace('\n', "\n            ");
        format!("{}Z {mark} {indented}{again}\n", text::clock(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &[(&str, bool)], expected: &str) {
        let mut all = Said::default();
        for (n, (text, complaint)) in (0..).zip(said) {
            let at = Timestamp::from_second(n).expect("a time");
            all.add(at, &Notice { text: (*text).to_owned(), complaint: *complaint, until: at });
        }
        assert_eq!(all.text(), expected);
    }

    #[test]
    fn the_newest_is_first_and_what_repeats_is_counted() {
        check(&[], "Nothing has been said yet.\n");
        check(
            &[("gpu is paused", false), ("no\nnot now", true), ("no\nnot now", true)],
            "00:00:02Z ! no\n            not now (×2)\n00:00:00Z   gpu is paused\n",
        );
    }

    #[test]
    fn it_is_bounded() {
        let mut all = Said::default();
        for n in 0..MOST + 20 {
            all.add(
                Timestamp::UNIX_EPOCH,
                &Notice { text: n.to_string(), complaint: false, until: Timestamp::UNIX_EPOCH },
            );
        }
        assert_eq!(all.text().lines().count(), MOST);
        assert!(all.text().ends_with("  20\n"));
    }
}
