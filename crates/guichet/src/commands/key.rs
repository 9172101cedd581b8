//! `guichet key create|enable|disable|rotate`: access keys, beside a running server or without one.

use access::{AllowList, IssuedKey, NewKey, Permission};
use kernel::{AccessKeyId, AccountId, Source};
use serde_json::json;
use tokio::task::JoinSet;

use crate::cli::{KeyCommand, KeyCreate};
use crate::config::Config;
use crate::trouble::Trouble;
use crate::wiring::Office;

/// Carries the command out and gives what is printed.
///
/// # Errors
/// A value that cannot be used, a key that does not exist, a database that cannot be written to.
pub async fn answer(command: &KeyCommand, config: &Config) -> Result<String, Trouble> {
    let office = Office::open(config, &Source::system()).await?;
    let answer = match command {
        KeyCommand::Create(command) => create(&office, command).await,
        KeyCommand::Enable(command) => switch(&office, &command.id, true, command.json).await,
        KeyCommand::Disable(command) => switch(&office, &command.id, false, command.json).await,
        KeyCommand::Rotate(command) => {
            let id = key_id(&command.id)?;
            let key = office.access.rotate_key(id, command.overlap).await;
            let key = key.map_err(|error| office.explain("the key was not changed", error))?;
            let note = format!("The old secret stays valid for {} seconds.", command.overlap);
            Ok(issued(&key, &note, command.json))
        }
    };
    office.close().await;
    answer
}

async fn create(office: &Office, command: &KeyCreate) -> Result<String, Trouble> {
    let none = "no key was made";
    let account = command.account.parse::<AccountId>().map_err(|error| {
        Trouble::new(none)
            .because(format!("`{}` is no account id: {error}", command.account))
            .remedy("give the id that `guichet account create` printed")
    })?;
    let permission = Permission::parse(&command.permission).ok_or_else(|| {
        let names: Vec<&str> = Permission::ALL.iter().map(|permission| permission.name()).collect();
        Trouble::new(none)
            .because(format!("`{}` is no permission", command.permission))
            .remedy(format!("give one of {}", names.join(", ")))
    })?;
    let allowed = AllowList::parse(command.allow_ip.iter().map(String::as_str)).map_err(|error| {
        Trouble::new(none).because(error).remedy("give addresses like 192.0.2.7 or networks like 192.0.2.0/24")
    })?;
    let new = NewKey { allowed, ..NewKey::new(&command.name, permission) };
    let powers = format!("It may do what {} allows.", permission.name());
    // All at once: they share commits.
    let mut making = JoinSet::new();
    for _ in 0..command.count {
        let (access, new) = (office.access.clone(), new.clone());
        making.spawn(async move { access.create_key(account, new).await });
    }
    let mut answers = Vec::new();
    for key in making.join_all().await {
        answers.push(issued(&key.map_err(|error| office.explain(none, error))?, &powers, command.json));
    }
    Ok(answers.join("\n"))
}

async fn switch(office: &Office, id: &str, on: bool, as_json: bool) -> Result<String, Trouble> {
    let id = key_id(id)?;
    let switched = if on { office.access.enable_key(id).await } else { office.access.disable_key(id).await };
    let changed = switched.map_err(|error| office.explain("the key was not changed", error))?;
    if as_json {
        return Ok(json!({ "id": id.to_string(), "enabled": on, "changed": changed }).to_string());
    }
    let state = if on { "enabled" } else { "disabled" };
    Ok(if changed {
        format!("Key {id} is {state}; running servers follow within a second.")
    } else {
        format!("Key {id} was {state} already.")
    })
}

fn key_id(text: &str) -> Result<AccessKeyId, Trouble> {
    text.parse().map_err(|error| {
        Trouble::new(format!("`{text}` is no key id"))
            .because(error)
            .remedy("give the id that was printed when the key was made; a token or secret is not one")
    })
}

fn issued(key: &IssuedKey, note: &str, as_json: bool) -> String {
    if as_json {
        return json!({ "id": key.id.to_string(), "token": &*key.token, "secret": key.secret.expose() }).to_string();
    }
    format!(
        "Key      {}\nToken    {}\nSecret   {}\n\n{note} The secret is not shown again.",
        key.id,
        key.token,
        key.secret.expose()
    )
}
