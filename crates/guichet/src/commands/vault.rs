//! `guichet vault rotate`: a new master key and new data keys for stored cards, while the product runs.

use std::path::Path;

use kernel::Source;
use payments::vault::Rotated;
use serde_json::{Value, json};

use crate::config::Config;
use crate::master_key_change::{self, Changed};
use crate::terminal;
use crate::trouble::Trouble;
use crate::wiring::Office;

/// How many records are sealed anew between two lines of progress.
const PROGRESS_RECORDS: u64 = 1_000;

/// Carries the command out, saying how far it got, and gives what is printed at the end.
///
/// # Errors
/// No master key, a new one that cannot be kept, a database that cannot be written to.
pub async fn rotate(config: &Config, new_master_key_file: Option<&Path>, as_json: bool) -> Result<String, Trouble> {
    let source = Source::system();
    let office = Office::open(config, &source).await?;
    let answer = carry_out(&office, config, new_master_key_file, as_json, &source).await;
    office.close().await;
    answer
}

async fn carry_out(
    office: &Office,
    config: &Config,
    new_master_key_file: Option<&Path>,
    as_json: bool,
    source: &Source,
) -> Result<String, Trouble> {
    let changed = master_key_change::change(office, config, new_master_key_file, source).await?;
    if !as_json {
        terminal::say(&change_to_text(&changed));
    }
    let mut said = 0;
    let progress = |done: Rotated| {
        if !as_json && done.records >= said + PROGRESS_RECORDS {
            said = done.records;
            terminal::say(&format!("{} accounts, {} records so far", done.accounts, done.records));
        }
    };
    let done = office.vault.rotate(progress).await.map_err(|fault| office.fault(&fault))?;
    Ok(if as_json { to_json(&changed, done) } else { to_text(done) })
}

fn to_json(changed: &Changed, done: Rotated) -> String {
    let Rotated { accounts, records, damaged, retired } = done;
    let master_key = match changed {
        Changed::InPlace { file, earlier } => json!({ "state": "changed", "file": file, "earlier": earlier }),
        Changed::Begun { file } => json!({ "state": "begun", "file": file, "earlier": Value::Null }),
        Changed::Ended => json!({ "state": "ended", "file": Value::Null, "earlier": Value::Null }),
    };
    let numbers = json!({
        "master_key": master_key, "accounts": accounts, "records": records, "damaged": damaged, "retired_keys": retired,
    });
    numbers.to_string()
}

fn change_to_text(changed: &Changed) -> String {
    match changed {
        Changed::InPlace { file, earlier } => format!(
            "{} holds a new master key: keep a copy away from this machine, and give it to every other machine that serves \
             this database before its next start. The earlier one is in {}; it opens backups made until now, nothing else.",
            file.display(),
            earlier.display()
        ),
        Changed::Begun { file } => format!(
            "{} holds a new master key: keep a copy away from this machine. It opens the database, and the present one still \
             does. Name it to every server; then run `guichet vault rotate` with it, which ends the present one.",
            file.display()
        ),
        Changed::Ended => "Only this master key opens the database from now on.".to_owned(),
    }
}

fn to_text(done: Rotated) -> String {
    let Rotated { accounts, records, damaged, retired } = done;
    let good =
        format!("{accounts} accounts have new data keys; {records} records were sealed anew, {retired} old keys destroyed.");
    match damaged {
        0 => good,
        damaged => format!("{good} {damaged} records do not open: they stay as they are, under their old keys."),
    }
}
