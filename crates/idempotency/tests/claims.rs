//! Claims in a real store, on both engines: one winner, replays, retention, owners, orphans, sweeping.

use std::collections::HashSet;
use std::convert::Infallible;

use db::{Access, Command, DatabaseUrl, Keys, Rows, Store, StoreOptions};
use futures_util::future::join_all;
use idempotency::verify::{AtWork, verify};
use idempotency::{
    BodyHash, Claim, Claimed, HoldRefusal, Idempotency, IdempotencyKey, Known, Orphan, OrphansAfter, RETENTION_SECONDS, Recorded,
    Reply, Scope, claim, claim_keys, finish, forget, held_keys, mark_unknown, orphans, take_over,
};
use kernel::verify::Report;
use kernel::{AccountId, ManualClock, Source, Timestamp};

/// Claims a key, as the command that writes down an intent would.
struct Begin(Claim);

impl Command for Begin {
    type Reply = Claimed;
    type Refusal = Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        claim_keys(keys, &self.0);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Claimed, Infallible> {
        Ok(claim(rows, &self.0, now))
    }
}

/// What else may happen to a claim.
#[derive(Clone)]
enum Step {
    Finish(Reply),
    Forget,
    MarkUnknown,
    TakeOver,
}

struct Move(Scope, Step);

impl Command for Move {
    type Reply = Option<Recorded>;
    type Refusal = HoldRefusal;

    fn keys(&self, keys: &mut Keys<'_>) {
        held_keys(keys, &self.0);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Option<Recorded>, HoldRefusal> {
        match &self.1 {
            Step::Finish(reply) => finish(rows, &self.0, reply, now).map(Some),
            Step::Forget => forget(rows, &self.0).map(|()| None),
            Step::MarkUnknown => mark_unknown(rows, &self.0).map(|()| None),
            Step::TakeOver => take_over(rows, &self.0).map(|()| None),
        }
    }
}

/// A store under a clock of its own; on PostgreSQL the database's clock counts, but it can be moved forward just the same.
struct House {
    store: Store,
    clock: Option<ManualClock>,
}

impl House {
    async fn open(url: DatabaseUrl, seed: u64) -> Self {
        let sqlite = url.sqlite_path().is_some();
        let (source, clock) = Source::seeded(seed, Timestamp::from_seconds(1_800_000_000));
        let source = if sqlite { source } else { Source::system() };
        let migrations = &[idempotency::MIGRATION];
        let options = StoreOptions { url, schema: None, migrations, access: Access::Serve, migrate: true, source };
        Self { store: Store::open(options).await.expect("the store opens"), clock: sqlite.then_some(clock) }
    }

    async fn begin(&self, claim: &Claim) -> Claimed {
        let Ok(claimed) = self.store.writer().run(Begin(claim.clone())).await.expect("the store works");
        claimed
    }

    async fn step(&self, scope: Scope, step: Step) -> Result<Option<Recorded>, HoldRefusal> {
        self.store.writer().run(Move(scope, step)).await.expect("the store works")
    }

    async fn find(&self, scope: &Scope) -> Known {
        Idempotency::new(self.store.reader().clone()).find(scope, self.store.clock().now()).await.expect("the store works")
    }

    async fn wait(&self, seconds: i64) {
        let seconds = u32::try_from(seconds).expect("not that long");
        self.store.clock().advance(self.store.writer(), seconds).await.expect("the store works");
    }

    async fn broken(&self, at_work: &AtWork) -> Vec<&'static str> {
        let mut report = Report::new();
        let mut snapshot = self.store.snapshot().await.expect("a snapshot");
        verify(&mut snapshot, at_work, &mut report).await.expect("verifies");
        report.findings().filter(|finding| !finding.ok).map(|finding| finding.id).collect()
    }
}

fn asking(key: &str) -> Claim {
    let key = IdempotencyKey::parse(key.as_bytes()).expect("a good key");
    let scope = Scope::of(AccountId::from_bytes([5; 16]), "POST", "/v1/payments", &key);
    Claim { scope, body_hash: BodyHash::of(b"{}"), subject: Source::system().uuid(), request_id: "request-1".into() }
}

fn created() -> Reply {
    let content_type = "application/json; charset=utf-8".into();
    Reply { status: 201, content_type, location: Some("/v1/payments/1".into()), body: "{\"id\":\"1\"}".into() }
}

fn replay(known: &Known) -> Option<Reply> {
    match known {
        Known::Replay(recorded) => Some(recorded.reply().expect("readable")),
        _ => None,
    }
}

fn in_process(known: &Known) -> Option<bool> {
    match known {
        Known::InProcess(in_process) => Some(in_process.unknown),
        _ => None,
    }
}

fn taken(claimed: &Claimed) -> Option<&Known> {
    match claimed {
        Claimed::New => None,
        Claimed::Taken(known) => Some(known),
    }
}

async fn a_life(house: &House) {
    let claim = asking("a-life");
    assert!(matches!(house.find(&claim.scope).await, Known::Nothing));
    assert!(matches!(house.begin(&claim).await, Claimed::New));
    assert_eq!(taken(&house.begin(&claim).await).and_then(in_process), Some(false));
    assert_eq!(in_process(&house.find(&claim.scope).await), Some(false));
    house.step(claim.scope, Step::MarkUnknown).await.expect("ours");
    assert_eq!(in_process(&house.find(&claim.scope).await), Some(true));

    let refused = Reply { status: 400, ..created() };
    assert_eq!(house.step(claim.scope, Step::Finish(refused)).await.err(), Some(HoldRefusal::NotSuccess));
    house.step(claim.scope, Step::Finish(created())).await.expect("ours").expect("recorded");
    assert_eq!(taken(&house.begin(&claim).await).and_then(replay), Some(created()));
    let Known::Replay(recorded) = house.find(&claim.scope).await else { panic!("a replay") };
    assert_eq!((recorded.reply(), &*recorded.request_id, recorded.body_hash), (Ok(created()), "request-1", claim.body_hash));
    for step in [Step::Finish(created()), Step::Forget, Step::MarkUnknown, Step::TakeOver] {
        assert_eq!(house.step(claim.scope, step).await.err(), Some(HoldRefusal::AlreadyDone));
    }
    assert_eq!(house.broken(&AtWork::default()).await, Vec::<&str>::new());
}

async fn a_refused_request_frees_its_key(house: &House) {
    let claim = asking("refused");
    assert!(matches!(house.begin(&claim).await, Claimed::New));
    house.step(claim.scope, Step::Forget).await.expect("ours");
    assert_eq!(house.step(claim.scope, Step::Finish(created())).await.err(), Some(HoldRefusal::NotClaimed));
    assert!(matches!(house.begin(&claim).await, Claimed::New));
}

async fn of_many_one_wins(house: &House) {
    for round in 0..20 {
        let key = format!("race-{round}");
        let claims: Vec<Claim> = (0..32).map(|_| asking(&key)).collect();
        let answers = join_all(claims.iter().map(|claim| house.begin(claim))).await;
        let winners: Vec<_> = answers.iter().zip(&claims).filter(|(answer, _)| matches!(answer, Claimed::New)).collect();
        assert_eq!(winners.len(), 1);
        assert!(answers.iter().filter_map(taken).all(|known| in_process(known) == Some(false)));
        house.step(winners[0].1.scope, Step::Finish(created())).await.expect("ours");
    }
    assert_eq!(house.broken(&AtWork { settled: true, ..AtWork::default() }).await, Vec::<&str>::new());
}

async fn a_key_counts_a_day(house: &House) {
    let (claim, late) = (asking("a-day"), asking("late"));
    for claim in [&claim, &late] {
        assert!(matches!(house.begin(claim).await, Claimed::New));
    }
    house.step(claim.scope, Step::Finish(created())).await.expect("ours");
    house.wait(RETENTION_SECONDS - 600).await;
    assert_eq!(replay(&house.find(&claim.scope).await), Some(created()));
    house.step(late.scope, Step::Finish(created())).await.expect("an open claim never expires");
    house.wait(600).await;
    assert!(matches!(house.find(&claim.scope).await, Known::Nothing));
    assert_eq!(replay(&house.find(&late.scope).await), Some(created()));

    // The same key is a new request, about which nothing of the old one is left.
    let again = Claim { request_id: "request-2".into(), body_hash: BodyHash::of(b"other"), ..claim.clone() };
    assert!(matches!(house.begin(&again).await, Claimed::New));
    let recorded = house.step(again.scope, Step::Finish(created())).await.expect("ours").expect("recorded");
    assert_eq!((&*recorded.request_id, recorded.body_hash), ("request-2", again.body_hash));
    let Known::Replay(stored) = house.find(&again.scope).await else { panic!("a replay") };
    assert_eq!((&*stored.request_id, stored.body_hash), ("request-2", again.body_hash));
    assert_eq!(house.broken(&AtWork::default()).await, Vec::<&str>::new());
}

async fn old_claims_are_swept_and_no_others(house: &House) {
    let idempotency = Idempotency::new(house.store.reader().clone());
    let sweep = async || idempotency.sweep(house.store.writer(), house.store.clock().now()).await.expect("sweeps");
    let old: Vec<Claim> = (0..600).map(|number| asking(&format!("old-{number}"))).collect();
    join_all(old.iter().map(|claim| house.begin(claim))).await;
    join_all(old.iter().map(|claim| house.step(claim.scope, Step::Finish(created())))).await;
    let (open, late) = (asking("open"), asking("late"));
    for claim in [&open, &late] {
        house.begin(claim).await;
    }
    house.wait(RETENTION_SECONDS - 60).await;
    house.step(late.scope, Step::Finish(created())).await.expect("ours");
    assert_eq!(sweep().await, 0);
    house.wait(60).await;
    assert_eq!(sweep().await, 600);
    assert_eq!(sweep().await, 0);
    assert_eq!(replay(&house.find(&late.scope).await), Some(created()));
    assert_eq!(in_process(&house.find(&open.scope).await), Some(false));
    house.wait(RETENTION_SECONDS).await;
    assert_eq!(sweep().await, 1);
}

async fn open_claims_need_somebody_at_work(house: &House) {
    let (worked_on, asked_for, done) = (asking("worked-on"), asking("asked-for"), asking("done"));
    for claim in [&worked_on, &asked_for, &done] {
        house.begin(claim).await;
    }
    house.step(asked_for.scope, Step::MarkUnknown).await.expect("ours");
    house.step(done.scope, Step::Finish(created())).await.expect("ours");
    assert_eq!(house.broken(&AtWork::default()).await, ["I4.c"]);
    let processes = HashSet::from([house.store.writer().boot()]);
    let at_work = AtWork { processes, ..AtWork::default() };
    assert_eq!(house.broken(&at_work).await, Vec::<&str>::new());
    let recovery = AtWork { asked_for: HashSet::from([worked_on.scope, asked_for.scope]), ..AtWork::default() };
    assert_eq!(house.broken(&recovery).await, Vec::<&str>::new());
    assert_eq!(house.broken(&AtWork { settled: true, ..at_work }).await, ["I4.c"]);
}

/// A process dies with work under way; the next one finds exactly that, page by page, and carries on.
async fn orphans_are_found_and_taken_over(url: DatabaseUrl) {
    let dead = House::open(url.clone(), 1).await;
    let since = dead.store.clock().now();
    let claims: Vec<Claim> = (0..7).map(|number| asking(&format!("orphan-{number}"))).collect();
    for claim in &claims {
        dead.begin(claim).await;
    }
    dead.step(claims[5].scope, Step::MarkUnknown).await.expect("ours");
    dead.step(claims[6].scope, Step::Finish(created())).await.expect("ours");
    let boot = dead.store.writer().boot();
    dead.store.close().await;
    drop(dead);

    let heir = House::open(url, 2).await;
    let (mut found, mut after): (Vec<Orphan>, _) = (Vec::new(), OrphansAfter::start(since.plus_seconds(-1)));
    loop {
        let page = orphans(heir.store.reader(), boot, after, 2).await.expect("reads");
        let Some(last) = page.last() else { break };
        after = OrphansAfter::next(last);
        found.extend(page);
    }
    let subjects: HashSet<_> = found.iter().map(|orphan| (orphan.scope, orphan.subject)).collect();
    assert_eq!(subjects, claims[..5].iter().map(|claim| (claim.scope, claim.subject)).collect());
    assert_eq!(found.len(), 5);
    let later = orphans(heir.store.reader(), boot, OrphansAfter::start(heir.store.clock().now().plus_days(1)), 10).await;
    assert!(later.expect("reads").is_empty());

    let orphan = &found[0];
    for step in [Step::Finish(created()), Step::Forget, Step::MarkUnknown] {
        assert_eq!(heir.step(orphan.scope, step).await.err(), Some(HoldRefusal::NotOwner));
    }
    heir.step(orphan.scope, Step::TakeOver).await.expect("open");
    heir.step(orphan.scope, Step::Finish(created())).await.expect("ours now");
    assert_eq!(replay(&heir.find(&orphan.scope).await), Some(created()));
}

#[tokio::test]
async fn the_front_answers_from_memory_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("claims.db")), 1).await;
    let idempotency = Idempotency::new(house.store.reader().clone());
    let (claim, now) = (asking("front"), house.store.clock().now());
    assert!(matches!(idempotency.recall(&claim.scope, now), Known::Nothing));

    let working = idempotency.begin(claim.scope, now).expect("nobody works on it");
    assert_eq!(in_process(&idempotency.recall(&claim.scope, now)), Some(false));
    assert!(idempotency.begin(claim.scope, now).is_err());
    assert_eq!((idempotency.oldest_in_flight(), working.scope()), (Some(now), claim.scope));
    house.begin(&claim).await;
    let recorded = house.step(claim.scope, Step::Finish(created())).await.expect("ours").expect("recorded");
    idempotency.done(claim.scope, recorded.clone());
    drop(working);

    assert_eq!(replay(&idempotency.recall(&claim.scope, now)), Some(created()));
    idempotency.replayed(&claim.scope, &recorded, BodyHash::of(b"another body"), &"request-9".into());
    assert!(matches!(idempotency.recall(&claim.scope, recorded.expires_at), Known::Nothing));
    let forgetful = Idempotency::new(house.store.reader().clone());
    assert!(matches!(forgetful.recall(&claim.scope, now), Known::Nothing));
    assert_eq!(replay(&forgetful.find(&claim.scope, now).await.expect("reads")), Some(created()));
    assert_eq!(replay(&forgetful.recall(&claim.scope, now)), Some(created()), "what was found is remembered");
}

/// To the microsecond, which only a clock that stands still can show.
#[tokio::test]
async fn the_last_moment_of_a_key_is_exact() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("claims.db")), 1).await;
    let clock = house.clock.as_ref().expect("SQLite runs on our clock");
    let claim = asking("exact");
    house.begin(&claim).await;
    house.step(claim.scope, Step::Finish(created())).await.expect("ours");
    clock.advance_seconds(RETENTION_SECONDS);
    clock.advance_micros(-1);
    assert_eq!(taken(&house.begin(&claim).await).and_then(replay), Some(created()));
    clock.advance_micros(1);
    assert!(matches!(house.begin(&claim).await, Claimed::New));
}

/// Each story on each engine.
macro_rules! on_both_engines {
    ($($story:ident),* $(,)?) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let folder = tempfile::tempdir().expect("a folder");
                super::$story(&House::open(DatabaseUrl::sqlite(folder.path().join("claims.db")), 1).await).await;
            })*
        }
        mod postgres {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let database = testkit::postgres::fresh_database();
                super::$story(&House::open(database.url().parse().expect("a URL"), 1).await).await;
            })*
        }
    };
}
on_both_engines!(
    a_life,
    a_refused_request_frees_its_key,
    of_many_one_wins,
    a_key_counts_a_day,
    old_claims_are_swept_and_no_others,
    open_claims_need_somebody_at_work,
);

#[tokio::test]
async fn orphans_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    orphans_are_found_and_taken_over(DatabaseUrl::sqlite(folder.path().join("claims.db"))).await;
}

#[tokio::test]
async fn orphans_on_postgres() {
    orphans_are_found_and_taken_over(testkit::postgres::fresh_database().url().parse().expect("a URL")).await;
}

/// Two processes on one PostgreSQL: a key has one winner among all of them, and only the winner finishes it.
#[tokio::test]
async fn two_processes_have_one_winner() {
    let database = testkit::postgres::fresh_database();
    let url: DatabaseUrl = database.url().parse().expect("a URL");
    let (left, right) = (House::open(url.clone(), 1).await, House::open(url, 2).await);
    for round in 0..20 {
        let claim = asking(&format!("shared-{round}"));
        let (ours, theirs) = tokio::join!(left.begin(&claim), right.begin(&claim));
        let (winner, loser, lost) = match (&ours, &theirs) {
            (Claimed::New, Claimed::Taken(known)) => (&left, &right, known),
            (Claimed::Taken(known), Claimed::New) => (&right, &left, known),
            _ => panic!("{ours:?} and {theirs:?}"),
        };
        assert_eq!(in_process(lost), Some(false));
        assert_eq!(loser.step(claim.scope, Step::Finish(created())).await.err(), Some(HoldRefusal::NotOwner));
        winner.step(claim.scope, Step::Finish(created())).await.expect("its own");
        assert_eq!(replay(&loser.find(&claim.scope).await), Some(created()));
        assert_eq!(taken(&loser.begin(&claim).await).and_then(replay), Some(created()));
    }
}
