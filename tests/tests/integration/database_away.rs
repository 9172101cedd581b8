//! The database goes away and comes back: refusals that say when to try again, nothing lost, nothing made twice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::actors::fresh;
use testkit::postgres::{Cluster, Durability};
use testkit::world::World;

#[test]
fn a_killed_postgresql_is_waited_for_and_nothing_is_lost() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for the test");
    let cluster = Cluster::start(Durability::Full).expect("PostgreSQL's programs are installed");
    let database = cluster.fresh_database().expect("the server answers");
    runtime.block_on(async {
        let world = World::start_at("a_killed_postgresql", database.url()).await;
        let merchant = world.merchant();
        let orders = (0..4).map(|_| (fresh("key"), order(&merchant.purchase("5 EUR"))));
        let orders: Vec<(String, Value)> = orders.collect();
        let acknowledged = merchant.post_once("/v1/payments", &orders[0].0, &orders[0].1).await.expect(201);

        // One request is at the acquirer, which keeps its books on the same server, when everything dies.
        world.slow_acquirer(1_000).await;
        let (asking, (key, body)) = (merchant.clone(), orders[1].clone());
        let under_way = tokio::spawn(async move { asking.post_once("/v1/payments", &key, &body).await });
        tokio::time::sleep(Duration::from_millis(700)).await;
        cluster.kill().expect("our server can be killed");
        let away = merchant.post_once("/v1/payments", &orders[2].0, &orders[2].1).await.refused(503, "SERVICE_UNAVAILABLE");
        assert!(away.header("retry-after").is_some());
        world.anonymous().get("/healthz").await.expect(200);
        world.eventually(|| async { world.anonymous().get("/readyz").await }, |answer| answer.status == 503).await;
        let cut = under_way.await.expect("the task ends");
        assert!([201, 503, 504].contains(&cut.status), "{} {}", cut.status, cut.text());

        cluster.restart().expect("the server comes back");
        world.eventually(|| async { world.anonymous().get("/readyz").await }, |answer| answer.status == 200).await;
        world.acquirer("normal").await;
        let until = Instant::now() + Duration::from_mins(1);
        for (key, body) in &orders {
            let answer = loop {
                let answer = merchant.post_once("/v1/payments", key, body).await;
                if answer.status == 201 {
                    break answer;
                }
                assert!(
                    [409, 503, 504].contains(&answer.status) && Instant::now() < until,
                    "{} {}",
                    answer.status,
                    answer.text()
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            assert_eq!(answer.payment_state(), "SUCCEEDED/APPROVED");
            assert_eq!(world.charges(body["merchant_order_id"].as_str().expect("a text")).await.len(), 1);
        }
        let replay = merchant.post_once("/v1/payments", &orders[0].0, &orders[0].1).await.expect(201);
        assert_eq!(replay.body, acknowledged.body);
        world.verify_settled().await;
    });
}

fn order(purchase: &Value) -> Value {
    let mut body = purchase.clone();
    body["merchant_order_id"] = json!(fresh("away"));
    body
}
