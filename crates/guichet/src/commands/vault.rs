//! `guichet vault rotate`: new data keys for stored cards, while the product runs.

use kernel::Source;
use payments::vault::Rotated;
use serde_json::json;

use crate::config::Config;
use crate::terminal;
use crate::trouble::Trouble;
use crate::wiring::Office;

/// How many records are sealed anew between two lines of progress.
const PROGRESS_RECORDS: u64 = 1_000;

/// Carries the command out, saying how far it got, and gives what is printed at the end.
///
/// # Errors
/// No master key, a database that cannot be written to.
pub async fn rotate(config: &Config, as_json: bool) -> Result<String, Trouble> {
    let office = Office::open(config, &Source::system()).await?;
    let mut said = 0;
    let rotated = office
        .vault
        .rotate(|done| {
            if !as_json && done.records >= said + PROGRESS_RECORDS {
                said = done.records;
                terminal::say(&format!("{} accounts, {} records so far", done.accounts, done.records));
            }
        })
        .await;
    let answer = rotated.map(|done| if as_json { to_json(done) } else { to_text(done) }).map_err(|fault| office.fault(&fault));
    office.close().await;
    answer
}

fn to_json(done: Rotated) -> String {
    let Rotated { accounts, records, damaged, retired } = done;
    json!({ "accounts": accounts, "records": records, "damaged": damaged, "retired_keys": retired }).to_string()
}

fn to_text(done: Rotated) -> String {
    let Rotated { accounts, records, damaged, retired } = done;
    let mut text =
        format!("{accounts} accounts have new data keys; {records} records were sealed anew, {retired} old keys destroyed.");
    if damaged > 0 {
        text.push_str(&format!(" {damaged} records do not open: they stay as they are, under their old keys."));
    }
    text
}
