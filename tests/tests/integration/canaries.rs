//! Marked card numbers, codes and secrets go in; then everything that was kept or answered is searched for them.

use std::path::Path;

use serde_json::json;
use testkit::actors::{Actor, fresh};
use testkit::exchange::Exchange;
use testkit::on_both_engines;
use testkit::world::World;

/// A card number nobody else uses, valid by its check digit, which the acquirer approves.
const NUMBER: &str = "4929999123456785";
/// A code that occurs nowhere by chance.
const CODE: &str = "9713";

on_both_engines! {
    async fn no_card_number_code_or_secret_is_kept_or_answered(mut world) {
        let merchant = world.merchant();
        let mut answers = Vec::new();
        for (mode, capture) in [("normal", true), ("normal", false), ("down", true), ("timeout_after_charge", true)] {
            world.acquirer(mode).await;
            let mut body = merchant.purchase("5 EUR");
            let card = &mut body["payment_method"]["detail"]["card"];
            card["capture"] = json!(capture);
            card["card_data"]["number"] = json!(NUMBER);
            card["card_data"]["security_code"] = json!(CODE);
            answers.push(merchant.post("/v1/payments", body.clone()).await);
            body["country"] = json!("ZZ");
            answers.push(merchant.post("/v1/payments", body.clone()).await);
            body["merchant_order_id"] = json!(NUMBER);
            answers.push(merchant.post("/v1/payments", body).await);
        }
        world.acquirer("normal").await;
        answers.extend(stored(&merchant).await);
        let ask = merchant.ask("POST", "/v1/payments").once(&fresh("key")).header("content-type", "application/json");
        answers.push(ask.body(format!("{{\"card\":\"{NUMBER}\",")).send().await);
        answers.push(world.anonymous().get("/metrics").await);
        answers.push(world.anonymous().get("/dev/acquirer/charges?all=true").await);
        let secret = merchant.key().secret.clone();
        for answer in &answers {
            for canary in forms(NUMBER).into_iter().chain(forms(&secret)) {
                assert!(!contains(&answer.body, &canary), "{} answered {canary}", answer.request);
            }
        }
        world.verify().await;
        let kept = kept_by(&mut world).await;
        for canary in forms(NUMBER).into_iter().chain(forms(&secret)).chain([format!("\"{CODE}\""), format!(":{CODE}")]) {
            assert!(!contains(&kept, &canary), "{canary} was kept");
        }
        assert!(contains(&kept, "49299991"), "the search finds what is allowed to be there");
    }
}

/// The card waits in a token, is checked and enrolled, and is kept by a payment whose outcome is unknown.
async fn stored(merchant: &Actor) -> Vec<Exchange> {
    let card = json!({ "number": NUMBER, "expiration_month": 12, "expiration_year": 2099, "security_code": CODE, "holder_name": "Ada Lovelace" });
    let account = &merchant.account_id;
    let customer = merchant.post("/v1/customers", json!({ "merchant_customer_id": "ada" })).await.expect(201);
    let token = merchant.post("/v1/tokens", json!({ "account_id": account, "card_data": card })).await.expect(201);
    let mut body = json!({ "account_id": account, "country": "FR", "type": "CARD", "card_data": card,
        "verify": { "vault_on_success": true, "currency": "EUR" } });
    let path = format!("/v1/customers/{}/payment-methods", customer.at("/id"));
    let enrolled = merchant.post(&path, body.clone()).await.expect(201);
    body["country"] = json!("ZZ");
    let refused = merchant.post(&path, body).await.expect(400);
    let mut keeping = merchant.purchase("5 EUR");
    keeping["payment_method"]["vault_on_success"] = json!(true);
    keeping["payment_method"]["detail"]["card"]["card_data"] = card;
    let kept = merchant.post("/v1/payments", keeping).await.expect(201);
    vec![customer, token, enrolled, refused, kept]
}

/// Everything that lies in the data directory and in the database, but for the file that hands the credentials out.
async fn kept_by(world: &mut World) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(database) = world.database() {
        let program = testkit::postgres::program("pg_dump").expect("the server's programs are installed");
        let dump = std::process::Command::new(program).arg("--inserts").arg(database.url()).output().expect("pg_dump runs");
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        kept.extend(dump.stdout);
    }
    world.stop().await;
    read_all(&world.folder().join("data"), &mut kept);
    kept
}

fn read_all(folder: &Path, into: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            read_all(&path, into);
        } else {
            into.extend(std::fs::read(&path).expect("the file can be read"));
        }
    }
}

/// A value in the clear, in hexadecimal, in base64 (three alignments) and with the spaces people type.
fn forms(value: &str) -> Vec<String> {
    let hexadecimal = hex::encode(value);
    let spaced = value.as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into_owned()).collect::<Vec<_>>().join(" ");
    let mut forms = vec![value.to_owned(), hexadecimal.to_uppercase(), hexadecimal, spaced];
    // Every third byte begins a group of four characters; the ends of each alignment depend on the neighbours.
    for skip in 0..3 {
        let inner = &value.as_bytes()[skip..];
        let whole = &inner[..inner.len() / 3 * 3];
        forms.push(base64(whole));
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextet =
        |group: u32, place: u32| char::from(ALPHABET[usize::try_from(group >> (18 - 6 * place) & 63).expect("six bits")]);
    let groups = bytes.chunks_exact(3).map(|three| u32::from_be_bytes([0, three[0], three[1], three[2]]));
    groups.flat_map(|group| (0..4).map(move |place| sextet(group, place))).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
