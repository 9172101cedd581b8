//! Who is let in, and how the others are told.

use std::time::Duration;

use serde_json::json;
use testkit::actors::{Actor, Key};
use testkit::on_both_engines;
use testkit::world::World;

/// A route that every preset but `MoneyInOnly` may use.
const READ: &str = "/v1/payments?merchant_order_id=order";

on_both_engines! {
    async fn wrong_and_missing_keys_get_one_answer(world) {
        let merchant = world.merchant();
        let Key { token, secret, id } = merchant.key().clone();
        let with = |token: &str, secret: &str| {
            Actor::with_key(world.door(), "", Key { id: id.clone(), token: token.to_owned(), secret: secret.to_owned() })
        };
        let intruder = world.intruder();
        let cut = &secret[..secret.len() - 1];
        let unknown = format!("sandbox_pk_{}", "0".repeat(30));
        let production = token.replacen("sandbox", "prod", 1);
        let mut answers = Vec::new();
        for actor in [
            with(&token, cut),
            with(&token, &format!("{secret}x")),
            with(&token, &secret.to_uppercase()),
            with(&token, &intruder.key().secret),
            with(&unknown, &secret),
            with(&production, &secret),
            with(&secret, &token),
            with("", ""),
            with("%00", "\u{e9}"),
        ] {
            answers.push(actor.get(READ).await.refused(401, "INVALID_CREDENTIALS"));
        }
        answers.push(world.anonymous().get(READ).await);
        for header in ["public-api-key", "private-secret-key"] {
            answers.push(merchant.ask("GET", READ).without(header).send().await);
            let value = if header == "public-api-key" { &token } else { &secret };
            answers.push(merchant.ask("GET", READ).header(header, value).send().await);
        }
        for answer in &answers {
            assert_eq!(answer.without_request_id(), answers[0].without_request_id());
        }
        merchant.get(READ).await.expect(200);
        // The keys never travel in a URL.
        let url = format!("{READ}&public-api-key={token}&private-secret-key={secret}");
        world.anonymous().get(&url).await.refused(401, "INVALID_CREDENTIALS");
        // Nobody learns from a 401 what a path would do.
        let made = merchant.pays(merchant.purchase("5 EUR")).await;
        let anonymous = world.anonymous();
        let (refund, payment) = (anonymous.post(&made.path("refund"), json!({})).await, anonymous.post("/v1/payments", json!({})).await);
        assert_eq!(refund.without_request_id(), payment.without_request_id());
    }

    async fn a_key_changed_beside_the_server_counts_within_a_second(world) {
        let holder = world.holder("read_only");
        holder.get(READ).await.expect(200);
        keys(&world, &["disable", &holder.key().id]).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        holder.get(READ).await.refused(401, "EXPIRED_CREDENTIALS");
        world.merchant().get(READ).await.expect(200);
        keys(&world, &["enable", &holder.key().id]).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        holder.get(READ).await.expect(200);

        let rotated = keys(&world, &["rotate", &holder.key().id, "--overlap", "0", "--json"]).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        holder.get(READ).await.refused(401, "INVALID_CREDENTIALS");
        let rotated: serde_json::Value = serde_json::from_str(&rotated).expect("the answer is JSON");
        let secret = rotated["secret"].as_str().expect("a text").to_owned();
        let key = Key { secret, ..holder.key().clone() };
        Actor::with_key(world.door(), &holder.account_id, key).get(READ).await.expect(200);
        world.verify_settled().await;
    }

    async fn a_key_made_beside_the_server_works_within_a_second_and_only_from_its_addresses(world) {
        for (addresses, expected) in [(vec!["127.0.0.0/8", "::1"], 200), (vec!["192.0.2.7"], 401)] {
            let holder = key_from(&world, &addresses).await;
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            let answer = holder.get(READ).await.expect(expected);
            assert_eq!(answer.code(), if expected == 401 { "UNKNOWN_IP_ADDRESS" } else { "" });
        }
        world.verify_settled().await;
    }

    async fn behind_a_proxy_the_addresses_are_those_of_the_last_hop_that_is_not_ours(mut world) {
        world.stop().await;
        world.set("behind_proxy", "true");
        world.set("trusted_proxies", "127.0.0.0/8,10.0.0.0/8");
        world.boot().await;
        let shop = key_from(&world, &["192.0.2.0/24", "2001:db8::/32"]).await;
        let here = key_from(&world, &["127.0.0.0/8"]).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        for (hops, expected) in [
            (vec!["192.0.2.7"], 200),
            (vec!["203.0.113.9, 192.0.2.7, 10.1.1.1"], 200),
            (vec!["203.0.113.9", "192.0.2.7:4711"], 200),
            (vec!["[2001:db8::1]:443"], 200),
            (vec!["203.0.113.9"], 401),
            // Whoever is let through writes what he likes before it.
            (vec!["192.0.2.7, 203.0.113.9"], 401),
            (vec!["192.0.2.7", "203.0.113.9"], 401),
            (vec!["192.0.2.7, nonsense"], 401),
            (vec!["nonsense"], 401),
            (vec![""], 401),
            (vec![], 401),
        ] {
            let ask = hops.iter().fold(shop.ask("GET", READ), |ask, hop| ask.header("X-Forwarded-For", hop));
            // Other headers that proxies are known to write are not believed.
            let answer = ask.header("Forwarded", "for=192.0.2.7").header("X-Real-IP", "192.0.2.7").send().await.expect(expected);
            assert_eq!(answer.code(), if expected == 401 { "UNKNOWN_IP_ADDRESS" } else { "" }, "{hops:?}");
        }
        // A key for this machine alone: without a header the proxy itself asks.
        here.get(READ).await.expect(200);
        here.ask("GET", READ).header("X-Forwarded-For", "192.0.2.7").send().await.refused(401, "UNKNOWN_IP_ADDRESS");
        world.verify_settled().await;
    }

    async fn without_a_proxy_nobody_says_where_he_is_from(world) {
        let here = key_from(&world, &["127.0.0.0/8", "::1"]).await;
        let shop = key_from(&world, &["192.0.2.0/24"]).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        here.ask("GET", READ).header("X-Forwarded-For", "192.0.2.7").send().await.expect(200);
        shop.ask("GET", READ).header("X-Forwarded-For", "192.0.2.7").send().await.refused(401, "UNKNOWN_IP_ADDRESS");
        // A wrong secret tells nobody that the address would have been wrong too.
        let guess = Key { secret: format!("{}x", shop.key().secret), ..shop.key().clone() };
        Actor::with_key(world.door(), "", guess).get(READ).await.refused(401, "INVALID_CREDENTIALS");
    }
}

/// Somebody with a fresh key that may be used from these addresses.
async fn key_from(world: &World, addresses: &[&str]) -> Actor {
    let account = world.merchant().account_id;
    let mut arguments = vec!["create", "--account", &account, "--name", "A new key", "--permission", "ReadOnly", "--json"];
    arguments.extend(addresses.iter().flat_map(|address| ["--allow-ip", address]));
    let made: serde_json::Value = serde_json::from_str(&keys(world, &arguments).await).expect("the answer is JSON");
    let text = |member: &str| made[member].as_str().expect("a text").to_owned();
    Actor::with_key(world.door(), &account, Key { id: text("id"), token: text("token"), secret: text("secret") })
}

/// Runs `guichet key …` beside the server and gives what it prints.
async fn keys(world: &World, arguments: &[&str]) -> String {
    let config = world.config(guichet::config::Purpose::Tool);
    let command = guichet::cli::key_command(arguments).expect("the test's arguments are right");
    guichet::commands::key::answer(&command, &config).await.unwrap_or_else(|trouble| panic!("{trouble}"))
}
