//! Subscriptions through the front door: what can be asked as long as no card is stored.

use serde_json::{Value, json};
use testkit::actors::{Actor, money};
use testkit::exchange::Exchange;
use testkit::on_both_engines;

use super::customers::customer;
use super::payment_methods::{card, enrol};

fn body(merchant: &Actor) -> Value {
    json!({
        "account_id": merchant.account_id, "name": "Magazine", "country": "FR", "amount": money("9 EUR"),
        "payment_method": { "type": "CARD", "vaulted_token": "0199a8b4-1f7e-7c3a-8000-0123456789ab" },
    })
}

fn cycle(read: &Exchange) -> Value {
    read.json()["billing_cycles"]["current"].clone()
}

on_both_engines! {
    async fn bodies_and_pages_are_judged(world) {
        let merchant = world.merchant();
        merchant.ask("POST", "/v1/subscriptions").json(&body(&merchant)).send().await.refused(400, "PAYMENT_METHOD_NOT_FOUND");
        for (member, value, code) in [
            ("name", json!("ab"), "INVALID_PARAMETERS"),
            ("amount", money("0 EUR"), "INVALID_AMOUNT"),
            ("payment_method", json!({ "type": "PIX", "vaulted_token": "x" }), "INVALID_PARAMETERS"),
            ("payment_method", json!({ "type": "CARD" }), "MISSING_PARAMETERS"),
            ("frequency", json!({ "type": "HOUR" }), "INVALID_PARAMETERS"),
            ("frequency", json!({ "type": "DAY", "value": 366 }), "INVALID_PARAMETERS"),
            ("billing_cycles", json!({ "total": 0 }), "INVALID_PARAMETERS"),
            ("retries", json!({ "amount": 7 }), "INVALID_PARAMETERS"),
            ("trial_period", json!({ "billing_cycles": 1, "amount": { "currency": "USD", "value": 1 } }), "INVALID_AMOUNT"),
            ("availability", json!({ "start_at": "soon" }), "INVALID_DATE"),
        ] {
            let mut body = body(&merchant);
            body[member] = value;
            merchant.post("/v1/subscriptions", body).await.refused(400, code);
        }
        let empty = json!({ "items": [], "pagination": { "page": 1, "size": 20, "total": 0, "total_pages": 0 } });
        assert_eq!(merchant.get("/v1/subscriptions").await.expect(200).json(), empty);
        assert_eq!(merchant.get("/v1/subscriptions?status=ACTIVE,PAUSED&created_at_from=2026-01-01").await.expect(200).json(), empty);
        for query in ["page=0", "size=0", "size=101", "page=x", "page=-1"] {
            merchant.get(&format!("/v1/subscriptions?{query}")).await.refused(400, "BAD_REQUEST");
        }
        merchant.get("/v1/subscriptions?status=FUN").await.refused(400, "INVALID_PARAMETERS");
        merchant.get("/v1/subscriptions?page=1&page=1").await.refused(400, "INVALID_PARAMETERS");
        let refused = merchant.get("/v1/subscriptions?created_at_to=soon").await.refused(400, "INVALID_DATE");
        assert!(refused.at("/messages/0").ends_with(" or a date like 2026-01-31"), "{}", refused.text());
        let unknown = "/v1/subscriptions/0199a8b4-1f7e-7c3a-8000-0123456789ab";
        merchant.get(unknown).await.refused(400, "SUBSCRIPTION_NOT_FOUND");
        merchant.get(&format!("{unknown}/payments")).await.refused(400, "SUBSCRIPTION_NOT_FOUND");
        merchant.get(&format!("{unknown}/payments?limit=10&offset=5")).await.refused(400, "BAD_REQUEST");
        merchant.ask("PATCH", unknown).json(&json!({ "name": "Other" })).send().await.refused(400, "SUBSCRIPTION_NOT_FOUND");
        for step in ["pause", "resume", "cancel", "retry"] {
            merchant.ask("POST", &format!("{unknown}/{step}")).send().await.refused(400, "SUBSCRIPTION_NOT_FOUND");
        }
        world.verify_settled().await;
    }

    async fn what_cannot_be_changed_is_refused_by_name_and_taken_as_it_is(world) {
        let merchant = world.merchant();
        let customer = customer(&merchant, "ada").await;
        let method = enrol(&merchant, &customer, card("4507990000000002"), json!({})).await.expect(201);
        let mut body = body(&merchant);
        body["payment_method"]["vaulted_token"] = json!(method.at("/vaulted_token"));
        body["customer_payer"] = json!({ "id": customer });
        body["availability"] = json!({ "start_at": "2099-01-31T09:00:00Z" });
        let plain = merchant.post("/v1/subscriptions", body.clone()).await.expect(200);
        body["trial_period"] = json!({ "billing_cycles": 2, "amount": money("1 EUR") });
        let trial = merchant.post("/v1/subscriptions", body).await.expect(200);
        for made in [&plain, &trial] {
            let path = format!("/v1/subscriptions/{}", made.at("/id"));
            // As it was read it may be sent.
            let mut sent = made.json();
            sent["description"] = json!("Weekly");
            let changed = merchant.ask("PATCH", &path).json(&sent).send().await.expect(200);
            sent["updated_at"] = changed.json()["updated_at"].clone();
            assert_eq!(changed.json(), sent);

            for (field, change) in [
                ("trial_period", json!({ "trial_period": { "billing_cycles": 3, "amount": money("1 EUR") } })),
                ("country", json!({ "country": "NO" })),
                ("customer_payer", json!({ "customer_payer": { "id": "0199a8b4-1f7e-7c3a-8000-0123456789ab" } })),
                ("customer_payer", json!({ "customer_payer": null })),
                ("availability.start_at", json!({ "availability": { "start_at": "2099-02-01", "finish_at": null } })),
            ] {
                let refused = merchant.ask("PATCH", &path).json(&change).send().await.refused(400, "INVALID_PARAMETERS");
                assert_eq!(refused.at("/messages/0"), format!("{field}: cannot be changed"), "{change}");
            }
            for name in ["name", "amount", "payment_method", "frequency"] {
                let refused = merchant.ask("PATCH", &path).json(&json!({ name: null })).send().await.refused(400, "MISSING_PARAMETERS");
                assert_eq!(refused.at("/messages/0"), format!("{name}: cannot be taken off"));
            }
            let foreign = json!({ "account_id": world.intruder().account_id });
            merchant.ask("PATCH", &path).json(&foreign).send().await.refused(400, "INVALID_ACCOUNT_ID");
            assert_eq!(merchant.get(&path).await.expect(200).json(), sent, "nothing of it was kept");
            let two = json!({ "customer_payer": null, "frequency": { "type": "YEAR" }, "country": "NO", "name": "Other" });
            let refused = merchant.ask("PATCH", &path).json(&two).send().await.refused(400, "INVALID_PARAMETERS");
            assert_eq!(refused.json()["messages"], json!(["country: cannot be changed", "customer_payer: cannot be changed"]));
        }
        let path = format!("/v1/subscriptions/{}", trial.at("/id"));
        merchant.ask("PATCH", &path).json(&json!({ "trial_period": null })).send().await.refused(400, "INVALID_PARAMETERS");
        let retries = json!({ "retries": { "retry_on_decline": true, "cancel_on_exhausted_retries": true } });
        merchant.ask("PATCH", &path).json(&retries).send().await.expect(200);
        let off = merchant.ask("PATCH", &path).json(&json!({ "retries": null, "billing_cycles": { "total": 3 } })).send().await.expect(200);
        assert_eq!(off.json()["retries"], plain.json()["retries"]);
        assert_eq!(off.json()["billing_cycles"]["total"], json!(3));
        world.verify_settled().await;
    }

    async fn another_frequency_counts_from_the_next_cycle_on(world) {
        let merchant = world.merchant();
        let customer = customer(&merchant, "ada").await;
        let method = enrol(&merchant, &customer, card("4507990000000002"), json!({})).await.expect(201);
        let mut body = body(&merchant);
        body["payment_method"]["vaulted_token"] = json!(method.at("/vaulted_token"));
        body["frequency"] = json!({ "type": "DAY" });
        let path = format!("/v1/subscriptions/{}", merchant.post("/v1/subscriptions", body).await.expect(200).at("/id"));
        let second = world.eventually(|| merchant.get(&path), |read| cycle(read) == 2).await.json();
        let weekly = json!({ "frequency": { "type": "WEEK", "value": 2 } });
        let changed = merchant.ask("PATCH", &path).json(&weekly).send().await.expect(200).json();
        assert_eq!((&changed["frequency"], &changed["billing_cycles"]), (&weekly["frequency"], &second["billing_cycles"]));
        for (days, number) in [(1, 3), (14, 4)] {
            world.advance_seconds(days * 86_400).await;
            let next = world.eventually(|| merchant.get(&path), |read| cycle(read) == number).await;
            let due = |text: &str| text.parse::<kernel::Timestamp>().expect("a time");
            let (start, next) = (due(&next.at("/availability/start_at")), due(&next.at("/billing_cycles/next_at")));
            assert_eq!(next, start.plus_days(1 + 14 * (number - 2)));
        }
        let paid = merchant.get(&format!("{path}/payments")).await.expect(200);
        assert_eq!(paid.json()["data"].as_array().map(Vec::len), Some(3), "{}", paid.json());
        world.verify_settled().await;
    }

    async fn a_subscription_keeps_its_currency_ends_at_its_total_and_waits_without_a_card(world) {
        let merchant = world.merchant();
        let customer = customer(&merchant, "ada").await;
        let method = enrol(&merchant, &customer, card("4507990000000002"), json!({})).await.expect(201);
        let mut body = body(&merchant);
        body["payment_method"]["vaulted_token"] = json!(method.at("/vaulted_token"));
        body["frequency"] = json!({ "type": "DAY", "value": 1 });
        body["trial_period"] = json!({ "billing_cycles": 1, "amount": money("1 EUR") });
        let lasting = merchant.post("/v1/subscriptions", body.clone()).await.expect(200);
        let (day, lasting) = (lasting.at("/created_at")[..10].to_owned(), lasting.at("/id"));
        let of_day = merchant.get(&format!("/v1/subscriptions?created_at_from={day}&created_at_to={day}")).await.expect(200);
        assert_eq!(of_day.at("/items/0/id"), lasting, "a date alone is all of its day");
        body["billing_cycles"] = json!({ "total": 2 });
        let short = merchant.post("/v1/subscriptions", body).await.expect(200).at("/id");
        let [lasting, short] = [lasting, short].map(|id| format!("/v1/subscriptions/{id}"));
        let other = json!({ "amount": money("5 USD") });
        merchant.ask("PATCH", &lasting).json(&other).send().await.refused(400, "INVALID_AMOUNT");

        let patched = async |change: Value| merchant.ask("PATCH", &lasting).json(&change).send().await.expect(200).json();
        let ends = patched(json!({ "availability": { "finish_at": "2099-01-31" } })).await;
        assert_eq!(ends["availability"]["finish_at"], "2099-02-01T00:00:00.000000Z", "a date alone is all of its day");
        patched(json!({ "availability": { "finish_at": null } })).await;
        let retries = json!({ "retry_on_decline": true, "stop_on_hard_decline": true });
        let more = json!({ "description": "Weekly", "billing_cycles": { "total": 9 }, "retries": retries });
        assert_eq!(patched(more).await["retries"]["amount"], 6, "as where nothing is said at first");
        patched(json!({ "retries": { "amount": 4 } })).await;
        let less = json!({ "description": null, "billing_cycles": null, "retries": { "retry_on_decline": false } });
        let left = patched(less).await;
        let kept = json!({
            "retry_on_decline": false, "amount": 4, "stop_on_hard_decline": true, "cancel_on_exhausted_retries": false,
        });
        assert_eq!((&left["retries"], &left["description"], &left["billing_cycles"]["total"]), (&kept, &Value::Null, &Value::Null));

        world.eventually(|| merchant.get(&lasting), |read| cycle(read) == 2).await;
        world.eventually(|| merchant.get(&short), |read| cycle(read) == 2).await;
        world.advance_seconds(86_400).await;
        let completed = world.eventually(|| merchant.get(&short), |read| read.at("/status") == "COMPLETED").await;
        assert_eq!(completed.json()["billing_cycles"], json!({ "total": 2, "current": 2, "next_at": null }));

        world.eventually(|| merchant.get(&lasting), |read| cycle(read) == 3).await;
        merchant.post(&format!("/v1/customers/payment-methods/{}/unenroll", method.at("/id")), json!({})).await.expect(200);
        world.advance_seconds(86_400).await;
        let paused = world.eventually(|| merchant.get(&lasting), |read| read.at("/status") == "PAUSED").await;
        assert_eq!(cycle(&paused), 3);
        world.verify_settled().await;
    }
}
