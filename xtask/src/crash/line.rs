//! One customer's line to the product: sends the waiting step of a deal and says what came of it. With several nodes a
//! customer has a connection to each, and now and then sends one key to all of them at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use std::{fmt, io};

use anyhow::{Context, Result, bail, ensure};

use super::deal::{Deal, Step};
use super::operation::Way;
use crate::acquirer::signature;
use crate::http::{Answer, Ask, Connection};
use crate::product::Product;
use crate::random::Random;

/// So many of a hundred requests are repeated at once.
const REPEATED_PERCENT: u64 = 15;
/// So many of a hundred keys are sent to all nodes at once.
const EVERYWHERE_PERCENT: u64 = 15;
/// A customer of several nodes waits so long for one of them: it may stand still.
const NODE_PATIENCE: Duration = Duration::from_secs(8);

/// How to reach the product, and as whom.
#[derive(Clone, Debug)]
pub struct Shop {
    /// Where its nodes listen; one that starts again has another address.
    pub nodes: Arc<RwLock<Vec<SocketAddr>>>,
    /// The header lines of the merchant's key.
    pub headers: String,
    /// The merchant's account.
    pub account: String,
    /// What the sandbox acquirer signs its notifications with.
    pub secret: String,
    /// Which keys may still be sent again.
    pub ages: Ages,
    /// What was refused for a while.
    pub refused: Refused,
}

/// The age of the database's clock: it grows when the clock jumps ahead so far that keys are forgotten.
#[derive(Clone, Debug, Default)]
pub struct Ages(Arc<RwLock<u64>>);

impl Ages {
    /// Has the next age begin with this, while nobody sends a key again.
    pub fn grow(&self, jump: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut age = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *age += 1;
        jump()
    }

    fn now(&self) -> u64 {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often which status said "not now".
#[derive(Clone, Debug, Default)]
pub struct Refused(Arc<Mutex<BTreeMap<u16, u64>>>);

impl Refused {
    fn note(&self, status: u16) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<String> = counts.iter().map(|(status, times)| format!("{status} {times} times")).collect();
        out.write_str(if words.is_empty() { "nothing" } else { "" })?;
        out.write_str(&words.join(", "))
    }
}

impl Shop {
    /// The shop of the demo's merchant.
    pub fn of(nodes: &[Product]) -> Result<Shop> {
        let first = nodes.first().context("a node")?;
        let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
        Ok(Shop {
            nodes: Arc::new(addresses.into()),
            headers: first.key_headers()?,
            account: first.account_id()?.to_owned(),
            secret: first.notification_secret()?.to_owned(),
            ages: Ages::default(),
            refused: Refused::default(),
        })
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What came of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A success was read.
    Answered,
    /// The product says that it cannot know or do it now: the key is to be sent again later.
    Later,
    /// No answer came; the connection is gone.
    Silence,
    /// The clock jumped: nobody goes on with this deal.
    Left,
}

/// A customer's connections, with the merchant's key.
#[derive(Debug)]
pub struct Line {
    shop: Shop,
    /// One for each node, when there is one.
    connections: Vec<Option<(SocketAddr, Connection)>>,
    /// Why the last connection died.
    pub death: Option<io::Error>,
}

impl Line {
    /// A line that connects when something is sent.
    pub fn new(shop: &Shop) -> Line {
        Line { shop: shop.clone(), connections: Vec::new(), death: None }
    }

    /// Sends the waiting step once, and now and then once more.
    ///
    /// # Errors
    /// When an answer breaks a promise: a status that must not be, other bytes for the same key.
    pub fn send(&mut self, deal: &mut Deal, random: &mut Random) -> Result<Outcome> {
        let node = self.any_node(random);
        let ages = self.shop.ages.clone();
        let age = ages.0.read().unwrap_or_else(PoisonError::into_inner);
        if deal.is_of_another_age(*age) {
            deal.leave();
            return Ok(Outcome::Left);
        }
        let Some(step) = deal.waiting() else { return Ok(Outcome::Later) };
        // A key that is sent for the first time may be under way when the clock jumps.
        let now = *age;
        let again = step.sent.is_some().then_some(age);
        let sent = *step.sent.get_or_insert(now);
        let everywhere = step.way() == Way::Keyed && self.connections.len() > 1 && random.percent(EVERYWHERE_PERCENT);
        let answer = if everywhere {
            let step = step.clone();
            self.everywhere(&step)?
        } else if step.way() == Way::Form && step.form.is_none() {
            match self.open_page(node, step) {
                Some(true) => self.post(node, step),
                Some(false) => return Ok(Outcome::Later),
                None => None,
            }
        } else {
            self.post(node, step)
        };
        drop(again);
        let Some(answer) = answer else { return Ok(Outcome::Silence) };
        match (answer.status, step_way(deal)) {
            // A payer is sent back whether his page was over or not.
            (303, Way::Form) if sent != self.shop.ages.now() => {
                deal.leave();
                Ok(Outcome::Left)
            }
            (200 | 201, Way::Keyed | Way::Get | Way::Signed) | (303, Way::Form) => {
                deal.answered(&answer)?;
                if random.percent(REPEATED_PERCENT) {
                    let last = deal.steps.len() - 1;
                    self.repeat(deal, last, random)?;
                }
                Ok(Outcome::Answered)
            }
            // A page that says "wait": its form is sent again.
            (200 | 202, Way::Form) => Ok(Outcome::Later),
            (409 | 429 | 503 | 504, way) => {
                // A page tells its reader in words.
                let must = matches!(answer.status, 429 | 503) && way != Way::Form;
                let says_when = !must || answer.header("retry-after").is_some();
                ensure!(says_when, "{}: {} does not say when to come again", deal.order, answer.short());
                self.shop.refused.note(answer.status);
                Ok(Outcome::Later)
            }
            // It was under way when the clock jumped, and what it rests on was over when it arrived.
            (400..500, _) if sent != self.shop.ages.now() => {
                deal.leave();
                Ok(Outcome::Left)
            }
            _ => bail!("{}: {} for {:?}", deal.order, answer.short(), deal.steps.last()),
        }
    }

    /// Sends an answered step again and compares; a dead connection is no difference.
    ///
    /// # Errors
    /// When the answer is another one.
    pub fn repeat(&mut self, deal: &Deal, number: usize, random: &mut Random) -> Result<Outcome> {
        let step = &deal.steps[number];
        let Some((status, body)) = &step.answer else {
            return Ok(if deal.is_left() { Outcome::Left } else { Outcome::Later });
        };
        if step.way() == Way::Get {
            return Ok(Outcome::Answered);
        }
        let node = self.any_node(random);
        let ages = self.shop.ages.clone();
        let age = ages.0.read().unwrap_or_else(PoisonError::into_inner);
        if step.sent != Some(*age) {
            return Ok(Outcome::Left); // forgotten by now
        }
        let Some(answer) = self.post(node, step) else { return Ok(Outcome::Silence) };
        if matches!(answer.status, 503 | 504) {
            return Ok(Outcome::Later);
        }
        let keyed = step.way() == Way::Keyed;
        ensure!(
            answer.status == *status && (answer.body == *body || !keyed),
            "{}: the repeated key {} was answered {} instead of the first {status} {}",
            deal.order,
            step.key,
            answer.short(),
            String::from_utf8_lossy(body).chars().take(300).collect::<String>()
        );
        let marked = answer.header("idempotent-replayed") == Some("true") || !keyed;
        ensure!(marked, "{}: a replay without its mark", deal.order);
        Ok(Outcome::Answered)
    }

    /// One key at all nodes at once: whoever succeeds gives the same bytes, and at most one of them did the work.
    fn everywhere(&mut self, step: &Step) -> Result<Option<Answer>> {
        let headers = format!("{}x-idempotency-key: {}\r\n", self.shop.headers, step.key);
        let ask = Ask { method: "POST", path: &step.path, headers: &headers, body: &step.body };
        let mut asked = Vec::new();
        for node in 0..self.connections.len() {
            let sent = self.connection(node).and_then(|line| line.send(&ask));
            asked.push(self.noted(node, sent).is_some());
        }
        let mut answers = Vec::new();
        for (node, _) in asked.iter().enumerate().filter(|(_, asked)| **asked) {
            let read = self.connection(node).and_then(Connection::receive);
            answers.extend(self.noted(node, read));
        }
        let good: Vec<&Answer> = answers.iter().filter(|answer| answer.status < 300).collect();
        for answer in &good {
            let same = (answer.status, &answer.body) == (good[0].status, &good[0].body);
            ensure!(same, "{}: one key, two answers: {} and {}", step.key, good[0].short(), answer.short());
        }
        let first_hand = good.iter().filter(|answer| answer.header("idempotent-replayed").is_none()).count();
        ensure!(first_hand <= 1, "{}: {first_hand} nodes did the work of one key", step.key);
        if let Some(strange) = answers.iter().find(|answer| !matches!(answer.status, 200 | 201 | 409 | 429 | 503 | 504)) {
            bail!("{}: {} of one of two nodes", step.key, strange.short());
        }
        let best = answers.iter().position(|answer| answer.status < 300).unwrap_or(0);
        Ok((!answers.is_empty()).then(|| answers.swap_remove(best)))
    }

    /// What a browser does before it sends a form; false when the page has none now.
    fn open_page(&mut self, node: usize, step: &mut Step) -> Option<bool> {
        let ask = Ask { method: "GET", path: &step.path, headers: "", body: "" };
        let asked = self.connection(node).and_then(|line| line.ask(&ask));
        let page = self.noted(node, asked)?;
        let text = String::from_utf8_lossy(&page.body).into_owned();
        let csrf = text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let cookie = page.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        step.form = cookie.zip(csrf).map(|(cookie, csrf)| (cookie.to_owned(), csrf.to_owned()));
        Some(step.form.is_some())
    }

    fn post(&mut self, node: usize, step: &Step) -> Option<Answer> {
        let Shop { headers: key, .. } = self.shop.clone();
        let asked = match (step.way(), &step.form) {
            (Way::Form, Some((cookie, csrf))) => {
                let body = format!("csrf={csrf}&{}", step.body);
                let kind = "content-type: application/x-www-form-urlencoded\r\n";
                let headers = format!("cookie: {cookie}\r\n{kind}content-length: {}\r\n", body.len());
                self.connection(node).and_then(|line| line.ask_raw("POST", &step.path, &headers, &body))
            }
            (Way::Get, _) => {
                let ask = Ask { method: "GET", path: &step.path, headers: &key, body: "" };
                self.connection(node).and_then(|line| line.ask(&ask))
            }
            (Way::Signed, _) => {
                let headers = signature(&self.shop.secret, &step.body);
                let ask = Ask { method: "POST", path: &step.path, headers: &headers, body: &step.body };
                self.connection(node).and_then(|line| line.ask(&ask))
            }
            _ => {
                let headers = format!("{key}x-idempotency-key: {}\r\n", step.key);
                let ask = Ask { method: "POST", path: &step.path, headers: &headers, body: &step.body };
                self.connection(node).and_then(|line| line.ask(&ask))
            }
        };
        self.noted(node, asked)
    }

    fn any_node(&mut self, random: &mut Random) -> usize {
        let nodes = self.shop.addresses().len().max(1);
        self.connections.resize_with(nodes, || None);
        usize::try_from(random.between(0, nodes as u64 - 1)).unwrap_or_default()
    }

    /// The connection to a node, a fresh one when there is none or the node listens elsewhere now.
    fn connection(&mut self, node: usize) -> io::Result<&mut Connection> {
        let addresses = self.shop.addresses();
        let address = addresses.get(node).copied().ok_or(io::ErrorKind::NotConnected)?;
        let several = addresses.len() > 1;
        let slot = self.connections.get_mut(node).ok_or(io::ErrorKind::NotConnected)?;
        if slot.as_ref().is_none_or(|(known, _)| *known != address) {
            let fresh = Connection::open(address)?;
            if several {
                fresh.be_patient(NODE_PATIENCE)?;
            }
            *slot = Some((address, fresh));
        }
        slot.as_mut().map(|(_, connection)| connection).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// After an error the connection is of no use any more.
    fn noted<T>(&mut self, node: usize, done: io::Result<T>) -> Option<T> {
        if done.is_err()
            && let Some(slot) = self.connections.get_mut(node)
        {
            *slot = None;
        }
        done.map_err(|error| self.death = Some(error)).ok()
    }
}

fn step_way(deal: &mut Deal) -> Way {
    deal.waiting().map_or(Way::Keyed, |step| step.way())
}
