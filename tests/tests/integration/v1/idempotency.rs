//! One effect per request: keys, replays, conflicts, and how long they last.

use serde_json::json;
use testkit::actors::fresh;
use testkit::on_both_engines;

on_both_engines! {
    async fn a_repeat_gets_the_same_bytes_whatever_it_says(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("19.99 EUR");
        body["merchant_order_id"] = json!("order-1");
        let first = merchant.post_once("/v1/payments", "Ab_\"'~!", &body).await.expect(201);
        assert_eq!(first.header("idempotent-replayed"), None);
        let mut other = body.clone();
        other["amount"]["value"] = json!(1);
        let ask = || merchant.ask("POST", "/v1/payments").once("Ab_\"'~!");
        let repeats = [
            ask().json(&body).send().await,
            ask().json(&other).send().await,
            ask().header("content-type", "application/json").body("{not even JSON").send().await,
            ask().send().await,
            ask().header("content-type", "text/plain").body("hello").send().await,
        ];
        for repeat in repeats {
            let repeat = repeat.expect(201);
            assert_eq!(repeat.body, first.body);
            assert_eq!(repeat.header("content-type"), first.header("content-type"));
            assert_eq!(repeat.header("idempotent-replayed"), Some("true"));
            assert_eq!(repeat.header("original-request-id"), first.header("x-request-id"));
            assert_ne!(repeat.header("x-request-id"), first.header("x-request-id"));
        }
        assert_eq!(world.charges("order-1").await.len(), 1);
        // A replay is what was answered then, not what is true now.
        let id = first.at("/id");
        let refund = json!({ "merchant_reference": "ref", "reason": "DUPLICATE" });
        merchant.post(&format!("/v1/payments/{id}/cancel-or-refund"), refund).await.expect(201);
        assert_eq!(ask().json(&body).send().await.expect(201).body, first.body);
        world.verify_settled().await;
    }

    async fn a_key_counts_for_one_account_method_and_path(world) {
        let (merchant, intruder) = (world.merchant(), world.intruder());
        let made = merchant.post_once("/v1/payments", "same", &merchant.purchase("5 EUR")).await.expect(201);
        let theirs = intruder.post_once("/v1/payments", "same", &intruder.purchase("6 EUR")).await.expect(201);
        assert!(made.at("/id") != theirs.at("/id") && theirs.header("idempotent-replayed").is_none());
        let case = merchant.post_once("/v1/payments", "Same", &merchant.purchase("5 EUR")).await.expect(201);
        assert_ne!(case.at("/id"), made.at("/id"), "case counts");
        let path = format!("/v1/payments/{}/cancel-or-refund", made.at("/id"));
        let refund = merchant.post_once(&path, "same", &json!({ "reason": "DUPLICATE" })).await.expect(201);
        assert_eq!(refund.at("/type"), "REFUND", "a refund is never answered with a payment");
        let other_key = world.holder("money_in_only");
        let replay = other_key.post_once("/v1/payments", "same", &json!({})).await.expect(201);
        assert_eq!(replay.body, made.body, "the access key is not part of the scope");
        let query = merchant.post_once("/v1/payments?x=1", "same", &json!({})).await.expect(201);
        let slash = merchant.post_once("/v1/payments/", "same", &json!({})).await.expect(201);
        assert!(query.body == made.body && slash.body == made.body, "neither query nor a trailing slash is part of it");
        let root = merchant.ask("POST", "/payments").header("host", "api.localhost").once("same").json(&json!({})).send().await.expect(201);
        assert_eq!(root.body, made.body, "the host form is the same path");
        world.verify_settled().await;
    }

    async fn a_refused_request_leaves_its_key_free(world) {
        let merchant = world.merchant();
        let mut wrong = merchant.purchase("5 EUR");
        wrong["country"] = json!("ZZ");
        merchant.post_once("/v1/payments", "again", &wrong).await.refused(400, "COUNTRY_NOT_SUPPORTED");
        let right = merchant.post_once("/v1/payments", "again", &merchant.purchase("5 EUR")).await.expect(201);
        assert_eq!(right.header("idempotent-replayed"), None);

        let mut declined = merchant.purchase("5 EUR");
        declined["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(world.card("do_not_honor"));
        let first = merchant.post_once("/v1/payments", "declined", &declined).await.expect(201);
        let repeat = merchant.post_once("/v1/payments", "declined", &merchant.purchase("5 EUR")).await.expect(201);
        assert_eq!(repeat.body, first.body, "a decline is an answer");

        let held = merchant.pays(merchant.authorisation("5 EUR")).await;
        let too_much = json!({ "merchant_reference": "ref", "reason": "PRODUCT_CONFIRMED", "amount": { "currency": "EUR", "value": 6 } });
        merchant.post_once(&held.path("capture"), "capture", &too_much).await.refused(400, "INVALID_AMOUNT");
        let enough = json!({ "merchant_reference": "ref", "reason": "PRODUCT_CONFIRMED", "amount": { "currency": "EUR", "value": 5 } });
        merchant.post_once(&held.path("capture"), "capture", &enough).await.expect(200);
        world.verify_settled().await;
    }

    async fn malformed_keys_are_refused(world) {
        let merchant = world.merchant();
        let body = merchant.purchase("5 EUR");
        let before = world.charge_count().await;
        let longest = "k".repeat(64);
        merchant.post_once("/v1/payments", &longest, &body).await.expect(201);
        let too_long = "k".repeat(65);
        for key in ["", " ", "a b", "a,b", "a\tb", "\u{e9}", too_long.as_str()] {
            merchant.post_once("/v1/payments", key, &body).await.refused(400, "INVALID_PARAMETERS");
        }
        merchant.ask("POST", "/v1/payments").once("a").once("b").json(&body).send().await.refused(400, "INVALID_PARAMETERS");
        merchant.ask("POST", "/v1/payments").once("a").once("a").json(&body).send().await.refused(400, "INVALID_PARAMETERS");
        let made = merchant.pays(merchant.authorisation("5 EUR")).await;
        for operation in ["capture", "cancel", "refund", "cancel-or-refund"] {
            let ask = merchant.ask("POST", &made.path(operation)).json(&json!({}));
            ask.send().await.refused(400, "MISSING_PARAMETERS");
        }
        merchant.ask("POST", "/v1/payments").json(&body).send().await.refused(400, "MISSING_PARAMETERS");
        // The header is looked at before the body.
        merchant.ask("POST", "/v1/payments").body("not JSON").send().await.refused(400, "MISSING_PARAMETERS");
        assert_eq!(world.charge_count().await, before + 2);
        // On reads it means nothing.
        merchant.ask("GET", "/v1/payments?merchant_order_id=abc").once("a b").send().await.expect(200);
    }

    async fn of_many_at_once_exactly_one_takes_effect(world) {
        let merchant = world.merchant();
        for duplicates in [2, 8, 64] {
            let mut body = merchant.purchase("5 EUR");
            let order = fresh("race");
            body["merchant_order_id"] = json!(order);
            let key = fresh("key");
            let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(duplicates));
            let racers: Vec<_> = (0..duplicates)
                .map(|_| {
                    let (merchant, body, key, barrier) = (merchant.clone(), body.clone(), key.clone(), barrier.clone());
                    tokio::spawn(async move {
                        barrier.wait().await;
                        merchant.post_once("/v1/payments", &key, &body).await
                    })
                })
                .collect();
            let (mut bytes, mut executed) = (None, 0);
            for racer in racers {
                let answer = racer.await.expect("the task ends");
                match answer.status {
                    201 => {
                        executed += usize::from(answer.header("idempotent-replayed").is_none());
                        assert_eq!(*bytes.get_or_insert(answer.body.clone()), answer.body);
                    }
                    _ => drop(answer.refused(409, "REQUEST_IN_PROCESS")),
                }
            }
            assert_eq!((executed, world.charges(&order).await.len()), (1, 1));
            let later = merchant.post_once("/v1/payments", &key, &body).await.expect(201);
            assert_eq!(Some(later.body), bytes);
        }
        world.verify_settled().await;
    }

    async fn keys_are_free_again_after_24_hours_from_the_first_request(world) {
        let merchant = world.merchant();
        let body = merchant.purchase("5 EUR");
        let first = merchant.post_once("/v1/payments", "day", &body).await.expect(201);
        world.advance_seconds(24 * 3_600 - 60).await;
        let replay = merchant.post_once("/v1/payments", "day", &body).await.expect(201);
        assert_eq!(replay.body, first.body, "a replay does not prolong it");
        world.advance_seconds(60).await;
        let second = merchant.post_once("/v1/payments", "day", &body).await.expect(201);
        assert_eq!(second.header("idempotent-replayed"), None);
        assert_ne!(second.at("/id"), first.at("/id"));
        let replay = merchant.post_once("/v1/payments", "day", &body).await.expect(201);
        assert_eq!(replay.body, second.body);
        world.verify_settled().await;
    }

    async fn the_status_of_a_conflict_can_be_the_one_todays_clients_expect(mut world) {
        world.stop().await;
        world.set("payments_in_flight_status", "400");
        world.boot().await;
        let merchant = world.merchant();
        let body = merchant.purchase("5 EUR");
        world.slow_acquirer(1_000).await;
        let (first, second) = tokio::join!(merchant.post_once("/v1/payments", "slow", &body), async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            merchant.post_once("/v1/payments", "slow", &body).await
        });
        first.expect(201);
        second.refused(400, "REQUEST_IN_PROCESS");
    }
}
