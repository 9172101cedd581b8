//! Checks stored receivers, events and deliveries: this crate's part of the invariants I3, I8 and I10. That each change has its event is
//! checked where the changes are kept.

use std::collections::BTreeMap;

use db::{Fault, Record, Snapshot, Table, args};
use kernel::seal::SEAL_OVERHEAD_BYTES;
use kernel::verify::Report;
use kernel::{AccountId, EventId, WebhookId};

use crate::queries::checked::{DELIVERIES, EVENTS_TO_NOBODY, WATCHES, WEBHOOKS};
use crate::rows::{DeliveryRow, EventRow, WatchRow, WebhookRow};
use crate::rules::{Receivers, TRIES_MAX};
use crate::secrets::{Column, WebhookSecrets};
use crate::types::{DeliveryState, WebhookState};

const NAMED: (&str, &str) = ("I3.d", "what a row names exists");
const NO_SECRETS: (&str, &str) = ("I8.b", "no secret in clear");
const OPENS: (&str, &str) = ("I8.d", "sealed rows open");
const RECEIVERS: (&str, &str) = ("I10.c", "each event goes to its receivers once");
const NOT_DUE_AGAIN: (&str, &str) = ("I10.d", "what is delivered or given up is not due");
const NOTHING_DUE: (&str, &str) = ("I10.e", "nothing is due any more");

/// Checks everything this crate stores. With `settled`, nothing may wait to be sent; without `secrets` (no master key at hand) sealed
/// values are not opened.
///
/// # Errors
/// [`Fault`] when the store cannot be read.
pub async fn verify(
    snapshot: &Snapshot,
    secrets: Option<&WebhookSecrets>,
    settled: bool,
    report: &mut Report,
) -> Result<(), Fault> {
    for (id, name) in [NAMED, NO_SECRETS, OPENS, RECEIVERS, NOT_DUE_AGAIN, NOTHING_DUE] {
        report.checked(id, name, 0);
    }
    let mut wanted: BTreeMap<AccountId, Receivers> = BTreeMap::new();
    snapshot
        .each(&WEBHOOKS, args![], |record| {
            let row: WebhookRow = record.row(0)?;
            check_webhook(&row, secrets, report);
            wanted.entry(row.account_id).or_default().set(row.id, row.wants());
            Ok(())
        })
        .await?;
    snapshot
        .each(&WATCHES, args![], |record| {
            let row: WatchRow = record.row(0)?;
            check_watch(&row, wanted.remove(&row.account_id).unwrap_or_default(), report);
            Ok(())
        })
        .await?;
    for account in wanted.into_keys() {
        report.broken(RECEIVERS.0, "list of receivers", account, "one", "none");
    }
    snapshot.each(&DELIVERIES, args![], |record| check_delivery(&record, settled, report)).await?;
    snapshot
        .each(&EVENTS_TO_NOBODY, args![], |record| {
            let row: EventRow = record.row(0)?;
            report.broken(RECEIVERS.0, "deliveries of an event", row.id, "at least one", "none");
            Ok(())
        })
        .await
}

fn check_webhook(row: &WebhookRow, secrets: Option<&WebhookSecrets>, report: &mut Report) {
    let sealed = [
        (&row.api_key, Column::ApiKey),
        (&row.secret, Column::Secret),
        (&row.hmac_client_secret, Column::HmacClientSecret),
        (&row.oauth2_client_secret, Column::Oauth2ClientSecret),
        (&row.signing_secret, Column::SigningSecret),
        (&row.former_signing_secret, Column::SigningSecret),
    ];
    for (value, column) in sealed.into_iter().filter_map(|(value, column)| Some((value.as_ref()?, column))) {
        report.checked(NO_SECRETS.0, NO_SECRETS.1, 1);
        if value.len() <= SEAL_OVERHEAD_BYTES {
            report.broken(NO_SECRETS.0, "secret of a webhook", row.id, "a sealed one", "too short to be sealed");
        }
        let Some(secrets) = secrets else { continue };
        report.checked(OPENS.0, OPENS.1, 1);
        if secrets.open(value, row.account_id, row.id, column).is_err() {
            report.broken(OPENS.0, "secret of a webhook", row.id, "it opens", format_args!("{column:?} does not"));
        }
    }
    if (row.state == WebhookState::Deleted) == row.signing_secret.is_some() {
        report.broken(NO_SECRETS.0, "secrets of a webhook", row.id, "as long as it is there", "otherwise");
    }
}

fn check_watch(row: &WatchRow, wanted: Receivers, report: &mut Report) {
    report.checked(RECEIVERS.0, RECEIVERS.1, 1);
    if Receivers::unpack(&row.receivers) != wanted {
        report.broken(RECEIVERS.0, "list of receivers", row.account_id, "what they are told about", "something else");
    }
}

fn check_delivery(record: &Record, settled: bool, report: &mut Report) -> Result<(), Fault> {
    let row: DeliveryRow = record.row(0)?;
    let place = format!("event {} to webhook {}", row.event_id, row.webhook_id);
    let first = DeliveryRow::META.columns.len();
    report.checked(NAMED.0, NAMED.1, 1);
    if record.get::<Option<EventId>>(first)?.is_none() {
        report.broken(NAMED.0, "event of a delivery", &place, "one", "none");
    }
    if record.get::<Option<WebhookId>>(first + 1)?.is_none() {
        report.broken(NAMED.0, "receiver of a delivery", &place, "one", "none");
    }
    report.checked(NOT_DUE_AGAIN.0, NOT_DUE_AGAIN.1, 1);
    let due = row.state == DeliveryState::Due;
    if row.next_try_at.is_some() != due || row.finished_at.is_none() != due {
        report.broken(NOT_DUE_AGAIN.0, "next try", &place, "one as long as it is due", format_args!("{:?}", row.state));
    }
    if row.tries > TRIES_MAX || (due && row.tries == TRIES_MAX) {
        report.broken(NOT_DUE_AGAIN.0, "tries", &place, format_args!("at most {TRIES_MAX}"), row.tries);
    }
    let sent: i64 = record.get::<Option<i64>>(first + 2)?.unwrap_or(0);
    if sent != i64::from(row.sends) {
        report.broken(NOT_DUE_AGAIN.0, "requests in the log", &place, row.sends, sent);
    }
    report.checked(NOTHING_DUE.0, NOTHING_DUE.1, 1);
    if settled && due {
        report.broken(NOTHING_DUE.0, "delivery", &place, "sent or given up", "due");
    }
    Ok(())
}
