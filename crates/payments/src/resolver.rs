//! Recovery: asks what became of attempts whose outcome is unknown, takes dead processes' work over, tries again what is to be tried again,
//! lets lapsed holds go, and forgets what is left of deleted customers.
//!
//! Runs in every process; each question and each hold is taken by a guarded update, so no process needs to be the leader.

use std::future::Future;

use db::{DeadNode, Fault};
use futures_util::{StreamExt, stream};
use idempotency::queries::{OrphansAfter, orphans};
use idempotency::{Orphan, meter};
use kernel::Timestamp;

use crate::asking::Learned;
use crate::attempt::Asked;
use crate::commands::{Ending, Lapse, NoteMissing, Settle, TakeQuestion};
use crate::queries;
use crate::rows::AskingRow;
use crate::service::{Inner, Payments};

/// Questions asked at the same time; an acquirer that is silent keeps each of them waiting.
const ASKING_AT_ONCE: usize = 64;
/// Questions, holds or orphans looked at in one go.
const PAGE: u32 = 500;
/// Questions asked in one go at the start.
const QUESTIONS_AT_START: u32 = 100_000;
/// An acquirer that cannot promise to refuse a late attempt must not know it for this long before it counts as never sent.
const MISSING_SECONDS: i64 = 10 * 60;

impl Payments {
    /// Runs recovery until `stop`. At the start every open question is asked, whether or not it is due.
    pub async fn resolve_until(&self, stop: impl Future<Output = ()>) {
        let all_of_it = async {
            tokio::join!(
                self.keep_taking_over(),
                self.keep_asking(),
                self.keep_trying_again(),
                self.keep_letting_lapse(),
                self.keep_working_off(),
                self.keep_forgetting()
            )
        };
        tokio::select! {
            biased;
            () = stop => {}
            _ = Box::pin(all_of_it) => {}
        }
    }

    /// Everything once: dead processes first, because their work becomes questions, then the questions that are open at all, then what is
    /// to be tried again, then holds.
    pub async fn resolve_once(&self) {
        noted("taking over", self.0.take_over().await);
        noted("asking", self.0.ask_due(Timestamp::MAX, QUESTIONS_AT_START).await);
        noted("trying again", self.0.try_again_due().await);
        noted("letting holds lapse", self.0.lapse_due().await);
        noted("ending challenges", self.0.expire_challenges(self.0.now(), PAGE).await);
        noted("working off notifications", self.0.work_off_notifications().await);
        noted("forgetting customers", self.0.forget_deleted().await);
    }

    async fn keep_taking_over(&self) {
        loop {
            noted("taking over", self.0.take_over().await);
            tokio::time::sleep(self.0.patience.tick).await;
        }
    }

    async fn keep_asking(&self) {
        noted("asking", self.0.ask_due(Timestamp::MAX, QUESTIONS_AT_START).await);
        loop {
            tokio::time::sleep(self.0.patience.tick).await;
            noted("asking", self.0.ask_due(self.0.now(), PAGE).await);
        }
    }

    async fn keep_trying_again(&self) {
        loop {
            noted("trying again", self.0.try_again_due().await);
            tokio::time::sleep(self.0.patience.tick).await;
        }
    }

    async fn keep_working_off(&self) {
        loop {
            noted("working off notifications", self.0.work_off_notifications().await);
            let _one_came_or_time_is_over =
                tokio::time::timeout(self.0.patience.tick, self.0.notifications_waiting.notified()).await;
        }
    }

    async fn keep_forgetting(&self) {
        loop {
            noted("forgetting customers", self.0.forget_deleted().await);
            tokio::time::sleep(self.0.patience.tick).await;
        }
    }

    async fn keep_letting_lapse(&self) {
        loop {
            noted("letting holds lapse", self.0.lapse_due().await);
            noted("ending challenges", self.0.expire_challenges(self.0.now(), PAGE).await);
            tokio::time::sleep(self.0.patience.tick).await;
        }
    }
}

fn noted(step: &'static str, result: Result<(), Fault>) {
    if let Err(fault) = result {
        tracing::warn!(step, %fault, "recovery could not finish a step; it tries again");
    }
}

impl Inner {
    async fn take_over(&self) -> Result<(), Fault> {
        for dead in self.store.dead_nodes().await? {
            self.take_over_from(dead).await?;
            self.store.forget_node(dead.boot).await?;
        }
        Ok(())
    }

    async fn take_over_from(&self, dead: DeadNode) -> Result<(), Fault> {
        let mut after = OrphansAfter::start(dead.work_since);
        loop {
            let page = orphans(self.store.reader(), dead.boot, after, PAGE).await?;
            for Orphan { scope, subject, request_id, .. } in &page {
                tracing::info!(%scope, %subject, "taking over what a dead process left unfinished");
                self.adopt(*subject, &Asked { scope: *scope, request_id: request_id.clone() }).await?;
                meter::taken_over();
            }
            match page.last() {
                Some(last) => after = OrphansAfter::next(last),
                None => return Ok(()),
            }
        }
    }

    async fn ask_due(&self, due: Timestamp, limit: u32) -> Result<(), Fault> {
        let questions = queries::due_questions(self.store.reader(), due, limit).await?;
        stream::iter(questions)
            .for_each_concurrent(ASKING_AT_ONCE, |asking| async move {
                if let Err(fault) = self.ask_one(&asking).await {
                    tracing::warn!(attempt = %asking.attempt_id, %fault, "a question could not be asked; it stays open");
                }
            })
            .await;
        let (open, since) = queries::open_questions(self.store.reader()).await?;
        let age = if open == 0 { 0 } else { self.now().seconds_since(since) };
        meter::unknown(u32::try_from(open).unwrap_or(u32::MAX), u32::try_from(age).unwrap_or(0));
        Ok(())
    }

    async fn ask_one(&self, asking: &AskingRow) -> Result<(), Fault> {
        let key = (asking.account_id, asking.attempt_id);
        let Ok(taken) = self.store.writer().run(TakeQuestion { key, due: asking.next_ask_at }).await?;
        let Some(asked_at) = taken else { return Ok(()) };
        let Some(attempt) = queries::questioned(self.store.reader(), asking).await? else {
            tracing::error!(attempt = %asking.attempt_id, "a question is open about an attempt that does not exist");
            return Ok(());
        };
        let ending = match self.ask(&attempt).await {
            Learned::Certain(ending) => ending,
            Learned::Nothing => return Ok(()),
            Learned::Missing => {
                let Ok(seconds) = self.store.writer().run(NoteMissing { key, asked_at }).await?;
                if seconds.is_none_or(|seconds| seconds < MISSING_SECONDS) {
                    return Ok(());
                }
                Ending::Fenced
            }
        };
        tracing::info!(attempt = %attempt.id, ending = word(&ending), "an unknown outcome is known now");
        self.run_settle(Settle { attempt, ending, asked_for: true, origins: self.origins.clone() }).await
    }

    async fn lapse_due(&self) -> Result<(), Fault> {
        for payment in queries::lapsed(self.store.reader(), self.now(), PAGE).await? {
            let (connector, currency, charge) = (payment.connector, payment.currency, payment.attempt_id);
            let (key, herald) = ((payment.account_id, payment.id), self.origins.herald().clone());
            let Ok(_let_go) = self.store.writer().run(Lapse { key, connector, currency, charge, herald }).await?;
        }
        Ok(())
    }
}

/// An ending in the log, without what the acquirer said.
fn word(ending: &Ending) -> &'static str {
    match ending {
        Ending::Approved(_) => "approved",
        Ending::Declined(_) => "declined",
        Ending::Errored(_) => "errored",
        Ending::NeverSent => "never sent",
        Ending::Fenced => "fenced",
        Ending::AwaitingPayer(_) => "awaiting the payer",
        Ending::Expired(_) => "expired",
    }
}
