//! A name that is not there, answered with those that are.

/// Names that are listed; of the rest only the number is said.
const NAMED: usize = 8;
/// How alike two names are, from 0 to 1, before one is taken for a slip of the other.
const ALIKE: f64 = 0.8;

/// `did you mean m-12?`, or else the first names that there are.
pub fn suggestion<'a>(wanted: &str, begin: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let alike = |name: &&&str| strsim::jaro_winkler(wanted, name);
    let nearest = known.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    match nearest.filter(|n| known.len() > NAMED && alike(n) >= ALIKE) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => some(begin, &known),
    }
}

fn some(begin: &str, names: &[&str]) -> String {
    match names {
        [] => "there are none in this namespace: check --namespace".to_owned(),
        few if few.len() <= NAMED => format!("{begin} {}", few.join(", ")),
        many => format!("{begin} {} and {} more", many[..NAMED].join(", "), many.len() - NAMED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_names_are_listed_and_among_many_the_nearest_is_suggested() {
        let many: Vec<String> = (0..20).map(|n| format!("machine-{n}")).collect();
        let check = |wanted: &str, expected: &str| {
            assert_eq!(suggestion(wanted, "there are", many.iter().map(String::as_str)), expected);
        };
        check("machin-17", "did you mean machine-17?");
        let first: Vec<_> = many[..8].iter().map(String::as_str).collect();
        check("zebra", &format!("there are {} and 12 more", first.join(", ")));
        assert_eq!(suggestion("bleu", "there are", ["blue"]), "there are blue");
        assert_eq!(suggestion("x", "there are", []), "there are none in this namespace: check --namespace");
    }
}
