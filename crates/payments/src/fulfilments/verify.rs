//! Checks stored fulfilments: that they are of a payment, numbered and counted.

use db::{Fault, Snapshot, Table, args};
use kernel::verify::Report;
use uuid::Uuid;

use super::queries::{TOTALS, UNCOUNTED};
use super::rows::FulfilmentTotalRow;
use super::rules::{BYTES_MAX, COUNT_MAX};
use crate::verify::{Checker, NAMED, Rule};

pub(crate) const COUNTED: Rule = ("I3.f", "a payment's fulfilments are numbered in order, counted and bounded");

/// Checks every payment's fulfilments.
pub(crate) async fn verify(snapshot: &mut Snapshot, report: &mut Report) -> Result<(), Fault> {
    let first = FulfilmentTotalRow::META.columns.len();
    let mut totals = 0;
    snapshot
        .each(&TOTALS, args![], |record| {
            totals += 1;
            let row: FulfilmentTotalRow = record.row(0)?;
            let mut checker = Checker { place: format!("fulfilments of payment {}", row.payment_id), report };
            checker.same(COUNTED, "number of the latest", row.requests, record.get::<i64>(first)?);
            checker.same(COUNTED, "requests", row.requests, record.get::<i64>(first + 1)?);
            checker.same(COUNTED, "fulfilments", record.get::<i64>(first + 2)?, row.count);
            checker.same(COUNTED, "bytes", record.get::<i64>(first + 3)?, row.bytes);
            checker.within(COUNTED, "fulfilments kept", COUNT_MAX, row.count);
            checker.within(COUNTED, "bytes kept", BYTES_MAX, row.bytes);
            checker.same(NAMED, "whether the payment exists", true, record.get::<Option<Uuid>>(first + 4)?.is_some());
            Ok(())
        })
        .await?;
    snapshot
        .each(&UNCOUNTED, args![], |record| {
            report.broken(COUNTED.0, "fulfilment that is not counted", record.get::<Uuid>(0)?, "its total", "none");
            Ok(())
        })
        .await?;
    report.checked(COUNTED.0, COUNTED.1, totals);
    report.checked(NAMED.0, NAMED.1, totals);
    Ok(())
}
