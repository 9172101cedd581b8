//! Making and changing accounts and keys, as the command line and the console do it.

use std::sync::Arc;

use db::{Fault, Reader, Store, Writer};
use kernel::{AMOUNT_MINOR_MAX, AccessKeyId, AccountId, Country, Currency, FeeRate, SealError, Source, Timestamp, text};

use crate::address::AllowList;
use crate::commands::{Changed, CreateAccount, CreateKey, RotateKey, SetStrictness, SwitchKey};
use crate::error::{AccessError, AccessRefusal, EMAIL_CHARS_MAX, NAME_CHARS_MAX, REQUESTS_PER_MINUTE_MAX};
use crate::keyring::{Keyring, KeyringOptions};
use crate::queries;
use crate::rows::{AccessKeyRow, AccessSecretRow, AccountRow};
use crate::rules::Permission;
use crate::secrets::{AccessSecrets, SecretPlace};
use crate::token::{Environment, new_secret, new_token};
use crate::types::{Account, IssuedKey};

/// How long a replaced secret stays valid unless somebody says otherwise, in seconds: a day.
pub const OVERLAP_SECONDS_DEFAULT: u32 = 86_400;
/// How long a replaced secret can stay valid, in seconds: 30 days.
pub const OVERLAP_SECONDS_MAX: u32 = 2_592_000;

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Shown name, 1 to 100 characters.
    pub name: String,
    /// Where its owner is written to.
    pub owner_email: String,
    /// Home country; never changes.
    pub country: Country,
    /// Home currency; never changes.
    pub currency: Currency,
    /// What the platform keeps of each capture.
    pub fee: FeeRate,
    /// How far below zero refunds may take the account's money, in minor units.
    pub negative_limit_minor: i64,
    /// A request that repeats an idempotency key with another body than the first one's is refused.
    pub idempotency_strict: bool,
}

impl NewAccount {
    /// What the platform keeps of each capture unless somebody says otherwise: 1.4 % and 25 minor units.
    pub const FEE_DEFAULT: FeeRate = FeeRate { basis_points: 140, fixed_minor: 25 };
    /// How far below zero refunds may go unless somebody says otherwise, in minor units.
    pub const NEGATIVE_LIMIT_DEFAULT_MINOR: i64 = 100_000;

    /// An account with the default settings.
    pub fn new(name: impl Into<String>, owner_email: impl Into<String>, country: Country, currency: Currency) -> NewAccount {
        NewAccount {
            name: name.into(),
            owner_email: owner_email.into(),
            country,
            currency,
            fee: Self::FEE_DEFAULT,
            negative_limit_minor: Self::NEGATIVE_LIMIT_DEFAULT_MINOR,
            idempotency_strict: false,
        }
    }

    fn check(&self) -> Result<(), AccessRefusal> {
        check_name(&self.name)?;
        let email = self.owner_email.as_str();
        let (local, domain) = email.split_once('@').ok_or(AccessRefusal::Email)?;
        let whole = !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !email.contains(char::is_whitespace);
        if !whole || text::check(email, 3..=EMAIL_CHARS_MAX).is_err() {
            return Err(AccessRefusal::Email);
        }
        let amounts = [self.fee.fixed_minor, self.negative_limit_minor];
        let reasonable = amounts.iter().all(|amount| (0..=AMOUNT_MINOR_MAX).contains(amount));
        if reasonable && self.fee.basis_points <= kernel::share::BASIS_POINTS_WHOLE { Ok(()) } else { Err(AccessRefusal::Fee) }
    }
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Shown name, 1 to 100 characters.
    pub name: String,
    /// What it may do.
    pub permission: Permission,
    /// From where it may be used.
    pub allowed: AllowList,
    /// Its own rate; none for the installation's.
    pub requests_per_minute: Option<u32>,
    /// From when on it is refused, platform time.
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    /// A key for everywhere and always, with the installation's rate.
    pub fn new(name: impl Into<String>, permission: Permission) -> NewKey {
        NewKey { name: name.into(), permission, allowed: AllowList::anywhere(), requests_per_minute: None, expires_at: None }
    }

    fn check(&self) -> Result<(), AccessRefusal> {
        check_name(&self.name)?;
        if self.requests_per_minute.is_some_and(|rate| !(1..=REQUESTS_PER_MINUTE_MAX).contains(&rate)) {
            return Err(AccessRefusal::RequestsPerMinute);
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), AccessRefusal> {
    let sound = !name.trim().is_empty() && text::check(name, 1..=NAME_CHARS_MAX).is_ok();
    if sound { Ok(()) } else { Err(AccessRefusal::Name) }
}

/// Makes and changes accounts and keys. Cheap to clone.
#[derive(Clone)]
pub struct AccessService {
    writer: Writer,
    reader: Reader,
    secrets: AccessSecrets,
    environment: Environment,
    keyring: Keyring,
}

impl AccessService {
    /// On this store, with a keyring of its own.
    pub fn new(store: &Store, secrets: AccessSecrets, options: KeyringOptions) -> AccessService {
        let keyring = Keyring::new(store.reader().clone(), store.clock().clone(), secrets.clone(), options);
        let environment = options.environment;
        AccessService { writer: store.writer().clone(), reader: store.reader().clone(), secrets, environment, keyring }
    }

    /// Where the keys of this database count; `None` while it has none. Decided by whoever made the first one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn environment_in_use(store: &Store) -> Result<Option<Environment>, Fault> {
        queries::environment_in_use(store.reader()).await
    }

    /// What requests prove their keys by.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    fn source(&self) -> &Source {
        self.secrets.source()
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`AccessRefusal`] names what is wrong with it.
    pub async fn create_account(&self, new: NewAccount) -> Result<Account, AccessError> {
        new.check()?;
        let id = AccountId::new(self.source());
        let row = AccountRow {
            id,
            number: 0,
            country: new.country,
            currency: new.currency,
            sealed_fingerprint_key: self.secrets.new_fingerprint_key(id),
            created_at: Timestamp::EPOCH,
            name: new.name.into(),
            owner_email: new.owner_email.into(),
            fee_basis_points: new.fee.basis_points,
            fee_fixed_minor: new.fee.fixed_minor,
            negative_limit_minor: new.negative_limit_minor,
            idempotency_strict: new.idempotency_strict,
            changed_in: 0,
        };
        opened(&self.secrets, self.writer.run(CreateAccount { row }).await??)
    }

    /// An account.
    ///
    /// # Errors
    /// When it cannot be read or opened; an unknown id is `None`.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, AccessError> {
        queries::account(&self.reader, id).await?.map(|row| opened(&self.secrets, row)).transpose()
    }

    /// The account with this number.
    ///
    /// # Errors
    /// When it cannot be read or opened; an unknown number is `None`.
    pub async fn account_by_number(&self, number: i64) -> Result<Option<Account>, AccessError> {
        queries::account_by_number(&self.reader, number).await?.map(|row| opened(&self.secrets, row)).transpose()
    }

    /// Says whether an account refuses a repeat with another body: in this process at once, in the others within a second. Gives
    /// whether that was otherwise before.
    ///
    /// # Errors
    /// [`AccessRefusal::NoSuchAccount`].
    pub async fn set_idempotency_strict(&self, id: AccountId, strict: bool) -> Result<bool, AccessError> {
        let changed = self.writer.run(SetStrictness { id, strict }).await??;
        self.keyring.forget_account(id);
        Ok(changed)
    }

    /// The accounts of an owner, oldest first.
    pub(crate) async fn accounts_by_email(&self, owner_email: &str) -> Result<Vec<Account>, AccessError> {
        let rows = queries::accounts_by_email(&self.reader, owner_email).await?;
        rows.into_iter().map(|row| opened(&self.secrets, row)).collect()
    }

    /// Makes a key. Its secret is shown this once.
    ///
    /// # Errors
    /// [`AccessRefusal`] names what is wrong with it.
    pub async fn create_key(&self, account_id: AccountId, new: NewKey) -> Result<IssuedKey, AccessError> {
        new.check()?;
        let id = AccessKeyId::new(self.source());
        let token: Arc<str> = new_token(self.environment, self.source()).into();
        let (secret, issued) = self.issue(account_id, id, token.clone());
        let key = AccessKeyRow {
            id,
            account_id,
            token,
            environment: self.environment,
            name: new.name.into(),
            permission: new.permission,
            requests_per_minute: new.requests_per_minute,
            allowed_ips: new.allowed.to_stored().into(),
            expires_at: new.expires_at,
            created_at: Timestamp::EPOCH,
            disabled: false,
            changed_in: 0,
        };
        self.writer.run(CreateKey { key, secret }).await??;
        Ok(issued)
    }

    /// A new secret for a key, to be stored and to be shown.
    fn issue(&self, account_id: AccountId, key_id: AccessKeyId, token: Arc<str>) -> (AccessSecretRow, IssuedKey) {
        let secret = new_secret(self.environment, self.source());
        let secret_id = self.source().uuid();
        let row = AccessSecretRow {
            key_id,
            secret_id,
            secret_hash: self.secrets.hash(secret.expose().as_bytes()).as_slice().into(),
            sealed_secret: self.secrets.seal_secret(&secret, SecretPlace { account: account_id, key: key_id, secret: secret_id }),
            made_at: Timestamp::EPOCH,
            valid_until: None,
        };
        (row, IssuedKey { id: key_id, token, secret })
    }

    /// Switches a key on. Gives whether it was off.
    ///
    /// # Errors
    /// [`AccessRefusal::NoSuchKey`].
    pub async fn enable_key(&self, id: AccessKeyId) -> Result<bool, AccessError> {
        self.switch(id, false).await
    }

    /// Switches a key off: it counts no more in this process at once and in the others within a second. Gives whether
    /// it was on.
    ///
    /// # Errors
    /// [`AccessRefusal::NoSuchKey`].
    pub async fn disable_key(&self, id: AccessKeyId) -> Result<bool, AccessError> {
        self.switch(id, true).await
    }

    async fn switch(&self, id: AccessKeyId, disabled: bool) -> Result<bool, AccessError> {
        let Changed { token, already } = self.writer.run(SwitchKey { id, disabled }).await??;
        self.keyring.forget(&token);
        Ok(!already)
    }

    /// Gives a key a new secret, shown this once; the present one stays valid for `overlap_seconds`.
    ///
    /// # Errors
    /// [`AccessRefusal::NoSuchKey`], [`AccessRefusal::Overlap`].
    pub async fn rotate_key(&self, id: AccessKeyId, overlap_seconds: u32) -> Result<IssuedKey, AccessError> {
        if overlap_seconds > OVERLAP_SECONDS_MAX {
            return Err(AccessRefusal::Overlap.into());
        }
        let key = queries::key(&self.reader, id).await?.ok_or(AccessRefusal::NoSuchKey)?;
        let (secret, issued) = self.issue(key.account_id, id, key.token);
        let Changed { token, .. } = self.writer.run(RotateKey { account_id: key.account_id, secret, overlap_seconds }).await??;
        self.keyring.forget(&token);
        Ok(issued)
    }

    /// The keys of an account with their present secrets and names, oldest first; only the demo shows secrets twice.
    pub(crate) async fn reveal_keys(&self, id: AccountId) -> Result<Vec<(Arc<str>, IssuedKey)>, AccessError> {
        let keys = queries::keys_of_account(&self.reader, id).await?;
        let reveal = |(key, secret): (AccessKeyRow, AccessSecretRow)| {
            let place = SecretPlace { account: key.account_id, key: key.id, secret: secret.secret_id };
            let opened = self.secrets.open_secret(&secret.sealed_secret, place);
            let secret = opened.map_err(|why| AccessError::Sealed { table: "access_secret", why })?;
            Ok((key.name, IssuedKey { id: key.id, token: key.token, secret }))
        };
        keys.into_iter().map(reveal).collect()
    }
}

/// An account with its fingerprint key opened.
pub(crate) fn opened(secrets: &AccessSecrets, row: AccountRow) -> Result<Account, AccessError> {
    let fingerprint = secrets.open_fingerprint_key(&row.sealed_fingerprint_key, row.id);
    Ok(Account {
        id: row.id,
        number: row.number,
        fee: row.fee(),
        name: row.name,
        owner_email: row.owner_email,
        country: row.country,
        currency: row.currency,
        negative_limit_minor: row.negative_limit_minor,
        idempotency_strict: row.idempotency_strict,
        created_at: row.created_at,
        fingerprint: fingerprint.map_err(|why: SealError| AccessError::Sealed { table: "account", why })?,
    })
}

/// A key cannot be proved when what belongs to it cannot be read.
pub(crate) fn as_fault(error: AccessError) -> Fault {
    match error {
        AccessError::Fault(fault) => fault,
        other => Fault::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> NewAccount {
        NewAccount::new("Demo", "merchant@example.com", Country::parse("FR").expect("a country"), Currency::EUR)
    }

    #[test]
    fn accounts_and_keys_are_checked() {
        assert_eq!(account().check(), Ok(()));
        for name in ["", "   ", "a\nb", &"x".repeat(101)] {
            assert_eq!(NewAccount { name: name.to_owned(), ..account() }.check(), Err(AccessRefusal::Name), "{name}");
            assert_eq!(NewKey::new(name, Permission::ReadOnly).check(), Err(AccessRefusal::Name), "{name}");
        }
        for owner_email in ["", "@", "a@", "@b", "a@b@c", "a b@c", "ab", "a@b\n", &format!("a@{}", "b".repeat(254))] {
            let new = NewAccount { owner_email: owner_email.to_owned(), ..account() };
            assert_eq!(new.check(), Err(AccessRefusal::Email), "{owner_email}");
        }
        for (basis_points, fixed_minor, negative_limit_minor) in
            [(10_001, 0, 0), (0, -1, 0), (0, 0, -1), (0, AMOUNT_MINOR_MAX + 1, 0)]
        {
            let new = NewAccount { fee: FeeRate { basis_points, fixed_minor }, negative_limit_minor, ..account() };
            assert_eq!(new.check(), Err(AccessRefusal::Fee));
        }
        for rate in [0, REQUESTS_PER_MINUTE_MAX + 1] {
            let new = NewKey { requests_per_minute: Some(rate), ..NewKey::new("k", Permission::ReadOnly) };
            assert_eq!(new.check(), Err(AccessRefusal::RequestsPerMinute));
        }
    }
}
