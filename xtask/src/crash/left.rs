//! Deals that nobody goes on with, because the clock jumped: a key whose answer was not read may be forgotten by then, and a page may be
//! over. What was asked last happened or did not; the platform says which, and the acquirer must say the same.

use std::ops::RangeInclusive;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::deal::Deal;
use super::harness::Harness;
use super::judge::eventually;
use super::operation::{Operation, decimal};
use crate::http::{Ask, Connection};

/// Subscriptions on a page; the route's own maximum.
const PAGE: usize = 100;

/// What became of a deal that nobody goes on with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// Charges that the acquirer may have for its order.
    charges: RangeInclusive<usize>,
    /// What the platform says was given back, as it writes it.
    refunded: Option<String>,
}

impl Left {
    /// Not known yet.
    pub fn unknown() -> Left {
        Left { charges: 0..=1, refunded: None }
    }

    /// Compares with the acquirer's charges for the deal's order.
    ///
    /// # Errors
    /// With the first difference.
    pub fn agrees(&self, order: &str, charges: &[Value], places: u32) -> Result<()> {
        ensure!(self.charges.contains(&charges.len()), "{order}: {} charges, where {self:?} was found", charges.len());
        let (Some(charge), Some(refunded)) = (charges.first(), &self.refunded) else { return Ok(()) };
        let found = decimal(charge["refunded"].as_u64().unwrap_or_default(), places);
        ensure!(found == *refunded, "{order}: the acquirer gave {found} back, the platform {refunded}");
        Ok(())
    }
}

impl Harness {
    /// Asks what became of the deals that were left since `earlier`.
    pub fn find_out(&mut self, earlier: usize) -> Result<()> {
        let (mut line, headers) = (self.line()?, self.headers().to_owned());
        for deal in self.deals[earlier..].iter_mut().filter(|deal| deal.is_left()) {
            eventually(|| deal.find_out(&mut line, &headers))?;
        }
        Ok(())
    }
}

impl Deal {
    /// Asks the platform what became of it.
    ///
    /// # Errors
    /// When it says what cannot be.
    fn find_out(&mut self, line: &mut Connection, headers: &str) -> Result<()> {
        if self.is_subscription() {
            return self.find_subscription(line, headers);
        }
        if self.steps.iter().any(|step| step.operation == Operation::PayOut) {
            let path = format!("/v1/payouts?merchant_reference={}", self.order);
            let answer = line.ask(&Ask { method: "GET", path: &path, headers, body: "" })?;
            let said = answer.json()?;
            let made = match (said["status"].as_str(), said["code"].as_str()) {
                (Some("SUCCEEDED"), _) => 1,
                (None, Some("TRANSACTION_NOT_FOUND")) => 0,
                _ => bail!("{}: GET {path} answered {}", self.order, answer.short()),
            };
            self.left = Some(Left { charges: made..=made, refunded: None });
            return Ok(());
        }
        let found = line.get_json(&format!("/v1/payments?merchant_order_id={}", self.order), headers)?;
        self.left = Some(fate(&self.order, found.as_array().context("an array of payments")?)?);
        Ok(())
    }

    /// What was subscribed is judged as if its answer had been read.
    fn find_subscription(&mut self, line: &mut Connection, headers: &str) -> Result<()> {
        self.left = Some(Left { charges: 0..=0, refunded: None });
        for page in 1.. {
            let listed = line.get_json(&format!("/v1/subscriptions?size={PAGE}&page={page}"), headers)?;
            let listed = listed["items"].as_array().context("a page of subscriptions")?;
            if let Some(mine) = listed.iter().find(|one| one["merchant_reference"] == self.order.as_str()) {
                self.facts.subscription = mine["id"].as_str().context("a subscription's id")?.to_owned();
                self.left = None;
            }
            if self.left.is_none() || listed.len() < PAGE {
                break;
            }
        }
        Ok(())
    }
}

/// What a payment that may have been made says about the acquirer's charges.
fn fate(order: &str, payments: &[Value]) -> Result<Left> {
    ensure!(payments.len() <= 1, "{order}: {} payments", payments.len());
    let Some(payment) = payments.first() else { return Ok(Left { charges: 0..=0, refunded: None }) };
    let charges = match payment["status"].as_str().unwrap_or_default() {
        // What is pending once challenges are over is held.
        "SUCCEEDED" | "REFUNDED" | "IN_DISPUTE" | "CHARGEBACK" | "PENDING" => 1..=1,
        "CANCELED" | "EXPIRED" => 0..=1,
        "DECLINED" => 0..=0,
        strange => bail!("{order}: a payment that is {strange}"),
    };
    let refunded = &payment["amount"]["refunded"];
    Ok(Left { charges, refunded: Some(refunded.as_str().map_or_else(|| refunded.to_string(), str::to_owned)) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_happened_at_the_platform_happened_at_the_acquirer() {
        let payment = json!({"status": "SUCCEEDED", "amount": {"refunded": 2.5}});
        let charge = json!({"captured": 1_000, "refunded": 250});
        let paid = fate("o", std::slice::from_ref(&payment)).expect("one payment");
        paid.agrees("o", std::slice::from_ref(&charge), 2).expect("the same");
        paid.agrees("o", &[], 2).expect_err("never charged");
        paid.agrees("o", &[json!({"refunded": 0})], 2).expect_err("not given back");
        fate("o", &[payment.clone(), payment]).expect_err("paid twice");
        fate("o", &[]).expect("never made").agrees("o", &[charge], 2).expect_err("charged for nothing");
    }
}
