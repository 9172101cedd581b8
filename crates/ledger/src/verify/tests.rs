//! Sound books pass, and each rule notices the damage it is there for.

use std::collections::BTreeSet;

use kernel::Timestamp;

use super::*;
use crate::recipes::{Capture, ChargebackLost, ChargebackOpen, Recipe, RefundStart};
use crate::rules;
use crate::types::{Cause, Split};

const MERCHANT: AccountId = AccountId::from_bytes([7; 16]);

/// Books kept in memory the way `post` keeps them in the store.
#[derive(Default)]
struct Kept {
    accounts: Vec<LedgerAccountRow>,
    transfers: Vec<TransferRow>,
}

impl Kept {
    fn post<R: Recipe>(&mut self, cause: u128, recipe: &R) {
        let booking = recipe.booking();
        for party in rules::parties(&booking.legs) {
            if !self.accounts.iter().any(|account| account.party() == party) {
                self.accounts.push(LedgerAccountRow::unused(party, booking.currency));
            }
        }
        let cause = Cause { account_id: MERCHANT, id: Uuid::from_u128(cause), subject: Uuid::from_u128(1), request_id: None };
        if let Some(charged) = rules::charged(&booking.legs, MERCHANT) {
            if !self.accounts.iter().any(|account| account.party() == charged) {
                self.accounts.push(LedgerAccountRow::unused(charged, booking.currency));
            }
            let counter = self.accounts.iter_mut().find(|account| account.party() == charged).expect("it was put there");
            rules::count(&booking.legs, counter).expect("the test's bookings are good");
        }
        for (number, leg) in (0..).zip(&booking.legs) {
            let entries =
                rules::apply(leg, &mut self.accounts, recipe.floor(leg.debit.kind)).expect("the test's bookings are good");
            self.transfers.push(crate::commands::transfer::<R>(&cause, number, leg, entries, booking.currency, Timestamp::EPOCH));
        }
    }

    /// Two purchases and a refund of 10.00 EUR that has just started.
    fn sound() -> Self {
        let connector = Owner::connector("sandbox");
        let mut kept = Kept::default();
        for (cause, minor, fee) in [(1, 1999, 53), (2, 500, 32)] {
            kept.post(cause, &Capture { connector, split: Split::charge(MERCHANT, eur(minor), fee) });
        }
        kept.post(3, &RefundStart { merchant: MERCHANT, split: Split::all_available(MERCHANT, eur(1000)), negative_limit: 0 });
        kept
    }

    fn charged(&mut self) -> &mut LedgerAccountRow {
        self.accounts.iter_mut().find(|account| account.kind == AccountKind::Charged).expect("something was charged")
    }

    fn broken(&self) -> BTreeSet<&'static str> {
        let mut report = Report::new();
        let mut books = Books::default();
        self.transfers.iter().for_each(|row| books.transfer(row, &mut report));
        self.accounts.iter().for_each(|row| books.account(row, &|_| 0, &mut report));
        books.finish(&mut report);
        report.findings().filter(|finding| !finding.ok).map(|finding| finding.id).collect()
    }
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

#[test]
fn sound_books_pass() {
    assert_eq!(Kept::sound().broken(), BTreeSet::new());
    assert_eq!((Kept::sound().charged().net(), Kept::sound().charged().sequence), (53 + 32, 2));
}

#[test]
fn each_rule_notices_its_damage() {
    type Damage = fn(&mut Kept);
    let table: [(&str, Damage); 10] = [
        (AMOUNTS.0, |kept| kept.transfers[1].currency = Currency::USD),
        (TWO_SIDES.0, |kept| kept.transfers[0].credit_kind = kept.transfers[0].debit_kind),
        (ZERO_SUM.0, |kept| kept.accounts[0].debits += 1),
        (COMPLETE.0, |kept| kept.transfers[1].leg = 2),
        (AS_RECIPE.0, |kept| kept.transfers[0].recipe = RecipeCode::PayoutDone),
        (SUMS.0, |kept| {
            kept.accounts[0].debits += 1;
            kept.accounts[0].credits += 1;
        }),
        (CHAIN.0, |kept| kept.transfers[1].credit_balance += 1),
        (FLOORS.0, |kept| kept.accounts.iter_mut().for_each(|account| account.debits += 5_000)),
        (CHARGED.0, |kept| kept.charged().credits += 1),
        (CHARGED.0, |kept| kept.accounts.retain(|account| account.kind != AccountKind::Charged)),
    ];
    for (rule, damage) in table {
        let mut kept = Kept::sound();
        if rule == TWO_SIDES.0 {
            let owner = kept.transfers[0].debit_owner;
            kept.transfers[0].credit_owner = owner;
        }
        damage(&mut kept);
        assert!(kept.broken().contains(rule), "{rule} overlooked its damage: {:?}", kept.broken());
    }
}

#[test]
fn a_chargeback_may_take_more_than_a_merchant_has() {
    let connector = Owner::connector("sandbox");
    let mut kept = Kept::default();
    kept.post(1, &Capture { connector, split: Split::charge(MERCHANT, eur(1_000), 39) });
    kept.post(2, &ChargebackOpen { merchant: MERCHANT, amount: eur(1_000) });
    kept.post(3, &ChargebackLost { connector, merchant: MERCHANT, amount: eur(1_000), fee_minor: 0 });
    assert_eq!(kept.broken(), BTreeSet::new());
    kept.accounts.iter_mut().for_each(|account| account.debits += 2_000);
    assert!(kept.broken().contains(FLOORS.0), "no more than that");
}

#[test]
fn what_is_missing_is_noticed() {
    let mut without_account = Kept::sound();
    without_account.accounts.remove(0);
    assert!(without_account.broken().contains(COMPLETE.0));
    let mut without_entries = Kept::sound();
    without_entries.transfers.clear();
    assert!(without_entries.broken().contains(COMPLETE.0));
    let mut without_last = Kept::sound();
    without_last.transfers.pop();
    assert!(without_last.broken().contains(SUMS.0) && without_last.broken().contains(CHAIN.0));
}

#[test]
fn what_is_under_way_adds_up_per_account() {
    let mut under_way = UnderWay::default();
    under_way.refund(MERCHANT, eur(100));
    under_way.refund(MERCHANT, eur(50));
    under_way.authorisation(MERCHANT, Owner::connector("sandbox"), eur(70));
    let place = |owner: Owner, kind| Place { party: Party { owner, kind }, currency: Currency::EUR };
    let merchant = Owner::account(MERCHANT);
    assert_eq!(under_way.0[&place(merchant, AccountKind::RefundTransit)], 150);
    assert_eq!(under_way.0[&place(merchant, AccountKind::Hold)], -70);
    assert_eq!(under_way.0.values().sum::<i64>(), 150);
}
