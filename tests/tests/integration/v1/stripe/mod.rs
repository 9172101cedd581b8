//! Stripe as an acquirer, through the front door: payers on its pages, and what it tells unasked.

mod fake;

use serde_json::{Value, json};
use testkit::actors::Actor;
use testkit::exchange::Exchange;
use testkit::on_both_engines;
use testkit::world::World;

use fake::{CHALLENGED, SECRET, Stripe, now, sign};

const NOTIFICATIONS: &str = "/v1/acquirers/stripe/notifications";

/// The product with Stripe as its acquirer.
async fn with_stripe(world: &mut World) -> (Stripe, Actor) {
    let stripe = Stripe::start();
    for (setting, file, text) in [("stripe_key_file", "key", "sk_test_1"), ("stripe_signing_secret_file", "secret", SECRET)] {
        let path = world.folder().join(file);
        std::fs::write(&path, text).expect("a file");
        world.set(setting, &path.display().to_string());
    }
    world.set("stripe_base_url", &stripe.url);
    world.restart().await;
    let merchant = world.merchant();
    let rules = json!({ "rules": [{ "name": "all", "route": ["stripe"] }] });
    merchant.ask("PUT", "/v1/routing-rules").json(&rules).send().await.expect(200);
    (stripe, merchant)
}

fn challenged(merchant: &Actor, amount: &str) -> Value {
    let mut body = merchant.purchase(amount);
    body["callback_url"] = json!("https://shop.example/done?a=1");
    body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(CHALLENGED);
    body
}

/// The path of the page a payment sends its payer to.
fn page(payment: &Exchange) -> String {
    let url = payment.at("/payment_method/payment_method_detail/card/redirect_url");
    url[url.find("/v1/").expect("a page of ours")..].to_owned()
}

async fn tell(world: &World, signature: &str, body: &str) -> Exchange {
    let ask = world.anonymous();
    let told = ask
        .ask("POST", NOTIFICATIONS)
        .header("stripe-signature", signature)
        .header("content-type", "application/json")
        .body(body);
    told.send().await
}

async fn becomes(world: &World, merchant: &Actor, id: &str, state: &str) -> Exchange {
    let path = format!("/v1/payments/{id}?transactions_history=true");
    world.eventually(|| merchant.get(&path), |answer| answer.status == 200 && answer.payment_state() == state).await
}

/// What came of a notification is not seen from outside: a later one that is, was worked off after it.
async fn stays(world: &World, merchant: &Actor, id: &str, state: &str) {
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    becomes(world, merchant, id, state).await;
}

on_both_engines! {
    async fn a_payer_proves_himself_at_stripe_and_comes_back(mut world) {
        let (stripe, merchant) = with_stripe(&mut world).await;
        for (proves, state) in [(true, "SUCCEEDED/APPROVED"), (false, "DECLINED/DECLINED")] {
            let made = merchant.pays(challenged(&merchant, "12 EUR")).await;
            assert_eq!(made.exchange.payment_state(), "PENDING/WAITING_ADDITIONAL_STEP");
            let page = page(&made.exchange);
            let visitor = world.anonymous();
            let sent = visitor.get(&page).await.expect(303);
            let intent = stripe.intents().pop().expect("an intent");
            assert_eq!(sent.header("location"), intent["next_action"]["redirect_to_url"]["url"].as_str());
            let back = intent["next_action"]["redirect_to_url"]["return_url"].as_str().expect("a way back").to_owned();
            assert!(back.ends_with(&format!("{page}?returned=1")), "{back}");
            let back = back[back.find("/v1/").expect("a page of ours")..].to_owned();
            let too_early = visitor.get(&back).await.expect(200);
            assert!(too_early.text().contains("Asking your bank"), "{}", too_early.text());
            stripe.payer_comes(proves);
            for _ in 0..2 {
                let returned = visitor.get(&back).await.expect(303);
                assert_eq!(returned.header("location"), Some(&*format!("https://shop.example/done?a=1&payment_id={}", made.id)));
            }
            becomes(&world, &merchant, &made.id, state).await;
            visitor.get(&page).await.expect(200);
            if proves {
                merchant.refunds(&made, "5 EUR").await.expect(200);
            }
        }
        world.verify_settled().await;
    }

    async fn a_payer_who_never_comes_back_has_paid_when_stripe_says_so(mut world) {
        let (stripe, merchant) = with_stripe(&mut world).await;
        let made = merchant.pays(challenged(&merchant, "12 EUR")).await;
        let early = Stripe::event("payment_intent.succeeded", &stripe.intents()[0]);
        tell(&world, &early.0, &early.1).await.expect(200);
        stays(&world, &merchant, &made.id, "PENDING/WAITING_ADDITIONAL_STEP").await;
        stripe.payer_comes(true);
        let (signature, body) = Stripe::event("payment_intent.succeeded", &stripe.intents()[0]);
        for _ in 0..2 {
            assert_eq!(tell(&world, &signature, &body).await.expect(200).text(), "OK");
        }
        becomes(&world, &merchant, &made.id, "SUCCEEDED/APPROVED").await;
        let late = Stripe::event("payment_intent.payment_failed", &stripe.intents()[0]);
        tell(&world, &late.0, &late.1).await.expect(200);
        stays(&world, &merchant, &made.id, "SUCCEEDED/APPROVED").await;

        let away = merchant.pays(challenged(&merchant, "7 EUR")).await;
        world.advance_seconds(15 * 60).await;
        becomes(&world, &merchant, &away.id, "EXPIRED/EXPIRED").await;
        assert_eq!(stripe.intents()[1]["status"], "canceled", "he cannot pay any more");
        world.verify_settled().await;
    }

    async fn a_lost_answer_is_told_by_a_signed_event(mut world) {
        let (stripe, merchant) = with_stripe(&mut world).await;
        let body = merchant.authorisation("12 EUR");
        let order = body["merchant_order_id"].as_str().expect("an order").to_owned();
        // The card is handed over before anything can be lost.
        let made = merchant.pays(merchant.purchase("1 EUR")).await;
        assert_eq!(made.exchange.at("/transactions/connection_data/name"), "stripe");
        let held = merchant.pays(body).await;
        stripe.deaf(true);
        merchant.captures(&held, "12 EUR").await.refused(504, "REQUEST_TIMEOUT");
        let intent = stripe.intents().pop().expect("an intent");
        let (signature, told) = Stripe::event("payment_intent.succeeded", &intent);
        tell(&world, &signature, &told).await.expect(200);
        stays(&world, &merchant, &held.id, "PENDING/AUTHORIZED").await;
        stripe.deaf(false);
        let (signature, told) = Stripe::event("payment_intent.succeeded", &intent);
        tell(&world, &signature, &told).await.expect(200);
        becomes(&world, &merchant, &held.id, "SUCCEEDED/CAPTURED").await;
        let listed = merchant.get(&format!("/v1/payments?merchant_order_id={order}")).await.expect(200).json();
        assert_eq!(listed[0]["amount"]["captured"], json!(12));
        world.verify_settled().await;
    }

    async fn disputes_at_stripe_set_money_aside_in_whatever_order_they_are_told(mut world) {
        let (stripe, merchant) = with_stripe(&mut world).await;
        let available = || async { merchant.get("/v1/balances").await.expect(200).json()["items"][0]["available"].clone() };
        let won = merchant.pays(merchant.purchase("12 EUR")).await;
        let before = available().await;
        let inquiry = Stripe::event("charge.dispute.created", &stripe.dispute("warning_needs_response"));
        tell(&world, &inquiry.0, &inquiry.1).await.expect(200);
        stays(&world, &merchant, &won.id, "SUCCEEDED/APPROVED").await;
        for _ in 0..2 {
            let (signature, body) = Stripe::event("charge.dispute.created", &stripe.dispute("needs_response"));
            tell(&world, &signature, &body).await.expect(200);
        }
        becomes(&world, &merchant, &won.id, "IN_DISPUTE/RECEIVED").await;
        assert_ne!(available().await, before);
        merchant.refunds(&won, "1 EUR").await.refused(400, "INVALID_STATUS");
        let (signature, body) = Stripe::event("charge.dispute.closed", &stripe.dispute("won"));
        tell(&world, &signature, &body).await.expect(200);
        let over = becomes(&world, &merchant, &won.id, "SUCCEEDED/APPROVED").await;
        assert_eq!((over.at("/transactions/type"), over.at("/transactions/status")), ("CHARGEBACK".into(), "WON".into()));
        assert_eq!(available().await, before);

        let lost = merchant.pays(merchant.purchase("9 EUR")).await;
        for (kind, status) in [("charge.dispute.closed", "lost"), ("charge.dispute.created", "needs_response")] {
            let (signature, body) = Stripe::event(kind, &stripe.dispute(status));
            tell(&world, &signature, &body).await.expect(200);
            becomes(&world, &merchant, &lost.id, "CHARGEBACK/LOST").await;
        }
        stays(&world, &merchant, &lost.id, "CHARGEBACK/LOST").await;
        let mut strange = stripe.dispute("needs_response");
        (strange["payment_intent"], strange["id"]) = (json!("pi_somebody_elses"), json!("dp_other"));
        let (signature, body) = Stripe::event("charge.dispute.created", &strange);
        tell(&world, &signature, &body).await.expect(200);
        world.verify_settled().await;
    }

    async fn what_stripe_did_not_sign_now_is_refused(mut world) {
        let (stripe, merchant) = with_stripe(&mut world).await;
        let paid = merchant.pays(merchant.purchase("12 EUR")).await;
        let (good, body) = Stripe::event("charge.dispute.created", &stripe.dispute("needs_response"));
        let forged = body.replace("1200", "1201");
        let old = now() - 301;
        for (signature, body) in [
            (String::new(), &body),
            ("t=1".to_owned(), &body),
            (good.clone(), &forged),
            (sign(&body, "whsec_of_another", now()), &body),
            (sign(&body, SECRET, old), &body),
            (sign(&body, SECRET, now() + 400), &body),
            (good.replace("v1=", "v0="), &body),
        ] {
            tell(&world, &signature, body).await.refused(401, "INVALID_CREDENTIALS");
        }
        world.anonymous().ask("POST", NOTIFICATIONS).body(body.clone()).send().await.refused(401, "INVALID_CREDENTIALS");
        for (unreadable, code) in [
            ("", "INVALID_REQUEST"),
            ("[]", "INVALID_REQUEST"),
            ("{}", "MISSING_PARAMETERS"),
            ("{\"id\":1}", "MISSING_PARAMETERS"),
        ] {
            tell(&world, &sign(unreadable, SECRET, now()), unreadable).await.refused(400, code);
        }
        let live = body.replace("\"livemode\":false", "\"livemode\":true");
        tell(&world, &sign(&live, SECRET, now()), &live).await.expect(200);
        stays(&world, &merchant, &paid.id, "SUCCEEDED/APPROVED").await;
        world.verify_settled().await;
    }
}

#[test]
fn without_a_signing_secret_there_is_no_such_route() {
    testkit::world::tell("no-stripe", testkit::world::Engine::Sqlite, |world: World| async move {
        let answer = world.anonymous().ask("POST", NOTIFICATIONS).body("{}").send().await.refused(404, "NOT_FOUND");
        let unknown = world.anonymous().ask("POST", "/v1/acquirers/nobody/notifications").body("{}").send().await;
        assert_eq!(answer.text(), unknown.text());
    });
}
