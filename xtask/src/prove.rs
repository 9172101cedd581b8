//! `cargo xtask prove`: figures that are shown once for a release rather than guarded by every change (60 sections 2.1 and 4.4): `guichet
//! verify` over a million payments, ten thousand idle connections, a process without descriptors or memory to spare.

pub mod limits;
pub mod scale;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use testkit::postgres::{Cluster, Durability};

use crate::bench::machine::{Machine, Weather};
use crate::product::{self, Engine, Place};
use crate::{say, shell};

/// What to show.
#[derive(Args, Debug)]
pub struct Options {
    /// Only these [default: all].
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// Where the data lies [default: SQLite].
    #[arg(long, value_enum, default_value = "sqlite")]
    engine: Engine,
    /// Payments that `guichet verify` goes through.
    #[arg(long, default_value_t = 1_000_000)]
    payments: u64,
    /// Use the binaries of the last release build as they are.
    #[arg(long, hide = true)]
    built: bool,
}

/// One thing to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Part {
    /// `guichet verify` over many payments: time and memory.
    Verify,
    /// F11: 10,000 idle connections, and what payments cost beside them.
    Connections,
    /// F28: no file descriptors left.
    Descriptors,
    /// F28: no memory left.
    Memory,
}

const ALL: [Part; 4] = [Part::Connections, Part::Descriptors, Part::Memory, Part::Verify];

/// Shows them, one after the other; the first that does not hold ends it.
pub fn run(options: &Options) -> Result<()> {
    if !options.built {
        return hand_over();
    }
    let machine = Machine::look()?;
    let Machine { cpu, cores, kernel, memory_mib, .. } = &machine;
    say!("{cores} cores ({cpu}), {memory_mib} MiB, Linux {kernel}; {}", options.engine);
    let ground = Ground {
        binary: std::env::current_exe()?.with_file_name("guichet"),
        cluster: (options.engine == Engine::Postgres).then(|| Cluster::start(Durability::Full)).transpose()?,
    };
    let parts = if options.only.is_empty() { ALL.to_vec() } else { options.only.clone() };
    for part in parts {
        let weather = Weather::probe(&std::env::temp_dir())?;
        say!("{part:?}: fdatasync p50 {} us, load {}", weather.fdatasync_p50_us, weather.load);
        match part {
            Part::Verify => scale::verify(&ground, options.payments)?,
            Part::Connections => scale::connections(&ground)?,
            Part::Descriptors => limits::descriptors(&ground)?,
            Part::Memory => limits::memory(&ground)?,
        }
    }
    Ok(())
}

/// What the product stands on.
#[derive(Debug)]
pub struct Ground {
    /// The product's binary.
    pub binary: PathBuf,
    /// The database server, if there is one.
    pub cluster: Option<Cluster>,
}

impl Ground {
    /// An empty place for the product.
    pub fn place(&self) -> Result<Place> {
        Place::fresh(&self.binary, self.cluster.as_ref())
    }
}

fn hand_over() -> Result<()> {
    shell::run("cargo", &["build", "--release", "--locked", "--package", "xtask"])?;
    let guichet = product::build(true)?;
    let status = Command::new(guichet.with_file_name("xtask")).args(std::env::args_os().skip(1)).arg("--built").status()?;
    ensure!(status.success(), "not everything was shown: {status}");
    Ok(())
}
