//! The question before a change: nothing where stopping is asked for, a letter for what is easily taken back, words to
//! type for what is not.

use std::io::{BufRead, IsTerminal, Write};

use crate::{
    commands::exit::{Ended, Exit},
    plan::lifecycle::Preview,
};

/// Goes on only with a yes; where nobody can be asked, only with `--yes`. Says whether somebody was asked.
pub fn confirm(yes: bool, preview: &Preview) -> Result<bool, Ended> {
    let title = &preview.title;
    match preview.level {
        0 => Ok(false),
        1 => agreed(yes, &format!("{title}? [y/N] "), None),
        _ => agreed(yes, &format!("{title}? Type {} to go on: ", preview.confirm), Some(&preview.confirm)),
    }
}

/// The answer has to be these words, or else the letter y.
pub fn agreed(yes: bool, question: &str, words: Option<&str>) -> Result<bool, Ended> {
    if yes {
        return Ok(false);
    }
    if !is_interactive() {
        let why = "nobody can be asked here: confirm with --yes, or look first with --dry-run; nothing was changed";
        return Err(Ended::new(Exit::Declined, why));
    }
    let answer = ask(question);
    let agreed = words.map_or_else(|| matches!(answer.as_str(), "y" | "Y" | "yes"), |words| answer == words);
    if agreed { Ok(true) } else { Err(Ended::new(Exit::Declined, "nothing was changed")) }
}

/// Somebody can be asked.
fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// An end of input is a no.
fn ask(question: &str) -> String {
    let mut screen = std::io::stderr();
    let _ = write!(screen, "{question}").and_then(|()| screen.flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer).unwrap_or(0);
    if read == 0 {
        let _ = writeln!(screen);
    }
    answer.trim().to_owned()
}
