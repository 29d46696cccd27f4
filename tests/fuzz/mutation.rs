//! Ways to break an example: what editors, disks, other versions and people with bad intent do to a text.

use proptest::{collection::vec, prelude::*, sample::Index};

/// One place that is broken. Places are relative, so that a mutation fits any example.
#[derive(Clone, Debug)]
pub enum Mutation {
    Flip {
        at: Index,
        bit: u8,
    },
    Insert {
        at: Index,
        piece: Index,
    },
    Cut {
        at: Index,
        length: u8,
    },
    Repeat {
        at: Index,
        length: u8,
        times: u16,
    },
    Truncate {
        at: Index,
    },
    DropLine {
        line: Index,
    },
    CopyLine {
        line: Index,
        to: Index,
        times: u8,
    },
    Indent {
        line: Index,
        by: u8,
    },
    /// Behind the first colon of a line stands something else.
    Value {
        line: Index,
        piece: Index,
    },
    /// The digits at or after a place become another number.
    Number {
        at: Index,
        number: Index,
    },
    Nest {
        at: Index,
        how: Index,
        depth: u16,
    },
    /// From there on it is another example.
    Splice {
        at: Index,
        other: Index,
        from: Index,
    },
}

/// What is put in: what means something to one of the readers, and what means nothing to any.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\x1b[2J",
    b"\x7f",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "é".as_bytes(),
    "👩‍👩‍👧".as_bytes(),
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\"",
    b"'",
    b"`",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"/",
    b"//",
    b"..",
    b":",
    b": ",
    b",",
    b"-",
    b"- ",
    b"--- ",
    b"...",
    b"#",
    b"{",
    b"}",
    b"[",
    b"]",
    b"{}",
    b"[]",
    b"&a",
    b"*a",
    b"&a [*a,*a,*a,*a]",
    b"<<: *a",
    b"!!binary x",
    b"!!int x",
    b"|",
    b">",
    b"|9\n",
    b"? ",
    b"@",
    b"%",
    b"%00",
    b"%ff",
    b"%",
    b"%zz",
    b"null",
    b"~",
    b"true",
    b"no",
    b"NaN",
    b".inf",
    b"-.nan",
    b"1e999",
    b"0x7f",
    b"0o17",
    b"{{",
    b"}}",
    b"{{ vars.x }}",
    b"{% for a in range(99) %}",
    b"{#",
    b"$x",
    b"$(",
    b"=",
    b"!=",
    b"~",
    b"!",
    b"^",
    b"*",
    b"?",
    b"(",
    b")",
    b"&",
    b";",
    b"2026-02-30T25:61:61Z",
    b"-0",
    b"",
];

const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "255",
    "256",
    "65536",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1e400",
    "0.1",
    "1e-400",
    "99999999999999999999999999999999999999999999",
    "00",
    "1_000",
    "0b1",
];

const NESTS: &[&[u8]] =
    &[b"[", b"{\"a\":", b"{a: ", b"- ", b"(", b"!", b"&a [", b"a:\n ", b"> ", b"?", b"{{", b"x.", b"\"", b"[{\"a\":["];

/// Longest result. Readers have limits of their own; here the time for a test is the limit.
const LONGEST: usize = 128 * 1024;

/// An example, and what is done to it.
#[derive(Clone, Debug)]
pub struct Broken {
    pub example: Index,
    pub mutations: Vec<Mutation>,
}

pub fn broken() -> impl Strategy<Value = Broken> {
    (any::<Index>(), mutations(6)).prop_map(|(example, mutations)| Broken { example, mutations })
}

pub fn mutations(most: usize) -> impl Strategy<Value = Vec<Mutation>> {
    vec(mutation(), 0..=most)
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    // Mostly shallow: what is deep is refused early, and then nothing else is tried.
    let depth = prop_oneof![4 => 1..8_u16, 1 => 8..300_u16, 1 => 1_000..20_000_u16];
    prop_oneof![
        2 => (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        4 => (at(), at()).prop_map(|(at, piece)| Mutation::Insert { at, piece }),
        2 => (at(), 1..40_u8).prop_map(|(at, length)| Mutation::Cut { at, length }),
        1 => (at(), 1..40_u8, 1..2_000_u16).prop_map(|(at, length, times)| Mutation::Repeat { at, length, times }),
        1 => at().prop_map(|at| Mutation::Truncate { at }),
        2 => at().prop_map(|line| Mutation::DropLine { line }),
        2 => (at(), at(), 1..20_u8).prop_map(|(line, to, times)| Mutation::CopyLine { line, to, times }),
        1 => (at(), 0..9_u8).prop_map(|(line, by)| Mutation::Indent { line, by }),
        4 => (at(), at()).prop_map(|(line, piece)| Mutation::Value { line, piece }),
        2 => (at(), at()).prop_map(|(at, number)| Mutation::Number { at, number }),
        1 => (at(), at(), depth).prop_map(|(at, how, depth)| Mutation::Nest { at, how, depth }),
        1 => (at(), at(), at()).prop_map(|(at, other, from)| Mutation::Splice { at, other, from }),
    ]
}

impl Broken {
    pub fn bytes<T: AsRef<[u8]>>(&self, examples: &[T]) -> Vec<u8> {
        let example = examples[self.example.index(examples.len())].as_ref();
        apply(&self.mutations, example, examples)
    }
}

/// Breaks a text; `others` are spliced in.
pub fn apply<T: AsRef<[u8]>>(mutations: &[Mutation], text: &[u8], others: &[T]) -> Vec<u8> {
    let mut text = text.to_vec();
    for mutation in mutations {
        text = mutation.apply(text, others);
        text.truncate(LONGEST);
    }
    text
}

impl Mutation {
    fn apply<T: AsRef<[u8]>>(&self, mut text: Vec<u8>, others: &[T]) -> Vec<u8> {
        let place = |at: &Index, text: &[u8]| at.index(text.len() + 1);
        match self {
            Self::Flip { at, bit } => {
                if !text.is_empty() {
                    let at = at.index(text.len());
                    text[at] ^= 1 << bit;
                }
            }
            Self::Insert { at, piece } => {
                let at = place(at, &text);
                text.splice(at..at, PIECES[piece.index(PIECES.len())].iter().copied());
            }
            Self::Cut { at, length } => {
                let from = place(at, &text);
                let to = (from + usize::from(*length)).min(text.len());
                text.drain(from..to);
            }
            Self::Repeat { at, length, times } => {
                let from = place(at, &text);
                let to = (from + usize::from(*length)).min(text.len());
                let again = text[from..to].repeat(usize::from(*times));
                text.splice(to..to, again);
            }
            Self::Truncate { at } => text.truncate(place(at, &text)),
            Self::Number { at, number } => {
                let from = place(at, &text);
                let from = from + text[from..].iter().position(u8::is_ascii_digit).unwrap_or(0);
                let to = from + text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                text.splice(from..to, NUMBERS[number.index(NUMBERS.len())].bytes());
            }
            Self::Nest { at, how, depth } => {
                let at = place(at, &text);
                let deep = NESTS[how.index(NESTS.len())].repeat(usize::from(*depth));
                text.splice(at..at, deep);
            }
            Self::Splice { at, other, from } => {
                text.truncate(place(at, &text));
                let other = others[other.index(others.len())].as_ref();
                text.extend(&other[place(from, other)..]);
            }
            Self::DropLine { .. } | Self::CopyLine { .. } | Self::Indent { .. } | Self::Value { .. } => {
                return self.in_lines(&text);
            }
        }
        text
    }

    fn in_lines(&self, text: &[u8]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        if lines.is_empty() {
            return Vec::new();
        }
        let count = lines.len();
        match self {
            Self::DropLine { line } => drop(lines.remove(line.index(count))),
            Self::CopyLine { line, to, times } => {
                let copies = vec![lines[line.index(count)].clone(); usize::from(*times)];
                let to = to.index(count + 1);
                lines.splice(to..to, copies);
            }
            Self::Indent { line, by } => {
                let line = &mut lines[line.index(count)];
                let text = line.trim_ascii_start().to_vec();
                *line = [vec![b' '; usize::from(*by)], text].concat();
            }
            Self::Value { line, piece } => {
                let line = &mut lines[line.index(count)];
                let colon = line.iter().position(|byte| *byte == b':').map_or(0, |at| at + 1);
                line.truncate(colon);
                line.extend([b" ", PIECES[piece.index(PIECES.len())], b"\n"].concat());
            }
            _ => {}
        }
        lines.concat()
    }
}
