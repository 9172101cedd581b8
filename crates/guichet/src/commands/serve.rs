//! `guichet serve`: the product, for real. It refuses what would be a mistake rather than guessing.

use kernel::Source;

use crate::config::Config;
use crate::trouble::Trouble;
use crate::wiring::{House, Schema};
use crate::{logging, master_key, signals};

/// Serves until it is asked to stop.
///
/// # Errors
/// A setting it refuses to serve with, a store that cannot be opened, an address that cannot be bound.
pub async fn run(config: &Config) -> Result<(), Trouble> {
    logging::start(config)?;
    refuse_exposure(config)?;
    let source = Source::system();
    let master = master_key::demand(config, &source)?;
    let house = House::open(config, &master, &source, Schema::MustBeCurrent).await?;
    let server = house.bind(config, None).await?.open();
    if !config.has_acquirer() {
        tracing::warn!("no acquirer is configured, so no payment can be made; --stripe-key-file makes Stripe one");
    }
    let public_url = config.public_url.as_deref().unwrap_or(server.base_url());
    tracing::info!(
        address = server.base_url(),
        public_url,
        version = env!("CARGO_PKG_VERSION"),
        sandbox = config.sandbox,
        "serving"
    );
    signals::asked_to_stop().await?;
    server.stop().await
}

/// Secrets travel in headers: on an address others can reach they need TLS, here or in a proxy.
///
/// # Errors
/// When they would travel in the clear.
pub fn refuse_exposure(config: &Config) -> Result<(), Trouble> {
    if config.listen.ip().is_loopback() || config.tls.is_some() || config.behind_proxy {
        return Ok(());
    }
    Err(Trouble::new(format!("serve does not listen on {} without TLS", config.listen))
        .because("other machines can reach this address, and access keys would cross the network in the clear")
        .remedy("give --tls-cert and --tls-key, or --behind-proxy if a proxy ends TLS, or listen on 127.0.0.1"))
}
