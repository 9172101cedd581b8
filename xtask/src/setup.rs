//! `cargo xtask setup`: what the tests need beyond Rust, looked for, installed where we may, and named where we may not.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use testkit::{pooler, postgres};

use crate::crash::clock;
use crate::{say, shell};

/// Something the tests cannot do without.
struct Need {
    what: &'static str,
    /// Debian packages that bring it.
    packages: &'static [&'static str],
    /// Why it is not there.
    missing: fn() -> Option<String>,
}

const NEEDS: [Need; 6] = [
    Need { what: "a C compiler", packages: &["gcc", "libc6-dev", "make"], missing: || absent("cc") },
    Need { what: "git", packages: &["git"], missing: || absent("git") },
    Need { what: "strace, which lets system calls fail", packages: &["strace"], missing: || absent("strace") },
    Need {
        what: "libfaketime, which moves the product's clock",
        packages: &["libfaketime"],
        missing: || clock::library().is_none().then(|| "there is no faketime/libfaketimeMT.so.1 below /usr/lib".into()),
    },
    Need {
        what: "PostgreSQL's server programs",
        packages: &["postgresql"],
        missing: || {
            let pgbench = || postgres::program("pgbench").map(drop);
            postgres::available().and_then(|()| pgbench()).err().map(|error| error.to_string())
        },
    },
    Need { what: "PgBouncer", packages: &["pgbouncer"], missing: || pooler::available().err().map(|error| error.to_string()) },
];

/// Makes sure that everything is there.
///
/// # Errors
/// Naming exactly what is missing, when it cannot be installed here.
pub fn run() -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| (need.missing)().is_some()).collect();
    if !missing.is_empty() {
        let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
        if !(shell::is_root() && shell::on_path("apt-get")) {
            let reasons: Vec<String> =
                missing.iter().map(|need| format!("{}: {}", need.what, (need.missing)().unwrap_or_default())).collect();
            bail!("missing: {}. On Debian: sudo apt-get install {}", reasons.join("; "), packages.join(" "));
        }
        install(&packages)?;
        for need in missing {
            let still = (need.missing)();
            ensure!(still.is_none(), "{} is still missing after the installation: {}", need.what, still.unwrap_or_default());
        }
    }
    for need in &NEEDS {
        say!("setup: {}: there", need.what);
    }
    if !has_nextest() {
        say!("setup: cargo-nextest: not there; `cargo test` runs the tests, more slowly (cargo install --locked cargo-nextest)");
    }
    Ok(())
}

/// Whether the faster test runner is installed.
pub fn has_nextest() -> bool {
    shell::output("cargo", &["nextest", "--version"]).is_ok()
}

fn install(packages: &[&str]) -> Result<()> {
    apt_get(&["update"])?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    say!("$ apt-get {}", arguments.join(" "));
    let status = Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status();
    let status = status.context("apt-get could not be started")?;
    ensure!(status.success(), "apt-get {} failed: {status}", arguments.join(" "));
    Ok(())
}

fn absent(program: &str) -> Option<String> {
    (!shell::on_path(program)).then(|| format!("`{program}` is not on the PATH"))
}
