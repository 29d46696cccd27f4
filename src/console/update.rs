//! The only place where the console's state changes. No IO, no clock, no spawn: messages in, effects out.

mod audit;
mod change;
mod copy;
mod custom;
mod data;
pub(super) mod dialog;
mod edit;
mod follow;
mod help;
mod hosts;
mod lists;
mod machine;
mod mouse;
mod navigate;
mod overlay;
mod pager;
mod places;
mod rollout;
mod sort;
mod tour;
mod why;

pub use navigate::is_at_top;

use super::{
    action::{Action, Group, Layer},
    keys::Chord,
    layout::Class,
    maintenance::{Care, Choice},
    message::{Effect, Event, Msg, Refusal},
    permissions,
    places::Purpose,
    sheet::Form,
    state::{Overlay, Pane, State, View},
    table, text,
};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Takes one message in.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let was_armed = state.is_armed();
    state.now = msg.now;
    state.trends.pass(&state.snapshot, msg.now, state.is_still());
    let mut effects = handle(state, msg.event);
    expire(state, was_armed);
    effects.extend(permissions::ask(state));
    effects.extend(dialog::ask_for_opinion(state));
    effects.extend(dialog::ask_to_count(state));
    effects.extend(table::arrange(state).map(Effect::Arrange));
    effects.extend(state.sifter.question(&state.snapshot).map(Effect::Sift));
    effects.extend(data::look(state));
    effects.extend(why::stop(state));
    scroll(state);
    effects.extend(hosts::ask_visible(state));
    effects
}

fn handle(state: &mut State, event: Event) -> Vec<Effect> {
    if let Event::Data(snapshot) = event {
        data::take_data(state, snapshot);
        return Vec::new();
    }
    if let Event::Mouse(event) = event {
        return mouse::take(state, event);
    }
    state.revision += 1;
    match event {
        Event::Key(key) => press(state, key),
        Event::Paste(text) => overlay::paste(state, &text),
        Event::Resize(width, height) => {
            state.size = (width, height);
            if let Overlay::Pager(pager) = &mut state.overlay {
                pager.resize((width, height));
            }
            vec![Effect::Redraw]
        }
        Event::Focus(focused) => {
            state.focused = focused;
            Vec::new()
        }
        // What came in too soon after the last look of a dialog is looked at now: nothing else may come.
        Event::Tick => {
            dialog::refresh(state);
            Vec::new()
        }
        Event::Data(_) | Event::Mouse(_) => Vec::new(),
        Event::Machine(context, machine) => {
            state.fetching = false;
            state.machine = machine.map(|machine| (context, machine)).or_else(|| state.machine.take());
            Vec::new()
        }
        Event::Arranged(answer) => {
            table::answered(state, answer);
            Vec::new()
        }
        Event::Sifted(answer) => {
            state.sifter.answered(answer, &state.snapshot);
            state.lay_out();
            Vec::new()
        }
        Event::LogLines { follow, anew, lines } => {
            why::log_lines(state, follow, anew, &lines);
            follow::lines(state, follow, anew, &lines)
        }
        Event::MergedLines { follow, source, anew, lines } => follow::merged(state, follow, source, anew, &lines),
        Event::LogEnded { follow, why } => follow::ended(state, follow, why),
        Event::Host { round, uid, answer } => {
            let now = state.now;
            state.hosts.take(round, &uid, answer, now);
            lists::keep(state);
            Vec::new()
        }
        Event::Journal { ticket, entries } => {
            why::take(state, ticket, entries);
            Vec::new()
        }
        Event::JournalsEnded { ticket, why } => {
            why::ended(state, ticket, why);
            Vec::new()
        }
        Event::Visited { name, outcome } => {
            hosts::visited(state, &name, outcome);
            Vec::new()
        }
        Event::Edited { draft, outcome } => edit::edited(state, &draft, outcome),
        Event::DryRun { ticket, outcome } => dialog::opinion(state, ticket, outcome),
        Event::Applied { ticket, outcome } => applied(state, ticket, outcome),
        Event::Reviewed(context, answers) => {
            permissions::reviewed(state, context, answers);
            Vec::new()
        }
        Event::Printed { ticket, text } => custom::printed(state, ticket, &text),
        Event::Ended { ticket, ran } => custom::ended(state, ticket, ran),
        Event::Read { ticket, outcome } if state.editing.as_ref().is_some_and(|(asked, _)| *asked == ticket) => {
            edit::opened(state, outcome)
        }
        Event::Read { ticket, outcome } => pager::answered(state, ticket, outcome),
        Event::Saved(Ok(path)) => tell(state, format!("written to {}", path.display())),
        Event::Themed(Ok(name)) => {
            state.theme.clone_from(&name);
            tell(state, format!("theme {name}"))
        }
        Event::Saved(Err(complaint)) | Event::Themed(Err(complaint)) => complain(state, complaint),
        Event::Notice(text) => complain(state, text),
        Event::Setup(setup) => {
            setup.settle_anew(state);
            Vec::new()
        }
        // The loop has taken it.
        Event::Configured(_) => Vec::new(),
    }
}

fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    state.notice = None;
    let chord = Chord::from(key);
    // Two keys mean the same everywhere, also while something is typed.
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return vec![Effect::Quit];
    }
    if state.keymap.action(chord) == Some(Action::Suspend) {
        return vec![Effect::Suspend];
    }
    if state.layout().class == Class::TooSmall {
        return if state.keymap.action(chord) == Some(Action::Quit) { vec![Effect::Quit] } else { Vec::new() };
    }
    if state.tour.is_some() {
        return tour::press(state, key);
    }
    if state.help.is_some() {
        return help::press(state, key);
    }
    edit::give_up(state);
    let key = apart(state, key);
    match &state.overlay {
        Overlay::None => match meaning(state, chord) {
            Some(action) => {
                places::note(state, true);
                let effects = act(state, action);
                let goes = matches!(action, Action::HistoryBack | Action::HistoryForward | Action::HistorySwap);
                places::note(state, goes || action.entry().group == Group::Move);
                effects
            }
            None => custom_key(state, chord),
        },
        Overlay::Bookmark(_) => noted(state, |state| places::letter(state, key)),
        Overlay::Filter => noted(state, |state| overlay::filter(state, key)),
        Overlay::Palette(_) => noted(state, |state| overlay::palette(state, key)),
        Overlay::Export(_) => overlay::export(state, key),
        Overlay::Pager(_) => pager::press(state, key),
        Overlay::Audit(_) => noted(state, |state| audit::press(state, key)),
        Overlay::Scale(_) | Overlay::Rollout(_) | Overlay::Typed(_) => dialog::press(state, key),
        Overlay::Confirm(_) => change::answer(state, key),
    }
}

/// Esc and a key close behind it arrive as that key with alt, over a slow line or through tmux. Where something is asked or
/// typed no key has alt, so that there it is the Esc; what comes behind it is not meant for what the Esc has left.
fn apart(state: &State, key: KeyEvent) -> KeyEvent {
    let is_asked = !matches!(state.overlay, Overlay::None | Overlay::Pager(_) | Overlay::Audit(_));
    if is_asked && key.modifiers.contains(KeyModifiers::ALT) { KeyCode::Esc.into() } else { key }
}

/// What an overlay does may lead to another place.
fn noted(state: &mut State, takes: impl FnOnce(&mut State) -> Vec<Effect>) -> Vec<Effect> {
    let effects = takes(state);
    places::note(state, false);
    effects
}

/// A key that means nothing to the console may be one of the user's commands; Esc ends the one that runs.
fn custom_key(state: &mut State, chord: Chord) -> Vec<Effect> {
    let name = state.custom_of(chord).map(|custom| custom.command.name.clone());
    name.map_or_else(Vec::new, |name| custom::run(state, &name))
}

/// What a key means where the cursor is.
fn meaning(state: &State, chord: Chord) -> Option<Action> {
    let here = state.chooses_drain().then(|| state.keymap.action_on(Layer::BlockedDrain, chord)).flatten();
    here.or_else(|| state.keymap.action(chord))
}

/// Carries out a wish; the keymap and the palette both end here.
pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    use Action::{
        Abort, Arm, AskAgain, Back, ClearMarks, Collapse, Command, Copy, Cordon, Down, Drain, DrainForce, DrainHint,
        DrainSkip, DrainWait, Expand, Filter, First, Follow, HalfPageDown, HalfPageUp, Help, HistoryBack,
        HistoryForward, HistorySwap, Hold, JumpBookmark, Last, Logs, Mark, MarkRange, NextPane, Open, PageDown, PageUp,
        Pause, PreviousPane, Problems, Quit, Redraw, Replace, Retry, Rollback, Scale, SetBookmark, SortColumnLeft,
        SortColumnRight, SortNext, SortReverse, Ssh, Suspend, Uncordon, Up, Upgrade, ViewEvents, ViewFleet, ViewHosts,
        ViewMachines, ViewOperations, Wrap, Zoom,
    };
    if state.why.is_some()
        && let Some(effects) = why::act(state, action)
    {
        return effects;
    }
    match action {
        Down | Up | First | Last | HalfPageDown | HalfPageUp | PageDown | PageUp => navigate::travel(state, action),
        Collapse => navigate::collapse(state),
        Expand => navigate::expand(state),
        Open => navigate::open(state),
        NextPane => navigate::next_pane(state, true),
        PreviousPane => navigate::next_pane(state, false),
        Zoom => navigate::zoom(state),
        Back if state.running.is_some() => return custom::stop(state),
        Back => return navigate::back(state),
        ViewFleet => navigate::view(state, View::Fleet),
        ViewOperations => navigate::view(state, View::Operations),
        ViewMachines => navigate::view(state, View::Machines),
        ViewEvents => navigate::view(state, View::Events),
        SortNext | SortColumnRight => sort::by_column(state, true),
        SortColumnLeft => sort::by_column(state, false),
        SortReverse => sort::reverse(state),
        ViewHosts => hosts::open(state),
        AskAgain => hosts::ask_again(state),
        Action::Why => return why::open(state),
        Ssh => return hosts::visit(state),
        Filter if state.pane == Pane::Feed && state.log.is_some() => pager::kept(state),
        Filter => overlay::open_filter(state),
        Problems => overlay::toggle_problems(state),
        Command => overlay::open_palette(state),
        Help => help::open(state),
        Scale => dialog::scale(state, None),
        Mark => machine::mark(state),
        MarkRange => machine::mark_range(state),
        ClearMarks => state.marks.clear(),
        HistoryBack => places::step(state, false),
        HistoryForward => places::step(state, true),
        HistorySwap => places::swap(state),
        SetBookmark => places::ask(state, Purpose::Set),
        JumpBookmark => places::ask(state, Purpose::Jump),
        Upgrade => rollout::upgrade(state),
        Replace => rollout::replace(state),
        Rollback => rollout::rollback(state),
        Abort => rollout::abort(state),
        Cordon => machine::care(state, action, Care::Cordon),
        Uncordon => machine::care(state, action, Care::Uncordon),
        Drain => machine::care(state, action, Care::Drain),
        DrainWait => return machine::choose(state, action, Choice::Wait),
        DrainSkip => return machine::choose(state, action, Choice::Skip),
        DrainForce => return machine::choose(state, action, Choice::Force),
        DrainHint => machine::hint(state),
        Action::Audit => audit::open(state),
        Action::Edit => return edit::begin(state, pager::under_cursor(state)),
        Action::Yaml => return pager::show(state, Form::Yaml),
        Action::Describe => return pager::show(state, Form::Describe),
        Action::Diff => return pager::show(state, Form::Diff),
        Logs => return follow::open(state),
        Action::AllLogs => return follow::open_all(state),
        Follow => follow::toggle(state),
        Wrap => sort::wrap(state),
        Pause => return change::pause(state),
        Hold => return change::hold(state),
        Retry => change::retry(state),
        Arm => change::arm(state),
        Copy => return copy::names(state),
        Redraw => return vec![Effect::Redraw],
        Suspend => return vec![Effect::Suspend],
        Quit => return quit(state),
    }
    Vec::new()
}

/// `q` leaves only from the top: from depth it goes one level back, like Esc.
fn quit(state: &mut State) -> Vec<Effect> {
    if navigate::is_at_top(state) { vec![Effect::Quit] } else { navigate::back(state) }
}

fn applied(state: &mut State, ticket: u64, outcome: Result<String, Refusal>) -> Vec<Effect> {
    if let Err(refusal) = &outcome {
        permissions::refused(state, refusal);
    }
    state.sent.retain(|(sent, _)| *sent != ticket);
    if dialog::applied(state, ticket, &outcome) {
        return Vec::new();
    }
    match outcome {
        Ok(done) => state.tell(done),
        Err(refusal) => state.complain(refusal.message),
    }
    Vec::new()
}

fn tell(state: &mut State, text: String) -> Vec<Effect> {
    state.tell(text);
    Vec::new()
}

fn complain(state: &mut State, text: String) -> Vec<Effect> {
    state.complain(text);
    Vec::new()
}

/// What ends by itself: news, and the time for which writes are armed.
fn expire(state: &mut State, was_armed: bool) {
    if state.notice.as_ref().is_some_and(|n| n.until <= state.now) {
        state.notice = None;
        state.revision += 1;
    }
    if was_armed && !state.is_armed() && state.armed_until.is_some() {
        state.armed_until = None;
        state.tell(format!("read-only again: {} have passed", text::duration(state.armed_seconds)));
    }
}

fn scroll(state: &mut State) {
    let height = state.layout().list_height();
    if height > 0 {
        state.tree.scroll(height);
        lists::scroll(&mut state.operations, state.sieves.operations.len(), height);
        let machines = state.table.len();
        lists::scroll(&mut state.table.list, machines, height);
        let hosts = state.hosts.len();
        lists::scroll(&mut state.hosts.list, hosts, height);
        lists::scroll(&mut state.events, state.sieves.events.len(), height);
    }
    state.feed_top = state.feed_top.min(state.snapshot.events.len().saturating_sub(state.layout().feed_height()));
}
