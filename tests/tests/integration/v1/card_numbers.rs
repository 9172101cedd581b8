//! A card number belongs into the field for it and nowhere else: prose that holds one is refused by name, what merchants call their own
//! things is not looked into.

use serde_json::{Value, json};
use testkit::actors::{Actor, fresh, money};
use testkit::on_both_engines;

use super::customers::customer;
use super::payment_methods::card;
use super::tokens::session;
use super::webhooks::webhook;

/// Ways of writing one down; all end in a right check digit.
const NUMBERS: [&str; 4] = ["4507990000000002", "my card is 4507 9900 0000 0002, thanks", "370000-000000-002", "x4222222222222y"];

/// A body with every field of prose that it may have, and pointers to these fields.
struct Told {
    method: &'static str,
    path: String,
    body: Value,
    prose: &'static [&'static str],
}

fn address() -> Value {
    json!({
        "address_line_1": "1, rue de Rivoli", "address_line_2": "Escalier B", "city": "Paris", "country": "FR", "state": "Paris",
        "zip_code": "75001", "neighborhood": "Le Louvre",
    })
}

fn person() -> Value {
    json!({
        "first_name": "Ada", "last_name": "Lovelace", "billing_address": address(), "shipping_address": address(),
        "document": { "document_type": "ID", "document_number": "4507990000000002" },
        "phone": { "country_code": "33", "number": "4507990000000002" },
    })
}

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

const METADATA: &str = "/metadata/0/value";

fn notes() -> Value {
    json!({ "metadata": [{ "key": "note", "value": "blue" }] })
}

fn account(merchant: &Actor) -> Value {
    json!({ "account_id": merchant.account_id, "country": "FR" })
}

async fn of_payments(merchant: &Actor) -> Vec<Told> {
    let echo = json!({ "additional_data": { "airline": ["a", { "seat": "12C" }] } });
    let mut payment = with(with(merchant.purchase("5 EUR"), &notes()), &echo);
    payment["customer_payer"] = with(person(), &json!({ "browser_info": { "language": "fr" } }));
    payment["payment_method"]["detail"]["card"]["soft_descriptor"] = json!("A SHOP");
    let held = merchant.pays(merchant.authorisation("5 EUR")).await;
    let opened = session(merchant, json!({})).await;
    let checkout = json!({ "merchant_order_id": fresh("order"), "payment_description": "Two chairs" });
    vec![
        Told {
            method: "POST",
            path: "/v1/payments".into(),
            body: payment,
            prose: &[
                "/description",
                METADATA,
                "/additional_data/airline/1/seat",
                "/customer_payer/first_name",
                "/customer_payer/last_name",
                "/customer_payer/billing_address/address_line_1",
                "/customer_payer/shipping_address/city",
                "/customer_payer/browser_info/language",
                "/payment_method/detail/card/soft_descriptor",
                "/payment_method/detail/card/card_data/holder_name",
            ],
        },
        Told {
            method: "POST",
            path: held.path("cancel"),
            body: json!({ "merchant_reference": "reference", "description": "gone" }),
            prose: &["/description"],
        },
        Told {
            method: "POST",
            path: "/v1/checkout/sessions".into(),
            body: with(with(account(merchant), &checkout), &notes()),
            prose: &["/payment_description", METADATA],
        },
        Told {
            method: "PATCH",
            path: format!("/v1/checkout/sessions/{opened}"),
            body: json!({ "payment_description": "Two chairs", "installments": { "plan_id": "p", "plan": ["monthly"] } }),
            prose: &["/payment_description", "/installments/plan/0"],
        },
    ]
}

async fn of_people(merchant: &Actor) -> Vec<Told> {
    let ada = customer(merchant, &fresh("ada")).await;
    let holder = json!({ "type": "CARD", "card_data": card("4507990000000002") });
    vec![
        Told {
            method: "POST",
            path: "/v1/customers".into(),
            body: with(with(person(), &notes()), &json!({ "merchant_customer_id": fresh("somebody") })),
            prose: &[
                "/first_name",
                "/last_name",
                METADATA,
                "/billing_address/address_line_1",
                "/billing_address/address_line_2",
                "/billing_address/city",
                "/billing_address/state",
                "/billing_address/neighborhood",
                "/shipping_address/address_line_1",
            ],
        },
        Told {
            method: "PATCH",
            path: format!("/v1/customers/{ada}"),
            body: with(person(), &notes()),
            prose: &["/first_name", "/billing_address/city", METADATA],
        },
        Told {
            method: "POST",
            path: format!("/v1/customers/{ada}/payment-methods"),
            body: with(account(merchant), &holder),
            prose: &["/card_data/holder_name"],
        },
    ]
}

fn of_agreements(merchant: &Actor) -> Vec<Told> {
    let payout = json!({
        "merchant_reference": fresh("rent"), "purpose": "RENT", "amount": money("1 EUR"), "description": "Rent",
        "beneficiary": {
            "merchant_beneficiary_id": "a", "country": "FR", "first_name": "Ada", "last_name": "Lovelace", "legal_name": "Ada SARL",
            "address": address(),
        },
        "withdrawal_method": { "type": "BANK_TRANSFER", "provider_id": "sandbox" },
    });
    let link = json!({ "amount": money("5 EUR"), "payment_method_types": ["CARD"], "description": "Two chairs" });
    vec![
        Told {
            method: "POST",
            path: "/v1/payouts".into(),
            body: with(with(account(merchant), &payout), &notes()),
            prose: &[
                "/description",
                METADATA,
                "/beneficiary/first_name",
                "/beneficiary/legal_name",
                "/beneficiary/address/address_line_1",
            ],
        },
        Told {
            method: "POST",
            path: "/v1/payment-links".into(),
            body: with(with(account(merchant), &link), &notes()),
            prose: &["/description", METADATA],
        },
        Told {
            method: "POST",
            path: "/v1/webhooks".into(),
            body: webhook(merchant, "http://127.0.0.1:9009/"),
            prose: &["/name"],
        },
    ]
}

on_both_engines! {
    async fn prose_that_holds_a_card_number_is_refused_by_name(world) {
        let merchant = world.merchant();
        let all = [of_payments(&merchant).await, of_people(&merchant).await, of_agreements(&merchant)];
        for told in all.into_iter().flatten() {
            for pointer in told.prose {
                for number in NUMBERS.into_iter().filter(|number| !pointer.ends_with("holder_name") || number.len() <= 26) {
                    let mut body = told.body.clone();
                    *body.pointer_mut(pointer).unwrap_or_else(|| panic!("{} has no {pointer}", told.path)) = json!(number);
                    let answer = merchant.ask(told.method, &told.path).fresh_key().json(&body).send().await.expect(400);
                    let code = if told.path == "/v1/webhooks" { "WEBHOOK_INVALID_REQUEST" } else { "INVALID_PARAMETERS" };
                    let answer = answer.refused(400, code);
                    // An echo is refused as a whole, a note by its place in the list.
                    let named = pointer[1..].split('/').next().expect("a field");
                    let message = answer.at("/messages/0");
                    assert!(message.starts_with(named) && message.contains("card number"), "{pointer}: {message}");
                    assert!(!answer.text().contains(&number[..6]), "nothing of it is repeated");
                }
            }
            let good = merchant.ask(told.method, &told.path).fresh_key().json(&told.body).send().await;
            assert!(good.status < 300, "{}: {}", told.path, good.text());
        }
        world.verify().await;
    }

    async fn what_merchants_call_their_own_things_may_look_like_one(world) {
        let merchant = world.merchant();
        let number = "4507990000000002";
        let mut body = merchant.purchase("5 EUR");
        body["merchant_order_id"] = json!(number);
        body["merchant_reference"] = json!(number);
        body["callback_url"] = json!(format!("HTTPS://shop.example/orders/{number}"));
        let made = merchant.post("/v1/payments", body).await.expect(201);
        assert_eq!((made.at("/merchant_order_id"), made.at("/merchant_reference")), (number.into(), number.into()));
        assert_eq!(merchant.get(&format!("/v1/payments?merchant_order_id={number}")).await.expect(200).at("/0/id"), made.at("/id"));
        merchant.post("/v1/customers", json!({ "merchant_customer_id": number })).await.expect(201);
        session(&merchant, json!({ "merchant_order_id": number, "checkout_id": number })).await;
        world.verify_settled().await;
    }
}
