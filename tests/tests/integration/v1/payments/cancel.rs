//! `POST …/cancel` and both forms of `cancel-or-refund`.

use insta::assert_snapshot;
use serde_json::json;
use testkit::exchange::show;
use testkit::on_both_engines;

on_both_engines! {
    async fn a_hold_is_let_go(world) {
        let merchant = world.merchant();
        let mut body = merchant.authorisation("12 EUR");
        body["merchant_order_id"] = json!("order-1");
        let made = merchant.pays(body).await;
        let cancelled = merchant.operate(&made, "cancel", json!({ "reason": "REQUESTED_BY_CUSTOMER" })).await.expect(200);
        assert_eq!(cancelled.payment_state(), "CANCELED/CANCELED");
        assert_snapshot!("cancel", show(&[&cancelled]));
        for (operation, body) in [("cancel", json!({})), ("refund", json!({})), ("cancel-or-refund", json!({ "reason": "DUPLICATE" }))] {
            merchant.operate(&made, operation, body).await.refused(400, "INVALID_STATUS");
        }
        let charge = &world.charges("order-1").await[0];
        assert_eq!((&charge["captured"], &charge["voided"]), (&json!(0), &json!(1200)));
        world.verify_settled().await;
    }

    async fn what_is_captured_cannot_be_cancelled(world) {
        let merchant = world.merchant();
        let held = merchant.pays(merchant.authorisation("12 EUR")).await;
        merchant.captures(&held, "1 EUR").await.expect(200);
        merchant.operate(&held, "cancel", json!({})).await.refused(400, "INVALID_STATUS");
        let purchase = merchant.pays(merchant.purchase("12 EUR")).await;
        merchant.operate(&purchase, "cancel", json!({})).await.refused(400, "INVALID_TRANSACTION_TYPE");
        world.verify_settled().await;
    }

    async fn cancel_or_refund_does_what_the_state_asks_for(world) {
        let merchant = world.merchant();
        let held = merchant.pays(merchant.authorisation("12 EUR")).await;
        let cancelled = merchant.operate(&held, "cancel-or-refund", json!({ "reason": "REQUESTED_BY_CUSTOMER" })).await.expect(201);
        assert_eq!((cancelled.at("/type").as_str(), cancelled.payment_state().as_str()), ("CANCEL", "CANCELED/CANCELED"));

        let paid = merchant.pays(merchant.purchase("12 EUR")).await;
        let path = format!("/v1/payments/{}/cancel-or-refund", paid.id);
        let part = json!({ "reason": "REQUESTED_BY_CUSTOMER", "amount": { "currency": "EUR", "value": 5 } });
        let part = merchant.post(&path, part).await.expect(201);
        assert_eq!((part.at("/type").as_str(), part.payment_state().as_str()), ("REFUND", "SUCCEEDED/PARTIALLY_REFUNDED"));
        let rest = merchant.post(&path, json!({ "reason": "DUPLICATE" })).await.expect(201);
        assert_eq!((rest.at("/type").as_str(), rest.payment_state().as_str()), ("REFUND", "REFUNDED/REFUNDED"));
        merchant.post(&path, json!({ "reason": "DUPLICATE" })).await.refused(400, "INVALID_STATUS");
        merchant.post(&path, json!({})).await.refused(400, "MISSING_PARAMETERS");
        assert_snapshot!("cancel_or_refund", show(&[&cancelled, &part, &rest]));
        world.verify_settled().await;
    }

    async fn cancel_and_capture_at_once_leave_one_winner(world) {
        let merchant = world.merchant();
        for _ in 0..10 {
            let made = merchant.pays(merchant.authorisation("12 EUR")).await;
            let (cancel, capture) = tokio::join!(merchant.operate(&made, "cancel", json!({})), merchant.captures(&made, "12 EUR"));
            let won = [cancel.status, capture.status].iter().filter(|status| **status == 200).count();
            assert_eq!(won, 1, "{}", show(&[&cancel, &capture]));
        }
        world.verify_settled().await;
    }
}
