//! Making and opening one-time tokens.

use std::sync::Arc;

use db::Fault;
use kernel::{AccountId, CheckoutSessionId, CustomerSessionId, Timestamp, TokenId};

use super::TOKEN_KEPT_SECONDS;
use super::commands::{Make, Sweep};
use super::queries;
use super::rows::TokenRow;
use crate::asks::{Answer, Once};
use crate::commands::json;
use crate::error::{PaymentsError, Refusal};
use crate::facts::TokenFacts;
use crate::service::{Inner, Payments};
use crate::types::{CardAsk, CardFace};
use crate::vault::Opened;

/// How many tokens one sweep command takes.
const SWEEP_TOKENS_MAX: u32 = 250;

/// A token to be made.
#[derive(Debug)]
pub struct CreateToken {
    /// The card.
    pub card: CardAsk,
    /// Keep the card when the payment made with it succeeds.
    pub vault_on_success: bool,
    /// Who will pay, if he is a customer: his id, as sent.
    pub customer: Option<Arc<str>>,
    /// The customer's session it is for, as sent.
    pub customer_session: Option<Arc<str>>,
    /// What is only shown in the reply, a JSON object.
    pub details: Option<Arc<[u8]>>,
}

/// The checkout session a token is made in: none, or one as sent, where a malformed id is one that does not exist.
type InSession = Option<Option<CheckoutSessionId>>;

impl Payments {
    /// Makes a one-time token for a card, in a checkout session or without one.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn create_token(
        &self,
        account: AccountId,
        session: InSession,
        ask: CreateToken,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.0;
        let checkout_session = match session {
            None => None,
            Some(Some(session)) => Some(session),
            Some(None) => return inner.refused(once.as_ref(), Refusal::CheckoutSessionNotFound).await,
        };
        let customer_session = match ask.customer_session.as_deref().map(str::parse::<CustomerSessionId>) {
            None => None,
            Some(Ok(session)) => Some(session),
            Some(Err(_)) => return inner.refused(once.as_ref(), Refusal::CustomerSessionNotFound).await,
        };
        let id = TokenId::new(&inner.source);
        let mut keys_changed = false;
        loop {
            let number = inner.vault.seal_number(account, &ask.card.number).await?;
            let code = match &ask.card.security_code {
                Some(code) => Some(inner.vault.seal_code(account, code).await?),
                None => None,
            };
            let row = TokenRow {
                account_id: account,
                id,
                card: CardFace::of(&ask.card),
                number_record: number.record,
                code_record: code.as_ref().map(|code| code.record),
                vault_on_success: ask.vault_on_success,
                checkout_session,
                customer_session,
                customer_id: None,            // set by the decision
                expires_at: Timestamp::EPOCH, // likewise
                used_by: None,
                erased_at: None,
            };
            let body = (inner.faces.token)(&TokenFacts { token: &row, details: ask.details.as_deref() });
            let reply = json(201, body);
            let scope = once.as_ref().map(|once| once.scope);
            let kept = scope.map_or_else(|| reply.clone(), |scope| inner.vault.sealed_reply(&scope, &reply));
            let made = inner
                .at_once(Make { row, customer: ask.customer.clone(), number, code, reply, kept }, id.uuid(), once.clone())
                .await;
            match made {
                Err(PaymentsError::Refused(Refusal::KeysChanged)) if !keys_changed => keys_changed = true,
                made => return made,
            }
        }
    }

    /// Destroys the cards of tokens whose time is over; gives how many there were.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn sweep_tokens(&self) -> Result<usize, Fault> {
        let (store, mut swept) = (&self.0.store, 0);
        loop {
            let now = self.0.now();
            let mut tokens = queries::to_erase(store.reader(), now, SWEEP_TOKENS_MAX).await?;
            let long_over = now.plus_seconds(-TOKEN_KEPT_SECONDS);
            tokens.extend(queries::to_forget(store.reader(), long_over, SWEEP_TOKENS_MAX).await?);
            if tokens.is_empty() {
                return Ok(swept);
            }
            let Ok(done) = store.writer().run(Sweep { tokens }).await?;
            swept += done;
            if done == 0 {
                return Ok(swept); // the reader lags, or another process sweeps too
            }
        }
    }
}

impl Inner {
    /// The token with this text, and its card opened.
    pub(crate) async fn open_token(&self, account: AccountId, text: &str) -> Result<(TokenRow, CardAsk), PaymentsError> {
        let id: TokenId = text.parse().map_err(|_| Refusal::InvalidToken)?;
        let row = queries::token(self.store.reader(), account, id).await?;
        let row = row.filter(|row| row.is_good(self.now())).ok_or(Refusal::InvalidToken)?;
        let Opened::Good(number) = self.vault.open_number(account, row.number_record).await? else {
            return Err(Refusal::InvalidToken.into());
        };
        let code = match row.code_record {
            None => None,
            Some(record) => match self.vault.open_code(account, record).await? {
                Opened::Good(code) => Some(code),
                Opened::Gone | Opened::Damaged => return Err(Refusal::InvalidToken.into()),
            },
        };
        let card = row.card.opened(number, code).ok_or_else(|| Fault::Failed("a token's card cannot be read".into()))?;
        Ok((row, card))
    }
}
