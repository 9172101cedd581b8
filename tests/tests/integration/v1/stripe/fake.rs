//! A small Stripe: payment intents with a page for payers, and events signed as Stripe signs them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

/// What events are signed with.
pub(super) const SECRET: &str = "whsec_of_the_test";
/// The card whose owner must prove himself.
pub(super) const CHALLENGED: &str = "4000002500003155";

/// Cheap to clone; clones are the same server. It ends with the process.
#[derive(Clone)]
pub(super) struct Stripe {
    pub(super) url: String,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    intents: Vec<Value>,
    refunds: Vec<Value>,
    numbers: HashMap<String, String>,
    /// What was answered under an idempotency key.
    answered: HashMap<String, Option<Value>>,
    /// Acts, and answers nothing that could be understood.
    deaf: bool,
}

impl Stripe {
    pub(super) fn start() -> Stripe {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stripe = Stripe { url, kept: Arc::default() };
        let app = Router::new().fallback(answer).with_state(stripe.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, app).await.expect("it serves");
            });
        });
        stripe
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on its answers are lost, or are not.
    pub(super) fn deaf(&self, deaf: bool) {
        self.kept().deaf = deaf;
    }

    /// The intents, oldest first.
    pub(super) fn intents(&self) -> Vec<Value> {
        self.kept().intents.clone()
    }

    /// The payer of the last intent comes to its page.
    pub(super) fn payer_comes(&self, proves: bool) {
        let mut kept = self.kept();
        let intent = kept.intents.last_mut().expect("an intent");
        assert_eq!(intent["status"], "requires_action");
        let manual = intent["capture_method"] == "manual";
        intent["next_action"] = Value::Null;
        if proves {
            intent["status"] = json!(if manual { "requires_capture" } else { "succeeded" });
            intent["latest_charge"] = json!("ch_1");
        } else {
            intent["status"] = json!("requires_payment_method");
            intent["last_payment_error"] = json!({ "code": "payment_intent_authentication_failure" });
        }
    }

    /// An event about `object`, with its signature.
    pub(super) fn event(kind: &str, object: &Value) -> (String, String) {
        let id = testkit::actors::fresh("evt");
        let body = json!({ "id": id, "object": "event", "livemode": false, "created": now(), "type": kind, "data": { "object": object } });
        let body = body.to_string();
        (sign(&body, SECRET, now()), body)
    }

    /// A dispute about the last intent.
    pub(super) fn dispute(&self, status: &str) -> Value {
        let intent = self.intents().pop().expect("an intent");
        json!({ "id": format!("dp_{}", intent["id"].as_str().expect("an id")), "object": "dispute", "amount": intent["amount"],
            "currency": intent["currency"], "charge": "ch_1", "payment_intent": intent["id"], "status": status, "created": intent["created"], "metadata": {} })
    }
}

#[expect(clippy::disallowed_methods, reason = "signatures are checked against real time")]
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

pub(super) fn sign(body: &str, secret: &str, at: u64) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()))
}

async fn answer(State(stripe): State<Stripe>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body).into_owned();
    let form: HashMap<String, String> =
        text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (plain(name), plain(value))).collect();
    let mut kept = stripe.kept();
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let known = key.as_ref().and_then(|key| kept.answered.get(key).cloned());
    let path: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    let reply = match (method.as_str(), path.as_slice()) {
        _ if known.is_some() => known.flatten(),
        ("POST", ["v1", "payment_methods"]) => Some(kept.card(&form)),
        ("POST", ["v1", "payment_intents"]) => Some(kept.create(&form, &stripe.url)),
        ("GET", ["v1", "payment_intents"]) => Some(json!({ "data": kept.intents, "has_more": false })),
        ("GET", ["v1", "payment_intents", id]) => kept.intent(id).cloned(),
        ("POST", ["v1", "payment_intents", id, step]) => kept.step(id, step),
        ("POST", ["v1", "refunds"]) => Some(kept.refund(&form)),
        _ => None,
    };
    if let Some(key) = key {
        kept.answered.insert(key, reply.clone());
    }
    if kept.deaf {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    match reply {
        Some(reply) if reply["error"].is_object() => (StatusCode::PAYMENT_REQUIRED, reply.to_string()).into_response(),
        Some(reply) => reply.to_string().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A form's text without its escapes; this server is sent ASCII only.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'+' => b' ',
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).expect("an escape")
            }
            byte => byte,
        };
        out.push(char::from(byte));
    }
    out
}

impl Kept {
    fn card(&mut self, form: &HashMap<String, String>) -> Value {
        let id = format!("pm_{}", self.numbers.len());
        self.numbers.insert(id.clone(), form["card[number]"].clone());
        json!({ "id": id })
    }

    fn create(&mut self, form: &HashMap<String, String>, url: &str) -> Value {
        let id = format!("pi_{}", self.intents.len());
        let challenged = self.numbers.get(&form["payment_method"]).is_some_and(|number| number == CHALLENGED);
        if challenged && form.contains_key("off_session") {
            return json!({ "error": { "type": "card_error", "code": "authentication_required", "decline_code": "authentication_required" } });
        }
        let manual = form["capture_method"] == "manual";
        let status = match (challenged, manual) {
            (true, _) => "requires_action",
            (false, true) => "requires_capture",
            (false, false) => "succeeded",
        };
        let amount: i64 = form["amount"].parse().expect("an amount");
        let page = form
            .get("return_url")
            .filter(|_| challenged)
            .map(|back| json!({ "redirect_to_url": { "url": format!("{url}/3ds/{id}"), "return_url": back } }));
        let intent = json!({ "id": id, "object": "payment_intent", "created": now(), "status": status, "amount": amount, "amount_received": amount,
            "currency": form["currency"], "capture_method": form["capture_method"], "metadata": { "attempt": form["metadata[attempt]"] },
            "latest_charge": if challenged { Value::Null } else { json!("ch_1") }, "next_action": page });
        self.intents.push(intent.clone());
        intent
    }

    fn intent(&mut self, id: &str) -> Option<&mut Value> {
        self.intents.iter_mut().find(|intent| intent["id"] == id)
    }

    fn step(&mut self, id: &str, step: &str) -> Option<Value> {
        let intent = self.intent(id)?;
        intent["status"] = match (step, intent["status"].as_str()?) {
            ("cancel", "requires_action" | "requires_capture" | "requires_payment_method") => json!("canceled"),
            ("capture", "requires_capture") => json!("succeeded"),
            _ => return Some(json!({ "error": { "type": "invalid_request_error", "code": "payment_intent_unexpected_state" } })),
        };
        Some(intent.clone())
    }

    fn refund(&mut self, form: &HashMap<String, String>) -> Value {
        let amount: i64 = form["amount"].parse().expect("an amount");
        let refund = json!({ "id": format!("re_{}", self.refunds.len()), "object": "refund", "status": "succeeded", "amount": amount,
            "currency": "eur", "payment_intent": form["payment_intent"], "metadata": { "attempt": form["metadata[attempt]"] } });
        self.refunds.push(refund.clone());
        refund
    }
}
