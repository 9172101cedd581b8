//! Requests no HTTP client would send, as bytes over a socket: the documented 4xx or success, never a 5xx, never a hang,
//! and the next connection works.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::on_both_engines;
use testkit::raw;
use testkit::world::World;

/// The server's limit for a whole header block to arrive.
const HEADER_SECONDS_MAX: u64 = 10;

on_both_engines! {
    async fn every_file_of_the_corpus_is_answered_as_it_says(world) {
        let cases = raw::corpus(&Path::new(env!("CARGO_MANIFEST_DIR")).join("http_corpus"));
        assert!(cases.len() > 60, "the corpus is there");
        let mut wrong = Vec::new();
        for case in cases {
            let reply = send(&world, case.bytes.clone()).await;
            let last = reply.statuses.last().copied();
            let status_fits = match last {
                Some(status) => case.statuses.contains(&status) || (case.statuses.is_empty() && (200..500).contains(&status)),
                None => case.statuses.is_empty() || case.closed == Some(true),
            };
            let end_fits = case.closed.is_none_or(|closed| closed == reply.closed);
            if !status_fits || !end_fits || reply.statuses.iter().any(|status| *status >= 500) {
                wrong.push(format!("{}: expected {:?} closed {:?}, got {reply:?}", case.name, case.statuses, case.closed));
            }
            world.anonymous().get("/healthz").await.expect(200);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        world.verify_settled().await;
    }

    async fn what_is_no_request_is_refused_like_every_other(world) {
        let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(70_000));
        let many = "x-a: 1\r\n".repeat(1_100);
        let many = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
        let both = "POST /v1/payments HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG";
        let healthy = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for (text, status) in [
            ("complete nonsense\r\n\r\n".to_owned(), 400),
            ("GET /healthz HTTP/1.1\r\nno colon here\r\n\r\n".to_owned(), 400),
            (format!("{healthy}{healthy}GET /\u{0} HTTP/1.1\r\n\r\n"), 400),
            (both.to_owned(), 400),
            (long, 431),
            (many, 431),
        ] {
            let reply = send(&world, text.clone().into_bytes()).await;
            let shown = text.chars().take(80).collect::<String>();
            assert_eq!(reply.statuses.last(), Some(&status), "{shown}: {reply:?}");
            assert!(reply.closed, "{shown}");
            let (head, body) = reply.text.rsplit_once("\r\n\r\n").expect("a head and a body");
            let head = head.rsplit("HTTP/1.1 ").next().expect("the last head").to_ascii_lowercase();
            assert!(body.starts_with(r#"{"code":"INVALID_REQUEST","messages":[""#), "{shown}: {body}");
            for header in [
                "content-type: application/json; charset=utf-8", "connection: close", "x-request-id: ", "cache-control: no-store", "date: ",
            ] {
                assert!(head.contains(header), "{shown}: no {header} in {head}");
            }
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        }
    }

    async fn a_thousand_requests_on_one_connection(world) {
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
        let reply = send(&world, request).await;
        assert_eq!((reply.statuses.len(), reply.statuses.iter().all(|status| *status == 200)), (1_000, true));
    }

    async fn who_sends_everything_before_he_reads_gets_his_refusal(world) {
        let keys = "Content-Type: application/json\r\npublic-api-key: x\r\nprivate-secret-key: y\r\n";
        let head = format!("POST /v1/payments HTTP/1.1\r\nHost: localhost\r\n{keys}");
        let large = |bytes: usize| [format!("{head}Content-Length: {bytes}\r\n\r\n").into_bytes(), vec![b'x'; bytes]].concat();
        let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x1_0000], b"\r\n"].concat();
        let chunked = [format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes(), chunk.repeat(64), b"0\r\n\r\n".to_vec()].concat();
        let endless = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 4 << 20]].concat();
        let answers = [(large(1 << 20), 413), (large(8 << 20), 413), (large(200 << 10), 401), (chunked, 401), (endless, 431)];
        for (bytes, status) in answers {
            let (address, count) = (world.door().address().to_owned(), bytes.len());
            let reply = tokio::task::spawn_blocking(move || sent_first(&address, &bytes)).await.expect("no panic");
            let said = reply.unwrap_or_else(|error| panic!("{count} bytes, {status}: {error}"));
            assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{count} bytes: {said}");
            assert!(said.contains(r#""messages":[""#), "{said}");
        }
        let began = Instant::now();
        let promised = send(&world, format!("{head}Content-Length: 1000000\r\n\r\nonly this").into_bytes()).await;
        assert_eq!((promised.statuses.as_slice(), promised.closed), (&[413][..], true), "{promised:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "our side is ended at once");
    }

    async fn a_slow_sender_is_cut_off_and_disturbs_nobody(world) {
        let began = Instant::now();
        let slow = send(&world, b"GET /healthz HTTP/1.1\r\nHost: local".to_vec());
        let others = async {
            for _ in 0..20 {
                let asked = Instant::now();
                world.anonymous().get("/healthz").await.expect(200);
                assert!(asked.elapsed() < Duration::from_secs(1));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let (reply, ()) = tokio::join!(slow, others);
        assert!(reply.closed, "the connection was cut: {reply:?}");
        assert!(began.elapsed() < Duration::from_secs(HEADER_SECONDS_MAX + 4));
    }
}

/// Sends all of it, which must work, and only then reads to the end.
fn sent_first(address: &str, bytes: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_write_timeout(Some(Duration::from_secs(15)))?;
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    stream.write_all(bytes)?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}

async fn send(world: &World, bytes: Vec<u8>) -> raw::RawReply {
    let address = world.door().address().to_owned();
    tokio::task::spawn_blocking(move || raw::send(&address, &bytes))
        .await
        .expect("no panic")
        .expect("the server accepts connections")
}
