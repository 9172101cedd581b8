//! Changes of transactions and objects against what receivers of webhooks were told of them.

use db::{Fault, Record, Snapshot, args};
use kernel::Timestamp;
use kernel::verify::Report;
use messaging::rules::LOG_SECONDS;
use messaging::{STALE_AFTER_MICROS, Trigger, Triggers, WebhookState};
use uuid::Uuid;

use super::TOLD_ONCE;
use super::queries::TOLD;
use crate::methods::MethodStatus;
use crate::types::{AttemptKind, AttemptState, Mode, OriginKind, PaymentState};

/// A receiver counts in other processes from their next look on; the clocks of two batches may differ a little as well. In microseconds.
const GRACE_MICROS: i64 = STALE_AFTER_MICROS + 2_000_000;

/// Checks that every receiver was told once, and as the right thing, of each change it wants to hear of.
pub(super) async fn verify(snapshot: &mut Snapshot, now: Timestamp, report: &mut Report) -> Result<(), Fault> {
    let mut checked = 0;
    let [api, enrolment, link, subscription] = OriginKind::TOLD;
    let values = args![
        api,
        enrolment,
        link,
        subscription,
        AttemptState::Succeeded,
        AttemptState::Declined,
        AttemptState::Errored,
        AttemptState::Expired,
        AttemptState::Disputed,
        AttemptState::Won,
        AttemptState::Lost,
        MethodStatus::Enrolled,
        MethodStatus::Declined,
        MethodStatus::Error,
        MethodStatus::Unenrolled,
        PaymentState::Cancelled,
        AttemptKind::Cancel,
        WebhookState::Active,
        GRACE_MICROS,
        // What is older may have left the log; a day of grace, because the sweeper's clock goes on.
        now.plus_seconds(86_400 - LOG_SECONDS),
    ];
    snapshot
        .each(&TOLD, values, |record| {
            let Some((class, trigger)) = expected(&record)? else { return Ok(()) };
            let triggers: Triggers = record.get(4)?;
            if !triggers.contain(trigger) {
                return Ok(());
            }
            checked += 1;
            let (told, told_as): (i64, Option<Trigger>) = (record.get(5)?, record.get(6)?);
            let place = || Ok::<_, Fault>(format!("{class} {} to webhook {}", record.get::<Uuid>(0)?, record.get::<Uuid>(3)?));
            if told != 1 {
                report.broken(TOLD_ONCE.0, "deliveries of a change", place()?, 1, told);
            } else if let Some(other) = told_as.filter(|told_as| *told_as != trigger) {
                report.broken(TOLD_ONCE.0, "event of a change", place()?, trigger.event(), other.event());
            }
            Ok(())
        })
        .await?;
    report.checked(TOLD_ONCE.0, TOLD_ONCE.1, checked);
    Ok(())
}

/// What a change is a change of, and its event; `None`: of nothing that is told.
fn expected(record: &Record) -> Result<Option<(&'static str, Trigger)>, Fault> {
    Ok(Some(match record.get::<i64>(1)? {
        0 => ("transaction", AttemptKind::from(record.get::<Mode>(2)?).trigger()),
        1 => ("transaction", record.get::<AttemptKind>(2)?.trigger()),
        2 => ("payout's transaction", Trigger::PayoutPayout),
        3 => match record.get::<MethodStatus>(2)?.trigger() {
            Some(trigger) => ("payment method", trigger),
            None => return Ok(None),
        },
        4 => ("change of a subscription", record.get(2)?),
        5 => ("subscription", Trigger::SubscriptionCreate),
        6 => ("notice of a renewal", Trigger::SubscriptionCloseToRenewal),
        _ => ("lapsed transaction", Trigger::PaymentCancel),
    }))
}
