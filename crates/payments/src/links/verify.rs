//! Checks stored links against the payments made through them.

use db::{Fault, Snapshot, args};
use kernel::verify::Report;

use super::queries::{LINKS_WITH_PAYMENTS, PAYMENTS_OF_NO_LINK};
use super::rows::{LinkPaymentRow, LinkRow};
use super::types::LinkState;
use crate::types::AttemptState;
use crate::verify::{Checker, NAMED, Rule};

pub(crate) const PAID_ONCE: Rule = ("I4.l", "a link counts its payments, and one for one use is paid once");

/// Checks every link, and that every payment made through one names it.
pub(crate) async fn verify(snapshot: &mut Snapshot, report: &mut Report) -> Result<(), Fault> {
    let mut links = 0;
    let states = args![AttemptState::Succeeded, AttemptState::Sending, AttemptState::Unknown, AttemptState::AwaitingPayer];
    snapshot
        .each(&LINKS_WITH_PAYMENTS, states, |record| {
            links += 1;
            let row: LinkRow = record.row(0)?;
            let first = <LinkRow as db::Table>::META.columns.len();
            let (paid, open, other): (i64, i64, i64) = (record.get(first)?, record.get(first + 1)?, record.get(first + 2)?);
            let mut checker = Checker { place: format!("link {}", row.id), report };
            checker.same(PAID_ONCE, "payments", paid, row.payments_number);
            checker.same(PAID_ONCE, "payments of another amount", 0, other);
            if row.one_time_use {
                checker.within(PAID_ONCE, "payments and those under way of a link for one use", 1, paid + open);
                checker.same(PAID_ONCE, "whether a payment is under way", open == 1, row.paying.is_some());
                checker.same(PAID_ONCE, "whether it is used", paid == 1, row.state == LinkState::Used);
            }
            Ok(())
        })
        .await?;
    snapshot
        .each(&PAYMENTS_OF_NO_LINK, args![], |record| {
            let row: LinkPaymentRow = record.row(0)?;
            report.broken(NAMED.0, "link and payment", row.payment_id, "both", "not both");
            Ok(())
        })
        .await?;
    report.checked(PAID_ONCE.0, PAID_ONCE.1, links);
    report.checked(NAMED.0, NAMED.1, links);
    Ok(())
}
