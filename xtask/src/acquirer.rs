//! What the sandbox acquirer believes it charged, page by page, and how it behaves.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;

use crate::http::{Ask, Connection};

/// Charges on one page; the route's own maximum.
const PAGE: usize = 1_000;
/// How slow a slow acquirer is, in milliseconds.
const SLOW_MS: u64 = 400;

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

/// The header line that proves that the acquirer with this secret wrote these bytes.
pub fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(body.as_bytes());
    format!("x-hmac-signature: {}\r\n", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Replaces the acquirer's behaviour: `{"mode": …}`.
pub fn behave(line: &mut Connection, mode: &str) -> Result<()> {
    behave_as(line, mode, None)
}

/// Replaces the behaviour under one of its names; under all when none is given. `slow_ms` is slow by a part of a second.
pub fn behave_as(line: &mut Connection, mode: &str, of: Option<&str>) -> Result<()> {
    let mut body = serde_json::json!({ "mode": mode });
    if mode == "slow_ms" {
        body["slow_ms"] = SLOW_MS.into();
    }
    if let Some(connector) = of {
        body["connector"] = connector.into();
    }
    let answer = line.ask(&Ask { method: "POST", path: "/dev/acquirer", headers: "", body: &body.to_string() })?;
    ensure!(answer.status == 200, "POST /dev/acquirer answered {}", answer.short());
    Ok(())
}
