//! The program behind `cargo xtask`; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    match xtask::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of reasons on one line, without a backtrace: most of them are about other programs.
            xtask::shell::print(format_args!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
