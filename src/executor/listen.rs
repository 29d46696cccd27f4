//! Takes what a host says apart: control lines, and lines of output with the offset at which to go on.

use crate::runbook::wire::{Control, End, Start};

/// Bytes of a line that are shown.
const LONGEST_SHOWN: usize = 4096;
/// Bytes of a line that are held at all; more than is shown, so that redaction sees a secret whole.
const LONGEST_HELD: usize = 64 * 1024;

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Start(Start),
    Line(String),
    End(End),
}

/// Reads standard output of one attempt, over as many connections as it takes.
#[derive(Debug)]
pub struct Listener {
    nonce: String,
    /// Bytes of output of complete lines: where a new connection goes on.
    offset: u64,
    partial: Vec<u8>,
    /// Bytes of the line that were too many to hold.
    dropped: u64,
    /// An empty line that may be the one before a control line, which does not belong to the output.
    blank: bool,
}

impl Listener {
    pub fn new(nonce: String) -> Self {
        Self { nonce, offset: 0, partial: Vec::new(), dropped: 0, blank: false }
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The connection is gone; what was half heard will be said again.
    pub fn reconnected(&mut self) {
        self.partial.clear();
        self.dropped = 0;
        self.blank = false;
    }

    pub fn hear(&mut self, mut data: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Some(at) = data.iter().position(|byte| *byte == b'\n') {
            self.hold(&data[..at]);
            self.line(&mut heard);
            data = &data[at + 1..];
        }
        self.hold(data);
        heard
    }

    fn hold(&mut self, data: &[u8]) {
        let room = LONGEST_HELD.saturating_sub(self.partial.len()).min(data.len());
        self.partial.extend_from_slice(&data[..room]);
        self.dropped += (data.len() - room) as u64;
    }

    fn line(&mut self, heard: &mut Vec<Heard>) {
        let bytes = std::mem::take(&mut self.partial);
        let length = bytes.len() as u64 + std::mem::take(&mut self.dropped) + 1;
        let text = String::from_utf8_lossy(&bytes);
        if let Some(control) = Control::parse(&text, &self.nonce) {
            self.blank = false;
            match control {
                Control::Start(start) => {
                    // What comes now begins at its beginning.
                    if start == Start::Fresh {
                        self.offset = 0;
                    }
                    heard.push(Heard::Start(start));
                }
                Control::End(end) => heard.push(Heard::End(end)),
            }
            return;
        }
        if std::mem::take(&mut self.blank) {
            self.offset += 1;
            heard.push(Heard::Line(String::new()));
        }
        if length == 1 {
            self.blank = true;
            return;
        }
        self.offset += length;
        heard.push(Heard::Line(text.trim_end_matches('\r').to_owned()));
    }
}

/// A line as it is shown, redacted already.
pub fn shorten(line: String) -> String {
    if line.len() <= LONGEST_SHOWN {
        return line;
    }
    let end = line.floor_char_boundary(LONGEST_SHOWN);
    format!("{} … ({} bytes more)", &line[..end], line.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chunks: &[&str], expected: &str, offset: u64) {
        let mut listener = Listener::new("n".into());
        let said: Vec<String> = chunks
            .iter()
            .flat_map(|chunk| listener.hear(chunk.as_bytes()))
            .map(|heard| match heard {
                Heard::Start(start) => format!("<{start:?}>"),
                Heard::Line(line) => line,
                Heard::End(end) => format!("<{:?}>", end.outcome),
            })
            .collect();
        assert_eq!((said.join("|").as_str(), listener.offset()), (expected, offset), "{chunks:?}");
    }

    #[test]
    fn control_lines_are_told_from_output() {
        let end = "@n end {\"outcome\":\"done\",\"status\":0}\n";
        check(&["@n start \"fresh\"\na\nb\n", end], "<Fresh>|a|b|<Done>", 4);
        check(&["\n@n start \"fresh\"\na\n\n", end], "<Fresh>|a|<Done>", 2);
        check(&["\n@n start \"fresh\"\na\n\n\n", end], "<Fresh>|a||<Done>", 3);
        check(&["\n@n start \"fresh\"\nno break\n", end], "<Fresh>|no break|<Done>", 9);
        check(&["@n sta", "rt \"attached\"\n@m end x", "\n"], "<Attached>|@m end x", 9);
        check(&["x\n\n@n start \"fresh\"\n"], "x|<Fresh>", 0);
    }

    #[test]
    fn long_lines_are_bounded_and_counted() {
        let mut listener = Listener::new("n".into());
        let long = "x".repeat(200_000);
        let heard = listener.hear(format!("{long}\n").as_bytes());
        assert!(matches!(&heard[..], [Heard::Line(line)] if line.len() == LONGEST_HELD));
        assert_eq!(listener.offset(), 200_001);
        assert!(shorten(long).len() < 4200);
    }
}
