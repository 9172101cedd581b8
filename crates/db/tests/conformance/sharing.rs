//! Several processes on one database: correctness rests on versions, unique keys and fences, never on memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use db::{Access, Command, Fault, Keys, Migration, Rows, SchemaState, Store};
use kernel::{Source, Timestamp};

use crate::commands::Peek;
use crate::on_postgres;
use crate::purse::{MIGRATIONS, Move, Open, OpenOnce, Place, PurseRow, TooLittle, amounts, owner, purse};

async fn hammer(store: Arc<Store>, id: uuid::Uuid, from: i64, to: i64, times: usize) -> usize {
    let tasks: Vec<_> = (0..times)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                store.writer().run(Move { owner: id, from, to, amount: 1, named: true }).await.expect("runs").is_ok()
            })
        })
        .collect();
    let mut moved = 0;
    for task in tasks {
        moved += usize::from(task.await.expect("joins"));
    }
    moved
}

on_postgres! {
    async fn two_processes_move_the_same_money_without_losing_any(place) {
        let (one, two, id) = (Arc::new(place.open().await), Arc::new(place.open().await), owner());
        for currency in [1, 2] {
            one.writer().run(Open(purse(id, currency, 500))).await.expect("runs").expect("opens");
        }
        for _ in 0..5 {
            let (forth, back) = tokio::join!(hammer(one.clone(), id, 1, 2, 60), hammer(two.clone(), id, 2, 1, 50));
            assert_eq!((forth, back), (60, 50));
        }
        assert_eq!(amounts(&one, id).await, [450, 550]);
    }
}

on_postgres! {
    async fn of_two_processes_that_insert_one_key_one_wins(place) {
        let (one, two) = (place.open().await, place.open().await);
        for _ in 0..50 {
            let id = owner();
            let (first, second) =
                tokio::join!(one.writer().run(OpenOnce(purse(id, 1, 1))), two.writer().run(OpenOnce(purse(id, 1, 2))));
            let won = [first.expect("runs").expect("decides"), second.expect("runs").expect("decides")];
            assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
        }
    }
}

on_postgres! {
    async fn a_process_that_was_taken_over_writes_nothing_under_its_old_identity(place) {
        let (one, two, id) = (place.open().await, place.open().await, owner());
        one.writer().run(Open(purse(id, 1, 10))).await.expect("runs").expect("opens");
        let old = one.writer().boot();
        assert!(two.dead_nodes().await.expect("reads").is_empty(), "a living process is left alone");
        let database = place.database();
        database.psql("UPDATE node SET lease_until = 0").expect("psql");
        let dead = two.dead_nodes().await.expect("reads");
        assert_eq!(dead.iter().map(|node| node.boot).collect::<Vec<_>>(), [old]);
        let refused = one.writer().run(Open(purse(id, 2, 10))).await;
        assert!(matches!(refused, Err(Fault::Fenced)), "{refused:?}");
        assert_ne!(one.writer().boot(), old);
        two.forget_node(old).await.expect("forgets");
        one.writer().run(Open(purse(id, 3, 10))).await.expect("runs under its new identity").expect("opens");
        assert_eq!(amounts(&two, id).await, [10, 10]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_serves_on_a_file_and_a_one_shot_command_writes_beside_it() {
    let place = Place::sqlite();
    let (store, id) = (place.open().await, owner());
    store.writer().run(Open(purse(id, 1, 10))).await.expect("runs").expect("opens");
    let second = db::StoreOptions {
        url: place.url.clone(),
        schema: None,
        migrations: MIGRATIONS,
        access: Access::Serve,
        migrate: true,
        source: Source::system(),
    };
    assert!(matches!(Store::open(second).await, Err(Fault::InUse)));
    let beside = place.open_as(Access::OneShot).await;
    beside.writer().run(Open(purse(id, 2, 0))).await.expect("runs").expect("opens");
    beside.writer().run(Move { owner: id, from: 1, to: 2, amount: 4, named: true }).await.expect("runs").expect("moves");
    // The serving process remembers the rows as they were; it must notice.
    let left = store.writer().run(Move { owner: id, from: 1, to: 2, amount: 4, named: true }).await.expect("runs");
    assert_eq!(left, Ok(2));
    assert_eq!(amounts(&store, id).await, [2, 8]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_died_is_found_at_once_on_sqlite() {
    let place = Place::sqlite();
    let first = place.open().await;
    let dead = first.writer().boot();
    drop(first); // no farewell: the node row stays
    let second = loop {
        // The lock goes with the dropped store, a moment later.
        let options = db::StoreOptions {
            url: place.url.clone(),
            schema: None,
            migrations: MIGRATIONS,
            access: Access::Serve,
            migrate: true,
            source: Source::system(),
        };
        match Store::open(options).await {
            Ok(store) => break store,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let found = second.dead_nodes().await.expect("reads");
    assert!(found.iter().all(|node| node.boot == dead));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_are_told_apart() {
    for place in [Place::sqlite(), Place::postgres(), Place::pooled()] {
        if place.postgres.is_some() {
            assert_eq!(db::schema_state(&place.url, None, MIGRATIONS).await.expect("reads"), SchemaState::Absent);
        }
        let (one, two) = tokio::join!(db::migrate(&place.url, None, MIGRATIONS), async {
            if place.postgres.is_some() { db::migrate(&place.url, None, MIGRATIONS).await } else { Ok(()) }
        });
        one.expect("migrates");
        two.expect("finds it done");
        assert_eq!(db::schema_state(&place.url, None, MIGRATIONS).await.expect("reads"), SchemaState::Current);
        assert_eq!(db::schema_state(&place.url, None, &[]).await.expect("reads"), SchemaState::Unknown);
    }
}

on_postgres! {
    async fn a_column_that_a_newer_program_adds_disturbs_no_write(place) {
        let wider = "ALTER TABLE purse ADD COLUMN colour BIGINT NOT NULL DEFAULT 7";
        let later = Migration { number: 3, topic: "wider", sqlite: wider, postgres: wider };
        let (store, id) = (place.open().await, owner());
        store.writer().run(Open(purse(id, 1, 10))).await.expect("runs").expect("opens");
        db::migrate(&place.url, None, &[MIGRATIONS[0], later]).await.expect("migrates");
        store.writer().run(Open(purse(id, 2, 0))).await.expect("runs").expect("opens");
        let moved = store.writer().run(Move { owner: id, from: 1, to: 2, amount: 4, named: true }).await.expect("runs");
        assert!(moved.is_ok());
        assert_eq!(amounts(&store, id).await, [6, 4]);
    }

    async fn what_was_absent_is_looked_for_again_in_the_next_batch(place) {
        let (one, two, id) = (place.open().await, place.open().await, owner());
        // Both rows are named and found absent, one of them is not even looked at.
        assert_eq!(one.writer().run(Peek(id, 1)).await.expect("runs"), Ok(false));
        two.writer().run(Open(purse(id, 1, 5))).await.expect("runs").expect("opens");
        two.writer().run(Open(purse(id, 2, 5))).await.expect("runs").expect("opens");
        assert_eq!(one.writer().run(Peek(id, 1)).await.expect("runs"), Ok(true));
        assert_eq!(one.writer().run(Peek(id, 2)).await.expect("runs"), Ok(true));
    }
}

/// Looks at two purses, and between the two lets somebody else work. Refused when only the second one is there: whoever makes them makes
/// both at once.
struct Pair {
    owner: uuid::Uuid,
    looked: AtomicBool,
    /// Where it says that it has seen the first, and where it hears that it may go on.
    between: (mpsc::Sender<()>, std::sync::Mutex<mpsc::Receiver<()>>),
}

impl Command for Pair {
    type Reply = bool;
    type Refusal = TooLittle;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PurseRow>((self.owner, 1));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<bool, TooLittle> {
        let first = rows.get::<PurseRow>(&(self.owner, 1)).is_some();
        if !self.looked.swap(true, Ordering::Relaxed) {
            self.between.0.send(()).expect("somebody listens");
            self.between.1.lock().expect("nobody panicked").recv().expect("somebody works");
        }
        let second = rows.get::<PurseRow>(&(self.owner, 2)).is_some();
        if second && !first { Err(TooLittle) } else { Ok(first) }
    }
}

/// Makes both.
struct OpenBoth(uuid::Uuid);

impl Command for OpenBoth {
    type Reply = ();
    type Refusal = TooLittle;
    fn keys(&self, _: &mut Keys<'_>) {}
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<(), TooLittle> {
        rows.append(purse(self.0, 1, 5));
        rows.append(purse(self.0, 2, 5));
        Ok(())
    }
}

on_postgres! {
    async fn a_refusal_does_not_rest_on_half_of_what_another_process_committed(place) {
        let (one, two, id) = (place.open().await, place.open().await, owner());
        let ((saw, seen), (go, goes)) = (mpsc::channel(), mpsc::channel());
        let pair = Pair { owner: id, looked: AtomicBool::new(false), between: (saw, goes.into()) };
        let looking = tokio::spawn(async move { one.writer().run(pair).await });
        tokio::task::spawn_blocking(move || seen.recv()).await.expect("joins").expect("it looks");
        two.writer().run(OpenBoth(id)).await.expect("runs").expect("opens");
        go.send(()).expect("it waits");
        assert_eq!(looking.await.expect("joins").expect("runs"), Ok(true));
    }
}
