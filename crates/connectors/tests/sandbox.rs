//! The platform against the sandbox acquirer: two stores, two commits, and a line between them that can fail.

mod house;

use std::time::{Duration, Instant};

use connectors::acquirer_sandbox::{Behaviour, Books, ChargeFilter, Operation, Verdict, Weather};
use house::*;
use kernel::verify::Report;
use kernel::{AttemptId, PaymentId};
use payments::verify::{Strictness, read_books, verify};
use payments::*;

/// Runs each story once per engine; afterwards both sides must agree.
macro_rules! on_both_engines {
    ($($(#[$doc:meta])* async fn $name:ident($house:ident) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports, reason = "not every story needs every name")]
            use super::*;

            async fn story($house: &House) $body

            async fn on(place: Place) {
                let house = House::open(&place).await;
                story(&house).await;
                is_sound(&house, &place).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let folder = tempfile::tempdir().expect("a folder");
                on(Place::sqlite(folder.path())).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let database = testkit::postgres::fresh_database();
                on(Place::postgres(database.url())).await;
            }
        }
    )*};
}

async fn is_sound(house: &House, place: &Place) {
    let listing = Books::at(place.acquirer.clone());
    let books = read_books(&listing).await;
    let mut snapshot = house.store.snapshot().await.expect("a snapshot");
    let mut report = Report::new();
    let strictness = Strictness { settled: true, now: house.store.clock().now() };
    verify(&mut snapshot, books, strictness, &mut report).await.expect("verifies");
    let broken: Vec<_> = report.findings().filter(|finding| !finding.ok || finding.skipped.is_some()).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

on_both_engines! {
    async fn every_test_card_has_its_outcome(house) {
        let cards = [
            ("4507990000000002", PaymentState::Approved, "SUCCEEDED"),
            ("5252440000000002", PaymentState::Approved, "SUCCEEDED"),
            ("370000000000002", PaymentState::Approved, "SUCCEEDED"),
            ("4111111111111111", PaymentState::Approved, "SUCCEEDED"),
            ("4929251897047956", PaymentState::Approved, "SUCCEEDED"),
            ("4507990000000010", PaymentState::Declined, "INSUFFICIENT_FUNDS"),
            ("4507990000000028", PaymentState::Declined, "DECLINED_BY_BANK"),
            ("4507990000000036", PaymentState::Declined, "DO_NOT_HONOR"),
            ("4507990000000044", PaymentState::Declined, "INVALID_SECURITY_CODE"),
            ("4507990000000051", PaymentState::Declined, "INVALID_CARD_DATA"),
            ("4507990000000069", PaymentState::Declined, "REPORTED_STOLEN"),
            ("4716429323842524", PaymentState::Declined, "AUTHENTICATION_FAILED_THREE_D_SECURE"),
            ("4507990000000077", PaymentState::Errored, "ERROR"),
        ];
        for (number, state, code) in cards {
            house.create(number, purchase(number, 1_000, number)).await.expect("an answer");
            let payment = house.payment(number).await.expect("it is there").payment;
            assert_eq!((payment.state, payment.said().map(|said| said.code)), (state, Some(code)), "{number}");
        }
        assert_eq!((house.charges(false).await.len(), house.charges(true).await.len()), (5, 13));
    }

    async fn a_charge_whose_answer_is_lost_is_found(house) {
        house.weather(Weather::TimeoutAfterCharge);
        let begun = Instant::now();
        assert_eq!(refusal(house.create("k", purchase("k", 1_000, GOOD)).await), Refusal::OutcomeUnknown);
        assert!(begun.elapsed() < Duration::from_secs(3), "half a second for the charge and for each question");
        assert_eq!(house.charges(false).await.len(), 1, "it acted");
        assert_eq!(refusal(house.create("k", purchase("k", 1_000, GOOD)).await), Refusal::InProcess { unknown: true });
        house.payments.resolve_once().await;
        assert_eq!(house.payment("k").await.expect("it is shown").payment.state, PaymentState::Unconfirmed);
        house.weather(Weather::Normal);
        house.payments.resolve_once().await;
        assert!(matches!(house.create("k", purchase("k", 1_000, GOOD)).await, Ok(Answer::Replay(_))));
        let charges = house.charges(false).await;
        assert_eq!(charges.iter().map(|charge| (charge.calls, charge.captured)).collect::<Vec<_>>(), [(1, 1_000)]);
    }

    async fn a_charge_that_never_arrived_is_dropped(house) {
        house.weather(Weather::TimeoutBeforeCharge);
        assert_eq!(refusal(house.create("k", purchase("k", 1_000, GOOD)).await), Refusal::OutcomeUnknown);
        assert_eq!(house.charges(true).await.len(), 0, "it did not act");
        house.weather(Weather::Normal);
        house.payments.resolve_once().await;
        assert!(house.payment("k").await.is_none());
        house.create("k", purchase("k", 1_000, GOOD)).await.expect("the key is free again");
        assert_eq!(house.charges(false).await.len(), 1);
    }

    async fn nothing_happens_while_it_is_down(house) {
        house.weather(Weather::Down);
        let begun = Instant::now();
        assert_eq!(refusal(house.create("k", purchase("k", 1_000, GOOD)).await), Refusal::NotSent);
        assert!(begun.elapsed() < Duration::from_secs(1), "a refused connection is known at once");
        assert!(house.payment("k").await.is_none());
        house.weather(Weather::Normal);
        house.create("k", purchase("k", 1_000, GOOD)).await.expect("the key is free again");
    }

    async fn slowness_is_waited_for_and_ends_when_told(house) {
        house.sandbox.set(Some(Connector::Sandbox), Behaviour { weather: Weather::Normal, slow_ms: 400 });
        let begun = Instant::now();
        house.create("1", purchase("1", 1_000, GOOD)).await.expect("a payment");
        assert!(begun.elapsed() >= Duration::from_millis(400));
        house.sandbox.set(None, Behaviour::default());
        let begun = Instant::now();
        house.create("2", purchase("2", 1_000, GOOD)).await.expect("a payment");
        assert!(begun.elapsed() < Duration::from_millis(400));
    }

    async fn the_list_shows_what_became_of_each_charge(house) {
        let ask = CreatePayment { mode: Mode::Authorise, ..purchase("a", 1_000, GOOD) };
        house.create("a", ask).await.expect("a hold");
        house.create("b", purchase("b", 700, GOOD)).await.expect("a purchase");
        house.create("c", CreatePayment { mode: Mode::Authorise, ..purchase("c", 500, GOOD) }).await.expect("a hold");
        let (a, b, c) = (order(house, "a").await, order(house, "b").await, order(house, "c").await);
        let capture = Capture { payment: Some(a.0), transaction: Some(a.1), amount: eur(600), retried: false, details: None };
        house.payments.capture(&TERMS, capture, once("/capture", "1")).await.expect("a capture");
        let refund = Refund { payment: Some(b.0), transaction: Some(b.1), amount: Some(eur(200)), retried: false, details: None };
        house.payments.refund(&TERMS, refund, once("/refund", "1")).await.expect("a refund");
        let cancel = Cancel { payment: Some(c.0), transaction: Some(c.1), details: None };
        house.payments.cancel(&TERMS, cancel, once("/cancel", "1")).await.expect("a cancel");

        let charges = house.charges(false).await;
        let sums = charges.iter().map(|charge| (charge.operation, charge.captured, charge.refunded, charge.voided));
        let expected =
            [(Operation::Authorise, 600, 0, 0), (Operation::Purchase, 700, 200, 0), (Operation::Authorise, 0, 0, 500)];
        assert_eq!(sums.collect::<Vec<_>>(), expected);
        let only = |filter: ChargeFilter| async move { house.sandbox.charges(&filter, None, 10).await.expect("a list").charges };
        assert_eq!(only(ChargeFilter { merchant_order_id: Some("b".into()), ..ChargeFilter::default() }).await.len(), 1);
        assert_eq!(only(ChargeFilter { payment_id: Some(c.0), ..ChargeFilter::default() }).await.len(), 1);
        assert_eq!(only(ChargeFilter { connector: Some(Connector::SandboxB), ..ChargeFilter::default() }).await.len(), 0);
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = house.sandbox.charges(&ChargeFilter::default(), after, 1).await.expect("a page");
            seen.extend(page.charges.iter().map(|charge| charge.attempt_id));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, charges.iter().map(|charge| charge.attempt_id).collect::<Vec<_>>());
    }
}

async fn order(house: &House, order: &str) -> (PaymentId, AttemptId) {
    let payment = house.payment(order).await.expect("it is there").payment;
    (payment.id, payment.attempt_id)
}

#[tokio::test]
async fn an_attempt_is_recognised_and_a_fenced_one_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(&Place::sqlite(folder.path())).await;
    let acquirer = house.sandbox.acquirer(Connector::Sandbox);
    let ask = |number: u8| ChargeAsk {
        account_id: MERCHANT,
        payment_id: PaymentId::from_bytes([number; 16]),
        attempt_id: AttemptId::from_bytes([number; 16]),
        kind: AttemptKind::Verify,
        amount: eur(0),
        merchant_order_id: "direct".into(),
        description: "a check".into(),
        card: card(GOOD),
        off_session: false,
        returns_to: None,
    };
    let first = acquirer.charge(&ask(1)).await;
    assert_eq!(acquirer.charge(&ask(1)).await, first);
    let charges = house.charges(true).await;
    assert_eq!(charges.iter().map(|charge| charge.calls).collect::<Vec<_>>(), [2]);

    let late = AttemptRef {
        account_id: MERCHANT,
        attempt_id: AttemptId::from_bytes([2; 16]),
        kind: AttemptKind::Verify,
        amount: eur(0),
        charge_reference: None,
    };
    assert_eq!(acquirer.inquire(&late).await, Inquiry::NotFound);
    assert_eq!(acquirer.fence(&late).await, Fenced::Promised);
    assert!(matches!(acquirer.charge(&ask(2)).await, kernel::Outcome::Declined(_)));
    assert_eq!(acquirer.inquire(&late).await, Inquiry::NotFound, "it has no effect");
    assert_eq!(house.charges(true).await.len(), 1);
    let early = AttemptRef { attempt_id: AttemptId::from_bytes([1; 16]), ..late.clone() };
    assert_eq!(acquirer.fence(&early).await, Fenced::TooLate(first));
}

#[tokio::test]
async fn it_remembers_charges_but_not_its_mood() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::sqlite(folder.path());
    let house = House::open(&place).await;
    house.create("k", purchase("k", 1_000, GOOD)).await.expect("a payment");
    house.weather(Weather::Down);
    house.close().await;
    let house = House::open(&place).await;
    assert_eq!(house.charges(false).await.len(), 1);
    house.create("l", purchase("l", 1_000, GOOD)).await.expect("it answers again");
    is_sound(&house, &place).await;
}

#[tokio::test]
async fn books_that_are_gone_or_damaged_and_lost_charges_are_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::sqlite(folder.path());
    let house = House::open(&place).await;
    house.create("k", purchase("k", 1_000, GOOD)).await.expect("a payment");
    let found = async |books: &Books| {
        let mut snapshot = house.store.snapshot().await.expect("a snapshot");
        let mut report = Report::new();
        let strictness = Strictness { settled: true, now: house.store.clock().now() };
        verify(&mut snapshot, read_books(books).await, strictness, &mut report).await.expect("verifies");
        report.findings().filter(|finding| !finding.ok).map(|finding| finding.id).collect::<Vec<_>>()
    };
    let elsewhere = Place::sqlite(&folder.path().join("elsewhere"));
    let books = Books::at(elsewhere.acquirer.clone());
    assert_eq!(found(&books).await, ["I7.b"], "there is no file");
    House::open(&elsewhere).await.close().await;
    assert_eq!(found(&books).await, ["I7.b"], "there is no charge");
    let file = elsewhere.acquirer.sqlite_path().expect("a file").to_owned();
    std::fs::write(file, "no database").expect("it can be written");
    assert_eq!(found(&books).await, ["I7.a", "I7.b"], "there is no reading it");
}

#[tokio::test]
async fn the_second_name_honours_one_card_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open_with(&Place::sqlite(folder.path()), Connector::SandboxB).await;
    house.create("k", purchase("k", 1_000, "4507990000000036")).await.expect("a payment");
    assert_eq!(house.payment("k").await.expect("it is there").payment.state, PaymentState::Approved);
    assert_eq!(house.charges(false).await[0].connector, Connector::SandboxB);
    assert_eq!(house.charges(false).await[0].verdict, Verdict::Succeeded);
}
