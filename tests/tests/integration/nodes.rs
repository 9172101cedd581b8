//! Several processes on one PostgreSQL: any of them answers anything, none of them trusts its memory.

use std::time::Duration;

use serde_json::json;
use testkit::actors::fresh;
use testkit::world::{Engine, tell};

#[test]
fn one_key_sent_to_two_nodes_takes_effect_once() {
    tell("one_key_sent_to_two_nodes", Engine::Postgres, async |world| {
        let twin = world.twin().await;
        let (here, there) = (world.merchant(), world.merchant().through(twin.door()));
        for _ in 0..30 {
            let mut body = here.purchase("5 EUR");
            let (order, key) = (fresh("twice"), fresh("key"));
            body["merchant_order_id"] = json!(order);
            let (first, second) =
                tokio::join!(here.post_once("/v1/payments", &key, &body), there.post_once("/v1/payments", &key, &body));
            let executed = [&first, &second]
                .iter()
                .filter(|answer| answer.status == 201 && answer.header("idempotent-replayed").is_none())
                .count();
            assert_eq!(executed, 1, "{} {}", first.status, second.status);
            let (again, elsewhere) =
                (here.post_once("/v1/payments", &key, &body).await, there.post_once("/v1/payments", &key, &body).await);
            assert_eq!(again.expect(201).body, elsewhere.expect(201).body);
            assert_eq!(world.charges(&order).await.len(), 1);
        }
        world.verify_settled().await;
    });
}

#[test]
fn two_nodes_share_a_hot_account_without_harm() {
    tell("two_nodes_share_a_hot_account", Engine::Postgres, async |world| {
        let twin = world.twin().await;
        let nodes = [world.merchant(), world.merchant().through(twin.door())];
        let work: Vec<_> = (0..32)
            .map(|worker| {
                let merchant = nodes[worker % 2].clone();
                tokio::spawn(async move {
                    for _ in 0..10 {
                        let made = merchant.pays(merchant.purchase("5 EUR")).await;
                        merchant.refunds(&made, "2 EUR").await.expect(200);
                    }
                })
            })
            .collect();
        for worker in work {
            worker.await.expect("no refusal");
        }
        world.verify_settled().await;
    });
}

#[test]
fn captures_through_two_nodes_never_take_more_than_is_held() {
    tell("captures_through_two_nodes", Engine::Postgres, async |world| {
        let twin = world.twin().await;
        let nodes = [world.merchant(), world.merchant().through(twin.door())];
        let made = nodes[0].pays(nodes[0].authorisation("10 EUR")).await;
        let tries: Vec<_> = (0..10)
            .map(|number| {
                let (merchant, made) = (nodes[number % 2].clone(), made.clone());
                tokio::spawn(async move { merchant.captures(&made, "3 EUR").await.status })
            })
            .collect();
        let mut captured = 0;
        for one in tries {
            captured += usize::from(one.await.expect("the task ends") == 200);
        }
        assert_eq!(captured, 3);
        world.verify_settled().await;
    });
}

#[test]
fn a_dead_nodes_work_is_taken_over_by_the_other() {
    tell("a_dead_nodes_work", Engine::Postgres, async |mut world| {
        let twin = world.twin().await;
        let merchant = world.merchant();
        let mut body = merchant.purchase("5 EUR");
        let order = fresh("orphan");
        body["merchant_order_id"] = json!(order);
        world.slow_acquirer(2_000).await;
        let (asking, asked) = (merchant.clone(), body.clone());
        let under_way =
            tokio::spawn(async move { asking.ask("POST", "/v1/payments").once("orphan").json(&asked).try_send().await });
        tokio::time::sleep(Duration::from_millis(1_400)).await;
        world.die_alone().await;
        assert!(under_way.await.expect("the task ends").is_err());
        let merchant = merchant.through(twin.door());
        merchant.post_once("/v1/payments", "orphan", &body).await.refused(409, "REQUEST_IN_PROCESS");
        world.let_lease_pass();
        let answer = twin.eventually(|| merchant.post_once("/v1/payments", "orphan", &body), |answer| answer.status == 201).await;
        assert_eq!(answer.header("idempotent-replayed"), Some("true"));
        assert_eq!(twin.charges(&order).await.len(), 1);
        twin.verify_settled().await;
    });
}

#[test]
fn a_key_changed_through_one_node_counts_at_the_other() {
    tell("a_key_changed_through_one_node", Engine::Postgres, async |world| {
        let twin = world.twin().await;
        let holder = world.holder("read_only");
        let there = holder.through(twin.door());
        there.get("/v1/payments?merchant_order_id=abc").await.expect(200);
        let command = guichet::cli::key_command(&["disable", &holder.key().id]).expect("right arguments");
        guichet::commands::key::answer(&command, &world.config(guichet::config::Purpose::Tool)).await.expect("the key exists");
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        for actor in [&holder, &there] {
            actor.get("/v1/payments?merchant_order_id=abc").await.refused(401, "EXPIRED_CREDENTIALS");
        }
    });
}

#[test]
fn the_sandbox_clock_is_one_for_all_nodes() {
    tell("the_sandbox_clock_is_one", Engine::Postgres, async |world| {
        let twin = world.twin().await;
        let (here, there) = (world.merchant(), world.merchant().through(twin.door()));
        let body = here.purchase("5 EUR");
        let first = here.post_once("/v1/payments", "day", &body).await.expect(201);
        world.advance_seconds(24 * 3_600).await;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let second = there.post_once("/v1/payments", "day", &body).await.expect(201);
        assert!(second.header("idempotent-replayed").is_none() && second.at("/id") != first.at("/id"));
        world.verify_settled().await;
    });
}
