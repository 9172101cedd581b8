//! A receiver of webhooks: a real HTTP server on a free loopback port that keeps what it is sent and behaves as it is told.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers with this status and a short body.
    Answer(u16),
    /// Waits that long before it answers 200.
    Wait(Duration),
    /// Sends the caller somewhere else.
    Redirect(String),
    /// Answers 200 with that many bytes.
    Flood(usize),
    /// Reads the request and hangs up.
    HangUp,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its path.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// When.
    pub at: Instant,
}

impl Received {
    /// The header of this name; empty when it was not sent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str())
    }
}

/// A receiver. It ends with the process.
pub struct Receiver {
    base_url: String,
    inner: Arc<Inner>,
}

struct Inner {
    received: Mutex<Vec<Received>>,
    /// What is done with the next requests; then `usual`.
    next: Mutex<VecDeque<Does>>,
    usual: Mutex<Does>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Receiver {
    /// A receiver that usually does this.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(usual: Does) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base_url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let inner = Arc::new(Inner {
            received: Mutex::default(),
            next: Mutex::default(),
            usual: Mutex::new(usual),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        });
        let shared = inner.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inner = shared.clone();
                std::thread::spawn(move || drop(serve(&inner, stream)));
            }
        });
        Receiver { base_url, inner }
    }

    /// Its address with this path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// From now on it usually does this.
    pub fn usually(&self, does: Does) {
        *lock(&self.inner.usual) = does;
    }

    /// What it does with the next requests, one after the other.
    pub fn next(&self, does: impl IntoIterator<Item = Does>) {
        lock(&self.inner.next).extend(does);
    }

    /// Everything it was sent, in the order of arrival.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.inner.received).clone()
    }

    /// The most requests it ever had under way.
    pub fn most_at_once(&self) -> usize {
        self.inner.most_at_once.load(Ordering::Relaxed)
    }

    /// Waits until it was sent that many requests, and gives them.
    ///
    /// # Panics
    /// When they do not come in time.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Vec<Received> {
        let until = Instant::now() + patience;
        loop {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            assert!(Instant::now() < until, "{} of {count} requests came in time", received.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(inner: &Inner, stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        // A sender that died in the middle of its request has sent none.
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let now = inner.at_once.fetch_add(1, Ordering::Relaxed) + 1;
    inner.most_at_once.fetch_max(now, Ordering::Relaxed);
    lock(&inner.received).push(Received { path, headers, body, at: Instant::now() });
    let does = lock(&inner.next).pop_front();
    let does = does.unwrap_or_else(|| lock(&inner.usual).clone());
    let done = answer(stream, does);
    inner.at_once.fetch_sub(1, Ordering::Relaxed);
    done
}

fn answer(mut stream: TcpStream, does: Does) -> std::io::Result<()> {
    let (status, extra, length) = match does {
        Does::Answer(status) => (status, String::new(), 2),
        Does::Wait(time) => {
            std::thread::sleep(time);
            (200, String::new(), 2)
        }
        Does::Redirect(to) => (302, format!("location: {to}\r\n"), 2),
        Does::Flood(bytes) => (200, String::new(), bytes),
        Does::HangUp => return Ok(()),
    };
    write!(stream, "HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n{extra}connection: close\r\n\r\n")?;
    stream.write_all(&vec![b'x'; length])
}
