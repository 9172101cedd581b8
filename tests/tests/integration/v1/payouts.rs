//! Payouts and balances through the front door.

use serde_json::{Value, json};
use testkit::actors::{Actor, fresh, money};
use testkit::exchange::Exchange;
use testkit::on_both_engines;
use testkit::world::World;

/// A body for `POST /v1/payouts`.
fn payout(merchant: &Actor, reference: &str, amount: &str, number: &str) -> Value {
    json!({
        "account_id": merchant.account_id,
        "merchant_reference": reference,
        "country": "FR",
        "purpose": "REIMBURSEMENT",
        "amount": money(amount),
        "beneficiary": { "merchant_beneficiary_id": "ada", "country": "FR", "national_entity": "INDIVIDUAL", "first_name": "Ada" },
        "withdrawal_method": { "type": "BANK_TRANSFER", "provider_id": "sandbox", "detail": { "bank_transfer": {
            "code": "30006", "account": { "number": number, "type": "CHECKING" },
        } } },
        "metadata": [{ "key": "k", "value": "v" }],
    })
}

async fn balance(merchant: &Actor, currency: &str) -> Value {
    let items = merchant.get("/v1/balances").await.expect(200).json();
    items["items"]
        .as_array()
        .and_then(|items| items.iter().find(|item| item["currency"] == currency))
        .cloned()
        .unwrap_or_default()
}

/// POSTs without an idempotency key.
async fn unkeyed(merchant: &Actor, body: &Value) -> Exchange {
    merchant.ask("POST", "/v1/payouts").json(body).send().await
}

async fn acquirers_payouts(world: &World, reference: &str) -> Vec<Value> {
    world.charges(reference).await.into_iter().filter(|charge| charge["operation"] == "PAYOUT").collect()
}

on_both_engines! {
    async fn money_reaches_a_bank_account_once(world) {
        let merchant = world.merchant();
        merchant.pays(merchant.purchase("100 NOK")).await;
        let before = balance(&merchant, "NOK").await;
        assert_eq!(before, json!({ "currency": "NOK", "available": 98.35, "authorized": 0, "reserved": 0, "fees": 1.65 }));
        let body = payout(&merchant, "rent-1", "40 NOK", "FR7630006000011234567890002");
        let made = merchant.post_once("/v1/payouts", "k", &body).await.expect(201);
        let shown = made.json();
        assert_eq!((&shown["status"], &shown["amount"]), (&json!("SUCCEEDED"), &json!({ "currency": "NOK", "value": 40 })));
        assert_eq!(shown["withdrawal_method"]["detail"]["bank_transfer"]["account"]["number"], "****0002");
        assert_eq!(shown["withdrawal_method"]["type"], "BANK_TRANSFER");
        assert_eq!(shown["beneficiary"]["first_name"], "Ada");
        assert_eq!((&shown["purpose"], &shown["metadata"]), (&body["purpose"], &body["metadata"]));
        let transaction = &shown["transactions"][0];
        assert_eq!((&transaction["type"], &transaction["response_code"]), (&json!("PAYOUT"), &json!("SUCCEEDED")));

        let replayed = merchant.post_once("/v1/payouts", "k", &body).await.expect(201);
        assert_eq!((replayed.header("idempotent-replayed"), &replayed.body), (Some("true"), &made.body));
        unkeyed(&merchant, &body).await.refused(400, "IDEMPOTENCY_DUPLICATED");
        merchant.post("/v1/payouts", body).await.refused(400, "IDEMPOTENCY_DUPLICATED");
        for path in [format!("/v1/payouts/{}", made.at("/id")), "/v1/payouts?merchant_reference=rent-1".to_owned()] {
            assert_eq!(merchant.get(&path).await.expect(200).json(), shown);
        }
        assert_eq!(balance(&merchant, "NOK").await["available"], json!(58.35));
        let sent = acquirers_payouts(&world, "rent-1").await;
        assert_eq!((sent.len(), &sent[0]["authorized"], &sent[0]["lfd"]), (1, &json!(4000), &json!("0002")));
        assert_eq!((&sent[0]["payment_id"], &sent[0]["calls"]), (&shown["id"], &json!(1)));
        world.verify_settled().await;
    }

    async fn the_account_number_decides_and_declined_money_returns(world) {
        let merchant = world.merchant();
        merchant.pays(merchant.purchase("100 SEK")).await;
        let before = balance(&merchant, "SEK").await;
        for (ending, status, code) in [
            ("010", "DECLINED", "INSUFFICIENT_FUNDS"),
            ("028", "DECLINED", "DECLINED_BY_BANK"),
            ("069", "DECLINED", "REPORTED_STOLEN"),
            ("077", "ERROR", "ERROR"),
        ] {
            let body = payout(&merchant, &fresh("p"), "10 SEK", &format!("NO93860111179{ending}"));
            let shown = unkeyed(&merchant, &body).await.expect(201).json();
            let found = (&shown["status"], &shown["transactions"][0]["response_code"]);
            assert_eq!(found, (&json!(status), &json!(code)), "{ending}");
        }
        assert_eq!(balance(&merchant, "SEK").await, before);
        world.verify_settled().await;
    }

    async fn more_than_there_is_is_declined_and_sent_to_nobody(world) {
        let merchant = world.merchant();
        let body = payout(&merchant, "too-much", "0.01 DKK", "NO9386011117002");
        let shown = merchant.post_once("/v1/payouts", "k", &body).await.expect(201).json();
        assert_eq!((&shown["status"], &shown["transactions"][0]["response_code"]), (&json!("DECLINED"), &json!("INSUFFICIENT_FUNDS")));
        assert_eq!(acquirers_payouts(&world, "too-much").await, Vec::<Value>::new());
        assert_eq!(merchant.post_once("/v1/payouts", "k", &body).await.expect(201).json(), shown);
        world.verify_settled().await;
    }

    async fn lost_answers_are_asked_for_and_lost_requests_are_dropped(world) {
        let merchant = world.merchant();
        merchant.pays(merchant.purchase("100 CHF")).await;
        for (mode, left) in [("timeout_after_charge", true), ("timeout_before_charge", false), ("down", false)] {
            let before = balance(&merchant, "CHF").await;
            let body = payout(&merchant, mode, "10 CHF", "CH9300762011623852002");
            world.acquirer(mode).await;
            if mode == "down" {
                merchant.post_once("/v1/payouts", mode, &body).await.refused(503, "PROVIDER_UNAVAILABLE");
                assert_eq!(balance(&merchant, "CHF").await, before);
            } else {
                merchant.post_once("/v1/payouts", mode, &body).await.refused(504, "REQUEST_TIMEOUT");
                merchant.post_once("/v1/payouts", mode, &body).await.refused(409, "REQUEST_IN_PROCESS");
                assert_eq!(merchant.get(&format!("/v1/payouts?merchant_reference={mode}")).await.expect(200).at("/status"), "PENDING");
                assert_eq!(balance(&merchant, "CHF").await["reserved"], json!(10));
                world.verify().await;
            }
            world.acquirer("normal").await;
            world.advance_seconds(700).await;
            let answer = world.eventually(|| merchant.post_once("/v1/payouts", mode, &body), |answer| answer.status == 201).await;
            assert_eq!((answer.header("idempotent-replayed").is_some(), answer.at("/status").as_str()), (left, "SUCCEEDED"), "{mode}");
            assert_eq!(acquirers_payouts(&world, mode).await.len(), 1, "{mode}");
        }
        world.verify_settled().await;
    }

    async fn wrong_bodies_are_refused_by_field(world) {
        let merchant = world.merchant();
        let good = payout(&merchant, "r-1", "1 EUR", "NO9386011117002");
        for (pointer, value, code) in [
            ("/account_id", json!("01936b1a-0000-7000-8000-00000000a001"), "INVALID_ACCOUNT_ID"),
            ("/merchant_reference", json!("ab"), "INVALID_PARAMETERS"),
            ("/merchant_reference", Value::Null, "MISSING_PARAMETERS"),
            ("/country", json!("XX"), "COUNTRY_NOT_SUPPORTED"),
            ("/purpose", json!("rent"), "INVALID_PARAMETERS"),
            ("/amount/value", json!(0), "INVALID_AMOUNT"),
            ("/amount/value", json!(0.001), "INVALID_AMOUNT"),
            ("/amount/currency", json!("EURO"), "CURRENCY_NOT_ALLOWED"),
            ("/beneficiary/merchant_beneficiary_id", json!(""), "INVALID_PARAMETERS"),
            ("/beneficiary/national_entity", json!("DOG"), "INVALID_PARAMETERS"),
            ("/withdrawal_method/type", json!("CASH"), "INVALID_PARAMETERS"),
            ("/withdrawal_method/detail/bank_transfer/code", json!("123456789"), "INVALID_PARAMETERS"),
            ("/withdrawal_method/detail/bank_transfer/account/number", json!(12), "INVALID_PARAMETERS"),
            ("/withdrawal_method/detail/bank_transfer/account/number", json!("12"), "INVALID_PARAMETERS"),
        ] {
            let mut body = good.clone();
            *body.pointer_mut(pointer).expect("the body has the member") = value;
            let refused = unkeyed(&merchant, &body).await.refused(400, code);
            let path = pointer[1..].replace('/', ".");
            assert!(refused.json()["messages"][0].as_str().is_some_and(|text| text.starts_with(&path)), "{path}: {}", refused.text());
        }
        merchant.get("/v1/payouts").await.refused(400, "MISSING_PARAMETERS");
    }

    async fn nobody_elses_payouts_and_money_are_seen(world) {
        let (merchant, intruder) = (world.merchant(), world.intruder());
        merchant.pays(merchant.purchase("50 ISK")).await;
        let body = payout(&merchant, "secret-1", "10 ISK", "NO9386011117002");
        let made = unkeyed(&merchant, &body).await.expect(201);
        let unknown = intruder.get("/v1/payouts/0199a8b4-1f7e-7c3a-8000-0123456789ab").await.refused(400, "TRANSACTION_NOT_FOUND");
        for path in [format!("/v1/payouts/{}", made.at("/id")), "/v1/payouts?merchant_reference=secret-1".to_owned(), "/v1/payouts/x".to_owned()] {
            assert_eq!(intruder.get(&path).await.body, unknown.body, "{path}");
        }
        assert_eq!(balance(&intruder, "ISK").await, Value::Null);
        // The same reference is free in another account.
        unkeyed(&intruder, &payout(&intruder, "secret-1", "10 ISK", "NO9386011117002")).await.expect(201);
        world.verify_settled().await;
    }

    async fn a_crash_at_any_moment_pays_nobody_twice(mut world) {
        let merchant = world.merchant();
        merchant.pays(merchant.purchase("100 PLN")).await;
        for (number, wait) in [0, 150, 300, 500].into_iter().enumerate() {
            let reference = format!("crash-{number}");
            let body = payout(&merchant, &reference, "5 PLN", "NO9386011117002");
            world.slow_acquirer(400).await;
            let (key, sender) = (reference.clone(), world.merchant());
            let sent = body.clone();
            let call = tokio::spawn(async move { sender.ask("POST", "/v1/payouts").once(&key).json(&sent).try_send().await });
            tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
            world.crash().await;
            call.abort();
            let merchant = merchant.through(world.door());
            let answer = world.eventually(|| merchant.post_once("/v1/payouts", &reference, &body), |answer| answer.status == 201).await;
            assert_eq!(answer.at("/status"), "SUCCEEDED", "{wait}");
            assert_eq!(acquirers_payouts(&world, &reference).await.len(), 1, "{wait}");
        }
        assert_eq!(balance(&merchant.through(world.door()), "PLN").await["available"], json!(78.35));
        world.verify_settled().await;
    }
}
