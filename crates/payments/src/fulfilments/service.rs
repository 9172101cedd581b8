//! Fulfilments as the edge asks for them.

use db::Fault;
use kernel::{AccountId, PaymentId};

use super::commands::Add;
use super::queries;
use super::rows::FulfilmentRow;
use super::types::AddFulfilments;
use crate::asks::{Answer, Once};
use crate::error::{PaymentsError, Refusal};
use crate::service::Payments;

impl Payments {
    /// Notes what became of the goods of a payment, behind what was told before; `None` is an id that was malformed.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn add_fulfilments(
        &self,
        account_id: AccountId,
        payment: Option<PaymentId>,
        ask: AddFulfilments,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let Some(payment) = payment else { return self.0.refused(once.as_ref(), Refusal::PaymentNotFound).await };
        let id = self.0.source.uuid();
        self.0.at_once(Add { key: (account_id, payment), id, ask }, id, once).await
    }

    /// What was told of a payment's fulfilment, oldest first; `None` when the account has no such payment.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn fulfilments(&self, account: AccountId, payment: PaymentId) -> Result<Option<Vec<FulfilmentRow>>, Fault> {
        queries::of_payment(self.0.store.reader(), account, payment).await
    }
}
