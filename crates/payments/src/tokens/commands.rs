//! Decisions about one-time tokens.

use std::convert::Infallible;
use std::sync::Arc;

use db::{Command, Keys, Rows};
use idempotency::Reply;
use kernel::{AccountId, CheckoutSessionId, PaymentId, Timestamp, TokenId};
use uuid::Uuid;

use super::rows::TokenRow;
use super::{TOKEN_KEPT_SECONDS, TOKEN_SECONDS};
use crate::commands::Decision;
use crate::customers::{self, CustomerSessionRow};
use crate::error::Refusal;
use crate::rows::CheckoutSessionRow;
use crate::vault::{self, Sealed};

/// Names the row that [`spend`] touches.
pub(crate) fn spend_keys(keys: &mut Keys<'_>, account: AccountId, token: TokenId) {
    keys.row::<TokenRow>((account, token));
}

/// Takes a token for the one thing it is good for.
///
/// # Errors
/// [`Refusal::InvalidToken`] when it does not exist, is another account's, was used, its time is over, or the customer it was made for
/// was deleted.
pub(crate) fn spend(rows: &mut Rows, account: AccountId, token: TokenId, by: Uuid, now: Timestamp) -> Result<(), Refusal> {
    let row = rows.get::<TokenRow>(&(account, token)).filter(|row| row.is_good(now)).ok_or(Refusal::InvalidToken)?;
    if let Some(customer) = row.customer_id {
        customers::live(rows, account, customer).map_err(|_| Refusal::InvalidToken)?;
    }
    rows.must_mut::<TokenRow>(&(account, token)).used_by = Some(by);
    Ok(())
}

/// Names the row that [`settle`] looks at first.
pub(crate) fn settle_keys(keys: &mut Keys<'_>, account: AccountId, token: TokenId) {
    keys.row::<TokenRow>((account, token));
}

/// The payment made with a token has ended: its card is destroyed, or given back where nothing left the house.
pub(crate) fn settle(rows: &mut Rows, account: AccountId, token: TokenId, payment: PaymentId, sent: bool, now: Timestamp) {
    let Some(row) = rows.get_mut::<TokenRow>(&(account, token)).filter(|row| row.is_used_by(payment)) else { return };
    if sent {
        erase(rows, account, token, now);
    } else {
        row.used_by = None;
    }
}

/// Destroys number and code; the row stays as the trace of a token that was.
pub(crate) fn erase(rows: &mut Rows, account: AccountId, token: TokenId, now: Timestamp) {
    let Some(row) = rows.get_mut::<TokenRow>(&(account, token)).filter(|row| row.erased_at.is_none()) else { return };
    row.erased_at = Some(now);
    let records: Vec<_> = row.records().collect();
    for record in records {
        vault::destroy(rows, account, record);
    }
}

/// `POST /v1/tokens` and `POST /v1/checkout/sessions/{id}/token`.
#[derive(Debug)]
pub(super) struct Make {
    /// The token, as it will be stored but for its end.
    pub(super) row: TokenRow,
    /// The customer who is to pay, as named.
    pub(super) customer: Option<Arc<str>>,
    pub(super) number: Sealed,
    pub(super) code: Option<Sealed>,
    /// The reply, and the same as it is recorded: sealed, because it carries the token.
    pub(super) reply: Reply,
    pub(super) kept: Reply,
}

impl Make {
    fn checkout_key(&self) -> Option<(AccountId, CheckoutSessionId)> {
        self.row.checkout_session.map(|session| (self.row.account_id, session))
    }
}

impl Decision for Make {
    fn keys(&self, keys: &mut Keys<'_>) {
        for sealed in std::iter::once(&self.number).chain(&self.code) {
            vault::store_keys(keys, self.row.account_id, sealed);
        }
        customers::payer_keys(keys, self.row.account_id, self.customer.as_deref());
        if let Some(session) = self.checkout_key() {
            keys.row::<CheckoutSessionRow>(session);
        }
        if let Some(session) = self.row.customer_session {
            keys.row::<CustomerSessionRow>((self.row.account_id, session));
        }
        keys.fresh::<TokenRow>((self.row.account_id, self.row.id));
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        let account = self.row.account_id;
        customers::payer(rows, account, self.customer.as_deref())?;
        let mut customer_id = self.customer.as_deref().and_then(|named| named.parse().ok());
        if let Some(session) = self.checkout_key() {
            let session = rows.get::<CheckoutSessionRow>(&session).ok_or(Refusal::CheckoutSessionNotFound)?;
            if !session.is_open(now) {
                return Err(Refusal::CheckoutSessionNotFound);
            }
            customer_id = customer_id.or(session.customer_id);
        }
        if let Some(session) = self.row.customer_session {
            let session = rows.get::<CustomerSessionRow>(&(account, session)).ok_or(Refusal::CustomerSessionNotFound)?;
            if now >= session.created_at.plus_seconds(crate::customers::CUSTOMER_SESSION_SECONDS) {
                return Err(Refusal::CustomerSessionNotFound);
            }
            customer_id = customer_id.or(Some(session.customer_id));
        }
        for sealed in std::iter::once(&self.number).chain(&self.code) {
            vault::store(rows, account, sealed, now)?;
        }
        let row = TokenRow { customer_id, expires_at: now.plus_seconds(TOKEN_SECONDS), ..self.row.clone() };
        rows.append(row);
        Ok(self.reply.clone())
    }

    fn kept(&self, _reply: &Reply) -> Reply {
        self.kept.clone()
    }
}

/// Destroys the cards of tokens whose time is over, and takes off the rows of those whose time is long over.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) tokens: Vec<TokenRow>,
}

impl Command for Sweep {
    /// How many were erased or taken off.
    type Reply = usize;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        for token in &self.tokens {
            keys.row::<TokenRow>((token.account_id, token.id));
            token.records().for_each(|record| vault::destroy_keys(keys, token.account_id, record));
        }
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<usize, Infallible> {
        let mut swept = 0;
        for (account, token) in self.tokens.iter().map(|token| (token.account_id, token.id)) {
            let Some(row) = rows.get::<TokenRow>(&(account, token)).filter(|row| now >= row.expires_at) else { continue };
            let (erased, forgotten) = (row.erased_at.is_some(), now >= row.expires_at.plus_seconds(TOKEN_KEPT_SECONDS));
            if !erased {
                erase(rows, account, token, now);
            }
            if forgotten {
                rows.delete::<TokenRow>(&(account, token));
            }
            swept += usize::from(!erased || forgotten);
        }
        Ok(swept)
    }
}
