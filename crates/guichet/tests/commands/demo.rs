//! `guichet demo`: banner, credentials, stopping, dying.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::actors::{Actor, Door, fresh};
use testkit::exchange::Exchange;
use testkit::process::Serving;

use crate::{PROGRAM, guichet};

async fn demo(folder: &Path, arguments: &[&str]) -> Serving {
    guichet::install_cryptography();
    Serving::demo(Path::new(PROGRAM), folder, arguments).await
}

#[tokio::test]
async fn the_banner_is_short_and_its_commands_work() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path(), &[]).await;
    let banner = until(|| Some(serving.out()).filter(|out| out.contains("Ctrl-C"))).await;
    assert!(banner.lines().count() <= 20, "{banner}");
    assert!(!banner.contains('\x1b'), "no colours into a file");
    let commands: Vec<&str> = banner.lines().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(commands.len(), 3);
    let mut answers = Vec::new();
    for command in commands {
        answers.push(paste(&serving, command).await);
    }
    assert_eq!((answers[0].status, answers[0].payment_state().as_str()), (201, "SUCCEEDED/APPROVED"));
    assert_eq!(answers[1].expect_list()[0]["id"], answers[0].json()["id"]);
    assert_eq!(answers[2].json()["charges"][0]["payment_id"], answers[0].json()["id"]);
    assert_eq!(serving.stop().await.code(), Some(0));
}

#[tokio::test]
async fn the_same_folder_brings_the_same_credentials_back() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path(), &[]).await;
    let mode = std::fs::metadata(folder.path().join("credentials.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mode = std::fs::metadata(folder.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the data directory is closed to others");
    let first = serving.credentials().clone();
    for key in ["full", "money_in_only", "read_only", "read_money_in", "no_money_out"] {
        let pair = &first["keys"][key];
        assert!(
            pair["token"].as_str().unwrap().starts_with("sandbox_pk_")
                && pair["secret"].as_str().unwrap().starts_with("sandbox_sk_")
        );
    }
    assert_eq!((&first["account"]["name"], &first["account"]["owner_email"]), (&json!("Demo"), &json!("merchant@example.com")));
    assert!(first["account"]["number"].as_i64().is_some_and(|number| number > 0));
    assert_eq!(first["payments"]["cards"]["approved"], "4507990000000002");
    assert_eq!(serving.stop().await.code(), Some(0));
    let again = demo(folder.path(), &[]).await;
    for member in ["account", "keys", "other_account", "payments"] {
        assert_eq!(again.credentials()[member], first[member], "{member}");
    }
    again.kill();
}

/// Whoever waits for the first answer instead of the file must find everything there.
#[tokio::test]
async fn the_first_answer_comes_when_all_is_there() {
    guichet::install_cryptography();
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = ["--listen", &address.to_string()];
    let mut demo = Command::new(PROGRAM);
    demo.arg("demo").args(listen).args(["--data-dir", "data", "--credentials", "credentials.json"]).current_dir(folder.path());
    let mut demo = demo.stdout(Stdio::null()).spawn().unwrap();
    let ask = || {
        let mut line = TcpStream::connect(address).ok()?;
        line.write_all(b"GET /dev/acquirer/charges HTTP/1.0\r\n\r\n").ok()?;
        std::io::read_to_string(line).ok()?.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    };
    let first = until(ask).await;
    let file_was_there = folder.path().join("credentials.json").exists();
    let later = Actor::anonymous(&Door::at(format!("http://{address}"))).get("/dev/acquirer/charges").await.expect(200);
    demo.kill().unwrap();
    demo.wait().unwrap();
    assert!(file_was_there, "the credentials file is there when something is answered");
    let charges = |answer: Value| answer["charges"].as_array().unwrap().len();
    assert_eq!(charges(serde_json::from_str(&first).unwrap()), charges(later.json()), "and so are the demo's payments");
}

#[tokio::test]
async fn a_second_demo_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path(), &[]).await;
    let ran = guichet(folder.path(), &["demo", "--listen", "127.0.0.1:0", "--data-dir", "data"]);
    assert!(ran.code == Some(2) && ran.err.contains("another guichet is serving"), "{}", ran.err);
    serving.merchant().get("/v1/payments?merchant_order_id=abc").await.expect(200);
}

#[tokio::test]
async fn being_asked_to_stop_it_finishes_what_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = demo(folder.path(), &[]).await;
    let merchant = serving.merchant();
    Actor::anonymous(serving.door()).post("/dev/acquirer", json!({ "slow_ms": 2_000 })).await.expect(200);
    let body = merchant.purchase("5 EUR");
    let (asking, asked) = (merchant.clone(), body.clone());
    let under_way = tokio::spawn(async move { asking.post_once("/v1/payments", "stopping", &asked).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    serving.signal("TERM");
    let asked_at = Instant::now();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Whoever asks now is told to go elsewhere; nothing new is begun.
    let anyone = Actor::anonymous(serving.door());
    anyone.get("/healthz").await.expect(200);
    anyone.get("/readyz").await.expect(503);
    let refused = merchant.post("/v1/payments", merchant.purchase("5 EUR")).await.refused(503, "SERVICE_UNAVAILABLE");
    assert!(refused.header("retry-after").is_some());
    let answer = under_way.await.unwrap().expect(201);
    assert_eq!(serving.ended().await.code(), Some(0));
    assert!(asked_at.elapsed() < Duration::from_secs(10));
    let again = demo(folder.path(), &[]).await;
    let replay = again.merchant().post_once("/v1/payments", "stopping", &body).await.expect(201);
    assert_eq!(replay.body, answer.body);
}

#[tokio::test]
async fn it_does_not_wait_for_ever_and_what_it_leaves_is_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = demo(folder.path(), &[]).await;
    let merchant = serving.merchant();
    Actor::anonymous(serving.door()).post("/dev/acquirer", json!({ "slow_ms": 60_000 })).await.expect(200);
    let body = merchant.purchase("5 EUR");
    let (asking, asked) = (merchant.clone(), body.clone());
    let under_way = tokio::spawn(async move { asking.ask("POST", "/v1/payments").once("left").json(&asked).try_send().await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    serving.signal("TERM");
    let asked_at = Instant::now();
    assert_eq!(serving.ended().await.code(), Some(0));
    assert!(asked_at.elapsed() < Duration::from_secs(13), "{:?}", asked_at.elapsed());
    assert!(under_way.await.unwrap().is_err(), "the connection was cut");
    let again = demo(folder.path(), &[]).await;
    let answer = settled(&again.merchant(), "left", &body).await;
    assert_eq!(answer.payment_state(), "SUCCEEDED/APPROVED");
    let verified = guichet(folder.path(), &["verify", "--settled", "--data-dir", "data"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.err);
}

#[tokio::test]
async fn killed_under_load_it_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut units: Vec<(String, Value, Option<Vec<u8>>)> = Vec::new();
    for round in 0..3 {
        let serving = demo(folder.path(), &[]).await;
        let merchant = serving.merchant();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let merchant = merchant.clone();
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    loop {
                        let (key, mut body) = (fresh("key"), merchant.purchase("5 EUR"));
                        body["merchant_order_id"] = json!(fresh("killed"));
                        let answer = merchant.ask("POST", "/v1/payments").once(&key).json(&body).try_send().await;
                        let acknowledged = answer.ok().map(|answer| answer.expect(201).body);
                        let broken = acknowledged.is_none();
                        done.push((key, body, acknowledged));
                        if broken {
                            return done;
                        }
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(600 + 150 * round)).await;
        serving.kill();
        for task in tasks {
            units.extend(task.await.unwrap());
        }
    }
    let serving = demo(folder.path(), &[]).await;
    let merchant = serving.merchant();
    for (key, body, acknowledged) in &units {
        let answer = settled(&merchant, key, body).await;
        if let Some(before) = acknowledged {
            assert_eq!(answer.body, *before, "an acknowledged payment is kept, byte by byte");
        }
        let order = body["merchant_order_id"].as_str().unwrap();
        let charges = merchant.get(&format!("/dev/acquirer/charges?merchant_order_id={order}")).await.json();
        assert_eq!(charges["charges"].as_array().map(Vec::len), Some(1), "one charge for {order}");
    }
    assert!(units.iter().any(|(_, _, acknowledged)| acknowledged.is_none()), "the kill came in the middle");
    let verified = guichet(folder.path(), &["verify", "--settled", "--data-dir", "data"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.err);
    assert!(!serving.err().contains("panicked"), "{}", serving.err());
}

#[tokio::test]
async fn nothing_secret_reaches_the_log_at_its_finest() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path(), &["--log", "trace", "--log-format", "json"]).await;
    let merchant = serving.merchant();
    let (number, code) = ("4929999123456785", "9713");
    for mode in ["normal", "down", "timeout_after_charge"] {
        Actor::anonymous(serving.door()).post("/dev/acquirer", json!({ "mode": mode })).await.expect(200);
        let mut body = merchant.purchase("5 EUR");
        let card = &mut body["payment_method"]["detail"]["card"]["card_data"];
        (card["number"], card["security_code"]) = (json!(number), json!(code));
        merchant.post("/v1/payments", body.clone()).await;
        body["country"] = json!(number);
        merchant.post("/v1/payments", body).await;
    }
    merchant.ask("GET", &format!("/v1/payments?merchant_order_id={number}")).send().await;
    let secret = merchant.key().secret.clone();
    merchant
        .ask("GET", "/v1/payments")
        .without("private-secret-key")
        .header("private-secret-key", format!("{secret}x"))
        .send()
        .await;
    assert_eq!(Serving::stop(serving).await.code(), Some(0));
    let log = std::fs::read_to_string(folder.path().join("err.txt")).unwrap();
    assert!(log.lines().count() > 20 && log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "each line is JSON");
    for canary in [number, &secret, "\"9713\"", "\\\"9713\\\""] {
        let leak = log.lines().find(|line| line.contains(canary));
        assert!(leak.is_none(), "{canary} was logged: {leak:?}");
    }
}

/// Repeats a request until it has its final answer.
async fn settled(merchant: &Actor, key: &str, body: &Value) -> Exchange {
    let until = Instant::now() + Duration::from_secs(12);
    loop {
        let answer = merchant.post_once("/v1/payments", key, body).await;
        if answer.status == 201 {
            return answer;
        }
        assert!(answer.status == 409 && Instant::now() < until, "{}: {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "it did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Does what a shell and curl would do with the line.
async fn paste(serving: &Serving, line: &str) -> Exchange {
    let words = shell_words(line);
    let (mut path, mut headers, mut body) = (String::new(), Vec::new(), None);
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-s" => {}
            "-H" => {
                headers.push(words.next().and_then(|header| header.split_once(": ")).expect("a header has a name and a value"));
            }
            "-d" => body = Some(words.next().expect("-d has a body").clone()),
            url => url.strip_prefix(serving.door().base_url()).expect("it asks this server").clone_into(&mut path),
        }
    }
    let anyone = Actor::anonymous(serving.door());
    let mut ask = anyone.ask(if body.is_some() { "POST" } else { "GET" }, &path);
    for (name, value) in headers {
        ask = ask.header(name, value);
    }
    ask.body(body.unwrap_or_default()).send().await
}

/// Words and single-quoted texts, as a shell reads them.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut rest) = (Vec::new(), line.trim());
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').expect("a quote is closed"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

trait List {
    fn expect_list(&self) -> Vec<Value>;
}

impl List for Exchange {
    fn expect_list(&self) -> Vec<Value> {
        self.json().as_array().expect("a bare array").clone()
    }
}
