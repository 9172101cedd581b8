//! Checks stored payouts against the ledger, the questions about them and the names they have.

use db::{Fault, Record, Snapshot, args};
use kernel::Money;
use kernel::verify::Report;
use ledger::recipes::RecipeCode;
use ledger::verify::UnderWay;
use uuid::Uuid;

use super::queries::{PAYOUTS_WITH_POSTINGS, REFERENCES_OF_NOTHING};
use super::rows::PayoutRow;
use crate::types::AttemptState;
use crate::verify::{BOOKED, Checker, FEES, NAMED, QUIET, RECOVERY, Rule, UNBOOKED};

pub(crate) const COVERED: Rule = ("I6.d", "a payout was covered by what was available when it was taken");

/// Checks every payout, and says what is under way.
pub(crate) async fn verify(
    snapshot: &mut Snapshot,
    settled: bool,
    under_way: &mut UnderWay,
    report: &mut Report,
) -> Result<(), Fault> {
    let mut payouts = 0;
    let recipes = args![RecipeCode::PayoutStart, RecipeCode::PayoutDone, RecipeCode::PayoutFailed];
    snapshot
        .each(&PAYOUTS_WITH_POSTINGS, recipes, |record| {
            payouts += 1;
            check(&record, settled, under_way, report)
        })
        .await?;
    snapshot
        .each(&REFERENCES_OF_NOTHING, args![], |record| {
            report.broken(NAMED.0, "payout of a name", record.get::<Uuid>(1)?, "one", "none");
            Ok(())
        })
        .await?;
    for rule in [COVERED, NAMED, RECOVERY, FEES, BOOKED, UNBOOKED, QUIET] {
        report.checked(rule.0, rule.1, payouts);
    }
    Ok(())
}

fn check(record: &Record, settled: bool, under_way: &mut UnderWay, report: &mut Report) -> Result<(), Fault> {
    let row: PayoutRow = record.row(0)?;
    let first = <PayoutRow as db::Table>::META.columns.len();
    let (started, done, failed): (i64, i64, i64) = (record.get(first)?, record.get(first + 1)?, record.get(first + 2)?);
    let left: Option<i64> = record.get(first + 3)?;
    let question: Option<Uuid> = record.get(first + 4)?;
    let named: Option<Uuid> = record.get(first + 5)?;
    let whole = row.amount + row.fee;
    let mut checker = Checker { place: format!("payout {}", row.id), report };
    checker.open(row.state, question, settled);
    checker.within(FEES, "fee", row.amount, row.fee);
    if left.is_some_and(|left| left < 0) {
        checker.same(COVERED, "whether it was covered", true, false);
    }
    checker.same(COVERED, "set aside", if started == 0 { 0 } else { whole }, started);
    let is_named = named == Some(row.id.uuid());
    checker.same(NAMED, "whether its name is taken for it", row.state != AttemptState::NotSent, is_named);
    match row.state {
        AttemptState::Sending | AttemptState::Unknown => {
            checker.same(UNBOOKED, "posted for a payout under way", (whole, 0, 0).into(), Posted(started, done, failed));
            under_way.payout(row.account_id, Money::new(whole, row.currency));
        }
        AttemptState::Succeeded => {
            checker.same(BOOKED, "posted for a payout", (whole, whole, 0).into(), Posted(started, done, failed));
        }
        // Not covered: nothing was set aside, so nothing returned. Nor is any payout in one of the states that follow these three.
        AttemptState::Declined
        | AttemptState::Errored
        | AttemptState::NotSent
        | AttemptState::AwaitingPayer
        | AttemptState::Expired
        | AttemptState::Disputed
        | AttemptState::Won
        | AttemptState::Lost
        | AttemptState::Waiting => {
            checker.same(
                UNBOOKED,
                "posted for a payout that failed",
                (started, 0, started).into(),
                Posted(started, done, failed),
            );
        }
    }
    Ok(())
}

/// Started, done and failed, in minor units.
#[derive(PartialEq)]
struct Posted(i64, i64, i64);

impl From<(i64, i64, i64)> for Posted {
    fn from((started, done, failed): (i64, i64, i64)) -> Self {
        Self(started, done, failed)
    }
}

impl std::fmt::Display for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "started {}, done {}, failed {}", self.0, self.1, self.2)
    }
}
