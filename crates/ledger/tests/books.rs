//! The books in a real store, on both engines: postings by many callers at once, then `verify`.

use std::collections::BTreeMap;

use db::{Command, DatabaseUrl, Keys, Rows, Store, StoreOptions};
use futures_util::future::join_all;
use kernel::verify::Report;
use kernel::{AccountId, Currency, Money, Source, Timestamp};
use ledger::recipes::{
    AuthoriseHold, Capture, HoldRelease, PayoutDone, PayoutFailed, PayoutStart, Recipe, RefundDone, RefundFailed, RefundStart,
};
use ledger::{AccountKind, Cause, Owner, Party, PostRefusal, Posted, Split, queries, verify};
use uuid::Uuid;

const LIMIT: i64 = 500;

/// One posting, as a command of its own.
struct Post<R> {
    cause: Cause,
    recipe: R,
}

impl<R: Recipe + Send + 'static> Command for Post<R> {
    type Reply = Posted;
    type Refusal = PostRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        ledger::keys(keys, &self.cause, &self.recipe);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Posted, PostRefusal> {
        ledger::post(rows, &self.cause, &self.recipe, now)
    }
}

/// A refused posting that its command survives: what `post` refuses must leave nothing behind even then.
struct TryPost<R>(Post<R>);

impl<R: Recipe + Send + 'static> Command for TryPost<R> {
    type Reply = bool;
    type Refusal = std::convert::Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        self.0.keys(keys);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<bool, Self::Refusal> {
        Ok(self.0.decide(rows, now).is_ok())
    }
}

async fn open(url: DatabaseUrl) -> Store {
    let options = StoreOptions {
        url,
        schema: None,
        migrations: &[ledger::MIGRATION],
        access: db::Access::Serve,
        migrate: true,
        source: Source::system(),
    };
    Store::open(options).await.expect("the store opens")
}

async fn on_sqlite(story: impl AsyncFn(&Store)) {
    let folder = tempfile::tempdir().expect("a folder");
    story(&open(DatabaseUrl::sqlite(folder.path().join("books.db"))).await).await;
}

async fn on_postgres(story: impl AsyncFn(&Store)) {
    let database = testkit::postgres::fresh_database();
    story(&open(database.url().parse().expect("a URL")).await).await;
}

async fn post<R: Recipe + Send + 'static>(store: &Store, cause: &Cause, recipe: R) -> Result<Posted, PostRefusal> {
    store.writer().run(Post { cause: cause.clone(), recipe }).await.expect("the store works")
}

fn cause(account_id: AccountId) -> Cause {
    let (id, subject) = (Source::system().uuid(), Source::system().uuid());
    Cause { account_id, id, subject, request_id: Some("request-1".into()) }
}

fn merchant() -> AccountId {
    AccountId::new(&Source::system())
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

fn sandbox() -> Owner {
    Owner::connector("sandbox")
}

async fn broken(store: &Store, under_way: &verify::UnderWay) -> Vec<String> {
    let mut report = Report::new();
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    verify::verify(&mut snapshot, |_| LIMIT, &mut report).await.expect("verifies");
    verify::transit(&mut snapshot, under_way, false, &mut report).await.expect("verifies");
    report.findings().filter(|finding| !finding.ok).map(|finding| format!("{finding:?}")).collect()
}

async fn nets(store: &Store, owner: Owner) -> BTreeMap<AccountKind, i64> {
    let rows = queries::balances(store.reader(), owner).await.expect("reads");
    rows.iter().map(|row| (row.kind, row.net())).collect()
}

async fn a_purchase_is_two_rows_and_repeating_it_changes_nothing(store: &Store) {
    let (merchant, cause) = (merchant(), cause(merchant()));
    let cause = Cause { account_id: merchant, ..cause };
    let purchase = |minor| Capture { connector: sandbox(), split: Split::charge(merchant, eur(minor), 53) };
    assert_eq!(post(store, &cause, purchase(1999)).await, Ok(Posted::Now));
    let transfers = queries::transfers(store.reader(), merchant, cause.id).await.expect("reads");
    assert_eq!(transfers.iter().map(|row| (row.leg, row.amount)).collect::<Vec<_>>(), [(0, 1946), (1, 53)]);
    assert_eq!(transfers.iter().map(|row| row.request_id.as_deref()).collect::<Vec<_>>(), [Some("request-1"), None]);
    assert_eq!((transfers[1].debit_sequence, transfers[1].debit_balance), (2, -1999));

    assert_eq!(post(store, &cause, purchase(1999)).await, Ok(Posted::Already));
    assert_eq!(post(store, &cause, purchase(2000)).await, Err(PostRefusal::Differs));
    assert_eq!(nets(store, merchant.into()).await, BTreeMap::from([(AccountKind::Available, 1946), (AccountKind::Charged, 53)]));
    assert_eq!(broken(store, &verify::UnderWay::default()).await, Vec::<String>::new());
}

async fn a_refused_posting_leaves_nothing_behind(store: &Store) {
    let merchant = merchant();
    let capture = Capture { connector: sandbox(), split: Split::charge(merchant, eur(1000), 100) };
    assert_eq!(post(store, &cause(merchant), capture).await, Ok(Posted::Now));
    // The first part of the refund can be paid, the second cannot.
    let parts = [(Party::new(merchant, AccountKind::Available), 900), (Party::new(merchant, AccountKind::Rolling), 1)];
    let parts = parts.map(|(party, minor)| ledger::Part { party, minor }).to_vec();
    let split = Split::new(eur(901), parts).expect("a split");
    let refund = Post { cause: cause(merchant), recipe: RefundStart { merchant, split, negative_limit: 0 } };
    assert_eq!(store.writer().run(TryPost(refund)).await.expect("runs"), Ok(false));
    assert_eq!(nets(store, merchant.into()).await, BTreeMap::from([(AccountKind::Available, 900), (AccountKind::Charged, 100)]));
    assert_eq!(broken(store, &verify::UnderWay::default()).await, Vec::<String>::new());
}

/// One merchant's day: everything that can happen, the ends chosen by `number`. Returns what is left under way.
async fn a_day(store: &Store, merchant: AccountId, number: i64) -> Option<Money> {
    let amount = eur(100 + number);
    let hold = AuthoriseHold { merchant, connector: sandbox(), amount };
    post(store, &cause(merchant), hold).await.expect("a hold is always possible");
    let (captured, fee) = (cause(merchant), 7);
    let release = HoldRelease { merchant, connector: sandbox(), amount };
    post(store, &captured, release).await.expect("what is held can be released");
    let capture = Capture { connector: sandbox(), split: Split::charge(merchant, amount, fee) };
    post(store, &captured, capture).await.expect("a capture is always possible");

    let payout = cause(merchant);
    if post(store, &payout, PayoutStart { merchant, amount: eur(50), fee_minor: 1 }).await.is_ok() {
        if number % 2 == 0 {
            post(store, &payout, PayoutDone { merchant, amount: eur(50), fee_minor: 1 }).await.expect("it was set aside");
        } else {
            post(store, &payout, PayoutFailed { merchant, amount: eur(50), fee_minor: 1 }).await.expect("it was set aside");
        }
    }
    let (refund, split) = (cause(merchant), Split::all_available(merchant, amount));
    post(store, &refund, RefundStart { merchant, split: split.clone(), negative_limit: LIMIT }).await.ok()?;
    match number % 3 {
        0 => post(store, &refund, RefundDone { merchant, connector: sandbox(), amount }).await.expect("it was set aside"),
        1 => post(store, &refund, RefundFailed { merchant, split }).await.expect("it was set aside"),
        _ => return Some(amount),
    };
    None
}

async fn everybody_at_once_and_the_books_are_sound(store: &Store) {
    let merchants = [merchant(), merchant(), merchant()];
    let days = (0..60).map(|number| {
        let merchant = merchants[usize::try_from(number % 3).expect("small")];
        async move { (merchant, a_day(store, merchant, number / 3).await) }
    });
    let mut under_way = verify::UnderWay::default();
    for (merchant, left) in join_all(days).await {
        if let Some(amount) = left {
            under_way.refund(merchant, amount);
        }
    }
    assert_eq!(broken(store, &under_way).await, Vec::<String>::new());
    under_way.refund(merchants[0], eur(1));
    let found = broken(store, &under_way).await;
    assert!(found.len() == 1 && found[0].contains("I10.a"), "{found:?}");
}

async fn two_processes_share_the_books(url: &str) {
    let (left, right) = (open(url.parse().expect("a URL")).await, open(url.parse().expect("a URL")).await);
    let merchant = merchant();
    let captures = (0..40).map(|number| {
        let store = if number % 2 == 0 { &left } else { &right };
        let split = Split::charge(merchant, eur(100), 3);
        async move { post(store, &cause(merchant), Capture { connector: sandbox(), split }).await }
    });
    for posted in join_all(captures).await {
        assert_eq!(posted, Ok(Posted::Now));
    }
    assert_eq!(
        nets(&left, merchant.into()).await,
        BTreeMap::from([(AccountKind::Available, 40 * 97), (AccountKind::Charged, 40 * 3)])
    );
    assert_eq!(broken(&right, &verify::UnderWay::default()).await, Vec::<String>::new());
}

#[tokio::test]
async fn purchase_on_sqlite() {
    on_sqlite(a_purchase_is_two_rows_and_repeating_it_changes_nothing).await;
}

#[tokio::test]
async fn purchase_on_postgres() {
    on_postgres(a_purchase_is_two_rows_and_repeating_it_changes_nothing).await;
}

#[tokio::test]
async fn refusal_on_sqlite() {
    on_sqlite(a_refused_posting_leaves_nothing_behind).await;
}

#[tokio::test]
async fn refusal_on_postgres() {
    on_postgres(a_refused_posting_leaves_nothing_behind).await;
}

#[tokio::test]
async fn crowd_on_sqlite() {
    on_sqlite(everybody_at_once_and_the_books_are_sound).await;
}

#[tokio::test]
async fn crowd_on_postgres() {
    on_postgres(everybody_at_once_and_the_books_are_sound).await;
}

#[tokio::test]
async fn two_processes_on_postgres() {
    two_processes_share_the_books(testkit::postgres::fresh_database().url()).await;
}

#[tokio::test]
async fn an_owner_without_accounts_has_no_balances() {
    on_sqlite(async |store: &Store| {
        assert_eq!(nets(store, Owner::from_uuid(Uuid::nil())).await, BTreeMap::new());
    })
    .await;
}
