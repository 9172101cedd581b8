//! An acquirer that talks: while customers work it sends notifications about its charges, the same ones again and again, late,
//! about payments nobody knows, with wrong amounts; and somebody else sends forged ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use super::line::Shop;
use crate::acquirer::signature;
use crate::http::{Answer, Ask, Connection};
use crate::random::Random;

/// Charges read at once.
const PAGE: u64 = 200;
/// Between two rounds of talk.
const BREATH: Duration = Duration::from_millis(100);
/// Notifications kept to be sent again.
const REMEMBERED: usize = 500;

/// The talking acquirer.
#[derive(Debug)]
pub struct Gossip {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Gossip {
    /// Begins to talk to any node of the shop.
    pub fn start(shop: &Shop, random: &mut Random) -> Result<Gossip> {
        let over = Arc::new(AtomicBool::new(false));
        let mut talk = Talk { shop: shop.clone(), random: random.split(), after: None, said: Vec::new(), sent: 0 };
        let until = over.clone();
        let thread = thread::Builder::new().spawn(move || {
            while !until.load(Ordering::Relaxed) {
                talk.once()?;
                thread::sleep(BREATH);
            }
            Ok(talk.sent)
        })?;
        Ok(Gossip { over, thread })
    }

    /// Stops it; how many notifications were taken.
    ///
    /// # Errors
    /// When one was answered in a way it must not be.
    pub fn stop(self) -> Result<u64> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the acquirer's thread panicked"))?
    }
}

struct Talk {
    shop: Shop,
    random: Random,
    after: Option<String>,
    /// What was sent before: connector and body.
    said: Vec<(String, String)>,
    sent: u64,
}

impl Talk {
    /// One round; a product that does not answer is nobody's fault.
    fn once(&mut self) -> Result<()> {
        let addresses = self.shop.nodes.read().map_err(|_| anyhow!("somebody panicked"))?.clone();
        let Ok(mut line) = Connection::open(self.random.pick(&addresses)) else { return Ok(()) };
        line.be_patient(Duration::from_secs(8))?;
        let from = self.after.as_ref().map_or(String::new(), |after| format!("&after={after}"));
        let path = format!("/dev/acquirer/charges?all=true&limit={PAGE}{from}");
        let Ok(answer) = line.ask(&Ask { method: "GET", path: &path, headers: "", body: "" }) else { return Ok(()) };
        if answer.status != 200 {
            return Ok(());
        }
        let page = answer.json()?;
        let charges = page["charges"].as_array().context("charges in the acquirer's answer")?;
        if let (Some(next), true) = (page["next"].as_str(), self.random.percent(70)) {
            self.after = Some(next.to_owned());
        }
        for _ in 0..charges.len().min(10) {
            let charge = &charges[usize::try_from(self.random.between(0, charges.len() as u64 - 1)).unwrap_or_default()];
            let Some((connector, body)) = self.about(charge) else { continue };
            for _ in 0..self.random.between(1, 3) {
                if self.say(&mut line, &connector, &body, true)?.is_none() {
                    return Ok(());
                }
            }
            self.said.push((connector, body));
        }
        self.said.truncate(REMEMBERED);
        self.repeat_and_forge(&mut line)
    }

    /// Old ones again, and forged ones: refused whatever they say.
    fn repeat_and_forge(&mut self, line: &mut Connection) -> Result<()> {
        for _ in 0..self.said.len().min(5) {
            let place = usize::try_from(self.random.between(0, self.said.len() as u64 - 1)).unwrap_or_default();
            let (connector, body) = self.said[place].clone();
            let genuine = self.random.percent(60);
            if self.say(line, &connector, &body, genuine)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// What the acquirer says about a charge: the truth, or the truth about something else.
    fn about(&mut self, charge: &Value) -> Option<(String, String)> {
        if !matches!(charge["operation"].as_str()?, "PURCHASE" | "AUTHORIZE" | "VERIFY") {
            return None;
        }
        let amount = charge["amount"].as_u64()?;
        let unknown = self.random.percent(10);
        let wrong = self.random.percent(10);
        let payment = if unknown { json!("0199a8b4-1f7e-7c3a-8000-0123456789ab") } else { charge["payment_id"].clone() };
        let body = json!({ "live": false, "notification": {
            "payment_id": payment,
            "order_id": charge["merchant_order_id"].as_str()?,
            "event_code": "AUTHORISATION",
            "event_date": format!("2026-11-22T08:00:0{}Z", self.random.between(0, 3)),
            "amount": { "currency": charge["currency"].as_str()?, "value": amount + u64::from(wrong) },
            "is_3d": false,
            "operations": ["REFUND"],
            "success": charge["outcome"] == "APPROVED",
        }});
        Some((charge["connector"].as_str()?.to_owned(), body.to_string()))
    }

    /// Sends one; `None` when nobody answered.
    fn say(&mut self, line: &mut Connection, connector: &str, body: &str, genuine: bool) -> Result<Option<Answer>> {
        let secret = if genuine { self.shop.secret.as_str() } else { "a guess" };
        let headers = signature(secret, body);
        let path = format!("/v1/acquirers/{connector}/notifications");
        let Ok(answer) = line.ask(&Ask { method: "POST", path: &path, headers: &headers, body }) else { return Ok(None) };
        let fits = match answer.status {
            200 => genuine,
            401 => !genuine,
            status => matches!(status, 429 | 503 | 504),
        };
        ensure!(fits, "a notification ({}) was answered {}", if genuine { "genuine" } else { "forged" }, answer.short());
        self.sent += u64::from(answer.status == 200);
        Ok(Some(answer))
    }
}
