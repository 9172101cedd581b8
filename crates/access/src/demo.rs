//! The demo's accounts and keys: made on the first start, the same on every later one.

use kernel::{Country, Currency};

use crate::error::AccessError;
use crate::rules::Permission;
use crate::service::{AccessService, NewAccount, NewKey};
use crate::types::{Account, IssuedKey};

/// One key of each permission, by the name the credentials file gives it.
const KEYS: [(&str, Permission); 5] = [
    ("full", Permission::FullAccess),
    ("money_in_only", Permission::MoneyInOnly),
    ("read_only", Permission::ReadOnly),
    ("read_money_in", Permission::ReadMoneyIn),
    ("no_money_out", Permission::ReadWriteNoMoneyOut),
];

/// A demo account and its keys.
#[derive(Debug, Clone)]
pub struct DemoAccount {
    /// The account.
    pub account: Account,
    /// Its keys by the name the credentials file gives them.
    pub keys: Vec<(&'static str, IssuedKey)>,
}

/// What the demo shows.
#[derive(Debug, Clone)]
pub struct DemoAccess {
    /// The account that everything is shown with, with a key of each permission.
    pub account: DemoAccount,
    /// Somebody else's account, with a key for everything.
    pub other_account: DemoAccount,
}

impl AccessService {
    /// Makes what is missing of the demo's accounts and keys and gives all of it, secrets included. Sandbox only.
    ///
    /// # Errors
    /// When the store fails, or a secret does not open.
    pub async fn demo(&self) -> Result<DemoAccess, AccessError> {
        Ok(DemoAccess {
            account: self.demo_account("Demo", "merchant@example.com", &KEYS).await?,
            other_account: self.demo_account("Other", "other@example.com", &KEYS[..1]).await?,
        })
    }

    async fn demo_account(
        &self,
        name: &str,
        email: &str,
        keys: &[(&'static str, Permission)],
    ) -> Result<DemoAccount, AccessError> {
        let account = match self.accounts_by_email(email).await?.into_iter().next() {
            Some(account) => account,
            None => self.create_account(NewAccount::new(name, email, france(), Currency::EUR)).await?,
        };
        let existing = self.reveal_keys(account.id).await?;
        let mut shown = Vec::with_capacity(keys.len());
        for &(name, permission) in keys {
            let key = match existing.iter().find(|(existing, _)| existing.as_ref() == name) {
                Some((_, key)) => key.clone(),
                None => self.create_key(account.id, NewKey::new(name, permission)).await?,
            };
            shown.push((name, key));
        }
        Ok(DemoAccount { account, keys: shown })
    }
}

fn france() -> Country {
    Country::parse("FR").expect("France has a code")
}
