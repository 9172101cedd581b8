//! Accepting connections: TLS or clear, HTTP/1.1 or HTTP/2, bounded in number and time, drained at the end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::patience::Impatient;
use crate::wire::{Refuse, Watched};

/// Longest time in which the head of a request must arrive; an idle connection is closed after it.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time a TLS handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time requests under way get at the end.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest time those get who came while we were draining, once that is over.
const TURN_AWAY_TIME_MAX: Duration = Duration::from_secs(1);
/// Pause after the system refused a connection: too many open files end by themselves.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Header lines of a request; the block's own limit in bytes is reached first by any but the shortest.
const HEADERS_MAX: usize = 1_024;
/// What the parser buffers of one request's head, in bytes. The edge refuses long before, with an envelope.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Most requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// How often a silent HTTP/2 peer is asked whether it is still there, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Connections at once unless said otherwise.
pub const CONNECTIONS_MAX: usize = 20_000;

/// How to listen.
#[derive(Clone)]
pub struct Listening {
    /// TLS, unless it ends before us.
    pub tls: Option<Arc<ServerConfig>>,
    /// Most connections at once; more wait in the system's queue.
    pub connections_max: usize,
}

impl Default for Listening {
    fn default() -> Self {
        Listening { tls: None, connections_max: CONNECTIONS_MAX }
    }
}

/// Serves until `shutdown`, then until what is under way is finished, at most [`DRAIN_TIME_MAX`]. Whoever comes meanwhile is told that
/// the product is not ready.
pub async fn serve(listener: TcpListener, app: App, listening: Listening, shutdown: CancellationToken) {
    let door = Door {
        listener,
        app: app.clone(),
        tls: listening.tls.map(TlsAcceptor::from),
        places: Arc::new(Semaphore::new(listening.connections_max)),
        builder: Arc::new(protocols()),
    };
    let connections = TaskTracker::new();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = door.keep_accepting(&connections, &shutdown) => {}
    }
    app.drain();
    connections.close();
    let (turned_away, end) = (TaskTracker::new(), CancellationToken::new());
    tokio::select! {
        drained = tokio::time::timeout(DRAIN_TIME_MAX, connections.wait()) => if drained.is_err() {
            tracing::warn!(connections = connections.len(), "connections were still open when the time to drain was over");
        },
        () = door.keep_accepting(&turned_away, &end) => {}
    }
    drop(door);
    end.cancel();
    turned_away.close();
    if tokio::time::timeout(TURN_AWAY_TIME_MAX, turned_away.wait()).await.is_err() {
        tracing::debug!("connections that came at the end are cut");
    }
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    app: App,
    tls: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
    builder: Arc<Builder<TokioExecutor>>,
}

impl Door {
    /// Accepts connections for ever and answers on each until `shutdown`. Dropped, it loses no connection it has accepted.
    async fn keep_accepting(&self, connections: &TaskTracker, shutdown: &CancellationToken) {
        loop {
            let place = self.places.clone().acquire_owned().await.expect("the semaphore is never closed");
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (app, builder, shutdown) = (self.app.clone(), self.builder.clone(), shutdown.clone());
            let (connection, tls) = (Connection { app, builder, peer, shutdown }, self.tls.clone());
            connections.spawn(async move {
                connection.run(stream, tls).await;
                drop(place);
            });
        }
    }
}

fn protocols() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(BUFFER_BYTES_MAX).expect("a small number"));
    builder
}

/// Answers on a connection what could not be read as a request.
struct Refuser {
    app: App,
    peer: SocketAddr,
}

impl Refuse for Refuser {
    fn refuse(&self, status: StatusCode, date: &str) -> Vec<u8> {
        self.app.refuse_unread(status, date, self.peer.ip())
    }
}

/// One connection.
struct Connection {
    app: App,
    builder: Arc<Builder<TokioExecutor>>,
    peer: SocketAddr,
    shutdown: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended at its beginning");
            return;
        }
        match tls {
            None => self.serve(stream).await,
            Some(acceptor) => match tokio::time::timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => self.serve(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
        }
    }

    async fn serve<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, io: Io) {
        let Connection { app, builder, peer, shutdown } = self;
        let io = Watched::new(io, Refuser { app: app.clone(), peer });
        let service = service_fn(move |request: Request<Incoming>| {
            let app = app.clone();
            async move { Ok::<_, Infallible>(app.answer(request.map(Body::new), peer.ip()).await) }
        });
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(Impatient::new(io)), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "a connection ended early");
        }
    }
}
