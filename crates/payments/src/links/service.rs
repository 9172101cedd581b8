//! Links as the edge asks for them.

use std::sync::Arc;

use db::Fault;
use kernel::{AccountId, PaymentLinkId};

use super::commands::{Cancel, Create};
use super::queries::{self, LinkRead};
use super::rows::LinkRow;
use super::types::CreateLink;
use crate::asks::{Answer, Once};
use crate::error::{PaymentsError, Refusal};
use crate::service::Payments;

impl Payments {
    /// Makes a link.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn create_link(&self, account_id: AccountId, ask: CreateLink, once: Option<Once>) -> Result<Answer, PaymentsError> {
        let id = PaymentLinkId::new(&self.0.source);
        self.0.at_once(Create { account_id, id, ask, faces: self.0.faces.clone() }, id.uuid(), once).await
    }

    /// Takes a link back; `None` is an id that was malformed.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn cancel_link(
        &self,
        account_id: AccountId,
        id: Option<PaymentLinkId>,
        base_url: Arc<str>,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let Some(id) = id else { return Err(Refusal::LinkNotFound.into()) };
        let payments = queries::link(self.0.store.reader(), account_id, id).await?.map(|read| read.payments);
        let cancel =
            Cancel { key: (account_id, id), payments: payments.unwrap_or_default(), base_url, faces: self.0.faces.clone() };
        self.0.at_once(cancel, id.uuid(), once).await
    }

    /// One link with the payments made through it; `None` when the account has none of that id.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn get_link(&self, account: AccountId, id: PaymentLinkId) -> Result<Option<LinkRead>, Fault> {
        queries::link(self.0.store.reader(), account, id).await
    }

    /// The link that a payer knows by this code, whosever it is.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn link_by_code(&self, code: PaymentLinkId) -> Result<Option<LinkRow>, Fault> {
        queries::by_code(self.0.store.reader(), code).await
    }
}
