//! Colours as people see them whose eyes have two kinds of cones instead of three.

use crate::config::{Role, Themes, contrast::linear};

type Triple = [f64; 3];

/// By kind of colour vision, on linear RGB: Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation
/// of Color Vision Deficiency" (2009), table 1, severity 1.
#[expect(clippy::unreadable_literal, reason = "as they stand in the table")]
const SEEN: [(&str, [Triple; 3]); 4] = [
    ("all cones", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    ("no red", [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    ("no green", [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    ("no blue", [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
];

/// Rows of a matrix times a column.
fn times(matrix: [Triple; 3], column: Triple) -> Triple {
    matrix.map(|row| row.iter().zip(column).map(|(a, b)| a * b).sum())
}

/// CIELAB under the white of sRGB.
#[expect(clippy::unreadable_literal, reason = "as they stand in the standard")]
fn lab(linear: Triple) -> Triple {
    let xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]];
    let [x, y, z] = times(xyz, linear.map(|part| part.clamp(0.0, 1.0)));
    let [x, y, z] =
        [x / 0.95047, y, z / 1.08883].map(|t: f64| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn distance(one: Triple, other: Triple) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// Shape says it first; whoever goes by colour has to be able to as well. Two in CIE 1976 units is what one can just tell
/// apart side by side: for small signs far from each other it has to be many times that.
#[test]
fn states_are_told_apart_with_any_kind_of_colour_vision() {
    const LEAST: f64 = 17.0;
    let states = [Role::Good, Role::Moving, Role::Warning, Role::Bad, Role::Idle];
    let themes = Themes::built_in();
    for name in ["dark", "light", "okabe-ito"] {
        let theme = themes.find(name).expect("it is built in");
        for (vision, matrix) in SEEN {
            let seen = states.map(|role| lab(times(matrix, linear(theme.style(role).fg.expect("a colour")))));
            for (at, one) in states.iter().enumerate() {
                for (other, color) in states.iter().zip(seen).skip(at + 1) {
                    let apart = distance(seen[at], color);
                    assert!(apart >= LEAST, "{name}, {vision}: {} and {} are {apart:.0}", one.as_str(), other.as_str());
                }
            }
        }
    }
}
