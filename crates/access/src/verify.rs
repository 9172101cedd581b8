//! What must hold of accounts and keys; the numbers are those of `guichet verify` (proving, section 2.2).

use db::{Fault, Record, Snapshot, Table, args};
use kernel::seal::SEAL_OVERHEAD_BYTES;
use kernel::verify::Report;
use kernel::{AccountId, Source, contains_card_number};

use crate::address::AllowList;
use crate::platform_key::Opening;
use crate::queries::{EVERY_ACCOUNT, EVERY_KEY, EVERY_SECRET};
use crate::rows::{AccessKeyRow, AccessSecretRow, AccountRow};
use crate::rules::ACCOUNT_NUMBER_MIN;
use crate::secrets::{AccessSecrets, SecretPlace};
use crate::token::{Environment, is_token};

const UNIQUE: (&str, &str) = ("I3.b", "ids are unique");
const NAMED: (&str, &str) = ("I3.d", "what a row names exists");
const NO_CARDS: (&str, &str) = ("I8.a", "no card number in clear");
const NO_SECRETS: (&str, &str) = ("I8.b", "no secret in clear");
const OPENS: (&str, &str) = ("I8.d", "sealed rows open");

/// Checks the platform key, accounts, keys and secrets. Without a platform key (no master key at hand) sealed values are
/// not opened.
///
/// # Errors
/// When the snapshot cannot be read.
pub async fn verify(snapshot: &Snapshot, platform: Option<&Opening>, report: &mut Report) -> Result<(), Fault> {
    for (id, name) in [UNIQUE, NAMED, NO_CARDS, NO_SECRETS, OPENS] {
        report.checked(id, name, 0);
    }
    let secrets = match platform {
        Some(Opening::Opened(key)) => {
            report.checked(OPENS.0, OPENS.1, 1);
            Some(AccessSecrets::new(key, &Source::system()))
        }
        Some(Opening::Damaged) => {
            report.checked(OPENS.0, OPENS.1, 1);
            report.broken(OPENS.0, "platform key", "table platform_key", "it opens", "it was changed");
            None
        }
        Some(Opening::Absent | Opening::OtherMasterKey) | None => {
            report.skipped(OPENS.0, OPENS.1, "no master key");
            None
        }
    };
    let mut audit = Audit { secrets: secrets.as_ref(), report, last_number: 0 };
    snapshot.each(&EVERY_ACCOUNT, args![], |record| audit.account(&record)).await?;
    snapshot.each(&EVERY_KEY, args![], |record| audit.key(&record)).await?;
    snapshot.each(&EVERY_SECRET, args![], |record| audit.secret(&record)).await
}

struct Audit<'a> {
    secrets: Option<&'a AccessSecrets>,
    report: &'a mut Report,
    last_number: i64,
}

impl Audit<'_> {
    fn checked(&mut self, rule: (&'static str, &'static str)) {
        self.report.checked(rule.0, rule.1, 1);
    }

    /// The row, unless some column holds what its type could not have written.
    fn row<T: Table>(&mut self, record: &Record) -> Result<Option<T>, Fault> {
        match record.row(0) {
            Ok(row) => Ok(Some(row)),
            Err(Fault::Corrupt(why)) => {
                self.report.broken(
                    NAMED.0,
                    "unreadable row",
                    format_args!("table {}", why.table),
                    "a readable row",
                    format_args!("column {}", why.column),
                );
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// A text that people write must not hold a card number or a secret.
    fn clean(&mut self, place: &str, text: &str) {
        self.checked(NO_CARDS);
        self.checked(NO_SECRETS);
        if contains_card_number(text) {
            self.report.broken(NO_CARDS.0, "card number", place, "no card number", "one");
        }
        let prefixes = [Environment::Sandbox, Environment::Production].map(Environment::secret_prefix);
        if prefixes.iter().any(|prefix| text.contains(prefix)) {
            self.report.broken(NO_SECRETS.0, "secret", place, "no secret", "one");
        }
    }

    /// A sealed column must look like one.
    fn sealed(&mut self, place: &str, sealed: &[u8]) {
        self.checked(NO_SECRETS);
        if sealed.len() <= SEAL_OVERHEAD_BYTES {
            self.report.broken(NO_SECRETS.0, "sealed column", place, "a sealed value", format_args!("{} bytes", sealed.len()));
        }
    }

    fn account(&mut self, record: &Record) -> Result<(), Fault> {
        let Some(account) = self.row::<AccountRow>(record)? else { return Ok(()) };
        let place = format!("account {}", account.id);
        self.checked(UNIQUE);
        if account.number < ACCOUNT_NUMBER_MIN || account.number <= self.last_number {
            self.report.broken(UNIQUE.0, "account number", &place, "a number of its own", account.number);
        }
        self.last_number = account.number;
        self.clean(&place, &account.name);
        self.clean(&place, &account.owner_email);
        self.sealed(&place, &account.sealed_fingerprint_key);
        if let Some(secrets) = self.secrets {
            self.checked(OPENS);
            if let Err(why) = secrets.open_fingerprint_key(&account.sealed_fingerprint_key, account.id) {
                self.report.broken(OPENS.0, "fingerprint key", &place, "it opens", why);
            }
        }
        Ok(())
    }

    fn key(&mut self, record: &Record) -> Result<(), Fault> {
        let Some(key) = self.row::<AccessKeyRow>(record)? else { return Ok(()) };
        let place = format!("access key {}", key.id);
        let counts = AccessKeyRow::META.columns.len();
        let (accounts, present, all): (i64, i64, i64) = (record.get(counts)?, record.get(counts + 1)?, record.get(counts + 2)?);
        self.checked(NAMED);
        if accounts != 1 {
            self.report.broken(NAMED.0, "account", &place, 1, accounts);
        }
        if present != 1 || all > 2 {
            self.report.broken(NAMED.0, "secrets", &place, "one present, at most one before", format_args!("{present} of {all}"));
        }
        self.clean(&place, &key.name);
        if !is_token(&key.token, key.environment) {
            self.report.broken(NO_SECRETS.0, "token", &place, "a token of its environment", "another text");
        }
        if AllowList::from_stored(&key.allowed_ips).is_err() {
            self.report.broken(NAMED.0, "address list", &place, "addresses", "another text");
        }
        Ok(())
    }

    fn secret(&mut self, record: &Record) -> Result<(), Fault> {
        let Some(secret) = self.row::<AccessSecretRow>(record)? else { return Ok(()) };
        let place = format!("secret {} of access key {}", secret.secret_id, secret.key_id);
        self.checked(NAMED);
        let Some(account_id) = record.get::<Option<AccountId>>(AccessSecretRow::META.columns.len())? else {
            self.report.broken(NAMED.0, "access key", &place, "it exists", "it does not");
            return Ok(());
        };
        self.sealed(&place, &secret.sealed_secret);
        if secret.secret_hash.len() != 32 {
            self.report.broken(NO_SECRETS.0, "secret hash", &place, "32 bytes", secret.secret_hash.len());
        }
        if let Some(secrets) = self.secrets {
            self.checked(OPENS);
            let at = SecretPlace { account: account_id, key: secret.key_id, secret: secret.secret_id };
            match secrets.open_secret(&secret.sealed_secret, at) {
                Ok(text) if secrets.hash(text.expose().as_bytes()).as_slice() == secret.secret_hash.as_ref() => {}
                Ok(_) => self.report.broken(OPENS.0, "secret", &place, "the secret that was hashed", "another one"),
                Err(why) => self.report.broken(OPENS.0, "secret", &place, "it opens", why),
            }
        }
        Ok(())
    }
}
