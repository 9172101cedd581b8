//! What becomes of a subscription when a cycle's payment ends.

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::Timestamp;
use messaging::Family;

use super::rows::{SubscriptionPaymentRow, SubscriptionRow};
use crate::attempt::Attempt;
use crate::origin::{Api, Ended, Origin, told_by_the_api};
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
        self.api.keys(attempt, keys);
        self.api.herald.keys(attempt.account_id, Family::Subscription, keys);
    }

    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, now: Timestamp) -> Option<Reply> {
        let hard = rows.get::<PaymentRow>(&attempt.payment_key()).and_then(PaymentRow::said).is_some_and(|said| said.hard);
        let made = rows.get::<SubscriptionPaymentRow>(&attempt.payment_key());
        let made = made.map(|made| ((made.account_id, made.subscription_id), made.cycle));
        let key = made.map(|(key, _)| key);
        let mut changed = false;
        let row = key.and_then(|key| rows.get_mut::<SubscriptionRow>(&key));
        let row = row.filter(|row| row.paying == Some(attempt.payment_id));
        // While the payer is awaited the cycle is being paid: it ends when he has come, or when his time is over.
        if let Some(row) = row.filter(|_| ended != Ended::AwaitingPayer) {
            row.paying = None;
            let (plan, mut progress) = (row.plan(), row.progress());
            // Whoever paused and resumed it meanwhile has it wait for a later cycle already.
            let waits_for_it = made.is_some_and(|(_, cycle)| cycle == progress.cycle);
            match ended {
                Ended::Approved if waits_for_it => progress.paid(&plan),
                Ended::Declined | Ended::Errored | Ended::Expired if waits_for_it => progress.declined(&plan, hard, now),
                _ => {}
            }
            changed = row.adopt(&progress, now);
            if ended == Ended::NotSent && row.wake_at.is_some() {
                row.wake_at = Some(now.plus_seconds(PAUSE_SECONDS));
            }
        }
        if ended == Ended::NotSent {
            rows.delete::<SubscriptionPaymentRow>(&attempt.payment_key());
        }
        if let Some(key) = key.filter(|_| changed) {
            self.api.herald.went_on(rows, key, now);
        }
        self.api.settled(rows, attempt, ended, now)
    }

    told_by_the_api!();
}
