//! What the benchmark asks of the product: one type for each workload, each answer judged by its content.

use std::net::SocketAddr;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::client::Requests;
use crate::acquirer::signature;
use crate::http::{Ask, header};

/// Whose money: an account and the header lines that prove its key.
#[derive(Clone, Debug)]
pub struct Payee {
    /// The account's id.
    pub account: String,
    /// The two header lines of its key.
    pub headers: String,
}

/// `POST /v1/payments`: a direct purchase of EUR 19.99 that the sandbox acquirer approves (P1 and its variants).
pub struct Payments {
    address: SocketAddr,
    /// Takes turns; one for a hot account.
    payees: Vec<Payee>,
    card: String,
    /// Begins every key and order number; no two loads on one database share it.
    prefix: String,
    /// After so many the same keys come again (P7); `u64::MAX` for never.
    repeat_after: u64,
}

impl Payments {
    /// Payments of their own key and order each.
    pub fn new(address: SocketAddr, payees: Vec<Payee>, card: &str, prefix: &str) -> Payments {
        Payments { address, payees, card: card.to_owned(), prefix: prefix.to_owned(), repeat_after: u64::MAX }
    }

    /// The same requests as another value with this prefix made, over and over.
    #[must_use]
    pub fn repeating(mut self, after: u64) -> Payments {
        self.repeat_after = after;
        self
    }

    /// The order number of request `number`.
    pub fn order(prefix: &str, number: u64) -> String {
        format!("order-{prefix}-{number}")
    }
}

impl Requests for Payments {
    fn write(&self, number: u64, into: &mut Vec<u8>) {
        let number = number % self.repeat_after;
        let turn = usize::try_from(number).unwrap_or_default() % self.payees.len();
        let Payee { account, headers } = &self.payees[turn];
        let (card, order) = (&self.card, Payments::order(&self.prefix, number));
        let body = format!(
            r#"{{"account_id":"{account}","merchant_order_id":"{order}","description":"Two coffees and a croissant","country":"FR","amount":{{"currency":"EUR","value":19.99}},"workflow":"DIRECT","payment_method":{{"type":"CARD","detail":{{"card":{{"capture":true,"card_data":{{"number":"{card}","expiration_month":11,"expiration_year":2035,"security_code":"123","holder_name":"Jeanne Martin"}}}}}}}}}}"#
        );
        let headers = format!("{headers}x-idempotency-key: key-{order}\r\n");
        Ask { method: "POST", path: "/v1/payments", headers: &headers, body: &body }.write(self.address, into);
    }

    fn expected(&self, status: u16, head: &[u8], body: &[u8]) -> bool {
        let replayed = || std::str::from_utf8(head).is_ok_and(|head| header(head, "idempotent-replayed") == Some("true"));
        status == 201 && holds(body, b"\"SUCCEEDED\"") && (self.repeat_after == u64::MAX || replayed())
    }
}

/// A payment as its acquirer knows it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its id.
    pub payment: String,
    /// The merchant's order number.
    pub order: String,
    /// The acquirer's name.
    pub connector: String,
    /// In minor units, with its currency.
    pub amount: (u64, String),
}

/// `POST /v1/acquirers/{connector}/notifications`: signed ones about payments in turn, no two alike, 600 bytes each (P13).
pub struct Notifications {
    address: SocketAddr,
    secret: String,
    about: Vec<Known>,
    prefix: String,
}

/// Bytes of a notification's body, as the baseline's.
const NOTIFICATION_BYTES: usize = 600;

impl Notifications {
    /// About these payments.
    pub fn new(address: SocketAddr, secret: &str, about: Vec<Known>, prefix: &str) -> Notifications {
        Notifications { address, secret: secret.to_owned(), about, prefix: prefix.to_owned() }
    }

    /// What notification `number` is found by.
    pub fn mark(prefix: &str, number: u64) -> String {
        format!("{prefix}-{number}")
    }

    /// What makes it differ from all others: a time whose second is made of the prefix and whose nanosecond is its number.
    fn date(prefix: &str, number: u64) -> String {
        let hash = Sha256::digest(prefix.as_bytes());
        let part = |at: usize, many: u16| u16::from_be_bytes([hash[2 * at], hash[2 * at + 1]]) % many;
        let (year, month, day) = (2_000 + part(0, 100), 1 + part(1, 12), 1 + part(2, 28));
        let (hour, minute, second) = (part(3, 24), part(4, 60), part(5, 60));
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", number % 1_000_000_000)
    }
}

impl Requests for Notifications {
    fn write(&self, number: u64, into: &mut Vec<u8>) {
        let turn = usize::try_from(number).unwrap_or_default() % self.about.len();
        let Known { payment, order, connector, amount: (minor, currency) } = &self.about[turn];
        let (mark, date) = (Notifications::mark(&self.prefix, number), Notifications::date(&self.prefix, number));
        let begin = format!(
            r#"{{"live":false,"notification":{{"payment_id":"{payment}","order_id":"{order}","event_code":"AUTHORISATION","event_date":"{date}","amount":{{"currency":"{currency}","value":{minor}}},"is_3d":false,"operations":["REFUND"],"success":true,"additional_data":{{"mark":"{mark}","note":""#
        );
        let filling = NOTIFICATION_BYTES.saturating_sub(begin.len() + 4);
        let body = format!(r#"{begin}{:x<filling$}"}}}}}}"#, "");
        let path = format!("/v1/acquirers/{connector}/notifications");
        let headers = signature(&self.secret, &body);
        Ask { method: "POST", path: &path, headers: &headers, body: &body }.write(self.address, into);
    }

    fn expected(&self, status: u16, _head: &[u8], body: &[u8]) -> bool {
        status == 200 && body == b"OK"
    }
}

/// `POST /v1/checkout/sessions`, with or without an idempotency key (P8).
pub struct Sessions {
    address: SocketAddr,
    payee: Payee,
    prefix: String,
    with_key: bool,
}

impl Sessions {
    /// Sessions of an order number each.
    pub fn new(address: SocketAddr, payee: Payee, prefix: &str, with_key: bool) -> Sessions {
        Sessions { address, payee, prefix: prefix.to_owned(), with_key }
    }
}

impl Requests for Sessions {
    fn write(&self, number: u64, into: &mut Vec<u8>) {
        let order = Payments::order(&self.prefix, number);
        let body = json!({
            "account_id": self.payee.account,
            "merchant_order_id": order,
            "payment_description": "Two coffees and a croissant",
            "country": "FR",
        })
        .to_string();
        let key = if self.with_key { format!("x-idempotency-key: key-{order}\r\n") } else { String::new() };
        let headers = format!("{}{key}", self.payee.headers);
        Ask { method: "POST", path: "/v1/checkout/sessions", headers: &headers, body: &body }.write(self.address, into);
    }

    fn expected(&self, status: u16, _head: &[u8], body: &[u8]) -> bool {
        status == 200 && holds(body, b"\"checkout_session\"") && holds(body, self.prefix.as_bytes())
    }
}

/// `GET /dev/hello` and, with keys in turn, `GET /dev/hello/key` (P6).
pub struct Hello {
    address: SocketAddr,
    /// Header lines; empty for the route without a key.
    keys: Vec<String>,
}

impl Hello {
    /// Without keys `/dev/hello`, else `/dev/hello/key`.
    pub fn new(address: SocketAddr, keys: Vec<String>) -> Hello {
        Hello { address, keys }
    }
}

impl Requests for Hello {
    fn write(&self, number: u64, into: &mut Vec<u8>) {
        let turn = usize::try_from(number).unwrap_or_default().checked_rem(self.keys.len());
        let headers = turn.map_or("", |turn| self.keys[turn].as_str());
        let path = if self.keys.is_empty() { "/dev/hello" } else { "/dev/hello/key" };
        Ask { method: "GET", path, headers, body: "" }.write(self.address, into);
    }

    fn expected(&self, status: u16, _head: &[u8], body: &[u8]) -> bool {
        status == 200 && !body.is_empty()
    }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
