//! A merchant's receiver of webhooks, and the judge of what it was told: each committed change once, under one id, signed.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use testkit::receiver::{Does, Received, Receiver};

use crate::http::{Ask, Connection};
use crate::random::Random;

/// Statuses that a transaction passes through; every other one is its last.
const ON_THE_WAY: [&str; 2] = ["CREATED", "PENDING"];
/// Transactions with which a payment begins: there are several only where more than one acquirer was asked.
const CHARGES: [&str; 3] = ["PURCHASE", "AUTHORIZE", "VERIFY"];

/// The receiver with the secret it was given.
pub struct Hooks {
    receiver: Receiver,
    secret: Vec<u8>,
}

impl Hooks {
    /// Starts a receiver and has the merchant's webhooks sent there.
    pub fn set_up(line: &mut Connection, headers: &str, account: &str) -> Result<Hooks> {
        let receiver = Receiver::start(Does::Answer(200));
        let body = json!({
            "account_id": account,
            "name": "crash harness",
            "url": receiver.url("/hook"),
            "payment_triggers": ["AUTHORIZE", "CANCEL", "CAPTURE", "CHARGEBACK", "PURCHASE", "REFUND", "VERIFY"],
            "enrollment_triggers": ["ENROLL", "UNENROLL"],
            "subscription_triggers": ["CREATE", "ACTIVE", "PAUSE", "RESUME", "CANCEL", "COMPLETE", "PAST_DUE"],
            "payout_triggers": ["PAYOUT"],
        })
        .to_string();
        let answer = line.ask(&Ask { method: "POST", path: "/v1/webhooks", headers, body: &body })?;
        ensure!(answer.status == 201, "POST /v1/webhooks answered {}", answer.short());
        let made = answer.json()?;
        let secret = made["signing_secret"].as_str().context("the webhook's secret")?;
        let secret = STANDARD.decode(secret.trim_start_matches("whsec_")).context("the webhook's secret")?;
        Ok(Hooks { receiver, secret })
    }

    /// Lets the next few deliveries go wrong.
    pub fn misbehave(&self, random: &mut Random) {
        for _ in 0..random.between(0, 5) {
            self.receiver.next([if random.percent(50) { Does::Answer(500) } else { Does::HangUp }]);
        }
    }

    /// Everything that was told so far.
    ///
    /// # Errors
    /// When a message is not signed, or two under one id differ.
    pub fn told(&self) -> Result<Told> {
        let mut by_id: HashMap<String, Value> = HashMap::new();
        let mut told = Told::default();
        for received in self.receiver.received() {
            let message = self.genuine(&received)?;
            let id = received.header("webhook-id").to_owned();
            ensure!(message["data"]["idempotency_key"] == id.as_str(), "the webhook {id} names another id: {message}");
            if let Some(first) = by_id.get(&id) {
                ensure!(first["data"] == message["data"], "two webhooks under the id {id} differ");
                told.repeats += 1;
                continue;
            }
            told.note(&message)?;
            by_id.insert(id, message);
        }
        Ok(told)
    }

    fn genuine(&self, received: &Received) -> Result<Value> {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&self.secret).context("any key will do")?;
        let head = format!("{}.{}.", received.header("webhook-id"), received.header("webhook-timestamp"));
        mac.update(head.as_bytes());
        mac.update(&received.body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let found = received.header("webhook-signature");
        ensure!(found == expected, "the webhook {} carries the signature {found}", received.header("webhook-id"));
        serde_json::from_slice(&received.body).context("a webhook is JSON")
    }
}

/// What was told: how often each state of each object.
#[derive(Debug, Default)]
pub struct Told {
    /// Of a payment's transaction: (payment, transaction, status).
    payments: BTreeMap<(String, String, String), usize>,
    /// Of anything else: (event, object, status).
    others: BTreeMap<(String, String, String), usize>,
    /// Messages that came again.
    pub repeats: usize,
}

impl Told {
    fn note(&mut self, message: &Value) -> Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let event = text(&message["type_event"]);
        if event.starts_with("payment.") {
            let payment = &message["data"]["payment"];
            let transaction = &payment["transactions"];
            if transaction["type"] == "AUTHORIZE" && transaction["status"] == "SUCCEEDED" && payment["status"] == "CANCELED" {
                // A hold that nobody went on with ran out; its transaction is what it was.
                *self.others.entry((event, text(&payment["id"]), "CANCELED".into())).or_default() += 1;
                return Ok(());
            }
            let key = (text(&payment["id"]), text(&transaction["id"]), text(&transaction["status"]));
            *self.payments.entry(key).or_default() += 1;
            return Ok(());
        }
        let (family, _) = event.split_once('.').context("an event has a family")?;
        let member = if family == "enrollment" { "payment_method" } else { family };
        let object = &message["data"][member];
        let id = text(&object["id"]);
        ensure!(!id.is_empty(), "an event without its object: {message}");
        *self.others.entry((event, id, text(&object["status"]))).or_default() += 1;
        Ok(())
    }

    /// Messages that were told, each counted once.
    pub fn count(&self) -> usize {
        self.payments.values().sum::<usize>() + self.others.values().sum::<usize>()
    }

    /// Compares with a payment's transactions as the platform has them.
    ///
    /// # Errors
    /// When a last state was told never or twice, or one that never was.
    pub fn agrees(&self, payment: &str, history: &[Value]) -> Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut told: Vec<_> = self.payments.iter().filter(|((of, ..), _)| of == payment).collect();
        for (place, transaction) in history.iter().enumerate() {
            let (id, status) = (text(&transaction["id"]), text(&transaction["status"]));
            let times = told.iter().find(|((_, of, as_), _)| *of == id && *as_ == status).map_or(0, |(_, times)| **times);
            // A try that the next acquirer of the route took over is history, and need not be told.
            let charges = CHARGES.iter().any(|kind| transaction["type"] == *kind);
            let taken_over = charges && history[place + 1..].iter().any(|later| later["type"] == transaction["type"]);
            let fits = times == 1 || (times == 0 && taken_over);
            ensure!(fits, "payment {payment}: {status} of {} {id} was told {times} times", transaction["type"]);
            told.retain(|((_, of, as_), _)| *of != id || *as_ != status);
            let strange = told.iter().find(|((_, of, as_), _)| *of == id && !ON_THE_WAY.contains(&as_.as_str()));
            ensure!(strange.is_none(), "payment {payment}: {id} is {status}, but was told as {strange:?}");
            told.retain(|((_, of, _), _)| *of != id);
        }
        // What was unknown and turned out never to have happened was told as pending.
        match told.iter().find(|((_, _, status), _)| !ON_THE_WAY.contains(&status.as_str())) {
            Some((of, _)) => bail!("payment {payment}: {of:?} was told and is not there"),
            None => Ok(()),
        }
    }

    /// Objects other than payments: no state may be told twice.
    pub fn others_once(&self) -> Result<()> {
        // A subscription may become active again after it was past due; in these runs nothing makes it so.
        match self.others.iter().find(|(_, times)| **times > 1) {
            Some((what, times)) => bail!("{what:?} was told {times} times under different ids"),
            None => Ok(()),
        }
    }

    /// Payments of which a last state was told.
    pub fn payments(&self) -> impl Iterator<Item = &str> {
        let last = self.payments.keys().filter(|(_, _, status)| !ON_THE_WAY.contains(&status.as_str()));
        last.map(|(payment, ..)| payment.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(transaction: &str, status: &str) -> Value {
        json!({"type_event": "payment.purchase",
            "data": {"payment": {"id": "p", "transactions": {"id": transaction, "status": status}}}})
    }

    fn told(messages: &[(&str, &str)]) -> Told {
        let mut told = Told::default();
        for (transaction, status) in messages {
            told.note(&message(transaction, status)).expect("an event");
        }
        told
    }

    #[test]
    fn each_last_state_is_told_once_and_nothing_else() {
        let history = [json!({"id": "t", "type": "PURCHASE", "status": "SUCCEEDED"})];
        told(&[("t", "PENDING"), ("t", "SUCCEEDED")]).agrees("p", &history).expect("as it is");
        told(&[("t", "PENDING")]).agrees("p", &history).expect_err("the end was not told");
        told(&[("t", "SUCCEEDED"), ("t", "SUCCEEDED")]).agrees("p", &history).expect_err("told twice");
        told(&[("t", "SUCCEEDED"), ("t", "DECLINED")]).agrees("p", &history).expect_err("two ends");
        told(&[("t", "SUCCEEDED"), ("u", "SUCCEEDED")]).agrees("p", &history).expect_err("of what is not there");
        told(&[("t", "SUCCEEDED"), ("u", "PENDING")]).agrees("p", &history).expect("it never happened");
        let tried = [json!({"id": "s", "type": "PURCHASE", "status": "DECLINED"}), history[0].clone()];
        told(&[("t", "SUCCEEDED")]).agrees("p", &tried).expect("the first acquirer's no is history");
        told(&[("s", "DECLINED")]).agrees("p", &tried).expect_err("the end was not told");
    }
}
