//! Payouts: money set aside, sent once, and returned when it did not leave.

use db::DatabaseUrl;
use ledger::AccountKind;

use super::bank::{Bank, Does};
use super::damage::Damage;
use super::house::*;
use super::recovery::Process;
use crate::payouts::{BankAccountNumber, CreatePayout, PayoutReferenceRow, PayoutRow};
use crate::*;

fn payout(reference: &str, minor: i64) -> CreatePayout {
    CreatePayout {
        merchant_reference: reference.into(),
        country: kernel::Country::parse("FR").expect("a country"),
        amount: eur(minor),
        description: "rent".into(),
        bank_account: Some(BankAccountNumber::new("FR7630006000011234567890189")),
        details: None,
        request_id: "req".into(),
    }
}

impl House {
    async fn pays_out(&self, key: Option<&str>, reference: &str, minor: i64) -> Result<Answer, PaymentsError> {
        let once = key.map(|key| once("/v1/payouts", key));
        self.payments.create_payout(MERCHANT, payout(reference, minor), once).await
    }

    async fn payout(&self, reference: &str) -> Option<PayoutRow> {
        self.payments.payout_by_reference(MERCHANT, reference).await.expect("the store works")
    }

    async fn set_aside(&self) -> i64 {
        self.balance(MERCHANT.into(), AccountKind::PayoutTransit).await
    }

    async fn has(&self, minor: i64) {
        let fee = TERMS.fee.fee(minor);
        self.purchase("earned", minor).await;
        assert_eq!(self.available().await, minor - fee);
    }
}

on_both_engines! {
    async fn money_leaves_once_per_key_and_once_per_reference(house) {
        house.has(10_000).await;
        let had = house.available().await;
        let first = house.pays_out(Some("k"), "rent-1", 4_000).await.expect("a payout");
        assert_eq!((bytes(&first).0, text(&first).as_str()), (201, "SUCCEEDED SUCCEEDED"));
        let again = house.pays_out(Some("k"), "rent-1", 4_000).await.expect("a replay");
        assert!(matches!(again, Answer::Replay(_)));
        assert_eq!(bytes(&first), bytes(&again));
        for key in [Some("other"), None] {
            assert_eq!(refusal(house.pays_out(key, "rent-1", 1).await), Refusal::ReferenceTaken);
        }
        let unkeyed = house.pays_out(None, "rent-2", 1_000).await.expect("a payout");
        assert!(matches!(unkeyed, Answer::Done(_)));
        assert_eq!(refusal(house.pays_out(None, "rent-2", 1_000).await), Refusal::ReferenceTaken);
        assert_eq!((house.available().await, house.set_aside().await), (had - 5_000, 0));
        assert_eq!(house.bank.sum(AttemptKind::Payout), 5_000);
        let stranger = kernel::AccountId::from_bytes([2; 16]);
        assert!(house.payments.payout_by_reference(stranger, "rent-1").await.expect("reads").is_none());
        let id = house.payout("rent-1").await.expect("it is there").id;
        assert!(house.payments.get_payout(stranger, id).await.expect("reads").is_none());
        assert!(house.payments.get_payout(MERCHANT, id).await.expect("reads").is_some());
    }

    async fn what_is_not_covered_is_declined_without_a_posting_or_a_call(house) {
        house.has(1_000).await;
        let (had, requests) = (house.available().await, house.bank.requests());
        let answer = house.pays_out(Some("k"), "too-much", had + 1).await.expect("an answer");
        assert_eq!((bytes(&answer).0, text(&answer).as_str()), (201, "DECLINED INSUFFICIENT_FUNDS"));
        assert!(matches!(house.pays_out(Some("k"), "too-much", had + 1).await, Ok(Answer::Replay(_))));
        assert_eq!((house.available().await, house.bank.requests()), (had, requests));
        house.pays_out(None, "all-of-it", had).await.expect("exactly what is there can leave");
        assert_eq!(house.available().await, 0);
    }

    async fn what_the_bank_refuses_returns(house) {
        house.has(5_000).await;
        let had = house.available().await;
        house.bank.will(&[Does::Decline, Does::Fail, Does::NotSent]);
        for (reference, expected) in [("declined", "DECLINED INSUFFICIENT_FUNDS"), ("failed", "ERROR ERROR")] {
            let answer = house.pays_out(None, reference, 2_000).await.expect("an answer");
            assert_eq!(text(&answer), expected);
        }
        assert_eq!(refusal(house.pays_out(Some("k"), "never-sent", 2_000).await), Refusal::NotSent);
        assert!(house.payout("never-sent").await.is_none(), "it is shown to nobody");
        assert_eq!((house.available().await, house.set_aside().await), (had, 0));
        house.pays_out(Some("k"), "never-sent", 2_000).await.expect("key and reference are free again");
        assert_eq!(house.available().await, had - 2_000);
    }

    async fn an_unknown_outcome_keeps_the_money_aside_until_it_is_known(house) {
        house.has(9_000).await;
        let had = house.available().await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer, Does::LoseRequest]);
        assert_eq!(refusal(house.pays_out(Some("a"), "acted", 3_000).await), Refusal::OutcomeUnknown);
        assert_eq!(refusal(house.pays_out(None, "lost", 1_000).await), Refusal::OutcomeUnknown);
        assert_eq!(refusal(house.pays_out(Some("a"), "acted", 3_000).await), Refusal::InProcess { unknown: true });
        assert_eq!(refusal(house.pays_out(None, "lost", 1_000).await), Refusal::ReferenceTaken);
        assert_eq!(house.payout("acted").await.expect("it is shown").state, AttemptState::Unknown);
        assert_eq!((house.available().await, house.set_aside().await), (had - 4_000, 4_000));
        house.is_sound(false).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!((house.available().await, house.set_aside().await), (had - 3_000, 0));
        let answer = house.pays_out(Some("a"), "acted", 3_000).await.expect("a replay");
        assert!(matches!(&answer, Answer::Replay(_)) && text(&answer) == "SUCCEEDED SUCCEEDED");
        house.pays_out(None, "lost", 1_000).await.expect("the reference is free again");
        assert_eq!((house.bank.sum(AttemptKind::Payout), house.available().await), (4_000, had - 4_000));
    }

    async fn parallel_payouts_never_take_more_than_there_is(house) {
        house.has(1_000).await;
        let had = house.available().await;
        let all = (0..8).map(|number| {
            let payments = house.payments.clone();
            tokio::spawn(async move { payments.create_payout(MERCHANT, payout(&format!("p{number}"), 300), None).await })
        });
        let mut paid = 0;
        for one in all.collect::<Vec<_>>() {
            let answer = one.await.expect("no panic").expect("an answer");
            paid += i64::from(text(&answer).starts_with("SUCCEEDED"));
        }
        assert_eq!((paid, house.available().await), (had / 300, had % 300));
    }

    async fn balances_say_what_is_free_held_and_set_aside(house) {
        assert_eq!(house.payments.balances(MERCHANT).await.expect("reads"), []);
        house.purchase("p", 10_000).await;
        house.authorise("h", 2_500).await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        assert_eq!(refusal(house.pays_out(None, "under-way", 3_000).await), Refusal::OutcomeUnknown);
        let balances = house.payments.balances(MERCHANT).await.expect("reads");
        let fee = TERMS.fee.fee(10_000);
        let expected = Balance {
            available: eur(10_000 - fee - 3_000),
            authorized: eur(2_500),
            reserved: eur(3_000),
            fees: eur(fee),
        };
        assert_eq!(balances, [expected]);
        house.bank.silent(false);
        house.payments.resolve_once().await;
        let settled = house.payments.balances(MERCHANT).await.expect("reads");
        assert_eq!(settled, [Balance { reserved: eur(0), ..expected }]);
    }
}

/// Where the process dies on the way of a payout.
const DEATHS: [(&str, Option<Does>, usize); 4] = [
    ("before the intent", None, 0),
    ("after the intent, before the bank acts", Some(Does::Hang), 0),
    ("after the bank acted, before its answer is recorded", Some(Does::ActAndHang), 1),
    ("after everything, before the reply leaves", Some(Does::Approve), 1),
];

#[test]
fn a_payout_survives_a_crash_at_every_step() {
    for keyed in [true, false] {
        for (step, does, sent) in DEATHS {
            dies_at(step, does, sent, keyed.then_some("k"));
        }
    }
}

fn dies_at(step: &str, does: Option<Does>, sent: usize, key: Option<&'static str>) {
    let folder = tempfile::tempdir().expect("a folder");
    let bank = Bank::new();
    let process = Process::start(folder.path(), &bank);
    process.runtime.block_on(process.house.has(5_000));
    let paid_out = || bank.approved().iter().filter(|entry| entry.kind == AttemptKind::Payout).count();
    if let Some(does) = does {
        let payments = process.house.payments.clone();
        let once = key.map(|key| once("/v1/payouts", key));
        process.asks(&bank, does, async move { payments.create_payout(MERCHANT, payout("rent", 900), once).await });
    }
    process.kill();
    assert_eq!(paid_out(), sent, "{step}");

    let process = Process::start(folder.path(), &bank);
    let house = &process.house;
    process.runtime.block_on(async {
        house.payments.resolve_once().await;
        assert_eq!(house.set_aside().await, 0, "{step}");
        let answer = house.pays_out(key, "rent", 900).await;
        match (key, sent) {
            (Some(_), _) | (None, 0) => {
                let answer = answer.unwrap_or_else(|error| panic!("{step}: {error}"));
                assert_eq!(matches!(answer, Answer::Replay(_)), sent == 1, "{step}");
                assert_eq!(text(&answer), "SUCCEEDED SUCCEEDED", "{step}");
            }
            (None, _) => assert_eq!(refusal(answer), Refusal::ReferenceTaken, "{step}"),
        }
        let left = 5_000 - TERMS.fee.fee(5_000) - 900;
        assert_eq!((paid_out(), house.available().await), (1, left), "{step}");
        house.is_sound(true).await;
    });
    process.kill();
}

/// A sound house with a payout `done` and one under way, `unknown`.
async fn sound() -> (tempfile::TempDir, House) {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    house.has(5_000).await;
    house.pays_out(Some("done"), "done", 1_000).await.expect("a payout");
    house.bank.silent(true);
    house.bank.will(&[Does::LoseAnswer]);
    assert_eq!(refusal(house.pays_out(Some("unknown"), "unknown", 700).await), Refusal::OutcomeUnknown);
    house.is_sound(false).await;
    (folder, house)
}

macro_rules! damages {
    ($($name:ident: $reference:literal, $damage:expr => $rules:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let (_folder, house) = sound().await;
            let key = (MERCHANT, house.payout($reference).await.expect("it is there").id);
            let damage: fn(&mut PayoutRow) = $damage;
            let damaged = house.store.writer().run(Damage(move |rows: &mut db::Rows| damage(rows.must_mut(&key)))).await;
            let Ok(()) = damaged.expect("the store works");
            assert_eq!(house.rules_broken().await, $rules);
        }
    )*};
}

damages! {
    a_payout_said_to_have_failed: "done", |row| row.state = AttemptState::Declined => ["I7.a", "I7.d"];
    a_payout_said_to_be_done: "unknown", |row| row.state = AttemptState::Succeeded => ["I10.a", "I4.b", "I4.c", "I7.c"];
    a_payout_forgotten: "unknown", |row| row.state = AttemptState::Declined => ["I10.a", "I4.b", "I4.c", "I7.a", "I7.d"];
}

#[tokio::test]
async fn a_payout_of_another_amount_is_noticed() {
    let (_folder, house) = sound().await;
    let row = house.payout("done").await.expect("it is there");
    let damage = move |rows: &mut db::Rows| {
        rows.delete::<PayoutRow>(&(MERCHANT, row.id));
        rows.insert(PayoutRow { amount: 999, ..row.clone() });
    };
    let Ok(()) = house.store.writer().run(Damage(damage)).await.expect("the store works");
    assert_eq!(house.rules_broken().await, ["I3.a", "I6.d", "I7.a", "I7.c"]);
}

#[tokio::test]
async fn a_name_without_its_payout_is_noticed() {
    let (_folder, house) = sound().await;
    let damage = move |rows: &mut db::Rows| {
        let key = (MERCHANT, std::sync::Arc::from("done"));
        rows.delete::<PayoutReferenceRow>(&key);
        rows.insert(PayoutReferenceRow {
            account_id: MERCHANT,
            merchant_reference: "stray".into(),
            payout_id: kernel::PayoutId::from_bytes([7; 16]),
        });
    };
    let Ok(()) = house.store.writer().run(Damage(damage)).await.expect("the store works");
    assert_eq!(house.rules_broken().await, ["I3.d"]);
}
