//! Work that must not be lost with the request that began it: it is tried until the store takes it.

use std::sync::Arc;
use std::time::Duration;

use db::Fault;
use idempotency::{Scope, Working};
use uuid::Uuid;

use crate::attempt::Asked;
use crate::commands::{Adopt, Ending, KeepAsking, Settle};
use crate::queries;
use crate::service::Inner;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A command that keeps failing for a defect is given up after so many tries: the attempt stays open, is asked for, and is seen.
const DEFECTS_MAX: u32 = 3;

/// Something a request left to be done.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Record an outcome that nobody else knows.
    Settle(Box<Settle>),
    /// Record that an outcome must be asked for.
    KeepAsking(Box<KeepAsking>),
    /// Undo an intent if it was written at all; its acquirer was not asked.
    TakeBack { subject: Uuid, asked: Asked },
    /// Record the end of a payment that was on its way from one acquirer to the next: one of the two is it.
    EndTries(Box<[Settle; 2]>),
    /// A flow broke off somewhere: ask what became of what it began.
    FindOut { scope: Scope },
}

impl Errand {
    /// Its name, and the id of what it is about: all that a log may hold of it.
    fn told(&self) -> (&'static str, Uuid) {
        match self {
            Self::Settle(settle) => ("settle", settle.attempt.id.uuid()),
            Self::KeepAsking(keep_asking) => ("keep asking", keep_asking.attempt.id.uuid()),
            Self::TakeBack { subject, .. } => ("take back", *subject),
            Self::EndTries(endings) => ("end tries", endings[0].attempt.id.uuid()),
            Self::FindOut { scope } => ("find out, of account", scope.account_id.uuid()),
        }
    }
}

impl Inner {
    /// Sees to an errand apart from the caller. The key stays taken until it is done.
    pub(crate) fn run_errand(self: &Arc<Self>, errand: Errand, working: Option<Working>) {
        let inner = self.clone();
        self.tasks.spawn(async move {
            let _until_done = working;
            let (mut pause, mut defects) = (FIRST_PAUSE, 0);
            loop {
                tokio::time::sleep(pause).await;
                match inner.try_errand(&errand).await {
                    // When the store is closing, a later start of the process finds the claim and asks.
                    Ok(()) | Err(Fault::Closing) => return,
                    Err(Fault::Failed(_) | Fault::Corrupt(_)) if defects == DEFECTS_MAX => {
                        let (errand, subject) = errand.told();
                        tracing::error!(errand, %subject, "the outcome of an attempt cannot be recorded");
                        return;
                    }
                    Err(Fault::Failed(_) | Fault::Corrupt(_)) => defects += 1,
                    Err(_) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    async fn try_errand(&self, errand: &Errand) -> Result<(), Fault> {
        match errand {
            Errand::Settle(settle) => self.run_settle(Settle::clone(settle)).await,
            Errand::EndTries(endings) => {
                for ending in endings.iter() {
                    self.run_settle(ending.clone()).await?;
                }
                Ok(())
            }
            Errand::KeepAsking(keep_asking) => {
                let _asked_for_or_taken_over = self.store.writer().run(KeepAsking::clone(keep_asking)).await?;
                Ok(())
            }
            Errand::TakeBack { subject, asked } => {
                let Some(attempt) = queries::subject(self.store.reader(), *subject, asked).await? else { return Ok(()) };
                // Its caller was told that nothing was done: it is not tried again.
                let attempt = attempt.tried_as(None);
                self.run_settle(Settle { attempt, ending: Ending::NeverSent, asked_for: false, origins: self.origins.clone() })
                    .await
            }
            Errand::FindOut { scope } => match queries::open_claim(self.store.reader(), scope).await? {
                Some((subject, asked)) => self.adopt(subject, &asked).await,
                None => Ok(()),
            },
        }
    }

    /// Settles, and remembers the reply for repeats. A claim that is another process's by now is that one's business.
    pub(crate) async fn run_settle(&self, settle: Settle) -> Result<(), Fault> {
        let scope = settle.attempt.asked.as_ref().map(|asked| asked.scope);
        let settled = self.store.writer().run(settle).await?;
        let recorded = settled.ok().flatten().and_then(|finished| finished.recorded);
        if let Some((scope, recorded)) = scope.zip(recorded) {
            self.idempotency.done(scope, recorded);
        }
        Ok(())
    }

    /// Takes over what nobody works on any more; the resolver asks for it at once.
    pub(crate) async fn adopt(&self, subject: Uuid, asked: &Asked) -> Result<(), Fault> {
        let Some(attempt) = queries::subject(self.store.reader(), subject, asked).await? else {
            tracing::error!(scope = %asked.scope, %subject, "a claim is held for something that does not exist");
            return Ok(());
        };
        let _asked_for_or_settled_meanwhile = self.store.writer().run(Adopt { attempt, origins: self.origins.clone() }).await?;
        Ok(())
    }
}
