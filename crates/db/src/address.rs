//! Database addresses: `sqlite:PATH` or `postgres://…`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::fault::Fault;

/// The parameter of an address that says that a pooler in transaction mode stands before PostgreSQL.
const POOLER: &str = "pooler=";

/// Where the data lives. Shown without its password.
#[derive(Clone)]
pub struct DatabaseUrl(Place);

#[derive(Clone)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(Box<Server>),
}

/// A PostgreSQL server, or a pooler before it.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) config: Config,
    /// Whether two transactions of one connection may meet two sessions of the server (`pooler=transaction`).
    pub(crate) pooled: bool,
}

impl DatabaseUrl {
    /// A SQLite file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Place::Sqlite(path.into()))
    }

    /// The file, when it is SQLite.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.0 {
            Place::Sqlite(path) => Some(path),
            Place::Postgres(_) => None,
        }
    }

    /// `sqlite` or `postgres`.
    pub fn engine(&self) -> &'static str {
        match &self.0 {
            Place::Sqlite(_) => "sqlite",
            Place::Postgres(_) => "postgres",
        }
    }

    /// Whether it names a pooler in transaction mode: no prepared statements, and no settings but those of a transaction.
    pub fn is_pooled(&self) -> bool {
        matches!(&self.0, Place::Postgres(server) if server.pooled)
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0
    }
}

/// tokio-postgres knows `disable`, `prefer` and `require`; ours verifies chain and name whenever it encrypts, so the stricter names
/// mean `require`. Over TCP to another machine the default is to encrypt, not to prefer it.
fn postgres(url: &str) -> Result<Server, Fault> {
    let (url, pooled) = without_pooler(url)?;
    let spelled = url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
    let mut config = Config::from_str(&spelled).map_err(|_| {
        Fault::Address("the database URL cannot be read; it looks like postgres://user:password@host/name or postgres:///name?host=/dir&user=name".into())
    })?;
    let local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1" | "[::1]"),
    };
    if !spelled.contains("sslmode=") {
        config.ssl_mode(if config.get_hosts().iter().all(local) { SslMode::Disable } else { SslMode::Require });
    }
    config.application_name("guichet");
    if pooled && config.get_options().is_some() {
        return Err(Fault::Address(
            "options do not go with pooler=transaction: they would reach some sessions and others not; ALTER ROLE … SET gives them to all".into(),
        ));
    }
    Ok(Server { config, pooled })
}

/// The address without what only we understand of it, and whether it names a pooler in transaction mode.
fn without_pooler(url: &str) -> Result<(String, bool), Fault> {
    // A password may hold a question mark, and stands before the first `@`.
    let query = url.find('@').and_then(|at| url[at..].find('?').map(|mark| at + mark)).or_else(|| url.find('?'));
    let Some((base, query)) = query.map(|mark| (&url[..mark], &url[mark + 1..])) else { return Ok((url.to_owned(), false)) };
    let (ours, theirs): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| pair.starts_with(POOLER));
    if ours.iter().any(|pair| pair.strip_prefix(POOLER) != Some("transaction")) {
        return Err(Fault::Address("pooler can only be transaction; without it the address is PostgreSQL's own".into()));
    }
    let url = if theirs.is_empty() { base.to_owned() } else { format!("{base}?{}", theirs.join("&")) };
    Ok((url, !ours.is_empty()))
}

impl FromStr for DatabaseUrl {
    type Err = Fault;

    fn from_str(url: &str) -> Result<Self, Fault> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(Fault::Address("sqlite: needs a path, as in sqlite:./guichet-data/guichet.db".into()));
            }
            return Ok(Self(Place::Sqlite(path.into())));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self(Place::Postgres(Box::new(postgres(url)?))));
        }
        Err(Fault::Address("a database URL begins with sqlite: or postgres://".into()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Place::Postgres(server) => {
                let config = &server.config;
                let host = match config.get_hosts().first() {
                    Some(Host::Tcp(name)) => name.clone(),
                    Some(Host::Unix(path)) => path.display().to_string(),
                    None => "localhost".into(),
                };
                write!(f, "postgres://")?;
                if let Some(user) = config.get_user() {
                    write!(f, "{user}@")?;
                }
                write!(f, "{host}")?;
                if let Some(port) = config.get_ports().first() {
                    write!(f, ":{port}")?;
                }
                write!(f, "/{}", config.get_dbname().unwrap_or_default())?;
                if server.pooled { write!(f, "?{POOLER}transaction") } else { Ok(()) }
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        url.parse::<DatabaseUrl>().expect_err("no address").to_string()
    }

    #[test]
    fn a_pooler_is_named_in_the_address_and_shown_with_it() {
        for (url, shown) in [
            ("postgres://me:secret@db:6432/x", "postgres://me@db:6432/x"),
            ("postgres://me:secret@db:6432/x?pooler=transaction", "postgres://me@db:6432/x?pooler=transaction"),
            ("postgres://me:se?ret@db/x?sslmode=require&pooler=transaction", "postgres://me@db:5432/x?pooler=transaction"),
            ("postgres:///x?pooler=transaction&host=/run&user=me", "postgres://me@/run/x?pooler=transaction"),
        ] {
            let address: DatabaseUrl = url.parse().expect("an address");
            assert_eq!((address.to_string().as_str(), address.is_pooled()), (shown, shown.contains('?')));
            assert_eq!(format!("{address:?}"), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for mode in ["session", "statement", "", "Transaction"] {
            assert!(refusal(&format!("postgres://db/x?pooler={mode}")).contains("pooler can only be transaction"), "{mode}");
        }
        assert!(refusal("postgres://db/x?options=-cjit%3Doff&pooler=transaction").contains("options do not go with"));
        for unknown in ["pgbouncer=true", "prepared=off", "poolers=transaction"] {
            assert!(refusal(&format!("postgres://db/x?{unknown}")).contains("cannot be read"), "{unknown}");
        }
    }
}
