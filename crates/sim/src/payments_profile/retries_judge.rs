//! At the end: nothing waits for another try, each operation is shown and told as it ended, and nobody was asked more often than promised.

use std::collections::BTreeSet;

use payments::AttemptKind;

use super::Payments;
use super::model::{Kind, Op, Payment, State, text};
use super::retries::{TRIES_MAX, transaction};
use crate::bank::Entry;
use crate::realm::{Breach, Holds};
use crate::receivers::TRIES;
use crate::world::Desk;

impl Payments {
    pub(super) fn compare_tries(&self, desk: &Desk) -> Holds {
        let told = told(desk);
        for op in self.model.ops.iter().filter(|op| op.kind.follows_up()) {
            let Some(of) = op.payment.map(|payment| &self.model.payments[payment]) else { continue };
            compare_end(op, of, &told)?;
        }
        (0..self.model.payments.len()).try_for_each(|payment| self.compare_asks(desk, payment))
    }

    /// An acquirer is asked at most seven times for what is tried again, and once for anything else.
    fn compare_asks(&self, desk: &Desk, payment: usize) -> Holds {
        let order = &self.model.ops[self.model.payments[payment].made_by].order;
        let entries = desk.banks.all_of_order(order);
        for (kind, asked_as) in [(AttemptKind::Capture, Kind::Capture), (AttemptKind::Refund, Kind::Refund)] {
            let arrived = entries.iter().filter(|(_, entry)| entry.kind == kind && !was_fenced(entry)).count();
            let may_refund = |op: &&Op| asked_as == Kind::Refund && op.kind == Kind::CancelOrRefund;
            let asked = self.model.on(payment).filter(|op| op.kind == asked_as || may_refund(op));
            let most: usize = asked.map(|op| if op.retried { TRIES_MAX } else { 1 }).sum();
            if arrived > most {
                return Err(Breach::of("retries", format!("{kind:?} of {order} was asked for {arrived} times, not {most}")));
            }
        }
        Ok(())
    }
}

/// What arrived after the platform had given it up counts for nothing.
fn was_fenced(entry: &Entry) -> bool {
    matches!(&entry.outcome, kernel::Outcome::Declined(decline) if &*decline.code == "FENCED")
}

/// An operation is over, shown as it ended, and told so.
fn compare_end(op: &Op, of: &Payment, told: &BTreeSet<(String, String)>) -> Holds {
    let id = text(op.transaction(), "id");
    let shown = text(transaction(&of.last, id), "status");
    let sound = match op.state {
        State::Done => shown == "SUCCEEDED",
        State::Declined => matches!(shown, "DECLINED" | "ERROR"),
        State::Refused(_) => return Ok(()),
        State::Open | State::Waiting | State::Retried => {
            return Err(Breach::of("liveness", format!("{:?} {} is {:?} at the end", op.kind, op.order, op.state)));
        }
    };
    if !sound {
        let found = format!("{:?} {} is {:?} and shown {shown:?}", op.kind, op.order, op.state);
        return Err(Breach::of("acknowledged-stored-charged", found));
    }
    let begun = if op.retried_from.is_some() { "PENDING" } else { shown };
    let untold = |status: &str| !told.contains(&(id.to_owned(), status.to_owned()));
    if untold(shown) || untold(begun) {
        return Err(Breach::of("webhooks", format!("nobody was told that {:?} {} is {begun}, then {shown}", op.kind, op.order)));
    }
    Ok(())
}

/// Which transaction was told to be in which status, and confirmed unless the receiver refused to listen to the last.
fn told(desk: &Desk) -> BTreeSet<(String, String)> {
    let told = desk.receivers.told();
    let heard = told.values().filter(|told| told.confirmed > 0 || told.tries >= TRIES);
    heard
        .map(|told| {
            let transaction = &told.body["data"]["payment"]["transactions"];
            (text(transaction, "id").to_owned(), text(transaction, "status").to_owned())
        })
        .collect()
}
