//! Styles as words: `blue`, `"#7aa2f7 bold"`, `black on yellow`, `reversed`.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};

use super::nearest::advice;

/// Names of the sixteen colours that every terminal has, and `default` for its own.
const COLOURS: &[(&str, Color)] = &[
    ("default", Color::Reset),
    ("black", Color::Black),
    ("red", Color::Red),
    ("green", Color::Green),
    ("yellow", Color::Yellow),
    ("blue", Color::Blue),
    ("magenta", Color::Magenta),
    ("cyan", Color::Cyan),
    ("gray", Color::Gray),
    ("dark-gray", Color::DarkGray),
    ("light-red", Color::LightRed),
    ("light-green", Color::LightGreen),
    ("light-yellow", Color::LightYellow),
    ("light-blue", Color::LightBlue),
    ("light-magenta", Color::LightMagenta),
    ("light-cyan", Color::LightCyan),
    ("white", Color::White),
];

const MODIFIERS: &[(&str, Modifier)] = &[
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underlined", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
];

/// Reads a style; `palette` holds further names of colours.
pub(super) fn style(text: &str, palette: &BTreeMap<String, Color>) -> Result<Style, String> {
    let mut style = Style::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word == "on" {
            let name = words.next().ok_or("`on` wants a colour behind it")?;
            style = style.bg(colour(name, palette)?);
        } else if let Some((_, modifier)) = MODIFIERS.iter().find(|(name, _)| *name == word) {
            style = style.add_modifier(*modifier);
        } else if style.fg.is_some() {
            return Err(format!("`{word}` is a second colour: a background is written `on {word}`"));
        } else {
            style = style.fg(colour(word, palette)?);
        }
    }
    Ok(style)
}

/// Reads a colour: a name of the palette or of the terminal, `#rrggbb`, or a number of the 256.
pub(super) fn colour(word: &str, palette: &BTreeMap<String, Color>) -> Result<Color, String> {
    if let Some(known) = palette.get(word) {
        return Ok(*known);
    }
    if let Some((_, known)) = COLOURS.iter().find(|(name, _)| *name == word) {
        return Ok(*known);
    }
    if let Some(hex) = word.strip_prefix('#') {
        let digits = Some(hex).filter(|h| h.len() == 6 && h.chars().all(|c| c.is_ascii_hexdigit()));
        let value = digits.and_then(|h| u32::from_str_radix(h, 16).ok());
        return value
            .map(|v| Color::Rgb((v >> 16) as u8, (v >> 8) as u8, v as u8))
            .ok_or_else(|| format!("`{word}` is not a colour: six hexadecimal digits are wanted, as in #7aa2f7"));
    }
    if let Ok(index) = word.parse::<u8>() {
        return Ok(Color::Indexed(index));
    }
    let names =
        palette.keys().map(String::as_str).chain(COLOURS.iter().map(|c| c.0)).chain(MODIFIERS.iter().map(|m| m.0));
    Err(format!("there is no colour `{word}`{}, #rrggbb, 0 to 255", advice(word, names)))
}

/// The nearest of the 256 colours, for terminals without more.
pub(super) fn to_256(colour: Color) -> Color {
    let Color::Rgb(r, g, b) = colour else { return colour };
    let level = |v: u8| match v {
        0..48 => 0_u8,
        48..115 => 1,
        _ => (v - 35) / 40,
    };
    let spread = r.max(g).max(b) - r.min(g).min(b);
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    if spread < 12 && (8..=238).contains(&mean) {
        return Color::Indexed(232 + ((mean - 8) / 10).min(23) as u8);
    }
    Color::Indexed(16 + 36 * level(r) + 6 * level(g) + level(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: Result<Style, &str>) {
        let palette = BTreeMap::from([("sea".to_owned(), Color::Rgb(0, 0, 255))]);
        match (style(text, &palette), wanted) {
            (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{text}"),
            (Err(found), Err(wanted)) => assert!(found.contains(wanted), "{text}: {found}"),
            (found, wanted) => panic!("{text}: {found:?}, not {wanted:?}"),
        }
    }

    #[test]
    fn styles_are_words() {
        check("", Ok(Style::new()));
        check("sea bold", Ok(Style::new().fg(Color::Rgb(0, 0, 255)).add_modifier(Modifier::BOLD)));
        check("black on 214", Ok(Style::new().fg(Color::Black).bg(Color::Indexed(214))));
        check("reversed", Ok(Style::new().add_modifier(Modifier::REVERSED)));
        check("#7aa2f7", Ok(Style::new().fg(Color::Rgb(0x7a, 0xa2, 0xf7))));
        check("#7aa2f", Err("six hexadecimal digits"));
        check("grean", Err("did you mean `green`?"));
        check("red blue", Err("a background is written `on blue`"));
        check("on", Err("wants a colour"));
        check("#ééé", Err("six hexadecimal digits"));
    }

    #[test]
    fn true_colours_have_a_neighbour_among_the_256() {
        assert_eq!(to_256(Color::Rgb(255, 0, 0)), Color::Indexed(196));
        assert_eq!(to_256(Color::Rgb(128, 128, 128)), Color::Indexed(244));
        assert_eq!(to_256(Color::Red), Color::Red);
    }
}
