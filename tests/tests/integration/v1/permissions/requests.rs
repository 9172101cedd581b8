//! One good request for each guarded route, and for each way in which a body can name an object.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::actors::{Actor, fresh, money};
use testkit::world::World;

use super::super::customers::customer;
use super::super::payment_methods::{card, enrol};
use super::super::tokens::{session, token};
use super::super::webhooks::webhook;

/// The permission a route asks for, in the words of the payments specification, section 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Read,
    MoneyIn,
    Manage,
    MoneyOut,
}
use Class::{Manage, MoneyIn, MoneyOut, Read};

/// A request that would work for whoever owns the objects it names.
pub(super) struct Request {
    pub(super) method: &'static str,
    /// The path as the table of routes has it.
    pub(super) route: &'static str,
    pub(super) class: Class,
    /// The path with its objects.
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

/// Ids by the names the requests know them by.
pub(super) type Things = BTreeMap<&'static str, String>;

/// Objects of this account, enough that each request finds what it needs.
pub(super) async fn things(world: &World, owner: &Actor) -> Things {
    let mut things = Things::new();
    for held in ["held", "dropped", "returned"] {
        let made = owner.pays(owner.authorisation("9 EUR")).await;
        things.insert(held, made.id);
        things.insert(transaction(held), made.transaction);
    }
    let paid = owner.pays(owner.purchase("9 EUR")).await;
    things.insert("paid", paid.id);
    things.insert("paid-transaction", paid.transaction);
    things.insert("order", paid.exchange.at("/merchant_order_id"));
    let ada = customer(owner, "ada").await;
    let reference = owner.get(&format!("/v1/customers/{ada}")).await.at("/merchant_customer_id");
    things.insert("customer-reference", reference);
    things.insert("leaver", customer(owner, "leaver").await);
    for (name, number) in [("method", "4507990000000002"), ("first", "5252440000000002"), ("second", "370000000000002")] {
        let made = enrol(owner, &ada, card(number), json!({})).await.expect(201);
        things.insert(name, made.at("/id"));
        if name == "method" {
            things.insert("vaulted", made.at("/vaulted_token"));
        }
    }
    let ask = json!({ "account_id": owner.account_id, "country": "FR", "customer_id": ada });
    let opened = owner.post("/v1/customers/sessions", ask).await.expect(201).at("/customer_session");
    let ask = json!({ "account_id": owner.account_id, "payment_method_type": "CARD", "country": "FR" });
    let waiting = owner.post(&format!("/v1/customers/sessions/{opened}/payment-methods"), ask).await.expect(201).at("/id");
    things.insert("customer-session", opened);
    things.insert("waiting", waiting);
    things.insert("session", session(owner, json!({ "customer_id": ada })).await);
    for name in ["token", "session-token", "enrol-token"] {
        things.insert(name, token(owner, json!({})).await.expect(201).at("/token"));
    }
    let body = subscription(owner, &things["vaulted"]);
    let id = owner.post("/v1/subscriptions", body).await.expect(200).at("/id");
    let path = format!("/v1/subscriptions/{id}");
    world.eventually(|| owner.get(&path), |answer| answer.json()["billing_cycles"]["current"] == json!(2)).await;
    things.insert("subscription", id);
    let paid_out = owner.post("/v1/payouts", payout(owner, &fresh("rent"))).await.expect(201);
    things.insert("payout", paid_out.at("/id"));
    things.insert("payout-reference", paid_out.at("/merchant_reference"));
    things.insert("report", owner.post("/v1/reports", report()).await.expect(201).at("/id"));
    things.insert("link", owner.post("/v1/payment-links", link(owner)).await.expect(200).at("/id"));
    let mut hook = webhook(owner, "http://127.0.0.1:9009/");
    hook["payment_triggers"] = json!(["PURCHASE"]);
    let hook = owner.post("/v1/webhooks", hook).await.expect(201).at("/id");
    owner.pays(owner.purchase("9 EUR")).await;
    let path = format!("/v1/webhooks/{hook}/deliveries");
    let told = world.eventually(|| owner.get(&path), |answer| !answer.at("/deliveries/0/id").is_empty()).await;
    things.insert("delivery", told.at("/deliveries/0/id"));
    things.insert("webhook", hook);
    things.insert("customer", ada);
    things
}

/// Under which name the transaction of a payment is known.
fn transaction(payment: &str) -> &'static str {
    match payment {
        "held" => "held-transaction",
        "dropped" => "dropped-transaction",
        _ => "returned-transaction",
    }
}

fn subscription(owner: &Actor, vaulted: &str) -> Value {
    json!({
        "account_id": owner.account_id, "name": "Magazine", "country": "FR", "amount": money("9 EUR"),
        "payment_method": { "type": "CARD", "vaulted_token": vaulted },
    })
}

fn payout(owner: &Actor, reference: &str) -> Value {
    json!({
        "account_id": owner.account_id, "merchant_reference": reference, "country": "FR", "purpose": "RENT",
        "amount": money("1 EUR"), "beneficiary": { "merchant_beneficiary_id": "a", "country": "FR" },
        "withdrawal_method": { "type": "BANK_TRANSFER", "provider_id": "sandbox" },
    })
}

fn report() -> Value {
    json!({ "type": "PAYOUTS", "start_date": "2026-01-01T00:00:00Z", "end_date": "2026-01-02T00:00:00Z" })
}

fn link(owner: &Actor) -> Value {
    json!({ "account_id": owner.account_id, "country": "FR", "amount": money("9 EUR"), "payment_method_types": ["CARD"] })
}

/// Requests by `asks`, naming these objects.
pub(super) fn requests(asks: &Actor, things: &Things) -> Vec<Request> {
    let mut all = payments(asks, things);
    all.extend(fulfilments(things));
    all.extend(customers(asks, things));
    all.extend(methods(asks, things));
    all.extend(agreements(asks, things));
    all.extend(webhooks(asks, things));
    all
}

/// Fills the parameters of a route in: `{payment}` by the thing that the pair with this name leads to.
fn request(
    class: Class,
    method: &'static str,
    route: &'static str,
    things: &Things,
    named: &[(&str, &str)],
    body: impl Into<Option<Value>>,
) -> Request {
    let segment = |segment: &str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        None => segment.to_owned(),
        Some(parameter) => {
            let of = named.iter().find_map(|(name, of)| (*name == parameter).then_some(*of)).unwrap_or(parameter);
            things.get(of).unwrap_or_else(|| panic!("{route}: there is no {of}")).clone()
        }
    };
    let path = route.split('/').map(segment).collect::<Vec<_>>().join("/");
    Request { method, route, class, path, body: body.into() }
}

impl Request {
    fn query(mut self, query: &str) -> Request {
        self.path.push_str(query);
        self
    }
}

fn payments(asks: &Actor, things: &Things) -> Vec<Request> {
    const CAPTURE: &str = "/v1/payments/{payment}/transactions/{transaction}/capture";
    const CANCEL: &str = "/v1/payments/{payment}/transactions/{transaction}/cancel";
    const REFUND: &str = "/v1/payments/{payment}/transactions/{transaction}/refund";
    const EITHER: &str = "/v1/payments/{payment}/transactions/{transaction}/cancel-or-refund";
    let reason = |more: Value| {
        let mut body = json!({ "merchant_reference": "reference", "reason": "REQUESTED_BY_CUSTOMER" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let by = |source: Value, workflow: &str| {
        let mut body = asks.purchase("9 EUR");
        body["workflow"] = json!(workflow);
        body["payment_method"] = source;
        body
    };
    let mut of_session = by(json!({ "type": "CARD", "token": things["session-token"] }), "SDK_CHECKOUT");
    of_session["checkout"] = json!({ "session": things["session"] });
    let capture = reason(json!({ "reason": "PRODUCT_CONFIRMED", "amount": money("2 EUR") }));
    let held = [("payment", "held"), ("transaction", "held-transaction")];
    let dropped = [("payment", "dropped"), ("transaction", "dropped-transaction")];
    let returned = [("payment", "returned"), ("transaction", "returned-transaction")];
    let paid = [("payment", "paid"), ("transaction", "paid-transaction")];
    vec![
        request(MoneyIn, "POST", "/v1/payments", things, &[], asks.purchase("9 EUR")),
        request(MoneyIn, "POST", "/v1/payments", things, &[], by(json!({ "type": "CARD", "token": things["token"] }), "DIRECT")),
        request(
            MoneyIn,
            "POST",
            "/v1/payments",
            things,
            &[],
            by(json!({ "type": "CARD", "vaulted_token": things["vaulted"] }), "DIRECT"),
        ),
        request(Read, "GET", "/v1/payments/{payment}", things, &paid, None),
        request(Read, "GET", "/v1/payments", things, &[], None).query(&format!("?merchant_order_id={}", things["order"])),
        request(Read, "GET", "/v1/payments/search", things, &[], None),
        request(MoneyIn, "POST", CAPTURE, things, &held, capture),
        request(Manage, "POST", CANCEL, things, &dropped, reason(json!({}))),
        request(MoneyOut, "POST", REFUND, things, &paid, reason(json!({ "amount": money("1 EUR") }))),
        request(
            MoneyOut,
            "POST",
            "/v1/payments/{payment}/cancel-or-refund",
            things,
            &paid,
            reason(json!({ "amount": money("1 EUR") })),
        ),
        request(MoneyOut, "POST", EITHER, things, &returned, reason(json!({}))),
        request(MoneyIn, "POST", "/v1/checkout/sessions", things, &[], checkout(asks, things)),
        request(Read, "GET", "/v1/checkout/sessions/{session}", things, &[], None),
        request(MoneyIn, "PATCH", "/v1/checkout/sessions/{session}", things, &[], json!({ "customer_id": things["customer"] })),
        request(Read, "GET", "/v1/checkout/sessions/{session}/payment-methods", things, &[], None),
        request(
            MoneyIn,
            "POST",
            "/v1/checkout/sessions/{session}/token",
            things,
            &[],
            json!({
                "payment_method": { "type": "CARD", "card": { "card_data": card("4507990000000002") } },
            }),
        ),
        request(MoneyIn, "POST", "/v1/payments", things, &[], of_session),
        request(Read, "GET", "/v1/checkout/sessions/{session}/payment", things, &[], None),
        request(Read, "GET", "/v1/balances", things, &[], None),
        request(Read, "GET", "/v1/routing-rules", things, &[], None),
        request(Manage, "PUT", "/v1/routing-rules", things, &[], json!({ "rules": [{ "name": "all", "route": ["sandbox"] }] })),
        request(Read, "GET", "/dev/hello/key", things, &[], None),
    ]
}

fn fulfilments(things: &Things) -> Vec<Request> {
    const ROUTE: &str = "/v1/payments/{payment}/fulfillments";
    let delivery = json!({ "id": "parcel-1", "type": "STANDARD", "status": "COMPLETED" });
    let body = json!({ "status": "COMPLETED", "fulfillments": [delivery] });
    vec![
        request(Manage, "POST", ROUTE, things, &[("payment", "paid")], body),
        request(Read, "GET", ROUTE, things, &[("payment", "paid")], None),
    ]
}

fn checkout(asks: &Actor, things: &Things) -> Value {
    json!({
        "account_id": asks.account_id, "merchant_order_id": fresh("order"), "payment_description": "A coffee", "country": "FR",
        "customer_id": things["customer"],
    })
}

fn customers(asks: &Actor, things: &Things) -> Vec<Request> {
    let mut of_payer = asks.purchase("9 EUR");
    of_payer["customer_payer"] = json!({ "id": things["customer"] });
    vec![
        request(MoneyIn, "POST", "/v1/customers", things, &[], json!({ "merchant_customer_id": fresh("somebody") })),
        request(Read, "GET", "/v1/customers", things, &[], None)
            .query(&format!("?merchant_customer_id={}", things["customer-reference"])),
        request(Read, "GET", "/v1/customers/{customer}", things, &[], None),
        request(Manage, "PATCH", "/v1/customers/{customer}", things, &[], json!({ "first_name": "Ada" })),
        request(Manage, "DELETE", "/v1/customers/{customer}", things, &[("customer", "leaver")], None),
        request(
            MoneyIn,
            "POST",
            "/v1/customers/sessions",
            things,
            &[],
            json!({
                "account_id": asks.account_id, "country": "FR", "customer_id": things["customer"],
            }),
        ),
        request(MoneyIn, "POST", "/v1/payments", things, &[], of_payer),
        request(
            MoneyIn,
            "POST",
            "/v1/tokens",
            things,
            &[],
            json!({
                "account_id": asks.account_id, "card_data": card("4507990000000002"),
            }),
        ),
    ]
}

fn methods(asks: &Actor, things: &Things) -> Vec<Request> {
    const CONFIRM: &str = "/v1/customers/sessions/{session}/payment-methods/{method}/confirm";
    let enrolling = |card: Value| {
        let mut body = json!({ "account_id": asks.account_id, "country": "FR", "type": "CARD" });
        body.as_object_mut().expect("an object").extend(card.as_object().expect("an object").clone());
        body
    };
    let of_session = [("session", "customer-session"), ("method", "waiting")];
    let waiting = json!({ "account_id": asks.account_id, "payment_method_type": "CARD", "country": "FR" });
    let of_card = enrolling(json!({ "card_data": card("4507990000000002") }));
    let of_token = enrolling(json!({ "token": things["enrol-token"] }));
    vec![
        request(MoneyIn, "POST", "/v1/customers/sessions/{session}/payment-methods", things, &of_session, waiting),
        request(MoneyIn, "POST", CONFIRM, things, &of_session, json!({ "token": things["enrol-token"] })),
        request(MoneyIn, "POST", "/v1/customers/{customer}/payment-methods", things, &[], of_card),
        request(MoneyIn, "POST", "/v1/customers/{customer}/payment-methods", things, &[], of_token),
        request(Read, "GET", "/v1/customers/{customer}/payment-methods", things, &[], None),
        request(Read, "GET", "/v1/customers/{customer}/payment-methods/{method}", things, &[], None),
        request(Read, "GET", "/v1/payment-methods/{method}", things, &[], None),
        request(
            Manage,
            "POST",
            "/v1/customers/{customer}/payment-methods/{method}/unenroll",
            things,
            &[("method", "first")],
            None,
        ),
        request(Manage, "POST", "/v1/customers/payment-methods/{method}/unenroll", things, &[("method", "second")], None),
    ]
}

fn agreements(asks: &Actor, things: &Things) -> Vec<Request> {
    let mut of_payer = subscription(asks, &things["vaulted"]);
    of_payer["customer_payer"] = json!({ "id": things["customer"] });
    let mut link_for = link(asks);
    link_for["customer_payer"] = json!({ "id": things["customer"] });
    let link_code = [("code", "link")];
    let mut all = vec![
        request(MoneyIn, "POST", "/v1/subscriptions", things, &[], subscription(asks, &things["vaulted"])),
        request(MoneyIn, "POST", "/v1/subscriptions", things, &[], of_payer),
        request(Read, "GET", "/v1/subscriptions/{subscription}", things, &[], None),
        request(Manage, "PATCH", "/v1/subscriptions/{subscription}", things, &[], json!({ "name": "Paper" })),
        request(Read, "GET", "/v1/subscriptions/{subscription}/payments", things, &[], None),
        request(Read, "GET", "/v1/subscriptions", things, &[], None),
        request(Read, "GET", "/v1/subscriptions", things, &[], None).query(&format!("?customer_id={}", things["customer"])),
        request(MoneyOut, "POST", "/v1/payouts", things, &[], payout(asks, &fresh("rent"))),
        request(Read, "GET", "/v1/payouts/{payout}", things, &[], None),
        request(Read, "GET", "/v1/payouts", things, &[], None)
            .query(&format!("?merchant_reference={}", things["payout-reference"])),
        request(Read, "POST", "/v1/reports", things, &[], report()),
        request(Read, "GET", "/v1/reports", things, &[], None),
        request(Read, "GET", "/v1/reports/{report}", things, &[], None),
        request(Read, "GET", "/v1/reports/{report}/download", things, &[], None),
        request(MoneyIn, "POST", "/v1/payment-links", things, &[], link(asks)),
        request(MoneyIn, "POST", "/v1/payment-links", things, &[], link_for),
        request(Read, "GET", "/v1/payment-links/{code}", things, &link_code, None),
        request(Manage, "POST", "/v1/payment-links/{code}/cancel", things, &link_code, None),
    ];
    for route in [
        "/v1/subscriptions/{subscription}/pause",
        "/v1/subscriptions/{subscription}/resume",
        "/v1/subscriptions/{subscription}/retry",
        "/v1/subscriptions/{subscription}/cancel",
    ] {
        all.push(request(Manage, "POST", route, things, &[], None));
    }
    all
}

fn webhooks(asks: &Actor, things: &Things) -> Vec<Request> {
    vec![
        request(Manage, "POST", "/v1/webhooks", things, &[], webhook(asks, "http://127.0.0.1:9010/")),
        request(Read, "GET", "/v1/webhooks", things, &[], None),
        request(Read, "GET", "/v1/webhooks/{webhook}", things, &[], None),
        request(Manage, "PATCH", "/v1/webhooks/{webhook}", things, &[], json!({ "report_triggers": [] })),
        request(Manage, "POST", "/v1/webhooks/{webhook}/rotate", things, &[], None),
        request(Read, "GET", "/v1/webhooks/{webhook}/deliveries", things, &[], None),
        request(Manage, "POST", "/v1/webhooks/{webhook}/deliveries/{delivery}/resend", things, &[], None),
        request(Manage, "DELETE", "/v1/webhooks/{webhook}", things, &[], None),
    ]
}
