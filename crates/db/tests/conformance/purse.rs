//! A small domain to test with: purses that hold an amount.

use std::convert::Infallible;
use std::sync::Arc;

use db::{Access, Command, DatabaseUrl, Keys, Migration, Rows, Sql, Store, StoreOptions, sql};
use kernel::{Source, Timestamp};
use testkit::pooler::Pooler;
use testkit::postgres;
use uuid::Uuid;

db::row! {
    /// Somebody's money in one currency.
    pub(crate) struct PurseRow: "purse" {
        key { owner_id: Uuid, currency: i64 }
        once { label: Arc<str>, note: Option<Arc<str>> }
        state { amount: i64, open: bool, stamp: Option<Arc<[u8]>> }
        unique { PurseByLabel(owner_id: Uuid, label: Arc<str>) }
    }
}

pub(crate) static AMOUNTS: Sql = sql!("SELECT amount FROM purse WHERE owner_id = $1 ORDER BY currency");
pub(crate) static PURSES: Sql = sql!("SELECT {} FROM purse WHERE owner_id = $1 ORDER BY currency", PurseRow);
pub(crate) static TOTAL: Sql = sql!("SELECT CAST(COALESCE(sum(amount), 0) AS BIGINT), count(*) FROM purse");

pub(crate) static MIGRATIONS: &[Migration] = &[Migration {
    number: 2,
    topic: "purse",
    sqlite: include_str!("../migrations/sqlite.sql"),
    postgres: include_str!("../migrations/postgres.sql"),
}];

/// Sessions of the server that all clients of a pooler share.
pub(crate) const POOLED_SESSIONS: u32 = 4;

/// A private database on one engine; further stores can be opened on it.
pub(crate) struct Place {
    pub(crate) url: DatabaseUrl,
    pub(crate) postgres: Option<postgres::Database>,
    pub(crate) pooler: Option<Pooler>,
    _folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::sqlite(folder.path().join("test.db"));
        Self { url, postgres: None, pooler: None, _folder: folder }
    }

    pub(crate) fn postgres() -> Self {
        let database = postgres::fresh_database();
        let url = database.url().parse().expect("a URL");
        Self { url, postgres: Some(database), pooler: None, _folder: tempfile::tempdir().expect("a folder") }
    }

    /// PostgreSQL behind a pooler in transaction mode that gives out its few sessions in turn.
    pub(crate) fn pooled() -> Self {
        let place = Self::postgres();
        let pooler = Pooler::start(place.database(), POOLED_SESSIONS).unwrap_or_else(|error| panic!("{error}"));
        Self { url: pooler.url().parse().expect("a URL"), pooler: Some(pooler), ..place }
    }

    /// The PostgreSQL database.
    pub(crate) fn database(&self) -> &postgres::Database {
        self.postgres.as_ref().expect("it is on PostgreSQL")
    }

    pub(crate) async fn open(&self) -> Store {
        self.open_as(Access::Serve).await
    }

    pub(crate) async fn open_as(&self, access: Access) -> Store {
        let options = StoreOptions {
            url: self.url.clone(),
            schema: None,
            migrations: MIGRATIONS,
            access,
            migrate: access == Access::Serve,
            source: Source::system(),
        };
        Store::open(options).await.expect("the store opens")
    }
}

/// Runs an async test body once per engine, and through a pooler.
#[macro_export]
macro_rules! on_both_engines {
    ($($(#[$doc:meta])* async fn $name:ident($place:ident) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "a story that only uses the store needs none of its neighbours' names")]
            use super::*;

            async fn story($place: &$crate::purse::Place) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                story(&$crate::purse::Place::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                story(&$crate::purse::Place::postgres()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn through_a_pooler() {
                story(&$crate::purse::Place::pooled()).await;
            }
        }
    )*};
}

/// Runs an async test body on PostgreSQL, directly and through a pooler.
#[macro_export]
macro_rules! on_postgres {
    ($($(#[$doc:meta])* async fn $name:ident($place:ident) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "a story that only uses the store needs none of its neighbours' names")]
            use super::*;

            async fn story($place: &$crate::purse::Place) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn directly() {
                story(&$crate::purse::Place::postgres()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn through_a_pooler() {
                story(&$crate::purse::Place::pooled()).await;
            }
        }
    )*};
}

pub(crate) fn purse(owner_id: Uuid, currency: i64, amount: i64) -> PurseRow {
    let label = format!("purse {currency}").into();
    PurseRow { owner_id, currency, label, note: None, amount, open: true, stamp: Some(Arc::from(&b"\x00\xff"[..])) }
}

pub(crate) fn owner() -> Uuid {
    Source::system().uuid()
}

/// Makes a purse under a key that was just made up.
pub(crate) struct Open(pub(crate) PurseRow);

impl Command for Open {
    type Reply = ();
    type Refusal = Infallible;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.fresh::<PurseRow>((self.0.owner_id, self.0.currency));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<(), Infallible> {
        rows.append(self.0.clone());
        Ok(())
    }
}

/// Makes a purse unless there is one.
pub(crate) struct OpenOnce(pub(crate) PurseRow);

impl Command for OpenOnce {
    type Reply = bool;
    type Refusal = Infallible;
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.fresh::<PurseRow>((self.0.owner_id, self.0.currency));
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<bool, Infallible> {
        if rows.get::<PurseRow>(&(self.0.owner_id, self.0.currency)).is_some() {
            return Ok(false);
        }
        rows.insert(self.0.clone());
        Ok(true)
    }
}

/// Moves money from one purse of an owner to another; refused when there is too little.
pub(crate) struct Move {
    pub(crate) owner: Uuid,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) amount: i64,
    /// Whether `keys` names the rows.
    pub(crate) named: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct TooLittle;

impl Command for Move {
    type Reply = i64;
    type Refusal = TooLittle;
    fn keys(&self, keys: &mut Keys<'_>) {
        if self.named {
            keys.row::<PurseRow>((self.owner, self.from));
            keys.row::<PurseRow>((self.owner, self.to));
        }
    }
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<i64, TooLittle> {
        // Credited first, so that a refusal has something to undo.
        rows.must_mut::<PurseRow>(&(self.owner, self.to)).amount += self.amount;
        let from = rows.must_mut::<PurseRow>(&(self.owner, self.from));
        from.amount -= self.amount;
        if from.amount < 0 { Err(TooLittle) } else { Ok(from.amount) }
    }
}

/// Takes one from each purse of an owner; names none of them.
pub(crate) struct TakeOneEach {
    pub(crate) owner: Uuid,
    pub(crate) currencies: i64,
}

impl Command for TakeOneEach {
    type Reply = ();
    type Refusal = Infallible;
    fn keys(&self, _: &mut Keys<'_>) {}
    fn decide(&self, rows: &mut Rows, _: Timestamp) -> Result<(), Infallible> {
        for currency in 1..=self.currencies {
            rows.must_mut::<PurseRow>(&(self.owner, currency)).amount -= 1;
        }
        Ok(())
    }
}

pub(crate) async fn amounts(store: &Store, owner: Uuid) -> Vec<i64> {
    let lines = store.reader().list(&AMOUNTS, db::args![owner]).await.expect("reads");
    lines.iter().map(|line| line.get(0).expect("an amount")).collect()
}
