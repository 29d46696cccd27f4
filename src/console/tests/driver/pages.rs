//! The pages: what can be done on each, and what is expected of it.

use super::{Action, Ask, Console, ENTER, ESC, Field, KeyCode, Overlay, TAB, dialog};
use std::ops::{Deref, DerefMut};

/// What every page can: all that the console can.
macro_rules! page {
    ($($name:ident)*) => {$(
        impl Deref for $name<'_> {
            type Target = Console;

            fn deref(&self) -> &Console {
                self.0
            }
        }

        impl DerefMut for $name<'_> {
            fn deref_mut(&mut self) -> &mut Console {
                self.0
            }
        }
    )*};
}

/// A row with the cursor on it.
pub struct Row<'a>(pub(super) &'a mut Console);
/// A dialog with a typed yes.
pub struct Dialog<'a>(&'a mut Console);
/// A question with yes and no.
pub struct Question<'a>(&'a mut Console);
/// The change as text.
pub struct Export<'a>(&'a mut Console);
/// A flat list.
pub struct List<'a>(&'a mut Console);
/// A text on the whole screen.
pub struct Pager<'a>(&'a mut Console);

page!(Row Dialog Question Export List Pager);

impl<'a> Row<'a> {
    pub fn press(self, action: Action) -> Self {
        self.0.press(action);
        self
    }

    #[track_caller]
    pub fn expect_dialog(self) -> Dialog<'a> {
        let open = matches!(self.state().overlay, Overlay::Scale(_) | Overlay::Rollout(_) | Overlay::Typed(_));
        self.expect(open, "no dialog is open");
        Dialog(self.0)
    }

    #[track_caller]
    pub fn expect_question(self, question: &str) -> Question<'a> {
        let asked = match &self.state().overlay {
            Overlay::Confirm(asked) => asked.question.clone(),
            _ => self.fail("nothing is asked"),
        };
        self.expect(asked == question, &format!("`{asked}` is asked"));
        Question(self.0)
    }

    #[track_caller]
    pub fn expect_pager(self) -> Pager<'a> {
        self.expect(matches!(self.state().overlay, Overlay::Pager(_)), "no text is shown");
        Pager(self.0)
    }

    /// Nothing opens, and a sentence says why.
    #[track_caller]
    pub fn expect_refused(self, why: &str) -> Self {
        self.expect(matches!(self.state().overlay, Overlay::None), "something has opened");
        self.0.expect_said(why);
        self
    }

    #[track_caller]
    pub fn expect_done(self, what: &str) -> Self {
        self.0.expect_said(what);
        self
    }

    #[track_caller]
    pub fn expect_on(self, name: &str) -> Self {
        let subject = self.subject();
        self.expect(subject == name, &format!("the cursor is on `{subject}`, not on `{name}`"));
        self
    }
}

impl<'a> Dialog<'a> {
    fn ask(&mut self) -> &mut dyn Ask {
        dialog::current(&mut self.0.desk.console.state.overlay).expect("it is open")
    }

    /// What has to be typed.
    pub fn phrase(&mut self) -> String {
        self.ask().phrase()
    }

    /// To a field, the way that a person goes.
    #[track_caller]
    fn to(&mut self, field: Field) {
        for _ in 0..6 {
            if self.ask().form().focus == field {
                return;
            }
            self.0.key(TAB);
        }
        self.fail(&format!("there is no way to {field:?}"));
    }

    /// The number of replicas.
    #[track_caller]
    pub fn set(mut self, replicas: u32) -> Self {
        self.to(Field::Value);
        self.write(&replicas.to_string());
        self
    }

    #[track_caller]
    pub fn version(mut self, version: &str) -> Self {
        self.to(Field::Value);
        for _ in 0..20 {
            self.key(KeyCode::Backspace);
        }
        self.write(version);
        self
    }

    #[track_caller]
    pub fn reason(mut self, reason: &str) -> Self {
        self.to(Field::Reason);
        self.control('u').write(reason);
        self
    }

    /// Types the phrase and presses Enter.
    #[track_caller]
    pub fn confirm_with(mut self, phrase: &str) -> Self {
        self.to(Field::Confirm);
        self.control('u').write(phrase).key(ENTER);
        self
    }

    /// The change is made, the dialog is closed, and it is said.
    #[track_caller]
    pub fn expect_done(self, what: &str) -> Row<'a> {
        let why = if matches!(self.state().overlay, Overlay::None) { String::new() } else { self.0.said() };
        self.expect(matches!(self.state().overlay, Overlay::None), &format!("the dialog is still open: {why}"));
        self.0.expect_said(what);
        Row(self.0)
    }

    /// It stays open, and says why nothing was done.
    #[track_caller]
    pub fn expect_refused(self, why: &str) -> Self {
        let open = !matches!(self.state().overlay, Overlay::None);
        self.expect(open, "the dialog is closed");
        self.0.expect_said(why);
        self
    }

    #[track_caller]
    pub fn expect_level(mut self, level: u8) -> Self {
        let is = self.ask().level();
        self.expect(is == level, &format!("it has level {is}"));
        self
    }

    /// Reads it again.
    pub fn reload(self) -> Self {
        self.0.control('r');
        self
    }

    #[track_caller]
    pub fn export(self) -> Export<'a> {
        self.0.control('x');
        self.expect(matches!(self.state().overlay, Overlay::Export(_)), "nothing is exported");
        Export(self.0)
    }

    /// The console, while the dialog is open: something else happens.
    pub fn while_open(self, happens: impl FnOnce(&mut Console)) -> Self {
        happens(self.0);
        self
    }

    pub fn cancel(self) -> Row<'a> {
        self.0.key(ESC);
        Row(self.0)
    }
}

impl<'a> Question<'a> {
    pub fn yes(self) -> Row<'a> {
        self.0.key(KeyCode::Char('y'));
        Row(self.0)
    }

    /// Enter, which means no.
    pub fn enter(self) -> Row<'a> {
        self.0.key(ENTER);
        Row(self.0)
    }

    pub fn while_open(self, happens: impl FnOnce(&mut Console)) -> Self {
        happens(self.0);
        self
    }
}

impl<'a> Export<'a> {
    #[track_caller]
    pub fn expect_shown(self, words: &str) -> Self {
        self.0.expect_shown(words);
        self
    }

    /// The next form.
    pub fn next(self) -> Self {
        self.0.key(TAB);
        self
    }

    pub fn save(self) -> Row<'a> {
        self.0.key(ENTER);
        Row(self.0)
    }

    pub fn copy(self) -> Row<'a> {
        self.0.key(KeyCode::Char('y'));
        Row(self.0)
    }
}

impl<'a> List<'a> {
    pub(super) fn open(console: &'a mut Console, view: Action) -> Self {
        console.press(view);
        Self(console)
    }

    /// The filter of the table.
    pub fn filter(self, text: &str) -> Self {
        self.0.press(Action::Filter).write(text).key(ENTER);
        self
    }

    /// The cursor on the row of that name.
    #[track_caller]
    pub fn row(self, name: &str) -> Row<'a> {
        self.0.press(Action::First);
        for _ in 0..100 {
            if self.subject() == name {
                return Row(self.0);
            }
            self.0.press(Action::Down);
        }
        self.fail(&format!("there is no row `{name}`"));
    }

    #[track_caller]
    pub fn expect_shown(self, words: &str) -> Self {
        self.0.expect_shown(words);
        self
    }

    #[track_caller]
    pub fn expect_not_shown(self, words: &str) -> Self {
        self.0.expect_not_shown(words);
        self
    }

    /// What the cursor is on.
    pub fn here(self) -> Row<'a> {
        Row(self.0)
    }
}

impl<'a> Pager<'a> {
    #[track_caller]
    pub fn expect_shown(self, words: &str) -> Self {
        self.0.expect_shown(words);
        self
    }

    pub fn search(self, text: &str) -> Self {
        self.0.write("/").write(text).key(ENTER);
        self
    }

    pub fn key(self, c: char) -> Self {
        self.0.key(KeyCode::Char(c));
        self
    }

    pub fn close(self) -> Row<'a> {
        self.0.key(ESC).key(ESC);
        Row(self.0)
    }
}
