//! The program behind a pooler in transaction mode, and behind one that its address does not name.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::actors::{Actor, fresh};
use testkit::pooler::Pooler;
use testkit::postgres::{Database, fresh_database};
use testkit::process::{Ran, Serving};

use crate::{PROGRAM, guichet};

/// Fewer than the connections of one process: its writer, its readers, and those of the sandbox acquirer.
const SESSIONS: u32 = 4;

fn pooled(lines: &str) -> (Pooler, Database) {
    let database = fresh_database();
    let pooler = Pooler::start_with(&database, SESSIONS, lines).unwrap_or_else(|error| panic!("{error}"));
    (pooler, database)
}

/// Pays, repeats and gives back, until the server is gone: what was asked, and what was answered.
async fn shops(merchant: Actor) -> Vec<(String, Value, Option<Vec<u8>>)> {
    let mut done = Vec::new();
    loop {
        let (key, mut body) = (fresh("key"), merchant.purchase("5 EUR"));
        body["merchant_order_id"] = json!(fresh("pooled"));
        let ask = || merchant.ask("POST", "/v1/payments").once(&key).json(&body).try_send();
        let Ok(answer) = ask().await else {
            done.push((key, body, None));
            return done;
        };
        let paid = answer.expect(201);
        let (id, transaction) = (paid.at("/id"), paid.at("/transactions/id"));
        done.push((key.clone(), body.clone(), Some(paid.body)));
        let Ok(again) = ask().await else { return done };
        assert_eq!(again.expect(201).body, *done.last().and_then(|(_, _, body)| body.as_ref()).expect("it was answered"));
        let refund = json!({ "amount": { "currency": "EUR", "value": 2 }, "reason": "REQUESTED_BY_CUSTOMER",
            "merchant_reference": fresh("reference") });
        let path = format!("/v1/payments/{id}/transactions/{transaction}/refund");
        match merchant.ask("POST", &path).fresh_key().json(&refund).try_send().await {
            Ok(refunded) => drop(refunded.expect(200)),
            Err(_gone) => return done,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_it_serves_dies_comes_back_and_its_books_are_sound() {
    guichet::install_cryptography();
    let folder = tempfile::tempdir().unwrap();
    let (pooler, database) = pooled("");
    let url = pooler.url();
    let on_it = ["--database", url.as_str()];
    let mut units = Vec::new();
    for _ in 0..2 {
        let serving = Serving::demo(Path::new(PROGRAM), folder.path(), &on_it).await;
        let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(shops(serving.merchant()))).collect();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        serving.kill();
        for task in tasks {
            units.extend(task.await.unwrap());
        }
        pooler.open_sessions(SESSIONS).unwrap(); // some went with the dead process
        // As if the lease of 90 s were over: whoever comes next takes up what the dead one had begun.
        for schema in ["public", "sandbox_acquirer"] {
            database.psql(&format!("UPDATE {schema}.node SET lease_until = 0")).unwrap();
        }
    }
    let serving = Serving::demo(Path::new(PROGRAM), folder.path(), &on_it).await;
    let merchant = serving.merchant();
    for (key, body, acknowledged) in &units {
        let answer = answered(&merchant, key, body).await;
        assert!(acknowledged.as_ref().is_none_or(|before| answer == *before), "an acknowledged payment is kept, byte by byte");
        let order = body["merchant_order_id"].as_str().unwrap();
        let charges = merchant.get(&format!("/dev/acquirer/charges?merchant_order_id={order}")).await.json();
        assert_eq!(charges["charges"].as_array().map(Vec::len), Some(1), "one charge for {order}");
    }
    assert!(units.iter().filter(|(_, _, acknowledged)| acknowledged.is_some()).count() > 20, "{}", units.len());

    // Nothing of ours stayed in the sessions. The server goes on taking its turns, so these are some of them.
    let prepared =
        (0..5 * SESSIONS).map(|_| pooler.psql("SELECT pg_backend_pid(), count(*) FROM pg_prepared_statements").unwrap());
    let prepared: HashSet<String> = prepared.collect();
    assert!(prepared.len() > 1 && prepared.iter().all(|line| line.ends_with("|0")), "{prepared:?}");

    // The commands beside the server, while it runs.
    let beside = |arguments: &[&str]| {
        let all: Vec<&str> = arguments.iter().copied().chain(on_it).chain(["--data-dir", "data"]).collect();
        let ran = guichet(folder.path(), &all);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
        ran.out
    };
    let account = serving.credentials()["account"]["id"].as_str().unwrap().to_owned();
    beside(&["key", "create", "--account", &account, "--name", "Till 2", "--permission", "ReadMoneyIn"]);
    beside(&["vault", "rotate"]);
    assert!(beside(&["unknown"]).contains("Every outcome is known."));
    let report = settled(|| guichet(folder.path(), &["verify", "--settled", "--json", "--database", &url, "--data-dir", "data"]));
    assert_eq!((&report["ok"], &report["engine"]), (&json!(true), &json!("postgres")));
    assert!(!serving.err().contains("panicked"), "{}", serving.err());
    assert_eq!(serving.stop().await.code(), Some(0));
    assert_eq!(database.psql("SELECT count(*) FROM node").unwrap(), "0", "the leases were given back");
}

/// What `verify` says once nothing is under way any more.
fn settled(verify: impl Fn() -> Ran) -> Value {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let ran = verify();
        if ran.code == Some(0) || Instant::now() > until {
            assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
            return serde_json::from_str(&ran.out).expect("JSON");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Repeats a request until it has its final answer.
async fn answered(merchant: &Actor, key: &str, body: &Value) -> Vec<u8> {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let answer = merchant.post_once("/v1/payments", key, body).await;
        if answer.status == 201 {
            return answer.body;
        }
        assert!(answer.status == 409 && Instant::now() < until, "{}: {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_pooler_that_the_address_does_not_name_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    for lines in ["", "ignore_startup_parameters = options"] {
        let (pooler, _database) = pooled(lines);
        let (unnamed, named) = (pooler.url_unnamed(), pooler.url());
        let on = |url: &str, command: &str| guichet(folder.path(), &[command, "--database", url, "--data-dir", "data"]);
        let demo = guichet(folder.path(), &["demo", "--database", &unnamed, "--data-dir", "data", "--listen", "127.0.0.1:0"]);
        assert!(demo.code == Some(2) && demo.err.contains("add pooler=transaction to the address"), "{}", demo.err);
        let found = on(&unnamed, "doctor");
        assert!(
            found.code == Some(1) && found.out.contains("add pooler=transaction to the address"),
            "{}{}",
            found.out,
            found.err
        );

        assert_eq!(on(&named, "migrate").code, Some(0));
        let well = on(&named, "doctor");
        assert!(well.out.contains("a pooler in transaction mode is named") && well.out.contains("is up to date"), "{}", well.out);
        assert!(well.out.contains("pooler=transaction is up to date"), "the address is shown with it: {}", well.out);
    }
}
