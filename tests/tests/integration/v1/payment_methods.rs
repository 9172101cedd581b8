//! Stored payment methods: enrolled directly, through a session, and by a payment; used, listed and taken off.

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::actors::Actor;
use testkit::exchange::{Exchange, show};
use testkit::on_both_engines;

use super::customers::customer;
use super::tokens::{pay, paying, session, token};

const NOBODY: &str = "0199a8b4-1f7e-7c3a-8000-0123456789ab";

on_both_engines! {
    async fn a_card_is_enrolled_once_for_a_customer(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let path = format!("/v1/customers/{id}/payment-methods");
        let body = enrolling(&merchant, &card("4507990000000002"), &json!({}));
        let made = merchant.post_once(&path, "one", &body).await.expect(201);
        let replay = merchant.post_once(&path, "one", &body).await.expect(201);
        assert_eq!((replay.body == made.body, replay.header("idempotent-replayed")), (true, Some("true")));
        assert_eq!((made.at("/status"), made.at("/name")), ("ENROLLED".into(), "VISA ****0002".into()));
        assert_ne!(made.at("/id"), made.at("/vaulted_token"));
        assert_eq!(made.json()["card_data"]["security_code_length"], json!(0));
        // The same card again is the same method, as a card, as a token, and renewed.
        let mut renewed = card("4507 9900 0000 0002");
        renewed["expiration_year"] = json!(2098);
        let again = enrol(&merchant, &id, renewed, json!({})).await.expect(201);
        assert_eq!((again.at("/id"), again.json()["card_data"]["expiration_year"].clone()), (made.at("/id"), json!(2099)));
        let by_token = token(&merchant, json!({})).await.expect(201).at("/token");
        let mut body = enrolling(&merchant, &card("4507990000000002"), &json!({ "token": by_token }));
        body.as_object_mut().expect("an object").remove("card_data");
        assert_eq!(merchant.post(&path, body.clone()).await.expect(201).at("/id"), made.at("/id"));
        merchant.post(&path, body).await.refused(400, "INVALID_TOKEN");
        // Another customer has it as another method.
        let other = customer(&merchant, "bob").await;
        assert_ne!(enrol(&merchant, &other, card("4507990000000002"), json!({})).await.expect(201).at("/id"), made.at("/id"));

        let second = enrol(&merchant, &id, card("5252440000000002"), json!({})).await.expect(201);
        let listed = merchant.get(&path).await.expect(200).json();
        let ids: Vec<_> = listed["payment_methods"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
        assert_eq!(ids, [json!(second.at("/id")), json!(made.at("/id"))]);
        let read = merchant.get(&format!("{path}/{}", made.at("/id"))).await.expect(200);
        assert_eq!(read.json(), merchant.get(&format!("/v1/payment-methods/{}", made.at("/id"))).await.expect(200).json());
        merchant.get(&format!("/v1/customers/{other}/payment-methods/{}", made.at("/id"))).await.refused(400, "PAYMENT_METHOD_NOT_FOUND");
        assert_snapshot!("enrolled", show(&[&made]));
        world.verify_settled().await;
    }

    async fn a_card_enrolled_many_times_at_once_is_one_method(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        for verify in [json!({}), json!({ "verify": { "vault_on_success": true, "currency": "EUR" } })] {
            let number = if verify == json!({}) { "4507990000000002" } else { "5252440000000002" };
            let mut running: Vec<_> = (0..8).map(|_| Box::pin(enrol(&merchant, &id, card(number), verify.clone()))).collect();
            let mut ids = std::collections::BTreeSet::new();
            std::future::poll_fn(|context| {
                running.retain_mut(|one| match one.as_mut().poll(context) {
                    std::task::Poll::Ready(answer) => {
                        assert_eq!((answer.status, answer.at("/status").as_str()), (201, "ENROLLED"), "{}", show(&[&answer]));
                        ids.insert(answer.at("/id"));
                        false
                    }
                    std::task::Poll::Pending => true,
                });
                if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            assert_eq!(ids.len(), 1);
        }
        world.verify_settled().await;
    }

    async fn a_stored_card_pays_for_its_customer_only(world) {
        let merchant = world.merchant();
        let (ada, bob) = (customer(&merchant, "ada").await, customer(&merchant, "bob").await);
        let method = enrol(&merchant, &ada, card("4507990000000002"), json!({})).await.expect(201);
        let vaulted = method.at("/vaulted_token");
        let with = |customer: &str| {
            let mut body = paying(&merchant, "DIRECT", None, &json!({ "vaulted_token": vaulted }));
            body["customer_payer"] = json!({ "id": customer });
            body
        };
        merchant.post("/v1/payments", with(&bob)).await.refused(400, "INVALID_CUSTOMER_FOR_TOKEN");
        merchant.post("/v1/payments", with(NOBODY)).await.refused(400, "INVALID_CUSTOMER_FOR_TOKEN");
        pay(&world.intruder(), "DIRECT", None, json!({ "vaulted_token": vaulted })).await.refused(400, "PAYMENT_METHOD_NOT_FOUND");
        let paid = merchant.post("/v1/payments", with(&ada)).await.expect(201);
        assert_eq!((paid.payment_state(), paid.at("/payment_method/vaulted_token")), ("SUCCEEDED/APPROVED".into(), vaulted.clone()));
        let session = session(&merchant, json!({ "customer_id": ada })).await;
        let offered = merchant.get(&format!("/v1/checkout/sessions/{session}/payment-methods")).await.expect(200);
        assert_eq!(merchant.get(&format!("/v1/checkout/sessions/{session}/payment-methods?category=WALLET")).await.expect(200).json(), json!([]));
        assert_eq!(offered.at("/1/vaulted_token"), vaulted);
        assert_eq!(offered.json()[1]["last_successfully_used"], json!(true));
        assert_snapshot!("offered", show(&[&offered]));
        pay(&merchant, "SDK_CHECKOUT", Some(&session), json!({ "vaulted_token": vaulted })).await.expect(201);

        let unenrol = format!("/v1/customers/{ada}/payment-methods/{}/unenroll", method.at("/id"));
        world.intruder().ask("POST", &unenrol).send().await.refused(400, "PAYMENT_METHOD_NOT_FOUND");
        merchant.ask("POST", &unenrol.replace(&ada, &bob)).send().await.refused(400, "PAYMENT_METHOD_NOT_FOUND");
        let gone = merchant.ask("POST", &unenrol).send().await.expect(200);
        assert_eq!((gone.at("/status"), gone.at("/vaulted_token")), ("UNENROLLED".into(), String::new()));
        merchant.ask("POST", &unenrol).send().await.refused(400, "INVALID_STATUS");
        merchant.post("/v1/payments", with(&ada)).await.refused(400, "PAYMENT_METHOD_STATUS_INVALID");
        assert_eq!(merchant.get(&format!("/v1/customers/{ada}/payment-methods")).await.expect(200).json(), json!({ "payment_methods": [] }));
        let anew = enrol(&merchant, &ada, card("4507990000000002"), json!({})).await.expect(201);
        assert_ne!(anew.at("/id"), method.at("/id"));
        let alone = format!("/v1/customers/payment-methods/{}/unenroll", anew.at("/id"));
        let first = merchant.post_once(&alone, "u", &json!({})).await.expect(200);
        assert_eq!(first.body, merchant.post_once(&alone, "u", &json!({})).await.expect(200).body);
        world.verify_settled().await;
    }

    async fn a_payment_stores_the_card_it_was_made_with_if_it_succeeds(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let pay_and_keep = |number: &str| {
            let mut body = merchant.purchase("5 EUR");
            body["customer_payer"] = json!({ "id": id });
            body["payment_method"]["vault_on_success"] = json!(true);
            body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(number);
            merchant.post("/v1/payments", body)
        };
        let declined = pay_and_keep("4507990000000010").await.expect(201);
        assert_eq!((declined.payment_state(), declined.at("/payment_method/vaulted_token")), ("DECLINED/DECLINED".into(), String::new()));
        let paid = pay_and_keep("4507990000000002").await.expect(201);
        let vaulted = paid.at("/payment_method/vaulted_token");
        assert_eq!(merchant.get(&format!("/v1/payments/{}", paid.at("/id"))).await.at("/payment_method/vaulted_token"), vaulted);
        let again = pay_and_keep("4507990000000002").await.expect(201);
        assert_eq!(again.at("/payment_method/vaulted_token"), vaulted);
        let listed = merchant.get(&format!("/v1/customers/{id}/payment-methods")).await.expect(200).json();
        assert_eq!(listed["payment_methods"].as_array().map(Vec::len), Some(1));
        assert_eq!(listed["payment_methods"][0]["vaulted_token"], json!(vaulted));
        assert_eq!(pay(&merchant, "DIRECT", None, json!({ "vaulted_token": vaulted })).await.expect(201).payment_state(), "SUCCEEDED/APPROVED");

        // Through a token that says so itself, and for nobody in particular.
        let keeping = token(&merchant, json!({ "card_data": card("5252440000000002"), "vault_on_success": true })).await.expect(201).at("/token");
        let paid = pay(&merchant, "DIRECT", None, json!({ "token": keeping })).await.expect(201);
        let vaulted = paid.at("/payment_method/vaulted_token");
        pay(&merchant, "DIRECT", None, json!({ "vaulted_token": vaulted })).await.expect(201);
        world.acquirer("down").await;
        pay_and_keep("370000000000002").await.refused(503, "PROVIDER_UNAVAILABLE");
        world.acquirer("normal").await;
        world.verify_settled().await;
    }

    async fn a_card_is_checked_before_it_is_stored(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let verify = json!({ "verify": { "vault_on_success": true, "currency": "NOK" } });
        let good = enrol(&merchant, &id, card("4507990000000002"), verify.clone()).await.expect(201);
        assert_eq!(good.at("/status"), "ENROLLED");
        let check = merchant.get(&format!("/v1/payments/{}", good.at("/verify/payment/id"))).await.expect(200);
        assert_eq!((check.payment_state(), check.at("/amount/currency")), ("VERIFIED/VERIFIED".into(), "NOK".into()));
        let refused = enrol(&merchant, &id, card("4507990000000010"), verify.clone()).await.expect(201);
        assert_eq!((refused.at("/status"), refused.at("/vaulted_token")), ("DECLINED".into(), String::new()));
        let failing = enrol(&merchant, &id, card("4507990000000077"), verify.clone()).await.expect(201);
        assert_eq!(failing.at("/status"), "ERROR");
        for (number, wanted) in [("4507990000000003", json!({})), ("4507990000000003", verify.clone())] {
            let wrong = enrol(&merchant, &id, card(number), wanted).await.expect(201);
            assert_eq!((wrong.at("/status"), wrong.at("/vaulted_token")), ("DECLINED".into(), String::new()));
        }
        world.acquirer("down").await;
        enrol(&merchant, &id, card("5252440000000002"), verify.clone()).await.refused(503, "PROVIDER_UNAVAILABLE");
        world.acquirer("normal").await;
        enrol(&merchant, &id, card("5252440000000002"), json!({ "verify": { "vault_on_success": true } })).await.expect(201);
        assert_snapshot!("checked", show(&[&good, &refused]));
        world.verify_settled().await;
    }

    async fn a_check_without_answer_is_finished_later_and_across_a_crash(mut world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let path = format!("/v1/customers/{id}/payment-methods");
        let body = enrolling(&merchant, &card("4507990000000002"), &json!({ "verify": { "vault_on_success": true, "currency": "EUR" } }));
        let checks = world.charge_count().await;
        world.acquirer("timeout_after_charge").await;
        merchant.post_once(&path, "one", &body).await.refused(504, "REQUEST_TIMEOUT");
        merchant.post_once(&path, "one", &body).await.refused(409, "REQUEST_IN_PROCESS");
        assert_eq!(merchant.get(&path).await.at("/payment_methods/0/status"), "ENROLL_IN_PROCESS");
        world.verify().await;
        world.crash().await;
        let merchant = world.merchant();
        let replayed = world
            .eventually(|| merchant.post_once(&path, "one", &body), |answer| answer.status == 201)
            .await;
        assert_eq!((replayed.at("/status"), replayed.header("idempotent-replayed")), ("ENROLLED".into(), Some("true")));
        assert_eq!(world.charge_count().await, checks + 1, "the card was checked once");
        pay(&merchant, "DIRECT", None, json!({ "vaulted_token": replayed.at("/vaulted_token") })).await.expect(201);
        world.verify_settled().await;
    }

    /// What is under way when a customer is forgotten still ends, and nothing of him is kept.
    async fn a_customer_may_be_forgotten_while_a_card_is_checked(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "grace").await;
        let kept = enrol(&merchant, &id, card("5252440000000002"), json!({})).await.expect(201).at("/id");
        world.acquirer("timeout_after_charge").await;
        let body = enrolling(&merchant, &card("4507990000000002"), &json!({ "verify": { "vault_on_success": true, "currency": "EUR" } }));
        let path = format!("/v1/customers/{id}/payment-methods");
        merchant.post_once(&path, "checking", &body).await.expect(504);
        merchant.ask("DELETE", &format!("/v1/customers/{id}")).send().await.expect(202);
        world.acquirer("normal").await;
        world.advance_seconds(3).await;
        let ended = world.eventually(|| merchant.post_once(&path, "checking", &body), |answer| answer.status == 201).await;
        assert_eq!((ended.at("/status"), ended.at("/vaulted_token")), ("UNENROLLED".into(), String::new()));
        for method in [kept, ended.at("/id")] {
            let read = merchant.get(&format!("/v1/payment-methods/{method}")).await.expect(200);
            assert_eq!((read.at("/status"), read.at("/card_data/holder_name")), ("UNENROLLED".into(), String::new()));
        }
        let named = json!({ "card_data": card("4507990000000002"), "customer_payer": { "id": id } });
        token(&merchant, named).await.refused(400, "CUSTOMER_NOT_FOUND");
        world.verify_settled().await;
    }

    async fn a_method_waits_in_a_session_for_its_card(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let opening = json!({ "account_id": merchant.account_id, "country": "FR", "customer_id": id });
        let session = merchant.post("/v1/customers/sessions", opening.clone()).await.expect(201).at("/customer_session");
        let other = merchant.post("/v1/customers/sessions", opening).await.expect(201).at("/customer_session");
        let body = json!({ "account_id": merchant.account_id, "payment_method_type": "CARD", "country": "FR",
            "verify": { "vault_on_success": true, "currency": "EUR" } });
        let waiting = merchant.post(&format!("/v1/customers/sessions/{session}/payment-methods"), body.clone()).await.expect(201);
        assert_eq!((waiting.at("/status"), waiting.at("/enrollment/session")), ("READY_TO_ENROLL".into(), session.clone()));
        let confirm = format!("/v1/customers/sessions/{session}/payment-methods/{}/confirm", waiting.at("/id"));
        let elsewhere = token(&merchant, json!({ "customer_session": other })).await.expect(201).at("/token");
        let mine = token(&merchant, json!({ "customer_session": session })).await.expect(201).at("/token");
        let send = |path: String, token: String| {
            let merchant = &merchant;
            async move { merchant.ask("POST", &path).json(&json!({ "token": token })).send().await }
        };
        send(confirm.replace(&session, &other), mine.clone()).await.refused(400, "PAYMENT_METHOD_NOT_FOUND");
        send(confirm.clone(), elsewhere).await.refused(400, "INVALID_TOKEN");
        send(confirm.clone(), NOBODY.into()).await.refused(400, "INVALID_TOKEN");
        world.acquirer("down").await;
        send(confirm.clone(), mine.clone()).await.refused(503, "PROVIDER_UNAVAILABLE");
        world.acquirer("normal").await;
        let done = send(confirm.clone(), mine.clone()).await.expect(201);
        assert_eq!((done.at("/status"), done.at("/id")), ("ENROLLED".into(), waiting.at("/id")));
        assert_eq!(send(confirm.clone(), mine).await.expect(201).body, done.body);
        let fresh = token(&merchant, json!({})).await.expect(201).at("/token");
        send(confirm, fresh.clone()).await.refused(400, "INVALID_STATUS");
        // The card is known already: the method that has it is the answer, and the one that waited is not needed.
        let waits = merchant.post(&format!("/v1/customers/sessions/{session}/payment-methods"), body.clone()).await.expect(201).at("/id");
        let known = send(format!("/v1/customers/sessions/{session}/payment-methods/{waits}/confirm"), fresh).await.expect(201);
        assert_eq!(known.at("/id"), waiting.at("/id"));
        assert_eq!(merchant.get(&format!("/v1/payment-methods/{waits}")).await.at("/status"), "UNENROLLED");
        // What nobody finishes expires.
        let late = merchant.post(&format!("/v1/customers/sessions/{session}/payment-methods"), body).await.expect(201).at("/id");
        world.advance_seconds(5 * 3_600).await;
        assert_eq!(merchant.get(&format!("/v1/payment-methods/{late}")).await.at("/status"), "EXPIRED");
        let fresh = token(&merchant, json!({})).await.expect(201).at("/token");
        send(format!("/v1/customers/sessions/{session}/payment-methods/{late}/confirm"), fresh).await.refused(400, "INVALID_STATUS");
        world.verify_settled().await;
    }

    async fn what_does_not_fit_is_refused(world) {
        let merchant = world.merchant();
        let id = customer(&merchant, "ada").await;
        let path = format!("/v1/customers/{id}/payment-methods");
        let good = enrolling(&merchant, &card("4507990000000002"), &json!({}));
        merchant.ask("POST", &path).json(&good).send().await.refused(400, "MISSING_PARAMETERS");
        for (member, value, code) in [
            ("type", json!("WALLET"), "UNAVAILABLE_PAYMENT_METHOD"),
            ("country", json!("ZZ"), "COUNTRY_NOT_SUPPORTED"),
            ("card_data", Value::Null, "MISSING_PARAMETERS"),
            ("token", json!(NOBODY), "INVALID_PARAMETERS"),
            ("account_id", json!(NOBODY), "INVALID_ACCOUNT_ID"),
            ("verify", json!({ "vault_on_success": true, "currency": "EURO" }), "CURRENCY_NOT_ALLOWED"),
        ] {
            let mut body = good.clone();
            body[member] = value;
            let answer = merchant.post(&path, body).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, code), "{member}: {}", show(&[&answer]));
        }
        merchant.post(&format!("/v1/customers/{NOBODY}/payment-methods"), good.clone()).await.refused(400, "CUSTOMER_NOT_FOUND");
        merchant.post("/v1/customers/none/payment-methods", good.clone()).await.refused(400, "CUSTOMER_NOT_FOUND");
        let method = enrol(&merchant, &id, card("4507990000000002"), json!({})).await.expect(201).at("/id");
        for path in ["/v1/payment-methods/ID".to_owned(), format!("/v1/customers/{id}/payment-methods/ID")] {
            let foreign = world.intruder().get(&path.replace("ID", &method)).await.refused(400, "PAYMENT_METHOD_NOT_FOUND");
            let unknown = world.intruder().get(&path.replace("ID", NOBODY)).await;
            assert_eq!(foreign.without_request_id(), unknown.without_request_id());
        }
        world.verify_settled().await;
    }
}

/// A card that the acquirer knows, good for long.
pub(super) fn card(number: &str) -> Value {
    json!({ "number": number, "expiration_month": 12, "expiration_year": 2099, "security_code": "123", "holder_name": "Ada Lovelace" })
}

fn enrolling(merchant: &Actor, card: &Value, more: &Value) -> Value {
    let mut body =
        json!({ "account_id": merchant.account_id, "country": "FR", "type": "CARD", "workflow": "DIRECT", "card_data": card });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

/// Enrols a card for a customer.
pub(super) async fn enrol(merchant: &Actor, customer: &str, card: Value, more: Value) -> Exchange {
    merchant.post(&format!("/v1/customers/{customer}/payment-methods"), enrolling(merchant, &card, &more)).await
}
