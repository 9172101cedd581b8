//! What subscriptions need from elsewhere: accounts from the keyring, cards from the vault, receivers of webhooks.

use access::Keyring;
use db::Fault;
use kernel::AccountId;
use messaging::Messaging;
use payments::subscriptions::rules::RENEWAL_DAYS;
use payments::subscriptions::{BillingPort, RenewalListener, StoredCard};
use payments::{Answering, Payments, PaymentsError, Refusal, Terms};

/// The ports of billing.
pub struct Billing {
    keyring: Keyring,
    payments: Payments,
    messaging: Messaging,
}

impl Billing {
    /// With the accounts of this keyring, the stored cards of these payments and these receivers of webhooks.
    pub fn new(keyring: Keyring, payments: Payments, messaging: Messaging) -> Billing {
        Billing { keyring, payments, messaging }
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

    fn card<'a>(&'a self, account: AccountId, vaulted_token: &'a str) -> Answering<'a, Result<StoredCard, Fault>> {
        Box::pin(async move {
            match self.payments.open_vaulted(account, vaulted_token, None).await {
                Ok(_) => Ok(StoredCard::Chargeable),
                Err(PaymentsError::Refused(Refusal::PaymentMethodNotFound)) => Ok(StoredCard::Unknown),
                Err(PaymentsError::Refused(_)) => Ok(StoredCard::Unusable),
                Err(PaymentsError::Fault(fault)) => Err(fault),
            }
        })
    }

    fn renewal_listeners(&self, account: AccountId) -> Answering<'_, Result<Vec<RenewalListener>, Fault>> {
        Box::pin(async move {
            let found = self.messaging.renewal_listeners(account).await?;
            let listener =
                |(webhook_id, days): (_, Option<i64>)| RenewalListener { webhook_id, days: days.unwrap_or(RENEWAL_DAYS) };
            Ok(found.into_iter().map(listener).collect())
        })
    }
}
