//! The lines of reports.

use kernel::Money;
use payments::payouts::PayoutRow;
use payments::reports::{Lines, ReportKind, ReportRow, Step};
use payments::{AttemptState, Challenges, OperationFacts, PaymentFacts, PaymentRow, TransactionFacts};

use super::csv::{Line, Table};
use super::transaction::Echo;
use crate::api::v1::details::{OperationDetails, PaymentDetails, PayoutDetails, unpacked};

const PAYMENTS: [&str; 24] = [
    "id",
    "created_at",
    "updated_at",
    "merchant_order_id",
    "merchant_reference",
    "status",
    "sub_status",
    "country",
    "currency",
    "amount",
    "captured",
    "refunded",
    "payment_method",
    "card_brand",
    "card_iin",
    "card_last_four",
    "connector",
    "provider_id",
    "response_code",
    "description",
    "customer_id",
    "checkout_session",
    "subscription_code",
    "payment_link_id",
];

const TRANSACTIONS: [&str; 19] = [
    "id",
    "payment_id",
    "created_at",
    "updated_at",
    "merchant_order_id",
    "merchant_reference",
    "type",
    "status",
    "payment_status",
    "country",
    "currency",
    "amount",
    "fee",
    "response_code",
    "connector",
    "provider_id",
    "provider_transaction_id",
    "authorization_code",
    "reason",
];

const PAYOUTS: [&str; 15] = [
    "id",
    "transaction_id",
    "created_at",
    "updated_at",
    "merchant_reference",
    "status",
    "country",
    "currency",
    "amount",
    "fee",
    "purpose",
    "description",
    "response_code",
    "connector",
    "provider_transaction_id",
];

/// The names of the columns.
pub(in crate::api::v1) fn report_header(kind: ReportKind) -> Vec<u8> {
    let mut table = Table::default();
    match kind {
        ReportKind::Payments => table.header(&PAYMENTS),
        ReportKind::Transactions => table.header(&TRANSACTIONS),
        ReportKind::Payouts => table.header(&PAYOUTS),
    }
    table.into_bytes()
}

/// Some lines.
pub(in crate::api::v1) fn report_lines(report: &ReportRow, lines: &Lines, challenges: &Challenges) -> Vec<u8> {
    let mut table = Table::default();
    match lines {
        Lines::Payments(rows) => rows.iter().for_each(|payment| payment_line(&mut table, payment)),
        Lines::Transactions(rows) => rows.iter().for_each(|step| step_lines(&mut table, report, step, challenges)),
        Lines::Payouts(rows) => rows.iter().for_each(|payout| payout_line(&mut table, payout)),
    }
    table.into_bytes()
}

fn payment_line(table: &mut Table, payment: &PaymentRow) {
    let details: PaymentDetails<'_> = unpacked(payment.details.as_deref());
    let card = payment.card.as_ref().and_then(payments::CardFace::parts);
    let amount = |minor| Money::new(minor, payment.currency);
    let mut line = table.line();
    line.id(payment.id);
    line.time(payment.created_at);
    line.time(payment.updated_at);
    line.text(Some(&payment.merchant_order_id));
    line.text(details.merchant_reference.as_deref());
    line.word(payment.state.status());
    line.word(payment.state.sub_status());
    line.word(payment.country.code());
    line.word(payment.currency.code());
    line.money(payment.money());
    // Not as the API shows it: whoever adds up wants what was taken, by a purchase too.
    line.money(amount(payment.captured));
    line.money(amount(payment.refunded));
    line.word("CARD");
    line.text(card.as_ref().map(|card| card.brand));
    line.text(card.as_ref().map(|card| card.iin));
    line.text(card.as_ref().map(|card| card.last4));
    line.word(payment.connector.name());
    line.word(payment.connector.provider_id());
    line.text(payment.said().map(|said| said.code));
    line.text(Some(&payment.description));
    line.text(payment.customer_id.map(|id| id.to_string()).as_deref());
    line.text(payment.checkout_session.map(|id| id.to_string()).as_deref());
    line.text(details.subscription_code.as_deref());
    line.text(details.payment_link_id.as_deref());
}

fn step_lines(table: &mut Table, report: &ReportRow, step: &Step, challenges: &Challenges) {
    let payment = &step.payment;
    if let Some(operation) = &step.operation {
        let details: OperationDetails<'_> = unpacked(operation.details.as_deref());
        let transaction = OperationFacts { payment, operation }.transaction();
        transaction_line(&mut table.line(), payment, &transaction, &Echo::of_operation(&details), operation.fee);
        return;
    }
    let details: PaymentDetails<'_> = unpacked(payment.details.as_deref());
    let echo = Echo::of_payment(&details, &payment.description);
    let facts = PaymentFacts { payment, operations: &[], history: true, raw: false, challenges };
    for transaction in facts.transactions().filter(|one| report.wants_step(one.kind, one.state)) {
        transaction_line(&mut table.line(), payment, &transaction, &echo, payment.fee);
    }
}

/// `fee`: what the transaction costs if it succeeds.
fn transaction_line(line: &mut Line<'_>, payment: &PaymentRow, one: &TransactionFacts<'_>, echo: &Echo<'_>, fee: i64) {
    let fee = if one.state == AttemptState::Succeeded { fee } else { 0 };
    line.id(one.id);
    line.id(payment.id);
    line.time(one.created_at);
    line.time(one.updated_at);
    line.text(Some(&payment.merchant_order_id));
    line.text(echo.merchant_reference);
    line.word(one.kind.wire());
    line.word(one.state.wire());
    line.word(payment.state.status());
    line.word(payment.country.code());
    line.word(one.amount.currency().code());
    line.money(one.amount);
    line.money(Money::new(fee, payment.currency));
    line.text(one.said.map(|said| said.code));
    line.word(one.connector.name());
    line.word(one.connector.provider_id());
    line.text(one.said.and_then(|said| said.reference));
    line.text(one.said.and_then(|said| said.authorization_code));
    line.text(echo.reason);
}

fn payout_line(table: &mut Table, payout: &PayoutRow) {
    let details: PayoutDetails<'_> = unpacked(payout.details.as_deref());
    let fee = if payout.state == AttemptState::Succeeded { payout.fee } else { 0 };
    let mut line = table.line();
    line.id(payout.id);
    line.id(payout.attempt_id);
    line.time(payout.created_at);
    line.time(payout.updated_at);
    line.text(Some(&payout.merchant_reference));
    line.word(payout.state.wire());
    line.word(payout.country.code());
    line.word(payout.currency.code());
    line.money(payout.money());
    line.money(Money::new(fee, payout.currency));
    line.text(details.purpose.as_deref());
    line.text(details.description.as_deref());
    line.text(payout.said().map(|said| said.code));
    line.word(payout.connector.name());
    line.text(payout.said().and_then(|said| said.reference));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_written_down_in_their_order() {
        let words = include_str!("../../../../../../docs/api/README.md");
        for (kind, columns) in [("PAYMENTS", &PAYMENTS[..]), ("TRANSACTIONS", &TRANSACTIONS[..]), ("PAYOUTS", &PAYOUTS[..])] {
            let line = words.lines().find_map(|line| line.strip_prefix(&format!("| `{kind}` | "))).expect("a line of the table");
            let named: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
            assert_eq!(named, columns, "{kind}");
        }
    }
}
