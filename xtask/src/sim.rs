//! `cargo xtask sim`: builds the simulator and runs it; what it takes is said by `cargo xtask sim --help`.

use anyhow::Result;
use clap::Args;

use crate::shell;

/// What a change must survive: two hundred seeds, the same each time so that a change is judged by itself, and the list of those that
/// once found something; ten of them run twice. Fresh ones are for the night.
const OF_A_CHANGE: [&str; 3] = ["--seeds", "1..201", "--list"];
/// Builds it with optimisation first: worth its minutes from some thousand seeds on.
const OPTIMISED: &str = "--optimised";
/// Needs a build in which defects can be planted.
const SABOTAGE: &str = "--sabotage";

/// Passed on to the simulator.
#[derive(Args, Debug, Default)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// See `cargo xtask sim --help`; `--optimised` builds it with optimisation first
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds it and runs it.
pub fn run(options: &Options) -> Result<()> {
    let arguments: Vec<&str> = options.arguments.iter().map(String::as_str).collect();
    simulate(&arguments)
}

/// What a change must survive.
pub fn of_a_change() -> Result<()> {
    simulate(&OF_A_CHANGE)
}

fn simulate(arguments: &[&str]) -> Result<()> {
    let mut cargo = vec!["run", "--quiet", "--locked", "--package", "sim"];
    if arguments.contains(&OPTIMISED) {
        cargo.extend(["--profile", "sim"]);
    }
    if arguments.contains(&SABOTAGE) {
        cargo.extend(["--features", "sabotage"]);
    }
    cargo.push("--");
    cargo.extend(arguments.iter().copied().filter(|argument| *argument != OPTIMISED));
    shell::run("cargo", &cargo)
}
