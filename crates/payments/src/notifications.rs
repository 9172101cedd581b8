//! What acquirers tell us unasked: stored before it is answered, worked off afterwards.
//!
//! An event about an attempt whose outcome is unknown makes us ask at once; when the acquirer still does not answer questions, what it
//! said under its signature is believed. Events about chargebacks open and end disputes. Nothing an acquirer says moves a payment
//! backwards, and an event whose amount is not the attempt's changes nothing.

use std::sync::Arc;

use db::Fault;
use kernel::{Currency, Money, PaymentId, sha256};

use crate::acquirer::NotTaken;
use crate::asking::Learned;
use crate::attempt::Attempt;
use crate::commands::{CloseNotification, Ending, Settle, StoreNotification, TakeChargeback};
use crate::queries;
use crate::rows::{AskingRow, NotificationRow};
use crate::service::{Inner, Payments};
use crate::types::{AttemptKind, Connector, Response};

db::codes! {
    /// What a notification is about.
    pub enum Event {
        /// A purchase, authorisation or card check.
        Authorisation = 0,
        /// A capture.
        Capture = 1,
        /// A cancel.
        Cancellation = 2,
        /// A refund.
        Refund = 3,
        /// A payer's bank takes money back.
        Chargeback = 4,
        /// A dispute ended for the payer.
        ChargebackLost = 5,
        /// A dispute ended for the merchant.
        ChargebackWon = 6,
        /// Something that means nothing here.
        Other = 7,
    }
}

impl Event {
    /// The event of this code, as in `event_code`.
    pub fn parse(code: &str) -> Self {
        match code {
            "AUTHORISATION" => Self::Authorisation,
            "CAPTURE" => Self::Capture,
            "CANCELLATION" => Self::Cancellation,
            "REFUND" => Self::Refund,
            "CHARGEBACK" => Self::Chargeback,
            "CHARGEBACK_LOST" => Self::ChargebackLost,
            "CHARGEBACK_WON" => Self::ChargebackWon,
            _ => Self::Other,
        }
    }

    fn is_about(self, kind: AttemptKind) -> bool {
        match self {
            Self::Authorisation => matches!(kind, AttemptKind::Purchase | AttemptKind::Authorise | AttemptKind::Verify),
            Self::Capture => kind == AttemptKind::Capture,
            Self::Cancellation => kind == AttemptKind::Cancel,
            Self::Refund => kind == AttemptKind::Refund,
            Self::Chargeback | Self::ChargebackLost | Self::ChargebackWon | Self::Other => false,
        }
    }
}

db::codes! {
    /// What became of a notification.
    pub enum NotificationState {
        /// Not worked off yet.
        Stored = 0,
        /// It changed something, or made us ask.
        Done = 1,
        /// It says nothing new, or nothing that means something here.
        Ignored = 2,
        /// Its amount is not the attempt's: somebody must look.
        Quarantined = 3,
    }
}

/// One notification whose sender has proven himself.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Who sends it.
    pub connector: Connector,
    /// What makes a repeat of it: its own id, or what it is about and when.
    pub identity: String,
    /// Which payment.
    pub payment_id: Option<PaymentId>,
    /// Which order; it must be the payment's.
    pub merchant_order_id: Arc<str>,
    /// What about.
    pub event: Event,
    /// Whether what it is about went well.
    pub success: bool,
    /// How much.
    pub amount: Money,
    /// As it came, digits that look like a card's masked.
    pub body: Arc<str>,
}

impl Notification {
    /// Its row's key.
    pub(crate) fn id(&self) -> [u8; 16] {
        let hash = sha256(&[self.connector.name().as_bytes(), b"\0", self.identity.as_bytes()]);
        std::array::from_fn(|at| hash[at])
    }
}

/// Why a notification was not stored.
#[derive(Debug, thiserror::Error)]
pub enum NotificationRefused {
    /// It is nobody's, or cannot be read.
    #[error("the notification cannot be taken")]
    NotTaken(NotTaken),
    /// The sender must try again.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Payments {
    /// Takes what an acquirer sent: looks at its signature and stores it. A repeat changes nothing. It is worked off a moment later.
    ///
    /// # Errors
    /// [`NotificationRefused`].
    pub async fn take_notification(
        &self,
        connector: Connector,
        header: &(dyn Fn(&str) -> Option<String> + Sync),
        body: &[u8],
    ) -> Result<(), NotificationRefused> {
        let acquirer = self.0.acquirers.get(connector).ok_or(NotificationRefused::NotTaken(NotTaken::NotOffered))?;
        let now = self.0.source.now(); // signatures are checked against real time
        let notification = acquirer.read_notification(header, body, now).map_err(NotificationRefused::NotTaken)?;
        Ok(self.notified(notification).await?)
    }

    pub(crate) async fn notified(&self, notification: Notification) -> Result<(), Fault> {
        let Ok(()) = self.0.store.writer().run(StoreNotification { notification }).await?;
        self.0.notifications_waiting.notify_one();
        Ok(())
    }

    /// Works off what is stored now.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn work_off_notifications(&self) -> Result<(), Fault> {
        self.0.work_off_notifications().await
    }
}

impl Inner {
    pub(crate) async fn work_off_notifications(&self) -> Result<(), Fault> {
        for row in queries::waiting_notifications(self.store.reader(), self.now(), NOTIFICATIONS_AT_ONCE).await? {
            let worked = match row.event {
                Event::Other => Some(NotificationState::Ignored),
                Event::Chargeback | Event::ChargebackLost | Event::ChargebackWon => self.take_chargeback(&row).await?,
                Event::Authorisation | Event::Capture | Event::Cancellation | Event::Refund => self.take_result(&row).await?,
            };
            if worked == Some(NotificationState::Quarantined) {
                tracing::error!(payment = ?row.payment_id, "an acquirer's notification does not fit its payment; it changed nothing");
                metrics::counter!("guichet_notifications_quarantined_total").increment(1);
            }
            let Ok(()) = self.store.writer().run(CloseNotification { id: row.id, state: worked }).await?;
        }
        Ok(())
    }

    /// The payment it names, if its order is the one it names too.
    async fn named(&self, row: &NotificationRow) -> Result<Option<crate::PaymentRow>, Fault> {
        let Some(payment) = row.payment_id else { return Ok(None) };
        let found = queries::payment_of_order(self.store.reader(), &row.merchant_order_id, payment).await?;
        Ok(found.filter(|payment| payment.connector == row.connector))
    }

    async fn take_chargeback(&self, row: &NotificationRow) -> Result<Option<NotificationState>, Fault> {
        let Some(payment) = self.named(row).await? else { return Ok(Some(NotificationState::Ignored)) };
        let open = queries::open_dispute(self.store.reader(), payment.account_id, payment.id).await?;
        let id = open.map_or_else(|| kernel::AttemptId::new(&self.source), |open| open.id);
        let attempt = Attempt { id, kind: AttemptKind::Chargeback, amount: row.money(), ..Attempt::first(&payment, None) };
        let Ok(state) =
            self.store.writer().run(TakeChargeback { attempt, event: row.event, origins: self.origins.clone() }).await?;
        Ok(state)
    }

    /// The result of an attempt that is being asked for. `None`: its request is still waiting for the acquirer, look again later.
    async fn take_result(&self, row: &NotificationRow) -> Result<Option<NotificationState>, Fault> {
        let Some(payment) = self.named(row).await? else { return Ok(Some(NotificationState::Ignored)) };
        let (mut fitting, mut other_amount) = (Vec::new(), false);
        for asking in queries::questions_about(self.store.reader(), payment.account_id, payment.id).await? {
            let Some(attempt) = queries::questioned(self.store.reader(), &asking).await? else { continue };
            if row.event.is_about(attempt.kind) {
                if attempt.amount == row.money() { fitting.push((asking, attempt)) } else { other_amount = true }
            }
        }
        match (fitting.as_slice(), other_amount) {
            ([], true) => return Ok(Some(NotificationState::Quarantined)),
            ([], false) => {
                let sending = queries::is_sending(self.store.reader(), payment.account_id, payment.id).await?;
                return Ok((!sending).then_some(NotificationState::Ignored));
            }
            ([(_, attempt)], _) => self.believe(row, attempt).await?,
            (several, _) => self.ask_about(several).await?,
        }
        Ok(Some(NotificationState::Done))
    }

    /// Asks what became of the attempt; while questions are not answered, what was said under the acquirer's signature counts.
    async fn believe(&self, row: &NotificationRow, attempt: &Attempt) -> Result<(), Fault> {
        let ending = match self.ask(attempt).await {
            Learned::Certain(ending) => ending,
            Learned::Missing | Learned::Nothing if row.success => Ending::Approved(Response::notified("SUCCEEDED")),
            Learned::Missing | Learned::Nothing => Ending::Declined(Response::notified("DECLINED_BY_BANK")),
        };
        self.run_settle(Settle { attempt: attempt.clone(), ending, asked_for: true, origins: self.origins.clone() }).await
    }

    async fn ask_about(&self, several: &[(AskingRow, Attempt)]) -> Result<(), Fault> {
        for (_, attempt) in several {
            if let Learned::Certain(ending) = self.ask(attempt).await {
                self.run_settle(Settle { attempt: attempt.clone(), ending, asked_for: true, origins: self.origins.clone() })
                    .await?;
            }
        }
        Ok(())
    }
}

/// Notifications worked off in one go.
const NOTIFICATIONS_AT_ONCE: u32 = 500;

/// A text as it may be kept: runs of 13 to 19 digits, spaces and dashes between them allowed, become dots.
pub fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut String| {
        let digits = run.chars().filter(char::is_ascii_digit).count();
        if (13..=19).contains(&digits) {
            out.extend(run.chars().map(|letter| if letter.is_ascii_digit() { '.' } else { letter }));
        } else {
            out.push_str(run);
        }
        run.clear();
    };
    for letter in text.chars() {
        let joins = !run.is_empty() && matches!(letter, ' ' | '-');
        if letter.is_ascii_digit() || joins {
            run.push(letter);
        } else {
            flush(&mut run, &mut out);
            out.push(letter);
        }
    }
    flush(&mut run, &mut out);
    out
}

impl NotificationRow {
    /// How much it is about.
    pub fn money(&self) -> Money {
        let currency: Currency = self.currency;
        Money::new(self.amount, currency)
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn what_looks_like_a_card_is_masked() {
        for (text, kept) in [
            (r#"{"n":"4507990000000002"}"#, r#"{"n":"................"}"#),
            ("4507 9900 0000 0002 x", ".... .... .... .... x"),
            ("order 20261122, 12 chairs", "order 20261122, 12 chairs"),
            ("01234567890123456789", "01234567890123456789"),
        ] {
            assert_eq!(masked(text), kept);
        }
    }
}
