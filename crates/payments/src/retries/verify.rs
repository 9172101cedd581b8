//! Checks operations that are tried again against the operations themselves and their payments.

use db::{Fault, Record, Snapshot, Table, args};
use kernel::AttemptId;
use kernel::verify::Report;
use uuid::Uuid;

use super::queries::{OPERATIONS_TRIED_AGAIN, PAYMENTS_TRIED_AGAIN, WAITING_FOR_NOTHING};
use super::rows::RetriedRow;
use crate::rows::PaymentRow;
use crate::rules::{Retries, Standing};
use crate::types::{AttemptKind, AttemptState, PaymentState};
use crate::verify::{Checker, NAMED, QUIET, Rule, SHOWN, UNIQUE};

pub(crate) const TRIED_AGAIN: Rule = ("I4.u", "what failed and is tried again waits for one try, and its payment says so");

/// Checks every operation that is to be tried again.
pub(crate) async fn verify(snapshot: &mut Snapshot, settled: bool, report: &mut Report) -> Result<(), Fault> {
    let (mut payments, mut operations) = (0, 0);
    let values = args![
        AttemptKind::Capture,
        AttemptKind::Refund,
        AttemptState::Waiting,
        AttemptState::Unknown,
        PaymentState::CaptureRetried,
        PaymentState::RefundRetried,
        PaymentState::CaptureFailed,
        AttemptState::Succeeded,
    ];
    snapshot
        .each(&PAYMENTS_TRIED_AGAIN, values, |record| {
            payments += 1;
            check_payment(&record, report)
        })
        .await?;
    snapshot
        .each(&OPERATIONS_TRIED_AGAIN, args![], |record| {
            operations += 1;
            check_operation(&record, settled, report)
        })
        .await?;
    snapshot
        .each(&WAITING_FOR_NOTHING, args![AttemptState::Waiting], |record| {
            report.broken(TRIED_AGAIN.0, "next try of a waiting operation", record.get::<AttemptId>(0)?, "one", "none");
            Ok(())
        })
        .await?;
    report.checked(TRIED_AGAIN.0, TRIED_AGAIN.1, payments + operations);
    report.checked(SHOWN.0, SHOWN.1, payments);
    report.checked(NAMED.0, NAMED.1, operations);
    report.checked(UNIQUE.0, UNIQUE.1, operations);
    report.checked(QUIET.0, QUIET.1, operations);
    Ok(())
}

fn check_payment(record: &Record, report: &mut Report) -> Result<(), Fault> {
    let row: PaymentRow = record.row(0)?;
    let first = PaymentRow::META.columns.len();
    let is_noted = record.get::<Option<Uuid>>(first)?.is_some();
    let noted = |offset: usize| Ok::<i64, Fault>(record.get::<Option<i64>>(first + offset)?.unwrap_or(0));
    let noted_failed = record.get::<Option<bool>>(first + 3)?.unwrap_or(false);
    let number = |offset: usize| record.get::<i64>(first + offset);
    let mut checker = Checker { place: format!("payment {}", row.id), report };
    checker.same(TRIED_AGAIN, "captures tried again", number(4)?, noted(1)?);
    checker.same(TRIED_AGAIN, "refunds tried again", number(5)?, noted(2)?);
    if noted_failed && number(6)? == 0 {
        checker.same(TRIED_AGAIN, "captures that failed at every try", "at least one", "none");
    }
    // A dispute is shown before anything else, and compared with its own transaction.
    if is_noted && !matches!(row.state, PaymentState::Disputed | PaymentState::ChargedBack) {
        let count = |offset: usize| Ok::<u32, Fault>(u32::try_from(number(offset)?).unwrap_or(u32::MAX));
        let retries = Retries { captures: count(4)?, refunds: count(5)?, capture_failed: noted_failed };
        let expected = Standing { retries, ..row.standing() }.state_undisputed();
        checker.same(SHOWN, "status", expected.sub_status(), row.state.sub_status());
    } else if row.state.is_retried() {
        checker.same(SHOWN, "what the status says is tried again", "something", "nothing");
    }
    Ok(())
}

fn check_operation(record: &Record, settled: bool, report: &mut Report) -> Result<(), Fault> {
    let row: RetriedRow = record.row(0)?;
    let mut checker = Checker { place: format!("attempt {}", row.attempt_id), report };
    let Some(state) = record.get::<Option<AttemptState>>(RetriedRow::META.columns.len())? else {
        checker.report.broken(NAMED.0, "operation that is tried again", &checker.place, "one of its payment", "none");
        return Ok(());
    };
    let waits = state == AttemptState::Waiting;
    checker.same(TRIED_AGAIN, "whether it has a time for its next try", waits, row.due_at.is_some());
    if waits && row.earlier.is_none() {
        checker.same(TRIED_AGAIN, "tries before it waited", "at least one", "none");
    }
    if row.earlier.is_none() {
        checker.same(TRIED_AGAIN, "id of the first try", row.attempt_id, row.try_id);
    }
    let mut ids: Vec<AttemptId> = row.earlier_tries().iter().map(|one| one.id).collect();
    if !waits && state.is_open() {
        ids.push(row.try_id);
    }
    let tries = ids.len();
    ids.sort_unstable();
    ids.dedup();
    checker.same(UNIQUE, "ids of its tries", tries, ids.len());
    if settled && waits {
        checker.report.broken(QUIET.0, "operation that is tried again", &checker.place, "none", "waiting");
    }
    Ok(())
}
