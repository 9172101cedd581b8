//! Each rule of `verify` finds the damage it is there for: one row of a sound database is changed behind the rules' back.

use db::{Command, DatabaseUrl, Keys, Rows};
use kernel::{AttemptId, Timestamp};

use super::bank::{Bank, Does};
use super::house::*;
use crate::*;

/// Changes rows without asking any rule.
pub(crate) struct Damage<F>(pub(crate) F);

impl<F: Fn(&mut Rows) + Send + 'static> Command for Damage<F> {
    type Reply = ();
    type Refusal = std::convert::Infallible;

    fn keys(&self, _keys: &mut Keys<'_>) {}

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<(), Self::Refusal> {
        (self.0)(rows);
        Ok(())
    }
}

impl House {
    async fn damage(&self, damage: impl Fn(&mut Rows) + Send + 'static) {
        let Ok(()) = self.store.writer().run(Damage(damage)).await.expect("the store works");
    }

    async fn damaged_payment(&self, key: &str, damage: impl Fn(&mut PaymentRow) + Send + 'static) -> Vec<&'static str> {
        let id = self.payment(key).await.expect("it is there").payment.id;
        self.damage(move |rows| damage(rows.must_mut::<PaymentRow>(&(MERCHANT, id)))).await;
        self.rules_broken().await
    }
}

/// A sound house with a purchase `p`, a hold `a` with a capture and a refund of it, and an unknown purchase `u`.
async fn sound() -> (tempfile::TempDir, House) {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    house.purchase("p", 1_000).await;
    let held = house.authorise("a", 1_000).await;
    house.capture("c", &held, 600).await.expect("a capture");
    let capture = house.payment("a").await.expect("it is there").operations[0].id;
    house.refund("r", &held, capture, Some(100)).await.expect("a refund");
    house.bank.silent(true);
    house.bank.will(&[Does::LoseAnswer]);
    assert_eq!(refusal(house.create("u", for_order("u", purchase(300))).await), Refusal::OutcomeUnknown);
    house.is_sound(false).await;
    (folder, house)
}

macro_rules! damages {
    ($($name:ident: $key:literal, $damage:expr => $rules:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let (_folder, house) = sound().await;
            assert_eq!(house.damaged_payment($key, $damage).await, $rules);
        }
    )*};
}

damages! {
    a_status_that_does_not_follow: "p", |row| row.state = PaymentState::Captured => ["I3.c"];
    a_capture_nobody_made: "a", |row| row.captured = 700 => ["I10.b", "I6.a", "I7.a", "I7.c"];
    a_reservation_nobody_holds: "a", |row| row.capturing = 100 => ["I6.a"];
    a_refund_nobody_made: "a", |row| row.refunded = 200 => ["I6.b", "I7.a", "I7.c"];
    a_refund_under_way_that_is_not: "a", |row| row.refunding = 50 => ["I10.a", "I6.b", "I7.c"];
    a_hold_forgotten: "a", |row| row.hold_until = None => ["I10.b", "I7.c"];
    an_approval_made_up: "u", |row| row.attempt = AttemptState::Succeeded => ["I3.c", "I4.b", "I4.c", "I6.a", "I7.a", "I7.c"];
    an_approval_taken_back: "p", |row| row.attempt = AttemptState::Declined => ["I3.c", "I6.a", "I7.a", "I7.d"];
}

#[tokio::test]
async fn an_unknown_outcome_that_nobody_asks_for() {
    let (_folder, house) = sound().await;
    let id = house.payment("u").await.expect("it is there").payment.attempt_id;
    house
        .damage(move |rows| {
            rows.delete::<AskingRow>(&(MERCHANT, id));
        })
        .await;
    // The claim still has a live owner, but its attempt is nobody's.
    assert_eq!(house.rules_broken().await, ["I4.c"]);
}

#[tokio::test]
async fn a_payment_that_vanished() {
    let (_folder, house) = sound().await;
    let id = house.payment("p").await.expect("it is there").payment.id;
    house
        .damage(move |rows| {
            rows.delete::<PaymentRow>(&(MERCHANT, id));
        })
        .await;
    assert_eq!(house.rules_broken().await, ["I4.b", "I7.a"]);
}

#[tokio::test]
async fn an_operation_of_no_payment_and_amounts_that_do_not_fit() {
    let (_folder, house) = sound().await;
    let capture = house.payment("a").await.expect("it is there").operations[0].clone();
    let stray =
        AttemptRow { id: AttemptId::from_bytes([7; 16]), payment_id: kernel::PaymentId::from_bytes([7; 16]), ..capture.clone() };
    house.damage(move |rows| rows.append(AttemptRow { claim: None, returned: 0, ..stray.clone() })).await;
    assert_eq!(house.rules_broken().await, ["I3.d", "I4.d"]);
    let id = capture.id;
    house.damage(move |rows| rows.must_mut::<AttemptRow>(&(MERCHANT, id)).returned = 101).await;
    assert_eq!(house.rules_broken().await, ["I3.d", "I4.d", "I6.b"]);
}

#[tokio::test]
async fn a_claim_that_vanished_and_an_id_used_twice() {
    let (_folder, house) = sound().await;
    let payment = house.payment("p").await.expect("it is there").payment;
    let scope = once("/v1/payments", "p").scope;
    house
        .damage(move |rows| {
            rows.delete::<idempotency::ClaimRow>(&(scope.account_id, scope.hash));
        })
        .await;
    assert_eq!(house.rules_broken().await, ["I4.d"]);
    let stranger = kernel::AccountId::from_bytes([2; 16]);
    house
        .damage(move |rows| {
            rows.append(PaymentRow { account_id: stranger, attempt: AttemptState::NotSent, captured: 0, ..payment.clone() });
        })
        .await;
    assert_eq!(house.rules_broken().await, ["I3.b", "I4.d"]);
}

#[tokio::test]
async fn a_reply_that_promised_something_else() {
    let (_folder, house) = sound().await;
    let (p, a) = (house.payment("p").await.expect("there"), house.payment("a").await.expect("there"));
    let (scope, other) = (once("/v1/payments", "p").scope, once("/v1/payments", "a").scope);
    assert_ne!(p.payment.id, a.payment.id);
    house
        .damage(move |rows| {
            let reply = rows.must::<idempotency::ClaimRow>(&(other.account_id, other.hash)).reply.clone();
            rows.must_mut::<idempotency::ClaimRow>(&(scope.account_id, scope.hash)).reply = reply;
        })
        .await;
    assert_eq!(house.rules_broken().await, ["I3.a"]);
}

#[tokio::test]
async fn work_that_should_be_settled() {
    let (_folder, house) = sound().await;
    let broken = house.broken(true).await;
    let rules: Vec<&str> = broken.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(rules, ["I4.c", "I7.a", "I7.e"]);
}

#[tokio::test]
async fn a_fee_that_was_not_posted_and_an_operation_in_another_currency() {
    let (_folder, house) = sound().await;
    let id = house.payment("p").await.expect("it is there").payment.id;
    house
        .damage(move |rows| {
            let row = rows.delete::<PaymentRow>(&(MERCHANT, id)).expect("it was there");
            rows.insert(PaymentRow { fee: row.fee + 1, ..row });
        })
        .await;
    assert_eq!(house.rules_broken().await, ["I7.c"]);
    let capture = house.payment("a").await.expect("it is there").operations[0].id;
    house
        .damage(move |rows| {
            let row = rows.delete::<AttemptRow>(&(MERCHANT, capture)).expect("it was there");
            rows.insert(AttemptRow { currency: kernel::Currency::JPY, ..row });
        })
        .await;
    assert!(house.rules_broken().await.contains(&"I3.d"));
}
