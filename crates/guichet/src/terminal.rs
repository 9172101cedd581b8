//! Answers of commands on standard output, complaints on standard error.

use std::io::Write;

use crate::trouble::Trouble;

/// Writes an answer and a line end. A reader that went away (`guichet … | head`) is no failure.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Writes a complaint.
pub fn complain(trouble: &Trouble) {
    drop(writeln!(std::io::stderr().lock(), "{trouble}"));
}
