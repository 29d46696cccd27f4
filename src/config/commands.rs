//! `commands.yaml`: commands of the user's own.
//!
//! ```yaml
//! ping:
//!   key: f5
//!   scope: machine
//!   command: [ping, -c, "3", "{address}"]
//!   description: three pings to the machine
//! ```
//!
//! A command is a program and its arguments, never a line for a shell. What stands in braces is filled in, and stays one
//! argument or a part of one, whatever is in it.

use std::{collections::HashMap, fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::{
    Vocabulary,
    keymap::{Binding, Keys, NO_CTRL, has_ctrl},
    mistake::Mistake,
    nearest::advice,
    settings::is_blank,
    template::{Placeholder, Template},
};

/// How long a command may take if its file does not say, and at most.
const SECONDS: u64 = 60;
const MOST_SECONDS: u64 = 3_600;
/// Commands in one file.
const MOST: usize = 200;

/// What a command is about: where its key means something, and what can be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Fleet,
    Cluster,
    Pool,
    Machine,
    Operation,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::Fleet, Self::Cluster, Self::Pool, Self::Machine, Self::Operation];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fleet => "fleet",
            Self::Cluster => "cluster",
            Self::Pool => "pool",
            Self::Machine => "machine",
            Self::Operation => "operation",
        }
    }

    /// What can be filled in there.
    pub fn has(self, placeholder: Placeholder) -> bool {
        use Placeholder::{Address, Cluster, Context, Kubeconfig, Name, Namespace, Node, Operation, Pool, Port, User};
        match placeholder {
            Context | Namespace | Kubeconfig | User => true,
            Name | Cluster => self != Self::Fleet,
            Pool => matches!(self, Self::Pool | Self::Machine | Self::Operation),
            Address | Port | Node => self == Self::Machine,
            Operation => matches!(self, Self::Machine | Self::Operation),
        }
    }
}

/// Where the output of a command goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// A text on the whole screen.
    #[default]
    Pager,
    /// The console steps back, as for an SSH session.
    Terminal,
    /// The last line, on the line for news.
    Notice,
}

impl Output {
    const ALL: [(&'static str, Self); 3] =
        [("pager", Self::Pager), ("terminal", Self::Terminal), ("notice", Self::Notice)];
}

/// One command, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub name: String,
    pub key: Option<String>,
    pub scopes: Vec<Scope>,
    /// The program first.
    pub argv: Vec<Template>,
    pub description: String,
    /// It changes something: only while writes are armed.
    pub dangerous: bool,
    /// It is asked first.
    pub confirm: bool,
    pub output: Output,
    pub timeout_seconds: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    key: Option<Spanned<Keys>>,
    scope: Spanned<Keys>,
    command: Spanned<Argv>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    dangerous: bool,
    #[serde(default)]
    confirm: bool,
    output: Option<Spanned<String>>,
    timeout_seconds: Option<Spanned<u64>>,
}

/// Names with what they stand for, in the order of the file, each with its place.
struct Entries(Vec<(Spanned<String>, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys with values, as in `key: value`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Entries(all))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// A program and its arguments.
struct Argv(Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for Argv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArgvVisitor;

        impl<'de> Visitor<'de> for ArgvVisitor {
            type Value = Argv;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a program and its arguments as a list, as in `[ping, -c, \"3\", \"{address}\"]`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Argv, A::Error> {
                let mut all = Vec::new();
                while let Some(word) = words.next_element()? {
                    all.push(word);
                }
                Ok(Argv(all))
            }
        }

        deserializer.deserialize_any(ArgvVisitor)
    }
}

/// Reads the file; all mistakes at once, and then nothing of it is taken. `bindings` are the keys of the console as they are
/// by now.
pub fn parse(text: &str, file: &Path, words: &Vocabulary, bindings: &[Binding]) -> Result<Vec<Command>, Vec<Mistake>> {
    if is_blank(text) {
        return Ok(Vec::new());
    }
    let Entries(entries) = serde_saphyr::from_str(text).map_err(|e| vec![Mistake::of_yaml(file, &e)])?;
    let mut reader = Reader { file, words, bindings, taken: HashMap::new(), mistakes: Vec::new() };
    if entries.len() > MOST {
        let message = format!("there are {} commands in it, more than {MOST}", entries.len());
        return Err(vec![Mistake::of_file(file, message)]);
    }
    let commands = entries.into_iter().map(|(name, entry)| reader.command(name, entry)).collect();
    if reader.mistakes.is_empty() { Ok(commands) } else { Err(reader.mistakes) }
}

/// Commands of a file that was good once, without those whose key or name means something else by now.
pub fn still_good(commands: &[Command], words: &Vocabulary, bindings: &[Binding]) -> Vec<Command> {
    let is_free = |command: &&Command| {
        let key = command.key.as_deref();
        !(words.is_taken)(&command.name) && key.is_none_or(|key| owner_of(key, words, bindings).is_none())
    };
    commands.iter().filter(is_free).cloned().collect()
}

/// The action that a key asks for.
fn owner_of<'a>(key: &str, words: &Vocabulary, bindings: &'a [Binding]) -> Option<&'a str> {
    let has = |binding: &&Binding| binding.keys.iter().any(|k| (words.key)(k).is_ok_and(|k| k == key));
    bindings.iter().find(has).map(|binding| binding.action.as_str())
}

struct Reader<'a> {
    file: &'a Path,
    words: &'a Vocabulary<'a>,
    bindings: &'a [Binding],
    /// Keys of the commands before.
    taken: HashMap<String, String>,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn wrong(&mut self, at: Location, message: String) {
        self.mistakes.push(Mistake::at(self.file, at, message));
    }

    /// One command; what is wrong in it is noted, and something stands in its place.
    fn command(&mut self, name: Spanned<String>, entry: Entry) -> Command {
        self.name(&name.value, name.referenced);
        let name = name.value;
        let scopes = self.scopes(entry.scope);
        Command {
            key: entry.key.and_then(|key| self.key(&name, key, entry.dangerous)),
            argv: self.argv(&name, entry.command, &scopes),
            output: entry.output.map(|word| self.output(word)).unwrap_or_default(),
            timeout_seconds: entry.timeout_seconds.map_or(SECONDS, |seconds| self.seconds(seconds)),
            description: entry.description,
            dangerous: entry.dangerous,
            confirm: entry.confirm,
            scopes,
            name,
        }
    }

    fn name(&mut self, name: &str, at: Location) {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 40 || !name.chars().all(good) {
            let message = format!("`{name}` is no name of a command: small letters, digits and `-` are, 40 at most");
            return self.wrong(at, message);
        }
        if (self.words.is_taken)(name) {
            self.wrong(at, format!("`{name}` is a command of the console already: choose another name"));
        }
    }

    fn scopes(&mut self, scope: Spanned<Keys>) -> Vec<Scope> {
        let words = match scope.value {
            Keys::One(word) => vec![(word, scope.referenced)],
            Keys::Many(words) => words.into_iter().map(|word| (word.value, word.referenced)).collect(),
        };
        if words.is_empty() {
            let all = Scope::ALL.map(Scope::as_str).join(", ");
            self.wrong(scope.referenced, format!("scope is empty: name at least one of {all}"));
        }
        let mut scopes = Vec::new();
        for (word, at) in words {
            match Scope::ALL.into_iter().find(|scope| scope.as_str() == word) {
                Some(scope) => scopes.push(scope),
                None => {
                    let advice = advice(&word, Scope::ALL.map(Scope::as_str));
                    self.wrong(at, format!("there is no scope `{word}`{advice}"));
                }
            }
        }
        scopes
    }

    fn key(&mut self, name: &str, key: Spanned<Keys>, dangerous: bool) -> Option<String> {
        let at = key.referenced;
        let typed = match key.value {
            Keys::One(key) => key,
            Keys::Many(_) => {
                self.wrong(at, "a command has one key: write it without brackets".to_owned());
                return None;
            }
        };
        let key = match (self.words.key)(&typed) {
            Ok(key) => key,
            Err(message) => {
                self.wrong(at, message);
                return None;
            }
        };
        if dangerous && has_ctrl(&key) {
            let message = format!("`{key}` is no key for `{name}`, which is dangerous: {NO_CTRL}");
            self.wrong(at, message);
        } else if let Some(action) = owner_of(&key, self.words, self.bindings) {
            let message = format!(
                "the key `{key}` of `{name}` is that of `{action}` already: choose another one, or give `{action}` another one in \
                 keymap.yaml"
            );
            self.wrong(at, message);
        } else if let Some(other) = self.taken.insert(key.clone(), name.to_owned()) {
            self.wrong(at, format!("the key `{key}` is both `{other}` and `{name}`: a key has one meaning"));
        }
        Some(key)
    }

    fn argv(&mut self, name: &str, argv: Spanned<Argv>, scopes: &[Scope]) -> Vec<Template> {
        let words = argv.value.0;
        if words.first().is_none_or(|program| program.value.trim().is_empty()) {
            self.wrong(argv.referenced, format!("the command of `{name}` is empty: name a program and its arguments"));
        }
        let mut templates = Vec::new();
        for word in words {
            let known = |placeholder: Placeholder| scopes.iter().all(|scope| scope.has(placeholder));
            match Template::parse(&word.value, known) {
                Ok(template) => templates.push(template),
                Err(message) => self.wrong(word.referenced, message),
            }
        }
        if templates.first().is_some_and(Template::has_placeholders) {
            let message = format!("the program of `{name}` is named by a placeholder: write its name");
            self.wrong(argv.referenced, message);
        }
        templates
    }

    fn output(&mut self, word: Spanned<String>) -> Output {
        let found = Output::ALL.into_iter().find(|(known, _)| *known == word.value);
        if let Some((_, output)) = found {
            return output;
        }
        let advice = advice(&word.value, Output::ALL.map(|(known, _)| known));
        self.wrong(word.referenced, format!("there is no output `{}`{advice}", word.value));
        Output::default()
    }

    fn seconds(&mut self, seconds: Spanned<u64>) -> u64 {
        if !(1..=MOST_SECONDS).contains(&seconds.value) {
            let message = format!("timeoutSeconds is {}: it must lie between 1 and {MOST_SECONDS}", seconds.value);
            self.wrong(seconds.referenced, message);
        }
        seconds.value
    }
}
