//! Captures and refunds that are tried again until they go through, or for good do not.

use db::{DatabaseUrl, Rows};

use super::bank::{Bank, Does};
use super::damage::Damage;
use super::house::*;
use super::recovery::Process;
use crate::commands::Settle;
use crate::retries::rules::TRIES_AFTER_SECONDS;
use crate::retries::{RetriedRow, RetriesRow};
use crate::*;

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

const DONE: AttemptState = AttemptState::Succeeded;
const WAITING: AttemptState = AttemptState::Waiting;

impl House {
    pub(super) async fn capture_until_done(&self, key: &str, of: &PaymentRow, minor: i64) -> Result<Answer, PaymentsError> {
        let (payment, transaction) = (Some(of.id), Some(of.attempt_id));
        let ask = Capture { payment, transaction, amount: eur(minor), retried: true, details: None };
        self.payments.capture(&TERMS, ask, once("/capture", key)).await
    }

    pub(super) async fn refund_until_done(
        &self,
        key: &str,
        of: &PaymentRow,
        minor: Option<i64>,
    ) -> Result<Answer, PaymentsError> {
        let (payment, transaction) = (Some(of.id), Some(of.attempt_id));
        let ask = Refund { payment, transaction, amount: minor.map(eur), retried: true, details: None };
        self.payments.refund(&TERMS, ask, once("/refund", key)).await
    }

    /// So much later everybody has looked.
    pub(super) async fn after_seconds(&self, seconds: u32) {
        self.wait(seconds).await;
        self.payments.0.try_again_due().await.expect("the store works");
    }

    /// The later transactions of the payment with this key.
    pub(super) async fn tried(&self, key: &str) -> Vec<(AttemptState, i64)> {
        let operations = self.payment(key).await.expect("it is there").operations;
        operations.iter().map(|row| (row.state, row.amount)).collect()
    }

    /// Requests that the bank got or would have got: how often something was tried in all.
    async fn tries(&self, key: &str) -> usize {
        let operation = self.payment(key).await.expect("it is there").operations.pop().expect("an operation");
        let row = retries::queries::try_of(self.reader(), MERCHANT, operation.id).await.expect("the store works");
        let row = retries::queries::of_try(self.reader(), row.expect("it is tried again")).await.expect("the store works");
        let row = row.expect("it is found by its try");
        row.earlier_tries().len() + usize::from(!row.earlier_tries().iter().any(|one| one.id == row.try_id))
    }

    async fn damage_by(&self, damage: impl Fn(&mut Rows) + Send + 'static) -> Vec<&'static str> {
        let Ok(()) = self.store.writer().run(Damage(damage)).await.expect("the store works");
        self.rules_broken().await
    }
}

on_both_engines! {
    async fn a_capture_that_cannot_be_sent_is_answered_and_made_five_minutes_later(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent]);
        let answer = house.capture_until_done("c", &held, 600).await.expect("it is tried again");
        assert_eq!((bytes(&answer).0, text(&answer)), (200, "CAPTURE PENDING CAPTURE_RETRY_IN_PROCESS".to_owned()));
        let id = house.payment("a").await.expect("it is there").operations[0].id;
        let again = house.capture_until_done("c", &held, 600).await.expect("a replay");
        assert!(matches!(again, Answer::Replay(_)) && bytes(&again) == bytes(&answer));
        assert_eq!(house.tried("a").await, [(WAITING, 600)]);
        house.is_sound(false).await;
        house.after_seconds(299).await;
        assert_eq!((house.tried("a").await, house.bank.requests()), (vec![(WAITING, 600)], 1), "only the hold was asked for");
        house.after_seconds(1).await;
        let read = house.payment("a").await.expect("it is there");
        assert_eq!((read.operations.len(), read.operations[0].id, read.operations[0].state), (1, id, DONE));
        assert_eq!((read.payment.state, read.payment.captured, read.payment.capturing), (PaymentState::PartlyCaptured, 600, 0));
        assert_eq!((house.held().await, house.available().await), (400, 600 - 33));
        for _ in 0..3 {
            house.after_seconds(DAY).await;
        }
        assert_eq!(house.bank.sum(AttemptKind::Capture), 600, "once");
    }

    async fn a_refund_that_is_refused_softly_goes_through_at_the_second_try(house) {
        let paid = house.purchase("p", 1_000).await;
        house.bank.will(&[Does::Decline]);
        let answer = house.refund_until_done("r", &paid, Some(400)).await.expect("it is tried again");
        assert_eq!(text(&answer), "SUCCEEDED REFUND PENDING");
        assert_eq!((house.state(paid.id).await, house.in_transit().await), (PaymentState::RefundRetried, 400));
        let said = house.payment("p").await.expect("it is there").operations[0].response.clone().expect("what was said");
        assert_eq!(said.parts().expect("readable").code, "INSUFFICIENT_FUNDS", "what was said is shown while it waits");
        house.after_seconds(5 * MINUTE).await;
        assert_eq!((house.tried("p").await, house.tries("p").await), (vec![(DONE, 400)], 2));
        assert_eq!((house.state(paid.id).await, house.in_transit().await), (PaymentState::PartlyRefunded, 0));
        assert_eq!((house.bank.sum(AttemptKind::Refund), house.available().await), (400, 1_000 - 39 - 400));
        house.refund("rest", &paid, paid.attempt_id, None).await.expect("the rest");
        assert_eq!(house.state(paid.id).await, PaymentState::Refunded);
    }

    async fn every_time_has_its_try_and_then_a_capture_has_failed(house) {
        let held = house.authorise("a", 1_000).await;
        house.capture("first", &held, 100).await.expect("a capture");
        house.bank.will(&[Does::Decline, Does::NotSent, Does::Decline, Does::NotSent, Does::Decline, Does::NotSent, Does::Decline]);
        house.capture_until_done("c", &held, 300).await.expect("it is tried again");
        let mut passed = 0;
        for (number, time) in (1..).zip(TRIES_AFTER_SECONDS) {
            let time = u32::try_from(time).expect("days");
            house.after_seconds(time - passed - 2).await;
            assert_eq!(house.tries("a").await, number, "too early at {time} s");
            assert_eq!((house.state(held.id).await, house.held().await), (PaymentState::CaptureRetried, 900));
            house.is_sound(false).await;
            house.after_seconds(3).await;
            assert_eq!(house.tries("a").await, number + 1, "{time} s");
            passed = time + 1;
        }
        assert_eq!(house.tried("a").await, [(DONE, 100), (AttemptState::Declined, 300)]);
        let payment = house.payment("a").await.expect("it is there").payment;
        assert_eq!((payment.state, payment.captured, payment.capturing), (PaymentState::CaptureFailed, 100, 0));
        assert_eq!(refusal(house.cancel("v", &held).await), Refusal::InvalidStatus, "part of it is captured");
        house.is_sound(true).await;
        house.after_seconds(DAY).await;
        assert_eq!(house.tries("a").await, 7);
        house.capture("rest", &held, 900).await.expect("the merchant may still capture");
        assert_eq!(house.state(held.id).await, PaymentState::Captured);
    }

    async fn a_refund_that_fails_at_every_try_leaves_the_payment_as_it_was(house) {
        let paid = house.purchase("p", 1_000).await;
        house.bank.will(&[Does::Decline, Does::NotSent, Does::NotSent, Does::NotSent, Does::NotSent, Does::NotSent, Does::NotSent]);
        house.refund_until_done("r", &paid, None).await.expect("it is tried again");
        for time in TRIES_AFTER_SECONDS {
            house.after_seconds(u32::try_from(time).expect("days")).await;
        }
        let read = house.payment("p").await.expect("it is there");
        let said = read.operations[0].said().expect("something").code.to_owned();
        assert_eq!((read.operations[0].state, said.as_str()), (AttemptState::Errored, "PROVIDER_UNAVAILABLE"));
        assert_eq!((read.payment.state, read.payment.refunding, house.in_transit().await), (PaymentState::Approved, 0, 0));
        assert_eq!(house.available().await, 1_000 - 39);
    }

    async fn a_refund_of_one_capture_keeps_its_part_of_it(house) {
        let held = house.authorise("a", 1_000).await;
        house.capture("c", &held, 400).await.expect("a capture");
        let capture = house.payment("a").await.expect("it is there").operations[0].id;
        house.bank.will(&[Does::NotSent, Does::DeclineHard]);
        let ask = Refund { payment: Some(held.id), transaction: Some(capture), amount: Some(eur(300)), retried: true, details: None };
        house.payments.refund(&TERMS, ask, once("/refund", "r")).await.expect("it is tried again");
        assert_eq!(refusal(house.refund("s", &held, capture, Some(101)).await), AmountRefusal::MoreThanLeft(eur(100)).into());
        house.is_sound(false).await;
        house.after_seconds(5 * MINUTE).await;
        assert_eq!(house.tried("a").await, [(DONE, 400), (AttemptState::Declined, 300)]);
        assert_eq!(house.state(held.id).await, PaymentState::PartlyCaptured);
        house.refund("t", &held, capture, Some(400)).await.expect("all of it is there again");
    }

    async fn a_refusal_for_good_ends_it_at_once(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::DeclineHard]);
        let answer = house.capture_until_done("c", &held, 300).await.expect("a capture");
        assert_eq!(text(&answer), "CAPTURE DECLINED AUTHORIZED");
        house.bank.will(&[Does::NotSent, Does::DeclineHard]);
        house.capture_until_done("d", &held, 300).await.expect("it is tried again");
        house.after_seconds(5 * MINUTE).await;
        assert_eq!(house.tried("a").await, [(AttemptState::Declined, 300), (AttemptState::Declined, 300)]);
        assert_eq!(house.state(held.id).await, PaymentState::CaptureFailed);
        house.cancel("v", &held).await.expect("nothing is captured");
        assert_eq!((house.state(held.id).await, house.held().await), (PaymentState::Cancelled, 0));
        house.after_seconds(DAY).await;
        assert_eq!(house.tried("a").await.len(), 3);
    }

    async fn an_acquirer_that_fails_for_good_is_not_asked_again(house) {
        let paid = house.purchase("p", 1_000).await;
        house.bank.will(&[Does::Fail]);
        house.refund_until_done("r", &paid, None).await.expect("an answer");
        assert_eq!((house.tried("p").await, house.state(paid.id).await), (vec![(AttemptState::Errored, 1_000)], PaymentState::Approved));
    }

    async fn who_does_not_ask_for_it_is_answered_as_ever(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent, Does::Decline]);
        assert_eq!(refusal(house.capture("c", &held, 300).await), Refusal::NotSent);
        assert_eq!(text(&house.capture("d", &held, 300).await.expect("an answer")), "CAPTURE DECLINED AUTHORIZED");
        house.after_seconds(DAY).await;
        assert_eq!(house.tried("a").await, [(AttemptState::Declined, 300)]);
    }

    async fn nothing_is_sent_while_a_try_is_unknown(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::Decline, Does::LoseAnswer]);
        house.capture_until_done("c", &held, 1_000).await.expect("it is tried again");
        house.bank.silent(true);
        for _ in 0..4 {
            house.after_seconds(HOUR).await;
        }
        assert_eq!((house.tried("a").await, house.state(held.id).await), (vec![(AttemptState::Unknown, 1_000)], PaymentState::CaptureRetried));
        assert_eq!(house.bank.requests(), 3, "the hold and two tries");
        house.is_sound(false).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        house.after_seconds(DAY).await;
        assert_eq!((house.tried("a").await, house.state(held.id).await), (vec![(DONE, 1_000)], PaymentState::Captured));
        assert_eq!((house.bank.requests(), house.bank.sum(AttemptKind::Capture)), (3, 1_000));
    }

    async fn a_try_that_proves_never_to_have_arrived_is_followed_by_the_next(house) {
        let paid = house.purchase("p", 1_000).await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseRequest]);
        assert_eq!(refusal(house.refund_until_done("r", &paid, Some(300)).await), Refusal::OutcomeUnknown);
        assert_eq!(refusal(house.refund_until_done("r", &paid, Some(300)).await), Refusal::InProcess { unknown: true });
        house.bank.silent(false);
        house.payments.resolve_once().await;
        let answer = house.refund_until_done("r", &paid, Some(300)).await.expect("its answer is there");
        assert!(matches!(answer, Answer::Replay(_)));
        assert_eq!((text(&answer), house.tried("p").await), ("SUCCEEDED REFUND PENDING".to_owned(), vec![(WAITING, 300)]));
        house.bank.silent(true);
        house.bank.will(&[Does::LoseRequest, Does::Decline]);
        house.after_seconds(5 * MINUTE).await;
        assert_eq!(house.tried("p").await, [(AttemptState::Unknown, 300)]);
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!((house.tried("p").await, house.tries("p").await), (vec![(WAITING, 300)], 2));
        house.after_seconds(45 * MINUTE).await;
        house.after_seconds(6 * HOUR).await;
        assert_eq!((house.tried("p").await, house.tries("p").await), (vec![(DONE, 300)], 4));
        assert_eq!(house.bank.sum(AttemptKind::Refund), 300);
    }

    async fn what_is_set_aside_cannot_be_taken_twice(house) {
        let paid = house.purchase("p", 1_000).await;
        house.bank.will(&[Does::NotSent, Does::NotSent]);
        house.refund_until_done("r1", &paid, Some(600)).await.expect("it is tried again");
        house.refund_until_done("r2", &paid, Some(300)).await.expect("it is tried again");
        assert_eq!(refusal(house.refund("r3", &paid, paid.attempt_id, Some(101)).await), AmountRefusal::MoreThanLeft(eur(100)).into());
        house.refund("r4", &paid, paid.attempt_id, None).await.expect("what is left");
        assert_eq!(house.state(paid.id).await, PaymentState::RefundRetried, "two wait");
        house.is_sound(false).await;
        let all = (0..4).map(|_| { let one = house.payments.clone(); tokio::spawn(async move { one.0.try_again_due().await }) });
        house.wait(5 * MINUTE).await;
        for one in all.collect::<Vec<_>>() {
            one.await.expect("no panic").expect("the store works");
        }
        assert_eq!((house.state(paid.id).await, house.bank.sum(AttemptKind::Refund)), (PaymentState::Refunded, 1_000));

        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent]);
        house.capture_until_done("c1", &held, 700).await.expect("it is tried again");
        assert_eq!(refusal(house.capture("c2", &held, 301).await), AmountRefusal::MoreThanLeft(eur(300)).into());
        house.capture("c3", &held, 300).await.expect("the rest");
        house.bank.will(&[Does::NotSent]);
        house.refund_until_done("r5", &held, Some(300)).await.expect("it is tried again");
        assert_eq!(house.state(held.id).await, PaymentState::CaptureRetried, "a capture is shown before a refund");
        house.bank.will(&[Does::Approve, Does::NotSent]);
        house.after_seconds(5 * MINUTE).await;
        assert_eq!(house.bank.sum(AttemptKind::Capture) + house.bank.sum(AttemptKind::Refund), 1_000 + 1_000);
        house.is_sound(false).await;
        house.after_seconds(HOUR).await;
        assert_eq!((house.state(held.id).await, house.bank.sum(AttemptKind::Capture)), (PaymentState::PartlyRefunded, 1_000));
    }

    async fn a_capture_ends_with_its_hold(house) {
        let held = house.authorise("a", 1_000).await;
        house.wait(7 * DAY - 30 * MINUTE).await;
        house.bank.will(&[Does::NotSent, Does::NotSent]);
        house.capture_until_done("c", &held, 1_000).await.expect("there is time for one more");
        house.after_seconds(5 * MINUTE).await;
        assert_eq!(house.tried("a").await, [(AttemptState::Errored, 1_000)], "the next would come too late");
        house.bank.will(&[Does::NotSent]);
        house.wait(22 * MINUTE).await;
        assert_eq!(refusal(house.capture_until_done("d", &held, 1_000).await), Refusal::NotSent, "no time for another try");
        house.wait(3 * MINUTE).await;
        house.payments.resolve_once().await;
        assert_eq!((house.state(held.id).await, house.held().await), (PaymentState::Cancelled, 0));

        let missed = house.authorise("m", 1_000).await;
        house.bank.will(&[Does::NotSent]);
        house.capture_until_done("e", &missed, 1_000).await.expect("it is tried again");
        house.wait(7 * DAY).await;
        let requests = house.bank.requests();
        house.payments.resolve_once().await;
        assert_eq!((house.tried("m").await, house.state(missed.id).await), (vec![(AttemptState::Errored, 1_000)], PaymentState::Cancelled));
        assert_eq!((house.bank.requests(), house.held().await), (requests, 0), "nobody was there in time, and nothing is sent too late");
    }

    async fn what_waits_is_not_tried_during_a_dispute_and_goes_on_when_that_is_won(house) {
        let paid = house.purchase("p", 1_000).await;
        house.bank.will(&[Does::NotSent]);
        house.refund_until_done("r", &paid, None).await.expect("it is tried again");
        house.hears(&paid, Event::Chargeback, 1_000, "a").await;
        assert_eq!(house.state(paid.id).await, PaymentState::Disputed);
        house.is_sound(false).await;
        for seconds in [5 * MINUTE, HOUR] {
            house.after_seconds(seconds).await;
            assert_eq!((house.tried("p").await[0], house.bank.sum(AttemptKind::Refund)), ((WAITING, 1_000), 0));
        }
        house.is_sound(false).await;
        house.hears(&paid, Event::ChargebackWon, 1_000, "b").await;
        assert_eq!((house.state(paid.id).await, house.in_transit().await), (PaymentState::RefundRetried, 1_000));
        house.after_seconds(5 * HOUR).await;
        assert_eq!((house.state(paid.id).await, house.bank.sum(AttemptKind::Refund)), (PaymentState::Refunded, 1_000));
    }

    async fn what_waits_is_over_at_once_when_a_dispute_is_lost(house) {
        let paid = house.purchase("p", 1_000).await;
        house.bank.will(&[Does::NotSent]);
        house.refund_until_done("r", &paid, None).await.expect("it is tried again");
        house.hears(&paid, Event::Chargeback, 1_000, "a").await;
        house.hears(&paid, Event::ChargebackLost, 1_000, "b").await;
        assert_eq!((house.state(paid.id).await, house.in_transit().await), (PaymentState::ChargedBack, 0));
        assert_eq!(house.tried("p").await[0], (AttemptState::Errored, 1_000));
        house.is_sound(true).await;
        house.after_seconds(DAY).await;
        assert_eq!(house.bank.sum(AttemptKind::Refund), 0);
    }

    async fn what_is_disputed_at_every_time_has_failed(house) {
        let paid = house.purchase("p", 1_000).await;
        house.bank.will(&[Does::NotSent]);
        house.refund_until_done("r", &paid, None).await.expect("it is tried again");
        house.hears(&paid, Event::Chargeback, 1_000, "a").await;
        for time in TRIES_AFTER_SECONDS {
            house.after_seconds(u32::try_from(time).expect("days")).await;
        }
        assert_eq!((house.tried("p").await[0], house.state(paid.id).await), ((AttemptState::Errored, 1_000), PaymentState::Disputed));
        assert_eq!(house.in_transit().await, 0);
    }

    /// The key lives for 24 hours; what it asked for goes on for 96.
    async fn a_repeat_finds_its_key_for_as_long_as_it_is_tried_again(house) {
        let paid = house.purchase("p", 2_000).await;
        house.bank.will(&[Does::NotSent; 4]);
        let answer = house.refund_until_done("r", &paid, Some(900)).await.expect("it is tried again");
        for days in 1..=4 {
            house.after_seconds(DAY + MINUTE).await;
            house.payments.0.idempotency.sweep(house.store.writer(), house.payments.0.now()).await.expect("the store works");
            let again = house.refund_until_done("r", &paid, Some(900)).await.expect("a replay");
            assert!(matches!(again, Answer::Replay(_)) && bytes(&again) == bytes(&answer), "after {days} days");
        }
        assert_eq!(house.tried("p").await.len(), 1);
        house.after_seconds(DAY).await;
        let anew = house.refund_until_done("r", &paid, Some(900)).await.expect("a new request");
        assert!(!matches!(anew, Answer::Replay(_)), "a day after the end of it");
    }

    async fn two_that_end_together_are_told_in_their_order(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent, Does::NotSent]);
        house.capture_until_done("c1", &held, 300).await.expect("it is tried again");
        house.capture_until_done("c2", &held, 700).await.expect("it is tried again");
        let waiting = house.payment("a").await.expect("it is there").payment.updated_at;
        house.after_seconds(5 * MINUTE).await;
        let done = house.payment("a").await.expect("it is there").payment;
        assert_eq!((done.state, done.captured), (PaymentState::Captured, 1_000));
        assert!(done.updated_at > waiting);
        let latest = house.payment("a").await.expect("it is there").operations.iter().map(|row| row.updated_at).max();
        assert!(latest.is_some_and(|at| at <= done.updated_at));
    }

    async fn what_waits_when_a_dispute_is_won_goes_on(house) {
        let held = house.authorise("a", 1_000).await;
        house.capture("c1", &held, 400).await.expect("a part");
        house.bank.will(&[Does::NotSent]);
        house.capture_until_done("c2", &held, 600).await.expect("it is tried again");
        house.hears(&held, Event::Chargeback, 400, "a").await;
        assert_eq!(refusal(house.capture("c3", &held, 1).await), Refusal::InvalidStatus);
        house.hears(&held, Event::ChargebackWon, 400, "b").await;
        assert_eq!(house.state(held.id).await, PaymentState::CaptureRetried);
        house.is_sound(false).await;
        house.after_seconds(5 * MINUTE).await;
        assert_eq!((house.state(held.id).await, house.bank.sum(AttemptKind::Capture)), (PaymentState::Captured, 1_000));
    }

    async fn a_try_that_ends_during_a_dispute_leaves_it_open(house) {
        let paid = house.purchase("p", 1_000).await;
        house.bank.will(&[Does::NotSent, Does::LoseAnswer]);
        house.refund_until_done("r", &paid, Some(300)).await.expect("it is tried again");
        house.bank.silent(true);
        house.after_seconds(5 * MINUTE).await;
        house.hears(&paid, Event::Chargeback, 400, "a").await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!((house.state(paid.id).await, house.tried("p").await[0]), (PaymentState::Disputed, (DONE, 300)));
        house.is_sound(false).await;
        house.hears(&paid, Event::ChargebackWon, 400, "b").await;
        assert_eq!(house.state(paid.id).await, PaymentState::PartlyRefunded);
    }

    async fn what_is_told_late_of_an_earlier_try_changes_nothing(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent, Does::LoseAnswer]);
        house.capture_until_done("c", &held, 1_000).await.expect("it is tried again");
        let operation = house.payment("a").await.expect("it is there").operations[0].clone();
        let first = Attempt::later(&held, &operation, None).tried_as(Some(operation.id));
        house.bank.silent(true);
        house.after_seconds(5 * MINUTE).await;
        let second = retries::queries::try_of(house.reader(), MERCHANT, operation.id).await.expect("reads").expect("a try");
        assert_ne!(second, operation.id);
        for ending in [Ending::Fenced, Ending::NeverSent, Ending::Declined(types::Response::notified("DO_NOT_HONOR", None))] {
            let origins = house.payments.0.origins.clone();
            let late = Settle { attempt: first.clone(), ending, asked_for: true, origins };
            assert!(house.store.writer().run(late).await.expect("works").expect("no claim").is_none());
        }
        assert_eq!(house.tried("a").await, [(AttemptState::Unknown, 1_000)]);
        house.is_sound(false).await;
        house.bank.silent(false);
        for _ in 0..2 {
            house.payments.resolve_once().await;
        }
        assert_eq!((house.tried("a").await, house.bank.sum(AttemptKind::Capture)), (vec![(DONE, 1_000)], 1_000));
    }

    async fn an_acquirer_may_name_the_try_it_speaks_of(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent, Does::LoseAnswer]);
        house.capture_until_done("c", &held, 1_000).await.expect("it is tried again");
        house.bank.silent(true);
        house.after_seconds(5 * MINUTE).await;
        let operation = house.payment("a").await.expect("it is there").operations[0].id;
        let second = retries::queries::try_of(house.reader(), MERCHANT, operation).await.expect("reads");
        let said = Notification {
            connector: Connector::Sandbox,
            identity: "said".into(),
            payment_id: None,
            merchant_order_id: "".into(),
            event: Event::Capture,
            success: true,
            amount: eur(1_000),
            body: "{}".into(),
            attempt: second,
            reference: None,
        };
        house.payments.notified(said).await.expect("it is stored");
        house.payments.work_off_notifications().await.expect("it is worked off");
        assert_eq!((house.tried("a").await, house.state(held.id).await), (vec![(DONE, 1_000)], PaymentState::Captured));
        let done = queries::has_succeeded(house.reader(), MERCHANT, second.expect("a try")).await;
        assert!(done.expect("reads"), "what went through is found by what the acquirer calls it");
    }

    async fn of_two_captures_one_may_fail_for_good(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent, Does::NotSent]);
        house.capture_until_done("c1", &held, 400).await.expect("it is tried again");
        house.capture_until_done("c2", &held, 600).await.expect("it is tried again");
        assert_eq!(refusal(house.capture("c3", &held, 1).await), AmountRefusal::MoreThanLeft(eur(0)).into());
        house.bank.will(&[Does::Approve, Does::DeclineHard]);
        house.after_seconds(5 * MINUTE).await;
        let payment = house.payment("a").await.expect("it is there").payment;
        assert!(payment.capturing == 0 && (payment.captured == 400 || payment.captured == 600));
        // Whichever came last decides: they are tried at the same time.
        assert!(matches!(payment.state, PaymentState::CaptureFailed | PaymentState::PartlyCaptured), "{:?}", payment.state);
        let left = 1_000 - payment.captured;
        house.refund("r", &held, held.attempt_id, Some(100)).await.expect("of what is captured");
        assert_eq!(house.state(held.id).await, PaymentState::PartlyRefunded, "by amounts again");
        house.capture("rest", &held, left).await.expect("the rest");
    }
}

/// Where a process dies on the way of the second try, and what the bank has taken by then.
const DEATHS: [(Option<Does>, i64); 4] =
    [(None, 0), (Some(Does::Hang), 0), (Some(Does::ActAndHang), 1_000), (Some(Does::Approve), 1_000)];

#[test]
fn a_retried_capture_is_made_once_across_a_crash_at_every_step() {
    for (does, before) in DEATHS {
        let folder = tempfile::tempdir().expect("a folder");
        let bank = Bank::new();
        let process = Process::start(folder.path(), &bank);
        process.runtime.block_on(async {
            let held = process.house.authorise("a", 1_000).await;
            bank.will(&[Does::NotSent]);
            process.house.capture_until_done("c", &held, 1_000).await.expect("it is tried again");
            process.house.wait(5 * MINUTE).await;
        });
        if let Some(does) = does {
            let payments = process.house.payments.clone();
            process.asks(&bank, does, async move { payments.0.try_again_due().await });
        }
        process.kill();
        assert_eq!(bank.sum(AttemptKind::Capture), before, "{does:?}");
        let process = Process::start(folder.path(), &bank);
        let house = &process.house;
        process.runtime.block_on(async {
            house.is_sound(false).await;
            house.payments.resolve_once().await;
            for _ in 0..4 {
                house.after_seconds(HOUR).await;
            }
            assert_eq!(house.tried("a").await, [(DONE, 1_000)], "{does:?}");
            assert_eq!((bank.sum(AttemptKind::Capture), house.available().await), (1_000, 1_000 - 39), "{does:?}");
            house.is_sound(true).await;
        });
        process.kill();
    }
}

#[test]
fn a_refund_that_is_to_be_retried_survives_a_crash_at_its_first_try() {
    for (does, shown) in [(Does::Hang, WAITING), (Does::ActAndHang, DONE)] {
        let folder = tempfile::tempdir().expect("a folder");
        let bank = Bank::new();
        let process = Process::start(folder.path(), &bank);
        let paid = process.runtime.block_on(process.house.purchase("p", 1_000));
        let (payments, named) = (process.house.payments.clone(), paid.clone());
        process.asks(&bank, does, async move {
            let (payment, transaction) = (Some(named.id), Some(named.attempt_id));
            let ask = Refund { payment, transaction, amount: Some(eur(900)), retried: true, details: None };
            payments.refund(&TERMS, ask, once("/refund", "r")).await
        });
        process.kill();

        let process = Process::start(folder.path(), &bank);
        let house = &process.house;
        process.runtime.block_on(async {
            assert_eq!(house.in_transit().await, 900, "{does:?}");
            house.payments.resolve_once().await;
            assert_eq!(house.tried("p").await, [(shown, 900)], "{does:?}");
            assert!(matches!(house.refund_until_done("r", &paid, Some(900)).await, Ok(Answer::Replay(_))), "{does:?}");
            house.is_sound(false).await;
            house.after_seconds(5 * MINUTE).await;
            assert_eq!((house.tried("p").await, bank.sum(AttemptKind::Refund)), (vec![(DONE, 900)], 900), "{does:?}");
            house.is_sound(true).await;
        });
        process.kill();
    }
}

#[tokio::test]
async fn an_intent_whose_caller_was_told_of_a_fault_is_not_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    let held = house.authorise("a", 1_000).await;
    let begin = commands::BeginOperation {
        claim: once("/capture", "c").claim(kernel::AttemptId::from_bytes([6; 16]).uuid()),
        terms: TERMS,
        payment: Some(held.id),
        target: Target::Transaction(Some(held.attempt_id)),
        want: commands::Want::Capture(eur(400)),
        attempt_id: kernel::AttemptId::from_bytes([6; 16]),
        details: None,
        origin: OriginKind::Api,
        retried: true,
        stops: vec![],
        origins: house.payments.0.origins.clone(),
    };
    let (subject, asked) = (begin.claim.subject, begin.asked());
    assert!(matches!(house.store.writer().run(begin).await, Ok(Ok(commands::Begun::Go(_)))));
    house.payments.0.run_errand(errands::Errand::TakeBack { subject, asked }, None);
    house.until("it is taken back", async || house.tried("a").await.is_empty()).await;
    assert_eq!((house.tried("a").await, house.state(held.id).await), (vec![], PaymentState::Authorised));
    house.after_seconds(DAY).await;
    assert_eq!(house.bank.sum(AttemptKind::Capture), 0);
    house.is_sound(true).await;
}

#[tokio::test]
async fn damaged_retries_are_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    let held = house.authorise("a", 1_000).await;
    house.bank.will(&[Does::NotSent]);
    house.capture_until_done("c", &held, 400).await.expect("it is tried again");
    house.is_sound(false).await;
    let settled = house.broken(true).await;
    assert!(settled.len() == 1 && settled[0].starts_with("I7.e"), "{settled:?}");
    let id = house.payment("a").await.expect("it is there").operations[0].id;
    let (operation, payment) = ((MERCHANT, id), (MERCHANT, held.id));
    let timeless = move |rows: &mut Rows| rows.must_mut::<RetriedRow>(&operation).due_at = None;
    assert_eq!(house.damage_by(timeless).await, ["I4.u"], "it would wait for ever");
    let mended = move |rows: &mut Rows| rows.must_mut::<RetriedRow>(&operation).due_at = Some(kernel::Timestamp::MAX);
    assert_eq!(house.damage_by(mended).await, Vec::<&str>::new());
    let miscounted = move |rows: &mut Rows| rows.must_mut::<RetriesRow>(&payment).captures = 2;
    assert_eq!(house.damage_by(miscounted).await, ["I4.u"]);
    let made_up = move |rows: &mut Rows| {
        let row = rows.must_mut::<RetriesRow>(&payment);
        (row.captures, row.capture_failed) = (1, true);
    };
    assert_eq!(house.damage_by(made_up).await, ["I4.u"], "no capture has failed for good");
    let hidden = move |rows: &mut Rows| {
        rows.must_mut::<RetriesRow>(&payment).capture_failed = false;
        rows.must_mut::<PaymentRow>(&payment).state = PaymentState::Authorised;
    };
    assert_eq!(house.damage_by(hidden).await, ["I3.c"]);
    let not_reserved = move |rows: &mut Rows| {
        let row = rows.must_mut::<PaymentRow>(&payment);
        (row.state, row.capturing) = (PaymentState::CaptureRetried, 0);
    };
    assert_eq!(house.damage_by(not_reserved).await, ["I6.a"]);
    let mended = move |rows: &mut Rows| rows.must_mut::<PaymentRow>(&payment).capturing = 400;
    assert_eq!(house.damage_by(mended).await, Vec::<&str>::new());
    let forgotten = move |rows: &mut Rows| assert!(rows.delete::<RetriedRow>(&operation).is_some());
    assert_eq!(house.damage_by(forgotten).await, ["I3.c", "I4.u"], "nobody would ever try it");
}
