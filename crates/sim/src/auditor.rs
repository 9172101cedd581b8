//! What must hold of every request whatever it is about: one key, one success, the same bytes; 409 only while somebody works on it; no
//! answer that nothing explains. Fed with requests and replies only.

use std::collections::BTreeMap;

use kernel::Timestamp;

use crate::faults::{Fault, Faults};
use crate::realm::{Breach, Holds};

/// A key is remembered for 24 hours; from here on nothing is expected of it, because its first request may have come later than thought.
pub const KEY_SECONDS: i64 = 20 * 60 * 60;

/// A request as a client sends it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who sends it; nobody when it needs no key.
    pub tenant: Option<usize>,
    /// Method.
    pub method: &'static str,
    /// Path with query.
    pub path: String,
    /// Idempotency key.
    pub key: Option<String>,
    /// Content type of the body.
    pub content_type: &'static str,
    /// Body.
    pub body: Vec<u8>,
    /// Other headers.
    pub headers: Vec<(&'static str, String)>,
    /// What the profile knows it by.
    pub tag: u64,
}

/// An answer as a client reads it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Whether it says that it is a replay.
    pub replayed: bool,
    /// The cookie it sets.
    pub cookie: Option<String>,
    /// Body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body, if it is JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of a refusal.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether it says for certain that nothing came of the request.
    pub fn is_refusal(&self) -> bool {
        (400..500).contains(&self.status) && self.status != 409 && self.status != 408
            || self.status == 503 && self.code() == "PROVIDER_UNAVAILABLE"
    }
}

/// What can end in an acquirer that was never reached.
const NOT_SENT: [Fault; 4] = [Fault::Refused, Fault::RequestLost, Fault::RequestLate, Fault::Garbage];

type Scope = (Option<usize>, &'static str, String, String);

#[derive(Default)]
struct Key {
    /// Calls under way.
    open: Vec<u64>,
    /// A call ended without a certain answer, and none has come since.
    doubtful: bool,
    success: Option<(u16, Vec<u8>)>,
    first_at: Option<Timestamp>,
}

struct Open {
    scope: Option<Scope>,
    sent_at: Timestamp,
    /// Somebody else works under this key, or may.
    overlaps: bool,
}

/// Watches keys.
pub struct Auditor {
    keys: BTreeMap<Scope, Key>,
    open: BTreeMap<u64, Open>,
    faults: Faults,
}

impl Auditor {
    /// In a run with these faults.
    pub fn new(faults: Faults) -> Auditor {
        Auditor { keys: BTreeMap::new(), open: BTreeMap::new(), faults }
    }

    /// The same, from when on nothing goes wrong any more.
    #[must_use]
    pub fn calm(self) -> Auditor {
        Auditor { faults: Faults::default(), ..self }
    }

    /// A request leaves.
    pub fn sent(&mut self, id: u64, call: &Call, now: Timestamp) {
        let scope = call.key.as_ref().map(|key| {
            let path = call.path.split('?').next().unwrap_or_default().to_owned();
            (call.tenant, call.method, path, key.clone())
        });
        let mut overlaps = false;
        if let Some(scope) = &scope {
            let key = self.keys.entry(scope.clone()).or_default();
            key.first_at.get_or_insert(now);
            overlaps = !key.open.is_empty() || key.doubtful;
            for other in &key.open {
                if let Some(other) = self.open.get_mut(other) {
                    other.overlaps = true;
                }
            }
            key.open.push(id);
        }
        self.open.insert(id, Open { scope, sent_at: now, overlaps });
    }

    /// Nobody will ever read an answer to it.
    pub fn lost(&mut self, id: u64) {
        if let Some(Open { scope: Some(scope), .. }) = self.open.remove(&id)
            && let Some(key) = self.keys.get_mut(&scope)
        {
            key.open.retain(|open| *open != id);
            key.doubtful = true;
        }
    }

    /// An answer arrives; with `given_up`, from a node that was silent for so long that others took it for dead.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn answered(&mut self, id: u64, call: &Call, reply: &Reply, now: Timestamp, given_up: bool) -> Holds {
        let Some(open) = self.open.remove(&id) else { return Ok(()) };
        let what = || format!("{} {} is answered {} {}", call.method, call.path, reply.status, reply.code());
        // A row that would come too late for the time in its id is not written.
        let too_late = now.seconds_since(open.sent_at) >= db::IN_TIME_SECONDS;
        self.expected(reply, what(), given_up || too_late)?;
        let Some(scope) = open.scope else { return Ok(()) };
        let Some(key) = self.keys.get_mut(&scope) else { return Ok(()) };
        key.open.retain(|open| *open != id);
        let remembered = key.first_at.is_some_and(|first| now.seconds_since(first) < KEY_SECONDS);
        match reply.status {
            200..300 => {
                key.doubtful = false;
                match &key.success {
                    Some((status, body)) if remembered && (*status != reply.status || *body != reply.body) => {
                        return Err(Breach::of("one-success-per-key", format!("{}, and was answered otherwise before", what())));
                    }
                    Some(_) => {}
                    // What it was asked first may have been finished by whoever took over from it.
                    None if reply.replayed && !open.overlaps && !given_up => {
                        return Err(Breach::of("one-success-per-key", format!("{}: a replay of nothing", what())));
                    }
                    None => key.success = Some((reply.status, reply.body.clone())),
                }
            }
            409 if reply.code() == "REQUEST_IN_PROCESS" => {
                if !open.overlaps {
                    return Err(Breach::of("409-only-while-in-process", what()));
                }
            }
            _ if reply.is_refusal() => {
                if key.success.is_some() && remembered {
                    return Err(Breach::of("one-success-per-key", format!("{} after a success", what())));
                }
                if key.open.is_empty() {
                    key.doubtful = false;
                }
            }
            _ => key.doubtful = true,
        }
        Ok(())
    }

    /// Whether anything explains this status.
    fn expected(&self, reply: &Reply, what: String, stood_still: bool) -> Holds {
        let page = reply.body.trim_ascii_start().first() == Some(&b'<');
        let any = |faults: &[Fault]| faults.iter().any(|fault| self.faults.rate(*fault) > 0);
        let explained = match reply.status {
            500 => any(&[Fault::Statement]),
            503 if reply.code() == "PROVIDER_UNAVAILABLE" || page && any(&NOT_SENT) => any(&NOT_SENT),
            503 if stood_still => true,
            503 => any(&[Fault::SmallQueue, Fault::StoreAway, Fault::Statement, Fault::Conflict]),
            504 => any(&[
                Fault::AnswerLost,
                Fault::RequestLost,
                Fault::RequestLate,
                Fault::Garbage,
                Fault::Pending,
                Fault::StoreAway,
                Fault::Statement,
                Fault::SmallQueue,
            ]),
            429 | 501 | 502 | 505.. => false,
            _ => true,
        };
        if !explained {
            return Err(Breach::of("explained-answers", what));
        }
        if reply.status >= 400 && !page && (reply.code().is_empty() || reply.json()["messages"][0].as_str().is_none()) {
            return Err(Breach::of("envelope", what));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realm::START;

    fn call() -> Call {
        Call {
            tenant: Some(0),
            method: "POST",
            path: "/v1/payments".into(),
            key: Some("k".into()),
            content_type: "application/json",
            body: Vec::new(),
            headers: Vec::new(),
            tag: 0,
        }
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, replayed: false, cookie: None, body: body.into() }
    }

    const BUSY: &str = r#"{"code":"REQUEST_IN_PROCESS","messages":["wait"]}"#;

    #[test]
    fn one_key_has_one_success_and_409_needs_a_reason() {
        let mut auditor = Auditor::new(Faults::default());
        auditor.sent(1, &call(), START);
        assert_eq!(auditor.answered(1, &call(), &reply(201, "{}"), START, false), Ok(()));
        auditor.sent(2, &call(), START);
        assert_eq!(auditor.answered(2, &call(), &reply(201, "{}"), START, false), Ok(()));
        auditor.sent(3, &call(), START);
        assert!(auditor.answered(3, &call(), &reply(201, "{ }"), START, false).is_err(), "other bytes");
        auditor.sent(4, &call(), START);
        assert!(auditor.answered(4, &call(), &reply(409, BUSY), START, false).is_err(), "nobody works on it");
        auditor.sent(5, &call(), START);
        auditor.sent(6, &call(), START);
        assert_eq!(auditor.answered(6, &call(), &reply(409, BUSY), START, false), Ok(()));
        auditor.lost(5);
        auditor.sent(7, &call(), START);
        assert_eq!(auditor.answered(7, &call(), &reply(409, BUSY), START, false), Ok(()), "what was lost may be under way");
    }

    #[test]
    fn what_nothing_explains_is_a_breach() {
        let broken = r#"{"code":"INTERNAL_ERROR","messages":["?"]}"#;
        for (faults, holds) in [(Faults::default(), false), (Faults::only(&[(Fault::Statement, 1)]), true)] {
            let mut auditor = Auditor::new(faults);
            auditor.sent(1, &call(), START);
            assert_eq!(auditor.answered(1, &call(), &reply(500, broken), START, false).is_ok(), holds);
        }
        let mut auditor = Auditor::new(Faults::default());
        auditor.sent(1, &call(), START);
        assert!(auditor.answered(1, &call(), &reply(400, "{}"), START, false).is_err(), "no envelope");
    }

    #[test]
    fn only_a_node_that_stood_still_may_be_unavailable_without_a_fault() {
        let away = r#"{"code":"SERVICE_UNAVAILABLE","messages":["later"]}"#;
        let late = START.plus_seconds(db::IN_TIME_SECONDS);
        for (at, given_up, holds) in [(START, false, false), (START, true, true), (late, false, true)] {
            let mut auditor = Auditor::new(Faults::default());
            auditor.sent(1, &call(), START);
            assert_eq!(auditor.answered(1, &call(), &reply(503, away), at, given_up).is_ok(), holds);
        }
    }

    #[test]
    fn what_another_node_finished_may_be_replayed_to_whoever_asked_first() {
        for given_up in [false, true] {
            let mut auditor = Auditor::new(Faults::default());
            auditor.sent(1, &call(), START);
            let replay = Reply { replayed: true, ..reply(201, "{}") };
            assert_eq!(auditor.answered(1, &call(), &replay, START, given_up).is_ok(), given_up);
        }
    }
}
