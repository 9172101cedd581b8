//! Changes of transactions against what receivers of webhooks were told of them.

use db::{Fault, Snapshot, args};
use kernel::verify::Report;
use kernel::{AttemptId, WebhookId};
use messaging::{STALE_AFTER_MICROS, Triggers, WebhookState};
use std::sync::Arc;

use super::TOLD_ONCE;
use super::queries::TOLD;
use crate::types::{AttemptKind, AttemptState, Mode, OriginKind};

/// A receiver counts in other processes from their next look on; the clocks of two batches may differ a little as well. In microseconds.
const GRACE_MICROS: i64 = STALE_AFTER_MICROS + 2_000_000;

/// Checks that every receiver was told once of each settled attempt it wants to hear of.
pub(super) async fn verify(snapshot: &mut Snapshot, report: &mut Report) -> Result<(), Fault> {
    let mut checked = 0;
    let word = |state: AttemptState| -> Arc<str> { state.wire().into() };
    let settled = [AttemptState::Succeeded, AttemptState::Declined, AttemptState::Errored];
    let values = args![
        OriginKind::Api,
        settled[0],
        settled[1],
        settled[2],
        word(settled[0]),
        word(settled[1]),
        word(settled[2]),
        Mode::Purchase,
        Mode::Authorise,
        Mode::Verify,
        AttemptKind::from(Mode::Purchase),
        AttemptKind::from(Mode::Authorise),
        AttemptKind::from(Mode::Verify),
        WebhookState::Active,
        GRACE_MICROS,
    ];
    snapshot
        .each(&TOLD, values, |record| {
            let (kind, triggers): (AttemptKind, Triggers) = (record.get(1)?, record.get(4)?);
            if triggers.contain(kind.trigger()) {
                checked += 1;
                let told: i64 = record.get(5)?;
                if told != 1 {
                    let (transaction, webhook): (AttemptId, WebhookId) = (record.get(0)?, record.get(3)?);
                    let place = format!("transaction {transaction} to webhook {webhook}");
                    report.broken(TOLD_ONCE.0, "deliveries of a change", place, 1, told);
                }
            }
            Ok(())
        })
        .await?;
    report.checked(TOLD_ONCE.0, TOLD_ONCE.1, checked);
    Ok(())
}
