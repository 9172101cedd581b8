//! What callers ask about customers. The edge has judged the form of every field.

use std::sync::Arc;

use kernel::Country;
use serde_json::value::RawValue;

/// Members of a document to be set, or to be taken off where there is no value.
#[derive(Clone, Debug, Default)]
pub struct Changes(pub Vec<(&'static str, Option<Arc<RawValue>>)>);

/// A customer to be noted.
#[derive(Clone, Debug)]
pub struct CreateCustomer {
    /// The merchant's own name for the customer.
    pub merchant_customer_id: Arc<str>,
    /// Everything that is only kept, as a JSON object.
    pub document: Option<Arc<[u8]>>,
}

/// What is to be changed of a customer.
#[derive(Clone, Debug)]
pub struct PatchCustomer {
    /// Another name; unchanged when absent.
    pub merchant_customer_id: Option<Arc<str>>,
    /// Of what is only kept.
    pub changes: Changes,
}

/// A customer's session to be opened.
#[derive(Clone, Debug)]
pub struct CreateCustomerSession {
    /// Whose, as sent: a malformed id is one that does not exist.
    pub customer: Arc<str>,
    /// Where cards will be enrolled.
    pub country: Country,
    /// Where the payer is sent back to.
    pub callback_url: Option<Arc<str>>,
}
