//! Behind a pooler in transaction mode: nothing of ours stays in its sessions, and nothing that others left there reaches us.

use std::sync::Arc;

use db::{Access, DatabaseUrl, Fault, Store, StoreOptions};
use futures_util::FutureExt as _;
use kernel::Source;
use testkit::pooler::Pooler;

use crate::purse::{AMOUNTS, MIGRATIONS, Move, Open, POOLED_SESSIONS, Place, amounts, owner, purse};

fn options(url: &DatabaseUrl, migrate: bool) -> StoreOptions {
    let (url, source) = (url.clone(), Source::system());
    StoreOptions { url, schema: None, migrations: MIGRATIONS, access: Access::Serve, migrate, source }
}

/// What each session of the pooler answers.
fn in_each_session(place: &Place, sql: &str) -> Vec<String> {
    let pooler = place.pooler.as_ref().expect("a pooler");
    (0..POOLED_SESSIONS).map(|_| pooler.psql(sql).expect("psql")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_in_a_session() {
    let (place, id) = (Place::pooled(), owner());
    let (one, two) = (place.open().await, place.open().await);
    for currency in 1..=20 {
        one.writer().run(Open(purse(id, currency, 10))).await.expect("runs").expect("opens");
    }
    for currency in 1..20 {
        let step = Move { owner: id, from: currency, to: currency + 1, amount: 1, named: currency % 2 == 0 };
        two.writer().run(step).await.expect("runs").expect("moves");
        assert_eq!(amounts(&one, id).await.len(), 20);
    }
    let prepared = in_each_session(&place, "SELECT count(*) FROM pg_prepared_statements");
    assert!(prepared.iter().all(|count| count == "0"), "{prepared:?}");
    let changed = "SELECT string_agg(name, ' ') FROM pg_settings WHERE source = 'session' AND name <> 'application_name'";
    let changed = in_each_session(&place, changed);
    assert!(changed.iter().all(String::is_empty), "{changed:?}");
    let sessions: std::collections::HashSet<String> = in_each_session(&place, "SELECT pg_backend_pid()").into_iter().collect();
    assert_eq!(sessions.len(), 4, "each of them was looked at");
}

/// Notes how a purse was written.
const NOTE: &str = "CREATE TABLE noted (setting TEXT); \
     CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
     'BEGIN INSERT INTO public.noted VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END'; \
     CREATE TRIGGER note AFTER INSERT ON purse EXECUTE FUNCTION note()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_left_in_a_session_changes_nothing() {
    let (place, id) = (Place::pooled(), owner());
    let store = place.open().await;
    place.database().psql(NOTE).expect("psql");
    in_each_session(&place, "SET synchronous_commit = off; SET search_path = elsewhere");
    assert!(in_each_session(&place, "SHOW synchronous_commit").iter().all(|setting| setting == "off"));
    for currency in 1..=10 {
        store.writer().run(Open(purse(id, currency, 10))).await.expect("runs").expect("opens");
        assert_eq!(amounts(&store, id).await.len(), usize::try_from(currency).expect("a few"));
    }
    assert_eq!(place.database().psql("SELECT DISTINCT setting FROM noted").expect("psql"), "on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_reads_at_once_on_few_connections_keep_apart() {
    let place = Place::pooled();
    // In a schema of its own, so that a read outside of its transaction finds nothing.
    let store = Arc::new(Store::open(StoreOptions { schema: Some("shop"), ..options(&place.url, true) }).await.expect("opens"));
    let owners: Vec<_> = (0..20).map(|_| owner()).collect();
    for (owner, amount) in owners.iter().zip(0..) {
        store.writer().run(Open(purse(*owner, 1, amount))).await.expect("runs").expect("opens");
    }
    let tasks: Vec<_> = (0..100)
        .map(|task: usize| {
            let (store, owners) = (store.clone(), owners.clone());
            tokio::spawn(async move {
                for (amount, owner) in owners.iter().enumerate() {
                    if (task + amount).is_multiple_of(3) {
                        // Asked and not waited for: the transaction ends nevertheless.
                        drop(store.reader().list(&AMOUNTS, db::args![*owner]).now_or_never());
                    }
                    assert_eq!(amounts(&store, *owner).await, [i64::try_from(amount).expect("small")]);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("joins");
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'guichet' AND state LIKE 'idle in%' AND datname = current_database()";
    assert_eq!(place.database().psql(open).expect("psql"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_is_not_named_is_refused_in_words() {
    let place = Place::postgres();
    for lines in ["", "ignore_startup_parameters = options"] {
        let pooler = Pooler::start_with(place.database(), POOLED_SESSIONS, lines).expect("PgBouncer is installed");
        let url: DatabaseUrl = pooler.url_unnamed().parse().expect("a URL");
        for migrate in [true, false] {
            match Store::open(options(&url, migrate)).await {
                Err(Fault::Address(why)) => assert!(why.contains("add pooler=transaction to the address"), "{why}"),
                Err(Fault::Schema(why)) => assert!(!migrate, "{why}"), // the one before got no further
                Err(other) => panic!("{other}"),
                Ok(_) => panic!("it works through {lines:?}"),
            }
        }
        assert!(matches!(db::lax_settings(&url).await, Err(Fault::Address(_))));
        db::lax_settings(&pooler.url().parse().expect("a URL")).await.expect("named, it is one to work with");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_processes_than_sessions_begin_and_work_side_by_side() {
    let (place, id) = (Place::postgres(), owner());
    let pooler = Pooler::start(place.database(), 2).expect("PgBouncer is installed");
    let url: DatabaseUrl = pooler.url().parse().expect("a URL");
    // All of them find no schema and make it.
    let opening: Vec<_> = (0..6).map(|_| tokio::spawn(Store::open(options(&url, true)))).collect();
    let mut stores = Vec::new();
    for opened in opening {
        stores.push(Arc::new(opened.await.expect("joins").expect("opens")));
    }
    for currency in [1, 2] {
        stores[0].writer().run(Open(purse(id, currency, 100))).await.expect("runs").expect("opens");
    }
    let tasks: Vec<_> = stores
        .iter()
        .zip([1, 2].into_iter().cycle())
        .map(|(store, from)| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let step = Move { owner: id, from, to: 3 - from, amount: 1, named: true };
                    store.writer().run(step).await.expect("runs").expect("moves");
                    assert_eq!(amounts(&store, id).await.iter().sum::<i64>(), 200);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("joins");
    }
    assert_eq!(amounts(&stores[5], id).await, [100, 100]);
}
