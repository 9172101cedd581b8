//! A cancel ends what waits for its next try, and nothing that is under way.

use db::DatabaseUrl;

use super::bank::{Bank, Does};
use super::house::*;
use super::recovery::Process;
use crate::*;

const MINUTE: u32 = 60;
const DAY: u32 = 24 * 60 * MINUTE;

const DONE: AttemptState = AttemptState::Succeeded;
const WAITING: AttemptState = AttemptState::Waiting;
const ENDED: AttemptState = AttemptState::Errored;

on_both_engines! {
    async fn a_cancel_ends_the_captures_that_wait_and_lets_the_hold_go(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent, Does::Decline]);
        let answer = house.capture_until_done("c1", &held, 600).await.expect("it is tried again");
        house.capture_until_done("c2", &held, 400).await.expect("it is tried again");
        let cancelled = house.cancel("v", &held).await.expect("nothing is under way");
        assert_eq!(text(&cancelled), "CANCEL SUCCEEDED CANCELED");
        assert_eq!(house.tried("a").await, [(ENDED, 600), (AttemptState::Declined, 400), (DONE, 1_000)]);
        let payment = house.payment("a").await.expect("it is there").payment;
        assert_eq!((payment.state, payment.capturing, house.held().await), (PaymentState::Cancelled, 0, 0));
        house.is_sound(true).await;
        let again = house.capture_until_done("c1", &held, 600).await.expect("a replay");
        assert_eq!(bytes(&again), bytes(&answer), "what was answered stays what was answered");
        for _ in 0..5 {
            house.after_seconds(DAY).await;
        }
        assert_eq!((house.bank.sum(AttemptKind::Capture), house.bank.sum(AttemptKind::Cancel)), (0, 1_000));
    }

    async fn cancel_or_refund_ends_them_as_well_where_nothing_is_captured(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent]);
        house.capture_until_done("c", &held, 600).await.expect("it is tried again");
        let ask = CancelOrRefund { payment: Some(held.id), target: Target::Payment, amount: None, details: None };
        house.payments.cancel_or_refund(&TERMS, ask, once("/cancel-or-refund", "v")).await.expect("a cancel");
        assert_eq!(house.tried("a").await, [(ENDED, 600), (DONE, 1_000)]);
        assert_eq!(house.state(held.id).await, PaymentState::Cancelled);
    }

    async fn nothing_is_ended_by_a_cancel_that_is_refused(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent, Does::NotSent, Does::LoseAnswer]);
        house.capture_until_done("c1", &held, 300).await.expect("it is tried again");
        house.wait(1).await;
        house.capture_until_done("c2", &held, 400).await.expect("it is tried again");
        house.bank.silent(true);
        house.after_seconds(5 * MINUTE - 1).await;
        assert_eq!(house.tried("a").await, [(AttemptState::Unknown, 300), (WAITING, 400)]);
        assert_eq!(refusal(house.cancel("v", &held).await), Refusal::InvalidStatus, "one try is under way");
        assert_eq!(house.tried("a").await, [(AttemptState::Unknown, 300), (WAITING, 400)]);
        house.is_sound(false).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!(house.tried("a").await[0], (DONE, 300));
        house.bank.will(&[Does::NotSent]);
        assert_eq!(refusal(house.cancel("v", &held).await), Refusal::InvalidStatus, "part of it is captured");
        for _ in 0..2 {
            house.after_seconds(DAY).await;
        }
        assert_eq!(house.tried("a").await, [(DONE, 300), (DONE, 400)]);
    }

    async fn what_a_cancel_ended_stays_ended_when_the_cancel_does_not_arrive(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.will(&[Does::NotSent, Does::NotSent, Does::Decline]);
        house.capture_until_done("c", &held, 1_000).await.expect("it is tried again");
        assert_eq!(refusal(house.cancel("v", &held).await), Refusal::NotSent);
        assert_eq!((house.tried("a").await, house.state(held.id).await), (vec![(ENDED, 1_000)], PaymentState::CaptureFailed));
        house.is_sound(true).await;
        assert_eq!(text(&house.cancel("v", &held).await.expect("an answer")), "CANCEL DECLINED CAPTURE_RETRY_PROCESS_FAILED");
        house.after_seconds(DAY).await;
        assert_eq!(house.bank.sum(AttemptKind::Capture), 0);
        house.cancel("w", &held).await.expect("once more");
        assert_eq!((house.state(held.id).await, house.held().await), (PaymentState::Cancelled, 0));
    }

    async fn a_refund_that_waits_and_a_disputed_payment_are_left_alone(house) {
        let held = house.authorise("a", 1_000).await;
        house.capture("c1", &held, 400).await.expect("a part");
        house.bank.will(&[Does::NotSent, Does::NotSent]);
        house.refund_until_done("r", &held, Some(100)).await.expect("it is tried again");
        house.capture_until_done("c2", &held, 600).await.expect("it is tried again");
        assert_eq!(refusal(house.cancel("v", &held).await), Refusal::InvalidStatus);
        house.hears(&held, Event::Chargeback, 400, "a").await;
        assert_eq!(refusal(house.cancel("v", &held).await), Refusal::InvalidStatus);
        assert_eq!(house.tried("a").await[..3], [(DONE, 400), (WAITING, 100), (WAITING, 600)]);
        house.is_sound(false).await;
        house.hears(&held, Event::ChargebackWon, 400, "b").await;
        house.after_seconds(5 * MINUTE).await;
        assert_eq!(house.tried("a").await[..3], [(DONE, 400), (DONE, 100), (DONE, 600)]);
    }

    /// Whoever comes first: never both, and nothing is left behind.
    async fn a_try_and_a_cancel_at_once_are_one_after_the_other(house) {
        for round in 0..12 {
            let (order, key) = (format!("a{round}"), format!("k{round}"));
            let held = house.authorise(&order, 1_000).await;
            house.bank.will(&[Does::NotSent]);
            house.capture_until_done(&key, &held, 1_000).await.expect("it is tried again");
            house.wait(5 * MINUTE).await;
            let (payments, other) = (house.payments.clone(), house.payments.clone());
            let trying = tokio::spawn(async move { payments.0.try_again_due().await });
            let ask = Cancel { payment: Some(held.id), transaction: Some(held.attempt_id), details: None };
            let cancelling = tokio::spawn(async move { other.cancel(&TERMS, ask, once("/cancel", &key)).await });
            trying.await.expect("no panic").expect("the store works");
            let cancelled = cancelling.await.expect("no panic");
            let (state, tried) = (house.state(held.id).await, house.tried(&order).await);
            match cancelled {
                Ok(_) => assert_eq!((state, tried), (PaymentState::Cancelled, vec![(ENDED, 1_000), (DONE, 1_000)])),
                Err(_) => assert_eq!((state, tried), (PaymentState::Captured, vec![(DONE, 1_000)])),
            }
            assert_eq!(house.held().await, 0);
        }
        let taken = house.bank.sum(AttemptKind::Capture) + house.bank.sum(AttemptKind::Cancel);
        assert_eq!(taken, 12_000);
    }
}

#[test]
fn a_cancel_that_ends_a_capture_survives_a_crash_at_every_step() {
    for (does, before) in [(Does::Hang, 0), (Does::ActAndHang, 1_000), (Does::Approve, 1_000)] {
        let folder = tempfile::tempdir().expect("a folder");
        let bank = Bank::new();
        let process = Process::start(folder.path(), &bank);
        let held = process.runtime.block_on(async {
            let held = process.house.authorise("a", 1_000).await;
            bank.will(&[Does::NotSent]);
            process.house.capture_until_done("c", &held, 1_000).await.expect("it is tried again");
            held
        });
        let payments = process.house.payments.clone();
        let ask = Cancel { payment: Some(held.id), transaction: Some(held.attempt_id), details: None };
        process.asks(&bank, does, async move { payments.cancel(&TERMS, ask, once("/cancel", "v")).await });
        process.kill();
        assert_eq!(bank.sum(AttemptKind::Cancel), before, "{does:?}");

        let process = Process::start(folder.path(), &bank);
        let house = &process.house;
        process.runtime.block_on(async {
            assert_eq!(house.tried("a").await[0], (ENDED, 1_000), "{does:?}");
            house.payments.resolve_once().await;
            house.is_sound(false).await;
            house.after_seconds(5 * MINUTE).await;
            house.cancel("v", &held).await.expect("a replay, or a cancel");
            assert_eq!((house.state(held.id).await, house.held().await), (PaymentState::Cancelled, 0), "{does:?}");
            for _ in 0..5 {
                house.after_seconds(DAY).await;
            }
            assert_eq!((bank.sum(AttemptKind::Capture), bank.sum(AttemptKind::Cancel)), (0, 1_000), "{does:?}");
            house.is_sound(true).await;
        });
        process.kill();
    }
}
