//! `cargo xtask tidy`: rules over the source text that no compiler checks (design section 4, 60 sections 7.3 and 8.2).
//!
//! The length of functions, `unwrap`, floats, ambient time and the like are lints: see `Cargo.toml` and `clippy.toml`.

pub mod dependencies;
pub mod files;
pub mod migrations;
pub mod pieces;
pub mod sources;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::{say, shell};

/// One place that breaks a rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Breach {
    /// Path from the repository's root.
    pub file: String,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong and what would be right.
    pub why: String,
}

impl Breach {
    /// A breach in a line of a file.
    pub fn new(file: &str, line: usize, why: impl Into<String>) -> Breach {
        Breach { file: file.to_owned(), line, why: why.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.why)
    }
}

/// A file of the tree.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path from the repository's root, with `/`.
    pub path: String,
    /// Its bytes as text; what is not UTF-8 comes as replacement characters.
    pub text: String,
    /// Its size in bytes.
    pub bytes: usize,
}

impl Source {
    /// The file's name.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The part of the name after the last dot.
    pub fn ending(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, ending)| ending)
    }

    /// Whether it is a test by its place: a file called `tests.rs`, or anything below a folder `tests`.
    pub fn is_test(&self) -> bool {
        self.name() == "tests.rs" || self.path.starts_with("tests/") || self.path.contains("/tests/")
    }

    /// Whether it lies in one of these folders.
    pub fn in_folder(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }
}

/// Checks the whole tree.
///
/// # Errors
/// When a rule is broken; each breach was printed on a line of its own.
pub fn run() -> Result<()> {
    let tree = read_tree(&shell::root())?;
    let mut breaches = Vec::new();
    breaches.extend(sources::check(&tree));
    breaches.extend(files::check(&tree));
    breaches.extend(migrations::check(&tree));
    breaches.extend(dependencies::check()?);
    breaches.sort();
    for breach in &breaches {
        say!("{breach}");
    }
    if !breaches.is_empty() {
        bail!("tidy: {} breaches", breaches.len());
    }
    say!("tidy: {} files keep the rules", tree.len());
    Ok(())
}

/// Everything that is or would be committed.
fn read_tree(root: &Path) -> Result<Vec<Source>> {
    let list = shell::output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let mut tree = Vec::new();
    for path in list.lines() {
        // A file deleted but not yet committed is still listed.
        let Ok(bytes) = fs::read(root.join(path)) else { continue };
        tree.push(Source { path: path.to_owned(), text: String::from_utf8_lossy(&bytes).into_owned(), bytes: bytes.len() });
    }
    Ok(tree)
}
