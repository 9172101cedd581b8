//! Connections to PostgreSQL, encrypted whenever the address asks for it, with the settings their work needs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::Server;
use crate::fault::Fault;
use crate::session::{Opening, Session};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A silent network is noticed after this long.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why work fails that cannot be done through a pooler whose address does not say that it is one.
pub(crate) const UNNAMED_POOLER: &str = "a pooler stands before it that keeps neither prepared statements nor settings; \
     add pooler=transaction to the address (postgres://host/name?pooler=transaction)";

/// A setting of PostgreSQL and its value.
pub(crate) type Setting = (&'static str, &'static str);

/// Makes connections to one database.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// Through a pooler in transaction mode: how each transaction begins.
    opening: Option<Opening>,
}

impl Connector {
    /// `schema` becomes the only one on the search path.
    pub(crate) fn new(server: &Server, schema: Option<&str>) -> Result<Self, Fault> {
        let mut config = server.config.clone();
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(TCP_USER_TIMEOUT);
        let opening = server.pooled.then(|| Opening::new(schema));
        if let Some(schema) = schema.filter(|_| !server.pooled) {
            let options = format!("{} -c search_path={schema}", config.get_options().unwrap_or_default());
            config.options(options);
        }
        let tls = if config.get_ssl_mode() == SslMode::Disable { None } else { Some(tls()?) };
        Ok(Self { config, tls, opening })
    }

    /// The same with further settings: of the session, given at its start, or through a pooler of each transaction.
    pub(crate) fn with_settings(&self, settings: &[Setting]) -> Self {
        let mut other = self.clone();
        if let Some(opening) = &mut other.opening {
            opening.add(settings);
        } else {
            let given = settings.iter().map(|(name, value)| format!(" -c {name}={value}"));
            other.config.options(self.config.get_options().unwrap_or_default().to_owned() + &given.collect::<String>());
        }
        other
    }

    /// A new connection; its background part runs on the runtime this is awaited on.
    ///
    /// Boxed, so that the many places that may have to connect do not each hold a compiled copy of the handshake.
    pub(crate) fn connect(&self) -> BoxFuture<'_, Result<Session, tokio_postgres::Error>> {
        async {
            if let Some(tls) = &self.tls {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(connection);
                Ok(Session::new(client, self.opening.clone()))
            } else {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok(Session::new(client, self.opening.clone()))
            }
        }
        .boxed()
    }
}

/// What it means that a connection could not be made.
pub(crate) fn unreachable(error: &tokio_postgres::Error) -> &'static str {
    let Some(refusal) = error.as_db_error() else { return "PostgreSQL cannot be reached" };
    // Poolers that cannot keep settings refuse them where they are given; there is no code for it.
    if ["startup parameter", "command-line options"].iter().any(|words| refusal.message().contains(words)) {
        return UNNAMED_POOLER;
    }
    match refusal.code().code() {
        "28P01" | "28000" => "PostgreSQL refused the user or password",
        "3D000" => "there is no such PostgreSQL database",
        _ => "PostgreSQL refused the connection",
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
