//! `cargo xtask schemathesis`: the API document against the running product, tried by somebody who has read nothing else.
//!
//! Schemathesis, from `PyPI`, makes thousands of requests out of the document, good ones and bad ones, and judges the answers by it: no 5xx,
//! no status, content type or body that is not documented. It is installed into the build folder on first use.

mod document;
mod things;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::product::{self, Place};
use crate::{say, shell};

/// The release that is used; a newer one may judge otherwise.
const RELEASE: &str = "4.32.5";
/// What answers are judged by.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance";

/// How much of it.
#[derive(Args, Debug)]
pub struct Options {
    /// Requests made up for each operation, besides those at the limits of its document
    #[arg(long, default_value_t = 25)]
    pub examples: u32,
    /// Makes the same requests again
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// An optimised build of the product
    #[arg(long)]
    pub release: bool,
}

impl Options {
    /// A quick look, as part of a longer list of checks.
    pub fn short() -> Options {
        Options { examples: 3, seed: 1, release: false }
    }
}

/// Tries the document; where Schemathesis is neither installed nor to be had, says so and is content, unless `CI` is set.
///
/// # Errors
/// What the document does not say, a 5xx, or a database that does not hold afterwards.
pub fn run(options: &Options) -> Result<()> {
    let Some(program) = installed()? else { return Ok(()) };
    let place = Place::fresh(&product::build(options.release)?, None)?;
    let product = place.start()?;
    let things = things::make(&product).context("objects for the requests")?;
    let document = document::amended(&product, &things)?;
    let path = place.directory().join("document.json");
    fs::write(&path, serde_json::to_vec(&document)?)?;
    let tried = Command::new(program)
        .arg("run")
        .arg(&path)
        .args(["--url", &format!("http://{}", product.address), "--checks", CHECKS])
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure", "--warnings", "off"])
        .args(["--max-examples", &options.examples.to_string(), "--seed", &options.seed.to_string()])
        .args(product.key_headers()?.lines().filter(|line| !line.is_empty()).flat_map(|line| ["--header", line]))
        .current_dir(place.directory())
        .status()
        .context("schemathesis could not be started")?;
    let log = place.log();
    if !tried.success() || log.contains("panicked") {
        drop(product);
        bail!("the product and its API document disagree ({tried}); document and log are in {}", place.keep().display());
    }
    say!("{}", place.tool(&["verify"])?.lines().last().unwrap_or_default());
    say!("schemathesis: what answers is as documented");
    Ok(())
}

/// Where the program is, installed if need be.
fn installed() -> Result<Option<PathBuf>> {
    let folder = tools().join(format!("schemathesis-{RELEASE}"));
    let program = folder.join("bin/schemathesis");
    if program.is_file() {
        return Ok(Some(program));
    }
    say!("schemathesis: installing release {RELEASE} into {}", folder.display());
    match install(&folder) {
        Ok(()) => Ok(Some(program)),
        Err(error) => {
            // Half an installation is none.
            drop(fs::remove_dir_all(&folder));
            ensure!(std::env::var_os("CI").is_none(), "schemathesis {RELEASE} cannot be installed: {error:#}");
            say!(
                "schemathesis: skipped: the API document is not tried; it needs python3 with venv and, once, the network ({error:#})"
            );
            Ok(None)
        }
    }
}

fn install(folder: &Path) -> Result<()> {
    let folder = folder.to_str().context("the build folder's name is text")?;
    shell::output("python3", &["-m", "venv", folder])?;
    shell::output(format!("{folder}/bin/pip"), &["install", "--quiet", &format!("schemathesis=={RELEASE}")])?;
    Ok(())
}

/// The part of the build folder where programs of others lie.
fn tools() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell::root().join("target"), PathBuf::from);
    target.join("tools")
}
