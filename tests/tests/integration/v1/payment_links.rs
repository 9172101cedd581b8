//! Payment links: the routes, and the page as a browser uses it.

use serde_json::{Value, json};
use testkit::actors::{Actor, money};
use testkit::exchange::Exchange;
use testkit::on_both_engines;

use super::customers::customer;
use super::payment_methods::{card, enrol};

pub(super) async fn link(merchant: &Actor, extra: Value) -> Value {
    let mut body = json!({
        "account_id": merchant.account_id, "country": "FR", "amount": money("19.99 EUR"), "payment_method_types": ["CARD"],
        "description": "Two <b>chairs</b>",
    });
    for (name, value) in extra.as_object().expect("an object") {
        body[name] = value.clone();
    }
    merchant.ask("POST", "/v1/payment-links").json(&body).send().await.expect(200).json()
}

pub(super) fn path(link: &Value) -> String {
    format!("/v1/links/{}", link["id"].as_str().expect("an id"))
}

/// A browser's visit: the form's token and the cookie.
pub(super) async fn open(payer: &Actor, path: &str) -> (String, String) {
    let page = payer.get(path).await.expect(200);
    let csrf = page.text().split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let cookie = page.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie");
    (csrf.to_owned(), cookie.to_owned())
}

pub(super) async fn send(payer: &Actor, path: &str, (csrf, cookie): &(String, String), number: &str) -> Exchange {
    let body = format!("csrf={csrf}&number={number}&expiration=12%2F40&security_code=123&holder_name=Ada+Martin");
    let ask = payer.ask("POST", path).header("content-type", "application/x-www-form-urlencoded").header("cookie", cookie);
    ask.body(body).send().await
}

pub(super) const GOOD: &str = "4507990000000002";
pub(super) const POOR: &str = "4507990000000010";

on_both_engines! {
    async fn a_link_is_paid_on_its_page_once(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        let made = link(&merchant, json!({ "merchant_order_id": "order-1", "metadata": [{ "key": "a", "value": "b" }] })).await;
        assert_eq!((&made["status"], &made["payments_number"], &made["one_time_use"]), (&json!("CREATED"), &json!(0), &json!(true)));
        let base = world.door().base_url();
        assert_eq!(made["checkout_url"], json!(format!("{base}{}", path(&made))));

        let page = payer.get(&path(&made)).await.expect(200);
        assert!(page.text().contains("19.99") && page.text().contains("Two &lt;b&gt;chairs&lt;"), "{}", page.text());
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let cookie = page.header("set-cookie").expect("a cookie");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        let french = payer.ask("GET", &path(&made)).header("accept-language", "fr").send().await.expect(200);
        assert!(french.text().contains("Payer par carte") && french.text().contains("19,99"));

        let form = open(&payer, &path(&made)).await;
        let declined = send(&payer, &path(&made), &form, POOR).await.expect(200);
        assert!(declined.text().contains("Nothing was charged") && declined.text().contains("name=\"csrf\""));
        assert!(!declined.text().contains(POOR));
        // The same form again is the same payment, and shows the same result.
        assert!(send(&payer, &path(&made), &form, GOOD).await.expect(200).text().contains("Nothing was charged"));
        assert_eq!(world.charges("order-1").await.len(), 1);

        let form = open(&payer, &path(&made)).await;
        let page = path(&made);
        let (one, two) = tokio::join!(send(&payer, &page, &form, GOOD), send(&payer, &page, &form, GOOD));
        assert!(one.expect(200).text().contains("The payment went through"));
        assert!(two.expect(200).text().contains("The payment went through"));
        payer.get(&path(&made)).await.expect(410);
        let late = open(&payer, &path(&link(&merchant, json!({})).await)).await;
        send(&payer, &path(&made), &late, GOOD).await.expect(403);

        let read = merchant.get(&format!("/v1/payment-links/{}", made["id"].as_str().expect("an id"))).await.expect(200).json();
        assert_eq!((&read["status"], &read["payments_number"]), (&json!("USED"), &json!(1)));
        let states: Vec<_> = read["payments"].as_array().expect("a list").iter().map(|paid| paid["status"].clone()).collect();
        assert_eq!(states, [json!("DECLINED"), json!("SUCCEEDED")]);
        let payments = merchant.get("/v1/payments?merchant_order_id=order-1").await.expect(200).json();
        assert_eq!((&payments[1]["payment_link_id"], &payments[1]["metadata"]), (&made["id"], &made["metadata"]));
        assert_eq!(world.charges("order-1").await.len(), 2);
        world.verify_settled().await;
    }

    async fn two_payers_at_once_pay_a_link_for_one_use_once(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        let made = link(&merchant, json!({ "merchant_order_id": "order-2", "callback_url": "https://shop.example/thanks?x=1" })).await;
        let (one, two) = (open(&payer, &path(&made)).await, open(&payer, &path(&made)).await);
        world.slow_acquirer(500).await;
        let page = path(&made);
        let (one, two) = tokio::join!(send(&payer, &page, &one, GOOD), send(&payer, &page, &two, GOOD));
        let paid: Vec<_> = [&one, &two].into_iter().filter(|answer| answer.status == 303).collect();
        assert_eq!(paid.len(), 1, "{} {}", one.status, two.status);
        let back = paid[0].header("location").expect("an address");
        assert!(back.starts_with("https://shop.example/thanks?x=1&payment_id="), "{back}");
        assert_eq!(world.charges("order-2").await.len(), 1);
        world.acquirer("normal").await;
        world.verify_settled().await;
    }

    async fn bad_forms_are_shown_again_and_foreign_ones_refused(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        let made = link(&merchant, json!({ "merchant_order_id": "order-3", "one_time_use": false })).await;
        let form = open(&payer, &path(&made)).await;
        let wrong = send(&payer, &path(&made), &form, "4507990000000011").await.expect(422);
        assert!(wrong.text().contains("number-error") && !wrong.text().contains("4507990000000011"));
        let other = (form.0.clone(), "guichet_link=00".to_owned());
        send(&payer, &path(&made), &other, GOOD).await.expect(403);
        send(&payer, &path(&made), &("x".to_owned(), form.1.clone()), GOOD).await.expect(403);
        assert_eq!(world.charges("order-3").await.len(), 0);
        for _ in 0..2 {
            let form = open(&payer, &path(&made)).await;
            send(&payer, &path(&made), &form, GOOD).await.expect(200);
        }
        assert_eq!(world.charges("order-3").await.len(), 2, "many may pay it");
        let picture = payer.get(&format!("{}/qr.svg", path(&made))).await.expect(200);
        assert!(picture.header("content-type") == Some("image/svg+xml") && picture.text().contains("<svg"));
        payer.get("/v1/links/0199a8b4-1f7e-7c3a-8000-0123456789ab").await.expect(404);
        payer.get("/v1/links/nonsense").await.expect(404);
        world.verify_settled().await;
    }

    async fn a_lost_answer_is_waited_for_and_never_charged_twice(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        let made = link(&merchant, json!({ "merchant_order_id": "order-4" })).await;
        let form = open(&payer, &path(&made)).await;
        world.acquirer("timeout_after_charge").await;
        assert!(send(&payer, &path(&made), &form, GOOD).await.expect(202).text().contains("Do not pay again"));
        assert!(payer.get(&path(&made)).await.expect(200).text().contains("being paid right now"));
        world.verify().await;
        world.acquirer("normal").await;
        world.advance_seconds(700).await;
        let page = path(&made);
        let answer = world.eventually(|| send(&payer, &page, &form, GOOD), |answer| answer.status == 200).await;
        assert!(answer.text().contains("The payment went through"));
        assert_eq!(world.charges("order-4").await.len(), 1);
        world.acquirer("down").await;
        let second = link(&merchant, json!({ "merchant_order_id": "order-5" })).await;
        let form = open(&payer, &path(&second)).await;
        assert!(send(&payer, &path(&second), &form, GOOD).await.expect(503).text().contains("could not be reached"));
        world.acquirer("normal").await;
        world.verify_settled().await;
    }

    async fn who_is_to_pay_a_link_or_a_subscription_must_be_a_customer(world) {
        let (merchant, intruder) = (world.merchant(), world.intruder());
        let (mine, theirs) = (customer(&merchant, "ada").await, customer(&intruder, "eve").await);
        let gone = customer(&merchant, "bob").await;
        merchant.ask("DELETE", &format!("/v1/customers/{gone}")).send().await.expect(202);
        let method = enrol(&merchant, &mine, card("4507990000000002"), json!({})).await.expect(201);
        let other = customer(&merchant, "cleo").await;
        let body = |path: &str, customer: &str| {
            let mut body = json!({ "account_id": merchant.account_id, "country": "FR", "amount": money("1 EUR"), "customer_payer": { "id": customer } });
            if path == "/v1/payment-links" {
                body["payment_method_types"] = json!(["CARD"]);
            } else {
                body["name"] = json!("Magazine");
                body["payment_method"] = json!({ "type": "CARD", "vaulted_token": method.at("/vaulted_token") });
            }
            body
        };
        for path in ["/v1/payment-links", "/v1/subscriptions"] {
            let unknown = "0199a8b4-1f7e-7c3a-8000-0123456789ab";
            let mut answers = Vec::new();
            for customer in [unknown, &theirs, &gone, "nobody"] {
                // The card is not the question here: where it is another's, that is said first.
                let mut body = body(path, customer);
                if path == "/v1/subscriptions" {
                    let free = token_for_nobody(&merchant).await;
                    body["payment_method"]["vaulted_token"] = json!(free);
                }
                let answer = merchant.post(path, body).await.refused(400, "CUSTOMER_NOT_FOUND");
                assert!(answer.text().contains("customer_payer.id"), "{}", answer.text());
                answers.push(answer.text().to_owned());
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "all alike: {answers:?}");
            merchant.post(path, body(path, &mine)).await.expect(200);
            let mut inline = body(path, &mine);
            inline["customer_payer"] = json!({ "first_name": "Ada" });
            merchant.post(path, inline).await.expect(200);
        }
        merchant.post("/v1/subscriptions", body("/v1/subscriptions", &other)).await.refused(400, "INVALID_CUSTOMER_FOR_TOKEN");
        let made = merchant.post("/v1/subscriptions", body("/v1/subscriptions", &mine)).await.expect(200);
        assert_eq!(made.at("/customer_payer/id"), mine);
        world.verify().await;
    }

    async fn links_are_taken_back_expire_and_are_nobody_elses(world) {
        let (merchant, payer, intruder) = (world.merchant(), world.anonymous(), world.intruder());
        let made = link(&merchant, json!({})).await;
        let own = format!("/v1/payment-links/{}", made["id"].as_str().expect("an id"));
        let unknown = intruder.get("/v1/payment-links/0199a8b4-1f7e-7c3a-8000-0123456789ab").await.refused(400, "NOT_FOUND");
        assert_eq!(intruder.get(&own).await.body, unknown.body);
        assert_eq!(intruder.ask("POST", &format!("{own}/cancel")).send().await.body, unknown.body);
        let cancelled = merchant.ask("POST", &format!("{own}/cancel")).send().await.expect(200);
        assert_eq!(cancelled.at("/status"), "CANCELED");
        merchant.post(&format!("{own}/cancel"), json!({})).await.refused(400, "INVALID_STATUS");
        payer.get(&path(&made)).await.expect(410);

        let body = json!({ "availability": { "finish_at": "2099-01-01T00:00:00Z", "start_at": "2098-01-01" } });
        let later = link(&merchant, body).await;
        assert!(payer.get(&path(&later)).await.expect(403).text().contains("1 Jan 2098, 00:00 UTC"));
        let times = json!({ "availability": { "start_at": "2098-01-01", "finish_at": "2098-01-01" } });
        let one_day = link(&merchant, times).await;
        let shown = json!({ "start_at": "2098-01-01T00:00:00.000000Z", "finish_at": "2098-01-02T00:00:00.000000Z" });
        assert_eq!(one_day["availability"], shown, "a date alone is all of its day");
        for (member, value, code) in [
            ("payment_method_types", json!(["PIX"]), "UNAVAILABLE_PAYMENT_METHOD"),
            ("payment_method_types", json!([]), "INVALID_PARAMETERS"),
            ("amount", money("0 EUR"), "INVALID_AMOUNT"),
            ("country", json!("XX"), "COUNTRY_NOT_SUPPORTED"),
            ("callback_url", json!("javascript:alert(1)"), "INVALID_PARAMETERS"),
            ("availability", json!({ "finish_at": "yesterday" }), "INVALID_DATE"),
            ("availability", json!({ "finish_at": "2020-01-01" }), "INVALID_DATE"),
        ] {
            let mut body = json!({
                "account_id": merchant.account_id, "country": "FR", "amount": money("1 EUR"), "payment_method_types": ["CARD"],
            });
            body[member] = value;
            merchant.post("/v1/payment-links", body).await.refused(400, code);
        }
        world.verify_settled().await;
    }
}

/// What charges a card that is stored for nobody in particular.
async fn token_for_nobody(merchant: &Actor) -> String {
    let mut body = merchant.purchase("1 EUR");
    body["payment_method"]["vault_on_success"] = json!(true);
    merchant.post("/v1/payments", body).await.expect(201).at("/payment_method/vaulted_token")
}
