//! The table of one-time tokens.

use kernel::{AccountId, CheckoutSessionId, CustomerId, CustomerSessionId, PaymentId, Timestamp, TokenId};
use uuid::Uuid;

use crate::types::CardFace;

db::row! {
    /// A one-time token.
    pub struct TokenRow: "token" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id, which is the token.
              id: TokenId }
        once { /// What may be shown of the card.
               card: CardFace,
               /// The number, in the vault.
               number_record: Uuid,
               /// The security code, in the vault.
               code_record: Option<Uuid>,
               /// Keep the card when the payment made with it succeeds.
               vault_on_success: bool,
               /// The checkout session it was made in.
               checkout_session: Option<CheckoutSessionId>,
               /// The customer's session it was made in.
               customer_session: Option<CustomerSessionId>,
               /// The customer it was made for: it is of no use without him.
               customer_id: Option<CustomerId>,
               /// When its time is over.
               expires_at: Timestamp }
        state { /// The payment or stored method that used it.
                used_by: Option<Uuid>,
                /// When number and code were destroyed.
                erased_at: Option<Timestamp> }
    }
}

impl TokenRow {
    /// Whether it can still be used at `now`.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.used_by.is_none() && self.erased_at.is_none() && now < self.expires_at
    }

    /// What of it is in the vault.
    pub(crate) fn records(&self) -> impl Iterator<Item = Uuid> {
        std::iter::once(self.number_record).chain(self.code_record)
    }

    /// The payment that is under way with it, for whom it may be settled.
    pub(crate) fn is_used_by(&self, payment: PaymentId) -> bool {
        self.used_by == Some(payment.uuid())
    }
}
