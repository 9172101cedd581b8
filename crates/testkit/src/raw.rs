//! Requests as bytes, for what no HTTP client would send, and the corpus of such requests.
//!
//! A corpus file says what it is about, what must come of it, and the bytes:
//! ```text
//! # two different lengths: an attempt to smuggle a second request
//! expect: 400 closed
//! ---
//! POST /v1/payments HTTP/1.1\r\n
//! Host: localhost\r\n
//! ```
//! Line ends of the file mean nothing; `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN` stand for bytes, `{N*text}` repeats a text.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// How long to wait for a server that says nothing: less than its own limits, so a silent server is seen as one.
const SILENCE: Duration = Duration::from_secs(15);
/// How long to wait for the end of a connection that is expected to stay open.
const STAYS_OPEN: Duration = Duration::from_millis(300);

/// What a server answered to raw bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawReply {
    /// Statuses of the answers, in order.
    pub statuses: Vec<u16>,
    /// Whether the server closed the connection.
    pub closed: bool,
    /// Everything it said.
    pub text: String,
}

/// What a corpus file expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// File name.
    pub name: String,
    /// Statuses of which the last answer must have one; empty when any 4xx or success is right.
    pub statuses: Vec<u16>,
    /// Whether the connection must be closed afterwards; `None` when either is right.
    pub closed: Option<bool>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Sends the bytes and reads what comes back until the server closes or falls silent.
///
/// # Errors
/// No connection.
pub fn send(address: &str, bytes: &[u8]) -> std::io::Result<RawReply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE))?;
    // A server that has heard enough closes while we still send: its answer counts, not our failed write.
    let _refused_early = stream.write_all(bytes);
    let (mut said, mut closed) = (Vec::new(), false);
    let mut buffer = [0; 16_384];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => {
                closed = true;
                break;
            }
            Ok(count) => {
                said.extend_from_slice(&buffer[..count]);
                stream.set_read_timeout(Some(STAYS_OPEN))?;
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => break,
            Err(_) => {
                closed = true;
                break;
            }
        }
    }
    let text = String::from_utf8_lossy(&said).into_owned();
    let statuses = text.split("HTTP/1.").skip(1).filter_map(|answer| answer.get(2..5)?.parse().ok()).collect();
    Ok(RawReply { statuses, closed, text })
}

/// Reads all `.http` files of a folder, in the order of their names.
///
/// # Panics
/// When one cannot be read: the message names it.
pub fn corpus(folder: &Path) -> Vec<Case> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "http"));
    files.sort();
    files.iter().map(|path| case(path)).collect()
}

fn case(path: &Path) -> Case {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (head, body) = text.split_once("\n---\n").unwrap_or_else(|| panic!("{name}: no line `---`"));
    let expect =
        head.lines().find_map(|line| line.strip_prefix("expect:")).unwrap_or_else(|| panic!("{name}: no line `expect:`"));
    let closed = match expect {
        _ if expect.contains("closed") => Some(true),
        _ if expect.contains("open") => Some(false),
        _ => None,
    };
    let statuses = expect.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    Case { statuses, closed, bytes: unescape(body).unwrap_or_else(|| panic!("{name}: a wrong escape")), name }
}

/// The bytes a text with escapes stands for.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'\n' => {}
            b'\\' => {
                let (&escape, after) = rest.split_first()?;
                rest = after;
                match escape {
                    b'r' => bytes.push(b'\r'),
                    b'n' => bytes.push(b'\n'),
                    b't' => bytes.push(b'\t'),
                    b'0' => bytes.push(0),
                    b'\\' => bytes.push(b'\\'),
                    b'x' => {
                        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                        bytes.push(u8::from_str_radix(digits, 16).ok()?);
                        rest = &rest[2..];
                    }
                    _ => return None,
                }
            }
            b'{' if rest.first().is_some_and(u8::is_ascii_digit) => {
                let end = rest.iter().position(|&byte| byte == b'}')?;
                let (count, repeated) = std::str::from_utf8(&rest[..end]).ok()?.split_once('*')?;
                let repeated = unescape(repeated)?;
                bytes.extend(std::iter::repeat_n(repeated, count.parse().ok()?).flatten());
                rest = &rest[end + 1..];
            }
            byte => bytes.push(byte),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(unescape("GET / HTTP/1.1\\r\\n\na{3*b\\t}\\x00\\\\{\"}").unwrap(), b"GET / HTTP/1.1\r\nab\tb\tb\t\0\\{\"}");
        assert_eq!(unescape("\\q"), None);
    }
}
