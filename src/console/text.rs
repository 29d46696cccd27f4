//! Text for cells: made safe, cut to a width, and numbers, durations and times the way people read them.
//!
//! Whatever comes from a cluster passes [`clean`] before it is drawn: an escape sequence in a node name must never
//! reach the terminal.

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Characters that would be obeyed or would break the grid become a visible `·`; line breaks and tabs become a space.
pub fn clean(text: &str) -> String {
    text.chars().map(clean_char).collect()
}

fn clean_char(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        // Marks of direction can make a name look like another one.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => '·',
        // Selectors of presentation change the width of the glyph before them, and terminals disagree by how much.
        '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' => '·',
        c if c.is_control() || c.width().unwrap_or(0) == 0 => '·',
        c => c,
    }
}

/// A name that is good for a file: it names no folder.
pub fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' }).collect()
}

/// The same width in plain ASCII: for terminals that can show nothing else.
pub fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => out.push(c),
            '·' => out.push('.'),
            '…' | '≈' => out.push('~'),
            '›' | '▸' | '→' => out.push('>'),
            '–' | '—' => out.push('-'),
            '×' => out.push('x'),
            c => out.extend(std::iter::repeat_n('?', c.width().unwrap_or(0))),
        }
    }
    out
}

/// Columns that the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Cleaned and cut to `columns`, with `…` where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    let text = clean(text);
    if text.width() <= columns {
        return text;
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Cleaned and cut to `columns` in the middle: where many begin alike, their ends tell them apart.
pub fn middle(text: &str, columns: usize) -> String {
    let text = clean(text);
    if text.width() <= columns {
        return text;
    }
    let (mut end, mut used) = (text.len(), 0);
    for (at, c) in text.char_indices().rev() {
        let wide = c.width().unwrap_or(0);
        if used + wide > columns / 2 {
            break;
        }
        (end, used) = (at, used + wide);
    }
    cut(&text, columns - used) + &text[end..]
}

/// Cleaned and broken between words; a word that is longer than a line is broken where the line ends.
pub fn wrap(sentence: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in clean(sentence).split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.extend(hard_wrap(word, columns)),
        }
    }
    lines
}

/// The same in at most so many lines; the last one ends in `…` where something is left out.
pub fn wrap_to(sentence: &str, columns: usize, lines: usize) -> Vec<String> {
    first(wrap(sentence, columns), columns, lines)
}

/// The first of some lines; the last one ends in `…` where others come after it.
pub fn first(mut parts: Vec<String>, columns: usize, lines: usize) -> Vec<String> {
    let is_cut = parts.len() > lines;
    parts.truncate(lines);
    if let Some(last) = parts.last_mut().filter(|_| is_cut) {
        *last = cut(&format!("{last} …"), columns);
    }
    parts
}

/// Broken where the line ends: for words without end, and for text that is copied.
pub fn hard_wrap(line: &str, columns: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        let wide = c.width().unwrap_or(0);
        if used > 0 && used + wide > columns {
            parts.push(String::new());
            used = 0;
        }
        used += wide;
        parts.last_mut().expect("it has begun with one").push(c);
    }
    parts
}

/// Cut and filled up with spaces on the right: exactly `columns` wide.
pub fn left(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(out.width())));
    out
}

/// Cut and filled up with spaces on the left: exactly `columns` wide.
pub fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let mut out = " ".repeat(columns.saturating_sub(text.width()));
    out.push_str(&text);
    out
}

/// `100412` as `100,412`.
pub fn number(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Seconds in at most six columns: `4s`, `1m04s`, `2h07m`, `3d04h`.
pub fn duration(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        86_400..864_000 => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3600),
        _ => format!("{}d", s / 86_400),
    }
}

/// Milliseconds: tenths below ten seconds, then as [`duration`].
pub fn short_duration(milliseconds: i64) -> String {
    match milliseconds {
        ..10_000 => format!("{}.{}s", milliseconds.max(0) / 1000, milliseconds.max(0) % 1000 / 100),
        _ => duration(milliseconds / 1000),
    }
}

/// Seconds from `from` to `to`, never negative.
pub fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).max(0)
}

/// `12:04:31` in UTC: the screen says `Z` where there is room.
pub fn clock(at: Timestamp) -> String {
    let s = at.as_second().rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// `12:04` in UTC.
pub fn clock_minutes(at: Timestamp) -> String {
    clock(at)[..5].to_owned()
}

/// The time of today, else the day too: `12:04:31`, `11-20 07:27`.
pub fn when(at: Timestamp, now: Timestamp) -> String {
    if is_today(at, now) { clock(at) } else { at.strftime("%m-%d %H:%M").to_string() }
}

/// The same in a column of eight: the time of today, else how long ago it was.
pub fn when_short(at: Timestamp, now: Timestamp) -> String {
    if is_today(at, now) { clock(at) } else { duration(seconds_between(at, now)) }
}

/// How long ago it was. A screen at rest is drawn once a minute: seconds would stand still.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    match seconds_between(at, now) {
        ..60 => "just now".to_owned(),
        seconds @ ..3600 => format!("{}m ago", seconds / 60),
        seconds => format!("{} ago", duration(seconds)),
    }
}

fn is_today(at: Timestamp, now: Timestamp) -> bool {
    let day = |at: Timestamp| at.as_second().div_euclid(86_400);
    day(at) == day(now)
}

/// A bar of `columns` cells, filled in eighths of a cell; in `ascii` in whole cells.
pub fn bar(done: f64, columns: usize, ascii: bool) -> (String, String) {
    let done = if done.is_finite() { done.clamp(0.0, 1.0) } else { 0.0 };
    if ascii {
        let full = (done * columns as f64).round() as usize;
        return ("#".repeat(full), ".".repeat(columns - full));
    }
    let eighths = (done * columns as f64 * 8.0).round() as usize;
    let mut filled = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        filled.push(['▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8 - 1]);
    }
    let rest = columns.saturating_sub(filled.chars().count());
    (filled, "·".repeat(rest))
}

/// `1 machine`, `3 machines`.
pub fn plural(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_clusters_cannot_move_the_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\tc\nd"), "a·[2Jb c d");
        assert_eq!(clean("evil\u{202e}txt"), "evil·txt");
        assert_eq!(clean("warn\u{26a0}\u{fe0f}"), "warn\u{26a0}·");
        assert_eq!(clean("zero\u{200b}width e\u{301}"), "zero·width e·");
    }

    #[test]
    fn cuts_by_columns_not_by_characters() {
        assert_eq!(cut("machine", 7), "machine");
        assert_eq!(cut("machines", 7), "machin…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 0), "");
        let middles = [8, 20, 1, 0].map(|columns| middle("eu-1-gpu-up-k2x9f", columns));
        assert_eq!(middles, ["eu-…2x9f", "eu-1-gpu-up-k2x9f", "…", ""]);
        assert_eq!(middle("日本語日本語", 7), "日本…語");
        assert_eq!(left("日本", 6), "日本  ");
        assert_eq!(right("42", 5), "   42");
    }

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(["0", "999", "1,000", "100,412"], [0, 999, 1000, 100_412].map(number));
        assert_eq!(["4s", "1m04s", "2h07m", "3d04h"], [4, 64, 7620, 273_600].map(duration));
        assert_eq!(["0.4s", "9.9s", "10s", "1m30s"], [450, 9_999, 10_000, 90_000].map(short_duration));
        assert_eq!(clock(Timestamp::from_second(43_471).unwrap()), "12:04:31");
    }

    #[test]
    fn a_time_of_another_day_says_so() {
        let at = |written: &str| written.parse::<Timestamp>().expect(written);
        let now = at("2026-11-21T12:00:00Z");
        let check = |written, long: &str, short: &str, age: &str| {
            let at = at(written);
            assert_eq!((when(at, now).as_str(), when_short(at, now).as_str()), (long, short), "{written}");
            assert_eq!(ago(at, now), age, "{written}");
        };
        check("2026-11-21T11:59:30Z", "11:59:30", "11:59:30", "just now");
        check("2026-11-21T07:27:47Z", "07:27:47", "07:27:47", "4h32m ago");
        check("2026-11-21T11:27:47Z", "11:27:47", "11:27:47", "32m ago");
        check("2026-11-20T23:59:59Z", "11-20 23:59", "12h00m", "12h00m ago");
        check("2026-10-22T07:27:47Z", "10-22 07:27", "30d", "30d ago");
    }

    #[test]
    fn bars_fill_in_eighths() {
        assert_eq!(bar(0.5, 4, false), ("██".into(), "··".into()));
        assert_eq!(bar(0.55, 4, false), ("██▎".into(), "·".into()));
        assert_eq!(bar(f64::NAN, 3, true), (String::new(), "...".into()));
        assert_eq!(bar(7.0, 3, true), ("###".into(), String::new()));
    }

    #[test]
    fn sentences_are_broken_between_words_and_words_only_where_they_must() {
        let check = |text: &str, columns, expected: &[&str]| assert_eq!(wrap(text, columns), expected, "{text}");
        check("", 10, &[]);
        check("make it larger", 10, &["make it", "larger"]);
        check("no /var/lib/quarterdeck here", 10, &["no", "/var/lib/q", "uarterdeck", "here"]);
        check("日本語", 4, &["日本", "語"]);
        check("x y", 0, &["x", "y"]);
    }

    #[test]
    fn what_is_left_out_is_marked() {
        let check =
            |lines, expected: &[&str]| assert_eq!(wrap_to("make it larger for me", 9, lines), expected, "{lines}");
        check(4, &["make it", "larger", "for me"]);
        check(3, &["make it", "larger", "for me"]);
        check(2, &["make it", "larger …"]);
        check(1, &["make it …"]);
        check(0, &[]);
        assert_eq!(wrap_to("make it larger", 7, 1), ["make i…"]);
    }
}
