//! Checks what is settled against attempts, files and the ledger.

use std::collections::HashMap;

use db::{Fault, Record, Snapshot, Table, args};
use kernel::verify::Report;
use kernel::{Currency, SettlementId};
use ledger::AccountKind;
use ledger::recipes::RecipeCode;
use uuid::Uuid;

use super::queries::{ALL_SETTLEMENTS, ALL_TOTALS, DIFFERENCES_BY_FILE, POSTED, SETTLED, SETTLED_BY_FILE, SETTLED_TWICE};
use super::rows::{SettledRow, SettlementRow, SettlementTotalRow};
use super::rules::{is_approved, platform};
use super::types::LineKind;
use crate::types::{AttemptKind, AttemptState, Connector, Mode};
use crate::verify::{Checker, Rule};

pub(crate) const SETTLES: Rule = ("I7.f", "what an acquirer settled is an approved attempt of its own, with its amount");
pub(crate) const SETTLED_ONCE: Rule = ("I7.g", "nothing is settled twice");
pub(crate) const SETTLED_BOOKED: Rule = ("I7.h", "a settlement is booked once, with the sums of its lines");

/// Checks every settlement.
pub(crate) async fn verify(snapshot: &mut Snapshot, report: &mut Report) -> Result<(), Fault> {
    let mut settled = 0;
    snapshot
        .each(&SETTLED, args![], |record| {
            settled += 1;
            check_settled(&record, report)
        })
        .await?;
    snapshot
        .each(&SETTLED_TWICE, args![], |record| {
            report.broken(SETTLED_ONCE.0, "times it is settled", record.get::<Uuid>(0)?, 1, record.get::<i64>(1)?);
            Ok(())
        })
        .await?;
    let mut sums = Sums::read(snapshot).await?;
    let mut files = 0;
    let mut counted: HashMap<SettlementId, (u64, u64)> = HashMap::new();
    let booked = sums.booked.clone();
    snapshot
        .each(&ALL_TOTALS, args![], |record| {
            let total: SettlementTotalRow = record.row(0)?;
            let counts = counted.entry(total.settlement_id).or_default();
            counts.0 += u64::from(total.matched);
            counts.1 += u64::from(total.differences);
            sums.check_total(&total, booked.get(&total.settlement_id).copied(), report);
            Ok(())
        })
        .await?;
    snapshot
        .each(&ALL_SETTLEMENTS, args![], |record| {
            files += 1;
            let row: SettlementRow = record.row(0)?;
            let counted = counted.remove(&row.id).unwrap_or_default();
            let mut checker = Checker { place: format!("settlement {}", row.id), report: &mut *report };
            checker.same(SETTLED_BOOKED, "lines matched", counted.0, row.matched.into());
            checker.same(SETTLED_BOOKED, "differences", counted.1, row.differences.into());
            if row.booked_at.is_some() {
                checker.same(SETTLED_BOOKED, "lines taken when it was booked", row.file_lines, row.matched + row.differences);
            }
            Ok(())
        })
        .await?;
    sums.nothing_is_left(report);
    report.checked(SETTLES.0, SETTLES.1, settled);
    report.checked(SETTLED_ONCE.0, SETTLED_ONCE.1, settled);
    report.checked(SETTLED_BOOKED.0, SETTLED_BOOKED.1, files);
    Ok(())
}

fn check_settled(record: &Record, report: &mut Report) -> Result<(), Fault> {
    let row: SettledRow = record.row(0)?;
    let first = SettledRow::META.columns.len();
    let mut checker = Checker { place: format!("line {} of settlement {}", row.line, row.settlement_id), report };
    let Some(connector) = record.get::<Option<Connector>>(first)? else {
        checker.same(SETTLES, "its file", "one", "none");
        return Ok(());
    };
    if row.kind == LineKind::Fee {
        checker.same(SETTLES, "whose fee it is", platform(), row.account_id);
        checker.same(SETTLES, "what a fee changes in what is due", 0, row.gross);
        return Ok(());
    }
    let first_kind = record.get::<Option<Mode>>(first + 2)?.map(AttemptKind::from);
    let later_kind: Option<AttemptKind> = record.get(first + 6)?;
    // The payment's own attempt, or else a later one.
    let (kind, at) = match first_kind {
        Some(kind) => (Some(kind), first + 3),
        None => (later_kind, first + 7),
    };
    let (Some(kind), Some(of)) = (kind, record.get::<Option<Connector>>(first + 1)?) else {
        checker.same(SETTLES, "its attempt", row.attempt_id.to_string(), "none".to_owned());
        return Ok(());
    };
    let state: AttemptState = record.get(at)?;
    let (currency, amount): (Currency, i64) = (record.get(at + 1)?, record.get(at + 2)?);
    checker.same(SETTLES, "acquirer", of.name(), connector.name());
    if !row.kind.fits(kind) || !is_approved(row.kind, state) {
        let found = format!("{} {}", kind.wire(), state.wire());
        checker.same(SETTLES, "attempt", format!("an approved {}", row.kind.word()), found);
    }
    checker.same(SETTLES, "currency", currency.code(), row.currency.code());
    checker.same(SETTLES, "amount", row.kind.signed(amount), row.gross);
    Ok(())
}

/// Cash and costs of each posting, by subject and currency and whose account paid.
type Posted = HashMap<(Uuid, Currency), Vec<(Uuid, i64, i64)>>;

/// What the lines and the ledger say of each file and currency.
struct Sums {
    /// Which files are booked, and whose they are.
    booked: HashMap<SettlementId, (Connector, bool)>,
    /// Gross, cost, lines, line numbers.
    settled: HashMap<(SettlementId, Currency), (i64, i64, i64, i64)>,
    /// Net and count.
    differences: HashMap<(SettlementId, Currency), (i64, i64)>,
    /// Cash and costs, by whose account.
    posted: Posted,
}

impl Sums {
    async fn read(snapshot: &mut Snapshot) -> Result<Self, Fault> {
        let (mut booked, mut settled, mut differences) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut posted = Posted::new();
        snapshot
            .each(&ALL_SETTLEMENTS, args![], |record| {
                let row: SettlementRow = record.row(0)?;
                booked.insert(row.id, (row.connector, row.booked_at.is_some()));
                Ok(())
            })
            .await?;
        snapshot
            .each(&SETTLED_BY_FILE, args![], |record| {
                settled
                    .insert((record.get(0)?, record.get(1)?), (record.get(2)?, record.get(3)?, record.get(4)?, record.get(5)?));
                Ok(())
            })
            .await?;
        snapshot
            .each(&DIFFERENCES_BY_FILE, args![], |record| {
                differences.insert((record.get(0)?, record.get(1)?), (record.get(2)?, record.get(3)?));
                Ok(())
            })
            .await?;
        let kinds = args![platform(), RecipeCode::Settlement, AccountKind::Cash, AccountKind::Costs, AccountKind::Due];
        snapshot
            .each(&POSTED, kinds, |record| {
                let sums = (record.get(2)?, record.get(3)?, record.get(4)?);
                posted.entry((record.get(0)?, record.get(1)?)).or_default().push(sums);
                Ok(())
            })
            .await?;
        Ok(Self { booked, settled, differences, posted })
    }

    fn check_total(&mut self, total: &SettlementTotalRow, of: Option<(Connector, bool)>, report: &mut Report) {
        let key = (total.settlement_id, total.currency);
        let place = format!("settlement {} in {}", total.settlement_id, total.currency.code());
        let mut checker = Checker { place, report };
        let (gross, cost, lines, numbers) = self.settled.remove(&key).unwrap_or_default();
        let (unmatched, differences) = self.differences.remove(&key).unwrap_or_default();
        checker.same(SETTLED_BOOKED, "owed for its lines", gross, total.gross);
        checker.same(SETTLED_BOOKED, "cost of its lines", cost, total.cost);
        checker.same(SETTLED_BOOKED, "lines matched", lines, total.matched.into());
        checker.same(SETTLED_BOOKED, "line numbers", lines, numbers);
        checker.same(SETTLED_BOOKED, "differences", differences, total.differences.into());
        checker.same(SETTLED_BOOKED, "net of its differences", unmatched, total.unmatched_net);
        checker.same(SETTLED_BOOKED, "net", total.gross - total.cost, total.net);
        let Some((connector, is_booked)) = of else {
            checker.same(SETTLED_BOOKED, "its file", "one", "none");
            return;
        };
        let is_nothing = (total.net, total.cost) == (0, 0);
        let expected =
            if is_booked && !is_nothing { vec![(connector.owner().uuid(), total.net, total.cost)] } else { Vec::new() };
        let posted = self.posted.remove(&(total.settlement_id.uuid(), total.currency)).unwrap_or_default();
        if posted != expected {
            let told = |sums: &[(Uuid, i64, i64)]| {
                let each = sums.iter().map(|(owner, cash, costs)| format!("cash {cash}, costs {costs}, due of {owner}"));
                Some(each.collect::<Vec<_>>().join("; ")).filter(|told| !told.is_empty()).unwrap_or_else(|| "nothing".to_owned())
            };
            checker.same(SETTLED_BOOKED, "posted", told(&expected), told(&posted));
        }
    }

    /// Everything belongs to a file and a currency it has sums in.
    fn nothing_is_left(self, report: &mut Report) {
        for (settlement, currency) in self.settled.keys().chain(self.differences.keys()) {
            let place = format!("settlement {settlement} in {}", currency.code());
            report.broken(SETTLED_BOOKED.0, "lines without sums", place, "sums", "none");
        }
        for (subject, currency) in self.posted.keys() {
            let place = format!("settlement {subject} in {}", currency.code());
            report.broken(SETTLED_BOOKED.0, "posting without a file", place, "a file", "none");
        }
    }
}
