//! Refusals of the payments family: `{"code": "UPPER_SNAKE", "messages": ["…"]}`.
//!
//! The house uses the same envelope wherever no family is concerned (an unknown path, a broken message).

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::view::{Word, drawn, view};

/// What every JSON reply says it is.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// Most messages of one refusal.
const MESSAGES_MAX: usize = 50;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $code:ident = $status:ident $text:literal,)+) => {
        /// The codes of the payments specification, section 5, each with the status it has unless a refusal says otherwise.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Code { $($(#[doc = $doc])+ $code,)+ }

        impl Code {
            /// All codes.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Code] = &[$(Code::$code),+];

            /// The word in the envelope.
            pub(crate) const fn text(self) -> &'static str {
                match self { $(Code::$code => $text,)+ }
            }

            /// The usual status.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Code::$code => StatusCode::$status,)+ }
            }
        }
    };
}

codes! {
    /// Not JSON, not an object, a member twice, the wrong content type; a message that breaks the rules of HTTP.
    InvalidRequest = BAD_REQUEST "INVALID_REQUEST",
    /// A required field or header is missing.
    MissingParameters = BAD_REQUEST "MISSING_PARAMETERS",
    /// A field of the wrong type or length, or none of the allowed words.
    InvalidParameters = BAD_REQUEST "INVALID_PARAMETERS",
    /// An amount that is not allowed.
    InvalidAmount = BAD_REQUEST "INVALID_AMOUNT",
    /// Not a currency.
    CurrencyNotAllowed = BAD_REQUEST "CURRENCY_NOT_ALLOWED",
    /// Not a country.
    CountryNotSupported = BAD_REQUEST "COUNTRY_NOT_SUPPORTED",
    /// Not the account of the key.
    InvalidAccountId = BAD_REQUEST "INVALID_ACCOUNT_ID",
    /// The payment's status does not allow it.
    InvalidStatus = BAD_REQUEST "INVALID_STATUS",
    /// The transaction is of another type.
    InvalidTransactionType = BAD_REQUEST "INVALID_TRANSACTION_TYPE",
    /// The one-time token is unknown or used.
    InvalidToken = BAD_REQUEST "INVALID_TOKEN",
    /// A way of paying that is not offered.
    UnavailablePaymentMethod = BAD_REQUEST "UNAVAILABLE_PAYMENT_METHOD",
    /// No such object, of those whose kind has no word of its own: a path that is not there says the same with another status.
    ObjectNotFound = BAD_REQUEST "NOT_FOUND",
    /// No such customer.
    CustomerNotFound = BAD_REQUEST "CUSTOMER_NOT_FOUND",
    /// No such payment.
    PaymentNotFound = BAD_REQUEST "PAYMENT_NOT_FOUND",
    /// The payment has no such transaction.
    TransactionNotFound = BAD_REQUEST "TRANSACTION_NOT_FOUND",
    /// No such checkout session, or it is used or expired.
    CheckoutSessionNotFound = BAD_REQUEST "CHECKOUT_SESSION_NOT_FOUND",
    /// No such stored payment method.
    PaymentMethodNotFound = BAD_REQUEST "PAYMENT_METHOD_NOT_FOUND",
    /// The name is taken by an earlier request.
    IdempotencyDuplicated = BAD_REQUEST "IDEMPOTENCY_DUPLICATED",
    /// The stored payment method is not one that can be charged.
    PaymentMethodStatusInvalid = BAD_REQUEST "PAYMENT_METHOD_STATUS_INVALID",
    /// No such subscription.
    SubscriptionNotFound = BAD_REQUEST "SUBSCRIPTION_NOT_FOUND",
    /// The subscription's state does not allow it.
    InvalidState = BAD_REQUEST "INVALID_STATE",
    /// A date that does not fit.
    InvalidDate = BAD_REQUEST "INVALID_DATE",
    /// A page that cannot be given.
    BadRequest = BAD_REQUEST "BAD_REQUEST",
    /// The stored payment method is another customer's.
    InvalidCustomerForToken = BAD_REQUEST "INVALID_CUSTOMER_FOR_TOKEN",
    /// Another customer of the account has this name.
    CustomerIdDuplicated = BAD_REQUEST "CUSTOMER_ID_DUPLICATED",
    /// A field of a webhook of the wrong type or length.
    WebhookInvalidRequest = BAD_REQUEST "WEBHOOK_INVALID_REQUEST",
    /// An event that does not exist.
    WebhookInvalidTrigger = BAD_REQUEST "WEBHOOK_INVALID_TRIGGER",
    /// An address that must not be called.
    WebhookUrlUnsafe = BAD_REQUEST "WEBHOOK_URL_UNSAFE",
    /// Token and secret do not prove who asks.
    InvalidCredentials = UNAUTHORIZED "INVALID_CREDENTIALS",
    /// The key is disabled or expired.
    ExpiredCredentials = UNAUTHORIZED "EXPIRED_CREDENTIALS",
    /// The key may not be used from this address.
    UnknownIpAddress = UNAUTHORIZED "UNKNOWN_IP_ADDRESS",
    /// The key may not do this.
    AuthorizationRequired = FORBIDDEN "AUTHORIZATION_REQUIRED",
    /// No such route.
    NotFound = NOT_FOUND "NOT_FOUND",
    /// No such webhook, or no such delivery of it.
    WebhookNotFound = NOT_FOUND "WEBHOOK_NOT_FOUND",
    /// The route exists, but not for this method.
    UnsupportedMethod = METHOD_NOT_ALLOWED "UNSUPPORTED_METHOD",
    /// An earlier request with the same idempotency key has not finished.
    RequestInProcess = CONFLICT "REQUEST_IN_PROCESS",
    /// Another webhook has the name, or the address and one of the events.
    WebhookAlreadyExists = CONFLICT "WEBHOOK_ALREADY_EXISTS",
    /// More requests than the key, or failed proofs than the address, may make.
    TooManyRequests = TOO_MANY_REQUESTS "TOO_MANY_REQUESTS",
    /// A defect; the request id finds it in the log.
    InternalError = INTERNAL_SERVER_ERROR "INTERNAL_ERROR",
    /// Too much to do, or the store cannot be reached.
    ServiceUnavailable = SERVICE_UNAVAILABLE "SERVICE_UNAVAILABLE",
    /// No acquirer can be reached.
    ProviderUnavailable = SERVICE_UNAVAILABLE "PROVIDER_UNAVAILABLE",
    /// Not finished in time; the work goes on.
    RequestTimeout = GATEWAY_TIMEOUT "REQUEST_TIMEOUT",
}

/// A refusal on its way to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Code,
    messages: Vec<Cow<'static, str>>,
    retry_after_seconds: Option<u32>,
    allow: Option<HeaderValue>,
    close: bool,
    cause: Option<String>,
}

/// Why something failed on our side. Travels with a reply to the edge, which logs it and takes it off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause(pub String);

impl Problem {
    /// A refusal with the code's usual status. The message names the field, never its value.
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Problem {
        Problem::of(code, vec![message.into()])
    }

    /// A refusal with several messages, at least one.
    pub(crate) fn of(code: Code, mut messages: Vec<Cow<'static, str>>) -> Problem {
        messages.truncate(MESSAGES_MAX);
        Problem { status: code.status(), code, messages, retry_after_seconds: None, allow: None, close: false, cause: None }
    }

    /// A defect. The caller learns the request id, the log learns the cause; it must not hold data of requests.
    pub(crate) fn internal(cause: String) -> Problem {
        Problem::new(Code::InternalError, "something went wrong on our side").because(cause)
    }

    /// Says to the log, and to nobody else, why.
    #[must_use]
    pub(crate) fn because(self, cause: String) -> Problem {
        Problem { cause: Some(cause), ..self }
    }

    /// The same with another status.
    #[must_use]
    pub(crate) fn with_status(self, status: StatusCode) -> Problem {
        Problem { status, ..self }
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub(crate) fn retry_after(self, seconds: u32) -> Problem {
        Problem { retry_after_seconds: Some(seconds), ..self }
    }

    /// Says which methods there are.
    #[must_use]
    pub(crate) fn allow(self, methods: HeaderValue) -> Problem {
        Problem { allow: Some(methods), ..self }
    }

    /// The connection cannot be used further: something of the request was not read or not understood.
    #[must_use]
    pub(crate) fn closing(self) -> Problem {
        Problem { close: true, ..self }
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Its code.
    #[cfg(test)]
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Its messages.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> &[Cow<'static, str>] {
        &self.messages
    }
}

view! {
    /// Why a request was refused, for people and programs.
    pub(crate) struct ProblemView<'a> as "Problem" {
        /// What kind of refusal, such as `MISSING_PARAMETERS`.
        code: Word,
        /// At least one sentence; one for each wrong field, beginning with its path.
        messages: Vec<&'a str>,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let messages = self.messages.iter().map(AsRef::as_ref).collect();
        let body = drawn(&ProblemView { code: Word(self.code.text()), messages });
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, methods);
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_carries_what_it_knows() {
        let problem = Problem::new(Code::InvalidRequest, "the body is too large")
            .with_status(StatusCode::PAYLOAD_TOO_LARGE)
            .closing()
            .retry_after(5);
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(response.headers()[CONNECTION], "close");
        assert_eq!(response.headers()[RETRY_AFTER], "5");
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.expect("a body");
        assert_eq!(body, r#"{"code":"INVALID_REQUEST","messages":["the body is too large"]}"#);
    }

    #[test]
    fn codes_are_said_once() {
        let said: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| (code.text(), code.status())).collect();
        assert_eq!(said.len(), Code::ALL.len());
    }
}
