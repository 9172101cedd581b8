//! `guichet unknown`: which attempts nobody knows the outcome of, and when their acquirer is asked next.

use kernel::{Source, Timestamp};
use payments::UnknownOutcome;
use serde_json::{Value, json};

use crate::config::Config;
use crate::queries;
use crate::schema::MIGRATIONS;
use crate::trouble::Trouble;

/// Reads them beside a running server, and gives what is printed.
///
/// # Errors
/// The database cannot be read, or its schema is not this program's.
pub async fn list(config: &Config, as_json: bool) -> Result<String, Trouble> {
    let of_store = |fault| Trouble::of_store(&fault, &config.database);
    let snapshot = db::snapshot_of(&config.database, None, MIGRATIONS).await.map_err(of_store)?;
    let unknown = payments::unknown_outcomes(&snapshot).await.map_err(of_store)?;
    let now = Source::system().now().plus_micros(queries::clock_offset(&snapshot).await.map_err(of_store)?);
    Ok(if as_json { to_json(&unknown) } else { to_text(&unknown, now) })
}

fn to_json(unknown: &[UnknownOutcome]) -> String {
    let one = |outcome: &UnknownOutcome| -> Value {
        json!({
            "account_id": outcome.account_id.to_string(), "about": outcome.about, "attempt_id": outcome.attempt_id.to_string(),
            "type": outcome.kind.wire(), "amount": outcome.amount.to_decimal_text(), "currency": outcome.amount.currency().code(),
            "reference": outcome.reference, "acquirer": outcome.connector.name(), "since": outcome.since.to_string(),
            "asks": outcome.asks, "next_ask_at": outcome.next_ask_at.to_string(),
        })
    };
    unknown.iter().map(one).collect::<Value>().to_string()
}

fn to_text(unknown: &[UnknownOutcome], now: Timestamp) -> String {
    if unknown.is_empty() {
        return "Every outcome is known.".to_owned();
    }
    let line = |outcome: &UnknownOutcome| {
        let UnknownOutcome { about, kind, amount, reference, connector, asks, .. } = outcome;
        format!(
            "{:>9}  {} {amount} of {reference} at {}: asked {asks} times, next in {} s\n           {about}, account {}",
            duration(now.seconds_since(outcome.since)),
            kind.wire(),
            connector.name(),
            outcome.next_ask_at.seconds_since(now).max(0),
            outcome.account_id,
        )
    };
    let lines: Vec<String> = unknown.iter().map(line).collect();
    format!(
        "{} outcomes are unknown; their keys stay taken and nothing is charged again until they are known.\n{}",
        unknown.len(),
        lines.join("\n")
    )
}

/// How long something has lasted, in one unit.
fn duration(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_one_unit() {
        let told = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(duration);
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
    }
}
