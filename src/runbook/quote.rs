//! Where in a shell script a value stands, so that it can be quoted for exactly that place.
//!
//! This is not a parser of the shell: it knows quotes, comments, command substitution and here-documents, which is what
//! decides how a value has to be written. Whoever needs more writes the value to the environment of the step (`env`).

/// Writes a value as one word of a POSIX shell.
pub fn quote(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&b);
    if !value.is_empty() && value.bytes().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// The place of a value in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A word of its own, or a part of one.
    Bare,
    Single,
    Double,
    /// The body of a here-document; `literal` if its delimiter is quoted.
    Document {
        literal: bool,
    },
}

impl Place {
    /// The name of the filter that quotes for this place.
    pub(super) fn filter(self) -> &'static str {
        match self {
            Self::Bare => "shell_word",
            Self::Single => "shell_single",
            Self::Double => "shell_double",
            Self::Document { literal: false } => "shell_document",
            Self::Document { literal: true } => "shell_literal",
        }
    }

    pub(super) fn write(self, value: &str) -> String {
        match self {
            Self::Bare => quote(value),
            Self::Single => value.replace('\'', r"'\''"),
            Self::Double => escape(value, "\\$`\""),
            Self::Document { literal: false } => escape(value, "\\$`"),
            Self::Document { literal: true } => value.to_owned(),
        }
    }

    pub(super) const ALL: [Self; 5] =
        [Self::Bare, Self::Single, Self::Double, Self::Document { literal: false }, Self::Document { literal: true }];
}

fn escape(value: &str, special: &str) -> String {
    value.chars().flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// What a scan of a script found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The script, each `{{ value }}` with the filter for its place.
    pub marked: String,
    /// Shell variables outside quotes, where the shell would split their value: line (from 0) and name.
    pub unquoted: Vec<(usize, String)>,
}

pub(super) fn scan(script: &str) -> Scan {
    let mut scanner = Scanner { rest: script, ..Scanner::default() };
    while scanner.step() {}
    scanner.found
}

/// How deep in quotes and substitutions we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Single,
    Double,
    /// `$( … )`, with the number of open parentheses within.
    Command(usize),
    /// `$(( … ))`.
    Arithmetic(usize),
}

#[derive(Default)]
struct Scanner<'a> {
    rest: &'a str,
    frames: Vec<Frame>,
    /// The bare word so far, and the one before it.
    word: String,
    previous: String,
    /// Here-documents whose bodies begin at the next line break: delimiter and whether it was quoted.
    documents: Vec<(String, bool)>,
    line: usize,
    found: Scan,
}

impl Scanner<'_> {
    fn step(&mut self) -> bool {
        if self.rest.is_empty() {
            return false;
        }
        if self.rest.starts_with("{{") {
            self.value(self.place());
        } else if self.rest.starts_with("{%") {
            self.until("%}");
        } else if self.rest.starts_with("{#") {
            self.until("#}");
        } else {
            self.shell();
        }
        true
    }

    fn place(&self) -> Place {
        match self.frames.last() {
            Some(Frame::Single) => Place::Single,
            Some(Frame::Double) => Place::Double,
            _ => Place::Bare,
        }
    }

    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.found.marked.push_str(taken);
        self.rest = rest;
    }

    fn until(&mut self, end: &str) {
        self.take(self.rest.find(end).map_or(self.rest.len(), |at| at + end.len()));
    }

    /// `{{ expression }}` becomes `{{ (expression)|filter }}`.
    fn value(&mut self, place: Place) {
        let Some(end) = self.rest.find("}}") else { return self.take(self.rest.len()) };
        let inner = &self.rest[2..end];
        let open = if inner.starts_with('-') { "{{-" } else { "{{" };
        let close = if inner.ends_with('-') { "-}}" } else { "}}" };
        let expression = inner.trim_start_matches('-').trim_end_matches('-').trim();
        self.found.marked.push_str(&format!("{open} ({expression})|{} {close}", place.filter()));
        self.line += inner.matches('\n').count();
        self.rest = &self.rest[end + 2..];
        self.word.push('_');
    }

    fn shell(&mut self) {
        let c = self.rest.chars().next().expect("the rest is not empty");
        match self.frames.last().copied() {
            Some(Frame::Single) => {
                if c == '\'' {
                    self.frames.pop();
                }
                self.take(c.len_utf8());
            }
            Some(Frame::Double) => self.in_double(c),
            Some(Frame::Arithmetic(depth)) => self.in_arithmetic(c, depth),
            Some(Frame::Command(_)) | None => self.bare(c),
        }
    }

    fn in_double(&mut self, c: char) {
        match c {
            '"' => {
                self.frames.pop();
                self.take(1);
            }
            '\\' => self.escaped(),
            '$' if self.rest.starts_with("$(") => self.substitution(),
            _ => self.take(c.len_utf8()),
        }
    }

    fn in_arithmetic(&mut self, c: char, depth: usize) {
        let depth = match c {
            '(' => depth + 1,
            ')' => depth - 1,
            _ => depth,
        };
        self.take(c.len_utf8());
        self.frames.pop();
        if depth > 0 {
            self.frames.push(Frame::Arithmetic(depth));
        }
    }

    fn escaped(&mut self) {
        let bytes = self.rest.chars().take(2).map(char::len_utf8).sum();
        self.take(bytes);
    }

    fn substitution(&mut self) {
        if self.rest.starts_with("$((") {
            self.frames.push(Frame::Arithmetic(2));
            self.take(3);
        } else {
            self.frames.push(Frame::Command(1));
            self.take(2);
        }
        self.word.clear();
    }

    fn bare(&mut self, c: char) {
        match c {
            '\'' | '"' => {
                self.frames.push(if c == '"' { Frame::Double } else { Frame::Single });
                self.word.push(c);
                self.take(1);
            }
            '\\' => self.escaped(),
            '#' if self.word.is_empty() => self.take(self.rest.find('\n').unwrap_or(self.rest.len())),
            '$' => self.dollar(),
            '<' if self.rest.starts_with("<<") && !self.rest.starts_with("<<<") => self.document(),
            '(' | ')' => self.parenthesis(c),
            '\n' => {
                self.end_word();
                self.previous.clear();
                self.take(1);
                self.documents();
            }
            c if c.is_whitespace() || ";&|<>".contains(c) => {
                self.end_word();
                self.take(c.len_utf8());
            }
            c => {
                self.word.push(c);
                self.take(c.len_utf8());
            }
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.previous = std::mem::take(&mut self.word);
        }
    }

    fn parenthesis(&mut self, c: char) {
        self.end_word();
        self.take(1);
        if let Some(Frame::Command(depth)) = self.frames.pop() {
            let depth = if c == '(' { depth + 1 } else { depth - 1 };
            if depth > 0 {
                self.frames.push(Frame::Command(depth));
            } else {
                self.word.push('_');
            }
        }
    }

    fn dollar(&mut self) {
        if self.rest.starts_with("$(") {
            return self.substitution();
        }
        let after = self.rest[1..].trim_start_matches('{');
        let name: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        // An assignment and the subject of a `case` are not split.
        let unsplit = is_assignment(&self.word) || self.previous == "case";
        if !unsplit && (!name.is_empty() || after.starts_with(['*', '@'])) {
            let name = if name.is_empty() { after[..1].to_owned() } else { name };
            self.found.unquoted.push((self.line, name));
        }
        self.word.push('$');
        self.take(1);
    }

    /// `<<WORD`, `<<-WORD`, `<<'WORD'`.
    fn document(&mut self) {
        let after = self.rest[2..].trim_start_matches('-').trim_start_matches(' ');
        let word: String = after.chars().take_while(|c| !c.is_whitespace() && !";&|<>)".contains(*c)).collect();
        let skipped = self.rest.len() - after.len() + word.len();
        let literal = word.contains(['\'', '"', '\\']);
        self.documents.push((word.replace(['\'', '"', '\\'], ""), literal));
        self.take(skipped);
    }

    /// The bodies that begin here.
    fn documents(&mut self) {
        for (delimiter, literal) in std::mem::take(&mut self.documents) {
            while !self.rest.is_empty() {
                let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
                let last = self.rest[..end].trim() == delimiter;
                let stop = self.rest.len() - end;
                while self.rest.len() > stop {
                    match self.rest.find("{{").filter(|at| self.rest.len() - at > stop) {
                        Some(0) => self.value(Place::Document { literal }),
                        Some(at) => self.take(at),
                        None => self.take(self.rest.len() - stop),
                    }
                }
                if last {
                    break;
                }
            }
        }
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(script: &str, expected: &str) {
        assert_eq!(scan(script).marked, expected);
    }

    fn unquoted(script: &str, expected: &str) {
        let found: Vec<String> =
            scan(script).unquoted.into_iter().map(|(line, name)| format!("{line}:{name}")).collect();
        assert_eq!(found.join(" "), expected, "in {script:?}");
    }

    #[test]
    fn values_get_the_filter_of_their_place() {
        marks("a {{ x }}", "a {{ (x)|shell_word }}");
        marks("a \"v{{ x }}\"", "a \"v{{ (x)|shell_double }}\"");
        marks("a 'v{{x}}' {{-y-}}", "a 'v{{ (x)|shell_single }}' {{- (y)|shell_word -}}");
        marks("a \"$(b {{ x }} \"{{ y }}\")\"", "a \"$(b {{ (x)|shell_word }} \"{{ (y)|shell_double }}\")\"");
        marks("# don't\n{{ x }}", "# don't\n{{ (x)|shell_word }}");
        marks("{% if x %}'{% endif %}{{ x }}", "{% if x %}'{% endif %}{{ (x)|shell_single }}");
        marks("cat <<E\nit's {{ x }}\nE\n{{ y }}", "cat <<E\nit's {{ (x)|shell_document }}\nE\n{{ (y)|shell_word }}");
        marks("cat <<'E'\n{{ x }}\nE\n", "cat <<'E'\n{{ (x)|shell_literal }}\nE\n");
        marks("echo é \\' {{ x }}", "echo é \\' {{ (x)|shell_word }}");
    }

    #[test]
    fn variables_outside_quotes_are_found() {
        unquoted("rm $a \"$b\" '$c'", "0:a");
        unquoted("x=$a\ncase $b in z) echo ${c};; esac", "1:c");
        unquoted("n=$((a + $b)); echo $? $# $$ $1", "0:1");
        unquoted("echo \"$(cat $f)\" # $g", "0:f");
        unquoted("cat <<E\n$x\nE\nls $@", "3:@");
    }

    #[test]
    fn a_value_stays_one_word() {
        for (value, expected) in
            [("v1.2", "v1.2"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$(rm)", "'$(rm)'")]
        {
            assert_eq!(quote(value), expected);
        }
        assert_eq!(Place::Double.write("a\"$b`\\"), "a\\\"\\$b\\`\\\\");
    }
}
