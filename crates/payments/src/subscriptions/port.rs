//! What billing needs from elsewhere: the account's terms, the cards in the vault, and who wants to hear of renewals.

use std::sync::Arc;

use db::Fault;
use kernel::{AccountId, WebhookId};

use crate::acquirer::Answering;
use crate::asks::Means;
use crate::types::Terms;

/// How a stored card stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredCard {
    /// It can be charged.
    Chargeable,
    /// It is there and cannot be charged.
    Unusable,
    /// There is none, or it is another account's.
    Unknown,
}

/// A receiver of webhooks that wants to hear of renewals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalListener {
    /// The receiver.
    pub webhook_id: WebhookId,
    /// How many days ahead it is told.
    pub days: i64,
}

/// Where terms and cards come from; wired by the binary.
pub trait BillingPort: Send + Sync + 'static {
    /// What the account has agreed to about money; `None` when there is no such account.
    fn terms(&self, account: AccountId) -> Answering<'_, Result<Option<Terms>, Fault>>;
    /// How the card behind a token stands.
    fn card<'a>(&'a self, account: AccountId, vaulted_token: &'a str) -> Answering<'a, Result<StoredCard, Fault>>;
    /// Which receivers of webhooks want to hear of renewals, and when; nobody, where there are none.
    fn renewal_listeners(&self, _account: AccountId) -> Answering<'_, Result<Vec<RenewalListener>, Fault>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
    /// How a cycle is paid with it.
    fn means(&self, vaulted_token: &Arc<str>) -> Means {
        Means::VaultedToken(vaulted_token.clone())
    }
}
