//! A request's body and its idempotency key, in the order the payments specification demands (sections 3.1 and 3.3): header, memory
//! of the key, body; and when the body is refused, first the store, because a replay or a conflict comes before a refusal.

use std::marker::PhantomData;

use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use idempotency::{BodyHash, IdempotencyKey, InProcess, Known, Recorded, Reply, Scope, meter};

use crate::body;
use crate::envelope::{Code, Problem};
use crate::exchange::Exchange;
use crate::object::{Body, Reader};
use crate::refusal::problem_of_fault;
use crate::route::{BodyShape, Idempotency, Needs, Part};
use crate::state::Web;

const X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ORIGINAL_REQUEST_ID: HeaderName = HeaderName::from_static("original-request-id");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Whether a route needs an idempotency key.
pub(crate) trait Rule: Send + Sync + 'static {
    /// What the route makes of the header.
    const IDEMPOTENCY: Idempotency;
    /// What the handler gets: the key, or perhaps one.
    type Key: Send;
    /// Wraps what was found; `None` when one is needed and missing.
    fn key(found: Option<payments::Once>) -> Option<Self::Key>;
}

/// The key must be sent.
pub(crate) struct Required;

impl Rule for Required {
    const IDEMPOTENCY: Idempotency = Idempotency::Required;
    type Key = payments::Once;

    fn key(found: Option<payments::Once>) -> Option<payments::Once> {
        found
    }
}

/// The key is honoured when it is sent.
pub(crate) struct Optional;

impl Rule for Optional {
    const IDEMPOTENCY: Idempotency = Idempotency::Optional;
    type Key = Option<payments::Once>;

    fn key(found: Option<payments::Once>) -> Option<Option<payments::Once>> {
        Some(found)
    }
}

/// What is asked, and the key under which it is asked once.
pub(crate) struct Once<R: Rule, B: Body> {
    /// The key.
    pub key: R::Key,
    /// The body, judged.
    pub ask: B::Ask,
    marker: PhantomData<(R, B)>,
}

impl<R: Rule, B: Body> Part for Once<R, B> {
    fn describe(needs: &mut Needs) {
        needs.idempotency = R::IDEMPOTENCY;
        needs.body = Some(BodyShape::of::<B>());
    }
}

impl<R: Rule, B: Body> FromRequest<Web> for Once<R, B> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let exchange = Exchange::of(&parts);
        let account = exchange.caller().map(access::Caller::account_id);
        let key = key_of(&parts.headers).map_err(IntoResponse::into_response)?;
        let scoped = key.zip(account).map(|(key, account)| {
            let scope = Scope::of(account, parts.method.as_str(), &exchange.canonical_path(), &key);
            (scope, key)
        });
        if scoped.is_none() && R::IDEMPOTENCY == Idempotency::Required {
            return Err(Problem::new(Code::MissingParameters, "X-Idempotency-Key: is required").into_response());
        }
        let known =
            scoped.as_ref().map_or(Known::Nothing, |(scope, _)| web.wiring.idempotency.recall(scope, web.wiring.clock.now()));
        if let Known::InProcess(first) = known {
            return Err(in_process(web, first).into_response());
        }
        let bytes = body::read(body).await.map_err(IntoResponse::into_response)?;
        let once = scoped.map(|(scope, key)| payments::Once {
            scope,
            key: key.as_str().into(),
            body_hash: BodyHash::of(&bytes),
            request_id: exchange.request_id.as_str().into(),
            strict: exchange.caller().is_some_and(|caller| caller.account().idempotency_strict),
        });
        if let (Known::Replay(recorded), Some(once)) = (&known, &once) {
            return Err(replay(web, once, recorded));
        }
        let read = if B::MAY_BE_EMPTY && bytes.is_empty() {
            Reader::new(account).document::<B>(b"{}")
        } else {
            body::expect_json(&parts.headers).and_then(|()| Reader::new(account).document::<B>(&bytes))
        };
        match (read, R::key(once.clone())) {
            (Ok(ask), Some(key)) => Ok(Once { key, ask, marker: PhantomData }),
            (Err(problem), _) => Err(refused(web, once, problem).await),
            (Ok(_), None) => Err(Problem::internal("a key that was there is gone".to_owned()).into_response()),
        }
    }
}

/// The key in the headers, if there is one.
fn key_of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    IdempotencyKey::from_header(headers.get_all(X_IDEMPOTENCY_KEY).iter().map(HeaderValue::as_bytes))
        .map_err(|error| Problem::new(Code::InvalidParameters, format!("X-Idempotency-Key: {error}")))
}

/// A body was refused; what the store knows about its key comes first.
pub(crate) async fn refused(web: &Web, once: Option<payments::Once>, problem: Problem) -> Response {
    let Some(once) = once else { return problem.into_response() };
    match web.wiring.idempotency.find(&once.scope, web.wiring.clock.now()).await {
        Ok(Known::Nothing) => problem.into_response(),
        Ok(Known::InProcess(first)) => in_process(web, first).into_response(),
        Ok(Known::Replay(recorded)) => replay(web, &once, &recorded),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}

/// The refusal of a request whose first one is under way.
pub(crate) fn in_process(web: &Web, first: InProcess) -> Problem {
    meter::conflict();
    let status = StatusCode::from_u16(web.wiring.options.in_flight_status).unwrap_or(StatusCode::CONFLICT);
    Problem::new(Code::RequestInProcess, "a request with this idempotency key is still being processed")
        .with_status(status)
        .retry_after(first.retry_after_seconds())
}

/// The recorded reply again, counted and marked as such; or, where the account wants that, a refusal of a request that says something
/// else than the first one did.
pub(crate) fn replay(web: &Web, once: &payments::Once, recorded: &Recorded) -> Response {
    let idempotency = &web.wiring.idempotency;
    if once.strict && idempotency.differs(&once.scope, recorded, once.body_hash, &once.request_id) {
        return Problem::new(Code::IdempotencyDuplicated, "X-Idempotency-Key: was used for a request with another body")
            .with_status(StatusCode::UNPROCESSABLE_ENTITY)
            .into_response();
    }
    idempotency.replayed(&once.scope, recorded, once.body_hash, &once.request_id);
    let opened = idempotency.reply(&once.scope, recorded).map_err(|error| error.to_string());
    let opened = opened.and_then(|reply| web.wiring.payments.opened_reply(&once.scope, reply).map_err(|error| error.to_string()));
    match opened {
        Ok(reply) => {
            let mut response = response(reply);
            let headers = response.headers_mut();
            headers.insert(REPLAYED, TRUE);
            if let Ok(original) = HeaderValue::from_str(&recorded.request_id) {
                headers.insert(ORIGINAL_REQUEST_ID, original);
            }
            response
        }
        Err(error) => Problem::internal(format!("a recorded reply cannot be read: {error}")).into_response(),
    }
}

/// A reply of the domain as a reply of HTTP.
pub(crate) fn response(reply: Reply) -> Response {
    let mut response = Response::new(axum::body::Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let value = |text: &str| HeaderValue::from_str(text).ok();
    let content_type = match reply.content_type {
        std::borrow::Cow::Borrowed(text) => Some(HeaderValue::from_static(text)),
        std::borrow::Cow::Owned(text) => value(&text),
    };
    response.headers_mut().extend(content_type.map(|kind| (CONTENT_TYPE, kind)));
    response.headers_mut().extend(reply.location.and_then(|place| value(&place)).map(|place| (LOCATION, place)));
    response
}
