//! The demo's payments: a handful of orders as a small shop has them, made through the front door on the first start.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use web::App;

use crate::credentials::{Credentials, card};
use crate::trouble::Trouble;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What happens to an order after its card was charged or held.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// Nothing more.
    Stays,
    /// So much of the hold is taken.
    Captures(u32),
    /// So much is given back.
    Refunds(u32),
    /// It is called off: the hold is let go, or everything given back.
    CalledOff,
}

/// An order of the shop.
struct Order {
    id: &'static str,
    description: &'static str,
    /// Whole units of the account's currency.
    value: u32,
    card: &'static str,
    /// Taken at once, or held first.
    capture: bool,
    then: Then,
}

/// Oldest first; the last ones are what the landing page shows.
const ORDERS: &[Order] = &[
    Order {
        id: "poster-12",
        description: "A poster, returned",
        value: 18,
        card: "approved",
        capture: true,
        then: Then::CalledOff,
    },
    Order {
        id: "bike-88",
        description: "Deposit for a bicycle",
        value: 250,
        card: "approved",
        capture: false,
        then: Then::CalledOff,
    },
    Order {
        id: "lamp-3",
        description: "A reading lamp",
        value: 129,
        card: "insufficient_funds",
        capture: true,
        then: Then::Stays,
    },
    Order {
        id: "books-41",
        description: "Three books, one sent back",
        value: 57,
        card: "approved",
        capture: true,
        then: Then::Refunds(19),
    },
    Order {
        id: "room-117",
        description: "Two nights, room 117",
        value: 310,
        card: "approved",
        capture: false,
        then: Then::Captures(180),
    },
    Order { id: "table-9", description: "Dinner for two", value: 64, card: "approved", capture: true, then: Then::Stays },
    Order {
        id: "workshop-5",
        description: "Place in a workshop",
        value: 90,
        card: "approved",
        capture: false,
        then: Then::Stays,
    },
    Order { id: "breakfast-2", description: "Breakfast", value: 24, card: "approved", capture: true, then: Then::Stays },
];

/// A body for `POST /v1/payments` with a card of the sandbox, as banner and demo data send it.
pub fn card_payment(credentials: &Credentials, order: &str, description: &str, value: u32, number: &str, capture: bool) -> Value {
    json!({
        "account_id": credentials.account.id.to_string(),
        "merchant_order_id": order,
        "description": description,
        "country": credentials.account.country,
        "amount": { "currency": credentials.account.currency, "value": value },
        "workflow": "DIRECT",
        "payment_method": { "type": "CARD", "detail": { "card": { "capture": capture, "card_data": {
            "number": number,
            "expiration_month": 12,
            "expiration_year": credentials.card_year,
            "security_code": "123",
            "holder_name": "Ada Lovelace",
        } } } },
    })
}

/// Makes the orders that are not there yet.
///
/// # Errors
/// The front door does not take one of them.
pub async fn fill(app: &App, credentials: &Credentials) -> Result<(), Trouble> {
    let counter = Counter { app, credentials };
    for order in ORDERS {
        let known = counter.ask(Method::GET, &format!("/v1/payments?merchant_order_id={}", order.id), None).await?;
        if known.as_array().is_some_and(Vec::is_empty) {
            counter.serve(order).await?;
        }
    }
    Ok(())
}

struct Counter<'a> {
    app: &'a App,
    credentials: &'a Credentials,
}

impl Counter<'_> {
    async fn serve(&self, order: &Order) -> Result<(), Trouble> {
        let Order { id, description, value, capture, .. } = *order;
        let body = card_payment(self.credentials, id, description, value, card(order.card), capture);
        let paid = self.ask(Method::POST, "/v1/payments", Some((id, body))).await?;
        let Some(payment) = paid["id"].as_str() else { return Ok(()) };
        let transaction = paid["transactions"]["id"].as_str().unwrap_or_default();
        let path = |operation: &str| format!("/v1/payments/{payment}/transactions/{transaction}/{operation}");
        let amount = |value: u32| json!({ "currency": self.credentials.account.currency, "value": value });
        let (path, body) = match order.then {
            Then::Stays => return Ok(()),
            Then::Captures(part) => {
                (path("capture"), json!({ "merchant_reference": id, "reason": "PRODUCT_CONFIRMED", "amount": amount(part) }))
            }
            Then::Refunds(part) => {
                (path("refund"), json!({ "merchant_reference": id, "reason": "REQUESTED_BY_CUSTOMER", "amount": amount(part) }))
            }
            Then::CalledOff => (path("cancel-or-refund"), json!({ "merchant_reference": id, "reason": "REQUESTED_BY_CUSTOMER" })),
        };
        self.ask(Method::POST, &path, Some((id, body))).await.map(drop)
    }

    /// Asks the front door in process, as the demo's merchant.
    async fn ask(&self, method: Method, path: &str, once: Option<(&str, Value)>) -> Result<Value, Trouble> {
        let key = self.credentials.full_key();
        let mut request = Request::builder()
            .method(&method)
            .uri(path)
            .header("host", "localhost")
            .header("public-api-key", &key.token)
            .header("private-secret-key", key.secret.expose());
        let mut body = Body::empty();
        if let Some((order, json)) = once {
            request = request.header("x-idempotency-key", order).header("content-type", "application/json");
            body = Body::from(json.to_string());
        }
        let request = request.body(body).expect("path and headers are plain ASCII");
        let answer = self.app.clone().answer(request, IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
        let status = answer.status();
        let failed =
            |why: String| Trouble::new("the demo's payments could not be made").because(format!("{method} {path}: {why}"));
        let bytes = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|error| failed(error.to_string()))?;
        if status == StatusCode::CONFLICT {
            // Another demo on the same database is making this very order.
            return Ok(Value::Null);
        }
        if !status.is_success() {
            return Err(failed(format!("{status} {}", String::from_utf8_lossy(&bytes))));
        }
        serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))
    }
}
