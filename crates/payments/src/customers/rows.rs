//! The tables of customers.

use std::sync::Arc;

use kernel::{AccountId, Country, CustomerId, CustomerSessionId, PaymentId, PaymentMethodId, Timestamp};

db::row! {
    /// Somebody who pays a merchant.
    pub struct CustomerRow: "customer" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id.
              id: CustomerId }
        once { /// When it was made.
               created_at: Timestamp }
        state { /// The merchant's own name; forgotten when deleted.
                merchant_customer_id: Option<Arc<str>>,
                /// What is known, a JSON object that this crate only changes member by member; forgotten when deleted.
                document: Option<Arc<[u8]>>,
                /// The stored card that paid last.
                last_method: Option<PaymentMethodId>,
                /// When it was deleted.
                deleted_at: Option<Timestamp>,
                /// While its payments are forgotten: the last one that is.
                forget_after: Option<PaymentId>,
                /// When it last changed.
                updated_at: Timestamp }
    }
}

db::row! {
    /// A recorded reply that shows a customer.
    pub struct CustomerReplyRow: "customer_reply" {
        key { /// The tenant.
              account_id: AccountId,
              /// The customer.
              customer_id: CustomerId,
              /// Where the key of its request counts.
              scope: [u8; 16] }
        once { /// When it was recorded.
               recorded_at: Timestamp }
        state {}
    }
}

db::row! {
    /// A merchant's own name for a customer, each once.
    pub struct CustomerReferenceRow: "customer_reference" {
        key { /// The tenant.
              account_id: AccountId,
              /// The name.
              merchant_customer_id: Arc<str> }
        once {}
        state { /// The customer.
                customer_id: CustomerId }
    }
}

db::row! {
    /// A customer's session on the payment page, in which cards are enrolled.
    pub struct CustomerSessionRow: "customer_session" {
        key { /// The tenant.
              account_id: AccountId,
              /// Its id.
              id: CustomerSessionId }
        once { /// Whose.
               customer_id: CustomerId,
               /// Where cards will be enrolled.
               country: Country,
               /// Where the payer is sent back to.
               callback_url: Option<Arc<str>> }
        state { /// When it was made.
                created_at: Timestamp }
    }
}
