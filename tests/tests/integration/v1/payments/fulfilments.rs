//! `POST` and `GET /v1/payments/{payment}/fulfillments`.

use serde_json::{Value, json};
use testkit::on_both_engines;

/// A delivery with this name, and whatever else it says.
fn delivery(id: &str, more: &Value) -> Value {
    let mut body = json!({ "id": id, "type": "STANDARD", "status": "COMPLETED" });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn told(status: &str, deliveries: &[Value]) -> Value {
    json!({ "status": status, "fulfillments": deliveries })
}

on_both_engines! {
    async fn what_is_told_is_added_and_reads_back(world) {
        let merchant = world.merchant();
        let made = merchant.pays(merchant.purchase("9 EUR")).await;
        let (payment, path) = (format!("/v1/payments/{}", made.id), format!("/v1/payments/{}/fulfillments", made.id));
        let before = merchant.get(&payment).await.expect(200).body;
        assert_eq!(merchant.get(&path).await.expect(200).json(), json!({ "status": null, "fulfillments": [] }));
        // The number of a parcel is as long as a card's, and this one passes its check.
        let carrier = json!({ "id": "La Poste", "tracking_id": ["4507990000000002", "\"é\""],
            "tracking_url": ["https://poste.example/6A12345678901"], "shipped_at": "2026-02-28" });
        let first = delivery("parcel-1", &json!({ "description": "The first \"chair\"", "carriers": [carrier] }));
        let mut body = told("PARTIAL", &[first, delivery("parcel-2", &json!({ "type": "LOCKER_PICK_UP", "status": "PARTIAL" }))]);
        body["carriers"] = json!(["an older form"]);
        assert_eq!(merchant.post(&path, body).await.expect(202).text(), "{}");
        merchant.post(&path, told("COMPLETED", &[delivery("parcel-2", &json!({}))])).await.expect(202);
        let read = merchant.get(&path).await.expect(200).json();
        assert_eq!(read["status"], json!("COMPLETED"));
        let all = read["fulfillments"].as_array().expect("a list");
        let brief = |item: &Value| format!("{} {} {}", item["id"], item["type"], item["status"]).replace('"', "");
        assert_eq!(all.iter().map(brief).collect::<Vec<_>>(),
            ["parcel-1 STANDARD COMPLETED", "parcel-2 LOCKER_PICK_UP PARTIAL", "parcel-2 STANDARD COMPLETED"]);
        let mut shown = all[0].clone();
        let at = shown["created_at"].take();
        assert_eq!(shown, json!({ "id": "parcel-1", "type": "STANDARD", "status": "COMPLETED", "created_at": null,
            "description": "The first \"chair\"", "carriers": [{ "id": "La Poste", "tracking_id": ["4507990000000002", "\"é\""],
                "tracking_url": ["https://poste.example/6A12345678901"], "shipped_at": "2026-02-28", "delivered_at": null }] }));
        assert!(at.as_str().is_some_and(|at| at.ends_with('Z') && at.len() == 27), "{at}");
        assert_eq!((&all[1]["description"], &all[1]["carriers"]), (&json!(null), &json!([])));
        assert_eq!(merchant.get(&payment).await.expect(200).body, before, "the payment itself does not change");
        world.verify_settled().await;
    }

    async fn one_key_tells_once_and_a_refusal_leaves_it_free(world) {
        let merchant = world.merchant();
        let made = merchant.pays(merchant.authorisation("9 EUR")).await;
        let path = format!("/v1/payments/{}/fulfillments", made.id);
        merchant.post_once(&path, "key", &told("LOST", &[])).await.refused(400, "INVALID_PARAMETERS");
        let first = merchant.post_once(&path, "key", &told("PARTIAL", &[delivery("one", &json!({}))])).await.expect(202);
        let again = merchant.post_once(&path, "key", &told("COMPLETED", &[delivery("two", &json!({}))])).await.expect(202);
        assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &first.body));
        let read = merchant.get(&path).await.expect(200).json();
        assert_eq!((&read["status"], read["fulfillments"].as_array().map(Vec::len)), (&json!("PARTIAL"), Some(1)));
        // Without a key each request is one of its own.
        for _ in 0..2 {
            merchant.ask("POST", &path).json(&told("COMPLETED", &[delivery("one", &json!({}))])).send().await.expect(202);
        }
        assert_eq!(merchant.get(&path).await.expect(200).json()["fulfillments"].as_array().map(Vec::len), Some(3));
        world.verify_settled().await;
    }

    async fn wrong_fields_are_named_with_their_path(world) {
        let merchant = world.merchant();
        let made = merchant.pays(merchant.purchase("9 EUR")).await;
        let path = format!("/v1/payments/{}/fulfillments", made.id);
        let carrier = |more: Value| {
            let mut carrier = json!({ "id": "DHL", "tracking_id": ["123"], "tracking_url": ["https://x"] });
            carrier.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            told("PARTIAL", &[delivery("one", &json!({})), delivery("two", &json!({ "carriers": [carrier] }))])
        };
        let many = |count: usize, of: Value| Value::from(vec![of; count]);
        let place = "fulfillments[1].carriers[0]";
        for (body, code, message) in [
            (json!({}), "MISSING_PARAMETERS", "status: is required".to_owned()),
            (json!({ "status": "PARTIAL" }), "MISSING_PARAMETERS", "fulfillments: is required".to_owned()),
            (told("PARTIAL", &[]), "INVALID_PARAMETERS", "fulfillments: must have 1 to 50 items".to_owned()),
            (told("DONE", &[delivery("one", &json!({}))]), "INVALID_PARAMETERS",
                "status: must be one of PARTIAL COMPLETED REPLACEMENT CANCELED".to_owned()),
            (json!({ "status": "PARTIAL", "fulfillments": many(51, delivery("one", &json!({}))) }), "INVALID_PARAMETERS",
                "fulfillments: must have at most 50 items".to_owned()),
            (told("PARTIAL", &[delivery("ab", &json!({}))]), "INVALID_PARAMETERS",
                "fulfillments[0].id: must have at least 3 characters".to_owned()),
            (told("PARTIAL", &[delivery("one", &json!({ "description": "card 4507 9900 0000 0002" }))]), "INVALID_PARAMETERS",
                "fulfillments[0].description: must not contain a card number".to_owned()),
            (carrier(json!({ "id": "4507990000000002" })), "INVALID_PARAMETERS", format!("{place}.id: must not contain a card number")),
            (carrier(json!({ "tracking_id": null })), "MISSING_PARAMETERS", format!("{place}.tracking_id: is required")),
            (carrier(json!({ "tracking_id": ["a\u{0}bc"] })), "INVALID_PARAMETERS",
                format!("{place}.tracking_id[0]: must not contain control characters")),
            (carrier(json!({ "tracking_id": many(21, json!("123")) })), "INVALID_PARAMETERS",
                format!("{place}.tracking_id: must have at most 20 items")),
            (carrier(json!({ "tracking_url": ["x".repeat(1_000)] })), "INVALID_PARAMETERS",
                format!("{place}.tracking_url[0]: must have at most 999 characters")),
            (carrier(json!({ "tracking_url": ["https://x", "javascript:alert(1)"] })), "INVALID_PARAMETERS",
                format!("{place}.tracking_url[1]: must be an http or https address")),
            (carrier(json!({ "tracking_url": ["https://x/?c=4507990000000002"] })), "INVALID_PARAMETERS",
                format!("{place}.tracking_url[0]: must not contain a card number")),
            (carrier(json!({ "shipped_at": "2026-02-30" })), "INVALID_PARAMETERS",
                format!("{place}.shipped_at: must be a date like 2001-02-28")),
        ] {
            let refused = merchant.post(&path, body).await.refused(400, code);
            assert_eq!(refused.json()["messages"][0], json!(message));
        }
        assert_eq!(merchant.get(&path).await.expect(200).json()["status"], json!(null), "nothing was kept");
    }

    async fn only_of_payments_that_were_held_or_paid(world) {
        let (merchant, intruder) = (world.merchant(), world.intruder());
        let body = told("COMPLETED", &[delivery("one", &json!({}))]);
        let mut declined = merchant.purchase("5 EUR");
        declined["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(world.card("do_not_honor"));
        let declined = merchant.post("/v1/payments", declined).await.expect(201).at("/id");
        merchant.post(&format!("/v1/payments/{declined}/fulfillments"), body.clone()).await.refused(400, "INVALID_STATUS");
        let made = merchant.pays(merchant.purchase("5 EUR")).await;
        let path = format!("/v1/payments/{}/fulfillments", made.id);
        merchant.post(&made.path("refund"), json!({ "merchant_reference": "ref" })).await.expect(200);
        merchant.post(&path, body.clone()).await.expect(202);
        for id in ["0199a8b4-1f7e-7c3a-8000-0123456789ab", "nonsense"] {
            let nowhere = format!("/v1/payments/{id}/fulfillments");
            let foreign = intruder.post(&path, body.clone()).await.refused(400, "PAYMENT_NOT_FOUND");
            let unknown = intruder.post(&nowhere, body.clone()).await;
            assert_eq!(unknown.without_request_id(), foreign.without_request_id());
            let foreign = intruder.get(&path).await.refused(400, "PAYMENT_NOT_FOUND");
            assert_eq!(intruder.get(&nowhere).await.without_request_id(), foreign.without_request_id());
        }
        world.verify_settled().await;
    }
}
