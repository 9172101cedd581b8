//! Fulfilments: appended, counted, bounded, and only of payments that have something to fulfil.

use db::DatabaseUrl;
use kernel::PaymentId;

use super::bank::{Bank, Does};
use super::damage::Damage;
use super::house::*;
use crate::fulfilments::{AddFulfilments, BYTES_MAX, COUNT_MAX, FulfilmentRow, FulfilmentStatus, FulfilmentTotalRow};
use crate::*;

fn told(status: FulfilmentStatus, count: u32, items: &str) -> AddFulfilments {
    AddFulfilments { status, count, items: items.as_bytes().into() }
}

impl House {
    async fn tells(&self, payment: PaymentId, ask: AddFulfilments) -> Result<Answer, PaymentsError> {
        self.payments.add_fulfilments(MERCHANT, Some(payment), ask, None).await
    }

    async fn was_told(&self, payment: PaymentId) -> Vec<(i64, FulfilmentStatus, String)> {
        let told = self.payments.fulfilments(MERCHANT, payment).await.expect("reads").expect("it is there");
        told.iter().map(|row| (row.number, row.status, String::from_utf8_lossy(&row.items).into_owned())).collect()
    }
}

on_both_engines! {
    async fn what_is_told_is_appended_and_the_latest_counts(house) {
        let paid = house.purchase("p", 900).await;
        assert_eq!(house.was_told(paid.id).await, []);
        let first = house.tells(paid.id, told(FulfilmentStatus::Partial, 1, "[1]")).await.expect("an answer");
        assert_eq!(bytes(&first), (202, b"{}".to_vec()));
        house.tells(paid.id, told(FulfilmentStatus::Completed, 2, "[1,2]")).await.expect("an answer");
        let (partial, completed) = ((1, FulfilmentStatus::Partial, "[1]".to_owned()), (2, FulfilmentStatus::Completed, "[1,2]".to_owned()));
        assert_eq!(house.was_told(paid.id).await, [partial, completed]);
        assert_eq!(house.state(paid.id).await, PaymentState::Approved, "it changes nothing about the payment");
    }

    async fn many_at_once_are_numbered_without_gaps(house) {
        let held = house.authorise("h", 900).await;
        let all = (0..20).map(|_| {
            let payments = house.payments.clone();
            tokio::spawn(async move {
                payments.add_fulfilments(MERCHANT, Some(held.id), told(FulfilmentStatus::Partial, 1, "[1]"), None).await
            })
        });
        for one in all.collect::<Vec<_>>() {
            one.await.expect("no panic").expect("an answer");
        }
        let numbers: Vec<i64> = house.was_told(held.id).await.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    }

    async fn the_same_key_tells_once(house) {
        let paid = house.purchase("p", 900).await;
        let tell = |status| {
            let once = once("/v1/payments/p/fulfillments", "key");
            house.payments.add_fulfilments(MERCHANT, Some(paid.id), told(status, 1, "[1]"), Some(once))
        };
        tell(FulfilmentStatus::Partial).await.expect("an answer");
        let again = tell(FulfilmentStatus::Completed).await.expect("an answer");
        assert!(matches!(again, Answer::Replay(_)) && bytes(&again) == (202, b"{}".to_vec()));
        assert_eq!(house.was_told(paid.id).await.len(), 1);
    }

    async fn only_what_was_held_or_paid_is_fulfilled(house) {
        let tell = |id| house.tells(id, told(FulfilmentStatus::Completed, 1, "[1]"));
        house.bank.will(&[Does::Decline]);
        let declined = house.purchase("d", 900).await;
        assert_eq!(refusal(tell(declined.id).await), Refusal::InvalidStatus);
        let checked = CreatePayment { mode: Mode::Verify, ..purchase(0) };
        house.create("v", for_order("v", checked)).await.expect("a check");
        let checked = house.payment("v").await.expect("it is there").payment;
        assert_eq!(refusal(tell(checked.id).await), Refusal::InvalidStatus);
        let paid = house.purchase("p", 900).await;
        house.refund("r", &paid, paid.attempt_id, None).await.expect("a refund");
        tell(paid.id).await.expect("it was paid once");
        let held = house.authorise("h", 900).await;
        house.cancel("c", &held).await.expect("a cancel");
        tell(held.id).await.expect("it was held once");
        assert_eq!(refusal(tell(PaymentId::from_bytes([9; 16])).await), Refusal::PaymentNotFound);
        let stranger = kernel::AccountId::from_bytes([2; 16]);
        let foreign = house.payments.add_fulfilments(stranger, Some(paid.id), told(FulfilmentStatus::Completed, 1, "[1]"), None).await;
        assert_eq!(refusal(foreign), Refusal::PaymentNotFound);
        let malformed = house.payments.add_fulfilments(MERCHANT, None, told(FulfilmentStatus::Completed, 1, "[1]"), None).await;
        assert_eq!(refusal(malformed), Refusal::PaymentNotFound);
        assert!(house.payments.fulfilments(stranger, paid.id).await.expect("reads").is_none());
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        assert_eq!(refusal(house.create("u", for_order("u", purchase(300))).await), Refusal::OutcomeUnknown);
        let unknown = house.payment("u").await.expect("it is there").payment;
        assert_eq!(refusal(tell(unknown.id).await), Refusal::InvalidStatus);
        house.bank.silent(false);
        house.payments.resolve_once().await;
        tell(unknown.id).await.expect("it is paid now");
    }

    async fn what_is_kept_of_a_payment_is_bounded(house) {
        let paid = house.purchase("p", 900).await;
        let most = u32::try_from(COUNT_MAX).expect("a count");
        house.tells(paid.id, told(FulfilmentStatus::Partial, most, "[]")).await.expect("as many as there may be");
        let more = house.tells(paid.id, told(FulfilmentStatus::Partial, 1, "[]")).await;
        assert_eq!(refusal(more), Refusal::TooManyFulfilments);
        assert_eq!(house.was_told(paid.id).await.len(), 1, "a refusal leaves no trace");
        let large = house.purchase("l", 900).await;
        let most = " ".repeat(usize::try_from(BYTES_MAX).expect("a size"));
        house.tells(large.id, told(FulfilmentStatus::Partial, 1, &most)).await.expect("as much as there may be");
        assert_eq!(refusal(house.tells(large.id, told(FulfilmentStatus::Partial, 1, "[]")).await), Refusal::TooManyFulfilments);
    }
}

#[tokio::test]
async fn damaged_fulfilments_are_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    let paid = house.purchase("p", 900).await;
    house.tells(paid.id, told(FulfilmentStatus::Partial, 2, "[1,2]")).await.expect("an answer");
    house.is_sound(true).await;
    let key = (MERCHANT, paid.id);
    let damages: [fn(&mut FulfilmentTotalRow); 3] =
        [|total| total.requests = 2, |total| total.count = 1, |total| total.bytes = 9];
    for damage in damages {
        let change = move |rows: &mut db::Rows| damage(rows.must_mut(&key));
        let Ok(()) = house.store.writer().run(Damage(change)).await.expect("works");
        assert_eq!(house.rules_broken().await, ["I3.f"]);
        let repair = move |rows: &mut db::Rows| {
            let total: &mut FulfilmentTotalRow = rows.must_mut(&key);
            (total.requests, total.count, total.bytes) = (1, 2, 5);
        };
        let Ok(()) = house.store.writer().run(Damage(repair)).await.expect("works");
    }
    let stray = move |rows: &mut db::Rows| {
        rows.append(FulfilmentRow {
            account_id: MERCHANT,
            payment_id: PaymentId::from_bytes([7; 16]),
            number: 1,
            id: uuid::Uuid::from_bytes([7; 16]),
            status: FulfilmentStatus::Partial,
            count: 1,
            items: b"[]".as_slice().into(),
            created_at: kernel::Timestamp::EPOCH,
        });
    };
    let Ok(()) = house.store.writer().run(Damage(stray)).await.expect("works");
    assert_eq!(house.rules_broken().await, ["I3.f"]);
    let lost = move |rows: &mut db::Rows| {
        rows.delete::<PaymentRow>(&key);
    };
    let Ok(()) = house.store.writer().run(Damage(lost)).await.expect("works");
    assert!(house.rules_broken().await.contains(&"I3.d"));
}
