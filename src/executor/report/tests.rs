//! The reporter on a clock that stands still unless a test moves it.

use std::collections::VecDeque;

use tokio::time::sleep;

use super::*;
use crate::api::{HostKeyPolicy, Role};
use crate::executor::inventory::{Secrets, plan};
use crate::runbook::job::{InventoryMachine, JobInput, SshAccess};

/// Answers as it is told, then always well, and remembers what was written when.
struct Scripted {
    began: Instant,
    answers: Mutex<VecDeque<char>>,
    written: Mutex<Vec<String>>,
    /// How long each question about a pause takes.
    slowness: Duration,
}

impl Scripted {
    /// `p` passes, `f` is final, `s` is well but slow, anything else is well.
    fn new(answers: &str, slowness: Duration) -> Arc<Self> {
        let answers = Mutex::new(answers.chars().collect());
        Arc::new(Self { began: Instant::now(), answers, written: Mutex::default(), slowness })
    }

    async fn answer(&self, what: String) -> Result<(), WriteError> {
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or('.');
        let mark = if matches!(answer, 'p' | 'f') { "!" } else { "" };
        self.written.lock().unwrap().push(format!("{}:{what}{mark}", self.began.elapsed().as_millis()));
        match answer {
            'p' => Err(WriteError::Passing("not now".into())),
            'f' => Err(WriteError::Final("never".into())),
            's' => {
                sleep(Duration::from_millis(3000)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl StatusSink for Scripted {
    fn machine<'a>(&'a self, name: &'a str, uid: &'a str, status: Value) -> BoxFuture<'a, Result<(), WriteError>> {
        assert_eq!(uid, format!("uid-{name}"));
        Box::pin(self.answer(format!("{name}={}", status["phases"][0]["stepsDone"])))
    }

    fn operation<'a>(&'a self, _: &'a str, status: Value) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(self.answer(format!("op={}", status["progress"]["stepsDone"])))
    }

    fn paused<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async {
            sleep(self.slowness).await;
            None
        })
    }
}

fn board() -> Arc<Board> {
    let steps: String = (0..9).map(|n| format!("  - {{name: s{n}, verify: 'true'}}\n")).collect();
    let machine = |name: &str| InventoryMachine {
        name: name.into(),
        uid: format!("uid-{name}"),
        address: "127.0.0.1".into(),
        port: 22,
        user: None,
        role: Role::Worker,
        labels: [].into(),
        variables: [].into(),
        host_key: None,
    };
    let input = JobInput {
        namespace: "n".into(),
        operation: "op-1".into(),
        run: 1,
        fence: 1,
        cluster: "east".into(),
        runbook: format!("name: test\nrevision: 1\nphases:\n- name: P\n  steps:\n{steps}"),
        phases: vec![],
        parallelism: 2,
        variables: [].into(),
        machines: vec![machine("a"), machine("b")],
        ssh: SshAccess {
            user: "root".into(),
            sudo: false,
            host_key_policy: HostKeyPolicy::Strict,
            known_hosts: String::new(),
            jump_hosts: vec![],
            keepalive_seconds: 15,
            max_handshakes: 8,
            state_directory: "/var/lib/quarterdeck".into(),
        },
    };
    Arc::new(Board::new(&plan(input, &Secrets::default()).unwrap()))
}

/// Plays `words`: `a` and `b` are steps done on these machines, a number is that many milliseconds. Then the run ends.
/// Expects all writes as `when:what=stepsDone`, with `!` for one that did not get through, and when the end was.
async fn check(words: &str, answers: &str, expected: &str) {
    let sink = Scripted::new(answers, Duration::ZERO);
    let (board, limits) = (board(), Limits::default());
    let reporter = Reporter::start(Arc::clone(&board), Some(sink.clone()), watch::channel(false).0, limits);
    for word in words.split_whitespace() {
        match word {
            "a" | "b" => {
                let machine = usize::from(word == "b");
                board.step_done(machine, 0);
                reporter.handle().changed(machine);
            }
            milliseconds => sleep(Duration::from_millis(milliseconds.parse().unwrap())).await,
        }
    }
    reporter.finish().await;
    let mut written = sink.written.lock().unwrap().clone();
    written.push(format!("{}:end", sink.began.elapsed().as_millis()));
    assert_eq!(written.join(" "), expected, "{words} with {answers:?}");
}

#[tokio::test(start_paused = true)]
async fn each_object_is_written_once_a_second_and_the_last_state_always() {
    check("", "", "0:end").await;
    check("a", "", "0:op=1 0:a=1 0:end").await;
    // What comes within the second is one write, of the newest state.
    check("a 200 a 200 a 5000", "", "0:op=1 0:a=1 1000:op=3 1000:a=3 5400:end").await;
    check("a 1500 a", "", "0:op=1 0:a=1 1500:op=2 1500:a=2 1500:end").await;
    // Also at the end.
    check("a 300 a", "", "0:op=1 0:a=1 1000:op=2 1000:a=2 1000:end").await;
    check("a 300 a b 900 a", "", "0:op=1 0:a=1 300:b=1 1000:op=3 1000:a=2 2000:op=4 2000:a=3 2000:end").await;
}

#[tokio::test(start_paused = true)]
async fn what_did_not_get_through_is_tried_again_with_the_newest_state() {
    check("a 100 a 3000", "p", "0:op=1! 0:a=1 1000:op=2 1000:a=2 3100:end").await;
    check("a", ".pp", "0:op=1 0:a=1! 1000:a=1! 2000:a=1 2000:end").await;
    // A refusal is not: the next change may be.
    check("a 3000", "ff", "0:op=1! 0:a=1! 3000:end").await;
    check("a 3000 a", "ff", "0:op=1! 0:a=1! 3000:op=2 3000:a=2 3000:end").await;
    // An API server that is gone for good does not hold the end up for ever.
    let limit = format!("{}:end", Limits::default().flush.as_millis());
    let tries: Vec<String> = (0..30).map(|n| n * 1000).map(|at| format!("{at}:op=1! {at}:a=1!")).collect();
    check("a", &"p".repeat(200), &format!("{} {limit}", tries.join(" "))).await;
}

#[tokio::test(start_paused = true)]
async fn slow_writes_do_not_pile_up() {
    check("a 100 a 100 a", "ss", "0:op=1 0:a=1 4000:op=3 4000:a=3 4000:end").await;
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_no_answer_about_a_pause() {
    let sink = Scripted::new("", Duration::from_secs(10));
    let reporter = Reporter::start(board(), Some(sink.clone()), watch::channel(false).0, Limits::default());
    sleep(Duration::from_secs(3)).await;
    reporter.finish().await;
    assert_eq!(sink.began.elapsed(), Duration::from_secs(3));
}
