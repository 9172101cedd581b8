//! What becomes of a delay when its operation ends.

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::Timestamp;

use super::rows::DelayedRow;
use super::rules::again_at;
use crate::attempt::Attempt;
use crate::origin::{Api, Ended, Origin, told_by_the_api};

/// Waits again where the acquirer was never reached, and tells of the operation as the payments API does.
pub(crate) struct DelayOrigin {
    pub(crate) api: Api,
}

impl Origin for DelayOrigin {
    fn keys(&self, attempt: &Attempt, keys: &mut Keys<'_>) {
        keys.row::<DelayedRow>(attempt.payment_key());
        self.api.keys(attempt, keys);
    }

    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, now: Timestamp) -> Option<Reply> {
        if ended == Ended::NotSent
            && let Some(row) = rows.get_mut::<DelayedRow>(&attempt.payment_key())
        {
            row.due_at = Some(again_at(row.tries, now));
            row.tries += 1;
            row.updated_at = now;
        }
        self.api.settled(rows, attempt, ended, now)
    }

    told_by_the_api!();
}
