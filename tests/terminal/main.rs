//! The real binary in a pseudo-terminal: what a user sees, and how the terminal is left. The flows run on the embedded
//! server, and with `QUARTERDECK_META=real` on the one that `QUARTERDECK_REAL_KUBECONFIG` names.

mod blocked;
mod editing;
mod endurance;
mod flows;
mod hands;
mod kubelet;
mod leaving;
mod lifecycle;
mod line;
mod machines;
mod mouse;
#[path = "../needs/program.rs"]
mod program;
#[path = "../needs/real.rs"]
mod real;
mod screen;
mod sessions;
mod stage;
mod tour;
