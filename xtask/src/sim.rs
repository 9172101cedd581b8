//! `cargo xtask sim`: builds the simulator and runs it; what it takes is said by `cargo xtask sim --help`.

use anyhow::Result;
use clap::Args;

use crate::shell;

/// Seeds that a change must survive, beside those of the list.
const SEEDS_OF_A_CHANGE: u64 = 200;
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

/// What a change must survive: seeds drawn from its commit, fresh for each and the same whenever it is judged again, and those that once
/// found something. Outside a repository they are the first.
pub fn of_a_change() -> Result<()> {
    let commit = shell::output("git", &["rev-parse", "HEAD"]).unwrap_or_default();
    let first = commit.get(..8).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(1);
    simulate(&["--seeds", &format!("{first}..{}", first + SEEDS_OF_A_CHANGE), "--list"])
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
