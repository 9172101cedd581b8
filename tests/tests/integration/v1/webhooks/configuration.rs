//! Whom to tell: made, changed, deleted, refused.

use serde_json::{Value, json};
use testkit::actors::fresh;
use testkit::on_both_engines;
use testkit::receiver::{Does, Receiver};

use super::{PATIENCE, hooked, webhook};

const NOBODY: &str = "http://127.0.0.1:9009/";

on_both_engines! {
    async fn a_webhook_is_made_read_changed_and_deleted(world) {
        let merchant = world.merchant();
        let mut ask = webhook(&merchant, NOBODY);
        ask["api_key"] = json!("key-of-the-shop");
        ask["hmac_client_secret"] = json!("hmac-of-the-shop");
        ask["report_triggers"] = json!(["UPDATE"]);
        ask["oauth2_client_id"] = json!("client");
        ask["renewal_days"] = json!(3);
        let made = merchant.post("/v1/webhooks", ask.clone()).await.expect(201).json();
        let id = made["id"].as_str().expect("an id").to_owned();
        assert!(made["signing_secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_") && secret.len() == 50));
        for (field, expected) in [
            ("account_id", json!(merchant.account_id)), ("name", ask["name"].clone()), ("url", json!(NOBODY)), ("state", json!("ACTIVE")),
            ("api_key", json!("***")), ("secret", Value::Null), ("hmac_client_secret", json!("***")),
            ("payment_triggers", ask["payment_triggers"].clone()), ("enrollment_triggers", json!([])),
            ("report_triggers", json!(["UPDATE"])), ("renewal_days", json!(3)), ("oauth2_client_id", json!("client")),
        ] {
            assert_eq!(made[field], expected, "{field}");
        }
        let path = format!("/v1/webhooks/{id}");
        let read = merchant.get(&path).await.expect(200).json();
        assert_eq!(read["signing_secret"], "***");
        assert_eq!(read["created_at"], made["created_at"]);

        let change = json!({ "api_key": "", "secret": "new", "state": "INACTIVE", "payment_triggers": ["REFUND"], "oauth2_scope": "all" });
        let changed = merchant.ask("PATCH", &path).json(&change).send().await.expect(200).json();
        for (field, expected) in [
            ("api_key", Value::Null), ("secret", json!("***")), ("hmac_client_secret", json!("***")), ("state", json!("INACTIVE")),
            ("payment_triggers", json!(["REFUND"])), ("oauth2_scope", json!("all")), ("oauth2_client_id", json!("client")),
            ("name", ask["name"].clone()), ("signing_secret", json!("***")),
        ] {
            assert_eq!(changed[field], expected, "{field}");
        }
        assert_eq!(merchant.get("/v1/webhooks?state=ACTIVE").await.expect(200).json(), json!([]));
        assert_eq!(merchant.get("/v1/webhooks?state=INACTIVE").await.expect(200).json(), json!([changed]));
        merchant.get("/v1/webhooks?state=inactive").await.refused(400, "WEBHOOK_INVALID_REQUEST");

        let deleted = merchant.ask("DELETE", &path).send().await.expect(200).json();
        assert_eq!((&deleted["id"], &deleted["secret"]), (&json!(id), &json!("***")));
        for method in ["GET", "DELETE"] {
            merchant.ask(method, &path).send().await.refused(404, "WEBHOOK_NOT_FOUND");
        }
        merchant.ask("PATCH", &path).json(&json!({ "state": "ACTIVE" })).send().await.refused(404, "WEBHOOK_NOT_FOUND");
        assert_eq!(merchant.get("/v1/webhooks").await.expect(200).json(), json!([]));
        // Its name is free again.
        merchant.post("/v1/webhooks", ask).await.expect(201);
        world.verify_settled().await;
    }

    async fn wrong_bodies_are_refused_with_the_field_named(world) {
        let merchant = world.merchant();
        let refused = async |field: &str, value: Value, code: &str| {
            let mut ask = webhook(&merchant, NOBODY);
            ask[field] = value.clone();
            let answer = merchant.post("/v1/webhooks", ask).await.refused(400, code);
            assert!(answer.at("/messages/0").starts_with(field), "{field} {value}: {}", answer.text());
        };
        for missing in ["account_id", "name", "url"] {
            refused(missing, Value::Null, "MISSING_PARAMETERS").await;
        }
        refused("name", json!(""), "WEBHOOK_INVALID_REQUEST").await;
        refused("name", json!("x".repeat(256)), "WEBHOOK_INVALID_REQUEST").await;
        refused("name", json!("4507 9900 0000 0002"), "WEBHOOK_INVALID_REQUEST").await;
        refused("name", json!(7), "WEBHOOK_INVALID_REQUEST").await;
        refused("url", json!(format!("https://shop.example/{}", "x".repeat(2048))), "WEBHOOK_INVALID_REQUEST").await;
        refused("url", json!("not an address"), "WEBHOOK_INVALID_REQUEST").await;
        refused("state", json!("ON"), "WEBHOOK_INVALID_REQUEST").await;
        refused("api_key", json!("x".repeat(513)), "WEBHOOK_INVALID_REQUEST").await;
        refused("secret", json!("two\nlines"), "WEBHOOK_INVALID_REQUEST").await;
        refused("payment_triggers", json!("PURCHASE"), "WEBHOOK_INVALID_REQUEST").await;
        refused("payment_triggers", json!(["PURCHASE", "SALE"]), "WEBHOOK_INVALID_TRIGGER").await;
        refused("payment_triggers", json!(["PAUSE"]), "WEBHOOK_INVALID_TRIGGER").await;
        refused("payment_triggers", json!([7]), "WEBHOOK_INVALID_TRIGGER").await;
        refused("subscription_triggers", json!(["purchase"]), "WEBHOOK_INVALID_TRIGGER").await;
        refused("account_id", json!(world.intruder().account_id), "INVALID_ACCOUNT_ID").await;
        for url in [
            "ftp://shop.example/", "https://me:pw@shop.example/", "https://shop.example:22/", "https://10.0.0.1/", "https://192.168.1.1/",
            "https://169.254.169.254/", "https://100.64.0.1/", "https://0.0.0.0/", "https://224.0.0.1/", "https://[fe80::1]/",
            "https://[fc00::1]/", "https://[::ffff:10.0.0.1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::a00:1]/", "https://[::]/",
            "https://no-such-name.invalid/", "http://0x0a000001/",
        ] {
            refused("url", json!(url), "WEBHOOK_URL_UNSAFE").await;
        }
        let made = hooked(&merchant, NOBODY).await;
        let path = format!("/v1/webhooks/{}", made.at("/id"));
        merchant.ask("PATCH", &path).json(&json!({ "url": "https://10.0.0.1/" })).send().await.refused(400, "WEBHOOK_URL_UNSAFE");
        merchant.ask("PATCH", &path).body("{").header("content-type", "application/json").send().await.refused(400, "INVALID_REQUEST");
        assert_eq!(merchant.get("/v1/webhooks").await.json().as_array().map(Vec::len), Some(1), "nothing was made by a refused request");
    }

    async fn no_two_webhooks_of_one_name_or_of_one_address_and_event(world) {
        let merchant = world.merchant();
        let first = webhook(&merchant, NOBODY);
        merchant.post("/v1/webhooks", first.clone()).await.expect(201);
        let mut second = webhook(&merchant, NOBODY);
        merchant.post("/v1/webhooks", second.clone()).await.refused(409, "WEBHOOK_ALREADY_EXISTS");
        second["payment_triggers"] = json!(["CHARGEBACK"]);
        let second = merchant.post("/v1/webhooks", second).await.expect(201);
        let mut third = webhook(&merchant, "http://127.0.0.1:9009/elsewhere");
        third["name"] = first["name"].clone();
        merchant.post("/v1/webhooks", third.clone()).await.refused(409, "WEBHOOK_ALREADY_EXISTS");
        let path = format!("/v1/webhooks/{}", second.at("/id"));
        let patch = async |change: Value| merchant.ask("PATCH", &path).json(&change).send().await;
        patch(json!({ "name": first["name"] })).await.refused(409, "WEBHOOK_ALREADY_EXISTS");
        patch(json!({ "payment_triggers": ["PURCHASE"] })).await.refused(409, "WEBHOOK_ALREADY_EXISTS");
        // Another account's names and addresses are its own.
        let intruder = world.intruder();
        third["account_id"] = json!(intruder.account_id);
        intruder.post("/v1/webhooks", third).await.expect(201);

        let tries = (0..8).map(|_| {
            let (merchant, mut ask) = (merchant.clone(), webhook(&merchant, "http://127.0.0.1:9009/race"));
            ask["name"] = json!("race");
            tokio::spawn(async move { merchant.post("/v1/webhooks", ask).await.status })
        });
        let mut answers = Vec::new();
        for one in tries.collect::<Vec<_>>() {
            answers.push(one.await.expect("the task ends"));
        }
        answers.sort_unstable();
        assert_eq!(answers, [201, 409, 409, 409, 409, 409, 409, 409]);
        world.verify_settled().await;
    }

    async fn somebody_elses_webhook_looks_like_one_that_does_not_exist(world) {
        let (merchant, intruder) = (world.merchant(), world.intruder());
        let receiver = Receiver::start(Does::Answer(200));
        let made = hooked(&merchant, &receiver.url("/")).await;
        merchant.pays(merchant.purchase("5 EUR")).await;
        let event = receiver.wait_for(1, PATIENCE)[0].header("webhook-id").to_owned();
        let nothing = "0199a8b4-1f7e-7c3a-8000-0123456789ab";
        for (method, tail, sent) in [
            ("GET", String::new(), Value::Null),
            ("PATCH", String::new(), json!({ "state": "INACTIVE" })),
            ("PATCH", String::new(), json!({ "url": "https://10.0.0.1/" })),
            ("DELETE", String::new(), Value::Null),
            ("POST", "/rotate".to_owned(), json!({})),
            ("GET", "/deliveries".to_owned(), Value::Null),
            ("POST", format!("/deliveries/{event}/resend"), json!({})),
        ] {
            let ask = async |id: &str| {
                let path = format!("/v1/webhooks/{id}{tail}");
                let ask = intruder.ask(method, &path);
                let ask = if sent.is_null() { ask } else { ask.json(&sent) };
                let answer = ask.send().await.refused(404, "WEBHOOK_NOT_FOUND");
                answer.body
            };
            assert_eq!(ask(&made.at("/id")).await, ask(nothing).await, "{method} {tail}");
        }
        assert_eq!(intruder.get("/v1/webhooks").await.json(), json!([]));
        assert_eq!(merchant.get(&format!("/v1/webhooks/{}", made.at("/id"))).await.at("/state"), "ACTIVE");
    }

    async fn a_repeat_gets_the_same_signing_secret_and_makes_nothing(world) {
        let merchant = world.merchant();
        let (key, ask) = (fresh("key"), webhook(&merchant, NOBODY));
        let first = merchant.post_once("/v1/webhooks", &key, &ask).await.expect(201);
        let again = merchant.post_once("/v1/webhooks", &key, &ask).await.expect(201);
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let rotate = format!("/v1/webhooks/{}/rotate", first.at("/id"));
        let rotated = merchant.ask("POST", &rotate).once(&key).send().await.expect(200);
        let repeated = merchant.ask("POST", &rotate).once(&key).send().await.expect(200);
        assert_eq!(repeated.body, rotated.body);
        assert_ne!(rotated.at("/signing_secret"), first.at("/signing_secret"));
        assert!(rotated.at("/signing_secret").starts_with("whsec_"));
        // A refused request leaves its key free.
        let key = fresh("key");
        merchant.post_once("/v1/webhooks", &key, &ask).await.refused(409, "WEBHOOK_ALREADY_EXISTS");
        merchant.post_once("/v1/webhooks", &key, &webhook(&merchant, "http://127.0.0.1:9009/other")).await.expect(201);
        if let Some(database) = world.database() {
            let secret = first.at("/signing_secret");
            let program = testkit::postgres::program("pg_dump").expect("the server's programs are installed");
            let dump = std::process::Command::new(program).arg("--inserts").arg(database.url()).output().expect("pg_dump runs").stdout;
            let dump = String::from_utf8_lossy(&dump);
            let secret = secret.trim_start_matches("whsec_");
            assert!(!dump.contains(secret) && !dump.contains(&hex::encode(secret)), "a recorded signing secret is sealed");
        }
        world.verify_settled().await;
    }
}
