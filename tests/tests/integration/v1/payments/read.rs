//! `GET /v1/payments/{id}` and `GET /v1/payments?merchant_order_id=`.

use serde_json::json;
use testkit::on_both_engines;

on_both_engines! {
    async fn a_payment_reads_back_as_it_was_answered(world) {
        let merchant = world.merchant();
        let made = merchant.pays(merchant.purchase("19.99 EUR")).await;
        let path = format!("/v1/payments/{}", made.id);
        let read = merchant.get(&format!("{path}?transactions_history=true")).await.expect(200);
        assert_eq!(read.json(), made.exchange.json());
        let short = merchant.get(&path).await.expect(200).json();
        assert_eq!((&short["transactions_history"], &short["id"]), (&json!(null), &json!(made.id)));
    }

    async fn payments_of_an_order_come_oldest_first(world) {
        let merchant = world.merchant();
        let mut ids = Vec::new();
        for amount in ["1 EUR", "2 EUR", "3 EUR"] {
            let mut body = merchant.purchase(amount);
            body["merchant_order_id"] = json!("same order");
            ids.push(merchant.pays(body).await.id);
        }
        let list = merchant.get("/v1/payments?merchant_order_id=same%20order").await.expect(200).json();
        let found: Vec<_> = list.as_array().expect("a bare array").iter().map(|payment| payment["id"].clone()).collect();
        assert_eq!(found, ids);
        assert_eq!(merchant.get("/v1/payments?merchant_order_id=no-such-order").await.expect(200).text(), "[]");
        assert_eq!(world.intruder().get("/v1/payments?merchant_order_id=same%20order").await.expect(200).text(), "[]");
        merchant.get("/v1/payments").await.refused(400, "MISSING_PARAMETERS");
    }

    async fn somebody_elses_payment_looks_like_one_that_does_not_exist(world) {
        let (merchant, intruder) = (world.merchant(), world.intruder());
        let made = merchant.pays(merchant.authorisation("5 EUR")).await;
        let nothing = "0199a8b4-1f7e-7c3a-8000-0123456789ab";
        let foreign = intruder.get(&format!("/v1/payments/{}", made.id)).await.refused(400, "PAYMENT_NOT_FOUND");
        for id in [nothing, "nonsense", &made.id.to_uppercase(), "%00", "0"] {
            let unknown = intruder.get(&format!("/v1/payments/{id}")).await;
            assert_eq!(unknown.without_request_id(), foreign.without_request_id(), "{id}");
        }
        for operation in ["capture", "cancel", "refund", "cancel-or-refund"] {
            let body = json!({ "merchant_reference": "ref", "reason": "REQUESTED_BY_CUSTOMER" });
            let body = if operation == "capture" { json!({ "merchant_reference": "ref", "reason": "PRODUCT_CONFIRMED", "amount": { "currency": "EUR", "value": 5 } }) } else { body };
            let foreign = intruder.post(&made.path(operation), body.clone()).await.refused(400, "PAYMENT_NOT_FOUND");
            let unknown = intruder.post(&format!("/v1/payments/{nothing}/transactions/{nothing}/{operation}"), body.clone()).await;
            assert_eq!(unknown.without_request_id(), foreign.without_request_id(), "{operation}");
            let other = merchant.post(&format!("/v1/payments/{}/transactions/{nothing}/{operation}", made.id), body).await;
            assert_eq!((other.status, other.code()), (400, "TRANSACTION_NOT_FOUND".to_owned()), "{operation}");
        }
        let after = merchant.get(&format!("/v1/payments/{}", made.id)).await;
        assert_eq!(after.payment_state(), "PENDING/AUTHORIZED");
        world.verify_settled().await;
    }
}
