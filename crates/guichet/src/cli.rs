//! The command line: which commands there are and what each takes.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::settings::{DemoFlags, ServeFlags, ToolFlags};

/// Self-hosted payments platform: one binary, your own machine.
#[derive(Debug, Parser)]
#[command(name = "guichet", version, about, max_term_width = 120, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything in a sandbox on this machine, with demo data, and print how to use it
    Demo(DemoFlags),
    /// Serve for real; needs a master key and, on a public address, TLS or --behind-proxy
    Serve(ServeFlags),
    /// Bring the database's schema up to date
    Migrate(ToolFlags),
    /// Accounts: the merchants
    #[command(subcommand)]
    Account(AccountCommand),
    /// Access keys: what a merchant's programs prove themselves with
    #[command(subcommand)]
    Key(KeyCommand),
    /// Stored cards
    #[command(subcommand)]
    Vault(VaultCommand),
    /// Check every invariant in the database; exit 0 all hold, 1 something is broken, 2 could not run
    Verify(Verify),
    /// List the payments, operations and payouts whose outcome nobody knows, and when their acquirer is asked next
    Unknown(Unknown),
    /// Settlements: what acquirers say they paid, matched with what they owe
    #[command(subcommand)]
    Settlement(SettlementCommand),
    /// Show the effective configuration, secrets masked, and what is wrong with it
    Doctor(Doctor),
    /// Print the OpenAPI document
    Openapi,
    /// Copy the database to FILE while it is in use
    Backup(Backup),
}

/// `guichet account …`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Create an account and its first access key (full access); the secret is shown once
    Create(AccountCreate),
    /// Change an account; running servers follow within a second
    Change(AccountChange),
}

/// `guichet account change`
#[derive(Debug, Args)]
#[group(id = "account", required = true, multiple = false, args = ["id", "number"])]
pub struct AccountChange {
    /// Id of the account
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Number of the account
    #[arg(long, value_name = "N")]
    pub number: Option<i64>,
    /// Refuse a repeat of an idempotency key whose body differs from the first one's
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    pub idempotency_strict: Switch,
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is so from now on.
    On,
    /// It is not.
    Off,
}

/// `guichet account create`
#[derive(Debug, Args)]
pub struct AccountCreate {
    /// Name of the account, 1-100 characters
    #[arg(long, value_name = "N")]
    pub name: String,
    /// E-mail address of its owner
    #[arg(long, value_name = "E")]
    pub owner_email: String,
    /// Home country, ISO 3166-1 alpha-2; never changes
    #[arg(long, value_name = "CC", default_value = "FR")]
    pub country: String,
    /// Home currency, ISO 4217; never changes
    #[arg(long, value_name = "CUR", default_value = "EUR")]
    pub currency: String,
    /// Refuse a repeat of an idempotency key whose body differs from the first one's
    #[arg(long)]
    pub idempotency_strict: bool,
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `guichet vault …`
#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// Change the master key, give every account a new data key and seal its cards anew, beside running servers; broken off,
    /// it goes on where it was
    Rotate(VaultRotate),
}

/// `guichet vault rotate`
#[derive(Debug, Args)]
pub struct VaultRotate {
    /// Write the new master key to FILE, or take the one in it, and let the present one go on opening the database until
    /// this command runs with the new one [default: the file of the present one is replaced]
    #[arg(long, value_name = "FILE")]
    pub new_master_key_file: Option<PathBuf>,
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `guichet key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create an access key; the secret is shown once
    Create(KeyCreate),
    /// Let a disabled key work again
    Enable(KeyNamed),
    /// Refuse a key from now on; a running server follows within a second
    Disable(KeyNamed),
    /// Give a key a new secret; the old one stays valid for a while
    Rotate(KeyRotate),
}

/// `guichet key create`
#[derive(Debug, Args)]
pub struct KeyCreate {
    /// Account the key belongs to
    #[arg(long, value_name = "ID")]
    pub account: String,
    /// What the key is for, 1-100 characters
    #[arg(long, value_name = "N")]
    pub name: String,
    /// What the key may do: the name of a preset.
    #[arg(long, value_name = "PRESET", help = "FullAccess, ReadWriteNoMoneyOut, ReadMoneyIn, MoneyInOnly or ReadOnly")]
    pub permission: String,
    /// Address or network the key may be used from, at most 50; none means anywhere
    #[arg(long = "allow-ip", value_name = "CIDR")]
    pub allow_ip: Vec<String>,
    /// How many to make, at most 10000; one object a line with --json
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `guichet key enable ID` and `guichet key disable ID`
#[derive(Debug, Args)]
pub struct KeyNamed {
    /// Id of the access key
    #[arg(value_name = "ID")]
    pub id: String,
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `guichet key rotate ID`
#[derive(Debug, Args)]
pub struct KeyRotate {
    /// Id of the access key
    #[arg(value_name = "ID")]
    pub id: String,
    /// Seconds the old secret stays valid, at most 2592000 (30 days)
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    pub overlap: u32,
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `guichet verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Also demand that nothing is under way
    #[arg(long)]
    pub settled: bool,
    /// Only these invariants, for example I1,I5
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub only: Vec<String>,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `guichet unknown`
#[derive(Debug, Args)]
pub struct Unknown {
    /// Answer as one JSON list
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `guichet settlement …`
#[derive(Debug, Subcommand)]
pub enum SettlementCommand {
    /// Take an acquirer's file in: match its lines with our attempts and book what it paid; broken off, it goes on where it was
    Import(SettlementImport),
    /// Show what each acquirer still owes, what it has settled, the differences nothing explains, and the files
    List(SettlementList),
    /// Show what became of one file, and its differences
    Show(SettlementShow),
}

/// `guichet settlement import FILE`
#[derive(Debug, Args)]
pub struct SettlementImport {
    /// Whose file it is.
    #[arg(long, value_name = "NAME", help = "Whose file it is: sandbox, sandbox_b or stripe")]
    pub acquirer: String,
    /// The file: comma-separated values in UTF-8, the names of the columns first
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `guichet settlement list`
#[derive(Debug, Args)]
pub struct SettlementList {
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `guichet settlement show ID`
#[derive(Debug, Args)]
pub struct SettlementShow {
    /// Id of the settlement
    #[arg(value_name = "ID")]
    pub id: String,
    /// Only differences behind this line of the file; 1000 are shown at once
    #[arg(long, value_name = "LINE", default_value_t = 0)]
    pub after: u32,
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// `guichet doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(crate) flags: ServeFlags,
}

/// `guichet backup FILE`
#[derive(Debug, Args)]
pub struct Backup {
    /// File to write; it must not exist
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub(crate) flags: ToolFlags,
}

/// Reads the arguments after `guichet key`, as tests do.
///
/// # Errors
/// What clap says about them.
pub fn key_command(arguments: &[&str]) -> Result<KeyCommand, clap::Error> {
    let all = ["guichet", "key"].iter().chain(arguments);
    match Cli::try_parse_from(all)?.command {
        Command::Key(command) => Ok(command),
        _ => unreachable!("the second argument is `key`"),
    }
}

/// Reads the arguments after `guichet account`, as tests do.
///
/// # Errors
/// What clap says about them.
pub fn account_command(arguments: &[&str]) -> Result<AccountCommand, clap::Error> {
    let all = ["guichet", "account"].iter().chain(arguments);
    match Cli::try_parse_from(all)?.command {
        Command::Account(command) => Ok(command),
        _ => unreachable!("the second argument is `account`"),
    }
}
