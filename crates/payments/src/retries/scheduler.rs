//! Finds operations whose time has come and tries them. Runs in every process; each try is taken by a guarded update.

use std::sync::Arc;

use db::Fault;
use futures_util::{StreamExt, stream};
use kernel::sabotage::{Defect, is_planted};
use kernel::{AccountId, AttemptId, PaymentId};

use super::commands::Take;
use super::queries;
use super::rows::RetriedRow;
use crate::attempt::Attempt;
use crate::commands::{Ending, Settle};
use crate::errands::Errand;
use crate::service::Inner;

/// Operations looked at in one go.
const PAGE: u32 = 500;
/// Tries made at the same time.
const AT_ONCE: usize = 16;

impl Inner {
    /// Tries everything whose time has come.
    pub(crate) async fn try_again_due(self: &Arc<Self>) -> Result<(), Fault> {
        let due = queries::due(self.store.reader(), self.now(), PAGE).await?;
        stream::iter(due)
            .for_each_concurrent(AT_ONCE, |row| async move {
                let operation = row.attempt_id;
                if let Err(fault) = self.try_again(row).await {
                    tracing::warn!(attempt = %operation, %fault, "an operation could not be tried again; it is looked at again");
                }
            })
            .await;
        Ok(())
    }

    /// Ends what waits of a payment that the payer's bank has just kept: it could not be tried any more when its time came.
    pub(crate) async fn end_tries_of(&self, account: AccountId, payment: PaymentId) -> Result<(), Fault> {
        for row in queries::waiting(self.store.reader(), account, payment).await? {
            self.take_try(row).await?;
        }
        Ok(())
    }

    /// The try to be made, if it is this process's to make.
    async fn take_try(&self, row: RetriedRow) -> Result<Option<Attempt>, Fault> {
        let Some(due) = row.due_at else { return Ok(None) };
        let fresh = AttemptId::new(&self.source);
        let try_id = if is_planted(Defect::TryIdKept) { row.try_id } else { fresh };
        let (key, origins) = ((row.account_id, row.attempt_id), self.origins.clone());
        let Ok(taken) = self.store.writer().run(Take { key, due, try_id, origins }).await?;
        Ok(taken)
    }

    async fn try_again(self: &Arc<Self>, row: RetriedRow) -> Result<(), Fault> {
        let Some(attempt) = self.take_try(row).await? else { return Ok(()) };
        let outcome = self.follow_up(&attempt).await;
        let ending = match Ending::of(&outcome) {
            Some(ending) => Some(ending),
            None if is_planted(Defect::UnknownTryCountsAsFailed) => Some(Ending::NeverSent),
            None => self.ask_while_waiting(&attempt, &outcome).await,
        };
        // Where nothing is certain, the question stands that was opened with the intent.
        let Some(ending) = ending else { return Ok(()) };
        let settle = Settle { attempt, ending, asked_for: true, origins: self.origins.clone() };
        self.run_settle(settle.clone()).await.inspect_err(|_| self.run_errand(Errand::Settle(Box::new(settle)), None))
    }
}
