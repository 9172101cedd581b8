//! `simplified_mode`: a capture or refund that fails for now is answered, and tried again by itself.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::actors::{Actor, Made, money};
use testkit::exchange::Exchange;
use testkit::on_both_engines;
use testkit::receiver::{Does, Receiver};
use testkit::world::World;

use crate::v1::webhooks::{delivered, deliveries};

const PATIENCE: Duration = Duration::from_secs(20);

fn capture(amount: &str) -> Value {
    json!({ "merchant_reference": "parcel", "amount": money(amount), "reason": "PRODUCT_CONFIRMED", "simplified_mode": true })
}

fn refund(amount: &str) -> Value {
    json!({ "merchant_reference": "return", "amount": money(amount), "simplified_mode": true })
}

async fn read(merchant: &Actor, made: &Made) -> Exchange {
    merchant.get(&format!("/v1/payments/{}?transactions_history=true", made.id)).await.expect(200)
}

async fn becomes(world: &World, merchant: &Actor, made: &Made, state: &str) -> Exchange {
    let path = format!("/v1/payments/{}?transactions_history=true", made.id);
    world.eventually(|| merchant.get(&path), |answer| answer.status == 200 && answer.payment_state() == state).await
}

/// So much later one more try is made, to no avail: the acquirer is down.
async fn one_more_fails(world: &World, merchant: &Actor, made: &Made, seconds: u32) {
    let before = read(merchant, made).await.at("/transactions/updated_at");
    world.advance_seconds(seconds).await;
    let path = format!("/v1/payments/{}", made.id);
    let tried = world.eventually(|| merchant.get(&path), |answer| answer.at("/transactions/updated_at") != before).await;
    assert_eq!(tried.at("/transactions/status"), "PENDING");
}

on_both_engines! {
    async fn a_capture_is_answered_and_made_when_the_acquirer_is_back(world) {
        let merchant = world.merchant();
        let held = merchant.pays(merchant.authorisation("12 EUR")).await;
        assert_eq!(held.exchange.json()["simplified_mode"], json!(false));
        world.acquirer("down").await;
        merchant.captures(&held, "5 EUR").await.refused(503, "PROVIDER_UNAVAILABLE");
        let answer = merchant.post_once(&held.path("capture"), "c", &capture("5 EUR")).await.expect(200);
        assert_eq!((answer.at("/type"), answer.at("/status")), ("CAPTURE".into(), "PENDING".into()));
        assert_eq!((answer.at("/payment/status"), answer.at("/payment/sub_status")), ("SUCCEEDED".into(), "CAPTURE_RETRY_IN_PROCESS".into()));
        assert_eq!((&answer.json()["simplified_mode"], &answer.json()["payment"]["amount"]["captured"]), (&json!(true), &json!(0)));
        let again = merchant.post_once(&held.path("capture"), "c", &capture("5 EUR")).await.expect(200);
        assert_eq!((again.header("idempotent-replayed"), again.text()), (Some("true"), answer.text()));
        assert_eq!(read(&merchant, &held).await.json()["simplified_mode"], json!(true));
        world.verify().await;

        world.acquirer("normal").await;
        merchant.captures(&held, "8 EUR").await.refused(400, "INVALID_AMOUNT");
        merchant.refunds(&held, "1 EUR").await.refused(400, "INVALID_STATUS");
        merchant.captures(&held, "7 EUR").await.expect(200);
        assert_eq!(read(&merchant, &held).await.payment_state(), "SUCCEEDED/CAPTURE_RETRY_IN_PROCESS");
        world.advance_seconds(5 * 60).await;
        let captured = becomes(&world, &merchant, &held, "SUCCEEDED/CAPTURED").await.json();
        let history = captured["transactions_history"].as_array().expect("a list");
        let all: Vec<_> = history.iter().map(|one| (&one["status"], &one["amount"])).collect();
        let succeeded = json!("SUCCEEDED");
        assert_eq!(all, [(&succeeded, &json!(12)), (&succeeded, &json!(5)), (&succeeded, &json!(7))]);
        assert_eq!((&history[1]["id"], &captured["simplified_mode"]), (&json!(answer.at("/id")), &json!(false)), "the latest did not ask for it");
        let replay = merchant.post_once(&held.path("capture"), "c", &capture("5 EUR")).await.expect(200);
        assert_eq!(replay.text(), answer.text(), "what was answered stays what was answered");
        world.verify_settled().await;
    }

    async fn a_cancel_ends_a_capture_that_waits_and_both_are_told(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        let hook = json!({ "account_id": merchant.account_id, "name": "Shop", "url": receiver.url("/"), "payment_triggers": ["CAPTURE", "CANCEL"] });
        merchant.post("/v1/webhooks", hook).await.expect(201);
        let held = merchant.pays(merchant.authorisation("12 EUR")).await;
        world.acquirer("down").await;
        let answer = merchant.post_once(&held.path("capture"), "c", &capture("5 EUR")).await.expect(200);
        world.acquirer("normal").await;
        let cancelled = merchant.operate(&held, "cancel", json!({})).await.expect(200);
        assert_eq!((cancelled.at("/type"), cancelled.at("/status")), ("CANCEL".into(), "SUCCEEDED".into()));
        assert_eq!(cancelled.at("/payment/status"), "CANCELED");
        let history = read(&merchant, &held).await.json()["transactions_history"].clone();
        assert_eq!((&history[1]["id"], &history[1]["status"]), (&json!(answer.at("/id")), &json!("ERROR")));
        let told: Vec<_> = receiver.wait_for(3, PATIENCE).iter().map(|one| {
            let told: Value = serde_json::from_slice(&one.body).expect("JSON");
            (told["type_event"].clone(), told["data"]["payment"]["transactions"]["status"].clone())
        }).collect();
        let event = |name: &str, status: &str| (json!(name), json!(status));
        assert_eq!(told, [event("payment.capture", "PENDING"), event("payment.capture", "ERROR"), event("payment.cancel", "SUCCEEDED")]);
        world.advance_seconds(5 * 60).await;
        let replay = merchant.post_once(&held.path("capture"), "c", &capture("5 EUR")).await.expect(200);
        assert_eq!(replay.text(), answer.text(), "what was answered stays what was answered");
        world.verify_settled().await;
    }

    async fn a_refund_is_tried_at_its_times_and_told_where_its_status_changes(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        let hook = json!({ "account_id": merchant.account_id, "name": "Shop", "url": receiver.url("/"), "payment_triggers": ["REFUND"] });
        let hook = merchant.post("/v1/webhooks", hook).await.expect(201);
        let paid = merchant.pays(merchant.purchase("12 EUR")).await;
        world.acquirer("down").await;
        let answer = merchant.post(&paid.path("refund"), refund("5 EUR")).await.expect(200);
        assert_eq!(answer.payment_state(), "SUCCEEDED/REFUND_RETRY_IN_PROCESS");
        assert_eq!((answer.at("/transactions/type"), answer.at("/transactions/status")), ("REFUND".into(), "PENDING".into()));
        assert_eq!((&answer.json()["simplified_mode"], &answer.json()["amount"]["refunded"]), (&json!(true), &json!(0)));
        one_more_fails(&world, &merchant, &paid, 5 * 60).await;
        one_more_fails(&world, &merchant, &paid, 45 * 60).await;
        world.acquirer("normal").await;
        merchant.refunds(&paid, "8 EUR").await.refused(400, "INVALID_AMOUNT");
        assert_eq!(read(&merchant, &paid).await.payment_state(), "SUCCEEDED/REFUND_RETRY_IN_PROCESS");
        world.advance_seconds(6 * 3_600 - 50 * 60).await;
        let refunded = becomes(&world, &merchant, &paid, "SUCCEEDED/PARTIALLY_REFUNDED").await.json();
        assert_eq!(refunded["amount"]["refunded"], json!(5));
        let told: Vec<_> = receiver.wait_for(2, PATIENCE).iter().map(|one| {
            let told: Value = serde_json::from_slice(&one.body).expect("JSON");
            let payment = &told["data"]["payment"];
            (told["type_event"].clone(), payment["transactions"]["status"].clone(), payment["sub_status"].clone())
        }).collect();
        let event = || json!("payment.refund");
        assert_eq!(told, [
            (event(), json!("PENDING"), json!("REFUND_RETRY_IN_PROCESS")),
            (event(), json!("SUCCEEDED"), json!("PARTIALLY_REFUNDED")),
        ]);
        deliveries(&world, &merchant, &hook.at("/id"), delivered(2)).await;
        assert_eq!(receiver.received().len(), 2, "tries that change no status are not told");
        world.verify_settled().await;
    }

    async fn a_capture_that_fails_at_every_try_leaves_the_hold(world) {
        let merchant = world.merchant();
        let held = merchant.pays(merchant.authorisation("12 EUR")).await;
        world.acquirer("down").await;
        merchant.post(&held.path("capture"), capture("5 EUR")).await.expect(200);
        world.advance_seconds(96 * 3_600).await;
        let failed = becomes(&world, &merchant, &held, "SUCCEEDED/CAPTURE_RETRY_PROCESS_FAILED").await.json();
        let last = &failed["transactions"];
        assert_eq!((&last["status"], &last["response_code"]), (&json!("ERROR"), &json!("PROVIDER_UNAVAILABLE")));
        world.acquirer("normal").await;
        merchant.operate(&held, "cancel", json!({})).await.expect(200);
        assert_eq!(read(&merchant, &held).await.payment_state(), "CANCELED/CANCELED");
        world.verify_settled().await;
    }
}
