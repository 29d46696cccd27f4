//! Mistakes in a file of the folder `themes`.

use super::check;

#[test]
fn every_mistake_has_its_sentence() {
    check(
        "themes/mine.yaml",
        &[
            ("roles:\n  god: red\n", "2:8: there is no role `god`: did you mean `good`? Allowed: text, …"),
            (
                "roles:\n  good: grean\n",
                "2:9: good: there is no colour `grean`: did you mean `green`? Allowed: default, …",
            ),
            ("roles:\n  good: red blue\n", "2:9: good: `blue` is a second colour: a background is written `on blue`"),
            ("roles:\n  good: on\n", "2:9: good: `on` wants a colour behind it"),
            (
                "roles:\n  good: #fff\n",
                "2:7: good: nothing is set: a colour that begins with # must stand in quotes, else it is a comment",
            ),
            (
                "palette:\n  a: '#12'\n",
                "2:6: a: `#12` is not a colour: six hexadecimal digits are wanted, as in #7aa2f7",
            ),
            ("inherits: drak\n", "1:11: there is no theme `drak` to inherit from: did you mean `dark`? Allowed: 16, …"),
            ("colours: {}\n", "1:1: there is no key `colours`; allowed: description, inherits, palette, roles"),
            ("inherits: mine\n", "1:11: there is no theme `mine` to inherit from: did you mean `none`? Allowed: 16, …"),
            ("roles: 7\n", "1:8: keys with values are wanted here, as in `key: value`"),
        ],
    );
}
