//! A report as it is shown.

use kernel::{AccountId, ReportId, Timestamp};
use payments::reports::ReportRow;

use crate::view::{Word, drawn, view};

view! {
    /// A report.
    pub(in crate::api::v1) struct ReportView<'a> as "Report" {
        id: ReportId,
        account_id: AccountId,
        /// PAYMENTS, TRANSACTIONS or PAYOUTS.
        kind as "type": Word,
        /// `COMPLETED`: it can be downloaded. A report is completed as soon as it is made; `IN_PROCESS` and `FAILED` do not occur.
        status: Word,
        start_date: Timestamp,
        end_date: Timestamp,
        merchant_reference_id: Option<&'a str>,
        created_at: Timestamp,
        updated_at: Timestamp,
        /// From then on there is no such report any more.
        expires_at: Timestamp,
    }
}

impl ReportView<'_> {
    /// Of this one.
    pub(super) fn of(report: &ReportRow) -> ReportView<'_> {
        ReportView {
            id: report.id,
            account_id: report.account_id,
            kind: Word(report.kind.wire()),
            status: Word("COMPLETED"),
            start_date: report.start_at,
            end_date: report.end_at,
            merchant_reference_id: report.merchant_reference.as_deref(),
            created_at: report.created_at,
            updated_at: report.created_at,
            expires_at: report.expires_at,
        }
    }

    /// Drawn.
    pub(super) fn drawn(report: &ReportRow) -> Vec<u8> {
        drawn(&ReportView::of(report))
    }
}
