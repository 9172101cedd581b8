//! Payments against their own later attempts and against the ledger.

use std::fmt::Display;

use db::{Fault, Record, Snapshot, Sql, args, sql};
use kernel::Money;
use kernel::verify::Report;
use ledger::recipes::RecipeCode;
use ledger::verify::UnderWay;

use super::{BOOKED, CAPTURES, FEES, NAMED, NO_LATE_CAPTURE, QUIET, RECOVERY, REFUNDS, Rule, SHOWN, UNBOOKED, UNIQUE};
use crate::rows::{AttemptRow, PaymentRow};
use crate::types::{AttemptKind, AttemptState, Mode, PaymentState};

// $1 capture, $2 cancel, $3 refund; $4 and $5 the open states, $6 succeeded; $7 … $12 the recipes in the order of `Posted`.
static PAYMENTS: Sql = sql!(
    "SELECT {},
            COALESCE(a_captured, 0), COALESCE(a_capturing, 0), COALESCE(a_voided, 0), COALESCE(a_refunded, 0),
            COALESCE(a_refunding, 0), COALESCE(a_open, 0), COALESCE(t_held, 0), COALESCE(t_released, 0),
            COALESCE(t_taken, 0), COALESCE(t_started, 0), COALESCE(t_done, 0), COALESCE(t_failed, 0), q_attempt
       FROM payment
       LEFT JOIN (
            SELECT account_id AS a_account, payment_id AS a_payment,
                   CAST(SUM(CASE WHEN kind = $1 AND state = $6 THEN amount ELSE 0 END) AS BIGINT) AS a_captured,
                   CAST(SUM(CASE WHEN kind IN ($1, $2) AND state IN ($4, $5) THEN amount ELSE 0 END) AS BIGINT) AS a_capturing,
                   CAST(SUM(CASE WHEN kind = $2 AND state = $6 THEN amount ELSE 0 END) AS BIGINT) AS a_voided,
                   CAST(SUM(CASE WHEN kind = $3 AND state = $6 THEN amount ELSE 0 END) AS BIGINT) AS a_refunded,
                   CAST(SUM(CASE WHEN kind = $3 AND state IN ($4, $5) THEN amount ELSE 0 END) AS BIGINT) AS a_refunding,
                   CAST(SUM(CASE WHEN state IN ($4, $5) THEN 1 ELSE 0 END) AS BIGINT) AS a_open
              FROM attempt GROUP BY account_id, payment_id) AS a
         ON a_account = account_id AND a_payment = id
       LEFT JOIN (
            SELECT account_id AS t_account, subject AS t_subject,
                   CAST(SUM(CASE WHEN recipe = $7 THEN amount ELSE 0 END) AS BIGINT) AS t_held,
                   CAST(SUM(CASE WHEN recipe = $8 THEN amount ELSE 0 END) AS BIGINT) AS t_released,
                   CAST(SUM(CASE WHEN recipe = $9 THEN amount ELSE 0 END) AS BIGINT) AS t_taken,
                   CAST(SUM(CASE WHEN recipe = $10 THEN amount ELSE 0 END) AS BIGINT) AS t_started,
                   CAST(SUM(CASE WHEN recipe = $11 THEN amount ELSE 0 END) AS BIGINT) AS t_done,
                   CAST(SUM(CASE WHEN recipe = $12 THEN amount ELSE 0 END) AS BIGINT) AS t_failed
              FROM transfer GROUP BY account_id, subject) AS t
         ON t_account = account_id AND t_subject = id
       LEFT JOIN (SELECT account_id AS q_account, attempt_id AS q_attempt FROM asking) AS q
         ON q_account = account_id AND q_attempt = attempt_id
      ORDER BY account_id, id",
    PaymentRow
);

static ATTEMPTS: Sql = sql!(
    "SELECT {}, p_amount, COALESCE(r_sum, 0), q_attempt
       FROM attempt
       LEFT JOIN (SELECT account_id AS p_account, id AS p_id, amount AS p_amount FROM payment) AS p
         ON p_account = account_id AND p_id = payment_id
       LEFT JOIN (
            SELECT account_id AS r_account, named AS r_named, CAST(SUM(amount) AS BIGINT) AS r_sum
              FROM attempt WHERE kind = $1 AND state IN ($2, $3, $4) GROUP BY account_id, named) AS r
         ON r_account = account_id AND r_named = id
       LEFT JOIN (SELECT account_id AS q_account, attempt_id AS q_attempt FROM asking) AS q
         ON q_account = account_id AND q_attempt = id
      ORDER BY account_id, id",
    AttemptRow
);

static TWICE: Sql = sql!(
    "SELECT one, CAST(COUNT(*) AS BIGINT) FROM (
        SELECT id AS one FROM payment UNION ALL SELECT attempt_id FROM payment UNION ALL SELECT id FROM attempt) AS every
      GROUP BY one HAVING COUNT(*) > 1 ORDER BY one"
);

/// What the later attempts of a payment add up to, in minor units.
struct Operations {
    captured: i64,
    capturing: i64,
    voided: i64,
    refunded: i64,
    refunding: i64,
    open: i64,
}

/// What the ledger booked for a payment, in minor units.
struct Posted {
    held: i64,
    released: i64,
    taken: i64,
    started: i64,
    done: i64,
    failed: i64,
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
    ];
    snapshot
        .each(&PAYMENTS, sums, |record| {
            payments += 1;
            check_payment(&record, settled, &mut under_way, report)
        })
        .await?;
    let counted = args![AttemptKind::Refund, AttemptState::Sending, AttemptState::Unknown, AttemptState::Succeeded];
    snapshot
        .each(&ATTEMPTS, counted, |record| {
            attempts += 1;
            check_attempt(&record, settled, report)
        })
        .await?;
    snapshot
        .each(&TWICE, args![], |record| {
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
struct Checker<'a> {
    place: String,
    report: &'a mut Report,
}

impl Checker<'_> {
    fn same<T: PartialEq + Display>(&mut self, rule: Rule, what: &str, expected: T, found: T) {
        if expected != found {
            self.report.broken(rule.0, what, &self.place, expected, found);
        }
    }

    fn within(&mut self, rule: Rule, what: &str, most: i64, found: i64) {
        if found > most {
            self.report.broken(rule.0, what, &self.place, format!("at most {most}"), found);
        }
    }

    /// An open attempt must be a question once it is unknown, and must not be there at all once everything is settled.
    fn open(&mut self, state: AttemptState, question: Option<uuid::Uuid>, settled: bool) {
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
    };
    let posted = Posted {
        held: number(6)?,
        released: number(7)?,
        taken: number(8)?,
        started: number(9)?,
        done: number(10)?,
        failed: number(11)?,
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
        AttemptState::Errored => PaymentState::Errored,
        AttemptState::Succeeded => row.standing().state_by_totals(),
    };
    checker.same(SHOWN, "status", expected.sub_status(), row.state.sub_status());
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
    let returned = if row.kind == AttemptKind::Capture { given_back } else { 0 };
    checker.same(REFUNDS, "given back of one capture", returned, row.returned);
    checker.within(REFUNDS, "given back of one capture", row.amount, row.returned);
    Ok(())
}
