//! Posting: the one way money moves. Called inside the `decide` of whoever owns the business event.

use db::{Keys, Rows, Table as _};
use kernel::Timestamp;

use crate::error::PostRefusal;
use crate::recipes::Recipe;
use crate::rows::{LedgerAccountRow, TransferRow};
use crate::rules::{self, Entries};
use crate::types::{Booking, Cause, Leg};

/// What [`post`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The transfers were made now.
    Now,
    /// This cause and recipe were posted before; nothing was changed.
    Already,
}

/// Names the rows that [`post`] will touch: the accounts, and the posting's first leg, which is believed to be new.
pub fn keys<R: Recipe>(keys: &mut Keys<'_>, cause: &Cause, recipe: &R) {
    let Booking { currency, legs } = recipe.booking();
    keys.fresh::<TransferRow>(first_leg::<R>(cause));
    for party in rules::parties(&legs).into_iter().chain(rules::charged(&legs, cause.account_id)) {
        keys.row::<LedgerAccountRow>(rules::key(party, currency));
    }
}

/// Books `recipe` for `cause`: one row per transfer, and the running sums of the accounts it touches, made on first use. What it charges the
/// tenant is counted beside them.
///
/// Repeating it is harmless: the first leg's primary key is the claim on (cause, recipe).
///
/// # Errors
/// [`PostRefusal`]; no row has been changed then, so a command may go on without the posting.
pub fn post<R: Recipe>(rows: &mut Rows, cause: &Cause, recipe: &R, at: Timestamp) -> Result<Posted, PostRefusal> {
    let Booking { currency, legs } = recipe.booking();
    let first = legs.first().ok_or(PostRefusal::Amount)?;
    if let Some(earlier) = rows.get::<TransferRow>(&first_leg::<R>(cause)) {
        let same = earlier.leg() == *first && earlier.currency == currency;
        return if same { Ok(Posted::Already) } else { Err(PostRefusal::Differs) };
    }

    let mut accounts: Vec<LedgerAccountRow> = Vec::with_capacity(legs.len() + 1);
    let parties = rules::parties(&legs);
    let counter = rules::charged(&legs, cause.account_id);
    for party in parties.iter().chain(&counter) {
        let known = rows.get::<LedgerAccountRow>(&rules::key(*party, currency));
        accounts.push(known.cloned().unwrap_or_else(|| LedgerAccountRow::unused(*party, currency)));
    }
    let mut booked = Vec::with_capacity(legs.len());
    for leg in &legs {
        booked.push(rules::apply(leg, &mut accounts, recipe.floor(leg.debit.kind))?);
    }

    if let (Some(_), Some(counter)) = (counter, accounts.last_mut()) {
        rules::count(&legs, counter)?;
    }

    // Everything is known to be right: only now do rows change.
    for account in accounts {
        match rows.get_mut::<LedgerAccountRow>(&account.key()) {
            Some(stored) => *stored = account,
            None => rows.insert(account),
        }
    }
    for (number, (leg, entries)) in (0_u8..).zip(legs.iter().zip(booked)) {
        rows.append(transfer::<R>(cause, number, leg, entries, currency, at));
    }
    Ok(Posted::Now)
}

type TransferKey = <TransferRow as db::Table>::Key;

fn first_leg<R: Recipe>(cause: &Cause) -> TransferKey {
    (cause.account_id, cause.id, R::CODE, 0)
}

pub(crate) fn transfer<R: Recipe>(
    cause: &Cause,
    number: u8,
    leg: &Leg,
    Entries { debit, credit }: Entries,
    currency: kernel::Currency,
    at: Timestamp,
) -> TransferRow {
    TransferRow {
        account_id: cause.account_id,
        cause: cause.id,
        recipe: R::CODE,
        leg: number,
        debit_owner: leg.debit.owner.uuid(),
        debit_kind: leg.debit.kind,
        credit_owner: leg.credit.owner.uuid(),
        credit_kind: leg.credit.kind,
        currency,
        amount: leg.minor,
        debit_sequence: debit.sequence,
        debit_balance: debit.balance,
        credit_sequence: credit.sequence,
        credit_balance: credit.balance,
        subject: cause.subject,
        request_id: cause.request_id.clone().filter(|_| number == 0),
        booked_at: at,
    }
}
