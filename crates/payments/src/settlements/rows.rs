//! The tables of settlements: one row per file, per currency of it, per thing settled, per difference.

use std::sync::Arc;

use kernel::{AccountId, Currency, PaymentId, SettlementId, Timestamp};
use uuid::Uuid;

use super::types::{Difference, LineKind};
use crate::types::Connector;

db::row! {
    /// A file of an acquirer that says what it settled.
    pub struct SettlementRow: "settlement" {
        key { /// Made of the acquirer and the file's bytes.
              id: SettlementId }
        once { /// Whose file.
               connector: Connector,
               /// What it was called when it was imported first.
               file_name: Arc<str>,
               /// How many lines it has, the header not counted.
               file_lines: u32,
               /// When its import began.
               began_at: Timestamp }
        state { /// The number of the last line that was taken; the header is line 1.
                through: u32,
                /// Lines that were matched.
                matched: u32,
                /// Lines that were not.
                differences: u32,
                /// When it was booked; absent while its import is not over.
                booked_at: Option<Timestamp> }
    }
}

db::row! {
    /// What the lines of a file add up to in one currency, in minor units.
    pub struct SettlementTotalRow: "settlement_total" {
        key { /// The file.
              settlement_id: SettlementId,
              /// The currency.
              currency: Currency }
        once {}
        state { /// What the acquirer owed for the lines that were matched.
                gross: i64,
                /// What it kept of that.
                cost: i64,
                /// What it paid.
                net: i64,
                /// How many lines were matched.
                matched: u32,
                /// How many were not.
                differences: u32,
                /// What the acquirer says it paid for these.
                unmatched_net: i64 }
    }
}

db::row! {
    /// Something that is settled: an attempt, or a fee of the acquirer.
    pub struct SettledRow: "settled" {
        key { /// The tenant; of a fee the platform.
              account_id: AccountId,
              /// The attempt; of a fee an id made of its name.
              attempt_id: Uuid }
        once { /// The attempt's payment; absent of a fee.
               payment_id: Option<PaymentId>,
               /// The file.
               settlement_id: SettlementId,
               /// The line of the file.
               line: u32,
               /// What the line is about.
               kind: LineKind,
               /// What the acquirer calls it.
               reference: Option<Arc<str>>,
               /// Of both amounts.
               currency: Currency,
               /// What the acquirer owed for it, in minor units.
               gross: i64,
               /// What it kept of that, in minor units.
               cost: i64,
               /// The day on which the acquirer paid.
               settled_on: Timestamp,
               /// When the line was taken.
               taken_at: Timestamp }
        state {}
    }
}

db::row! {
    /// A line of a file that was not matched.
    pub struct SettlementDifferenceRow: "settlement_difference" {
        key { /// The file.
              settlement_id: SettlementId,
              /// The line of the file.
              line: u32 }
        once { /// Why it was not.
               difference: Difference,
               /// What the line is about.
               kind: LineKind,
               /// What the line calls our attempt.
               named: Option<Arc<str>>,
               /// What the acquirer calls it.
               reference: Option<Arc<str>>,
               /// Of both amounts.
               currency: Currency,
               /// As the line says, in minor units.
               gross: i64,
               /// As the line says, in minor units.
               cost: i64,
               /// The day on which the acquirer paid.
               settled_on: Timestamp,
               /// Whose attempt it names, where there is one.
               account_id: Option<AccountId>,
               /// The attempt it names, or the fee.
               attempt_id: Option<Uuid>,
               /// The currency of that attempt.
               our_currency: Option<Currency>,
               /// What that attempt changes in what we are owed, in minor units.
               our_amount: Option<i64>,
               /// When the line was taken.
               taken_at: Timestamp }
        state {}
    }
}
