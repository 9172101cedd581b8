//! Accounts that want the same body with the same key.

use std::time::Duration;

use guichet::cli::{AccountCommand, account_command};
use serde_json::json;
use testkit::actors::{Actor, Key};
use testkit::on_both_engines;
use testkit::world::World;

/// Says it with the command of the operator, beside the running server.
async fn set(world: &World, account: &str, strict: &str) {
    let command = account_command(&["change", "--id", account, "--idempotency-strict", strict]).expect("right arguments");
    let AccountCommand::Change(command) = command else { panic!("another command") };
    let config = world.config(guichet::config::Purpose::Tool);
    guichet::commands::account::change(&command, &config).await.expect("the account exists");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

on_both_engines! {
    async fn another_body_under_the_same_key_is_refused_where_the_account_wants_it(world) {
        let (merchant, other) = (world.merchant(), world.intruder());
        let mut body = merchant.purchase("19.99 EUR");
        body["merchant_order_id"] = json!("order-1");
        let mut changed = body.clone();
        changed["amount"]["value"] = json!(1);
        let first = merchant.post_once("/v1/payments", "key", &body).await.expect(201);
        assert_eq!(merchant.post_once("/v1/payments", "key", &changed).await.expect(201).body, first.body, "off unless asked for");
        set(&world, &merchant.account_id, "on").await;

        let refused = merchant.post_once("/v1/payments", "key", &changed).await.refused(422, "IDEMPOTENCY_DUPLICATED");
        assert_eq!(refused.header("idempotent-replayed"), None);
        assert_eq!(refused.json()["messages"], json!(["X-Idempotency-Key: was used for a request with another body"]));
        let ask = || merchant.ask("POST", "/v1/payments").once("key");
        ask().header("content-type", "application/json").body("{not even JSON").send().await.refused(422, "IDEMPOTENCY_DUPLICATED");
        ask().send().await.refused(422, "IDEMPOTENCY_DUPLICATED");
        let again = merchant.post_once("/v1/payments", "key", &body).await.expect(201);
        assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &first.body), "the first result stands");
        let payment = merchant.get(&format!("/v1/payments/{}", first.at("/id"))).await.expect(200);
        assert_eq!((payment.payment_state().as_str(), world.charges("order-1").await.len()), ("SUCCEEDED/APPROVED", 1));

        // A refused body is no first one, and keys of routes without an acquirer count alike.
        let customer = |name: &str| json!({ "merchant_customer_id": name });
        merchant.post_once("/v1/customers", "who", &customer("x")).await.refused(400, "INVALID_PARAMETERS");
        merchant.post_once("/v1/customers", "who", &customer("ada")).await.expect(201);
        merchant.post_once("/v1/customers", "who", &customer("eve")).await.refused(422, "IDEMPOTENCY_DUPLICATED");
        merchant.post_once("/v1/customers", "who", &customer("x")).await.refused(422, "IDEMPOTENCY_DUPLICATED");
        merchant.get("/v1/customers?merchant_customer_id=eve").await.refused(400, "CUSTOMER_NOT_FOUND");
        let hook = |name: &str| json!({ "account_id": merchant.account_id, "name": name, "url": "http://127.0.0.1:9009/",
            "payment_triggers": ["REFUND"] });
        merchant.post_once("/v1/webhooks", "hook", &hook("Shop")).await.expect(201);
        merchant.post_once("/v1/webhooks", "hook", &hook("Shop 2")).await.refused(422, "IDEMPOTENCY_DUPLICATED");

        // What another account wants is its own business.
        let theirs = other.purchase("5 EUR");
        let first = other.post_once("/v1/payments", "key", &theirs).await.expect(201);
        assert_eq!(other.post_once("/v1/payments", "key", &json!({})).await.expect(201).body, first.body);
        set(&world, &merchant.account_id, "off").await;
        assert_eq!(merchant.post_once("/v1/payments", "key", &changed).await.expect(201).header("idempotent-replayed"), Some("true"));
        world.verify_settled().await;
    }

    async fn while_the_first_is_under_way_every_repeat_is_a_conflict(world) {
        let merchant = world.merchant();
        set(&world, &merchant.account_id, "on").await;
        world.slow_acquirer(2_000).await;
        let (body, other) = (merchant.purchase("5 EUR"), merchant.purchase("6 EUR"));
        let first = async { merchant.post_once("/v1/payments", "key", &body).await };
        let second = async {
            tokio::time::sleep(Duration::from_millis(800)).await;
            merchant.post_once("/v1/payments", "key", &other).await
        };
        let (first, second) = tokio::join!(first, second);
        second.refused(409, "REQUEST_IN_PROCESS");
        first.expect(201);
        world.acquirer("normal").await;
        merchant.post_once("/v1/payments", "key", &other).await.refused(422, "IDEMPOTENCY_DUPLICATED");
        world.verify_settled().await;
    }

    async fn it_holds_after_a_restart_when_memory_knows_no_key(mut world) {
        let merchant = world.merchant();
        set(&world, &merchant.account_id, "on").await;
        let body = merchant.purchase("5 EUR");
        let first = merchant.post_once("/v1/payments", "key", &body).await.expect(201);
        let refund = format!("/v1/payments/{}/cancel-or-refund", first.at("/id"));
        let full = json!({ "reason": "DUPLICATE" });
        merchant.post_once(&refund, "back", &full).await.expect(201);
        world.restart().await;
        let merchant = world.merchant();
        let other = merchant.purchase("6 EUR");
        merchant.post_once("/v1/payments", "key", &other).await.refused(422, "IDEMPOTENCY_DUPLICATED");
        merchant.post_once(&refund, "back", &json!({ "reason": "FRAUDULENT" })).await.refused(422, "IDEMPOTENCY_DUPLICATED");
        assert_eq!(merchant.post_once("/v1/payments", "key", &body).await.expect(201).body, first.body);
        merchant.post_once(&refund, "back", &full).await.expect(201);
        world.verify_settled().await;
    }

    async fn a_new_account_may_be_strict_from_the_beginning(world) {
        let create = ["create", "--name", "Strict", "--owner-email", "strict@example.com", "--idempotency-strict", "--json"];
        let AccountCommand::Create(command) = account_command(&create).expect("right arguments") else { panic!("another command") };
        let config = world.config(guichet::config::Purpose::Tool);
        let made = guichet::commands::account::create(&command, &config).await.expect("an account");
        let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
        assert_eq!(made["idempotency_strict"], json!(true));
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let key = Key { id: text(&made["key"]["id"]), token: text(&made["key"]["token"]), secret: text(&made["key"]["secret"]) };
        let strict = Actor::with_key(world.door(), text(&made["id"]), key);
        strict.post_once("/v1/payments", "key", &strict.purchase("5 EUR")).await.expect(201);
        strict.post_once("/v1/payments", "key", &strict.purchase("6 EUR")).await.refused(422, "IDEMPOTENCY_DUPLICATED");
        let number = made["number"].to_string();
        let change = ["change", "--number", &number, "--idempotency-strict", "on", "--json"];
        let AccountCommand::Change(command) = account_command(&change).expect("right arguments") else { panic!("another command") };
        let answer = guichet::commands::account::change(&command, &config).await.expect("the account exists");
        assert!(answer.contains("\"changed\":false"), "{answer}");
    }
}
