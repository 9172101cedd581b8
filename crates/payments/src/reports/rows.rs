//! The table of reports: one row per report.

use std::sync::Arc;

use kernel::{AccountId, ReportId, Timestamp};

use super::types::ReportKind;
use crate::codes::Codes;
use crate::types::{AttemptKind, AttemptState, PaymentState};

db::row! {
    /// What a report lists.
    pub struct ReportRow: "report" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id.
              id: ReportId }
        once { /// What its lines are.
               kind: ReportKind,
               /// Only what was made at this time or later.
               start_at: Timestamp,
               /// Only what was made before this time.
               end_at: Timestamp,
               /// The merchant's own name for it.
               merchant_reference: Option<Arc<str>>,
               /// Only payments in these states, and their transactions.
               payment_states: Codes<PaymentState>,
               /// Only transactions of these types.
               transaction_kinds: Codes<AttemptKind>,
               /// Only transactions and payouts in these states.
               transaction_states: Codes<AttemptState>,
               /// Only what is in these currencies, separated by commas; any when absent.
               currencies: Option<Arc<str>>,
               /// Only what is in these countries, likewise.
               countries: Option<Arc<str>>,
               /// When it was made: what was made later is not on it.
               created_at: Timestamp,
               /// When its time is over.
               expires_at: Timestamp }
        state {}
    }
}
