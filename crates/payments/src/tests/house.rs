//! A process of the platform over a store, and what tests ask of it.

use std::sync::Arc;
use std::time::Duration;

use db::{DatabaseUrl, Reader, Sql, Store, StoreOptions, args, sql};
use idempotency::verify::AtWork;
use idempotency::{BodyHash, Idempotency, IdempotencyKey, Scope};
use kernel::verify::Report;
use kernel::{
    AccountId, AttemptId, CardExpiry, CardNumber, Country, Currency, FeeRate, Money, PaymentId, PlatformKey, SecurityCode, Source,
};
use ledger::{AccountKind, LedgerAccountRow, Owner};

use super::bank::Bank;
use crate::verify::{self, Strictness, read_books};
use crate::*;

/// Runs each story once per engine.
macro_rules! on_both_engines {
    ($($(#[$doc:meta])* async fn $name:ident($house:ident) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports, reason = "not every story needs every name")]
            use super::*;

            async fn story($house: &House) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let folder = tempfile::tempdir().expect("a folder");
                let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
                story(&house).await;
                house.is_sound(true).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let database = testkit::postgres::fresh_database();
                let house = House::open(database.url().parse().expect("a URL"), Bank::new()).await;
                story(&house).await;
                house.is_sound(true).await;
            }
        }
    )*};
}
pub(crate) use on_both_engines;

static ACCOUNTS: Sql = sql!("SELECT {} FROM ledger_account", LedgerAccountRow);

pub(crate) const MERCHANT: AccountId = AccountId::from_bytes([1; 16]);
/// 1.4 % and 25 minor units.
pub(crate) const TERMS: Terms =
    Terms { account_id: MERCHANT, fee: FeeRate { basis_points: 140, fixed_minor: 25 }, negative_limit: 1_000 };

pub(crate) struct House {
    pub(crate) store: Arc<Store>,
    pub(crate) payments: Payments,
    pub(crate) bank: Bank,
    /// Other banks than the first.
    pub(crate) others: Vec<Bank>,
}

/// The books of all banks, as one.
struct AllBooks(Vec<Bank>);

impl ChargeListing for AllBooks {
    fn charges(&self, after: Option<AttemptId>, limit: u32) -> Listing<'_> {
        Box::pin(async move {
            let mut all = Vec::new();
            for bank in &self.0 {
                all.extend(bank.charges(after, limit).await?);
            }
            all.sort_by_key(|charge| charge.attempt_id);
            all.truncate(limit as usize);
            Ok(all)
        })
    }
}

impl House {
    pub(crate) async fn open(url: DatabaseUrl, bank: Bank) -> House {
        Self::open_with(url, bank, |origins| origins).await
    }

    /// With other products than the payments API.
    pub(crate) async fn open_with(url: DatabaseUrl, bank: Bank, origins: impl FnOnce(Origins) -> Origins) -> House {
        Self::open_among(url, vec![bank], origins).await
    }

    /// With several banks; the first is preferred.
    pub(crate) async fn open_among(url: DatabaseUrl, banks: Vec<Bank>, origins: impl FnOnce(Origins) -> Origins) -> House {
        let source = Source::system();
        let store = Store::open(StoreOptions {
            url,
            schema: None,
            migrations: &[
                access::MIGRATION,
                ledger::MIGRATION,
                idempotency::MIGRATION,
                crate::MIGRATION,
                customers::MIGRATION,
                vault::MIGRATION,
                messaging::MIGRATION,
                routing::MIGRATION,
                payouts::MIGRATION,
                links::MIGRATION,
                subscriptions::MIGRATION,
                crate::CHALLENGES_MIGRATION,
                crate::NOTIFICATIONS_MIGRATION,
                delays::MIGRATION,
                crate::NOTIFICATIONS_BY_ATTEMPT_MIGRATION,
                crate::TOLD_MIGRATION,
                retries::MIGRATION,
                reports::MIGRATION,
                fulfilments::MIGRATION,
                settlements::MIGRATION,
                access::IDEMPOTENCY_STRICT_MIGRATION,
                customers::FORGOTTEN_MIGRATION,
                customers::TOKENS_MIGRATION,
                reports::DISPUTES_MIGRATION,
                subscriptions::FREQUENCY_MIGRATION,
            ],
            access: db::Access::Serve,
            migrate: true,
            source: source.clone(),
        })
        .await
        .expect("the store opens");
        let store = Arc::new(store);
        let faces = Faces {
            payment: draw_payment,
            operation: draw_operation,
            session: draw_session,
            payout: draw_payout,
            link: draw_link,
            subscription: draw_subscription,
            cycle: |_| None,
            check: |_| None,
            customer: |row| named(row.id),
            customer_session: |row| named(row.id),
            token: |facts| named(facts.token.id),
            method: |facts| draw_method(facts),
            challenges: Challenges::new(&PlatformKey::from_bytes([7; 32])),
        };
        let vault = Vault::new(store.clone(), &PlatformKey::from_bytes([5; 32]), &source);
        let payments = Payments::new(Parts {
            store: store.clone(),
            source,
            idempotency: Idempotency::new(store.reader().clone()),
            acquirers: Acquirers::new(banks.iter().cloned().map(|bank| Arc::new(bank) as Arc<dyn Acquirer>).collect())
                .expect("one acquirer"),
            origins: origins(Origins::new(faces.clone(), messaging::Outbox::new(store.reader().clone(), store.clock().clone()))),
            faces,
            patience: Patience { in_request: vec![Duration::ZERO, Duration::from_millis(10)], tick: Duration::from_millis(50) },
            vault,
        });
        let mut banks = banks.into_iter();
        let bank = banks.next().expect("one acquirer");
        House { store, payments, bank, others: banks.collect() }
    }

    pub(crate) fn reader(&self) -> &Reader {
        self.store.reader()
    }

    pub(crate) async fn wait(&self, seconds: u32) {
        self.store.clock().advance(self.store.writer(), seconds).await.expect("the store works");
    }

    /// Returns when it is so; looks again and again.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        for _ in 0..3_000 {
            if is_so().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not within half a minute: {what}");
    }

    pub(crate) async fn create(&self, key: &str, ask: CreatePayment) -> Result<Answer, PaymentsError> {
        self.payments.create(&TERMS, ask, once("/v1/payments", key)).await
    }

    /// A purchase that goes through.
    pub(crate) async fn purchase(&self, key: &str, minor: i64) -> PaymentRow {
        self.create(key, for_order(key, purchase(minor))).await.expect("a payment");
        self.payment(key).await.expect("it is there").payment
    }

    /// An authorisation that goes through.
    pub(crate) async fn authorise(&self, key: &str, minor: i64) -> PaymentRow {
        self.create(key, for_order(key, CreatePayment { mode: Mode::Authorise, ..purchase(minor) })).await.expect("a payment");
        self.payment(key).await.expect("it is there").payment
    }

    pub(crate) async fn capture(&self, key: &str, of: &PaymentRow, minor: i64) -> Result<Answer, PaymentsError> {
        let ask =
            Capture { payment: Some(of.id), transaction: Some(of.attempt_id), amount: eur(minor), retried: false, details: None };
        self.payments.capture(&TERMS, ask, once("/capture", key)).await
    }

    pub(crate) async fn cancel(&self, key: &str, of: &PaymentRow) -> Result<Answer, PaymentsError> {
        let ask = Cancel { payment: Some(of.id), transaction: Some(of.attempt_id), details: None };
        self.payments.cancel(&TERMS, ask, once("/cancel", key)).await
    }

    pub(crate) async fn refund(
        &self,
        key: &str,
        of: &PaymentRow,
        transaction: AttemptId,
        minor: Option<i64>,
    ) -> Result<Answer, PaymentsError> {
        let ask = Refund {
            payment: Some(of.id),
            transaction: Some(transaction),
            amount: minor.map(eur),
            retried: false,
            details: None,
        };
        self.payments.refund(&TERMS, ask, once("/refund", key)).await
    }

    /// The payment made with this key: the key is its order.
    pub(crate) async fn payment(&self, key: &str) -> Option<PaymentRead> {
        let page = self.payments.by_order(MERCHANT, key, None).await.expect("the store works");
        let mut found = page.expect("a first page").items;
        assert!(found.len() <= 1, "one payment per order in these tests");
        found.pop()
    }

    pub(crate) async fn state(&self, payment: PaymentId) -> PaymentState {
        self.payments.get(MERCHANT, payment).await.expect("the store works").expect("it is there").payment.state
    }

    /// Credits less debits of one ledger account, in cents.
    pub(crate) async fn balance(&self, owner: Owner, kind: AccountKind) -> i64 {
        let rows = self.reader().rows::<LedgerAccountRow>(&ACCOUNTS, args![]).await.expect("the store works");
        let of = |row: &&LedgerAccountRow| row.owner_id == owner.uuid() && row.kind == kind && row.currency == Currency::EUR;
        rows.iter().filter(of).map(LedgerAccountRow::net).sum()
    }

    /// What `guichet verify` would find.
    async fn findings(&self, settled: bool) -> Report {
        let listing = AllBooks([self.bank.clone()].into_iter().chain(self.others.iter().cloned()).collect());
        let books = read_books(&listing).await;
        let mut snapshot = self.store.snapshot().await.expect("a snapshot");
        let mut report = Report::new();
        let strictness = Strictness { settled, now: self.store.clock().now() };
        vault::verify(&snapshot, Some(&PlatformKey::from_bytes([5; 32])), &mut report).await.expect("verifies");
        verify::verify(&mut snapshot, books, strictness, &mut report).await.expect("verifies");
        let asked_for = verify::asked_for(&mut snapshot).await.expect("verifies");
        let at_work = AtWork { processes: [self.store.writer().boot()].into(), asked_for, settled, sealer: None };
        idempotency::verify::verify(&mut snapshot, &at_work, &mut report).await.expect("verifies");
        ledger::verify::verify(&mut snapshot, |_| TERMS.negative_limit, &mut report).await.expect("verifies");
        report
    }

    pub(crate) async fn broken(&self, settled: bool) -> Vec<String> {
        let report = self.findings(settled).await;
        let broken = report.findings().filter(|finding| !finding.ok);
        broken.map(|finding| format!("{} {:?}", finding.id, finding.first)).collect()
    }

    pub(crate) async fn rules_broken(&self) -> Vec<&'static str> {
        let report = self.findings(false).await;
        report.findings().filter(|finding| !finding.ok).map(|finding| finding.id).collect()
    }

    pub(crate) async fn is_sound(&self, settled: bool) {
        assert_eq!(self.broken(settled).await, Vec::<String>::new());
    }

    pub(crate) async fn available(&self) -> i64 {
        self.balance(MERCHANT.into(), AccountKind::Available).await
    }

    pub(crate) async fn held(&self) -> i64 {
        self.balance(Connector::Sandbox.owner(), AccountKind::Hold).await
    }

    /// What is set aside for refunds under way.
    pub(crate) async fn in_transit(&self) -> i64 {
        self.balance(MERCHANT.into(), AccountKind::RefundTransit).await
    }
}

fn draw_payment(facts: &PaymentFacts<'_>) -> Vec<u8> {
    let (payment, latest) = (facts.payment, facts.latest());
    let line = format!("{} {} {}", payment.state.status(), latest.kind.wire(), latest.state.wire());
    draw(payment.id, &line, payment.money())
}

fn draw_operation(facts: &OperationFacts<'_>) -> Vec<u8> {
    let (payment, operation) = (facts.payment, facts.transaction());
    let line = format!("{} {} {}", operation.kind.wire(), operation.state.wire(), payment.state.sub_status());
    draw(operation.id, &line, operation.amount)
}

fn draw_session(session: &CheckoutSessionRow) -> Vec<u8> {
    format!("{{\"checkout_session\":\"{}\",\"line\":\"{0}\"}}", session.id).into()
}

fn draw_link(facts: &links::LinkFacts<'_>) -> Vec<u8> {
    draw(facts.link.id, facts.link.status(facts.now), facts.link.money())
}

fn draw_subscription(row: &subscriptions::SubscriptionRow) -> Vec<u8> {
    draw(row.id, row.state.wire(), row.money())
}

fn draw_payout(payout: &payouts::PayoutRow) -> Vec<u8> {
    let code = payout.said().map_or("-", |said| said.code).to_owned();
    draw(payout.id, &format!("{} {code}", payout.state.wire()), payout.money())
}

fn named<K>(id: kernel::Id<K>) -> Vec<u8> {
    format!("{{\"id\":\"{id}\"}}").into()
}

fn draw_method(facts: &MethodFacts<'_>) -> Vec<u8> {
    let (method, status) = (facts.method, facts.method.status_at(facts.now).wire());
    format!("{{\"id\":\"{}\",\"line\":\"{} {status}\"}}", method.id, method.vaulted_token).into()
}

fn draw<K>(id: kernel::Id<K>, line: &str, amount: Money) -> Vec<u8> {
    let (currency, value) = (amount.currency().code(), amount.to_decimal_text());
    let amount = format!("{{\"currency\":\"{currency}\",\"value\":{value}}}");
    format!("{{\"id\":\"{id}\",\"account_id\":\"{MERCHANT}\",\"amount\":{amount},\"line\":\"{line}\"}}").into()
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
        holder_name: "JOHN | DOE".into(),
        card_type: Some(CardType::Debit),
        fingerprint: None,
    }
}

/// An ask of so many cents. Its order is set from the key by [`for_order`].
pub(crate) fn purchase(minor: i64) -> CreatePayment {
    CreatePayment {
        merchant_order_id: "order".into(),
        description: "a coffee".into(),
        country: Country::parse("FR").expect("a country"),
        amount: eur(minor),
        workflow: Workflow::Direct,
        checkout_session: None,
        mode: Mode::Purchase,
        means: Means::Card(card("4507990000000002")),
        customer: None,
        vault_on_success: false,
        delay: None,
        details: None,
    }
}

/// The same ask for another order.
pub(crate) fn for_order(order: &str, ask: CreatePayment) -> CreatePayment {
    CreatePayment { merchant_order_id: order.into(), ..ask }
}

pub(crate) fn bytes(answer: &Answer) -> (u16, Vec<u8>) {
    let reply = match answer {
        Answer::Done(reply) => reply.clone(),
        Answer::Replay(recorded) => recorded.reply().expect("a readable reply"),
    };
    (reply.status, reply.body.to_vec())
}

/// What the reply says in a word.
pub(crate) fn text(answer: &Answer) -> String {
    let body = String::from_utf8(bytes(answer).1).expect("text");
    let (_, line) = body.split_once("\"line\":\"").expect("a line");
    line.trim_end_matches("\"}").to_owned()
}

pub(crate) fn refusal(answer: Result<Answer, PaymentsError>) -> Refusal {
    match answer {
        Err(PaymentsError::Refused(refusal)) => refusal,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}
