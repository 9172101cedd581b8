//! What an operator does: migrate, first credentials, keys, verify, doctor, backup, the API's description.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use testkit::actors::{Actor, Key};
use testkit::process::{Ran, Serving, run};

use crate::{PROGRAM, guichet};

async fn demo(folder: &Path) -> Serving {
    guichet::install_cryptography();
    Serving::demo(Path::new(PROGRAM), folder, &[]).await
}

fn on_data(folder: &Path, arguments: &[&str]) -> Ran {
    let all: Vec<&str> = arguments.iter().copied().chain(["--data-dir", "data"]).collect();
    guichet(folder, &all)
}

fn parsed(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    serde_json::from_str(&ran.out).expect("the answer is JSON")
}

#[tokio::test]
async fn keys_are_made_and_changed_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path()).await;
    let account = serving.credentials()["account"]["id"].as_str().unwrap().to_owned();
    let create = ["key", "create", "--account", &account, "--name", "Till 2", "--permission", "ReadMoneyIn", "--json"];
    let made = parsed(&on_data(folder.path(), &create));
    let text = |member: &str| made[member].as_str().unwrap().to_owned();
    let key = Key { id: text("id"), token: text("token"), secret: text("secret") };
    assert!(key.token.starts_with("sandbox_pk_"), "a sandbox stays one");
    let till = Actor::with_key(serving.door(), &account, key);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    till.pays(till.purchase("5 EUR")).await;
    assert_eq!(on_data(folder.path(), &["key", "disable", &text("id")]).code, Some(0));
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    till.get("/v1/payments?merchant_order_id=abc").await.refused(401, "EXPIRED_CREDENTIALS");

    let unknown = on_data(folder.path(), &["key", "disable", "0199a8b4-1f7e-7c3a-8000-0123456789ab"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("no such access key"), "{}", unknown.err);
    for wrong in [["--permission", "Everything"], ["--permission", "fullaccess"], ["--allow-ip", "example.com"]] {
        let all: Vec<&str> = create.iter().copied().chain(wrong).collect();
        // A repeated option is refused by the parser, a wrong value by us.
        assert_eq!(on_data(folder.path(), &all).code, Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn verify_says_whether_the_books_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path()).await;
    let merchant = serving.merchant();
    merchant.pays(merchant.purchase("5 EUR")).await;
    let sound = on_data(folder.path(), &["verify"]);
    assert_eq!(sound.code, Some(0), "{}{}", sound.out, sound.err);
    assert!(sound.out.trim_end().ends_with("skipped") && sound.out.contains(" 0 broken"), "{}", sound.out);

    let report = parsed(&on_data(folder.path(), &["verify", "--json", "--settled"]));
    assert_eq!((&report["ok"], &report["engine"]), (&json!(true), &json!("sqlite")));
    for member in ["schema", "snapshot_at", "seconds"] {
        assert!(!report[member].is_null(), "{member}");
    }
    for finding in report["invariants"].as_array().unwrap() {
        for member in ["id", "name", "ok", "checked", "broken", "skipped", "first"] {
            assert!(finding.get(member).is_some(), "{member}: {finding}");
        }
    }
    let some = parsed(&on_data(folder.path(), &["verify", "--json", "--only", "I1,I7"]));
    let ids: Vec<&str> = some["invariants"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| id.starts_with("I1.") || id.starts_with("I7")), "{ids:?}");
    assert_eq!(on_data(folder.path(), &["verify", "--only", "I99"]).code, Some(2));

    // Without the acquirer's books nobody can say that it knows what we say it approved.
    assert_eq!(serving.stop().await.code(), Some(0));
    for name in ["sandbox-acquirer.db", "sandbox-acquirer.db-wal", "sandbox-acquirer.db-shm"] {
        drop(std::fs::remove_file(folder.path().join("data").join(name)));
    }
    let again = demo(folder.path()).await;
    assert_eq!(again.stop().await.code(), Some(0));
    let broken = on_data(folder.path(), &["verify"]);
    assert_eq!(broken.code, Some(1), "{}{}", broken.out, broken.err);
    assert!(broken.out.lines().any(|line| line.starts_with("I7")), "{}", broken.out);
}

#[tokio::test]
async fn an_operator_sees_what_nobody_knows_until_it_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path()).await;
    let merchant = serving.merchant();
    let list = || parsed(&on_data(folder.path(), &["unknown", "--json"]));
    assert_eq!(list(), json!([]));
    assert!(on_data(folder.path(), &["unknown"]).out.contains("Every outcome is known."));
    let held = merchant.pays(merchant.authorisation("9 EUR")).await;
    let operator = Actor::anonymous(serving.door());
    let weather =
        async |mode: &str| operator.ask("POST", "/dev/acquirer").json(&json!({ "mode": mode })).send().await.expect(200);
    weather("timeout_after_charge").await;
    let body = merchant.purchase("5 EUR");
    merchant.post_once("/v1/payments", "lost", &body).await.expect(504);
    merchant.captures(&held, "4 EUR").await.expect(504);
    let listed = list();
    let seen = |of: usize| ["type", "amount", "currency", "acquirer"].map(|member| listed[of][member].clone());
    assert_eq!(seen(0), ["PURCHASE", "5", "EUR", "sandbox"].map(Value::from), "{listed}");
    assert_eq!((seen(1), &listed[1]["about"]), (["CAPTURE", "4", "EUR", "sandbox"].map(Value::from), &json!(held.id)));
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["reference"]), (2, &body["merchant_order_id"]));
    let told = on_data(folder.path(), &["unknown"]);
    assert!(
        told.code == Some(0) && told.out.contains("2 outcomes are unknown") && told.out.contains("at sandbox: asked"),
        "{}",
        told.out
    );

    weather("normal").await;
    for _ in 0..2 {
        operator.ask("POST", "/dev/clock").json(&json!({ "advance_seconds": 600 })).send().await.expect(200);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while list() != json!([]) && std::time::Instant::now() < deadline {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    assert_eq!(list(), json!([]));
    merchant.post_once("/v1/payments", "lost", &body).await.expect(201);
}

#[tokio::test]
async fn a_backup_is_whole_and_made_while_serving() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path()).await;
    let merchant = serving.merchant();
    let made = merchant.pays(merchant.purchase("5 EUR")).await;
    let nowhere = on_data(folder.path(), &["backup", "copy/guichet.db"]);
    assert!(
        nowhere.code == Some(2) && nowhere.err.contains("copied to copy/guichet.db"),
        "the folder is not there: {}",
        nowhere.err
    );
    assert_eq!(on_data(folder.path(), &["backup", "copy.db"]).code, Some(0));
    let permissions = std::fs::metadata(folder.path().join("copy.db")).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600, "personal data is in it");
    let twice = on_data(folder.path(), &["backup", "copy.db"]);
    assert!(twice.code == Some(2) && twice.err.contains("exists already"), "{}", twice.err);
    assert_eq!(serving.stop().await.code(), Some(0));
    std::fs::copy(folder.path().join("copy.db"), folder.path().join("data/guichet.db")).unwrap();
    for name in ["guichet.db-wal", "guichet.db-shm"] {
        drop(std::fs::remove_file(folder.path().join("data").join(name)));
    }
    let again = demo(folder.path()).await;
    again.merchant().get(&format!("/v1/payments/{}", made.id)).await.expect(200);
    let sound = on_data(folder.path(), &["verify"]);
    assert_eq!(sound.code, Some(0), "{}{}", sound.out, sound.err);
}

#[tokio::test]
async fn a_new_installation_goes_from_migrate_to_its_first_key() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("GUICHET_MASTER_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")];
    let guichet = |arguments: &[&str]| {
        let all: Vec<&str> = arguments.iter().copied().chain(["--data-dir", "data"]).collect();
        run(Path::new(PROGRAM), folder.path(), &all, &environment)
    };
    let account = [
        "account",
        "create",
        "--name",
        "Corner shop",
        "--owner-email",
        "shop@example.com",
        "--country",
        "NO",
        "--currency",
        "NOK",
        "--json",
    ];
    let early = guichet(&account);
    assert!(early.code == Some(2) && early.err.contains("no database file yet"), "{}", early.err);
    assert_eq!(guichet(&["migrate"]).code, Some(0));
    assert!(guichet(&["migrate"]).out.contains("up to date"));
    let made = parsed(&guichet(&account));
    assert_eq!((&made["country"], &made["currency"]), (&json!("NO"), &json!("NOK")));
    assert!(made["key"]["token"].as_str().unwrap().starts_with("prod_pk_"));
    let (id, number) = (made["id"].as_str().unwrap(), made["number"].to_string());
    let strict = guichet(&["account", "change", "--number", &number, "--idempotency-strict", "on"]);
    assert!(strict.code == Some(0) && strict.out.contains("from now on"), "{}", strict.err);
    let again = parsed(&guichet(&["account", "change", "--id", id, "--idempotency-strict", "on", "--json"]));
    assert_eq!((&again["idempotency_strict"], &again["changed"]), (&json!(true), &json!(false)));
    let nobody = "0199a8b4-1f7e-7c3a-8000-0123456789ab";
    for (which, whose, code) in [("--number", "7", 1), ("--id", nobody, 1), ("--id", "nobody", 2)] {
        let refused = guichet(&["account", "change", which, whose, "--idempotency-strict", "off"]);
        assert!(refused.code == Some(code) && refused.err.contains("the account was not changed"), "{}", refused.err);
    }
    let key = parsed(&guichet(&[
        "key",
        "create",
        "--account",
        made["id"].as_str().unwrap(),
        "--name",
        "Till",
        "--permission",
        "MoneyInOnly",
        "--json",
    ]));
    assert!(key["secret"].as_str().unwrap().starts_with("prod_sk_"));
    for (wrong, value) in [("--country", "ZZ"), ("--currency", "XXX"), ("--owner-email", "nobody")] {
        let mut all = account;
        let at = all.iter().position(|argument| *argument == wrong).unwrap();
        all[at + 1] = value;
        let refused = guichet(&all);
        assert!(refused.code != Some(0) && refused.err.contains("no account was made"), "{}", refused.err);
    }
    let other = run(
        Path::new(PROGRAM),
        folder.path(),
        &["key", "disable", key["id"].as_str().unwrap(), "--data-dir", "data"],
        &[("GUICHET_MASTER_KEY", "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")],
    );
    assert!(other.code == Some(2) && other.err.contains("not the master key"), "{}", other.err);
    let demo = run(Path::new(PROGRAM), folder.path(), &["demo", "--listen", "127.0.0.1:0", "--data-dir", "data"], &environment);
    assert!(demo.code == Some(2) && demo.err.contains("real money"), "{}", demo.err);
}

#[tokio::test]
async fn doctor_shows_what_is_configured_and_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guichet.toml"), "log = \"debug\"\n[hosts]\napi = \"pay.example.com\"\n").unwrap();
    let environment = [
        ("GUICHET_MASTER_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
        ("GUICHET_DATA_DIR", "data"),
    ];
    let ill = run(Path::new(PROGRAM), folder.path(), &["doctor", "--listen", "0.0.0.0:0"], &environment);
    assert_eq!(ill.code, Some(1), "{}{}", ill.out, ill.err);
    assert!(ill.out.contains("BAD") && ill.out.contains("migrate") && ill.out.contains("--listen"), "{}", ill.out);
    assert!(!ill.out.contains("00112233"), "the key is masked");
    assert_eq!(run(Path::new(PROGRAM), folder.path(), &["migrate"], &environment).code, Some(0));
    let well = run(Path::new(PROGRAM), folder.path(), &["doctor", "--json", "--listen", "127.0.0.1:0"], &environment);
    let well = parsed(&well);
    assert_eq!(well["ok"], true);
    let origin =
        |name: &str| well["settings"].as_array().unwrap().iter().find(|setting| setting["name"] == name).unwrap()["from"].clone();
    assert_eq!(
        (origin("data_dir"), origin("listen"), origin("behind_proxy")),
        (json!("GUICHET_DATA_DIR"), json!("--listen"), json!("default"))
    );
    assert!(origin("hosts").as_str().unwrap().ends_with("guichet.toml"));
}

#[tokio::test]
async fn doctor_tells_a_sandbox_and_a_foreign_master_key() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path()).await;
    assert_eq!(serving.stop().await.code(), Some(0));
    let doctor = |environment: &[(&str, &str)], arguments: &[&str]| {
        let all: Vec<&str> =
            ["doctor", "--listen", "127.0.0.1:0", "--data-dir", "data"].iter().chain(arguments).copied().collect();
        run(Path::new(PROGRAM), folder.path(), &all, environment)
    };
    let sandbox = doctor(&[], &[]);
    assert!(sandbox.code == Some(1) && sandbox.out.contains("serve needs --sandbox"), "{}", sandbox.out);
    assert_eq!(doctor(&[], &["--sandbox"]).code, Some(0));
    let foreign = doctor(&[MASTER_KEY], &["--sandbox"]);
    assert!(foreign.code == Some(1) && foreign.out.contains("not the master key"), "{}", foreign.out);
}

/// The key a demo keeps beside its data, and the one before it if there is one.
fn master_keys(folder: &Path) -> (String, Vec<String>) {
    let read = |path: &Path| std::fs::read_to_string(path).expect("a key file");
    let entries = std::fs::read_dir(folder.join("data")).expect("the data directory");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let earlier = paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("master.key.")));
    (read(&folder.join("data/master.key")), earlier.map(|path| read(&path)).collect())
}

#[tokio::test]
async fn the_master_key_is_changed_beside_a_running_server_and_stored_cards_still_pay() {
    let folder = tempfile::tempdir().unwrap();
    let serving = demo(folder.path()).await;
    let (first, _) = master_keys(folder.path());
    let merchant = serving.merchant();
    let customer = json!({ "merchant_customer_id": "keeps-a-card", "email": "payer@example.com", "country": "FR" });
    let customer = merchant.post("/v1/customers", customer).await.expect(201).at("/id");
    let mut body = merchant.purchase("5 EUR");
    body["customer_payer"] = json!({ "id": customer });
    body["payment_method"]["vault_on_success"] = json!(true);
    let vaulted = merchant.post("/v1/payments", body).await.expect(201).at("/payment_method/vaulted_token");
    let rotated = parsed(&on_data(folder.path(), &["vault", "rotate", "--json"]));
    assert_eq!((&rotated["master_key"]["state"], &rotated["damaged"]), (&json!("changed"), &json!(0)), "{rotated}");
    assert!(rotated["records"].as_u64() >= Some(1), "{rotated}");
    let (second, earlier) = master_keys(folder.path());
    assert!(second != first && earlier == [first.clone()]);
    let mode = std::fs::metadata(folder.path().join("data/master.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let pay_again = async |serving: &Serving| {
        let merchant = serving.merchant();
        let mut body = merchant.purchase("2 EUR");
        body["payment_method"] = json!({ "vaulted_token": vaulted });
        body["customer_payer"] = json!({ "id": customer });
        merchant.post("/v1/payments", body).await.expect(201);
        let sound = on_data(folder.path(), &["verify"]);
        assert_eq!(sound.code, Some(0), "{}{}", sound.out, sound.err);
    };
    pay_again(&serving).await;
    assert_eq!(serving.stop().await.code(), Some(0));
    let serving = demo(folder.path()).await;
    pay_again(&serving).await;

    std::fs::write(folder.path().join("first.key"), first).unwrap();
    for command in ["verify", "doctor"] {
        let foreign = on_data(folder.path(), &[command, "--master-key-file", "first.key"]);
        assert!(foreign.code != Some(0) && format!("{}{}", foreign.out, foreign.err).contains("not the master key"), "{command}");
    }
    assert_eq!(serving.stop().await.code(), Some(0));
    let flags = ["demo", "--listen", "127.0.0.1:0", "--data-dir", "data", "--master-key-file", "first.key"];
    let refused = guichet(folder.path(), &flags);
    assert!(refused.code == Some(2) && refused.err.contains("not the master key"), "{}", refused.err);
}

#[tokio::test]
async fn a_change_of_the_master_key_goes_on_wherever_it_was_broken_off() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(demo(folder.path()).await.stop().await.code(), Some(0));
    let rotate = |arguments: &[&str]| {
        let all: Vec<&str> = ["vault", "rotate", "--json"].iter().chain(arguments).copied().collect();
        parsed(&on_data(folder.path(), &all))["master_key"]["state"].clone()
    };
    let opens = |arguments: &[&str]| {
        let all: Vec<&str> = ["verify"].iter().chain(arguments).copied().collect();
        on_data(folder.path(), &all).code == Some(0)
    };
    let (first, _) = master_keys(folder.path());

    // Before anything was stored: the draft of the new key is taken.
    std::fs::write(folder.path().join("data/master.key.new"), MASTER_KEY.1).unwrap();
    assert_eq!(rotate(&[]), "changed");
    assert_eq!(master_keys(folder.path()), (MASTER_KEY.1.to_owned(), vec![first]));
    // When both keys opened the database and the file was not yet replaced.
    assert_eq!(rotate(&["--new-master-key-file", "data/master.key.new"]), "begun");
    assert!(opens(&[]) && opens(&["--master-key-file", "data/master.key.new"]));
    let (_, keys) = master_keys(folder.path());
    assert_eq!(rotate(&[]), "changed");
    let (third, _) = master_keys(folder.path());
    assert!(keys.contains(&third));
    // When the file was replaced and the earlier key still opened the database.
    assert_eq!(rotate(&["--new-master-key-file", "fourth.key"]), "begun");
    let stuck = on_data(folder.path(), &["vault", "rotate"]);
    assert!(stuck.code == Some(2) && stuck.err.contains("already being changed"), "{}", stuck.err);
    let same = on_data(folder.path(), &["vault", "rotate", "--new-master-key-file", "data/master.key"]);
    assert!(same.code == Some(2) && same.err.contains("present master key"), "{}", same.err);
    assert_eq!(rotate(&["--master-key-file", "fourth.key"]), "ended");
    assert!(opens(&["--master-key-file", "fourth.key"]) && !opens(&[]));

    let placed = run(
        Path::new(PROGRAM),
        folder.path(),
        &["vault", "rotate", "--data-dir", "data"],
        &[("GUICHET_MASTER_KEY", std::fs::read_to_string(folder.path().join("fourth.key")).unwrap().trim())],
    );
    assert!(placed.code == Some(2) && placed.err.contains("--new-master-key-file"), "{}", placed.err);
}

#[tokio::test]
async fn the_printed_description_is_the_served_one() {
    let folder = tempfile::tempdir().unwrap();
    let printed = parsed(&guichet(folder.path(), &["openapi"]));
    let serving = demo(folder.path()).await;
    let mut served = Actor::anonymous(serving.door()).get("/openapi.json").await.expect(200).json();
    let mut printed = printed;
    // Where it is served from differs.
    (printed["servers"], served["servers"]) = (Value::Null, Value::Null);
    assert_eq!(printed, served);
}

const MASTER_KEY: (&str, &str) = ("GUICHET_MASTER_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");

/// Migrates, makes an account, and gives somebody of it once `serve` runs with these further arguments.
async fn served(folder: &Path, arguments: &[&str]) -> (Serving, Value) {
    guichet::install_cryptography();
    let tool = |command: &[&str]| {
        let all: Vec<&str> = command.iter().copied().chain(["--data-dir", "data"]).collect();
        // The first key decides for whom the database is, so the tool is told as well.
        let environment: Vec<_> =
            [MASTER_KEY].into_iter().chain(arguments.contains(&"--sandbox").then_some(("GUICHET_SANDBOX", "1"))).collect();
        run(Path::new(PROGRAM), folder, &all, &environment)
    };
    assert_eq!(tool(&["migrate"]).code, Some(0));
    let account = parsed(&tool(&["account", "create", "--name", "Corner shop", "--owner-email", "shop@example.com", "--json"]));
    (Serving::serve(Path::new(PROGRAM), folder, arguments, &[MASTER_KEY]).await, account)
}

fn shopkeeper(serving: &Serving, account: &Value) -> Actor {
    let text = |value: &Value| value.as_str().expect("the answer holds texts").to_owned();
    let key = &account["key"];
    Actor::with_key(
        serving.door(),
        text(&account["id"]),
        Key { id: text(&key["id"]), token: text(&key["token"]), secret: text(&key["secret"]) },
    )
}

#[tokio::test]
async fn production_has_no_sandbox_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (serving, account) = served(folder.path(), &[]).await;
    let shop = shopkeeper(&serving, &account);
    assert!(shop.key().token.starts_with("prod_pk_"));
    for path in ["/dev/acquirer", "/dev/acquirer/charges", "/dev/clock", "/dev/outbox", "/dev/hello"] {
        shop.get(path).await.refused(404, "NOT_FOUND");
    }
    shop.post("/v1/payments", shop.purchase("5 EUR")).await.refused(503, "PROVIDER_UNAVAILABLE");
    let first = shop.get("/v1/payments?merchant_order_id=abc").await.expect(200);
    assert_eq!(first.header("ratelimit-policy"), Some("\"key\";q=6000;w=60"));
    assert!(!folder.path().join("data/sandbox-acquirer.db").exists());
    let verified = run(Path::new(PROGRAM), folder.path(), &["verify", "--settled", "--data-dir", "data"], &[MASTER_KEY]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.err);
    assert!(verified.out.contains("2 skipped"), "the acquirer's books are not ours to read: {}", verified.out);
    assert_eq!(serving.stop().await.code(), Some(0));
    assert_eq!(
        run(Path::new(PROGRAM), folder.path(), &["serve", "--sandbox", "--data-dir", "data"], &[MASTER_KEY]).code,
        Some(2)
    );
}

#[tokio::test]
async fn behind_a_proxy_links_and_pages_lead_to_the_public_address() {
    let folder = tempfile::tempdir().unwrap();
    let (serving, account) = served(folder.path(), &["--sandbox", "--behind-proxy", "--hosts", "api=pay.example.com"]).await;
    let shop = shopkeeper(&serving, &account);
    let link = json!({
        "account_id": shop.account_id, "country": "FR", "merchant_order_id": "order-1", "description": "A ticket",
        "amount": { "currency": "EUR", "value": 5 }, "payment_method_types": ["CARD"],
    });
    let link = shop.post("/v1/payment-links", link).await.expect(200).at("/checkout_url");
    assert!(link.starts_with("https://pay.example.com/v1/links/"), "{link}");
    let page = link.trim_start_matches("https://pay.example.com").to_owned();
    let shown = Actor::anonymous(serving.door()).get(&page).await.expect(200);
    let cookie = shown.header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    let mut body = shop.purchase("5 EUR");
    body["payment_method"]["detail"]["card"]["card_data"]["number"] = json!("4916994064252017");
    let address = shop.post("/v1/payments", body).await.expect(201).text().to_owned();
    assert!(address.contains("https://pay.example.com/v1/challenges/") && !address.contains("127.0.0.1"), "{address}");
}

#[tokio::test]
async fn behind_a_proxy_the_last_untrusted_hop_is_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let (serving, account) = served(folder.path(), &["--sandbox", "--behind-proxy"]).await;
    let shop = shopkeeper(&serving, &account);
    let create =
        ["key", "create", "--account", &shop.account_id, "--name", "Till", "--permission", "ReadOnly", "--allow-ip", "192.0.2.7"];
    let all: Vec<&str> = create.iter().copied().chain(["--json", "--data-dir", "data"]).collect();
    let made = parsed(&run(Path::new(PROGRAM), folder.path(), &all, &[MASTER_KEY]));
    let text = |member: &str| made[member].as_str().unwrap().to_owned();
    let key = Key { id: text("id"), token: text("token"), secret: text("secret") };
    let till = Actor::with_key(serving.door(), &shop.account_id, key);
    let from = |hops: &'static str| till.ask("GET", "/v1/payments?merchant_order_id=abc").header("x-forwarded-for", hops);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    from("192.0.2.7").send().await.expect(200);
    from("203.0.113.9, 192.0.2.7").send().await.expect(200);
    from("192.0.2.7, 203.0.113.9").send().await.refused(401, "UNKNOWN_IP_ADDRESS");
    from("nonsense").send().await.refused(401, "UNKNOWN_IP_ADDRESS");
    till.get("/v1/payments?merchant_order_id=abc").await.refused(401, "UNKNOWN_IP_ADDRESS");

    // An address that fails too often is refused before its keys are looked at; others are not disturbed.
    let guess = |from: &'static str| {
        let ask = shop.ask("GET", "/v1/payments?merchant_order_id=abc").without("private-secret-key");
        ask.header("private-secret-key", "sandbox_sk_guessed").header("x-forwarded-for", from).send()
    };
    let mut statuses = Vec::new();
    for _ in 0..70 {
        statuses.push(guess("198.51.100.1").await.status);
    }
    // One more is allowed for each second that the guesses take.
    assert!((60..65).contains(&statuses.iter().filter(|status| **status == 401).count()), "{statuses:?}");
    let refused = guess("198.51.100.1").await.refused(429, "TOO_MANY_REQUESTS");
    assert!(refused.header("retry-after").is_some());
    guess("198.51.100.2").await.refused(401, "INVALID_CREDENTIALS");
    shop.pays(shop.purchase("5 EUR")).await;
    assert_eq!(serving.stop().await.code(), Some(0));
}
