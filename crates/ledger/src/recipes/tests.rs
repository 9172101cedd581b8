//! Every recipe, for all amounts: its legs net to zero, have the shape its name stands for, and pairs undo each other.

use std::collections::HashMap;

use kernel::{AMOUNT_MINOR_MAX, AccountId, Currency, FeeRate, Money};
use proptest::prelude::*;

use super::*;
use crate::error::{PostRefusal, SplitError};
use crate::rows::LedgerAccountRow;
use crate::rules::{Entries, apply, parties};
use crate::types::{Part, SPLIT_PARTS_MAX, Side};

const MERCHANT: AccountId = AccountId::from_bytes([7; 16]);
const APP: AccountId = AccountId::from_bytes([8; 16]);

fn sandbox() -> Owner {
    Owner::connector("sandbox")
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

/// Books of one currency, kept by the same rules as the stored ones.
#[derive(Default)]
struct Books(Vec<LedgerAccountRow>);

impl Books {
    fn book<R: Recipe>(&mut self, recipe: &R) -> Result<Vec<Entries>, PostRefusal> {
        let Booking { currency, legs } = recipe.booking();
        let mut accounts = self.0.clone();
        for party in parties(&legs) {
            if !accounts.iter().any(|account| account.party() == party) {
                accounts.push(LedgerAccountRow::unused(party, currency));
            }
        }
        for leg in &legs {
            let tenant = if R::CODE == RecipeCode::Settlement { Owner::PLATFORM } else { Owner::account(MERCHANT) };
            assert!(books(R::CODE, tenant, leg.debit, leg.credit), "{:?} books {leg:?}", R::CODE);
        }
        let entries: Result<Vec<_>, _> = legs.iter().map(|leg| apply(leg, &mut accounts, recipe.floor(leg.debit.kind))).collect();
        self.0 = if entries.is_ok() { accounts } else { std::mem::take(&mut self.0) };
        entries
    }

    fn net(&self, owner: impl Into<Owner>, kind: AccountKind) -> i64 {
        let party = Party::new(owner, kind);
        self.0.iter().find(|account| account.party() == party).map_or(0, LedgerAccountRow::net)
    }

    fn nets(&self) -> HashMap<Party, i64> {
        self.0.iter().filter(|account| account.net() != 0).map(|account| (account.party(), account.net())).collect()
    }

    fn sum(&self) -> i64 {
        self.0.iter().map(LedgerAccountRow::net).sum()
    }

    fn funded(minor: i64) -> Self {
        let mut books = Books::default();
        let split = Split::all_available(MERCHANT, eur(minor));
        books.book(&Capture { connector: sandbox(), split }).expect("a capture has no floor to fear");
        books
    }
}

fn amounts() -> impl Strategy<Value = i64> {
    prop_oneof![Just(1), Just(AMOUNT_MINOR_MAX), 1..=AMOUNT_MINOR_MAX, 1..10_000_i64]
}

/// What many lines add up to.
fn sums() -> impl Strategy<Value = i64> {
    let most = SETTLEMENT_MINOR_MAX;
    prop_oneof![Just(0), Just(1), Just(-1), Just(most), Just(-most), -most..=most, -10_000..10_000_i64]
}

/// A split of `total` over up to all allowed kinds, weights chosen by the test.
fn split_by(total: i64, weights: &[u64]) -> Split {
    let parties = [
        Party::new(MERCHANT, AccountKind::Available),
        Party::new(MERCHANT, AccountKind::Rolling),
        Party::new(APP, AccountKind::AppFees),
        Party::new(Owner::PLATFORM, AccountKind::Fees),
    ];
    let shares = kernel::split(eur(total), weights).expect("weights above zero");
    let parts = parties.into_iter().zip(shares).map(|(party, share)| Part { party, minor: share.minor() }).collect();
    Split::new(eur(total), parts).expect("shares add up")
}

proptest! {
    #[test]
    fn a_hold_and_its_release_leave_nothing(amount in amounts()) {
        let mut books = Books::default();
        books.book(&AuthoriseHold { merchant: MERCHANT, connector: sandbox(), amount: eur(amount) })?;
        prop_assert_eq!(books.net(MERCHANT, AccountKind::Hold), -amount);
        prop_assert_eq!(books.sum(), 0);
        books.book(&HoldRelease { merchant: MERCHANT, connector: sandbox(), amount: eur(amount) })?;
        prop_assert_eq!(books.nets(), HashMap::new());
    }

    #[test]
    fn a_capture_gives_everybody_his_part(amount in amounts(), basis_points in 0..=10_000_u32, fixed_minor in 0..1_000_i64) {
        let fee = FeeRate { basis_points, fixed_minor }.fee(amount);
        let mut books = Books::default();
        books.book(&Capture { connector: sandbox(), split: Split::charge(MERCHANT, eur(amount), fee) })?;
        prop_assert_eq!(books.net(MERCHANT, AccountKind::Available), amount - fee);
        prop_assert_eq!(books.net(Owner::PLATFORM, AccountKind::Fees), fee);
        prop_assert_eq!(books.net(sandbox(), AccountKind::Due), -amount);
        prop_assert_eq!(books.sum(), 0);
    }

    #[test]
    fn a_refund_along_a_split_ends_as_it_says(amount in amounts(), weights in prop::array::uniform4(1..100_u64), done: bool) {
        let split = split_by(amount, &weights);
        let mut books = Books::default();
        books.book(&Capture { connector: sandbox(), split: split.clone() })?;
        let before = books.nets();
        books.book(&RefundStart { merchant: MERCHANT, split: split.clone(), negative_limit: 0 })?;
        prop_assert_eq!(books.net(MERCHANT, AccountKind::RefundTransit), amount);
        prop_assert_eq!(books.sum(), 0);
        if done {
            books.book(&RefundDone { merchant: MERCHANT, connector: sandbox(), amount: eur(amount) })?;
            prop_assert_eq!(books.nets(), HashMap::new());
        } else {
            books.book(&RefundFailed { merchant: MERCHANT, split })?;
            prop_assert_eq!(books.nets(), before);
        }
    }

    #[test]
    fn a_payout_ends_as_it_says(amount in 1..AMOUNT_MINOR_MAX / 2, fee in 0..1_000_i64, done: bool) {
        let mut books = Books::funded(amount + fee);
        let before = books.nets();
        books.book(&PayoutStart { merchant: MERCHANT, amount: eur(amount), fee_minor: fee })?;
        prop_assert_eq!(books.net(MERCHANT, AccountKind::Available), 0);
        prop_assert_eq!(books.net(MERCHANT, AccountKind::PayoutTransit), amount + fee);
        if done {
            books.book(&PayoutDone { merchant: MERCHANT, amount: eur(amount), fee_minor: fee })?;
            prop_assert_eq!(books.net(Owner::PLATFORM, AccountKind::Cash), amount);
            prop_assert_eq!(books.net(Owner::PLATFORM, AccountKind::Fees), fee);
            prop_assert_eq!(books.net(MERCHANT, AccountKind::PayoutTransit), 0);
        } else {
            books.book(&PayoutFailed { merchant: MERCHANT, amount: eur(amount), fee_minor: fee })?;
            prop_assert_eq!(books.nets(), before);
        }
        prop_assert_eq!(books.sum(), 0);
    }

    #[test]
    fn a_dispute_ends_as_it_says(owned in 1..1_000_i64, amount in 1..AMOUNT_MINOR_MAX / 2, fee in 0..1_000_i64, won: bool) {
        let mut books = Books::funded(owned);
        let before = books.nets();
        books.book(&ChargebackOpen { merchant: MERCHANT, amount: eur(amount) })?;
        prop_assert_eq!(books.net(MERCHANT, AccountKind::Available), owned - amount);
        prop_assert_eq!(books.net(MERCHANT, AccountKind::Disputed), amount);
        if won {
            books.book(&ChargebackWon { merchant: MERCHANT, amount: eur(amount) })?;
            prop_assert_eq!(books.nets(), before);
        } else {
            let due = books.net(sandbox(), AccountKind::Due);
            books.book(&ChargebackLost { merchant: MERCHANT, connector: sandbox(), amount: eur(amount), fee_minor: fee })?;
            prop_assert_eq!(books.net(MERCHANT, AccountKind::Disputed), 0);
            prop_assert_eq!(books.net(MERCHANT, AccountKind::Available), owned - amount - fee);
            prop_assert_eq!(books.net(sandbox(), AccountKind::Due), due + amount);
        }
        prop_assert_eq!(books.sum(), 0);
    }

    #[test]
    fn a_settlement_pays_what_is_due_less_its_cost(net in sums(), cost in sums()) {
        let mut books = Books::default();
        let settlement = Settlement { connector: sandbox(), currency: Currency::EUR, net_minor: net, cost_minor: cost };
        if (net, cost) != (0, 0) {
            books.book(&settlement)?;
        }
        prop_assert_eq!(books.net(Owner::PLATFORM, AccountKind::Cash), -net);
        prop_assert_eq!(books.net(Owner::PLATFORM, AccountKind::Costs), -cost);
        prop_assert_eq!(books.net(sandbox(), AccountKind::Due), net + cost);
        prop_assert_eq!(books.sum(), 0);
        prop_assert!(settlement.booking().legs.len() <= 200, "legs are numbered by one byte");
    }

    #[test]
    fn a_refund_may_overdraw_to_the_limit_and_not_one_unit_more(owned in 0..1_000_i64, limit in 0..1_000_i64, amount in 1..3_000_i64) {
        let mut books = if owned == 0 { Books::default() } else { Books::funded(owned) };
        let start = RefundStart { merchant: MERCHANT, split: Split::all_available(MERCHANT, eur(amount)), negative_limit: limit };
        let refused = books.book(&start).err();
        let would_be = owned - amount;
        let below = PostRefusal::BelowFloor { kind: AccountKind::Available, currency: Currency::EUR, would_be, floor: -limit };
        prop_assert_eq!(refused, (would_be < -limit).then_some(below));
    }

    #[test]
    fn entries_of_an_account_are_numbered_and_carry_its_balance(amounts in prop::collection::vec(1..1_000_i64, 1..20)) {
        let mut books = Books::default();
        let mut expected = 0;
        for (sequence, amount) in (1..).zip(amounts) {
            let split = Split::all_available(MERCHANT, eur(amount));
            let entries = books.book(&Capture { connector: sandbox(), split })?;
            expected += amount;
            prop_assert_eq!((entries[0].credit.sequence, entries[0].credit.balance), (sequence, expected));
            prop_assert_eq!((entries[0].debit.sequence, entries[0].debit.balance), (sequence, -expected));
        }
    }
}

#[test]
fn a_purchase_with_a_fee_is_two_transfers_over_three_accounts() {
    let capture = Capture { connector: sandbox(), split: Split::charge(MERCHANT, eur(1999), 53) };
    let legs = capture.booking().legs;
    assert_eq!((legs.len(), parties(&legs).len()), (2, 3));
}

#[test]
fn a_leg_of_nothing_is_left_out() {
    let free = Capture { connector: sandbox(), split: Split::charge(MERCHANT, eur(1999), 0) };
    let all_fee = Capture { connector: sandbox(), split: Split::charge(MERCHANT, eur(20), 20) };
    assert_eq!(free.booking().legs.len(), 1);
    assert_eq!(all_fee.booking().legs[0].credit, Party::new(Owner::PLATFORM, AccountKind::Fees));
}

#[test]
fn a_payout_needs_the_money() {
    let mut books = Books::funded(100);
    let too_much = PayoutStart { merchant: MERCHANT, amount: eur(100), fee_minor: 1 };
    assert!(matches!(books.book(&too_much), Err(PostRefusal::BelowFloor { would_be: -1, floor: 0, .. })));
    assert_eq!(books.net(MERCHANT, AccountKind::Available), 100);
}

#[test]
fn amounts_outside_the_range_are_refused() {
    for minor in [i64::MIN, -1, AMOUNT_MINOR_MAX + 1, i64::MAX] {
        let hold = AuthoriseHold { merchant: MERCHANT, connector: sandbox(), amount: eur(minor) };
        assert_eq!(Books::default().book(&hold).err(), Some(PostRefusal::Amount), "{minor}");
    }
    for (net_minor, cost_minor) in [(SETTLEMENT_MINOR_MAX + 1, 0), (0, -SETTLEMENT_MINOR_MAX - 1), (i64::MIN, i64::MAX)] {
        let settlement = Settlement { connector: sandbox(), currency: Currency::EUR, net_minor, cost_minor };
        assert_eq!(Books::default().book(&settlement).err(), Some(PostRefusal::Amount), "{net_minor} {cost_minor}");
    }
    let payout = PayoutStart { merchant: MERCHANT, amount: eur(i64::MAX), fee_minor: i64::MAX };
    assert_eq!(Books::default().book(&payout).err(), Some(PostRefusal::Amount));
}

#[test]
fn sums_that_are_full_are_refused() {
    let mut books = Books::funded(1);
    for account in &mut books.0 {
        (account.debits, account.credits) = (i64::MAX - 1, i64::MAX - 1);
    }
    let capture = Capture { connector: sandbox(), split: Split::all_available(MERCHANT, eur(2)) };
    assert_eq!(books.book(&capture).err(), Some(PostRefusal::Full));
}

#[test]
fn a_split_is_what_adds_up_over_accounts_that_may_share() {
    let own = |minor| Part { party: Party::new(MERCHANT, AccountKind::Available), minor };
    let cash = Part { party: Party::new(Owner::PLATFORM, AccountKind::Cash), minor: 5 };
    assert_eq!(Split::new(eur(5), vec![]), Err(SplitError::Parts));
    assert_eq!(Split::new(eur(9), vec![own(1); SPLIT_PARTS_MAX + 1]), Err(SplitError::Parts));
    assert_eq!(Split::new(eur(5), vec![cash]), Err(SplitError::Kind));
    assert_eq!(Split::new(eur(5), vec![own(6), own(-1)]), Err(SplitError::Sum));
    assert_eq!(Split::new(eur(5), vec![own(i64::MAX), own(i64::MAX)]), Err(SplitError::Sum));
    assert_eq!(Split::new(eur(5), vec![own(2), own(3)]).map(|split| split.total()), Ok(eur(5)));
}

#[test]
fn no_recipe_is_mistaken_for_another() {
    let tenant = Owner::account(MERCHANT);
    let (hold, other) = (Party::new(tenant, AccountKind::Hold), Party::new(sandbox(), AccountKind::Hold));
    assert!(!books(RecipeCode::AuthoriseHold, tenant, other, hold));
    assert!(!books(RecipeCode::HoldRelease, tenant, hold, other));
    let (due, cash) = (Party::new(sandbox(), AccountKind::Due), Party::new(Owner::PLATFORM, AccountKind::Cash));
    for code in RecipeCode::ALL {
        assert!(!books(*code, tenant, cash, due), "{code:?}");
        let is_settlement = *code == RecipeCode::Settlement;
        assert_eq!(books(*code, Owner::PLATFORM, cash, due), is_settlement, "{code:?}");
    }
    let theirs = Party::new(tenant, AccountKind::Cash);
    assert!(!books(RecipeCode::Settlement, Owner::PLATFORM, theirs, due));
}

#[test]
fn every_kind_has_a_side_and_only_money_owed_has_a_floor() {
    for kind in AccountKind::ALL {
        assert_eq!(crate::rules::usual_floor(*kind), (kind.side() == Side::Credit).then_some(0), "{kind:?}");
    }
}

#[test]
fn fixed_owners_are_what_their_names_say() {
    assert_eq!(Owner::PLATFORM.uuid(), kernel::id::uuid_of_name("platform"));
    assert_ne!(Owner::connector("sandbox"), Owner::connector("sandbox_b"));
}
