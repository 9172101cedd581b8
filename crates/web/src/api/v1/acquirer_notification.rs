//! `POST /v1/acquirers/{connector}/notifications`: what an acquirer tells us unasked (payments specification, section 3.7).

use std::borrow::Cow;

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kernel::PaymentId;
use kernel::json::{Node, Value};
use payments::{Connector, NotTaken, NotificationRefused, Wrong, WrongKind};
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use super::parts::{Echoed, Moment};
use crate::body;
use crate::envelope::{Code, Problem};
use crate::extract::{At, Headers};
use crate::object::{Components, Field, Items, Reader, Text, Whole, object};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Needs, Part, Route, sent};
use crate::state::Web;
use crate::view::View;

/// The route.
pub(crate) fn route() -> Route {
    Route::open(Method::POST, "/v1/acquirers/{connector}/notifications", take)
        .named("Acquirers", "notify", "Take an acquirer's notification")
        .text(
            "Signed by the acquirer, each in its own way: the sandbox by `x-hmac-signature`, Stripe by `Stripe-Signature`, which is good for \
             five minutes. Stored at once, worked off afterwards.",
        )
        .params(&[("connector", "Name of the acquirer: `sandbox`, `sandbox_b` or `stripe`.")])
        .takes("application/json", notification)
        .replies(StatusCode::OK, "`OK`, also for a repeat.", Content::Other("text/plain"))
        .refusals(&[
            (Code::InvalidCredentials, "The signature is missing or not the acquirer's."),
            (Code::InvalidRequest, "It is signed and no JSON object, or names a member twice."),
            (Code::MissingParameters, "It is signed and a part of it is missing."),
            (Code::InvalidParameters, "It is signed and a part of it is of another kind."),
            (Code::CurrencyNotAllowed, "It is signed and its currency is none of ISO 4217."),
            (Code::InvalidDate, "It is signed and the time of its event is none."),
            (Code::NotFound, "There is no such acquirer, or it sends none."),
        ])
}

/// The id of a payment.
#[derive(Debug)]
struct Guid(#[expect(dead_code, reason = "what is sent is read by the acquirer's own reader")] PaymentId);

impl Field for Guid {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        match reader.text(value)?.parse() {
            Ok(id) => Some(Guid(id)),
            Err(error) => reader.invalid(error),
        }
    }

    fn property() -> RefOr<Schema> {
        PaymentId::property()
    }
}

/// An object that is kept as it was sent.
#[derive(Debug)]
struct Kept;

impl Field for Kept {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        reader.object(value).map(|_| Kept)
    }

    fn property() -> RefOr<Schema> {
        ObjectBuilder::new().build().into()
    }
}

/// A time: a text, or a number of milliseconds.
#[derive(Debug)]
struct When;

impl Field for When {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        match value.node {
            Node::Number(_) => Some(When),
            _ => Moment::read(value, reader).map(|_| When),
        }
    }

    fn property() -> RefOr<Schema> {
        let millis = ObjectBuilder::new().schema_type(Type::Number).description(Some("Milliseconds since 1970."));
        RefOr::T(Schema::OneOf(OneOfBuilder::new().item(Moment::property()).item(millis).build()))
    }
}

object! {
    /// How much an event of the sandbox is about.
    struct SandboxAmount {
        /// ISO 4217.
        currency: Text<3, 3>,
        /// In minor units.
        value: Whole<0, 1_000_000_000_000>,
    }
}

object! {
    /// What happened at the sandbox acquirer.
    struct SandboxEvent {
        /// Kept.
        additional_data: Option<Kept>,
        /// How much it is about.
        amount: SandboxAmount,
        /// `AUTHORISATION`, `CAPTURE`, `CANCELLATION`, `REFUND`, `CHARGEBACK`, `CHARGEBACK_WON` or `CHARGEBACK_LOST`; others are kept and
        /// change nothing.
        event_code: Text<1, 255>,
        /// When it happened; part of what makes a repeat.
        event_date: Option<When>,
        /// Whether the payer proved that the card is his.
        is_3d: bool,
        /// What may be asked of the charge.
        operations: Items<Text<1, 255>, 100>,
        /// The payment's `merchant_order_id`.
        order_id: Text<1, 255>,
        /// The payment.
        payment_id: Guid,
        /// Whether it went through.
        success: bool,
    }
}

object! {
    /// A notification of the sandbox acquirer.
    struct SandboxNotification {
        /// Whether it is about real money; the sandbox's never is.
        live: bool,
        /// What happened.
        notification: SandboxEvent,
    }
}

object! {
    /// An event of Stripe's, as its own reference describes it.
    struct StripeEvent {
        /// Stripe's id of the event.
        id: Text<1, 255>,
        /// Such as `charge.dispute.created`.
        kind as "type": Text<1, 255>,
        /// Seconds since 1970.
        created: Whole<0, 1_000_000_000_000>,
        /// Whether it is about real money.
        livemode: Option<bool>,
        /// `object`: what it happened to.
        data: Echoed,
    }
}

/// What acquirers send, each in its own form.
fn notification(into: &mut Components) -> RefOr<Schema> {
    let forms = OneOfBuilder::new().item(sent::<SandboxNotification>(into)).item(sent::<StripeEvent>(into));
    RefOr::T(Schema::OneOf(forms.build()))
}

/// The body as it came: it is signed as it came.
pub(crate) struct Raw(Bytes);

impl FromRequest<Web> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _web: &Web) -> Result<Self, Problem> {
        body::read(request.into_body()).await.map(Raw)
    }
}

impl Part for Raw {
    fn describe(needs: &mut Needs) {
        needs.reads = true;
    }
}

async fn take(At(connector): At<String>, Headers(headers): Headers, State(web): State<Web>, Raw(body): Raw) -> Response {
    match taken(&web, &connector, &headers, &body).await {
        Ok(()) => "OK".into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Takes a notification, as if it had come over the wire.
///
/// # Errors
/// 404 for an acquirer that does not exist or sends none, 401 for one that did not sign it, 400 for one that cannot be read.
pub(crate) async fn taken(web: &Web, connector: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let nobody = || Problem::new(Code::NotFound, "no such acquirer");
    let connector = Connector::parse(connector).ok_or_else(nobody)?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    web.wiring.payments.take_notification(connector, &header, body).await.map_err(|refused| match refused {
        NotificationRefused::NotTaken(NotTaken::NotOffered) => nobody(),
        NotificationRefused::NotTaken(NotTaken::NotGenuine) => {
            Problem::new(Code::InvalidCredentials, "the signature is missing or wrong")
        }
        NotificationRefused::NotTaken(NotTaken::NotAnObject(why)) => Problem::new(Code::InvalidRequest, why),
        NotificationRefused::NotTaken(NotTaken::Malformed(wrong)) => problem_of_form(wrong),
        NotificationRefused::Fault(fault) => problem_of_fault(&fault),
    })
}

/// All that is wrong as one refusal. As of every body, what is missing decides its code and stands first.
fn problem_of_form(mut wrong: Vec<Wrong>) -> Problem {
    wrong.sort_by_key(|wrong| wrong.kind != WrongKind::Missing); // stable: the rest stays in order
    let code = match wrong.first().map(|wrong| wrong.kind) {
        Some(WrongKind::Missing) => Code::MissingParameters,
        Some(WrongKind::Date) => Code::InvalidDate,
        Some(WrongKind::Currency) => Code::CurrencyNotAllowed,
        Some(WrongKind::Invalid) | None => Code::InvalidParameters,
    };
    Problem::of(code, wrong.into_iter().map(|wrong| Cow::Owned(wrong.text)).collect())
}
