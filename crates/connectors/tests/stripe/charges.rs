//! The older interface, against `stripe-stateful-mock`, which honours idempotency keys and can be told to fail by its tokens.

use kernel::Outcome;

use super::line::{Cut, Line};
use super::servers::Server;
use super::*;

const CHARGES: &str = "/v1/charges";
/// Numbers that are nobody's, and the tokens that stand for them.
const VISA: &str = "4242424242424242";
const NO_FUNDS: &str = "4000000000009995";
const FAILS: &str = "4000000000000101";
const LIMITED: &str = "4000000000000119";
const FORGETS: &str = "4000000000000127";
const FAILS_ONCE: &str = "4000000000000069";
const LIMITED_ONCE: &str = "4000000000000259";

macro_rules! server {
    () => {
        match Server::stateful_mock() {
            Some(server) => server,
            None => return,
        }
    };
}

fn charging(url: &str) -> StripeOptions {
    let test_sources = sources(&[
        (VISA, "tok_visa"),
        (NO_FUNDS, "tok_chargeDeclinedInsufficientFunds"),
        (FAILS, "tok_500"),
        (LIMITED, "tok_429"),
        (FORGETS, "tok_forget"),
        (FAILS_ONCE, "tok_500|tok_visa|fails-once"),
        (LIMITED_ONCE, "tok_429|tok_visa|limited-once"),
    ]);
    StripeOptions { test_sources, ..options(url, Api::Charges) }
}

async fn paid(server: &Server) -> usize {
    server.list(CHARGES).await.iter().filter(|charge| charge["status"] == "succeeded").count()
}

#[tokio::test]
async fn the_same_attempt_is_the_same_charge_however_often_it_is_sent() {
    let server = server!();
    let shop = Shop::open(charging(&server.url)).await;
    let ask = charge_ask(1_000, VISA);
    let first = shop.stripe.charge(&ask).await;
    assert!(matches!(&first, Outcome::Approved(approval) if approval.reference.starts_with("ch_")), "{first:?}");
    for _ in 0..3 {
        assert_eq!(shop.stripe.charge(&ask).await, first);
    }
    assert_eq!(paid(&server).await, 1);
    let other = shop.stripe.charge(&charge_ask(1_000, VISA)).await;
    assert!(other != first && paid(&server).await == 2, "another attempt is another charge");
}

#[tokio::test]
async fn holds_refunds_and_declines_work_as_with_intents() {
    let server = server!();
    let shop = Shop::open(charging(&server.url)).await;
    shop.house.create("d", purchase("d", 1_000, NO_FUNDS)).await.expect("an answer");
    let declined = shop.payment("d").await;
    assert_eq!(
        (declined.state, declined.said().map(|said| (said.code, said.hard))),
        (PaymentState::Declined, Some(("INSUFFICIENT_FUNDS", false)))
    );

    shop.house.create("a", authorisation("a", 1_000, VISA)).await.expect("a hold");
    let held = shop.payment("a").await;
    let charge = format!("{CHARGES}/{}", held.said().and_then(|said| said.reference).expect("a name"));
    assert_eq!((held.state, &server.get(&charge).await["captured"]), (PaymentState::Authorised, &false.into()));
    shop.capture("c", &held, 600).await.expect("a capture");
    assert_eq!(server.get(&charge).await["amount_captured"], 600);

    shop.house.create("v", authorisation("v", 900, VISA)).await.expect("a hold");
    let held = shop.payment("v").await;
    shop.cancel("x", &held).await.expect("a cancel");
    let charge = format!("{CHARGES}/{}", held.said().and_then(|said| said.reference).expect("a name"));
    assert_eq!((&server.get(&charge).await["refunded"], shop.payment("v").await.state), (&true.into(), PaymentState::Cancelled));

    shop.house.create("p", purchase("p", 1_000, VISA)).await.expect("a payment");
    let payment = shop.payment("p").await;
    shop.refund("r1", &payment, 400).await.expect("a refund");
    assert_eq!(refusal(shop.refund("r2", &payment, 601).await), AmountRefusal::MoreThanLeft(eur(600)).into());
    let charge = format!("{CHARGES}/{}", payment.said().and_then(|said| said.reference).expect("a name"));
    assert_eq!(server.get(&charge).await["amount_refunded"], 400);
    shop.is_sound().await;
}

#[tokio::test]
async fn a_cut_connection_is_mended_by_the_same_request_under_the_same_key() {
    let server = server!();
    let line = Line::to(server.address()).await;
    let shop = Shop::open(charging(&line.url)).await;
    for (at, cut) in [Cut::BeforeRequest, Cut::BeforeReply, Cut::MidReply].into_iter().enumerate() {
        line.cut(CHARGES, cut);
        let order = format!("{cut:?}");
        shop.house.create(&order, purchase(&order, 1_000, VISA)).await.expect("it was found out");
        assert_eq!((shop.payment(&order).await.state, paid(&server).await), (PaymentState::Approved, at + 1), "{cut:?}");
    }
    let payment = shop.payment("MidReply").await;
    for (at, cut) in [Cut::BeforeRequest, Cut::BeforeReply, Cut::MidReply].into_iter().enumerate() {
        line.cut("/v1/refunds", cut);
        shop.refund(&format!("{cut:?}"), &payment, 100).await.expect("it was found out");
        assert_eq!(server.list("/v1/refunds").await.len(), at + 1, "{cut:?}");
    }
    // The server keeps nothing of this charge but its reply: only the key can tell.
    line.cut(CHARGES, Cut::BeforeReply);
    shop.house.create("forgotten", purchase("forgotten", 1_000, FORGETS)).await.expect("it was found out");
    assert_eq!((shop.payment("forgotten").await.state, paid(&server).await), (PaymentState::Approved, 3));
    shop.is_sound().await;
}

#[tokio::test]
async fn a_server_that_is_busy_is_proven_not_to_have_charged() {
    let server = server!();
    let shop = Shop::open(charging(&server.url)).await;
    assert_eq!(refusal(shop.house.create("k", purchase("k", 1_000, LIMITED)).await), Refusal::NotSent);
    assert!(shop.house.payment("k").await.is_none());
    assert_eq!(refusal(shop.house.create("once", purchase("once", 1_000, LIMITED_ONCE)).await), Refusal::NotSent);
    shop.house
        .create("once", purchase("once", 1_000, LIMITED_ONCE))
        .await
        .expect("the key was free, and the server is no longer busy");
    assert_eq!((shop.payment("once").await.state, paid(&server).await), (PaymentState::Approved, 1));
    shop.is_sound().await;
}

#[tokio::test]
async fn a_server_that_fails_keeps_the_key_until_it_is_certain_that_nothing_was_charged() {
    let server = server!();
    let shop = Shop::open(charging(&server.url)).await;
    for (order, number) in [("k", FAILS), ("once", FAILS_ONCE)] {
        assert_eq!(refusal(shop.house.create(order, purchase(order, 1_000, number)).await), Refusal::OutcomeUnknown);
        assert_eq!(refusal(shop.house.create(order, purchase(order, 1_000, number)).await), Refusal::InProcess { unknown: true });
    }
    assert_eq!(paid(&server).await, 0);
    shop.eleven_minutes().await;
    shop.house.create("once", purchase("once", 1_000, FAILS_ONCE)).await.expect("the key is free again");
    assert_eq!((shop.payment("once").await.state, paid(&server).await), (PaymentState::Approved, 1));
    assert!(shop.house.payment("k").await.is_none());
    shop.is_sound().await;
}
