//! Every option once: its flag, its `GUICHET_…` variable, its key in `guichet.toml`, its help and its default.
//!
//! A flag beats the environment, the environment beats the file, the file beats the default. A name nobody knows is an
//! error in all three places. Each value remembers where it came from, so that `doctor` can say it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches};

use crate::trouble::Trouble;

/// Start of the names of our environment variables.
const PREFIX: &str = "GUICHET_";

/// The configuration file that is read when it exists and no other is named.
const DEFAULT_FILE: &str = "guichet.toml";

/// Which commands take the flag of a setting. Variables and file keys may be present for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Every command that opens the database.
    Everyone,
    /// `serve` and `demo`.
    Serving,
    /// `demo` alone.
    Demo,
}

/// Where a setting may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Anywhere,
    /// It says which file to read, so it cannot stand in it.
    NotInFile,
    /// A secret: flags are visible to every user of the machine, files are copied.
    EnvironmentOnly,
}

/// One option.
#[derive(Debug)]
pub struct Setting {
    /// Key in the file; the flag has hyphens instead, the variable capitals after `GUICHET_`.
    pub name: &'static str,
    /// What the help calls its value; `None` for a switch.
    value: Option<&'static str>,
    /// Used when nobody says otherwise.
    default: Option<&'static str>,
    audience: Audience,
    reach: Reach,
    help: &'static str,
}

macro_rules! settings {
    ($($name:ident $(= $default:literal)? : $value:expr, $audience:ident, $reach:ident, $help:literal;)*) => {
        /// All settings, in the order in which help and `doctor` show them.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            value: $value,
            default: settings!(@default $($default)?),
            audience: Audience::$audience,
            reach: Reach::$reach,
            help: $help,
        }),*];
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}

settings! {
    config: Some("FILE"), Everyone, NotInFile, "Configuration file [default: ./guichet.toml when it exists]";
    data_dir = "./guichet-data": Some("DIR"), Everyone, Anywhere, "Folder for everything guichet keeps on this machine";
    database: Some("URL"), Everyone, Anywhere,
        "sqlite:PATH or postgres://… (also over a socket: postgres:///name?host=/dir; behind a pooler in transaction mode: \
         postgres://host/name?pooler=transaction) [default: sqlite:DIR/guichet.db]";
    master_key_file: Some("FILE"), Everyone, Anywhere,
        "File with the 32-byte master key, in base64 or hexadecimal; the key itself may stand in GUICHET_MASTER_KEY";
    master_key: Some("KEY"), Everyone, EnvironmentOnly, "The master key itself";
    log: Some("FILTER"), Everyone, Anywhere,
        "What to log: error, warn, info, debug, trace, or module=level,… [default: info in serve, else warn]";
    log_format = "text": Some("FORMAT"), Everyone, Anywhere, "text or json, on standard error";
    listen = "127.0.0.1:8080": Some("ADDR"), Serving, Anywhere, "Address to listen on; port 0 picks a free one";
    tls_cert: Some("FILE"), Serving, Anywhere, "Certificate chain (PEM); goes with --tls-key";
    tls_key: Some("FILE"), Serving, Anywhere, "Private key of the certificate (PEM)";
    behind_proxy = "false": None, Serving, Anywhere, "TLS ends in a proxy before us; its X-Forwarded-* headers are believed";
    trusted_proxies = "127.0.0.0/8,::1/128": Some("CIDR,…"), Serving, Anywhere, "Addresses of those proxies";
    hosts: Some("FAMILY=NAME,…"), Serving, Anywhere,
        "Real host names of the API families, for example api=pay.example.com; a [hosts] table in the file";
    public_url: Some("URL"), Serving, Anywhere,
        "Where payers reach the server: what payment links and 3-D Secure pages begin with [default: https and the api host where \
         TLS is spoken, else the address listened on]";
    redis: Some("URL"), Serving, Anywhere, "Redis or Valkey, optional: nothing depends on it";
    sandbox = "false": None, Serving, Anywhere, "Let serve answer as a sandbox: sandbox keys, test acquirer, /dev routes; demo always does";
    payments_in_flight_status = "409": Some("409|400"), Serving, Anywhere,
        "Status of a repeated request whose first is still being worked on; 400 for clients of the original API";
    payments_rate_per_minute: Some("N"), Serving, Anywhere,
        "Requests a minute for an access key without a rate of its own [default: 6000, in demo 6000000]";
    framed_by: Some("ORIGIN,…"), Serving, Anywhere,
        "Sites whose pages may show the pages of links and 3-D Secure in a frame, like https://shop.example.com; they must belong to \
         this server's own site, or browsers withhold its cookies [default: none]";
    stripe_key_file: Some("FILE"), Serving, Anywhere,
        "File with the secret key of Stripe, which makes it an acquirer; the key itself may stand in GUICHET_STRIPE_KEY";
    stripe_key: Some("KEY"), Serving, EnvironmentOnly, "The secret key of Stripe itself";
    stripe_signing_secret_file: Some("FILE"), Serving, Anywhere,
        "File with the secret that signs Stripe's notifications; the secret itself may stand in GUICHET_STRIPE_SIGNING_SECRET";
    stripe_signing_secret: Some("SECRET"), Serving, EnvironmentOnly, "The secret that signs Stripe's notifications itself";
    stripe_base_url = "https://api.stripe.com": Some("URL"), Serving, Anywhere, "Where Stripe answers";
    stripe_api = "payment_intents": Some("API"), Serving, Anywhere, "payment_intents or charges";
    stripe_minimal_fields = "false": None, Serving, Anywhere, "Send Stripe no more than it needs";
    stripe_honours_idempotency = "true": None, Serving, Anywhere,
        "Whether Stripe's server recognises a repeat by its Idempotency-Key [default: true]";
    credentials: Some("FILE"), Demo, Anywhere, "Write the demo's credentials to this file (mode 0600)";
}

impl Setting {
    /// The setting of this name.
    fn named(name: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Its value when nobody says otherwise.
    pub fn default(&self) -> Option<&'static str> {
        self.default
    }

    /// `--data-dir`
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// `GUICHET_DATA_DIR`
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase())
    }

    fn argument(&self) -> Arg {
        let arg = Arg::new(self.name).long(self.name.replace('_', "-")).help(self.help_text());
        match self.value {
            Some(value) => arg.value_name(value).action(ArgAction::Set),
            // `--behind-proxy=false` takes back what the environment or the file says.
            None => arg
                .value_name("true|false")
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .hide_possible_values(true),
        }
    }

    fn help_text(&self) -> String {
        let default = match (self.value, self.default) {
            (Some(_), Some(default)) => format!(" [default: {default}]"),
            _ => String::new(),
        };
        let also = if self.reach == Reach::EnvironmentOnly { String::new() } else { format!(" [env: {}]", self.variable()) };
        format!("{}{default}{also}", self.help)
    }
}

/// The flags given to one command, still as texts; which flags exist depends on who asks (an [`Audience`] as number).
#[derive(Debug, Clone, Default)]
pub struct Flags<const AUDIENCE: u8>(BTreeMap<&'static str, String>);

/// Flags of commands that only open the database.
pub type ToolFlags = Flags<{ Audience::Everyone as u8 }>;
/// Flags of `serve`.
pub type ServeFlags = Flags<{ Audience::Serving as u8 }>;
/// Flags of `demo`.
pub type DemoFlags = Flags<{ Audience::Demo as u8 }>;

impl<const AUDIENCE: u8> Flags<AUDIENCE> {
    /// The values by setting name.
    pub fn into_values(self) -> BTreeMap<&'static str, String> {
        self.0
    }

    fn offered() -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().filter(|setting| setting.audience as u8 <= AUDIENCE && setting.reach != Reach::EnvironmentOnly)
    }
}

impl<const AUDIENCE: u8> clap::FromArgMatches for Flags<AUDIENCE> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Flags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in Self::offered() {
            if let Some(value) = matches.get_one::<String>(setting.name) {
                self.0.insert(setting.name, value.clone());
            }
        }
        Ok(())
    }
}

impl<const AUDIENCE: u8> clap::Args for Flags<AUDIENCE> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.next_help_heading("Settings").args(Self::offered().map(Setting::argument)).next_help_heading(None)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody said it.
    Default,
    /// In the configuration file.
    File(PathBuf),
    /// In this environment variable.
    Environment(String),
    /// By this flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) | Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// A setting's text and where it was said. `Debug` leaves the text out: some settings are secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Said {
    /// The value, not yet read.
    pub text: String,
    /// Where it was said.
    pub origin: Origin,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Said(*** by {})", self.origin)
    }
}

/// All values that anybody gave, the strongest of each.
#[derive(Debug, Clone, Default)]
pub struct Gathered(BTreeMap<&'static str, Said>);

impl Gathered {
    /// Gathers from flags, environment and file, and refuses names nobody knows.
    ///
    /// # Errors
    /// A variable or key without a meaning, a file that cannot be read, a value in the file that is neither text, number,
    /// switch nor list.
    pub fn gather(
        flags: BTreeMap<&'static str, String>,
        environment: impl IntoIterator<Item = (String, String)>,
        folder: &Path,
    ) -> Result<Gathered, Trouble> {
        let mut strongest = Gathered::default();
        for setting in SETTINGS {
            if let Some(default) = setting.default {
                strongest.say(setting, default.to_owned(), Origin::Default);
            }
        }
        let environment = from_environment(environment)?;
        let named = flags.get("config").or_else(|| environment.get("config"));
        if let Some((path, text)) = read_file(named, folder)? {
            for (setting, value) in from_file(&path, &text)? {
                strongest.say(setting, value, Origin::File(path.clone()));
            }
        }
        for (name, text) in environment {
            let setting = Setting::named(name).expect("from_environment yields known names");
            strongest.say(setting, text, Origin::Environment(setting.variable()));
        }
        for (name, text) in flags {
            let setting = Setting::named(name).expect("flags are made from the table");
            strongest.say(setting, text, Origin::Flag(setting.flag()));
        }
        Ok(strongest)
    }

    fn say(&mut self, setting: &'static Setting, text: String, origin: Origin) {
        self.0.insert(setting.name, Said { text, origin });
    }

    /// What was said of this setting.
    pub fn get(&self, name: &str) -> Option<&Said> {
        debug_assert!(Setting::named(name).is_some(), "no such setting: {name}");
        self.0.get(name)
    }
}

fn from_environment(environment: impl IntoIterator<Item = (String, String)>) -> Result<BTreeMap<&'static str, String>, Trouble> {
    let mut values = BTreeMap::new();
    for (variable, text) in environment {
        let Some(name) = variable.strip_prefix(PREFIX) else { continue };
        let setting = Setting::named(&name.to_lowercase()).filter(|setting| setting.variable() == variable).ok_or_else(|| {
            Trouble::new(format!("the environment variable {variable} means nothing to guichet"))
                .because("an unknown name is most often a known one misspelt")
                .remedy("unset it, or look the name up in `guichet serve --help`")
        })?;
        values.insert(setting.name, text);
    }
    Ok(values)
}

fn read_file(named: Option<&String>, folder: &Path) -> Result<Option<(PathBuf, String)>, Trouble> {
    let (path, must_exist) = match named {
        Some(path) => (folder.join(path), true),
        None => (folder.join(DEFAULT_FILE), false),
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(None),
        Err(error) => Err(Trouble::new(format!("cannot read the configuration file {}", path.display()))
            .because(error)
            .remedy("name a readable file with --config, or none")),
    }
}

fn from_file(path: &Path, text: &str) -> Result<Vec<(&'static Setting, String)>, Trouble> {
    let wrong = |why: String| {
        Trouble::new(format!("the configuration file {} cannot be used", path.display()))
            .because(why)
            .remedy("correct the file; `guichet serve --help` lists the names, with underscores instead of hyphens")
    };
    // The parser's message quotes the offending line, which may hold a password: only its position is passed on.
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        wrong(format!("line {line} is not TOML: {}", error.message()))
    })?;
    let mut values = Vec::new();
    for (key, value) in &table {
        let setting = Setting::named(key)
            .filter(|setting| setting.reach == Reach::Anywhere)
            .ok_or_else(|| wrong(format!("`{key}` is not a setting")))?;
        let text = match (key.as_str(), value) {
            ("hosts", toml::Value::Table(hosts)) => hosts_text(hosts),
            _ => plain_text(value),
        };
        values.push((setting, text.ok_or_else(|| wrong(format!("`{key}` has a value of the wrong kind")))?));
    }
    Ok(values)
}

fn plain_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(items) => {
            items.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// `[hosts]` with `api = "pay.example.com"` or `api = ["a.example", "b.example"]`, as the text a flag would have.
fn hosts_text(hosts: &toml::Table) -> Option<String> {
    let mut pairs = Vec::new();
    for (family, names) in hosts {
        for name in plain_text(names)?.split(',') {
            pairs.push(format!("{family}={name}"));
        }
    }
    Some(pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(flags: &[(&'static str, &str)], environment: &[(&str, &str)], file: Option<&str>) -> Result<Gathered, Trouble> {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = file {
            std::fs::write(folder.path().join(DEFAULT_FILE), text).unwrap();
        }
        let flags = flags.iter().map(|&(name, text)| (name, text.to_owned())).collect();
        let environment = environment.iter().map(|&(name, text)| (name.to_owned(), text.to_owned()));
        Gathered::gather(flags, environment, folder.path())
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
        let file = Some(
            "listen = \"127.0.0.1:1\"\nlog = \"warn\"\npayments_rate_per_minute = 7\n[hosts]\napi = [\"a.example\", \"b.example\"]\n",
        );
        let gathered =
            gather(&[("listen", "127.0.0.1:3")], &[("GUICHET_LISTEN", "127.0.0.1:2"), ("GUICHET_LOG", "debug")], file).unwrap();
        let listen = gathered.get("listen").unwrap();
        assert_eq!((listen.text.as_str(), &listen.origin), ("127.0.0.1:3", &Origin::Flag("--listen".to_owned())));
        let log = gathered.get("log").unwrap();
        assert_eq!((log.text.as_str(), log.origin.to_string()), ("debug", "GUICHET_LOG".to_owned()));
        let rate = gathered.get("payments_rate_per_minute").unwrap();
        assert!(rate.text == "7" && matches!(&rate.origin, Origin::File(path) if path.ends_with(DEFAULT_FILE)));
        assert_eq!(gathered.get("hosts").unwrap().text, "api=a.example,api=b.example");
        assert_eq!(gathered.get("log_format").unwrap().origin, Origin::Default);
        assert_eq!(gathered.get("database"), None);
    }

    #[test]
    fn unknown_names_are_errors_everywhere() {
        for (environment, file) in [
            (Some("GUICHET_LISTN"), None),
            (Some("GUICHET_listen"), None),
            (None, Some("listn = \"x\"")),
            (None, Some("master_key = \"x\"")),
            (None, Some("config = \"x\"")),
            (None, Some("[listen]\na = 1")),
            (None, Some("behind_proxy = 1.5")),
            (None, Some("listen = ")),
        ] {
            let environment: Vec<_> = environment.iter().map(|&name| (name, "x")).collect();
            assert!(gather(&[], &environment, file).is_err(), "{environment:?} {file:?}");
        }
        assert!(gather(&[], &[("PATH", "x"), ("KVASIR_PORT", "1")], None).is_ok());
        assert!(gather(&[("config", "missing.toml")], &[], None).is_err());
    }

    #[test]
    fn a_broken_file_is_not_quoted() {
        let trouble = gather(&[], &[], Some("log = \"info\"\ndatabase = \"postgres://me:hunter2@db\" x")).unwrap_err();
        assert!(!trouble.to_string().contains("hunter2") && trouble.to_string().contains("line 2"), "{trouble}");
    }
}
