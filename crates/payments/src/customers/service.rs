//! Customers as the edge asks for them.

use db::Fault;
use kernel::{AccountId, CustomerId, CustomerSessionId};

use super::commands::{Create, Delete, OpenSession, Patch};
use super::rows::CustomerRow;
use super::types::{CreateCustomer, CreateCustomerSession, PatchCustomer};
use super::{forgetting, queries};
use crate::asks::{Answer, Once};
use crate::error::{PaymentsError, Refusal};
use crate::methods;
use crate::service::Payments;

impl Payments {
    /// Notes a customer.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn create_customer(
        &self,
        account: AccountId,
        ask: CreateCustomer,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let id = CustomerId::new(&self.0.source);
        let (scope, faces) = (once.as_ref().map(|once| once.scope), self.0.faces.clone());
        self.0.at_once(Create { account, id, ask, scope, faces }, id.uuid(), once).await
    }

    /// Changes a customer. An id that is none is answered like an unknown one.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn patch_customer(
        &self,
        account: AccountId,
        id: Option<CustomerId>,
        ask: PatchCustomer,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let Some(id) = id else { return self.0.refused(once.as_ref(), Refusal::CustomerNotFound).await };
        let (scope, faces) = (once.as_ref().map(|once| once.scope), self.0.faces.clone());
        self.0.at_once(Patch { account, id, ask, scope, faces }, id.uuid(), once).await
    }

    /// Forgets a customer and destroys the cards kept for it. Of many payments, or recorded replies, only the first are forgotten when
    /// it returns; whatever happens then, the rest follows.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn delete_customer(&self, account: AccountId, id: CustomerId) -> Result<(), PaymentsError> {
        let herald = self.0.origins.herald().clone();
        let methods = methods::seen_of(self.0.store.reader(), account, id).await?;
        let replies = forgetting::queries::replies(self.0.store.reader(), account, id).await?;
        let amended = self.0.store.writer().run(Delete { account, id, methods, replies, herald }).await??;
        self.0.remember(amended);
        if let Err(fault) = self.0.forget_some(account, id).await {
            tracing::warn!(customer = %id, %fault, "what payments say of a deleted customer is forgotten later");
        }
        Ok(())
    }

    /// Opens a customer's session.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn create_customer_session(
        &self,
        account: AccountId,
        ask: CreateCustomerSession,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let Ok(customer) = ask.customer.parse() else {
            return self.0.refused(once.as_ref(), Refusal::CustomerNotFound).await;
        };
        let id = CustomerSessionId::new(&self.0.source);
        let faces = self.0.faces.clone();
        self.0.at_once(OpenSession { account, id, customer, ask, faces }, id.uuid(), once).await
    }

    /// One customer; `None` when the account has none of that id.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn get_customer(&self, account: AccountId, id: CustomerId) -> Result<Option<CustomerRow>, Fault> {
        queries::customer(self.0.store.reader(), account, id).await
    }

    /// The customer the merchant calls so.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn customer_by_reference(&self, account: AccountId, name: &str) -> Result<Option<CustomerRow>, Fault> {
        queries::by_reference(self.0.store.reader(), account, name).await
    }
}
