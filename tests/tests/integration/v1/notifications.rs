//! Notifications of the sandbox acquirer: read as strictly as the bodies of merchants, and known again for what they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use testkit::actors::Actor;
use testkit::exchange::Exchange;
use testkit::on_both_engines;
use testkit::world::World;

/// A body, signed as the sandbox acquirer signs.
pub(super) async fn notify(world: &World, body: String) -> Exchange {
    let secret = world.credentials()["payments"]["notification_secret"].as_str().expect("a secret");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(body.as_bytes());
    let (acquirer, signature) = (world.anonymous(), STANDARD.encode(mac.finalize().into_bytes()));
    let ask = acquirer.ask("POST", "/v1/acquirers/sandbox/notifications");
    ask.header("x-hmac-signature", &signature).body(body).send().await
}

fn chargeback(payment: &Exchange) -> Value {
    json!({ "live": false, "notification": {
        "payment_id": payment.at("/id"), "order_id": payment.at("/merchant_order_id"), "event_code": "CHARGEBACK",
        "event_date": "2026-11-22T08:00:00Z", "amount": { "currency": "EUR", "value": 600 },
        "is_3d": false, "operations": ["REFUND"], "success": true, "additional_data": { "note": "by phone" },
    }})
}

async fn becomes(world: &World, merchant: &Actor, payment: &Exchange, state: &str) {
    let path = format!("/v1/payments/{}", payment.at("/id"));
    world.eventually(|| merchant.get(&path), |answer| answer.payment_state() == state).await;
}

on_both_engines! {
    async fn a_notification_is_read_as_strictly_as_any_body(world) {
        let merchant = world.merchant();
        let paid = merchant.pays(merchant.purchase("6 EUR")).await.exchange;
        let whole = chargeback(&paid);
        let refused = async |body: String, code: &str, message: &str| {
            let answer = notify(&world, body).await.refused(400, code);
            assert_eq!(answer.at("/messages/0"), message);
        };
        let text = whole.to_string();
        let twice = "the body is not valid JSON: a member is named twice in the object at byte";
        refused(text.replacen('{', r#"{"live":true,"#, 1), "INVALID_REQUEST", &format!("{twice} 1")).await;
        let inner = text.replacen(r#""note""#, r#""note":1,"\u006eote""#, 1);
        let at = inner.find(r#"{"note""#).expect("the object") + 1;
        refused(inner, "INVALID_REQUEST", &format!("{twice} {at}")).await;
        refused("[]".to_owned(), "INVALID_REQUEST", "the body must be a JSON object").await;
        let time = "notification.event_date: must be a time like 2026-01-31T09:08:07Z, a date like 2026-01-31, or milliseconds since 1970";
        for (member, value, code, message) in [
            ("payment_id", json!("x"), "INVALID_PARAMETERS", "notification.payment_id: must be a GUID"),
            ("event_date", json!("nope"), "INVALID_DATE", time),
            ("event_date", json!(true), "INVALID_DATE", time),
            ("additional_data", json!("x"), "INVALID_PARAMETERS", "notification.additional_data: must be an object"),
            ("operations", json!(["REFUND", 5]), "INVALID_PARAMETERS", "notification.operations[1]: must be a string"),
            ("order_id", Value::Null, "MISSING_PARAMETERS", "notification.order_id: is required"),
            ("amount", json!({ "currency": "EUX", "value": 1 }), "CURRENCY_NOT_ALLOWED", "notification.amount.currency: must be a currency code of ISO 4217"),
        ] {
            let mut bad = whole.clone();
            bad["notification"][member] = value;
            refused(bad.to_string(), code, message).await;
        }
        // What is missing decides the code and stands first; everything is named.
        let mut bad = whole.clone();
        (bad["notification"]["event_date"], bad["notification"]["success"]) = (json!("nope"), Value::Null);
        let answer = notify(&world, bad.to_string()).await.refused(400, "MISSING_PARAMETERS");
        assert_eq!(answer.json()["messages"], json!(["notification.success: is required", time]));
        for date in [json!(5), json!(1_769_850_487_123_i64), json!("2026-01-31"), Value::Null] {
            let mut good = whole.clone();
            (good["notification"]["event_code"], good["notification"]["event_date"]) = (json!("NOTICE"), date);
            assert_eq!(notify(&world, good.to_string()).await.expect(200).text(), "OK");
        }
        world.verify_settled().await;
        assert_eq!(merchant.get(&format!("/v1/payments/{}", paid.at("/id"))).await.payment_state(), "SUCCEEDED/APPROVED");
    }

    async fn what_is_said_about_real_money_is_no_repeat(world) {
        let merchant = world.merchant();
        let paid = merchant.pays(merchant.purchase("6 EUR")).await.exchange;
        let mut event = chargeback(&paid);
        event["live"] = json!(true);
        notify(&world, event.to_string()).await.expect(200);
        event["live"] = json!(false);
        notify(&world, event.to_string()).await.expect(200);
        becomes(&world, &merchant, &paid, "IN_DISPUTE/RECEIVED").await;
        event["notification"]["event_code"] = json!("CHARGEBACK_WON");
        notify(&world, event.to_string()).await.expect(200);
        becomes(&world, &merchant, &paid, "SUCCEEDED/APPROVED").await;
        world.verify_settled().await;
    }

    async fn what_is_not_captured_cannot_be_disputed_and_what_is_can(world) {
        let merchant = world.merchant();
        let held = merchant.pays(merchant.authorisation("6 EUR")).await;
        let raise = async |event: &str| {
            let body = json!({ "payment_id": held.id, "event": event });
            world.anonymous().ask("POST", "/dev/acquirer/events").json(&body).send().await
        };
        for event in ["CHARGEBACK", "CHARGEBACK_LOST"] {
            let refused = raise(event).await.refused(400, "INVALID_STATUS");
            assert_eq!(refused.at("/messages/0"), "nothing of the payment is captured, so there is nothing to dispute");
        }
        merchant.captures(&held, "6 EUR").await.expect(200);
        raise("CHARGEBACK").await.expect(200);
        becomes(&world, &merchant, &held.exchange, "IN_DISPUTE/RECEIVED").await;
        raise("CHARGEBACK_LOST").await.expect(200);
        becomes(&world, &merchant, &held.exchange, "CHARGEBACK/LOST").await;
        world.verify_settled().await;
    }
}
