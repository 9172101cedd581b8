//! What acquirers tell us unasked: stored before it is answered, worked off afterwards.
//!
//! An event about an attempt whose outcome is unknown makes us ask at once; when the acquirer still does not answer questions, what it
//! said under its signature is believed. Events about chargebacks open and end disputes. Nothing an acquirer says moves a payment
//! backwards, and an event whose amount is not the attempt's changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use db::Fault;
use futures_util::{StreamExt, stream};
use kernel::{AttemptId, Currency, Money, PaymentId, sha256};

use crate::acquirer::{Behind, NotTaken};
use crate::asking::Learned;
use crate::attempt::Attempt;
use crate::challenges::Sent;
use crate::commands::{CloseNotification, Ending, IgnoreNotifications, Settle, StoreNotification, TakeChargeback};
use crate::queries;
use crate::rows::{NotificationRow, PaymentRow};
use crate::service::{Inner, Payments};
use crate::types::{AttemptKind, AttemptState, Connector, Response};

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

    /// Whether it opens or ends a dispute.
    pub const fn is_dispute(self) -> bool {
        matches!(self, Self::Chargeback | Self::ChargebackLost | Self::ChargebackWon)
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
    /// Where it names no payment: the attempt it is about, or the charge of that; of a dispute, the attempt it is kept as.
    pub attempt: Option<AttemptId>,
    /// Likewise: what the acquirer calls the charge.
    pub reference: Option<Arc<str>>,
}

/// Whose payment a notification is about.
enum Named {
    Payment(Box<PaymentRow>),
    Nobody,
    /// Only the acquirer could tell, and does not.
    NoAnswer,
}

/// How far an open question is what a notification speaks of.
enum Fits {
    /// It tells what became of it.
    Told,
    /// It tells of something near: reason to ask.
    Hinted,
    No,
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
    /// Page after page, until no more are due.
    pub(crate) async fn work_off_notifications(&self) -> Result<(), Fault> {
        let fills_page = |count: usize| count >= usize::try_from(NOTIFICATIONS_AT_ONCE).unwrap_or(usize::MAX);
        loop {
            // Most of what acquirers say is known already: one look and one decision for a page of it.
            let ids = queries::idle_notifications(self.store.reader(), self.now(), NOTIFICATIONS_AT_ONCE).await?;
            let is_idle_full = fills_page(ids.len());
            if !ids.is_empty() {
                let Ok(()) = self.store.writer().run(IgnoreNotifications { ids }).await?;
            }
            if is_idle_full {
                continue;
            }
            let due = queries::waiting_notifications(self.store.reader(), self.now(), NOTIFICATIONS_AT_ONCE).await?;
            let is_full = fills_page(due.len());
            // What one payment was told about stays in order; payments do not wait for each other.
            let failed = stream::iter(by_payment(due))
                .map(|about_one| self.work_off(about_one))
                .buffer_unordered(PAYMENTS_AT_ONCE)
                .fold(false, |any, worked| async move { any | worked.is_err() })
                .await;
            // What failed is still due, and not to be tried again at once.
            if failed || !is_full {
                return Ok(());
            }
        }
    }

    /// One failure keeps back what else that payment was told about, and nothing of other payments.
    async fn work_off(&self, about_one: Vec<NotificationRow>) -> Result<(), Fault> {
        for row in about_one {
            let worked = match row.event {
                Event::Other => Ok(Some(NotificationState::Ignored)),
                Event::Chargeback | Event::ChargebackLost | Event::ChargebackWon => self.take_chargeback(&row).await,
                Event::Authorisation | Event::Capture | Event::Cancellation | Event::Refund => self.take_result(&row).await,
            };
            let state = worked.inspect_err(|fault| {
                tracing::warn!(payment = row.payment_id.map(tracing::field::display), %fault, "a notification could not be worked off; it is tried again");
            })?;
            if state == Some(NotificationState::Quarantined) {
                tracing::error!(
                    payment = row.payment_id.map(tracing::field::display),
                    "an acquirer's notification does not fit its payment; it changed nothing"
                );
                metrics::counter!("guichet_notifications_quarantined_total").increment(1);
            }
            let Ok(()) = self.store.writer().run(CloseNotification { id: row.id, state }).await?;
        }
        Ok(())
    }

    /// The payment it names, if its order is the one it names too; or the one behind the attempt or charge it names.
    async fn named(&self, row: &NotificationRow) -> Result<Named, Fault> {
        let reader = self.store.reader();
        let found = match (row.payment_id, row.attempt_id.filter(|_| !row.event.is_dispute())) {
            (Some(payment), _) => queries::payment_of_order(reader, &row.merchant_order_id, payment).await?,
            (None, Some(attempt)) if !row.undoes() => queries::payment_behind(reader, attempt).await?,
            (None, _) => match self.behind(row).await {
                Behind::Attempt(attempt) => queries::payment_behind(reader, attempt).await?,
                Behind::Nobody => None,
                Behind::NoAnswer => return Ok(Named::NoAnswer),
            },
        };
        let found = found.filter(|payment| payment.connector == row.connector);
        Ok(found.map_or(Named::Nobody, |payment| Named::Payment(Box::new(payment))))
    }

    /// What only the acquirer knows: of disputes, and of refunds that come to nothing after all.
    async fn behind(&self, row: &NotificationRow) -> Behind {
        let reference = row.reference.as_deref().filter(|_| row.event.is_dispute() || row.undoes());
        match self.acquirers.get(row.connector).zip(reference) {
            Some((acquirer, reference)) => acquirer.behind(reference).await,
            None => Behind::Nobody,
        }
    }

    async fn take_chargeback(&self, row: &NotificationRow) -> Result<Option<NotificationState>, Fault> {
        let payment = match self.named(row).await? {
            Named::Payment(payment) => *payment,
            Named::Nobody => return Ok(Some(NotificationState::Ignored)),
            Named::NoAnswer => return Ok(None),
        };
        if !row.success {
            return Ok(Some(NotificationState::Ignored));
        }
        let id = if let Some(id) = row.attempt_id {
            id
        } else {
            // In this order: what another process opens in between is found open, and is not mistaken for one that is over.
            let is_early = self.is_early(row, &payment).await?;
            let open = queries::open_dispute(self.store.reader(), payment.account_id, payment.id).await?;
            if open.is_none() && is_early {
                return Ok(None);
            }
            open.map_or_else(|| AttemptId::new(&self.source), |open| open.id)
        };
        let attempt = Attempt { id, kind: AttemptKind::Chargeback, amount: row.money(), ..Attempt::first(&payment, None) };
        let (event, known_by_id, origins) = (row.event, row.attempt_id.is_some(), self.origins.clone());
        let Ok(state) = self.store.writer().run(TakeChargeback { attempt, event, known_by_id, origins }).await?;
        if state == Some(NotificationState::Done) && event == Event::ChargebackLost {
            self.end_tries_of(payment.account_id, payment.id).await?;
        }
        Ok(state)
    }

    /// Whether it is about the end of a dispute that has not begun here: the two may have changed places on their way, or its beginning
    /// waits until it is known what was paid.
    async fn is_early(&self, row: &NotificationRow, payment: &PaymentRow) -> Result<bool, Fault> {
        let is_end = matches!(row.event, Event::ChargebackLost | Event::ChargebackWon);
        if !is_end {
            return Ok(false);
        }
        let in_time = self.now() <= row.received_at.plus_seconds(EARLY_SECONDS_MAX);
        if !in_time && !queries::dispute_waits(self.store.reader(), payment.id).await? {
            return Ok(false);
        }
        Ok(!queries::was_disputed(self.store.reader(), payment.account_id, payment.id).await?)
    }

    /// The result of an attempt that is being asked for. `None`: its request is still waiting for the acquirer, look again later.
    async fn take_result(&self, row: &NotificationRow) -> Result<Option<NotificationState>, Fault> {
        let payment = match self.named(row).await? {
            Named::Payment(payment) => *payment,
            Named::Nobody => return Ok(Some(NotificationState::Ignored)),
            Named::NoAnswer => return Ok(None),
        };
        if payment.attempt == AttemptState::AwaitingPayer && row.event == Event::Authorisation {
            return self.hear_of_payer(&payment).await;
        }
        let (mut told, mut hinted, mut other_amount) = (Vec::new(), Vec::new(), false);
        for asking in queries::questions_about(self.store.reader(), payment.account_id, payment.id).await? {
            let Some(attempt) = queries::questioned(self.store.reader(), &asking).await? else { continue };
            match row.fits(&attempt) {
                Fits::Told if attempt.amount == row.money() => told.push(attempt),
                Fits::Told => other_amount = true,
                Fits::Hinted => hinted.push(attempt),
                Fits::No => {}
            }
        }
        match (told.as_slice(), hinted.as_slice()) {
            ([], []) if other_amount => return Ok(Some(NotificationState::Quarantined)),
            ([], []) => {
                if queries::is_sending(self.store.reader(), payment.account_id, payment.id).await? {
                    return Ok(None);
                }
                let done = match row.attempt_id.filter(|_| row.undoes()) {
                    Some(attempt) => queries::has_succeeded(self.store.reader(), payment.account_id, attempt).await?,
                    None => false,
                };
                return Ok(Some(if done { NotificationState::Quarantined } else { NotificationState::Ignored }));
            }
            ([attempt], _) => self.believe(row, attempt).await?,
            ([], several) | (several, _) => self.ask_about(several).await?,
        }
        Ok(Some(NotificationState::Done))
    }

    /// Something happened at the acquirer to a charge that waits for its payer.
    async fn hear_of_payer(&self, payment: &PaymentRow) -> Result<Option<NotificationState>, Fault> {
        Ok(match self.look_for_payer(payment).await? {
            Sent::OverNow => Some(NotificationState::Done),
            Sent::ToUs | Sent::To(_) | Sent::Nowhere => Some(NotificationState::Ignored),
            Sent::NoAnswer => None,
        })
    }

    /// Asks what became of the attempt; while questions are not answered, what was said under the acquirer's signature counts.
    async fn believe(&self, row: &NotificationRow, attempt: &Attempt) -> Result<(), Fault> {
        let reference = row.reference.as_deref().filter(|_| attempt.operation().is_none());
        let ending = match self.ask(attempt).await {
            Learned::Certain(ending) => ending,
            Learned::Missing | Learned::Nothing if row.success => Ending::Approved(Response::notified("SUCCEEDED", reference)),
            Learned::Missing | Learned::Nothing => Ending::Declined(Response::notified("DECLINED_BY_BANK", reference)),
        };
        self.run_settle(Settle { attempt: attempt.clone(), ending, asked_for: true, origins: self.origins.clone() }).await
    }

    async fn ask_about(&self, several: &[Attempt]) -> Result<(), Fault> {
        for attempt in several {
            if let Learned::Certain(ending) = self.ask(attempt).await {
                self.run_settle(Settle { attempt: attempt.clone(), ending, asked_for: true, origins: self.origins.clone() })
                    .await?;
            }
        }
        Ok(())
    }
}

impl NotificationRow {
    /// Whether it says that a refund came to nothing, perhaps after it was said to have gone through: nothing goes backwards here, so
    /// somebody must look.
    fn undoes(&self) -> bool {
        self.event == Event::Refund && !self.success && self.attempt_id.is_some()
    }

    /// Whether it speaks of this attempt, which is being asked for.
    fn fits(&self, attempt: &Attempt) -> Fits {
        // Older interfaces let a hold go by a refund of it.
        let about = self.event.is_about(attempt.kind) || (self.event == Event::Refund && attempt.kind == AttemptKind::Cancel);
        match (self.attempt_id.map(|id| id == attempt.outside_id()), about) {
            (None | Some(true), true) => Fits::Told,
            (Some(false), true) | (Some(true), false) => Fits::Hinted,
            (None | Some(false), false) => Fits::No,
        }
    }
}

/// Notifications worked off in one go.
const NOTIFICATIONS_AT_ONCE: u32 = 500;
/// The end of a dispute waits so long for its beginning.
const EARLY_SECONDS_MAX: i64 = 3_600;
/// Payments whose notifications are worked off at the same time: their commits are shared.
const PAYMENTS_AT_ONCE: usize = 64;

/// The notifications of each payment, in the order in which they came.
fn by_payment(rows: Vec<NotificationRow>) -> Vec<Vec<NotificationRow>> {
    let mut of_payments: Vec<Vec<NotificationRow>> = Vec::new();
    let mut places: HashMap<Option<PaymentId>, usize> = HashMap::new();
    for row in rows {
        let place = *places.entry(row.payment_id).or_insert_with(|| {
            of_payments.push(Vec::new());
            of_payments.len() - 1
        });
        of_payments[place].push(row);
    }
    of_payments
}

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
