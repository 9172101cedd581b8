//! What becomes of a subscription when a cycle's payment ends.

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::Timestamp;

use super::rows::{SubscriptionPaymentRow, SubscriptionRow};
use crate::attempt::Attempt;
use crate::origin::{Api, Ended, Origin};
use crate::rows::PaymentRow;

/// How long after a try that never left the house the next one is made: the acquirer could not be reached.
const PAUSE_SECONDS: i64 = 60;

/// Moves a subscription on, and answers as the payments API does.
pub(crate) struct SubscriptionOrigin {
    pub(crate) api: Api,
}

impl Origin for SubscriptionOrigin {
    fn keys(&self, attempt: &Attempt, keys: &mut Keys<'_>) {
        keys.row::<SubscriptionPaymentRow>(attempt.payment_key());
    }

    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, now: Timestamp) -> Option<Reply> {
        let hard = rows.get::<PaymentRow>(&attempt.payment_key()).and_then(PaymentRow::said).is_some_and(|said| said.hard);
        let made = rows.get::<SubscriptionPaymentRow>(&attempt.payment_key());
        let key = made.map(|made| (made.account_id, made.subscription_id));
        let row = key.and_then(|key| rows.get_mut::<SubscriptionRow>(&key)).filter(|row| row.paying == Some(attempt.payment_id));
        if let Some(row) = row {
            row.paying = None;
            let (plan, mut progress) = (row.plan(), row.progress());
            match ended {
                Ended::Approved => progress.paid(&plan),
                Ended::Declined | Ended::Errored => progress.declined(&plan, hard, now),
                Ended::NotSent => {}
            }
            row.adopt(&progress, now);
            if ended == Ended::NotSent && row.wake_at.is_some() {
                row.wake_at = Some(now.plus_seconds(PAUSE_SECONDS));
            }
        }
        if ended == Ended::NotSent {
            rows.delete::<SubscriptionPaymentRow>(&attempt.payment_key());
        }
        self.api.settled(rows, attempt, ended, now)
    }

    fn refunded(&self, _rows: &mut Rows, _attempt: &Attempt, _now: Timestamp) {}
}
