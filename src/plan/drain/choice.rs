//! What a person decides about a drain that is blocked, as written on the machine.

use crate::api::DrainTimeoutAction;

/// What the annotation says for the drain of `operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Obey(DrainTimeoutAction),
    /// It was written for another operation, or for none.
    Other,
    /// It is no choice.
    Unreadable,
}

/// Reads `OPERATION=wait`, `OPERATION=skip` or `OPERATION=force`.
pub fn read(value: &str, operation: &str) -> Choice {
    let Some((of, word)) = value.trim().rsplit_once('=') else { return Choice::Unreadable };
    let action = match word {
        "wait" => DrainTimeoutAction::Wait,
        "skip" => DrainTimeoutAction::Skip,
        "force" => DrainTimeoutAction::Force,
        _ => return Choice::Unreadable,
    };
    if of == operation { Choice::Obey(action) } else { Choice::Other }
}

/// The value of the annotation; what a console or a command writes.
pub fn write(operation: &str, choice: DrainTimeoutAction) -> String {
    format!("{operation}={}", word(choice))
}

/// The choice in one word.
pub fn word(choice: DrainTimeoutAction) -> &'static str {
    match choice {
        DrainTimeoutAction::Wait => "wait",
        DrainTimeoutAction::Skip => "skip",
        DrainTimeoutAction::Force => "force",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_for_one_operation() {
        let check = |value: &str, expected| assert_eq!(read(value, "gpu-down-x7"), expected, "{value}");
        check("gpu-down-x7=force", Choice::Obey(DrainTimeoutAction::Force));
        check("gpu-down-x7=skip", Choice::Obey(DrainTimeoutAction::Skip));
        check(" gpu-down-x7=wait ", Choice::Obey(DrainTimeoutAction::Wait));
        check("gpu-down-x6=force", Choice::Other);
        check("=force", Choice::Other);
        check("force", Choice::Unreadable);
        check("gpu-down-x7=FORCE", Choice::Unreadable);
        for choice in [DrainTimeoutAction::Wait, DrainTimeoutAction::Skip, DrainTimeoutAction::Force] {
            check(&write("gpu-down-x7", choice), Choice::Obey(choice));
        }
    }
}
