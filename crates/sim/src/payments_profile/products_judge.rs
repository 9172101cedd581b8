//! At the end: payouts, stored cards, subscriptions and links against the acquirers' books.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Payments;
use super::model::{Kind, Op, State, Subscription, text};
use crate::bank::Entry;
use crate::realm::{Breach, Holds};
use crate::world::Desk;

impl Payments {
    pub(super) fn compare_products(&self, desk: &Desk) -> Holds {
        for (number, op) in self.model.ops.iter().enumerate() {
            match op.kind {
                Kind::Payout => self.compare_payout(desk, number, op)?,
                Kind::Unenrol => self.compare_method(op)?,
                _ => {}
            }
        }
        for of in &self.model.subscriptions {
            compare_subscription(desk, of)?;
        }
        (0..self.model.links.len()).try_for_each(|at| self.compare_link(desk, at))
    }

    /// Money arrived once if the merchant was told so, and never otherwise.
    fn compare_payout(&self, desk: &Desk, number: usize, op: &Op) -> Holds {
        let paid: Vec<i64> = approved(desk, &op.order);
        let shown = self.payouts.get(&number).cloned().unwrap_or_default();
        let status = text(&shown, "status");
        let sound = match op.state {
            State::Done => status == "SUCCEEDED" && paid == [op.minor],
            State::Declined => matches!(status, "DECLINED" | "ERROR" | "REJECTED") && paid.is_empty(),
            State::Refused(_) => shown.is_null() && paid.is_empty(),
            State::Waiting if status == "SUCCEEDED" => paid == [op.minor],
            State::Waiting => matches!(status, "DECLINED" | "ERROR" | "REJECTED") && paid.is_empty(),
            State::Open | State::Retried => false,
        };
        let found = || format!("payout {} is {:?}, shown {status}, the acquirer paid {paid:?}", op.order, op.state);
        if sound { Ok(()) } else { Err(Breach::of("acknowledged-stored-charged", found())) }
    }

    /// A card that was taken off is off.
    fn compare_method(&self, op: &Op) -> Holds {
        let Some(method) = op.other.and_then(|at| self.model.methods.get(at)) else { return Ok(()) };
        let status = text(&method.last, "status");
        if op.state != State::Done || status == "UNENROLLED" {
            return Ok(());
        }
        Err(Breach::of("reads", format!("{} was taken off and is {status}", method.id)))
    }

    /// A link for one use is paid at most once, and says so.
    fn compare_link(&self, desk: &Desk, at: usize) -> Holds {
        let link = &self.model.links[at];
        let made = &self.model.ops[link.made_by];
        let paid = approved(desk, &made.order);
        let listed = self.orders.get(&link.made_by).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let stored = listed.iter().filter(|payment| text(payment, "status") == "SUCCEEDED").count();
        let told = usize::try_from(link.last["payments_number"].as_u64().unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let status = text(&link.last, "status");
        let wrong = paid.iter().any(|minor| *minor != made.minor) || (status == "USED") != (paid.len() == 1);
        if wrong || stored != paid.len() || told != paid.len() {
            let found = format!("link {} is {status} with {told} payments, {stored} stored, charged {paid:?}", link.id);
            return Err(Breach::of("acknowledged-stored-charged", found));
        }
        Ok(())
    }
}

/// What the acquirers approved for an order, in minor units.
fn approved(desk: &Desk, order: &str) -> Vec<i64> {
    let entries = desk.banks.of_order(order).into_iter().map(|(_, entry)| entry);
    entries.filter(Entry::approved).map(|entry| entry.amount.minor()).collect()
}

/// Each cycle is paid at most once, at its price, and no cycle comes after one that was never tried.
fn compare_subscription(desk: &Desk, of: &Subscription) -> Holds {
    let status = text(&of.last, "status");
    let breach = |found: String| Err(Breach::of("subscriptions", format!("{} is {status}: {found}", of.id)));
    if !matches!(status, "COMPLETED" | "CANCELED") {
        return breach("it was cancelled and goes on".into());
    }
    let mut cycles: BTreeMap<i64, usize> = BTreeMap::new();
    for payment in of.listed["data"].as_array().map_or(&[][..], Vec::as_slice) {
        let paid = cycles.entry(payment["billing_cycle"].as_i64().unwrap_or(0)).or_default();
        *paid += usize::from(text(payment, "status") == "SUCCEEDED");
    }
    for cycle in 1..=of.cycles {
        let charged = approved(desk, &format!("subscription-{}-{cycle}", of.id));
        let listed = cycles.get(&cycle).copied();
        if charged.len() > 1 || listed.unwrap_or(0) != charged.len() || charged.iter().any(|minor| *minor != of.minor) {
            return breach(format!("cycle {cycle} is listed {listed:?} and charged {charged:?}"));
        }
        desk.realm.reach(format!("cycle {}", if charged.len() == 1 { "paid" } else { "not paid" }));
    }
    if cycles.keys().any(|cycle| *cycle < 1 || *cycle > of.cycles) {
        return breach(format!("cycles {:?} of {}", cycles.keys(), of.cycles));
    }
    Ok(())
}
