//! Checks stored delays against their payments and the operations made for them.

use db::{Fault, Snapshot, Table, args};
use kernel::verify::Report;
use kernel::{PaymentId, Timestamp};
use uuid::Uuid;

use super::queries::{DELAYS_OF_NO_PAYMENT, PAYMENTS_WITH_DELAY};
use super::types::{Delay, DelayedStep};
use crate::rows::PaymentRow;
use crate::types::{AttemptState, Mode, OriginKind};
use crate::verify::{Checker, NAMED, Rule};

pub(crate) const DELAYED_ONCE: Rule = ("I4.t", "a delayed capture or cancel is asked for once");

/// Checks every delay.
pub(crate) async fn verify(snapshot: &mut Snapshot, settled: bool, report: &mut Report) -> Result<(), Fault> {
    let first = PaymentRow::META.columns.len();
    let mut delays = 0;
    let args = args![OriginKind::Delay, AttemptState::NotSent, AttemptState::Sending, AttemptState::Unknown];
    snapshot
        .each(&PAYMENTS_WITH_DELAY, args, |record| {
            delays += 1;
            let payment: PaymentRow = record.row(0)?;
            let row: Option<Uuid> = record.get(first)?;
            let step: Option<DelayedStep> = record.get(first + 1)?;
            let due: Option<Timestamp> = record.get(first + 2)?;
            let (made, open): (i64, i64) = (record.get(first + 3)?, record.get(first + 4)?);
            let approved = payment.mode == Mode::Authorise && payment.attempt == AttemptState::Succeeded;
            let wanted = payment.delay.filter(|_| approved).map(Delay::step);
            let mut checker = Checker { place: format!("payment {}", payment.id), report };
            let word = |step: Option<DelayedStep>| step.map_or_else(|| "none".to_owned(), |step| format!("{step:?}"));
            checker.same(DELAYED_ONCE, "delayed operation", word(wanted), word(step.filter(|_| row.is_some())));
            let most = i64::from(wanted.is_some() && due.is_none());
            checker.same(DELAYED_ONCE, "operations asked for beyond the one", 0, (made - most).max(0));
            if settled {
                checker.same(DELAYED_ONCE, "delayed operations under way", 0, open);
            }
            Ok(())
        })
        .await?;
    snapshot
        .each(&DELAYS_OF_NO_PAYMENT, args![], |record| {
            report.broken(NAMED.0, "payment of a delay", record.get::<PaymentId>(0)?, "one", "none");
            Ok(())
        })
        .await?;
    report.checked(DELAYED_ONCE.0, DELAYED_ONCE.1, delays);
    report.checked(NAMED.0, NAMED.1, delays);
    Ok(())
}
