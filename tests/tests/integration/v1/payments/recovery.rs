//! Restarts and crashes in the middle of a payment: what was acknowledged stays, what was not is found out by asking.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::actors::{Actor, fresh};
use testkit::on_both_engines;
use testkit::world::World;

on_both_engines! {
    async fn everything_is_there_after_a_restart(mut world) {
        let merchant = world.merchant();
        let body = merchant.purchase("8 EUR");
        let before = merchant.post_once("/v1/payments", "kept", &body).await.expect(201);
        let credentials = world.credentials().clone();
        world.restart().await;
        for member in ["account", "keys", "other_account", "payments"] {
            assert_eq!(world.credentials()[member], credentials[member], "the same data directory gives the same {member}");
        }
        let replay = merchant.through(world.door()).post_once("/v1/payments", "kept", &body).await.expect(201);
        assert_eq!((replay.body == before.body, replay.header("idempotent-replayed")), (true, Some("true")));
        world.verify_settled().await;
    }

    async fn a_stop_waits_for_what_is_under_way(mut world) {
        let merchant = world.merchant();
        let body = merchant.purchase("8 EUR");
        world.slow_acquirer(1_500).await;
        let (asking, asked) = (merchant.clone(), body.clone());
        let under_way = tokio::spawn(async move { asking.post_once("/v1/payments", "stopping", &asked).await });
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.stop().await;
        let answer = under_way.await.expect("the task ends").expect(201);
        world.boot().await;
        let replay = merchant.through(world.door()).post_once("/v1/payments", "stopping", &body).await.expect(201);
        assert_eq!(replay.body, answer.body);
        world.verify_settled().await;
    }

    async fn a_crash_before_the_acquirer_acted_leaves_nothing(mut world) {
        crash_in_the_middle(&mut world, 4_000, 500, false).await;
    }

    async fn a_crash_after_the_acquirer_acted_keeps_its_one_charge(mut world) {
        crash_in_the_middle(&mut world, 2_000, 1_500, true).await;
    }

    async fn an_unknown_outcome_survives_a_restart(mut world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("8 EUR");
        body["merchant_order_id"] = json!("order-1");
        world.acquirer("timeout_after_charge").await;
        merchant.post_once("/v1/payments", "lost", &body).await.refused(504, "REQUEST_TIMEOUT");
        world.restart().await;
        // The mode of the acquirer is forgotten with the restart, its charge is not; nobody moves the clock.
        let merchant = merchant.through(world.door());
        let answer = world.eventually(|| merchant.post_once("/v1/payments", "lost", &body), |answer| answer.status == 201).await;
        assert_eq!(answer.payment_state(), "SUCCEEDED/APPROVED");
        assert_eq!(world.charges("order-1").await.len(), 1);
        world.verify_settled().await;
    }

    async fn operations_survive_a_crash_before_and_after_the_acquirer_acted(mut world) {
        for operation in ["capture", "cancel", "refund"] {
            for crash_ms in [300, 1_200] {
                let merchant = world.merchant();
                let mut body = if operation == "refund" { merchant.purchase("8 EUR") } else { merchant.authorisation("8 EUR") };
                let (order, key) = (fresh("crash"), fresh("key"));
                body["merchant_order_id"] = json!(order);
                let made = merchant.pays(body).await;
                let mut ask = json!({ "merchant_reference": "ref" });
                if operation == "capture" {
                    ask["reason"] = json!("PRODUCT_CONFIRMED");
                    ask["amount"] = json!({ "currency": "EUR", "value": 8 });
                }
                world.slow_acquirer(1_600).await;
                let path = made.path(operation);
                let under_way = tokio::spawn(try_post(merchant.clone(), path.clone(), key.clone(), ask.clone()));
                tokio::time::sleep(Duration::from_millis(crash_ms)).await;
                world.crash().await;
                assert_eq!(under_way.await.expect("the task ends"), None, "the connection broke before the answer");
                let merchant = merchant.through(world.door());
                let answer = world.eventually(|| merchant.post_once(&path, &key, &ask), |answer| answer.status == 200).await;
                assert_eq!(answer.header("idempotent-replayed").is_some(), crash_ms > 800, "{operation} after {crash_ms} ms");
                let charge = &world.charges(&order).await[0];
                let expected = match operation {
                    "capture" => [800, 0, 0],
                    "cancel" => [0, 0, 800],
                    _ => [800, 800, 0],
                };
                assert_eq!(["captured", "refunded", "voided"].map(|sum| charge[sum].as_i64().unwrap_or(-1)), expected, "{operation}");
            }
        }
        world.verify_settled().await;
    }
}

/// Crashes while the acquirer thinks: it takes `slow_ms`, acts after half of them, and we die after `crash_ms`.
async fn crash_in_the_middle(world: &mut World, slow_ms: u32, crash_ms: u64, acted: bool) {
    let merchant = world.merchant();
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let mut body = merchant.purchase("8 EUR");
        body["merchant_order_id"] = json!(fresh("crash"));
        bodies.push((fresh("key"), body));
    }
    world.slow_acquirer(slow_ms).await;
    let under_way: Vec<_> = bodies
        .iter()
        .cloned()
        .map(|(key, body)| tokio::spawn(try_post(merchant.clone(), "/v1/payments".to_owned(), key, body)))
        .collect();
    tokio::time::sleep(Duration::from_millis(crash_ms)).await;
    world.crash().await;
    for one in under_way {
        assert_eq!(one.await.expect("the task ends"), None, "the connection broke before the answer");
    }
    let merchant = merchant.through(world.door());
    for (key, body) in &bodies {
        let answer = world.eventually(|| merchant.post_once("/v1/payments", key, body), |answer| answer.status == 201).await;
        assert_eq!(answer.payment_state(), "SUCCEEDED/APPROVED");
        assert_eq!(answer.header("idempotent-replayed").is_some(), acted, "whether the first try took effect");
        let order = body["merchant_order_id"].as_str().expect("a text");
        assert_eq!(world.charges(order).await.len(), 1, "one charge");
    }
    world.verify_settled().await;
}

async fn try_post(merchant: Actor, path: String, key: String, body: Value) -> Option<u16> {
    let answer = merchant.ask("POST", &path).once(&key).json(&body).try_send().await;
    answer.ok().map(|answer| answer.status)
}
