//! What `quarterdeck install` brings into a cluster: the committed manifests, the roles proved on a real server, and the
//! command itself. `UPDATE=1 cargo test --test install` writes the manifests anew.

#[path = "install/command.rs"]
mod command;
#[path = "install/container.rs"]
mod container;
#[path = "install/manifests.rs"]
mod manifests;
#[path = "controllers/meta.rs"]
#[expect(dead_code, reason = "the tests of controllers use more of it")]
mod meta;
#[path = "needs/program.rs"]
mod program;
#[path = "install/real.rs"]
mod real;
#[path = "install/record.rs"]
mod record;
#[path = "install/roles.rs"]
mod roles;
#[path = "controllers/world.rs"]
#[expect(dead_code, reason = "the tests of controllers use more of it")]
mod world;
