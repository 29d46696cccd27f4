//! Mistakes in `config.yaml`.

use super::check;

#[test]
fn every_mistake_has_its_sentence() {
    check(
        "config.yaml",
        &[
            ("theem: dark\n", "1:1: there is no key `theem`: did you mean `theme`? Allowed: theme, …"),
            ("- a\n", "1:1: keys with values are wanted here, as in `key: value`"),
            ("theme: [\n", "1:8: a text is wanted here"),
            ("theme: a\ntheme: b\n", "2:1: the key `theme` stands there twice"),
            ("readOnly: perhaps\n", "1:11: `true` or `false` is wanted here"),
            ("glyphs: emoji\n", "1:9: `emoji` cannot stand here; allowed: auto, unicode, ascii"),
            ("confirm: never\n", "1:10: `never` cannot stand here; allowed: careful, quick"),
            ("armMinutes: many\n", "1:13: a whole number is wanted here"),
            ("armMinutes: 0\n", "1:1: armMinutes is 0: it must lie between 1 and 480"),
            ("framesPerSecond: 99\n", "1:1: framesPerSecond is 99: it must lie between 1 and 60"),
            ("logLines: 5\n", "1:1: logLines is 5: it must lie between 100 and 100000"),
            ("theme: drak\n", "1:1: there is no theme `drak`: did you mean `dark`? Allowed: auto, 16, …"),
            (
                "lightTheme: auto\n",
                "1:1: lightTheme cannot be `auto`, for it is what `auto` takes on a light background: name a theme",
            ),
            (
                "theme: dark\ndarkTheme: auto\n",
                "2:1: darkTheme cannot be `auto`, for it is what `auto` takes on any other background: name a theme",
            ),
            ("darkTheme: auot\n", "1:1: there is no theme `auot`; allowed: 16, …"),
            ("sync: always\n", "1:7: `always` cannot stand here; allowed: auto, on, off"),
            (
                "ssh:\n  port: 22\n",
                "2:3: there is no key `port`; allowed: user, identityFiles, knownHosts, connectTimeoutSeconds, command",
            ),
            (
                "ssh:\n  user: -oProxyCommand=x\n",
                "2:1: `-oProxyCommand=x` is no name of a user: letters, digits and `._-@` are",
            ),
            ("ssh:\n  identityFiles: [id_rsa]\n", "2:1: `id_rsa` must begin with `/` or `~/`"),
            ("ssh:\n  knownHosts: hosts\n", "2:1: `hosts` must begin with `/` or `~/`"),
            ("ssh:\n  command: \'\'\n", "2:1: command is empty: name a program, such as `ssh`"),
            ("ssh:\n  connectTimeoutSeconds: 0\n", "2:1: connectTimeoutSeconds is 0: it must lie between 1 and 120"),
            ("contexts:\n- name: a\n- name: a\n", "1:1: contexts has `a` twice"),
            ("contexts:\n- name: \'\'\n", "1:1: entry 1 of contexts has no name: that of a context of the kubeconfig"),
            ("contexts:\n- tags: [production]\n", "2:3: the key `name` is missing"),
            (
                "theme: dark\ncontexts:\n- {name: a, tags: [eu, prodution]}\n",
                "2:1: the tag `prodution` of `a` protects nothing: did you mean `production`?",
            ),
            (
                "contexts:\n- {name: a, tags: [prod]}\n",
                "1:1: the tag `prod` of `a` protects nothing: did you mean `production`?",
            ),
            (
                "contexts:\n- {name: a, accent: pink}\n",
                "2:21: `pink` cannot stand here; allowed: red, orange, yellow, green, blue, purple, gray",
            ),
            (
                "contexts:\n- {name: a, readonly: true}\n",
                "2:13: there is no key `readonly`: did you mean `readOnly`? Allowed: name, kubeconfig, namespace, tags, accent, readOnly",
            ),
        ],
    );
}
