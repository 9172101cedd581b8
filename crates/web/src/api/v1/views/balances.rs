//! What an account has, as it is shown.

use payments::Balance;

use crate::view::{Decimal, Word, drawn, view};

view! {
    /// What an account has.
    pub(in crate::api::v1) struct BalancesView as "Balances" {
        /// One for each currency ever used, by code.
        items: Vec<BalanceView>,
    }
}

view! {
    /// An account's money in one currency, in major units.
    struct BalanceView as "Balance" {
        currency: Word,
        /// Free to be paid out. Refunds may take it below zero, down to the account's limit.
        available: Decimal,
        /// Held on payers' cards and not yet captured.
        authorized: Decimal,
        /// Set aside: refunds and payouts under way, disputes.
        reserved: Decimal,
        /// Charged by the platform so far.
        fees: Decimal,
    }
}

impl BalancesView {
    /// Drawn.
    pub(super) fn drawn(balances: &[Balance]) -> Vec<u8> {
        let shown = |balance: &Balance| BalanceView {
            currency: Word(balance.available.currency().code()),
            available: Decimal(balance.available),
            authorized: Decimal(balance.authorized),
            reserved: Decimal(balance.reserved),
            fees: Decimal(balance.fees),
        };
        drawn(&BalancesView { items: balances.iter().map(shown).collect() })
    }
}
