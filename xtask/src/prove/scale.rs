//! Large numbers: of payments, of connections.

use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Ground;
use crate::bench::cases::MANY;
use crate::bench::client::HttpLoad;
use crate::bench::machine::{micros, percentile, resident_kib, resident_kib_max};
use crate::bench::part::Load;
use crate::bench::requests::{Payee, Payments};
use crate::http::{Ask, Connection};
use crate::number::{Milli, grouped};
use crate::product::Product;
use crate::say;

/// Connections that pay.
const PAYING: usize = 64;
/// What `guichet verify` may take for a million payments.
const VERIFY_SECONDS_MAX: u64 = 60;
/// And hold in memory, whatever the size.
const VERIFY_KIB_MAX: u64 = 300_000;
/// How long payments are watched with and without idle connections beside them.
const WATCH: Duration = Duration::from_secs(5);

fn payments(product: &Product, prefix: &str) -> Result<Arc<Payments>> {
    let payee = Payee { account: product.account_id()?.to_owned(), headers: product.key_headers()? };
    Ok(Arc::new(Payments::new(product.address, vec![payee], product.approved_card(), prefix)))
}

/// `guichet verify` over so many payments.
pub fn verify(ground: &Ground, count: u64) -> Result<()> {
    let place = ground.place()?;
    let mut product = place.start()?;
    let began = Instant::now();
    let load = HttpLoad::new(product.address, PAYING, payments(&product, "many")?).of_units(count);
    let paid = load.run_all()?.len() as u64;
    ensure!(paid == count, "{paid} of {count} payments were acknowledged");
    say!("  {} payments made in {} s", grouped(paid), began.elapsed().as_secs());
    product.stop()?;
    let began = Instant::now();
    let mut command = place.command(&["verify", "--settled"]);
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut most_kib = 0;
    while process.try_wait()?.is_none() {
        most_kib = most_kib.max(resident_kib_max(process.id()));
        thread::sleep(Duration::from_millis(20));
    }
    let took = began.elapsed();
    let said = process.wait_with_output()?;
    let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    ensure!(said.status.success(), "guichet verify says: {text}{}", String::from_utf8_lossy(&said.stderr));
    say!(
        "  guichet verify --settled: {} ms, at most {} KiB: {text}",
        grouped(u64::try_from(took.as_millis())?),
        grouped(most_kib)
    );
    let per_million = took.as_secs() * 1_000_000 / count.max(1);
    if count >= 1_000_000 && per_million > VERIFY_SECONDS_MAX {
        say!("  slower than {VERIFY_SECONDS_MAX} s for a million");
    }
    ensure!(most_kib <= VERIFY_KIB_MAX, "more than {VERIFY_KIB_MAX} KiB of memory");
    Ok(())
}

/// [`MANY`] connections that asked once and wait, and payments beside them.
pub fn connections(ground: &Ground) -> Result<()> {
    let place = ground.place()?;
    let product = place.start()?;
    watch(&product, "warm")?;
    let before = watch(&product, "before")?;
    let alone_kib = resident_kib(product.pid());
    let mut idle = Vec::new();
    for number in 0..MANY {
        let connected = Connection::open(product.address).and_then(|mut line| healthy(&mut line).map(|()| line));
        let advice = || format!("connection {number} of {MANY}: are 20,000 open files allowed (`ulimit -n`)?");
        idle.push(connected.with_context(advice)?);
    }
    let full_kib = resident_kib(product.pid());
    let beside = watch(&product, "beside")?;
    let ratio = Milli::ratio(beside, before);
    say!("  resident {} KiB, with {MANY} idle connections {} KiB", grouped(alone_kib), grouped(full_kib));
    say!("  p99 of payments {} ms, beside them {} ms: {ratio}", Milli(before), Milli(beside));
    let mut alive = 0;
    for line in &mut idle {
        alive += u64::from(healthy(line).is_ok());
    }
    say!("  {alive} of the idle connections were still answered");
    place.tool(&["verify", "--settled"])?;
    Ok(())
}

fn healthy(line: &mut Connection) -> std::io::Result<()> {
    let answer = line.ask(&Ask { method: "GET", path: "/healthz", headers: "", body: "" })?;
    if answer.status == 200 { Ok(()) } else { Err(std::io::Error::other(answer.short())) }
}

/// The slowest of a hundred payments on average, in microseconds, with a few connections that do not fill the machine.
fn watch(product: &Product, prefix: &str) -> Result<u64> {
    let mut load = HttpLoad::new(product.address, 8, payments(product, prefix)?);
    load.start(0)?;
    thread::sleep(WATCH);
    load.stop();
    load.join()?;
    if let Some(error) = load.first_error() {
        return Err(error);
    }
    let mut times: Vec<u64> = load.acknowledged().iter().map(|answer| answer.took_us).collect();
    times.sort_unstable();
    ensure!(micros(WATCH) > 0 && !times.is_empty(), "no payment was acknowledged");
    Ok(percentile(&times, 99))
}
