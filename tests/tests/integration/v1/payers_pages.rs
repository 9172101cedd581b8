//! The pages a payer sees on his way through a link and a challenge, and where he ends up.

use serde_json::{Value, json};
use testkit::actors::Actor;
use testkit::exchange::Exchange;
use testkit::on_both_engines;

use super::payment_links::{GOOD, POOR, link, open, path, send};
use super::payment_methods::card;
use super::tokens::{paying, session};

/// A card whose owner is asked for a code.
const ASKED: &str = "4916994064252017";

/// The path of an address of ours.
fn local(address: &str) -> &str {
    address.find("/v1/").map(|at| &address[at..]).expect("an address of ours")
}

/// Pays a link with a card whose owner is asked, and gives the address he is sent to.
async fn asked(payer: &Actor, page: &str) -> String {
    let form = open(payer, page).await;
    let sent = send(payer, page, &form, ASKED).await.expect(303);
    local(sent.header("location").expect("an address")).to_owned()
}

/// A page's text with its addresses as they are.
fn plain(page: &Exchange) -> String {
    page.text().replace("&#x2f;", "/")
}

async fn answer(payer: &Actor, page: &str, form: &(String, String), otp: &str, action: &str) -> Exchange {
    let body = format!("csrf={}&otp={otp}&action={action}", form.0);
    let ask = payer.ask("POST", page).header("content-type", "application/x-www-form-urlencoded").header("cookie", &form.1);
    ask.body(body).send().await
}

async fn payments_of(merchant: &Actor, made: &Value) -> Vec<String> {
    let read = merchant.get(&format!("/v1/payment-links/{}", made["id"].as_str().expect("an id"))).await.expect(200).json();
    let listed = read["payments"].as_array().expect("a list").clone();
    listed.iter().map(|payment| payment["id"].as_str().expect("an id").to_owned()).collect()
}

on_both_engines! {
    async fn a_merchant_hears_of_the_payment_with_and_without_a_challenge(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        for number in [GOOD, ASKED] {
            let made = link(&merchant, json!({ "callback_url": "https://shop.example/back?x=1#end" })).await;
            let page = path(&made);
            let form = open(&payer, &page).await;
            let mut sent = send(&payer, &page, &form, number).await.expect(303);
            if number == ASKED {
                let step = local(sent.header("location").expect("an address")).to_owned();
                sent = answer(&payer, &step, &open(&payer, &step).await, "1234", "submit").await.expect(303);
            }
            let payment = payments_of(&merchant, &made).await.remove(0);
            let back = format!("https://shop.example/back?x=1&payment_id={payment}#end");
            assert_eq!(sent.header("location"), Some(back.as_str()), "{number}");
        }
        world.verify_settled().await;
    }

    async fn the_address_of_the_checkout_session_counts_where_the_payment_names_none(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        for own in [None, Some("https://shop.example/own")] {
            let session = session(&merchant, json!({ "callback_url": "https://shop.example/session" })).await;
            let body = json!({ "payment_method": { "type": "CARD", "card": { "card_data": card(ASKED) } } });
            let token = merchant.post(&format!("/v1/checkout/sessions/{session}/token"), body).await.expect(201).at("/token");
            let mut body = paying(&merchant, "SDK_CHECKOUT", Some(&session), &json!({ "token": token }));
            if let Some(own) = own {
                body["callback_url"] = json!(own);
            }
            let made = merchant.post("/v1/payments", body).await.expect(201);
            let step = made.at("/payment_method/payment_method_detail/card/redirect_url");
            let step = local(&step);
            let over = answer(&payer, step, &open(&payer, step).await, "1234", "submit").await.expect(303);
            let address = own.unwrap_or("https://shop.example/session");
            let back = format!("{address}?payment_id={}&checkoutSession={session}", made.at("/id"));
            assert_eq!(over.header("location"), Some(back.as_str()));
        }
        world.verify_settled().await;
    }

    async fn who_gives_up_finds_the_way_back_to_the_link_in_his_language(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        let made = link(&merchant, json!({ "merchant_order_id": "order-way-back" })).await;
        let page = format!("{}?lang=fr", path(&made));
        let step = asked(&payer, &page).await;
        assert!(step.ends_with("?lang=fr"), "{step}");
        let asking = payer.get(&step).await.expect(200);
        assert!(asking.text().contains("Confirmer le paiement") && !plain(&asking).contains(&path(&made)), "{}", asking.text());

        let over = answer(&payer, &step, &open(&payer, &step).await, "", "cancel").await.expect(200);
        assert!(over.text().contains("Paiement non effectué") && over.text().contains("Payer autrement"), "{}", over.text());
        assert!(plain(&over).contains(&format!("href=\"{page}\"")), "{}", over.text());
        let form = open(&payer, &page).await;
        let paid = send(&payer, &page, &form, GOOD).await.expect(200);
        let reference = payments_of(&merchant, &made).await.remove(1);
        for part in ["19,99", "•••• 0002", "data-moment=\"whole\"", "order-way-back", reference.as_str()] {
            assert!(paid.text().contains(part), "{part} is missing: {}", paid.text());
        }
        let used = payer.get(&page).await.expect(410);
        assert!(used.text().contains("data-tone=\"good\"") && !used.text().contains("0002"), "{}", used.text());

        let step = asked(&payer, &path(&link(&merchant, json!({})).await)).await;
        let confirmed = answer(&payer, &step, &open(&payer, &step).await, "1234", "submit").await.expect(200);
        for part in ["Payment confirmed", "19.99", "•••• 2017", "data-moment=\"whole\"", "id=\"reference\""] {
            assert!(confirmed.text().contains(part), "{part} is missing: {}", confirmed.text());
        }
        assert!(!plain(&confirmed).contains("/v1/links/"), "{}", confirmed.text());
        world.verify_settled().await;
    }

    async fn a_refused_form_says_why_and_the_eye_is_led_there(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        let made = link(&merchant, json!({ "merchant_order_id": "order-why" })).await;
        let (csrf, cookie) = open(&payer, &path(&made)).await;
        let send_form = async |fields: &str| {
            let ask = payer.ask("POST", &path(&made)).header("content-type", "application/x-www-form-urlencoded");
            ask.header("cookie", &cookie).body(format!("csrf={csrf}&{fields}")).send().await
        };
        let empty = send_form("number=&expiration=&security_code=&holder_name=").await.expect(422);
        let focused = |page: &Exchange, id: &str| page.text().split("<input id=").any(|input| {
            input.starts_with(&format!("\"{id}\"")) && input.split('>').next().is_some_and(|tag| tag.contains(" autofocus"))
        });
        assert!(empty.text().contains("Enter the number on the card") && focused(&empty, "number"), "{}", empty.text());
        let mistyped = send_form("number=4507990000000003&expiration=01%2F20&security_code=123&holder_name=Ada+Martin").await.expect(422);
        assert!(mistyped.text().contains("A digit is wrong or missing") && mistyped.text().contains("This date is past"));
        assert!(focused(&mistyped, "number") && !focused(&mistyped, "expiration"));
        let past = send_form(&format!("number={GOOD}&expiration=0120&security_code=123&holder_name=Ada+Martin")).await.expect(422);
        assert!(focused(&past, "expiration") && !past.text().contains("number-error"), "{}", past.text());
        assert_eq!(world.charges("order-why").await.len(), 0);

        let declined = send(&payer, &path(&made), &(csrf.clone(), cookie.clone()), POOR).await.expect(200);
        assert!(declined.text().contains("role=\"alert\" tabindex=\"-1\" autofocus"), "{}", declined.text());
        // A keyboard for digits has no slash.
        let form = open(&payer, &path(&made)).await;
        let body = format!("csrf={}&number={GOOD}&expiration=1240&security_code=123&holder_name=Ada+Martin", form.0);
        let ask = payer.ask("POST", &path(&made)).header("content-type", "application/x-www-form-urlencoded");
        assert!(ask.header("cookie", &form.1).body(body).send().await.expect(200).text().contains("The payment went through"));
        world.verify_settled().await;
    }

    async fn a_payers_page_is_framed_only_by_who_is_named(mut world) {
        let made = link(&world.merchant(), json!({})).await;
        let step = asked(&world.anonymous(), &path(&made)).await;
        for page in [path(&made), step.clone(), "/".to_owned()] {
            let closed = world.anonymous().ask("GET", &page).header("accept", "text/html").send().await.expect(200);
            assert!(closed.header("content-security-policy").is_some_and(|policy| policy.ends_with("frame-ancestors 'none'")), "{page}");
            assert_eq!(closed.header("x-frame-options"), Some("DENY"), "{page}");
        }
        world.set("framed_by", "https://shop.example.com, https://other.example.com:8443/");
        world.restart().await;
        for page in [path(&made), step] {
            let open = world.anonymous().get(&page).await.expect(200);
            let policy = open.header("content-security-policy").expect("a policy");
            assert!(policy.ends_with("frame-ancestors https://shop.example.com https://other.example.com:8443"), "{policy}");
            assert_eq!(open.header("x-frame-options"), None, "{page}");
        }
        let landing = world.anonymous().ask("GET", "/").header("accept", "text/html").send().await.expect(200);
        assert_eq!(landing.header("x-frame-options"), Some("DENY"));
    }

    async fn what_is_only_reserved_is_not_called_paid(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        let made = link(&merchant, json!({ "capture": false })).await;
        let page = payer.get(&path(&made)).await.expect(200);
        assert!(page.text().contains("Reserve 19.99 EUR") && page.text().contains("reserved on your card"), "{}", page.text());
        let form = open(&payer, &path(&made)).await;
        let held = send(&payer, &path(&made), &form, GOOD).await.expect(200);
        assert!(held.text().contains("not charged yet") && !held.text().contains("went through"), "{}", held.text());
        assert!(payer.get(&path(&made)).await.expect(410).text().contains("reserved already"));

        let step = asked(&payer, &path(&link(&merchant, json!({ "capture": false })).await)).await;
        let held = answer(&payer, &step, &open(&payer, &step).await, "1234", "submit").await.expect(200);
        assert!(held.text().contains("Amount reserved"), "{}", held.text());
        world.verify_settled().await;
    }

    async fn a_code_that_nobody_could_check_is_not_called_wrong(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        let step = asked(&payer, &path(&link(&merchant, json!({})).await)).await;
        let form = open(&payer, &step).await;
        let strange = (form.0.clone(), "guichet-challenge=00000000000000000000000000000000".to_owned());
        let refused = answer(&payer, &step, &strange, "1234", "submit").await.expect(403);
        assert!(refused.text().contains("Your browser must accept cookies") && !plain(&refused).contains("/docs"), "{}", refused.text());

        world.acquirer("down").await;
        let down = answer(&payer, &step, &form, "1234", "submit").await.expect(200);
        assert!(down.text().contains("could not be reached") && !down.text().contains("not the code"), "{}", down.text());
        world.acquirer("normal").await;
        let wrong = answer(&payer, &step, &form, "0000", "submit").await.expect(200);
        assert!(wrong.text().contains("That is not the code. Nothing was charged. Tries left: 2"), "{}", wrong.text());
        let confirmed = answer(&payer, &step, &form, "1234", "submit").await.expect(200);
        assert!(confirmed.text().contains("Payment confirmed"), "{}", confirmed.text());
        world.verify_settled().await;
    }

    async fn the_receipt_on_the_landing_page_says_what_was_paid(world) {
        let (merchant, payer) = (world.merchant(), world.anonymous());
        let made = link(&merchant, json!({ "description": "Two tickets for the spring concert" })).await;
        let form = open(&payer, &path(&made)).await;
        send(&payer, &path(&made), &form, GOOD).await.expect(200);
        let page = payer.ask("GET", "/").header("accept", "text/html").send().await.expect(200);
        let receipt = page.text().split("data-receipt-list").nth(1).and_then(|rest| rest.split("</section>").next());
        let receipt = receipt.expect("a receipt");
        assert!(receipt.contains(">Two tickets for the spring concert<") && !receipt.contains(">link-"), "{receipt}");
    }
}
