//! `delayed_capture_settings` and `delayed_cancel_settings`: what is done with an authorisation by itself.

use serde_json::{Value, json};
use testkit::actors::{Actor, Made};
use testkit::exchange::Exchange;
use testkit::on_both_engines;
use testkit::world::World;

const CARD: &str = "/payment_method/detail/card";

fn delayed(merchant: &Actor, amount: &str, settings: &str, delay: &str) -> Value {
    let mut body = merchant.authorisation(amount);
    body.pointer_mut(CARD).expect("a card")[settings] = json!({ "delay": delay });
    body
}

fn shown(payment: &Exchange, settings: &str) -> Value {
    payment.json()["payment_method"]["payment_method_detail"]["card"][settings].clone()
}

async fn becomes(world: &World, merchant: &Actor, made: &Made, state: &str) -> Exchange {
    let path = format!("/v1/payments/{}?transactions_history=true", made.id);
    world.eventually(|| merchant.get(&path), |answer| answer.status == 200 && answer.payment_state() == state).await
}

on_both_engines! {
    async fn an_authorisation_is_captured_by_itself_when_its_time_has_come(world) {
        let merchant = world.merchant();
        let held = merchant.pays(delayed(&merchant, "12 EUR", "delayed_capture_settings", "PT90M")).await;
        assert_eq!(held.exchange.payment_state(), "PENDING/AUTHORIZED");
        assert_eq!(shown(&held.exchange, "delayed_capture_settings"), json!({ "delay": "PT1H30M", "simplified_mode": false }));
        assert_eq!(shown(&held.exchange, "delayed_cancel_settings"), json!(null));
        merchant.captures(&held, "5 EUR").await.expect(200);
        world.advance_seconds(90 * 60).await;
        let captured = becomes(&world, &merchant, &held, "SUCCEEDED/CAPTURED").await;
        let all: Vec<_> = captured.json()["transactions_history"].as_array().expect("a list").iter()
            .map(|one| (one["type"].clone(), one["status"].clone(), one["amount"].clone())).collect();
        let capture = |amount: i64| (json!("CAPTURE"), json!("SUCCEEDED"), json!(amount));
        assert_eq!(all, [(json!("AUTHORIZE"), json!("SUCCEEDED"), json!(12)), capture(5), capture(7)]);
        merchant.refunds(&held, "12 EUR").await.expect(200);
        world.verify_settled().await;
    }

    async fn a_delayed_capture_with_simplified_mode_is_tried_again(world) {
        let merchant = world.merchant();
        let mut body = delayed(&merchant, "12 EUR", "delayed_capture_settings", "PT1H");
        body.pointer_mut(CARD).expect("a card")["delayed_capture_settings"]["simplified_mode"] = json!(true);
        let held = merchant.pays(body).await;
        assert_eq!(shown(&held.exchange, "delayed_capture_settings"), json!({ "delay": "PT1H", "simplified_mode": true }));
        assert_eq!(held.exchange.json()["simplified_mode"], json!(false), "nothing but the hold was asked for yet");
        world.acquirer("down").await;
        world.advance_seconds(60 * 60).await;
        let waiting = becomes(&world, &merchant, &held, "SUCCEEDED/CAPTURE_RETRY_IN_PROCESS").await;
        assert_eq!((waiting.at("/transactions/status"), waiting.json()["simplified_mode"].clone()), ("PENDING".into(), json!(true)));
        world.acquirer("normal").await;
        world.advance_seconds(5 * 60).await;
        becomes(&world, &merchant, &held, "SUCCEEDED/CAPTURED").await;
        world.verify_settled().await;
    }

    async fn an_authorisation_is_cancelled_by_itself_unless_something_was_captured(world) {
        let merchant = world.merchant();
        let dropped = merchant.pays(delayed(&merchant, "12 EUR", "delayed_cancel_settings", "P1D")).await;
        assert_eq!(shown(&dropped.exchange, "delayed_cancel_settings"), json!({ "delay": "P1D" }));
        let kept = merchant.pays(delayed(&merchant, "12 EUR", "delayed_cancel_settings", "P1D")).await;
        merchant.captures(&kept, "5 EUR").await.expect(200);
        world.advance_seconds(24 * 60 * 60).await;
        becomes(&world, &merchant, &dropped, "CANCELED/CANCELED").await;
        becomes(&world, &merchant, &kept, "SUCCEEDED/PARTIALLY_CAPTURED").await;
        merchant.captures(&dropped, "1 EUR").await.refused(400, "INVALID_STATUS");
        world.verify_settled().await;
    }

    async fn a_delay_that_cannot_be_is_refused_by_name(world) {
        let merchant = world.merchant();
        let before = world.charge_count().await;
        for (settings, delay) in [
            ("delayed_capture_settings", json!({ "delay": "P8D" })),
            ("delayed_capture_settings", json!({ "delay": "PT0S" })),
            ("delayed_cancel_settings", json!({ "delay": "P1M" })),
            ("delayed_cancel_settings", json!({ "delay": "tomorrow" })),
            ("delayed_cancel_settings", json!({ "delay": 60 })),
        ] {
            let mut body = merchant.authorisation("12 EUR");
            body.pointer_mut(CARD).expect("a card")[settings] = delay;
            let refused = merchant.post("/v1/payments", body).await.refused(400, "INVALID_PARAMETERS");
            assert!(refused.text().contains(&format!("payment_method.detail.card.{settings}.delay")), "{}", refused.text());
        }
        let mut nothing = delayed(&merchant, "12 EUR", "delayed_capture_settings", "PT1H");
        nothing.pointer_mut(CARD).expect("a card")["delayed_capture_settings"] = json!({});
        merchant.post("/v1/payments", nothing).await.refused(400, "MISSING_PARAMETERS");
        let mut unclear = delayed(&merchant, "12 EUR", "delayed_capture_settings", "PT1H");
        unclear.pointer_mut(CARD).expect("a card")["delayed_capture_settings"]["simplified_mode"] = json!("yes");
        let refused = merchant.post("/v1/payments", unclear).await.refused(400, "INVALID_PARAMETERS");
        assert!(refused.text().contains("delayed_capture_settings.simplified_mode"), "{}", refused.text());
        let mut both = delayed(&merchant, "12 EUR", "delayed_capture_settings", "PT1H");
        both.pointer_mut(CARD).expect("a card")["delayed_cancel_settings"] = json!({ "delay": "PT1H" });
        merchant.post("/v1/payments", both).await.refused(400, "INVALID_PARAMETERS");
        let mut purchase = merchant.purchase("12 EUR");
        purchase.pointer_mut(CARD).expect("a card")["delayed_capture_settings"] = json!({ "delay": "PT1H" });
        merchant.post("/v1/payments", purchase).await.refused(400, "INVALID_PARAMETERS");
        assert_eq!(world.charge_count().await, before);
        world.verify_settled().await;
    }
}
