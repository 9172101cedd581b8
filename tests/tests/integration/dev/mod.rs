//! The sandbox's own routes.

use serde_json::json;
use testkit::on_both_engines;

on_both_engines! {
    async fn the_clock_moves_forward_only(world) {
        let anyone = world.anonymous();
        let first = anyone.post("/dev/clock", json!({ "advance_seconds": 3_600 })).await.expect(200);
        assert!(first.json().is_object());
        for wrong in [json!({ "advance_seconds": -1 }), json!({ "advance_seconds": "60" }), json!({ "advance_seconds": 1.5 }), json!({}), json!([])] {
            let refused = anyone.post("/dev/clock", wrong).await;
            assert!((400..500).contains(&refused.status), "{}", refused.text());
        }
        let merchant = world.merchant();
        let made = merchant.pays(merchant.purchase("5 EUR")).await;
        let created = made.exchange.at("/created_at");
        world.advance_seconds(86_400).await;
        let later = merchant.pays(merchant.purchase("5 EUR")).await.exchange.at("/created_at");
        assert!(later[..10] > created[..10], "{created} {later}");
        world.verify_settled().await;
    }

    async fn the_acquirer_does_as_it_is_told(world) {
        let anyone = world.anonymous();
        for mode in ["timeout_after_charge", "timeout_before_charge", "error_after_charge", "down", "normal"] {
            anyone.post("/dev/acquirer", json!({ "mode": mode })).await.expect(200);
            let told = anyone.get("/dev/acquirer").await.expect(200);
            assert!(told.text().contains(mode), "{}", told.text());
        }
        for wrong in [json!({ "mode": "asleep" }), json!({ "slow_ms": 60_001 }), json!({ "slow_ms": -1 }), json!({ "connector": "nobody" })] {
            let refused = anyone.post("/dev/acquirer", wrong).await;
            assert!((400..500).contains(&refused.status), "{}", refused.text());
        }
    }

    async fn the_acquirers_books_come_in_pages(world) {
        let merchant = world.merchant();
        for _ in 0..5 {
            merchant.pays(merchant.purchase("5 EUR")).await;
        }
        let anyone = world.anonymous();
        let all = anyone.get("/dev/acquirer/charges").await.expect(200).json();
        let expected: Vec<_> = all["charges"].as_array().expect("a list").iter().map(|charge| charge["id"].clone()).collect();
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = anyone.get(&format!("/dev/acquirer/charges?limit=2{after}")).await.expect(200).json();
            let charges = page["charges"].as_array().expect("a list");
            assert!(charges.len() <= 2);
            found.extend(charges.iter().map(|charge| charge["id"].clone()));
            match page["next"].as_str().map(str::to_owned).or_else(|| page["next"].as_i64().map(|next| next.to_string())) {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(found, expected);
        let text = all.to_string();
        assert!(!text.contains("4507990000000002"), "the acquirer's list shows the last four digits only");
    }

    async fn what_a_query_may_say_is_told_where_it_says_something_else(world) {
        let anyone = world.anonymous();
        for (path, message) in [
            ("/dev/acquirer/charges?limit=0", "limit: must be a whole number from 1 to 1000"),
            ("/dev/acquirer/charges?limit=1001", "limit: must be a whole number from 1 to 1000"),
            ("/dev/acquirer/charges?limit=x", "limit: must be a whole number from 1 to 1000"),
            ("/dev/acquirer/charges?connector=zzz", "connector: must be one of sandbox sandbox_b"),
            ("/dev/acquirer/charges?all=maybe", "all: must be true or false"),
            ("/dev/acquirer/charges?after=x", "after: must be the next of the page before"),
            ("/dev/acquirer/charges?payment_id=x", "payment_id: must be the id of a payment"),
            ("/dev/outbox?kind=foo", "kind: must be one of sms email webhook realtime"),
            ("/dev/outbox?limit=-1", "limit: must be a whole number from 1 to 1000"),
        ] {
            assert_eq!(anyone.get(path).await.refused(400, "INVALID_PARAMETERS").at("/messages/0"), message, "{path}");
        }
        for right in ["acquirer/charges?all=false&limit=1000", "acquirer/charges?all=true", "outbox?kind=webhook&limit=1"] {
            anyone.get(&format!("/dev/{right}")).await.expect(200);
        }
    }

    async fn the_smallest_answers_are_there_to_measure_against(world) {
        world.anonymous().get("/dev/hello").await.expect(200);
        world.anonymous().get("/dev/hello/key").await.refused(401, "INVALID_CREDENTIALS");
        world.merchant().get("/dev/hello/key").await.expect(200);
    }
}
