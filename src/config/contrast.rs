//! How well one colour stands out from another (WCAG 2.2): for tests of themes and of screens.

use ratatui::style::Color;

/// The light of its red, green and blue, each from 0 to 1.
pub fn linear(color: Color) -> [f64; 3] {
    let Color::Rgb(red, green, blue) = color else { panic!("{color:?} is not of the theme's own") };
    [red, green, blue].map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    })
}

/// Of the light that a colour gives, from 0 to 1: its relative luminance.
fn luminance(color: Color) -> f64 {
    let [red, green, blue] = linear(color);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// From 1, the same, to 21, black on white.
pub fn contrast(one: Color, other: Color) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}
