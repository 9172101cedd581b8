//! One request and its answer, as tests compare and print them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// Answer headers that belong to what an operation promises; the others differ from run to run or are the same everywhere.
const SHOWN_HEADERS: &[&str] = &["allow", "content-type", "idempotent-replayed", "location", "retry-after"];

/// Answer headers that differ between two otherwise equal answers.
const VOLATILE_HEADERS: &[&str] =
    &["date", "x-request-id", "ratelimit", "ratelimit-limit", "ratelimit-policy", "ratelimit-remaining", "ratelimit-reset"];

/// Characters of a UUID in text.
const UUID_CHARS: usize = 36;
/// Characters of a timestamp with microseconds, `2026-01-31T09:08:07.123456Z`.
const TIMESTAMP_CHARS: usize = 27;
/// Beginnings of tokens and secrets.
const SECRET_PREFIXES: &[&str] = &["sandbox_pk_", "sandbox_sk_", "prod_pk_", "prod_sk_"];

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// `POST /v1/payments`.
    pub request: String,
    /// The body that was sent.
    pub sent: Vec<u8>,
    /// The status of the answer.
    pub status: u16,
    /// The headers of the answer, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body of the answer.
    pub body: Vec<u8>,
}

impl Exchange {
    /// The answer's header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The answer's body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|_| panic!("{}: the answer is not UTF-8", self.request))
    }

    /// The answer's body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}: {} is not JSON: {}", self.request, self.status, self.text()))
    }

    /// The text at a JSON pointer of the answer; empty when it is absent or no text.
    pub fn at(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The error code of the answer's envelope.
    pub fn code(&self) -> String {
        self.at("/code")
    }

    /// `status` and `sub_status` of a payment: `SUCCEEDED/APPROVED`.
    pub fn payment_state(&self) -> String {
        let json = self.json();
        let payment = json.get("payment").unwrap_or(&json);
        let text = |name: &str| payment.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
        format!("{}/{}", text("status"), text("sub_status"))
    }

    /// The exchange itself if the status is this one.
    ///
    /// # Panics
    /// When it is another; the whole exchange is shown.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often called for the assertion alone")]
    pub fn expect(self, status: u16) -> Exchange {
        assert_eq!(self.status, status, "{}", show(&[&self]));
        self
    }

    /// As [`Exchange::expect`], with the error code too.
    ///
    /// # Panics
    /// When either is another.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often called for the assertion alone")]
    pub fn refused(self, status: u16, code: &str) -> Exchange {
        let exchange = self.expect(status);
        assert_eq!(exchange.code(), code, "{}", show(&[&exchange]));
        exchange
    }

    /// What must be equal for two answers to be the same to their callers: everything but the request id, the date and
    /// the state of the rate limit.
    pub fn without_request_id(&self) -> (u16, BTreeMap<String, String>, String) {
        let kept = self.headers.iter().filter(|(name, _)| !VOLATILE_HEADERS.contains(&name.as_str())).cloned().collect();
        (self.status, kept, String::from_utf8_lossy(&self.body).into_owned())
    }
}

/// The exchanges as one text for a snapshot: ids numbered in order of appearance, times and secrets masked.
pub fn show(exchanges: &[&Exchange]) -> String {
    let mut text = String::new();
    for exchange in exchanges {
        let line = |bytes: &[u8]| match serde_json::from_slice::<Value>(bytes) {
            Ok(json) => format!("{json:#}\n"),
            Err(_) if bytes.is_empty() => String::new(),
            Err(_) => format!("{}\n", String::from_utf8_lossy(bytes)),
        };
        write!(text, "> {}\n{}< {}\n", exchange.request, line(&exchange.sent), exchange.status)
            .expect("a string takes everything");
        for name in SHOWN_HEADERS {
            if let Some(value) = exchange.header(name) {
                writeln!(text, "{name}: {value}").expect("a string takes everything");
            }
        }
        text.push_str(&line(&exchange.body));
        text.push('\n');
    }
    redact(&text)
}

/// What stands before a text that differs from run to run, and where the text ends.
const VOLATILE_TEXTS: &[(&str, &str)] = &[("\"authorization_code\": \"", "\"")];

/// Masks what differs from run to run. The same id gets the same number, so that a snapshot still shows what refers to what.
pub fn redact(text: &str) -> String {
    let mut seen: Vec<&str> = Vec::new();
    let own_names = format!("-{}-", std::process::id());
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(id) = rest.get(..UUID_CHARS).filter(|id| is_uuid(id)) {
            let number = seen.iter().position(|known| *known == id).unwrap_or_else(|| {
                seen.push(id);
                seen.len() - 1
            });
            write!(out, "<id {}>", number + 1).expect("a string takes everything");
            rest = &rest[UUID_CHARS..];
        } else if rest.get(..TIMESTAMP_CHARS).is_some_and(is_timestamp) {
            out.push_str("<time>");
            rest = &rest[TIMESTAMP_CHARS..];
        } else if let Some(prefix) = SECRET_PREFIXES.iter().find(|prefix| rest.starts_with(**prefix)) {
            write!(out, "<{}>", prefix.trim_end_matches('_')).expect("a string takes everything");
            rest = rest[prefix.len()..].trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        } else if let Some(after) = rest.strip_prefix(own_names.as_str()) {
            out.push_str("-<n>");
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        } else if let Some((before, end)) = VOLATILE_TEXTS.iter().find(|(before, _)| rest.starts_with(before)) {
            let after = &rest[before.len()..];
            write!(out, "{before}<…>").expect("a string takes everything");
            rest = &after[after.find(end).unwrap_or(after.len())..];
        } else if let Some(after) = rest.strip_prefix("http://127.0.0.1:") {
            out.push_str("<base>");
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| if [8, 13, 18, 23].contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

fn is_timestamp(text: &str) -> bool {
    let pattern = b"0000-00-00T00:00:00.000000Z";
    text.len() == pattern.len()
        && text
            .bytes()
            .zip(pattern)
            .all(|(byte, &expected)| if expected == b'0' { byte.is_ascii_digit() } else { byte == expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_masked() {
        let text = "a 0199a8b4-1f7e-7c3a-8000-0123456789ab b 0199a8b4-1f7e-7c3a-8000-0123456789ac 0199a8b4-1f7e-7c3a-8000-0123456789ab \
                    2026-01-31T09:08:07.123456Z sandbox_sk_abcDEF0. http://127.0.0.1:41234/v1 é";
        assert_eq!(redact(text), "a <id 1> b <id 2> <id 1> <time> <sandbox_sk>. <base>/v1 é");
    }
}
