//! A line to a server that can be cut at any point, request by request.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where the line is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server never sees the request.
    BeforeRequest,
    /// The server has answered, and no byte of it arrives.
    BeforeReply,
    /// The server has answered, and half of it arrives.
    MidReply,
}

/// The line; requests that begin with `POST` and the path given are cut as planned, all others pass.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) url: String,
    plan: Arc<Mutex<Vec<(&'static str, Cut)>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Line {
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let line = Self { url, plan: Arc::default(), seen: Arc::default() };
        let (server, accepting) = (server.to_owned(), line.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, line) = (server.clone(), accepting.clone());
                tokio::spawn(async move { line.carry(client, &server).await });
            }
        });
        line
    }

    /// The next `POST` to `path` is cut.
    pub(crate) fn cut(&self, path: &'static str, cut: Cut) {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).push((path, cut));
    }

    /// The first lines of all requests so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn planned(&self, first: &str) -> Option<Cut> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(first.to_owned());
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let at = plan.iter().position(|(path, _)| first.starts_with(&format!("POST {path} ")))?;
        Some(plan.remove(at).1)
    }

    /// One request: the connection ends with it.
    async fn carry(&self, mut client: TcpStream, server: &str) -> Option<()> {
        let (head, body) = request(&mut client).await?;
        let (first, headers) = head.split_once("\r\n")?;
        let cut = self.planned(first);
        if cut == Some(Cut::BeforeRequest) {
            return None;
        }
        let mut upstream = TcpStream::connect(server).await.ok()?;
        upstream.write_all(format!("{first}\r\nConnection: close\r\n{headers}\r\n\r\n").as_bytes()).await.ok()?;
        upstream.write_all(&body).await.ok()?;
        let mut reply = Vec::new();
        upstream.read_to_end(&mut reply).await.ok()?;
        let arriving = match cut {
            Some(Cut::BeforeReply | Cut::BeforeRequest) => 0,
            Some(Cut::MidReply) => reply.len() - 20,
            None => reply.len(),
        };
        client.write_all(&reply[..arriving]).await.ok()?;
        client.shutdown().await.ok()
    }
}

/// Head, without its empty line, and body.
pub(crate) async fn request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length.unwrap_or(0) {
        if client.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}
