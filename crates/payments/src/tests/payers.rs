//! Payers whom the acquirer asks on pages of its own, and what such an acquirer tells unasked.

use db::DatabaseUrl;
use kernel::AttemptId;

use super::bank::{Bank, Does};
use super::damage::Damage;
use super::house::*;
use crate::*;

const DISPUTE: AttemptId = AttemptId::from_bytes([9; 16]);

impl House {
    /// A purchase whose payer is asked by the acquirer, with the token of our page.
    async fn sent_away(&self, key: &str, minor: i64) -> (PaymentRow, String) {
        self.bank.becomes_stripe();
        self.bank.will(&[Does::Challenge]);
        self.create(key, for_order(key, purchase(minor))).await.expect("a payment");
        let payment = self.payment(key).await.expect("it is there").payment;
        assert_eq!(payment.state, PaymentState::AwaitingPayer);
        let token = self.payments.challenges().token(payment.attempt_id);
        (payment, token)
    }

    async fn visits(&self, token: &str) -> Sent {
        let challenge = self.payments.challenge(token).await.expect("the store works").expect("it is there");
        self.payments.visit_challenge(&challenge).await.expect("the store works")
    }

    /// Something the acquirer says of an attempt, or of what it calls a charge.
    async fn is_told(
        &self,
        id: impl Into<String>,
        event: Event,
        success: bool,
        minor: i64,
        of: (Option<AttemptId>, Option<&str>),
    ) -> NotificationState {
        let notification = Notification {
            connector: Connector::Stripe,
            identity: id.into(),
            payment_id: None,
            merchant_order_id: "".into(),
            event,
            success,
            amount: eur(minor),
            body: "{}".into(),
            attempt: of.0,
            reference: of.1.map(Into::into),
        };
        let key = (notification.id(),);
        for _ in 0..2 {
            self.payments.notified(notification.clone()).await.expect("it is stored");
            self.payments.work_off_notifications().await.expect("it is worked off");
        }
        let mut state = None;
        let (told, tells) = std::sync::mpsc::channel();
        let look = move |rows: &mut db::Rows| told.send(rows.must::<NotificationRow>(&key).state).expect("somebody listens");
        let Ok(()) = self.store.writer().run(Damage(look)).await.expect("works");
        while let Ok(one) = tells.try_recv() {
            state = Some(one);
        }
        state.expect("it is stored")
    }

    fn reference(payment: &PaymentRow) -> String {
        format!("bank-{}", payment.attempt_id)
    }
}

on_both_engines! {
    async fn a_payer_is_sent_to_the_acquirer_and_his_payment_goes_on_when_he_is_back(house) {
        let (payment, token) = house.sent_away("k", 500).await;
        let page = Sent::To(format!("https://bank.example/{}", House::reference(&payment)));
        for _ in 0..2 {
            assert_eq!(house.visits(&token).await, page);
        }
        let challenge = house.payments.challenge(&token).await.expect("the store works").expect("it is there");
        for answer in [ChallengeAnswer::Code("1111".into()), ChallengeAnswer::Code("1234".into()), ChallengeAnswer::Cancel] {
            house.payments.answer_challenge(&challenge, answer).await.expect("it is taken");
        }
        assert_eq!(house.state(payment.id).await, PaymentState::AwaitingPayer, "no code is right or wrong here");
        house.bank.silent(true);
        assert_eq!(house.visits(&token).await, Sent::NoAnswer);
        house.bank.silent(false);
        house.bank.payer_comes(true);
        assert_eq!(house.visits(&token).await, Sent::OverNow);
        assert_eq!((house.state(payment.id).await, house.visits(&token).await), (PaymentState::Approved, Sent::ToUs));
        assert_eq!((house.bank.approved().len(), house.available().await), (1, 500 - 32));
        house.refund("r", &house.payment("k").await.expect("it is there").payment, payment.attempt_id, None).await.expect("a refund");
    }

    async fn a_payer_who_fails_there_is_declined_and_one_who_stays_away_expires(house) {
        let (refused, token) = house.sent_away("r", 500).await;
        house.bank.payer_comes(false);
        assert_eq!(house.visits(&token).await, Sent::OverNow);
        assert_eq!(house.state(refused.id).await, PaymentState::Declined);
        let (away, token) = house.sent_away("a", 500).await;
        house.bank.silent(true);
        house.wait(15 * 60).await;
        house.payments.resolve_once().await;
        assert_eq!(house.state(away.id).await, PaymentState::AwaitingPayer, "he could still pay there");
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!(house.state(away.id).await, PaymentState::AwaitingPayer, "not asked again at once");
        house.wait(30).await;
        house.payments.resolve_once().await;
        assert_eq!((house.state(away.id).await, house.visits(&token).await), (PaymentState::Expired, Sent::ToUs));
        house.bank.payer_comes(true);
        assert!(house.bank.approved().is_empty(), "he cannot pay any more");
    }

    async fn a_payer_who_paid_and_never_came_back_has_paid(house) {
        let (late, _) = house.sent_away("late", 500).await;
        house.bank.payer_comes(true);
        house.wait(15 * 60).await;
        house.payments.resolve_once().await;
        assert_eq!(house.state(late.id).await, PaymentState::Approved, "found out when his time was over");
        let (told, _) = house.sent_away("told", 700).await;
        let of = (Some(told.attempt_id), None);
        assert_eq!(house.is_told("early", Event::Authorisation, true, 700, of).await, NotificationState::Ignored);
        assert_eq!(house.state(told.id).await, PaymentState::AwaitingPayer, "a word alone pays nothing");
        house.bank.payer_comes(true);
        assert_eq!(house.is_told("now", Event::Authorisation, true, 700, of).await, NotificationState::Done);
        assert_eq!(house.state(told.id).await, PaymentState::Approved);
    }

    async fn an_event_that_names_an_attempt_settles_what_is_unknown(house) {
        house.bank.becomes_stripe();
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::OutcomeUnknown);
        let payment = house.payment("k").await.expect("it is there").payment;
        let (attempt, reference) = (Some(payment.attempt_id), House::reference(&payment));
        let of = |attempt| (attempt, Some(reference.as_str()));
        assert_eq!(house.is_told("1", Event::Authorisation, true, 500, of(Some(DISPUTE))).await, NotificationState::Ignored);
        assert_eq!(house.is_told("2", Event::Authorisation, true, 499, of(attempt)).await, NotificationState::Quarantined);
        assert_eq!(house.state(payment.id).await, PaymentState::Unconfirmed);
        assert_eq!(house.is_told("3", Event::Authorisation, true, 500, of(attempt)).await, NotificationState::Done);
        assert_eq!(house.is_told("4", Event::Authorisation, false, 500, of(attempt)).await, NotificationState::Ignored);
        assert_eq!(house.state(payment.id).await, PaymentState::Approved);
        let payment = house.payment("k").await.expect("it is there").payment;
        assert_eq!(payment.said().and_then(|said| said.reference), Some(&*reference), "what follows can name it");

        house.bank.will(&[Does::LoseAnswer]);
        assert_eq!(refusal(house.refund("r", &payment, payment.attempt_id, Some(200)).await), Refusal::OutcomeUnknown);
        let refund = house.payment("k").await.expect("it is there").operations[0].id;
        assert_eq!(house.is_told("5", Event::Refund, true, 500, of(attempt)).await, NotificationState::Done, "a hint: it is asked");
        assert_eq!(house.is_told("6", Event::Refund, true, 200, of(Some(refund))).await, NotificationState::Done);
        assert_eq!((house.state(payment.id).await, house.in_transit().await), (PaymentState::PartlyRefunded, 0));
        house.bank.silent(false);
        assert_eq!(house.is_told("7", Event::Refund, false, 200, of(Some(refund))).await, NotificationState::Quarantined);
        assert_eq!(house.state(payment.id).await, PaymentState::PartlyRefunded, "nothing goes backwards");
    }

    async fn a_dispute_with_a_name_is_opened_and_ended_once_in_whatever_order_it_is_told(house) {
        house.bank.becomes_stripe();
        for (at, ends, state, lost) in [(0, Event::ChargebackWon, PaymentState::Approved, 0), (1, Event::ChargebackLost, PaymentState::ChargedBack, 1_000)] {
            for ends_first in [false, true] {
                let key = format!("{at}{ends_first}");
                let payment = house.purchase(&key, 1_000).await;
                let (before, reference) = (house.available().await, House::reference(&payment));
                let dispute = AttemptId::from_bytes([20 + 2 * at + u8::from(ends_first); 16]);
                let of = (Some(dispute), Some(reference.as_str()));
                let opened = |id: &str| house.is_told(format!("{key}{id}"), Event::Chargeback, true, 1_000, of);
                if !ends_first {
                    assert_eq!(opened("a").await, NotificationState::Done);
                    assert_eq!((house.state(payment.id).await, house.available().await), (PaymentState::Disputed, before - 1_000));
                    assert_eq!(opened("b").await, NotificationState::Ignored);
                    assert_eq!(house.is_told(format!("{key}other"), Event::Chargeback, true, 1_000, (Some(DISPUTE), of.1)).await, NotificationState::Quarantined);
                    assert_eq!(house.is_told(format!("{key}wrong"), ends, true, 999, of).await, NotificationState::Quarantined);
                }
                assert_eq!(house.is_told(format!("{key}c"), ends, true, 1_000, of).await, NotificationState::Done);
                for id in ["d", "e"] {
                    assert_eq!(opened(id).await, NotificationState::Ignored, "it is known, and over");
                }
                assert_eq!(house.is_told(format!("{key}f"), ends, true, 1_000, of).await, NotificationState::Ignored);
                assert_eq!((house.state(payment.id).await, before - house.available().await), (state, lost));
                let disputes = house.payment(&key).await.expect("it is there").operations;
                assert_eq!(disputes.iter().map(|one| one.id).collect::<Vec<_>>(), [dispute]);
            }
        }
    }

    async fn whose_charge_is_disputed_is_asked_until_it_is_answered(house) {
        house.bank.becomes_stripe();
        let payment = house.purchase("k", 1_000).await;
        let reference = House::reference(&payment);
        house.bank.silent(true);
        let of = (Some(DISPUTE), Some(reference.as_str()));
        assert_eq!(house.is_told("a", Event::Chargeback, true, 1_000, of).await, NotificationState::Stored);
        house.bank.silent(false);
        house.wait(2).await;
        assert_eq!(house.is_told("a", Event::Chargeback, true, 1_000, of).await, NotificationState::Done);
        assert_eq!(house.state(payment.id).await, PaymentState::Disputed);
        let nobodys = (Some(AttemptId::from_bytes([8; 16])), Some("somebody else's"));
        assert_eq!(house.is_told("b", Event::Chargeback, true, 1_000, nobodys).await, NotificationState::Ignored);
    }
}

#[tokio::test]
async fn a_dispute_that_a_notification_names_and_nobody_has_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    house.bank.becomes_stripe();
    let payment = house.purchase("k", 1_000).await;
    let of = (Some(DISPUTE), Some(&*House::reference(&payment)));
    assert_eq!(house.is_told("a", Event::Chargeback, true, 1_000, of).await, NotificationState::Done);
    house.is_sound(true).await;
    let moved = move |rows: &mut db::Rows| {
        let row = rows.delete::<AttemptRow>(&(MERCHANT, DISPUTE)).expect("it is there");
        rows.insert(AttemptRow { id: AttemptId::from_bytes([10; 16]), ..row });
    };
    let Ok(()) = house.store.writer().run(Damage(moved)).await.expect("works");
    assert!(house.rules_broken().await.contains(&"I3.d"));
}
