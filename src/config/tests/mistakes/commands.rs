//! Mistakes in `commands.yaml`.

use super::check;

#[test]
fn every_mistake_has_its_sentence() {
    check(
        "commands.yaml",
        &[
            ("- a\n", "1:1: keys with values are wanted here, as in `key: value`"),
            ("a: {scope: pool, command: [x]}\na: {}\n", "2:1: the key `a` stands there twice"),
            ("a: {command: [x]}\n", "1:5: the key `scope` is missing"),
            ("a: {scope: pool}\n", "1:5: the key `command` is missing"),
            (
                "a: {scope: pool, command: [x], shell: true}\n",
                "1:32: there is no key `shell`; allowed: key, scope, command, description, dangerous, confirm, output, timeoutSeconds",
            ),
            (
                "A b: {scope: pool, command: [x]}\n",
                "1:1: `A b` is no name of a command: small letters, digits and `-` are, 40 at most",
            ),
            (
                "scale: {scope: pool, command: [x]}\n",
                "1:1: `scale` is a command of the console already: choose another name",
            ),
            (
                "a: {scope: pool, command: [x]}\nscale:\n  scope: pool\n  command: [x]\n",
                "2:1: `scale` is a command of the console already: choose another name",
            ),
            (
                "a: {scope: pol, command: [x]}\n",
                "1:12: there is no scope `pol`: did you mean `pool`? Allowed: fleet, cluster, pool, machine, operation",
            ),
            (
                "a: {scope: [], command: [x]}\n",
                "1:12: scope is empty: name at least one of fleet, cluster, pool, machine, operation",
            ),
            (
                "a: {scope: pool, command: x y}\n",
                "1:18: invalid type: string \"x y\", expected a program and its arguments as a list, as in `[ping, -c, \"3\", \"{address}\"]`",
            ),
            ("a: {scope: pool, command: []}\n", "1:27: the command of `a` is empty: name a program and its arguments"),
            (
                "a: {scope: pool, command: ['{pool}']}\n",
                "1:27: the program of `a` is named by a placeholder: write its name",
            ),
            (
                "a: {scope: pool, command: [x, '{address}']}\n",
                "1:31: nothing is called `{address}` here; allowed: name, cluster, pool, namespace, context, kubeconfig, user; a brace is written twice, `{{`",
            ),
            (
                "a: {scope: [fleet, pool], command: [x, '{name}']}\n",
                "1:40: nothing is called `{name}` here; allowed: namespace, context, kubeconfig, user; a brace is written twice, `{{`",
            ),
            (
                "a: {scope: pool, command: [x, 'a{b']}\n",
                "1:31: `a{b` has a brace without its other half: a brace is written twice, `{{`",
            ),
            (
                "a: {scope: pool, command: [x], dangerous: true, key: ctrl-d}\n",
                "1:54: `ctrl-d` is no key for `a`, which is dangerous: no ctrl key changes anything in the fleet; a letter, a sign, \
                 alt- or f1 to f12 may",
            ),
            ("a: {scope: pool, command: [x], key: strg}\n", "1:37: `strg` is not a key"),
            ("a: {scope: pool, command: [x], key: [x, y]}\n", "1:37: a command has one key: write it without brackets"),
            (
                "a: {scope: pool, command: [x], key: s}\n",
                "1:37: the key `s` of `a` is that of `scale` already: choose another one, or give `scale` another one in keymap.yaml",
            ),
            (
                "a: {scope: pool, command: [x], key: '='}\nb: {scope: pool, command: [x], key: '='}\n",
                "2:37: the key `=` is both `a` and `b`: a key has one meaning",
            ),
            (
                "a: {scope: pool, command: [x], output: pagre}\n",
                "1:40: there is no output `pagre`: did you mean `pager`? Allowed: pager, terminal, notice",
            ),
            (
                "a: {scope: pool, command: [x], timeoutSeconds: 0}\n",
                "1:48: timeoutSeconds is 0: it must lie between 1 and 3600",
            ),
            ("a: {scope: pool, command: [x], dangerous: perhaps}\n", "1:43: `true` or `false` is wanted here"),
        ],
    );
}
