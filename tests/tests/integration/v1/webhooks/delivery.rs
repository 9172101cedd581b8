//! What is sent: each change once, in the commit's own words, until it is confirmed.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use testkit::on_both_engines;
use testkit::receiver::{Does, Received, Receiver};

use super::{PATIENCE, body, delivered, deliveries, hooked, webhook};

fn signed(key: &[u8], message: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("any key");
    mac.update(message);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The signature that a receiver with this signing secret expects.
fn expected(secret: &str, received: &Received) -> String {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).expect("base64");
    let head = format!("{}.{}.", received.header("webhook-id"), received.header("webhook-timestamp"));
    format!("v1,{}", signed(&key, &[head.as_bytes(), &received.body].concat()))
}

on_both_engines! {
    async fn a_purchase_is_told_once_with_the_payment_as_it_stood(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        let mut ask = webhook(&merchant, &receiver.url("/hook?x=1"));
        ask["api_key"] = json!("key-of-the-shop");
        ask["secret"] = json!("hush");
        ask["hmac_client_secret"] = json!("hmac-of-the-shop");
        let hook = merchant.post("/v1/webhooks", ask).await.expect(201);
        let paid = merchant.pays(merchant.purchase("12.50 EUR")).await;
        let received = receiver.wait_for(1, PATIENCE)[0].clone();
        assert_eq!(received.path, "/hook?x=1");
        assert_eq!(received.header("content-type"), "application/json; charset=utf-8");
        assert_eq!((received.header("x-api-key"), received.header("x-secret")), ("key-of-the-shop", "hush"));
        assert_eq!(received.header("x-hmac-signature"), signed(b"hmac-of-the-shop", &received.body));
        assert_eq!(received.header("webhook-signature"), expected(&hook.at("/signing_secret"), &received));
        let told = body(&received);
        assert_eq!(told["data"]["idempotency_key"], received.header("webhook-id"));
        assert_eq!(told["data"]["payment"], paid.exchange.json(), "the payment as the request was answered");
        let mut frame = told.clone();
        frame["data"] = json!(null);
        assert_eq!(frame, json!({ "type": "payment", "type_event": "payment.purchase", "account_id": merchant.account_id,
            "retry": 0, "version": 2, "data": null }));
        let log = deliveries(&world, &merchant, &hook.at("/id"), delivered(1)).await;
        assert_eq!((&log[0]["id"], &log[0]["sends"], &log[0]["http_status"]), (&json!(received.header("webhook-id")), &json!(1), &json!(200)));
        assert_eq!((&log[0]["type_event"], &log[0]["subject"]), (&json!("payment.purchase"), &json!(paid.id)));

        let outbox = world.anonymous().get(&format!("/dev/outbox?kind=webhook&to={}", receiver.url("/hook%3Fx=1"))).await.expect(200).json();
        let message = &outbox["messages"][0];
        assert_eq!((&message["kind"], &message["subject"], &message["status"]), (&json!("webhook"), &json!("payment.purchase"), &json!("DELIVERED")));
        assert_eq!(message["text"].as_str().map(str::as_bytes), Some(&*received.body));
        assert_eq!(world.anonymous().get("/dev/outbox?kind=sms").await.expect(200).json(), json!({ "messages": [] }));
        let page = world.anonymous().ask("GET", "/dev/outbox").header("accept", "text/html").send().await.expect(200);
        assert!(page.text().contains("payment.purchase") && page.text().contains("hook?x=1"), "{}", page.text());
        let about = format!("{} · {}", paid.exchange.at("/merchant_order_id"), paid.id);
        assert!(page.text().contains(&about), "{about}: {}", page.text());
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(receiver.received().len(), 1, "what is confirmed is not sent again");
        world.verify_settled().await;
    }

    async fn what_waits_for_a_deleted_receiver_is_given_up_with_it(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(500));
        let hook = hooked(&merchant, &receiver.url("/gone")).await;
        for _ in 0..3 {
            merchant.pays(merchant.purchase("5 EUR")).await;
        }
        // Each was tried once, and would be again in five minutes.
        deliveries(&world, &merchant, &hook.at("/id"), |all| all.len() == 3 && all.iter().all(|one| one["sends"] == 1)).await;
        merchant.ask("DELETE", &format!("/v1/webhooks/{}", hook.at("/id"))).send().await.expect(200);
        let outbox = format!("/dev/outbox?to={}", receiver.url("/gone"));
        let given_up = |answer: &testkit::exchange::Exchange| {
            let shown = answer.json();
            let messages = shown["messages"].as_array().expect("a list");
            messages.len() == 3 && messages.iter().all(|one| one["status"] == "DROPPED")
        };
        let anybody = world.anonymous();
        world.eventually(|| anybody.get(&outbox), given_up).await;
        world.verify_settled().await;
        world.advance_seconds(60 * 60).await;
        world.verify_settled().await;
        assert_eq!(receiver.received().len(), 3, "nobody is told any more");
    }

    async fn what_is_captured_by_itself_is_told_like_any_capture(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        let hook = hooked(&merchant, &receiver.url("/")).await;
        let mut held = merchant.authorisation("10 EUR");
        held["payment_method"]["detail"]["card"]["delayed_capture_settings"] = json!({ "delay": "PT1H" });
        let held = merchant.pays(held).await;
        receiver.wait_for(1, PATIENCE);
        world.advance_seconds(60 * 60).await;
        let told = body(&receiver.wait_for(2, PATIENCE)[1]);
        assert_eq!((&told["type_event"], &told["data"]["payment"]["id"]), (&json!("payment.capture"), &json!(held.id)));
        assert_eq!(told["data"]["payment"]["sub_status"], json!("CAPTURED"));
        deliveries(&world, &merchant, &hook.at("/id"), delivered(2)).await;
        world.verify_settled().await;
    }

    async fn every_change_of_a_transaction_is_told_and_nothing_else(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        let hook = hooked(&merchant, &receiver.url("/")).await;
        let mut expected = Vec::new();
        let mut tell = |event: &str, status: &str, answer: &testkit::exchange::Exchange| {
            let transaction = if answer.json()["transactions"].is_object() { answer.at("/transactions/id") } else { answer.at("/id") };
            expected.push((event.to_owned(), transaction, status.to_owned()));
        };
        let held = merchant.pays(merchant.authorisation("10 EUR")).await;
        tell("payment.authorize", "SUCCEEDED", &held.exchange);
        let captured = merchant.captures(&held, "4 EUR").await.expect(200);
        tell("payment.capture", "SUCCEEDED", &captured);
        let dropped = merchant.pays(merchant.authorisation("7 EUR")).await;
        tell("payment.authorize", "SUCCEEDED", &dropped.exchange);
        tell("payment.cancel", "SUCCEEDED", &merchant.operate(&dropped, "cancel", json!({})).await.expect(200));
        let paid = merchant.pays(merchant.purchase("9 EUR")).await;
        tell("payment.purchase", "SUCCEEDED", &paid.exchange);
        tell("payment.refund", "SUCCEEDED", &merchant.refunds(&paid, "2 EUR").await.expect(200));
        let mut declined = merchant.purchase("5 EUR");
        declined["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(world.card("do_not_honor"));
        tell("payment.purchase", "DECLINED", &merchant.pays(declined).await.exchange);
        let mut wrong = merchant.purchase("5 EUR");
        wrong["payment_method"]["detail"]["card"]["card_data"]["number"] = json!("4507990000000003");
        tell("payment.purchase", "DECLINED", &merchant.post("/v1/payments", wrong).await.expect(201));
        let mut verify = merchant.purchase("0 EUR");
        verify["payment_method"]["detail"]["card"]["verify"] = json!(true);
        tell("payment.verify", "SUCCEEDED", &merchant.pays(verify).await.exchange);
        // Nothing happened there, so nothing is told.
        world.acquirer("down").await;
        merchant.post("/v1/payments", merchant.purchase("5 EUR")).await.refused(503, "PROVIDER_UNAVAILABLE");
        world.acquirer("normal").await;
        // Somebody else's receivers hear nothing of it, nor this one of somebody else's.
        let intruder = world.intruder();
        intruder.pays(intruder.purchase("3 EUR")).await;

        receiver.wait_for(expected.len(), PATIENCE);
        deliveries(&world, &merchant, &hook.at("/id"), delivered(expected.len())).await;
        let mut told: Vec<_> = receiver.received().iter().map(body).map(|told| {
            let transaction = &told["data"]["payment"]["transactions"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&told["type_event"]), text(&transaction["id"]), text(&transaction["status"]))
        }).collect();
        told.sort();
        expected.sort();
        assert_eq!(told, expected);
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(receiver.received().len(), expected.len());
        world.verify_settled().await;
    }

    async fn an_unknown_outcome_is_told_and_then_what_it_was(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        hooked(&merchant, &receiver.url("/")).await;
        world.acquirer("timeout_after_charge").await;
        merchant.post("/v1/payments", merchant.purchase("5 EUR")).await.refused(504, "REQUEST_TIMEOUT");
        let pending = body(&receiver.wait_for(1, PATIENCE)[0]);
        assert_eq!(pending["data"]["payment"]["transactions"]["status"], "PENDING");
        world.acquirer("normal").await;
        let settled = body(&receiver.wait_for(2, PATIENCE)[1]);
        assert_eq!(settled["data"]["payment"]["transactions"]["status"], "SUCCEEDED");
        assert_eq!(settled["data"]["payment"]["id"], pending["data"]["payment"]["id"]);
        assert_ne!(settled["data"]["idempotency_key"], pending["data"]["idempotency_key"]);
        world.verify().await;
    }

    async fn a_receiver_that_fails_is_tried_seven_times_and_can_be_sent_to_again(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(500));
        receiver.next([Does::HangUp, Does::Redirect(receiver.url("/elsewhere")), Does::Answer(201)]);
        let hook = hooked(&merchant, &receiver.url("/")).await;
        merchant.pays(merchant.purchase("5 EUR")).await;
        let id = hook.at("/id");
        let mut waited = 0;
        for (tries, offset) in [(1, 300), (2, 3_000), (3, 21_600), (4, 86_400), (5, 172_800), (6, 345_600)] {
            let log = deliveries(&world, &merchant, &id, |all| all.len() == 1 && all[0]["sends"] == tries).await;
            assert_eq!(log[0]["status"], "PENDING");
            world.advance_seconds(offset - waited).await;
            waited = offset;
        }
        let log = deliveries(&world, &merchant, &id, |all| all[0]["status"] == "FAILED").await;
        assert_eq!((&log[0]["sends"], &log[0]["next_try_at"]), (&json!(7), &json!(null)));
        let said: Vec<_> = log[0]["tries"].as_array().expect("a list").iter().map(|one| (one["http_status"].clone(), one["failure"].clone())).collect();
        assert_eq!(said[0], (json!(null), json!("CONNECTION_BROKEN")));
        assert_eq!(said[1..].iter().map(|(status, _)| status.clone()).collect::<Vec<_>>(), [302, 201, 500, 500, 500, 500].map(|status| json!(status)));
        let received = receiver.received();
        assert_eq!(received.iter().map(|one| body(one)["retry"].clone()).collect::<Vec<_>>(), (0..7).map(|retry| json!(retry)).collect::<Vec<_>>());
        assert!(received.iter().all(|one| one.path == "/"), "no redirect is followed");
        let ids: std::collections::BTreeSet<_> = received.iter().map(|one| one.header("webhook-id")).collect();
        assert_eq!(ids.len(), 1);
        world.verify_settled().await;

        receiver.usually(Does::Answer(200));
        let event = log[0]["id"].as_str().expect("an id");
        let resend = format!("/v1/webhooks/{id}/deliveries/{event}/resend");
        let again = merchant.ask("POST", &resend).send().await.expect(200);
        assert_eq!(again.at("/status"), "PENDING");
        let log = deliveries(&world, &merchant, &id, delivered(1)).await;
        assert_eq!(log[0]["sends"], 8);
        assert_eq!(body(&receiver.received()[7])["retry"], 0);
        assert_eq!(receiver.received()[7].header("webhook-id"), event);
        merchant.ask("POST", &format!("/v1/webhooks/{id}/deliveries/{id}/resend")).send().await.refused(404, "WEBHOOK_NOT_FOUND");
        world.verify_settled().await;
    }

    async fn a_receiver_that_is_gone_is_switched_off(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(410));
        let hook = hooked(&merchant, &receiver.url("/")).await;
        let path = format!("/v1/webhooks/{}", hook.at("/id"));
        merchant.pays(merchant.purchase("5 EUR")).await;
        world.eventually(|| merchant.get(&path), |answer| answer.at("/state") == "INACTIVE").await;
        merchant.pays(merchant.purchase("5 EUR")).await;
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert_eq!(receiver.received().len(), 1, "it is told nothing more");
        let log = deliveries(&world, &merchant, &hook.at("/id"), |all| all[0]["status"] == "DROPPED").await;
        assert_eq!(log.len(), 1);
        let resend = format!("{path}/deliveries/{}/resend", log[0]["id"].as_str().expect("an id"));
        merchant.ask("POST", &resend).send().await.refused(400, "WEBHOOK_INVALID_REQUEST");
        receiver.usually(Does::Answer(200));
        merchant.ask("PATCH", &path).json(&json!({ "state": "ACTIVE" })).send().await.expect(200);
        merchant.pays(merchant.purchase("5 EUR")).await;
        receiver.wait_for(2, PATIENCE);
        merchant.ask("POST", &resend).send().await.expect(200);
        deliveries(&world, &merchant, &hook.at("/id"), delivered(2)).await;
        world.verify_settled().await;
    }

    async fn a_huge_answer_is_not_read_and_does_no_harm(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Flood(50_000_000));
        let hook = hooked(&merchant, &receiver.url("/")).await;
        merchant.pays(merchant.purchase("5 EUR")).await;
        let log = deliveries(&world, &merchant, &hook.at("/id"), delivered(1)).await;
        assert_eq!(log[0]["sends"], 1);
    }

    async fn a_slow_receiver_delays_nobody(world) {
        let merchant = world.merchant();
        let (slow, quick) = (Receiver::start(Does::Wait(Duration::from_mins(1))), Receiver::start(Does::Answer(200)));
        let lame = hooked(&merchant, &slow.url("/")).await;
        hooked(&merchant, &quick.url("/")).await;
        let began = Instant::now();
        for _ in 0..8 {
            let asked = Instant::now();
            merchant.pays(merchant.purchase("5 EUR")).await;
            assert!(asked.elapsed() < Duration::from_secs(5), "checkout does not wait for a receiver");
        }
        quick.wait_for(8, Duration::from_secs(9));
        assert!(began.elapsed() < Duration::from_secs(10));
        slow.wait_for(4, PATIENCE);
        assert_eq!(slow.most_at_once(), 4, "one address has so many requests at once");
        // After ten seconds each is given up for now.
        let late = deliveries(&world, &merchant, &lame.at("/id"), |all| all.iter().filter(|one| one["failure"] == "TIMEOUT").count() >= 4).await;
        let took: Vec<_> = late.iter().filter_map(|one| one["tries"][0]["milliseconds"].as_u64()).collect();
        assert!(took.iter().all(|took| (10_000..12_000).contains(took)), "{took:?}");
        world.verify().await;
    }

    async fn what_was_sent_but_not_recorded_is_sent_again_under_the_same_id(mut world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        receiver.next([Does::Wait(Duration::from_secs(5))]);
        let hook = hooked(&merchant, &receiver.url("/")).await;
        merchant.pays(merchant.purchase("5 EUR")).await;
        receiver.wait_for(1, PATIENCE);
        world.crash().await;
        let merchant = world.merchant();
        let received = receiver.wait_for(2, Duration::from_mins(1));
        assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
        assert_eq!(received[0].body, received[1].body);
        deliveries(&world, &merchant, &hook.at("/id"), delivered(1)).await;
        world.verify_settled().await;
    }

    async fn two_signing_secrets_sign_for_a_day(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        let hook = hooked(&merchant, &receiver.url("/")).await;
        let rotated = merchant.ask("POST", &format!("/v1/webhooks/{}/rotate", hook.at("/id"))).send().await.expect(200);
        let (old, new) = (hook.at("/signing_secret"), rotated.at("/signing_secret"));
        merchant.pays(merchant.purchase("5 EUR")).await;
        let first = receiver.wait_for(1, PATIENCE)[0].clone();
        assert_eq!(first.header("webhook-signature"), format!("{} {}", expected(&new, &first), expected(&old, &first)));
        world.advance_seconds(24 * 3_600).await;
        merchant.pays(merchant.purchase("5 EUR")).await;
        let second = receiver.wait_for(2, PATIENCE)[1].clone();
        assert_eq!(second.header("webhook-signature"), expected(&new, &second));
        let late: i64 = second.header("webhook-timestamp").parse().expect("a number");
        let early: i64 = first.header("webhook-timestamp").parse().expect("a number");
        assert!((0..60).contains(&(late - early)), "receivers check it against their own watch, so it is real time");
    }

    async fn what_is_over_leaves_the_log_after_a_month(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        // Of purchases alone: a hold of the demo's own data is let go within that month.
        let mut ask = webhook(&merchant, &receiver.url("/"));
        ask["payment_triggers"] = json!(["PURCHASE"]);
        let hook = merchant.post("/v1/webhooks", ask).await.expect(201);
        merchant.pays(merchant.purchase("5 EUR")).await;
        deliveries(&world, &merchant, &hook.at("/id"), delivered(1)).await;
        world.advance_seconds(31 * 86_400).await;
        merchant.pays(merchant.purchase("6 EUR")).await;
        receiver.wait_for(2, PATIENCE);
        let path = format!("/v1/webhooks/{}/deliveries", hook.at("/id"));
        let until = Instant::now() + Duration::from_mins(1);
        while merchant.get(&path).await.json()["deliveries"].as_array().map(Vec::len) != Some(1) {
            assert!(Instant::now() < until, "the first one is still in the log");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(deliveries(&world, &merchant, &hook.at("/id"), delivered(1)).await[0]["sends"], 1);
        world.verify_settled().await;
    }

    async fn who_has_no_webhook_costs_no_row(world) {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        let mut ask = webhook(&merchant, &receiver.url("/"));
        ask["payment_triggers"] = json!(["CHARGEBACK"]);
        merchant.post("/v1/webhooks", ask).await.expect(201);
        merchant.pays(merchant.purchase("5 EUR")).await;
        let intruder = world.intruder();
        intruder.pays(intruder.purchase("5 EUR")).await;
        assert_eq!(world.anonymous().get("/dev/outbox").await.expect(200).json(), json!({ "messages": [] }));
        if let Some(database) = world.database() {
            let count = database.psql("SELECT count(*) FROM webhook_event").expect("it runs");
            assert_eq!(count, "0");
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(receiver.received().is_empty());
        world.verify_settled().await;
    }
}
