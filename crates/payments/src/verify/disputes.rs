//! Notifications about disputes against the disputes they opened and ended.

use db::{Fault, Snapshot, args};
use kernel::AttemptId;
use kernel::verify::Report;

use super::NAMED;
use super::queries::DISPUTES_ASTRAY;
use crate::notifications::{Event, NotificationState};
use crate::types::AttemptKind;

/// Checks that every dispute which a notification has opened or ended is there.
pub(super) async fn verify(snapshot: &mut Snapshot, report: &mut Report) -> Result<(), Fault> {
    let values =
        args![NotificationState::Done, Event::Chargeback, Event::ChargebackLost, Event::ChargebackWon, AttemptKind::Chargeback];
    snapshot
        .each(&DISPUTES_ASTRAY, values, |record| {
            report.broken(NAMED.0, "dispute of a notification", record.get::<AttemptId>(0)?, "one", "none");
            Ok(())
        })
        .await
}
