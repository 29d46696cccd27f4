//! An argument of a command, with places to be filled in.

use super::nearest::advice;

/// What can be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// What the cursor is on.
    Name,
    Cluster,
    Pool,
    Operation,
    /// Of the machine, as in its resource.
    Address,
    Port,
    /// The name of its node.
    Node,
    Namespace,
    /// The context of the kubeconfig, and its file.
    Context,
    Kubeconfig,
    /// Who is at the keyboard.
    User,
}

impl Placeholder {
    pub const ALL: [Self; 11] = [
        Self::Name,
        Self::Cluster,
        Self::Pool,
        Self::Operation,
        Self::Address,
        Self::Port,
        Self::Node,
        Self::Namespace,
        Self::Context,
        Self::Kubeconfig,
        Self::User,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Cluster => "cluster",
            Self::Pool => "pool",
            Self::Operation => "operation",
            Self::Address => "address",
            Self::Port => "port",
            Self::Node => "node",
            Self::Namespace => "namespace",
            Self::Context => "context",
            Self::Kubeconfig => "kubeconfig",
            Self::User => "user",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

/// One argument. Whatever is filled in, it stays one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

impl Template {
    /// `known` says what can be filled in here. A brace is written twice: `{{`.
    pub(super) fn parse(text: &str, known: impl Fn(Placeholder) -> bool) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(at);
            plain.push_str(before);
            if after.starts_with("{{") || after.starts_with("}}") {
                plain.push_str(&after[..1]);
                rest = &after[2..];
                continue;
            }
            let word = after.strip_prefix('{').and_then(|after| after.split_once('}'));
            let Some((word, after)) = word else {
                return Err(format!("`{text}` has a brace without its other half: a brace is written twice, `{{{{`"));
            };
            let allowed = || Placeholder::ALL.into_iter().filter(|p| known(*p)).map(Placeholder::as_str);
            let found = Placeholder::ALL.into_iter().find(|p| p.as_str() == word && known(*p));
            let Some(placeholder) = found else {
                let advice = advice(word, allowed());
                return Err(format!("nothing is called `{{{word}}}` here{advice}; a brace is written twice, `{{{{`"));
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Value(placeholder));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    pub(super) fn has_placeholders(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Value(_)))
    }

    /// The argument. `value` says what stands for a placeholder, or why there is nothing.
    ///
    /// An argument that was not written as an option does not become one by what is filled in.
    pub fn fill(&self, value: impl Fn(Placeholder) -> Result<String, String>) -> Result<String, String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(placeholder) => {
                    let filled = value(*placeholder)?;
                    if filled.chars().any(char::is_control) {
                        return Err(format!("{{{}}} has control characters in it", placeholder.as_str()));
                    }
                    if out.is_empty() && filled.starts_with('-') {
                        return Err(format!(
                            "{{{}}} is `{filled}`, which would be taken for an option",
                            placeholder.as_str()
                        ));
                    }
                    out.push_str(&filled);
                }
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, address: &str, expected: Result<&str, &str>) {
        let known = |p| matches!(p, Placeholder::Address | Placeholder::Name);
        let value = |p| match p {
            Placeholder::Address => Ok(address.to_owned()),
            _ => Err("there is no name".to_owned()),
        };
        let filled = Template::parse(text, known).and_then(|template| template.fill(value));
        assert_eq!(filled.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn arguments_are_filled_in_and_stay_one() {
        check("plain", "", Ok("plain"));
        check("", "", Ok(""));
        check("{address}", "10.0.0.1", Ok("10.0.0.1"));
        check("root@{address}:22", "a b; rm -rf $(x)", Ok("root@a b; rm -rf $(x):22"));
        check("{{.status}} {{{address}}}", "a", Ok("{.status} {a}"));
        check("{name}", "", Err("there is no name"));
        check(
            "{address}",
            "-oProxyCommand=x",
            Err("{address} is `-oProxyCommand=x`, which would be taken for an option"),
        );
        check("--host={address}", "-x", Ok("--host=-x"));
        check("{address}", "a\nb", Err("{address} has control characters in it"));
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        let end = "; a brace is written twice, `{{`";
        check(
            "{adress}",
            "",
            Err(&format!("nothing is called `{{adress}}` here: did you mean `address`? Allowed: name, address{end}")),
        );
        check("{pool}", "", Err(&format!("nothing is called `{{pool}}` here; allowed: name, address{end}")));
        check("{print $1}", "", Err(&format!("nothing is called `{{print $1}}` here; allowed: name, address{end}")));
        check("a{b", "", Err("`a{b` has a brace without its other half: a brace is written twice, `{{`"));
        check("a}b", "", Err("`a}b` has a brace without its other half: a brace is written twice, `{{`"));
    }
}
