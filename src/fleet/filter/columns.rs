//! The same language for other lists: each says which columns it has, and a key that is none of them is a mistake, not a label.
//!
//! What stands there are sentences rather than names, so words are taken as they are written, not as letters in their order.

use super::{Filter, FilterError, Scratch, Term, atom_is_positive, fields::Field, parse};
use nucleo_matcher::pattern::AtomKind;

/// A column of a list.
#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    /// Other words for it.
    pub aliases: &'static [&'static str],
    /// What may stand there; empty: anything.
    pub values: &'static [&'static str],
}

impl Column {
    pub const fn of(name: &'static str, aliases: &'static [&'static str]) -> Self {
        Self { name, aliases, values: &[] }
    }

    pub const fn with(self, values: &'static [&'static str]) -> Self {
        Self { values, ..self }
    }

    fn is_called(&self, key: &str) -> bool {
        let same = |name: &&str| name.eq_ignore_ascii_case(key);
        same(&self.name) || self.aliases.iter().any(same)
    }
}

/// A row of such a list.
pub trait Row {
    fn is_problem(&self) -> bool;
    /// What words are looked for in.
    fn words(&self) -> Vec<&str>;
    /// What stands in a column, by its name: nothing, one thing, or several of which one is enough.
    fn column(&self, name: &str) -> Vec<&str>;
}

impl Filter {
    /// Reads a filter for a list with these columns; blank text is the empty one.
    pub fn parse_for(text: &str, columns: &'static [Column]) -> Result<Self, FilterError> {
        let mut terms = parse::terms_of(text, columns)?;
        for term in &mut terms {
            if let Term::Word(atom) = term
                && atom.kind == AtomKind::Fuzzy
            {
                atom.kind = AtomKind::Substring;
            }
        }
        Ok(Self { terms })
    }

    /// Whether one of these columns decides.
    pub fn asks_for(&self, columns: &[&str]) -> bool {
        let of_these =
            |term: &Term| matches!(term, Term::Field { field: Field::Label(name), .. } if columns.contains(&&**name));
        self.terms.iter().any(of_these)
    }

    /// Takes a row of a list whose columns it was read for.
    pub fn row(&self, row: &impl Row, scratch: &mut Scratch) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Problems => row.is_problem(),
            Term::Word(atom) => {
                let mut found = row.words().into_iter().map(|text| scratch.find(atom, [Some(text)]));
                // A negated word is found where it is not: it has to be nowhere.
                if atom_is_positive(atom) { found.any(|has| has) } else { found.all(|has| has) }
            }
            Term::Field { field: Field::Label(column), test, values } => {
                let there = row.column(column);
                match (there.as_slice(), test.holds(None, values)) {
                    ([], is_negated) => is_negated,
                    (several, true) => several.iter().all(|value| test.holds(Some(value), values)),
                    (several, false) => several.iter().any(|value| test.holds(Some(value), values)),
                }
            }
            Term::Field { .. } => false,
        })
    }
}

/// The column that a key means, or what is wrong with the key.
pub(super) fn column(columns: &'static [Column], key: &str) -> Result<&'static Column, String> {
    columns.iter().find(|column| column.is_called(key)).ok_or_else(|| {
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        format!("there is no column `{key}` here; there is {}", names.join(", "))
    })
}

/// What is wrong with a value, where there are only so many.
pub(super) fn unknown(column: &Column, value: &str) -> Option<String> {
    let known = column.values.is_empty() || column.values.iter().any(|known| known.eq_ignore_ascii_case(value));
    (!known).then(|| format!("there is no `{value}` in {}; there is {}", column.name, column.values.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] =
        &[Column::of("who", &["by"]), Column::of("type", &[]).with(&["Warning", "Normal"]), Column::of("machine", &[])];

    struct Said(&'static str, bool, &'static [&'static str]);

    impl Row for Said {
        fn is_problem(&self) -> bool {
            self.1
        }

        fn words(&self) -> Vec<&str> {
            vec![self.0, "of the fleet"]
        }

        fn column(&self, name: &str) -> Vec<&str> {
            match name {
                "who" => vec![self.0],
                "machine" => self.2.to_vec(),
                "type" => vec![if self.1 { "Warning" } else { "Normal" }],
                other => panic!("{other} is no column"),
            }
        }
    }

    fn check(text: &str, wanted: &str) {
        let filter = Filter::parse_for(text, COLUMNS).unwrap_or_else(|error| panic!("{text}: {error}"));
        let rows =
            [Said("alice", false, &["m-1", "m-2"]), Said("bob", true, &[]), Said("bob the second", false, &["m-1"])];
        let mut scratch = Scratch::default();
        let taken: Vec<&str> = rows.iter().filter(|row| filter.row(*row, &mut scratch)).map(|row| row.0).collect();
        assert_eq!(taken.join(", "), wanted, "{text}");
    }

    #[test]
    fn rows_are_taken_by_words_and_columns() {
        check("", "alice, bob, bob the second");
        check("BOB", "bob, bob the second");
        check("fleet", "alice, bob, bob the second");
        check("bt", "");
        check("!bob", "alice");
        check("^al", "alice");
        check("!", "bob");
        check("who=bob", "bob");
        check("by:bob !second", "bob");
        check("Who~second", "bob the second");
        check("machine=m-2", "alice");
        check("machine=m-1", "alice, bob the second");
        check("machine!=m-2", "bob, bob the second");
        check("machine!~m", "bob");
        check("type=warning,normal who!=alice", "bob, bob the second");
    }

    #[test]
    fn what_is_no_column_is_a_sentence() {
        let refused = |text: &str| Filter::parse_for(text, COLUMNS).expect_err(text).to_string();
        assert_eq!(refused("bob rack=r12"), "column 5: there is no column `rack` here; there is who, type, machine");
        assert_eq!(refused("type=odd"), "column 6: there is no `odd` in type; there is Warning, Normal");
        assert_eq!(refused("who="), "column 5: a value is missing behind `who=`");
    }
}
