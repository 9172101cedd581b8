//! Everything a build needs beyond cargo, in Rust: `cargo xtask setup | test | ci | tidy | openapi | schemathesis | crash | sim | bench |
//! prove`.

pub mod acquirer;
pub mod bench;
pub mod ci;
pub mod crash;
pub mod http;
pub mod number;
pub mod openapi;
pub mod product;
pub mod prove;
pub mod random;
pub mod schemathesis;
pub mod setup;
pub mod shell;
pub mod sim;
pub mod tests;
pub mod tidy;

use clap::{Parser, Subcommand};

/// The command line.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask", about = "What a build of guichet needs beyond cargo")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand, Debug)]
enum Task {
    /// Look for what the tests need; as root on Debian install it
    Setup,
    /// Run every test, on SQLite and on PostgreSQL
    Test(tests::Options),
    /// Everything a change must pass: format, source rules, lints, API document, crash round, tests
    Ci(ci::Options),
    /// Check the source rules that no compiler knows
    Tidy,
    /// Renew the committed API document
    Openapi(openapi::Options),
    /// Try the API document on the running product with Schemathesis
    Schemathesis(schemathesis::Options),
    /// Kill the product under load, again and again, and judge what is left
    Crash(crash::Options),
    /// Run the real services against scripted peers, driven by seeds
    Sim(sim::Options),
    /// Measure the product against the database alone
    Bench(bench::Options),
    /// Show what holds at large numbers and at limits
    Prove(prove::Options),
}

/// Reads the command line and does what it says.
pub fn run() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Setup => setup::run(),
        Task::Test(options) => tests::run(&options),
        Task::Ci(options) => ci::run(&options),
        Task::Tidy => tidy::run(),
        Task::Openapi(options) => openapi::run(&options),
        Task::Schemathesis(options) => schemathesis::run(&options),
        Task::Crash(options) => crash::run(&options),
        Task::Sim(options) => sim::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Prove(options) => prove::run(&options),
    }
}
