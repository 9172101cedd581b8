//! What is left of a deleted customer elsewhere is forgotten, however much it is and whoever dies meanwhile.

use std::sync::Arc;

use db::{DatabaseUrl, args, sql};
use kernel::{CustomerId, PaymentId};

use super::bank::Bank;
use super::damage::Damage;
use super::house::*;
use super::recovery::Process;
use crate::customers::{Changes, CreateCustomer, CustomerRow, PatchCustomer};
use crate::*;

static ROW: db::Sql = sql!("SELECT {} FROM customer WHERE account_id = $1 AND id = $2", CustomerRow);

static NOTES: db::Sql = sql!("SELECT customer_id FROM customer_reply");

const DEVICE: &str = r#"{"customer_payer":{"browser_info":{"language":"fr"},"id":"c","ip_address":"::1"},"metadata":[]}"#;
const FORGOTTEN: &str = r#"{"customer_payer":{"browser_info":null,"id":"c","ip_address":null},"metadata":[]}"#;

impl House {
    async fn customer(&self, key: Option<&str>, name: &str) -> Answer {
        let ask = CreateCustomer { merchant_customer_id: name.into(), document: Some(Arc::from(*b"{\"first_name\":\"Ada\"}")) };
        let once = key.map(|key| once("/v1/customers", key));
        self.payments.create_customer(MERCHANT, ask, once).await.expect("a customer")
    }

    async fn pays(&self, key: &str, customer: CustomerId, details: &str) -> PaymentId {
        let customer = Some(customer.to_string().into());
        let ask = CreatePayment { customer, details: Some(Arc::from(details.as_bytes())), ..purchase(500) };
        self.create(key, for_order(key, ask)).await.expect("a payment");
        self.payment(key).await.expect("it is there").payment.id
    }

    async fn details(&self, payment: PaymentId) -> Option<String> {
        let read = self.payments.get(MERCHANT, payment).await.expect("reads").expect("it is there");
        read.payment.details.map(|details| String::from_utf8(details.to_vec()).expect("text"))
    }

    /// Whether something of a deleted customer is still to be forgotten.
    async fn is_to_forget(&self, id: CustomerId) -> bool {
        let row: Option<CustomerRow> = self.reader().row(&ROW, args![MERCHANT, id]).await.expect("reads");
        row.expect("the row stays").forget_after.is_some()
    }
}

fn id_of(answer: &Answer) -> CustomerId {
    let body = String::from_utf8(bytes(answer).1).expect("text");
    let (_, id) = body.split_once("\"id\":\"").expect("an id");
    id[..36].parse().expect("an id")
}

on_both_engines! {
    async fn payments_of_a_deleted_customer_keep_nothing_of_his_device(house) {
        let (ada, eve) = (id_of(&house.customer(None, "ada").await), id_of(&house.customer(None, "eve").await));
        let paid = [house.pays("a1", ada, DEVICE).await, house.pays("a2", ada, DEVICE).await];
        let plain = house.pays("a3", ada, r#"{"metadata":[]}"#).await;
        let other = house.pays("e", eve, DEVICE).await;
        let before = house.payments.get(MERCHANT, paid[0]).await.expect("reads").expect("it is there").payment;
        house.payments.delete_customer(MERCHANT, ada).await.expect("it is deleted");
        for payment in paid {
            assert_eq!(house.details(payment).await.as_deref(), Some(FORGOTTEN));
        }
        assert_eq!(house.details(plain).await.as_deref(), Some(r#"{"metadata":[]}"#));
        assert_eq!(house.details(other).await.as_deref(), Some(DEVICE), "somebody else");
        assert!(!house.is_to_forget(ada).await);
        let after = house.payments.get(MERCHANT, paid[0]).await.expect("reads").expect("it is there").payment;
        let after = PaymentRow { details: before.details.clone(), ..after };
        assert_eq!(format!("{after:?}"), format!("{before:?}"), "and nothing else has changed");
        house.refund("r", &before, before.attempt_id, None).await.expect("it goes on as any payment");
    }

    async fn a_repeat_shows_what_is_left_and_makes_nothing_anew(house) {
        let made = house.customer(Some("k"), "ada").await;
        let id = id_of(&made);
        let changes = PatchCustomer { merchant_customer_id: None, changes: Changes::default() };
        let path = format!("/v1/customers/{id}");
        house.payments.patch_customer(MERCHANT, Some(id), changes.clone(), Some(once(&path, "p"))).await.expect("a change");
        assert!(matches!(house.customer(Some("k"), "ada").await, Answer::Replay(_)));
        house.payments.delete_customer(MERCHANT, id).await.expect("it is deleted");
        let again = house.customer(Some("k"), "ada").await;
        assert!(matches!(again, Answer::Replay(_)));
        assert_eq!((id_of(&again), bytes(&again).0), (id, bytes(&made).0));
        let patched = house.payments.patch_customer(MERCHANT, Some(id), changes, Some(once(&path, "p"))).await.expect("a replay");
        assert!(matches!(patched, Answer::Replay(_)));
        house.wait(26 * 3_600).await;
        house.payments.resolve_once().await;
        assert_ne!(id_of(&house.customer(Some("k"), "ada").await), id, "a day later it is a new request");
        let notes = house.reader().list(&NOTES, args![]).await.expect("reads");
        assert_eq!(notes.len(), 1, "only replies that can be repeated are noted");
    }
}

#[test]
fn many_payments_are_forgotten_in_pages_across_a_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    let bank = Bank::new();
    let process = Process::start(folder.path(), &bank);
    let (id, paid) = process.runtime.block_on(async {
        let house = &process.house;
        let id = id_of(&house.customer(None, "ada").await);
        let mut paid = Vec::new();
        for number in 0..410 {
            paid.push(house.pays(&format!("k{number}"), id, DEVICE).await);
        }
        house.payments.delete_customer(MERCHANT, id).await.expect("it is deleted");
        assert_eq!(house.details(paid[0]).await.as_deref(), Some(FORGOTTEN));
        assert_eq!(house.details(paid[409]).await.as_deref(), Some(DEVICE), "one page at a time");
        assert!(house.is_to_forget(id).await);
        (id, paid)
    });
    process.kill();
    let process = Process::start(folder.path(), &bank);
    process.runtime.block_on(async {
        let house = &process.house;
        house.payments.resolve_once().await;
        for payment in paid {
            assert_eq!(house.details(payment).await.as_deref(), Some(FORGOTTEN));
        }
        assert!(!house.is_to_forget(id).await);
        house.is_sound(true).await;
    });
    process.kill();
}

#[tokio::test]
async fn what_was_not_forgotten_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    let id = id_of(&house.customer(None, "ada").await);
    for number in 0..205 {
        house.pays(&format!("k{number}"), id, DEVICE).await;
    }
    house.payments.delete_customer(MERCHANT, id).await.expect("it is deleted");
    house.is_sound(false).await;
    assert_eq!(house.broken(true).await.len(), 1, "some are still to be forgotten");
    let given_up = move |rows: &mut db::Rows| rows.must_mut::<CustomerRow>(&(MERCHANT, id)).forget_after = None;
    let Ok(()) = house.store.writer().run(Damage(given_up)).await.expect("works");
    assert_eq!(house.rules_broken().await, ["I8.e"]);
}

#[tokio::test]
async fn two_that_forget_at_once_do_no_harm() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    let id = id_of(&house.customer(None, "ada").await);
    for number in 0..210 {
        house.pays(&format!("k{number}"), id, DEVICE).await;
    }
    house.payments.delete_customer(MERCHANT, id).await.expect("it is deleted");
    let (one, other) = (house.payments.clone(), house.payments.clone());
    let (first, second) = tokio::join!(one.0.forget_deleted(), other.0.forget_deleted());
    first.and(second).expect("the store works");
    assert!(!house.is_to_forget(id).await);
    house.is_sound(true).await;
}
