//! Payments against their own later attempts and against the ledger.

use std::fmt::Display;

use db::{Fault, Record, Snapshot, args};
use kernel::verify::Report;
use kernel::{Currency, Money};
use ledger::AccountKind;
use ledger::recipes::RecipeCode;
use ledger::verify::UnderWay;

use super::queries::{IDS_USED_TWICE, LATER_ATTEMPTS, PAYMENTS_WITH_TOTALS};
use super::{BOOKED, CAPTURES, FEES, NAMED, NO_LATE_CAPTURE, QUIET, RECOVERY, REFUNDS, Rule, SHOWN, UNBOOKED, UNIQUE};
use crate::earlier::Earlier;
use crate::routing::ROUTE_MAX;
use crate::rows::{AttemptRow, PaymentRow};
use crate::types::{AttemptKind, AttemptState, Mode, PaymentState};

/// What the later attempts of a payment add up to, in minor units.
struct Operations {
    captured: i64,
    capturing: i64,
    voided: i64,
    refunded: i64,
    refunding: i64,
    open: i64,
    disputed: i64,
    lost: i64,
    /// Of captures that succeeded.
    fees: i64,
}

/// What the ledger booked for a payment, in minor units.
struct Posted {
    held: i64,
    released: i64,
    taken: i64,
    started: i64,
    done: i64,
    failed: i64,
    fees: i64,
}

/// Checks every payment and every later attempt, and says what is under way.
pub(super) async fn verify(snapshot: &mut Snapshot, settled: bool, report: &mut Report) -> Result<UnderWay, Fault> {
    let mut under_way = UnderWay::default();
    let (mut payments, mut attempts) = (0, 0);
    let sums = args![
        AttemptKind::Capture,
        AttemptKind::Cancel,
        AttemptKind::Refund,
        AttemptState::Sending,
        AttemptState::Unknown,
        AttemptState::Succeeded,
        RecipeCode::AuthoriseHold,
        RecipeCode::HoldRelease,
        RecipeCode::Capture,
        RecipeCode::RefundStart,
        RecipeCode::RefundDone,
        RecipeCode::RefundFailed,
        AttemptState::Disputed,
        AttemptState::Lost,
        AccountKind::Fees,
        AttemptState::Waiting,
    ];
    snapshot
        .each(&PAYMENTS_WITH_TOTALS, sums, |record| {
            payments += 1;
            check_payment(&record, settled, &mut under_way, report)
        })
        .await?;
    let counted =
        args![AttemptKind::Refund, AttemptState::Sending, AttemptState::Unknown, AttemptState::Succeeded, AttemptState::Waiting];
    snapshot
        .each(&LATER_ATTEMPTS, counted, |record| {
            attempts += 1;
            check_attempt(&record, settled, report)
        })
        .await?;
    snapshot
        .each(&IDS_USED_TWICE, args![], |record| {
            report.broken(UNIQUE.0, "id used", record.get::<uuid::Uuid>(0)?, 1, record.get::<i64>(1)?);
            Ok(())
        })
        .await?;
    for rule in [SHOWN, CAPTURES, REFUNDS, NO_LATE_CAPTURE, BOOKED, UNBOOKED] {
        report.checked(rule.0, rule.1, payments);
    }
    for rule in [UNIQUE, RECOVERY, FEES, QUIET] {
        report.checked(rule.0, rule.1, payments + attempts);
    }
    report.checked(NAMED.0, NAMED.1, attempts);
    Ok(under_way)
}

/// One row and what it must agree with.
pub(crate) struct Checker<'a> {
    pub(crate) place: String,
    pub(crate) report: &'a mut Report,
}

impl Checker<'_> {
    pub(crate) fn same<T: PartialEq + Display>(&mut self, rule: Rule, what: &str, expected: T, found: T) {
        if expected != found {
            self.report.broken(rule.0, what, &self.place, expected, found);
        }
    }

    pub(crate) fn within(&mut self, rule: Rule, what: &str, most: i64, found: i64) {
        if found > most {
            self.report.broken(rule.0, what, &self.place, format!("at most {most}"), found);
        }
    }

    /// An open attempt must be a question once it is unknown, and must not be there at all once everything is settled.
    pub(crate) fn open(&mut self, state: AttemptState, question: Option<uuid::Uuid>, settled: bool) {
        if settled && state.is_open() {
            self.report.broken(QUIET.0, "attempt under way", &self.place, "none", format!("{state:?}"));
        }
        if (state == AttemptState::Unknown) != question.is_some() {
            let (asked, unknown) = (question.is_some(), state == AttemptState::Unknown);
            self.report.broken(RECOVERY.0, "whether it is asked for", &self.place, unknown, asked);
        }
    }
}

fn check_payment(record: &Record, settled: bool, under_way: &mut UnderWay, report: &mut Report) -> Result<(), Fault> {
    let row: PaymentRow = record.row(0)?;
    let first = <PaymentRow as db::Table>::META.columns.len();
    let number = |offset: usize| record.get::<i64>(first + offset);
    let operations = Operations {
        captured: number(0)?,
        capturing: number(1)?,
        voided: number(2)?,
        refunded: number(3)?,
        refunding: number(4)?,
        open: number(5)?,
        disputed: number(13)?,
        lost: number(14)?,
        fees: number(15)?,
    };
    let posted = Posted {
        held: number(6)?,
        released: number(7)?,
        taken: number(8)?,
        started: number(9)?,
        done: number(10)?,
        failed: number(11)?,
        fees: number(16)?,
    };
    let question: Option<uuid::Uuid> = record.get(first + 12)?;
    let mut checker = Checker { place: format!("payment {}", row.id), report };
    checker.open(row.attempt, question, settled);
    checker.within(FEES, "fee", row.amount, row.fee);
    check_totals(&row, &operations, &mut checker);
    check_postings(&row, &operations, &posted, &mut checker);
    if settled && operations.open > 0 {
        checker.same(QUIET, "operations under way", 0, operations.open);
    }
    if row.refunding > 0 {
        under_way.refund(row.account_id, Money::new(row.refunding, row.currency));
    }
    if operations.disputed > 0 {
        under_way.dispute(row.account_id, Money::new(operations.disputed, row.currency));
    }
    if row.hold_until.is_some() {
        let rest = Money::new(row.amount - row.captured, row.currency);
        under_way.authorisation(row.account_id, row.connector.owner(), rest);
    }
    Ok(())
}

fn check_totals(row: &PaymentRow, operations: &Operations, checker: &mut Checker<'_>) {
    let approved = row.attempt == AttemptState::Succeeded;
    let captured = match row.mode {
        Mode::Purchase if approved => row.amount,
        Mode::Purchase | Mode::Authorise | Mode::Verify => operations.captured,
    };
    checker.within(CAPTURES, "captured and under way", row.amount, row.captured + row.capturing);
    checker.same(CAPTURES, "captured", captured, row.captured);
    checker.same(CAPTURES, "captures and cancels under way", operations.capturing, row.capturing);
    checker.within(REFUNDS, "refunded and under way", row.captured, row.refunded + row.refunding);
    checker.same(REFUNDS, "refunded", operations.refunded, row.refunded);
    checker.same(REFUNDS, "refunds under way", operations.refunding, row.refunding);
    if operations.voided > 0 {
        checker.same(NO_LATE_CAPTURE, "captured of a voided hold", 0, row.captured);
    }
    let expected = match row.attempt {
        AttemptState::Sending | AttemptState::NotSent => row.state, // Created, or what it was when it was given up
        AttemptState::Unknown => PaymentState::Unconfirmed,
        AttemptState::Declined => PaymentState::Declined,
        AttemptState::Errored if row.earlier.as_ref().is_some_and(Earlier::has_decline) => PaymentState::Declined,
        AttemptState::Errored => PaymentState::Errored,
        AttemptState::Succeeded if operations.disputed > 0 => PaymentState::Disputed,
        AttemptState::Succeeded if operations.lost > 0 => PaymentState::ChargedBack,
        AttemptState::Succeeded if row.state.is_retried() => row.state, // compared with what is tried again
        AttemptState::Succeeded => row.standing().state_by_totals(),
        AttemptState::AwaitingPayer => PaymentState::AwaitingPayer,
        // Never of a first attempt.
        AttemptState::Disputed | AttemptState::Won | AttemptState::Lost | AttemptState::Waiting => PaymentState::Created,
        AttemptState::Expired => PaymentState::Expired,
    };
    checker.same(SHOWN, "status", expected.sub_status(), row.state.sub_status());
    check_earlier(row, checker);
}

/// Tries before the last one are over, came to nothing, and are attempts of their own.
fn check_earlier(row: &PaymentRow, checker: &mut Checker<'_>) {
    let mut ids = vec![row.attempt_id];
    for one in row.earlier_tries() {
        if !matches!(one.state, AttemptState::Declined | AttemptState::NotSent) {
            checker.report.broken(SHOWN.0, "an earlier try", &checker.place, "refused or never sent", format!("{:?}", one.state));
        }
        if ids.contains(&one.id) {
            checker.report.broken(UNIQUE.0, "id of a try used", one.id, 1, 2);
        }
        ids.push(one.id);
    }
    if ids.len() > ROUTE_MAX {
        checker.report.broken(SHOWN.0, "tries", &checker.place, format!("at most {ROUTE_MAX}"), ids.len());
    }
}

fn check_postings(row: &PaymentRow, operations: &Operations, posted: &Posted, checker: &mut Checker<'_>) {
    let approved = row.attempt == AttemptState::Succeeded;
    let rule = if approved { BOOKED } else { UNBOOKED };
    let held = if approved && row.mode == Mode::Authorise { row.amount } else { 0 };
    let rest = held - row.captured.min(held) - operations.voided;
    let lapsed = if row.hold_until.is_none() { rest } else { 0 };
    let released = if held > 0 { row.captured + operations.voided + lapsed } else { 0 };
    checker.same(rule, "posted holds", held, posted.held);
    checker.same(rule, "posted releases", released, posted.released);
    checker.same(rule, "posted captures", if approved { row.captured } else { 0 }, posted.taken);
    checker.same(rule, "posted refunds", if approved { row.refunded } else { 0 }, posted.done);
    if row.split.is_none() {
        let own = if row.mode == Mode::Purchase { row.fee } else { operations.fees };
        checker.same(rule, "posted fees", if approved { own } else { 0 }, posted.fees);
    }
    checker.same(rule, "posted refunds under way", row.refunding, posted.started - posted.done - posted.failed);
}

fn check_attempt(record: &Record, settled: bool, report: &mut Report) -> Result<(), Fault> {
    let row: AttemptRow = record.row(0)?;
    let first = <AttemptRow as db::Table>::META.columns.len();
    let payment: Option<i64> = record.get(first)?;
    let given_back: i64 = record.get(first + 1)?;
    let question: Option<uuid::Uuid> = record.get(first + 2)?;
    let mut checker = Checker { place: format!("attempt {}", row.id), report };
    checker.open(row.state, question, settled);
    checker.within(FEES, "fee", row.amount, row.fee);
    match payment {
        None => checker.report.broken(NAMED.0, "its payment", &checker.place, row.payment_id, "no such payment"),
        Some(amount) => checker.within(CAPTURES, "amount of one operation", amount, row.amount),
    }
    if let Some(currency) = record.get::<Option<Currency>>(first + 3)? {
        checker.same(NAMED, "currency of its payment", currency.code(), row.currency.code());
    }
    let returned = if row.kind == AttemptKind::Capture { given_back } else { 0 };
    checker.same(REFUNDS, "given back of one capture", returned, row.returned);
    checker.within(REFUNDS, "given back of one capture", row.amount, row.returned);
    Ok(())
}
