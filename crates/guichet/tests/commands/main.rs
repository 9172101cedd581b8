//! The program as people start it: its commands, what it refuses, how it stops.

mod damage;
mod demo;
mod operations;
mod pooler;
mod refusals;
mod settlements;

use std::path::Path;

use testkit::process::{Ran, run};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_guichet");

/// Runs a command in a folder.
fn guichet(folder: &Path, arguments: &[&str]) -> Ran {
    run(Path::new(PROGRAM), folder, arguments, &[])
}
