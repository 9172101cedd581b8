//! `cargo xtask sim`.

use std::process::ExitCode;

use clap::Parser;
use sim::command::{Arguments, run};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            sim::realm::println(&format!("sim: {error:#}"));
            ExitCode::from(2)
        }
    }
}
