//! `cargo xtask sim`: the simulator, built quick and with every assertion; what it takes is said by `cargo xtask sim --help`.

use anyhow::Result;
use clap::Args;

use crate::shell;

/// What a change must survive: fresh seeds, the list of those that once found something, ten of them twice.
const OF_A_CHANGE: [&str; 3] = ["--seeds", "200", "--list"];

/// Passed on to the simulator.
#[derive(Args, Debug, Default)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// See `cargo xtask sim --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds it and runs it.
pub fn run(options: &Options) -> Result<()> {
    let arguments: Vec<&str> = options.arguments.iter().map(String::as_str).collect();
    simulate(&[], &arguments)
}

/// What a change must survive.
pub fn of_a_change() -> Result<()> {
    simulate(&[], &OF_A_CHANGE)
}

fn simulate(features: &[&str], arguments: &[&str]) -> Result<()> {
    let build = ["run", "--quiet", "--locked", "--profile", "sim", "--package", "sim"];
    shell::run("cargo", &[&build[..], features, &["--"], arguments].concat())
}
