//! Set-based texts must not turn into scans, on empty and on full tables alike.

use crate::on_postgres;
use crate::purse::{Move, Open, Place, owner, purse};

const FILL: &str =
    "INSERT INTO purse SELECT gen_random_uuid(), n, 'label ' || n, NULL, 0, true, NULL, 0 FROM generate_series(1, 20000) AS n";
const SCANS: &str = "SELECT COALESCE(sum(seq_scan), 0) FROM pg_stat_user_tables WHERE relname = 'purse'";

const END: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'guichet' AND datname = current_database()";

/// How often it was scanned. Sessions report it when they end, with their store or, a pooler's, when they are told to.
fn scans(place: &Place) -> String {
    if place.pooler.is_some() {
        place.database().psql(END).expect("psql");
    }
    place.database().psql(SCANS).expect("psql")
}

on_postgres! {
    async fn the_writers_statements_use_the_keys(place) {
        let id = owner();
        let database = place.database();
        for first in [100, 200] {
            let store = place.open().await; // connections end with their store, and report what they scanned
            let before = scans(place);
            for currency in first..first + 10 {
                store.writer().run(Open(purse(id, currency, 5))).await.expect("runs").expect("opens");
            }
            for currency in first..first + 9 {
                let step = Move { owner: id, from: currency, to: currency + 1, amount: 1, named: true };
                store.writer().run(step).await.expect("runs").expect("moves");
            }
            store.close().await;
            let store = place.open().await; // nothing is remembered: rows are loaded
            for currency in first..first + 9 {
                let step = Move { owner: id, from: currency, to: currency + 1, amount: 1, named: false };
                store.writer().run(step).await.expect("runs").expect("moves");
            }
            store.close().await;
            assert_eq!(scans(place), before, "the writer scanned a table");
            database.psql(FILL).expect("psql");
            database.psql("ANALYZE").expect("psql");
        }
    }
}
