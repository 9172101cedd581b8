//! What becomes of a link when a payment through it ends.

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::Timestamp;

use super::rows::{LinkPaymentRow, LinkRow};
use super::types::LinkState;
use crate::attempt::Attempt;
use crate::origin::{Api, Ended, Origin, told_by_the_api};

/// Counts a payment for its link, and answers as the payments API does.
pub(crate) struct LinkOrigin {
    pub(crate) api: Api,
}

impl Origin for LinkOrigin {
    fn keys(&self, attempt: &Attempt, keys: &mut Keys<'_>) {
        keys.row::<LinkPaymentRow>(attempt.payment_key());
        self.api.keys(attempt, keys);
    }

    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, now: Timestamp) -> Option<Reply> {
        let made = rows.get::<LinkPaymentRow>(&attempt.payment_key()).map(|made| (made.account_id, made.link_id));
        if let Some(link) = made.and_then(|key| rows.get_mut::<LinkRow>(&key)) {
            if ended != Ended::AwaitingPayer {
                link.paying = link.paying.filter(|paying| *paying != attempt.payment_id);
            }
            link.updated_at = now;
            if ended == Ended::Approved {
                link.payments_number += 1;
                if link.one_time_use {
                    link.state = LinkState::Used;
                }
            }
        }
        if ended == Ended::NotSent {
            rows.delete::<LinkPaymentRow>(&attempt.payment_key());
        }
        self.api.settled(rows, attempt, ended, now)
    }

    told_by_the_api!();
}
