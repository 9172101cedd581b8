//! Reads for imports, for what an operator is shown, and for `verify`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use db::{Fault, Snapshot, Sql, Table, args, sql};
use kernel::{AccountId, AttemptId, Currency, Money, PaymentId, SettlementId};
use ledger::{AccountKind, LedgerAccountRow};

use super::commands::{Entry, Found};
use super::rows::{SettledRow, SettlementDifferenceRow, SettlementRow, SettlementTotalRow};
use super::types::{Difference, LineKind, ListedDifference, SettledLine, Standing};
use crate::types::{AttemptKind, Connector, Mode, Response};

/// Settlements that are listed at most.
pub const SETTLEMENTS_LISTED_MAX: u32 = 1_000;
/// Differences that are shown at most in one go.
pub const DIFFERENCES_LISTED_MAX: u32 = 1_000;
/// Attempts that are weighed for one line at most.
const CANDIDATES_MAX: usize = 32;

// All attempts of an acquirer, once for some thousands of lines: neither attempts nor their references have an index of their own, because
// every payment would pay for it. First attempts with whether they are settled, then later ones with the try the acquirer was told last.
static FIRST_ATTEMPTS: Sql = sql!(
    "SELECT account_id, id, attempt_id, mode, amount, response, s_line
       FROM payment
       LEFT JOIN (SELECT account_id AS s_account, attempt_id AS s_attempt, line AS s_line FROM settled) AS s
         ON s_account = account_id AND s_attempt = attempt_id
      WHERE connector = $1
      ORDER BY account_id, id"
);

static LATER_ATTEMPTS: Sql = sql!(
    "SELECT a.account_id, a.payment_id, a.id, a.kind, a.amount, a.response, s.line, a.named, r.try_id
       FROM attempt AS a
       JOIN payment AS p ON p.account_id = a.account_id AND p.id = a.payment_id
       LEFT JOIN settled AS s ON s.account_id = a.account_id AND s.attempt_id = a.id
       LEFT JOIN retried_operation AS r ON r.account_id = a.account_id AND r.attempt_id = a.id
      WHERE p.connector = $1
      ORDER BY a.account_id, a.id"
);

static SETTLEMENT: Sql = sql!("SELECT {} FROM settlement WHERE id = $1", SettlementRow);

static SETTLEMENTS: Sql = sql!("SELECT {} FROM settlement ORDER BY began_at DESC, id LIMIT $1", SettlementRow);

static TOTALS: Sql = sql!("SELECT {} FROM settlement_total WHERE settlement_id = $1 ORDER BY currency", SettlementTotalRow);

static DUE: Sql = sql!("SELECT {} FROM ledger_account WHERE kind = $1 ORDER BY owner_id, currency", LedgerAccountRow);

static BOOKED_TOTALS: Sql = sql!(
    "SELECT s.connector, t.currency, CAST(SUM(t.gross) AS BIGINT), CAST(SUM(t.cost) AS BIGINT)
       FROM settlement AS s
       JOIN settlement_total AS t ON t.settlement_id = s.id
      WHERE s.booked_at IS NOT NULL
      GROUP BY s.connector, t.currency"
);

// A difference is explained when what it names is settled by a later line, by the attempt or by the acquirer's reference; what was settled
// before it, only when another difference about the same attempt takes it back. $1 a file, or any; $2 the line before; $3 at most; $4 twice.
static DIFFERENCES: Sql = sql!(
    "SELECT {}, connector,
            CAST(CASE WHEN difference <> $4 AND (
                      EXISTS (SELECT 1 FROM settled AS x
                               WHERE x.account_id = settlement_difference.account_id AND x.attempt_id = settlement_difference.attempt_id
                                 AND (x.taken_at > settlement_difference.taken_at
                                      OR x.settlement_id = settlement_difference.settlement_id AND x.line > settlement_difference.line))
                   OR EXISTS (SELECT 1 FROM settled AS y
                                JOIN settlement AS z ON z.id = y.settlement_id
                               WHERE y.reference = settlement_difference.reference AND y.kind = settlement_difference.kind
                                 AND z.connector = settlement.connector
                                 AND (y.taken_at > settlement_difference.taken_at
                                      OR y.settlement_id = settlement_difference.settlement_id AND y.line > settlement_difference.line)))
                   OR EXISTS (SELECT 1 FROM settlement_difference AS o
                               WHERE o.attempt_id = settlement_difference.attempt_id
                                 AND o.account_id = settlement_difference.account_id AND o.kind = settlement_difference.kind
                                 AND o.currency = settlement_difference.currency AND o.gross = -settlement_difference.gross
                                 AND o.cost = -settlement_difference.cost AND (o.gross <> 0 OR o.cost <> 0))
                 THEN 1 ELSE 0 END AS BIGINT)
       FROM settlement_difference
       JOIN settlement ON id = settlement_id
      WHERE (settlement_id = $1 OR $1 IS NULL) AND line > $2
      ORDER BY settlement_id, line LIMIT $3",
    SettlementDifferenceRow
);

// Every settled thing with its file and what it names. The attempt is the payment's first one, or a later one.
pub(super) static SETTLED: Sql = sql!(
    "SELECT {}, t_connector, p_connector, p_mode, p_state, p_currency, p_amount, a_kind, a_state, a_currency, a_amount
       FROM settled
       LEFT JOIN (SELECT id AS t_id, connector AS t_connector FROM settlement) AS t ON t_id = settlement_id
       LEFT JOIN (SELECT account_id AS p_account, id AS p_id, connector AS p_connector FROM payment) AS p
         ON p_account = account_id AND p_id = payment_id
       LEFT JOIN (SELECT account_id AS f_account, id AS f_id, attempt_id AS f_attempt, mode AS p_mode, attempt AS p_state,
                         currency AS p_currency, amount AS p_amount FROM payment) AS f
         ON f_account = account_id AND f_id = payment_id AND f_attempt = attempt_id
       LEFT JOIN (SELECT account_id AS a_account, id AS a_id, payment_id AS a_payment, kind AS a_kind, state AS a_state,
                         currency AS a_currency, amount AS a_amount FROM attempt) AS a
         ON a_account = account_id AND a_id = attempt_id AND a_payment = payment_id
      ORDER BY account_id, attempt_id",
    SettledRow
);

pub(super) static SETTLED_TWICE: Sql =
    sql!("SELECT attempt_id, COUNT(*) FROM settled GROUP BY attempt_id HAVING COUNT(*) > 1 ORDER BY attempt_id");

pub(super) static SETTLED_BY_FILE: Sql = sql!(
    "SELECT settlement_id, currency, CAST(SUM(gross) AS BIGINT), CAST(SUM(cost) AS BIGINT), CAST(COUNT(*) AS BIGINT),
            CAST(COUNT(DISTINCT line) AS BIGINT)
       FROM settled
      GROUP BY settlement_id, currency"
);

pub(super) static DIFFERENCES_BY_FILE: Sql = sql!(
    "SELECT settlement_id, currency, CAST(SUM(gross - cost) AS BIGINT), CAST(COUNT(*) AS BIGINT)
       FROM settlement_difference
      GROUP BY settlement_id, currency"
);

pub(super) static ALL_SETTLEMENTS: Sql = sql!("SELECT {} FROM settlement ORDER BY id", SettlementRow);

pub(super) static ALL_TOTALS: Sql = sql!("SELECT {} FROM settlement_total ORDER BY settlement_id, currency", SettlementTotalRow);

// $1 the platform's books, $2 the recipe, $3 cash, $4 costs, $5 due: what each file has booked, by whose account.
pub(super) static POSTED: Sql = sql!(
    "SELECT subject, currency, owner,
            CAST(SUM(CASE WHEN debit_kind = $3 THEN amount WHEN credit_kind = $3 THEN -amount ELSE 0 END) AS BIGINT),
            CAST(SUM(CASE WHEN debit_kind = $4 THEN amount WHEN credit_kind = $4 THEN -amount ELSE 0 END) AS BIGINT)
       FROM (SELECT subject, currency, CASE WHEN debit_kind = $5 THEN debit_owner ELSE credit_owner END AS owner,
                    debit_kind, credit_kind, amount
               FROM transfer WHERE account_id = $1 AND recipe = $2) AS booked
      GROUP BY subject, currency, owner"
);

/// An attempt that a line may mean.
struct Candidate {
    found: Found,
    kind: AttemptKind,
    amount: i64,
    by_id: bool,
    is_settled: bool,
}

/// What some lines name.
#[derive(Default)]
struct Wanted {
    by_id: HashMap<AttemptId, Vec<usize>>,
    by_reference: HashMap<Arc<str>, Vec<usize>>,
    candidates: Vec<Vec<Candidate>>,
}

impl Wanted {
    fn by(lines: &[SettledLine]) -> Self {
        let mut wanted = Self { candidates: lines.iter().map(|_| Vec::new()).collect(), ..Self::default() };
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.kind != LineKind::Fee) {
            if let Some(attempt) = line.attempt() {
                wanted.by_id.entry(attempt).or_default().push(at);
            }
            if let Some(reference) = &line.reference {
                wanted.by_reference.entry(reference.clone()).or_default().push(at);
            }
        }
        wanted
    }

    /// An attempt, the ids by which its acquirer may know it, and what the acquirer calls it.
    fn offer(&mut self, seen: &Seen, ids: &[Option<AttemptId>]) {
        let by_id = ids.iter().flatten().filter_map(|id| self.by_id.get(id)).flatten();
        let by_reference = seen.reference().and_then(|reference| self.by_reference.get(reference)).into_iter().flatten();
        let places: Vec<(usize, bool)> = by_id.map(|at| (*at, true)).chain(by_reference.map(|at| (*at, false))).collect();
        for (at, by_id) in places {
            if self.candidates[at].len() < CANDIDATES_MAX {
                let Seen { found, kind, amount, is_settled, .. } = *seen;
                self.candidates[at].push(Candidate { found, kind, amount, by_id, is_settled });
            }
        }
    }

    /// The best candidate of each line: of the right kind, by id before by reference, of the right amount, and not taken by another.
    fn choose(self, lines: Vec<SettledLine>) -> Vec<Entry> {
        let mut taken = HashSet::new();
        let choose = |(line, candidates): (SettledLine, Vec<Candidate>)| {
            let rank = |one: &Candidate| {
                let is_free = !one.is_settled && !taken.contains(&one.found.attempt_id);
                let is_equal = line.kind.signed(one.amount) == line.gross;
                (line.kind.fits(one.kind), one.by_id, is_equal && is_free, is_equal, is_free)
            };
            // Of equals the first.
            let best = candidates.iter().rev().max_by_key(|one| rank(one)).map(|best| best.found);
            taken.extend(best.map(|found| found.attempt_id));
            Entry { line, found: best }
        };
        lines.into_iter().zip(self.candidates).map(choose).collect()
    }
}

/// One attempt as it is read.
struct Seen {
    found: Found,
    kind: AttemptKind,
    amount: i64,
    response: Option<Response>,
    is_settled: bool,
}

impl Seen {
    fn reference(&self) -> Option<&str> {
        self.response.as_ref()?.parts()?.reference
    }
}

/// Finds the attempt that each line seems to name.
pub(super) async fn look_up(snapshot: &Snapshot, connector: Connector, lines: Vec<SettledLine>) -> Result<Vec<Entry>, Fault> {
    let mut wanted = Wanted::by(&lines);
    let read = |record: &db::Record, kind: AttemptKind, is_later: bool| -> Result<Seen, Fault> {
        let (account_id, payment_id, attempt_id): (AccountId, PaymentId, AttemptId) =
            (record.get(0)?, record.get(1)?, record.get(2)?);
        Ok(Seen {
            found: Found { account_id, payment_id, attempt_id, is_later },
            kind,
            amount: record.get(4)?,
            response: record.get(5)?,
            is_settled: record.get::<Option<i64>>(6)?.is_some(),
        })
    };
    snapshot
        .each(&FIRST_ATTEMPTS, args![connector], |record| {
            let seen = read(&record, record.get::<Mode>(3)?.into(), false)?;
            wanted.offer(&seen, &[Some(seen.found.attempt_id)]);
            Ok(())
        })
        .await?;
    snapshot
        .each(&LATER_ATTEMPTS, args![connector], |record| {
            let seen = read(&record, record.get(3)?, true)?;
            // Nobody outside knows our id of a chargeback: its line names what is disputed.
            let disputed = Some(record.get::<AttemptId>(7)?).filter(|_| seen.kind == AttemptKind::Chargeback);
            wanted.offer(&seen, &[Some(seen.found.attempt_id), disputed, record.get(8)?]);
            Ok(())
        })
        .await?;
    Ok(wanted.choose(lines))
}

/// One settlement.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn settlement(snapshot: &Snapshot, id: SettlementId) -> Result<Option<SettlementRow>, Fault> {
    snapshot.one(&SETTLEMENT, args![id]).await?.map(|record| record.row(0)).transpose()
}

/// The settlements, newest first, [`SETTLEMENTS_LISTED_MAX`] at most.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn settlements(snapshot: &Snapshot) -> Result<Vec<SettlementRow>, Fault> {
    let mut all = Vec::new();
    snapshot
        .each(&SETTLEMENTS, args![SETTLEMENTS_LISTED_MAX], |record| {
            all.push(record.row(0)?);
            Ok(())
        })
        .await?;
    Ok(all)
}

/// What the lines of a settlement add up to, by currency.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn totals(snapshot: &Snapshot, id: SettlementId) -> Result<Vec<SettlementTotalRow>, Fault> {
    let mut all = Vec::new();
    snapshot
        .each(&TOTALS, args![id], |record| {
            all.push(record.row(0)?);
            Ok(())
        })
        .await?;
    Ok(all)
}

/// The differences of a settlement behind a line, [`DIFFERENCES_LISTED_MAX`] at most.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn differences(snapshot: &Snapshot, id: SettlementId, after: u32) -> Result<Vec<ListedDifference>, Fault> {
    let mut all = Vec::new();
    snapshot
        .each(&DIFFERENCES, args![Some(id), after, DIFFERENCES_LISTED_MAX, Difference::Twice], |record| {
            let explained = record.get::<i64>(SettlementDifferenceRow::META.columns.len() + 1)? != 0;
            all.push(ListedDifference { row: record.row(0)?, explained });
            Ok(())
        })
        .await?;
    Ok(all)
}

/// How each acquirer stands with us, by currency.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn overview(snapshot: &Snapshot) -> Result<Vec<Standing>, Fault> {
    let mut all: BTreeMap<(Connector, Currency), Standing> = BTreeMap::new();
    let of = |all: &mut BTreeMap<_, Standing>, connector, currency, change: &dyn Fn(&mut Standing)| {
        let zero = Money::zero(currency);
        let none = Standing { connector, due: zero, settled: zero, cost: zero, differences: 0, unmatched: zero };
        change(all.entry((connector, currency)).or_insert(none));
    };
    snapshot
        .each(&DUE, args![AccountKind::Due], |record| {
            let row: LedgerAccountRow = record.row(0)?;
            if let Some(connector) = Connector::ALL.iter().find(|connector| connector.owner().uuid() == row.owner_id) {
                let due = Money::new(-row.net(), row.currency);
                of(&mut all, *connector, row.currency, &|standing| standing.due = due);
            }
            Ok(())
        })
        .await?;
    snapshot
        .each(&BOOKED_TOTALS, args![], |record| {
            let currency: Currency = record.get(1)?;
            let (settled, cost) = (Money::new(record.get(2)?, currency), Money::new(record.get(3)?, currency));
            of(&mut all, record.get(0)?, currency, &|standing| (standing.settled, standing.cost) = (settled, cost));
            Ok(())
        })
        .await?;
    let any: Option<SettlementId> = None;
    snapshot
        .each(&DIFFERENCES, args![any, 0_u32, i64::MAX, Difference::Twice], |record| {
            let row: SettlementDifferenceRow = record.row(0)?;
            let columns = SettlementDifferenceRow::META.columns.len();
            if record.get::<i64>(columns + 1)? == 0 {
                of(&mut all, record.get(columns)?, row.currency, &|standing| {
                    standing.differences += 1;
                    let sum = standing.unmatched.minor().saturating_add(row.gross - row.cost);
                    standing.unmatched = Money::new(sum, row.currency);
                });
            }
            Ok(())
        })
        .await?;
    Ok(all.into_values().collect())
}
