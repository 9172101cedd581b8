//! Checks customers, tokens and stored methods: part of the invariants I3 and I8.

use db::{Fault, Snapshot, Table, args};
use kernel::verify::Report;
use kernel::{PaymentMethodId, Timestamp};
use uuid::Uuid;

use super::queries::{
    CARDS_WITHOUT_METHOD, CUSTOMERS_NAMED, EVERY_METHOD, REFERENCES_ASTRAY, TOKENS_TOO_LATE, TOKENS_WITHOUT_CARD,
};
use super::rows::PaymentMethodRow;
use super::types::MethodStatus;
use crate::types::AttemptState;
use crate::verify::{NAMED, Rule};

pub(crate) const CODES_GONE: Rule = ("I8.c", "no security code outlives its token");

/// How long after its end a token's card may still be there: the sweeper comes every half minute.
const GRACE_SECONDS: i64 = 5 * 60;

/// Checks everything of these tables that another row names, and that nothing is kept longer than it may be.
pub(crate) async fn verify(snapshot: &Snapshot, now: Timestamp, settled: bool, report: &mut Report) -> Result<(), Fault> {
    report.checked(CODES_GONE.0, CODES_GONE.1, 0);
    snapshot
        .each(&EVERY_METHOD, args![], |record| {
            report.checked(NAMED.0, NAMED.1, 1);
            let row: PaymentMethodRow = record.row(0)?;
            let first = <PaymentMethodRow as Table>::META.columns.len();
            let (customers, records): (i64, i64) = (record.get(first)?, record.get(first + 1)?);
            let named = Named { customers, records, card: record.get(first + 2)?, payment: record.get(first + 3)? };
            check(&row, &named, settled, report);
            Ok(())
        })
        .await?;
    let usable = args![MethodStatus::Enrolled, MethodStatus::Error];
    for (query, parameters, what) in [
        (&CARDS_WITHOUT_METHOD, usable, "enrolled method of a customer's card"),
        (&TOKENS_WITHOUT_CARD, args![], "sealed card of a token"),
        (&REFERENCES_ASTRAY, args![], "a customer and the name it is found by"),
    ] {
        snapshot
            .each(query, parameters, |record| {
                report.broken(NAMED.0, what, record.get::<Uuid>(0)?, "it exists", "it does not");
                Ok(())
            })
            .await?;
    }
    snapshot
        .each(&CUSTOMERS_NAMED, args![], |record| {
            report.broken(NAMED.0, "a customer", record.get::<Uuid>(1)?, "it exists", "it does not");
            Ok(())
        })
        .await?;
    snapshot
        .each(&TOKENS_TOO_LATE, args![now.plus_seconds(-GRACE_SECONDS)], |record| {
            report.broken(CODES_GONE.0, "token whose time is over", record.get::<Uuid>(0)?, "its card is destroyed", "it is not");
            Ok(())
        })
        .await
}

/// What a method names, as found.
struct Named {
    customers: i64,
    records: i64,
    card: Option<PaymentMethodId>,
    payment: Option<AttemptState>,
}

fn check(row: &PaymentMethodRow, named: &Named, settled: bool, report: &mut Report) {
    let place = format!("payment method {}", row.id);
    let mut expect = |what: &str, good: bool, expected: &str, found: String| {
        if !good {
            report.broken(NAMED.0, what, &place, expected, found);
        }
    };
    if row.customer_id.is_some() {
        expect("its customer", named.customers == 1, "one", named.customers.to_string());
    }
    let stored = i64::from(row.number_record.is_some());
    expect("its number", named.records == stored, "as many as it names", named.records.to_string());
    let may = match row.status {
        MethodStatus::Enrolled | MethodStatus::EnrollInProcess => row.number_record.is_some(),
        MethodStatus::Error => true,
        MethodStatus::ReadyToEnroll | MethodStatus::Declined | MethodStatus::Expired | MethodStatus::Unenrolled => {
            row.number_record.is_none()
        }
    };
    expect("its number", may, "what its status says", format!("{:?}", row.status));
    let known = row.card_key().is_none() || named.card == Some(row.id);
    let enrolled = row.status == MethodStatus::Enrolled;
    expect("its customer's card", known || !enrolled, "this method", "another".to_owned());
    if row.status == MethodStatus::EnrollInProcess {
        let open = named.payment.is_some_and(AttemptState::is_open) && !settled;
        let asked = named.payment == Some(AttemptState::AwaitingPayer);
        expect("the payment it waits for", open || asked, "one under way", format!("{:?}", named.payment));
    }
}
