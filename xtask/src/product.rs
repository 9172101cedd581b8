//! The product as a black box: its binary, started on a place of its own, with the credentials it wrote.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde_json::Value;
use tempfile::TempDir;
use testkit::postgres::{Cluster, Database};

use crate::crash::clock::Clock;
use crate::http::{Ask, Connection};
use crate::shell;

/// A start that takes longer has failed; the first one migrates and makes the demo's data.
const START_SECONDS_MAX: u64 = 60;

/// Where the data lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Engine {
    /// A file in the data directory.
    Sqlite,
    /// A database in a private cluster.
    Postgres,
}

impl fmt::Display for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Engine::Sqlite => "SQLite",
            Engine::Postgres => "PostgreSQL",
        })
    }
}

/// Data that outlives the processes working on it: a data directory and perhaps a database.
#[derive(Debug)]
pub struct Place {
    binary: PathBuf,
    directory: TempDir,
    database: Option<Database>,
    /// Whether the clocks of its machines can be moved.
    clock: bool,
}

impl Place {
    /// An empty place on SQLite, or on PostgreSQL when a cluster is given.
    pub fn fresh(binary: &Path, cluster: Option<&Cluster>) -> Result<Place> {
        let database = cluster.map(Cluster::fresh_database).transpose()?;
        let directory = tempfile::Builder::new().prefix("guichet-data-").tempdir()?;
        Ok(Place { binary: binary.to_owned(), directory, database, clock: false })
    }

    /// The same place, on machines whose clocks can be moved.
    #[must_use]
    pub fn with_clock(self, clock: bool) -> Place {
        Place { clock, ..self }
    }

    /// The clock of a node's machine, where it can be moved.
    pub fn clock(&self, node: u64) -> Result<Option<Clock>> {
        self.clock.then(|| Clock::fresh(&self.directory().join(format!("clock-{node}")))).transpose()
    }

    /// Leaves the data where it is, for somebody to look at.
    pub fn keep(self) -> PathBuf {
        self.directory.keep()
    }

    /// The data directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The database, on PostgreSQL.
    pub fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// Everything the processes on this place have logged so far.
    pub fn log(&self) -> String {
        fs::read(self.directory().join("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Starts `guichet demo` here and waits until it answers.
    pub fn start(&self) -> Result<Product> {
        self.start_node(0)
    }

    /// Starts a node: the first one here, any other in a folder of its own with the first one's master key.
    pub fn start_node(&self, number: u64) -> Result<Product> {
        let directory = if number == 0 { self.directory().to_owned() } else { self.directory().join(format!("node-{number}")) };
        fs::create_dir_all(&directory)?;
        let credentials = directory.join("credentials.json");
        if credentials.exists() {
            fs::remove_file(&credentials)?;
        }
        let log = File::options().create(true).append(true).open(self.directory().join("log"))?;
        let mut command = self.command_in(&directory, &["demo", "--listen", "127.0.0.1:0", "--log", "warn"]);
        if let Some(clock) = self.clock(number)? {
            clock.show(&mut command);
        }
        if number > 0 {
            command.arg("--master-key-file").arg(self.directory().join("master.key"));
        }
        command.arg("--credentials").arg(&credentials).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = Instant::now();
        let mut process = command.spawn().with_context(|| format!("`{}` could not be started", self.binary.display()))?;
        loop {
            if let Some(status) = process.try_wait()? {
                bail!("guichet demo ended at its start ({status}); the end of its log:\n{}", last_lines(&self.log()));
            }
            if began.elapsed() > Duration::from_secs(START_SECONDS_MAX) {
                let _ = process.kill();
                bail!("guichet demo was not ready after {START_SECONDS_MAX} s; the end of its log:\n{}", last_lines(&self.log()));
            }
            // The file appears whole, after the listener is bound.
            if let Ok(text) = fs::read_to_string(&credentials) {
                let product = Product::new(process, &text, began)?;
                return Ok(product);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs a one-shot command on this place and returns what it printed.
    pub fn tool(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(arguments);
        if let Some(clock) = self.clock(0)? {
            clock.show(&mut command);
        }
        let done = command.stdin(Stdio::null()).output()?;
        let (said, complained) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        ensure!(done.status.success(), "guichet {} failed ({}):\n{said}{complained}", arguments.join(" "), done.status);
        Ok(said.trim_end().to_owned())
    }

    /// A one-shot command on this place, ready to start.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_in(self.directory(), arguments)
    }

    fn command_in(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--data-dir").arg(directory);
        if let Some(database) = &self.database {
            command.args(["--database", database.url()]);
        }
        command.current_dir(self.directory());
        command
    }
}

/// A running product; killed when dropped.
#[derive(Debug)]
pub struct Product {
    process: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it wrote for us.
    pub credentials: Value,
    /// From the start of the process to an answer of `/readyz`.
    pub ready_after: Duration,
}

impl Product {
    fn new(process: Child, credentials: &str, began: Instant) -> Result<Product> {
        let credentials: Value = serde_json::from_str(credentials).context("the credentials file")?;
        let base = credentials["base_url"].as_str().context("base_url in the credentials file")?;
        let address = base.trim_start_matches("http://").trim_end_matches('/').parse().context("an address in base_url")?;
        let mut product = Product { process, address, credentials, ready_after: Duration::ZERO };
        product.wait_until_ready(began)?;
        product.ready_after = began.elapsed();
        Ok(product)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Header lines with the demo account's full key.
    pub fn key_headers(&self) -> Result<String> {
        let full = &self.credentials["keys"]["full"];
        let part = |name: &str| full[name].as_str().with_context(|| format!("keys.full.{name} in the credentials file"));
        Ok(key_headers(part("token")?, part("secret")?))
    }

    /// The demo account.
    pub fn account_id(&self) -> Result<&str> {
        self.credentials["account"]["id"].as_str().context("account.id in the credentials file")
    }

    /// Number of the approved test card.
    pub fn approved_card(&self) -> &str {
        self.credentials["payments"]["cards"]["approved"].as_str().unwrap_or("4507990000000002")
    }

    /// A new connection.
    pub fn connect(&self) -> Result<Connection> {
        Connection::open(self.address).context("no connection to the product")
    }

    /// What the sandbox acquirer signs its notifications with.
    pub fn notification_secret(&self) -> Result<&str> {
        self.credentials["payments"]["notification_secret"].as_str().context("payments.notification_secret in the credentials")
    }

    /// Sends a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) -> Result<()> {
        shell::output("kill", &[&format!("-{name}"), &self.pid().to_string()])?;
        Ok(())
    }

    /// Waits for the end of a process that was asked to stop.
    ///
    /// # Errors
    /// When it does not end in time, or not with success.
    pub fn ended_well(&mut self, patience: Duration) -> Result<()> {
        let until = Instant::now() + patience;
        loop {
            if let Some(status) = self.process.try_wait()? {
                ensure!(status.success(), "the product did not end well after SIGTERM: {status}");
                return Ok(());
            }
            ensure!(Instant::now() < until, "the product did not end in time after SIGTERM");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> Result<()> {
        shell::output("kill", &["-TERM", &self.pid().to_string()])?;
        let status = self.process.wait()?;
        ensure!(status.success(), "the product did not end well after SIGTERM: {status}");
        Ok(())
    }

    fn wait_until_ready(&self, began: Instant) -> Result<()> {
        while began.elapsed() < Duration::from_secs(START_SECONDS_MAX) {
            let ask = Ask { method: "GET", path: "/readyz", headers: "", body: "" };
            if Connection::open(self.address).and_then(|mut line| line.ask(&ask)).is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("/readyz did not say 200 within {START_SECONDS_MAX} s")
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The two headers that prove a key.
pub fn key_headers(token: &str, secret: &str) -> String {
    format!("public-api-key: {token}\r\nprivate-secret-key: {secret}\r\n")
}

/// Builds the binary and says where it lies.
pub fn build(release: bool) -> Result<PathBuf> {
    let mut arguments = vec!["build", "--locked", "--package", "guichet"];
    if release {
        arguments.push("--release");
    }
    shell::run("cargo", &arguments)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell::root().join("target"), PathBuf::from);
    Ok(target.join(if release { "release/guichet" } else { "debug/guichet" }))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
