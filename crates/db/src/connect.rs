//! Connections to PostgreSQL, encrypted whenever the address asks for it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault::Fault;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A silent network is noticed after this long.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes connections to one database.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    /// `schema` becomes the only one on the search path.
    pub(crate) fn new(config: &Config, schema: Option<&str>) -> Result<Self, Fault> {
        let mut config = config.clone();
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(TCP_USER_TIMEOUT);
        if let Some(schema) = schema {
            let options = format!("{} -c search_path={schema}", config.get_options().unwrap_or_default());
            config.options(options);
        }
        let tls = if config.get_ssl_mode() == SslMode::Disable { None } else { Some(tls()?) };
        Ok(Self { config, tls })
    }

    /// The same with further settings of the session, given at its start so that poolers keep them.
    pub(crate) fn with_options(&self, options: &str) -> Self {
        let mut other = self.clone();
        other.config.options(format!("{} {options}", self.config.get_options().unwrap_or_default()));
        other
    }

    /// A new connection; its background part runs on the runtime this is awaited on.
    ///
    /// Boxed, so that the many places that may have to connect do not each hold a compiled copy of the handshake.
    pub(crate) fn connect(&self) -> BoxFuture<'_, Result<Client, tokio_postgres::Error>> {
        async {
            if let Some(tls) = &self.tls {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(connection);
                Ok(client)
            } else {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok(client)
            }
        }
        .boxed()
    }
}

fn tls() -> Result<MakeRustlsConnect, Fault> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Fault::Address("TLS to PostgreSQL cannot be set up".into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
