//! The decisions about reports.

use std::convert::Infallible;
use std::sync::Arc;

use db::{Command, Keys, Rows};
use idempotency::Reply;
use kernel::{AccountId, ReportId, Timestamp};

use super::rows::ReportRow;
use super::rules::{REPORT_SECONDS, judge};
use super::types::CreateReport;
use crate::commands::{Decision, json};
use crate::error::Refusal;

/// `POST /v1/reports`.
#[derive(Debug)]
pub(super) struct Create {
    pub(super) account_id: AccountId,
    /// The report's fresh id.
    pub(super) id: ReportId,
    pub(super) ask: CreateReport,
}

impl Create {
    fn row(&self, now: Timestamp) -> ReportRow {
        let (ask, filter) = (&self.ask, &self.ask.filter);
        ReportRow {
            account_id: self.account_id,
            id: self.id,
            kind: ask.kind,
            start_at: ask.start_at,
            end_at: ask.end_at,
            merchant_reference: ask.merchant_reference.clone(),
            payment_states: filter.payment_states,
            transaction_kinds: filter.transaction_kinds,
            transaction_states: filter.transaction_states,
            currencies: joined(filter.currencies.iter().map(|currency| currency.code())),
            countries: joined(filter.countries.iter().map(|country| country.code())),
            created_at: now,
            expires_at: now.plus_seconds(REPORT_SECONDS),
        }
    }
}

/// Words with commas between them; nothing when there are none.
fn joined(words: impl Iterator<Item = &'static str>) -> Option<Arc<str>> {
    let all = words.collect::<Vec<_>>().join(",");
    Some(all).filter(|all| !all.is_empty()).map(Arc::from)
}

impl Decision for Create {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.fresh::<ReportRow>((self.account_id, self.id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        judge(&self.ask)?;
        let row = self.row(now);
        let body = (self.ask.face)(&row);
        rows.append(row);
        Ok(json(201, body))
    }
}

/// Takes off reports whose time is over.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) reports: Vec<(AccountId, ReportId)>,
}

impl Command for Sweep {
    /// How many were taken off.
    type Reply = usize;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        for report in &self.reports {
            keys.row::<ReportRow>(*report);
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<usize, Infallible> {
        let mut swept = 0;
        for report in &self.reports {
            if rows.get::<ReportRow>(report).is_some_and(|row| !row.is_good(now)) {
                rows.delete::<ReportRow>(report);
                swept += 1;
            }
        }
        Ok(swept)
    }
}
