//! A sorted list of machines that is cheap to copy and cheap to change: chunks behind `Arc`, copied when first written.
//!
//! A pool may hold 100,000 machines, and a snapshot is published many times a second: copying the list costs one
//! reference count for each chunk, and a change after that copies one chunk.

use std::{cmp::Ordering, ops::Range, sync::Arc};

use super::rows::MachineRow;

/// A chunk is split when it grows past this.
const CHUNK: usize = 96;

type Chunk = Arc<Vec<Arc<MachineRow>>>;

/// Machines, problems first, then by name. Immutable as part of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Machines {
    chunks: Vec<Chunk>,
    len: usize,
}

/// Problems first, then by name; the UID only makes it total.
pub(super) fn order(a: &MachineRow, b: &MachineRow) -> Ordering {
    (a.health, natural(&a.name, &b.name)).cmp(&(b.health, Ordering::Equal)).then_with(|| a.uid.cmp(&b.uid))
}

/// Names as people order them: `m-2` before `m-10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (Some(p), Some(q)) if p.is_ascii_digit() && q.is_ascii_digit() => {
                let ((mine, after_mine), (theirs, after_theirs)) = (number(left), number(right));
                match mine.len().cmp(&theirs.len()).then_with(|| mine.cmp(theirs)) {
                    Ordering::Equal => (left, right) = (after_mine, after_theirs),
                    other => return other,
                }
            }
            (Some(p), Some(q)) if p == q => (left, right) = (&left[1..], &right[1..]),
            // Equal up to leading zeros: the bytes decide, so that the order is total.
            (None, None) => return a.cmp(b),
            (p, q) => return p.cmp(&q),
        }
    }
}

/// The digits at the start, without leading zeros, and what follows them.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let zeros = text[..end].iter().take_while(|b| **b == b'0').count();
    (&text[zeros..end], &text[end..])
}

impl Machines {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The same in parts: one that is the same allocation as before holds the same machines as before.
    pub fn chunks(&self) -> &[Arc<Vec<Arc<MachineRow>>>] {
        &self.chunks
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<MachineRow>> {
        self.chunks.iter().flat_map(|c| c.iter())
    }

    /// The machine at a position. Skips whole chunks, so it costs about `len / 96`.
    pub fn at(&self, index: usize) -> Option<&Arc<MachineRow>> {
        self.range(index..index.saturating_add(1)).next()
    }

    /// The machines at `range`, as far as there are any: what a window of a list draws.
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = &Arc<MachineRow>> {
        let mut skip = range.start;
        let mut first = self.chunks.len();
        for (at, chunk) in self.chunks.iter().enumerate() {
            if skip < chunk.len() {
                first = at;
                break;
            }
            skip -= chunk.len();
        }
        self.chunks[first..].iter().flat_map(|c| c.iter()).skip(skip).take(range.len())
    }

    /// Where a machine stands; `None` if exactly this row is not here.
    pub fn position(&self, machine: &MachineRow) -> Option<usize> {
        let (chunk, at) = self.find(machine).ok()?;
        Some(self.chunks[..chunk].iter().map(|c| c.len()).sum::<usize>() + at)
    }

    fn find(&self, machine: &MachineRow) -> Result<(usize, usize), (usize, usize)> {
        let after = |chunk: &Chunk| chunk.last().is_some_and(|last| order(last, machine) == Ordering::Less);
        let chunk = self.chunks.partition_point(after).min(self.chunks.len().saturating_sub(1));
        let Some(rows) = self.chunks.get(chunk) else { return Err((0, 0)) };
        rows.binary_search_by(|row| order(row, machine)).map(|at| (chunk, at)).map_err(|at| (chunk, at))
    }

    pub(super) fn insert(&mut self, machine: Arc<MachineRow>) {
        match self.find(&machine) {
            Ok((chunk, at)) => Arc::make_mut(&mut self.chunks[chunk])[at] = machine,
            Err((chunk, at)) => {
                self.len += 1;
                if self.chunks.is_empty() {
                    self.chunks.push(Arc::new(vec![machine]));
                    return;
                }
                let rows = Arc::make_mut(&mut self.chunks[chunk]);
                rows.insert(at, machine);
                if rows.len() > CHUNK {
                    // Appending fills chunks nearly up; anything else halves them.
                    let half = if at + 1 == rows.len() { CHUNK - 8 } else { CHUNK / 2 };
                    let upper = rows.split_off(half);
                    self.chunks.insert(chunk + 1, Arc::new(upper));
                }
            }
        }
    }

    pub(super) fn remove(&mut self, machine: &MachineRow) -> bool {
        let Ok((chunk, at)) = self.find(machine) else { return false };
        let rows = Arc::make_mut(&mut self.chunks[chunk]);
        rows.remove(at);
        self.len -= 1;
        if rows.is_empty() {
            self.chunks.remove(chunk);
        } else if rows.len() < CHUNK / 4 && chunk > 0 && self.chunks[chunk - 1].len() < CHUNK / 2 {
            let rows = self.chunks.remove(chunk);
            Arc::make_mut(&mut self.chunks[chunk - 1]).extend(rows.iter().cloned());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_people_do() {
        let mut names = ["m-10", "m-2", "m-02", "a", "m", "m-2b", "m-1-9", "m-1-10"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "m", "m-1-9", "m-1-10", "m-02", "m-2", "m-2b", "m-10"]);
    }
}
