//! One customer's line to the product: sends the waiting step of a deal and says what came of it.

use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};

use super::deal::Deal;
use crate::http::{Answer, Ask, Connection};
use crate::random::Random;

/// So many of a hundred requests are repeated at once.
const REPEATED_PERCENT: u64 = 15;

/// What came of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A success was read.
    Answered,
    /// The product says that it cannot know or do it now: the key is to be sent again later.
    Later,
    /// No answer came; the line is dead.
    Silence,
}

/// A connection with the merchant's key.
#[derive(Debug)]
pub struct Line {
    connection: Connection,
    headers: String,
    /// Why it died.
    pub death: Option<std::io::Error>,
}

impl Line {
    /// Connects.
    pub fn open(address: SocketAddr, headers: &str) -> std::io::Result<Line> {
        Ok(Line { connection: Connection::open(address)?, headers: headers.to_owned(), death: None })
    }

    /// Sends the waiting step once, and now and then once more.
    ///
    /// # Errors
    /// When an answer breaks a promise: a status that must not be, other bytes for the same key.
    pub fn send(&mut self, deal: &mut Deal, random: &mut Random) -> Result<Outcome> {
        let Some(answer) = self.post_waiting(deal) else { return Ok(Outcome::Silence) };
        match answer.status {
            200 | 201 => {
                deal.answered(&answer)?;
                if random.percent(REPEATED_PERCENT) {
                    let last = deal.steps.len() - 1;
                    self.repeat(deal, last)?;
                }
                Ok(Outcome::Answered)
            }
            409 | 429 | 503 | 504 => Ok(Outcome::Later),
            _ => bail!("{}: {} for {:?}", deal.order, answer.short(), deal.steps.last()),
        }
    }

    /// Sends an answered step again and compares; a dead line is no difference.
    pub fn repeat(&mut self, deal: &Deal, number: usize) -> Result<Outcome> {
        let step = &deal.steps[number];
        let Some((status, body)) = &step.answer else { return Ok(Outcome::Later) };
        let Some(answer) = self.post(&step.path, &step.key, &step.body) else { return Ok(Outcome::Silence) };
        if matches!(answer.status, 503 | 504) {
            return Ok(Outcome::Later);
        }
        ensure!(
            answer.status == *status && answer.body == *body,
            "{}: the repeated key {} was answered {} instead of the first {status} {}",
            deal.order,
            step.key,
            answer.short(),
            String::from_utf8_lossy(body).chars().take(300).collect::<String>()
        );
        ensure!(answer.header("idempotent-replayed") == Some("true"), "{}: a replay without its mark", deal.order);
        Ok(Outcome::Answered)
    }

    fn post_waiting(&mut self, deal: &mut Deal) -> Option<Answer> {
        let step = deal.waiting()?;
        self.post(&step.path, &step.key, &step.body)
    }

    fn post(&mut self, path: &str, key: &str, body: &str) -> Option<Answer> {
        let headers = format!("{}x-idempotency-key: {key}\r\n", self.headers);
        let answer = self.connection.ask(&Ask { method: "POST", path, headers: &headers, body });
        answer.map_err(|error| self.death = Some(error)).ok()
    }
}
