//! Acknowledged, stored and charged are the same: what merchants were told, what they read at the end, and what the acquirers' books say.

use std::collections::BTreeSet;

use kernel::Currency;
use payments::AttemptKind;
use serde_json::Value;

use super::model::{Kind, Op, Payment, State, text};
use super::{Payments, amounts, retries};
use crate::bank::{Entry, Standing};
use crate::realm::{Breach, Holds};
use crate::receivers::TRIES;
use crate::world::Desk;

/// What an acquirer's books say of one order.
#[derive(Clone, Debug, Default)]
struct Charged {
    /// Its approved charges.
    charges: Vec<Entry>,
    captures: Vec<i64>,
    refunds: Vec<i64>,
    voids: usize,
}

impl Payments {
    /// Compares everything.
    pub(super) fn compare(&mut self, desk: &mut Desk) -> Holds {
        for (number, op) in self.model.ops.iter().enumerate().filter(|(_, op)| op.kind.makes_payment()) {
            self.compare_order(desk, number, op)?;
        }
        for number in 0..self.model.payments.len() {
            self.compare_payment(desk, number)?;
        }
        for tenant in 0..desk.tenants.len() {
            self.compare_balances(desk, tenant)?;
        }
        self.compare_messages(desk)?;
        self.compare_tries(desk)?;
        self.compare_products(desk)?;
        self.compare_fulfilments()?;
        self.compare_searches(desk)?;
        self.compare_reports()
    }

    /// Receivers confirmed what happened to each payment, unless they refused to listen to the last.
    fn compare_messages(&self, desk: &Desk) -> Holds {
        let mut confirmed = BTreeSet::new();
        for told in desk.receivers.told().values().filter(|told| told.confirmed > 0 || told.tries >= TRIES) {
            let payment = text(&told.body["data"]["payment"], "id").to_owned();
            confirmed.insert((payment, text(&told.body, "type_event").to_owned()));
        }
        for of in &self.model.payments {
            let made = &self.model.ops[of.made_by];
            let charged = charged(desk, &made.order);
            let first = match of.kind {
                Kind::Purchase => "payment.purchase",
                Kind::Authorise => "payment.authorize",
                _ => "payment.verify",
            };
            let happened = [
                (first, made.state == State::Done),
                ("payment.capture", !charged.captures.is_empty()),
                ("payment.refund", !charged.refunds.is_empty()),
                ("payment.cancel", charged.voids > 0),
            ];
            let untold = |event: &str| !confirmed.contains(&(of.id.clone(), event.to_owned()));
            if let Some((event, _)) = happened.into_iter().find(|(event, happened)| *happened && untold(event)) {
                return Err(Breach::of("webhooks", format!("nobody was told of {event} of {}", made.order)));
            }
        }
        Ok(())
    }

    /// One order is one payment, charged once if it was approved; one that was refused is none.
    fn compare_order(&self, desk: &Desk, number: usize, op: &Op) -> Holds {
        let charged = charged(desk, &op.order);
        let found = self.orders.get(&number).and_then(Value::as_array).map(Vec::len);
        let expected = match op.state {
            State::Done => (Some(1), 1),
            State::Declined => (Some(1), 0),
            State::Refused(_) => (Some(0), 0),
            State::Open | State::Waiting | State::Retried => {
                return Err(Breach::of("liveness", format!("{} is {:?} at the end", op.order, op.state)));
            }
        };
        if (found, charged.charges.len()) != expected {
            let said = format!("{} is {:?}; payments stored: {found:?}, charges: {}", op.order, op.state, charged.charges.len());
            return Err(Breach::of("acknowledged-stored-charged", said));
        }
        let kind = match op.kind {
            Kind::Purchase => AttemptKind::Purchase,
            Kind::Authorise => AttemptKind::Authorise,
            _ => AttemptKind::Verify,
        };
        match charged.charges.first() {
            Some(charge)
                if charge.amount.minor() != op.minor || charge.amount.currency() != op.currency || charge.kind != kind =>
            {
                Err(Breach::of(
                    "acknowledged-stored-charged",
                    format!("{}: {} was asked, {charge:?} charged", op.order, op.minor),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Each capture, refund and cancel happened once, and no other; the payment shows what they came to.
    fn compare_payment(&self, desk: &Desk, number: usize) -> Holds {
        let of = &self.model.payments[number];
        let made = &self.model.ops[of.made_by];
        let charged = charged(desk, &made.order);
        let done = |kind| {
            let mut amounts: Vec<i64> = self.model.on(number).filter(|op| op.did() == Some(kind)).map(|op| op.minor).collect();
            amounts.sort_unstable();
            amounts
        };
        let expected = (done(Kind::Capture), done(Kind::Refund), done(Kind::Cancel).len());
        let found = (charged.captures.clone(), charged.refunds.clone(), charged.voids);
        if expected != found {
            return Err(Breach::of(
                "acknowledged-stored-charged",
                format!("{}: told {expected:?}, charged {found:?}", made.order),
            ));
        }
        let shown = &of.last;
        let status = status_of(of, made, &charged, desk);
        let captured: i64 = charged.captures.iter().sum();
        let refunded: i64 = charged.refunds.iter().sum();
        let minor = |name: &str| amounts::minor(&shown["amount"][name], of.currency);
        let told = (text(shown, "status"), minor("captured"), minor("refunded"));
        if told.1 != Some(captured) || told.2 != Some(refunded) || status.is_some_and(|status| status != told.0) {
            let expected = (status, captured, refunded);
            return Err(Breach::of(
                "acknowledged-stored-charged",
                format!("{} shows {told:?}, expected {expected:?}", made.order),
            ));
        }
        history(of, made, &charged)
    }

    fn compare_balances(&self, desk: &Desk, tenant: usize) -> Holds {
        let Ok(account) = desk.tenants[tenant].account.parse() else { return Ok(()) };
        let listed = self.balances.get(&tenant).and_then(|shown| shown["items"].as_array().cloned());
        let Some(listed) = listed else {
            return Err(Breach::of("balances", format!("tenant {tenant} cannot read its balances")));
        };
        for currency in &self.currencies {
            let expected = desk.banks.money_of(account, *currency);
            let found = listed.iter().find(|one| text(one, "currency") == currency.code());
            let found = found.map_or(Some(Standing::default()), |one| shown(one, *currency));
            if found != Some(expected) {
                let said = format!("tenant {tenant} {}: shown {found:?}, the acquirers' books say {expected:?}", currency.code());
                return Err(Breach::of("balances", said));
            }
        }
        Ok(())
    }
}

/// The history shows every approved operation once.
fn history(of: &Payment, made: &Op, charged: &Charged) -> Holds {
    let count = |kind: &str| {
        retries::history(&of.last).iter().filter(|one| text(one, "type") == kind && text(one, "status") == "SUCCEEDED").count()
    };
    let found = (count("CAPTURE"), count("REFUND"), count("CANCEL"));
    let expected = (charged.captures.len(), charged.refunds.len(), charged.voids);
    if found == expected {
        return Ok(());
    }
    Err(Breach::of("acknowledged-stored-charged", format!("{}: history {found:?}, charged {expected:?}", made.order)))
}

fn shown(item: &Value, currency: Currency) -> Option<Standing> {
    let minor = |name: &str| amounts::minor(&item[name], currency);
    Some(Standing { available: minor("available")?, disputed: minor("reserved")?, fees: minor("fees")? })
}

fn charged(desk: &Desk, order: &str) -> Charged {
    let mut charged = Charged::default();
    for (_, entry) in desk.banks.all_of_order(order).into_iter().filter(|(_, entry)| entry.approved()) {
        match entry.kind {
            AttemptKind::Capture => charged.captures.push(entry.amount.minor()),
            AttemptKind::Refund => charged.refunds.push(entry.amount.minor()),
            AttemptKind::Cancel => charged.voids += 1,
            _ => charged.charges.push(entry),
        }
    }
    charged.captures.sort_unstable();
    charged.refunds.sort_unstable();
    charged
}

/// The status that follows from what was charged; `None` where several do.
fn status_of(of: &Payment, made: &Op, charged: &Charged, desk: &Desk) -> Option<&'static str> {
    if made.state != State::Done {
        return None;
    }
    let dispute = desk.banks.disputes().into_iter().find(|dispute| dispute.payment.to_string() == of.id);
    match dispute.map(|dispute| dispute.won) {
        Some(None) => return Some("IN_DISPUTE"),
        Some(Some(false)) => return Some("CHARGEBACK"),
        _ => {}
    }
    let captured: i64 = charged.captures.iter().sum();
    let taken = if of.kind == Kind::Purchase { of.minor } else { captured };
    let refunded: i64 = charged.refunds.iter().sum();
    Some(match of.kind {
        Kind::Verify => "VERIFIED",
        // By now every hold has ended.
        _ if taken == 0 => "CANCELED",
        _ if refunded == taken => "REFUNDED",
        _ => "SUCCEEDED",
    })
}
