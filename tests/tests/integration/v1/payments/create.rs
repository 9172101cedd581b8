//! `POST /v1/payments`: the good answers, and what the acquirer refuses.

use insta::assert_snapshot;
use serde_json::json;
use testkit::actors::money;
use testkit::exchange::show;
use testkit::on_both_engines;

on_both_engines! {
    async fn a_purchase_is_charged_booked_and_answered(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("19.99 EUR");
        body["merchant_order_id"] = json!("order-1");
        let made = merchant.pays(body).await;
        assert_snapshot!("purchase", show(&[&made.exchange]));

        let charges = world.charges("order-1").await;
        assert_eq!(charges.len(), 1);
        let charge = &charges[0];
        assert_eq!(charge["payment_id"], made.id.as_str());
        assert_eq!(charge["transaction_id"], made.transaction.as_str());
        assert_eq!((&charge["operation"], &charge["outcome"]), (&json!("PURCHASE"), &json!("APPROVED")));
        assert_eq!((&charge["amount"], &charge["captured"], &charge["calls"]), (&json!(1999), &json!(1999), &json!(1)));
        world.verify_settled().await;
    }

    async fn an_authorisation_holds_and_takes_nothing(world) {
        let merchant = world.merchant();
        let mut body = merchant.authorisation("19.99 EUR");
        body["merchant_order_id"] = json!("order-1");
        let made = merchant.pays(body).await;
        assert_eq!(made.exchange.payment_state(), "PENDING/AUTHORIZED");
        assert_eq!(made.exchange.at("/transactions/type"), "AUTHORIZE");
        let charge = &world.charges("order-1").await[0];
        assert_eq!((&charge["authorized"], &charge["captured"]), (&json!(1999), &json!(0)));
        world.verify_settled().await;
    }

    async fn a_card_check_books_nothing(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("0 EUR");
        body["payment_method"]["detail"]["card"]["verify"] = json!(true);
        let made = merchant.pays(body).await;
        assert_eq!(made.exchange.payment_state(), "VERIFIED/VERIFIED");
        merchant.operate(&made, "cancel-or-refund", json!({ "reason": "DUPLICATE" })).await.refused(400, "INVALID_STATUS");
        world.verify_settled().await;
    }

    async fn each_test_card_has_its_outcome(world) {
        let merchant = world.merchant();
        for (card, state, code) in [
            ("approved", "SUCCEEDED/APPROVED", "SUCCEEDED"),
            ("insufficient_funds", "DECLINED/DECLINED", "INSUFFICIENT_FUNDS"),
            ("declined_by_bank", "DECLINED/DECLINED", "DECLINED_BY_BANK"),
            ("do_not_honor", "DECLINED/DECLINED", "DO_NOT_HONOR"),
            ("invalid_security_code", "DECLINED/DECLINED", "INVALID_SECURITY_CODE"),
            ("invalid_card_data", "DECLINED/DECLINED", "INVALID_CARD_DATA"),
            ("reported_stolen", "DECLINED/DECLINED", "REPORTED_STOLEN"),
            ("error", "ERROR/ERROR", "ERROR"),
        ] {
            let mut body = merchant.purchase("5 EUR");
            body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(world.card(card));
            let made = merchant.pays(body.clone()).await;
            assert_eq!(made.exchange.payment_state(), state, "{card}");
            assert_eq!(made.exchange.at("/transactions/response_code"), code, "{card}");
            let charges = world.charges(body["merchant_order_id"].as_str().expect("a text")).await;
            assert_eq!(charges.len(), 1, "{card}: the acquirer was asked once");
        }
        world.verify_settled().await;
    }

    async fn a_bad_card_is_declined_without_asking_the_acquirer(world) {
        let merchant = world.merchant();
        for (member, value, code) in
            [("number", json!("4507990000000003"), "INVALID_CARD_NUMBER"), ("expiration_year", json!(2020), "EXPIRED_CARD")]
        {
            let mut body = merchant.purchase("5 EUR");
            body["payment_method"]["detail"]["card"]["card_data"][member] = value;
            let made = merchant.pays(body.clone()).await;
            assert_eq!(made.exchange.payment_state(), "DECLINED/DECLINED");
            assert_eq!(made.exchange.at("/transactions/response_code"), code);
            assert!(world.charges(body["merchant_order_id"].as_str().expect("a text")).await.is_empty());
        }
        world.verify_settled().await;
    }

    async fn every_brand_and_currency_works(world) {
        let merchant = world.merchant();
        for (number, brand, amount) in [
            ("4507990000000002", "VISA", "0.01 EUR"),
            ("5252440000000002", "MASTERCARD", "500 JPY"),
            ("370000000000002", "AMEX", "1.234 KWD"),
            ("4507 9900 0000 0002", "VISA", "10000000000 NOK"),
        ] {
            let mut body = merchant.purchase(amount);
            body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(number);
            let made = merchant.pays(body).await;
            let reply = made.exchange.json();
            assert_eq!(made.exchange.payment_state(), "SUCCEEDED/APPROVED", "{number}");
            let masked = &reply["payment_method"]["payment_method_detail"]["card"]["card_data"];
            assert_eq!(masked["brand"], brand);
            assert_eq!(masked["lfd"], "0002");
            assert_eq!(masked["iin"].as_str().map(str::len), Some(if number.starts_with('3') { 6 } else { 8 }));
            assert_eq!(reply["amount"]["value"], money(amount)["value"]);
        }
        world.verify_settled().await;
    }

    async fn what_is_only_echoed_comes_back_unchanged(world) {
        let merchant = world.merchant();
        let mut body = merchant.purchase("5 EUR");
        body["additional_data"] = json!({ "basket": [1, 2.50, { "ünï": "cødé 🎟" }], "nothing": null });
        body["metadata"] = json!([{ "key": "colour", "value": "green" }]);
        body["merchant_reference"] = json!("ref-1");
        body["callback_url"] = json!("https://shop.example/back");
        body["unknown_to_us"] = json!({ "is": "ignored" });
        let made = merchant.pays(body.clone()).await;
        let read = merchant.get(&format!("/v1/payments/{}", made.id)).await.expect(200);
        for reply in [made.exchange.json(), read.json()] {
            for member in ["additional_data", "metadata", "merchant_reference", "callback_url", "description", "country", "workflow"] {
                assert_eq!(reply[member], body[member], "{member}");
            }
            assert!(reply.get("unknown_to_us").is_none());
        }
        world.verify_settled().await;
    }

    async fn nothing_is_made_when_no_acquirer_can_be_reached(world) {
        let merchant = world.merchant();
        world.acquirer("down").await;
        let body = merchant.purchase("5 EUR");
        let order = body["merchant_order_id"].as_str().expect("a text").to_owned();
        let refused = merchant.post_once("/v1/payments", "again", &body).await.refused(503, "PROVIDER_UNAVAILABLE");
        assert_eq!(refused.header("retry-after"), Some("5"));
        assert_eq!(merchant.get(&format!("/v1/payments?merchant_order_id={order}")).await.expect(200).json(), json!([]));
        world.verify_settled().await;

        world.acquirer("normal").await;
        let made = merchant.post_once("/v1/payments", "again", &body).await.expect(201);
        assert_eq!(made.header("idempotent-replayed"), None, "the refused try was not recorded");
        assert_eq!(world.charges(&order).await.len(), 1);
        world.verify_settled().await;
    }
}
