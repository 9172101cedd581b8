//! What must be true after every round (60 section 4.3).

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::deal::Deal;
use super::harness::{Harness, ORDERS};
use super::hooks::Told;
use crate::acquirer;
use crate::http::Connection;

/// Schedulers and couriers have so long to finish what is due.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Harness {
    /// Acknowledged = stored = charged = told, the books hold, and nothing panicked. The platform is asked for each deal since
    /// `earlier`; the acquirer's list must agree with all deals of all rounds.
    pub fn judge(&self, earlier: usize) -> Result<()> {
        let mut line = self.line()?;
        for deal in &self.deals[earlier..] {
            if deal.is_left() {
                continue; // asked for already
            }
            if deal.is_subscription() || deal.is_disputed() {
                eventually(|| deal.agrees_with_platform(&mut line, self.headers()))?;
            } else {
                deal.agrees_with_platform(&mut line, self.headers())?;
            }
        }
        self.agrees_with_acquirer(&mut line)?;
        eventually(|| self.place.tool(&["verify", "--settled"]).map(drop))?;
        self.agrees_with_receiver(earlier)?;
        let log = self.place.log();
        let panic = log.lines().find(|line| line.contains("panicked at"));
        ensure!(panic.is_none(), "the log shows a panic: {}", panic.unwrap_or_default());
        Ok(())
    }

    fn agrees_with_acquirer(&self, line: &mut Connection) -> Result<()> {
        let mut charges: HashMap<String, Vec<Value>> = HashMap::new();
        acquirer::each_charge(line, |charge| {
            let order = charge["merchant_order_id"].as_str().unwrap_or_default().to_owned();
            charges.entry(order).or_default().push(charge.clone());
            Ok(())
        })?;
        for deal in &self.deals {
            for order in deal.orders() {
                deal.agrees_with_acquirer(&order, &charges.remove(&order).unwrap_or_default())?;
            }
        }
        let ours = |order: &&String| order.starts_with(ORDERS) || order.starts_with("subscription-");
        if let Some(order) = charges.keys().find(ours) {
            bail!("the acquirer charged {order}, which nobody asked for");
        }
        Ok(())
    }

    fn agrees_with_receiver(&self, earlier: usize) -> Result<()> {
        let told = self.hooks.told()?;
        // A line that stands idle while the messages are read is kept by nobody.
        let line = &mut self.line()?;
        let mut seen = HashSet::new();
        for deal in &self.deals[earlier..] {
            for payment in self.payments_of(line, deal)? {
                self.was_told(line, &told, &payment)?;
                seen.insert(payment);
            }
        }
        // Of earlier rounds, of card checks: whatever was told is there.
        let strangers: HashSet<&str> = told.payments().filter(|payment| !seen.contains(*payment)).collect();
        for payment in strangers {
            self.was_told(line, &told, payment)?;
        }
        told.others_once()?;
        ensure!(told.count() > 0, "the receiver was told nothing at all");
        Ok(())
    }

    fn was_told(&self, line: &mut Connection, told: &Told, payment: &str) -> Result<()> {
        let found = line.get_json(&format!("/v1/payments/{payment}?transactions_history=true"), self.headers())?;
        let history = found["transactions_history"].as_array().context("a payment's history")?;
        told.agrees(payment, history)
    }

    /// The ids of the payments that a deal made.
    fn payments_of(&self, line: &mut Connection, deal: &Deal) -> Result<Vec<String>> {
        if !deal.is_subscription() || deal.is_left() {
            return Ok(Some(deal.facts.payment.clone()).filter(|id| !id.is_empty()).into_iter().collect());
        }
        let billed = line.get_json(&format!("/v1/subscriptions/{}/payments", deal.facts.subscription), self.headers())?;
        let all = billed["data"].as_array().context("a list of payments")?;
        Ok(all.iter().filter_map(|payment| payment["payment_id"].as_str().map(str::to_owned)).collect())
    }
}

/// Looks again until it is right, for a while.
pub fn eventually(mut look: impl FnMut() -> Result<()>) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match look() {
            Err(_) if Instant::now() < until => thread::sleep(LOOK_AGAIN),
            result => return result,
        }
    }
}
