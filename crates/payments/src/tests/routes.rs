//! Several acquirers: who is asked, in which order, and that never more than one of them charges.

use std::time::Duration;

use db::DatabaseUrl;
use kernel::{AttemptId, PaymentId, Source};

use super::bank::{Bank, Does};
use super::house::*;
use super::steps::begin_payment;
use crate::commands::{Begun, Ending, Retry, Settle};
use crate::errands::Errand;
use crate::routing::{Conditions, Limit, RetryOn, RoutingRules, Rule};
use crate::*;

const NAMES: [Connector; 3] = [Connector::Sandbox, Connector::SandboxB, Connector::Stripe];
const ANYTHING: RetryOn = RetryOn { unavailable: true, soft_decline: true };

fn banks() -> Vec<Bank> {
    NAMES.into_iter().map(Bank::named).collect()
}

fn rule(route: &[Connector], retry_on: RetryOn) -> Rule {
    Rule { name: "rule".into(), conditions: Conditions::default(), route: route.to_vec(), retry_on }
}

impl House {
    async fn routed(&self, rules: &[Rule]) {
        self.payments.replace_routing_rules(MERCHANT, RoutingRules(rules.into())).await.expect("the store works");
    }

    fn bank_of(&self, connector: Connector) -> &Bank {
        let at = NAMES.iter().position(|name| *name == connector).expect("a bank");
        if at == 0 { &self.bank } else { &self.others[at - 1] }
    }

    /// How many requests each bank got, and how many it approved.
    fn asked(&self) -> [(u32, usize); 3] {
        NAMES.map(|name| (self.bank_of(name).requests(), self.bank_of(name).approved().len()))
    }

    async fn history(&self, key: &str) -> Vec<(Connector, AttemptState)> {
        let read = self.payment(key).await.expect("it is there");
        let facts = read.facts(true, false, self.payments.challenges());
        let seen: Vec<_> = facts.transactions().collect();
        assert!(seen.windows(2).all(|two| two[0].id < two[1].id && two[0].created_at <= two[1].created_at), "{seen:?}");
        seen.iter().map(|one| (one.connector, one.state)).collect()
    }
}

macro_rules! stories {
    ($($(#[$doc:meta])* async fn $name:ident($house:ident) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn story($house: &House) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let folder = tempfile::tempdir().expect("a folder");
                let url = DatabaseUrl::sqlite(folder.path().join("test.db"));
                let house = House::open_among(url, banks(), |origins| origins).await;
                story(&house).await;
                house.is_sound(true).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let database = testkit::postgres::fresh_database();
                let house = House::open_among(database.url().parse().expect("a URL"), banks(), |origins| origins).await;
                story(&house).await;
                house.is_sound(true).await;
            }
        }
    )*};
}

stories! {
    async fn the_rules_choose_and_operations_follow_the_charge(house) {
        house.purchase("none", 500).await;
        let dear = Conditions { amount_min: Limit::parse("10"), ..Conditions::default() };
        house.routed(&[Rule { conditions: dear, ..rule(&NAMES[1..2], RetryOn::default()) }, rule(&NAMES[2..], RetryOn::default())]).await;
        house.purchase("cheap", 999).await;
        let held = house.authorise("dear", 1_000).await;
        assert_eq!(house.asked(), [(1, 1), (1, 1), (1, 1)]);
        assert_eq!(held.connector, Connector::SandboxB);
        house.capture("c", &held, 600).await.expect("a capture");
        house.refund("r", &held, held.attempt_id, Some(100)).await.expect("a refund");
        assert_eq!(house.asked(), [(1, 1), (3, 3), (1, 1)], "capture and refund go where the charge went");
    }

    async fn an_acquirer_that_is_not_reached_or_refuses_softly_is_followed_by_the_next(house) {
        house.routed(&[rule(&NAMES, ANYTHING)]).await;
        house.bank.will(&[Does::NotSent]);
        house.others[0].will(&[Does::Decline]);
        let answer = house.create("k", for_order("k", purchase(500))).await.expect("a payment");
        assert!(text(&answer).contains("SUCCEEDED PURCHASE SUCCEEDED"), "{}", text(&answer));
        assert_eq!(house.asked(), [(0, 0), (1, 0), (1, 1)]);
        let (sent, refused, done) = (AttemptState::NotSent, AttemptState::Declined, AttemptState::Succeeded);
        assert_eq!(house.history("k").await, [(NAMES[0], sent), (NAMES[1], refused), (NAMES[2], done)]);
        let payment = house.payment("k").await.expect("it is there").payment;
        let codes: Vec<_> = payment.earlier_tries().iter().map(|one| one.said().map(|said| said.code)).collect();
        assert_eq!(codes, [Some("PROVIDER_UNAVAILABLE"), Some("INSUFFICIENT_FUNDS")]);
        assert!(matches!(house.create("k", for_order("k", purchase(500))).await, Ok(Answer::Replay(_))));
        assert_eq!(house.available().await, 500 - 32);

        let tried = payment.earlier_tries()[1].id;
        assert_eq!(refusal(house.refund("r", &payment, tried, Some(1)).await), Refusal::InvalidStatus);
        house.refund("r", &payment, payment.attempt_id, Some(200)).await.expect("a refund");
        assert_eq!(house.bank_of(NAMES[2]).sum(AttemptKind::Refund), 200);
        assert_eq!(house.history("k").await.len(), 4);
    }

    async fn nobody_else_is_asked_unless_the_rule_says_so_and_nothing_happened(house) {
        house.routed(&[rule(&NAMES, ANYTHING)]).await;
        for (does, state) in [(Does::DeclineHard, PaymentState::Declined), (Does::Fail, PaymentState::Errored), (Does::LoseAnswer, PaymentState::Approved)] {
            house.bank.will(&[does]);
            let key = format!("{does:?}");
            house.create(&key, for_order(&key, purchase(500))).await.expect("an answer");
            assert_eq!(house.payment(&key).await.expect("it is there").payment.state, state);
        }
        house.bank.will(&[Does::LoseRequest]);
        assert_eq!(refusal(house.create("lost", for_order("lost", purchase(500))).await), Refusal::NotSent);
        house.routed(&[rule(&NAMES, RetryOn::default())]).await;
        house.bank.will(&[Does::NotSent, Does::Decline]);
        assert_eq!(refusal(house.create("n", for_order("n", purchase(500))).await), Refusal::NotSent);
        house.create("d", for_order("d", purchase(500))).await.expect("an answer");
        house.routed(&[rule(&NAMES, RetryOn { unavailable: false, ..ANYTHING })]).await;
        house.bank.will(&[Does::NotSent]);
        assert_eq!(refusal(house.create("n", for_order("n", purchase(500))).await), Refusal::NotSent);
        house.routed(&[rule(&NAMES, RetryOn { soft_decline: false, ..ANYTHING })]).await;
        house.bank.will(&[Does::Decline]);
        house.create("e", for_order("e", purchase(500))).await.expect("an answer");
        assert_eq!(house.asked()[1..], [(0, 0), (0, 0)]);
    }

    async fn when_nobody_is_reached_nothing_is_left_but_a_refusal_stands(house) {
        house.routed(&[rule(&NAMES, ANYTHING)]).await;
        let all = |does| NAMES.map(|name| house.bank_of(name).will(&[does]));
        all(Does::NotSent);
        assert_eq!(refusal(house.create("k", for_order("k", purchase(500))).await), Refusal::NotSent);
        assert!(house.payment("k").await.is_none());
        all(Does::Decline);
        house.create("k", for_order("k", purchase(500))).await.expect("the key was free");
        assert_eq!(house.history("k").await, NAMES.map(|name| (name, AttemptState::Declined)));

        house.bank.will(&[Does::Decline]);
        house.others[0].will(&[Does::NotSent]);
        house.others[1].will(&[Does::NotSent]);
        let answer = house.create("half", for_order("half", purchase(500))).await.expect("a bank has answered");
        assert!(text(&answer).contains("DECLINED PURCHASE ERROR"), "{}", text(&answer));
        assert_eq!(house.payment("half").await.expect("it is there").payment.state, PaymentState::Declined);
        assert_eq!(house.available().await, 0);
    }

    async fn a_doubtful_second_try_is_found_out_and_never_tried_elsewhere(house) {
        house.routed(&[rule(&NAMES, ANYTHING)]).await;
        house.bank.will(&[Does::Decline, Does::Decline, Does::NotSent]);
        house.others[0].will(&[Does::LoseAnswer, Does::LoseRequest, Does::LoseRequest]);
        house.others[0].silent(true);
        for key in ["acted", "refused", "dropped"] {
            assert_eq!(refusal(house.create(key, for_order(key, purchase(500))).await), Refusal::OutcomeUnknown);
        }
        house.is_sound(false).await;
        house.others[0].silent(false);
        house.payments.resolve_once().await;
        let acted = house.create("acted", for_order("acted", purchase(500))).await.expect("a replay");
        assert!(matches!(acted, Answer::Replay(_)) && text(&acted).contains("SUCCEEDED"));
        let refused = house.create("refused", for_order("refused", purchase(500))).await.expect("a replay");
        assert!(matches!(refused, Answer::Replay(_)) && text(&refused).contains("DECLINED"), "the first bank's word stands");
        assert!(house.payment("dropped").await.is_none());
        house.create("dropped", for_order("dropped", purchase(500))).await.expect("the key is free");
        assert_eq!(house.asked().map(|(_, approved)| approved), [1, 1, 0]);
    }

    async fn an_acquirer_that_keeps_failing_is_passed_by(house) {
        house.routed(&[rule(&NAMES[..2], RetryOn { soft_decline: false, ..ANYTHING })]).await;
        house.bank.will(&[Does::NotSent; 5]);
        for at in 0..7 {
            house.purchase(&format!("k{at}"), 500).await;
        }
        assert_eq!(house.asked()[..2], [(0, 0), (7, 7)], "five were refused there, two never went");
        assert_eq!(house.history("k6").await.len(), 1);
        house.wait(31).await;
        house.purchase("later", 500).await;
        assert_eq!(house.asked()[0], (1, 1), "it has another chance");
    }

    async fn the_step_to_the_next_acquirer_may_be_repeated_and_ends_once(house) {
        let origins = house.payments.0.origins.clone();
        let begin = begin_payment(house, "k", 500);
        let (first, asked) = (begin.attempt(), begin.asked());
        let writer = house.store.writer();
        assert!(matches!(writer.run(begin).await, Ok(Ok(Begun::Go(())))));
        let ending = Ending::NeverSent;
        let next = AttemptId::new(&Source::system());
        let retry = Retry { failed: first.clone(), ending: ending.clone(), next, connector: Connector::SandboxB };
        for round in 0..3 {
            assert_eq!(writer.run(retry.clone()).await.expect("works"), Ok(round == 0));
        }
        let stale = Settle { attempt: first, ending, asked_for: false, origins: origins.clone() };
        assert!(writer.run(stale).await.expect("works").expect("no matter whose").is_none(), "it is not the payment's attempt any more");
        house.payments.0.run_errand(Errand::EndTries(Box::new(retry.endings(&origins))), None);
        house.until("nothing happened anywhere", async || house.payment("k").await.is_none()).await;
        assert!(matches!(writer.run(retry).await.expect("works"), Ok(false)));
        let again = begin_payment(house, "k", 500);
        assert!(matches!(writer.run(again.clone()).await, Ok(Ok(Begun::Go(())))), "the key {:?} is free", asked.scope);
        // Now the step was never written: the refusal of the first acquirer is the end.
        let refused = Ending::Declined(Response::of(&kernel::Outcome::Declined(kernel::Decline {
            reference: None,
            code: "DO_NOT_HONOR".into(),
            hard: false,
            iso: None,
        })).expect("a response"));
        let retry = Retry { failed: again.attempt(), ending: refused, next: AttemptId::new(&Source::system()), connector: NAMES[1] };
        house.payments.0.run_errand(Errand::EndTries(Box::new(retry.endings(&origins))), None);
        let reached = async || house.payment("k").await.expect("it is there").payment.state;
        house.until("the refusal is the end", async || reached().await == PaymentState::Declined).await;
        assert!(matches!(house.create("k", for_order("k", purchase(500))).await, Ok(Answer::Replay(_))));
    }
}

/// A process with two banks on a SQLite file that can be killed.
struct Process {
    runtime: tokio::runtime::Runtime,
    house: House,
}

impl Process {
    fn start(folder: &std::path::Path, banks: &[Bank]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let url = DatabaseUrl::sqlite(folder.join("test.db"));
        let house = runtime.block_on(House::open_among(url, banks.to_vec(), |origins| origins));
        Self { runtime, house }
    }

    fn kill(self) {
        drop(self.house);
        self.runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

/// What each bank does before the process dies, how many charges there are then, and what the repeat of the request comes to: a replay
/// or not, approved or not.
const DEATHS: [(&str, [Does; 2], usize, bool, bool); 7] = [
    ("while the first bank is asked", [Does::Hang, Does::Approve], 0, false, true),
    ("after the first bank acted", [Does::ActAndHang, Does::Approve], 1, true, true),
    ("not reached, before the second bank acts", [Does::NotSent, Does::Hang], 0, false, true),
    ("not reached, after the second bank acted", [Does::NotSent, Does::ActAndHang], 1, true, true),
    ("refused, before the second bank acts", [Does::Decline, Does::Hang], 0, true, false),
    ("refused, after the second bank acted", [Does::Decline, Does::ActAndHang], 1, true, true),
    ("after everything", [Does::Decline, Does::Approve], 1, true, true),
];

#[test]
fn a_purchase_along_a_route_survives_a_crash_at_every_step() {
    for (step, does, charged, replayed, approved) in DEATHS {
        let folder = tempfile::tempdir().expect("a folder");
        let banks = vec![Bank::new(), Bank::named(Connector::SandboxB)];
        let process = Process::start(folder.path(), &banks);
        process.runtime.block_on(process.house.routed(&[rule(&NAMES[..2], ANYTHING)]));
        banks.iter().zip(does).for_each(|(bank, does)| bank.will(&[does]));
        let payments = process.house.payments.clone();
        let call = async move { payments.create(&TERMS, for_order("k", purchase(500)), once("/v1/payments", "k")).await };
        let calling = process.runtime.spawn(call);
        let never_answers = |does| matches!(does, Does::Hang | Does::ActAndHang);
        match does {
            [first, _] if never_answers(first) => banks[0].is_reached_again(0),
            [_, second] if never_answers(second) => banks[1].is_reached_again(0),
            _ => drop(process.runtime.block_on(calling).expect("no panic")),
        }
        process.kill();
        let charges = || banks.iter().map(|bank| bank.approved().len()).sum::<usize>();
        assert_eq!(charges(), charged, "{step}");

        let process = Process::start(folder.path(), &banks);
        let house = &process.house;
        process.runtime.block_on(async {
            house.payments.resolve_once().await;
            let answer = house.create("k", for_order("k", purchase(500))).await.unwrap_or_else(|error| panic!("{step}: {error}"));
            assert_eq!(matches!(answer, Answer::Replay(_)), replayed, "{step}");
            assert_eq!(text(&answer).contains("SUCCEEDED"), approved, "{step}: {}", text(&answer));
            assert_eq!(
                (charges(), house.available().await),
                (usize::from(approved), if approved { 500 - 32 } else { 0 }),
                "{step}"
            );
            house.is_sound(true).await;
        });
        process.kill();
    }
}

/// Each damage to the earlier tries of a sound payment, and the rules that notice it.
#[tokio::test]
async fn damaged_tries_are_noticed() {
    use db::{Command, Keys, Rows};

    struct Damage(PaymentId, fn(&mut PaymentRow));
    impl Command for Damage {
        type Reply = ();
        type Refusal = std::convert::Infallible;
        fn keys(&self, _keys: &mut Keys<'_>) {}
        fn decide(&self, rows: &mut Rows, _now: kernel::Timestamp) -> Result<(), Self::Refusal> {
            (self.1)(rows.must_mut::<PaymentRow>(&(MERCHANT, self.0)));
            Ok(())
        }
    }
    type Harm = (fn(&mut PaymentRow), &'static [&'static str]);
    let damages: [Harm; 3] = [
        (
            |payment| {
                let mut one = payment.earlier_tries()[0].clone();
                one.state = AttemptState::Succeeded;
                payment.earlier = Some(Earlier::with(None, one));
            },
            &["I3.c"],
        ),
        (
            |payment| {
                let mut one = payment.earlier_tries()[0].clone();
                one.id = payment.attempt_id;
                payment.earlier = Some(Earlier::with(None, one));
            },
            &["I3.b"],
        ),
        // The charge is known by the last try's id: another one is nobody's.
        (|payment| payment.attempt_id = AttemptId::from_bytes([7; 16]), &["I7.a", "I7.b"]),
    ];
    for (damage, rules) in damages {
        let folder = tempfile::tempdir().expect("a folder");
        let house = House::open_among(DatabaseUrl::sqlite(folder.path().join("test.db")), banks(), |origins| origins).await;
        house.routed(&[rule(&NAMES, ANYTHING)]).await;
        house.bank.will(&[Does::Decline]);
        let payment = house.purchase("p", 500).await;
        house.is_sound(true).await;
        let Ok(()) = house.store.writer().run(Damage(payment.id, damage)).await.expect("works");
        let broken = house.rules_broken().await;
        assert!(rules.iter().all(|rule| broken.contains(rule)), "{rules:?} {broken:?}");
    }
}
