//! A database that goes away: nothing is lost, nothing is done twice, and the writer finds its way back by itself.

use std::sync::Arc;

use db::Fault;

use crate::on_postgres;
use crate::purse::{Move, Open, Place, TOTAL, amounts, owner, purse};

const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'guichet' AND datname = current_database()";

/// Ends the sessions, or has the pooler drop its clients and what they are in the middle of.
fn cut(place: &Place, round: usize) {
    let Some(pooler) = place.pooler.as_ref().filter(|_| round.is_multiple_of(2)) else {
        place.database().psql(CUT).expect("psql");
        return;
    };
    for command in ["KILL", "RESUME"] {
        pooler.console(&format!("{command} {}", place.database().name())).expect("it answers");
    }
}

on_postgres! {
    async fn cut_connections_lose_and_double_nothing(place) {
        let (store, id) = (Arc::new(place.open().await), owner());
        store.writer().run(Open(purse(id, 1, 100_000))).await.expect("runs").expect("opens");
        store.writer().run(Open(purse(id, 2, 0))).await.expect("runs").expect("opens");
        let (mut acknowledged, mut unanswered) = (0, 0);
        for round in 0..15 {
            let tasks: Vec<_> = (0..200)
                .map(|_| {
                    let store = store.clone();
                    tokio::spawn(async move { store.writer().run(Move { owner: id, from: 1, to: 2, amount: 1, named: true }).await })
                })
                .collect();
            cut(place, round);
            for task in tasks {
                match task.await.expect("joins") {
                    Ok(moved) => {
                        moved.expect("moves");
                        acknowledged += 1;
                    }
                    Err(Fault::Unavailable(_)) => unanswered += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        // Whoever was refused knows that nothing happened: a lost answer was looked up before it was given.
        let moved = loop {
            match store.reader().list(&TOTAL, db::args![]).await {
                Ok(_) => break amounts(&store, id).await[1],
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(moved, acknowledged, "{unanswered} were refused");
        assert!(acknowledged > 0);
    }

    async fn a_disk_that_fails_under_the_database_is_no_fault_of_the_command(place) {
        let (store, id) = (place.open().await, owner());
        let database = place.database();
        let fails = "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = \
                     '58030'; END $$; CREATE TRIGGER fails BEFORE INSERT ON purse FOR EACH ROW EXECUTE FUNCTION fails()";
        database.psql(fails).expect("psql");
        let refused = store.writer().run(Open(purse(id, 1, 100))).await;
        assert!(matches!(refused, Err(Fault::Unavailable(_))), "{:?}", refused.err());
        database.psql("DROP TRIGGER fails ON purse").expect("psql");
        store.writer().run(Open(purse(id, 1, 100))).await.expect("runs").expect("opens");
        assert_eq!(amounts(&store, id).await, [100]);
    }
}
