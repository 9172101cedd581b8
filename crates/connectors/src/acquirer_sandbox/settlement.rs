//! Its settlement file: what it pays for charges, less its cost, and takes back for refunds, as an acquirer would send it.

use std::fmt::Write as _;

use kernel::{AttemptId, FeeRate, Money};

use super::rows::{Operation, ReceivedRow};

/// What it keeps of a charge: 0.3 %, rounded half up.
const COST: FeeRate = FeeRate { basis_points: 30, fixed_minor: 0 };
/// Characters of a date.
const DATE_CHARS: usize = 10;

/// The first line of the file.
pub const SETTLEMENT_HEADER: &str = "kind,attempt_id,acquirer_reference,currency,gross_amount,cost,net_amount,settled_on\r\n";

/// Part of the file.
#[derive(Clone, Debug)]
pub struct SettlementPage {
    /// Its lines, each with its end.
    pub lines: String,
    /// Where the next page begins; `None` at the end.
    pub next: Option<AttemptId>,
}

/// The lines of some of its rows. Nothing in them needs quotes.
pub(super) fn page(rows: &[ReceivedRow], limit: u32) -> SettlementPage {
    let mut lines = String::new();
    for row in rows {
        let Some(amount) = row.money() else { continue };
        let is_refund = row.operation == Operation::Refund;
        let (kind, gross) = if is_refund { ("REFUND", -amount.minor()) } else { ("CHARGE", amount.minor()) };
        let cost = if is_refund { 0 } else { COST.fee(amount.minor()) };
        let [gross, cost, net] = [gross, cost, gross - cost].map(|minor| text(Money::new(minor, amount.currency())));
        let (attempt, id, currency) = (row.attempt_id, row.id, amount.currency().code());
        let day: String = row.created_at.to_string().chars().take(DATE_CHARS).collect();
        write!(lines, "{kind},{attempt},{id},{currency},{gross},{cost},{net},{day}\r\n").expect("a text takes everything");
    }
    let is_full = rows.len() >= limit as usize;
    SettlementPage { lines, next: rows.last().filter(|_| is_full).map(|last| last.attempt_id) }
}

fn text(money: Money) -> String {
    let mut text = String::new();
    money.push_full_decimal_text(&mut text);
    text
}
