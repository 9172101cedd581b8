//! Chargebacks and other things an acquirer says unasked.

use db::DatabaseUrl;
use ledger::AccountKind;

use super::bank::{Bank, Does};
use super::house::*;
use crate::*;

impl House {
    async fn hears(&self, of: &PaymentRow, event: Event, minor: i64, date: &str) {
        let notification = Notification {
            connector: Connector::Sandbox,
            identity: format!("{} {event:?} {date}", of.id),
            payment_id: Some(of.id),
            merchant_order_id: of.merchant_order_id.clone(),
            event,
            success: true,
            amount: eur(minor),
            body: "{}".into(),
        };
        self.payments.notified(notification).await.expect("it is stored");
        self.payments.work_off_notifications().await.expect("it is worked off");
    }

    async fn disputed(&self) -> i64 {
        self.balance(MERCHANT.into(), AccountKind::Disputed).await
    }
}

on_both_engines! {
    async fn a_dispute_sets_money_aside_and_gives_it_back_when_it_is_won(house) {
        let payment = house.purchase("p", 1_000).await;
        let before = house.available().await;
        for repeat in ["a", "a", "b"] {
            house.hears(&payment, Event::Chargeback, 1_000, repeat).await;
            assert_eq!(house.state(payment.id).await, PaymentState::Disputed);
            assert_eq!((house.available().await, house.disputed().await), (before - 1_000, 1_000));
        }
        assert_eq!(refusal(house.refund("r", &payment, payment.attempt_id, None).await), Refusal::InvalidStatus);
        house.is_sound(true).await;
        house.hears(&payment, Event::ChargebackWon, 1_000, "c").await;
        house.hears(&payment, Event::ChargebackLost, 1_000, "d").await;
        assert_eq!(house.state(payment.id).await, PaymentState::Approved);
        assert_eq!((house.available().await, house.disputed().await), (before, 0));
    }

    async fn a_lost_dispute_is_final(house) {
        let payment = house.purchase("p", 1_000).await;
        house.refund("r", &payment, payment.attempt_id, Some(300)).await.expect("a refund");
        let before = house.available().await;
        house.hears(&payment, Event::Chargeback, 1_000, "too much").await;
        assert_eq!(house.state(payment.id).await, PaymentState::PartlyRefunded);
        house.hears(&payment, Event::Chargeback, 700, "a").await;
        house.hears(&payment, Event::ChargebackLost, 600, "another amount").await;
        assert_eq!(house.state(payment.id).await, PaymentState::Disputed);
        house.hears(&payment, Event::ChargebackLost, 700, "b").await;
        house.hears(&payment, Event::ChargebackWon, 700, "c").await;
        house.hears(&payment, Event::Chargeback, 700, "d").await;
        assert_eq!(house.state(payment.id).await, PaymentState::ChargedBack);
        assert_eq!((house.available().await, house.disputed().await), (before - 700, 0));
        let shown: Vec<_> = house.payment("p").await.expect("it is there").operations.iter().map(|row| row.state).collect();
        assert_eq!(shown, [AttemptState::Succeeded, AttemptState::Lost]);
    }

    async fn a_dispute_that_meets_a_refund_under_way_waits_for_its_end(house) {
        let payment = house.purchase("p", 1_000).await;
        let before = house.available().await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseRequest]);
        assert_eq!(refusal(house.refund("r", &payment, payment.attempt_id, None).await), Refusal::OutcomeUnknown);
        house.hears(&payment, Event::Chargeback, 1_000, "a").await;
        assert_eq!((house.state(payment.id).await, house.disputed().await), (PaymentState::Approved, 0));
        house.bank.silent(false);
        house.payments.resolve_once().await;
        house.wait(60).await;
        house.payments.work_off_notifications().await.expect("it is worked off");
        assert_eq!(house.state(payment.id).await, PaymentState::Disputed);
        assert_eq!((house.available().await, house.disputed().await), (before - 1_000, 1_000));
        house.is_sound(true).await;
    }

    async fn a_dispute_outlives_the_refund_and_the_hold_beside_it(house) {
        let held = house.authorise("a", 1_000).await;
        house.capture("c", &held, 600).await.expect("a capture");
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        assert_eq!(refusal(house.refund("r", &held, held.attempt_id, Some(200)).await), Refusal::OutcomeUnknown);
        house.hears(&held, Event::Chargeback, 400, "a").await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!(house.state(held.id).await, PaymentState::Disputed);
        house.wait(8 * 86_400).await;
        house.payments.resolve_once().await;
        assert_eq!((house.state(held.id).await, house.held().await), (PaymentState::Disputed, 0));
        house.hears(&held, Event::ChargebackWon, 400, "b").await;
        assert_eq!(house.state(held.id).await, PaymentState::PartlyRefunded);
        house.is_sound(true).await;
    }

    async fn a_word_of_the_acquirer_settles_what_is_unknown(house) {
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::OutcomeUnknown);
        let payment = house.payment("k").await.expect("it is there").payment;
        house.hears(&payment, Event::Authorisation, 499, "another amount").await;
        house.hears(&PaymentRow { merchant_order_id: "other".into(), ..payment.clone() }, Event::Authorisation, 500, "x").await;
        house.hears(&payment, Event::Capture, 500, "y").await;
        assert_eq!(house.state(payment.id).await, PaymentState::Unconfirmed);
        for repeat in ["a", "b"] {
            house.hears(&payment, Event::Authorisation, 500, repeat).await;
            assert_eq!(house.state(payment.id).await, PaymentState::Approved);
        }
        assert!(matches!(house.create("k", for_order("k", purchase(500))).await, Ok(Answer::Replay(_))));
    }
}
