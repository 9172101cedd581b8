//! Commands in a batch: decided in order, refused alone, re-decided when they touch what they did not name.

use std::convert::Infallible;
use std::sync::Arc;

use db::{Command, Fault, IN_TIME_SECONDS, Keys, Rows, args};
use futures_util::FutureExt as _;
use kernel::{AccountId, Source, Timestamp};
use uuid::Uuid;

use crate::on_both_engines;
use crate::purse::{
    AMOUNTS, Move, Open, OpenOnce, PURSES, PurseByLabel, PurseRow, TOTAL, TakeOneEach, TooLittle, amounts, owner, purse,
};

struct Close(Uuid, i64);

impl Command for Close {
    type Reply = Option<i64>;
    type Refusal = Infallible;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PurseRow>((self.0, self.1));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<Option<i64>, Infallible> {
        Ok(rows.delete::<PurseRow>(&(self.0, self.1)).map(|purse| purse.amount))
    }
}

/// Deletes a purse and makes another one under the same key.
struct Renew(PurseRow);

impl Command for Renew {
    type Reply = ();
    type Refusal = Infallible;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PurseRow>((self.0.owner_id, self.0.currency));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<(), Infallible> {
        rows.delete::<PurseRow>(&(self.0.owner_id, self.0.currency));
        rows.insert(self.0.clone());
        Ok(())
    }
}

/// Finds a purse under a key it believes to be free, and refuses when there is none.
struct Taken(Uuid);

impl Command for Taken {
    type Reply = i64;
    type Refusal = &'static str;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.fresh::<PurseRow>((self.0, 1));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<i64, &'static str> {
        rows.get::<PurseRow>(&(self.0, 1)).map(|purse| purse.amount).ok_or("free")
    }
}

/// Names two rows and looks at one of them, which decides by itself when there is none.
pub(crate) struct Peek(pub(crate) Uuid, pub(crate) i64);

impl Command for Peek {
    type Reply = bool;
    type Refusal = Infallible;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PurseRow>((self.0, 1));
        keys.row::<PurseRow>((self.0, 2));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<bool, Infallible> {
        Ok(rows.get::<PurseRow>(&(self.0, self.1)).is_some())
    }
}

struct Sum(Uuid);

impl Command for Sum {
    type Reply = (usize, i64);
    type Refusal = Infallible;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.prefix::<PurseRow>(&(self.0,));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<(usize, i64), Infallible> {
        let keys = rows.all::<PurseRow>(&(self.0,));
        let sum = keys.iter().map(|key| rows.must::<PurseRow>(key).amount).sum();
        Ok((keys.len(), sum))
    }
}

struct FindLabel(Uuid, &'static str);

impl Command for FindLabel {
    type Reply = Option<i64>;
    type Refusal = Infallible;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.unique(&PurseByLabel(self.0, self.1.into()));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<Option<i64>, Infallible> {
        Ok(rows.find(&PurseByLabel(self.0, self.1.into())).map(|purse| purse.currency))
    }
}

struct Panics(Uuid);

impl Command for Panics {
    type Reply = ();
    type Refusal = Infallible;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PurseRow>((self.0, 1));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<(), Infallible> {
        rows.must_mut::<PurseRow>(&(self.0, 1)).amount = 1_000_000;
        panic!("on purpose")
    }
}

/// Opens a purse whose owner's id must have been made a moment ago.
struct OpenInTime(PurseRow);

impl Command for OpenInTime {
    type Reply = ();
    type Refusal = Infallible;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.fresh::<PurseRow>((self.0.owner_id, 1));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<(), Infallible> {
        rows.append(self.0.clone());
        rows.in_time(AccountId::from_uuid(self.0.owner_id));
        Ok(())
    }
}

/// Breaks the table's CHECK: the database refuses, not the decision.
struct Overdraw(Uuid);

impl Command for Overdraw {
    type Reply = ();
    type Refusal = Infallible;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PurseRow>((self.0, 1));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<(), Infallible> {
        rows.must_mut::<PurseRow>(&(self.0, 1)).amount = -1;
        Ok(())
    }
}

on_both_engines! {
    async fn rows_come_back_as_they_were_written(place) {
        let (store, id) = (place.open().await, owner());
        let mut row = purse(id, 1, 5);
        row.note = Some("æ – ".into());
        row.open = false;
        store.writer().run(Open(row)).await.expect("runs").expect("opens");
        store.writer().run(Open(purse(id, 2, 7))).await.expect("runs").expect("opens");
        let rows: Vec<PurseRow> = store.reader().rows(&PURSES, args![id]).await.expect("reads");
        assert_eq!((rows[0].note.as_deref(), rows[0].open, rows[0].stamp.as_deref()), (Some("æ – "), false, Some(&b"\x00\xff"[..])));
        assert_eq!((rows[1].note.as_deref(), rows[1].open, rows[1].amount), (None, true, 7));
    }

    async fn a_refusal_leaves_no_trace_and_its_neighbours_stand(place) {
        let (store, id) = (Arc::new(place.open().await), owner());
        for currency in [1, 2] {
            store.writer().run(Open(purse(id, currency, 100))).await.expect("runs").expect("opens");
        }
        let tasks: Vec<_> = (0..300).map(|number| {
            let store = store.clone();
            let amount = if number % 3 == 0 { 1_000 } else { 1 };
            tokio::spawn(async move { store.writer().run(Move { owner: id, from: 1, to: 2, amount, named: true }).await.expect("runs") })
        }).collect();
        let mut refused = 0;
        for task in tasks {
            refused += i64::from(task.await.expect("joins") == Err(TooLittle));
        }
        assert_eq!(refused, 200);
        assert_eq!(amounts(&store, id).await, [0, 200]);
    }

    async fn unnamed_rows_are_loaded_and_the_command_decided_again(place) {
        let (store, id) = (place.open().await, owner());
        for currency in [1, 2] {
            store.writer().run(Open(purse(id, currency, 10))).await.expect("runs").expect("opens");
        }
        store.close().await;
        let store = place.open().await;
        let moved = store.writer().run(Move { owner: id, from: 1, to: 2, amount: 4, named: false }).await.expect("runs");
        assert_eq!(moved, Ok(6));
        assert_eq!(amounts(&store, id).await, [6, 14]);
    }

    async fn a_decision_may_need_any_number_of_rows_it_did_not_name(place) {
        let (store, id, currencies) = (place.open().await, owner(), 200);
        for currency in 1..=currencies {
            store.writer().run(Open(purse(id, currency, 2))).await.expect("runs").expect("opens");
        }
        store.close().await;
        let store = place.open().await;
        let Ok(()) = store.writer().run(TakeOneEach { owner: id, currencies }).await.expect("runs");
        assert!(amounts(&store, id).await.iter().all(|amount| *amount == 1));
    }

    async fn a_key_believed_free_that_is_taken_is_decided_again_on_what_is_there(place) {
        let (store, id) = (place.open().await, owner());
        assert!(store.writer().run(OpenOnce(purse(id, 1, 10))).await.expect("runs").expect("decides"));
        store.close().await;
        let store = place.open().await; // nothing is remembered, so the belief is wrong
        assert!(!store.writer().run(OpenOnce(purse(id, 1, 99))).await.expect("runs").expect("decides"));
        assert_eq!(amounts(&store, id).await, [10]);
    }

    /// A refusal inserts nothing that could notice: it is believed only after looking.
    async fn a_refusal_over_a_key_believed_free_is_decided_again_on_what_is_there(place) {
        let (owner, other) = (owner(), owner());
        let store = place.open().await;
        store.writer().run(Open(purse(owner, 1, 42))).await.expect("written").expect("never refused");
        drop(store);
        let store = place.open().await; // remembers nothing
        assert_eq!(store.writer().run(Taken(other)).await.expect("decided"), Err("free"));
        assert_eq!(store.writer().run(Taken(owner)).await.expect("decided"), Ok(42));
    }

    /// Whatever the order in one batch: the one that names the row sees it, so the other does too.
    async fn one_commands_belief_is_no_answer_for_another(place) {
        let id = owner();
        for round in 0..20 {
            let store = place.open().await; // remembers nothing
            let key = round + 1;
            store.writer().run(Open(purse(id, key, 1))).await.expect("runs").expect("opens");
            store.close().await;
            let store = place.open().await;
            let other = PurseRow { label: format!("other {key}").into(), ..purse(id, key, 7) };
            let writer = store.writer();
            // Keeps the writer busy for a moment, so that the two below share a batch.
            let (_, opened, closed) = tokio::join!(writer.run(Sum(owner())), writer.run(OpenOnce(other)), writer.run(Close(id, key)));
            let (opened, closed) = (opened.expect("runs").expect("decides"), closed.expect("runs").expect("decides"));
            assert_eq!((opened, closed), (false, Some(1)), "the first purse was there when the second was to be opened");
            store.close().await;
        }
        assert!(amounts(&place.open().await, id).await.is_empty());
    }

    async fn rows_are_deleted_and_made_anew(place) {
        let (store, id) = (place.open().await, owner());
        store.writer().run(Open(purse(id, 1, 10))).await.expect("runs").expect("opens");
        let mut other = purse(id, 1, 3);
        other.label = "another".into();
        store.writer().run(Renew(other)).await.expect("runs").expect("renews");
        assert_eq!(store.writer().run(FindLabel(id, "another")).await.expect("runs"), Ok(Some(1)));
        assert_eq!(store.writer().run(FindLabel(id, "purse 1")).await.expect("runs"), Ok(None));
        assert_eq!(store.writer().run(Close(id, 1)).await.expect("runs"), Ok(Some(3)));
        assert_eq!(store.writer().run(Close(id, 1)).await.expect("runs"), Ok(None));
        assert!(amounts(&store, id).await.is_empty());
    }

    async fn all_rows_of_a_prefix_are_seen(place) {
        let (store, id) = (place.open().await, owner());
        store.writer().run(Open(purse(owner(), 1, 1_000))).await.expect("runs").expect("opens");
        for currency in 1..=5 {
            store.writer().run(Open(purse(id, currency, currency))).await.expect("runs").expect("opens");
        }
        assert_eq!(store.writer().run(Sum(id)).await.expect("runs"), Ok((5, 15)));
        store.writer().run(Close(id, 5)).await.expect("runs").expect("closes");
        assert_eq!(store.writer().run(Sum(id)).await.expect("runs"), Ok((4, 10)));
    }

    async fn a_panic_fails_its_command_alone(place) {
        let (store, id) = (Arc::new(place.open().await), owner());
        store.writer().run(Open(purse(id, 1, 10))).await.expect("runs").expect("opens");
        store.writer().run(Open(purse(id, 2, 0))).await.expect("runs").expect("opens");
        let bad = { let store = store.clone(); tokio::spawn(async move { store.writer().run(Panics(id)).await.is_err() }) };
        let good = { let store = store.clone(); tokio::spawn(async move { store.writer().run(Move { owner: id, from: 1, to: 2, amount: 1, named: true }).await.expect("runs") }) };
        assert!(bad.await.expect("joins"));
        assert_eq!(good.await.expect("joins"), Ok(9));
        assert_eq!(amounts(&store, id).await, [9, 1]);
    }

    async fn a_row_that_comes_too_late_for_its_id_is_not_written(place) {
        let store = place.open().await;
        let now = Source::system().now();
        let made = |seconds| Source::seeded(1, now.plus_seconds(seconds)).0.uuid();
        for (id, in_time) in [(made(-IN_TIME_SECONDS - 1), false), (made(60 - IN_TIME_SECONDS), true), (made(86_400), true)] {
            let opened = store.writer().run(OpenInTime(purse(id, 1, 10))).await;
            assert!(if in_time { opened.is_ok() } else { matches!(opened, Err(Fault::Unavailable(_))) });
            assert_eq!(amounts(&store, id).await.len(), usize::from(in_time));
        }
    }

    async fn what_the_database_refuses_fails_alone_and_shows_no_row(place) {
        let (store, id) = (Arc::new(place.open().await), owner());
        store.writer().run(Open(purse(id, 1, 10))).await.expect("runs").expect("opens");
        store.writer().run(Open(purse(id, 2, 0))).await.expect("runs").expect("opens");
        let tasks: Vec<_> = (0..20).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                if number == 7 {
                    let fault = store.writer().run(Overdraw(id)).await.expect_err("the CHECK refuses");
                    assert!(matches!(&fault, Fault::Failed(text) if !text.contains("-1")), "{fault}");
                } else if number < 7 {
                    assert!(store.writer().run(Move { owner: id, from: 1, to: 2, amount: 1, named: true }).await.expect("runs").is_ok());
                }
            })
        }).collect();
        for task in tasks {
            task.await.expect("joins");
        }
        assert_eq!(amounts(&store, id).await, [3, 7]);
    }

    async fn a_waiting_command_is_carried_out_before_closing_and_a_later_one_refused(place) {
        let (store, id) = (Arc::new(place.open().await), owner());
        store.writer().run(Open(purse(id, 1, 1_000))).await.expect("runs").expect("opens");
        store.writer().run(Open(purse(id, 2, 0))).await.expect("runs").expect("opens");
        let tasks: Vec<_> = (0..100).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.writer().run(Move { owner: id, from: 1, to: 2, amount: 1, named: true }).await })
        }).collect();
        tokio::task::yield_now().await;
        store.close().await;
        let mut done = 0;
        for task in tasks {
            match task.await.expect("joins") {
                Ok(moved) => { moved.expect("moves"); done += 1; }
                Err(Fault::Closing) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(amounts(&store, id).await, [1_000 - done, done]);
        let late = store.writer().run(Move { owner: id, from: 1, to: 2, amount: 1, named: true }).await;
        assert!(matches!(late, Err(Fault::Closing)));
    }

    async fn a_full_queue_refuses_at_once_and_what_it_took_is_done_though_nobody_waits(place) {
        let (store, id) = (place.open().await, owner());
        store.writer().run(Open(purse(id, 1, 100_000))).await.expect("runs").expect("opens");
        store.writer().run(Open(purse(id, 2, 0))).await.expect("runs").expect("opens");
        let mut taken = 0;
        for _ in 0..3 * db::QUEUE_COMMANDS_MAX {
            let step = Move { owner: id, from: 1, to: 2, amount: 1, named: true };
            // Asked once and dropped: the caller has gone away.
            match store.writer().run(step).now_or_never() {
                None => taken += 1,
                Some(Ok(moved)) => { moved.expect("moves"); taken += 1; }
                Some(Err(Fault::Busy)) => break,
                Some(Err(other)) => panic!("{other}"),
            }
        }
        assert!(taken < 3 * i64::try_from(db::QUEUE_COMMANDS_MAX).expect("fits"), "the queue has an end");
        store.close().await;
        assert_eq!(amounts(&store, id).await, [100_000 - taken, taken]);
    }

    async fn the_clock_moves_forward_for_all(place) {
        let store = place.open().await;
        let before = store.clock().now();
        let after = store.clock().advance(store.writer(), 3_600).await.expect("advances");
        assert!(after.micros() - before.micros() >= 3_600_000_000);
        store.close().await;
        let again = place.open().await;
        assert!(again.clock().now().micros() >= after.micros(), "the offset outlives the process");
        assert!(again.clock().database_time().micros() < after.micros());
    }

    async fn a_snapshot_does_not_move(place) {
        let (store, id) = (place.open().await, owner());
        store.writer().run(Open(purse(id, 1, 10))).await.expect("runs").expect("opens");
        let snapshot = store.snapshot().await.expect("opens");
        let count = |line: Option<db::Record>| line.expect("a line").get::<i64>(1).expect("a count");
        assert_eq!(count(snapshot.one(&TOTAL, args![]).await.expect("reads")), 1);
        store.writer().run(Open(purse(id, 2, 10))).await.expect("runs").expect("opens");
        assert_eq!(count(snapshot.one(&TOTAL, args![]).await.expect("reads")), 1);
        assert_eq!(store.reader().list(&AMOUNTS, args![id]).await.expect("reads").len(), 2);
    }
}
