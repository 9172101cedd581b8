//! What payments do while everybody answers, and who is refused.

use db::DatabaseUrl;
use kernel::{AttemptId, CardExpiry, PaymentId};
use ledger::{AccountKind, Owner};

use super::bank::{Bank, Does};
use super::house::*;
use crate::*;

on_both_engines! {
    async fn a_purchase_is_charged_once_booked_and_replayed(house) {
        let first = house.create("p1", for_order("p1", purchase(1_999))).await.expect("a payment");
        assert_eq!(bytes(&first).0, 201);
        assert!(text(&first).contains("SUCCEEDED"), "{}", text(&first));
        let again = house.create("p1", for_order("other", purchase(5))).await.expect("a replay");
        assert!(matches!(again, Answer::Replay(_)));
        assert_eq!(bytes(&again), bytes(&first));
        let payment = house.payment("p1").await.expect("it is there").payment;
        assert_eq!((payment.state, payment.captured, payment.captured_shown()), (PaymentState::Approved, 1_999, 0));
        // 1.4 % of 19.99 is 27.986 cents, rounded half up, and 25 cents.
        assert_eq!(house.available().await, 1_999 - 53);
        assert_eq!(house.balance(Owner::PLATFORM, AccountKind::Fees).await, 53);
        assert_eq!(house.balance(Connector::Sandbox.owner(), AccountKind::Due).await, -1_999);
        assert_eq!(house.bank.approved().len(), 1);
    }

    async fn refusals_of_the_bank_are_recorded(house) {
        house.bank.will(&[Does::Decline, Does::Fail]);
        for (key, status, state) in [("d", "DECLINED", PaymentState::Declined), ("e", "ERROR", PaymentState::Errored)] {
            let first = house.create(key, for_order(key, purchase(500))).await.expect("a payment");
            assert_eq!(bytes(&first).0, 201);
            assert!(text(&first).contains(status), "{}", text(&first));
            let again = house.create(key, for_order(key, purchase(500))).await.expect("a replay");
            assert_eq!(bytes(&again), bytes(&first));
            assert_eq!(house.payment(key).await.expect("it is there").payment.state, state);
        }
        assert_eq!((house.available().await, house.bank.requests()), (0, 2));
    }

    async fn a_card_that_cannot_be_good_reaches_no_bank(house) {
        let mut expired = card("4507990000000002");
        expired.expiry = CardExpiry::new(1, 2020).expect("a month");
        for (key, card, code) in [("x", expired, "EXPIRED_CARD"), ("l", card("4507990000000003"), "INVALID_CARD_NUMBER")] {
            let answer = house.create(key, for_order(key, CreatePayment { means: Means::Card(card), ..purchase(500) })).await;
            assert!(text(&answer.expect("a payment")).contains("DECLINED"));
            let payment = house.payment(key).await.expect("it is there").payment;
            assert_eq!(payment.said().map(|said| said.code), Some(code));
            assert!(matches!(house.create(key, for_order(key, purchase(500))).await, Ok(Answer::Replay(_))));
        }
        assert_eq!(house.bank.requests(), 0);
    }

    async fn an_unreachable_bank_leaves_nothing(house) {
        house.bank.will(&[Does::NotSent]);
        assert_eq!(refusal(house.create("n", for_order("n", purchase(500))).await), Refusal::NotSent);
        assert!(house.payment("n").await.is_none());
        let again = house.create("n", for_order("n", purchase(500))).await.expect("the key is free again");
        assert!(matches!(again, Answer::Done(_)));
        assert_eq!((house.bank.approved().len(), house.payment("n").await.is_some()), (1, true));
    }

    async fn a_card_check_books_nothing(house) {
        let ask = CreatePayment { mode: Mode::Verify, ..purchase(0) };
        house.create("v", for_order("v", ask)).await.expect("a payment");
        assert_eq!(house.payment("v").await.expect("it is there").payment.state, PaymentState::Verified);
        assert_eq!((house.available().await, house.held().await), (0, 0));
        let ask = CreatePayment { mode: Mode::Verify, ..purchase(1) };
        assert_eq!(refusal(house.create("v1", ask).await), AmountRefusal::NotZero.into());
        assert_eq!(refusal(house.create("p0", purchase(0)).await), AmountRefusal::NotPositive.into());
    }

    async fn a_hold_is_captured_in_parts_and_refunded_in_parts(house) {
        let payment = house.authorise("a", 1_000).await;
        assert_eq!((payment.state, house.held().await), (PaymentState::Authorised, 1_000));
        let part = house.capture("c1", &payment, 400).await.expect("a capture");
        assert!(text(&part).ends_with("CAPTURE SUCCEEDED PARTIALLY_CAPTURED"), "{}", text(&part));
        assert_eq!((house.held().await, house.available().await), (600, 400 - 31));
        assert_eq!(refusal(house.capture("c2", &payment, 601).await), AmountRefusal::MoreThanLeft(eur(600)).into());
        assert_eq!(refusal(house.cancel("x", &payment).await), Refusal::InvalidStatus);
        house.capture("c3", &payment, 600).await.expect("the rest");
        assert_eq!((house.state(payment.id).await, house.held().await), (PaymentState::Captured, 0));
        assert_eq!(refusal(house.capture("c4", &payment, 1).await), Refusal::InvalidStatus);

        let read = house.payment("a").await.expect("it is there");
        let [first, second] = &read.operations[..] else { panic!("two captures, not {:?}", read.operations) };
        assert_eq!(refusal(house.refund("r0", &payment, first.id, Some(401)).await), AmountRefusal::MoreThanLeft(eur(400)).into());
        let back = house.refund("r1", &payment, first.id, Some(150)).await.expect("a refund");
        assert_eq!(bytes(&back).0, 200);
        assert!(text(&back).ends_with("REFUND SUCCEEDED"), "{}", text(&back));
        assert_eq!(house.state(payment.id).await, PaymentState::PartlyRefunded);
        assert_eq!(refusal(house.refund("r2", &payment, first.id, Some(251)).await), AmountRefusal::MoreThanLeft(eur(250)).into());
        house.refund("r3", &payment, second.id, None).await.expect("all of the second capture");
        assert_eq!(refusal(house.refund("r4", &payment, second.id, None).await), AmountRefusal::MoreThanLeft(eur(0)).into());
        house.refund("r5", &payment, payment.attempt_id, None).await.expect("what is left");
        assert_eq!(house.state(payment.id).await, PaymentState::Refunded);
        assert_eq!((house.bank.sum(AttemptKind::Capture), house.bank.sum(AttemptKind::Refund)), (1_000, 1_000));
        assert_eq!((house.in_transit().await, house.available().await), (0, -(31 + 33)), "the fees stay with the platform");
    }

    async fn a_hold_is_cancelled_whole(house) {
        let payment = house.authorise("a", 1_000).await;
        let answer = house.cancel("x", &payment).await.expect("a cancel");
        assert!(text(&answer).ends_with("CANCEL SUCCEEDED CANCELED"), "{}", text(&answer));
        assert_eq!((house.held().await, house.state(payment.id).await), (0, PaymentState::Cancelled));
        assert_eq!(refusal(house.capture("c", &payment, 1).await), Refusal::InvalidStatus);
        assert!(matches!(house.cancel("x", &payment).await, Ok(Answer::Replay(_))));
    }

    async fn cancel_or_refund_does_whatever_fits(house) {
        let held = house.authorise("a", 1_000).await;
        let paid = house.purchase("p", 2_000).await;
        let undo = async |key: &str, of: &PaymentRow, target, minor: Option<i64>| {
            let ask = CancelOrRefund { payment: Some(of.id), target, amount: minor.map(eur), details: None };
            house.payments.cancel_or_refund(&TERMS, ask, once("/cancel-or-refund", key)).await
        };
        assert_eq!(refusal(undo("1", &held, Target::Payment, Some(10)).await), AmountRefusal::CancelsWhole(eur(1_000)).into());
        let cancelled = undo("2", &held, Target::Payment, None).await.expect("a cancel");
        assert_eq!(bytes(&cancelled).0, 201);
        assert!(text(&cancelled).ends_with("CANCEL SUCCEEDED CANCELED"), "{}", text(&cancelled));
        let part = undo("3", &paid, Target::Transaction(Some(paid.attempt_id)), Some(500)).await.expect("a refund");
        assert!(text(&part).ends_with("REFUND SUCCEEDED PARTIALLY_REFUNDED"), "{}", text(&part));
        let rest = undo("4", &paid, Target::Payment, None).await.expect("a refund");
        assert!(text(&rest).ends_with("REFUND SUCCEEDED REFUNDED"), "{}", text(&rest));
        assert_eq!(house.bank.sum(AttemptKind::Refund), 2_000);
        assert_eq!(refusal(undo("5", &paid, Target::Payment, None).await), Refusal::InvalidStatus);
    }

    async fn a_declined_operation_leaves_the_payment_as_it_was(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::Decline]);
        let answer = house.capture("c", &held, 400).await.expect("an answer");
        assert!(text(&answer).ends_with("CAPTURE DECLINED AUTHORIZED"), "{}", text(&answer));
        house.capture("c2", &held, 1_000).await.expect("nothing stayed reserved");
        let before = house.available().await;
        house.bank.will(&[Does::Decline]);
        let answer = house.refund("r", &held, held.attempt_id, Some(400)).await.expect("an answer");
        assert!(text(&answer).ends_with("REFUND DECLINED"), "{}", text(&answer));
        assert_eq!((house.state(held.id).await, house.available().await), (PaymentState::Captured, before));
        assert_eq!(house.in_transit().await, 0);
    }

    async fn operations_on_what_does_not_fit_are_refused(house) {
        let paid = house.purchase("p", 1_000).await;
        let held = house.authorise("a", 1_000).await;
        assert_eq!(refusal(house.capture("1", &paid, 1).await), Refusal::InvalidTransactionType);
        assert_eq!(refusal(house.cancel("2", &paid).await), Refusal::InvalidTransactionType);
        assert_eq!(refusal(house.refund("3", &held, held.attempt_id, None).await), Refusal::InvalidStatus);
        assert_eq!(refusal(house.refund("4", &paid, held.attempt_id, None).await), Refusal::TransactionNotFound);
        let nobody = PaymentRow { id: PaymentId::from_bytes([9; 16]), ..paid.clone() };
        assert_eq!(refusal(house.capture("5", &nobody, 1).await), Refusal::PaymentNotFound);
        let stranger = Terms { account_id: kernel::AccountId::from_bytes([2; 16]), ..TERMS };
        let ask = Refund { payment: Some(paid.id), transaction: Some(paid.attempt_id), amount: None, retried: false, details: None };
        assert_eq!(refusal(house.payments.refund(&stranger, ask, once("/r", "6")).await), Refusal::PaymentNotFound);
        let malformed = Capture { payment: None, transaction: None, amount: eur(1), retried: false, details: None };
        assert_eq!(refusal(house.payments.capture(&TERMS, malformed, once("/c", "7")).await), Refusal::PaymentNotFound);
        let unknown = AttemptId::from_bytes([8; 16]);
        assert_eq!(refusal(house.refund("8", &paid, unknown, None).await), Refusal::TransactionNotFound);
        assert_eq!(house.bank.requests(), 2);
        // No refused key is held.
        house.capture("1", &held, 1).await.expect("the key is free");
    }

    async fn refunds_stop_at_the_negative_limit(house) {
        let paid = house.purchase("p", 10_000).await;
        let poor = Terms { negative_limit: 0, ..TERMS };
        let ask = Refund { payment: Some(paid.id), transaction: Some(paid.attempt_id), amount: None, retried: false, details: None };
        let answer = house.payments.refund(&poor, ask, once("/refund", "1")).await;
        assert_eq!(refusal(answer), AmountRefusal::BelowFloor.into());
        house.refund("2", &paid, paid.attempt_id, None).await.expect("the limit allows it");
        assert_eq!(house.available().await, -165);
    }

    async fn a_hold_lapses_after_seven_days(house) {
        let untouched = house.authorise("u", 1_000).await;
        let touched = house.authorise("t", 1_000).await;
        house.capture("c", &touched, 300).await.expect("a capture");
        house.wait(7 * 86_400 - 60).await;
        house.payments.resolve_once().await;
        assert_eq!(house.held().await, 1_700);
        house.wait(61).await;
        assert_eq!(refusal(house.capture("late", &untouched, 1).await), Refusal::InvalidStatus);
        house.payments.resolve_once().await;
        assert_eq!(house.held().await, 0);
        assert_eq!(house.state(untouched.id).await, PaymentState::Cancelled);
        assert_eq!(house.state(touched.id).await, PaymentState::PartlyCaptured);
        house.refund("r", &touched, touched.attempt_id, None).await.expect("what was captured can be refunded");
    }

    async fn a_session_is_for_one_payment_that_succeeds(house) {
        let ask = CreateCheckoutSession {
            merchant_order_id: "s".into(),
            payment_description: "a coffee".into(),
            country: kernel::Country::parse("FR").expect("a country"),
            amount: Some(eur(500)),
            workflow: Workflow::SdkCheckout,
            customer: None,
            details: None,
        };
        let made = house.payments.create_checkout_session(MERCHANT, ask.clone(), Some(once("/s", "s"))).await.expect("a session");
        let again = house.payments.create_checkout_session(MERCHANT, ask.clone(), Some(once("/s", "s"))).await.expect("a replay");
        assert_eq!(bytes(&made), bytes(&again));
        let with = |session: &str, minor| CreatePayment { checkout_session: Some(session.into()), ..purchase(minor) };
        let session = text(&made);
        assert_eq!(refusal(house.create("1", with(&session, 501)).await), AmountRefusal::NotTheSessions(eur(500)).into());
        assert_eq!(refusal(house.create("2", with("no id", 500)).await), Refusal::CheckoutSessionNotFound);
        assert_eq!(refusal(house.create("3", with(&PaymentId::from_bytes([3; 16]).to_string(), 500)).await), Refusal::CheckoutSessionNotFound);
        house.bank.will(&[Does::Decline]);
        house.create("4", with(&session, 500)).await.expect("declined");
        house.create("5", with(&session, 500)).await.expect("a decline frees the session");
        assert_eq!(refusal(house.create("6", with(&session, 500)).await), Refusal::CheckoutSessionNotFound);
        let late = house.payments.create_checkout_session(MERCHANT, ask, None).await.expect("a session");
        house.wait(5 * 3_600).await;
        assert_eq!(refusal(house.create("7", with(&text(&late), 500)).await), Refusal::CheckoutSessionNotFound);
        let id = session.parse().expect("an id");
        assert!(house.payments.get_checkout_session(MERCHANT, id).await.expect("reads").is_some_and(|row| row.payment_id.is_some()));
    }

    async fn one_key_has_one_effect_however_many_ask_at_once(house) {
        house.bank.will(&[Does::Slow]);
        let asks = (0..32).map(|_| house.create("k", for_order("k", purchase(700))));
        let answers = futures_util::future::join_all(asks).await;
        let done = answers.iter().flatten().filter(|answer| matches!(answer, Answer::Done(_))).count();
        let refused = answers.iter().filter(|answer| matches!(answer, Err(PaymentsError::Refused(Refusal::InProcess { .. })))).count();
        assert_eq!((done, refused), (1, 31), "nobody waits for a neighbour");
        assert_eq!((house.bank.requests(), house.available().await), (1, 700 - 35));
    }

    async fn parallel_captures_and_refunds_never_exceed_the_total(house) {
        let held = house.authorise("a", 1_000).await;
        let keys: Vec<String> = (0..8).map(|number| format!("k{number}")).collect();
        futures_util::future::join_all(keys.iter().map(|key| house.capture(key, &held, 300))).await;
        assert_eq!(house.bank.sum(AttemptKind::Capture), 900);
        futures_util::future::join_all(keys.iter().map(|key| house.refund(key, &held, held.attempt_id, Some(400)))).await;
        assert_eq!(house.bank.sum(AttemptKind::Refund), 800);
        let payment = house.payment("a").await.expect("it is there").payment;
        assert_eq!((payment.captured, payment.refunded, payment.capturing, payment.refunding), (900, 800, 0, 0));
    }
}
