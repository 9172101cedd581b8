//! Stories with a real store, on both engines. The keyring's clock stands still until a story moves it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use db::{Command, DatabaseUrl, Keys, Rows, Store, StoreOptions};
use kernel::verify::Report;
use kernel::{AccessKeyId, AccountId, Country, Currency, ManualClock, MasterKey, PlatformKey, Source, Timestamp};

use crate::rows::{ACCESS_VERSION_ID, AccessKeyRow, AccessSecretRow, AccessVersionRow, AccountRow, PlatformKeyRow};
use crate::token::new_token;
use crate::{
    AccessError, AccessRefusal, AccessSecrets, AccessService, AllowList, Caller, Capability, Environment, IssuedKey,
    KeyringOptions, MasterKeyChange, NewAccount, NewKey, Opening, Permission, PlatformKeys, Refused, STALE_AFTER_MICROS,
    platform_key_in, verify,
};

const HOME: &str = "127.0.0.1";
const ABROAD: &str = "192.0.2.7";

/// Runs each story once per engine.
macro_rules! on_both_engines {
    ($($(#[$doc:meta])* async fn $name:ident($house:ident) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn story($house: House) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let folder = tempfile::tempdir().expect("a folder");
                story(House::open(DatabaseUrl::sqlite(folder.path().join("test.db"))).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let database = testkit::postgres::fresh_database();
                story(House::open(database.url().parse().expect("a URL")).await).await;
            }
        }
    )*};
}

pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) service: AccessService,
    platform_keys: PlatformKeys,
    secrets: AccessSecrets,
    clock: ManualClock,
}

impl House {
    pub(crate) async fn open(url: DatabaseUrl) -> House {
        let migrations = &[crate::MIGRATION, crate::PLATFORM_KEY_MIGRATION, crate::IDEMPOTENCY_STRICT_MIGRATION];
        let options =
            StoreOptions { url, schema: None, migrations, access: db::Access::Serve, migrate: true, source: Source::system() };
        let store = Store::open(options).await.expect("the store opens");
        let (source, clock) = Source::seeded(11, Timestamp::from_seconds(1_800_000_000));
        let platform_keys = PlatformKeys::new(&store, &source);
        let platform = opened(platform_keys.open_or_make(&MASTER).await.expect("the store works"));
        let secrets = AccessSecrets::new(&platform, &source);
        let service = AccessService::new(&store, secrets.clone(), options_with(Some(60)));
        House { store, service, platform_keys, secrets, clock }
    }

    /// What a master key makes of the platform key, to a process that starts and to one that only looks.
    async fn opening(&self, master: &MasterKey) -> Opening {
        let snapshot = self.store.snapshot().await.expect("a snapshot");
        let seen = platform_key_in(&snapshot, master, self.secrets.source()).await.expect("readable");
        let started = self.platform_keys.open_or_make(master).await.expect("the store works");
        assert_eq!(std::mem::discriminant(&seen), std::mem::discriminant(&started));
        started
    }

    /// The same database seen by another process.
    fn neighbour(&self) -> AccessService {
        AccessService::new(&self.store, self.secrets.clone(), options_with(Some(60)))
    }

    async fn account(&self, email: &str) -> AccountId {
        let new = NewAccount::new("Demo", email, Country::parse("FR").expect("a country"), Currency::EUR);
        self.service.create_account(new).await.expect("an account").id
    }

    async fn key(&self, new: NewKey) -> IssuedKey {
        let account = self.account("merchant@example.com").await;
        self.service.create_key(account, new).await.expect("a key")
    }

    async fn wait(&self, seconds: u32) {
        self.store.clock().advance(self.store.writer(), seconds).await.expect("the store works");
    }

    async fn broken(&self) -> Vec<&'static str> {
        let snapshot = self.store.snapshot().await.expect("a snapshot");
        let mut report = Report::new();
        let platform = platform_key_in(&snapshot, &MASTER, self.secrets.source()).await.expect("readable");
        verify(&snapshot, Some(&platform), &mut report).await.expect("verifies");
        report.findings().filter(|finding| !finding.ok).map(|finding| finding.id).collect()
    }
}

/// The master key of the house.
static MASTER: LazyLock<MasterKey> = LazyLock::new(|| MasterKey::from_bytes([7; 32]));

fn opened(opening: Opening) -> PlatformKey {
    match opening {
        Opening::Opened(key) => key,
        other => panic!("{other:?}"),
    }
}

fn options_with(failed_proofs_per_minute: Option<u32>) -> KeyringOptions {
    KeyringOptions { environment: Environment::Sandbox, requests_per_minute: 6_000, failed_proofs_per_minute }
}

async fn prove(service: &AccessService, token: &str, secret: &str, from: &str) -> Result<Caller, Refused> {
    let address: IpAddr = from.parse().expect("an address");
    service.keyring().prove(token.as_bytes(), secret.as_bytes(), address).await
}

async fn proves(service: &AccessService, key: &IssuedKey) -> Result<Caller, Refused> {
    prove(service, &key.token, key.secret.expose(), HOME).await
}

fn full() -> NewKey {
    NewKey::new("full", Permission::FullAccess)
}

on_both_engines! {
    async fn a_key_proves_itself_and_nothing_else_does(house) {
        let key = house.key(NewKey::new("till", Permission::ReadMoneyIn)).await;
        let other = house.key(full()).await;
        for _from_store_then_from_memory in 0..2 {
            let caller = proves(&house.service, &key).await.expect("the right secret");
            assert_eq!((caller.key_id(), caller.permission()), (key.id, Permission::ReadMoneyIn));
            assert_eq!(caller.account().fee, NewAccount::FEE_DEFAULT);
            assert!(caller.may(Capability::MoneyIn) && !caller.may(Capability::Write));
        }
        let unknown = new_token(Environment::Sandbox, house.secrets.source());
        let production = new_token(Environment::Production, house.secrets.source());
        let (token, secret) = (key.token.as_ref(), key.secret.expose().as_str());
        let wrong = [
            (token, other.secret.expose().as_str()), (other.token.as_ref(), secret), (&unknown, secret), (&production, secret), (token, ""),
            ("", secret), (secret, token), (&token[..token.len() - 1], secret), (token, &secret[..secret.len() - 1]), ("\u{e9}", "\u{e9}"),
        ];
        for (token, secret) in wrong {
            let refused = prove(&house.service, token, secret, HOME).await;
            assert!(matches!(refused, Err(Refused::InvalidCredentials)), "{token}");
        }
    }

    async fn a_disabled_key_ends_here_at_once_and_elsewhere_within_a_second(house) {
        let key = house.key(full()).await;
        let neighbour = house.neighbour();
        proves(&house.service, &key).await.expect("enabled");
        proves(&neighbour, &key).await.expect("enabled");
        assert!(house.service.disable_key(key.id).await.expect("the store works"));
        assert!(!house.service.disable_key(key.id).await.expect("the store works"), "it was off already");
        assert!(matches!(proves(&house.service, &key).await, Err(Refused::ExpiredCredentials)));
        proves(&neighbour, &key).await.expect("not known there yet");
        house.clock.advance_micros(STALE_AFTER_MICROS);
        assert!(matches!(proves(&neighbour, &key).await, Err(Refused::ExpiredCredentials)));
        assert!(house.service.enable_key(key.id).await.expect("the store works"));
        proves(&house.service, &key).await.expect("enabled again");
        house.clock.advance_micros(STALE_AFTER_MICROS);
        proves(&neighbour, &key).await.expect("enabled again");
    }

    async fn a_changed_account_counts_here_at_once_and_elsewhere_within_a_second(house) {
        let account = house.account("merchant@example.com").await;
        let mut keys = Vec::new();
        for _ in 0..2 {
            keys.push(house.service.create_key(account, full()).await.expect("a key"));
        }
        let other = house.key(full()).await;
        let neighbour = house.neighbour();
        let strict = async |service: &AccessService, key: &IssuedKey| {
            proves(service, key).await.expect("the right secret").account().idempotency_strict
        };
        for key in keys.iter().chain([&other]) {
            assert!(!strict(&house.service, key).await && !strict(&neighbour, key).await, "off unless asked for");
        }
        assert!(house.service.set_idempotency_strict(account, true).await.expect("the store works"));
        assert!(!house.service.set_idempotency_strict(account, true).await.expect("the store works"), "it was so already");
        for key in &keys {
            assert!(strict(&house.service, key).await && !strict(&neighbour, key).await, "not known there yet");
        }
        house.clock.advance_micros(STALE_AFTER_MICROS);
        for key in &keys {
            assert!(strict(&neighbour, key).await);
        }
        assert!(!strict(&house.service, &other).await && !strict(&neighbour, &other).await, "another account's key");
        assert!(house.service.set_idempotency_strict(account, false).await.expect("the store works"));
        assert!(!strict(&house.service, &keys[0]).await);
        let number = house.service.account(account).await.expect("readable").expect("it is there").number;
        let found = house.service.account_by_number(number).await.expect("readable").expect("it is there");
        assert_eq!((found.id, found.idempotency_strict), (account, false));
        assert!(house.service.account_by_number(7).await.expect("readable").is_none());
        let nobody = house.service.set_idempotency_strict(AccountId::from_bytes([9; 16]), true).await;
        assert!(matches!(nobody, Err(AccessError::Refused(AccessRefusal::NoSuchAccount))));
    }

    /// Requests that come often enough never wait for the look: one of them starts it early.
    async fn changes_are_looked_for_in_the_background(house) {
        let key = house.key(full()).await;
        let neighbour = house.neighbour();
        proves(&neighbour, &key).await.expect("enabled");
        house.service.disable_key(key.id).await.expect("the store works");
        house.clock.advance_micros(STALE_AFTER_MICROS / 2);
        for _ in 0..2_000 {
            if let Err(refused) = proves(&neighbour, &key).await {
                assert!(matches!(refused, Refused::ExpiredCredentials));
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        panic!("the look did not happen");
    }

    async fn a_replaced_secret_lives_for_its_overlap_and_there_are_never_three(house) {
        let first = house.key(full()).await;
        let neighbour = house.neighbour();
        proves(&neighbour, &first).await.expect("the first secret");
        let second = house.service.rotate_key(first.id, 100).await.expect("rotated");
        assert_eq!((second.id, &second.token), (first.id, &first.token));
        for service in [&house.service, &neighbour] {
            proves(service, &second).await.expect("the new secret counts at once, also where it is not known yet");
            proves(service, &first).await.expect("the old one still counts");
        }
        house.wait(100).await;
        assert!(matches!(proves(&house.service, &first).await, Err(Refused::ExpiredCredentials)));
        let third = house.service.rotate_key(first.id, 100).await.expect("rotated");
        let fourth = house.service.rotate_key(first.id, 100).await.expect("rotated");
        proves(&house.service, &fourth).await.expect("the present secret");
        proves(&house.service, &third).await.expect("its predecessor");
        for gone in [&first, &second] {
            assert!(matches!(proves(&house.service, gone).await, Err(Refused::InvalidCredentials)));
        }
        let fifth = house.service.rotate_key(first.id, 0).await.expect("rotated");
        proves(&house.service, &fifth).await.expect("the only secret");
        assert!(matches!(proves(&house.service, &fourth).await, Err(Refused::InvalidCredentials)));
        assert_eq!(house.broken().await, Vec::<&str>::new());
    }

    async fn a_key_has_its_time_its_addresses_and_its_rate(house) {
        let now = house.store.clock().now();
        let allowed = AllowList::parse(["192.0.2.0/24"]).expect("a range");
        let new = NewKey { allowed, requests_per_minute: Some(2), expires_at: Some(now.plus_seconds(1_000)), ..full() };
        let key = house.key(new).await;
        let (token, secret) = (key.token.as_ref(), key.secret.expose().as_str());
        assert!(matches!(prove(&house.service, token, secret, HOME).await, Err(Refused::UnknownIpAddress)));
        let caller = prove(&house.service, token, secret, ABROAD).await.expect("its address");
        assert_eq!((caller.rate().per_minute, caller.rate().remaining), (2, 1));
        prove(&house.service, token, secret, ABROAD).await.expect("the second");
        let refused = prove(&house.service, token, secret, ABROAD).await;
        assert!(matches!(refused, Err(Refused::TooManyRequests(rate)) if rate.retry_in_seconds == 30));
        // A change of the key reads it again but does not fill its bucket.
        house.service.disable_key(key.id).await.expect("the store works");
        house.service.enable_key(key.id).await.expect("the store works");
        assert!(matches!(prove(&house.service, token, secret, ABROAD).await, Err(Refused::TooManyRequests(_))));
        house.clock.advance_seconds(30);
        prove(&house.service, token, secret, ABROAD).await.expect("one place is free again");
        house.wait(1_000).await;
        assert!(matches!(prove(&house.service, token, secret, ABROAD).await, Err(Refused::ExpiredCredentials)));
        let past = NewKey { expires_at: Some(now), ..full() };
        let account = house.account("other@example.com").await;
        let refused = house.service.create_key(account, past).await;
        assert!(matches!(refused, Err(AccessError::Refused(AccessRefusal::ExpiryInThePast))));
    }

    async fn failures_of_an_address_are_limited_and_its_good_key_is_not(house) {
        let key = house.key(full()).await;
        let (token, secret) = (key.token.as_ref(), key.secret.expose().as_str());
        prove(&house.service, token, secret, ABROAD).await.expect("remembered from now on");
        let mut invalid = 0;
        for _ in 0..70 {
            match prove(&house.service, token, "sandbox_sk_wrong", ABROAD).await {
                Err(Refused::InvalidCredentials) => invalid += 1,
                Err(Refused::TooManyFailures { retry_in_seconds: 1 }) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(invalid, 60);
        assert!(matches!(prove(&house.service, "malformed", secret, ABROAD).await, Err(Refused::TooManyFailures { .. })));
        prove(&house.service, token, secret, ABROAD).await.expect("a key that is remembered is not held up by its neighbours");
        assert!(matches!(prove(&house.service, token, "sandbox_sk_wrong", HOME).await, Err(Refused::InvalidCredentials)));
        house.clock.advance_seconds(1);
        assert!(matches!(prove(&house.service, token, "sandbox_sk_wrong", ABROAD).await, Err(Refused::InvalidCredentials)));
    }

    async fn account_numbers_differ_however_many_are_made_at_once(house) {
        let tasks: Vec<_> = (0..40).map(|number| {
            let service = house.service.clone();
            let new = NewAccount::new("Shop", format!("shop{number}@example.com"), Country::parse("NO").expect("a country"), Currency::NOK);
            tokio::spawn(async move { service.create_account(new).await.expect("an account") })
        }).collect();
        let mut numbers = HashSet::new();
        for task in tasks {
            let account = task.await.expect("no panic");
            assert_eq!(account.currency, Currency::NOK);
            assert!(numbers.insert(account.number));
            assert_eq!(house.service.account(account.id).await.expect("readable").expect("exists").number, account.number);
        }
        assert_eq!(house.broken().await, Vec::<&str>::new());
    }

    async fn the_demo_is_the_same_after_a_restart(house) {
        let first = house.service.demo().await.expect("the demo");
        let again = house.neighbour().demo().await.expect("the demo");
        let names: Vec<&str> = first.account.keys.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["full", "money_in_only", "read_only", "read_money_in", "no_money_out"]);
        assert_eq!((first.account.account.id, first.other_account.account.id), (again.account.account.id, again.other_account.account.id));
        for ((_, one), (_, other)) in first.account.keys.iter().zip(&again.account.keys) {
            assert_eq!((one.id, &one.token, one.secret.expose()), (other.id, &other.token, other.secret.expose()));
            proves(&house.service, one).await.expect("a demo key");
        }
        let strangers = AccessSecrets::new(&PlatformKey::from_bytes([8; 32]), house.secrets.source());
        let stranger = AccessService::new(&house.store, strangers, options_with(None));
        assert!(matches!(stranger.demo().await, Err(AccessError::Sealed { .. })));
    }

    /// A process that started before the change keeps the platform key in memory and needs nothing.
    async fn the_master_key_is_changed_and_what_was_sealed_still_opens(house) {
        let key = house.key(full()).await;
        let (next, lost) = (MasterKey::from_bytes([8; 32]), MasterKey::from_bytes([9; 32]));
        let keys = &house.platform_keys;
        let platform = opened(house.opening(&MASTER).await);
        assert!(matches!(house.opening(&next).await, Opening::OtherMasterKey));
        assert_eq!(keys.change(&MASTER).await.expect("readable"), MasterKeyChange::None);
        assert!(matches!(
            keys.wrap_for(&lost, &next, &platform).await,
            Err(AccessError::Refused(AccessRefusal::OtherMasterKey))
        ));

        // A first attempt whose key was lost is given up for the second; a repetition changes nothing.
        for key in [&lost, &next, &next] {
            keys.wrap_for(key, &MASTER, &platform).await.expect("the store works");
        }
        assert!(matches!(house.opening(&lost).await, Opening::OtherMasterKey));
        let under_both = [&MASTER, &next].map(|master| house.opening(master));
        for opening in under_both {
            assert_eq!(*opened(opening.await).derive("x"), *platform.derive("x"));
        }
        assert_eq!(keys.change(&MASTER).await.expect("readable"), MasterKeyChange::ToAnother);
        assert_eq!(keys.change(&next).await.expect("readable"), MasterKeyChange::ToThis);

        assert!(keys.keep_only(&next).await.expect("the store works"));
        assert!(!keys.keep_only(&next).await.expect("the store works"), "it is done already");
        assert!(matches!(keys.keep_only(&MASTER).await, Err(AccessError::Refused(AccessRefusal::OtherMasterKey))));
        assert!(matches!(house.opening(&MASTER).await, Opening::OtherMasterKey));
        let after = opened(house.opening(&next).await);
        let restarted = AccessSecrets::new(&after, house.secrets.source());
        proves(&AccessService::new(&house.store, restarted, options_with(None)), &key).await.expect("the same secret");
        proves(&house.service, &key).await.expect("the same secret");
    }

    /// Before there was a platform key, everything was sealed under the master key itself.
    async fn an_early_database_takes_its_master_key_as_platform_key(house) {
        let early = AccessSecrets::new(&MASTER.as_platform_key(), house.secrets.source());
        let key = {
            let service = AccessService::new(&house.store, early.clone(), options_with(None));
            let new = NewAccount::new("Demo", "early@example.com", Country::parse("FR").expect("a country"), Currency::EUR);
            let account = service.create_account(new).await.expect("an account").id;
            service.create_key(account, full()).await.expect("a key")
        };
        let Ok(()) = house.store.writer().run(DamagePlatformKey(|_| None)).await.expect("the store works");
        assert!(matches!(house.opening(&MasterKey::from_bytes([8; 32])).await, Opening::OtherMasterKey));
        let platform = opened(house.opening(&MASTER).await);
        let service = AccessService::new(&house.store, AccessSecrets::new(&platform, house.secrets.source()), options_with(None));
        proves(&service, &key).await.expect("the early secret");
        assert_eq!(house.broken().await, Vec::<&str>::new());
    }

    async fn a_platform_key_that_was_changed_is_found(house) {
        let changed = |row: PlatformKeyRow| Some(PlatformKeyRow { wrapped: [1; 61].as_slice().into(), ..row });
        let Ok(()) = house.store.writer().run(DamagePlatformKey(changed)).await.expect("the store works");
        assert!(matches!(house.opening(&MASTER).await, Opening::Damaged));
        assert_eq!(house.broken().await, ["I8.d"]);
    }

    async fn what_does_not_exist_is_refused(house) {
        let nobody = AccessKeyId::of_name("nobody");
        for outcome in [house.service.disable_key(nobody).await, house.service.enable_key(nobody).await] {
            assert!(matches!(outcome, Err(AccessError::Refused(AccessRefusal::NoSuchKey))));
        }
        assert!(matches!(house.service.rotate_key(nobody, 0).await, Err(AccessError::Refused(AccessRefusal::NoSuchKey))));
        let orphan = house.service.create_key(AccountId::of_name("nobody"), full()).await;
        assert!(matches!(orphan, Err(AccessError::Refused(AccessRefusal::NoSuchAccount))));
        assert!(matches!(house.service.rotate_key(nobody, u32::MAX).await, Err(AccessError::Refused(AccessRefusal::Overlap))));
        assert!(house.service.account(AccountId::of_name("nobody")).await.expect("readable").is_none());
    }

    async fn each_damage_is_found(house) {
        let key = house.key(full()).await;
        let account = house.service.demo().await.expect("the demo").account.account.id;
        assert_eq!(house.broken().await, Vec::<&str>::new());
        let damages: [(&str, Damage); 7] = [
            ("I8.a", Arc::new(move |rows| rows.must_mut::<AccountRow>(&(account,)).name = "4507 9900 0000 0002".into())),
            ("I8.b", Arc::new(move |rows| rows.must_mut::<AccountRow>(&(account,)).owner_email = "prod_sk_x@example.com".into())),
            ("I8.d", Arc::new(move |rows| replace(rows, account, |row| row.sealed_fingerprint_key = [1; 61].as_slice().into()))),
            ("I3.b", Arc::new(move |rows| replace(rows, account, |row| row.number = 7))),
            ("I3.d", Arc::new(move |rows| { rows.delete::<AccountRow>(&(account,)); })),
            ("I3.d", Arc::new(move |rows| {
                let secret = rows.all::<AccessSecretRow>(&(key.id,))[0];
                rows.delete::<AccessSecretRow>(&secret);
            })),
            ("I3.d", Arc::new(move |rows| { rows.delete::<AccessKeyRow>(&(key.id,)); })),
        ];
        for (rule, damage) in damages {
            let undo = house.damage(&key, account, damage).await;
            assert_eq!(house.broken().await, [rule]);
            house.damage(&key, account, undo).await;
            assert_eq!(house.broken().await, Vec::<&str>::new());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_asked_lets_nobody_in() {
    let database = testkit::postgres::fresh_database();
    let house = House::open(database.url().parse().expect("a URL")).await;
    let key = house.key(full()).await;
    proves(&house.service, &key).await.expect("the right secret");
    database.psql("ALTER TABLE access_version RENAME TO elsewhere").expect("renamed");
    proves(&house.service, &key).await.expect("remembered");
    house.clock.advance_micros(STALE_AFTER_MICROS);
    let asked = (0..50).map(|_| {
        let (service, key) = (house.service.clone(), key.clone());
        tokio::spawn(async move { proves(&service, &key).await })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert!(matches!(answer.await.expect("no panic"), Err(Refused::Fault(_))));
    }
    database.psql("ALTER TABLE elsewhere RENAME TO access_version").expect("renamed");
    proves(&house.service, &key).await.expect("the store can be asked again");
}

type Damage = Arc<dyn Fn(&mut Rows) + Send + Sync>;

/// Changes what no command of the product would, and remembers how it was.
struct DamageRows {
    key: AccessKeyId,
    account: AccountId,
    damage: Damage,
}

type Before = (Option<AccountRow>, Option<AccessKeyRow>, Vec<AccessSecretRow>);

impl Command for DamageRows {
    type Reply = Before;
    type Refusal = std::convert::Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<AccountRow>((self.account,));
        keys.row::<AccessKeyRow>((self.key,));
        keys.prefix::<AccessSecretRow>(&(self.key,));
        keys.row::<AccessVersionRow>((ACCESS_VERSION_ID,));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<Before, Self::Refusal> {
        let account = rows.get::<AccountRow>(&(self.account,)).cloned();
        let key = rows.get::<AccessKeyRow>(&(self.key,)).cloned();
        let secrets = rows.all::<AccessSecretRow>(&(self.key,));
        let secrets = secrets.iter().map(|secret| rows.must::<AccessSecretRow>(secret).clone()).collect();
        (self.damage)(rows);
        Ok((account, key, secrets))
    }
}

/// Changes the wrapped platform key, or takes it away.
struct DamagePlatformKey(fn(PlatformKeyRow) -> Option<PlatformKeyRow>);

impl Command for DamagePlatformKey {
    type Reply = ();
    type Refusal = std::convert::Infallible;

    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<PlatformKeyRow>((0,));
    }

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<(), Self::Refusal> {
        let row = rows.delete::<PlatformKeyRow>(&(0,)).expect("it is there");
        if let Some(row) = (self.0)(row) {
            rows.insert(row);
        }
        Ok(())
    }
}

impl House {
    /// Gives the damage that undoes this one.
    async fn damage(&self, key: &IssuedKey, account: AccountId, damage: Damage) -> Damage {
        let key = key.id;
        let Ok((old_account, old_key, old_secrets)) =
            self.store.writer().run(DamageRows { key, account, damage }).await.expect("the store works");
        Arc::new(move |rows| {
            rows.delete::<AccountRow>(&(account,));
            rows.delete::<AccessKeyRow>(&(key,));
            for secret in rows.all::<AccessSecretRow>(&(key,)) {
                rows.delete::<AccessSecretRow>(&secret);
            }
            if let Some(row) = &old_account {
                rows.insert(row.clone());
            }
            if let Some(row) = &old_key {
                rows.insert(row.clone());
            }
            for row in &old_secrets {
                rows.insert(row.clone());
            }
        })
    }
}

fn replace(rows: &mut Rows, account: AccountId, change: impl Fn(&mut AccountRow)) {
    let mut row = rows.delete::<AccountRow>(&(account,)).expect("it is there");
    change(&mut row);
    rows.insert(row);
}
