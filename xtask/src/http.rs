//! A small HTTP/1.1 client: one connection, one request at a time, and the parser that the benchmark's client shares.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Longer than the product's own limit for a request (60 s), so that its answer comes first.
const ANSWER_SECONDS_MAX: u64 = 75;
/// No answer we ask for is longer: a page of 1,000 charges.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The part of an answer before its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Where the body begins.
    pub length: usize,
    /// How long the body is.
    pub body: usize,
}

impl Head {
    /// Reads the head, or `None` while it has not arrived completely.
    ///
    /// # Errors
    /// When these bytes cannot become an answer with a `content-length`.
    pub fn parse(bytes: &[u8]) -> io::Result<Option<Head>> {
        let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not an answer we can read: {why}"));
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong("the head is not text"))?;
        let status = text.get(9..12).and_then(|digits| digits.parse().ok()).ok_or_else(|| wrong("no status"))?;
        let body = match header(text, "content-length") {
            Some(length) => length.parse().map_err(|_| wrong("its length"))?,
            None if status == 204 || status == 304 => 0,
            None => return Err(wrong("no content-length")),
        };
        Ok(Some(Head { status, length: end + 4, body }))
    }
}

/// The value of a header in a head, whatever the case of its name.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.short()))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Status and the beginning of the body, for messages.
    pub fn short(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        format!("{} {}", self.status, text.chars().take(300).collect::<String>())
    }
}

/// What to ask.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Header lines, each with its `\r\n`.
    pub headers: &'a str,
    /// The body, JSON; empty for none.
    pub body: &'a str,
}

impl Ask<'_> {
    /// Appends the request's bytes.
    pub fn write(&self, host: SocketAddr, into: &mut Vec<u8>) {
        let Ask { method, path, headers, body } = self;
        let length = body.len();
        // Writing to memory cannot fail.
        let _ = write!(into, "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}");
        if !body.is_empty() {
            let _ = write!(into, "content-type: application/json\r\ncontent-length: {length}\r\n");
        }
        let _ = write!(into, "\r\n{body}");
    }
}

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))?;
        Ok(Connection { address, stream, buffer: Vec::new() })
    }

    /// Waits at most so long for each piece of an answer.
    pub fn be_patient(&self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))
    }

    /// Asks and waits for the answer. After an error the connection is of no use any more.
    pub fn ask(&mut self, ask: &Ask<'_>) -> io::Result<Answer> {
        self.send(ask)?;
        self.receive()
    }

    /// As [`Connection::ask`], with all header lines given, those about the body too.
    pub fn ask_raw(&mut self, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
        self.send_raw(method, path, headers, body)?;
        self.receive()
    }

    /// As [`Connection::ask_raw`], and does not wait; the body may be shorter than its head says.
    pub fn send_raw(&mut self, method: &str, path: &str, headers: &str, body: &str) -> io::Result<()> {
        let host = self.address;
        self.stream.write_all(format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n{body}").as_bytes())
    }

    /// Asks and does not wait: [`Connection::receive`] must follow.
    pub fn send(&mut self, ask: &Ask<'_>) -> io::Result<()> {
        let mut request = Vec::new();
        ask.write(self.address, &mut request);
        self.stream.write_all(&request)
    }

    /// The answer to what was sent.
    pub fn receive(&mut self) -> io::Result<Answer> {
        self.buffer.clear();
        let mut chunk = [0_u8; 16_384];
        loop {
            let read = match self.stream.read(&mut chunk) {
                // A read with a time limit is not restarted by the kernel.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&chunk[..read]);
            let Some(head) = Head::parse(&self.buffer)? else { continue };
            if self.buffer.len() > ANSWER_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"));
            }
            if self.buffer.len() >= head.length + head.body {
                let text = String::from_utf8_lossy(&self.buffer[..head.length]).into_owned();
                let body = self.buffer[head.length..head.length + head.body].to_vec();
                return Ok(Answer { status: head.status, head: text, body });
            }
        }
    }

    /// Asks for JSON with a GET that must succeed.
    pub fn get_json(&mut self, path: &str, headers: &str) -> Result<Value> {
        let answer = self.ask(&Ask { method: "GET", path, headers, body: "" }).with_context(|| format!("GET {path}"))?;
        ensure!(answer.status == 200, "GET {path} answered {}", answer.short());
        answer.json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\nx-y: z\r\n\r\nhello";
        assert_eq!(Head::parse(&bytes[..30]).expect("not wrong yet"), None);
        let head = Head::parse(bytes).expect("readable").expect("complete");
        assert_eq!((head.status, head.body, &bytes[head.length..]), (201, 12, &b"hello"[..]));
        assert_eq!(header(std::str::from_utf8(&bytes[..head.length]).expect("text"), "X-Y"), Some("z"));
    }

    #[test]
    fn what_has_no_length_is_refused() {
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Head::parse(b"HTTP/1.1 304 Not Modified\r\n\r\n").is_ok());
    }
}
