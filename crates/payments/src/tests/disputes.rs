//! Chargebacks and other things an acquirer says unasked.

use db::{DatabaseUrl, Sql, args, sql};
use kernel::{AttemptId, PaymentId};
use ledger::AccountKind;

use super::bank::{Bank, Does};
use super::house::*;
use crate::*;

static WAITING: Sql = sql!("SELECT COUNT(*) FROM notification WHERE due_at IS NOT NULL");

/// What the acquirer says about a payment of EUR 10.00.
fn said_of(payment: &PaymentRow, event: Event, date: &str) -> Notification {
    Notification {
        connector: Connector::Sandbox,
        identity: format!("{} {date}", payment.id),
        payment_id: Some(payment.id),
        merchant_order_id: payment.merchant_order_id.clone(),
        event,
        success: true,
        amount: eur(1_000),
        body: "{}".into(),
        attempt: None,
        reference: None,
    }
}

impl House {
    pub(super) async fn hears(&self, of: &PaymentRow, event: Event, minor: i64, date: &str) {
        let identity = format!("{} {event:?} {date}", of.id);
        self.takes(Notification { identity, amount: eur(minor), ..said_of(of, event, date) }).await;
    }

    /// Hears that the whole of a payment is disputed, under the name that the acquirer has for the dispute.
    pub(super) async fn hears_by_name(&self, of: &PaymentRow, dispute: AttemptId) {
        let amount = of.money();
        self.takes(Notification { amount, attempt: Some(dispute), ..said_of(of, Event::Chargeback, "named") }).await;
    }

    async fn takes(&self, notification: Notification) {
        self.payments.notified(notification).await.expect("it is stored");
        self.payments.work_off_notifications().await.expect("it is worked off");
    }

    /// Notifications that are not worked off.
    async fn waiting(&self) -> i64 {
        let found = self.reader().one(&WAITING, args![]).await.expect("it answers").expect("one line");
        found.get(0).expect("a number")
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
        house.hears(&payment, Event::Chargeback, 1_001, "too much").await;
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

    async fn the_end_of_a_dispute_may_arrive_before_its_beginning(house) {
        let payment = house.purchase("p", 1_000).await;
        house.hears(&payment, Event::ChargebackLost, 1_000, "end").await;
        assert_eq!(house.state(payment.id).await, PaymentState::Approved);
        house.hears(&payment, Event::Chargeback, 1_000, "beginning").await;
        house.wait(3).await;
        house.payments.work_off_notifications().await.expect("it is worked off");
        assert_eq!(house.state(payment.id).await, PaymentState::ChargedBack);
        // What never begins is given up.
        let other = house.purchase("q", 1_000).await;
        house.hears(&other, Event::ChargebackWon, 1_000, "end").await;
        house.wait(3_700).await;
        house.payments.work_off_notifications().await.expect("it is worked off");
        assert_eq!((house.state(other.id).await, house.waiting().await), (PaymentState::Approved, 0));
    }

    /// What was paid is given back already, and the bank takes back what we do not know to be paid: it is a dispute once we do, and
    /// nothing to be taken when it turns out that it was not.
    async fn a_dispute_that_meets_a_capture_under_way_waits_for_its_end(house) {
        for (order, does, state) in
            [("taken", Does::LoseAnswer, PaymentState::ChargedBack), ("lost", Does::LoseRequest, PaymentState::Refunded)]
        {
            let held = house.authorise(order, 1_000).await;
            house.bank.silent(true);
            house.bank.will(&[does]);
            assert_eq!(refusal(house.capture(&format!("c1-{order}"), &held, 700).await), Refusal::OutcomeUnknown);
            house.capture(&format!("c2-{order}"), &held, 300).await.expect("a part");
            house.refund(&format!("r-{order}"), &held, held.attempt_id, Some(300)).await.expect("it is given back");
            house.hears(&held, Event::Chargeback, 1_001, "too much").await;
            assert_eq!((house.state(held.id).await, house.waiting().await), (PaymentState::Refunded, 0), "never that much");
            house.hears(&held, Event::Chargeback, 700, "a").await;
            assert_eq!((house.state(held.id).await, house.waiting().await), (PaymentState::Refunded, 1));
            // Its end waits with it, however long.
            for _ in 0..2 {
                house.wait(3_700).await;
                house.hears(&held, Event::ChargebackLost, 700, "b").await;
            }
            assert_eq!((house.state(held.id).await, house.waiting().await), (PaymentState::Refunded, 2));
            house.is_sound(false).await;
            house.bank.silent(false);
            house.until("it is known", async || {
                house.wait(600).await;
                house.payments.resolve_once().await;
                house.payments.work_off_notifications().await.expect("they are worked off");
                house.waiting().await == 0
            })
            .await;
            assert_eq!((house.state(held.id).await, house.disputed().await), (state, 0));
        }
    }

    async fn what_two_work_off_at_once_is_neither_lost_nor_done_twice(house) {
        let mut disputed = Vec::new();
        for number in 0..60 {
            let payment = house.purchase(&format!("p{number}"), 1_000).await;
            for (event, date) in [(Event::ChargebackLost, "end"), (Event::Chargeback, "beginning")] {
                house.payments.notified(said_of(&payment, event, date)).await.expect("it is stored");
            }
            disputed.push(payment.id);
        }
        for _ in 0..3 {
            let works = || house.payments.work_off_notifications();
            let (one, two, three) = tokio::join!(works(), works(), works());
            one.and(two).and(three).expect("they are worked off");
            house.wait(3).await;
        }
        for id in disputed {
            assert_eq!(house.state(id).await, PaymentState::ChargedBack);
        }
        assert_eq!((house.waiting().await, house.disputed().await), (0, 0));
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

    async fn a_flood_is_worked_off_at_once_and_in_order_for_each_payment(house) {
        let paid = house.purchase("p", 1_000).await;
        let flood = (0..620_u32).map(|number| Notification {
            connector: Connector::Sandbox,
            identity: format!("flood {number}"),
            payment_id: Some(if number % 3 == 0 { paid.id } else { PaymentId::new(&house.payments.0.source) }),
            merchant_order_id: paid.merchant_order_id.clone(),
            event: if number % 2 == 0 { Event::Authorisation } else { Event::Other },
            success: true,
            amount: eur(1_000),
            body: "{}".into(),
            attempt: None,
            reference: None,
        });
        for notification in flood {
            house.payments.notified(notification).await.expect("it is stored");
        }
        for (date, event) in [("a", Event::Chargeback), ("b", Event::ChargebackLost)] {
            house.payments.notified(said_of(&paid, event, date)).await.expect("it is stored");
        }
        house.payments.work_off_notifications().await.expect("they are worked off");
        assert_eq!(house.waiting().await, 0);
        assert_eq!(house.state(paid.id).await, PaymentState::ChargedBack);
    }
}
