//! What an account has, in every currency it ever used.

use std::collections::BTreeMap;

use db::Fault;
use kernel::{AccountId, Currency, Money};
use ledger::{AccountKind, LedgerAccountRow, Owner};

use crate::service::Payments;

/// An account's money in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Free to be paid out; below zero when refunds took more than there was.
    pub available: Money,
    /// Held on payers' cards and not yet captured.
    pub authorized: Money,
    /// Set aside: refunds and payouts under way, disputes, reserves.
    pub reserved: Money,
    /// What the platform has charged so far.
    pub fees: Money,
}

impl Payments {
    /// One balance per currency ever used, by the currency's code.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn balances(&self, account: AccountId) -> Result<Vec<Balance>, Fault> {
        let reader = self.0.store.reader();
        let accounts = ledger::queries::balances(reader, Owner::account(account)).await?;
        Ok(of(&accounts))
    }
}

fn of(accounts: &[LedgerAccountRow]) -> Vec<Balance> {
    let mut balances: BTreeMap<&'static str, Balance> = BTreeMap::new();
    let none = |currency| {
        let zero = Money::zero(currency);
        Balance { available: zero, authorized: zero, reserved: zero, fees: zero }
    };
    for row in accounts {
        let balance = balances.entry(row.currency.code()).or_insert_with(|| none(row.currency));
        let more = |money: Money, minor: i64| added(money, minor, row.currency);
        match row.kind {
            AccountKind::Available => balance.available = more(balance.available, row.net()),
            // The merchant's side of the pair is debited, so an open hold is a balance below zero.
            AccountKind::Hold => balance.authorized = more(balance.authorized, -row.net()),
            AccountKind::RefundTransit | AccountKind::PayoutTransit | AccountKind::Disputed | AccountKind::Rolling => {
                balance.reserved = more(balance.reserved, row.net());
            }
            AccountKind::Charged => balance.fees = more(balance.fees, row.net()),
            AccountKind::LockedOut
            | AccountKind::LockedIn
            | AccountKind::AppFees
            | AccountKind::Due
            | AccountKind::Pending
            | AccountKind::Fees
            | AccountKind::Cash
            | AccountKind::Costs => {}
        }
    }
    balances.into_values().collect()
}

fn added(money: Money, minor: i64, currency: Currency) -> Money {
    Money::new(money.minor().saturating_add(minor), currency)
}
