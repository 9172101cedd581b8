//! Lists of payments as the edge asks for them.

use std::sync::Arc;

use db::Fault;
use kernel::{AccountId, PaymentId};

use super::queries;
use super::types::{PaymentFilter, PaymentPage};
use crate::by_time::Ids;
use crate::service::Payments;

impl Payments {
    /// A page of the account's payments, newest first: at most `limit` of those before the one named.
    ///
    /// At most [`super::LOOKED_AT_MAX`] payments are looked at, so where few fit a page may be short, or empty, and others follow it.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn search(
        &self,
        account: AccountId,
        filter: &PaymentFilter,
        before: Option<PaymentId>,
        limit: usize,
    ) -> Result<PaymentPage, Fault> {
        if filter.states.is_empty() {
            return Ok(PaymentPage { items: Vec::new(), next: None });
        }
        let store = &self.0.store;
        let ids = Ids::of(store.clock(), filter.created_from, filter.created_to);
        queries::search(store.reader(), account, filter, ids, before, limit).await
    }

    /// A page of the payments of one order, oldest first: at most [`super::BY_ORDER_MAX`] of those after the one named. `None`: that is
    /// no payment of this order.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn by_order(
        &self,
        account: AccountId,
        merchant_order_id: &str,
        after: Option<PaymentId>,
    ) -> Result<Option<PaymentPage>, Fault> {
        let order: Arc<str> = merchant_order_id.into();
        queries::by_order(self.0.store.reader(), account, &order, after).await
    }
}
