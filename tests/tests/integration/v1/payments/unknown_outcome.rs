//! What happens when the acquirer does not answer: nothing is guessed, nothing is sent twice.

use serde_json::json;
use testkit::actors::fresh;
use testkit::on_both_engines;

on_both_engines! {
    async fn a_charge_whose_answer_was_lost_is_found_by_asking(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("8 EUR");
        body["merchant_order_id"] = json!("order-1");
        world.acquirer("timeout_after_charge").await;
        let timed_out = merchant.post_once("/v1/payments", "lost", &body).await.refused(504, "REQUEST_TIMEOUT");
        assert_eq!(timed_out.header("retry-after"), Some("5"));
        let waiting = merchant.post_once("/v1/payments", "lost", &body).await.refused(409, "REQUEST_IN_PROCESS");
        assert_eq!(waiting.header("retry-after"), Some("5"));
        let listed = merchant.get("/v1/payments?merchant_order_id=order-1").await.expect(200).json();
        assert_eq!((&listed[0]["status"], &listed[0]["sub_status"]), (&json!("PENDING"), &json!("PENDING_PROVIDER_CONFIRMATION")));
        world.verify().await;

        world.acquirer("normal").await;
        world.advance_seconds(700).await;
        let answer = world.eventually(|| merchant.post_once("/v1/payments", "lost", &body), |answer| answer.status == 201).await;
        assert_eq!(answer.header("idempotent-replayed"), Some("true"));
        assert_eq!((answer.payment_state().as_str(), &answer.json()["id"]), ("SUCCEEDED/APPROVED", &listed[0]["id"]));
        let charges = world.charges("order-1").await;
        assert_eq!((charges.len(), &charges[0]["captured"]), (1, &json!(800)));
        world.verify_settled().await;
    }

    async fn a_charge_that_never_arrived_is_dropped_and_may_be_sent_again(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("8 EUR");
        body["merchant_order_id"] = json!("order-1");
        world.acquirer("timeout_before_charge").await;
        merchant.post_once("/v1/payments", "lost", &body).await.refused(504, "REQUEST_TIMEOUT");
        world.acquirer("normal").await;
        world.advance_seconds(700).await;
        let answer = world.eventually(|| merchant.post_once("/v1/payments", "lost", &body), |answer| answer.status != 409).await;
        let answer = answer.expect(201);
        assert_eq!(answer.header("idempotent-replayed"), None, "the key was free again");
        let listed = merchant.get("/v1/payments?merchant_order_id=order-1").await.expect(200).json();
        assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &answer.json()["id"]));
        assert_eq!(world.charges("order-1").await.len(), 1);
        world.verify_settled().await;
    }

    async fn an_error_after_the_charge_proves_nothing_and_asking_does(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("8 EUR");
        body["merchant_order_id"] = json!("order-1");
        world.acquirer("error_after_charge").await;
        let answer = merchant.post_once("/v1/payments", "error", &body).await.expect(201);
        assert_eq!(answer.payment_state(), "SUCCEEDED/APPROVED");
        let charges = world.charges("order-1").await;
        assert_eq!((charges.len(), &charges[0]["calls"]), (1, &json!(1)));
        world.verify_settled().await;
    }

    async fn the_answer_comes_late_but_within_the_request(world) {
        let merchant = world.merchant();
        let body = merchant.purchase("8 EUR");
        world.acquirer("timeout_after_charge").await;
        let (answer, ()) = tokio::join!(merchant.post_once("/v1/payments", "late", &body), async {
            tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
            world.acquirer("normal").await;
        });
        assert_eq!(answer.expect(201).payment_state(), "SUCCEEDED/APPROVED");
        world.verify_settled().await;
    }

    async fn a_slow_acquirer_is_waited_for_and_a_second_request_is_not(world) {
        let merchant = world.merchant();
        let body = merchant.purchase("8 EUR");
        world.slow_acquirer(1_500).await;
        let (first, second) = tokio::join!(merchant.post_once("/v1/payments", "slow", &body), async {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            merchant.post_once("/v1/payments", "slow", &body).await
        });
        assert_eq!(first.expect(201).payment_state(), "SUCCEEDED/APPROVED");
        let second = second.refused(409, "REQUEST_IN_PROCESS");
        assert_eq!(second.header("retry-after"), Some("1"));
        world.acquirer("normal").await;
        world.verify_settled().await;
    }

    async fn a_client_that_hangs_up_cancels_nothing(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("8 EUR");
        body["merchant_order_id"] = json!("order-1");
        world.slow_acquirer(1_000).await;
        let hung_up = tokio::time::timeout(std::time::Duration::from_millis(300), merchant.post_once("/v1/payments", "gone", &body)).await;
        assert!(hung_up.is_err(), "the answer came before the client hung up");
        let answer = world.eventually(|| merchant.post_once("/v1/payments", "gone", &body), |answer| answer.status == 201).await;
        assert_eq!(answer.header("idempotent-replayed"), Some("true"));
        assert_eq!(world.charges("order-1").await.len(), 1);
        world.acquirer("normal").await;
        world.verify_settled().await;
    }

    async fn captures_and_refunds_of_unknown_outcome_are_asked_for_too(world) {
        let merchant = world.merchant();
        for (mode, effective) in [("timeout_after_charge", true), ("timeout_before_charge", false)] {
            let mut body = merchant.authorisation("20 EUR");
            let order = fresh("order");
            body["merchant_order_id"] = json!(order);
            let held = merchant.pays(body).await;
            let (key, path) = (fresh("capture"), held.path("capture"));
            let capture = json!({ "merchant_reference": "ref", "reason": "PRODUCT_CONFIRMED", "amount": { "currency": "EUR", "value": 20 } });
            world.acquirer(mode).await;
            merchant.post_once(&path, &key, &capture).await.refused(504, "REQUEST_TIMEOUT");
            // Reserved while nobody knows: a second capture finds nothing left.
            merchant.captures(&held, "0.01 EUR").await.expect(400);
            world.acquirer("normal").await;
            world.advance_seconds(700).await;
            let answer = world.eventually(|| merchant.post_once(&path, &key, &capture), |answer| answer.status == 200).await;
            assert_eq!(answer.header("idempotent-replayed").is_some(), effective);

            let (key, path) = (fresh("refund"), held.path("refund"));
            let refund = json!({ "merchant_reference": "ref" });
            world.acquirer(mode).await;
            merchant.post_once(&path, &key, &refund).await.refused(504, "REQUEST_TIMEOUT");
            merchant.refunds(&held, "0.01 EUR").await.expect(400);
            world.verify().await;
            world.acquirer("normal").await;
            world.advance_seconds(700).await;
            let answer = world.eventually(|| merchant.post_once(&path, &key, &refund), |answer| answer.status == 200).await;
            assert_eq!(answer.payment_state(), "REFUNDED/REFUNDED");
            let charge = &world.charges(&order).await[0];
            assert_eq!((&charge["captured"], &charge["refunded"]), (&json!(2000), &json!(2000)), "{mode}");
        }
        world.verify_settled().await;
    }
}
