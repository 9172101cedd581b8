//! Keeping a late charge from happening, against a server that does with idempotency keys what Stripe documents: the same key with the
//! same form is the same reply, with another form an error. No server by other people does this for payment intents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::Outcome;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;

const VISA: &str = "4242424242424242";

#[derive(Default)]
struct Kept {
    /// What was answered under a key, and to which request.
    replies: HashMap<String, (String, Value)>,
    intents: Vec<Value>,
    /// Lists lag behind.
    hidden: bool,
}

#[derive(Clone)]
struct Strict {
    url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Strict {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Self { url, kept: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some((head, body)) = line::request(&mut stream).await else { continue };
                let (status, reply) = serving.answer(&head, &String::from_utf8_lossy(&body));
                let reply = reply.to_string();
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", reply.len());
                let _gone = stream.write_all(format!("{head}{reply}").as_bytes()).await;
            }
        });
        server
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self, head: &str, body: &str) -> (u16, Value) {
        let first = head.lines().next().unwrap_or_default().to_owned();
        if first.starts_with("GET") {
            let data = self.with(|kept| if kept.hidden { Vec::new() } else { kept.intents.clone() });
            return (200, json!({ "data": data, "has_more": false }));
        }
        let key = head.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).expect("every POST has a key").to_owned();
        let request = format!("{first}\n{body}");
        self.with(|kept| {
            if let Some((known, reply)) = kept.replies.get(&key) {
                let other = json!({ "error": { "type": "idempotency_error", "message": "other parameters" } });
                return if *known == request { (200, reply.clone()) } else { (400, other) };
            }
            let reply = if first.contains("/cancel ") { kept.cancel(&first) } else { kept.create(body) };
            kept.replies.insert(key, (request, reply.clone()));
            (200, reply)
        })
    }

    fn charged(&self) -> usize {
        self.with(|kept| kept.intents.iter().filter(|intent| intent["status"] == "succeeded").count())
    }
}

impl Kept {
    fn create(&mut self, body: &str) -> Value {
        let fields: HashMap<String, String> = body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.replace("%5B", "[").replace("%5D", "]"), value.to_owned()))
            .collect();
        let metadata: HashMap<&str, &String> =
            fields.iter().filter_map(|(name, value)| Some((name.strip_prefix("metadata[")?.strip_suffix(']')?, value))).collect();
        let status = if fields.contains_key("confirm") { "succeeded" } else { "requires_payment_method" };
        let intent = json!({ "id": format!("pi_{}", self.intents.len()), "status": status, "metadata": metadata });
        self.intents.push(intent.clone());
        intent
    }

    fn cancel(&mut self, first: &str) -> Value {
        let id = first.split('/').nth(3).expect("an id");
        let intent = self.intents.iter_mut().find(|intent| intent["id"] == id).expect("it is there");
        intent["status"] = json!("canceled");
        intent.clone()
    }
}

fn stripe(server: &Strict) -> Arc<Stripe> {
    let test_sources = sources(&[(VISA, "pm_card_visa")]);
    let options = StripeOptions { test_sources, honours_idempotency: true, ..options(&server.url, Api::PaymentIntents) };
    Stripe::new(options).expect("a connector")
}

fn about(ask: &ChargeAsk) -> AttemptRef {
    AttemptRef {
        account_id: ask.account_id,
        attempt_id: ask.attempt_id,
        kind: ask.kind,
        amount: ask.amount,
        charge_reference: None,
    }
}

#[tokio::test]
async fn a_fenced_charge_that_arrives_late_is_refused() {
    let server = Strict::start().await;
    let (before, after) = (stripe(&server), stripe(&server));
    let ask = charge_ask(1_000, VISA);
    // A process that does not remember the request asks: it is nowhere.
    assert_eq!(after.inquire(&about(&ask)).await, Inquiry::NotFound);
    for _ in 0..2 {
        assert_eq!(after.fence(&about(&ask)).await, Fenced::Promised);
    }
    assert!(matches!(before.charge(&ask).await, Outcome::Unknown { .. }), "its key is used up");
    assert_eq!(server.charged(), 0);
    assert_eq!(after.inquire(&about(&ask)).await, Inquiry::NotFound, "the fence itself is no charge");
}

#[tokio::test]
async fn a_charge_that_was_there_before_the_fence_is_found() {
    let server = Strict::start().await;
    let (before, after) = (stripe(&server), stripe(&server));
    let ask = charge_ask(1_000, VISA);
    let outcome = before.charge(&ask).await;
    assert!(matches!(outcome, Outcome::Approved(_)));
    assert_eq!(before.charge(&ask).await, outcome, "a repeat is the same charge");
    server.with(|kept| kept.hidden = true);
    assert_eq!(after.inquire(&about(&ask)).await, Inquiry::NotFound, "the list lags behind");
    assert_eq!(after.fence(&about(&ask)).await, Fenced::NoAnswer, "it arrived, and cannot be seen yet");
    server.with(|kept| kept.hidden = false);
    assert_eq!(after.fence(&about(&ask)).await, Fenced::TooLate(outcome.clone()));
    assert_eq!((after.inquire(&about(&ask)).await, server.charged()), (Inquiry::Found(outcome), 1));
}
