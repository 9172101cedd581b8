//! What is over and old goes: deliveries with their log, events nobody is told of any more, receivers that were deleted.

use std::convert::Infallible;

use db::{Command, Keys, Rows};
use kernel::{AccountId, Timestamp, WebhookId};

use super::deliver::DeliveryKey;
use crate::rows::{DeliveryRow, EventRow, TryRow, WebhookRow};
use crate::types::WebhookState;

/// Deletes what was found to be old, unless it is in use again.
#[derive(Debug)]
pub(crate) struct Sweep {
    pub(crate) deliveries: Vec<DeliveryKey>,
    pub(crate) webhooks: Vec<(AccountId, WebhookId)>,
}

impl Command for Sweep {
    /// How many deliveries and receivers were deleted.
    type Reply = usize;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        for (account, event, webhook) in &self.deliveries {
            keys.prefix::<DeliveryRow>(&(*account, *event));
            keys.prefix::<TryRow>(&(*account, *event, *webhook));
            keys.row::<EventRow>((*account, *event));
        }
        for key in &self.webhooks {
            keys.row::<WebhookRow>(*key);
        }
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<usize, Infallible> {
        let mut deleted = 0;
        for key in &self.deliveries {
            if rows.get::<DeliveryRow>(key).is_none_or(|row| row.next_try_at.is_some()) {
                continue;
            }
            rows.delete::<DeliveryRow>(key);
            for sent in rows.all::<TryRow>(key) {
                rows.delete::<TryRow>(&sent);
            }
            if rows.all::<DeliveryRow>(&(key.0, key.1)).is_empty() {
                rows.delete::<EventRow>(&(key.0, key.1));
            }
            deleted += 1;
        }
        for key in &self.webhooks {
            if rows.get::<WebhookRow>(key).is_some_and(|row| row.state == WebhookState::Deleted) {
                rows.delete::<WebhookRow>(key);
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}
