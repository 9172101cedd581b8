//! The checker is checked: each of its rules finds the damage it is there for.
//!
//! Done by hand in SQL on PostgreSQL, with the second belts of the schema (checks, keys) taken off first. The rules run on
//! both engines from one text, so what finds damage here finds it on SQLite too.

use std::collections::BTreeSet;

use serde_json::json;
use testkit::actors::money;
use testkit::receiver::{Does, Receiver};
use testkit::world::{Engine, World, tell};

/// Rule, and a statement that breaks it in a sound database.
const DAMAGES: &[(&str, &str)] = &[
    ("I1.a", "UPDATE transfer SET amount = 0 WHERE ctid = (SELECT min(ctid) FROM transfer)"),
    (
        "I1.b",
        "UPDATE transfer SET credit_owner = debit_owner, credit_kind = debit_kind WHERE ctid = (SELECT min(ctid) FROM transfer)",
    ),
    ("I1.c", "UPDATE ledger_account SET debits = debits + 1 WHERE ctid = (SELECT min(ctid) FROM ledger_account WHERE kind = 1)"),
    ("I1.d", "INSERT INTO ledger_account SELECT gen_random_uuid(), kind, currency, 0, 0, 0, 0 FROM ledger_account WHERE kind = 1 LIMIT 1"),
    ("I1.e", "UPDATE transfer SET recipe = 4 WHERE ctid = (SELECT min(ctid) FROM transfer WHERE recipe = 3)"),
    ("I2.a", "UPDATE ledger_account SET credits = credits + 1 WHERE ctid = (SELECT max(ctid) FROM ledger_account WHERE kind = 1)"),
    ("I2.b", "UPDATE transfer SET debit_sequence = debit_sequence + 100 WHERE ctid = (SELECT min(ctid) FROM transfer)"),
    ("I2.c", "UPDATE ledger_account SET debits = credits + 100000001 WHERE kind = 1"),
    ("I2.d", "UPDATE ledger_account SET credits = credits + 1 WHERE kind = 15"),
    (
        "I3.a",
        "UPDATE claim SET reply = (
                SELECT reply FROM claim WHERE status = 1 AND subject IN (SELECT id FROM payment) ORDER BY scope DESC LIMIT 1)
               WHERE scope = (
                SELECT scope FROM claim WHERE status = 1 AND subject IN (SELECT id FROM payment) ORDER BY scope LIMIT 1)",
    ),
    (
        "I3.b",
        "UPDATE payment SET id = (SELECT max(id::text)::uuid FROM payment), account_id = gen_random_uuid()
               WHERE ctid = (SELECT min(ctid) FROM payment)",
    ),
    ("I3.c", "UPDATE payment SET state = 9 WHERE ctid = (SELECT min(ctid) FROM payment WHERE state = 3)"),
    ("I3.d", "UPDATE access_key SET account_id = gen_random_uuid() WHERE ctid = (SELECT min(ctid) FROM access_key)"),
    ("I3.f", "INSERT INTO fulfilment_total SELECT account_id, id, 1, 1, 1, 0 FROM payment WHERE state = 3 LIMIT 1"),
    (
        "I3.f",
        "INSERT INTO fulfilment SELECT account_id, id, 1, gen_random_uuid(), 0, 1, '[]', 0, 0 FROM payment WHERE state = 3 LIMIT 1",
    ),
    ("I4.a", "INSERT INTO claim SELECT * FROM claim LIMIT 1"),
    ("I4.b", "UPDATE claim SET reply = NULL WHERE ctid = (SELECT min(ctid) FROM claim WHERE status = 1)"),
    (
        "I4.c",
        "UPDATE claim SET status = 0, owner = gen_random_uuid(), reply = NULL, http_status = NULL, finished_at = NULL
               WHERE ctid = (SELECT min(ctid) FROM claim WHERE status = 1)",
    ),
    ("I4.d", "DELETE FROM claim WHERE ctid = (SELECT min(ctid) FROM claim WHERE status = 1)"),
    ("I6.a", "UPDATE payment SET captured = amount + 1 WHERE ctid = (SELECT min(ctid) FROM payment WHERE state = 3)"),
    ("I6.b", "UPDATE payment SET refunded = captured + 1 WHERE ctid = (SELECT min(ctid) FROM payment WHERE state = 3)"),
    ("I6.c", "UPDATE attempt SET kind = 4 WHERE ctid = (SELECT min(ctid) FROM attempt WHERE kind = 3)"),
    ("I4.l", "UPDATE payment_link SET payments_number = 7 WHERE ctid = (SELECT min(ctid) FROM payment_link)"),
    (
        "I4.s",
        "INSERT INTO subscription_payment SELECT account_id, id, gen_random_uuid(), 1, 0, false, 0 FROM payment WHERE state = 3 LIMIT 1;
         INSERT INTO subscription_payment SELECT account_id, id, (SELECT subscription_id FROM subscription_payment), 1, 0, false, 0
           FROM payment WHERE state = 3 AND account_id = (SELECT account_id FROM subscription_payment)
            AND id <> (SELECT payment_id FROM subscription_payment) LIMIT 1",
    ),
    (
        "I4.u",
        "INSERT INTO retried_operation SELECT account_id, id, payment_id, 1, id, 1, 2, NULL, 1, 0 FROM attempt WHERE kind = 3 LIMIT 1",
    ),
    ("I4.u", "INSERT INTO retried_payment SELECT account_id, id, 1, 1, 0, false, 0 FROM payment WHERE state = 3 LIMIT 1"),
    ("I4.t", "INSERT INTO delayed_operation SELECT account_id, id, 0, 0, NULL, 0, 0, 0 FROM payment WHERE state = 3 LIMIT 1"),
    (
        "I3.d",
        "INSERT INTO notification (id, connector, merchant_order_id, event, success, currency, amount, body, received_at, state,
                                   row_version, attempt_id)
         VALUES (gen_random_uuid(), 2, '', 4, true, 0, 1, '{}', 1, 1, 0, gen_random_uuid())",
    ),
    ("I6.d", "UPDATE payout SET amount = amount + 1 WHERE ctid = (SELECT min(ctid) FROM payout)"),
    ("I6.f", "UPDATE payment SET fee = amount + 1 WHERE ctid = (SELECT min(ctid) FROM payment WHERE state = 3)"),
    (
        "I7.a",
        "UPDATE sandbox_acquirer.received SET captured = captured + 1
               WHERE ctid = (SELECT min(ctid) FROM sandbox_acquirer.received WHERE captured > 0)",
    ),
    (
        "I7.b",
        "DELETE FROM sandbox_acquirer.received
               WHERE ctid = (SELECT min(ctid) FROM sandbox_acquirer.received WHERE captured > 0)",
    ),
    ("I7.c", "DELETE FROM transfer WHERE cause = (SELECT attempt_id FROM payment WHERE state = 3 LIMIT 1)"),
    ("I7.d", "UPDATE payment SET state = 10, attempt = 3 WHERE ctid = (SELECT min(ctid) FROM payment WHERE state = 3)"),
    ("I7.e", "UPDATE payment SET state = 1, attempt = 1 WHERE ctid = (SELECT min(ctid) FROM payment WHERE state = 3)"),
    ("I7.f", "UPDATE settled SET gross = gross + 1 WHERE ctid = (SELECT min(ctid) FROM settled)"),
    ("I7.f", "UPDATE settlement SET connector = 1"),
    ("I7.f", "DELETE FROM settlement"),
    ("I7.f", "UPDATE attempt SET state = 3 WHERE id IN (SELECT attempt_id FROM settled)"),
    (
        "I7.g",
        "INSERT INTO settled SELECT gen_random_uuid(), attempt_id, payment_id, settlement_id, line, kind, reference, currency, gross, cost,
                settled_on, taken_at, 0 FROM settled LIMIT 1",
    ),
    ("I7.h", "UPDATE settled SET cost = cost + 1 WHERE ctid = (SELECT min(ctid) FROM settled)"),
    ("I7.h", "DELETE FROM settled WHERE ctid = (SELECT min(ctid) FROM settled)"),
    ("I7.h", "UPDATE settlement_total SET gross = gross + 1, net = net + 1"),
    ("I7.h", "DELETE FROM settlement_total"),
    ("I7.h", "DELETE FROM settlement_difference"),
    ("I7.h", "UPDATE settlement SET booked_at = NULL"),
    ("I7.h", "UPDATE settlement SET matched = matched + 1"),
    ("I7.h", "DELETE FROM transfer WHERE recipe = 13"),
    ("I7.h", "UPDATE transfer SET subject = gen_random_uuid() WHERE recipe = 13"),
    ("I7.h", "UPDATE transfer SET credit_owner = gen_random_uuid() WHERE recipe = 13"),
    ("I8.a", "UPDATE account SET name = 'pay with 4507 9900 0000 0002' WHERE ctid = (SELECT min(ctid) FROM account)"),
    ("I8.b", "UPDATE account SET name = 'sandbox_sk_0123456789' WHERE ctid = (SELECT min(ctid) FROM account)"),
    ("I8.c", "UPDATE token SET expires_at = 1"),
    ("I8.d", "UPDATE vault_record SET sealed = (SELECT sealed FROM vault_record ORDER BY id DESC LIMIT 1)"),
    ("I8.d", "UPDATE vault_key SET wrapped = (SELECT sealed_secret FROM access_secret LIMIT 1)"),
    ("I3.d", "DELETE FROM vault_record WHERE id = (SELECT number_record FROM payment_method LIMIT 1)"),
    ("I3.d", "DELETE FROM vault_record WHERE id = (SELECT number_record FROM token LIMIT 1)"),
    ("I3.d", "DELETE FROM vault_record WHERE id = (SELECT code_record FROM token LIMIT 1)"),
    ("I3.d", "DELETE FROM token"),
    ("I3.d", "DELETE FROM vault_account"),
    ("I3.d", "DELETE FROM vault_key"),
    ("I3.d", "DELETE FROM customer"),
    ("I3.d", "DELETE FROM customer_reference"),
    ("I3.d", "UPDATE customer SET merchant_customer_id = 'another'"),
    ("I3.d", "DELETE FROM customer_card"),
    ("I3.d", "UPDATE payment_method SET status = 5"),
    ("I3.d", "UPDATE payment_method SET number_record = NULL"),
    ("I3.d", "UPDATE payment_method SET status = 1"),
    ("I8.a", "UPDATE vault_record SET sealed = '4507990000000002'::bytea"),
    (
        "I8.d",
        "UPDATE access_secret SET sealed_secret = (SELECT sealed_secret FROM access_secret ORDER BY key_id DESC LIMIT 1)
               WHERE ctid = (SELECT min(ctid) FROM access_secret)",
    ),
    ("I8.e", "UPDATE customer SET deleted_at = 1"),
    ("I10.a", "UPDATE payment SET refunding = 1 WHERE ctid = (SELECT min(ctid) FROM payment WHERE state = 3)"),
    ("I10.b", "UPDATE ledger_account SET debits = debits + 1 WHERE kind = 11"),
    ("I10.c", "DELETE FROM webhook_delivery WHERE ctid = (SELECT min(ctid) FROM webhook_delivery)"),
    ("I10.c", "DELETE FROM webhook_event WHERE ctid = (SELECT min(ctid) FROM webhook_event)"),
    (
        "I10.c",
        "INSERT INTO webhook_event SELECT account_id, gen_random_uuid(), happened, subject, cause, status, body, created_at, 0
                FROM webhook_event LIMIT 1;
         INSERT INTO webhook_delivery
              SELECT account_id, (SELECT id FROM webhook_event WHERE row_version = 0), webhook_id, subject, happened, created_at, state,
                     tries, 0, first_try_at, next_try_at, leased_until, http_status, trouble, finished_at, 0
                FROM webhook_delivery WHERE event_id IN (
                    SELECT o.id FROM webhook_event o JOIN webhook_event c ON c.row_version = 0 AND c.cause = o.cause AND o.id <> c.id)",
    ),
    ("I10.c", "UPDATE webhook_watch SET receivers = ''"),
    ("I10.d", "UPDATE webhook_delivery SET next_try_at = 1"),
    ("I10.d", "UPDATE webhook_delivery SET tries = 8"),
    ("I10.d", "DELETE FROM webhook_try"),
    ("I10.e", "UPDATE webhook_delivery SET state = 0, next_try_at = 1, finished_at = NULL"),
];

/// Takes every check, key and unique index off, and keeps a copy of every table.
const PREPARE: &str = "
DO $$ DECLARE one RECORD; BEGIN
    FOR one IN SELECT conrelid::regclass AS place, conname AS name FROM pg_constraint
                WHERE contype IN ('c', 'p', 'u') AND connamespace IN ('public'::regnamespace, 'sandbox_acquirer'::regnamespace) LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.place, one.name);
    END LOOP;
    FOR one IN SELECT indexrelid::regclass AS place FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
                WHERE indisunique AND relnamespace IN ('public'::regnamespace, 'sandbox_acquirer'::regnamespace) LOOP
        EXECUTE format('DROP INDEX %s', one.place);
    END LOOP;
    CREATE SCHEMA kept;
    FOR one IN SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'sandbox_acquirer') LOOP
        EXECUTE format('CREATE TABLE kept.%I AS TABLE %I.%I', one.schemaname || '/' || one.tablename, one.schemaname, one.tablename);
    END LOOP;
END $$";

/// Brings every table back.
const REPAIR: &str = "
DO $$ DECLARE one RECORD; BEGIN
    FOR one IN SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'sandbox_acquirer') LOOP
        EXECUTE format('TRUNCATE %I.%I', one.schemaname, one.tablename);
        EXECUTE format('INSERT INTO %I.%I SELECT * FROM kept.%I', one.schemaname, one.tablename, one.schemaname || '/' || one.tablename);
    END LOOP;
END $$";

#[test]
fn every_rule_finds_its_damage() {
    tell("every_rule_finds_its_damage", Engine::Postgres, async |mut world| {
        let merchant = world.merchant();
        let receiver = Receiver::start(Does::Answer(200));
        let webhook = json!({ "account_id": merchant.account_id, "name": "Shop", "url": receiver.url("/"),
            "secret": "hush", "payment_triggers": ["AUTHORIZE", "CAPTURE", "PURCHASE"] });
        merchant.post("/v1/webhooks", webhook).await.expect(201);
        // Changes within the first seconds may be missed by other processes, so they are not missed by the checker.
        tokio::time::sleep(std::time::Duration::from_millis(3_200)).await;
        let held = merchant.pays(merchant.authorisation("20 EUR")).await;
        merchant.captures(&held, "5 EUR").await.expect(200);
        let mut declined = merchant.purchase("5 EUR");
        declined["payment_method"]["detail"]["card"]["card_data"]["number"] = json!(world.card("do_not_honor"));
        merchant.pays(declined).await;
        let link = json!({
            "account_id": merchant.account_id, "country": "FR", "amount": money("1 EUR"), "payment_method_types": ["CARD"],
        });
        merchant.post("/v1/payment-links", link).await.expect(200);
        let payout = json!({
            "account_id": merchant.account_id, "merchant_reference": "rent", "country": "FR", "purpose": "RENT",
            "amount": money("1 EUR"), "beneficiary": { "merchant_beneficiary_id": "a", "country": "FR" },
            "withdrawal_method": { "type": "BANK_TRANSFER", "provider_id": "sandbox" },
        });
        assert_eq!(merchant.post("/v1/payouts", payout).await.expect(201).at("/status"), "SUCCEEDED");
        let customer = merchant.post("/v1/customers", json!({ "merchant_customer_id": "ada" })).await.expect(201).at("/id");
        let mut bought = merchant.purchase("2 EUR");
        bought["customer_payer"] = json!({ "id": customer, "browser_info": { "user_agent": "Lynx" } });
        merchant.pays(bought).await;
        let card = json!({ "number": "4507990000000002", "expiration_month": 12, "expiration_year": 2099, "security_code": "123",
            "holder_name": "Ada Lovelace" });
        let account = merchant.account_id.clone();
        merchant.post("/v1/tokens", json!({ "account_id": account, "card_data": card })).await.expect(201);
        let body = json!({ "account_id": account, "country": "FR", "type": "CARD", "card_data": card });
        merchant.post(&format!("/v1/customers/{customer}/payment-methods"), body).await.expect(201);
        let file = world.anonymous().get("/dev/acquirer/settlement").await.expect(200).text().to_owned();
        // What the file says twice is a difference.
        let last = file.lines().last().expect("a line").to_owned();
        let path = world.folder().join("settlement.csv");
        std::fs::write(&path, format!("{file}{last}\r\n")).expect("a file");
        let config = world.config(guichet::config::Purpose::Tool);
        guichet::commands::settlement::import(&config, "sandbox", &path, false)
            .await
            .unwrap_or_else(|trouble| panic!("{trouble}"));
        receiver.wait_for(4, std::time::Duration::from_secs(20));
        let settled = || world.report(true);
        while settled().await.findings().any(|finding| finding.id == "I10.e" && !finding.ok) {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await; // its outcome is being recorded
        }
        world.verify_settled().await;
        world.stop().await;
        sql(&world, PREPARE).await;

        let rules: BTreeSet<_> = world.report(true).await.findings().map(|finding| finding.id).collect();
        let covered: BTreeSet<_> = DAMAGES.iter().map(|(rule, _)| *rule).collect();
        assert_eq!(rules, covered, "each rule has its damage, and each damage a rule");
        let mut missed = Vec::new();
        for (rule, damage) in DAMAGES {
            sql(&world, damage).await;
            let report = world.report(true).await;
            let broken: Vec<_> = report.findings().filter(|finding| !finding.ok).map(|finding| finding.id).collect();
            if !broken.contains(rule) {
                missed.push(format!("{rule} did not notice; broken are {broken:?}"));
            }
            sql(&world, REPAIR).await;
        }
        assert!(missed.is_empty(), "{}", missed.join("\n"));
        world.verify_settled().await;
    });
}

/// On a thread of its own, so that the snapshot before it can end meanwhile: a table that is read cannot be emptied.
async fn sql(world: &World, text: &'static str) {
    let database = world.shared_database().expect("it stands on PostgreSQL");
    let ran = tokio::task::spawn_blocking(move || database.psql(text).map(drop).map_err(|error| error.to_string()));
    ran.await.expect("no panic").unwrap_or_else(|error| panic!("{text}: {error}"));
}
