//! Checks that nothing is kept of deleted customers that was to be forgotten: part of the invariant I8.

use std::sync::Arc;

use db::{Fault, Snapshot, args};
use kernel::verify::Report;
use kernel::{CustomerId, PaymentId};

use super::queries::{PAYMENTS_OF_DELETED, TO_FORGET};
use crate::customers::document::without_device;
use crate::verify::Rule;

pub(crate) const FORGOTTEN: Rule = ("I8.e", "payments say nothing of a deleted customer's device");

/// Checks every payment of a deleted customer; with `settled`, that nothing is still to be forgotten.
pub(crate) async fn verify(snapshot: &Snapshot, settled: bool, report: &mut Report) -> Result<(), Fault> {
    report.checked(FORGOTTEN.0, FORGOTTEN.1, 0);
    snapshot
        .each(&PAYMENTS_OF_DELETED, args![], |record| {
            report.checked(FORGOTTEN.0, FORGOTTEN.1, 1);
            let details: Arc<[u8]> = record.get(1)?;
            if without_device(&details).is_some() {
                report.broken(FORGOTTEN.0, "payer's device", record.get::<PaymentId>(0)?, "nothing", "something");
            }
            Ok(())
        })
        .await?;
    snapshot
        .each(&TO_FORGET, args![], |record| {
            if settled {
                report.broken(
                    FORGOTTEN.0,
                    "deleted customer",
                    record.get::<CustomerId>(0)?,
                    "forgotten",
                    "still to be forgotten",
                );
            }
            Ok(())
        })
        .await
}
