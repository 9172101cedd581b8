//! Reads of stored payment methods that are not part of a decision.

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, AttemptId, CustomerId, PaymentMethodId};
use uuid::Uuid;

use super::rows::PaymentMethodRow;
use super::types::MethodStatus;
use crate::types::AttemptState;

/// Stored methods of one customer that are listed at most.
const LISTED_MAX: u32 = 1_000;

// $3 an attempt that waits for its payer.
static METHOD: Sql = sql!(
    "SELECT {}, (SELECT last_method FROM customer AS c WHERE c.account_id = payment_method.account_id AND c.id = customer_id),
            (SELECT attempt_id FROM payment AS p WHERE p.account_id = payment_method.account_id AND p.id = payment_id AND p.attempt = $3)
       FROM payment_method WHERE account_id = $1 AND id = $2",
    PaymentMethodRow
);

static BY_TOKEN: Sql = sql!("SELECT {} FROM payment_method WHERE vaulted_token = $1 AND account_id = $2", PaymentMethodRow);

// Ids are ordered by time.
static OF_CUSTOMER: Sql = sql!(
    "SELECT {}, (SELECT last_method FROM customer AS c WHERE c.account_id = payment_method.account_id AND c.id = customer_id),
            (SELECT attempt_id FROM payment AS p WHERE p.account_id = payment_method.account_id AND p.id = payment_id AND p.attempt = $5)
       FROM payment_method WHERE customer_id = $1 AND account_id = $2 AND status <> $3 ORDER BY id DESC LIMIT $4",
    PaymentMethodRow
);

static SEEN_OF_CUSTOMER: Sql =
    sql!("SELECT id, number_record FROM payment_method WHERE customer_id = $1 AND account_id = $2 ORDER BY id");

pub(super) static EVERY_METHOD: Sql = sql!(
    "SELECT {},
            (SELECT COUNT(*) FROM customer AS c WHERE c.account_id = payment_method.account_id AND c.id = customer_id),
            (SELECT COUNT(*) FROM vault_record AS v WHERE v.account_id = payment_method.account_id AND v.id = number_record),
            (SELECT method_id FROM customer_card AS k WHERE k.account_id = payment_method.account_id
                AND k.customer_id = payment_method.customer_id AND k.fingerprint = payment_method.fingerprint),
            (SELECT attempt FROM payment AS p WHERE p.account_id = payment_method.account_id AND p.id = payment_id)
       FROM payment_method ORDER BY account_id, id",
    PaymentMethodRow
);

pub(super) static CARDS_WITHOUT_METHOD: Sql = sql!(
    "SELECT method_id FROM customer_card AS k WHERE NOT EXISTS (
        SELECT 1 FROM payment_method AS m WHERE m.account_id = k.account_id AND m.id = k.method_id
           AND m.customer_id = k.customer_id AND m.fingerprint = k.fingerprint AND m.status IN ($1, $2))
      ORDER BY method_id"
);

// What a token names must be there as long as its card is.
pub(super) static TOKENS_WITHOUT_CARD: Sql = sql!(
    "SELECT id FROM token AS t WHERE erased_at IS NULL AND (
        NOT EXISTS (SELECT 1 FROM vault_record AS v WHERE v.account_id = t.account_id AND v.id = t.number_record)
        OR (code_record IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM vault_record AS v WHERE v.account_id = t.account_id AND v.id = t.code_record)))
      ORDER BY id"
);

pub(super) static TOKENS_TOO_LATE: Sql = sql!("SELECT id FROM token WHERE erased_at IS NULL AND expires_at <= $1 ORDER BY id");

pub(super) static REFERENCES_ASTRAY: Sql = sql!(
    "SELECT customer_id FROM customer_reference AS r WHERE NOT EXISTS (
        SELECT 1 FROM customer AS c WHERE c.account_id = r.account_id AND c.id = r.customer_id
           AND c.merchant_customer_id = r.merchant_customer_id AND c.deleted_at IS NULL)
     UNION ALL
     SELECT id FROM customer AS c WHERE deleted_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM customer_reference AS r WHERE r.account_id = c.account_id
           AND r.merchant_customer_id = c.merchant_customer_id AND r.customer_id = c.id)
      ORDER BY 1"
);

pub(super) static CUSTOMERS_NAMED: Sql = sql!(
    "SELECT account_id, customer_id FROM payment WHERE customer_id IS NOT NULL
      UNION ALL SELECT account_id, customer_id FROM customer_session
      UNION ALL SELECT account_id, customer_id FROM checkout_session WHERE customer_id IS NOT NULL
     EXCEPT SELECT account_id, id FROM customer"
);

/// A method as it was found.
pub(super) struct Found {
    pub(super) method: PaymentMethodRow,
    /// Whether it is the one its customer paid with last.
    pub(super) last: bool,
    /// The attempt that checks its card, while that waits for the payer.
    pub(super) asked: Option<AttemptId>,
}

fn found(record: &db::Record) -> Result<Found, Fault> {
    let method: PaymentMethodRow = record.row(0)?;
    let first = <PaymentMethodRow as db::Table>::META.columns.len();
    let last: Option<PaymentMethodId> = record.get(first)?;
    let last = last == Some(method.id);
    Ok(Found { method, last, asked: record.get(first + 1)? })
}

/// One method.
pub(super) async fn method(reader: &Reader, account: AccountId, id: PaymentMethodId) -> Result<Option<Found>, Fault> {
    reader.one(&METHOD, args![account, id, AttemptState::AwaitingPayer]).await?.as_ref().map(found).transpose()
}

/// The method that is charged by this.
pub(super) async fn by_token(reader: &Reader, account: AccountId, token: Uuid) -> Result<Option<PaymentMethodRow>, Fault> {
    reader.row(&BY_TOKEN, args![token, account]).await
}

/// A customer's methods but for those that were taken off, newest first.
pub(super) async fn of_customer(reader: &Reader, account: AccountId, customer: CustomerId) -> Result<Vec<Found>, Fault> {
    let records = reader
        .list(&OF_CUSTOMER, args![customer, account, MethodStatus::Unenrolled, LISTED_MAX, AttemptState::AwaitingPayer])
        .await?;
    records.iter().map(found).collect()
}

/// All methods of a customer, whatever became of them, each with where its number is sealed.
pub(crate) async fn seen_of(reader: &Reader, account: AccountId, customer: CustomerId) -> Result<Vec<Seen>, Fault> {
    let records = reader.list(&SEEN_OF_CUSTOMER, args![customer, account]).await?;
    records.iter().map(|record| Ok(Seen { id: record.get(0)?, number: record.get(1)? })).collect()
}

/// A method as it was seen before a decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) id: PaymentMethodId,
    /// The sealed number, while it has one.
    pub(crate) number: Option<Uuid>,
}
