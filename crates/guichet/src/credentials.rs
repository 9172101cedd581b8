//! The demo's credentials: one account with a key of every preset, a second account for comparison, and the file in which
//! tests and tools find them (mode 0600, written in one step once the listener is bound).

use std::path::Path;

use kernel::{AccessKeyId, AccountId, SecretText};
use serde_json::{Map, Value, json};

use crate::files;
use crate::trouble::Trouble;

/// The published test cards by what the sandbox acquirer makes of them (payments spec § 3.5).
const CARDS: &[(&str, &str)] = &[
    ("approved", "4507990000000002"),
    ("insufficient_funds", "4507990000000010"),
    ("declined_by_bank", "4507990000000028"),
    ("do_not_honor", "4507990000000036"),
    ("invalid_security_code", "4507990000000044"),
    ("invalid_card_data", "4507990000000051"),
    ("reported_stolen", "4507990000000069"),
    ("error", "4507990000000077"),
    ("challenge", "4916994064252017"),
    ("authenticated", "4929251897047956"),
    ("not_authenticated", "4716429323842524"),
];

/// The number of the test card with this outcome.
///
/// # Panics
/// When there is none: the names are fixed in the program.
pub fn card(outcome: &str) -> &'static str {
    CARDS.iter().find(|(name, _)| *name == outcome).expect("the program names published cards only").1
}

/// An access key with the secret that is otherwise shown only once.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The key's id.
    pub id: AccessKeyId,
    /// Its public half.
    pub token: String,
    /// Its private half.
    pub secret: SecretText,
}

/// An account as the credentials name it.
#[derive(Debug, Clone)]
pub struct DemoAccount {
    /// Its id.
    pub id: AccountId,
    /// Its number.
    pub number: i64,
    /// Shown name.
    pub name: String,
    /// Its owner's address.
    pub owner_email: String,
    /// Home country, ISO 3166-1 alpha-2.
    pub country: String,
    /// Home currency, ISO 4217.
    pub currency: String,
    /// Its keys by the name the file gives them.
    pub keys: Vec<(&'static str, KeyPair)>,
}

impl DemoAccount {
    /// As the demo made or found it.
    pub fn new(made: &access::DemoAccount) -> DemoAccount {
        let pair = |key: &access::IssuedKey| KeyPair { id: key.id, token: key.token.to_string(), secret: key.secret.clone() };
        DemoAccount {
            id: made.account.id,
            number: made.account.number,
            name: made.account.name.to_string(),
            owner_email: made.account.owner_email.to_string(),
            country: made.account.country.code().to_owned(),
            currency: made.account.currency.code().to_owned(),
            keys: made.keys.iter().map(|(name, key)| (*name, pair(key))).collect(),
        }
    }
}

/// Everything somebody needs to use the demo.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Where the server answers, without a slash at the end.
    pub base_url: String,
    /// The account called Demo.
    pub account: DemoAccount,
    /// Somebody else's account.
    pub other_account: DemoAccount,
    /// A year in which the test cards have not expired.
    pub card_year: u16,
    /// What the sandbox acquirer signs its notifications with.
    pub notification_secret: SecretText,
}

impl Credentials {
    /// The key that may do everything.
    ///
    /// # Panics
    /// Never: the demo always makes it.
    pub fn full_key(&self) -> &KeyPair {
        let full = self.account.keys.iter().find(|(name, _)| *name == "full");
        &full.expect("the demo account has a key of every preset").1
    }

    /// Writes the file in one step, readable by its owner only.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Trouble> {
        let text = format!("{:#}\n", self.to_json());
        files::replace(path, text.as_bytes()).map_err(|error| {
            Trouble::new(format!("cannot write the credentials file {}", path.display()))
                .because(error)
                .remedy("name a file in a folder you may write to with --credentials")
        })
    }

    fn to_json(&self) -> Value {
        let account = &self.account;
        let cards: Map<String, Value> = CARDS.iter().map(|&(name, number)| (name.to_owned(), json!(number))).collect();
        json!({
            "base_url": self.base_url,
            "account": {
                "id": account.id.to_string(),
                "number": account.number,
                "name": account.name,
                "owner_email": account.owner_email,
            },
            "keys": keys_json(account),
            "other_account": { "id": self.other_account.id.to_string(), "keys": keys_json(&self.other_account) },
            "payments": {
                "account_id": account.id.to_string(),
                "cards": cards,
                "notification_secret": self.notification_secret.expose(),
            },
        })
    }
}

fn keys_json(account: &DemoAccount) -> Value {
    let pair = |key: &KeyPair| json!({ "id": key.id.to_string(), "token": key.token, "secret": key.secret.expose() });
    account.keys.iter().map(|(name, key)| ((*name).to_owned(), pair(key))).collect::<Map<_, _>>().into()
}
