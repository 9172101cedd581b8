//! Reads that are not part of a decision.

use db::{Fault, Reader, Record, Sql, Table, args, sql};
use idempotency::{ClaimStatus, Scope};
use kernel::{AccountId, AttemptId, CheckoutSessionId, PaymentId, PayoutId, Timestamp};
use uuid::Uuid;

use crate::attempt::{Asked, Attempt};
use crate::facts::PaymentRead;
use crate::notifications::Event;
use crate::payouts;
use crate::retries;
use crate::rows::{AskingRow, AttemptRow, ChallengeRow, CheckoutSessionRow, NotificationRow, PaymentRow};
use crate::types::{AttemptKind, AttemptState};

// A payment and its later attempts are read at once: between two reads something may end, and the one would contradict the other. Later
// attempts are joined by the payment's id alone: the account beside it would lead SQLite to all attempts of the account.
static PAYMENT: Sql = sql!(
    "SELECT {p}, {a} FROM payment AS p LEFT JOIN attempt AS a ON a.payment_id = p.id AND a.state <> $3
      WHERE p.account_id = $1 AND p.id = $2 AND p.attempt <> $3
      ORDER BY a.id",
    PaymentRow,
    AttemptRow
);

static BY_SESSION: Sql = sql!(
    "SELECT {p}, {a} FROM payment AS p LEFT JOIN attempt AS a ON a.payment_id = p.id AND a.state <> $3
      WHERE p.account_id = $2
        AND p.id = (SELECT id FROM payment
                     WHERE checkout_session = $1 AND account_id = $2 AND attempt <> $3 ORDER BY id DESC LIMIT 1)
      ORDER BY a.id",
    PaymentRow,
    AttemptRow
);

// Ids are ordered by time.
static LATEST: Sql = sql!("SELECT {} FROM payment WHERE account_id = $1 AND attempt <> $2 ORDER BY id DESC LIMIT $3", PaymentRow);

static SESSION: Sql = sql!("SELECT {} FROM checkout_session WHERE account_id = $1 AND id = $2", CheckoutSessionRow);

pub(crate) static ATTEMPT: Sql = sql!("SELECT {} FROM attempt WHERE account_id = $1 AND id = $2", AttemptRow);

pub(crate) static ANY_PAYMENT: Sql = sql!("SELECT {} FROM payment WHERE account_id = $1 AND id = $2", PaymentRow);

static DUE_QUESTIONS: Sql = sql!("SELECT {} FROM asking WHERE next_ask_at <= $1 ORDER BY next_ask_at LIMIT $2", AskingRow);

/// What an operator's list of unknown outcomes reads.
pub(crate) static ALL_QUESTIONS: Sql = sql!("SELECT {} FROM asking ORDER BY since, attempt_id LIMIT $1", AskingRow);

static OPEN_QUESTIONS: Sql = sql!("SELECT COUNT(*), COALESCE(MIN(since), 0) FROM asking");

static OPEN_CLAIM: Sql = sql!("SELECT subject, request_id FROM claim WHERE account_id = $1 AND scope = $2 AND status <> $3");

// A capture under way may still succeed, so it is waited for.
static LAPSED: Sql =
    sql!("SELECT {} FROM payment WHERE hold_until <= $1 AND capturing = 0 ORDER BY hold_until LIMIT $2", PaymentRow);

/// One payment with its later attempts; `None` when there is none that may be shown.
pub(crate) async fn payment(reader: &Reader, account: AccountId, id: PaymentId) -> Result<Option<PaymentRead>, Fault> {
    Ok(with_operations(&reader.list(&PAYMENT, args![account, id, AttemptState::NotSent]).await?)?.pop())
}

/// The account's last payments without their later attempts, newest first.
pub(crate) async fn latest(reader: &Reader, account: AccountId, limit: u32) -> Result<Vec<PaymentRow>, Fault> {
    reader.rows::<PaymentRow>(&LATEST, args![account, AttemptState::NotSent, limit]).await
}

/// The latest payment of a checkout session.
pub(crate) async fn by_session(
    reader: &Reader,
    account: AccountId,
    session: CheckoutSessionId,
) -> Result<Option<PaymentRead>, Fault> {
    Ok(with_operations(&reader.list(&BY_SESSION, args![session, account, AttemptState::NotSent]).await?)?.pop())
}

/// Payments with their later attempts, of lines that each repeat the payment, one payment after the other; one without later attempts has
/// a line without one.
pub(crate) fn with_operations(lines: &[Record]) -> Result<Vec<PaymentRead>, Fault> {
    let own = PaymentRow::META.columns.len();
    let mut read: Vec<PaymentRead> = Vec::new();
    for line in lines {
        let payment = line.row::<PaymentRow>(0)?;
        let is_its_own = line.get::<Option<AccountId>>(own)? == Some(payment.account_id);
        if read.last().is_none_or(|last| last.payment.id != payment.id) {
            read.push(PaymentRead { payment, operations: Vec::new() });
        }
        if let Some(last) = read.last_mut().filter(|_| is_its_own) {
            last.operations.push(line.row::<AttemptRow>(own)?);
        }
    }
    Ok(read)
}

/// One checkout session.
pub(crate) async fn session(
    reader: &Reader,
    account: AccountId,
    id: CheckoutSessionId,
) -> Result<Option<CheckoutSessionRow>, Fault> {
    reader.row(&SESSION, args![account, id]).await
}

static CHALLENGE: Sql = sql!("SELECT {} FROM challenge WHERE token_hash = $1", ChallengeRow);

static ACCOUNT_NAME: Sql = sql!("SELECT name FROM account WHERE id = $1");

static DUE_CHALLENGES: Sql = sql!("SELECT {} FROM challenge WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2", ChallengeRow);

/// The challenge whose token has this hash, with its payment.
pub(crate) async fn challenge(reader: &Reader, token_hash: [u8; 16]) -> Result<Option<(ChallengeRow, PaymentRow)>, Fault> {
    let Some(row) = reader.row::<ChallengeRow>(&CHALLENGE, args![token_hash]).await? else { return Ok(None) };
    Ok(any_payment(reader, row.account_id, row.payment_id).await?.map(|payment| (row, payment)))
}

/// What an account calls itself.
pub(crate) async fn account_name(reader: &Reader, account: AccountId) -> Result<Option<std::sync::Arc<str>>, Fault> {
    reader.one(&ACCOUNT_NAME, args![account]).await?.map(|record| record.get(0)).transpose()
}

/// Challenges whose time is over at `now`, the longest over first.
pub(crate) async fn due_challenges(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<ChallengeRow>, Fault> {
    reader.rows(&DUE_CHALLENGES, args![now, limit]).await
}

/// The payment of a challenge.
pub(crate) async fn challenged(reader: &Reader, account: AccountId, id: PaymentId) -> Result<Option<PaymentRow>, Fault> {
    any_payment(reader, account, id).await
}

static WAITING_NOTIFICATIONS: Sql =
    sql!("SELECT {} FROM notification WHERE due_at <= $1 ORDER BY due_at LIMIT $2", NotificationRow);

// Results of attempts none of which is open any more, by the payment's id, and events that mean nothing here. Counted, because what
// counts is looked up for each line, while what merely exists may be joined by reading all payments; and by cases, because a condition
// more would tempt PostgreSQL to look for it in another index, all of it, as long as it has not counted a young table's rows.
static IDLE_NOTIFICATIONS: Sql = sql!(
    "SELECT id FROM notification AS n
      WHERE due_at <= $1 AND (event = $4 OR event <= $3 AND payment_id IS NOT NULL AND attempt_id IS NULL)
        AND (SELECT COUNT(CASE WHEN p.id = n.payment_id
                               THEN CASE WHEN p.attempt <= $5 OR p.attempt = $6
                                           OR (SELECT COUNT(CASE WHEN a.account_id = p.account_id AND a.state <= $5 THEN 1 END)
                                                 FROM attempt AS a WHERE a.payment_id = p.id) > 0 THEN 1 END END)
               FROM payment AS p WHERE p.merchant_order_id = n.merchant_order_id) = 0
      ORDER BY due_at LIMIT $2"
);

static PAYMENT_OF_ORDER: Sql =
    sql!("SELECT {} FROM payment WHERE merchant_order_id = $1 AND CASE WHEN id = $2 THEN 1 END = 1", PaymentRow);

// One acquirer names attempts: 2, Stripe. The number stands here so that the index of its charges serves.
static PAYMENT_OF_ATTEMPT: Sql = sql!("SELECT {} FROM payment WHERE attempt_id = $1 AND connector = 2", PaymentRow);

static ASKED_ABOUT: Sql = sql!("SELECT {} FROM asking WHERE attempt_id = $1", AskingRow);

static OPEN_DISPUTE: Sql = sql!("SELECT {} FROM attempt WHERE payment_id = $2 AND account_id = $1 AND state = $3", AttemptRow);

static WAS_DISPUTED: Sql = sql!("SELECT COUNT(*) FROM attempt WHERE payment_id = $2 AND account_id = $1 AND kind = $3");

static WAITING_DISPUTES: Sql =
    sql!("SELECT COUNT(*) FROM notification WHERE due_at IS NOT NULL AND payment_id = $1 AND event = $2 AND success");

static QUESTIONS_ABOUT: Sql = sql!("SELECT {} FROM asking WHERE account_id = $1 AND payment_id = $2", AskingRow);

static SENDING: Sql = sql!(
    "SELECT COUNT(*) FROM (
        SELECT id FROM payment WHERE account_id = $1 AND id = $2 AND attempt = $3
         UNION ALL
        SELECT id FROM attempt WHERE payment_id = $2 AND account_id = $1 AND state = $3) AS sending"
);

/// Notifications to be worked off at `now`, the longest waiting first.
pub(crate) async fn waiting_notifications(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<NotificationRow>, Fault> {
    reader.rows(&WAITING_NOTIFICATIONS, args![now, limit]).await
}

/// Of the notifications to be worked off at `now` those that change nothing, because nothing they could be about is open.
pub(crate) async fn idle_notifications(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<[u8; 16]>, Fault> {
    // Sending and unknown are the first states; results of operations are the first events.
    let args = args![now, limit, Event::Refund, Event::Other, AttemptState::Unknown, AttemptState::AwaitingPayer];
    reader.list(&IDLE_NOTIFICATIONS, args).await?.iter().map(|record| record.get(0)).collect()
}

/// The payment with this id, if it is one of that order.
pub(crate) async fn payment_of_order(
    reader: &Reader,
    order: &std::sync::Arc<str>,
    id: PaymentId,
) -> Result<Option<PaymentRow>, Fault> {
    reader.row(&PAYMENT_OF_ORDER, args![order.clone(), id]).await
}

/// The payment that this attempt is the charge of, or that it is about while its outcome is unknown.
pub(crate) async fn payment_behind(reader: &Reader, attempt: AttemptId) -> Result<Option<PaymentRow>, Fault> {
    if let Some(payment) = reader.row(&PAYMENT_OF_ATTEMPT, args![attempt]).await? {
        return Ok(Some(payment));
    }
    if let Some(asking) = reader.row::<AskingRow>(&ASKED_ABOUT, args![attempt]).await? {
        return any_payment(reader, asking.account_id, asking.payment_id).await;
    }
    match retries::queries::of_try(reader, attempt).await? {
        Some(retried) => any_payment(reader, retried.account_id, retried.payment_id).await,
        None => Ok(None),
    }
}

/// Whether a later attempt, by our name for it or the acquirer's, did what it was asked.
pub(crate) async fn has_succeeded(reader: &Reader, account: AccountId, attempt: AttemptId) -> Result<bool, Fault> {
    let retried = retries::queries::of_try(reader, attempt).await?.filter(|retried| retried.account_id == account);
    let attempt = retried.map_or(attempt, |retried| retried.attempt_id);
    let row = reader.row::<AttemptRow>(&ATTEMPT, args![account, attempt]).await?;
    Ok(row.is_some_and(|row| row.state == AttemptState::Succeeded))
}

/// The dispute of a payment that is not over.
pub(crate) async fn open_dispute(reader: &Reader, account: AccountId, id: PaymentId) -> Result<Option<AttemptRow>, Fault> {
    reader.row(&OPEN_DISPUTE, args![account, id, AttemptState::Disputed]).await
}

/// Whether a payment was ever disputed.
pub(crate) async fn was_disputed(reader: &Reader, account: AccountId, id: PaymentId) -> Result<bool, Fault> {
    let found = reader.one(&WAS_DISPUTED, args![account, id, AttemptKind::Chargeback]).await?;
    found.map_or(Ok(false), |record| Ok(record.get::<i64>(0)? > 0))
}

/// Whether it is known already that a payment is disputed, and that waits to be worked off.
pub(crate) async fn dispute_waits(reader: &Reader, id: PaymentId) -> Result<bool, Fault> {
    let found = reader.one(&WAITING_DISPUTES, args![id, Event::Chargeback]).await?;
    found.map_or(Ok(false), |record| Ok(record.get::<i64>(0)? > 0))
}

/// The open questions about a payment.
pub(crate) async fn questions_about(reader: &Reader, account: AccountId, id: PaymentId) -> Result<Vec<AskingRow>, Fault> {
    reader.rows(&QUESTIONS_ABOUT, args![account, id]).await
}

/// Whether some request about a payment waits for the acquirer right now.
pub(crate) async fn is_sending(reader: &Reader, account: AccountId, id: PaymentId) -> Result<bool, Fault> {
    let found = reader.one(&SENDING, args![account, id, AttemptState::Sending]).await?;
    found.map_or(Ok(false), |record| Ok(record.get::<i64>(0)? > 0))
}

/// The attempt a claim was made for: a payment's first one, named by the payment's id, a later one, or a payout's, named by the payout's id.
pub(crate) async fn subject(reader: &Reader, subject: Uuid, asked: &Asked) -> Result<Option<Attempt>, Fault> {
    let account = asked.scope.account_id;
    if let Some(payment) = any_payment(reader, account, PaymentId::from_uuid(subject)).await? {
        return Ok(Some(Attempt::first(&payment, Some(asked.clone()))));
    }
    if let Some(attempt) = later(reader, account, AttemptId::from_uuid(subject), Some(asked.clone())).await? {
        return Ok(Some(attempt));
    }
    payouts::queries::attempt(reader, account, PayoutId::from_uuid(subject), Some(asked.clone())).await
}

/// The attempt a question is about.
pub(crate) async fn questioned(reader: &Reader, asking: &AskingRow) -> Result<Option<Attempt>, Fault> {
    let asked = match asking.claim {
        Some(hash) => open_claim(reader, &Scope { account_id: asking.account_id, hash }).await?.map(|(_, asked)| asked),
        None => None,
    };
    match any_payment(reader, asking.account_id, asking.payment_id).await? {
        Some(payment) if payment.attempt_id == asking.attempt_id => Ok(Some(Attempt::first(&payment, asked))),
        Some(_) => later(reader, asking.account_id, asking.attempt_id, asked).await,
        None => payouts::queries::attempt(reader, asking.account_id, PayoutId::from_uuid(asking.payment_id.uuid()), asked).await,
    }
}

async fn later(reader: &Reader, account: AccountId, id: AttemptId, asked: Option<Asked>) -> Result<Option<Attempt>, Fault> {
    let Some(row) = reader.row::<AttemptRow>(&ATTEMPT, args![account, id]).await? else { return Ok(None) };
    let payment = any_payment(reader, account, row.payment_id).await?;
    let tried_as = retries::queries::try_of(reader, account, id).await?;
    Ok(payment.map(|payment| Attempt::later(&payment, &row, asked).tried_as(tried_as)))
}

/// A payment, whether or not it may be shown.
async fn any_payment(reader: &Reader, account: AccountId, id: PaymentId) -> Result<Option<PaymentRow>, Fault> {
    reader.row(&ANY_PAYMENT, args![account, id]).await
}

/// Questions to be asked at `now`, the longest due first.
pub(crate) async fn due_questions(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<AskingRow>, Fault> {
    reader.rows(&DUE_QUESTIONS, args![now, limit]).await
}

/// How many questions are open, and since when the oldest is.
pub(crate) async fn open_questions(reader: &Reader) -> Result<(i64, Timestamp), Fault> {
    match reader.one(&OPEN_QUESTIONS, args![]).await? {
        Some(record) => Ok((record.get(0)?, record.get(1)?)),
        None => Ok((0, Timestamp::EPOCH)),
    }
}

/// What an unfinished claim was made for, and who asked.
pub(crate) async fn open_claim(reader: &Reader, scope: &Scope) -> Result<Option<(Uuid, Asked)>, Fault> {
    let record = reader.one(&OPEN_CLAIM, args![scope.account_id, scope.hash, ClaimStatus::Done]).await?;
    record.map(|record| Ok((record.get(0)?, Asked { scope: *scope, request_id: record.get(1)? }))).transpose()
}

/// Payments whose hold ran out at `now`, the longest over first.
pub(crate) async fn lapsed(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<PaymentRow>, Fault> {
    reader.rows(&LAPSED, args![now, limit]).await
}
