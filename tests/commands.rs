//! The commands for scripts: the real binary against the embedded API server, over loopback TLS.

#[path = "commands/controller.rs"]
mod controller;
#[path = "commands/demo.rs"]
mod demo;
#[path = "commands/door.rs"]
mod door;
#[path = "commands/get.rs"]
mod get;
#[path = "commands/install.rs"]
mod install;
#[path = "commands/logs.rs"]
mod logs;
#[path = "commands/maintain.rs"]
mod maintain;
#[path = "controllers/meta.rs"]
mod meta;
#[path = "commands/pty.rs"]
mod pty;
#[path = "commands/rollout.rs"]
mod rollout;
#[path = "commands/scale.rs"]
mod scale;
#[path = "commands/tape.rs"]
mod tape;
#[path = "controllers/world.rs"]
#[expect(dead_code, reason = "the tests of controllers use more of it")]
mod world;
