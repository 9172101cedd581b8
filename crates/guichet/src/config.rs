//! The configuration of one process: every setting read, checked and typed, once, before anything is opened.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use axum::http::Uri;
use connectors::acquirer_stripe::Api;
use db::{DatabaseUrl, Fault};
use ipnet::IpNet;
use kernel::SecretText;

use crate::settings::{Gathered, Origin, SETTINGS, Setting};
use crate::stripe::{SecretSource, StripeConfig};
use crate::trouble::Trouble;

/// Requests a minute of an access key without a rate of its own (spec: payments § 6.1).
const RATE_PER_MINUTE: u32 = 6_000;
/// The same in the demo, which must not stand in the way of load tests.
const DEMO_RATE_PER_MINUTE: u32 = 6_000_000;
/// Highest rate that can be configured, in requests a minute.
const RATE_PER_MINUTE_MAX: u32 = 60_000_000;
/// Families with a host name of their own, by the first label of that name.
const FAMILIES: &[&str] = &["oneclick", "tickets", "fpay", "support", "api", "realtime"];
/// The master key the demo makes in its data directory.
pub const MASTER_KEY_FILE: &str = "master.key";
/// The embedded database in the data directory.
const DATABASE_FILE: &str = "guichet.db";

/// What the process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `demo`: everything made by itself, sandbox.
    Demo,
    /// `serve`.
    Serve,
    /// A command that works beside a server or without one.
    Tool,
}

/// Where the master key is.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// In this file.
    File(PathBuf),
    /// In the environment.
    Text(SecretText),
    /// Nobody named one.
    Unnamed,
}

/// Certificate and key of the listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything a command needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the process is for.
    pub purpose: Purpose,
    /// Sandbox keys, test acquirer and `/dev` routes, or the real thing.
    pub sandbox: bool,
    /// Address to bind.
    pub listen: SocketAddr,
    /// Folder for everything kept on this machine.
    pub data_dir: PathBuf,
    /// Where the data lives.
    pub database: DatabaseUrl,
    /// Where the master key is.
    pub master_key: MasterKeySource,
    /// TLS on the listener.
    pub tls: Option<TlsFiles>,
    /// TLS ends in a proxy.
    pub behind_proxy: bool,
    /// Addresses of proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Additional host names: (name, family).
    pub hosts: Vec<(String, String)>,
    /// Where payers reach the server, without a slash at the end, if it was said or follows from the host names.
    pub public_url: Option<String>,
    /// Status of a repeated request whose first is in progress: 409 or 400.
    pub in_flight_status: u16,
    /// Requests a minute of a key without a rate of its own.
    pub rate_per_minute: u32,
    /// Sites whose pages may show the pages of payers in a frame.
    pub framed_by: Vec<String>,
    /// Stripe, if it has a key.
    pub stripe: StripeConfig,
    /// Where the demo writes its credentials.
    pub credentials: Option<PathBuf>,
    /// Log filter.
    pub log: String,
    /// Log form.
    pub log_format: LogFormat,
    gathered: Gathered,
}

/// One line of the effective configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveLine {
    /// The setting.
    pub name: &'static str,
    /// Its value, secrets masked.
    pub shown: String,
    /// Where it was said.
    pub origin: Origin,
}

impl Config {
    /// Reads and checks what was gathered.
    ///
    /// # Errors
    /// The first value that cannot be used, or two that contradict one another.
    pub fn read(purpose: Purpose, gathered: Gathered) -> Result<Config, Trouble> {
        let read = Reading(&gathered);
        let data_dir = PathBuf::from(read.needed("data_dir"));
        let database =
            read.parsed("database", database_url)?.unwrap_or_else(|| DatabaseUrl::sqlite(data_dir.join(DATABASE_FILE)));
        let default_rate = if purpose == Purpose::Demo { DEMO_RATE_PER_MINUTE } else { RATE_PER_MINUTE };
        read.parsed("redis", redis_url)?;
        let (tls, behind_proxy) = (tls_files(&read)?, read.parsed("behind_proxy", switch)?.unwrap_or(false));
        let hosts = read.parsed("hosts", hosts)?.unwrap_or_default();
        let api_host = hosts.iter().find(|(_, family)| family == "api").filter(|_| tls.is_some() || behind_proxy);
        let public_url = read.parsed("public_url", public_url)?.or_else(|| api_host.map(|(name, _)| format!("https://{name}")));
        let credentials = read.text("credentials").map(PathBuf::from);
        if credentials.is_some() && purpose == Purpose::Serve {
            return Err(read.wrong("credentials", "only the demo has credentials to write"));
        }
        Ok(Config {
            purpose,
            sandbox: purpose == Purpose::Demo || read.parsed("sandbox", switch)?.unwrap_or(false),
            listen: read.parsed("listen", address)?.expect("listen has a default"),
            database,
            master_key: master_key(&read)?,
            tls,
            behind_proxy,
            trusted_proxies: read.parsed("trusted_proxies", networks)?.unwrap_or_default(),
            hosts,
            public_url,
            in_flight_status: read.parsed("payments_in_flight_status", in_flight_status)?.unwrap_or(409),
            rate_per_minute: read.parsed("payments_rate_per_minute", rate)?.unwrap_or(default_rate),
            framed_by: read.parsed("framed_by", origins)?.unwrap_or_default(),
            stripe: stripe(&read)?,
            credentials,
            log: read.text("log").unwrap_or(if purpose == Purpose::Serve { "info" } else { "warn" }).to_owned(),
            log_format: read.parsed("log_format", log_format)?.unwrap_or(LogFormat::Text),
            data_dir,
            gathered,
        })
    }

    /// The same settings for another kind of process.
    #[must_use]
    pub fn with_purpose(self, purpose: Purpose) -> Config {
        Config { purpose, ..self }
    }

    /// The master key file that is read when none is named: the one the demo made, beside its data.
    pub fn master_key_file_of_demo(&self) -> PathBuf {
        self.data_dir.join(MASTER_KEY_FILE)
    }

    /// Whether anybody can be charged with: the sandbox, or Stripe.
    pub fn has_acquirer(&self) -> bool {
        self.sandbox || self.stripe.key.is_some()
    }

    /// Whether a Redis is named. Nothing in this version uses one, and whoever names one is told so.
    pub fn names_redis(&self) -> bool {
        self.gathered.get("redis").is_some_and(|said| !said.text.is_empty())
    }

    /// The effective value of every setting and where it was said, secrets masked.
    pub fn effective(&self) -> Vec<EffectiveLine> {
        let line = |name: &'static str| {
            let said = self.gathered.get(name);
            let text = said.map_or_else(|| self.implied(name), |said| said.text.clone());
            let shown = match name {
                "master_key" | "stripe_key" | "stripe_signing_secret" if !text.is_empty() => "***".to_owned(),
                "database" | "redis" => masked_url(&text),
                _ => text,
            };
            EffectiveLine { name, shown, origin: said.map_or(Origin::Default, |said| said.origin.clone()) }
        };
        SETTINGS.iter().map(|setting| line(setting.name)).collect()
    }

    fn implied(&self, name: &str) -> String {
        match name {
            "database" => self.database.to_string(),
            "payments_rate_per_minute" => self.rate_per_minute.to_string(),
            "log" => self.log.clone(),
            _ => String::new(),
        }
    }
}

/// Reads single settings and names them in complaints.
struct Reading<'a>(&'a Gathered);

impl<'a> Reading<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|said| said.text.as_str()).filter(|text| !text.is_empty())
    }

    fn needed(&self, name: &str) -> &'a str {
        self.text(name)
            .or_else(|| SETTINGS.iter().find(|setting| setting.name == name).and_then(Setting::default))
            .unwrap_or_default()
    }

    fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Trouble> {
        self.text(name).map(|text| parse(text).map_err(|why| self.wrong(name, &why))).transpose()
    }

    fn wrong(&self, name: &str, why: &str) -> Trouble {
        let place = self.0.get(name).map_or_else(|| "by default".to_owned(), |said| format!("from {}", said.origin));
        Trouble::new(format!("the setting {name} ({place}) cannot be used"))
            .because(why)
            .remedy("correct it; `guichet serve --help` describes every setting")
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("it must be true or false".to_owned()),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let found =
        text.to_socket_addrs().map_err(|_| "it must be an address and a port, like 127.0.0.1:8080 or [::1]:8080".to_owned())?;
    // A name may stand for both families; the older one is what people paste into a browser.
    let found: Vec<SocketAddr> = found.collect();
    found.iter().find(|address| address.is_ipv4()).or(found.first()).copied().ok_or_else(|| "the name has no address".to_owned())
}

fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let network = |item: &str| {
        let item = item.trim();
        item.parse::<IpNet>()
            .or_else(|_| item.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| format!("`{item}` is neither an address nor a CIDR"))
    };
    text.split(',').filter(|item| !item.trim().is_empty()).map(network).collect()
}

fn hosts(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |item: &str| {
        let (family, name) = item.split_once('=').ok_or_else(|| format!("`{item}` must have the form family=host.name"))?;
        let (family, name) = (family.trim(), name.trim().to_ascii_lowercase());
        if !FAMILIES.contains(&family) {
            return Err(format!("`{family}` is none of {}", FAMILIES.join(", ")));
        }
        let label =
            |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(format!("`{name}` is not a host name"));
        }
        Ok((name, family.to_owned()))
    };
    text.split(',').filter(|item| !item.trim().is_empty()).map(pair).collect()
}

/// Scheme, host and port; links are made by adding a path to it.
fn public_url(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let uri: Uri = text.parse().map_err(|_| "it is not an address".to_owned())?;
    let whole = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    if whole && matches!(uri.path(), "" | "/") && uri.query().is_none() && !text.contains('@') {
        Ok(text.to_owned())
    } else {
        Err("it must look like https://pay.example.com, without a path".to_owned())
    }
}

fn in_flight_status(text: &str) -> Result<u16, String> {
    match text {
        "409" => Ok(409),
        "400" => Ok(400),
        _ => Err("it must be 409 or 400".to_owned()),
    }
}

/// Scheme, host and port each; they become part of a header.
fn origins(text: &str) -> Result<Vec<String>, String> {
    let origin = |item: &str| {
        let item = item.trim().trim_end_matches('/');
        let host = item.strip_prefix("https://").or_else(|| item.strip_prefix("http://"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
        if host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain)) {
            Ok(item.to_owned())
        } else {
            Err(format!("`{item}` must look like https://shop.example.com, without a path"))
        }
    };
    text.split(',').filter(|item| !item.trim().is_empty()).map(origin).collect()
}

fn rate(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|rate| (1..=RATE_PER_MINUTE_MAX).contains(rate))
        .ok_or_else(|| format!("it must be a number from 1 to {RATE_PER_MINUTE_MAX}"))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("it must be text or json".to_owned()),
    }
}

fn database_url(url: &str) -> Result<DatabaseUrl, String> {
    url.parse().map_err(|fault: Fault| fault.to_string())
}

fn redis_url(url: &str) -> Result<(), String> {
    let known = ["redis://", "rediss://", "unix://"].iter().any(|scheme| url.starts_with(scheme));
    if known { Ok(()) } else { Err("it must start with redis://, rediss:// or unix://".to_owned()) }
}

/// The stronger of file and key; two of equal strength contradict one another.
fn master_key(read: &Reading<'_>) -> Result<MasterKeySource, Trouble> {
    let file = read.text("master_key_file").map(|path| MasterKeySource::File(PathBuf::from(path)));
    let key = read.text("master_key").map(|text| MasterKeySource::Text(SecretText::from(text.to_owned())));
    let rank = |name| read.0.get(name).map(|said| std::mem::discriminant(&said.origin));
    match (file, key) {
        (Some(_), Some(_)) if rank("master_key_file") == rank("master_key") => Err(Trouble::new("two master keys are named")
            .because("GUICHET_MASTER_KEY holds one and GUICHET_MASTER_KEY_FILE names another")
            .remedy("unset one of them")),
        // The key can only come from the environment, so a flag beats it and a file's entry does not.
        (Some(file), Some(_)) if matches!(read.0.get("master_key_file").map(|said| &said.origin), Some(Origin::Flag(_))) => {
            Ok(file)
        }
        (_, Some(key)) => Ok(key),
        (Some(file), None) => Ok(file),
        (None, None) => Ok(MasterKeySource::Unnamed),
    }
}

/// What is said about Stripe. A secret is in a file or in the environment, not in both.
fn stripe(read: &Reading<'_>) -> Result<StripeConfig, Trouble> {
    let secret = |file, text| match (read.text(file), read.text(text)) {
        (Some(_), Some(_)) => Err(read.wrong(file, "the same secret stands in the environment")),
        (Some(path), None) => Ok(Some(SecretSource::File(PathBuf::from(path)))),
        (None, Some(text)) => Ok(Some(SecretSource::Text(SecretText::from(text.to_owned())))),
        (None, None) => Ok(None),
    };
    let api = |word: &str| Api::parse(word).ok_or_else(|| "it must be payment_intents or charges".to_owned());
    Ok(StripeConfig {
        key: secret("stripe_key_file", "stripe_key")?,
        signing_secret: secret("stripe_signing_secret_file", "stripe_signing_secret")?,
        base_url: read.text("stripe_base_url").map(str::to_owned),
        api: read.parsed("stripe_api", api)?.unwrap_or_default(),
        minimal_fields: read.parsed("stripe_minimal_fields", switch)?.unwrap_or(false),
        ignores_idempotency: !read.parsed("stripe_honours_idempotency", switch)?.unwrap_or(true),
    })
}

fn tls_files(read: &Reading<'_>) -> Result<Option<TlsFiles>, Trouble> {
    match (read.text("tls_cert"), read.text("tls_key")) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: PathBuf::from(cert), key: PathBuf::from(key) })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(read.wrong("tls_cert", "a certificate needs its private key: tls_key")),
        (None, Some(_)) => Err(read.wrong("tls_key", "a private key needs its certificate: tls_cert")),
    }
}

/// The URL without its password, wherever it stands in it.
fn masked_url(url: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let base = match base.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (login, place))) => {
            let user = login.split_once(':').map_or_else(|| login.to_owned(), |(user, _)| format!("{user}:***"));
            format!("{scheme}://{user}@{place}")
        }
        None => base.to_owned(),
    };
    let mask = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.eq_ignore_ascii_case("password") => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    query.map_or(base.clone(), |query| format!("{base}?{}", query.split('&').map(mask).collect::<Vec<_>>().join("&")))
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Purpose::Demo => "demo",
            Purpose::Serve => "serve",
            Purpose::Tool => "tool",
        })
    }
}

/// The folder in which relative names of the configuration are looked up: where the command was called.
pub fn working_folder() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| Path::new(".").to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(purpose: Purpose, environment: &[(&str, &str)]) -> Result<Config, Trouble> {
        let environment = environment.iter().map(|&(name, text)| (name.to_owned(), text.to_owned()));
        let folder = tempfile::tempdir().unwrap();
        Config::read(purpose, Gathered::gather(std::collections::BTreeMap::new(), environment, folder.path())?)
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let demo = read(Purpose::Demo, &[]).unwrap();
        assert_eq!(demo.listen, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(demo.database.sqlite_path(), Some(Path::new("./guichet-data/guichet.db")));
        assert!(demo.sandbox && demo.rate_per_minute == 6_000_000 && demo.in_flight_status == 409);
        assert!(demo.trusted_proxies.iter().any(|network| network.contains(&"127.0.0.1".parse::<IpAddr>().unwrap())));
        let serve = read(Purpose::Serve, &[]).unwrap();
        assert!(!serve.sandbox && serve.rate_per_minute == 6_000 && matches!(serve.master_key, MasterKeySource::Unnamed));
    }

    #[test]
    fn every_value_is_checked() {
        for (name, text) in [
            ("GUICHET_LISTEN", "nowhere"),
            ("GUICHET_DATABASE", "mysql://x"),
            ("GUICHET_DATABASE", "sqlite:"),
            ("GUICHET_REDIS", "http://x"),
            ("GUICHET_BEHIND_PROXY", "maybe"),
            ("GUICHET_TRUSTED_PROXIES", "10.0.0.0/33"),
            ("GUICHET_HOSTS", "pay.example.com"),
            ("GUICHET_HOSTS", "cards=pay.example.com"),
            ("GUICHET_HOSTS", "api=pay_example"),
            ("GUICHET_PAYMENTS_IN_FLIGHT_STATUS", "200"),
            ("GUICHET_PAYMENTS_RATE_PER_MINUTE", "0"),
            ("GUICHET_LOG_FORMAT", "xml"),
            ("GUICHET_PUBLIC_URL", "pay.example.com"),
            ("GUICHET_PUBLIC_URL", "https://pay.example.com/pay"),
            ("GUICHET_PUBLIC_URL", "https://me@pay.example.com"),
            ("GUICHET_TLS_CERT", "cert.pem"),
            ("GUICHET_TLS_KEY", "key.pem"),
            ("GUICHET_CREDENTIALS", "file"),
            ("GUICHET_STRIPE_API", "tokens"),
            ("GUICHET_FRAMED_BY", "shop.example.com"),
            ("GUICHET_FRAMED_BY", "https://shop.example.com/a"),
            ("GUICHET_FRAMED_BY", "https://a.example; script-src *"),
            ("GUICHET_STRIPE_HONOURS_IDEMPOTENCY", "perhaps"),
        ] {
            let trouble = read(Purpose::Serve, &[(name, text)]).expect_err(name).to_string();
            assert!(trouble.contains(name) && trouble.contains("Do:"), "{trouble}");
        }
        let hosts = read(Purpose::Serve, &[("GUICHET_HOSTS", "api=Pay.example.com, tickets=t.example.com")]).unwrap().hosts;
        assert_eq!(hosts[0], ("pay.example.com".to_owned(), "api".to_owned()));
    }

    #[test]
    fn payers_are_sent_where_they_can_go() {
        let public = |environment: &[(&str, &str)]| read(Purpose::Serve, environment).unwrap().public_url;
        let hosts = ("GUICHET_HOSTS", "tickets=t.example.com, api=pay.example.com");
        assert_eq!(public(&[hosts]), None, "without TLS nobody comes by that name");
        assert_eq!(public(&[hosts, ("GUICHET_BEHIND_PROXY", "true")]).as_deref(), Some("https://pay.example.com"));
        let said = [hosts, ("GUICHET_BEHIND_PROXY", "true"), ("GUICHET_PUBLIC_URL", "https://pay.example.com:8443/")];
        assert_eq!(public(&said).as_deref(), Some("https://pay.example.com:8443"));
    }

    #[test]
    fn two_equally_strong_master_keys_contradict_one_another() {
        let both = [("GUICHET_MASTER_KEY", "a"), ("GUICHET_MASTER_KEY_FILE", "b")];
        assert!(read(Purpose::Serve, &both).is_err());
        let flags = [("master_key_file", "c".to_owned())].into();
        let environment = [("GUICHET_MASTER_KEY".to_owned(), "a".to_owned())];
        let gathered = Gathered::gather(flags, environment, Path::new("/")).unwrap();
        assert!(matches!(Config::read(Purpose::Serve, gathered).unwrap().master_key, MasterKeySource::File(_)));
    }

    #[test]
    fn secrets_are_masked_in_what_doctor_shows() {
        let config = read(
            Purpose::Serve,
            &[
                ("GUICHET_DATABASE", "postgres://me:hunter2@db/x?sslmode=require&password=hunter3"),
                ("GUICHET_MASTER_KEY", "hunter4"),
            ],
        )
        .unwrap();
        let effective = config.effective();
        let database = effective.iter().find(|line| line.name == "database").unwrap();
        assert_eq!(database.shown, "postgres://me:***@db/x?sslmode=require&password=***");
        assert_eq!(database.origin.to_string(), "GUICHET_DATABASE");
        assert!(!format!("{effective:?} {config:?}").contains("hunter"), "{config:?}");
    }
}
