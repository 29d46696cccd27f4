//! A theme: a style for each role that a view can name. Views never name a colour.

use std::{collections::BTreeMap, path::Path};

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{mistake::Mistake, nearest::advice, settings::is_blank, style};

macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident = $name:literal,)*) => {
        /// What a piece of the screen means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Role { $($(#[$doc])* $role,)* }

        impl Role {
            pub const ALL: &'static [Self] = &[$(Self::$role,)*];

            /// Its name in a theme.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$role => $name,)* }
            }
        }
    };
}

roles! {
    Text = "text",
    /// Less important: labels, units, what is old.
    Muted = "muted",
    Border = "border",
    /// The frame of the pane that has the keys.
    Focus = "focus",
    Title = "title",
    Accent = "accent",
    Good = "good",
    Moving = "moving",
    Warning = "warning",
    Bad = "bad",
    Idle = "idle",
    /// The row under the cursor; laid over the row's own colours.
    Cursor = "cursor",
    /// Rows that are marked.
    Selection = "selection",
    Key = "key",
    Added = "added",
    Removed = "removed",
    Input = "input",
    /// Writes are armed.
    Armed = "armed",
    Simulated = "simulated",
    /// The blocks that contexts are marked with. A theme may leave them out: it gets colours that can be read on
    /// anything.
    ContextRed = "context-red",
    ContextOrange = "context-orange",
    ContextYellow = "context-yellow",
    ContextGreen = "context-green",
    ContextBlue = "context-blue",
    ContextPurple = "context-purple",
    ContextGray = "context-gray",
}

/// A style for each role.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    pub name: String,
    styles: Vec<Style>,
}

impl Theme {
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }

    /// The same with the 256 colours, for terminals that have no more.
    pub fn to_256(&self) -> Self {
        let fewer = |s: &Style| Style { fg: s.fg.map(style::to_256), bg: s.bg.map(style::to_256), ..*s };
        Self { name: self.name.clone(), styles: self.styles.iter().map(fewer).collect() }
    }
}

/// A theme as it stands in a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ThemeFile {
    /// For people.
    #[allow(dead_code)] // a place for words, read by people only
    description: String,
    pub inherits: Option<Spanned<String>>,
    palette: BTreeMap<String, Spanned<Option<String>>>,
    roles: BTreeMap<String, Spanned<Option<String>>>,
}

/// What a file says, checked: the roles that it sets.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    pub inherits: Option<(String, serde_saphyr::Location)>,
    styles: Vec<(Role, Style)>,
}

impl Layer {
    /// Reads a file; all mistakes at once.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self, Vec<Mistake>> {
        if is_blank(text) {
            return Ok(Self::default());
        }
        let parsed: ThemeFile = serde_saphyr::from_str(text).map_err(|e| vec![Mistake::of_yaml(file, &e)])?;
        let mut mistakes = Vec::new();
        let mut palette = BTreeMap::new();
        for (name, value) in &parsed.palette {
            match said(value).and_then(|text| style::colour(text, &BTreeMap::new())) {
                Ok(colour) => drop::<Option<Color>>(palette.insert(name.clone(), colour)),
                Err(message) => mistakes.push(Mistake::at(file, value.referenced, format!("{name}: {message}"))),
            }
        }
        let mut styles = Vec::new();
        for (name, value) in &parsed.roles {
            let Some(role) = Role::ALL.iter().find(|r| r.as_str() == name) else {
                let advice = advice(name, Role::ALL.iter().map(|r| r.as_str()));
                mistakes.push(Mistake::at(file, value.referenced, format!("there is no role `{name}`{advice}")));
                continue;
            };
            match said(value).and_then(|text| style::style(text, &palette)) {
                Ok(style) => styles.push((*role, style)),
                Err(message) => mistakes.push(Mistake::at(file, value.referenced, format!("{name}: {message}"))),
            }
        }
        let inherits = parsed.inherits.map(|i| (i.value, i.referenced));
        if mistakes.is_empty() { Ok(Self { inherits, styles }) } else { Err(mistakes) }
    }

    /// Lays itself over what it inherits.
    pub(super) fn over(&self, below: Option<Theme>, name: &str) -> Theme {
        let mut styles = below.map_or_else(|| vec![Style::new(); Role::ALL.len()], |theme| theme.styles);
        for (role, style) in &self.styles {
            styles[*role as usize] = *style;
        }
        mark(&mut styles);
        Theme { name: name.to_owned(), styles }
    }
}

/// Gives blocks of contexts that have no style one: ink and ground both, so that they can be read on any background; in a
/// theme without colours they are turned round.
fn mark(styles: &mut [Style]) {
    let blocks = [
        (Role::ContextRed, Color::LightRed, Color::Rgb(0xff, 0x6b, 0x6b)),
        (Role::ContextOrange, Color::Yellow, Color::Rgb(0xff, 0xa5, 0x4a)),
        (Role::ContextYellow, Color::LightYellow, Color::Rgb(0xff, 0xdd, 0x55)),
        (Role::ContextGreen, Color::LightGreen, Color::Rgb(0x6f, 0xd3, 0x7a)),
        (Role::ContextBlue, Color::LightCyan, Color::Rgb(0x6c, 0xb6, 0xff)),
        (Role::ContextPurple, Color::LightMagenta, Color::Rgb(0xc8, 0x9b, 0xff)),
        (Role::ContextGray, Color::Gray, Color::Rgb(0xc0, 0xc4, 0xcc)),
    ];
    let has = |test: fn(&Color) -> bool| styles.iter().any(|s| [s.fg, s.bg].iter().flatten().any(test));
    let (colours, exact) = (has(|_| true), has(|colour| matches!(colour, Color::Rgb(..))));
    for (role, plain, full) in blocks {
        let style = &mut styles[role as usize];
        if *style != Style::new() {
            continue;
        }
        *style = match (colours, exact) {
            (false, _) => Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
            (true, false) => Style::new().fg(Color::Black).bg(plain).add_modifier(Modifier::BOLD),
            (true, true) => Style::new().fg(Color::Rgb(0, 0, 0)).bg(full).add_modifier(Modifier::BOLD),
        };
    }
}

fn said(value: &Spanned<Option<String>>) -> Result<&str, String> {
    let nothing =
        || "nothing is set: a colour that begins with # must stand in quotes, else it is a comment".to_owned();
    value.value.as_deref().ok_or_else(nothing)
}
