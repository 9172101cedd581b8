//! `cargo xtask openapi`: the committed API document is what the binary prints.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{product, say, shell};

/// Where the document lies.
const DOCUMENT: &str = "docs/api/openapi.json";

/// Renew or compare.
#[derive(Args, Debug)]
pub struct Options {
    /// Compare only; an error when the document is not what the binary prints.
    #[arg(long)]
    pub check: bool,
}

/// Writes the document, or compares it.
pub fn run(options: &Options) -> Result<()> {
    let binary = product::build(false)?;
    let printed = Command::new(binary).arg("openapi").output().context("guichet openapi")?;
    ensure!(printed.status.success(), "guichet openapi failed: {}", String::from_utf8_lossy(&printed.stderr));
    let path = shell::root().join(DOCUMENT);
    if !options.check {
        fs::write(&path, &printed.stdout)?;
        say!("openapi: {DOCUMENT} written, {} bytes", printed.stdout.len());
        return Ok(());
    }
    let committed = fs::read(&path).with_context(|| format!("{DOCUMENT}; `cargo xtask openapi` writes it"))?;
    let difference =
        committed.split(|&byte| byte == b'\n').zip(printed.stdout.split(|&byte| byte == b'\n')).position(|(a, b)| a != b);
    ensure!(
        committed == printed.stdout,
        "{DOCUMENT} is not what the binary prints (first in line {}); `cargo xtask openapi` renews it",
        difference.map_or(0, |line| line + 1)
    );
    say!("openapi: {DOCUMENT} is what the binary prints");
    Ok(())
}
