//! `guichet account create|change`: a merchant, its first access key, and how strict it wants us to be.

use access::{NewAccount, NewKey, Permission};
use kernel::{AccountId, Country, Currency, Source};
use serde_json::json;

use crate::cli::{AccountChange, AccountCreate, Switch};
use crate::config::Config;
use crate::trouble::Trouble;
use crate::wiring::Office;

/// Name of the key that a new account begins with.
const FIRST_KEY: &str = "first key";

/// Makes the account and gives what is printed: the one time the key's secret is shown.
///
/// # Errors
/// A value that cannot be used, or a database that cannot be written to.
pub async fn create(command: &AccountCreate, config: &Config) -> Result<String, Trouble> {
    let wrong = |what: &str, why: &str| Trouble::new("no account was made").because(format!("`{what}` {why}"));
    let country = Country::parse(&command.country)
        .ok_or_else(|| wrong(&command.country, "is no country").remedy("give an ISO 3166-1 code of two capitals, like FR"))?;
    let currency = Currency::parse(&command.currency)
        .ok_or_else(|| wrong(&command.currency, "is no currency").remedy("give an ISO 4217 code of three capitals, like EUR"))?;
    let office = Office::open(config, &Source::system()).await?;
    let refused = |error| office.explain("no account was made", error);
    let account = office
        .access
        .create_account(NewAccount {
            idempotency_strict: command.idempotency_strict,
            ..NewAccount::new(&command.name, &command.owner_email, country, currency)
        })
        .await
        .map_err(refused)?;
    let key = office.access.create_key(account.id, NewKey::new(FIRST_KEY, Permission::FullAccess)).await;
    let key = key.map_err(|error| office.explain(&format!("the account {} was made, but no key for it", account.id), error))?;
    office.close().await;
    if command.json {
        let answer = json!({
            "id": account.id.to_string(),
            "number": account.number,
            "name": &*account.name,
            "owner_email": &*account.owner_email,
            "country": account.country.code(),
            "currency": account.currency.code(),
            "idempotency_strict": account.idempotency_strict,
            "key": { "id": key.id.to_string(), "token": &*key.token, "secret": key.secret.expose() },
        });
        return Ok(answer.to_string());
    }
    Ok(format!(
        "Account  {} <{}>\nId       {}\nNumber   {}\n\nKey      {}  (full access)\nToken    {}\nSecret   {}\n\n\
         The secret is not shown again: put it where the merchant's programs find it, and nowhere else.",
        account.name,
        account.owner_email,
        account.id,
        account.number,
        key.id,
        key.token,
        key.secret.expose()
    ))
}

/// What is said when nothing was changed.
const UNCHANGED: &str = "the account was not changed";

/// Changes an account and gives what is printed.
///
/// # Errors
/// An account that does not exist, or a database that cannot be written to.
pub async fn change(command: &AccountChange, config: &Config) -> Result<String, Trouble> {
    let office = Office::open(config, &Source::system()).await?;
    let answer = changed(command, &office).await;
    office.close().await;
    answer
}

async fn changed(command: &AccountChange, office: &Office) -> Result<String, Trouble> {
    let id = account_id(command, office).await?;
    let strict = command.idempotency_strict == Switch::On;
    let changed = office.access.set_idempotency_strict(id, strict).await;
    let changed = changed.map_err(|error| office.explain(UNCHANGED, error))?;
    if command.json {
        return Ok(json!({ "id": id.to_string(), "idempotency_strict": strict, "changed": changed }).to_string());
    }
    Ok(match (strict, changed) {
        (true, true) => {
            format!("Account {id} refuses repeats with another body from now on; running servers follow within a second.")
        }
        (false, true) => {
            format!("Account {id} answers repeats whatever their body from now on; running servers follow within a second.")
        }
        (true, false) => format!("Account {id} refused repeats with another body already."),
        (false, false) => format!("Account {id} answered repeats whatever their body already."),
    })
}

async fn account_id(command: &AccountChange, office: &Office) -> Result<AccountId, Trouble> {
    if let Some(text) = &command.id {
        return text.parse().map_err(|error| {
            Trouble::new(UNCHANGED)
                .because(format!("`{text}` is no account id: {error}"))
                .remedy("give the id that `guichet account create` printed")
        });
    }
    let number = command.number.unwrap_or_default();
    let found = office.access.account_by_number(number).await.map_err(|error| office.explain(UNCHANGED, error))?;
    found.map(|account| account.id).ok_or_else(|| {
        Trouble::new(UNCHANGED)
            .because(format!("there is no account with the number {number}"))
            .remedy("give the number that `guichet account create` printed")
            .as_answer()
    })
}
