//! `POST /v1/acquirers/{connector}/notifications`: what an acquirer tells us unasked (payments specification, section 3.7).

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use payments::{Connector, NotTaken, NotificationRefused};

use crate::body;
use crate::envelope::{Code, Problem};
use crate::extract::{At, Headers};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Needs, Part, Route};
use crate::state::Web;

/// The route.
pub(crate) fn route() -> Route {
    Route::open(Method::POST, "/v1/acquirers/{connector}/notifications", take)
        .named("Acquirers", "notify", "Take an acquirer's notification")
        .text(
            "Signed by the acquirer, each in its own way: the sandbox by `x-hmac-signature`, Stripe by `Stripe-Signature`, which is good for \
             five minutes. Stored at once, worked off afterwards.",
        )
        .params(&[("connector", "Name of the acquirer: `sandbox`, `sandbox_b` or `stripe`.")])
        .replies(StatusCode::OK, "`OK`, also for a repeat.", Content::Other("text/plain"))
        .refusals(&[
            (Code::InvalidCredentials, "The signature is missing or not the acquirer's."),
            (Code::InvalidRequest, "It is signed and no JSON object."),
            (Code::InvalidParameters, "It is signed and a part of it is missing or of another kind."),
            (Code::NotFound, "There is no such acquirer, or it sends none."),
        ])
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
        NotificationRefused::NotTaken(NotTaken::NotAnObject) => {
            Problem::new(Code::InvalidRequest, "the body must be a JSON object")
        }
        NotificationRefused::NotTaken(NotTaken::Malformed(why)) => Problem::new(Code::InvalidParameters, why),
        NotificationRefused::Fault(fault) => problem_of_fault(&fault),
    })
}
