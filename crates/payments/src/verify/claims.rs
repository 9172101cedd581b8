//! Claims against what they were made for, and recorded replies against what they promised.

use std::sync::Arc;

use db::{Fault, Record, Snapshot, args};
use idempotency::{ClaimRow, ClaimStatus, RETENTION_SECONDS, codec};
use kernel::verify::Report;
use kernel::{Currency, Money, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::queries::{CLAIMS_WITH_EFFECTS, EFFECTS_WITHOUT_CLAIM};
use super::{CLAIMED, ONE_EFFECT, PROMISED};
use crate::types::{AttemptState, OriginKind, ReplyForm};
use crate::vault::SEALED;

/// What a claim was made for.
struct Effect {
    state: AttemptState,
    money: Option<Money>,
    /// The id that the recorded reply must carry, where it is known.
    shown_as: Option<Uuid>,
    /// It goes on after its reply: the payer had to be asked, or it is tried again.
    goes_on: bool,
    /// Of whose amount the reply's own amount speaks: a refund's reply shows the payment.
    shows_amount: bool,
}

/// Checks every claim of the snapshot, and that none is missing.
pub(super) async fn verify(snapshot: &mut Snapshot, now: Timestamp, report: &mut Report) -> Result<(), Fault> {
    let (mut claims, mut replies) = (0, 0);
    snapshot
        .each(&CLAIMS_WITH_EFFECTS, args![], |record| {
            claims += 1;
            let row: ClaimRow = record.row(0)?;
            let effect = effect(&record, &row)?;
            let over = row.finished_at.is_some_and(|finished| now >= idempotency::expires_at(row.first_seen_at, finished));
            // What a claim was made for may be forgotten when the claim's own time is over, whether or not it has been swept yet.
            if !over || effect.is_some() {
                check_effect(&row, effect.as_ref(), report);
            }
            let webhook = record.get::<Option<Uuid>>(<ClaimRow as db::Table>::META.columns.len() + 10)?.is_some();
            if let Some(effect) = effect.filter(|_| row.status == ClaimStatus::Done && !webhook) {
                replies += 1;
                check_reply(&row, &effect, report);
            }
            Ok(())
        })
        .await?;
    let mut unclaimed = 0;
    // An hour of grace: the claim's age counts from the start of its batch, the sweeper's clock from now.
    let since = now.plus_seconds(-RETENTION_SECONDS + 3_600);
    snapshot
        .each(&EFFECTS_WITHOUT_CLAIM, args![OriginKind::Api, AttemptState::NotSent, since], |record| {
            unclaimed += 1;
            report.broken(CLAIMED.0, "claim", record.get::<Uuid>(1)?, "one", "none");
            Ok(())
        })
        .await?;
    report.checked(ONE_EFFECT.0, ONE_EFFECT.1, claims);
    report.checked(PROMISED.0, PROMISED.1, replies);
    report.checked(CLAIMED.0, CLAIMED.1, claims + unclaimed);
    Ok(())
}

fn effect(record: &Record, row: &ClaimRow) -> Result<Option<Effect>, Fault> {
    let first = <ClaimRow as db::Table>::META.columns.len();
    let goes_on = record.get::<Option<Uuid>>(first + 9)?.is_some();
    if let Some(state) = record.get::<Option<AttemptState>>(first)? {
        let money = Money::new(record.get(first + 1)?, record.get::<Currency>(first + 2)?);
        // A card check is answered with the method that it was for.
        let checks = record.get::<Option<OriginKind>>(first + 11)? == Some(OriginKind::Enrolment);
        let shown_as = (!checks).then_some(row.subject);
        return Ok(Some(Effect { state, money: Some(money), shown_as, goes_on, shows_amount: !checks }));
    }
    if let Some(state) = record.get::<Option<AttemptState>>(first + 3)? {
        let money = Money::new(record.get(first + 4)?, record.get::<Currency>(first + 5)?);
        let refund = record.get::<ReplyForm>(first + 6)? == ReplyForm::Refund;
        let shown_as = if refund { record.get(first + 7)? } else { Some(row.subject) };
        let goes_on = record.get::<Option<Uuid>>(first + 19)?.is_some();
        return Ok(Some(Effect { state, money: Some(money), shown_as, goes_on, shows_amount: !refund }));
    }
    if let Some(state) = record.get::<Option<AttemptState>>(first + 12)? {
        let money = Money::new(record.get(first + 13)?, record.get::<Currency>(first + 14)?);
        let shown_as = Some(row.subject);
        return Ok(Some(Effect { state, money: Some(money), shown_as, goes_on: false, shows_amount: true }));
    }
    let made =
        |id| Effect { state: AttemptState::Succeeded, money: None, shown_as: Some(id), goes_on: false, shows_amount: false };
    if let Some(amount) = record.get::<Option<i64>>(first + 15)? {
        let money = Money::new(amount, record.get::<Currency>(first + 16)?);
        return Ok(Some(Effect { money: Some(money), shows_amount: true, ..made(row.subject) }));
    }
    // A subscription's amount may have been changed since.
    if let Some(subscription) = record.get::<Option<Uuid>>(first + 17)? {
        return Ok(Some(made(subscription)));
    }
    // Who tells of a fulfilment is only told that it was heard.
    if let Some(fulfilment) = record.get::<Option<Uuid>>(first + 18)? {
        return Ok(Some(Effect { shown_as: None, ..made(fulfilment) }));
    }
    let session: Option<Uuid> = record.get(first + 8)?;
    if let Some(id) = session {
        return Ok(Some(made(id)));
    }
    // A request about a webhook names it; what it is answered with is another thing's id where it sends something again.
    let webhook: Option<Uuid> = record.get(first + 10)?;
    Ok(webhook.map(made))
}

fn check_effect(row: &ClaimRow, effect: Option<&Effect>, report: &mut Report) {
    let found = match effect {
        None => "no effect".to_owned(),
        Some(effect) => format!("{:?}", effect.state),
    };
    let open = effect.is_some_and(|effect| effect.state.is_open());
    match (row.status, effect) {
        (ClaimStatus::Done, Some(effect)) if (!open || effect.goes_on) && effect.state != AttemptState::NotSent => {}
        (ClaimStatus::InProgress | ClaimStatus::Unknown, Some(_)) if open => {}
        (ClaimStatus::Done, _) => report.broken(ONE_EFFECT.0, "effect of a finished claim", row.scope(), "a finished one", found),
        (_, _) => report.broken(ONE_EFFECT.0, "effect of an open claim", row.scope(), "one under way", found),
    }
}

/// The part of a recorded body that is a promise.
#[derive(Deserialize)]
struct Promise<'a> {
    #[serde(borrow)]
    id: Option<&'a str>,
    #[serde(borrow)]
    checkout_session: Option<&'a str>,
    #[serde(borrow)]
    token: Option<&'a str>,
    #[serde(borrow)]
    customer_session: Option<&'a str>,
    #[serde(borrow)]
    account_id: Option<&'a str>,
    #[serde(borrow)]
    amount: Option<Amount<'a>>,
}

#[derive(Deserialize)]
struct Amount<'a> {
    #[serde(borrow)]
    currency: &'a str,
    #[serde(borrow)]
    value: &'a RawValue,
}

fn check_reply(row: &ClaimRow, effect: &Effect, report: &mut Report) {
    let stored: Option<(u16, &Arc<[u8]>)> = row.http_status.zip(row.reply.as_ref());
    let reply = stored.and_then(|(status, frame)| codec::unpack(status, frame).ok());
    if reply.as_ref().is_some_and(|reply| reply.content_type == SEALED) {
        return; // it carries a token, and says nothing without the master key
    }
    let promise = reply.as_ref().and_then(|reply| serde_json::from_slice::<Promise<'_>>(&reply.body).ok());
    let Some(promise) = promise else {
        report.broken(PROMISED.0, "recorded reply", row.scope(), "a readable object", "none");
        return;
    };
    let mut expect = |what: &str, expected: String, found: Option<&str>| {
        if found != Some(expected.as_str()) {
            report.broken(PROMISED.0, what, row.scope(), expected, found.unwrap_or("nothing"));
        }
    };
    if let Some(id) = effect.shown_as {
        let shown = promise.id.or(promise.checkout_session).or(promise.token).or(promise.customer_session);
        expect("id of the reply", id.to_string(), shown);
    }
    if let Some(account) = promise.account_id {
        expect("account of the reply", row.account_id.to_string(), Some(account));
    }
    if let Some((money, amount)) = effect.money.zip(promise.amount).filter(|_| effect.shows_amount) {
        expect("currency of the reply", money.currency().code().to_owned(), Some(amount.currency));
        expect("amount of the reply", money.to_decimal_text(), Some(amount.value.get()));
    }
}
