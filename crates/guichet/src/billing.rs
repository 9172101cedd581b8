//! What subscriptions need from elsewhere: accounts from the keyring, cards from the vault.

use access::Keyring;
use db::Fault;
use kernel::AccountId;
use payments::subscriptions::{BillingPort, StoredCard};
use payments::{Answering, Payments, PaymentsError, Refusal, Terms};

/// The ports of billing.
pub struct Billing {
    keyring: Keyring,
    payments: Payments,
}

impl Billing {
    /// With the accounts of this keyring and the stored cards of these payments.
    pub fn new(keyring: Keyring, payments: Payments) -> Billing {
        Billing { keyring, payments }
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
}
