//! `/v1/routing-rules`, and the way of a charge from one acquirer to the next.

use serde_json::{Value, json};
use testkit::actors::Actor;
use testkit::on_both_engines;

const RULES: &str = "/v1/routing-rules";

on_both_engines! {
    async fn rules_are_replaced_as_a_whole_and_count_at_once(world) {
        let merchant = world.merchant();
        let initial = merchant.get(RULES).await.expect(200).json();
        assert_eq!(initial["rules"][0]["route"], json!(["sandbox"]), "{initial}");
        assert_eq!(initial["rules"].as_array().map(Vec::len), Some(1));
        let rules = json!({ "rules": [
            {
                "name": "dear ones",
                "conditions": { "brand": ["VISA"], "currency": ["EUR", "NOK"], "country": ["FR"], "amount_min": 100.5, "amount_max": 1e3 },
                "route": ["sandbox_b", "sandbox"],
                "retry_on": ["SOFT_DECLINE"],
                "unknown": true,
            },
            { "name": "all others", "route": ["sandbox"] },
        ] });
        let replaced = put(&merchant, &rules).await.expect(200).json();
        assert_eq!(
            replaced["rules"][0],
            json!({
                "name": "dear ones",
                "conditions": { "brand": ["VISA"], "currency": ["EUR", "NOK"], "country": ["FR"], "amount_min": 100.5, "amount_max": 1000 },
                "route": ["sandbox_b", "sandbox"],
                "retry_on": ["SOFT_DECLINE"],
            })
        );
        assert_eq!(replaced["rules"][1]["conditions"]["amount_min"], Value::Null);
        let read = merchant.get(RULES).await.expect(200).json();
        assert_eq!(read, replaced);
        assert_eq!(put(&merchant, &read).await.expect(200).json(), read, "what is read can be sent");
        assert_eq!(world.intruder().get(RULES).await.expect(200).json(), initial, "other accounts have their own");

        for (amount, connector) in [("100.49 EUR", "sandbox"), ("100.50 EUR", "sandbox_b"), ("1000 EUR", "sandbox_b"), ("1000.01 EUR", "sandbox"), ("200 NOK", "sandbox_b"), ("200 USD", "sandbox")] {
            assert_eq!(connectors(&merchant, merchant.purchase(amount)).await, [connector], "{amount}");
        }
        put(&merchant, &json!({ "rules": [] })).await.expect(200);
        assert_eq!(connectors(&merchant, merchant.purchase("200 EUR")).await, ["sandbox"], "no rule, the first acquirer; at once");
        world.verify_settled().await;
    }

    async fn a_bad_rule_is_named_and_changes_nothing(world) {
        let merchant = world.merchant();
        let good = json!({ "name": "b", "route": ["sandbox_b"] });
        put(&merchant, &json!({ "rules": [good] })).await.expect(200);
        let with = |change: Value| {
            let mut rule = good.clone();
            rule.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
            json!({ "rules": [good, rule] })
        };
        for (body, path) in [
            (with(json!({ "name": null })), "rules[1].name"),
            (with(json!({ "name": "" })), "rules[1].name"),
            (with(json!({ "name": "4507990000000002" })), "rules[1].name"),
            (with(json!({ "route": null })), "rules[1].route"),
            (with(json!({ "route": [] })), "rules[1].route"),
            (with(json!({ "route": "sandbox" })), "rules[1].route"),
            (with(json!({ "route": ["nobody"] })), "rules[1].route[0]"),
            (with(json!({ "route": ["sandbox", "stripe"] })), "rules[1].route[1]"),
            (with(json!({ "route": ["sandbox", "sandbox"] })), "rules[1].route[1]"),
            (with(json!({ "route": ["sandbox", "sandbox_b", "stripe", "sandbox"] })), "rules[1].route"),
            (with(json!({ "retry_on": ["ALWAYS"] })), "rules[1].retry_on[0]"),
            (with(json!({ "conditions": [] })), "rules[1].conditions"),
            (with(json!({ "conditions": { "currency": ["EUR"], "brands": ["VISA"] } })), "rules[1].conditions"),
            (with(json!({ "conditions": { "brand": ["visa"] } })), "rules[1].conditions.brand[0]"),
            (with(json!({ "conditions": { "currency": ["EUR", "XXX"] } })), "rules[1].conditions.currency[1]"),
            (with(json!({ "conditions": { "country": ["fr"] } })), "rules[1].conditions.country[0]"),
            (with(json!({ "conditions": { "amount_min": "5" } })), "rules[1].conditions.amount_min"),
            (with(json!({ "conditions": { "amount_min": -1 } })), "rules[1].conditions.amount_min"),
            (with(json!({ "conditions": { "amount_max": 0.00001 } })), "rules[1].conditions.amount_max"),
            (with(json!({ "conditions": { "amount_min": 5, "amount_max": 4.99 } })), "rules[1].conditions.amount_max"),
            (json!({ "rules": vec![good.clone(); 51] }), "rules"),
            (json!({ "rules": {} }), "rules"),
            (json!({ "rules": [1] }), "rules[0]"),
        ] {
            let refused = put(&merchant, &body).await.refused(400, "INVALID_PARAMETERS").json();
            let first = refused["messages"][0].as_str().unwrap_or_default().to_owned();
            assert!(first.starts_with(&format!("{path}: ")), "{path}: {refused}");
        }
        put(&merchant, &json!({})).await.refused(400, "MISSING_PARAMETERS");
        put(&merchant, &json!([])).await.refused(400, "INVALID_REQUEST");
        merchant.ask("PUT", RULES).header("content-type", "text/plain").body("{\"rules\":[]}").send().await.refused(400, "INVALID_REQUEST");
        merchant.ask("POST", RULES).json(&json!({ "rules": [] })).send().await.refused(405, "UNSUPPORTED_METHOD");
        let kept = merchant.get(RULES).await.expect(200).json();
        assert_eq!((kept["rules"].as_array().map(Vec::len), &kept["rules"][0]["name"]), (Some(1), &json!("b")));
    }

    async fn a_soft_decline_or_an_acquirer_out_of_reach_leads_to_the_next_one(world) {
        let merchant = world.merchant();
        let rule = json!({ "name": "both", "route": ["sandbox", "sandbox_b"], "retry_on": ["UNAVAILABLE", "SOFT_DECLINE"] });
        put(&merchant, &json!({ "rules": [rule] })).await.expect(200);

        let mut body = merchant.authorisation("50 EUR");
        body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!("4507990000000036");
        let made = merchant.ask("POST", "/v1/payments").once("soft").json(&body).send().await.expect(201);
        let payment = made.json();
        let history = payment["transactions_history"].as_array().expect("a list");
        let shown: Vec<_> = history.iter().map(|one| (&one["connection_data"]["name"], &one["status"], &one["response_code"])).collect();
        assert_eq!(
            shown,
            [
                (&json!("sandbox"), &json!("DECLINED"), &json!("DO_NOT_HONOR")),
                (&json!("sandbox_b"), &json!("SUCCEEDED"), &json!("SUCCEEDED")),
            ]
        );
        assert_eq!((&payment["status"], &payment["sub_status"], &payment["transactions"]["id"]), (&json!("PENDING"), &json!("AUTHORIZED"), &history[1]["id"]));
        let replay = merchant.ask("POST", "/v1/payments").once("soft").json(&body).send().await.expect(201);
        assert_eq!((replay.body == made.body, replay.header("idempotent-replayed")), (true, Some("true")));

        // What follows goes to the acquirer that holds the money.
        let id = payment["id"].as_str().expect("an id");
        let operate = |transaction: &str, operation: &str| format!("/v1/payments/{id}/transactions/{transaction}/{operation}");
        let (refused, held) = (history[0]["id"].as_str().expect("an id"), history[1]["id"].as_str().expect("an id"));
        let capture = json!({ "merchant_reference": "one", "amount": { "currency": "EUR", "value": 20 }, "reason": "PRODUCT_CONFIRMED" });
        merchant.ask("POST", &operate(refused, "capture")).fresh_key().json(&capture).send().await.refused(400, "INVALID_STATUS");
        merchant.ask("POST", &operate(held, "capture")).fresh_key().json(&capture).send().await.expect(200);
        let refund = json!({ "merchant_reference": "two", "amount": { "currency": "EUR", "value": 5 } });
        merchant.ask("POST", &operate(held, "refund")).fresh_key().json(&refund).send().await.expect(200);
        let read = merchant.get(&format!("/v1/payments/{id}?transactions_history=true")).await.expect(200).json();
        assert_eq!(read["transactions_history"].as_array().map(Vec::len), Some(4));
        let charges = world.charges(payment["merchant_order_id"].as_str().expect("an order")).await;
        let outcomes: Vec<_> = charges.iter().map(|one| (&one["connector"], &one["outcome"], &one["captured"], &one["refunded"])).collect();
        assert_eq!(
            outcomes,
            [
                (&json!("sandbox"), &json!("DECLINED"), &json!(0), &json!(0)),
                (&json!("sandbox_b"), &json!("APPROVED"), &json!(2_000), &json!(500)),
            ]
        );

        mood(&merchant, "sandbox", "down").await;
        assert_eq!(connectors(&merchant, merchant.purchase("9 EUR")).await, ["sandbox", "sandbox_b"]);
        mood(&merchant, "sandbox_b", "down").await;
        let unreachable = merchant.ask("POST", "/v1/payments").once("none").json(&merchant.purchase("9 EUR")).send().await;
        unreachable.refused(503, "PROVIDER_UNAVAILABLE");
        mood(&merchant, "sandbox_b", "normal").await;
        merchant.ask("POST", "/v1/payments").once("none").json(&merchant.purchase("9 EUR")).send().await.expect(201);
        mood(&merchant, "sandbox", "normal").await;
        let mut hard = merchant.purchase("9 EUR");
        hard["payment_method"]["detail"]["card"]["card_data"]["number"] = json!("4507990000000069");
        assert_eq!(connectors(&merchant, hard).await, ["sandbox"], "a stolen card is not tried elsewhere");
        world.verify_settled().await;
    }

    async fn an_unknown_outcome_is_never_tried_elsewhere(world) {
        let merchant = world.merchant();
        let rule = json!({ "name": "both", "route": ["sandbox", "sandbox_b"], "retry_on": ["UNAVAILABLE", "SOFT_DECLINE"] });
        put(&merchant, &json!({ "rules": [rule] })).await.expect(200);
        mood(&merchant, "sandbox", "timeout_after_charge").await;
        let body = merchant.purchase("9 EUR");
        merchant.ask("POST", "/v1/payments").once("k").json(&body).send().await.refused(504, "REQUEST_TIMEOUT");
        mood(&merchant, "sandbox", "normal").await;
        let answer = world.eventually(|| merchant.post_once("/v1/payments", "k", &body), |answer| answer.status == 201).await;
        assert_eq!(answer.json()["transactions_history"].as_array().map(Vec::len), Some(1));
        let charges = world.charges(&answer.at("/merchant_order_id")).await;
        assert_eq!(charges.iter().map(|charge| &charge["connector"]).collect::<Vec<_>>(), [&json!("sandbox")]);
        world.verify_settled().await;
    }
}

async fn put(merchant: &Actor, rules: &Value) -> testkit::exchange::Exchange {
    merchant.ask("PUT", RULES).json(rules).send().await
}

/// Where a payment was tried, in order.
async fn connectors(merchant: &Actor, body: Value) -> Vec<String> {
    let payment = merchant.ask("POST", "/v1/payments").fresh_key().json(&body).send().await.expect(201).json();
    let history = payment["transactions_history"].as_array().expect("a list").iter();
    history.map(|one| one["connection_data"]["name"].as_str().expect("a name").to_owned()).collect()
}

async fn mood(merchant: &Actor, connector: &str, mode: &str) {
    merchant.post("/dev/acquirer", json!({ "mode": mode, "connector": connector })).await.expect(200);
}
