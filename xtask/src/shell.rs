//! Running other programs, and talking to whoever runs us.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Prints one line for people.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => { $crate::shell::print(format_args!($($words)*)) };
}

/// Behind [`say!`]. A closed pipe is nobody's fault and ends nothing.
pub fn print(words: std::fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{words}");
    let _ = out.flush();
}

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Runs a program in the repository's root with our own input and output; an error when it says no.
pub fn run(program: impl AsRef<OsStr>, arguments: &[&str]) -> Result<()> {
    let name = program.as_ref().display().to_string();
    say!("$ {name} {}", arguments.join(" "));
    let status = Command::new(program).args(arguments).current_dir(root()).status();
    let status = status.with_context(|| format!("`{name}` could not be started"))?;
    ensure!(status.success(), "`{name} {}` failed: {status}", arguments.join(" "));
    Ok(())
}

/// Runs a program in the repository's root and returns what it printed, without the last line end.
pub fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> Result<String> {
    let name = program.as_ref().display().to_string();
    let done = Command::new(program).args(arguments).current_dir(root()).output();
    let done = done.with_context(|| format!("`{name}` could not be started"))?;
    let complaint = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "`{name} {}` failed: {}\n{complaint}", arguments.join(" "), done.status);
    Ok(String::from_utf8(done.stdout)?.trim_end().to_owned())
}

/// Whether a program of this name is on the PATH.
pub fn on_path(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// Whether we run as root.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}
