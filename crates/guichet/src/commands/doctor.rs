//! `guichet doctor`: the effective configuration, where each value comes from, and what is wrong with it.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use access::{Environment, Opening};
use db::{DatabaseUrl, Fault, SchemaState};
use kernel::{MasterKey, Source};
use serde_json::{Value, json};

use crate::commands::serve;
use crate::config::{Config, MasterKeySource, Purpose};
use crate::schema::MIGRATIONS;
use crate::trouble::Trouble;
use crate::{master_key, terminal};

/// Written pages of this many bytes may wait for the disk without a commit noticing.
const WRITEBACK_BYTES_MAX: u64 = 64 * 1_024 * 1_024;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// As it should be.
    Good,
    /// Works, but look at it.
    Note,
    /// `serve` would refuse, or fail.
    Bad,
}

/// One thing that was looked at.
struct Finding {
    weight: Weight,
    text: String,
}

fn finding(weight: Weight, text: impl Into<String>) -> Finding {
    Finding { weight, text: text.into() }
}

/// Looks at everything `serve` needs, prints it, and gives whether all is well.
pub async fn run(config: &Config, as_json: bool) -> bool {
    let findings = examine(config).await;
    let well = findings.iter().all(|finding| finding.weight != Weight::Bad);
    if as_json {
        terminal::say(&to_json(config, &findings, well).to_string());
    } else {
        terminal::say(to_text(config, &findings).trim_end());
    }
    well
}

async fn examine(config: &Config) -> Vec<Finding> {
    let (key, found) = master_key(config);
    let mut findings = vec![found, folder(&config.data_dir)];
    findings.extend(database(config, key).await);
    findings.push(match serve::refuse_exposure(config) {
        Ok(()) => finding(Weight::Good, format!("{} may be listened on", config.listen)),
        Err(trouble) => bad(&trouble),
    });
    findings.push(match TcpListener::bind(config.listen) {
        Ok(_) => finding(Weight::Good, format!("{} is free", config.listen)),
        Err(error) => finding(
            Weight::Note,
            format!("{} cannot be bound now ({error}); another guichet may be serving on it", config.listen),
        ),
    });
    if let Some(tls) = &config.tls {
        findings.push(match web::tls::server_config(&tls.cert, &tls.key) {
            Ok(_) => finding(Weight::Good, "certificate and key fit together"),
            Err(error) => finding(Weight::Bad, format!("TLS cannot be set up: {error}")),
        });
    }
    if !config.has_acquirer() {
        findings.push(finding(
            Weight::Note,
            "no acquirer is configured: payments are refused with 503; --stripe-key-file makes Stripe one, --sandbox plays one",
        ));
    }
    if config.public_url.is_none() && (config.behind_proxy || !config.listen.ip().is_loopback()) {
        findings.push(finding(
            Weight::Note,
            "payment links and 3-D Secure pages begin with the address listened on; name the one payers use with --public-url",
        ));
    }
    if config.names_redis() {
        findings.push(finding(
            Weight::Note,
            "redis is configured; nothing in this version uses it, rates are counted in each process",
        ));
    }
    findings.extend(late_writeback().filter(|_| !config.sandbox));
    findings
}

/// Linux collects written pages for half a minute and writes what is due in one burst every few seconds; a commit that meets one waits
/// for all of it.
fn late_writeback() -> Option<Finding> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/vm/{name}")).ok()?.trim().parse::<u64>().ok();
    let may_wait = read("dirty_background_bytes")?;
    (may_wait == 0 || may_wait > WRITEBACK_BYTES_MAX).then(|| {
        let text = "the kernel lets written pages wait and then writes many at once, which commits wait for; \
                    `sysctl vm.dirty_background_bytes=16777216` has it write early (docs/operations.md, A steady disk)";
        finding(Weight::Note, text)
    })
}

fn bad(trouble: &Trouble) -> Finding {
    finding(Weight::Bad, trouble.to_string().trim_start_matches("guichet: ").replace('\n', ""))
}

/// The master key, if it can be read, and what there is to say about it.
fn master_key(config: &Config) -> (Option<MasterKey>, Finding) {
    let named = !matches!(config.master_key, MasterKeySource::Unnamed);
    let tool = Config::clone(config).with_purpose(Purpose::Tool);
    match master_key::find(&tool, &Source::system()) {
        Ok(Some(key)) => {
            let text = match &config.master_key {
                _ if !named => {
                    Some("the master key of a demo lies beside its data; serve wants to be told the name of one".to_owned())
                }
                MasterKeySource::File(path) if mode(path).is_some_and(|mode| mode & 0o077 != 0) => {
                    Some(format!("other users of this machine can read the master key: chmod 600 {}", path.display()))
                }
                _ => None,
            };
            let found =
                text.map_or_else(|| finding(Weight::Good, "the master key can be read"), |text| finding(Weight::Note, text));
            (Some(key), found)
        }
        Ok(None) => (None, finding(Weight::Bad, "no master key is named: --master-key-file or GUICHET_MASTER_KEY")),
        Err(trouble) => (None, bad(&trouble)),
    }
}

fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|metadata| metadata.mode())
}

fn folder(path: &Path) -> Finding {
    match std::fs::metadata(path) {
        Err(_) => finding(Weight::Note, format!("the data directory {} does not exist yet", path.display())),
        Ok(found) if !found.is_dir() => finding(Weight::Bad, format!("{} is no directory", path.display())),
        Ok(found) if found.mode() & 0o007 != 0 => {
            finding(Weight::Note, format!("other users of this machine can look into {}: chmod 700 it", path.display()))
        }
        Ok(_) => finding(Weight::Good, format!("the data directory {} is closed to others", path.display())),
    }
}

async fn database(config: &Config, key: Option<MasterKey>) -> Vec<Finding> {
    let url = &config.database;
    if url.sqlite_path().is_some_and(|path| !path.exists()) {
        return vec![finding(Weight::Bad, format!("{url} does not exist yet: run `guichet migrate`"))];
    }
    let mut findings = match server(url).await {
        Ok(findings) => findings,
        Err(fault) => return vec![bad(&Trouble::of_store(&fault, url))],
    };
    findings.extend(schema(config, key).await);
    findings
}

/// What there is to say about a PostgreSQL server, and about a pooler before it.
async fn server(url: &DatabaseUrl) -> Result<Vec<Finding>, Fault> {
    let mut findings = Vec::new();
    for name in db::lax_settings(url).await? {
        let text = format!("{name} is off at {url}: when its machine dies, payments that were acknowledged may be lost");
        findings.push(finding(Weight::Note, text));
    }
    if url.is_pooled() {
        let text = "a pooler in transaction mode is named: statements are not prepared, settings go with each transaction";
        findings.push(finding(Weight::Good, text));
    }
    Ok(findings)
}

async fn schema(config: &Config, key: Option<MasterKey>) -> Vec<Finding> {
    let url = &config.database;
    match db::schema_state(url, None, MIGRATIONS).await {
        Ok(SchemaState::Current) => {
            let mut findings = vec![finding(Weight::Good, format!("the schema of {url} is up to date"))];
            match content(config, key).await {
                Ok(more) => findings.extend(more),
                Err(fault) => findings.push(bad(&Trouble::of_store(&fault, url))),
            }
            findings
        }
        Ok(SchemaState::Absent) => {
            vec![finding(Weight::Bad, format!("{url} has no schema yet: run `guichet migrate`"))]
        }
        Ok(SchemaState::Outdated) => {
            vec![finding(Weight::Bad, format!("the schema of {url} is outdated: run `guichet migrate`"))]
        }
        Ok(SchemaState::Unknown) => {
            vec![finding(
                Weight::Bad,
                format!("the schema of {url} was made by another version of guichet, most likely a newer one"),
            )]
        }
        Err(fault) => vec![bad(&Trouble::of_store(&fault, url))],
    }
}

/// Whether master key and purpose are those of the database.
async fn content(config: &Config, key: Option<MasterKey>) -> Result<Vec<Finding>, Fault> {
    let snapshot = db::snapshot_of(&config.database, None, MIGRATIONS).await?;
    let mut findings = Vec::new();
    if let Some(key) = key {
        findings.push(match access::platform_key_in(&snapshot, &key, &Source::system()).await? {
            Opening::Opened(_) => finding(Weight::Good, "the master key opens what is sealed in the database"),
            Opening::Absent => finding(Weight::Good, "nothing is sealed in the database yet; this becomes its master key"),
            Opening::OtherMasterKey => finding(Weight::Bad, "this is not the master key of the database"),
            Opening::Damaged => finding(Weight::Bad, "what is sealed in the database does not open: restore a backup"),
        });
    }
    for (version, records, accounts) in payments::vault::versions(&snapshot).await? {
        let text = format!("the vault has {records} records of {accounts} accounts under data key version {version}");
        findings.push(finding(Weight::Good, text));
    }
    let sandbox = |environment| environment == Environment::Sandbox;
    if let Some(in_use) = access::environment(&snapshot).await?.filter(|in_use| sandbox(*in_use) != config.sandbox) {
        let text = if sandbox(in_use) {
            "the database is a sandbox's; serve needs --sandbox for it"
        } else {
            "the database is for real money; it cannot be a sandbox"
        };
        findings.push(finding(Weight::Bad, text));
    }
    Ok(findings)
}

fn to_text(config: &Config, findings: &[Finding]) -> String {
    let mut text = String::from("Configuration\n");
    let lines = config.effective();
    let width = |of: fn(&crate::config::EffectiveLine) -> usize| lines.iter().map(of).max().unwrap_or(0);
    let (names, values) = (width(|line| line.name.len()), width(|line| line.shown.len()).min(60));
    for line in &lines {
        writeln!(text, "  {:names$}  {:values$}  {}", line.name, line.shown, line.origin).expect("a string takes everything");
    }
    text.push_str("\nFindings\n");
    for finding in findings {
        let mark = match finding.weight {
            Weight::Good => "good",
            Weight::Note => "note",
            Weight::Bad => "BAD ",
        };
        writeln!(text, "  {mark}  {}", finding.text).expect("a string takes everything");
    }
    text
}

fn to_json(config: &Config, findings: &[Finding], well: bool) -> Value {
    let settings = config
        .effective()
        .into_iter()
        .map(|line| json!({ "name": line.name, "value": line.shown, "from": line.origin.to_string() }));
    let findings = findings.iter().map(|finding| {
        let weight = match finding.weight {
            Weight::Good => "good",
            Weight::Note => "note",
            Weight::Bad => "bad",
        };
        json!({ "weight": weight, "text": finding.text })
    });
    json!({ "ok": well, "settings": settings.collect::<Vec<_>>(), "findings": findings.collect::<Vec<_>>() })
}
