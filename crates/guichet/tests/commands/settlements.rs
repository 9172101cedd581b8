//! `guichet settlement`: from the sandbox acquirer's file to the books, beside a running server.

use std::path::Path;

use serde_json::{Value, json};
use testkit::actors::Actor;
use testkit::process::{Ran, Serving};

use crate::{PROGRAM, guichet};

async fn demo(folder: &Path, database: &[&str]) -> Serving {
    guichet::install_cryptography();
    Serving::demo(Path::new(PROGRAM), folder, database).await
}

fn on_data(folder: &Path, database: &[&str], arguments: &[&str]) -> Ran {
    let all: Vec<&str> = arguments.iter().chain(&["--data-dir", "data"]).chain(database).copied().collect();
    guichet(folder, &all)
}

fn parsed(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    serde_json::from_str(&ran.out).expect("the answer is JSON")
}

async fn from_file_to_books(database: &[&str]) {
    let folder = tempfile::tempdir().expect("it is there");
    let serving = demo(folder.path(), database).await;
    let run = |arguments: &[&str]| on_data(folder.path(), database, arguments);
    let merchant = serving.merchant();
    let paid = merchant.pays(merchant.purchase("100 EUR")).await;
    merchant.refunds(&paid, "40 EUR").await.expect(200);
    let anyone = Actor::anonymous(serving.door());
    let csv = anyone.get("/dev/acquirer/settlement").await.expect(200).text().to_owned();
    assert!(csv.starts_with("kind,attempt_id,acquirer_reference,currency,gross_amount,cost,net_amount,settled_on\r\n"), "{csv}");
    assert!(csv.contains(",EUR,100.00,0.30,99.70,") && csv.contains(",EUR,-40.00,0.00,-40.00,"), "{csv}");
    assert_eq!(anyone.get("/dev/acquirer/settlement?to=2020-01-01").await.expect(200).text().lines().count(), 1);
    anyone.get("/dev/acquirer/settlement?connector=stripe").await.refused(400, "INVALID_PARAMETERS");
    anyone.get("/dev/acquirer/settlement?from=yesterday").await.refused(400, "INVALID_DATE");

    let due = || {
        let list = parsed(&run(&["settlement", "list", "--json"]));
        let of = list["acquirers"]
            .as_array()
            .expect("it is there")
            .iter()
            .find(|one| one["currency"] == "EUR")
            .expect("it is there")
            .clone();
        (of, list["settlements"].as_array().expect("it is there").len())
    };
    assert_eq!((&due().0["settled"], due().1), (&json!("0"), 0));
    std::fs::write(folder.path().join("s.csv"), &csv).expect("it is there");
    let import = ["settlement", "import", "--acquirer", "sandbox", "s.csv"];
    let told = run(&import);
    assert!(
        told.code == Some(0) && told.out.contains("s.csv is settlement ") && told.out.contains("lines matched"),
        "{}{}",
        told.out,
        told.err
    );
    let (after, files) = due();
    assert_eq!((&after["due"], &after["differences"], files), (&json!("0"), &json!(0), 1), "{after}");
    let again = parsed(&run(&[&import[..], &["--json"]].concat()));
    assert_eq!((&again["imported_before"], &again["state"], &again["differences"]), (&json!(true), &json!("BOOKED"), &json!(0)));

    // The server goes on beside it, and the next file says one thing wrong and one thing twice.
    let more = merchant.pays(merchant.purchase("7 EUR")).await;
    let second = anyone.get("/dev/acquirer/settlement").await.expect(200).text().replace(",7.00,0.02,6.98,", ",7.01,0.02,6.99,");
    std::fs::write(folder.path().join("s2.csv"), second).expect("it is there");
    let id = parsed(&run(&["settlement", "import", "--acquirer", "sandbox", "s2.csv", "--json"]))["id"]
        .as_str()
        .expect("it is there")
        .to_owned();
    let shown = parsed(&run(&["settlement", "show", &id, "--json"]));
    let differences = shown["listed_differences"].as_array().expect("it is there");
    let amount = differences.iter().find(|one| one["difference"] == "AMOUNT").expect("one amount differs");
    assert_eq!(
        (&amount["gross"], &amount["our_gross"], &amount["attempt_id"]),
        (&json!("7.01"), &json!("7"), &json!(more.transaction))
    );
    assert!(differences.iter().filter(|one| one["difference"] == "TWICE").count() == differences.len() - 1, "{shown}");
    let text = run(&["settlement", "show", &id]).out;
    assert!(
        text.contains(": AMOUNT CHARGE ") && text.contains(": 7.01 EUR, 7 EUR here") || text.contains("7.00 EUR here"),
        "{text}"
    );
    assert_eq!(due().0["due"], "7");
    let sound = run(&["verify", "--settled"]);
    assert_eq!(sound.code, Some(0), "{}{}", sound.out, sound.err);
    assert_eq!(serving.stop().await.code(), Some(0));
    let listed = run(&["settlement", "list"]).out;
    assert!(listed.contains("sandbox: ") && listed.contains("that nothing explains"), "{listed}");
}

#[tokio::test]
async fn from_file_to_books_on_sqlite() {
    from_file_to_books(&[]).await;
}

#[tokio::test]
async fn from_file_to_books_on_postgres() {
    let database = testkit::postgres::fresh_database();
    from_file_to_books(&["--database", database.url()]).await;
}

#[tokio::test]
async fn what_is_no_settlement_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path(), &[]).await;
    let header = "kind,attempt_id,acquirer_reference,currency,gross_amount,cost,net_amount,settled_on";
    let files = [
        ("semicolons.csv", header.replace(',', ";"), 1, "separated by commas"),
        ("nul.csv", format!("{header}\nCHARGE,\0,r,EUR,1,0,1,2026-01-31\n"), 1, "line 2, column 2: it holds a control character"),
        ("wide.csv", ",".repeat(1_000_000), 1, "line 1: it is longer than"),
        ("formula.csv", format!("{header}\nCHARGE,a,r,EUR,=1+1,0,2,2026-01-31\n"), 1, "line 2, column 5 (gross_amount)"),
        ("empty.csv", String::new(), 1, "line 1: the file is empty"),
    ];
    for (name, text, code, expected) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
        let refused = on_data(folder.path(), &[], &["settlement", "import", "--acquirer", "sandbox", name]);
        assert!(
            refused.code == Some(code) && refused.err.contains(expected) && refused.err.contains("nothing of"),
            "{}",
            refused.err
        );
        assert!(refused.err.len() < 1_000 && !refused.err.contains("panicked"), "{}", refused.err);
    }
    std::fs::write(folder.path().join("latin.csv"), b"kind,\xe9\n").unwrap();
    let refusals: [(&[&str], i32, &str); 6] = [
        (&["import", "--acquirer", "sandbox", "latin.csv"], 1, "line 1, column 2: it is not UTF-8"),
        (&["import", "--acquirer", "nobody", "latin.csv"], 2, "there is no acquirer `nobody`"),
        (&["import", "--acquirer", "sandbox", "nowhere.csv"], 2, "nowhere.csv cannot be read"),
        (&["import", "--acquirer", "sandbox", "/dev/null"], 2, "it must be a file"),
        (&["show", "7"], 2, "is no settlement id"),
        (&["show", "0199a8b4-1f7e-7c3a-8000-0123456789ab"], 1, "there is no settlement"),
    ];
    for (arguments, code, expected) in refusals {
        let refused = on_data(folder.path(), &[], &[&["settlement"], arguments].concat());
        assert!(refused.code == Some(code) && refused.err.contains(expected), "{:?}: {}", refused.code, refused.err);
    }
    assert_eq!(parsed(&on_data(folder.path(), &[], &["settlement", "list", "--json"]))["settlements"], json!([]));
    assert_eq!(serving.stop().await.code(), Some(0));
}
