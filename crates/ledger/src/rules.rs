//! The arithmetic of a posting, pure: legs applied to running sums, floors watched.

use kernel::{AMOUNT_MINOR_MAX, AccountId, Currency};

use crate::error::PostRefusal;
use crate::rows::LedgerAccountRow;
use crate::types::{AccountKind, Leg, Party, Side};

/// What a recipe lets the balance of a credit-side account fall to, in minor units; `None` when there is no floor.
pub(crate) type Floor = Option<i64>;

/// The floor of every recipe that says nothing else: zero, but none for assets and memo accounts.
pub(crate) const fn usual_floor(kind: AccountKind) -> Floor {
    match kind.side() {
        Side::Credit => Some(0),
        Side::Asset | Side::Memo => None,
    }
}

/// One side of a transfer as it was booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) sequence: i64,
    pub(crate) balance: i64,
}

/// Both sides of a transfer as they were booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) debit: Entry,
    pub(crate) credit: Entry,
}

/// Applies `leg` to the accounts it names, which must be among `accounts`.
///
/// On `Err` the accounts are left half changed: the caller works on copies.
pub(crate) fn apply(leg: &Leg, accounts: &mut [LedgerAccountRow], floor: Floor) -> Result<Entries, PostRefusal> {
    if !(1..=AMOUNT_MINOR_MAX).contains(&leg.minor) {
        return Err(PostRefusal::Amount);
    }
    let from = find(accounts, leg.debit);
    from.debits = from.debits.checked_add(leg.minor).ok_or(PostRefusal::Full)?;
    let debit = entry(from)?;
    if let Some(floor) = floor
        && debit.balance < floor
    {
        let (kind, currency) = (from.kind, from.currency);
        return Err(PostRefusal::BelowFloor { kind, currency, would_be: debit.balance, floor });
    }
    let to = find(accounts, leg.credit);
    to.credits = to.credits.checked_add(leg.minor).ok_or(PostRefusal::Full)?;
    Ok(Entries { debit, credit: entry(to)? })
}

/// The counter of what the platform has charged `tenant`, where these legs charge something.
pub(crate) fn charged(legs: &[Leg], tenant: AccountId) -> Option<Party> {
    legs.iter().any(|leg| leg.credit.kind == AccountKind::Fees).then(|| Party::new(tenant, AccountKind::Charged))
}

/// Counts what `legs` charge.
pub(crate) fn count(legs: &[Leg], counter: &mut LedgerAccountRow) -> Result<(), PostRefusal> {
    for leg in legs.iter().filter(|leg| leg.credit.kind == AccountKind::Fees) {
        counter.credits = counter.credits.checked_add(leg.minor).ok_or(PostRefusal::Full)?;
        counter.sequence += 1;
    }
    Ok(())
}

/// Every account of `legs`, once each, in the order of first mention.
pub(crate) fn parties(legs: &[Leg]) -> Vec<Party> {
    let mut parties = Vec::with_capacity(legs.len() + 1);
    for party in legs.iter().flat_map(|leg| [leg.debit, leg.credit]) {
        if !parties.contains(&party) {
            parties.push(party);
        }
    }
    parties
}

/// The primary key of a party's account in `currency`.
pub(crate) fn key(party: Party, currency: Currency) -> (uuid::Uuid, AccountKind, Currency) {
    (party.owner.uuid(), party.kind, currency)
}

fn entry(account: &mut LedgerAccountRow) -> Result<Entry, PostRefusal> {
    account.sequence = account.sequence.checked_add(1).ok_or(PostRefusal::Full)?;
    Ok(Entry { sequence: account.sequence, balance: account.net() })
}

fn find(accounts: &mut [LedgerAccountRow], party: Party) -> &mut LedgerAccountRow {
    accounts.iter_mut().find(|account| account.party() == party).expect("the caller collected every party of the posting")
}
