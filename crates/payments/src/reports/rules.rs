//! What may be reported, and what belongs on a report.

use kernel::time::MICROS_PER_DAY;
use kernel::{Country, Currency, Timestamp};

use super::rows::ReportRow;
use super::types::{CreateReport, ReportKind};
use crate::error::Refusal;
use crate::payouts::PayoutRow;
use crate::rows::{AttemptRow, PaymentRow};
use crate::types::{AttemptKind, AttemptState};

/// Longest time a report is about, in days: two months.
pub const REPORTED_DAYS_MAX: i64 = 62;
/// How long a report can be downloaded, in seconds: seven days.
pub const REPORT_SECONDS: i64 = 7 * 86_400;

/// Whether such a report can be made.
///
/// # Errors
/// [`Refusal::InvalidDate`].
pub(super) fn judge(ask: &CreateReport) -> Result<(), Refusal> {
    if ask.end_at <= ask.start_at {
        return Err(Refusal::InvalidDate("end_date: must be after start_date"));
    }
    if ask.end_at.micros_since(ask.start_at) > REPORTED_DAYS_MAX * MICROS_PER_DAY {
        return Err(Refusal::InvalidDate("end_date: must be at most 62 days after start_date"));
    }
    Ok(())
}

impl ReportRow {
    /// Whether it can still be downloaded.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Until when what it lists was made, that moment left out.
    pub(super) fn until(&self) -> Timestamp {
        self.end_at.min(self.created_at.plus_micros(1))
    }

    fn wants(&self, currency: Currency, country: Country) -> bool {
        let named = |list: Option<&str>, code| list.is_none_or(|list| list.split(',').any(|one| one == code));
        named(self.currencies.as_deref(), currency.code()) && named(self.countries.as_deref(), country.code())
    }

    /// Whether a payment belongs on it, as far as it is not a matter of its steps.
    pub(super) fn wants_payment(&self, payment: &PaymentRow) -> bool {
        self.payment_states.contains(payment.state) && self.wants(payment.currency, payment.country)
    }

    /// Whether a step of a payment that belongs on it does.
    pub fn wants_step(&self, kind: AttemptKind, state: AttemptState) -> bool {
        self.transaction_kinds.contains(kind) && self.transaction_states.contains(state)
    }

    /// Whether a later attempt of a payment belongs on it.
    pub(super) fn wants_operation(&self, payment: &PaymentRow, operation: &AttemptRow) -> bool {
        self.wants_payment(payment) && self.wants_step(operation.kind, operation.state)
    }

    /// Whether a payout belongs on it.
    pub(super) fn wants_payout(&self, payout: &PayoutRow) -> bool {
        self.transaction_states.contains(payout.state) && self.wants(payout.currency, payout.country)
    }

    /// A word for its file.
    pub fn file_name(&self) -> String {
        let word = match self.kind {
            ReportKind::Payments => "payments",
            ReportKind::Transactions => "transactions",
            ReportKind::Payouts => "payouts",
        };
        format!("{word}-{}.csv", self.id)
    }
}
