//! One object of each kind, so that requests made up from the document find something.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::http::{Ask, Connection};
use crate::product::Product;

/// Values by the names under which [`super::document`] gives them to parameters and fields.
pub(super) type Things = BTreeMap<&'static str, String>;

/// Makes them.
pub(super) fn make(product: &Product) -> Result<Things> {
    let mut maker = Maker { line: product.connect()?, keys: product.key_headers()?, count: 0 };
    let account = product.account_id()?.to_owned();
    let card = json!({
        "number": product.approved_card(), "expiration_month": 12, "expiration_year": 2099, "security_code": "123",
        "holder_name": "Ada Lovelace",
    });
    let money = json!({ "currency": "EUR", "value": 20 });
    let mut things = Things::from([("account", account.clone()), ("card", product.approved_card().to_owned())]);
    let payment = maker.post(
        "/v1/payments",
        &json!({
            "account_id": account, "merchant_order_id": "order-1042", "description": "Two chairs", "country": "FR", "amount": money,
            "workflow": "DIRECT",
            "payment_method": { "type": "CARD", "detail": { "card": { "capture": false, "card_data": card } } },
        }),
    )?;
    things.insert("payment", at(&payment, "/id")?);
    things.insert("transaction", at(&payment, "/transactions/id")?);
    things.insert("order", "order-1042".to_owned());
    let customer = at(&maker.post("/v1/customers", &json!({ "merchant_customer_id": "ada" }))?, "/id")?;
    let enrol = json!({ "account_id": account, "country": "FR", "type": "CARD", "card_data": card });
    let method = maker.post(&format!("/v1/customers/{customer}/payment-methods"), &enrol)?;
    things.insert("method", at(&method, "/id")?);
    things.insert("vaulted", at(&method, "/vaulted_token")?);
    let session = json!({ "account_id": account, "country": "FR", "customer_id": customer });
    things.insert("customer-session", at(&maker.post("/v1/customers/sessions", &session)?, "/customer_session")?);
    let checkout = json!({
        "account_id": account, "merchant_order_id": "order-1043", "payment_description": "A chair", "country": "FR",
        "customer_id": customer,
    });
    things.insert("session", at(&maker.post("/v1/checkout/sessions", &checkout)?, "/checkout_session")?);
    things.insert("customer", customer);
    things.insert("token", at(&maker.post("/v1/tokens", &json!({ "account_id": account, "card_data": card }))?, "/token")?);
    let subscription = json!({
        "account_id": account, "name": "Magazine", "country": "FR", "amount": money,
        "payment_method": { "type": "CARD", "vaulted_token": things["vaulted"] },
    });
    things.insert("subscription", at(&maker.post("/v1/subscriptions", &subscription)?, "/id")?);
    let payout = json!({
        "account_id": account, "merchant_reference": "rent-1", "country": "FR", "purpose": "RENT",
        "amount": { "currency": "EUR", "value": 1 }, "beneficiary": { "merchant_beneficiary_id": "a", "country": "FR" },
        "withdrawal_method": { "type": "BANK_TRANSFER", "provider_id": "sandbox" },
    });
    things.insert("payout", at(&maker.post("/v1/payouts", &payout)?, "/id")?);
    let link = json!({ "account_id": account, "country": "FR", "amount": money, "payment_method_types": ["CARD"] });
    things.insert("code", at(&maker.post("/v1/payment-links", &link)?, "/id")?);
    let report = json!({ "type": "PAYMENTS", "start_date": "2026-01-01T00:00:00Z", "end_date": "2026-02-01T00:00:00Z" });
    things.insert("report", at(&maker.post("/v1/reports", &report)?, "/id")?);
    let webhook =
        json!({ "account_id": account, "name": "Shop", "url": "http://127.0.0.1:9009/", "payment_triggers": ["REFUND"] });
    things.insert("webhook", at(&maker.post("/v1/webhooks", &webhook)?, "/id")?);
    Ok(things)
}

struct Maker {
    line: Connection,
    keys: String,
    count: u32,
}

impl Maker {
    fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.count += 1;
        let headers = format!("{}X-Idempotency-Key: thing-{}\r\n", self.keys, self.count);
        let answer = self.line.ask(&Ask { method: "POST", path, headers: &headers, body: &body.to_string() })?;
        ensure!((200..300).contains(&answer.status), "POST {path} was answered {}", answer.short());
        answer.json()
    }
}

fn at(answer: &Value, pointer: &str) -> Result<String> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("no {pointer} in {answer}"))
}
