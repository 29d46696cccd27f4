//! Where somebody is, was, and wants to come back to: the way back and forth, and bookmarks.

use super::{
    input::Line,
    state::{State, View},
    tree::RowId,
};
use crate::fleet::{Selection, Uid};
use std::collections::BTreeMap;

/// Most places of a history.
const LONGEST: usize = 100;

/// What the cursor is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    Row(RowId),
    /// A row of a flat list, by UID.
    Item(Option<Uid>),
}

/// A view with its filter and the row that the cursor is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub view: View,
    pub filter: String,
    pub problems_only: bool,
    pub spot: Spot,
}

impl Location {
    pub fn of(state: &State) -> Self {
        let spot = match state.view {
            View::Fleet => Spot::Row(state.tree.cursor.clone()),
            View::Operations => Spot::Item(state.operations.cursor.clone()),
            View::Machines => Spot::Item(state.table.list.cursor.clone()),
            View::Events => Spot::Item(state.events.cursor.clone()),
            View::Hosts => Spot::Item(state.hosts.list.cursor.clone()),
        };
        Self { view: state.view, filter: state.line().value().to_owned(), problems_only: state.problems_only, spot }
    }

    /// The same list, whatever the row.
    fn is_same_list(&self, other: &Self) -> bool {
        (self.view, &self.filter, self.problems_only) == (other.view, &other.filter, other.problems_only)
    }

    /// What it is called: the object under the cursor, or the view.
    pub fn title(&self, state: &State) -> String {
        let snapshot = &state.snapshot;
        let uid = match &self.spot {
            Spot::Row(row) => row.uid(),
            Spot::Item(uid) => uid.as_ref(),
        };
        let named = uid.and_then(|uid| snapshot.find(uid)).map(|found| match found {
            Selection::Cluster(node) => node.row.name.to_string(),
            Selection::Pool(cluster, node) => format!("{}/{}", cluster.row.name, node.row.short_name),
            Selection::Machine(machine) => machine.name.to_string(),
            Selection::Operation(operation) => operation.name.to_string(),
        });
        let mut title = named.unwrap_or_else(|| self.view.title().to_lowercase());
        if !self.filter.is_empty() {
            title += &format!("  / {}", self.filter);
        }
        title
    }
}

/// Sets the filter of the view that is shown; the row is the caller's to find.
pub fn set_list(state: &mut State, location: &Location) {
    *state.line_mut() = Line::with(&location.filter);
    state.problems_only = location.problems_only;
}

/// The places that were, in their order, and at which of them we are.
#[derive(Clone, Debug, Default)]
pub struct History {
    places: Vec<Location>,
    at: usize,
    /// At which one we were before the last jump.
    before: usize,
}

impl History {
    /// We are here now. `is_step`: within a list the cursor only moved, which makes no place of its own.
    pub fn note(&mut self, here: Location, is_step: bool) {
        let Some(last) = self.places.get_mut(self.at) else {
            self.places.push(here);
            return;
        };
        if *last == here {
            return;
        }
        if is_step && last.is_same_list(&here) {
            *last = here;
            return;
        }
        self.before = self.at;
        self.places.truncate(self.at + 1);
        self.places.push(here);
        if self.places.len() > LONGEST {
            self.places.remove(0);
            self.before = self.before.saturating_sub(1);
        }
        self.at = self.places.len() - 1;
    }

    /// One place back or forward.
    pub fn step(&mut self, forward: bool) -> Option<Location> {
        let to = if forward { self.at + 1 } else { self.at.checked_sub(1)? };
        self.go(to)
    }

    /// The place where we were before this one.
    pub fn swap(&mut self) -> Option<Location> {
        if self.before == self.at { None } else { self.go(self.before) }
    }

    fn go(&mut self, to: usize) -> Option<Location> {
        let place = self.places.get(to)?.clone();
        (self.before, self.at) = (self.at, to);
        Some(place)
    }
}

/// What a letter is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Set,
    Jump,
}

/// Places with a letter.
pub type Bookmarks = BTreeMap<char, Location>;

#[cfg(test)]
mod tests {
    use super::*;

    fn place(view: View, uid: &str) -> Location {
        Location { view, filter: String::new(), problems_only: false, spot: Spot::Item(uid.parse().ok()) }
    }

    /// Places in the order in which they are visited, `.uid` for a step; then `[`, `]` and `-`.
    fn check(visits: &str, keys: &str, wanted: &str) {
        let mut history = History::default();
        for visit in visits.split_whitespace() {
            let (is_step, uid) = visit.strip_prefix('.').map_or((false, visit), |uid| (true, uid));
            history.note(place(View::Machines, uid), is_step);
        }
        let mut seen = Vec::new();
        for key in keys.chars() {
            let place = match key {
                '[' => history.step(false),
                ']' => history.step(true),
                _ => history.swap(),
            };
            seen.push(match place.map(|place| place.spot) {
                Some(Spot::Item(Some(uid))) => uid.to_string(),
                _ => "-".to_owned(),
            });
        }
        assert_eq!(seen.join(" "), wanted, "{visits} then {keys}");
    }

    #[test]
    fn back_and_forth_goes_over_places_and_not_over_steps() {
        check("a b c", "[[[]", "b a - b");
        check("a b .c .d e", "[]", "d e");
        check("a a a", "[", "-");
        check("a b c", "---", "b c b");
        check("a", "-]", "- -");
    }

    #[test]
    fn a_new_place_ends_the_way_forward_and_the_history_is_bounded() {
        let mut history = History::default();
        for uid in ["a", "b", "c"] {
            history.note(place(View::Fleet, uid), false);
        }
        history.step(false);
        history.note(place(View::Fleet, "d"), false);
        assert_eq!(history.step(true), None);
        for i in 0..LONGEST * 2 {
            history.note(place(View::Fleet, &i.to_string()), false);
        }
        let back = std::iter::from_fn(|| history.step(false)).count();
        assert_eq!(back, LONGEST - 1);
    }
}
