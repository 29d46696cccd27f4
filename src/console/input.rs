//! One line that is typed into: filter, palette, reason, confirmation.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

/// More than this is not taken: nobody types it, somebody pastes it.
const LIMIT: usize = 500;

/// A line of text with a cursor.
#[derive(Clone, Debug, Default)]
pub struct Line(Input);

impl Line {
    pub fn with(text: &str) -> Self {
        Self(Input::new(text.to_owned()))
    }

    pub fn value(&self) -> &str {
        self.0.value()
    }

    /// Columns before the cursor.
    pub fn cursor(&self) -> usize {
        self.0.visual_cursor()
    }

    pub fn is_empty(&self) -> bool {
        self.value().is_empty()
    }

    /// Takes a key as an editor of one line would; false if it means nothing here.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let request = match (key.code, control) {
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => InputRequest::GoToStart,
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => InputRequest::GoToEnd,
            (KeyCode::Char('u'), true) => InputRequest::DeleteLine,
            (KeyCode::Char('k'), true) => InputRequest::DeleteTillEnd,
            (KeyCode::Char('h'), true) | (KeyCode::Backspace, false) => InputRequest::DeletePrevChar,
            (KeyCode::Char('w') | KeyCode::Backspace, true) => InputRequest::DeletePrevWord,
            (KeyCode::Delete, _) => InputRequest::DeleteNextChar,
            (KeyCode::Left, false) => InputRequest::GoToPrevChar,
            (KeyCode::Right, false) => InputRequest::GoToNextChar,
            (KeyCode::Left, true) => InputRequest::GoToPrevWord,
            (KeyCode::Right, true) => InputRequest::GoToNextWord,
            (KeyCode::Char(c), false) if self.value().len() < LIMIT => InputRequest::InsertChar(c),
            _ => return false,
        };
        self.0.handle(request);
        true
    }

    /// Takes pasted text as one line: words of two lines do not grow together.
    pub fn paste(&mut self, text: &str) {
        let parts: Vec<&str> = text.split(['\n', '\r', '\t']).filter(|part| !part.is_empty()).collect();
        for c in parts.join(" ").chars().filter(|c| !c.is_control()) {
            if self.value().len() >= LIMIT {
                break;
            }
            self.0.handle(InputRequest::InsertChar(c));
        }
    }

    /// Takes the first line of pasted text: what is below it is not of the same command or filter.
    pub fn paste_line(&mut self, text: &str) {
        self.paste(text.trim_start().split(['\n', '\r']).next().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_and_refuses_too_much() {
        let mut line = Line::with("gpu");
        assert!(line.key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::NONE)));
        assert!(line.key(KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE)));
        assert!(!line.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
        line.paste(&"x".repeat(10_000));
        assert_eq!(line.value().len(), LIMIT);
    }

    #[test]
    fn what_is_pasted_becomes_one_line_and_a_command_is_its_first() {
        let check = |text: &str, whole: &str, first: &str| {
            let (mut line, mut command) = (Line::default(), Line::default());
            line.paste(text);
            command.paste_line(text);
            assert_eq!((line.value(), command.value()), (whole, first), "{text:?}");
        };
        check("paste me\nsecond line", "paste me second line", "paste me");
        check("theme light\r\n\tq\n", "theme light q", "theme light");
        check("\n a\tb\u{7}", " a b", "a b");
        check("", "", "");
    }
}
