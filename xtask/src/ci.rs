//! `cargo xtask ci`: what a change must pass.

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::{crash, openapi, say, schemathesis, setup, shell, sim, tests, tidy};

/// Seconds within which the crash harness begins rounds.
const CRASH_SECONDS: u64 = 20;

/// What to leave out.
#[derive(Args, Debug)]
pub struct Options {
    /// Everything but the tests, for whoever runs them apart.
    #[arg(long)]
    without_tests: bool,
}

/// All parts in turn, the quick ones first and the tests last; the first failure ends it.
pub fn run(options: &Options) -> Result<()> {
    let mut done = Vec::new();
    let mut part = |name: &'static str, work: &dyn Fn() -> Result<()>| {
        say!("\nci: {name}");
        let began = Instant::now();
        work().with_context(|| format!("ci: {name}"))?;
        done.push(format!("{name} {} s", began.elapsed().as_secs()));
        Ok::<(), anyhow::Error>(())
    };
    part("setup", &setup::run)?;
    part("format", &|| shell::run("cargo", &["fmt", "--all", "--check"]))?;
    part("source rules", &tidy::run)?;
    part("licences and sources", &deny)?;
    part("lints", &|| shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    part("API document", &|| openapi::run(&openapi::Options { check: true }))?;
    part("API document against the product", &|| schemathesis::run(&schemathesis::Options::short()))?;
    part("crash round", &|| crash::run(&crash::Options::short(CRASH_SECONDS)))?;
    part("simulator", &sim::of_a_change)?;
    say!("\nci: hold: {}", done.join(", "));
    if !options.without_tests {
        tests::run(&tests::Options::default())?;
    }
    Ok(())
}

fn deny() -> Result<()> {
    if shell::output("cargo", &["deny", "--version"]).is_err() {
        say!("ci: skipped: licences and sources: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(());
    }
    shell::run("cargo", &["deny", "--offline", "check", "licenses", "bans", "sources"])
}
