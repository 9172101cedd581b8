//! `guichet verify`: every invariant of the database, checked in one snapshot beside a running server.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use access::{Environment, Opening};
use connectors::acquirer_sandbox::Books;
use db::{Fault, Snapshot};
use idempotency::ReplySealer;
use idempotency::verify::AtWork;
use kernel::verify::{Finding, Report};
use kernel::{AccountId, Source, Timestamp};
use messaging::WebhookSecrets;
use payments::verify::{AcquirerBooks, NoBooks, Strictness, read_books};
use serde_json::json;

use crate::cli::Verify;
use crate::config::{Config, Purpose};
use crate::schema::MIGRATIONS;
use crate::trouble::{EXIT_NO, Trouble};
use crate::wiring::{other_master_key, sandbox_url};
use crate::{commands, logging, master_key, queries, terminal};

/// What was found, and about what.
pub struct Checked {
    /// The findings.
    pub report: Report,
    engine: &'static str,
    snapshot_at: Timestamp,
    took: Duration,
}

/// Checks, prints what was found, and gives 0 when everything holds, 1 when something is broken.
///
/// # Errors
/// It could not run.
pub async fn run(command: Verify) -> Result<ExitCode, Trouble> {
    let config = commands::configure(Purpose::Tool, command.flags)?;
    logging::start(&config)?;
    let checked = check(&config, command.settled, &command.only).await?;
    terminal::say(&if command.json { checked.to_json().to_string() } else { checked.report.to_string() });
    Ok(if checked.report.ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_NO) })
}

/// Checks the invariants named in `only`, such as `I1` or `I4.b`; all of them when it is empty. With `settled`, nothing
/// may be under way.
///
/// # Errors
/// The database cannot be read, its schema is not this program's, or `only` names nothing.
pub async fn check(config: &Config, settled: bool, only: &[String]) -> Result<Checked, Trouble> {
    let started = Instant::now();
    let source = Source::system();
    let of_store = |fault| Trouble::of_store(&fault, &config.database);
    let master = master_key::find(config, &source)?;
    // Beside everything else, on a thread of its own: it reads every page.
    let url = config.database.clone();
    let file = tokio::task::spawn_blocking(move || db::check_file(&url));
    let first = snapshot(config).await.map_err(of_store)?;
    let platform = match &master {
        Some(master) => Some(access::platform_key_in(&first, master, &source).await.map_err(of_store)?),
        None => None,
    };
    if matches!(platform, Some(Opening::OtherMasterKey)) {
        return Err(other_master_key(&config.database));
    }
    let environment = access::environment(&first).await.map_err(of_store)?;
    drop(first);
    // The acquirer first, then our own side: in this order neither can look behind by mere timing.
    let books = Books::at(sandbox_url(config));
    let books = match environment {
        Some(Environment::Sandbox) if is_copy(config) => Err(NoBooks::Elsewhere("a copy comes without the acquirer's books")),
        Some(Environment::Sandbox) => read_books(&books).await,
        Some(Environment::Production) => Err(NoBooks::Elsewhere("the acquirer's books are not ours to read in production")),
        None => Err(NoBooks::Elsewhere("there is no access key yet, so nothing can have been charged")),
    };
    let snapshot = snapshot(config).await.map_err(of_store)?;
    snapshot.set_right(&source).await.map_err(of_store)?;
    let snapshot_at = source.now();
    let report = inspect(snapshot, books, platform.as_ref(), &source, settled).await.map_err(of_store)?;
    file.await.expect("reading a file does not panic").map_err(of_store)?;
    let engine = config.database.engine();
    Ok(Checked { report: chosen(report, only)?, engine, snapshot_at, took: started.elapsed() })
}

/// All invariants of a snapshot. `books` are the acquirer's, read before it was taken, or why they cannot be read; `source` tells the
/// real time, on which leases run.
///
/// # Errors
/// The snapshot cannot be read.
pub async fn inspect(
    mut snapshot: Snapshot,
    books: Result<AcquirerBooks<'_>, NoBooks>,
    platform: Option<&Opening>,
    source: &Source,
    settled: bool,
) -> Result<Report, Fault> {
    let key = match platform {
        Some(Opening::Opened(key)) => Some(key),
        Some(Opening::Absent | Opening::OtherMasterKey | Opening::Damaged) | None => None,
    };
    let sealer = key.map(|key| ReplySealer::new(key, source));
    let webhooks = key.map(|key| WebhookSecrets::new(key, source));
    let mut report = Report::new();
    messaging::verify::verify(&snapshot, webhooks.as_ref(), settled, &mut report).await?;
    payments::vault::verify(&snapshot, key, &mut report).await?;
    all(&mut snapshot, books, platform, sealer, settled, source.now(), &mut report).await?;
    Ok(report)
}

async fn snapshot(config: &Config) -> Result<Snapshot, Fault> {
    db::snapshot_of(&config.database, None, MIGRATIONS).await
}

/// Whether the sandbox acquirer never had its books here: that it lost every charge is then not for us to claim.
fn is_copy(config: &Config) -> bool {
    let never_served = config.database.sqlite_path().is_some() && !db::was_served(&config.database);
    never_served && sandbox_url(config).sqlite_path().is_some_and(|path| !path.exists())
}

async fn all(
    snapshot: &mut Snapshot,
    books: Result<AcquirerBooks<'_>, NoBooks>,
    platform: Option<&Opening>,
    sealer: Option<ReplySealer>,
    settled: bool,
    real_time: Timestamp,
    report: &mut Report,
) -> Result<(), Fault> {
    access::verify(snapshot, platform, report).await?;
    let limits = access::negative_limits(snapshot).await?;
    let limit = |owner: ledger::Owner| limits.get(&AccountId::from_uuid(owner.uuid())).copied().unwrap_or(0);
    ledger::verify::verify(snapshot, limit, report).await?;
    let processes = queries::processes(snapshot).await?;
    let asked_for = payments::verify::asked_for(snapshot).await?;
    idempotency::verify::verify(snapshot, &AtWork { processes, asked_for, settled, sealer }, report).await?;
    let now = real_time.plus_micros(queries::clock_offset(snapshot).await?);
    payments::verify::verify(snapshot, books, Strictness { settled, now }, report).await
}

/// Only the findings that were asked for.
fn chosen(report: Report, only: &[String]) -> Result<Report, Trouble> {
    if only.is_empty() {
        return Ok(report);
    }
    let wanted =
        |finding: &Finding, name: &str| finding.id == name || finding.id.split_once('.').is_some_and(|(group, _)| group == name);
    if let Some(unknown) = only.iter().find(|name| !report.findings().any(|finding| wanted(finding, name))) {
        return Err(Trouble::new(format!("there is no invariant {unknown}"))
            .because("--only names invariants or groups of them")
            .remedy("run `guichet verify --json` to see their numbers, such as I1 or I4.b"));
    }
    Ok(report.only(|finding| only.iter().any(|name| wanted(finding, name))))
}

impl Checked {
    /// The report as the JSON of the specification (proving § 2.1).
    pub fn to_json(&self) -> serde_json::Value {
        let schema = MIGRATIONS.last().map_or_else(String::new, |last| format!("{:04}_{}", last.number, last.topic));
        json!({
            "ok": self.report.ok(),
            "engine": self.engine,
            "schema": schema,
            "snapshot_at": self.snapshot_at.to_string(),
            "seconds": self.took.as_secs_f64(),
            "invariants": self.report.findings().collect::<Vec<_>>(),
        })
    }
}
