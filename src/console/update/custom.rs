//! Runs the user's own commands: what has to be asked first, and what becomes of their output.

use super::{
    super::{
        confirm::{Confirmation, Deed},
        custom::Run,
        message::{Effect, Ran},
        pager::{Look, Pager, Source},
        state::{Overlay, State},
        text,
    },
    change, why,
};
use crate::config::commands::Output;

/// Runs the command of that name, asks first, or says why not.
pub fn run(state: &mut State, name: &str) -> Vec<Effect> {
    let Some(command) = state.custom_named(name).map(|custom| custom.command.clone()) else { return Vec::new() };
    if let Some(running) = &state.running {
        state.complain(format!("`{}` is still at work: esc ends it", running.name));
        return Vec::new();
    }
    if why::is_elsewhere(state) {
        return Vec::new();
    }
    if command.dangerous && !change::is_armed(state) {
        return Vec::new();
    }
    let run = match state.fill(&command) {
        Ok(run) => run,
        Err(why) => {
            state.complain(why);
            return Vec::new();
        }
    };
    if !may_run(state, &run) {
        return Vec::new();
    }
    let in_production = run.context.is_some_and(|context| state.stakes_in(context).production.is_some());
    if !(command.confirm || command.dangerous && in_production) {
        return begin(state, run);
    }
    let about = if run.subject.is_empty() { String::new() } else { format!(" for {}", run.subject) };
    let yes = state.confirms_quickly && !run.dangerous;
    state.overlay = Overlay::Confirm(Box::new(Confirmation {
        question: format!("Run `{}`{about}?", run.name),
        meaning: run.argv.join(" "),
        deed: Deed::Run(run),
        opened_at: state.now,
        yes,
    }));
    Vec::new()
}

/// What changes something waits for arming, and is not run for a context that is locked.
pub fn may_run(state: &mut State, run: &Run) -> bool {
    if !run.dangerous {
        return true;
    }
    if let Some(why) = state.locked_for(run.context) {
        state.complain(why);
        return false;
    }
    change::is_armed(state)
}

/// It runs; nothing more is asked.
pub fn begin(state: &mut State, mut run: Run) -> Vec<Effect> {
    state.tickets += 1;
    run.ticket = state.tickets;
    match run.output {
        Output::Pager => {
            let title = format!("{}  {}", run.name, run.subject);
            let file =
                [run.subject.as_str(), &run.name].map(text::plain).join("-").trim_matches('-').to_owned() + ".txt";
            let source = Source::Command { running: Some(run.ticket) };
            let mut pager = Pager::new(title, file, source, Look::Plain, state.size);
            pager.waiting = Some(run.ticket);
            state.overlay = Overlay::Pager(Box::new(pager));
        }
        Output::Notice => state.tell(format!("`{}` runs: esc ends it", run.name)),
        Output::Terminal => {}
    }
    state.running = Some(run.clone());
    vec![Effect::Run(run)]
}

/// Ends what runs; what it has printed stays.
pub fn stop(state: &mut State) -> Vec<Effect> {
    state.running.as_ref().map(|run| Effect::Stop { ticket: run.ticket }).into_iter().collect()
}

/// More of what it prints.
pub fn printed(state: &mut State, ticket: u64, more: &str) -> Vec<Effect> {
    if let Overlay::Pager(pager) = &mut state.overlay
        && pager.source == (Source::Command { running: Some(ticket) })
    {
        pager.append(more);
    }
    Vec::new()
}

/// It is over.
pub fn ended(state: &mut State, ticket: u64, ran: Ran) -> Vec<Effect> {
    let run = state.running.take_if(|run| run.ticket == ticket);
    if let Overlay::Pager(pager) = &mut state.overlay
        && pager.source == (Source::Command { running: Some(ticket) })
    {
        pager.source = Source::Command { running: None };
        pager.waiting = None;
        pager.ended = Some((text::clean(&ran.how), ran.good));
        return Vec::new();
    }
    let Some(run) = run.filter(|run| run.output != Output::Pager) else { return Vec::new() };
    let last = text::clean(&ran.last_line);
    match (ran.good, last.is_empty()) {
        (true, false) => state.tell(format!("{}: {last}", run.name)),
        (true, true) => state.tell(format!("{}: {}", run.name, ran.how)),
        (false, false) => state.complain(format!("{}: {}: {last}", run.name, ran.how)),
        (false, true) => state.complain(format!("{}: {}", run.name, ran.how)),
    }
    Vec::new()
}
