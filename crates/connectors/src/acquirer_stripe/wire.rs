//! The line to Stripe: form-encoded requests, and what is certain when no answer comes back.

use std::time::Duration;

use kernel::{Outcome, SecretText};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, Url, redirect};

/// Longest time to reach the server.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest reply that is read, in bytes; a page of a list is the largest.
const REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Carries the id under which a repeat is recognised.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A form, in order.
pub(super) type Form = Vec<(String, String)>;

/// What became of a request.
#[derive(Debug)]
pub(super) enum Fate {
    /// It was answered in full.
    Answered { status: u16, body: Vec<u8> },
    /// Proven: no byte of it reached the server.
    NotSent(&'static str),
    /// It may have arrived.
    Lost(&'static str),
}

impl Fate {
    /// The body of a success.
    ///
    /// # Errors
    /// What anything else makes certain about a request that moves money; `later` for one on an earlier charge.
    pub(super) fn success(self, later: bool) -> Result<Vec<u8>, Outcome> {
        match self {
            Self::Answered { status: 200..300, body } => Ok(body),
            Self::Answered { status, body } => Err(super::outcomes::refused(status, &body, later)),
            Self::NotSent(reason) => Err(Outcome::NotSent { reason: reason.into() }),
            Self::Lost(reason) => Err(Outcome::Unknown { reason: reason.into() }),
        }
    }
}

/// Requests to one address with one key.
pub(super) struct Wire {
    client: Client,
    base: Url,
    authorization: HeaderValue,
}

/// Why a connector cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StripeError {
    /// The address is none.
    #[error("the address of stripe is not an http or https URL")]
    BaseUrl,
    /// The key cannot stand in a header.
    #[error("the key of stripe has characters that no key has")]
    Key,
    /// The client cannot be set up, for example without root certificates.
    #[error("the client cannot be set up: {0}")]
    Client(String),
}

impl Wire {
    pub(super) fn new(base_url: &str, key: &SecretText, patience: Duration) -> Result<Self, StripeError> {
        // Whoever comes first installs it; the product has one provider only.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let base = Url::parse(&format!("{}/", base_url.trim_end_matches('/'))).map_err(|_| StripeError::BaseUrl)?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(StripeError::BaseUrl);
        }
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {}", key.expose().trim())).map_err(|_| StripeError::Key)?;
        authorization.set_sensitive(true);
        // Nothing may be sent again behind our back: repeats are made here, under the attempt's id, and judged.
        let client = Client::builder()
            .connect_timeout(CONNECT_TIME_MAX)
            .timeout(patience)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()
            .map_err(|error| StripeError::Client(error.without_url().to_string()))?;
        Ok(Self { client, base, authorization })
    }

    pub(super) async fn post(&self, path: &str, key: &str, form: &Form) -> Fate {
        let Ok(url) = self.base.join(path) else { return Fate::NotSent("the address cannot be built") };
        self.send(self.client.request(Method::POST, url).header(IDEMPOTENCY_KEY, key).form(form)).await
    }

    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> Fate {
        let Ok(mut url) = self.base.join(path) else { return Fate::NotSent("the address cannot be built") };
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.client.request(Method::GET, url)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Fate {
        let reply = match request.header(AUTHORIZATION, self.authorization.clone()).send().await {
            Ok(reply) => reply,
            // Name, connection or TLS failed: the request waits for these and was not written.
            Err(error) if error.is_connect() => return Fate::NotSent("stripe cannot be reached"),
            Err(error) if error.is_builder() => return Fate::NotSent("the request cannot be built"),
            Err(error) if error.is_timeout() => return Fate::Lost("no answer in time"),
            Err(_) => return Fate::Lost("the connection broke before the answer"),
        };
        let status = reply.status().as_u16();
        match read(reply).await {
            Some(body) => Fate::Answered { status, body },
            None => Fate::Lost("the answer broke off"),
        }
    }
}

/// The body as a whole; `None` when it breaks off or is too long.
async fn read(mut reply: reqwest::Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        match reply.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= REPLY_BYTES_MAX => body.extend_from_slice(&chunk),
            Ok(None) => return Some(body),
            Ok(Some(_)) | Err(_) => return None,
        }
    }
}
