//! `/v1/webhooks` and what is sent to them.

mod configuration;
mod delivery;
mod events;
mod standard;
mod untold;

use std::time::Duration;

use serde_json::{Value, json};
use testkit::actors::{Actor, fresh};
use testkit::exchange::Exchange;
use testkit::receiver::Received;
use testkit::world::World;

/// How long a test waits for something to be sent.
const PATIENCE: Duration = Duration::from_secs(20);
/// All events of payments that something happens for in these tests.
const PAYMENT_EVENTS: [&str; 6] = ["AUTHORIZE", "CANCEL", "CAPTURE", "PURCHASE", "REFUND", "VERIFY"];

/// A body for `POST /v1/webhooks`.
pub(super) fn webhook(merchant: &Actor, url: &str) -> Value {
    json!({ "account_id": merchant.account_id, "name": fresh("hook"), "url": url, "payment_triggers": PAYMENT_EVENTS })
}

/// Makes a webhook and gives the answer.
async fn hooked(merchant: &Actor, url: &str) -> Exchange {
    merchant.post("/v1/webhooks", webhook(merchant, url)).await.expect(201)
}

/// The body of a received webhook.
fn body(received: &Received) -> Value {
    serde_json::from_slice(&received.body).expect("a webhook is JSON")
}

/// The deliveries to a webhook, newest first, once `right` of them.
pub(super) async fn deliveries(world: &World, merchant: &Actor, id: &str, right: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let list = |answer: &Exchange| answer.json()["deliveries"].as_array().expect("a list").clone();
    let path = format!("/v1/webhooks/{id}/deliveries");
    let answer = world.eventually(|| merchant.get(&path), |answer| answer.status == 200 && right(&list(answer))).await;
    list(&answer)
}

/// All of them confirmed.
pub(super) fn delivered(count: usize) -> impl Fn(&[Value]) -> bool {
    move |all| all.len() == count && all.iter().all(|one| one["status"] == "DELIVERED")
}
