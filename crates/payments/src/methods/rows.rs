//! The tables of stored payment methods.

use std::sync::Arc;

use kernel::{AccountId, Country, Currency, CustomerId, CustomerSessionId, PaymentId, PaymentMethodId, Timestamp};
use uuid::Uuid;

use super::types::MethodStatus;
use crate::types::CardFace;

db::row! {
    /// A stored payment method.
    pub struct PaymentMethodRow: "payment_method" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id.
              id: PaymentMethodId }
        once { /// What it is charged by.
               vaulted_token: Uuid,
               /// Whose; a card that was kept for nobody has none.
               customer_id: Option<CustomerId>,
               /// The session it was prepared in.
               customer_session: Option<CustomerSessionId>,
               /// Where it was enrolled.
               country: Country,
               /// The key of the request that made it, as it is shown.
               idempotency_key: Option<Arc<str>>,
               /// The acquirer is asked before it is enrolled.
               verify: bool,
               /// In which currency it is asked.
               verify_currency: Option<Currency>,
               /// Where the payer is sent back to.
               callback_url: Option<Arc<str>>,
               /// When it was made.
               created_at: Timestamp }
        state { /// How far it got.
                status: MethodStatus,
                /// What may be shown of the card.
                card: Option<CardFace>,
                /// The same for the same card within the account.
                fingerprint: Option<Uuid>,
                /// The number, in the vault.
                number_record: Option<Uuid>,
                /// The payment that checked the card, or that was made with it when it was stored.
                payment_id: Option<PaymentId>,
                /// When it was charged successfully the last time.
                last_used_at: Option<Timestamp>,
                /// When it came to the status it has, if that is one that receivers of webhooks are told of.
                reached_at: Option<Timestamp>,
                /// When it last changed.
                updated_at: Timestamp }
    }
}

impl PaymentMethodRow {
    /// From now on this is its status. Whoever calls it tells of it at the end of the decision: [`super::commands::tell`].
    pub(super) fn turn(&mut self, status: MethodStatus, now: Timestamp) {
        self.status = status;
        self.reached_at = status.trigger().map(|_| now);
        self.updated_at = now;
    }

    /// The key under which its customer has the card once.
    pub(crate) fn card_key(&self) -> Option<(AccountId, CustomerId, Uuid)> {
        self.customer_id.zip(self.fingerprint).map(|(customer, fingerprint)| (self.account_id, customer, fingerprint))
    }
}

db::row! {
    /// A card that a customer has enrolled: which method it is.
    pub struct CustomerCardRow: "customer_card" {
        key { /// The tenant.
              account_id: AccountId,
              /// The customer.
              customer_id: CustomerId,
              /// The card.
              fingerprint: Uuid }
        once {}
        state { /// The method.
                method_id: PaymentMethodId }
    }
}
