//! Every event there is: what happens to each kind of object is told once, with the object as its route shows it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::actors::{Actor, fresh, money};
use testkit::on_both_engines;
use testkit::receiver::{Does, Receiver};
use testkit::world::World;

use super::super::customers::customer;
use super::super::payment_links;
use super::super::payment_methods::{card, enrol};
use super::{PATIENCE, body, deliveries};

const GOOD: &str = "4507990000000002";
const POOR: &str = "4507990000000010";
const CHALLENGED: &str = "4916994064252017";
const DAY: u32 = 86_400;

/// An event, the object it is about, and the object's status in it.
pub(super) type Told = (String, String, String);

/// What somebody expects to be told.
#[derive(Default)]
struct Expected(Vec<Told>);

impl Expected {
    fn of(&mut self, event: &str, id: &str, status: &str) {
        self.0.push((event.to_owned(), id.to_owned(), status.to_owned()));
    }
}

/// A receiver of everything.
pub(super) async fn listening(world: &World, merchant: &Actor, receiver: &Receiver) -> String {
    let hook = json!({
        "account_id": merchant.account_id, "name": fresh("hook"), "url": receiver.url("/"), "renewal_days": 3,
        "payment_triggers": ["AUTHORIZE", "CANCEL", "CAPTURE", "CHARGEBACK", "PURCHASE", "REFUND", "VERIFY"],
        "enrollment_triggers": ["ENROLL", "UNENROLL"], "payout_triggers": ["PAYOUT"],
        "subscription_triggers": ["CREATE", "ACTIVE", "PAUSE", "RESUME", "CANCEL", "COMPLETE", "CLOSE_TO_RENEWAL", "PAST_DUE"],
    });
    let hook = merchant.post("/v1/webhooks", hook).await.expect(201).at("/id");
    // What happens in the first seconds may be missed by other processes, so it is not missed by the checker.
    world.advance_seconds(5).await;
    hook
}

/// Tells the acquirer to take a payment back, or to end the dispute about that.
async fn disputed(world: &World, payment: &str, event: &str) {
    let body = json!({ "payment_id": payment, "event": event });
    world.anonymous().ask("POST", "/dev/acquirer/events").json(&body).send().await.expect(200);
}

/// The payment once it has this status.
async fn payment_is(world: &World, merchant: &Actor, id: &str, status: &str) {
    let path = format!("/v1/payments/{id}");
    world.eventually(|| merchant.get(&path), |answer| answer.at("/status") == status).await;
}

async fn challenged(merchant: &Actor) -> (String, String) {
    let mut body = merchant.purchase("5 EUR");
    body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(CHALLENGED);
    let made = merchant.pays(body).await;
    (made.id, made.exchange.at("/payment_method/payment_method_detail/card/redirect_url"))
}

async fn payments(world: &World, merchant: &Actor, expected: &mut Expected) {
    let held = merchant.pays(merchant.authorisation("10 EUR")).await;
    expected.of("payment.authorize", &held.id, "PENDING");
    merchant.captures(&held, "4 EUR").await.expect(200);
    expected.of("payment.capture", &held.id, "SUCCEEDED");
    let dropped = merchant.pays(merchant.authorisation("7 EUR")).await;
    expected.of("payment.authorize", &dropped.id, "PENDING");
    merchant.operate(&dropped, "cancel", json!({})).await.expect(200);
    expected.of("payment.cancel", &dropped.id, "CANCELED");
    let paid = merchant.pays(merchant.purchase("9 EUR")).await;
    expected.of("payment.purchase", &paid.id, "SUCCEEDED");
    merchant.refunds(&paid, "2 EUR").await.expect(200);
    expected.of("payment.refund", &paid.id, "SUCCEEDED");
    for (ending, word) in [("CHARGEBACK_LOST", "CHARGEBACK"), ("CHARGEBACK_WON", "SUCCEEDED"), ("", "")] {
        let paid = merchant.pays(merchant.purchase("6 EUR")).await;
        expected.of("payment.purchase", &paid.id, "SUCCEEDED");
        disputed(world, &paid.id, "CHARGEBACK").await;
        payment_is(world, merchant, &paid.id, "IN_DISPUTE").await;
        expected.of("payment.chargeback", &paid.id, "IN_DISPUTE");
        if !ending.is_empty() {
            disputed(world, &paid.id, ending).await;
            payment_is(world, merchant, &paid.id, word).await;
            expected.of("payment.chargeback", &paid.id, word);
        }
    }
    let payer = world.anonymous();
    let (id, url) = challenged(merchant).await;
    expected.of("payment.purchase", &id, "PENDING");
    let page = url.trim_start_matches(world.door().base_url());
    let (csrf, cookie) = payment_links::open(&payer, page).await;
    let ask = payer.ask("POST", page).header("content-type", "application/x-www-form-urlencoded").header("cookie", cookie);
    ask.body(format!("csrf={csrf}&otp=1234&action=submit")).send().await;
    payment_is(world, merchant, &id, "SUCCEEDED").await;
    expected.of("payment.purchase", &id, "SUCCEEDED");
    let link = payment_links::link(merchant, json!({ "merchant_order_id": "by-link" })).await;
    let page = payment_links::path(&link);
    let form = payment_links::open(&payer, &page).await;
    payment_links::send(&payer, &page, &form, GOOD).await.expect(200);
    let paid = merchant.get("/v1/payments?merchant_order_id=by-link").await.expect(200).at("/0/id");
    expected.of("payment.purchase", &paid, "SUCCEEDED");
}

/// Gives what a card that is good and one that is always declined are charged by.
async fn enrolments(merchant: &Actor, expected: &mut Expected) -> [String; 2] {
    let ada = customer(merchant, "ada").await;
    let mut tokens = Vec::new();
    for number in [GOOD, POOR] {
        let method = enrol(merchant, &ada, card(number), json!({})).await.expect(201);
        expected.of("enrollment.enroll", &method.at("/id"), "ENROLLED");
        tokens.push(method.at("/vaulted_token"));
    }
    let verify = json!({ "verify": { "vault_on_success": true, "currency": "EUR" } });
    for (number, status) in [("5252440000000002", "ENROLLED"), ("5252440000000010", "DECLINED")] {
        let method = enrol(merchant, &ada, card(number), verify.clone()).await.expect(201);
        let check = merchant.get(&format!("/v1/payments?merchant_order_id={}", method.at("/id"))).await.expect(200);
        expected.of("payment.verify", &check.at("/0/id"), if status == "ENROLLED" { "VERIFIED" } else { "DECLINED" });
        expected.of("enrollment.enroll", &method.at("/id"), status);
    }
    // By a payment; once more the same card is the same method.
    for _ in 0..2 {
        let mut body = merchant.purchase("3 EUR");
        body["customer_payer"] = json!({ "id": ada });
        body["payment_method"]["vault_on_success"] = json!(true);
        body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!("370000000000002");
        let paid = merchant.pays(body).await;
        expected.of("payment.purchase", &paid.id, "SUCCEEDED");
        let token = paid.exchange.at("/payment_method/vaulted_token");
        let listed = merchant.get(&format!("/v1/customers/{ada}/payment-methods")).await.expect(200).json();
        let all = listed["payment_methods"].as_array().expect("a list");
        let id = all.iter().find(|one| one["vaulted_token"] == json!(token)).expect("it is stored")["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        if !expected.0.iter().any(|(_, told, _)| *told == id) {
            expected.of("enrollment.enroll", &id, "ENROLLED");
        }
    }
    let bob = customer(merchant, "bob").await;
    let mut taken_off = Vec::new();
    for number in [GOOD, POOR] {
        let id = enrol(merchant, &bob, card(number), json!({})).await.expect(201).at("/id");
        expected.of("enrollment.enroll", &id, "ENROLLED");
        taken_off.push(id);
    }
    merchant.ask("POST", &format!("/v1/customers/payment-methods/{}/unenroll", taken_off[0])).send().await.expect(200);
    merchant.ask("DELETE", &format!("/v1/customers/{bob}")).send().await.expect(202);
    for id in &taken_off {
        expected.of("enrollment.unenroll", id, "UNENROLLED");
    }
    tokens.try_into().expect("two cards")
}

async fn payouts(world: &World, merchant: &Actor, expected: &mut Expected) {
    for (number, amount, status) in
        [("1002", "1 EUR", "SUCCEEDED"), ("1044", "1 EUR", "DECLINED"), ("1002", "100000 EUR", "DECLINED")]
    {
        let made = merchant.post("/v1/payouts", payout(merchant, number, amount)).await.expect(201);
        assert_eq!(made.at("/status"), status);
        expected.of("payout.payout", &made.at("/id"), status);
    }
    world.acquirer("timeout_after_charge").await;
    let body = payout(merchant, "1002", "2 EUR");
    let path = format!("/v1/payouts?merchant_reference={}", body["merchant_reference"].as_str().expect("a name"));
    merchant.post("/v1/payouts", body).await.refused(504, "REQUEST_TIMEOUT");
    world.acquirer("normal").await;
    let paid = world.eventually(|| merchant.get(&path), |answer| answer.at("/status") == "SUCCEEDED").await;
    expected.of("payout.payout", &paid.at("/id"), "PENDING");
    expected.of("payout.payout", &paid.at("/id"), "SUCCEEDED");
}

fn payout(merchant: &Actor, number: &str, amount: &str) -> Value {
    json!({
        "account_id": merchant.account_id, "merchant_reference": fresh("rent"), "country": "FR", "purpose": "RENT",
        "amount": money(amount), "beneficiary": { "merchant_beneficiary_id": "a", "country": "FR" },
        "withdrawal_method": { "type": "BANK_TRANSFER", "provider_id": "sandbox",
            "detail": { "bank_transfer": { "code": "30006", "account": { "number": number, "type": "CHECKING" } } } },
    })
}

/// A subscription every ten days.
async fn subscribed(merchant: &Actor, token: &str, more: Value) -> String {
    let mut body = json!({
        "account_id": merchant.account_id, "name": "Magazine", "country": "FR", "amount": money("9 EUR"),
        "payment_method": { "type": "CARD", "vaulted_token": token }, "frequency": { "type": "DAY", "value": 10 },
    });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    merchant.post("/v1/subscriptions", body).await.expect(200).at("/id")
}

/// The subscription once it has this status and waits for this cycle; its payments so far are expected to be told.
async fn got_to(world: &World, merchant: &Actor, id: &str, status: &str, cycle: u64) {
    let path = format!("/v1/subscriptions/{id}");
    let there = |answer: &testkit::exchange::Exchange| {
        answer.at("/status") == status && answer.json()["billing_cycles"]["current"] == json!(cycle)
    };
    world.eventually(|| merchant.get(&path), there).await;
}

async fn subscriptions(world: &World, merchant: &Actor, [good, poor]: &[String; 2], expected: &mut Expected) -> Vec<String> {
    let mut all = Vec::new();
    for steps in [&[][..], &["pause"], &["pause", "resume"], &["cancel"]] {
        let id = subscribed(merchant, good, json!({})).await;
        expected.of("subscription.create", &id, "ACTIVE");
        expected.of("subscription.active", &id, "ACTIVE");
        got_to(world, merchant, &id, "ACTIVE", 2).await;
        for step in steps {
            let status = merchant.ask("POST", &format!("/v1/subscriptions/{id}/{step}")).send().await.expect(200).at("/status");
            expected.of(&format!("subscription.{step}"), &id, &status);
        }
        all.push(id);
    }
    let completed = subscribed(merchant, good, json!({ "billing_cycles": { "total": 1 } })).await;
    got_to(world, merchant, &completed, "COMPLETED", 1).await;
    expected.of("subscription.create", &completed, "ACTIVE");
    expected.of("subscription.active", &completed, "ACTIVE");
    expected.of("subscription.complete", &completed, "COMPLETED");
    let retries = json!({ "retries": { "retry_on_decline": true, "amount": 3 } });
    let late = subscribed(merchant, poor, retries).await;
    got_to(world, merchant, &late, "PAST_DUE", 1).await;
    expected.of("subscription.create", &late, "ACTIVE");
    expected.of("subscription.active", &late, "ACTIVE");
    expected.of("subscription.past_due", &late, "PAST_DUE");
    all.extend([completed, late]);
    all
}

/// What is told of the payments made for subscriptions.
async fn cycles(merchant: &Actor, subscriptions: &[String], expected: &mut Expected) {
    for id in subscriptions {
        let made = merchant.get(&format!("/v1/subscriptions/{id}/payments")).await.expect(200).json();
        for paid in made["data"].as_array().expect("a list") {
            let text = |member: &str| paid[member].as_str().expect("text").to_owned();
            expected.of("payment.purchase", &text("payment_id"), &text("status"));
        }
    }
}

/// Everything that can happen, in an order that leaves one object as each event told it last.
pub(super) async fn everything(world: &World, merchant: &Actor) -> Vec<Told> {
    let mut expected = Expected::default();
    // What takes time first: a hold nobody captures, a payer who does not come, a subscription that begins tomorrow.
    let held = merchant.pays(merchant.authorisation("8 EUR")).await.id;
    expected.of("payment.authorize", &held, "PENDING");
    let (abandoned, _) = challenged(merchant).await;
    expected.of("payment.purchase", &abandoned, "PENDING");
    let cards = enrolments(merchant, &mut expected).await;
    let now =
        world.anonymous().ask("POST", "/dev/clock").json(&json!({ "advance_seconds": 0 })).send().await.expect(200).at("/now");
    let tomorrow = now.parse::<kernel::Timestamp>().expect("a time").plus_seconds(i64::from(DAY)).to_string();
    let later = subscribed(merchant, &cards[0], json!({ "availability": { "start_at": tomorrow } })).await;
    expected.of("subscription.create", &later, "CREATED");
    let renewed = subscribed(merchant, &cards[0], json!({})).await;
    expected.of("subscription.create", &renewed, "ACTIVE");
    expected.of("subscription.active", &renewed, "ACTIVE");
    got_to(world, merchant, &renewed, "ACTIVE", 2).await;
    // A trial lasts until the first cycle is billed that is none.
    let eight_days = json!({ "type": "DAY", "value": 8 });
    let trial = json!({ "frequency": eight_days, "trial_period": { "billing_cycles": 1, "amount": money("0 EUR") } });
    let trial = subscribed(merchant, &cards[0], trial).await;
    got_to(world, merchant, &trial, "TRIALING", 2).await;
    expected.of("subscription.create", &trial, "TRIALING");
    expected.of("subscription.active", &trial, "TRIALING");
    world.advance_seconds(8 * DAY).await;
    got_to(world, merchant, &trial, "ACTIVE", 3).await;
    expected.of("subscription.active", &trial, "ACTIVE");
    got_to(world, merchant, &later, "ACTIVE", 2).await;
    expected.of("subscription.active", &later, "ACTIVE");
    for id in [&later, &renewed] {
        expected.of("subscription.close_to_renewal", id, "ACTIVE");
    }
    payment_is(world, merchant, &held, "CANCELED").await;
    expected.of("payment.cancel", &held, "CANCELED");
    payment_is(world, merchant, &abandoned, "EXPIRED").await;
    expected.of("payment.purchase", &abandoned, "EXPIRED");

    payments(world, merchant, &mut expected).await;
    payouts(world, merchant, &mut expected).await;
    let mut all = subscriptions(world, merchant, &cards, &mut expected).await;
    all.extend([later, renewed, trial]);
    cycles(merchant, &all, &mut expected).await;
    expected.0.sort();
    expected.0
}

fn told(received: &Value) -> Told {
    let data = received["data"].as_object().expect("an object");
    let (_, object) = data.iter().find(|(name, _)| *name != "idempotency_key").expect("an object");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&received["type_event"]), text(&object["id"]), text(&object["status"]))
}

/// Where an object is read.
fn route(received: &Value) -> String {
    let data = &received["data"];
    let id = |member: &str| data[member]["id"].as_str().expect("an id").to_owned();
    match received["type"].as_str() {
        Some("payment") => format!("/v1/payments/{}", id("payment")),
        Some("enrollment") => format!("/v1/payment-methods/{}", id("payment_method")),
        Some("subscription") => format!("/v1/subscriptions/{}", id("subscription")),
        Some("payout") => format!("/v1/payouts/{}", id("payout")),
        other => panic!("no such type: {other:?}"),
    }
}

on_both_engines! {
    async fn everything_that_happens_is_told_once_as_it_is_shown(world) {
        let merchant = world.intruder(); // of an account without a past
        let receiver = Receiver::start(Does::Answer(200));
        let hook = listening(&world, &merchant, &receiver).await;
        let expected = everything(&world, &merchant).await;
        receiver.wait_for(expected.len(), PATIENCE);
        deliveries(&world, &merchant, &hook, |all| all.iter().all(|one| one["status"] == "DELIVERED")).await;
        let received: Vec<Value> = receiver.received().iter().map(body).collect();
        let mut all: Vec<Told> = received.iter().map(told).collect();
        all.sort();
        assert_eq!(all, expected);

        // What was told last of an object is what its route shows, but for the history that only some ask for.
        let mut latest: BTreeMap<String, &Value> = BTreeMap::new();
        for one in &received {
            let data = &one["data"];
            let object = data.as_object().and_then(|data| data.values().find(|value| value.is_object())).expect("an object");
            let at = |known: &Value| known["updated_at"].as_str().expect("a time").to_owned();
            match latest.get(&route(one)) {
                Some(known) if at(known) > at(object) => {}
                _ => { latest.insert(route(one), object); }
            }
        }
        for (route, told) in latest {
            let shown = merchant.get(&route).await.expect(200).json();
            if shown["updated_at"] != told["updated_at"] {
                continue; // it went on without a change of its status
            }
            let mut told = told.clone();
            if let Some(history) = told.get_mut("transactions_history") {
                *history = Value::Null;
            }
            assert_eq!(shown, told, "{route}");
        }
        world.verify_settled().await;
    }
}
