//! Roles that views paint with, and the styles that a theme gives them. Views never name a colour.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Text,
    /// Less important: labels, units, what is old.
    Muted,
    Border,
    /// The frame of the pane that has the keys.
    Focus,
    Title,
    Accent,
    Good,
    Moving,
    Warning,
    Bad,
    Idle,
    /// The row under the cursor; laid over the row's own colours.
    Cursor,
    Key,
    Added,
    Removed,
    Input,
    /// Writes are armed.
    Armed,
    Simulated,
}

impl Role {
    pub const ALL: [Self; 18] = [
        Self::Text,
        Self::Muted,
        Self::Border,
        Self::Focus,
        Self::Title,
        Self::Accent,
        Self::Good,
        Self::Moving,
        Self::Warning,
        Self::Bad,
        Self::Idle,
        Self::Cursor,
        Self::Key,
        Self::Added,
        Self::Removed,
        Self::Input,
        Self::Armed,
        Self::Simulated,
    ];
}

/// A style for each role.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    pub name: String,
    styles: [Style; Role::ALL.len()],
}

impl Theme {
    pub fn new(name: &str, style: impl Fn(Role) -> Style) -> Self {
        Self { name: name.to_owned(), styles: Role::ALL.map(style) }
    }

    /// No colour at all: bold, dim and reverse only. What `NO_COLOR` asks for.
    pub fn plain() -> Self {
        Self::new("plain", |role| match role {
            Role::Muted | Role::Border | Role::Idle => Style::new().add_modifier(Modifier::DIM),
            Role::Title | Role::Focus | Role::Accent | Role::Bad | Role::Warning | Role::Key => {
                Style::new().add_modifier(Modifier::BOLD)
            }
            Role::Cursor | Role::Armed => Style::new().add_modifier(Modifier::REVERSED),
            Role::Input => Style::new().add_modifier(Modifier::UNDERLINED),
            _ => Style::new(),
        })
    }

    /// The colours that every terminal has.
    pub fn sixteen() -> Self {
        Self::new("16", |role| match role {
            Role::Text => Style::new(),
            Role::Muted | Role::Idle => Style::new().fg(Color::DarkGray),
            Role::Border => Style::new().fg(Color::DarkGray),
            Role::Focus | Role::Accent => Style::new().fg(Color::Cyan),
            Role::Title => Style::new().add_modifier(Modifier::BOLD),
            Role::Good => Style::new().fg(Color::Green),
            Role::Moving => Style::new().fg(Color::Blue),
            Role::Warning => Style::new().fg(Color::Yellow),
            Role::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Role::Cursor => Style::new().add_modifier(Modifier::REVERSED),
            Role::Key => Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
            Role::Added => Style::new().fg(Color::Green),
            Role::Removed => Style::new().fg(Color::Red),
            Role::Input => Style::new().add_modifier(Modifier::UNDERLINED),
            Role::Armed => Style::new().fg(Color::Black).bg(Color::Yellow).add_modifier(Modifier::BOLD),
            Role::Simulated => Style::new().fg(Color::Magenta).add_modifier(Modifier::BOLD),
        })
    }

    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }
}
