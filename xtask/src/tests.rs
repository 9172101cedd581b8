//! `cargo xtask test`: every test, on SQLite and on PostgreSQL. The README's second command.

use anyhow::Result;
use clap::Args;

use crate::{setup, shell};

/// Which tests.
#[derive(Args, Debug, Default)]
pub struct Options {
    /// Words for the test runner, for example the beginning of a test's name.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filter: Vec<String>,
}

/// Makes sure of what the tests need, then runs them; the runner's own summary is the last thing printed.
pub fn run(options: &Options) -> Result<()> {
    setup::run()?;
    let filter: Vec<&str> = options.filter.iter().map(String::as_str).collect();
    if !setup::has_nextest() {
        return shell::run("cargo", &[&["test", "--workspace", "--locked", "--no-fail-fast"], &filter[..]].concat());
    }
    if filter.is_empty() {
        // The examples in the documentation, which nextest does not run.
        shell::run("cargo", &["test", "--workspace", "--locked", "--doc", "--quiet"])?;
    }
    shell::run("cargo", &[&["nextest", "run", "--workspace", "--locked"], &filter[..]].concat())
}
