//! `config.yaml`.

use std::path::Path;

use serde::Deserialize;

use super::{
    contexts::{self, ContextSettings},
    mistake::Mistake,
    ssh::Ssh,
};

/// In place of the name of a theme: whichever suits the terminal.
pub(super) const AUTO: &str = "auto";

/// What can be set. Every key may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Name of a theme, or `auto`: by what the terminal can show, and whether its background is light.
    pub theme: String,
    /// What `auto` takes on a light background, and on any other.
    pub light_theme: String,
    pub dark_theme: String,
    pub glyphs: Glyphs,
    /// The console starts read-only.
    pub read_only: bool,
    /// How long writes stay armed.
    pub arm_minutes: u32,
    /// What Enter means in a question of level 1.
    pub confirm: Confirm,
    /// Most frames drawn in a second because of news; a key draws at once. Over SSH at most 10.
    pub frames_per_second: u32,
    /// Lines of a log that are asked for and kept.
    pub log_lines: usize,
    /// The console hears the wheel and clicks; then the terminal's own selection takes its modifier, mostly shift.
    pub mouse: bool,
    /// Meta clusters that the console opens together, and how they are marked.
    pub contexts: Vec<ContextSettings>,
    /// Whether the terminal is asked to show a frame in one piece.
    pub sync: Sync,
    /// How hosts are reached from here.
    pub ssh: Ssh,
}

/// What Enter means in a question with yes and no. What takes a typed phrase is as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Confirm {
    /// No.
    #[default]
    Careful,
    /// Yes.
    Quick,
}

/// Which frames the terminal is asked to show in one piece (DEC private mode 2026).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sync {
    /// Large ones.
    #[default]
    Auto,
    On,
    Off,
}

/// Which characters draw state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Glyphs {
    /// By the locale.
    #[default]
    Auto,
    Unicode,
    Ascii,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: AUTO.to_owned(),
            light_theme: "light".to_owned(),
            dark_theme: "dark".to_owned(),
            glyphs: Glyphs::Auto,
            read_only: true,
            arm_minutes: 15,
            confirm: Confirm::Careful,
            frames_per_second: 30,
            log_lines: 10_000,
            mouse: false,
            sync: Sync::Auto,
            ssh: Ssh::default(),
            contexts: Vec::new(),
        }
    }
}

impl Settings {
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self, Vec<Mistake>> {
        if is_blank(text) {
            return Ok(Self::default());
        }
        let settings: Self = serde_saphyr::from_str(text).map_err(|e| vec![Mistake::of_yaml(file, &e)])?;
        let bounds = [
            ("armMinutes", settings.arm_minutes as usize, 1..=480),
            ("framesPerSecond", settings.frames_per_second as usize, 1..=60),
            ("logLines", settings.log_lines, 100..=100_000),
            ("connectTimeoutSeconds", settings.ssh.connect_timeout_seconds as usize, 1..=120),
        ];
        let beyond = bounds.iter().filter(|(_, value, range)| !range.contains(value));
        let beyond = beyond.map(|(key, value, range)| {
            (*key, format!("{key} is {value}: it must lie between {} and {}", range.start(), range.end()))
        });
        let mut mistakes: Vec<_> = beyond
            .chain(settings.ssh.mistakes())
            .chain(settings.circles())
            .map(|(key, message)| Mistake::on_line(file, line_of(text, key), message))
            .collect();
        mistakes.extend(contexts::check(&settings.contexts, text, file));
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }

    /// What `auto` takes is a theme, and not `auto` once more.
    fn circles(&self) -> impl Iterator<Item = (&'static str, String)> {
        let named = [("lightTheme", &self.light_theme, "a light"), ("darkTheme", &self.dark_theme, "any other")];
        named.into_iter().filter(|(_, name, _)| *name == AUTO).map(|(key, _, ground)| {
            (key, format!("{key} cannot be `auto`, for it is what `auto` takes on {ground} background: name a theme"))
        })
    }

    /// The themes that are named, each with its key.
    pub(super) fn named_themes(&self) -> [(&'static str, &str); 3] {
        [("theme", &self.theme), ("lightTheme", &self.light_theme), ("darkTheme", &self.dark_theme)]
    }

    /// The theme to use: what was set, or what the terminal can show.
    pub fn theme(&self, no_color: bool, has_colours: bool, is_light: bool) -> &str {
        match (no_color, self.theme.as_str()) {
            (true, _) => "none",
            (false, AUTO) if !has_colours => "16",
            (false, AUTO) if is_light => &self.light_theme,
            (false, AUTO) => &self.dark_theme,
            (false, name) => name,
        }
    }
}

/// Nothing but comments and space.
pub(super) fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|l| l.is_empty() || l.starts_with('#') || l == "---")
}

/// Where the key stands.
pub(super) fn line_of(text: &str, key: &str) -> Option<(u64, u64)> {
    let at = text.lines().position(|l| l.trim_start().starts_with(key))?;
    Some((at as u64 + 1, 1))
}
