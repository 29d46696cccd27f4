//! Why the API server does not give us what we want, in one sentence with the way out.

use std::process::Output;

use kube::{Error, client::AuthError, core::Status, runtime::watcher};

/// The ClusterRoles that come with Quarterdeck: whoever lacks a permission asks for one of them.
pub const VIEWER: &str = "quarterdeck-viewer";
pub const OPERATOR: &str = "quarterdeck-operator";

/// Characters of the last line of a program that are shown.
const LAST_WORD: usize = 200;

/// The smallest of them that has the verb.
fn role(verb: &str) -> &'static str {
    if matches!(verb, "get" | "list" | "watch") { VIEWER } else { OPERATOR }
}

/// What is wrong between us and the API server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the API server cannot be reached: {detail}; is it running, and is the address in the kubeconfig right?")]
    Unreachable { detail: String },
    #[error(
        "no secure connection to the API server: {detail}; check certificate-authority and server in the kubeconfig"
    )]
    Tls { detail: String },
    #[error("the API server refuses our credentials ({detail}): they may have expired, log in again")]
    Unauthorized { detail: String },
    /// The server was not asked: no credentials were to be had. `name` is empty, or ends with a space.
    #[error("the program {name}that the kubeconfig names for logging in {how}")]
    Login { name: String, how: String },
    #[error("you may not {verb} {resource}{place} (RBAC: ask for ClusterRole {})", role(verb))]
    Forbidden { verb: &'static str, resource: String, place: String },
    /// Not the user's permissions stand against it, but a rule that somebody gave the cluster: admission, a quota.
    #[error("the API server does not want it: {detail}")]
    Denied { detail: String },
    #[error(
        "the cluster does not have Quarterdeck's kinds (no {resource}): \
         install them with  quarterdeck install"
    )]
    NoKinds { resource: String },
    /// The position in the watch is too old: a new list puts it right.
    #[error("the watch fell behind and starts over")]
    Expired,
    #[error("the API server is busy: {detail}")]
    Busy { detail: String },
    #[error("the API server answered with something else: {detail}")]
    Other { detail: String },
}

impl Fault {
    /// What `error` means for a request that wanted to `verb` the resource (plural, as in RBAC) in a namespace.
    pub fn of(error: &Error, verb: &'static str, resource: &str, namespace: Option<&str>) -> Self {
        match error {
            Error::Api(status) => Self::of_status(status, verb, resource, namespace),
            Error::Auth(error) => Self::of_login(error),
            Error::SerdeError(error) => Self::Other { detail: error.to_string() },
            other => Self::of_transport(other),
        }
    }

    /// What an answer means.
    pub fn of_status(status: &Status, verb: &'static str, resource: &str, namespace: Option<&str>) -> Self {
        let named = status.details.as_ref().is_some_and(|d| !d.name.is_empty());
        match status.code {
            401 => Self::Unauthorized { detail: said(status, "401 Unauthorized") },
            403 if verb == "patch" && !is_of_the_authorizer(status) => Self::Denied { detail: status.message.clone() },
            403 => Self::forbidden(verb, resource, namespace),
            404 if !named => Self::NoKinds { resource: resource.to_owned() },
            410 => Self::Expired,
            429 | 500 | 502..=504 => Self::Busy { detail: said(status, "try again later") },
            code => Self::Other { detail: said(status, &format!("status {code}")) },
        }
    }

    /// No permission to `verb` the resource in a namespace, or in all of them.
    pub fn forbidden(verb: &'static str, resource: &str, namespace: Option<&str>) -> Self {
        let place = namespace.map_or_else(|| " in all namespaces".to_owned(), |n| format!(" in namespace {n}"));
        Self::Forbidden { verb, resource: resource.to_owned(), place }
    }

    /// What a broken watch means.
    pub fn of_watch(error: &watcher::Error, resource: &str, namespace: Option<&str>) -> Self {
        use watcher::Error as E;
        match error {
            E::InitialListFailed(error) => Self::of(error, "list", resource, namespace),
            E::WatchStartFailed(error) | E::WatchFailed(error) => Self::of(error, "watch", resource, namespace),
            E::WatchError(status) => Self::of_status(status, "watch", resource, namespace),
            E::NoResourceVersion => Self::Other { detail: error.to_string() },
        }
    }

    /// Names the program of `Login`, where the kubeconfig is at hand: without its folder and its arguments.
    pub fn naming(self, program: Option<&str>) -> Self {
        match (self, program.and_then(|program| std::path::Path::new(program).file_name())) {
            (Self::Login { how, .. }, Some(file)) => Self::Login { name: format!("{} ", file.display()), how },
            (other, _) => other,
        }
    }

    /// The errors of these programs come with their command line, environment and output: there are secrets in them, so only
    /// the last line that was written for people is shown.
    fn of_login(error: &AuthError) -> Self {
        let how = match error {
            AuthError::AuthExecStart(error) => format!("cannot be started ({error}): is it installed and in PATH?"),
            AuthError::AuthExecRun { out, .. } => ending(out),
            AuthError::AuthExec(_) | AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
                "answers with something else than credentials: run it by hand to see what it says".to_owned()
            }
            other => return Self::Unauthorized { detail: root(other) },
        };
        Self::Login { name: String::new(), how }
    }

    fn of_transport(error: &Error) -> Self {
        // Credentials that have expired are asked for anew in the middle of a request.
        let mut causes = std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |e| e.source());
        if let Some(login) = causes.find_map(|cause| cause.downcast_ref::<AuthError>()) {
            return Self::of_login(login);
        }
        let detail = root(error);
        let text = format!("{error} {detail}").to_lowercase();
        // rustls comes wrapped by layers that keep only its words.
        if ["certificate", "tls", "unknownissuer", "handshake", "corrupt message", "alert"]
            .iter()
            .any(|word| text.contains(word))
        {
            return Self::Tls { detail };
        }
        Self::Unreachable { detail }
    }
}

/// How a program ended, with its last word.
fn ending(output: &Output) -> String {
    let how = output.status.code().map_or("was killed".to_owned(), |code| format!("ended with status {code}"));
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("log in again");
    format!("{how}: {}", last.chars().filter(|c| !c.is_control()).take(LAST_WORD).collect::<String>())
}

/// Every authorizer is quoted with the same words, `User "…" cannot patch …`; admission answers with 403 as well.
fn is_of_the_authorizer(status: &Status) -> bool {
    status.message.is_empty() || status.message.contains(" cannot ")
}

fn said(status: &Status, otherwise: &str) -> String {
    if status.message.is_empty() { otherwise.to_owned() } else { status.message.clone() }
}

/// The innermost cause: outer layers say "error trying to connect" only.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, message: &str, wanted: &str) {
        check_verb("list", code, message, wanted);
    }

    fn check_verb(verb: &'static str, code: u16, message: &str, wanted: &str) {
        let status = Status { code, message: message.to_owned(), ..Status::default() };
        let fault = Fault::of(&Error::Api(Box::new(status)), verb, "machines", Some("fleet"));
        let said = fault.to_string();
        assert!(said.contains(wanted), "{said}");
    }

    #[test]
    fn each_answer_has_a_sentence_with_a_way_out() {
        check(401, "token has expired", "(token has expired): they may have expired, log in again");
        check(403, "no", "you may not list machines in namespace fleet (RBAC: ask for ClusterRole quarterdeck-viewer)");
        check(404, "404 page not found", "install them with  quarterdeck install");
        check(410, "too old", "starts over");
        check(503, "", "busy: try again later");
        check(418, "teapot", "something else: teapot");
    }

    #[test]
    fn a_missing_permission_is_not_a_rule_of_the_cluster() {
        let rbac = r#"machines "m" is forbidden: User "bob" cannot patch resource "machines" in API group "#;
        check_verb(
            "patch",
            403,
            rbac,
            "may not patch machines in namespace fleet (RBAC: ask for ClusterRole quarterdeck-operator)",
        );
        let hook = r#"admission webhook "freeze" denied the request: no changes today"#;
        check_verb("patch", 403, hook, "does not want it: admission webhook \"freeze\" denied");
    }

    fn check_login(error: AuthError, wanted: &str) {
        for error in [Error::Service(Box::new(error)), Error::Service("no route".into())] {
            let fault = Fault::of(&error, "list", "machines", None).naming(Some("/opt/aws/bin/aws"));
            let is_login = matches!(fault, Fault::Login { .. });
            let is_wanted =
                fault.to_string() == format!("the program aws that the kubeconfig names for logging in {wanted}");
            assert_eq!(is_login, matches!(&error, Error::Service(inner) if inner.is::<AuthError>()));
            assert_eq!(is_login, is_wanted, "{fault}");
        }
    }

    #[test]
    fn a_program_for_logging_in_fails_without_its_secrets() {
        use std::os::unix::process::ExitStatusExt as _;
        let ended = |status: i32, stderr: &str| AuthError::AuthExecRun {
            cmd: "TOKEN=\"hush\" \"aws\" \"--password\" \"hush\"".to_owned(),
            out: Box::new(Output {
                status: std::process::ExitStatus::from_raw(status),
                stdout: b"hush".to_vec(),
                stderr: stderr.as_bytes().to_vec(),
            }),
        };
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        check_login(
            AuthError::AuthExecStart(missing),
            "cannot be started (entity not found): is it installed and in PATH?",
        );
        let said = "trying\n\u{1b}token expired: run aws sso login\n\n";
        check_login(ended(3 << 8, said), "ended with status 3: token expired: run aws sso login");
        check_login(ended(1 << 8, ""), "ended with status 1: log in again");
        check_login(ended(9, ""), "was killed: log in again");
        let other = "answers with something else than credentials: run it by hand to see what it says";
        check_login(AuthError::AuthExec("Executing aws failed: hush".to_owned()), other);
        let first = Fault::of(&Error::Auth(ended(3 << 8, "no")), "get", "version", None);
        assert_eq!(first.to_string(), "the program that the kubeconfig names for logging in ended with status 3: no");
    }
}
