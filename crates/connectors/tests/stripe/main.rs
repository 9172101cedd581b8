//! The Stripe connector against servers by other people that speak as Stripe does, over a line that can be cut.

mod charges;
mod fence;
#[path = "../house/mod.rs"]
mod house;
mod intents;
mod line;
mod servers;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::acquirer_stripe::{Api, Stripe, StripeOptions};
use house::*;
use kernel::verify::Report;
use kernel::{AttemptId, PaymentId, SecretText, Source};
use payments::verify::{NoBooks, Strictness, verify};
use payments::*;

/// A platform in front of Stripe.
struct Shop {
    house: House,
    stripe: Arc<Stripe>,
    _folder: tempfile::TempDir,
}

/// How the servers are told apart.
fn options(url: &str, api: Api) -> StripeOptions {
    StripeOptions {
        base_url: url.to_owned(),
        api,
        minimal_fields: true,
        honours_idempotency: api == Api::Charges,
        patience: Duration::from_secs(5),
        ..StripeOptions::new(SecretText::new(servers::KEY.to_owned()))
    }
}

impl Shop {
    async fn open(options: StripeOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let stripe = Stripe::new(options).expect("a connector");
        let acquirer: Arc<dyn Acquirer> = stripe.clone();
        let house = House::open_among(&Place::sqlite(folder.path()), |_| vec![acquirer]).await;
        Self { house, stripe, _folder: folder }
    }

    async fn payment(&self, order: &str) -> PaymentRow {
        self.house.payment(order).await.expect("it is there").payment
    }

    /// Both sides of our own books agree, and nothing is open.
    async fn is_sound(&self) {
        let mut snapshot = self.house.store.snapshot().await.expect("a snapshot");
        let mut report = Report::new();
        let strictness = Strictness { settled: true, now: self.house.store.clock().now() };
        let no_books = Err(NoBooks::Elsewhere("these servers keep no books that are read here"));
        verify(&mut snapshot, no_books, strictness, &mut report).await.expect("verifies");
        let broken: Vec<_> = report.findings().filter(|finding| !finding.ok).collect();
        assert!(broken.is_empty(), "{broken:?}");
    }

    async fn capture(&self, key: &str, of: &PaymentRow, minor: i64) -> Result<Answer, PaymentsError> {
        let ask =
            Capture { payment: Some(of.id), transaction: Some(of.attempt_id), amount: eur(minor), retried: false, details: None };
        self.house.payments.capture(&TERMS, ask, once("/capture", key)).await
    }

    async fn cancel(&self, key: &str, of: &PaymentRow) -> Result<Answer, PaymentsError> {
        let ask = Cancel { payment: Some(of.id), transaction: Some(of.attempt_id), details: None };
        self.house.payments.cancel(&TERMS, ask, once("/cancel", key)).await
    }

    async fn refund(&self, key: &str, of: &PaymentRow, minor: i64) -> Result<Answer, PaymentsError> {
        let ask = Refund {
            payment: Some(of.id),
            transaction: Some(of.attempt_id),
            amount: Some(eur(minor)),
            retried: false,
            details: None,
        };
        self.house.payments.refund(&TERMS, ask, once("/refund", key)).await
    }

    /// The payer opens our page.
    async fn visits(&self, order: &str) -> Sent {
        let read = self.house.payment(order).await.expect("it is there");
        let page = read.facts(false, false, self.house.payments.challenges()).redirect_url().expect("it waits for him");
        let token = page.rsplit('/').next().expect("a token");
        let challenge = self.house.payments.challenge(token).await.expect("the store works").expect("it is there");
        self.house.payments.visit_challenge(&challenge).await.expect("the store works")
    }

    /// Eleven minutes pass, with a question at either end.
    async fn eleven_minutes(&self) {
        self.house.payments.resolve_once().await;
        self.house.store.clock().advance(self.house.store.writer(), 660).await.expect("the store works");
        self.house.payments.resolve_once().await;
    }
}

fn authorisation(order: &str, minor: i64, number: &str) -> CreatePayment {
    CreatePayment { mode: Mode::Authorise, ..purchase(order, minor, number) }
}

/// An ask made by hand, to be sent more than once.
fn charge_ask(minor: i64, number: &str) -> ChargeAsk {
    let source = Source::system();
    ChargeAsk {
        account_id: MERCHANT,
        payment_id: PaymentId::new(&source),
        attempt_id: AttemptId::new(&source),
        kind: AttemptKind::Purchase,
        amount: eur(minor),
        merchant_order_id: "by hand".into(),
        description: "a coffee".into(),
        card: card(number),
        off_session: false,
        returns_to: None,
    }
}

fn sources(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(number, source)| ((*number).to_owned(), (*source).to_owned())).collect()
}
