//! One request to a receiver: its headers, its limits, what its answer means.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kernel::sabotage::{Defect, is_planted};
use kernel::{SealError, SecretText, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use thiserror::Error;

use crate::guard::{Guarded, Unsafe, UrlGuard};
use crate::rows::{EventRow, WebhookRow};
use crate::secrets::{Column, WebhookSecrets};
use crate::signing;
use crate::types::{Answered, Trouble};

/// Longest time a request may take until its answer has begun (payments specification, section 3.11).
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time a connection may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How much of an answer is read, in bytes; it is dropped.
const REPLY_BYTES_MAX: usize = 8 * 1024;
/// How long an unused connection is kept.
const IDLE_TIME_MAX: Duration = Duration::from_secs(20);

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_SECRET: HeaderName = HeaderName::from_static("x-secret");
const X_HMAC_SIGNATURE: HeaderName = HeaderName::from_static("x-hmac-signature");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The headers of a try that its receiver may look at: their names, whether they are always there, and what they say.
pub fn headers() -> [(HeaderName, bool, &'static str); 6] {
    [
        (X_API_KEY, false, "The webhook's `api_key`, if it has one."),
        (X_SECRET, false, "The webhook's `secret`, if it has one."),
        (
            X_HMAC_SIGNATURE,
            false,
            "Base64 of HMAC-SHA-256 over the body as it is, by the webhook's `hmac_client_secret`, if it has one.",
        ),
        (WEBHOOK_ID, true, "The event's id, the same at every try; `data.idempotency_key` of the body."),
        (WEBHOOK_TIMESTAMP, true, "When this try was signed, in seconds since 1970."),
        (
            WEBHOOK_SIGNATURE,
            true,
            "Standard Webhooks, version 1: `v1,` and base64 of HMAC-SHA-256 over id, time and body with points between them, by the \
             signing secret. While a secret is rotated, two of them with a blank between them.",
        ),
    ]
}

/// The HTTP client cannot be made.
#[derive(Debug, Error)]
#[error("the HTTP client for webhooks cannot be made: {0}")]
pub struct NoClient(#[from] reqwest::Error);

/// Sends requests to receivers. Follows no redirect, uses no proxy, and connects to no address that the guard refuses.
#[derive(Clone)]
pub struct Sender {
    line: Line,
    guard: UrlGuard,
}

#[derive(Clone)]
enum Line {
    Http(reqwest::Client),
    Given(Arc<dyn Post>),
}

/// What stands in for the network: a port, so that receivers can be scripted.
pub trait Post: Send + Sync + 'static {
    /// Hands one request over; the status of its answer, or why there was none.
    fn post(&self, url: &str, headers: HeaderMap, body: Vec<u8>) -> Posting<'_>;
}

/// The future of a scripted answer.
pub type Posting<'a> = Pin<Box<dyn Future<Output = Result<u16, Trouble>> + Send + 'a>>;

impl Sender {
    /// A sender behind this guard. A cryptography provider must be installed in the process.
    ///
    /// # Errors
    /// [`NoClient`] when TLS cannot be set up.
    pub fn new(guard: UrlGuard) -> Result<Self, NoClient> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(Guarded(guard.clone())))
            .connect_timeout(CONNECT_TIME_MAX)
            .timeout(ANSWER_TIME_MAX)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .user_agent(concat!("guichet-webhooks/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { line: Line::Http(client), guard })
    }

    /// A sender over a scripted network.
    pub fn through(post: Arc<dyn Post>, guard: UrlGuard) -> Self {
        Self { line: Line::Given(post), guard }
    }

    /// Sends a parcel and says what came of it. Never fails: whatever goes wrong is an answer.
    pub(crate) async fn send(&self, parcel: Parcel) -> Answered {
        // A host that is an address never reaches the resolver.
        let Ok(url) = self.guard.judge_text(&parcel.url) else { return Answered::Nothing(Trouble::Unsafe) };
        let client = match &self.line {
            Line::Http(client) => client,
            Line::Given(post) => {
                let answer = post.post(url.as_str(), parcel.headers, parcel.body).await;
                if is_planted(Defect::AnyAnswerConfirms) {
                    return Answered::Status(200);
                }
                return answer.map_or_else(Answered::Nothing, Answered::Status);
            }
        };
        // `webhook-timestamp` is checked against the receiver's own watch, so it is real time.
        let request = client.post(url).headers(parcel.headers).body(parcel.body);
        match request.send().await {
            Ok(mut response) => {
                let status = response.status().as_u16();
                let mut read = 0;
                // The status has told everything; the rest is read so that the receiver can finish, and dropped.
                while read < REPLY_BYTES_MAX
                    && let Ok(Some(chunk)) = response.chunk().await
                {
                    read += chunk.len();
                }
                Answered::Status(status)
            }
            Err(error) => Answered::Nothing(trouble(&error)),
        }
    }
}

fn trouble(error: &reqwest::Error) -> Trouble {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = cause {
        match found.downcast_ref::<Unsafe>() {
            Some(Unsafe::Unresolved) => return Trouble::Unresolved,
            Some(_) => return Trouble::Unsafe,
            None => cause = found.source(),
        }
    }
    if error.is_timeout() {
        Trouble::Timeout
    } else if error.is_connect() {
        Trouble::Unreachable
    } else {
        Trouble::BrokenOff
    }
}

/// One request, ready to be sent.
pub(crate) struct Parcel {
    url: Arc<str>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Parcel {
    /// Signs `body` as this receiver wants it. `now` is platform time, by which a former signing secret ends.
    pub(crate) fn packed(
        event: &EventRow,
        webhook: &WebhookRow,
        body: Vec<u8>,
        now: Timestamp,
        secrets: &WebhookSecrets,
    ) -> Result<Self, SealError> {
        let open = |sealed: &Option<Arc<[u8]>>, column| -> Result<Option<SecretText>, SealError> {
            let opened = sealed.as_ref().map(|sealed| secrets.open(sealed, webhook.account_id, webhook.id, column));
            opened.transpose()
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        for (name, sealed, column) in [(X_API_KEY, &webhook.api_key, Column::ApiKey), (X_SECRET, &webhook.secret, Column::Secret)]
        {
            if let Some(value) = open(sealed, column)?.and_then(|secret| hidden(secret.expose())) {
                headers.insert(name, value);
            }
        }
        if let Some(key) = open(&webhook.hmac_client_secret, Column::HmacClientSecret)? {
            headers.extend(hidden(&signing::hmac(key.expose().as_bytes(), &[&body])).map(|value| (X_HMAC_SIGNATURE, value)));
        }
        let former = &webhook.former_signing_secret;
        let former = if webhook.former_until.is_some_and(|until| now < until) { former } else { &None };
        let signing: Vec<SecretText> = [&webhook.signing_secret, former]
            .into_iter()
            .filter_map(|sealed| open(sealed, Column::SigningSecret).transpose())
            .collect::<Result<_, _>>()?;
        let (id, timestamp) = (event.id.to_string(), (secrets.source().now().micros() / 1_000_000).to_string());
        let signature = signing::standard(&signing, &id, &timestamp, &body);
        for (name, text) in [(WEBHOOK_ID, &id), (WEBHOOK_TIMESTAMP, &timestamp), (WEBHOOK_SIGNATURE, &signature)] {
            headers.extend(HeaderValue::from_str(text).ok().map(|value| (name, value)));
        }
        Ok(Self { url: webhook.url.clone(), headers, body })
    }
}

/// A header value that shows up in no log. What cannot stand in a header is refused where it is configured.
fn hidden(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{IpAddr, Ipv4Addr, TcpListener};
    use std::pin::Pin;

    use super::*;
    use crate::guard::Lookup;

    /// Every name is this machine.
    struct Here;

    impl Lookup for Here {
        fn addresses(&self, _host: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
            Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) })
        }
    }

    /// No name is anybody.
    struct Nobody;

    impl Lookup for Nobody {
        fn addresses(&self, _host: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
            Box::pin(async { Err(io::Error::from(io::ErrorKind::NotFound)) })
        }
    }

    async fn sent(sandbox: bool, lookup: Arc<dyn Lookup>, url: String) -> Answered {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let sender = Sender::new(UrlGuard::new(sandbox, lookup)).expect("a client");
        sender.send(Parcel { url: url.into(), headers: HeaderMap::new(), body: b"{}".to_vec() }).await
    }

    #[tokio::test]
    async fn the_guard_stands_where_the_connection_is_made() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        listener.set_nonblocking(true).expect("a listener");
        // In production neither a name that leads here nor the address itself is connected to.
        for host in ["turned.example", "127.0.0.1", "[::1]", "localhost"] {
            let answered = sent(false, Arc::new(Here), format!("https://{host}:{port}/")).await;
            assert_eq!(answered, Answered::Nothing(Trouble::Unsafe), "{host}");
        }
        assert_eq!(listener.accept().err().map(|error| error.kind()), Some(io::ErrorKind::WouldBlock), "nobody came");
        let answered = sent(true, Arc::new(Nobody), format!("http://nobody.example:{port}/")).await;
        assert_eq!(answered, Answered::Nothing(Trouble::Unresolved));
        drop(listener);
        let answered = sent(true, Arc::new(Here), format!("http://here.example:{port}/")).await;
        assert_eq!(answered, Answered::Nothing(Trouble::Unreachable));
    }
}
