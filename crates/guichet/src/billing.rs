//! What subscriptions need from elsewhere: accounts from the keyring, cards from the vault.

use access::Keyring;
use db::Fault;
use kernel::AccountId;
use payments::subscriptions::{BillingPort, StoredCard};
use payments::{Answering, Terms};

/// The ports of billing.
pub struct Billing {
    keyring: Keyring,
}

impl Billing {
    /// With the accounts of this keyring.
    pub fn new(keyring: Keyring) -> Billing {
        Billing { keyring }
    }
}

impl BillingPort for Billing {
    fn terms(&self, account: AccountId) -> Answering<'_, Result<Option<Terms>, Fault>> {
        Box::pin(async move {
            let found = self.keyring.account(account).await?;
            Ok(found.map(|account| Terms {
                account_id: account.id,
                fee: account.fee,
                negative_limit: account.negative_limit_minor,
            }))
        })
    }

    /// No card is stored in this version, so every token is unknown.
    fn card<'a>(&'a self, _account: AccountId, _vaulted_token: &'a str) -> Answering<'a, Result<StoredCard, Fault>> {
        Box::pin(std::future::ready(Ok(StoredCard::Unknown)))
    }
}
