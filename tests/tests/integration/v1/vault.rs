//! The vault: new keys while the product runs, and records that were tampered with.

use guichet::commands::vault;
use guichet::config::Purpose;
use serde_json::{Value, json};
use testkit::on_both_engines;
use testkit::world::{Engine, World, tell};

use super::customers::customer;
use super::payment_methods::{card, enrol};
use super::tokens::{pay, token};

on_both_engines! {
    async fn keys_are_changed_while_cards_are_used(world) {
        let merchant = world.merchant();
        let ada = customer(&merchant, "ada").await;
        let config = world.config(Purpose::Tool);
        assert_eq!(rotate(&config).await, json!({ "accounts": 0, "records": 0, "damaged": 0, "retired_keys": 0 }));
        let before = enrol(&merchant, &ada, card("4507990000000002"), json!({})).await.expect(201).at("/vaulted_token");
        let waiting = token(&merchant, json!({})).await.expect(201).at("/token");
        // A number and a code of the token, a number of the method.
        assert_eq!(rotate(&config).await, json!({ "accounts": 1, "records": 3, "damaged": 0, "retired_keys": 1 }));
        world.verify().await;
        pay(&merchant, "DIRECT", None, json!({ "token": waiting })).await.expect(201);
        pay(&merchant, "DIRECT", None, json!({ "vaulted_token": before })).await.expect(201);
        let after = enrol(&merchant, &ada, card("5252440000000002"), json!({})).await.expect(201).at("/vaulted_token");
        assert_eq!(rotate(&config).await, json!({ "accounts": 1, "records": 2, "damaged": 0, "retired_keys": 1 }));
        for vaulted in [before, after] {
            pay(&merchant, "DIRECT", None, json!({ "vaulted_token": vaulted })).await.expect(201);
        }
        world.verify_settled().await;
    }
}

#[test]
fn a_record_that_was_tampered_with_puts_its_method_out_of_use_and_nothing_else() {
    tell("tampered", Engine::Postgres, |world: World| async move {
        let merchant = world.merchant();
        let ada = customer(&merchant, "ada").await;
        let good = enrol(&merchant, &ada, card("5252440000000002"), json!({})).await.expect(201);
        let bad = enrol(&merchant, &ada, card("4507990000000002"), json!({})).await.expect(201);
        let database = world.database().expect("it is on PostgreSQL");
        let moved = format!(
            "UPDATE vault_record SET sealed = (SELECT sealed FROM vault_record WHERE id = (SELECT number_record FROM payment_method WHERE id = '{}'))
              WHERE id = (SELECT number_record FROM payment_method WHERE id = '{}')",
            good.at("/id"), bad.at("/id")
        );
        database.psql(&moved).expect("it is changed");
        let report = world.report(false).await;
        assert!(report.findings().any(|finding| finding.id == "I8.d" && !finding.ok), "verify notices");
        let pay_with = |method: &testkit::exchange::Exchange| {
            pay(&merchant, "DIRECT", None, json!({ "vaulted_token": method.at("/vaulted_token") }))
        };
        for _ in 0..2 {
            pay_with(&bad).await.refused(400, "PAYMENT_METHOD_STATUS_INVALID");
        }
        assert_eq!(merchant.get(&format!("/v1/payment-methods/{}", bad.at("/id"))).await.at("/status"), "ERROR");
        pay_with(&good).await.expect(201);
        let config = world.config(Purpose::Tool);
        let rotated = rotate(&config).await;
        assert_eq!((rotated["damaged"].clone(), rotated["retired_keys"].clone()), (json!(1), json!(0)));
        // The card can be enrolled anew; the damaged number goes with it.
        let anew = enrol(&merchant, &ada, card("4507990000000002"), json!({})).await.expect(201);
        assert_ne!(anew.at("/id"), bad.at("/id"));
        pay_with(&anew).await.expect(201);
        world.verify_settled().await;
    });
}

#[test]
fn a_rotation_that_was_broken_off_goes_on_where_it_was() {
    tell("broken_off", Engine::Postgres, |world: World| async move {
        let merchant = world.merchant();
        let ada = customer(&merchant, "ada").await;
        enrol(&merchant, &ada, card("4507990000000002"), json!({})).await.expect(201);
        enrol(&world.intruder(), &customer(&world.intruder(), "eve").await, card("4507990000000002"), json!({}))
            .await
            .expect(201);
        let config = world.config(Purpose::Tool);
        assert_eq!(rotate(&config).await["accounts"], json!(2));
        // As it was left by a process that died after its first account: begun, not finished, the second account under an older key.
        let database = world.database().expect("it is on PostgreSQL");
        database
            .psql(
                "UPDATE vault_rotation SET finished_at = NULL, started_at = (SELECT min(made_at) FROM vault_key);
                 UPDATE vault_key SET made_at = made_at - 1000000 WHERE account_id = (SELECT max(account_id::text)::uuid FROM vault_key)",
            )
            .expect("it is changed");
        assert_eq!(rotate(&config).await, json!({ "accounts": 1, "records": 1, "damaged": 0, "retired_keys": 1 }));
        world.verify_settled().await;
    });
}

/// Rotates, and gives the numbers of it: the master key is changed each time.
async fn rotate(config: &guichet::config::Config) -> Value {
    let answer = vault::rotate(config, None, true).await.unwrap_or_else(|trouble| panic!("{trouble}"));
    let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
    let master_key = answer.as_object_mut().and_then(|members| members.remove("master_key")).expect("what became of it");
    assert_eq!(master_key["state"], "changed");
    answer
}
