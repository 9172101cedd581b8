//! Reports as the edge asks for them, and the reading of their lines.

use std::collections::VecDeque;
use std::sync::Arc;

use db::{Fault, Reader};
use kernel::{AccountId, Id, ReportId};
use tokio::sync::Semaphore;

use super::commands::{Create, Sweep};
use super::queries::{self, Range, Walked, payments_of};
use super::rows::ReportRow;
use super::types::{CreateReport, Lines, ReportKind, ReportPage, Step};
use crate::asks::{Answer, Once};
use crate::by_time::Ids;
use crate::error::PaymentsError;
use crate::payouts::PayoutRow;
use crate::rows::{AttemptRow, PaymentRow};
use crate::service::Payments;

/// How many reports one sweep command takes.
const SWEEP_REPORTS_MAX: u32 = 250;

impl Payments {
    /// Makes a report.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn create_report(
        &self,
        account_id: AccountId,
        ask: CreateReport,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let id = ReportId::new(&self.0.source);
        self.0.at_once(Create { account_id, id, ask }, id.uuid(), once).await
    }

    /// One report; `None` when the account has none of that id, or its time is over.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn get_report(&self, account: AccountId, id: ReportId) -> Result<Option<ReportRow>, Fault> {
        queries::report(self.0.store.reader(), account, id, self.0.now()).await
    }

    /// A page of the account's reports, newest first: at most `limit` of those before the one named.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn list_reports(&self, account: AccountId, before: Option<ReportId>, limit: usize) -> Result<ReportPage, Fault> {
        queries::reports(self.0.store.reader(), account, before, self.0.now(), limit).await
    }

    /// The lines of a report, to be read page by page.
    pub fn read_report(&self, report: ReportRow) -> ReportReader {
        let (reader, turn) = (self.0.store.reader().clone(), self.0.report_turn.clone());
        ReportReader::new(reader, turn, self.0.store.clock(), report)
    }

    /// Takes off the reports whose time is over; gives how many there were.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn sweep_reports(&self) -> Result<usize, Fault> {
        let (store, mut swept) = (&self.0.store, 0);
        loop {
            let reports = queries::over(store.reader(), self.0.now(), SWEEP_REPORTS_MAX).await?;
            if reports.is_empty() {
                return Ok(swept);
            }
            let Ok(done) = store.writer().run(Sweep { reports }).await?;
            swept += done;
            if done == 0 {
                return Ok(swept); // the reader lags, or another process sweeps too
            }
        }
    }
}

/// Reads the lines of one report. Between two pages nothing is held but the lines that were read and not yet given.
pub struct ReportReader {
    reader: Reader,
    turn: Arc<Semaphore>,
    report: ReportRow,
    payments: Walk<PaymentRow>,
    operations: Walk<AttemptRow>,
    /// Those not given yet; `None` before they are read.
    disputes: Option<VecDeque<AttemptRow>>,
    /// Operations that are read, with their payments.
    steps: VecDeque<Step>,
    payouts: Walk<PayoutRow>,
}

impl ReportReader {
    fn new(reader: Reader, turn: Arc<Semaphore>, clock: &db::PlatformClock, report: ReportRow) -> Self {
        Self {
            payments: Walk::new(clock, &report),
            operations: Walk::new(clock, &report),
            disputes: None,
            payouts: Walk::new(clock, &report),
            steps: VecDeque::new(),
            reader,
            turn,
            report,
        }
    }

    /// The report.
    pub fn report(&self) -> &ReportRow {
        &self.report
    }

    /// The next lines, never none; `None` at the end.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn next(&mut self) -> Result<Option<Lines>, Fault> {
        let Self { reader, turn, report, .. } = self;
        match report.kind {
            ReportKind::Payments => loop {
                if self.payments.is_over(reader, turn).await? {
                    return Ok(None);
                }
                let rows = self.payments.read.drain(..).filter(|payment| report.wants_payment(payment));
                let rows: Vec<_> = rows.collect();
                if !rows.is_empty() {
                    return Ok(Some(Lines::Payments(rows)));
                }
            },
            ReportKind::Payouts => loop {
                if self.payouts.is_over(reader, turn).await? {
                    return Ok(None);
                }
                let rows: Vec<_> = self.payouts.read.drain(..).filter(|payout| report.wants_payout(payout)).collect();
                if !rows.is_empty() {
                    return Ok(Some(Lines::Payouts(rows)));
                }
            },
            ReportKind::Transactions => loop {
                match self.next_steps().await? {
                    Some(steps) if steps.is_empty() => {}
                    steps => return Ok(steps.map(Lines::Transactions)),
                }
            },
        }
    }

    /// First steps and later ones in the order in which they were made, as far as both are read; `None` at the end.
    async fn next_steps(&mut self) -> Result<Option<Vec<Step>>, Fault> {
        self.read_steps().await?;
        let Self { reader, turn, report, payments, steps, .. } = self;
        let (no_payments, no_operations) = (payments.is_over(reader, turn).await?, steps.is_empty());
        if no_payments && no_operations {
            return Ok(None);
        }
        let mut merged = Vec::new();
        loop {
            let (payment, step) = (payments.read.front(), steps.front());
            let made = |step: &Step| step.operation.as_ref().map(|operation| operation.created_at);
            let payment_first = match (payment, step) {
                (Some(payment), Some(step)) => made(step).is_none_or(|made| payment.created_at <= made),
                (Some(_), None) => true,
                (None, _) => false,
            };
            // One list has run dry and goes on: what comes next is not known yet.
            if payment.is_none() && !no_payments || step.is_none() && !no_operations {
                break;
            }
            if payment_first {
                merged.extend(payments.read.pop_front().map(|payment| Step { payment, operation: None }));
            } else if let Some(step) = steps.pop_front() {
                merged.push(step);
            } else {
                break;
            }
        }
        merged.retain(|step| match &step.operation {
            Some(operation) => report.wants_operation(&step.payment, operation),
            None => report.wants_payment(&step.payment),
        });
        Ok(Some(merged))
    }

    /// Reads later steps where none are at hand.
    async fn read_steps(&mut self) -> Result<(), Fault> {
        while self.steps.is_empty() {
            let found = self.next_operations().await?;
            if found.is_empty() {
                break;
            }
            let my_turn = self.turn.acquire().await;
            let of = payments_of(&self.reader, self.report.account_id, &found).await?;
            drop(my_turn);
            self.steps.extend(found.into_iter().filter_map(|operation| {
                let payment = of.get(&operation.payment_id)?.clone();
                Some(Step { payment, operation: Some(operation) })
            }));
        }
        Ok(())
    }

    /// A page of operations with the disputes of their time among them; none at the end.
    async fn next_operations(&mut self) -> Result<Vec<AttemptRow>, Fault> {
        let Self { reader, turn, report, operations, disputes, .. } = self;
        let is_last = operations.is_over(reader, turn).await?;
        let mut found = Vec::from(std::mem::take(&mut operations.read));
        let disputes = match disputes {
            Some(disputes) => disputes,
            None => disputes.insert(queries::disputes(reader, report).await?.into()),
        };
        let until = found.last().map(|last| last.created_at);
        while let Some(dispute) = disputes.pop_front_if(|dispute| is_last || Some(dispute.created_at) <= until) {
            found.push(dispute);
        }
        found.sort_by_key(|operation| operation.created_at);
        Ok(found)
    }
}

/// A walk along the rows of a table, a page at a time.
struct Walk<T: Walked> {
    range: Range<T::Id>,
    /// Read and not yet given.
    read: VecDeque<T>,
    /// There is nothing behind `read`.
    is_last: bool,
}

impl<K, T: Walked<Id = Id<K>>> Walk<T> {
    fn new(clock: &db::PlatformClock, report: &ReportRow) -> Self {
        let (account, from, until) = (report.account_id, report.start_at, report.until());
        let Ids { after, before } = Ids::<K>::of(clock, Some(from), Some(until));
        Self { range: Range { account, after, before, from, until }, read: VecDeque::new(), is_last: false }
    }

    /// Whether nothing is left; reads the next page if nothing is at hand.
    async fn is_over(&mut self, reader: &Reader, turn: &Semaphore) -> Result<bool, Fault> {
        if self.read.is_empty() && !self.is_last {
            let my_turn = turn.acquire().await;
            self.read = T::page(reader, self.range).await?.into();
            drop(my_turn);
            self.is_last = self.read.len() < queries::LINES_PAGE_MAX as usize;
            if let Some(last) = self.read.back() {
                self.range.after = last.id();
            }
        }
        Ok(self.read.is_empty())
    }
}
