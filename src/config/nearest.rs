//! "Did you mean …?"

/// The candidate that is most like `word`, if any is like it at all: at most a third of its letters differ.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = (word.chars().count().max(3)).div_ceil(3);
    let near = candidates.into_iter().map(|c| (distance(&word.to_lowercase(), &c.to_lowercase()), c));
    near.filter(|(d, _)| *d <= bound).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// `: did you mean X? Allowed: …`, to be put behind "there is no …".
pub(super) fn advice<'a>(word: &str, allowed: impl IntoIterator<Item = &'a str>) -> String {
    let allowed: Vec<_> = allowed.into_iter().collect();
    let list = allowed.join(", ");
    match nearest(word, allowed) {
        Some(meant) => format!(": did you mean `{meant}`? Allowed: {list}"),
        None => format!("; allowed: {list}"),
    }
}

/// Letters to insert, drop, replace or swap to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(x != y);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let names = ["good", "bad", "warning", "half-page-down"];
        for (typed, meant) in [("god", "good"), ("Wraning", "warning"), ("half-page-donw", "half-page-down")] {
            assert_eq!(nearest(typed, names), Some(meant));
        }
        assert_eq!(nearest("zebra", names), None);
    }
}
