//! A platform process with the sandbox acquirer.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use connectors::acquirer_sandbox::{Behaviour, ChargeFilter, ReceivedRow, Sandbox, Weather};
use db::{DatabaseUrl, Store, StoreOptions};
use idempotency::{BodyHash, Idempotency, IdempotencyKey, Scope};
use kernel::{AccountId, CardExpiry, CardNumber, Country, Currency, FeeRate, Money, SecurityCode, Source};
use payments::*;

pub(crate) const MERCHANT: AccountId = AccountId::from_bytes([1; 16]);
pub(crate) const TERMS: Terms =
    Terms { account_id: MERCHANT, fee: FeeRate { basis_points: 140, fixed_minor: 25 }, negative_limit: 100_000 };

/// The platform's database and the acquirer's.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) platform: DatabaseUrl,
    pub(crate) acquirer: DatabaseUrl,
}

impl Place {
    pub(crate) fn sqlite(folder: &std::path::Path) -> Self {
        Self {
            platform: DatabaseUrl::sqlite(folder.join("guichet.db")),
            acquirer: DatabaseUrl::sqlite(folder.join("sandbox-acquirer.db")),
        }
    }

    pub(crate) fn postgres(url: &str) -> Self {
        let url: DatabaseUrl = url.parse().expect("a URL");
        Self { platform: url.clone(), acquirer: url }
    }
}

pub(crate) struct House {
    pub(crate) store: Arc<Store>,
    pub(crate) sandbox: Sandbox,
    pub(crate) payments: Payments,
}

impl House {
    pub(crate) async fn open(place: &Place) -> House {
        Self::open_with(place, Connector::Sandbox).await
    }

    /// New charges go to `preferred`.
    pub(crate) async fn open_with(place: &Place, preferred: Connector) -> House {
        Self::open_among(place, |sandbox| vec![sandbox.acquirer(preferred)]).await
    }

    /// With these acquirers; new charges go to the first.
    pub(crate) async fn open_among(place: &Place, acquirers: impl FnOnce(&Sandbox) -> Vec<Arc<dyn Acquirer>>) -> House {
        let source = Source::system();
        let store = Store::open(StoreOptions {
            url: place.platform.clone(),
            schema: None,
            migrations: &[
                access::MIGRATION,
                ledger::MIGRATION,
                idempotency::MIGRATION,
                payments::MIGRATION,
                payments::customers::MIGRATION,
                payments::vault::MIGRATION,
                messaging::MIGRATION,
                payments::routing::MIGRATION,
                payments::payouts::MIGRATION,
                payments::links::MIGRATION,
                payments::subscriptions::MIGRATION,
                payments::CHALLENGES_MIGRATION,
                payments::NOTIFICATIONS_MIGRATION,
                payments::delays::MIGRATION,
                payments::NOTIFICATIONS_BY_ATTEMPT_MIGRATION,
                payments::TOLD_MIGRATION,
                payments::retries::MIGRATION,
                payments::reports::MIGRATION,
                payments::fulfilments::MIGRATION,
                payments::settlements::MIGRATION,
                access::IDEMPOTENCY_STRICT_MIGRATION,
                payments::customers::FORGOTTEN_MIGRATION,
                payments::customers::TOKENS_MIGRATION,
                payments::reports::DISPUTES_MIGRATION,
                payments::subscriptions::FREQUENCY_MIGRATION,
            ],
            access: db::Access::Serve,
            migrate: true,
            source: source.clone(),
        });
        let store = Arc::new(store.await.expect("the store opens"));
        let sandbox = Sandbox::open(place.acquirer.clone(), source.clone(), &kernel::SecretText::new("nsec_test".to_owned()))
            .await
            .expect("the acquirer opens");
        let faces = Faces {
            payment: draw_payment,
            operation: draw_operation,
            session: |_| Vec::new(),
            payout: |_| Vec::new(),
            link: |_| Vec::new(),
            subscription: |_| Vec::new(),
            cycle: |_| None,
            check: |_| None,
            customer: |_| Vec::new(),
            customer_session: |_| Vec::new(),
            token: |_| Vec::new(),
            method: |_| Vec::new(),
            challenges: Challenges::new(&kernel::PlatformKey::from_bytes([7; 32])),
        };
        let vault = payments::Vault::new(store.clone(), &kernel::PlatformKey::from_bytes([5; 32]), &source);
        let payments = Payments::new(Parts {
            store: store.clone(),
            source,
            idempotency: Idempotency::new(store.reader().clone()),
            acquirers: Acquirers::new(acquirers(&sandbox)).expect("one acquirer"),
            origins: Origins::new(faces.clone(), messaging::Outbox::new(store.reader().clone(), store.clock().clone())),
            faces,
            patience: Patience { in_request: vec![Duration::ZERO], tick: Duration::from_millis(100) },
            vault,
        });
        House { store, sandbox, payments }
    }

    pub(crate) async fn close(self) {
        self.payments.finish_in_flight().await;
        self.store.close().await;
        self.sandbox.close().await;
    }

    pub(crate) fn weather(&self, weather: Weather) {
        self.sandbox.set(None, Behaviour { weather, slow_ms: 0 });
    }

    pub(crate) async fn create(&self, key: &str, ask: CreatePayment) -> Result<Answer, PaymentsError> {
        self.payments.create(&TERMS, ask, once("/v1/payments", key)).await
    }

    pub(crate) async fn charges(&self, all: bool) -> Vec<ReceivedRow> {
        let filter = ChargeFilter { all, ..ChargeFilter::default() };
        self.sandbox.charges(&filter, None, 1_000).await.expect("the acquirer answers").charges
    }

    pub(crate) async fn payment(&self, order: &str) -> Option<PaymentRead> {
        self.payments
            .by_order(MERCHANT, order, None)
            .await
            .expect("the store works")
            .and_then(|page| page.items.into_iter().last())
    }
}

fn draw_payment(facts: &PaymentFacts<'_>) -> Vec<u8> {
    let payment = facts.payment;
    draw(payment.id, payment.state.sub_status(), payment.money())
}

fn draw_operation(facts: &OperationFacts<'_>) -> Vec<u8> {
    draw(facts.operation.id, facts.payment.state.sub_status(), facts.operation.money())
}

fn draw<K>(id: kernel::Id<K>, line: &str, amount: Money) -> Vec<u8> {
    let (currency, value) = (amount.currency().code(), amount.to_decimal_text());
    format!("{{\"id\":\"{id}\",\"amount\":{{\"currency\":\"{currency}\",\"value\":{value}}},\"line\":\"{line}\"}}").into()
}

pub(crate) fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

pub(crate) fn once(path: &str, key: &str) -> Once {
    let parsed = IdempotencyKey::parse(key.as_bytes()).expect("a key");
    let scope = Scope::of(MERCHANT, "POST", path, &parsed);
    Once {
        scope,
        key: key.into(),
        body_hash: BodyHash::of(key.as_bytes()),
        request_id: format!("req-{key}").into(),
        strict: false,
    }
}

pub(crate) fn card(number: &str) -> CardAsk {
    CardAsk {
        number: CardNumber::parse(number).expect("a number"),
        expiry: CardExpiry::new(12, 2099).expect("a month"),
        security_code: Some(SecurityCode::parse("123").expect("a code")),
        holder_name: "JOHN DOE".into(),
        card_type: None,
        fingerprint: None,
    }
}

/// A purchase of so many cents with a test card.
pub(crate) fn purchase(order: &str, minor: i64, number: &str) -> CreatePayment {
    CreatePayment {
        merchant_order_id: order.into(),
        description: "a coffee".into(),
        country: Country::parse("FR").expect("a country"),
        amount: eur(minor),
        workflow: Workflow::Direct,
        checkout_session: None,
        mode: Mode::Purchase,
        means: Means::Card(card(number)),
        customer: None,
        vault_on_success: false,
        delay: None,
        details: None,
    }
}

pub(crate) fn refusal(answer: Result<Answer, PaymentsError>) -> Refusal {
    match answer {
        Err(PaymentsError::Refused(refusal)) => refusal,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

/// The good test card.
pub(crate) const GOOD: &str = "4507990000000002";
