//! Who makes requests: a merchant with a key, somebody else's merchant, somebody without any.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::exchange::Exchange;

/// How long a test waits for one answer: more than the product's own limit of 60 s.
const ANSWER_SECONDS_MAX: u64 = 70;

/// A running server's front door.
#[derive(Debug, Clone)]
pub struct Door {
    base_url: String,
    client: reqwest::Client,
}

impl Door {
    /// The door at `http://host:port`, no slash at the end.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    pub fn at(base_url: impl Into<String>) -> Door {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // A connection each: the server closes idle ones, and on a busy machine that would meet the next request.
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(ANSWER_SECONDS_MAX))
            .build()
            .expect("an HTTP client without TLS needs nothing");
        Door { base_url: base_url.into(), client }
    }

    /// `http://host:port`
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// `host:port`
    pub fn address(&self) -> &str {
        self.base_url.trim_start_matches("http://")
    }
}

/// An access key as the credentials file holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// Public half.
    pub token: String,
    /// Private half.
    pub secret: String,
}

/// Somebody who makes requests.
#[derive(Clone)]
pub struct Actor {
    door: Door,
    /// The account the actor says it acts for.
    pub account_id: String,
    key: Option<Key>,
}

impl Actor {
    /// Somebody with a key.
    pub fn with_key(door: &Door, account_id: impl Into<String>, key: Key) -> Actor {
        Actor { door: door.clone(), account_id: account_id.into(), key: Some(key) }
    }

    /// Somebody without one.
    pub fn anonymous(door: &Door) -> Actor {
        Actor { door: door.clone(), account_id: String::new(), key: None }
    }

    /// The same actor at another door: a restarted server, a second node.
    #[must_use]
    pub fn through(&self, door: &Door) -> Actor {
        Actor { door: door.clone(), ..self.clone() }
    }

    /// The actor's key.
    ///
    /// # Panics
    /// When it has none.
    pub fn key(&self) -> &Key {
        self.key.as_ref().expect("this actor has a key")
    }

    /// Begins a request.
    pub fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        let mut headers = Vec::new();
        if let Some(key) = &self.key {
            headers.push(("public-api-key".to_owned(), key.token.clone().into_bytes()));
            headers.push(("private-secret-key".to_owned(), key.secret.clone().into_bytes()));
        }
        Ask { door: &self.door, method: method.to_owned(), path: path.to_owned(), headers, body: Vec::new() }
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> Exchange {
        self.ask("GET", path).send().await
    }

    /// POSTs JSON under an idempotency key of its own.
    pub async fn post(&self, path: &str, body: Value) -> Exchange {
        self.ask("POST", path).fresh_key().json(&body).send().await
    }

    /// POSTs JSON under this idempotency key.
    pub async fn post_once(&self, path: &str, idempotency_key: &str, body: &Value) -> Exchange {
        self.ask("POST", path).once(idempotency_key).json(body).send().await
    }

    /// A body for `POST /v1/payments`: a purchase of `amount` (such as `12.50 EUR`) with the card that is approved.
    pub fn purchase(&self, amount: &str) -> Value {
        let (value, currency) = amount.split_once(' ').expect("an amount is a value, a space and a currency");
        json!({
            "account_id": self.account_id,
            "merchant_order_id": fresh("order"),
            "description": "A test payment",
            "country": "FR",
            "amount": { "currency": currency, "value": number(value) },
            "workflow": "DIRECT",
            "payment_method": { "type": "CARD", "detail": { "card": { "capture": true, "card_data": {
                "number": "4507990000000002",
                "expiration_month": 12,
                "expiration_year": 2099,
                "security_code": "123",
                "holder_name": "Ada Lovelace",
            } } } },
        })
    }

    /// As [`Actor::purchase`], but only held.
    pub fn authorisation(&self, amount: &str) -> Value {
        let mut body = self.purchase(amount);
        *body.pointer_mut("/payment_method/detail/card/capture").expect("the body has the member") = json!(false);
        body
    }

    /// Makes a payment that is expected to succeed.
    pub async fn pays(&self, body: Value) -> Made {
        let exchange = self.post("/v1/payments", body).await.expect(201);
        Made { id: exchange.at("/id"), transaction: exchange.at("/transactions/id"), exchange }
    }

    /// Makes an operation on a transaction: `capture`, `cancel`, `refund` or `cancel-or-refund`.
    pub async fn operate(&self, made: &Made, operation: &str, mut body: Value) -> Exchange {
        let members = body.as_object_mut().expect("the body is an object");
        members.entry("merchant_reference").or_insert_with(|| json!(fresh("reference")));
        self.post(&made.path(operation), body).await
    }

    /// Captures `amount` of a hold.
    pub async fn captures(&self, made: &Made, amount: &str) -> Exchange {
        self.operate(made, "capture", json!({ "amount": money(amount), "reason": "PRODUCT_CONFIRMED" })).await
    }

    /// Refunds `amount`.
    pub async fn refunds(&self, made: &Made, amount: &str) -> Exchange {
        self.operate(made, "refund", json!({ "amount": money(amount), "reason": "REQUESTED_BY_CUSTOMER" })).await
    }
}

/// A payment that was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// Id of its first transaction.
    pub transaction: String,
    /// How it was made.
    pub exchange: Exchange,
}

impl Made {
    /// The path of an operation on its first transaction.
    pub fn path(&self, operation: &str) -> String {
        format!("/v1/payments/{}/transactions/{}/{operation}", self.id, self.transaction)
    }
}

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    door: &'a Door,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Ask<'_> {
    /// Adds a header, beside others of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Leaves a header out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self
    }

    /// Under this idempotency key.
    #[must_use]
    pub fn once(self, idempotency_key: &str) -> Self {
        self.header("x-idempotency-key", idempotency_key)
    }

    /// Under an idempotency key nobody else uses.
    #[must_use]
    pub fn fresh_key(self) -> Self {
        self.once(&fresh("key"))
    }

    /// With this JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// With this body as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and waits for the whole answer.
    ///
    /// # Panics
    /// When there is none.
    pub async fn send(self) -> Exchange {
        let request = format!("{} {}", self.method, self.path);
        self.try_send().await.unwrap_or_else(|error| panic!("{request}: {error:?}"))
    }

    /// Sends it and waits for the whole answer; an error when the connection breaks first.
    ///
    /// # Errors
    /// No answer, or not a whole one.
    pub async fn try_send(self) -> Result<Exchange, reqwest::Error> {
        let method = reqwest::Method::from_bytes(self.method.as_bytes()).expect("a method of the tests is a token");
        let mut ask = self.door.client.request(method, format!("{}{}", self.door.base_url, self.path)).body(self.body.clone());
        for (name, value) in &self.headers {
            ask = ask.header(name.as_str(), value.as_slice());
        }
        let answer = ask.send().await?;
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Ok(Exchange {
            request: format!("{} {}", self.method, self.path),
            sent: self.body,
            status: answer.status().as_u16(),
            headers: headers.collect(),
            body: answer.bytes().await?.to_vec(),
        })
    }
}

/// `12.50 EUR` as the API writes it.
///
/// # Panics
/// When the text has not this form.
pub fn money(amount: &str) -> Value {
    let (value, currency) = amount.split_once(' ').expect("an amount is a value, a space and a currency");
    json!({ "currency": currency, "value": number(value) })
}

fn number(text: &str) -> Value {
    serde_json::from_str(text).expect("the value of an amount is a JSON number")
}

/// A name nobody else in this test process uses.
pub fn fresh(what: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{what}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
