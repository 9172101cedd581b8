//! Stripe's signed notifications, read without any effect: from header, body, secrets and time to what happened.
//!
//! `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`, each `v1` an HMAC-SHA-256 of `<t>.<body>` under a secret of the endpoint.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use kernel::json::Node;
use kernel::{AttemptId, Currency, Money, SecretText, Timestamp, sha256};
use payments::{Connector, Event, NotTaken, Notification, masked};
use serde::Deserialize;
use sha2::Sha256;

use super::amounts;
use super::objects::{Link, METADATA_ATTEMPT, Metadata};
use crate::form::{self, Form};

/// The header that carries time and signatures.
pub const SIGNATURE_HEADER: &str = "stripe-signature";
/// How far the time of a signature may be from ours, in seconds, either way.
pub const TOLERANCE_SECONDS: i64 = 300;
/// Characters a name of Stripe's may have.
const TEXT_MAX: usize = 255;

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A charge went through.
    Charged,
    /// What was held was taken.
    Captured,
    /// A hold is open.
    Held,
    /// A charge was refused.
    Refused,
    /// A charge was given up before anything happened.
    Abandoned,
    /// A hold was let go.
    Cancelled,
    /// A refund went through.
    Refunded,
    /// A refund came to nothing.
    RefundFailed,
    /// The payer disputes a charge.
    DisputeOpened,
    /// The dispute ended for the merchant.
    DisputeWon,
    /// The dispute ended for the payer.
    DisputeLost,
    /// Something that changes nothing here.
    Other,
}

/// A notification that is Stripe's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeEvent {
    /// Stripe's id of the event: the same at each try of the delivery.
    pub id: String,
    /// Whether it is about real money.
    pub live: bool,
    /// When it happened.
    pub created_at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// Stripe's name for what it happened to: an intent, a charge, a refund or a dispute.
    pub reference: String,
    /// The intent or charge that this belongs to, as [`payments::PaymentRow`]'s reference names it.
    pub charge_reference: Option<String>,
    /// Our attempt, where we made the object; of a dispute, the id under which we keep it.
    pub attempt: Option<AttemptId>,
    /// How much it is about; `None` where Stripe names none, or one that cannot be.
    pub amount: Option<Money>,
}

/// Why a notification is not believed, or cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// No signature, or none of the form described.
    #[error("the signature is missing or malformed")]
    NoSignature,
    /// Made too long ago, or in the future.
    #[error("the signature is not of this time")]
    Stale,
    /// Made with no secret of ours, or for another body.
    #[error("the signature is wrong")]
    WrongSignature,
    /// Stripe signed something that is no event.
    #[error("the notification cannot be read")]
    Unreadable,
}

/// Checks and reads one notification. During a change of secrets both are given.
///
/// # Errors
/// [`NotificationError`]; nothing of the body is looked at before its signature is right.
pub fn parse_notification(
    signature: Option<&str>,
    body: &[u8],
    secrets: &[SecretText],
    now: Timestamp,
) -> Result<StripeEvent, NotificationError> {
    let (time, signatures) = signature.and_then(read_signature).ok_or(NotificationError::NoSignature)?;
    let seconds: i64 = time.parse().map_err(|_| NotificationError::NoSignature)?;
    // Every signature is compared with every secret, whatever the first ones said.
    let mut genuine = false;
    for secret in secrets {
        for signature in &signatures {
            genuine |= signed(secret, time, body).verify_slice(signature).is_ok();
        }
    }
    if !genuine {
        return Err(NotificationError::WrongSignature);
    }
    if seconds.abs_diff(now.seconds()) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(NotificationError::Stale);
    }
    serde_json::from_slice::<Envelope>(body).ok().and_then(event).ok_or(NotificationError::Unreadable)
}

/// The value of `Stripe-Signature` for a body: what its receivers check.
pub fn signature_of(secret: &SecretText, body: &[u8], at: Timestamp) -> String {
    let time = at.seconds().to_string();
    let made = signed(secret, &time, body).finalize().into_bytes();
    format!("t={time},v1={}", hex::encode(made))
}

fn signed(secret: &SecretText, time: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

fn read_signature(header: &str) -> Option<(&str, Vec<Vec<u8>>)> {
    /// Signatures looked at in one header; Stripe sends one for each of two secrets at most.
    const SIGNATURES_MAX: usize = 8;
    let (mut time, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", value) if time.is_none() => time = Some(value),
            ("t", _) => return None,
            ("v1", value) if signatures.len() < SIGNATURES_MAX => signatures.push(hex::decode(value).ok()?),
            _ => {}
        }
    }
    let time = time.filter(|time| !time.is_empty() && time.len() <= 12 && time.bytes().all(|byte| byte.is_ascii_digit()))?;
    (!signatures.is_empty()).then_some((time, signatures))
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(default)]
    livemode: bool,
    created: i64,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    id: String,
    #[serde(default, rename = "object")]
    kind: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    amount: Option<i64>,
    /// What was captured, of an intent.
    #[serde(default)]
    amount_received: Option<i64>,
    /// What was captured, of a charge.
    #[serde(default)]
    amount_captured: Option<i64>,
    #[serde(default)]
    capture_method: Option<String>,
    #[serde(default)]
    latest_charge: Option<Link>,
    #[serde(default)]
    created: Option<i64>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    payment_intent: Option<Link>,
    #[serde(default)]
    charge: Option<Link>,
}

fn event(event: Envelope) -> Option<StripeEvent> {
    // Beyond these a year would not fit into a timestamp.
    if !(0..=Timestamp::MAX.seconds()).contains(&event.created) {
        return None;
    }
    let object = event.data.object;
    let kind = object.tells(&event.kind);
    let itself = || object.kind == "payment_intent" || object.kind == "charge";
    let charge_reference = match (&object.payment_intent, &object.charge) {
        (Some(link), _) | (None, Some(link)) => Some(link.id().to_owned()),
        (None, None) => itself().then(|| object.id.clone()),
    };
    let ours = object.metadata.as_ref().and_then(|metadata| metadata.get(METADATA_ATTEMPT)).and_then(|id| id.parse().ok());
    let attempt = if kind.is_dispute() { Some(kept_as(&object.id, object.created.unwrap_or(0))) } else { ours };
    let amount = match kind {
        EventKind::Captured => object.amount_received.or(object.amount_captured).or(object.amount),
        _ => object.amount,
    };
    let amount = amount.zip(object.currency.as_deref()).and_then(|(minor, code)| amounts::received(minor, code));
    let created_at = Timestamp::from_seconds(event.created);
    Some(StripeEvent {
        id: event.id,
        live: event.livemode,
        created_at,
        kind,
        reference: object.id,
        charge_reference,
        attempt,
        amount,
    })
}

impl EventKind {
    fn is_dispute(self) -> bool {
        matches!(self, Self::DisputeOpened | Self::DisputeWon | Self::DisputeLost)
    }
}

impl Object {
    /// What an event of this kind tells about this object. Source: docs.stripe.com/api/events/types.
    fn tells(&self, event: &str) -> EventKind {
        let status = self.status.as_deref();
        // An inquiry of the payer's bank (`warning_…`) takes no money; should it become a dispute, the money is withdrawn.
        let takes_money = !status.is_some_and(|status| status.starts_with("warning_"));
        match event {
            "payment_intent.succeeded" if self.capture_method.as_deref() == Some("manual") => EventKind::Captured,
            "payment_intent.succeeded" | "charge.succeeded" => EventKind::Charged,
            "charge.captured" => EventKind::Captured,
            "payment_intent.amount_capturable_updated" => EventKind::Held,
            "payment_intent.payment_failed" | "charge.failed" => EventKind::Refused,
            "payment_intent.canceled" if self.latest_charge.is_none() => EventKind::Abandoned,
            "payment_intent.canceled" | "charge.expired" => EventKind::Cancelled,
            "charge.refunded" => EventKind::Refunded,
            "charge.refund.updated" | "refund.created" | "refund.updated" | "refund.failed" => match status {
                Some("succeeded") => EventKind::Refunded,
                Some("failed" | "canceled") => EventKind::RefundFailed,
                _ => EventKind::Other,
            },
            "charge.dispute.created" | "charge.dispute.funds_withdrawn" if takes_money => EventKind::DisputeOpened,
            "charge.dispute.closed" if status == Some("won") => EventKind::DisputeWon,
            "charge.dispute.closed" if status == Some("lost") => EventKind::DisputeLost,
            _ => EventKind::Other,
        }
    }
}

/// The id under which a dispute is kept: made of its name, so that every event of it leads there, and of its time, so that it stands where
/// it belongs among the transactions of its payment.
fn kept_as(dispute: &str, created: i64) -> AttemptId {
    let hash = sha256(&[b"stripe dispute\0", dispute.as_bytes()]);
    let random: [u8; 10] = std::array::from_fn(|at| hash[at]);
    let millis = u64::try_from(created).unwrap_or(0).saturating_mul(1_000);
    AttemptId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

/// Says of a body that is no event what is wrong with it.
fn unreadable(body: &[u8], otherwise: &str) -> NotTaken {
    let document = match form::document(body) {
        Ok(document) => document,
        Err(refused) => return refused,
    };
    let Node::Object(members) = &document.node else { return NotTaken::unreadable(otherwise) };
    let mut form = Form::default();
    form.text(members, "id", 1..=TEXT_MAX);
    form.text(members, "type", 1..=TEXT_MAX);
    form.whole(members, "created", 0..=Timestamp::MAX.seconds());
    let object = form.object(members, "data").and_then(|data| form.object(data, "data.object"));
    object.and_then(|object| form.text(object, "data.object.id", 1..=TEXT_MAX));
    if form.is_good() { NotTaken::unreadable(otherwise) } else { form.refusal() }
}

/// Checks and reads one notification, as the platform takes it.
pub(super) fn read(
    signature: Option<&str>,
    body: &[u8],
    secrets: &[SecretText],
    live: bool,
    now: Timestamp,
) -> Result<Notification, NotTaken> {
    let event = parse_notification(signature, body, secrets, now).map_err(|error| match error {
        NotificationError::NoSignature | NotificationError::Stale | NotificationError::WrongSignature => NotTaken::NotGenuine,
        NotificationError::Unreadable => unreadable(body, &error.to_string()),
    })?;
    let (told, success) = match event.kind {
        EventKind::Charged | EventKind::Held => (Event::Authorisation, true),
        EventKind::Refused | EventKind::Abandoned => (Event::Authorisation, false),
        EventKind::Captured => (Event::Capture, true),
        EventKind::Cancelled => (Event::Cancellation, true),
        EventKind::Refunded => (Event::Refund, true),
        EventKind::RefundFailed => (Event::Refund, false),
        EventKind::DisputeOpened => (Event::Chargeback, true),
        EventKind::DisputeWon => (Event::ChargebackWon, true),
        EventKind::DisputeLost => (Event::ChargebackLost, true),
        EventKind::Other => (Event::Other, true),
    };
    // What is said about the other kind of money is another thing, and must not pass for a repeat of what is said about ours.
    let identity = if event.live == live { event.id } else { format!("{}\0other", event.id) };
    // It means nothing here, and neither does what names neither an attempt nor an amount.
    let means_something = event.live == live && event.attempt.is_some() && event.amount.is_some();
    Ok(Notification {
        connector: Connector::Stripe,
        identity,
        payment_id: None,
        merchant_order_id: Arc::from(""),
        event: if means_something { told } else { Event::Other },
        success,
        amount: event.amount.unwrap_or(Money::new(0, Currency::EUR)),
        body: masked(&String::from_utf8_lossy(body)).into(),
        attempt: event.attempt,
        reference: event.charge_reference.map(Arc::from),
    })
}

#[cfg(test)]
mod tests {
    use payments::WrongKind;

    use super::*;

    const BODY: &[u8] =
        br#"{"id":"evt_1","object":"event","livemode":false,"created":1800000000,"type":"payment_intent.succeeded",
        "data":{"object":{"id":"pi_1","object":"payment_intent","amount":1999,"currency":"eur","status":"succeeded",
        "metadata":{"attempt":"01936b1a-0000-7000-8000-00000000a001"},"latest_charge":"ch_1"}}}"#;
    const NOW: i64 = 1_800_000_100;

    fn secret(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    fn parse(signature: &str, body: &[u8], now: i64) -> Result<StripeEvent, NotificationError> {
        parse_notification(Some(signature), body, &[secret("whsec_old"), secret("whsec_new")], Timestamp::from_seconds(now))
    }

    fn sign(body: &[u8]) -> String {
        signature_of(&secret("whsec_new"), body, Timestamp::from_seconds(1_800_000_000))
    }

    #[test]
    fn a_genuine_event_is_read() {
        let event = parse(&sign(BODY), BODY, NOW).expect("genuine");
        assert_eq!(
            event,
            StripeEvent {
                id: "evt_1".into(),
                live: false,
                created_at: Timestamp::from_seconds(1_800_000_000),
                kind: EventKind::Charged,
                reference: "pi_1".into(),
                charge_reference: Some("pi_1".into()),
                attempt: "01936b1a-0000-7000-8000-00000000a001".parse().ok(),
                amount: Some(Money::new(1_999, kernel::Currency::EUR)),
            }
        );
    }

    /// From the vector of another implementation: `hmac.new(b"whsec_test", b"12345.{}", "sha256").hexdigest()` in Python.
    #[test]
    fn the_signature_is_the_one_others_make() {
        let made = signature_of(&secret("whsec_test"), b"{}", Timestamp::from_seconds(12_345));
        assert_eq!(made, "t=12345,v1=f7d0d6f2476273381fa231a8ba13a821a0c87029e7b1bfae51e93d0240fb7c32");
    }

    #[test]
    fn forged_stale_and_malformed_ones_are_refused() {
        let good = sign(BODY);
        let (time, made) = good.split_once(',').expect("two parts");
        assert_eq!(parse(&good, b"{}", NOW), Err(NotificationError::WrongSignature));
        assert_eq!(
            parse(&signature_of(&secret("other"), BODY, Timestamp::from_seconds(NOW)), BODY, NOW),
            Err(NotificationError::WrongSignature)
        );
        assert_eq!(parse(&format!("t=1800000001,{made}"), BODY, NOW), Err(NotificationError::WrongSignature));
        for now in [1_800_000_301, 1_799_999_699] {
            assert_eq!(parse(&good, BODY, now), Err(NotificationError::Stale));
        }
        for now in [1_800_000_300, 1_799_999_700] {
            assert!(parse(&good, BODY, now).is_ok());
        }
        for malformed in
            ["", "t=1", made, "t=,v1=00", "t=x,v1=00", "t=1,v1=zz", "t=1,t=2,v1=00", "t=99999999999999999999,v1=00", "nonsense"]
        {
            assert_eq!(parse(malformed, BODY, NOW), Err(NotificationError::NoSignature), "{malformed}");
        }
        assert_eq!(
            parse_notification(None, BODY, &[secret("whsec_new")], Timestamp::from_seconds(NOW)),
            Err(NotificationError::NoSignature)
        );
        assert_eq!(
            parse_notification(Some(&good), BODY, &[], Timestamp::from_seconds(NOW)),
            Err(NotificationError::WrongSignature)
        );
        let two = format!("{time},v1=00ff,v0=abcd,{made}");
        assert!(parse(&two, BODY, NOW).is_ok(), "one right signature is enough");
    }

    #[test]
    fn what_is_signed_but_no_event_is_refused_without_a_panic() {
        for body in [
            &b""[..],
            b"[]",
            b"{}",
            b"\xff",
            br#"{"id":"e","created":1,"type":"x","data":{}}"#,
            br#"{"id":"e","created":9223372036854775807,"type":"x","data":{"object":{"id":"i"}}}"#,
        ] {
            assert_eq!(parse(&sign(body), body, NOW), Err(NotificationError::Unreadable), "{body:?}");
        }
    }

    #[test]
    fn each_kind_is_recognised() {
        for (kind, object, expected, charge) in [
            ("charge.refunded", r#"{"id":"ch_1","object":"charge","payment_intent":"pi_1"}"#, EventKind::Refunded, Some("pi_1")),
            (
                "charge.dispute.created",
                r#"{"id":"dp_1","object":"dispute","charge":"ch_1"}"#,
                EventKind::DisputeOpened,
                Some("ch_1"),
            ),
            (
                "charge.dispute.closed",
                r#"{"id":"dp_1","object":"dispute","status":"won","payment_intent":{"id":"pi_1"}}"#,
                EventKind::DisputeWon,
                Some("pi_1"),
            ),
            ("charge.dispute.closed", r#"{"id":"dp_1","object":"dispute","status":"lost"}"#, EventKind::DisputeLost, None),
            ("charge.dispute.closed", r#"{"id":"dp_1","object":"dispute","status":"warning_closed"}"#, EventKind::Other, None),
            (
                "charge.dispute.created",
                r#"{"id":"dp_1","object":"dispute","status":"warning_needs_response","charge":"ch_1"}"#,
                EventKind::Other,
                Some("ch_1"),
            ),
            (
                "charge.dispute.funds_withdrawn",
                r#"{"id":"dp_1","object":"dispute","status":"needs_response","charge":"ch_1"}"#,
                EventKind::DisputeOpened,
                Some("ch_1"),
            ),
            (
                "refund.updated",
                r#"{"id":"re_1","object":"refund","status":"pending","charge":"ch_1"}"#,
                EventKind::Other,
                Some("ch_1"),
            ),
            (
                "refund.failed",
                r#"{"id":"re_1","object":"refund","status":"failed","payment_intent":"pi_1"}"#,
                EventKind::RefundFailed,
                Some("pi_1"),
            ),
            (
                "payment_intent.succeeded",
                r#"{"id":"pi_1","object":"payment_intent","capture_method":"manual"}"#,
                EventKind::Captured,
                Some("pi_1"),
            ),
            (
                "payment_intent.canceled",
                r#"{"id":"pi_1","object":"payment_intent","latest_charge":"ch_1"}"#,
                EventKind::Cancelled,
                Some("pi_1"),
            ),
            ("payment_intent.payment_failed", r#"{"id":"pi_1","object":"payment_intent"}"#, EventKind::Refused, Some("pi_1")),
            ("payment_intent.canceled", r#"{"id":"pi_1","object":"payment_intent"}"#, EventKind::Abandoned, Some("pi_1")),
            ("customer.created", r#"{"id":"cus_1"}"#, EventKind::Other, None),
        ] {
            let body = format!(r#"{{"id":"e","created":1800000000,"type":"{kind}","data":{{"object":{object}}}}}"#);
            let event = parse(&sign(body.as_bytes()), body.as_bytes(), NOW).expect("genuine");
            assert_eq!((event.kind, event.charge_reference.as_deref()), (expected, charge), "{kind}");
        }
    }

    /// As the platform takes it, for real money or not.
    fn taken(body: &[u8], live: bool) -> Result<Notification, NotTaken> {
        read(Some(&sign(body)), body, &[secret("whsec_new")], live, Timestamp::from_seconds(NOW))
    }

    #[test]
    fn what_is_no_event_is_refused_by_its_parts() {
        let no_object = |body: &str, why: &str| {
            assert_eq!(taken(body.as_bytes(), false).expect_err("no object"), NotTaken::NotAnObject(why.to_owned()));
        };
        no_object("[]", "the body must be a JSON object");
        no_object(r#"{"id":"a","id":"b"}"#, "the body is not valid JSON: a member is named twice in the object at byte 1");
        let NotTaken::Malformed(wrong) = taken(br#"{"id":5,"type":"a","data":{"object":{}}}"#, false).expect_err("no event")
        else {
            panic!("its parts are wrong")
        };
        let texts: Vec<_> = wrong.iter().map(|wrong| (wrong.kind, wrong.text.as_str())).collect();
        assert_eq!(
            texts,
            [
                (WrongKind::Invalid, "id: must be a string"),
                (WrongKind::Missing, "created: is required"),
                (WrongKind::Missing, "data.object.id: is required"),
            ]
        );
    }

    #[test]
    fn what_is_said_about_the_other_kind_of_money_is_no_repeat() {
        let [ours, other] = [false, true].map(|live| taken(BODY, live).expect("genuine"));
        assert_eq!((ours.identity.as_str(), ours.event), ("evt_1", Event::Authorisation));
        assert_ne!(other.identity, ours.identity);
        assert_eq!(other.event, Event::Other);
    }
}
