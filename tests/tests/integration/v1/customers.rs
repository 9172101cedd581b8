//! `/v1/customers`: customers, their sessions, and what deleting one does.

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::actors::{Actor, money};
use testkit::exchange::show;
use testkit::on_both_engines;

use super::payment_methods::{card, enrol};

const NOBODY: &str = "0199a8b4-1f7e-7c3a-8000-0123456789ab";

on_both_engines! {
    async fn a_customer_is_made_found_changed_and_replayed(world) {
        let merchant = world.merchant();
        let body = json!({
            "merchant_customer_id": "ada-1", "first_name": "Ada", "email": "ada@example.com", "gender": "F",
            "date_of_birth": "1815-12-10", "phone": { "country_code": "33", "number": "612345678" },
            "metadata": [{ "key": "tier", "value": "gold" }],
        });
        let made = merchant.post_once("/v1/customers", "one", &body).await.expect(201);
        let replay = merchant.post_once("/v1/customers", "one", &json!({})).await.expect(201);
        assert_eq!((replay.body == made.body, replay.header("idempotent-replayed")), (true, Some("true")));
        let id = made.at("/id");
        let read = merchant.get(&format!("/v1/customers/{id}")).await.expect(200);
        let found = merchant.get("/v1/customers?merchant_customer_id=ada-1").await.expect(200);
        assert_eq!((read.json(), found.json()), (made.json(), made.json()));

        let patched = patch(&merchant, &id, &json!({ "email": null, "last_name": "King", "merchant_customer_id": "ada-2" })).await.expect(200);
        assert_eq!((patched.at("/email"), patched.at("/last_name"), patched.at("/first_name")), (String::new(), "King".into(), "Ada".into()));
        merchant.get("/v1/customers?merchant_customer_id=ada-1").await.refused(400, "CUSTOMER_NOT_FOUND");
        assert_eq!(merchant.get("/v1/customers?merchant_customer_id=ada-2").await.expect(200).json(), patched.json());
        assert_snapshot!("customer", show(&[&made, &patched]));

        merchant.post("/v1/customers", json!({ "merchant_customer_id": "ada-2" })).await.refused(400, "CUSTOMER_ID_DUPLICATED");
        merchant.post("/v1/customers", json!({ "merchant_customer_id": "ada-1" })).await.expect(201);
        patch(&merchant, &id, &json!({ "merchant_customer_id": "ada-1" })).await.refused(400, "CUSTOMER_ID_DUPLICATED");
        world.intruder().post("/v1/customers", json!({ "merchant_customer_id": "ada-2" })).await.expect(201);
        world.verify_settled().await;
    }

    async fn a_customer_that_is_somebody_elses_looks_like_none(world) {
        let id = customer(&world.merchant(), "ada").await;
        let intruder = world.intruder();
        for path in ["/v1/customers/ID", "/v1/customers/ID/payment-methods", "/v1/customers?merchant_customer_id=ada"] {
            let foreign = intruder.get(&path.replace("ID", &id)).await.refused(400, "CUSTOMER_NOT_FOUND");
            let unknown = intruder.get(&path.replace("ID", NOBODY)).await;
            assert_eq!(foreign.without_request_id(), unknown.without_request_id());
        }
        patch(&intruder, &id, &json!({ "first_name": "Eve" })).await.refused(400, "CUSTOMER_NOT_FOUND");
        intruder.ask("DELETE", &format!("/v1/customers/{id}")).send().await.refused(400, "CUSTOMER_NOT_FOUND");
        let session = json!({ "account_id": intruder.account_id, "country": "FR", "customer_id": id });
        intruder.post("/v1/customers/sessions", session).await.refused(400, "CUSTOMER_NOT_FOUND");
        let mut purchase = intruder.purchase("5 EUR");
        purchase["customer_payer"] = json!({ "id": id });
        intruder.post("/v1/payments", purchase).await.refused(400, "CUSTOMER_NOT_FOUND");
        let session = json!({ "account_id": intruder.account_id, "merchant_order_id": "order", "payment_description": "A basket",
            "country": "FR", "customer_id": id });
        intruder.post("/v1/checkout/sessions", session).await.refused(400, "CUSTOMER_NOT_FOUND");
        world.verify_settled().await;
    }

    async fn wrong_fields_are_named(world) {
        let merchant = world.merchant();
        for (body, code, message) in [
            (json!({}), "MISSING_PARAMETERS", "merchant_customer_id: is required"),
            (json!({ "merchant_customer_id": "ab" }), "INVALID_PARAMETERS", "merchant_customer_id: must have at least 3 characters"),
            (json!({ "merchant_customer_id": "abc", "email": "a@b@c" }), "INVALID_PARAMETERS", "email: must have one @"),
            (json!({ "merchant_customer_id": "abc", "email": "ada" }), "INVALID_PARAMETERS", "email: must have one @"),
            (json!({ "merchant_customer_id": "abc", "email": "@b." }), "INVALID_PARAMETERS",
                "email: must have something before and after its @"),
            (json!({ "merchant_customer_id": "abc", "email": "ada@" }), "INVALID_PARAMETERS",
                "email: must have something before and after its @"),
            (json!({ "merchant_customer_id": "abc", "merchant_customer_created_at": "yesterday" }), "INVALID_DATE",
                "merchant_customer_created_at: must be a time like 2026-01-31T09:08:07Z or a date like 2026-01-31"),
            (json!({ "merchant_customer_id": "abc", "gender": "X" }), "INVALID_PARAMETERS", "gender: must be one of M F NB NA NK U"),
            (json!({ "merchant_customer_id": "abc", "date_of_birth": "2001-02-29" }), "INVALID_PARAMETERS",
                "date_of_birth: must be a date like 2001-02-28"),
            (json!({ "merchant_customer_id": "abc", "first_name": "4507990000000002" }), "INVALID_PARAMETERS",
                "first_name: must not contain a card number"),
            (json!({ "merchant_customer_id": "abc", "country": "ZZ" }), "COUNTRY_NOT_SUPPORTED", ""),
        ] {
            let refused = merchant.post("/v1/customers", body).await.refused(400, code);
            assert!(message.is_empty() || refused.at("/messages/0") == message, "{}", show(&[&refused]));
        }
        let id = customer(&merchant, "abc").await;
        patch(&merchant, &id, &json!({ "merchant_customer_id": null })).await.refused(400, "MISSING_PARAMETERS");
        patch(&merchant, &id, &json!({ "merchant_customer_created_at": "' OR 1=1 --" })).await.refused(400, "INVALID_DATE");
        for time in ["2022-05-09T20:46:54.786342Z", "2022-05-09T20:46:54+02:00", "2022-05-09"] {
            let patched = patch(&merchant, &id, &json!({ "merchant_customer_created_at": time })).await.expect(200);
            assert_eq!(patched.at("/merchant_customer_created_at"), time);
        }
        merchant.get("/v1/customers").await.refused(400, "MISSING_PARAMETERS");
    }

    async fn deleting_forgets_the_person_and_destroys_the_cards(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let method = enrol(&merchant, &id, card("4507990000000002"), json!({})).await.expect(201);
        let mut purchase = merchant.purchase("5 EUR");
        purchase["customer_payer"] = json!({ "id": id, "email": "ada@example.com", "first_name": "Ada" });
        let paid = merchant.pays(purchase).await;
        let deleted = merchant.ask("DELETE", &format!("/v1/customers/{id}")).send().await.expect(202);
        assert_eq!(deleted.json(), json!({}));
        merchant.ask("DELETE", &format!("/v1/customers/{id}")).send().await.refused(400, "CUSTOMER_NOT_FOUND");
        merchant.get(&format!("/v1/customers/{id}")).await.refused(400, "CUSTOMER_NOT_FOUND");
        let stored = merchant.get(&format!("/v1/payment-methods/{}", method.at("/id"))).await.expect(200);
        assert_eq!((stored.at("/status"), stored.at("/vaulted_token")), ("UNENROLLED".into(), String::new()));
        let payment = merchant.get(&format!("/v1/payments/{}", paid.id)).await.expect(200);
        assert_eq!((payment.at("/customer_payer/id"), payment.at("/customer_payer/email")), (id.clone(), String::new()));
        enrol(&merchant, &id, card("4507990000000002"), json!({})).await.refused(400, "CUSTOMER_NOT_FOUND");
        // The name is free again.
        assert_ne!(customer(&merchant, "ada").await, id);
        world.verify_settled().await;
    }

    /// After a restart the writer remembers none of their rows.
    async fn deleting_destroys_any_number_of_cards_at_once(mut world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        for number in 0..40_u64 {
            let number = checked(450_799_120_000_000 + number);
            enrol(&merchant, &id, card(&number), json!({})).await.expect(201);
        }
        world.restart().await;
        world.merchant().ask("DELETE", &format!("/v1/customers/{id}")).send().await.expect(202);
        world.verify_settled().await;
    }

    async fn a_deleted_customer_is_shown_by_no_repeat_and_no_payment(world) {
        let merchant = world.merchant();
        let body = json!({ "merchant_customer_id": "ada-1", "first_name": "Adaline", "email": "ada@example.com" });
        let made = merchant.post_once("/v1/customers", "made", &body).await.expect(201);
        let id = made.at("/id");
        let mut purchase = merchant.purchase("12 EUR");
        purchase["customer_payer"] = json!({
            "id": id, "ip_address": "203.0.113.77", "browser_info": { "user_agent": "Lynx" }, "device_fingerprints": [{ "id": "f00d" }]
        });
        let paid = merchant.post_once("/v1/payments", "paid", &purchase).await.expect(201);
        let path = format!("/v1/payments/{}", paid.at("/id"));
        let refund = json!({ "merchant_reference": "return", "amount": money("5 EUR") });
        let refund_path = format!("{path}/transactions/{}/refund", paid.at("/transactions/id"));
        let refunded = merchant.post_once(&refund_path, "back", &refund).await.expect(200);
        for before in [&paid, &refunded] {
            assert!(before.text().contains("Lynx") && before.text().contains("f00d"), "{}", before.text());
        }
        merchant.ask("DELETE", &format!("/v1/customers/{id}")).send().await.expect(202);

        let again = merchant.post_once("/v1/customers", "made", &body).await.expect(201);
        assert_eq!((again.at("/id"), again.header("idempotent-replayed")), (id.clone(), Some("true")));
        assert!(["Adaline", "ada@example.com", "ada-1"].iter().all(|personal| !again.text().contains(personal)), "{}", again.text());
        let repeats = [
            merchant.post_once("/v1/payments", "paid", &purchase).await.expect(201),
            merchant.post_once(&refund_path, "back", &refund).await.expect(200),
        ];
        for (repeat, before) in repeats.iter().zip([&paid, &refunded]) {
            let mut expected = before.json();
            let payer = expected["customer_payer"].as_object_mut().expect("a payer");
            payer.extend(["browser_info", "device_fingerprints"].map(|name| (name.to_owned(), Value::Null)));
            assert_eq!((repeat.json(), repeat.header("idempotent-replayed")), (expected, Some("true")));
        }
        let read = merchant.get(&path).await.expect(200);
        assert_eq!(read.json()["customer_payer"]["id"], json!(id));
        assert!(!read.text().contains("Lynx") && !read.text().contains("f00d"), "{}", read.text());
        merchant.post("/v1/customers", body).await.expect(201);
        world.verify_settled().await;
    }

    async fn a_session_lives_five_hours(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let body = json!({ "account_id": merchant.account_id, "country": "FR", "customer_id": id, "callback_url": "https://shop.example/back" });
        let made = merchant.post_once("/v1/customers/sessions", "s", &body).await.expect(201);
        assert_eq!(made.body, merchant.post_once("/v1/customers/sessions", "s", &body).await.expect(201).body);
        assert_snapshot!("customer_session", show(&[&made]));
        let prepare = |session: String| {
            let body = json!({ "account_id": merchant.account_id, "payment_method_type": "CARD", "country": "FR" });
            let merchant = &merchant;
            async move { merchant.post(&format!("/v1/customers/sessions/{session}/payment-methods"), body).await }
        };
        prepare(NOBODY.to_owned()).await.refused(400, "NOT_FOUND");
        prepare(made.at("/customer_session")).await.expect(201);
        world.advance_seconds(5 * 3_600).await;
        prepare(made.at("/customer_session")).await.refused(400, "NOT_FOUND");
        world.verify_settled().await;
    }
}

/// Makes a customer and gives its id.
pub(super) async fn customer(merchant: &Actor, name: &str) -> String {
    merchant.post("/v1/customers", json!({ "merchant_customer_id": name })).await.expect(201).at("/id")
}

async fn patch(merchant: &Actor, id: &str, body: &Value) -> testkit::exchange::Exchange {
    merchant.ask("PATCH", &format!("/v1/customers/{id}")).json(body).send().await
}

/// The card number that begins with these digits and ends with the check digit that belongs to them (ISO/IEC 7812-1).
fn checked(begins: u64) -> String {
    let digits = begins.to_string().into_bytes().into_iter().rev().map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits.enumerate().map(|(at, digit)| if at % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }).sum();
    format!("{begins}{}", (10 - sum % 10) % 10)
}
