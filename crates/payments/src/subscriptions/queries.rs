//! Reads of subscriptions outside decisions.

use std::sync::Arc;

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, Currency, Money, PaymentId, SubscriptionId, Timestamp};

use super::port::RenewalListener;
use super::rows::{SubscriptionPaymentRow, SubscriptionRow};
use super::types::SubscriptionState;
use crate::types::{AttemptState, PaymentState};

static SUBSCRIPTION: Sql = sql!("SELECT {} FROM subscription WHERE account_id = $1 AND id = $2", SubscriptionRow);

static DUE: Sql = sql!("SELECT {} FROM subscription WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2", SubscriptionRow);

// A customer that is null does not narrow the list. States are always seven: those wanted, the last one repeated. Ids are ordered by time.
static LIST: Sql = sql!(
    "SELECT {} FROM subscription
      WHERE account_id = $1 AND COALESCE($2, customer_id, '') = COALESCE(customer_id, '')
        AND state IN ($3, $4, $5, $6, $7, $8, $9) AND created_at >= $10 AND created_at <= $11
      ORDER BY id DESC LIMIT $12 OFFSET $13",
    SubscriptionRow
);

static COUNT: Sql = sql!(
    "SELECT COUNT(*) FROM subscription
      WHERE account_id = $1 AND COALESCE($2, customer_id, '') = COALESCE(customer_id, '')
        AND state IN ($3, $4, $5, $6, $7, $8, $9) AND created_at >= $10 AND created_at <= $11"
);

static PAYMENTS: Sql = sql!(
    "SELECT payment.id, payment.state, payment.currency, payment.amount, payment.created_at, payment.updated_at,
            made.cycle, made.attempt, made.forced
       FROM subscription_payment AS made
       JOIN payment ON payment.account_id = made.account_id AND payment.id = made.payment_id
      WHERE made.subscription_id = $1 AND made.account_id = $2
      ORDER BY made.cycle DESC, made.attempt DESC LIMIT $3 OFFSET $4"
);

static PAYMENTS_COUNT: Sql = sql!("SELECT COUNT(*) FROM subscription_payment WHERE subscription_id = $1 AND account_id = $2");

// What a receiver is to be told: charges after the first, between $2 and $3, of subscriptions in the states $4 and $5.
static CLOSE_TO_RENEWAL: Sql = sql!(
    "SELECT id FROM subscription
      WHERE account_id = $1 AND next_at > $2 AND next_at <= $3 AND state IN ($4, $5)
        AND cycle > 1 AND (cycle > trial_cycles OR trial_amount > 0) AND (finish_at IS NULL OR next_at < finish_at)
        AND NOT EXISTS (
            SELECT 1 FROM renewal_notice AS told
             WHERE told.account_id = subscription.account_id AND told.subscription_id = subscription.id
               AND told.webhook_id = $6 AND told.cycle >= subscription.cycle)
      ORDER BY next_at, id LIMIT $7"
);

// $1 succeeded.
pub(super) static CYCLES_PAID_TWICE: Sql = sql!(
    "SELECT made.subscription_id, made.cycle, CAST(COUNT(*) AS BIGINT)
       FROM subscription_payment AS made
       JOIN payment ON payment.account_id = made.account_id AND payment.id = made.payment_id
      WHERE payment.attempt = $1
      GROUP BY made.account_id, made.subscription_id, made.cycle HAVING COUNT(*) > 1
      ORDER BY made.subscription_id, made.cycle"
);

// $1 and $2 the open states.
pub(super) static SUBSCRIPTIONS_WITH_OPEN: Sql = sql!(
    "SELECT {}, o_payment
       FROM subscription
       LEFT JOIN (
            SELECT made.account_id AS o_account, made.subscription_id AS o_subscription, made.payment_id AS o_payment
              FROM subscription_payment AS made
              JOIN payment ON payment.account_id = made.account_id AND payment.id = made.payment_id
             WHERE payment.attempt IN ($1, $2, $3)) AS o
         ON o_account = account_id AND o_subscription = id
      ORDER BY account_id, id",
    SubscriptionRow
);

pub(super) static PAYMENTS_OF_NO_SUBSCRIPTION: Sql = sql!(
    "SELECT {} FROM subscription_payment
      WHERE NOT EXISTS (SELECT 1 FROM subscription
                         WHERE subscription.account_id = subscription_payment.account_id AND id = subscription_id)
         OR NOT EXISTS (SELECT 1 FROM payment
                         WHERE payment.account_id = subscription_payment.account_id AND id = payment_id)
      ORDER BY account_id, payment_id",
    SubscriptionPaymentRow
);

/// Which subscriptions to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this customer.
    pub customer_id: Option<Arc<str>>,
    /// Only those in one of these states; all when empty.
    pub states: Vec<SubscriptionState>,
    /// Only those made at this time or later.
    pub created_from: Option<Timestamp>,
    /// Only those made at this time or before.
    pub created_to: Option<Timestamp>,
}

/// Part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: i64,
}

/// A payment made for a cycle.
#[derive(Clone, Copy, Debug)]
pub struct CyclePayment {
    /// Its id.
    pub id: PaymentId,
    /// How it stands.
    pub state: PaymentState,
    /// How much.
    pub amount: Money,
    /// For which cycle.
    pub cycle: i64,
    /// Tries at the cycle before this one.
    pub attempt: i64,
    /// The merchant asked for it.
    pub forced: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One subscription.
pub(crate) async fn subscription(
    reader: &Reader,
    account: AccountId,
    id: SubscriptionId,
) -> Result<Option<SubscriptionRow>, Fault> {
    reader.row(&SUBSCRIPTION, args![account, id]).await
}

/// Subscriptions to be looked at by `now`, the longest due first.
pub(crate) async fn due(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<SubscriptionRow>, Fault> {
    reader.rows(&DUE, args![now, limit]).await
}

/// Subscriptions of whose renewal a receiver is to be told by `now`, the nearest first.
pub(super) async fn close_to_renewal(
    reader: &Reader,
    account: AccountId,
    to: RenewalListener,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<SubscriptionId>, Fault> {
    let (trialing, active) = (SubscriptionState::Trialing, SubscriptionState::Active);
    let values = args![account, now, now.plus_days(to.days), trialing, active, to.webhook_id, limit];
    reader.list(&CLOSE_TO_RENEWAL, values).await?.iter().map(|record| record.get(0)).collect()
}

/// A page of subscriptions, newest first.
pub(crate) async fn list(
    reader: &Reader,
    account: AccountId,
    filter: &Filter,
    limit: u32,
    offset: i64,
) -> Result<Page<SubscriptionRow>, Fault> {
    let wanted = if filter.states.is_empty() { SubscriptionState::ALL } else { &filter.states };
    let state = |at: usize| wanted.get(at).or(wanted.last()).copied();
    let (from, to) = (filter.created_from.unwrap_or(Timestamp::MIN), filter.created_to.unwrap_or(Timestamp::MAX));
    let (s1, s2, s3, s4, s5, s6, s7) = (state(0), state(1), state(2), state(3), state(4), state(5), state(6));
    let customer = || filter.customer_id.clone();
    let items = reader.rows(&LIST, args![account, customer(), s1, s2, s3, s4, s5, s6, s7, from, to, limit, offset]).await?;
    let total = reader.one(&COUNT, args![account, customer(), s1, s2, s3, s4, s5, s6, s7, from, to]).await?;
    Ok(Page { items, total: total.map_or(Ok(0), |record| record.get(0))? })
}

/// A page of the payments made for a subscription, the latest cycle first.
pub(crate) async fn payments(
    reader: &Reader,
    account: AccountId,
    id: SubscriptionId,
    limit: u32,
    offset: i64,
) -> Result<Page<CyclePayment>, Fault> {
    let records = reader.list(&PAYMENTS, args![id, account, limit, offset]).await?;
    let items = records
        .iter()
        .map(|record| {
            Ok(CyclePayment {
                id: record.get(0)?,
                state: record.get(1)?,
                amount: Money::new(record.get(3)?, record.get::<Currency>(2)?),
                created_at: record.get(4)?,
                updated_at: record.get(5)?,
                cycle: record.get(6)?,
                attempt: record.get(7)?,
                forced: record.get(8)?,
            })
        })
        .collect::<Result<_, Fault>>()?;
    let total = reader.one(&PAYMENTS_COUNT, args![id, account]).await?;
    Ok(Page { items, total: total.map_or(Ok(0), |record| record.get(0))? })
}

/// The states of payments under way.
pub(super) const OPEN: [AttemptState; 3] = [AttemptState::Sending, AttemptState::Unknown, AttemptState::AwaitingPayer];
