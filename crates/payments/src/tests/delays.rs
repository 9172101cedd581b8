//! Authorisations that are captured or cancelled by themselves, once, whatever happens.

use std::sync::Arc;

use db::DatabaseUrl;

use super::bank::{Bank, Does};
use super::damage::Damage;
use super::house::*;
use super::recovery::Process;
use super::subscriptions::Cards;
use crate::delays::{Delay, DelayedRow, DelayedStep, Delays};
use crate::*;

const HOUR: u32 = 3_600;
const DAY: u32 = 24 * HOUR;

fn later(step: DelayedStep, seconds: u32, minor: i64) -> CreatePayment {
    CreatePayment { mode: Mode::Authorise, delay: Delay::new(step, seconds.into()), ..purchase(minor) }
}

impl House {
    fn delays(&self) -> Delays {
        Delays::new(self.payments.clone(), Arc::new(Cards))
    }

    async fn delayed(&self, key: &str, step: DelayedStep, seconds: u32, minor: i64) -> PaymentRow {
        self.create(key, for_order(key, later(step, seconds, minor))).await.expect("a hold");
        self.payment(key).await.expect("it is there").payment
    }

    /// A hold whose delayed capture is tried again.
    async fn delayed_again(&self, key: &str, seconds: u32, minor: i64) -> PaymentRow {
        let ask = later(DelayedStep::Capture, seconds, minor);
        let ask = CreatePayment { delay: ask.delay.map(Delay::tried_again), ..ask };
        self.create(key, for_order(key, ask)).await.expect("a hold");
        self.payment(key).await.expect("it is there").payment
    }

    async fn after(&self, seconds: u32) {
        self.wait(seconds).await;
        self.delays().run_once().await.expect("the store works");
    }

    /// The later transactions of the payment with this key.
    async fn operations(&self, key: &str) -> Vec<(AttemptKind, AttemptState, i64)> {
        let operations = self.payment(key).await.expect("it is there").operations;
        operations.iter().map(|row| (row.kind, row.state, row.amount)).collect()
    }
}

const DONE: AttemptState = AttemptState::Succeeded;

on_both_engines! {
    async fn a_delayed_capture_takes_the_hold_once_when_its_time_has_come(house) {
        let held = house.delayed("c", DelayedStep::Capture, HOUR, 1_000).await;
        house.after(HOUR - 1).await;
        assert_eq!((house.state(held.id).await, house.held().await), (PaymentState::Authorised, 1_000));
        house.wait(1).await;
        let all = (0..4).map(|_| { let one = house.delays(); tokio::spawn(async move { one.run_once().await }) });
        for one in all.collect::<Vec<_>>() {
            one.await.expect("no panic").expect("the store works");
        }
        for _ in 0..3 {
            house.after(DAY).await;
        }
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, DONE, 1_000)]);
        assert_eq!((house.state(held.id).await, house.held().await), (PaymentState::Captured, 0));
        assert_eq!((house.available().await, house.bank.sum(AttemptKind::Capture)), (1_000 - 39, 1_000));
    }

    async fn a_delayed_capture_that_fails_for_now_is_tried_again_at_the_times_of_any_other(house) {
        house.delayed_again("c", HOUR, 1_000).await;
        house.bank.will(&[Does::Decline, Does::NotSent]);
        house.after(HOUR).await;
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, AttemptState::Waiting, 1_000)]);
        let waiting = house.payment("c").await.expect("it is there");
        assert_eq!(waiting.payment.state, PaymentState::CaptureRetried);
        assert!(waiting.payment.delays_and_tries_again(&waiting.operations[0]));
        house.is_sound(false).await;
        for (seconds, state) in [(299, AttemptState::Waiting), (1, AttemptState::Waiting), (2_699, AttemptState::Waiting), (1, DONE)] {
            house.after(seconds).await;
            house.payments.0.try_again_due().await.expect("the store works");
            assert_eq!(house.operations("c").await, [(AttemptKind::Capture, state, 1_000)], "{seconds}");
        }
        for _ in 0..3 {
            house.after(DAY).await;
            house.payments.0.try_again_due().await.expect("the store works");
        }
        assert_eq!((house.bank.sum(AttemptKind::Capture), house.available().await), (1_000, 1_000 - 39));
    }

    async fn a_delayed_capture_that_fails_at_every_try_has_failed(house) {
        let held = house.delayed_again("c", HOUR, 1_000).await;
        house.bank.will(&[Does::NotSent; 7]);
        house.after(HOUR).await;
        let mut passed = 0;
        for time in crate::retries::rules::TRIES_AFTER_SECONDS {
            assert_eq!(house.operations("c").await, [(AttemptKind::Capture, AttemptState::Waiting, 1_000)], "before {time} s");
            house.after(u32::try_from(time - passed).expect("days")).await;
            house.payments.0.try_again_due().await.expect("the store works");
            passed = time;
        }
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, AttemptState::Errored, 1_000)]);
        assert_eq!(house.state(held.id).await, PaymentState::CaptureFailed);
        house.after(DAY).await;
        house.capture("m", &held, 1_000).await.expect("the merchant may still capture");
    }

    async fn a_delayed_capture_too_late_to_be_tried_again_waits_as_ever(house) {
        let held = house.delayed_again("c", 7 * DAY, 1_000).await;
        house.bank.will(&[Does::NotSent, Does::NotSent, Does::NotSent]);
        house.after(7 * DAY - 600).await;
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, AttemptState::Waiting, 1_000)], "five minutes are left");
        house.after(300).await;
        house.payments.0.try_again_due().await.expect("the store works");
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, AttemptState::Errored, 1_000)]);
        assert_eq!(house.state(held.id).await, PaymentState::CaptureFailed);
    }

    async fn a_delayed_cancel_waits_for_a_capture_that_is_tried_again(house) {
        let held = house.delayed("v", DelayedStep::Cancel, HOUR, 1_000).await;
        house.bank.will(&[Does::NotSent; 4]);
        let ask = Capture {
            payment: Some(held.id),
            transaction: Some(held.attempt_id),
            amount: eur(400),
            retried: true,
            details: None,
        };
        house.payments.capture(&TERMS, ask, once("/capture", "c")).await.expect("it is tried again");
        for _ in 0..4 {
            house.after(DAY).await;
            house.payments.0.try_again_due().await.expect("the store works");
        }
        assert_eq!(house.state(held.id).await, PaymentState::CaptureFailed);
        house.after(HOUR).await;
        assert_eq!((house.state(held.id).await, house.held().await), (PaymentState::Cancelled, 0));
        assert_eq!(house.bank.sum(AttemptKind::Cancel), 1_000);
    }

    async fn a_delayed_cancel_lets_the_hold_go_once(house) {
        let held = house.delayed("v", DelayedStep::Cancel, 2 * HOUR, 1_000).await;
        house.after(2 * HOUR - 1).await;
        assert_eq!(house.state(held.id).await, PaymentState::Authorised);
        for _ in 0..2 {
            house.after(HOUR).await;
        }
        assert_eq!(house.operations("v").await, [(AttemptKind::Cancel, DONE, 1_000)]);
        assert_eq!((house.state(held.id).await, house.held().await), (PaymentState::Cancelled, 0));
    }

    async fn what_the_merchant_did_before_is_not_done_again(house) {
        let whole = house.delayed("whole", DelayedStep::Capture, HOUR, 1_000).await;
        house.capture("m1", &whole, 1_000).await.expect("a capture");
        let part = house.delayed("part", DelayedStep::Capture, HOUR, 1_000).await;
        house.capture("m2", &part, 300).await.expect("a capture");
        let gone = house.delayed("gone", DelayedStep::Capture, HOUR, 1_000).await;
        house.cancel("m3", &gone).await.expect("a cancel");
        let kept = house.delayed("kept", DelayedStep::Cancel, HOUR, 1_000).await;
        house.capture("m4", &kept, 300).await.expect("a capture");
        let let_go = house.delayed("let-go", DelayedStep::Cancel, HOUR, 1_000).await;
        house.cancel("m5", &let_go).await.expect("a cancel");
        for _ in 0..3 {
            house.after(HOUR).await;
        }
        assert_eq!(house.operations("whole").await, [(AttemptKind::Capture, DONE, 1_000)]);
        assert_eq!(house.operations("part").await, [(AttemptKind::Capture, DONE, 300), (AttemptKind::Capture, DONE, 700)]);
        assert_eq!(house.operations("gone").await, [(AttemptKind::Cancel, DONE, 1_000)]);
        assert_eq!(house.operations("kept").await, [(AttemptKind::Capture, DONE, 300)]);
        assert_eq!(house.operations("let-go").await, [(AttemptKind::Cancel, DONE, 1_000)]);
        assert_eq!(house.state(kept.id).await, PaymentState::PartlyCaptured);
    }

    async fn an_acquirer_out_of_reach_is_tried_again_later(house) {
        let held = house.delayed("c", DelayedStep::Capture, HOUR, 1_000).await;
        house.bank.will(&[Does::NotSent, Does::NotSent]);
        house.after(HOUR).await;
        house.after(59).await;
        assert_eq!(house.operations("c").await, []);
        house.after(1).await;
        house.is_sound(false).await;
        house.after(119).await;
        assert_eq!(house.operations("c").await, []);
        house.after(1).await;
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, DONE, 1_000)]);
        assert_eq!(house.state(held.id).await, PaymentState::Captured);
    }

    async fn an_unknown_outcome_is_asked_for_and_nothing_is_sent_again(house) {
        let held = house.delayed("c", DelayedStep::Capture, HOUR, 1_000).await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        house.after(HOUR).await;
        house.after(HOUR).await;
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, AttemptState::Unknown, 1_000)]);
        house.is_sound(false).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        house.after(HOUR).await;
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, DONE, 1_000)]);
        assert_eq!((house.state(held.id).await, house.bank.sum(AttemptKind::Capture)), (PaymentState::Captured, 1_000));
    }

    async fn a_request_that_was_lost_is_made_again(house) {
        house.delayed("c", DelayedStep::Capture, HOUR, 1_000).await;
        house.bank.will(&[Does::LoseRequest]);
        house.after(HOUR).await;
        assert_eq!((house.operations("c").await, house.bank.sum(AttemptKind::Capture)), (vec![], 0));
        house.after(60).await;
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, DONE, 1_000)]);
    }

    async fn a_refusal_ends_it(house) {
        let held = house.delayed("c", DelayedStep::Capture, HOUR, 1_000).await;
        house.bank.will(&[Does::Decline]);
        for _ in 0..3 {
            house.after(HOUR).await;
        }
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, AttemptState::Declined, 1_000)]);
        assert_eq!(house.state(held.id).await, PaymentState::Authorised);
        house.capture("m", &held, 1_000).await.expect("the merchant may still capture");
    }

    async fn a_delay_as_long_as_the_hold_still_takes_it(house) {
        let held = house.delayed("c", DelayedStep::Capture, 7 * DAY, 1_000).await;
        house.after(7 * DAY - 601).await;
        assert_eq!(house.state(held.id).await, PaymentState::Authorised);
        house.after(1).await;
        assert_eq!(house.state(held.id).await, PaymentState::Captured);
    }

    async fn a_hold_that_ran_out_first_ends_it(house) {
        let held = house.delayed("c", DelayedStep::Capture, HOUR, 1_000).await;
        house.wait(7 * DAY).await;
        house.payments.resolve_once().await;
        house.after(0).await;
        assert_eq!((house.state(held.id).await, house.operations("c").await), (PaymentState::Cancelled, vec![]));
        assert_eq!(house.held().await, 0);
    }

    async fn an_operation_under_way_is_waited_for(house) {
        let held = house.delayed("v", DelayedStep::Cancel, HOUR, 1_000).await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseRequest]);
        assert_eq!(refusal(house.capture("m", &held, 400).await), Refusal::OutcomeUnknown);
        house.after(HOUR).await;
        assert_eq!(house.operations("v").await, [(AttemptKind::Capture, AttemptState::Unknown, 400)]);
        house.bank.silent(false);
        house.payments.resolve_once().await;
        house.after(60).await;
        assert_eq!((house.operations("v").await, house.state(held.id).await), (vec![(AttemptKind::Cancel, DONE, 1_000)], PaymentState::Cancelled));
    }

    async fn only_an_approved_authorisation_has_a_delay(house) {
        house.bank.will(&[Does::Decline]);
        house.delayed("declined", DelayedStep::Capture, HOUR, 1_000).await;
        let bought = CreatePayment { mode: Mode::Purchase, ..later(DelayedStep::Cancel, HOUR, 500) };
        house.create("bought", for_order("bought", bought)).await.expect("a payment");
        house.bank.will(&[Does::LoseAnswer]);
        house.bank.silent(true);
        let unknown = house.create("unknown", for_order("unknown", later(DelayedStep::Capture, HOUR, 700))).await;
        assert_eq!(refusal(unknown), Refusal::OutcomeUnknown);
        house.after(HOUR).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        house.after(HOUR - 1).await;
        assert_eq!(house.operations("unknown").await, []);
        house.after(1).await;
        assert_eq!(house.operations("unknown").await, [(AttemptKind::Capture, DONE, 700)], "counted from the approval");
        for key in ["declined", "bought"] {
            assert_eq!(house.operations(key).await, [], "{key}");
        }
    }

    async fn a_payer_who_had_to_be_asked_starts_it_when_he_has_come(house) {
        house.bank.will(&[Does::Challenge]);
        let held = house.delayed("c", DelayedStep::Capture, HOUR, 1_000).await;
        house.wait(600).await;
        let token = house.payments.challenges().token(held.attempt_id);
        let challenge = house.payments.challenge(&token).await.expect("the store works").expect("it is there");
        house.payments.answer_challenge(&challenge, ChallengeAnswer::Code("1234".into())).await.expect("it is taken");
        house.after(HOUR - 1).await;
        assert_eq!(house.state(held.id).await, PaymentState::Authorised);
        house.after(1).await;
        assert_eq!(house.operations("c").await, [(AttemptKind::Capture, DONE, 1_000)]);
    }

    async fn the_uncaptured_rest_of_every_hold_is_released_after_seven_days(house) {
        let (whole, part) = (house.authorise("whole", 1_000).await, house.authorise("part", 1_000).await);
        house.capture("m", &part, 300).await.expect("a capture");
        house.bank.will(&[Does::Challenge]);
        let ask = CreatePayment { mode: Mode::Authorise, ..purchase(500) };
        house.create("asked", for_order("asked", ask)).await.expect("an answer");
        let asked = house.payment("asked").await.expect("it is there").payment;
        let token = house.payments.challenges().token(asked.attempt_id);
        let challenge = house.payments.challenge(&token).await.expect("the store works").expect("it is there");
        house.wait(600).await;
        house.payments.answer_challenge(&challenge, ChallengeAnswer::Code("1234".into())).await.expect("it is taken");
        house.wait(7 * DAY - 601).await;
        house.payments.resolve_once().await;
        assert_eq!(house.held().await, 1_000 + 700 + 500);
        house.wait(1).await;
        house.payments.resolve_once().await;
        assert_eq!((house.state(whole.id).await, house.state(part.id).await, house.held().await),
            (PaymentState::Cancelled, PaymentState::PartlyCaptured, 500));
        assert_eq!(refusal(house.capture("late", &part, 1).await), Refusal::InvalidStatus);
        house.wait(600).await;
        house.payments.resolve_once().await;
        assert_eq!((house.state(asked.id).await, house.held().await), (PaymentState::Cancelled, 0), "counted from its approval");
    }
}

#[test]
fn a_delayed_capture_is_made_once_across_a_crash_at_every_step() {
    for (does, before) in [(None, 0), (Some(Does::Hang), 0), (Some(Does::ActAndHang), 1_000), (Some(Does::Approve), 1_000)] {
        let folder = tempfile::tempdir().expect("a folder");
        let bank = Bank::new();
        let process = Process::start(folder.path(), &bank);
        process.runtime.block_on(async {
            process.house.delayed("c", DelayedStep::Capture, HOUR, 1_000).await;
            process.house.wait(HOUR).await;
        });
        if let Some(does) = does {
            let delays = process.house.delays();
            process.asks(&bank, does, async move { delays.run_once().await });
        } else {
            process.runtime.block_on(process.house.takes_and_dies("c"));
        }
        process.kill();
        assert_eq!(bank.sum(AttemptKind::Capture), before, "{does:?}");
        let process = Process::start(folder.path(), &bank);
        let house = &process.house;
        process.runtime.block_on(async {
            house.payments.resolve_once().await;
            for _ in 0..4 {
                house.after(120).await;
            }
            assert_eq!(house.operations("c").await, [(AttemptKind::Capture, DONE, 1_000)], "{does:?}");
            assert_eq!((bank.sum(AttemptKind::Capture), house.available().await), (1_000, 1_000 - 39), "{does:?}");
            house.is_sound(true).await;
        });
        process.kill();
    }
}

impl House {
    /// As a process that dies between taking a delay and asking for its operation leaves it.
    async fn takes_and_dies(&self, key: &str) {
        let id = self.payment(key).await.expect("it is there").payment.id;
        let until = self.store.clock().now().plus_seconds(30);
        let leased = move |rows: &mut db::Rows| rows.must_mut::<DelayedRow>(&(MERCHANT, id)).due_at = Some(until);
        let Ok(()) = self.store.writer().run(Damage(leased)).await.expect("works");
    }
}

#[tokio::test]
async fn damaged_delays_are_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    let held = house.delayed("c", DelayedStep::Capture, HOUR, 1_000).await;
    let plain = house.authorise("plain", 1_000).await;
    house.after(HOUR).await;
    house.is_sound(true).await;
    let key = (MERCHANT, held.id);
    let due_again = move |rows: &mut db::Rows| rows.must_mut::<DelayedRow>(&key).due_at = Some(kernel::Timestamp::MAX);
    let Ok(()) = house.store.writer().run(Damage(due_again)).await.expect("works");
    assert_eq!(house.rules_broken().await, ["I4.t"], "it would be done twice");
    let over = move |rows: &mut db::Rows| rows.must_mut::<DelayedRow>(&key).due_at = None;
    let Ok(()) = house.store.writer().run(Damage(over)).await.expect("works");
    house.is_sound(true).await;
    let made_up = move |rows: &mut db::Rows| {
        let row = rows.must::<DelayedRow>(&key).clone();
        rows.insert(DelayedRow { payment_id: plain.id, ..row });
    };
    let Ok(()) = house.store.writer().run(Damage(made_up)).await.expect("works");
    assert_eq!(house.rules_broken().await, ["I4.t"], "that hold has no delay");
    let stray = move |rows: &mut db::Rows| {
        let row = rows.delete::<DelayedRow>(&(MERCHANT, plain.id)).expect("it is there");
        rows.insert(DelayedRow { payment_id: kernel::PaymentId::from_bytes([7; 16]), ..row });
    };
    let Ok(()) = house.store.writer().run(Damage(stray)).await.expect("works");
    assert_eq!(house.rules_broken().await, ["I3.d"]);
    let lost = move |rows: &mut db::Rows| assert!(rows.delete::<DelayedRow>(&key).is_some());
    let Ok(()) = house.store.writer().run(Damage(lost)).await.expect("works");
    assert_eq!(house.rules_broken().await, ["I3.d", "I4.t"]);
}
