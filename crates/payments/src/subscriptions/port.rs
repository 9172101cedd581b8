//! What billing needs from elsewhere: the account's terms and the cards in the vault.

use std::sync::Arc;

use db::Fault;
use kernel::AccountId;

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

/// Where terms and cards come from; wired by the binary.
pub trait BillingPort: Send + Sync + 'static {
    /// What the account has agreed to about money; `None` when there is no such account.
    fn terms(&self, account: AccountId) -> Answering<'_, Result<Option<Terms>, Fault>>;
    /// How the card behind a token stands.
    fn card<'a>(&'a self, account: AccountId, vaulted_token: &'a str) -> Answering<'a, Result<StoredCard, Fault>>;
    /// How a cycle is paid with it.
    fn means(&self, vaulted_token: &Arc<str>) -> Means {
        Means::VaultedToken(vaulted_token.clone())
    }
}
