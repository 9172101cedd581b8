//! Reads of links outside decisions.

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, PaymentId, PaymentLinkId, Timestamp};

use super::rows::{LinkPaymentRow, LinkRow};
use crate::types::{AttemptState, PaymentState};

/// Payments of one link that are listed at most.
const PAYMENTS_MAX: u32 = 1_000;

static LINK: Sql = sql!("SELECT {} FROM payment_link WHERE account_id = $1 AND id = $2", LinkRow);

static BY_CODE: Sql = sql!("SELECT {} FROM payment_link WHERE id = $1", LinkRow);

static PAYMENTS: Sql = sql!(
    "SELECT payment.id, payment.state, payment.created_at
       FROM payment_link_payment JOIN payment
         ON payment.account_id = payment_link_payment.account_id AND payment.id = payment_link_payment.payment_id
      WHERE payment_link_payment.link_id = $1 AND payment_link_payment.account_id = $2 AND payment.attempt <> $3
      ORDER BY payment.id LIMIT $4"
);

// $1 succeeded, $2 and $3 the open states.
pub(super) static LINKS_WITH_PAYMENTS: Sql = sql!(
    "SELECT {}, COALESCE(m_paid, 0), COALESCE(m_open, 0), COALESCE(m_other, 0)
       FROM payment_link
       LEFT JOIN (
            SELECT made.account_id AS m_account, made.link_id AS m_link,
                   CAST(SUM(CASE WHEN payment.attempt = $1 THEN 1 ELSE 0 END) AS BIGINT) AS m_paid,
                   CAST(SUM(CASE WHEN payment.attempt IN ($2, $3, $4) THEN 1 ELSE 0 END) AS BIGINT) AS m_open,
                   CAST(SUM(CASE WHEN payment.amount <> payment_link.amount OR payment.currency <> payment_link.currency
                                 THEN 1 ELSE 0 END) AS BIGINT) AS m_other
              FROM payment_link_payment AS made
              JOIN payment ON payment.account_id = made.account_id AND payment.id = made.payment_id
              JOIN payment_link ON payment_link.account_id = made.account_id AND payment_link.id = made.link_id
             GROUP BY made.account_id, made.link_id) AS m
         ON m_account = account_id AND m_link = id
      ORDER BY account_id, id",
    LinkRow
);

pub(super) static PAYMENTS_OF_NO_LINK: Sql = sql!(
    "SELECT {} FROM payment_link_payment
      WHERE NOT EXISTS (SELECT 1 FROM payment_link
                         WHERE payment_link.account_id = payment_link_payment.account_id AND id = link_id)
         OR NOT EXISTS (SELECT 1 FROM payment
                         WHERE payment.account_id = payment_link_payment.account_id AND id = payment_id)
      ORDER BY account_id, payment_id",
    LinkPaymentRow
);

/// A payment made through a link.
#[derive(Clone, Copy, Debug)]
pub struct PaidThrough {
    /// Its id.
    pub id: PaymentId,
    /// How it stands.
    pub state: PaymentState,
    /// When it began.
    pub created_at: Timestamp,
}

/// A link with the payments made through it.
#[derive(Clone, Debug)]
pub struct LinkRead {
    /// The link.
    pub link: LinkRow,
    /// Oldest first.
    pub payments: Vec<PaidThrough>,
}

/// One link with its payments.
pub(crate) async fn link(reader: &Reader, account: AccountId, id: PaymentLinkId) -> Result<Option<LinkRead>, Fault> {
    let Some(link) = reader.row::<LinkRow>(&LINK, args![account, id]).await? else { return Ok(None) };
    let records = reader.list(&PAYMENTS, args![id, account, AttemptState::NotSent, PAYMENTS_MAX]).await?;
    let payments = records
        .iter()
        .map(|record| Ok(PaidThrough { id: record.get(0)?, state: record.get(1)?, created_at: record.get(2)? }))
        .collect::<Result<_, Fault>>()?;
    Ok(Some(LinkRead { link, payments }))
}

/// The link that a payer knows by this code, whosever it is.
pub(crate) async fn by_code(reader: &Reader, code: PaymentLinkId) -> Result<Option<LinkRow>, Fault> {
    reader.row(&BY_CODE, args![code]).await
}
