//! One-time tokens: made with or without a checkout session, good for one payment within fifteen minutes.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::actors::Actor;
use testkit::exchange::{Exchange, show};
use testkit::on_both_engines;
use testkit::world::{Engine, World, tell};

use super::customers::customer;
use super::payment_methods::{card, enrol};

on_both_engines! {
    async fn a_session_is_paid_with_a_token_once(world) {
        let merchant = world.merchant();
        let session = session(&merchant, json!({})).await;
        let path = format!("/v1/checkout/sessions/{session}");
        merchant.get(&format!("{path}/payment")).await.refused(400, "PAYMENT_NOT_FOUND");
        let body = json!({ "payment_method": { "type": "CARD", "card": { "card_data": card("4507990000000002") } } });
        let made = merchant.post_once(&format!("{path}/token"), "t", &body).await.expect(201);
        assert_eq!(made.body, merchant.post_once(&format!("{path}/token"), "t", &json!({})).await.expect(201).body);
        let token = made.at("/token");
        assert_eq!(made.header("content-type"), Some("application/json; charset=utf-8"));
        let foreign = pay(&world.intruder(), "DIRECT", None, json!({ "token": token })).await.refused(400, "INVALID_TOKEN");
        assert_eq!(foreign.at("/messages/0"), "the one-time token is not valid: it is used, too old or not yours");

        let paid = pay(&merchant, "SDK_CHECKOUT", Some(&session), json!({ "token": token })).await.expect(201);
        assert_eq!((paid.payment_state(), paid.at("/payment_method/token")), ("SUCCEEDED/APPROVED".into(), token.clone()));
        pay(&merchant, "DIRECT", None, json!({ "token": token })).await.refused(400, "INVALID_TOKEN");
        assert_eq!(merchant.get(&format!("{path}/payment")).await.expect(200).at("/id"), paid.at("/id"));
        assert_eq!(merchant.get(&path).await.expect(200).json()["used"], json!(true));
        merchant.post(&format!("{path}/token"), body).await.refused(400, "CHECKOUT_SESSION_NOT_FOUND");
        merchant.ask("PATCH", &path).json(&json!({ "country": "NO" })).send().await.refused(400, "CHECKOUT_SESSION_NOT_FOUND");
        assert_snapshot!("token", show(&[&made]));
        world.verify_settled().await;
    }

    async fn of_many_payments_with_one_token_one_goes_through(world) {
        let merchant = world.merchant();
        let token = token(&merchant, json!({})).await.expect(201).at("/token");
        let mut paying = Vec::new();
        for _ in 0..12 {
            paying.push(pay(&merchant, "DIRECT", None, json!({ "token": token })));
        }
        let mut answers = Vec::new();
        let mut running = paying.into_iter().map(Box::pin).collect::<Vec<_>>();
        std::future::poll_fn(|context| {
            running.retain_mut(|one| match one.as_mut().poll(context) {
                std::task::Poll::Ready(answer) => {
                    answers.push(answer);
                    false
                }
                std::task::Poll::Pending => true,
            });
            if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        let went_through = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(went_through, 1);
        assert!(answers.iter().filter(|answer| answer.status != 201).all(|answer| answer.code() == "INVALID_TOKEN"));
        world.verify_settled().await;
    }

    async fn a_token_is_over_after_fifteen_minutes(world) {
        let merchant = world.merchant();
        let early = token(&merchant, json!({})).await.expect(201).at("/token");
        let late = token(&merchant, json!({})).await.expect(201).at("/token");
        world.advance_seconds(15 * 60 - 30).await;
        pay(&merchant, "DIRECT", None, json!({ "token": early })).await.expect(201);
        world.advance_seconds(31).await;
        pay(&merchant, "DIRECT", None, json!({ "token": late })).await.refused(400, "INVALID_TOKEN");
        // What is left of it is destroyed; verify says so after five minutes of grace.
        world.advance_seconds(6 * 60).await;
        world.verify_settled().await;
        world.advance_seconds(27 * 3_600).await;
        world.verify_settled().await;
    }

    /// After a restart the writer remembers none of their rows.
    async fn all_tokens_whose_time_is_over_go_at_once(mut world) {
        let merchant = world.merchant();
        for _ in 0..40 {
            token(&merchant, json!({})).await.expect(201);
        }
        world.restart().await;
        world.advance_seconds(16 * 60).await;
        world.verify_settled().await;
        assert_eq!(world.merchant().get("/v1/balances").await.status, 200);
    }

    async fn a_session_that_was_paid_is_refused_before_its_token_is(world) {
        let merchant = world.merchant();
        let session = session(&merchant, json!({})).await;
        let path = format!("/v1/checkout/sessions/{session}/token");
        let body = json!({ "payment_method": { "type": "CARD", "card": { "card_data": card("4507990000000002") } } });
        let token = merchant.post(&path, body).await.expect(201).at("/token");
        pay(&merchant, "CHECKOUT", Some(&session), json!({ "token": token })).await.expect(201);
        let again = pay(&merchant, "CHECKOUT", Some(&session), json!({ "token": token })).await;
        again.refused(400, "CHECKOUT_SESSION_NOT_FOUND");
        world.verify_settled().await;
    }

    async fn a_token_dies_with_the_customer_it_was_made_for(world) {
        let merchant = world.merchant();
        let [ada, bob] = [customer(&merchant, "ada").await, customer(&merchant, "bob").await];
        let session = session(&merchant, json!({ "customer_id": ada })).await;
        let body = json!({ "payment_method": { "type": "CARD", "card": { "card_data": card("4507990000000002") } } });
        let opened = json!({ "account_id": merchant.account_id, "country": "FR", "customer_id": ada });
        let opened = merchant.post("/v1/customers/sessions", opened).await.expect(201).at("/customer_session");
        let of_ada = [
            token(&merchant, json!({ "customer_payer": { "id": ada } })).await.expect(201).at("/token"),
            token(&merchant, json!({ "customer_session": opened })).await.expect(201).at("/token"),
            merchant.post(&format!("/v1/checkout/sessions/{session}/token"), body).await.expect(201).at("/token"),
        ];
        let of_bob = token(&merchant, json!({ "customer_payer": { "id": bob } })).await.expect(201).at("/token");
        merchant.ask("DELETE", &format!("/v1/customers/{ada}")).send().await.expect(202);
        for token in of_ada {
            pay(&merchant, "DIRECT", None, json!({ "token": token })).await.refused(400, "INVALID_TOKEN");
            enrol(&merchant, &bob, Value::Null, json!({ "token": token })).await.refused(400, "INVALID_TOKEN");
        }
        pay(&merchant, "DIRECT", None, json!({ "token": of_bob })).await.expect(201);
        // Number and code go when the token's time is over, as of every other.
        world.advance_seconds(21 * 60).await;
        world.verify_settled().await;
    }

    async fn the_customer_of_a_session_is_shown_with_the_payment_that_is_his(world) {
        let merchant = world.merchant();
        let ada = customer(&merchant, "ada").await;
        let paid = async |named: Value| {
            let session = session(&merchant, json!({ "customer_id": ada })).await;
            let token = token(&merchant, json!({})).await.expect(201).at("/token");
            let mut body = paying(&merchant, "SDK_CHECKOUT", Some(&session), &json!({ "token": token }));
            body["customer_payer"] = named;
            merchant.post("/v1/payments", body).await.expect(201)
        };
        let unnamed = paid(Value::Null).await;
        let named = paid(json!({ "id": ada })).await;
        assert_eq!(unnamed.at("/customer_payer/id"), ada);
        assert_eq!(unnamed.json()["customer_payer"], named.json()["customer_payer"], "as where he is named");
        assert_eq!(merchant.get(&format!("/v1/payments/{}", unnamed.at("/id"))).await.at("/customer_payer/id"), ada);
        let inline = paid(json!({ "first_name": "Ada" })).await;
        assert_eq!((inline.at("/customer_payer/first_name"), inline.at("/customer_payer/id")), ("Ada".into(), String::new()));
        let session = session(&merchant, json!({})).await;
        let token = token(&merchant, json!({})).await.expect(201).at("/token");
        let nobody = pay(&merchant, "SDK_CHECKOUT", Some(&session), json!({ "token": token })).await.expect(201);
        assert_eq!(nobody.json()["customer_payer"], Value::Null);
        world.verify_settled().await;
    }

    async fn a_token_that_never_left_the_house_can_be_used_again(world) {
        let merchant = world.merchant();
        let token = token(&merchant, json!({})).await.expect(201).at("/token");
        world.acquirer("down").await;
        let body = paying(&merchant, "DIRECT", None, &json!({ "token": token }));
        merchant.post_once("/v1/payments", "again", &body).await.refused(503, "PROVIDER_UNAVAILABLE");
        world.acquirer("normal").await;
        let paid = merchant.post_once("/v1/payments", "again", &body).await.expect(201);
        assert_eq!(paid.payment_state(), "SUCCEEDED/APPROVED");
        let replay = merchant.post_once("/v1/payments", "again", &body).await.expect(201);
        assert_eq!((replay.body == paid.body, replay.header("idempotent-replayed")), (true, Some("true")));
        world.verify_settled().await;
    }

    async fn a_decline_uses_the_token_up_and_frees_the_session(world) {
        let merchant = world.merchant();
        let session = session(&merchant, json!({})).await;
        let declined = token(&merchant, json!({ "card_data": card("4507990000000010") })).await.expect(201).at("/token");
        let answer = pay(&merchant, "CHECKOUT", Some(&session), json!({ "token": declined })).await.expect(201);
        assert_eq!(answer.payment_state(), "DECLINED/DECLINED");
        pay(&merchant, "CHECKOUT", Some(&session), json!({ "token": declined })).await.refused(400, "INVALID_TOKEN");
        let good = token(&merchant, json!({})).await.expect(201).at("/token");
        pay(&merchant, "CHECKOUT", Some(&session), json!({ "token": good })).await.expect(201);
        world.verify_settled().await;
    }

    async fn a_session_is_changed_and_ends_after_five_hours(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let session = session(&merchant, json!({ "callback_url": "https://shop.example/a" })).await;
        let path = format!("/v1/checkout/sessions/{session}");
        let change = json!({ "amount": { "currency": "EUR", "value": 7 }, "customer_id": id, "callback_url": null,
            "metadata": [{ "key": "a", "value": "b" }] });
        let patched = merchant.ask("PATCH", &path).json(&change).send().await.expect(200);
        assert_eq!(merchant.get(&path).await.expect(200).json(), patched.json());
        assert_eq!((patched.at("/customer_id"), patched.at("/callback_url"), patched.at("/payment_description")),
            (id.clone(), String::new(), "A basket".into()));
        assert_eq!(patched.json()["amount"], json!({ "currency": "EUR", "value": 7 }));
        let cleared = merchant.ask("PATCH", &path).json(&json!({ "amount": null })).send().await.expect(200);
        assert_eq!((cleared.json()["amount"].clone(), cleared.at("/customer_id")), (Value::Null, id));
        for (body, code) in [
            (json!({ "customer_id": "0199a8b4-1f7e-7c3a-8000-0123456789ab" }), "CUSTOMER_NOT_FOUND"),
            (json!({ "customer_id": "no id" }), "CUSTOMER_NOT_FOUND"),
            (json!({ "country": "ZZ" }), "COUNTRY_NOT_SUPPORTED"),
            (json!({ "amount": { "currency": "EUR", "value": 0 } }), "INVALID_AMOUNT"),
        ] {
            merchant.ask("PATCH", &path).json(&body).send().await.refused(400, code);
        }
        world.advance_seconds(5 * 3_600).await;
        merchant.ask("PATCH", &path).json(&json!({ "country": "NO" })).send().await.refused(400, "CHECKOUT_SESSION_NOT_FOUND");
        world.verify_settled().await;
    }
}

#[test]
fn a_sweeper_destroys_the_cards_of_tokens_whose_time_is_over() {
    tell("token_sweeper", Engine::Postgres, |mut world: World| async move {
        let merchant = world.merchant();
        token(&merchant, json!({})).await.expect(201);
        let database = world.shared_database().expect("it is on PostgreSQL");
        database.psql("UPDATE token SET expires_at = 1").expect("it is changed");
        world.restart().await; // what the process remembered of the token is forgotten
        let until = Instant::now() + Duration::from_secs(20);
        while database.psql("SELECT count(*) FROM vault_record").expect("it is read").trim() != "0" {
            assert!(Instant::now() < until, "the sweeper comes in time");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

/// Opens a checkout session and gives its id.
pub(super) async fn session(merchant: &Actor, more: Value) -> String {
    let mut body = json!({ "account_id": merchant.account_id, "merchant_order_id": "order-1", "payment_description": "A basket", "country": "FR" });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    merchant.post("/v1/checkout/sessions", body).await.expect(200).at("/checkout_session")
}

/// Makes a token for the card that is approved.
pub(super) async fn token(merchant: &Actor, more: Value) -> Exchange {
    let mut body = json!({ "account_id": merchant.account_id, "card_data": card("4507990000000002") });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    merchant.post("/v1/tokens", body).await
}

pub(super) fn paying(merchant: &Actor, workflow: &str, session: Option<&str>, source: &Value) -> Value {
    let mut body = merchant.purchase("5 EUR");
    body["workflow"] = json!(workflow);
    if let Some(session) = session {
        body["checkout"] = json!({ "session": session });
    }
    body["payment_method"] = json!({ "type": "CARD" });
    body["payment_method"].as_object_mut().expect("an object").extend(source.as_object().expect("an object").clone());
    body
}

/// Pays 5 EUR with a token or a stored card.
pub(super) async fn pay(merchant: &Actor, workflow: &str, session: Option<&str>, source: Value) -> Exchange {
    merchant.post("/v1/payments", paying(merchant, workflow, session, &source)).await
}
