//! `guichet demo`: the whole product in a sandbox on this machine, with data to look at.

use kernel::Source;
use web::Showcase;

use crate::banner::banner;
use crate::config::Config;
use crate::credentials::{Credentials, DemoAccount};
use crate::trouble::Trouble;
use crate::wiring::{House, Schema, Server};
use crate::{logging, master_key, showroom, signals, terminal};

/// A running demo.
pub struct Demo {
    /// The server.
    pub server: Server,
    /// How to use it.
    pub credentials: Credentials,
}

/// Runs until it is asked to stop.
///
/// # Errors
/// What keeps it from starting.
pub async fn run(config: &Config) -> Result<(), Trouble> {
    logging::start(config)?;
    let Demo { server, credentials } = start(config, &Source::system()).await?;
    terminal::say(&banner(&credentials, config, logging::wants_colour(&std::io::stdout())));
    signals::asked_to_stop().await?;
    server.stop().await
}

/// Opens or makes everything, writes the credentials file, and answers. Whoever gets an answer finds all the data and the file there.
///
/// # Errors
/// What keeps it from starting.
pub async fn start(config: &Config, source: &Source) -> Result<Demo, Trouble> {
    let master = master_key::demand(config, source)?;
    let house = House::open(config, &master, source, Schema::Migrate).await?;
    let made = house.access().demo().await.map_err(|error| {
        Trouble::new("the demo's accounts could not be made")
            .because(error)
            .remedy("name another --data-dir, or the master key that this one was made with")
    })?;
    let (account, other_account) = (DemoAccount::new(&made.account), DemoAccount::new(&made.other_account));
    let card_year = house.now().date().0 + CARD_YEARS_AHEAD;
    let mut credentials = Credentials {
        base_url: String::new(),
        account,
        other_account,
        card_year,
        notification_secret: house.notification_secret().clone(),
    };
    let key = credentials.full_key();
    let showcase = Showcase { account_id: credentials.account.id, token: key.token.clone(), secret: key.secret.clone() };
    let bound = house.bind(config, Some(showcase)).await?;
    bound.base_url().clone_into(&mut credentials.base_url);
    showroom::fill(bound.app(), &credentials).await?;
    if let Some(path) = &config.credentials {
        credentials.write(path)?;
    }
    Ok(Demo { server: bound.open(), credentials })
}

/// How many years from now the cards in examples are good.
const CARD_YEARS_AHEAD: u16 = 3;
