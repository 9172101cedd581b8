//! 3-D Secure through the front door: payments and card checks whose payer must prove that the card is his, and what is shown of it.

use serde_json::{Value, json};
use testkit::actors::{Actor, money};
use testkit::exchange::Exchange;
use testkit::on_both_engines;
use testkit::world::World;

use super::customers::customer;
use super::payment_methods::{card, enrol};
use super::tokens::token;

const CHALLENGED: &str = "4916994064252017";
const CHECK: &str =
    r#"{ "verify": { "vault_on_success": true, "currency": "EUR" }, "callback_url": "https://shop.example/stored#x" }"#;

fn with_card(merchant: &Actor, number: &str) -> Value {
    let mut body = merchant.purchase("12 EUR");
    body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(number);
    body
}

/// Opens the page at `url` and sends its form.
async fn answers(world: &World, url: &str, fields: &str) -> Exchange {
    let (payer, path) = (world.anonymous(), &url[url.find("/v1/").expect("a page of ours")..]);
    let page = payer.get(path).await.expect(200);
    let cookie = page.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie").to_owned();
    let csrf = page
        .text()
        .split_once("name=\"csrf\" value=\"")
        .and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()))
        .expect("a seal");
    payer
        .ask("POST", path)
        .header("cookie", cookie)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("csrf={csrf}&{fields}"))
        .send()
        .await
}

fn redirect_url(payment: &Exchange) -> String {
    payment.at("/payment_method/payment_method_detail/card/redirect_url")
}

/// What is shown of the payer's authentication: version, ECI, status.
fn authentication(payment: &Exchange) -> Value {
    let shown = &payment.json()["payment_method"]["payment_method_detail"]["card"]["card_data"]["three_d_secure"];
    assert_eq!(shown["cryptogram"], Value::Null);
    let named = ["transaction_id", "directory_server_transaction_id", "acs_id"].map(|name| shown[name].is_string());
    assert_eq!(named, [shown["pares_status"].is_string(); 3], "{shown}");
    json!([shown["version"], shown["electronic_commerce_indicator"], shown["pares_status"]])
}

on_both_engines! {
    async fn what_our_own_run_came_to_is_shown(world) {
        let merchant = world.merchant();
        let nothing = json!([null, null, null]);
        for (code, state, shown) in [
            ("1234", "SUCCEEDED/APPROVED", json!(["2.2.0", "05", "Y"])),
            ("4444", "SUCCEEDED/APPROVED", json!(["2.2.0", "06", "A"])),
            ("1111", "DECLINED/DECLINED", json!(["2.2.0", "07", "N"])),
        ] {
            let made = merchant.pays(with_card(&merchant, CHALLENGED)).await;
            assert_eq!(authentication(&made.exchange), nothing);
            answers(&world, &redirect_url(&made.exchange), &format!("otp={code}&action=submit")).await.expect(200);
            let read = merchant.get(&format!("/v1/payments/{}", made.id)).await.expect(200);
            assert_eq!((read.payment_state().as_str(), authentication(&read)), (state, shown));
            let again = merchant.get(&format!("/v1/payments/{}", made.id)).await.expect(200);
            assert_eq!(read.json(), again.json(), "the same names at every look");
        }
        let mut refused_after = with_card(&merchant, CHALLENGED);
        refused_after["description"] = json!("DO_NOT_HONOR");
        let made = merchant.pays(refused_after).await;
        answers(&world, &redirect_url(&made.exchange), "otp=1234&action=submit").await.expect(200);
        let read = merchant.get(&format!("/v1/payments/{}", made.id)).await.expect(200);
        assert_eq!((read.at("/transactions/response_code"), authentication(&read)), ("DO_NOT_HONOR".into(), json!(["2.2.0", "05", "Y"])));
        for (number, shown) in [
            ("4929251897047956", json!(["2.2.0", "05", "Y"])),
            ("4716429323842524", json!(["2.2.0", "07", "N"])),
            ("4507990000000002", nothing),
        ] {
            assert_eq!(authentication(&merchant.post("/v1/payments", with_card(&merchant, number)).await.expect(201)), shown, "{number}");
        }
        let mut elsewhere = with_card(&merchant, "4507990000000002");
        elsewhere["payment_method"]["detail"]["card"]["three_d_secure"] = json!({ "version": "2.1.0", "electronic_commerce_indicator": "02" });
        let shown = merchant.pays(elsewhere).await.exchange.json();
        let shown = &shown["payment_method"]["payment_method_detail"]["card"]["card_data"]["three_d_secure"];
        assert_eq!((&shown["version"], &shown["electronic_commerce_indicator"]), (&json!("2.1.0"), &json!("02")));
        world.verify_settled().await;
    }

    async fn a_button_that_does_not_exist_counts_as_none_and_the_enter_key_as_the_first(world) {
        let merchant = world.merchant();
        let made = merchant.pays(with_card(&merchant, CHALLENGED)).await;
        let url = redirect_url(&made.exchange);
        for unknown in ["otp=1234&action=zzz", "otp=9999&action=SUBMIT", "action=x"] {
            let again = answers(&world, &url, unknown).await.expect(400);
            assert!(again.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{unknown}");
            assert!(again.text().contains("Nothing was charged. Use one of the two buttons below."), "{unknown}: {}", again.text());
            assert!(again.text().contains("name=\"otp\""), "{unknown}");
            assert!(again.text().contains(&made.exchange.at("/merchant_order_id")), "the payer sees which order it is");
        }
        let read = merchant.get(&format!("/v1/payments/{}", made.id)).await.expect(200);
        assert_eq!(read.payment_state(), "PENDING/WAITING_ADDITIONAL_STEP");
        answers(&world, &url, "otp=1234").await.expect(200);
        assert_eq!(merchant.get(&format!("/v1/payments/{}", made.id)).await.payment_state(), "SUCCEEDED/APPROVED");
    }

    async fn a_card_whose_owner_must_prove_himself_is_stored_when_he_has(mut world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let more: Value = serde_json::from_str(CHECK).expect("JSON");
        for (fields, status, check, location) in [
            ("otp=1111&action=submit", "DECLINED", "DECLINED/DECLINED", true),
            ("action=cancel", "DECLINED", "DECLINED/DECLINED", true),
            ("otp=1234&action=submit", "ENROLLED", "VERIFIED/VERIFIED", true),
        ] {
            let waiting = enrol(&merchant, &id, card(CHALLENGED), more.clone()).await.expect(201);
            assert_eq!((waiting.at("/status"), waiting.at("/action")), ("ENROLL_IN_PROCESS".into(), "REDIRECT_URL".into()));
            assert_eq!((waiting.at("/vaulted_token"), waiting.json()["enrollment"]["sdk_required_action"].clone()), (String::new(), json!(true)));
            let path = format!("/v1/payment-methods/{}", waiting.at("/id"));
            assert_eq!(merchant.get(&path).await.at("/redirect_url"), waiting.at("/redirect_url"));
            let listed = merchant.get(&format!("/v1/customers/{id}/payment-methods")).await.expect(200);
            assert_eq!(listed.at("/payment_methods/0/redirect_url"), waiting.at("/redirect_url"));
            world.verify_settled().await;
            let sent = answers(&world, &waiting.at("/redirect_url"), fields).await.expect(303);
            let payment = waiting.at("/verify/payment/id");
            assert_eq!(sent.header("location").is_some_and(|to| to == format!("https://shop.example/stored?payment_id={payment}#x")), location);
            let done = merchant.get(&path).await.expect(200);
            assert_eq!((done.at("/status"), done.at("/redirect_url"), done.at("/action")), (status.into(), String::new(), String::new()));
            assert_eq!(merchant.get(&format!("/v1/payments/{payment}")).await.expect(200).payment_state(), check);
            world.verify_settled().await;
        }
        let stored = merchant.get(&format!("/v1/customers/{id}/payment-methods")).await.expect(200).at("/payment_methods/0/vaulted_token");
        let mut body = merchant.purchase("5 EUR");
        body["payment_method"] = json!({ "type": "CARD", "vaulted_token": stored });
        assert_eq!(merchant.pays(body).await.exchange.payment_state(), "PENDING/WAITING_ADDITIONAL_STEP");

        // Another card: nobody comes, and a crash in between changes nothing.
        let late = enrol(&merchant, &id, card("372021106351394"), more.clone()).await.expect(201);
        let kept = enrol(&merchant, &id, card("5306889942833340"), more).await.expect(201);
        world.crash().await;
        let merchant = world.merchant();
        let url = merchant.get(&format!("/v1/payment-methods/{}", kept.at("/id"))).await.expect(200).at("/redirect_url");
        answers(&world, &url, "otp=4444&action=submit").await.expect(303);
        assert_eq!(merchant.get(&format!("/v1/payment-methods/{}", kept.at("/id"))).await.at("/status"), "ENROLLED");
        world.advance_seconds(15 * 60).await;
        let path = format!("/v1/payment-methods/{}", late.at("/id"));
        world.eventually(|| merchant.get(&path), |answer| answer.status == 200 && answer.at("/status") == "EXPIRED").await;
        world.verify_settled().await;
    }

    async fn a_method_that_waited_in_a_session_is_stored_when_its_owner_has_proven_himself(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let opening = json!({ "account_id": merchant.account_id, "country": "FR", "customer_id": id, "callback_url": "https://shop.example/back" });
        let session = merchant.post("/v1/customers/sessions", opening).await.expect(201).at("/customer_session");
        let body = json!({ "account_id": merchant.account_id, "payment_method_type": "CARD", "country": "FR",
            "verify": { "vault_on_success": true, "currency": "EUR" } });
        let waiting = merchant.post(&format!("/v1/customers/sessions/{session}/payment-methods"), body).await.expect(201).at("/id");
        let token = token(&merchant, json!({ "card_data": card(CHALLENGED) })).await.expect(201).at("/token");
        let confirm = format!("/v1/customers/sessions/{session}/payment-methods/{waiting}/confirm");
        let asked = merchant.ask("POST", &confirm).json(&json!({ "token": token })).send().await.expect(201);
        assert_eq!((asked.at("/status"), asked.at("/id")), ("ENROLL_IN_PROCESS".into(), waiting.clone()));
        let sent = answers(&world, &asked.at("/redirect_url"), "otp=1234&action=submit").await.expect(303);
        assert!(sent.header("location").is_some_and(|to| to.starts_with("https://shop.example/back?payment_id=")));
        assert_eq!(merchant.get(&format!("/v1/payment-methods/{waiting}")).await.at("/status"), "ENROLLED");
        world.verify_settled().await;
    }

    async fn a_regular_charge_that_wants_its_payer_is_declined_at_once_and_tried_again(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let stored = enrol(&merchant, &id, card(CHALLENGED), json!({})).await.expect(201).at("/vaulted_token");
        let made = merchant.post("/v1/subscriptions", json!({
            "account_id": merchant.account_id, "name": "Magazine", "country": "FR", "amount": money("9 EUR"),
            "payment_method": { "type": "CARD", "vaulted_token": stored }, "customer_payer": { "id": id },
            "retries": { "retry_on_decline": true, "amount": 1, "stop_on_hard_decline": true, "cancel_on_exhausted_retries": false },
        })).await.expect(200).at("/id");
        let path = format!("/v1/subscriptions/{made}");
        world.eventually(|| merchant.get(&path), |answer| answer.at("/status") == "PAST_DUE").await;
        let paid = merchant.get(&format!("{path}/payments")).await.expect(200);
        assert_eq!((paid.at("/data/0/status"), paid.at("/data/0/sub_status")), ("DECLINED".into(), "DECLINED".into()));
        let payment = merchant.get(&format!("/v1/payments/{}", paid.at("/data/0/payment_id"))).await.expect(200);
        assert_eq!((payment.at("/transactions/response_code"), redirect_url(&payment)), ("AUTHENTICATION_REQUIRED".into(), String::new()));
        world.advance_seconds(24 * 60 * 60).await;
        world.eventually(|| merchant.get(&path), |answer| answer.at("/status") == "PAUSED").await;
        let paid = merchant.get(&format!("{path}/payments")).await.expect(200).json();
        assert_eq!(paid["pagination"]["total"], json!(2), "dunning went on");
        world.verify_settled().await;
    }
}
