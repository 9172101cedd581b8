//! What happens when somebody does not answer, or the process dies between two steps.

use std::time::Duration;

use db::DatabaseUrl;
use idempotency::Known;
use kernel::outcome::ASKING_SCHEDULE_SECONDS;

use super::bank::{Bank, Does};
use super::house::*;
use crate::*;

on_both_engines! {
    async fn a_lost_answer_is_asked_for_while_the_request_waits(house) {
        house.bank.will(&[Does::LoseAnswer]);
        let answer = house.create("k", for_order("k", purchase(500))).await.expect("it was found out");
        assert!(matches!(&answer, Answer::Done(_)) && text(&answer).contains("SUCCEEDED"));
        assert_eq!((house.bank.approved().len(), house.bank.inquiries()), (1, 1));
    }

    async fn a_lost_request_is_proven_lost_and_may_be_repeated(house) {
        house.bank.will(&[Does::LoseRequest]);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::NotSent);
        assert!(house.payment("k").await.is_none(), "an attempt that never was is shown to nobody");
        house.create("k", for_order("k", purchase(500))).await.expect("the key is free again");
        assert_eq!((house.bank.approved().len(), house.payment("k").await.is_some()), (1, true));
    }

    async fn a_silent_bank_keeps_the_key_until_it_speaks(house) {
        house.bank.will(&[Does::LoseAnswer]);
        house.bank.silent(true);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::OutcomeUnknown);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::InProcess { unknown: true });
        let payment = house.payment("k").await.expect("it is shown").payment;
        assert_eq!((payment.state, payment.attempt), (PaymentState::Unconfirmed, AttemptState::Unknown));
        house.is_sound(false).await;
        house.payments.resolve_once().await;
        assert_eq!(house.state(payment.id).await, PaymentState::Unconfirmed);
        house.bank.silent(false);
        house.payments.resolve_once().await;
        let answer = house.create("k", for_order("k", purchase(500))).await.expect("a replay");
        assert!(matches!(answer, Answer::Replay(_)));
        assert_eq!(bytes(&answer).0, 201);
        assert!(text(&answer).contains("SUCCEEDED"), "{}", text(&answer));
        assert_eq!((house.bank.approved().len(), house.available().await), (1, 500 - 32));
        house.payments.resolve_once().await;
        assert_eq!(house.available().await, 500 - 32, "asking again changes nothing");
    }

    async fn a_request_that_never_arrived_is_fenced_and_dropped(house) {
        house.bank.will(&[Does::LoseRequest]);
        house.bank.silent(true);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::OutcomeUnknown);
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert!(house.payment("k").await.is_none());
        house.create("k", for_order("k", purchase(500))).await.expect("the key is free again");
        assert_eq!((house.bank.approved().len(), house.available().await), (1, 500 - 32));
    }

    async fn without_a_fence_two_silences_ten_minutes_apart_decide(house) {
        house.bank.cannot_fence();
        house.bank.will(&[Does::LoseRequest]);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::OutcomeUnknown);
        for seconds in [0, 300, 200] {
            house.wait(seconds).await;
            house.payments.resolve_once().await;
            assert!(house.payment("k").await.is_some(), "too early to be sure");
        }
        house.wait(101).await;
        house.payments.resolve_once().await;
        assert!(house.payment("k").await.is_none());
    }

    async fn an_answer_that_took_long_says_nothing_about_the_time_it_took(house) {
        house.bank.cannot_fence();
        house.bank.will(&[Does::LoseRequest]);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::OutcomeUnknown);
        house.payments.resolve_once().await;
        let (answer, asked) = (house.bank.holds_next_answer(), house.bank.inquiries());
        let resolver = house.payments.clone();
        let asking = tokio::spawn(async move { resolver.resolve_once().await });
        while house.bank.inquiries() == asked {
            tokio::task::yield_now().await;
        }
        house.wait(3_600).await;
        answer.add_permits(1);
        asking.await.expect("it asks");
        assert!(house.payment("k").await.is_some(), "it may have arrived while the answer was under way");
        house.payments.resolve_once().await;
        assert!(house.payment("k").await.is_none(), "it was asked again after an hour");
    }

    async fn the_resolver_asks_by_its_schedule(house) {
        house.bank.will(&[Does::LoseAnswer]);
        house.bank.silent(true);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::OutcomeUnknown);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (resolver, at_first) = (house.payments.clone(), house.bank.inquiries());
        let running = tokio::spawn(async move { resolver.resolve_until(async { drop(stopped.await) }).await });
        // One question at the start, whether or not it is due; after that one each time it is.
        house.until("it asks at the start", async || house.bank.inquiries() > at_first).await;
        for (asked, seconds) in (at_first + 2..).zip(&ASKING_SCHEDULE_SECONDS[1..4]) {
            house.wait(*seconds + 1).await;
            house.until("it asks when it is due", async || house.bank.inquiries() >= asked).await;
            assert_eq!(house.bank.inquiries(), asked, "one question after {seconds} s");
        }
        house.bank.silent(false);
        house.wait(61).await;
        let state = async || house.payment("k").await.expect("it is there").payment.state;
        house.until("it learns the outcome", async || state().await == PaymentState::Approved).await;
        stop.send(()).expect("it runs");
        running.await.expect("it stops");
    }

    async fn unknown_operations_keep_their_reservation(house) {
        let held = house.authorise("a", 1_000).await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer, Does::LoseRequest]);
        assert_eq!(refusal(house.capture("c1", &held, 600).await), Refusal::OutcomeUnknown);
        assert_eq!(refusal(house.capture("c2", &held, 400).await), Refusal::OutcomeUnknown);
        assert_eq!(refusal(house.capture("c3", &held, 1).await), AmountRefusal::MoreThanLeft(eur(0)).into());
        assert_eq!(refusal(house.cancel("x", &held).await), Refusal::InvalidStatus);
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert!(matches!(house.capture("c1", &held, 600).await, Ok(Answer::Replay(_))));
        let read = house.payment("a").await.expect("it is there");
        assert_eq!((read.payment.captured, read.payment.capturing, read.operations.len()), (600, 0, 1));

        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer, Does::LoseRequest]);
        assert_eq!(refusal(house.refund("r1", &held, held.attempt_id, Some(100)).await), Refusal::OutcomeUnknown);
        assert_eq!(refusal(house.refund("r2", &held, read.operations[0].id, Some(200)).await), Refusal::OutcomeUnknown);
        assert_eq!(house.in_transit().await, 300);
        house.is_sound(false).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!((house.in_transit().await, house.bank.sum(AttemptKind::Refund)), (0, 100));
        let payment = house.payment("a").await.expect("it is there").payment;
        assert_eq!((payment.refunded, payment.refunding), (100, 0));
        house.refund("r2", &held, read.operations[0].id, Some(500)).await.expect("the key and the amount are free again");
    }

    async fn a_connector_that_panics_loses_nothing(house) {
        house.bank.will(&[Does::ActAndPanic]);
        let answer = house.create("k", for_order("k", purchase(500))).await.expect("it was found out");
        assert!(text(&answer).contains("SUCCEEDED"));
        assert_eq!(house.bank.approved().len(), 1);
    }

    async fn a_caller_that_hangs_up_cancels_nothing(house) {
        house.bank.will(&[Does::Slow]);
        let call = house.create("k", for_order("k", purchase(500)));
        assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err(), "the caller went away");
        house.payments.finish_in_flight().await;
        assert_eq!(house.payment("k").await.expect("it is there").payment.state, PaymentState::Approved);
    }
}

/// A process on a SQLite file that can be killed: its tasks vanish where they stand, nothing is closed in order.
pub(crate) struct Process {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) house: House,
}

impl Process {
    pub(crate) fn start(folder: &std::path::Path, bank: &Bank) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let house = runtime.block_on(House::open(DatabaseUrl::sqlite(folder.join("test.db")), bank.clone()));
        Self { runtime, house }
    }

    /// Sets off what makes the bank be asked, which then does this. Returns when it was asked, and where it answers when the work is done.
    pub(crate) fn asks<F>(&self, bank: &Bank, does: Does, work: F)
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let before = bank.requests();
        bank.will(&[does]);
        let working = self.runtime.spawn(work);
        bank.is_reached_again(before);
        if !matches!(does, Does::Hang | Does::ActAndHang) {
            self.runtime.block_on(working).expect("no panic");
        }
    }

    pub(crate) fn kill(self) {
        drop(self.house);
        self.runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

#[test]
fn a_repeat_that_was_found_in_the_store_is_remembered() {
    let (folder, bank) = (tempfile::tempdir().expect("a folder"), Bank::new());
    let process = Process::start(folder.path(), &bank);
    process.runtime.block_on(process.house.purchase("k", 500));
    process.kill();
    let process = Process::start(folder.path(), &bank);
    let house = &process.house;
    let recalled = || house.payments.0.idempotency.recall(&once("/v1/payments", "k").scope, house.payments.0.now());
    assert!(matches!(recalled(), Known::Nothing), "another process knows nothing yet");
    let again = process.runtime.block_on(house.create("k", for_order("k", purchase(500)))).expect("a replay");
    assert!(matches!(again, Answer::Replay(_)) && matches!(recalled(), Known::Replay(_)));
    process.kill();
}

/// Where the process dies on the way of a purchase.
const DEATHS: [(&str, Option<Does>, usize); 4] = [
    ("before the intent", None, 0),
    ("after the intent, before the bank acts", Some(Does::Hang), 0),
    ("after the bank acted, before its answer is recorded", Some(Does::ActAndHang), 1),
    ("after everything, before the reply leaves", Some(Does::Approve), 1),
];

#[test]
fn a_purchase_survives_a_crash_at_every_step() {
    for (step, does, charged) in DEATHS {
        let folder = tempfile::tempdir().expect("a folder");
        let bank = Bank::new();
        let process = Process::start(folder.path(), &bank);
        if let Some(does) = does {
            let payments = process.house.payments.clone();
            let call = async move { payments.create(&TERMS, for_order("k", purchase(500)), once("/v1/payments", "k")).await };
            process.asks(&bank, does, call);
        }
        process.kill();
        assert_eq!(bank.approved().len(), charged, "{step}");

        let process = Process::start(folder.path(), &bank);
        let house = &process.house;
        process.runtime.block_on(async {
            if matches!(does, Some(Does::Hang | Does::ActAndHang)) {
                assert_eq!(
                    refusal(house.create("k", for_order("k", purchase(500))).await),
                    Refusal::InProcess { unknown: false }
                );
            }
            house.payments.resolve_once().await;
            let answer = house.create("k", for_order("k", purchase(500))).await.unwrap_or_else(|error| panic!("{step}: {error}"));
            assert_eq!(matches!(answer, Answer::Replay(_)), charged == 1, "{step}");
            assert_eq!(bytes(&answer).0, 201);
            assert!(text(&answer).contains("SUCCEEDED"), "{step}: {}", text(&answer));
            assert_eq!((bank.approved().len(), house.available().await), (1, 500 - 32), "{step}");
            house.is_sound(true).await;
        });
        process.kill();
    }
}

#[test]
fn a_refund_survives_a_crash_at_every_step() {
    for does in [Does::Hang, Does::ActAndHang] {
        let folder = tempfile::tempdir().expect("a folder");
        let bank = Bank::new();
        let process = Process::start(folder.path(), &bank);
        let paid = process.runtime.block_on(process.house.purchase("p", 5_000));
        let (payments, named) = (process.house.payments.clone(), paid.clone());
        process.asks(&bank, does, async move {
            let ask = Refund {
                payment: Some(named.id),
                transaction: Some(named.attempt_id),
                amount: Some(eur(900)),
                retried: false,
                details: None,
            };
            payments.refund(&TERMS, ask, once("/refund", "r")).await
        });
        process.kill();

        let process = Process::start(folder.path(), &bank);
        let house = &process.house;
        process.runtime.block_on(async {
            assert_eq!(house.in_transit().await, 900, "{does:?}");
            house.payments.resolve_once().await;
            assert_eq!(house.in_transit().await, 0, "{does:?}");
            house.refund("r", &paid, paid.attempt_id, Some(900)).await.expect("a replay, or the first that worked");
            assert_eq!(bank.sum(AttemptKind::Refund), 900, "{does:?}");
            assert_eq!(house.available().await, 5_000 - 95 - 900, "{does:?}");
            house.is_sound(true).await;
        });
        process.kill();
    }
}
