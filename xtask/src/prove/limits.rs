//! F28: a process that is out of descriptors or of memory refuses, lives on or is started again, and loses nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::Ground;
use crate::crash::customers::settle;
use crate::crash::deal::Deal;
use crate::crash::line::{Line, Outcome, Shop};
use crate::http::{Ask, Connection};
use crate::number::grouped;
use crate::product::{Place, Product};
use crate::random::Random;
use crate::say;

/// Descriptors the process may open.
const DESCRIPTORS: usize = 256;
/// Address space it may use, in KiB: its threads' stacks and its libraries are most of it.
const ADDRESS_KIB: u64 = 900_000;
/// A connection that is not taken does not answer within this time.
const NOT_TAKEN: Duration = Duration::from_secs(2);
/// Bodies sent at once to fill the memory, and how large each is: below the product's limit for one.
const BODIES: usize = 5_000;
const BODY_BYTES: usize = 250_000;
/// Deals that must survive, and how far they are apart.
const DEALS: usize = 60;
const APART: Duration = Duration::from_millis(150);
/// A key is answered within this time once the process may work again.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that starts the product under a limit.
fn limited(ground: &Ground, limit: &str) -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("limited");
    fs::write(&script, format!("#!/bin/sh\n{limit} || exit 9\nexec {} \"$@\"\n", ground.binary.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok((folder, script))
}

fn shop(product: &Product) -> Result<Shop> {
    Shop::of(std::slice::from_ref(product))
}

/// No descriptor left: whoever is connected is served, whoever comes waits or is refused, and when others go all is as before.
pub fn descriptors(ground: &Ground) -> Result<()> {
    let (_script, binary) = limited(ground, &format!("ulimit -n {DESCRIPTORS}"))?;
    let place = Place::fresh(&binary, ground.cluster.as_ref())?;
    let product = place.start()?;
    let mut random = Random::of(1);
    let shop = shop(&product)?;
    let mut line = Line::new(&shop);
    let mut deals = vec![Deal::purchase(&shop.account, "limit-0".into(), &mut random)];
    ensure!(line.send(&mut deals[0], &mut random)? == Outcome::Answered, "no payment before the limit");
    let mut taken = Vec::new();
    while let Some(connection) = knock(&product) {
        taken.push(connection);
        ensure!(taken.len() <= DESCRIPTORS, "more connections than descriptors");
    }
    let answered = taken.len();
    let mut outcomes = Vec::new();
    for number in 1..=5 {
        let mut deal = Deal::purchase(&shop.account, format!("limit-{number}"), &mut random);
        outcomes.push(line.send(&mut deal, &mut random)?);
        deals.push(deal);
    }
    say!("  {answered} connections used up {DESCRIPTORS} descriptors; a connected customer then heard {outcomes:?}");
    drop(taken);
    settle(&shop, &mut deals, PATIENCE, &mut random)?;
    ensure!(knock(&product).is_some(), "nobody is taken although descriptors are free again");
    sound(&place, &product, &deals)?;
    say!("  with free descriptors: new connections are taken, {} payments stored once, verify holds", deals.len());
    Ok(())
}

/// A connection that is taken and answered.
fn knock(product: &Product) -> Option<Connection> {
    let mut line = Connection::open(product.address).ok()?;
    line.be_patient(NOT_TAKEN).ok()?;
    line.ask(&Ask { method: "GET", path: "/healthz", headers: "", body: "" }).ok().map(|_| line)
}

/// No memory left: large bodies in great number. The process may end; what it acknowledged stays.
pub fn memory(ground: &Ground) -> Result<()> {
    let (_script, binary) = limited(ground, &format!("ulimit -v {ADDRESS_KIB}"))?;
    let place = Place::fresh(&binary, ground.cluster.as_ref())?;
    let mut product = place.start()?;
    let mut random = Random::of(2);
    let customer = shop(&product)?;
    let over = AtomicBool::new(false);
    let mut deals = Vec::new();
    let (sent, refused) = thread::scope(|scope| {
        let flood = scope.spawn(|| flood(&product, &customer.headers, &over));
        let mut line = Line::new(&customer);
        for number in 0..DEALS {
            let mut deal = Deal::purchase(&customer.account, format!("memory-{number}"), &mut random);
            line.send(&mut deal, &mut random)?;
            deals.push(deal);
            thread::sleep(APART);
        }
        over.store(true, Ordering::Relaxed);
        flood.join().ok().context("the flood's thread panicked")
    })?;
    let answered = deals.iter_mut().filter_map(Deal::waiting).count();
    let lives = knock(&product).is_some();
    say!(
        "  {} MiB of bodies held open at once under {} KiB of address space, {refused} more refused; {} of {DEALS} payments answered \
         meanwhile; the process {}",
        sent * BODY_BYTES / (1 << 20),
        grouped(ADDRESS_KIB),
        DEALS - answered,
        if lives { "lives" } else { "ended" }
    );
    if !lives {
        let _ = product.kill();
        product = place.start()?;
    }
    settle(&shop(&product)?, &mut deals, PATIENCE, &mut random)?;
    sound(&place, &product, &deals)?;
    say!("  afterwards: {DEALS} payments stored once, verify holds");
    Ok(())
}

/// Opens requests with large bodies and leaves each one byte short until it is over; how many, and how many were refused.
fn flood(product: &Product, key: &str, over: &AtomicBool) -> (usize, usize) {
    let mut open = Vec::new();
    let mut refused = 0;
    let body = "x".repeat(BODY_BYTES - 1);
    let headers = format!("{key}content-type: application/json\r\ncontent-length: {BODY_BYTES}\r\n");
    while open.len() + refused < BODIES && !over.load(Ordering::Relaxed) {
        let started = Connection::open(product.address).and_then(|mut line| {
            line.send_raw("POST", "/v1/customers", &headers, &body)?;
            Ok(line)
        });
        match started {
            Ok(line) => open.push(line),
            Err(_) => refused += 1,
        }
    }
    while !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
    }
    (open.len(), refused)
}

/// What was acknowledged is stored and charged once, and the books hold.
fn sound(place: &Place, product: &Product, deals: &[Deal]) -> Result<()> {
    let headers = product.key_headers()?;
    let mut line = product.connect()?;
    for deal in deals {
        deal.agrees_with_platform(&mut line, &headers)?;
        let path = format!("/dev/acquirer/charges?merchant_order_id={}", deal.order);
        let charges = line.get_json(&path, "")?["charges"].as_array().cloned().unwrap_or_default();
        deal.agrees_with_acquirer(&deal.order, &charges)?;
    }
    place.tool(&["verify", "--settled"])?;
    let log = place.log();
    let panic = log.lines().find(|line| line.contains("panicked at"));
    ensure!(panic.is_none(), "the log shows a panic: {}", panic.unwrap_or_default());
    Ok(())
}
