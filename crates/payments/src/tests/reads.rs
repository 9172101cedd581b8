//! What is read of a payment is of one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use db::DatabaseUrl;

use super::bank::Bank;
use super::house::*;
use crate::*;

const CAPTURES: i64 = 80;

on_both_engines! {
    /// Captures go through one after the other while the payment is read: its totals are those of the history beside them.
    async fn a_payment_and_its_history_are_of_one_moment(house) {
        let held = house.authorise("a", CAPTURES).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let readers = [(); 2].map(|()| {
            let (payments, id, is_over) = (house.payments.clone(), held.id, is_over.clone());
            tokio::spawn(async move {
                let mut reads = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let read = payments.get(MERCHANT, id).await.expect("it answers").expect("it is there");
                    let done = read.operations.iter().filter(|one| one.state == AttemptState::Succeeded);
                    assert_eq!(read.payment.captured, done.map(|one| one.amount).sum::<i64>(), "after {reads} reads");
                    reads += 1;
                }
                reads
            })
        });
        for number in 0..CAPTURES {
            house.capture(&format!("c{number}"), &held, 1).await.expect("one more");
        }
        is_over.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.await.expect("no read contradicts itself") > 0);
        }
        let read = house.payment("a").await.expect("it is there");
        assert_eq!((read.payment.captured, read.operations.len()), (CAPTURES, 80));
        assert!(read.operations.is_sorted_by_key(|one| one.id), "oldest first");
    }
}
