//! `POST …/transactions/{t}/capture`.

use insta::assert_snapshot;
use serde_json::json;
use testkit::actors::money;
use testkit::exchange::show;
use testkit::on_both_engines;

on_both_engines! {
    async fn a_hold_is_captured_in_parts_and_refunded_in_parts(world) {
        let merchant = world.merchant();
        let mut body = merchant.authorisation("25 EUR");
        body["merchant_order_id"] = json!("order-1");
        let made = merchant.pays(body).await;
        let first = merchant.captures(&made, "10 EUR").await.expect(200);
        assert_eq!(first.payment_state(), "SUCCEEDED/PARTIALLY_CAPTURED");
        let too_much = merchant.captures(&made, "15.01 EUR").await.refused(400, "INVALID_AMOUNT");
        let second = merchant.captures(&made, "15 EUR").await.expect(200);
        assert_eq!(second.payment_state(), "SUCCEEDED/CAPTURED");
        let nothing_left = merchant.captures(&made, "0.01 EUR").await.refused(400, "INVALID_STATUS");

        let part = json!({ "merchant_reference": "refund-1", "amount": money("4 EUR") });
        let second_capture = format!("/v1/payments/{}/transactions/{}/refund", made.id, second.at("/id"));
        let refund = merchant.post(&second_capture, part).await.expect(200);
        assert_eq!(refund.payment_state(), "SUCCEEDED/PARTIALLY_REFUNDED");
        merchant.post(&second_capture, json!({ "merchant_reference": "refund-2", "amount": money("11.01 EUR") })).await.refused(400, "INVALID_AMOUNT");
        let rest = merchant.operate(&made, "refund", json!({})).await.expect(200);
        assert_eq!(rest.payment_state(), "REFUNDED/REFUNDED");
        assert_eq!(rest.json()["amount"]["refunded"], json!(25));
        assert_snapshot!("two_captures_two_refunds", show(&[&first, &too_much, &second, &nothing_left, &refund, &rest]));

        let charge = &world.charges("order-1").await[0];
        assert_eq!((&charge["captured"], &charge["refunded"], &charge["voided"]), (&json!(2500), &json!(2500), &json!(0)));
        world.verify_settled().await;
    }

    async fn parallel_captures_never_take_more_than_is_held(world) {
        let merchant = world.merchant();
        let made = merchant.pays(merchant.authorisation("10 EUR")).await;
        let tries = (0..8).map(|_| {
            let (merchant, made) = (merchant.clone(), made.clone());
            tokio::spawn(async move { merchant.captures(&made, "3 EUR").await.status })
        });
        let mut captured = 0;
        for one in tries.collect::<Vec<_>>() {
            match one.await.expect("the task ends") {
                200 => captured += 1,
                400 => {}
                status => panic!("a capture was answered {status}"),
            }
        }
        assert_eq!(captured, 3, "three times 3 EUR fit into 10 EUR");
        let read = merchant.get(&format!("/v1/payments/{}", made.id)).await;
        assert_eq!(read.json()["amount"]["captured"], json!(9));
        world.verify_settled().await;
    }

    async fn wrong_captures_change_nothing(world) {
        let merchant = world.merchant();
        let held = merchant.pays(merchant.authorisation("10 EUR")).await;
        merchant.captures(&held, "10 USD").await.refused(400, "INVALID_AMOUNT");
        merchant.captures(&held, "0 EUR").await.refused(400, "INVALID_AMOUNT");
        merchant.captures(&held, "10.01 EUR").await.refused(400, "INVALID_AMOUNT");
        merchant.operate(&held, "capture", json!({ "reason": "PRODUCT_CONFIRMED" })).await.refused(400, "MISSING_PARAMETERS");
        merchant.operate(&held, "capture", json!({ "amount": money("1 EUR") })).await.refused(400, "MISSING_PARAMETERS");
        merchant.operate(&held, "capture", json!({ "amount": money("1 EUR"), "reason": "WHIM" })).await.refused(400, "INVALID_PARAMETERS");
        let purchase = merchant.pays(merchant.purchase("10 EUR")).await;
        merchant.captures(&purchase, "10 EUR").await.refused(400, "INVALID_TRANSACTION_TYPE");
        let read = merchant.get(&format!("/v1/payments/{}", held.id)).await;
        assert_eq!((read.payment_state().as_str(), &read.json()["amount"]["captured"]), ("PENDING/AUTHORIZED", &json!(0)));
        world.verify_settled().await;
    }

    async fn the_rest_of_a_hold_lapses_after_seven_days(world) {
        let merchant = world.merchant();
        let untouched = merchant.pays(merchant.authorisation("10 EUR")).await;
        let partly = merchant.pays(merchant.authorisation("10 EUR")).await;
        merchant.captures(&partly, "4 EUR").await.expect(200);
        world.advance_seconds(7 * 24 * 3_600 + 1).await;
        let path = format!("/v1/payments/{}", untouched.id);
        world.eventually(|| merchant.get(&path), |read| read.payment_state() == "CANCELED/CANCELED").await;
        merchant.captures(&untouched, "1 EUR").await.refused(400, "INVALID_STATUS");
        world.eventually(|| merchant.captures(&partly, "1 EUR"), |answer| answer.status == 400).await;
        merchant.refunds(&partly, "4 EUR").await.expect(200);
        world.verify().await;
    }
}
