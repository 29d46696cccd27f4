//! What a test needs that a machine may lack.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
};

/// Where a program is: at its path, or on PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|folder| folder.join(program));
    Some(PathBuf::from(program)).filter(|p| p.is_absolute() && p.exists()).or_else(|| places.find(|p| p.exists()))
}

/// Is the program there? If not, says on the terminal which test is left out (or fails, if all were asked for).
pub fn present(test: &str, program: &str, package: &str) -> bool {
    let found = find(program).is_some();
    if !found {
        leave_out(test, package);
    }
    found
}

/// Notes that a test cannot run here. Written past the capture of test output, so that it is seen.
pub fn leave_out(test: &str, needs: &str) {
    assert!(env::var_os("QUARTERDECK_TEST_ALL").is_none_or(|all| all != "1"), "{test} needs {needs}");
    say_left_out(test, needs);
}

/// Past the capture of test output.
pub fn say_left_out(test: &str, needs: &str) {
    writeln!(io::stderr(), "left out: {test} (needs {needs})").expect("standard error is there");
}
