//! Payment intents, against `localstripe`, which ignores idempotency keys and takes the least fields only.

use connectors::acquirer_stripe::{EventKind, parse_notification};
use kernel::{Outcome, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::line::{Cut, Line};
use super::servers::{KEY, Server, client};
use super::*;

const GOOD_CARD: &str = "4242424242424242";
const NO_MONEY: &str = "4000000000000341";
const CHALLENGED: &str = "4000002500003155";
const INTENTS: &str = "/v1/payment_intents";

/// A server, or the end of the test with a word about it.
macro_rules! server {
    () => {
        match Server::localstripe() {
            Some(server) => server,
            None => return,
        }
    };
}

async fn paid(server: &Server) -> usize {
    server.list("/v1/charges").await.iter().filter(|charge| charge["status"] == "succeeded").count()
}

#[tokio::test]
async fn a_purchase_is_charged_refunded_in_part_and_never_over_refunded() {
    let server = server!();
    let shop = Shop::open(options(&server.url, Api::PaymentIntents)).await;
    shop.house.create("p", purchase("p", 1_999, GOOD_CARD)).await.expect("a payment");
    let payment = shop.payment("p").await;
    assert_eq!((payment.state, payment.connector), (PaymentState::Approved, Connector::Stripe));
    let reference = payment.said().and_then(|said| said.reference).expect("stripe's name for it").to_owned();
    let intent = server.get(&format!("{INTENTS}/{reference}")).await;
    assert_eq!((&intent["status"], &intent["amount"], &intent["currency"]), (&"succeeded".into(), &1_999.into(), &"eur".into()));
    assert_eq!(intent["metadata"]["attempt"], payment.attempt_id.to_string());

    shop.refund("r1", &payment, 500).await.expect("a refund");
    assert_eq!(refusal(shop.refund("r2", &payment, 1_500).await), AmountRefusal::MoreThanLeft(eur(1_499)).into());
    assert_eq!(server.list("/v1/refunds").await.len(), 1, "the server would have taken it: the refusal is ours");
    shop.refund("r3", &payment, 1_499).await.expect("the rest");
    let refunded: i64 = server.list("/v1/refunds").await.iter().filter_map(|refund| refund["amount"].as_i64()).sum();
    assert_eq!((refunded, shop.payment("p").await.state), (1_999, PaymentState::Refunded));
    shop.is_sound().await;
}

#[tokio::test]
async fn a_hold_is_captured_in_part_or_let_go() {
    let server = server!();
    let shop = Shop::open(options(&server.url, Api::PaymentIntents)).await;
    shop.house.create("a", authorisation("a", 1_000, GOOD_CARD)).await.expect("a hold");
    let held = shop.payment("a").await;
    let intent = format!("{INTENTS}/{}", held.said().and_then(|said| said.reference).expect("a name"));
    assert_eq!((held.state, &server.get(&intent).await["status"]), (PaymentState::Authorised, &"requires_capture".into()));
    shop.capture("c", &held, 600).await.expect("a capture");
    assert_eq!(server.get(&intent).await["status"], "succeeded");
    assert_eq!(server.list("/v1/charges").await[0]["amount_refunded"], 400, "the rest is given back there");
    assert_eq!(shop.payment("a").await.state, PaymentState::PartlyCaptured);

    shop.house.create("v", authorisation("v", 700, GOOD_CARD)).await.expect("a hold");
    let held = shop.payment("v").await;
    shop.cancel("x", &held).await.expect("a cancel");
    let intent = format!("{INTENTS}/{}", held.said().and_then(|said| said.reference).expect("a name"));
    assert_eq!(server.get(&intent).await["status"], "canceled");
    assert_eq!(shop.payment("v").await.state, PaymentState::Cancelled);
    shop.is_sound().await;
}

#[tokio::test]
async fn refusals_challenges_and_checks_of_cards_are_told_apart() {
    let server = server!();
    let shop = Shop::open(options(&server.url, Api::PaymentIntents)).await;
    for (number, state, code) in
        [(NO_MONEY, PaymentState::Declined, "DECLINED_BY_BANK"), (CHALLENGED, PaymentState::AwaitingPayer, "CHALLENGE_REQUIRED")]
    {
        shop.house.create(number, purchase(number, 1_000, number)).await.expect("an answer");
        let payment = shop.payment(number).await;
        let said = payment.said().map(|said| (said.code, said.hard));
        assert_eq!((payment.state, said), (state, Some((code, false))), "{number}");
    }
    let regular = ChargeAsk { off_session: true, ..charge_ask(1_000, CHALLENGED) };
    let outcome = shop.stripe.charge(&regular).await;
    assert!(
        matches!(&outcome, Outcome::Declined(decline) if decline.code == "AUTHENTICATION_REQUIRED" && !decline.hard),
        "{outcome:?}"
    );
    let intents = server.list(INTENTS).await;
    let statuses: Vec<_> = intents.iter().filter_map(|intent| intent["status"].as_str()).collect();
    assert!(statuses.contains(&"canceled") && statuses.contains(&"requires_action"), "{statuses:?}");
    assert_eq!(paid(&server).await, 0);

    let check = |order: &str, number: &str| CreatePayment { mode: Mode::Verify, ..purchase(order, 0, number) };
    shop.house.create("good", check("good", GOOD_CARD)).await.expect("an answer");
    assert_eq!(shop.payment("good").await.state, PaymentState::Verified);
    shop.house.create("bad", check("bad", "4000000000000002")).await.expect("an answer");
    assert_eq!(shop.payment("bad").await.state, PaymentState::Declined);
    assert_eq!(paid(&server).await, 0);
    shop.is_sound().await;
}

/// The server ignores keys, so sending again would charge again: the attempt's id in the metadata is what is looked for.
#[tokio::test]
async fn a_cut_connection_never_makes_two_charges() {
    let server = server!();
    let line = Line::to(server.address()).await;
    let shop = Shop::open(options(&line.url, Api::PaymentIntents)).await;
    for (order, cut, charges) in [("reply", Cut::BeforeReply, 1), ("half", Cut::MidReply, 2)] {
        line.cut(INTENTS, cut);
        shop.house.create(order, purchase(order, 1_000, GOOD_CARD)).await.expect("it was found out");
        assert_eq!((shop.payment(order).await.state, paid(&server).await), (PaymentState::Approved, charges), "{cut:?}");
    }
    line.cut(INTENTS, Cut::BeforeReply);
    shop.house.create("declined", purchase("declined", 1_000, NO_MONEY)).await.expect("it was found out");
    assert_eq!(shop.payment("declined").await.state, PaymentState::Declined);
    line.cut(INTENTS, Cut::BeforeReply);
    shop.house.create("challenged", purchase("challenged", 1_000, CHALLENGED)).await.expect("it was found out");
    assert_eq!(shop.payment("challenged").await.state, PaymentState::AwaitingPayer);

    // The request never arrived. Nobody can promise that it will not, so only time tells.
    line.cut(INTENTS, Cut::BeforeRequest);
    assert_eq!(refusal(shop.house.create("lost", purchase("lost", 1_000, GOOD_CARD)).await), Refusal::OutcomeUnknown);
    assert_eq!(
        refusal(shop.house.create("lost", purchase("lost", 1_000, GOOD_CARD)).await),
        Refusal::InProcess { unknown: true }
    );
    shop.eleven_minutes().await;
    assert!(shop.house.payment("lost").await.is_none(), "what never happened is shown to nobody");
    shop.house.create("lost", purchase("lost", 1_000, GOOD_CARD)).await.expect("the key is free again");
    assert_eq!(paid(&server).await, 3);
    shop.is_sound().await;
}

#[tokio::test]
async fn a_cut_connection_never_refunds_or_captures_twice() {
    let server = server!();
    let line = Line::to(server.address()).await;
    let shop = Shop::open(options(&line.url, Api::PaymentIntents)).await;
    shop.house.create("p", purchase("p", 1_000, GOOD_CARD)).await.expect("a payment");
    let payment = shop.payment("p").await;
    for (key, cut) in [("r1", Cut::BeforeReply), ("r2", Cut::MidReply)] {
        line.cut("/v1/refunds", cut);
        shop.refund(key, &payment, 300).await.expect("it was found out");
    }
    assert_eq!((server.list("/v1/refunds").await.len(), shop.payment("p").await.refunded), (2, 600));

    shop.house.create("a", authorisation("a", 900, GOOD_CARD)).await.expect("a hold");
    let held = shop.payment("a").await;
    let capture = format!("{INTENTS}/{}/capture", held.said().and_then(|said| said.reference).expect("a name"));
    line.cut(capture.leak(), Cut::BeforeReply);
    shop.capture("c", &held, 900).await.expect("it was found out");
    assert_eq!(shop.payment("a").await.state, PaymentState::Captured);

    shop.house.create("v", authorisation("v", 900, GOOD_CARD)).await.expect("a hold");
    let held = shop.payment("v").await;
    let cancel = format!("{INTENTS}/{}/cancel", held.said().and_then(|said| said.reference).expect("a name"));
    line.cut(cancel.leak(), Cut::BeforeReply);
    shop.cancel("x", &held).await.expect("it was found out");
    assert_eq!(shop.payment("v").await.state, PaymentState::Cancelled);
    shop.is_sound().await;
}

/// The payer does what his browser would do there.
async fn authenticates(server: &Server, payment: &PaymentRow, success: bool) {
    let intent = format!("{INTENTS}/{}", payment.said().and_then(|said| said.reference).expect("a name"));
    let secret = server.get(&intent).await["client_secret"].as_str().expect("a secret").to_owned();
    let form = [("client_secret", secret), ("success", success.to_string())];
    let asked = client().post(format!("{}{intent}/_authenticate", server.url)).bearer_auth(KEY).form(&form).send().await;
    assert_eq!(asked.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_challenged_payer_pays_when_he_has_proven_himself_and_nothing_is_left_open_when_he_does_not() {
    let server = server!();
    let shop = Shop::open(options(&server.url, Api::PaymentIntents)).await;
    for (order, success, state) in [("good", true, PaymentState::Approved), ("bad", false, PaymentState::Declined)] {
        shop.house.create(order, purchase(order, 1_000, CHALLENGED)).await.expect("an answer");
        let payment = shop.payment(order).await;
        assert_eq!(shop.visits(order).await, Sent::Nowhere, "this server names no page");
        authenticates(&server, &payment, success).await;
        assert_eq!(shop.visits(order).await, Sent::OverNow);
        assert_eq!(shop.payment(order).await.state, state, "{order}");
    }
    let payment = shop.payment("good").await;
    shop.refund("r", &payment, 400).await.expect("a refund");
    shop.house.create("held", authorisation("held", 900, CHALLENGED)).await.expect("an answer");
    authenticates(&server, &shop.payment("held").await, true).await;
    shop.eleven_minutes().await;
    shop.eleven_minutes().await;
    let held = shop.payment("held").await;
    assert_eq!(held.state, PaymentState::Authorised, "found out when his time was over");
    shop.capture("c", &held, 900).await.expect("a capture");

    shop.house.create("away", purchase("away", 1_000, CHALLENGED)).await.expect("an answer");
    let away = shop.payment("away").await;
    let intent = format!("{INTENTS}/{}", away.said().and_then(|said| said.reference).expect("a name"));
    assert_eq!(server.get(&intent).await["status"], "requires_action");
    shop.eleven_minutes().await;
    shop.eleven_minutes().await;
    assert_eq!(
        (shop.payment("away").await.state, &server.get(&intent).await["status"]),
        (PaymentState::Expired, &"canceled".into())
    );
    assert_eq!(paid(&server).await, 2);
    shop.is_sound().await;
}

#[tokio::test]
async fn a_card_that_cannot_be_handed_over_leaves_nothing() {
    let server = server!();
    let line = Line::to(server.address()).await;
    let shop = Shop::open(options(&line.url, Api::PaymentIntents)).await;
    for cut in [Cut::BeforeRequest, Cut::BeforeReply, Cut::MidReply] {
        line.cut("/v1/payment_methods", cut);
        assert_eq!(refusal(shop.house.create("k", purchase("k", 1_000, GOOD_CARD)).await), Refusal::NotSent, "{cut:?}");
    }
    shop.house.create("k", purchase("k", 1_000, GOOD_CARD)).await.expect("the key is free");
    assert_eq!(paid(&server).await, 1);
    let asked: Vec<_> = line.seen().into_iter().filter(|first| first.starts_with("POST /v1/payment_intents ")).collect();
    assert_eq!(asked.len(), 1);
    shop.is_sound().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_proven_not_to_have_charged() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    for url in [format!("http://{nobody}"), format!("https://{nobody}"), "http://stripe.invalid".to_owned()] {
        let shop = Shop::open(options(&url, Api::PaymentIntents)).await;
        let ask = charge_ask(1_000, GOOD_CARD);
        assert!(matches!(shop.stripe.charge(&ask).await, Outcome::NotSent { .. }), "{url}");
        assert_eq!(refusal(shop.house.create("k", purchase("k", 1_000, GOOD_CARD)).await), Refusal::NotSent, "{url}");
    }
}

/// The first event its server sends is taken from the wire as it is.
#[tokio::test]
async fn its_signed_notification_is_believed_and_a_forged_one_is_not() {
    const SECRET: &str = "whsec_of_the_test";
    let server = server!();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let hook = [("url", url.as_str()), ("secret", SECRET)];
    let asked = client().post(format!("{}/_config/webhooks/test", server.url)).bearer_auth(KEY).form(&hook).send().await;
    assert_eq!(asked.expect("an answer").status(), 200);
    let signing_secrets = vec![SecretText::new(SECRET.to_owned())];
    let shop = Shop::open(StripeOptions { signing_secrets, ..options(&server.url, Api::PaymentIntents) }).await;
    shop.house.create("p", purchase("p", 1_999, GOOD_CARD)).await.expect("a payment");
    let payment = shop.payment("p").await;

    let (mut stream, _) =
        tokio::time::timeout(Duration::from_secs(20), listener.accept()).await.expect("in time").expect("a caller");
    let mut bytes = Vec::new();
    let (head, body) = loop {
        assert!(stream.read_buf(&mut bytes).await.expect("bytes") > 0, "the whole request");
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            break (head, bytes[end + 4..].to_vec());
        }
    };
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("answered");
    let signature = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("stripe-signature").then(|| value.trim().to_owned())
    });
    let secrets = [SecretText::new(SECRET.to_owned())];
    let now = Source::system().now();
    let event = parse_notification(signature.as_deref(), &body, &secrets, now).expect("genuine");
    assert_eq!((event.kind, event.attempt, event.amount), (EventKind::Charged, Some(payment.attempt_id), Some(eur(1_999))));
    assert_eq!(event.charge_reference.as_deref(), payment.said().and_then(|said| said.reference));
    let header = |name: &str| signature.clone().filter(|_| name == "stripe-signature");
    for _ in 0..2 {
        shop.house.payments.take_notification(Connector::Stripe, &header, &body).await.expect("it is taken");
        shop.house.payments.work_off_notifications().await.expect("it is worked off");
    }
    assert_eq!(shop.payment("p").await.state, PaymentState::Approved);
    let mut forged = body.clone();
    forged.push(b' ');
    assert!(shop.house.payments.take_notification(Connector::Stripe, &header, &forged).await.is_err());
    assert!(shop.house.payments.take_notification(Connector::Stripe, &|_| None, &body).await.is_err());
    assert!(parse_notification(signature.as_deref(), &forged, &secrets, now).is_err());
    assert!(parse_notification(signature.as_deref(), &body, &secrets, Timestamp::from_seconds(now.seconds() + 400)).is_err());
    assert!(parse_notification(signature.as_deref(), &body, &[SecretText::new("other".to_owned())], now).is_err());
}
