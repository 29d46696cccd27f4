//! What goes to the terminal: as few bytes as it takes, and not one too few.

use super::{press, screen, state};
use crate::{
    config::Themes,
    console::{state::State, terminal, view::view},
};
use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
};

const SIZE: (u16, u16) = (160, 48);

/// A terminal that counts.
#[derive(Clone)]
struct Tty {
    shown: Rc<RefCell<vt100::Parser>>,
    bytes: Rc<RefCell<usize>>,
}

impl Write for Tty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shown.borrow_mut().process(bytes);
        *self.bytes.borrow_mut() += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes for each of the keys, from frame to frame; what the terminal shows is compared after each of them.
fn typed(state: &mut State, keys: &str) -> Vec<usize> {
    let (columns, rows) = SIZE;
    let cells = |n: u16| std::num::NonZeroU16::new(n).expect("a terminal has cells");
    let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
    let tty = Tty { shown: Rc::new(RefCell::new(parser)), bytes: Rc::default() };
    let themes = Themes::built_in();
    let theme = themes.find_or_default("dark");
    let mut out = terminal::screen(tty.clone(), columns, rows).expect("a screen of a stated size");
    let mut count = |state: &State| {
        let before = *tty.bytes.borrow();
        out.draw(|frame| view(state, theme, frame)).expect("a terminal that only counts");
        let shown = tty.shown.borrow().screen().contents();
        let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
        assert_eq!(shown.join("\n"), screen(state).trim_end());
        *tty.bytes.borrow() - before
    };
    count(state);
    let each = keys.split_whitespace().map(|key| {
        press(state, key);
        count(state)
    });
    each.collect()
}

/// Clusters that are not alike, each with pools, as in the bench.
fn fleet() -> State {
    let mut text = String::new();
    for cluster in 0..40 {
        text += &format!("cluster c-{cluster:03} version=1.34.2\n");
        for pool in 0..4 {
            text += &format!("pool p{pool:02} replicas=6\n");
            for machine in 0..6 {
                let moving = machine == 0 && cluster < 30 && pool == 0;
                let what = if moving { "Provisioning" } else { "Ready" };
                text += &format!("machine m-{cluster:03}-{pool:02}-{machine:03} {what} rack=r{machine:02}\n");
            }
        }
    }
    state(&text, SIZE)
}

#[test]
fn a_cursor_key_takes_few_bytes() {
    let mut state = fleet();
    let bytes = typed(&mut state, "j j j j j j j j j k k k k k k k k");
    // The first goes from one kind of row to another, and the detail is all new; every fifth the clock moves as well.
    let each = bytes[1..].iter().sum::<usize>() / (bytes.len() - 1);
    assert!(each <= 400, "{each} of {bytes:?}");
}

#[test]
fn what_is_shown_is_what_was_drawn() {
    let mut state = fleet();
    typed(&mut state, "j right j right G g j ? esc / x esc : esc 2 3 o O j 4 1 W s esc U up esc");
}
