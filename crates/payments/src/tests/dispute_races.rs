//! What was under way when a payer's bank took its money back ends without ending the dispute.

use db::DatabaseUrl;

use super::bank::{Bank, Does};
use super::house::*;
use crate::rules::HOLD_SECONDS;
use crate::*;

impl House {
    /// While the dispute of a payment is open, or lost, nothing more of it can be given away.
    async fn is_closed(&self, payment: &PaymentRow, state: PaymentState) {
        assert_eq!(self.state(payment.id).await, state);
        let again = refusal(self.refund(&format!("again-{state:?}"), payment, payment.attempt_id, Some(1)).await);
        assert_eq!(again, Refusal::InvalidStatus);
        self.is_sound(false).await;
    }
}

on_both_engines! {
    async fn a_refund_that_ends_during_a_dispute_leaves_it_open(house) {
        let payment = house.purchase("p", 1_000).await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        assert_eq!(refusal(house.refund("r", &payment, payment.attempt_id, Some(300)).await), Refusal::OutcomeUnknown);
        house.hears(&payment, Event::Chargeback, 400, "a").await;
        house.is_closed(&payment, PaymentState::Disputed).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        house.is_closed(&payment, PaymentState::Disputed).await;
        assert_eq!(house.payment("p").await.expect("it is there").payment.refunded, 300);
        house.hears(&payment, Event::ChargebackWon, 400, "b").await;
        assert_eq!(house.state(payment.id).await, PaymentState::PartlyRefunded);
        house.refund("rest", &payment, payment.attempt_id, Some(700)).await.expect("the rest");
        house.is_sound(true).await;
    }

    async fn a_capture_that_ends_during_a_dispute_leaves_it_open(house) {
        let held = house.authorise("a", 1_000).await;
        house.capture("c1", &held, 400).await.expect("a part");
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        assert_eq!(refusal(house.capture("c2", &held, 600).await), Refusal::OutcomeUnknown);
        house.hears(&held, Event::Chargeback, 400, "a").await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        house.is_closed(&held, PaymentState::Disputed).await;
        assert_eq!(house.payment("a").await.expect("it is there").payment.captured, 1_000);
        house.hears(&held, Event::ChargebackWon, 400, "b").await;
        assert_eq!(house.state(held.id).await, PaymentState::Captured);
        house.is_sound(true).await;
    }

    async fn a_hold_that_runs_out_neither_ends_a_dispute_nor_takes_back_that_it_was_lost(house) {
        for (order, end, state) in [("open", None, PaymentState::Disputed), ("lost", Some(Event::ChargebackLost), PaymentState::ChargedBack)] {
            let held = house.authorise(order, 1_000).await;
            house.capture(&format!("c-{order}"), &held, 400).await.expect("a part");
            house.hears(&held, Event::Chargeback, 400, "a").await;
            if let Some(end) = end {
                house.hears(&held, end, 400, "b").await;
            }
            house.wait(u32::try_from(HOLD_SECONDS).expect("a week") + 1).await;
            house.payments.resolve_once().await;
            house.is_closed(&held, state).await;
            assert_eq!(house.held().await, 0);
        }
    }

    async fn a_dispute_of_what_is_not_known_to_be_paid_waits(house) {
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::OutcomeUnknown);
        let payment = house.payment("k").await.expect("it is there").payment;
        house.hears(&payment, Event::Chargeback, 500, "a").await;
        assert_eq!(house.state(payment.id).await, PaymentState::Unconfirmed);
        house.bank.silent(false);
        house.payments.resolve_once().await;
        house.wait(3).await;
        house.payments.work_off_notifications().await.expect("it is worked off");
        house.is_closed(&payment, PaymentState::Disputed).await;
    }

    async fn a_bank_disputes_what_was_paid_whatever_was_given_back(house) {
        for (order, refunded) in [("part", 300), ("all", 1_000)] {
            let payment = house.purchase(order, 1_000).await;
            house.refund(&format!("r-{order}"), &payment, payment.attempt_id, Some(refunded)).await.expect("a refund");
            let before = house.available().await;
            house.hears(&payment, Event::Chargeback, 1_000, "a").await;
            house.is_closed(&payment, PaymentState::Disputed).await;
            assert_eq!(house.available().await, before - 1_000);
            house.hears(&payment, Event::ChargebackWon, 1_000, "b").await;
            assert_eq!(house.available().await, before);
        }
        house.is_sound(true).await;
    }
}
