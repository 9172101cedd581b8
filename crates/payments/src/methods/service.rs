//! Stored payment methods as the edge and other products ask for them.

use std::sync::Arc;

use db::Fault;
use idempotency::meter;
use kernel::{
    AccountId, AttemptId, Country, Currency, CustomerId, CustomerSessionId, Money, PaymentId, PaymentMethodId, Timestamp,
};
use uuid::Uuid;

use super::commands::{Enrol, MarkDamaged, Prepare, Unenrol};
use super::queries::{self, Found};
use super::rows::PaymentMethodRow;
use super::source::{CardSource, NewMethod, may_be_charged};
use super::types::MethodStatus;
use crate::acquirer::ChargeAsk;
use crate::asks::{Answer, Means, Once};
use crate::commands::{Begun, Charge, Ending};
use crate::customers;
use crate::error::{PaymentsError, Refusal};
use crate::facts::MethodFacts;
use crate::routing::Route;
use crate::rows::CheckoutSessionRow;
use crate::rules;
use crate::service::{Inner, Payments};
use crate::types::{CardAsk, CardFace, Mode, OriginKind, Terms, Workflow};
use crate::vault::Opened;

/// A method that is to wait for its card.
#[derive(Clone, Debug)]
pub struct PrepareMethod {
    /// Where it is enrolled.
    pub country: Country,
    /// Ask the acquirer before it is enrolled, in this currency.
    pub verify: Option<Currency>,
}

/// A card to be enrolled.
#[derive(Debug)]
pub struct EnrolMethod {
    /// Where it is enrolled.
    pub country: Country,
    /// Ask the acquirer before it is enrolled, in this currency.
    pub verify: Option<Currency>,
    /// The card: sent, or a one-time token.
    pub means: Means,
    /// Where the payer is sent back to.
    pub callback_url: Option<Arc<str>>,
}

/// A stored method as read for showing.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The method.
    pub method: PaymentMethodRow,
    /// Whether its customer paid with it last.
    pub last: bool,
    /// When it was read.
    pub now: Timestamp,
    /// Where its payer is asked, while the check of its card waits for him.
    pub page: Option<String>,
}

impl Stored {
    /// To be drawn.
    pub fn facts(&self) -> MethodFacts<'_> {
        MethodFacts { method: &self.method, last: self.last, now: self.now, page: self.page.as_deref() }
    }
}

impl Payments {
    /// Prepares a method that waits for its card in a customer's session. A malformed id is one that does not exist.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn prepare_method(
        &self,
        account: AccountId,
        session: Option<CustomerSessionId>,
        ask: PrepareMethod,
        once: Once,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.0;
        let found = match session {
            Some(session) => customers::session(inner.store.reader(), account, session).await?,
            None => None,
        };
        let Some(found) = found else { return inner.refused(Some(&once), Refusal::CustomerSessionNotFound).await };
        let row = PaymentMethodRow {
            customer_session: Some(found.id),
            callback_url: found.callback_url,
            ..inner.blank(account, Some(found.customer_id), ask.country, ask.verify, &once)
        };
        let (session, faces, subject) = (found.id, inner.faces.clone(), row.id.uuid());
        inner.at_once(Prepare { row, session, faces }, subject, Some(once)).await
    }

    /// Enrols a card for a customer, after asking the acquirer if that is wanted.
    ///
    /// # Errors
    /// [`PaymentsError`]; after [`Refusal::OutcomeUnknown`] the key stays in process until the outcome is known.
    pub async fn enrol_method(
        &self,
        terms: &Terms,
        customer: Option<CustomerId>,
        ask: EnrolMethod,
        once: Once,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.0;
        // Looked for before the card is, so that an unknown customer is named first whatever the card is. Judged again in the decision.
        let found = match customer {
            Some(id) => self.get_customer(terms.account_id, id).await?,
            None => None,
        };
        let Some(customer) = found else { return inner.refused(Some(&once), Refusal::CustomerNotFound).await };
        let row = PaymentMethodRow {
            callback_url: ask.callback_url,
            ..inner.blank(terms.account_id, Some(customer.id), ask.country, ask.verify, &once)
        };
        self.enrol(row, None, ask.means, once).await
    }

    /// Enrols the card of a one-time token into a method that waits for it. A malformed id is one that does not exist.
    ///
    /// # Errors
    /// As [`Payments::enrol_method`].
    pub async fn confirm_method(
        &self,
        terms: &Terms,
        session: Option<CustomerSessionId>,
        method: Option<PaymentMethodId>,
        token: Arc<str>,
        once: Once,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.0;
        let found = match method {
            Some(method) => queries::method(inner.store.reader(), terms.account_id, method).await?,
            None => None,
        };
        let waiting = found.filter(|Found { method: row, .. }| session.is_some() && row.customer_session == session);
        let Some(Found { method: row, .. }) = waiting else {
            return inner.refused(Some(&once), Refusal::PaymentMethodNotFound).await;
        };
        if row.status_at(inner.now()) != MethodStatus::ReadyToEnroll {
            return inner.refused(Some(&once), Refusal::InvalidStatus).await;
        }
        self.enrol(row, session, Means::Token(token), once).await
    }

    async fn enrol(
        &self,
        row: PaymentMethodRow,
        waits_in: Option<CustomerSessionId>,
        means: Means,
        once: Once,
    ) -> Result<Answer, PaymentsError> {
        let inner = &self.0;
        let (enrol, ask) = match inner.enrolment(row, waits_in, means, &once).await {
            Ok(prepared) => prepared,
            Err(PaymentsError::Refused(refusal)) => return inner.refused(Some(&once), refusal).await,
            Err(fault) => return Err(fault),
        };
        let working = inner.enter(&once)?;
        let flow = inner.clone().enrol(enrol, ask, working);
        inner.clone().detached(once.scope, flow).await
    }

    /// Takes a method off; it must be the customer's, where one is named. A malformed id is one that does not exist.
    ///
    /// # Errors
    /// [`PaymentsError`].
    pub async fn unenrol_method(
        &self,
        account: AccountId,
        customer: Option<Option<CustomerId>>,
        method: Option<PaymentMethodId>,
        once: Option<Once>,
    ) -> Result<Answer, PaymentsError> {
        let (Some(id), None | Some(Some(_))) = (method, customer) else {
            return self.0.refused(once.as_ref(), Refusal::PaymentMethodNotFound).await;
        };
        let (customer, herald) = (customer.flatten(), self.0.origins.herald().clone());
        self.0.at_once(Unenrol { account, id, customer, herald }, id.uuid(), once).await
    }

    /// One method; `None` when the account has none of that id.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn get_method(&self, account: AccountId, id: PaymentMethodId) -> Result<Option<Stored>, Fault> {
        let found = queries::method(self.0.store.reader(), account, id).await?;
        Ok(found.map(|found| self.0.stored(found, self.0.now())))
    }

    /// A customer's methods but for those that were taken off, newest first.
    ///
    /// # Errors
    /// [`Fault`] of the store.
    pub async fn methods_of(&self, account: AccountId, customer: CustomerId) -> Result<Vec<Stored>, Fault> {
        let now = self.0.now();
        let found = queries::of_customer(self.0.store.reader(), account, customer).await?;
        Ok(found.into_iter().map(|found| self.0.stored(found, now)).collect())
    }

    /// Opens the card of a stored method for a charge by this or another product, with what the charge has to name.
    ///
    /// # Errors
    /// [`Refusal::PaymentMethodNotFound`], [`Refusal::PaymentMethodStatus`], [`Refusal::InvalidCustomerForToken`].
    pub async fn open_vaulted(
        &self,
        account: AccountId,
        vaulted_token: &str,
        customer: Option<CustomerId>,
    ) -> Result<(CardAsk, CardSource), PaymentsError> {
        self.0.open_vaulted(account, vaulted_token, customer).await
    }
}

impl Inner {
    fn stored(&self, found: Found, now: Timestamp) -> Stored {
        let Found { method, last, asked } = found;
        Stored { method, last, now, page: asked.map(|attempt| self.challenges().url(attempt)) }
    }

    /// A method without a card.
    fn blank(
        &self,
        account: AccountId,
        customer: Option<CustomerId>,
        country: Country,
        verify: Option<Currency>,
        once: &Once,
    ) -> PaymentMethodRow {
        let now = self.now();
        PaymentMethodRow {
            account_id: account,
            id: PaymentMethodId::new(&self.source),
            vaulted_token: self.source.uuid(),
            customer_id: customer,
            customer_session: None,
            country,
            idempotency_key: Some(once.key.clone()),
            verify: verify.is_some(),
            verify_currency: verify,
            callback_url: None,
            created_at: now,
            status: MethodStatus::ReadyToEnroll,
            card: None,
            fingerprint: None,
            number_record: None,
            payment_id: None,
            last_used_at: None,
            reached_at: None,
            updated_at: now,
        }
    }

    /// The method with `card` in it, its number sealed, as it is while the acquirer is asked.
    async fn with_card(&self, row: PaymentMethodRow, card: &CardAsk, payment: Option<PaymentId>) -> Result<NewMethod, Fault> {
        let number = self.vault.seal_number(row.account_id, &card.number).await?;
        let row = PaymentMethodRow {
            status: MethodStatus::EnrollInProcess,
            card: Some(CardFace::stored(card)),
            fingerprint: card.fingerprint,
            number_record: Some(number.record),
            payment_id: payment,
            ..row
        };
        Ok(NewMethod { row, number })
    }

    /// Everything an enrolment needs, with the ask for the acquirer if it is to be asked.
    async fn enrolment(
        &self,
        row: PaymentMethodRow,
        waits_in: Option<CustomerSessionId>,
        means: Means,
        once: &Once,
    ) -> Result<(Enrol, Option<ChargeAsk>), PaymentsError> {
        let account = row.account_id;
        let (card, token) = match means {
            Means::Card(card) => (card, None),
            Means::Token(text) => {
                let (token, card) = self.open_token(account, &text).await?;
                if token.customer_session.is_some() && token.customer_session != waits_in {
                    return Err(Refusal::InvalidToken.into());
                }
                (card, Some(token.id))
            }
            Means::VaultedToken(_) => return Err(Refusal::PaymentMethodNotFound.into()),
        };
        let check = row.verify_currency.filter(|_| row.verify).map(|currency| (PaymentId::new(&self.source), currency));
        let new = self.with_card(row, &card, check.map(|(payment, _)| payment)).await?;
        let known = rules::judge_card(&card, self.now()).as_ref().and_then(Ending::of);
        let subject = check.map_or(new.row.id.uuid(), |(payment, _)| payment.uuid());
        let check = check.map(|(payment, currency)| Box::new(self.check(&new, payment, currency, token, &card, once)));
        let ask = check.as_ref().map(|check| self.charge_ask(check, card));
        let (claim, origins, faces) = (once.claim(subject), self.origins.clone(), self.faces.clone());
        Ok((Enrol { new, waits_in, token, check, known, claim, origins, faces }, ask))
    }

    /// The card check of an enrolment.
    fn check(
        &self,
        new: &NewMethod,
        payment: PaymentId,
        currency: Currency,
        token: Option<kernel::TokenId>,
        card: &CardAsk,
        once: &Once,
    ) -> Charge {
        let row = &new.row;
        Charge {
            account_id: row.account_id,
            payment_id: payment,
            attempt_id: AttemptId::new(&self.source),
            merchant_order_id: row.id.to_string().into(),
            description: "Card check".into(),
            country: row.country,
            amount: Money::new(0, currency),
            fee: 0,
            mode: Mode::Verify,
            workflow: Workflow::Direct,
            origin: OriginKind::Enrolment,
            connector: self.acquirers.preferred().connector(),
            card: Some(CardFace::of(card)),
            checkout_session: None,
            idempotency_key: Some(once.key.clone()),
            split: None,
            details: (self.faces.check)(row),
            delay: None,
            source: CardSource { customer: row.customer_id, token, method: None, keep: Some(Box::new(new.clone())) },
        }
    }

    async fn enrol(
        self: Arc<Self>,
        enrol: Enrol,
        ask: Option<ChargeAsk>,
        working: idempotency::Working,
    ) -> Result<Answer, PaymentsError> {
        let (attempt, claim) = (enrol.attempt(), enrol.claim.clone());
        match self.store.writer().run(enrol).await {
            Ok(begun) => match (begun?, attempt, ask) {
                (Begun::Taken(known), ..) => self.taken(working.scope(), known),
                (Begun::Done(finished), ..) => {
                    meter::claimed();
                    self.finished(&working, finished)
                }
                (Begun::Go(()), Some(attempt), Some(ask)) => {
                    meter::claimed();
                    let route = Route::only(attempt.connector);
                    self.carry_out(attempt, ask, route, working).await
                }
                (Begun::Go(()), ..) => Err(Fault::Failed("only a card check needs an acquirer".into()).into()),
            },
            Err(fault) => match attempt.and_then(|attempt| attempt.asked) {
                Some(asked) => Err(self.intent_failed(claim.subject, asked, working, fault)),
                None => Err(fault.into()),
            },
        }
    }

    /// The card that a payment is to be made with, and what its charge has to name.
    pub(crate) async fn card_of(
        &self,
        account: AccountId,
        means: Means,
        customer: Option<CustomerId>,
    ) -> Result<(CardAsk, CardSource, bool), PaymentsError> {
        match means {
            Means::Card(card) => Ok((card, CardSource { customer, ..CardSource::default() }, false)),
            Means::Token(text) => {
                let (token, card) = self.open_token(account, &text).await?;
                let source = CardSource { customer, token: Some(token.id), ..CardSource::default() };
                Ok((card, source, token.vault_on_success))
            }
            Means::VaultedToken(text) => {
                let (card, source) = self.open_vaulted(account, &text, customer).await?;
                Ok((card, source, false))
            }
        }
    }

    async fn open_vaulted(
        &self,
        account: AccountId,
        vaulted_token: &str,
        customer: Option<CustomerId>,
    ) -> Result<(CardAsk, CardSource), PaymentsError> {
        let token: Uuid = vaulted_token.parse::<PaymentMethodId>().map_err(|_| Refusal::PaymentMethodNotFound)?.uuid();
        let found = queries::by_token(self.store.reader(), account, token).await?;
        let row = found.ok_or(Refusal::PaymentMethodNotFound)?;
        may_be_charged(&row, customer)?;
        let number = match row.number_record {
            Some(record) => self.vault.open_number(account, record).await?,
            None => Opened::Damaged,
        };
        let card = match number {
            Opened::Good(number) => row.card.as_ref().and_then(|face| face.opened(number, None)),
            // Unenrolled between the two looks.
            Opened::Gone => {
                let again = queries::by_token(self.store.reader(), account, token).await?;
                may_be_charged(&again.ok_or(Refusal::PaymentMethodNotFound)?, customer)?;
                None
            }
            Opened::Damaged => None,
        };
        let Some(card) = card else {
            tracing::error!(%account, method = %row.id, "the card of a stored payment method does not open; it is out of use now");
            let herald = self.origins.herald().clone();
            let damaged = MarkDamaged { account, id: row.id, record: row.number_record, herald };
            let Ok(()) = self.store.writer().run(damaged).await?;
            return Err(Refusal::PaymentMethodStatus.into());
        };
        let source = CardSource {
            customer: customer.or(row.customer_id),
            method: Some((row.id, row.vaulted_token)),
            ..CardSource::default()
        };
        Ok((card, source))
    }

    /// A method to be stored with the payment that it is part of.
    pub(crate) async fn keep(
        &self,
        account: AccountId,
        source: &CardSource,
        country: Country,
        card: &CardAsk,
        payment: PaymentId,
        once: &Once,
    ) -> Result<NewMethod, Fault> {
        let row = self.blank(account, source.customer, country, None, once);
        self.with_card(row, card, Some(payment)).await
    }

    /// The customer a payment names, or that of its checkout session.
    pub(crate) fn payer(named: Option<&str>, session: Option<&CheckoutSessionRow>) -> Result<Option<CustomerId>, Refusal> {
        match named {
            Some(text) => text.parse().map(Some).map_err(|_| Refusal::CustomerNotFound),
            None => Ok(session.and_then(|session| session.customer_id)),
        }
    }
}
