//! Checks stored subscriptions against the payments made for their cycles.

use db::{Fault, Snapshot, args};
use kernel::verify::Report;
use uuid::Uuid;

use super::queries::{CYCLES_PAID_TWICE, OPEN, PAYMENTS_OF_NO_SUBSCRIPTION, SUBSCRIPTIONS_WITH_OPEN};
use super::rows::{SubscriptionPaymentRow, SubscriptionRow};
use crate::types::AttemptState;
use crate::verify::{Checker, NAMED, Rule};

pub(crate) const CYCLE_ONCE: Rule = ("I4.s", "a subscription's cycle is paid once, and knows what is under way");

/// Checks every subscription and every payment made for one.
pub(crate) async fn verify(snapshot: &mut Snapshot, report: &mut Report) -> Result<(), Fault> {
    let mut subscriptions = 0;
    snapshot
        .each(&CYCLES_PAID_TWICE, args![AttemptState::Succeeded], |record| {
            let place = format!("subscription {}, cycle {}", record.get::<Uuid>(0)?, record.get::<i64>(1)?);
            report.broken(CYCLE_ONCE.0, "payments of one cycle", place, 1, record.get::<i64>(2)?);
            Ok(())
        })
        .await?;
    let [sending, unknown, awaiting] = OPEN;
    snapshot
        .each(&SUBSCRIPTIONS_WITH_OPEN, args![sending, unknown, awaiting], |record| {
            subscriptions += 1;
            let row: SubscriptionRow = record.row(0)?;
            let open: Option<Uuid> = record.get(<SubscriptionRow as db::Table>::META.columns.len())?;
            let mut checker = Checker { place: format!("subscription {}", row.id), report };
            let shown = |id: Option<Uuid>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
            checker.same(CYCLE_ONCE, "payment under way", shown(open), shown(row.paying.map(kernel::Id::uuid)));
            let sleeps = row.next_at.is_none() || row.paying.is_some();
            checker.same(CYCLE_ONCE, "whether the scheduler looks at it", !sleeps, row.wake_at.is_some());
            Ok(())
        })
        .await?;
    snapshot
        .each(&PAYMENTS_OF_NO_SUBSCRIPTION, args![], |record| {
            let row: SubscriptionPaymentRow = record.row(0)?;
            report.broken(NAMED.0, "subscription and payment", row.payment_id, "both", "not both");
            Ok(())
        })
        .await?;
    report.checked(CYCLE_ONCE.0, CYCLE_ONCE.1, subscriptions);
    report.checked(NAMED.0, NAMED.1, subscriptions);
    Ok(())
}
