//! Checks the stored books: invariants I1 and I2, and the ledger's side of I10.
//!
//! Transfers are read once, in the order of their key. That order says nothing about the order of an account's entries, so the chain of
//! an account is checked by fingerprint: every entry leads from one state (number, balance) to the next, and when the hashes of all
//! states reached, less those of all states left, come to the hash of the last state less that of the empty one, the entries form one
//! unbroken chain. Memory is one small tally per ledger account, whatever the number of transfers.

mod tally;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use db::{Fault, Snapshot, args};
use kernel::verify::Report;
use kernel::{AMOUNT_MINOR_MAX, AccountId, Currency, Money};
use uuid::Uuid;

use crate::queries::{ALL_ACCOUNTS, ALL_TRANSFERS, OF_KINDS};
use crate::recipes::{RecipeCode, books, known_floor};
use crate::rows::{LedgerAccountRow, TransferRow};
use crate::rules::usual_floor;
use crate::types::{AccountKind, Owner, Party};
use tally::Tally;

const AMOUNTS: (&str, &str) = ("I1.a", "a posting has legs in one currency, each with an amount that can be booked");
const TWO_SIDES: (&str, &str) = ("I1.b", "each transfer debits one account and credits another");
const ZERO_SUM: (&str, &str) = ("I1.c", "all ledger accounts of a currency sum to zero");
const COMPLETE: (&str, &str) = ("I1.d", "no entry without posting, no ledger account without entries");
const AS_RECIPE: (&str, &str) = ("I1.e", "a posting books what its recipe says");
const SUMS: (&str, &str) = ("I2.a", "running sums equal the sum of entries");
const CHAIN: (&str, &str) = ("I2.b", "entries are numbered without gap and carry the running balance");
const FLOORS: (&str, &str) = ("I2.c", "no balance is below its floor");
const CHARGED: (&str, &str) = ("I2.d", "what an account was charged equals its transfers to the platform's fees");
const TRANSIT: (&str, &str) = ("I10.a", "transit accounts equal the refunds and payouts under way");
const HOLDS: (&str, &str) = ("I10.b", "hold accounts equal the open authorisations");

/// Checks every transfer and every ledger account in the snapshot.
///
/// `negative_limit` says how far below zero the own money of this owner may be, in minor units.
///
/// # Errors
/// [`Fault`] when the store cannot be read.
pub async fn verify(snapshot: &mut Snapshot, negative_limit: impl Fn(Owner) -> i64, report: &mut Report) -> Result<(), Fault> {
    let mut books = Books::default();
    snapshot
        .each(&ALL_TRANSFERS, args![], |record| {
            books.transfer(&record.row(0)?, report);
            Ok(())
        })
        .await?;
    snapshot
        .each(&ALL_ACCOUNTS, args![], |record| {
            books.account(&record.row(0)?, &negative_limit, report);
            Ok(())
        })
        .await?;
    books.finish(report);
    Ok(())
}

/// One account of one currency, as a place in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Place {
    party: Party,
    currency: Currency,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.party.owner.uuid(), self.party.kind, self.currency.code())
    }
}

/// The leg before the one at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Posting {
    account_id: AccountId,
    cause: Uuid,
    recipe: RecipeCode,
    leg: u8,
    currency: Currency,
}

/// What the transfers said about each account, until its own row has been compared.
#[derive(Default)]
struct Books {
    tallies: HashMap<Place, Tally>,
    /// What chargebacks took from merchants' own money: nobody asks whether they can afford it.
    taken: HashMap<Place, i64>,
    /// How often and how much each account was charged.
    charged: BTreeMap<Place, (i64, i64)>,
    before: Option<Posting>,
    nets: BTreeMap<Currency, i128>,
    postings: u64,
    transfers: u64,
    accounts: u64,
}

impl Books {
    fn transfer(&mut self, row: &TransferRow, report: &mut Report) {
        self.transfers += 1;
        self.in_its_posting(row, report);
        let (debit, credit) = (row.debit(), row.credit());
        if !(1..=AMOUNT_MINOR_MAX).contains(&row.amount) {
            report.broken(AMOUNTS.0, "amount", at(row), format!("1 to {AMOUNT_MINOR_MAX}"), row.amount);
        }
        if debit == credit {
            report.broken(TWO_SIDES.0, "both sides are one account", at(row), "two accounts", place(debit, row));
        } else if !books(row.recipe, Owner::account(row.account_id), debit, credit) {
            let found = format!("{:?} to {:?}", debit.kind, credit.kind);
            report.broken(AS_RECIPE.0, "transfer its recipe does not book", at(row), format!("{:?}", row.recipe), found);
        }
        if let Some(floor) = known_floor(row.recipe, row.debit_kind)
            && row.debit_balance < floor
        {
            report.broken(FLOORS.0, "balance after a debit", at(row), format!("at least {floor}"), row.debit_balance);
        }
        if row.debit_kind == AccountKind::Available
            && matches!(row.recipe, RecipeCode::ChargebackOpen | RecipeCode::ChargebackLost)
        {
            let taken = self.taken.entry(place(debit, row)).or_default();
            *taken = taken.saturating_add(row.amount);
        }
        if row.credit_kind == AccountKind::Fees {
            let charged = self.charged.entry(place(Party::new(row.account_id, AccountKind::Charged), row)).or_default();
            *charged = (charged.0 + 1, charged.1.saturating_add(row.amount));
        }
        self.tallies.entry(place(debit, row)).or_default().debit(row.amount, row.debit_sequence, row.debit_balance);
        self.tallies.entry(place(credit, row)).or_default().credit(row.amount, row.credit_sequence, row.credit_balance);
    }

    /// Legs are numbered from 0 without gap and share a currency.
    fn in_its_posting(&mut self, row: &TransferRow, report: &mut Report) {
        let TransferRow { account_id, cause, recipe, leg, currency, .. } = *row;
        let before = self.before.replace(Posting { account_id, cause, recipe, leg, currency });
        let same = before.filter(|before| (before.account_id, before.cause, before.recipe) == (account_id, cause, recipe));
        let expected = same.map_or(0, |before| before.leg.saturating_add(1));
        if leg != expected {
            report.broken(COMPLETE.0, "leg number", at(row), expected, leg);
        }
        match same {
            Some(before) if before.currency != currency => {
                report.broken(AMOUNTS.0, "currencies of one posting", at(row), before.currency.code(), currency.code());
            }
            Some(_) => {}
            None => self.postings += 1,
        }
    }

    fn account(&mut self, row: &LedgerAccountRow, negative_limit: &impl Fn(Owner) -> i64, report: &mut Report) {
        self.accounts += 1;
        let place = Place { party: row.party(), currency: row.currency };
        if row.kind == AccountKind::Charged {
            return self.counter(row, place, report);
        }
        *self.nets.entry(row.currency).or_default() += i128::from(row.credits) - i128::from(row.debits);
        let floor = match row.kind {
            AccountKind::Available => {
                let taken = self.taken.get(&place).copied().unwrap_or_default();
                Some((-negative_limit(place.party.owner).max(0)).saturating_sub(taken))
            }
            kind => usual_floor(kind),
        };
        if let Some(floor) = floor
            && row.net() < floor
        {
            report.broken(FLOORS.0, "balance", place, format!("at least {floor}"), row.net());
        }
        let Some(tally) = self.tallies.remove(&place) else {
            report.broken(COMPLETE.0, "ledger account without entries", place, "entries", row.sequence);
            return;
        };
        if !tally.sums_to(row.debits, row.credits) {
            let stored = format!("debits {}, credits {}", row.debits, row.credits);
            report.broken(SUMS.0, "running sums", place, &tally, stored);
        }
        if !tally.is_chain() || tally.entries() != row.sequence {
            let expected = format!("{} entries in one chain", tally.entries());
            let found = format!("{} entries, {}", row.sequence, if tally.is_chain() { "chained" } else { "chain broken" });
            report.broken(CHAIN.0, "entries of a ledger account", place, expected, found);
        }
    }

    /// A counter is no account: it has no entries, and its sum is in no currency's.
    fn counter(&mut self, row: &LedgerAccountRow, place: Place, report: &mut Report) {
        let (count, minor) = self.charged.remove(&place).unwrap_or_default();
        let found = (row.sequence, row.credits, row.debits);
        if found != (count, minor, 0) {
            let found = format!("{} in {} transfers", row.net(), row.sequence);
            report.broken(CHARGED.0, "charged so far", place, format!("{minor} in {count} transfers"), found);
        }
        report.checked(CHARGED.0, CHARGED.1, 1);
    }

    fn finish(self, report: &mut Report) {
        for (place, (count, minor)) in &self.charged {
            report.broken(CHARGED.0, "charged so far", place, format!("{minor} in {count} transfers"), "nothing counted");
        }
        report.checked(CHARGED.0, CHARGED.1, 0);
        for (place, tally) in &self.tallies {
            report.broken(COMPLETE.0, "entries without ledger account", place, "a ledger account", tally);
        }
        for (currency, net) in &self.nets {
            if *net != 0 {
                report.broken(ZERO_SUM.0, "sum of all balances", currency.code(), 0, net);
            }
        }
        let currencies = u64::try_from(self.nets.len()).unwrap_or(u64::MAX);
        let checked = [
            (AMOUNTS, self.postings),
            (TWO_SIDES, self.transfers),
            (ZERO_SUM, currencies),
            (COMPLETE, self.postings),
            (AS_RECIPE, self.transfers),
            (SUMS, self.accounts),
            (CHAIN, self.accounts),
            (FLOORS, self.accounts),
        ];
        for ((id, name), count) in checked {
            report.checked(id, name, count);
        }
    }
}

fn place(party: Party, row: &TransferRow) -> Place {
    Place { party, currency: row.currency }
}

fn at(row: &TransferRow) -> String {
    format!("{} {} {:?} leg {}", row.account_id, row.cause, row.recipe, row.leg)
}

/// What is under way according to those who do it; compared with the accounts it books through by [`transit`].
#[derive(Clone, Debug, Default)]
pub struct UnderWay(BTreeMap<Place, i64>);

impl UnderWay {
    /// A refund has started and is neither done nor failed.
    pub fn refund(&mut self, merchant: AccountId, amount: Money) {
        self.add(Party::new(merchant, AccountKind::RefundTransit), amount.currency(), amount.minor());
    }

    /// A payout has started and is neither done nor failed; `amount` is what was set aside, fee included.
    pub fn payout(&mut self, merchant: AccountId, amount: Money) {
        self.add(Party::new(merchant, AccountKind::PayoutTransit), amount.currency(), amount.minor());
    }

    /// `amount` of a payment is disputed.
    pub fn dispute(&mut self, merchant: AccountId, amount: Money) {
        self.add(Party::new(merchant, AccountKind::Disputed), amount.currency(), amount.minor());
    }

    /// `amount` of an authorisation is neither captured nor released.
    pub fn authorisation(&mut self, merchant: AccountId, connector: Owner, amount: Money) {
        self.add(Party::new(merchant, AccountKind::Hold), amount.currency(), -amount.minor());
        self.add(Party::new(connector, AccountKind::Hold), amount.currency(), amount.minor());
    }

    fn add(&mut self, party: Party, currency: Currency, minor: i64) {
        *self.0.entry(Place { party, currency }).or_default() += minor;
    }
}

/// Compares the transit and hold accounts in the snapshot with what is under way. With `settled`, transit accounts must be empty.
///
/// # Errors
/// [`Fault`] when the store cannot be read.
pub async fn transit(snapshot: &mut Snapshot, under_way: &UnderWay, settled: bool, report: &mut Report) -> Result<(), Fault> {
    let mut expected = under_way.0.clone();
    let mut checked = [(TRANSIT, 0), (HOLDS, 0)];
    let kinds = args![AccountKind::RefundTransit, AccountKind::PayoutTransit, AccountKind::Hold, AccountKind::Disputed];
    snapshot
        .each(&OF_KINDS, kinds, |record| {
            let row: LedgerAccountRow = record.row(0)?;
            let place = Place { party: row.party(), currency: row.currency };
            let amount = expected.remove(&place).unwrap_or(0);
            let (rule, count) = &mut checked[usize::from(row.kind == AccountKind::Hold)];
            *count += 1;
            if row.net() != amount {
                report.broken(rule.0, "balance", place, amount, row.net());
            } else if settled && !matches!(row.kind, AccountKind::Hold | AccountKind::Disputed) && amount != 0 {
                report.broken(rule.0, "balance once settled", place, 0, amount);
            }
            Ok(())
        })
        .await?;
    for (place, amount) in expected.into_iter().filter(|(_, amount)| *amount != 0) {
        let (rule, _) = checked[usize::from(place.party.kind == AccountKind::Hold)];
        report.broken(rule.0, "under way without a ledger account", place, amount, "no ledger account");
    }
    for ((id, name), count) in checked {
        report.checked(id, name, count);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
