//! What the sandbox acquirer believes it charged, page by page, and how it behaves.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::http::{Ask, Connection};

/// Charges on one page; the route's own maximum.
const PAGE: usize = 1_000;

/// Hands over every approved charge, oldest first; returns how many there were.
pub fn each_charge(line: &mut Connection, mut look: impl FnMut(&Value) -> Result<()>) -> Result<u64> {
    let mut after: Option<String> = None;
    let mut count = 0;
    loop {
        let from = after.as_ref().map_or(String::new(), |after| format!("&after={after}"));
        let page = line.get_json(&format!("/dev/acquirer/charges?limit={PAGE}{from}"), "")?;
        let charges = page["charges"].as_array().context("charges in the acquirer's answer")?;
        for charge in charges {
            look(charge)?;
            count += 1;
        }
        match &page["next"] {
            Value::Null => return Ok(count),
            Value::String(next) => after = Some(next.clone()),
            other => after = Some(other.to_string()),
        }
        ensure!(!charges.is_empty(), "the acquirer's list says that more follows after an empty page");
    }
}

/// Replaces the acquirer's behaviour: `{"mode": …}`.
pub fn behave(line: &mut Connection, mode: &str) -> Result<()> {
    let body = format!(r#"{{"mode":"{mode}"}}"#);
    let answer = line.ask(&Ask { method: "POST", path: "/dev/acquirer", headers: "", body: &body })?;
    ensure!(answer.status == 200, "POST /dev/acquirer answered {}", answer.short());
    Ok(())
}
