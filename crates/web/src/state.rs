//! What the edge is wired to, and what handlers reach for.

use std::net::IpAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use access::Keyring;
use connectors::acquirer_sandbox::Sandbox;
use db::{PlatformClock, Writer};
use idempotency::Idempotency;
use ipnet::IpNet;
use kernel::{AccountId, SecretText, Source};
use messaging::Messaging;
use payments::Payments;
use payments::subscriptions::Subscriptions;

use crate::client::Proxies;
use crate::hosts::{Hosts, NoSuchFamily};
use crate::openapi::Reference;
use crate::pages::{PageError, Pages};
use crate::visitors::Visitors;

/// Says whether the product can work: database reachable, migrations current.
pub type Ready = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;
/// Writes out all metrics in Prometheus' text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything the binary gives to the edge.
pub struct Wiring {
    /// Payments.
    pub payments: Payments,
    /// Subscriptions.
    pub subscriptions: Subscriptions,
    /// Webhooks.
    pub messaging: Messaging,
    /// Proofs of keys.
    pub keyring: Keyring,
    /// Idempotency keys.
    pub idempotency: Idempotency,
    /// The platform's time.
    pub clock: PlatformClock,
    /// The platform's writer; the edge moves the sandbox clock with it and nothing else.
    pub writer: Writer,
    /// Randomness for request ids.
    pub source: Source,
    /// Whether the product can work.
    pub ready: Ready,
    /// All metrics.
    pub metrics: Metrics,
    /// What only a sandbox has; `None` in production, where the `/dev` routes do not exist.
    pub sandbox: Option<SandboxWiring>,
    /// What the configuration says about the edge.
    pub options: Options,
}

/// What only a sandbox has.
pub struct SandboxWiring {
    /// The acquirer that charges nobody.
    pub acquirer: Sandbox,
    /// The demo's account and key: shown with its last payments on the landing page.
    pub showcase: Option<Showcase>,
}

/// The demo's account, shown to everybody.
pub struct Showcase {
    /// The account.
    pub account_id: AccountId,
    /// The token of its key.
    pub token: String,
    /// The secret of its key: worth nothing outside the sandbox.
    pub secret: SecretText,
}

/// What the configuration says about the edge.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the product is reached, without a slash at the end; used in examples.
    pub base_url: String,
    /// Version of the product.
    pub version: &'static str,
    /// Real host names of families: (name, family).
    pub hosts: Vec<(String, String)>,
    /// Networks of proxies whose `X-Forwarded-For` is believed; empty unless behind one.
    pub trusted_proxies: Vec<IpNet>,
    /// Status of a repeated request whose first is in progress: 409, or 400 for clients of the original.
    pub in_flight_status: u16,
    /// Folder with the operator's own templates.
    pub templates: Option<PathBuf>,
    /// Sites whose pages may show the pages of payers in a frame, as scheme, host and port.
    pub framed_by: Vec<String>,
    /// Tell browsers to come back over TLS only.
    pub only_tls: bool,
}

/// The edge cannot be wired.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// A host name was given to a family that does not exist.
    #[error(transparent)]
    Hosts(#[from] NoSuchFamily),
    /// The pages' texts cannot be read.
    #[error(transparent)]
    Pages(#[from] PageError),
    /// The status for requests in progress is none of the two.
    #[error("the status of a request in progress is 409 or 400, not {0}")]
    InFlightStatus(u16),
}

/// What handlers reach for. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Web(Arc<Shared>);

/// The inside of [`Web`].
pub(crate) struct Shared {
    /// What the binary gave.
    pub wiring: Wiring,
    /// Pages for people.
    pub pages: Pages,
    /// The API reference.
    pub reference: Reference,
    pub(crate) hosts: Hosts,
    pub(crate) proxies: Proxies,
    pub(crate) visitors: Visitors,
    draining: AtomicBool,
}

impl Web {
    pub(crate) fn new(wiring: Wiring, reference: Reference) -> Result<Web, WiringError> {
        let options = &wiring.options;
        if !matches!(options.in_flight_status, 400 | 409) {
            return Err(WiringError::InFlightStatus(options.in_flight_status));
        }
        let pages = Pages::load(options.templates.clone(), wiring.sandbox.is_some(), options.version)?;
        let hosts = Hosts::new(&options.hosts)?;
        let proxies = Proxies::new(options.trusted_proxies.clone());
        Ok(Web(Arc::new(Shared {
            wiring,
            pages,
            reference,
            hosts,
            proxies,
            visitors: Visitors::default(),
            draining: AtomicBool::new(false),
        })))
    }

    /// From now on the product says that it is not ready.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the product is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether the product takes new work.
    pub(crate) async fn is_ready(&self) -> bool {
        !self.is_draining() && (self.wiring.ready)().await
    }

    /// Who sent a request.
    pub(crate) fn client(&self, peer: IpAddr, headers: &axum::http::HeaderMap) -> IpAddr {
        self.proxies.client(peer, headers)
    }
}

impl Deref for Web {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
