//! `guichet account create`: a merchant and its first access key.

use access::{NewAccount, NewKey, Permission};
use kernel::{Country, Currency, Source};
use serde_json::json;

use crate::cli::AccountCreate;
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
        .create_account(NewAccount::new(&command.name, &command.owner_email, country, currency))
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
