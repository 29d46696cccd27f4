//! What people type into one line: the filter language and the command line of the console.

use std::sync::{Arc, LazyLock};

use quarterdeck::{
    console::{
        input::Line,
        named,
        palette::{self, Palette},
    },
    fleet::{Filter, Snapshot, testing},
};

use super::bench::{check, sentence};

static FLEET: LazyLock<Arc<Snapshot>> = LazyLock::new(|| {
    testing::snapshot(
        r#"
    cluster eu-1 version=1.34.2
    pool gpu replicas=3 selector.gpu=h100
    machine m-1 Ready rack=r12 node=node-one kubelet=1.34.2
    machine m-2 Failed phases=Kubelet:fail:9 message="kubelet does not start: 日本 é" topology.kubernetes.io/zone=a
    pool infra role=ControlPlane replicas=1
    machine m-12 NotReady
    operation eu-1-gpu-up ScaleUp Running 1/3 by=alice reason="launch" machines=m-2
    idle 2 spare- rack=r14
"#,
    )
});

/// As much as the console lets anybody type into one line.
fn line(bytes: &[u8]) -> String {
    let mut line = Line::default();
    line.paste(&String::from_utf8_lossy(bytes));
    line.value().to_owned()
}

#[test]
fn filters() {
    let examples = [
        "state=failed,notready rack!=r12 cluster=eu-1 gpu",
        "message~\"DOES not\" !spare ^m-1 'gpu version:1.34 !",
        "topology.kubernetes.io/zone=a phase=kubelet reason!~x \"a b\" ready=true health=bad $2 \\",
    ];
    check("filter", &examples, |bytes| {
        for text in [line(bytes), String::from_utf8_lossy(bytes).into_owned()] {
            match Filter::parse(&text) {
                Ok(filter) => drop(filter.machines(&FLEET)),
                Err(error) if error.column == 0 || error.column > text.chars().count() + 1 => {
                    return Err(format!("a column that is not there: {error}"));
                }
                // What was typed may be repeated, however long it is; it is cut and cleaned where it is drawn.
                Err(error) => {
                    sentence(&error.message.chars().take(300).filter(|c| !c.is_control()).collect::<String>())?
                }
            }
        }
        Ok(())
    });
}

#[test]
fn command_lines() {
    let themes = ["dark".to_owned(), "light".to_owned()];
    let examples =
        [":scale eu-1/gpu 12", "pool infra", "theme light", "filter state=failed gpu", "machine m-2", "op eu", "quit"];
    check("command", &examples, |bytes| {
        let text = line(bytes);
        if let Err(why) = palette::parse(&text) {
            sentence(&why)?;
        }
        if let Err(why) = named::pool(&FLEET, &text) {
            sentence(&why)?;
        }
        let mut prompt = Palette { line: Line::with(&text), ..Palette::default() };
        prompt.complete(&FLEET, &themes);
        if prompt.completions.len() > palette::SHOWN {
            return Err(format!("{} completions", prompt.completions.len()));
        }
        // What is completed is a command, or the beginning of one that takes a name.
        while prompt.accept() {
            prompt.complete(&FLEET, &themes);
            let value = prompt.line.value().to_owned();
            let whole = value.ends_with(' ') || palette::parse(&value).is_ok();
            if !whole {
                return Err(format!("{value:?} was offered, and is no command"));
            }
            if prompt.completions.is_empty() {
                break;
            }
        }
        Ok(())
    });
}
