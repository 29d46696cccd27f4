//! Mistakes in `keymap.yaml`.

use super::check;

#[test]
fn every_mistake_has_its_sentence() {
    check(
        "keymap.yaml",
        &[
            ("scael: x\n", "1:8: there is no action `scael`: did you mean `scale`? Allowed: down, …"),
            ("scale: strg\n", "1:8: `strg` is not a key"),
            ("up: x\nscale: x\n", "2:8: the key `x` is both `up` and `scale`: a key has one meaning"),
            (
                "up: j\n",
                "1:5: the key `j` of `up` is built in for `down`: give `down` another key too, or none: `down: []`",
            ),
            (
                "up: {a: b}\n",
                "1:5: invalid type: map, expected a key as in `down: j`, or a list of keys as in `down: [j, down]`",
            ),
            ("up: a\nup: b\n", "2:1: the key `up` stands there twice"),
            ("7\n", "1:1: keys with values are wanted here, as in `key: value`"),
            (
                "scale: [x, ctrl-d]\n",
                "1:12: `ctrl-d` is no key for `scale`: no ctrl key changes anything in the fleet; a letter, a sign, alt- or f1 to \
                 f12 may",
            ),
            ("scale: [x, strg-d]\n", "1:12: `strg-d` is not a key"),
            ("up: [x\n", "1:…"),
        ],
    );
}
