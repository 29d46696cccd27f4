//! What `quarterdeck install` brings into a cluster: the committed manifests, the roles proved on a real server, and the
//! command itself. `UPDATE=1 cargo test --test install` writes the manifests anew.

#[path = "install/manifests.rs"]
mod manifests;
#[path = "needs/program.rs"]
mod program;
