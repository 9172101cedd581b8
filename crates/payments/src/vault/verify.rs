//! Checks the vault: part of the invariants I3 and I8.

use db::{Fault, Snapshot, Table, args};
use kernel::seal::SEAL_OVERHEAD_BYTES;
use kernel::verify::Report;
use kernel::{CardNumber, DataKey, PlatformKey, SecurityCode, Source};

use super::queries::{EVERY_ACCOUNT, EVERY_KEY, EVERY_RECORD};
use super::rows::{VaultAccountRow, VaultKeyRow, VaultRecordRow};
use super::service::wrapping;
use crate::verify::{NAMED, Rule};

const NO_CARDS: Rule = ("I8.a", "no card number in clear");
const OPENS: Rule = ("I8.d", "sealed rows open");

/// Checks keys and records. Without the platform key nothing is opened.
///
/// # Errors
/// [`Fault`] when the snapshot cannot be read.
pub async fn verify(snapshot: &Snapshot, platform: Option<&PlatformKey>, report: &mut Report) -> Result<(), Fault> {
    for rule in [NAMED, NO_CARDS, OPENS] {
        report.checked(rule.0, rule.1, 0);
    }
    let wrap = platform.map(|key| wrapping(key, &Source::system()));
    snapshot
        .each(&EVERY_ACCOUNT, args![], |record| {
            let row: VaultAccountRow = record.row(0)?;
            report.checked(NAMED.0, NAMED.1, 1);
            if record.get::<i64>(<VaultAccountRow as Table>::META.columns.len())? != 1 {
                report.broken(NAMED.0, "present data key", format_args!("account {}", row.account_id), "one", "none");
            }
            Ok(())
        })
        .await?;
    snapshot
        .each(&EVERY_KEY, args![], |record| {
            let row: VaultKeyRow = record.row(0)?;
            let place = format!("data key {} of account {}", row.version, row.account_id);
            report.checked(NAMED.0, NAMED.1, 1);
            let current: Option<i64> = record.get(<VaultKeyRow as Table>::META.columns.len())?;
            if current.is_none_or(|current| current < row.version) {
                report.broken(NAMED.0, "account's present version", &place, format_args!("at least {}", row.version), "less");
            }
            if let Some(wrap) = &wrap {
                report.checked(OPENS.0, OPENS.1, 1);
                if let Err(why) = wrap.open(&row.wrapped, row.account_id, row.version) {
                    report.broken(OPENS.0, "data key", &place, "it opens", why);
                }
            }
            Ok(())
        })
        .await?;
    let mut last: Option<(VaultRecordRow, DataKey)> = None;
    snapshot
        .each(&EVERY_RECORD, args![], |record| {
            let row: VaultRecordRow = record.row(0)?;
            let columns = <VaultRecordRow as Table>::META.columns.len();
            let place = format!("vault record {} of account {}", row.id, row.account_id);
            report.checked(NAMED.0, NAMED.1, 1);
            report.checked(NO_CARDS.0, NO_CARDS.1, 1);
            let names: i64 = record.get(columns)?;
            if names != 1 {
                report.broken(NAMED.0, "who names it", &place, 1, names);
            }
            if row.sealed.len() <= SEAL_OVERHEAD_BYTES || row.sealed.iter().all(u8::is_ascii_digit) {
                report.broken(NO_CARDS.0, "sealed column", &place, "a sealed value", format_args!("{} bytes", row.sealed.len()));
            }
            let Some(wrap) = &wrap else { return Ok(()) };
            report.checked(OPENS.0, OPENS.1, 1);
            let same_key = |(before, _): &(VaultRecordRow, DataKey)| {
                before.account_id == row.account_id && before.key_version == row.key_version
            };
            if !last.as_ref().is_some_and(same_key) {
                let wrapped: Option<std::sync::Arc<[u8]>> = record.get(columns + 1)?;
                let key = wrapped.and_then(|wrapped| wrap.open(&wrapped, row.account_id, row.key_version).ok());
                last = key.map(|key| (row.clone(), key));
            }
            let plain = last.as_ref().and_then(|(_, key)| key.open(row.id, &row.sealed).ok());
            let digits = plain.as_ref().and_then(|plain| std::str::from_utf8(plain).ok());
            if !digits.is_some_and(|digits| CardNumber::parse(digits).is_ok() || SecurityCode::parse(digits).is_ok()) {
                report.broken(OPENS.0, "sealed card", &place, "it opens", "it does not");
            }
            Ok(())
        })
        .await
}
