//! The language behind `/` and behind `quarterdeck get`: which rows are shown.
//!
//! Terms stand beside each other and must all hold:
//!
//! | Term | Takes |
//! |---|---|
//! | `gpu` | letters are fuzzy, in the name, node, pool, cluster or address |
//! | `r12`, `'gpu`, `^m-`, `!spare` | with a digit or a `'`: as it stands; `^` begins so; `!` has it not |
//! | `state=failed,notready` | equal to one of these, whatever the case |
//! | `state!=ready` | the opposite; also what has no such thing |
//! | `version:1.34` `message~pdb` `message!~pdb` | begins so; contains; does not contain |
//! | `rack=r12` | any label, by its whole key or by the part after the `/` |
//! | `!` | problems only |
//!
//! Keys: `state health phase context cluster pool role version node name address operation reason ready`. What a value has spaces
//! in stands in `"…"`. Lists of something else have [columns of their own](Column).

use std::sync::Arc;

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{Atom, AtomKind, CaseMatching, Normalization},
};

use super::{
    machines::Machines,
    rows::{ClusterRow, EventRow, Health, MachineRow, OperationRow, PoolRow},
    snapshot::{PoolNode, Snapshot},
    uid::ContextId,
};

mod columns;
mod fields;
mod parse;

pub use columns::{Column, Row};
use fields::Field;
pub use parse::FilterError;

/// A filter, ready to be applied. The empty one takes everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Word(Atom),
    Problems,
    Field { field: Field, test: Test, values: Vec<String> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    Begins,
    Contains,
    ContainsNot,
}

/// Room to work in, used again and again: make one for each pass, not one for each row.
pub struct Scratch {
    matcher: Matcher,
    characters: Vec<char>,
    /// What the contexts are called, where there are several.
    contexts: Vec<Arc<str>>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { matcher: Matcher::new(Config::DEFAULT), characters: Vec::new(), contexts: Vec::new() }
    }
}

impl Filter {
    /// Reads a filter; blank text is the empty one.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::terms(text).map(|terms| Self { terms })
    }

    /// It takes everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Takes a machine; `pool` is the one that claimed it, for `role`.
    pub fn machine(&self, machine: &MachineRow, pool: Option<&PoolRow>, scratch: &mut Scratch) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Problems => machine.health.is_problem(),
            Term::Word(atom) => scratch.find(
                atom,
                [
                    Some(&*machine.name),
                    machine.node_name(),
                    pool.map(|p| &*p.short_name).or(machine.pool.as_deref()),
                    machine.cluster.as_deref(),
                    Some(&*machine.address),
                ],
            ),
            Term::Field { field: Field::Context, test, values } if scratch.names_contexts() => {
                test.holds(scratch.name(machine.uid.context), values)
            }
            Term::Field { field, test, values } => field.of_machine(machine, pool, |value| test.holds(value, values)),
        })
    }

    /// Takes a pool with all its machines: it has only terms about pools, and they hold.
    pub fn pool(&self, node: &PoolNode, scratch: &mut Scratch) -> bool {
        let (pool, health) = (&node.row, node.health);
        self.terms.iter().all(|term| match term {
            // A pool with a problem still has machines without one.
            Term::Problems => health.is_problem() && node.machines.is_empty(),
            Term::Word(atom) => {
                atom_is_positive(atom)
                    && scratch.find(atom, [Some(&*pool.short_name), Some(&*pool.name), Some(&*pool.cluster)])
            }
            Term::Field { field: Field::Context, test, values } if scratch.names_contexts() => {
                test.holds(scratch.name(pool.uid.context), values)
            }
            Term::Field { field, test, values } => {
                field.is_of_pools() && field.of_pool(pool, health, |value| test.holds(value, values))
            }
        })
    }

    /// Takes a row of a list of pools, by all that is known of the pool.
    pub fn pool_row(&self, pool: &PoolRow, health: Health, scratch: &mut Scratch) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Problems => health.is_problem(),
            Term::Word(atom) => scratch.find(atom, [Some(&*pool.name), Some(&*pool.cluster)]),
            Term::Field { field: Field::Context, test, values } if scratch.names_contexts() => {
                test.holds(scratch.name(pool.uid.context), values)
            }
            Term::Field { field, test, values } => field.of_pool(pool, health, |value| test.holds(value, values)),
        })
    }

    /// Takes a cluster by itself, whatever its pools are.
    pub fn cluster(&self, cluster: &ClusterRow, health: Health, scratch: &mut Scratch) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Problems => health.is_problem(),
            Term::Word(atom) => scratch.find(atom, [Some(&*cluster.name)]),
            Term::Field { field: Field::Context, test, values } if scratch.names_contexts() => {
                test.holds(scratch.name(cluster.uid.context), values)
            }
            Term::Field { field, test, values } => field.of_cluster(cluster, health, |value| test.holds(value, values)),
        })
    }

    pub fn operation(&self, operation: &OperationRow, scratch: &mut Scratch) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Problems => operation.health().is_problem(),
            Term::Word(atom) => scratch.find(
                atom,
                [
                    Some(&*operation.name),
                    operation.pool.as_deref(),
                    Some(&*operation.cluster),
                    operation.by.as_deref(),
                    operation.reason.as_deref(),
                ],
            ),
            Term::Field { field: Field::Context, test, values } if scratch.names_contexts() => {
                test.holds(scratch.name(operation.uid.context), values)
            }
            Term::Field { field, test, values } => field.of_operation(operation, |value| test.holds(value, values)),
        })
    }

    pub fn event(&self, event: &EventRow, scratch: &mut Scratch) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Problems => event.warning,
            Term::Word(atom) => scratch.find(atom, [Some(&*event.name), Some(&*event.reason), Some(&*event.message)]),
            Term::Field { field: Field::Context, test, values } if scratch.names_contexts() => {
                test.holds(scratch.name(event.uid.context), values)
            }
            Term::Field { field, test, values } => field.of_event(event, |value| test.holds(value, values)),
        })
    }

    /// All machines that it takes, in tree order, the idle ones last. For 100,000 machines this is work for another
    /// thread: see the benchmark.
    pub fn machines(&self, snapshot: &Snapshot) -> Vec<Arc<MachineRow>> {
        let mut scratch = Scratch::of(snapshot);
        let mut taken = Vec::new();
        for (_, pool) in snapshot.pools() {
            if self.pool(pool, &mut scratch) {
                taken.extend(pool.machines.iter().cloned());
                continue;
            }
            let rows = pool.machines.iter();
            taken.extend(rows.filter(|m| self.machine(m, Some(&pool.row), &mut scratch)).cloned());
        }
        let idle = snapshot.contexts().filter_map(|context| snapshot.idle(context)).flat_map(Machines::iter);
        taken.extend(idle.filter(|m| self.machine(m, None, &mut scratch)).cloned());
        taken
    }
}

impl Scratch {
    /// For rows of this snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let name = |context| snapshot.part(context).map(|part| part.name.clone());
        Self { contexts: snapshot.contexts().filter_map(name).collect(), ..Self::default() }
    }

    fn names_contexts(&self) -> bool {
        !self.contexts.is_empty()
    }

    fn name(&self, context: ContextId) -> Option<&str> {
        self.contexts.get(context.index()).map(AsRef::as_ref)
    }

    /// One of the texts has it; for a negated word: none of them.
    fn find<const N: usize>(&mut self, atom: &Atom, texts: [Option<&str>; N]) -> bool {
        let mut has = |text: &str| atom.score(Utf32Str::new(text, &mut self.characters), &mut self.matcher).is_some();
        let mut texts = texts.into_iter().flatten();
        if atom_is_positive(atom) { texts.any(&mut has) } else { texts.all(&mut has) }
    }
}

fn atom_is_positive(atom: &Atom) -> bool {
    !atom.negative
}

impl Test {
    /// `value` is `None` where the row has no such thing.
    fn holds(self, value: Option<&str>, wanted: &[String]) -> bool {
        let any = |test: fn(&str, &str) -> bool| value.is_some_and(|v| wanted.iter().any(|w| test(v, w)));
        match self {
            Self::Equal => any(str::eq_ignore_ascii_case),
            Self::NotEqual => !any(str::eq_ignore_ascii_case),
            Self::Begins => any(begins),
            Self::Contains => any(contains),
            Self::ContainsNot => !any(contains),
        }
    }
}

fn begins(text: &str, with: &str) -> bool {
    text.as_bytes().get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
}

fn contains(text: &str, part: &str) -> bool {
    part.is_empty() || text.as_bytes().windows(part.len()).any(|w| w.eq_ignore_ascii_case(part.as_bytes()))
}

/// Letters are fuzzy; what has a digit in it is a name of something, and is meant as it stands.
fn word(text: &str) -> Atom {
    let mut atom = Atom::parse(text, CaseMatching::Ignore, Normalization::Smart);
    if atom.kind == AtomKind::Fuzzy && text.chars().any(|c| c.is_ascii_digit()) {
        atom.kind = AtomKind::Substring;
    }
    atom
}

#[cfg(test)]
mod tests;
