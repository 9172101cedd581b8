//! What the HTTP parser must not decide alone: requests whose length is said in two ways are refused, and whatever it refuses by itself
//! is answered like every other refusal, with an envelope, an id and a line in the log.
//!
//! The parser (hyper) takes `Transfer-Encoding` over `Content-Length` without a word, and answers what it cannot read with a bare status.
//! So the bytes are watched on their way: incoming heads for the two headers together, outgoing ones for that bare answer. At the end
//! they tell whether the peer still owes some of his request, and is listened to for a while.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::linger::Linger;

/// The longest header name that is looked for, and one character more to tell longer ones apart.
const NAME_CHARS: usize = 18;
const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";
/// Beginning of the preface of HTTP/2, which frames its messages in another way.
const HTTP_2: &[u8] = b"pri ";

/// Draws the whole answer, head and body, that replaces a bare one with this status and date line.
pub(crate) trait Refuse {
    /// The bytes.
    fn refuse(&self, status: StatusCode, date: &str) -> Vec<u8>;
}

/// A watched connection.
pub(crate) struct Watched<Io, R> {
    io: Io,
    refuse: R,
    frames: Frames,
    /// What replaces a bare answer, and how much of it is sent.
    answer: Vec<u8>,
    sent: usize,
    linger: Linger,
}

impl<Io, R> Watched<Io, R> {
    /// Watches `io`, whose bare answers are replaced by what `refuse` draws.
    pub(crate) fn new(io: Io, refuse: R) -> Watched<Io, R> {
        Watched { io, refuse, frames: Frames::default(), answer: Vec::new(), sent: 0, linger: Linger::default() }
    }
}

impl<Io: AsyncWrite + Unpin, R> Watched<Io, R> {
    /// Sends what replaces a bare answer.
    fn push(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.answer.len() {
            let wrote = ready!(Pin::new(&mut self.io).poll_write(context, &self.answer[self.sent..]))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += wrote;
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + Unpin, R: Unpin> AsyncRead for Watched<Io, R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = into.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(context, into))?;
        this.frames.watch(&mut into.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin, R: Refuse + Unpin> AsyncWrite for Watched<Io, R> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.push(context))?;
        match bare(bytes).filter(|_| this.frames.at != At::Lost(Why::Http2)) {
            None => Pin::new(&mut this.io).poll_write(context, bytes),
            // What was answered before it goes first; the rest is offered again.
            Some(bare) if bare.start > 0 => Pin::new(&mut this.io).poll_write(context, &bytes[..bare.start]),
            Some(bare) => {
                (this.answer, this.sent) = (this.refuse.refuse(bare.status, bare.date), 0);
                match this.push(context) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    _ => Poll::Ready(Ok(bytes.len())),
                }
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A bare answer has no body, so it is the last of the parts; the ones before it go by themselves.
        if parts.last().is_some_and(|last| bare(last).is_some()) {
            let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
            return self.poll_write(context, first);
        }
        ready!(self.push(context))?;
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.push(context))?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.push(context))?;
        let Watched { io, frames, linger, .. } = &mut *self;
        if matches!(linger, Linger::Open) && frames.is_between() {
            return Pin::new(io).poll_shutdown(context);
        }
        linger.poll_end(io, context, |bytes| {
            frames.watch(bytes);
            frames.is_between()
        })
    }
}

/// The parser's own answer at the end of what is to be sent.
struct Bare<'a> {
    start: usize,
    status: StatusCode,
    date: &'a str,
}

/// Finds it: a head without a body and without the id that each of our own answers has.
fn bare(bytes: &[u8]) -> Option<Bare<'_>> {
    const BEGINS: &[u8] = b"HTTP/1.1 4";
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let start = bytes.windows(BEGINS.len()).rposition(|window| window == BEGINS)?;
    let head = std::str::from_utf8(&bytes[start..]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let mut lines = head.split("\r\n").skip(1).take_while(|line| !line.is_empty());
    let only = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        ["connection", "content-length", "date"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let ends_with_head = head.find("\r\n\r\n") == Some(head.len() - 4);
    if !ends_with_head || !lines.clone().all(only) {
        return None;
    }
    let date = lines.find(|line| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("date:"))).unwrap_or_default();
    Some(Bare { start, status, date })
}

/// Where one is in the stream of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before a request, or in its first line.
    Line,
    /// In the name of a header, or at the end of the head.
    Name,
    /// In the value of a header.
    Value(Header),
    /// In a body, with so many bytes to come.
    Body(u64),
    /// In the line that says how long a chunk is: its size so far, and whether its digits are over.
    Size(u64, bool),
    /// In the line end after a chunk.
    ChunkEnd,
    /// After the last chunk: whether anything stands in this line.
    Trailer(bool),
    /// Nowhere: the parser will refuse what comes, or it is none of our business.
    Lost(Why),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Http2,
    Malformed,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Length,
    Encoding,
    Another,
}

/// Follows the requests of a connection by their lengths.
#[derive(Debug)]
struct Frames {
    at: At,
    /// The beginning of the line or name one is in, in lower case.
    name: [u8; NAME_CHARS],
    name_chars: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Default for Frames {
    fn default() -> Self {
        Frames { at: At::Line, name: [0; NAME_CHARS], name_chars: 0, length: None, chunked: false }
    }
}

impl Frames {
    /// Looks at what has arrived. In a head with both headers the second one is made unreadable, so that the parser refuses it.
    fn watch(&mut self, bytes: &mut [u8]) {
        let mut next = 0;
        while next < bytes.len() {
            match &mut self.at {
                At::Lost(_) => return,
                At::Body(left) => {
                    let here = u64::try_from(bytes.len() - next).unwrap_or(u64::MAX).min(*left);
                    *left -= here;
                    // What is here of a body fits into memory.
                    next += usize::try_from(here).unwrap_or(usize::MAX);
                    if *left == 0 {
                        self.at = if self.chunked { At::ChunkEnd } else { self.again() };
                    }
                }
                // The rest of such a line says nothing.
                At::Value(Header::Another | Header::Encoding) if bytes[next] != b'\n' => next += to_line_end(&bytes[next..]),
                At::Line if self.name_chars >= HTTP_2.len() && bytes[next] != b'\n' => next += to_line_end(&bytes[next..]),
                _ => {
                    let byte = &mut bytes[next];
                    if *byte == b':' && self.at == At::Name && self.is_second() {
                        *byte = 0;
                        self.at = At::Lost(Why::Malformed);
                        return;
                    }
                    self.step(*byte);
                    next += 1;
                }
            }
        }
    }

    /// Whether everything that has begun is here. What HTTP/2 owes is told to its peer by other means.
    fn is_between(&self) -> bool {
        self.at == At::Lost(Why::Http2) || self.at == At::Line && self.name_chars == 0
    }

    /// Whether the name that ends here says the length in another way than a header before it.
    fn is_second(&self) -> bool {
        match self.named() {
            Header::Length => self.chunked,
            Header::Encoding => self.length.is_some(),
            Header::Another => false,
        }
    }

    fn named(&self) -> Header {
        match &self.name[..self.name_chars] {
            CONTENT_LENGTH => Header::Length,
            TRANSFER_ENCODING => Header::Encoding,
            _ => Header::Another,
        }
    }

    fn step(&mut self, byte: u8) {
        self.at = match (self.at, byte) {
            // Empty lines before a request are passed over, as the parser does.
            (At::Line, b'\r' | b'\n') if self.name_chars == 0 => At::Line,
            (At::Line | At::Value(_), b'\n') => {
                self.name_chars = 0;
                At::Name
            }
            (At::Line, _) => self.keep(byte, At::Line),
            (At::Name, b'\r') => At::Name,
            (At::Name, b'\n') if self.name_chars == 0 => self.body(),
            (At::Name, b'\n') => At::Lost(Why::Malformed),
            (At::Name, b':') => self.value(),
            (At::Name, _) => self.keep(byte, At::Name),
            (At::Value(Header::Length), b'0'..=b'9') => {
                let grown = self.length.unwrap_or(0).checked_mul(10).and_then(|tens| tens.checked_add(u64::from(byte - b'0')));
                match grown {
                    Some(grown) => {
                        self.length = Some(grown);
                        self.at
                    }
                    None => At::Lost(Why::Malformed),
                }
            }
            (At::Value(Header::Length), b' ' | b'\t' | b'\r') => self.at,
            (At::Value(Header::Length), _) => At::Lost(Why::Malformed),
            (At::Value(_), _) => self.at,
            (At::Size(size, _), b'\n') => match size {
                0 => At::Trailer(false),
                size => At::Body(size),
            },
            (At::Size(size, false), byte) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                match size.checked_mul(16).and_then(|size| size.checked_add(digit)) {
                    Some(size) => At::Size(size, false),
                    None => At::Lost(Why::Malformed),
                }
            }
            (At::Size(size, _), _) => At::Size(size, true),
            (At::ChunkEnd, b'\n') => At::Size(0, false),
            (At::ChunkEnd, _) => At::ChunkEnd,
            (At::Trailer(false), b'\n') => self.again(),
            (At::Trailer(_), b'\n') => At::Trailer(false),
            (At::Trailer(any), b'\r') => At::Trailer(any),
            (At::Trailer(_), _) => At::Trailer(true),
            (at @ (At::Body(_) | At::Lost(_)), _) => at,
        };
    }

    /// Keeps the beginning of a line or name.
    fn keep(&mut self, byte: u8, at: At) -> At {
        if self.name_chars < NAME_CHARS {
            self.name[self.name_chars] = byte.to_ascii_lowercase();
            self.name_chars += 1;
            if at == At::Line && self.name[..self.name_chars] == *HTTP_2 {
                return At::Lost(Why::Http2);
            }
        }
        at
    }

    /// At the end of a header's name.
    fn value(&mut self) -> At {
        let header = self.named();
        match header {
            // A second length must be the same, which the parser sees to; it is read anew.
            Header::Length => self.length = Some(0),
            Header::Encoding => self.chunked = true,
            Header::Another => {}
        }
        At::Value(header)
    }

    /// At the end of a head.
    fn body(&mut self) -> At {
        match self.length {
            _ if self.chunked => At::Size(0, false),
            Some(length) if length > 0 => At::Body(length),
            _ => self.again(),
        }
    }

    /// Before the next request.
    fn again(&mut self) -> At {
        (self.name_chars, self.length, self.chunked) = (0, None, false);
        At::Line
    }
}

/// How many bytes there are before the next line end, or at all.
fn to_line_end(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    struct Said;

    impl Refuse for Said {
        fn refuse(&self, status: StatusCode, date: &str) -> Vec<u8> {
            format!("[{} {date}]", status.as_u16()).into_bytes()
        }
    }

    /// What of these bytes was made unreadable, in pieces of each length.
    fn spoilt(text: &str) -> usize {
        let mut counts = Vec::new();
        for piece in 1..=text.len() {
            let (mut frames, mut bytes) = (Frames::default(), text.as_bytes().to_vec());
            bytes.chunks_mut(piece).for_each(|piece| frames.watch(piece));
            counts.push(String::from_utf8(bytes).expect("text").matches('\0').count());
        }
        assert!(counts.iter().all(|count| *count == counts[0]), "{text:?}: {counts:?}");
        counts[0]
    }

    #[test]
    fn a_length_in_two_ways_is_spoilt_wherever_it_stands() {
        let plain = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab\r\nc";
        let chunked = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n3;x=y\r\nabc\r\n1f\r\n0123456789012345678901234567890\r\n\
                       0\r\nContent-Length: 1\r\n\r\n";
        let bare_lines = "\n\r\nGET /a HTTP/1.1\nHost: content-length\nX: transfer-encoding: y\n\n";
        let both = "POST /a HTTP/1.1\r\nCONTENT-LENGTH: 6\r\nTransfer-encoding: chunked\r\n\r\n0\r\n\r\nG";
        let turned = "POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n";
        for good in [plain, chunked, bare_lines] {
            assert_eq!(spoilt(good), 0);
            for bad in [both, turned] {
                assert_eq!(spoilt(&format!("{good}{bad}")), 1, "{good}{bad}");
                assert_eq!(spoilt(&format!("{plain}{chunked}{good}{bad}")), 1);
            }
        }
        // A body may say what it likes.
        let body = "\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(spoilt(&format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}{plain}", body.len())), 0);
        assert_eq!(spoilt(&format!("PRI * HTTP/2.0\r\n\r\n{both}")), 0);
    }

    #[test]
    fn only_the_parsers_own_answers_are_bare() {
        let head =
            "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: today\r\n\r\n";
        let found = |text: &str| bare(text.as_bytes()).map(|bare| (bare.start, bare.status.as_u16(), bare.date.to_owned()));
        assert_eq!(found(head), Some((0, 431, "date: today".to_owned())));
        assert_eq!(found(&format!("HTTP/1.1 200 OK\r\n\r\nbody{head}")), Some((23, 431, "date: today".to_owned())));
        for other in [
            "HTTP/1.1 400 Bad Request\r\nx-request-id: a\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 4\r\n\r\n\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 4",
            "\r\n\r\n",
        ] {
            assert_eq!(found(other), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_bare_answer_is_replaced_also_for_a_peer_that_takes_little() {
        let (ours, mut theirs) = duplex(7);
        let mut io = Watched::new(ours, Said);
        let sending = tokio::spawn(async move {
            let before = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            io.write_all(&[before.as_slice(), b"HTTP/1.1 400 Bad Request\r\ndate: x\r\n\r\n"].concat()).await.expect("sent");
            io.shutdown().await.expect("ended");
        });
        let mut got = String::new();
        theirs.read_to_string(&mut got).await.expect("text");
        sending.await.expect("no panic");
        assert_eq!(got, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok[400 date: x]");
    }
}
