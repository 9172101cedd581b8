//! Figures that stand alone: how the database grows (P16) and what the process holds in memory (P17).

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::postgres::Cluster;

use super::cases::{GROWTH_PAYMENTS, MANY};
use super::client::HttpLoad;
use super::machine;
use super::requests::{Payee, Payments};
use crate::http::{Ask, Connection};
use crate::product::{Engine, Place};

/// Time for a fresh process to finish what its start began.
const SETTLE: Duration = Duration::from_secs(5);

/// The tables of the platform with their indexes; the sandbox acquirer is a foreign system in a schema of its own.
const PLATFORM_BYTES: &str = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'sandbox_acquirer')";

/// Bytes the platform's database grows by for one payment.
pub fn growth(binary: &Path, cluster: &Cluster, engine: Engine) -> Result<u64> {
    let place = Place::fresh(binary, (engine == Engine::Postgres).then_some(cluster))?;
    place.start()?.stop()?; // migrations and the demo's data are not payments of ours
    let before = stored_bytes(&place)?;
    let mut product = place.start()?;
    let payee = Payee { account: product.account_id()?.to_owned(), headers: product.key_headers()? };
    let requests = Arc::new(Payments::new(product.address, vec![payee], product.approved_card(), "growth"));
    HttpLoad::new(product.address, 64, requests).of_units(GROWTH_PAYMENTS).run_all()?;
    product.stop()?;
    Ok(stored_bytes(&place)?.saturating_sub(before) / GROWTH_PAYMENTS)
}

/// The size of the platform's data at rest.
fn stored_bytes(place: &Place) -> Result<u64> {
    if let Some(database) = place.database() {
        return database.psql(PLATFORM_BYTES)?.parse().context("a number of bytes");
    }
    let files = ["guichet.db", "guichet.db-wal"].map(|name| place.directory().join(name));
    let bytes: u64 = files.iter().filter_map(|path| path.metadata().ok()).map(|found| found.len()).sum();
    ensure!(bytes > 0, "there is no guichet.db in {}", place.directory().display());
    Ok(bytes)
}

/// Resident memory in KiB: idle, and with [`MANY`] connections that have asked once and wait.
pub fn memory(binary: &Path, cluster: &Cluster, engine: Engine) -> Result<(u64, u64)> {
    let place = Place::fresh(binary, (engine == Engine::Postgres).then_some(cluster))?;
    let product = place.start()?;
    thread::sleep(SETTLE);
    let idle = machine::resident_kib(product.pid());
    let mut lines = Vec::new();
    for number in 0..MANY {
        let ask = Ask { method: "GET", path: "/healthz", headers: "", body: "" };
        let connected = Connection::open(product.address).and_then(|mut line| line.ask(&ask).map(|_| line));
        let advice = || format!("connection {number} of {MANY}: are 20,000 open files allowed (`ulimit -n`)?");
        lines.push(connected.with_context(advice)?);
    }
    let full = machine::resident_kib(product.pid());
    drop(lines);
    ensure!(idle > 0 && full > 0, "the product ended while it was measured");
    Ok((idle, full))
}
