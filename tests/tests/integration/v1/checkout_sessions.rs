//! `/v1/checkout/sessions`, and payments that name one.

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::actors::Actor;
use testkit::exchange::show;
use testkit::on_both_engines;

on_both_engines! {
    async fn the_parts_it_may_be_paid_in_are_a_plan_by_name_or_by_content(world) {
        let merchant = world.merchant();
        let path = "/v1/checkout/sessions";
        let nothing = json!({ "plan_id": null, "plan": null });
        let plan = json!([{ "installments": [3, 6], "brand": ["VISA"] }]);
        for (sent, shown) in [
            (Value::Null, nothing.clone()),
            (json!({}), nothing),
            (json!({ "plan_id": "spring" }), json!({ "plan_id": "spring", "plan": null })),
            (json!({ "plan": plan }), json!({ "plan_id": null, "plan": plan })),
        ] {
            let mut body = session(&merchant);
            body["installments"] = sent.clone();
            let made = merchant.post(path, body).await.expect(200);
            assert_eq!(made.json()["installments"], shown, "{sent}");
            let read = merchant.get(&format!("{path}/{}", made.at("/checkout_session"))).await.expect(200);
            assert_eq!(read.json()["installments"], shown);
        }
        for (wrong, field) in [
            (json!([3]), "installments"), (json!(3), "installments"), (json!({ "plan_id": 3 }), "installments.plan_id"),
            (json!({ "plan": ["4507990000000002"] }), "installments.plan"),
        ] {
            let mut body = session(&merchant);
            body["installments"] = wrong.clone();
            let refused = merchant.post(path, body).await.refused(400, "INVALID_PARAMETERS");
            assert!(refused.at("/messages/0").starts_with(&format!("{field}: ")), "{wrong}: {}", refused.text());
        }
    }

    async fn what_a_session_must_have_cannot_be_taken_off(world) {
        let merchant = world.merchant();
        let made = merchant.post("/v1/checkout/sessions", session(&merchant)).await.expect(200);
        let path = format!("/v1/checkout/sessions/{}", made.at("/checkout_session"));
        for name in ["merchant_order_id", "payment_description", "country"] {
            let refused = merchant.ask("PATCH", &path).json(&json!({ name: null })).send().await.refused(400, "MISSING_PARAMETERS");
            assert_eq!(refused.at("/messages/0"), format!("{name}: cannot be taken off"));
        }
        let foreign = json!({ "account_id": world.intruder().account_id, "country": "NO" });
        merchant.ask("PATCH", &path).json(&foreign).send().await.refused(400, "INVALID_ACCOUNT_ID");
        assert_eq!(merchant.get(&path).await.expect(200).json()["country"], "FR");
        let change = json!({ "account_id": merchant.account_id, "country": "NO", "workflow": "CHECKOUT", "metadata": null });
        let changed = merchant.ask("PATCH", &path).json(&change).send().await.expect(200);
        assert_eq!((changed.at("/country"), changed.at("/workflow")), ("NO".into(), "CHECKOUT".into()));
        let back = merchant.ask("PATCH", &path).json(&json!({ "workflow": null })).send().await.expect(200);
        assert_eq!((back.at("/workflow"), back.at("/merchant_order_id")), ("SDK_CHECKOUT".into(), "order-1".into()));
    }

    async fn a_session_is_made_read_and_replayed(world) {
        let merchant = world.merchant();
        let body = session(&merchant);
        let made = merchant.post_once("/v1/checkout/sessions", "one", &body).await.expect(200);
        let replay = merchant.post_once("/v1/checkout/sessions", "one", &json!({})).await.expect(200);
        assert_eq!((replay.body == made.body, replay.header("idempotent-replayed")), (true, Some("true")));
        let id = made.at("/checkout_session");
        let read = merchant.get(&format!("/v1/checkout/sessions/{id}")).await.expect(200);
        assert_snapshot!("session", show(&[&made, &read]));

        // The key is honoured when it is sent, and not asked for.
        let other = merchant.ask("POST", "/v1/checkout/sessions").json(&body).send().await.expect(200);
        assert_ne!(other.at("/checkout_session"), id);
        merchant.ask("POST", "/v1/checkout/sessions").once("a b").json(&body).send().await.refused(400, "INVALID_PARAMETERS");

        let foreign = world.intruder().get(&format!("/v1/checkout/sessions/{id}")).await.refused(400, "CHECKOUT_SESSION_NOT_FOUND");
        let unknown = world.intruder().get("/v1/checkout/sessions/0199a8b4-1f7e-7c3a-8000-0123456789ab").await;
        assert_eq!(foreign.without_request_id(), unknown.without_request_id());
        for missing in ["account_id", "merchant_order_id", "payment_description", "country"] {
            let mut body = body.clone();
            body.as_object_mut().expect("an object").remove(missing);
            merchant.post("/v1/checkout/sessions", body).await.refused(400, "MISSING_PARAMETERS");
        }
        world.verify_settled().await;
    }

    async fn sources_of_a_card_that_do_not_exist_are_refused(world) {
        let merchant = world.merchant();
        let session = merchant.post("/v1/checkout/sessions", session(&merchant)).await.expect(200).at("/checkout_session");
        let nobody = "0199a8b4-1f7e-7c3a-8000-0123456789ab";
        for (workflow, session, source, code) in [
            ("SDK_CHECKOUT", Some(session.as_str()), json!({ "token": nobody }), "INVALID_TOKEN"),
            ("SDK_CHECKOUT", Some(session.as_str()), json!({ "vaulted_token": nobody }), "PAYMENT_METHOD_NOT_FOUND"),
            ("SDK_CHECKOUT", Some(nobody), json!({ "token": nobody }), "CHECKOUT_SESSION_NOT_FOUND"),
            ("SDK_CHECKOUT", None, json!({ "token": nobody }), "MISSING_PARAMETERS"),
            ("DIRECT", None, json!({ "token": nobody }), "INVALID_TOKEN"),
            ("DIRECT", None, json!({ "vaulted_token": nobody }), "PAYMENT_METHOD_NOT_FOUND"),
        ] {
            let mut body = merchant.purchase("5 EUR");
            body["workflow"] = json!(workflow);
            if let Some(session) = session {
                body["checkout"] = json!({ "session": session });
            }
            body["payment_method"] = json!({ "type": "CARD" });
            body["payment_method"].as_object_mut().expect("an object").extend(source.as_object().expect("an object").clone());
            let answer = merchant.post("/v1/payments", body).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, code), "{}", show(&[&answer]));
        }
        let mut card = merchant.purchase("5 EUR");
        card["workflow"] = json!("SDK_CHECKOUT");
        card["checkout"] = json!({ "session": session });
        merchant.post("/v1/payments", card).await.refused(400, "INVALID_PARAMETERS");
        world.verify_settled().await;
    }
}

fn session(merchant: &Actor) -> Value {
    json!({
        "account_id": merchant.account_id,
        "merchant_order_id": "order-1",
        "payment_description": "A basket",
        "country": "FR",
        "amount": { "currency": "EUR", "value": 12.5 },
        "metadata": [{ "key": "colour", "value": "green" }],
    })
}
