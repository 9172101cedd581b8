//! The decisions of an import: it begins, takes its lines, and is booked.

use std::sync::Arc;

use db::{Command, Keys, Rows};
use kernel::{AccountId, AttemptId, Currency, PaymentId, SettlementId, Timestamp};
use ledger::recipes::Settlement;
use ledger::{PostRefusal, post};
use uuid::Uuid;

use super::rows::{SettledRow, SettlementDifferenceRow, SettlementRow, SettlementTotalRow};
use super::rules::{self, Ours, cause, fee_id, platform};
use super::types::{Difference, LineKind, SettledLine};
use crate::rows::{AttemptRow, PaymentRow};
use crate::types::Connector;

/// A file is to be imported, or its import goes on.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: SettlementId,
    pub(super) connector: Connector,
    pub(super) file_name: Arc<str>,
    pub(super) file_lines: u32,
}

impl Command for Open {
    /// How far it is.
    type Reply = SettlementRow;
    type Refusal = std::convert::Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<SettlementRow>((self.id,));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<SettlementRow, Self::Refusal> {
        if let Some(row) = rows.get::<SettlementRow>(&(self.id,)) {
            return Ok(row.clone());
        }
        let row = SettlementRow {
            id: self.id,
            connector: self.connector,
            file_name: self.file_name.clone(),
            file_lines: self.file_lines,
            began_at: now,
            through: 0,
            matched: 0,
            differences: 0,
            booked_at: None,
        };
        rows.insert(row.clone());
        Ok(row)
    }
}

/// The attempt that a line seems to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) account_id: AccountId,
    pub(super) payment_id: PaymentId,
    pub(super) attempt_id: AttemptId,
    /// An operation on its payment, not the payment's first attempt.
    pub(super) is_later: bool,
}

/// A line, and what it seems to name.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) line: SettledLine,
    pub(super) found: Option<Found>,
}

impl Entry {
    /// Under which key it is settled.
    fn settles(&self, connector: Connector) -> Option<(AccountId, Uuid)> {
        match (self.line.kind, &self.line.reference) {
            (LineKind::Fee, Some(reference)) => Some((platform(), fee_id(connector, reference))),
            (LineKind::Fee, None) => None,
            _ => self.found.map(|found| (found.account_id, found.attempt_id.uuid())),
        }
    }
}

/// The next lines of a file are judged.
#[derive(Debug)]
pub(super) struct Take {
    pub(super) id: SettlementId,
    pub(super) connector: Connector,
    /// The line taken last; anything else means that another import of the same file is ahead.
    pub(super) after: u32,
    pub(super) entries: Vec<Entry>,
}

/// The import is elsewhere: this line was the last one taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved(pub(super) u32);

impl Command for Take {
    /// The line taken last.
    type Reply = u32;
    type Refusal = Moved;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<SettlementRow>((self.id,));
        keys.prefix::<SettlementTotalRow>(&(self.id,));
        for entry in &self.entries {
            if let Some(key) = entry.settles(self.connector) {
                keys.row::<SettledRow>(key);
            }
            if let Some(found) = entry.found {
                keys.row::<PaymentRow>((found.account_id, found.payment_id));
                if found.is_later {
                    keys.row::<AttemptRow>((found.account_id, found.attempt_id));
                }
            }
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<u32, Moved> {
        let through = rows.must::<SettlementRow>(&(self.id,)).through;
        if through != self.after {
            return Err(Moved(through));
        }
        let (mut through, mut matched, mut differences) = (through, 0, 0);
        for entry in &self.entries {
            let is_matched = self.take(entry, rows, now);
            matched += u32::from(is_matched);
            differences += u32::from(!is_matched);
            through = entry.line.number;
        }
        let row = rows.must_mut::<SettlementRow>(&(self.id,));
        row.through = through;
        row.matched += matched;
        row.differences += differences;
        Ok(through)
    }
}

impl Take {
    /// Writes down what becomes of one line: whether it was matched.
    fn take(&self, entry: &Entry, rows: &mut Rows, now: Timestamp) -> bool {
        let line = &entry.line;
        let ours = self.ours(entry, rows);
        let judged = match line.kind {
            LineKind::Fee => self.judge_fee(entry, rows),
            LineKind::Charge | LineKind::Refund | LineKind::Chargeback => rules::judge(line, ours.as_ref()),
        };
        self.count(line, judged.is_ok(), rows);
        let (found, key) = (entry.found.filter(|_| ours.is_some()), entry.settles(self.connector));
        match (judged, key) {
            (Ok(()), Some((account_id, attempt_id))) => {
                rows.insert(SettledRow {
                    account_id,
                    attempt_id,
                    payment_id: found.map(|found| found.payment_id),
                    settlement_id: self.id,
                    line: line.number,
                    kind: line.kind,
                    reference: line.reference.clone(),
                    currency: line.currency,
                    gross: line.gross,
                    cost: line.cost,
                    settled_on: line.settled_on,
                    taken_at: now,
                });
                true
            }
            (judged, key) => {
                let difference = judged.err().unwrap_or(Difference::Unknown);
                let named = key.filter(|_| difference != Difference::Unknown);
                rows.append(SettlementDifferenceRow {
                    settlement_id: self.id,
                    line: line.number,
                    difference,
                    kind: line.kind,
                    named: line.named.clone(),
                    reference: line.reference.clone(),
                    currency: line.currency,
                    gross: line.gross,
                    cost: line.cost,
                    settled_on: line.settled_on,
                    account_id: named.map(|(account, _)| account),
                    attempt_id: named.map(|(_, attempt)| attempt),
                    our_currency: ours.map(|ours| ours.currency),
                    our_amount: ours.map(|ours| line.kind.signed(ours.amount)),
                    taken_at: now,
                });
                false
            }
        }
    }

    /// A fee agrees with everything but itself.
    fn judge_fee(&self, entry: &Entry, rows: &mut Rows) -> Result<(), Difference> {
        let key = entry.settles(self.connector).ok_or(Difference::Unknown)?;
        if rows.get::<SettledRow>(&key).is_some() { Err(Difference::Twice) } else { Ok(()) }
    }

    /// What we know of the attempt that a line names, if this acquirer has it.
    fn ours(&self, entry: &Entry, rows: &mut Rows) -> Option<Ours> {
        let found = entry.found.filter(|_| entry.line.kind != LineKind::Fee)?;
        let is_settled = rows.get::<SettledRow>(&(found.account_id, found.attempt_id.uuid())).is_some();
        let payment = rows.get::<PaymentRow>(&(found.account_id, found.payment_id))?;
        if payment.connector != self.connector {
            return None;
        }
        let currency = payment.currency;
        if found.is_later {
            let attempt = rows.get::<AttemptRow>(&(found.account_id, found.attempt_id))?;
            return Some(Ours { kind: attempt.kind, state: attempt.state, currency, amount: attempt.amount, is_settled });
        }
        let is_last_try = payment.attempt_id == found.attempt_id;
        is_last_try.then_some(Ours {
            kind: payment.mode.into(),
            state: payment.attempt,
            currency,
            amount: payment.amount,
            is_settled,
        })
    }

    fn count(&self, line: &SettledLine, is_matched: bool, rows: &mut Rows) {
        let key = (self.id, line.currency);
        if rows.get::<SettlementTotalRow>(&key).is_none() {
            rows.insert(SettlementTotalRow {
                settlement_id: self.id,
                currency: line.currency,
                gross: 0,
                cost: 0,
                net: 0,
                matched: 0,
                differences: 0,
                unmatched_net: 0,
            });
        }
        let total = rows.must_mut::<SettlementTotalRow>(&key);
        if is_matched {
            total.gross += line.gross;
            total.cost += line.cost;
            total.net += line.net();
            total.matched += 1;
        } else {
            total.differences += 1;
            total.unmatched_net += line.net();
        }
    }
}

/// All lines of a file are judged: what matched is booked.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) id: SettlementId,
    pub(super) connector: Connector,
    pub(super) currencies: Vec<Currency>,
}

/// Why it is not booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BookRefusal {
    /// There are lines left to take.
    Unfinished(u32),
    /// The ledger cannot take it.
    Ledger(PostRefusal),
}

impl Book {
    fn recipe(&self, currency: Currency, net_minor: i64, cost_minor: i64) -> Settlement {
        Settlement { connector: self.connector.owner(), currency, net_minor, cost_minor }
    }
}

impl Command for Book {
    /// The file and its sums.
    type Reply = (SettlementRow, Vec<SettlementTotalRow>);
    type Refusal = BookRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<SettlementRow>((self.id,));
        keys.prefix::<SettlementTotalRow>(&(self.id,));
        for currency in &self.currencies {
            // Whatever the sums, these are the accounts.
            ledger::keys(keys, &cause(self.id, *currency), &self.recipe(*currency, 1, 1));
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Self::Reply, BookRefusal> {
        let row = rows.must::<SettlementRow>(&(self.id,)).clone();
        let keys = rows.all::<SettlementTotalRow>(&(self.id,));
        let totals: Vec<SettlementTotalRow> = keys.iter().map(|key| rows.must::<SettlementTotalRow>(key).clone()).collect();
        if row.booked_at.is_some() {
            return Ok((row, totals));
        }
        if row.matched + row.differences != row.file_lines {
            return Err(BookRefusal::Unfinished(row.through));
        }
        for total in totals.iter().filter(|total| (total.net, total.cost) != (0, 0)) {
            let recipe = self.recipe(total.currency, total.net, total.cost);
            post(rows, &cause(self.id, total.currency), &recipe, now).map_err(BookRefusal::Ledger)?;
        }
        let row = rows.must_mut::<SettlementRow>(&(self.id,));
        row.booked_at = Some(now);
        Ok((row.clone(), totals))
    }
}
