//! The one pass around every request: id, limits, target, handler, time limit, headers, counting, log.
//!
//! Written as one function instead of a stack of layers, because a request passes it in a few microseconds and every layer would
//! cost an allocation and a reader.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::body::{BODY_BYTES_MAX, too_large};
use crate::envelope::{Cause, Code, Problem};
use crate::exchange::{Exchange, Params, wants_page};
use crate::health;
use crate::meters::Meters;
use crate::openapi::Reference;
use crate::pages;
use crate::rate_headers;
use crate::request_id::{RequestId, RequestIds, X_REQUEST_ID};
use crate::router::{Found, Router};
use crate::security_headers::{self, Kind};
use crate::state::{Web, Wiring, WiringError};
use crate::table;

/// Longest a request may take. Its work goes on by itself when it is over.
const REQUEST_TIME_MAX: Duration = Duration::from_mins(1);
/// How many headers every reply gets at most, of ours and of the connection's: room is made for them at once.
const ADDED_HEADERS: usize = 14;
/// Largest request line and headers together, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The whole edge as one service. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    router: Router,
    web: Web,
    ids: RequestIds,
    meters: Meters,
}

/// Wires the edge.
///
/// Take the metrics recorder into use first: handles are taken here, once.
///
/// # Errors
/// [`WiringError`].
pub fn app(wiring: Wiring) -> Result<App, WiringError> {
    let router = Router::new(table::routes(wiring.sandbox.is_some()));
    let meters = Meters::new(router.routes());
    let ids = RequestIds::new(&wiring.source);
    let reference = Reference::new(router.routes(), &wiring.options);
    let web = Web::new(wiring, reference)?;
    Ok(App(Arc::new(Inner { router, web, ids, meters })))
}

/// How a request came to its handler, or why it did not.
enum Target {
    Route(usize, Params),
    Refused(Problem),
}

impl App {
    /// From now on `/readyz` says no.
    pub fn drain(&self) {
        self.0.web.drain();
    }

    /// The whole answer, as bytes, to something from `peer` that is no request: the parser refuses it with this status and this line
    /// for the date. Counted and logged like every other.
    pub(crate) fn refuse_unread(&self, status: StatusCode, date: &str, peer: IpAddr) -> Vec<u8> {
        let inner = self.0.as_ref();
        let problem = match status {
            // The parser tells a long line from a long head; here they have one limit.
            StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => head_too_large(),
            _ => Problem::new(Code::InvalidRequest, "this is not a well-formed HTTP request").closing(),
        };
        let exchange = Exchange::new(inner.ids.of(&HeaderMap::new()), peer, Uri::default(), Params::default());
        let mut response = problem.into_response();
        inner.finish(&mut response, &exchange);
        inner.meters.count(None, response.status(), Duration::ZERO);
        log(inner, None, &Method::GET, &exchange, &response, Duration::ZERO);
        drawn_whole(response, date)
    }

    /// Answers one request that came from `peer`.
    pub async fn answer(self, request: Request<Body>, peer: IpAddr) -> Response {
        let inner = self.0.as_ref();
        let started = Instant::now();
        let id = inner.ids.of(request.headers());
        let client = inner.web.client(peer, request.headers());
        let method = request.method().clone();
        let (target, uri) = inner.target(&request);
        let _open = inner.meters.open();
        let (route, exchange, mut response) = match target {
            Target::Route(at, params) => {
                let exchange = Arc::new(Exchange::new(id, client, uri, params));
                let response = inner.run(at, request, &exchange).await;
                (Some(at), exchange, response)
            }
            Target::Refused(problem) => {
                let response = inner.refuse(problem, &uri, request.headers(), &id).await;
                (None, Arc::new(Exchange::new(id, client, uri, Params::default())), response)
            }
        };
        if method == Method::HEAD {
            response = without_body(response);
        }
        inner.finish(&mut response, &exchange);
        let elapsed = started.elapsed();
        inner.meters.count(route, response.status(), elapsed);
        log(inner, route, &method, &exchange, &response, elapsed);
        response
    }
}

impl Inner {
    /// Finds the route of a request, and its target in prefix form.
    fn target(&self, request: &Request<Body>) -> (Target, Uri) {
        let uri = request.uri();
        if let Err(problem) = well_formed(request) {
            return (Target::Refused(problem), uri.clone());
        }
        let host = uri.authority().map(axum::http::uri::Authority::as_str);
        let host = host.or_else(|| request.headers().get(HOST).and_then(|value| value.to_str().ok())).unwrap_or_default();
        let uri = match self.web.hosts.prefixed(host, uri.path()) {
            std::borrow::Cow::Borrowed(_) => uri.clone(),
            std::borrow::Cow::Owned(path) => {
                let whole = uri.query().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
                // It was part of a URI before and got a plain prefix.
                Uri::try_from(whole).unwrap_or_else(|_| uri.clone())
            }
        };
        let target = match self.router.find(request.method(), uri.path()) {
            Found::Route(at, _) if self.web.is_draining() && !health::is_for_watchers(self.router.routes()[at].path) => {
                let text = "the server is stopping; ask again in a moment";
                Target::Refused(Problem::new(Code::ServiceUnavailable, text).retry_after(1).closing())
            }
            Found::Route(at, params) => Target::Route(at, params),
            Found::OtherMethods(allow) => {
                Target::Refused(Problem::new(Code::UnsupportedMethod, "this path does not answer this method").allow(allow))
            }
            Found::Nothing => Target::Refused(Problem::new(Code::NotFound, "there is no such path")),
        };
        (target, uri)
    }

    /// Runs a handler to its end, its panic or the end of its time.
    async fn run(&self, at: usize, mut request: Request<Body>, exchange: &Arc<Exchange>) -> Response {
        request.extensions_mut().insert(exchange.clone());
        let work = AssertUnwindSafe(self.router.routes()[at].run(request, self.web.clone())).catch_unwind();
        match tokio::time::timeout(REQUEST_TIME_MAX, work).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => Problem::internal("a handler panicked".to_owned()).into_response(),
            Err(_) => {
                let text = "the request took too long; its work goes on, repeat it with the same idempotency key";
                Problem::new(Code::RequestTimeout, text).retry_after(5).into_response()
            }
        }
    }

    async fn refuse(&self, problem: Problem, uri: &Uri, headers: &HeaderMap, id: &RequestId) -> Response {
        if uri.path().starts_with("/v1/") || !wants_page(headers) {
            return problem.into_response();
        }
        pages::error::page(&self.web.pages, problem, uri, headers, id.as_str(), self.web.is_ready().await)
    }

    /// Adds what every reply carries.
    fn finish(&self, response: &mut Response, exchange: &Exchange) {
        if let Some(Cause(cause)) = response.extensions_mut().remove() {
            tracing::error!(request_id = %exchange.request_id, cause, "a request failed");
        }
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
            let text = format!("something went wrong on our side; the request id is {}", exchange.request_id);
            *response = Problem::new(Code::InternalError, text).into_response();
        }
        let page = response.headers().get(CONTENT_TYPE).is_some_and(|kind| !kind.as_bytes().starts_with(b"application/json"));
        let headers = response.headers_mut();
        headers.reserve(ADDED_HEADERS);
        headers.insert(X_REQUEST_ID, exchange.request_id.header());
        if let Some(rate) = exchange.rate() {
            rate_headers::add(headers, rate);
        }
        security_headers::add(headers, if page { Kind::Page } else { Kind::Data }, self.web.wiring.options.only_tls);
    }
}

/// Refuses what the rules of HTTP forbid but the parser lets through, and what is too large to be looked at.
fn well_formed(request: &Request<Body>) -> Result<(), Problem> {
    let headers = request.headers();
    let broken = |text| Err(Problem::new(Code::InvalidRequest, text).closing());
    let head: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let line = request.uri().path().len() + request.uri().query().map_or(0, str::len);
    if head + line > HEAD_BYTES_MAX {
        return Err(head_too_large());
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return broken("the host is named twice"),
        (None, _) if request.version() == Version::HTTP_11 && request.uri().authority().is_none() => {
            return broken("the host is missing");
        }
        _ => {}
    }
    let Some(length) = headers.get(CONTENT_LENGTH) else { return Ok(()) };
    if headers.contains_key(TRANSFER_ENCODING) {
        return broken("the body's length is given in two ways");
    }
    match length.to_str().ok().and_then(|text| text.parse::<u64>().ok()) {
        Some(length) if u64::try_from(BODY_BYTES_MAX).is_ok_and(|most| length > most) => Err(too_large()),
        Some(_) => Ok(()),
        None => broken("the body's length is no number"),
    }
}

fn head_too_large() -> Problem {
    let text = format!("request line and headers must have at most {HEAD_BYTES_MAX} bytes");
    Problem::new(Code::InvalidRequest, text).with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).closing()
}

/// A reply as it goes over a line of HTTP/1.1.
fn drawn_whole(response: Response, date: &str) -> Vec<u8> {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).now_or_never();
    let body = body.and_then(Result::ok).expect("the body of a refusal is in memory and small");
    let mut bytes = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    if !date.is_empty() {
        bytes.extend_from_slice(format!("{date}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}

/// The same reply as `HEAD` gets it: its length is said, its body is not sent.
fn without_body(response: Response) -> Response {
    let length = response.body().size_hint().exact();
    let (mut parts, _) = response.into_parts();
    if let Some(length) = length {
        parts.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}

/// One line for each request: ids, status, duration. No header but the request id, no query, no body.
fn log(inner: &Inner, route: Option<usize>, method: &Method, exchange: &Exchange, response: &Response, elapsed: Duration) {
    let status = response.status();
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    let path = route.map_or("-", |at| inner.router.routes()[at].path);
    let key = exchange.caller().map(access::Caller::key_id);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "web::access", request_id = %exchange.request_id, %method, path, status = status.as_u16(), micros,
                client = %exchange.client, key = key.map(tracing::field::display), "request"
            )
        };
    }
    match status.as_u16() {
        500.. => line!(warn),
        400.. => line!(info),
        _ => line!(debug),
    }
}

/// In process: as if from this machine, with a host when none is named.
impl tower::Service<Request<Body>> for App {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("localhost"));
        let app = self.clone();
        Box::pin(async move { Ok(app.answer(request, IpAddr::V4(Ipv4Addr::LOCALHOST)).await) })
    }
}

#[cfg(test)]
mod tests;
