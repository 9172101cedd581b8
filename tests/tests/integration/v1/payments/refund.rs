//! `POST …/transactions/{t}/refund`.

use insta::assert_snapshot;
use serde_json::json;
use testkit::exchange::show;
use testkit::on_both_engines;

on_both_engines! {
    async fn a_refund_cannot_exceed_what_is_left(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("25 EUR");
        body["merchant_order_id"] = json!("order-1");
        let made = merchant.pays(body).await;
        let first = merchant.refunds(&made, "20 EUR").await.expect(200);
        let second = merchant.refunds(&made, "5.01 EUR").await.refused(400, "INVALID_AMOUNT");
        assert_snapshot!("over_refund", show(&[&first, &second]));
        merchant.refunds(&made, "5 USD").await.refused(400, "INVALID_AMOUNT");
        merchant.refunds(&made, "0 EUR").await.refused(400, "INVALID_AMOUNT");
        let last = merchant.refunds(&made, "5 EUR").await.expect(200);
        assert_eq!(last.payment_state(), "REFUNDED/REFUNDED");
        merchant.refunds(&made, "0.01 EUR").await.refused(400, "INVALID_STATUS");
        assert_eq!(world.charges("order-1").await[0]["refunded"], json!(2500));
        world.verify_settled().await;
    }

    async fn parallel_refunds_never_give_back_more_than_was_paid(world) {
        let merchant = world.merchant();
        for _ in 0..5 {
            let mut body = merchant.purchase("10 EUR");
            body["merchant_order_id"] = json!(testkit::actors::fresh("race"));
            let made = merchant.pays(body.clone()).await;
            let tries: Vec<_> = (0..12)
                .map(|_| {
                    let (merchant, made) = (merchant.clone(), made.clone());
                    tokio::spawn(async move { merchant.refunds(&made, "3 EUR").await.status })
                })
                .collect();
            let mut refunded = 0;
            for one in tries {
                match one.await.expect("the task ends") {
                    200 => refunded += 1,
                    400 => {}
                    status => panic!("a refund was answered {status}"),
                }
            }
            assert_eq!(refunded, 3);
            let order = body["merchant_order_id"].as_str().expect("a text");
            assert_eq!(world.charges(order).await[0]["refunded"], json!(900));
        }
        world.verify_settled().await;
    }

    async fn a_declined_payment_has_nothing_to_refund(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("10 EUR");
        body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(world.card("do_not_honor"));
        let declined = merchant.pays(body).await;
        merchant.refunds(&declined, "10 EUR").await.refused(400, "INVALID_STATUS");
        merchant.captures(&declined, "10 EUR").await.refused(400, "INVALID_STATUS");
        merchant.operate(&declined, "cancel", json!({})).await.refused(400, "INVALID_STATUS");
        let held = merchant.pays(merchant.authorisation("10 EUR")).await;
        merchant.refunds(&held, "10 EUR").await.refused(400, "INVALID_STATUS");
        world.verify_settled().await;
    }

    async fn refunds_may_overdraw_the_balance_only_to_its_floor(world) {
        // The intruder's account has no money of its own: a refund of what it earned plus fees goes below zero.
        let merchant = world.intruder();
        let mut made = Vec::new();
        for _ in 0..3 {
            made.push(merchant.pays(merchant.purchase("40000 EUR")).await);
        }
        // Each payment brought 40 000 less 1.4 % and 25 cents; giving back all three needs 1 680.75 more than there is.
        merchant.refunds(&made[0], "40000 EUR").await.expect(200);
        merchant.refunds(&made[1], "40000 EUR").await.expect(200);
        merchant.refunds(&made[2], "40000 EUR").await.refused(400, "INVALID_AMOUNT");
        merchant.refunds(&made[2], "39319.25 EUR").await.expect(200);
        merchant.refunds(&made[2], "0.01 EUR").await.refused(400, "INVALID_AMOUNT");
        world.verify_settled().await;
    }
}
