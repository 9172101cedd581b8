//! Entry point of the program; see the library of the same name.

use std::process::ExitCode;

use clap::Parser;
use guichet::cli::Cli;

/// Payments are many small allocations on few threads, which it serves faster and in less memory than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    guichet::run(Cli::parse())
}
