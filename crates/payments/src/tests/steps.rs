//! Every step on its own: repeated, taken back, and next to a product's own change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use db::{Command, DatabaseUrl, Keys, Rows};
use idempotency::{Claim, Claimed, Known, Reply};
use kernel::{AccountId, AttemptId, CheckoutSessionId, Country, PaymentId, Source, Timestamp};
use ledger::{AccountKind, Owner, Part, Party, Split};

use super::bank::{Bank, Does};
use super::house::*;
use crate::commands::{Adopt, BeginPayment, Begun, KeepAsking, Settle};
use crate::errands::Errand;
use crate::*;

fn charge(order: &str, minor: i64) -> Charge {
    let source = Source::system();
    Charge {
        account_id: MERCHANT,
        payment_id: PaymentId::new(&source),
        attempt_id: AttemptId::new(&source),
        merchant_order_id: order.into(),
        description: "a coffee".into(),
        country: Country::parse("FR").expect("a country"),
        amount: eur(minor),
        fee: 0,
        mode: Mode::Purchase,
        workflow: Workflow::Direct,
        origin: OriginKind::Api,
        connector: Connector::Sandbox,
        card: Some(CardFace::of(&card("4507990000000002"))),
        checkout_session: None,
        idempotency_key: None,
        split: None,
        details: None,
        delay: None,
        source: CardSource::default(),
    }
}

pub(super) fn begin_payment(house: &House, order: &str, minor: i64) -> BeginPayment {
    let charge = charge(order, minor);
    let claim = once("/v1/payments", order).claim(charge.payment_id.uuid());
    BeginPayment { claim, charge, known: None, made_for: MadeFor::Itself, origins: house.payments.0.origins.clone() }
}

on_both_engines! {
    async fn every_step_may_be_repeated(house) {
        let begin = begin_payment(house, "k", 500);
        let attempt = begin.attempt();
        let again = BeginPayment { charge: charge("k", 500), ..begin.clone() };
        let writer = house.store.writer();
        assert!(matches!(writer.run(begin).await, Ok(Ok(Begun::Go(())))));
        assert!(matches!(writer.run(again).await, Ok(Ok(Begun::Taken(Known::InProcess(_))))));
        for _ in 0..2 {
            assert_eq!(writer.run(KeepAsking { attempt: attempt.clone(), origins: house.payments.0.origins.clone() }).await.expect("works"), Ok(true));
        }
        for _ in 0..2 {
            assert_eq!(writer.run(Adopt { attempt: attempt.clone(), origins: house.payments.0.origins.clone() }).await.expect("works"), Ok(true));
        }
        house.bank.charge(&ask(&attempt)).await;
        let ending = Ending::of(&house.bank.charge(&ask(&attempt)).await).expect("an answer");
        for round in 0..3 {
            let settle = Settle { attempt: attempt.clone(), ending: ending.clone(), asked_for: true, origins: house.payments.0.origins.clone() };
            let settled = writer.run(settle).await.expect("works").expect("it is this process's claim");
            assert_eq!(settled.is_some(), round == 0);
        }
        for fruitless in [writer.run(KeepAsking { attempt: attempt.clone(), origins: house.payments.0.origins.clone() }).await, writer.run(Adopt { attempt, origins: house.payments.0.origins.clone() }).await] {
            assert_eq!(fruitless.expect("works"), Ok(false), "there is nothing left to ask");
        }
        assert_eq!(house.available().await, 500);
    }

    async fn an_intent_without_a_call_is_taken_back(house) {
        let begin = begin_payment(house, "k", 500);
        let errand = Errand::TakeBack { subject: begin.claim.subject, asked: begin.asked() };
        let never_written = Errand::TakeBack { subject: begin_payment(house, "n", 1).claim.subject, asked: begin.asked() };
        assert!(matches!(house.store.writer().run(begin).await, Ok(Ok(Begun::Go(())))));
        house.payments.0.run_errand(never_written, None);
        house.payments.0.run_errand(errand, None);
        house.until("it is taken back", async || house.payment("k").await.is_none()).await;
        house.create("k", for_order("k", purchase(500))).await.expect("the key is free");
    }

    async fn a_flow_that_broke_off_is_found_out(house) {
        let begin = begin_payment(house, "k", 500);
        let (scope, attempt) = (begin.claim.scope, begin.attempt());
        assert!(matches!(house.store.writer().run(begin).await, Ok(Ok(Begun::Go(())))));
        house.bank.charge(&ask(&attempt)).await;
        house.payments.0.run_errand(Errand::FindOut { scope }, None);
        let state = async || house.payment("k").await.expect("it is there").payment.state;
        house.until("it is a question", async || state().await == PaymentState::Unconfirmed).await;
        house.payments.resolve_once().await;
        assert!(matches!(house.create("k", for_order("k", purchase(500))).await, Ok(Answer::Replay(_))));
    }
}

fn ask(attempt: &Attempt) -> ChargeAsk {
    ChargeAsk {
        account_id: attempt.account_id,
        payment_id: attempt.payment_id,
        attempt_id: attempt.id,
        kind: attempt.kind,
        amount: attempt.amount,
        merchant_order_id: "k".into(),
        description: "a coffee".into(),
        card: card("4507990000000002"),
        off_session: false,
        returns_to: None,
    }
}

/// A product with an object of its own: a checkout session that remembers the payment.
struct Shop {
    refunds: Arc<AtomicU32>,
}

const ORDER: CheckoutSessionId = CheckoutSessionId::from_bytes([5; 16]);

impl Origin for Shop {
    fn keys(&self, _attempt: &Attempt, keys: &mut Keys<'_>) {
        keys.row::<CheckoutSessionRow>((MERCHANT, ORDER));
    }

    fn settled(&self, rows: &mut Rows, attempt: &Attempt, ended: Ended, _now: Timestamp) -> Option<Reply> {
        let order = rows.must_mut::<CheckoutSessionRow>(&(MERCHANT, ORDER));
        order.payment_id = (ended == Ended::Approved).then_some(attempt.payment_id);
        let body = format!("{{\"id\":\"{}\"}}", attempt.payment_id);
        (ended != Ended::NotSent).then(|| Reply { status: 202, content_type: JSON.into(), location: None, body: body.into() })
    }

    fn disputed(&self, _rows: &mut Rows, _dispute: &Attempt, _now: Timestamp) {}

    fn refunded(&self, _rows: &mut Rows, _attempt: &Attempt, _now: Timestamp) {
        self.refunds.fetch_add(1, Ordering::SeqCst);
    }
}

/// The product's own first step: its order and the payment's intent in one commit.
struct BeginOrder {
    claim: Claim,
    charge: Charge,
}

impl Command for BeginOrder {
    type Reply = bool;
    type Refusal = Refusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        idempotency::claim_keys(keys, &self.claim);
        begin_keys(keys, &self.charge);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<bool, Refusal> {
        if !matches!(idempotency::claim(rows, &self.claim, now), Claimed::New) {
            return Ok(false);
        }
        begin(rows, &self.charge, now)?;
        rows.append(CheckoutSessionRow {
            account_id: MERCHANT,
            id: ORDER,
            merchant_order_id: self.charge.merchant_order_id.clone(),
            payment_description: "an order".into(),
            country: self.charge.country,
            currency: None,
            amount: None,
            workflow: Workflow::Direct,
            details: None,
            customer_id: None,
            created_at: now,
            payment_id: None,
        });
        Ok(true)
    }
}

#[tokio::test]
async fn a_product_finishes_in_the_settling_commit_whoever_learns_the_outcome() {
    for lost in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let shop = Shop { refunds: Arc::default() };
        let refunds = shop.refunds.clone();
        let url = DatabaseUrl::sqlite(folder.path().join("test.db"));
        let house = House::open_with(url, Bank::new(), |origins| origins.with(OriginKind::Api, Arc::new(shop))).await;
        let partner = AccountId::from_bytes([9; 16]);
        let part = |owner: Owner, kind, minor| Part { party: Party { owner, kind }, minor };
        let parts = vec![
            part(MERCHANT.into(), AccountKind::Available, 800),
            part(partner.into(), AccountKind::AppFees, 150),
            part(Owner::PLATFORM, AccountKind::Fees, 50),
        ];
        let split = SplitPlan::of(&Split::new(eur(1_000), parts).expect("a split"));
        let charge = Charge { split: Some(split), ..charge("o", 1_000) };
        let once = once("/shop/orders", "o");
        if lost {
            house.bank.silent(true);
            house.bank.will(&[Does::LoseAnswer]);
        }
        let working = house.payments.0.idempotency.begin(once.scope, house.store.clock().now()).expect("nobody works on it");
        let command = BeginOrder { claim: once.claim(charge.payment_id.uuid()), charge: charge.clone() };
        let asked = Asked::by(&command.claim);
        assert!(matches!(house.store.writer().run(command).await, Ok(Ok(true))));
        let answer = house.payments.carry_out(&charge, card("4507990000000002"), asked, working).await;
        if lost {
            assert_eq!(refusal(answer), Refusal::OutcomeUnknown);
            house.bank.silent(false);
            house.payments.resolve_once().await;
        } else {
            assert_eq!(bytes(&answer.expect("an answer")).0, 202);
        }
        let order = house.payments.get_checkout_session(MERCHANT, ORDER).await.expect("reads").expect("it is there");
        assert_eq!(order.payment_id, Some(charge.payment_id));
        assert_eq!((house.available().await, house.balance(partner.into(), AccountKind::AppFees).await), (800, 150));

        let payment = house.payment("o").await.expect("it is there").payment;
        house.refund("r", &payment, payment.attempt_id, Some(100)).await.expect("a refund");
        assert_eq!(refunds.load(Ordering::SeqCst), 1);
        assert_eq!(house.available().await, 700, "refunds are all the merchant's");
        house.is_sound(true).await;
    }
}
