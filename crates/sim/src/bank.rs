//! The acquirers: scripted, with books of their own that outlive every node. They see what the platform really asks of the world, so
//! they are also the first to notice when it asks twice.

mod port;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{AccountId, Approval, AttemptId, Currency, Decline, Money, Outcome, PaymentId, Timestamp, sha256};
use payments::{Acquirer, AttemptKind, ChargeListing, Connector, ListedCharge, Listing};
use serde_json::json;

pub use self::port::Bank;
use crate::faults::Fault;
use crate::realm::{Breach, Realm};

/// The header with the signature of a notification.
pub const SIGNATURE: &str = "x-sim-signature";
/// What it is made with.
const SECRET: &[u8] = b"between bank and platform";

/// Something an acquirer was asked to do, and what it decided.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which acquirer.
    pub connector: Connector,
    /// What it was asked for.
    pub kind: AttemptKind,
    /// For whom.
    pub account: AccountId,
    /// Of a first attempt: the payment; of a payout: the payout.
    pub payment: Option<PaymentId>,
    /// The order, or the payout's reference.
    pub order: Arc<str>,
    /// How much.
    pub amount: Money,
    /// Of a capture, cancel or refund: what it is about.
    pub charge: Option<AttemptId>,
    /// What it decided.
    pub outcome: Outcome,
    /// Until when it says that it is still working on it.
    pub pending_until: Option<Timestamp>,
    /// Requests that reached it.
    pub calls: u32,
}

impl Entry {
    /// Whether money moved, was held, or a card was found good.
    pub fn approved(&self) -> bool {
        matches!(self.outcome, Outcome::Approved(_))
    }
}

/// A payer's bank took money back.
#[derive(Clone, Debug)]
pub struct Dispute {
    /// Whose.
    pub account: AccountId,
    /// Which payment.
    pub payment: PaymentId,
    /// Its order.
    pub order: Arc<str>,
    /// How much.
    pub amount: Money,
    /// How it ended: won by the merchant or not.
    pub won: Option<bool>,
}

/// A notification on its way.
#[derive(Clone, Debug)]
pub struct Mail {
    /// When it arrives.
    pub due: Timestamp,
    /// From whom.
    pub connector: Connector,
    /// What it says.
    pub body: String,
    /// Its signature.
    pub signature: String,
    /// Whether the platform must refuse it.
    pub forged: bool,
}

#[derive(Default)]
struct Books {
    entries: BTreeMap<AttemptId, Entry>,
    /// What it was asked for at all, whether that arrived or not.
    asked: BTreeSet<AttemptId>,
    /// What it declines next, whatever it is: for now, or for good.
    declines: Vec<(AttemptKind, bool)>,
    fenced: BTreeSet<AttemptId>,
    late: Vec<(Timestamp, AttemptId, Entry)>,
    disputes: Vec<Dispute>,
    mail: Vec<Mail>,
}

/// All acquirers and their books. Cheap to clone.
#[derive(Clone)]
pub struct Banks {
    books: Arc<Mutex<Books>>,
    realm: Realm,
}

impl Banks {
    /// Empty books.
    pub fn new(realm: Realm) -> Banks {
        Banks { books: Arc::default(), realm }
    }

    /// The acquirers as ports: one that can fence, one that cannot.
    pub fn ports(&self) -> Vec<Arc<dyn Acquirer>> {
        let bank = |name, fences| Arc::new(Bank { banks: self.clone(), name, fences }) as Arc<dyn Acquirer>;
        vec![bank(Connector::Sandbox, true), bank(Connector::SandboxB, false)]
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All entries, oldest attempt first.
    pub fn entries(&self) -> Vec<(AttemptId, Entry)> {
        self.books().entries.iter().map(|(attempt, entry)| (*attempt, entry.clone())).collect()
    }

    /// The entries of first attempts and payouts for this order.
    pub fn of_order(&self, order: &str) -> Vec<(AttemptId, Entry)> {
        self.entries().into_iter().filter(|(_, entry)| entry.charge.is_none() && *entry.order == *order).collect()
    }

    /// As [`Banks::of_order`], with what followed on its charges.
    pub fn all_of_order(&self, order: &str) -> Vec<(AttemptId, Entry)> {
        self.entries().into_iter().filter(|(_, entry)| *entry.order == *order).collect()
    }

    /// The platform did not confirm a notification: it comes again.
    pub fn post_again(&self, mail: Mail) {
        let due = self.realm.now().plus_seconds(5);
        self.books().mail.push(Mail { due, ..mail });
    }

    /// The next request of this kind is declined: for good, or for now.
    pub fn decline_next(&self, kind: AttemptKind, for_good: bool) {
        self.books().declines.push((kind, for_good));
    }

    /// The platform is about to ask for something: each under an id of its own, and never a second time.
    fn is_asked(&self, attempt: AttemptId) {
        if !self.books().asked.insert(attempt) {
            self.realm.broken(Breach::of("asked-once", format!("{attempt} is asked for a second time")));
        }
    }

    /// All disputes.
    pub fn disputes(&self) -> Vec<Dispute> {
        self.books().disputes.clone()
    }

    /// What arrived late arrives now.
    pub fn tick(&self) {
        let now = self.realm.now();
        let due: Vec<_> = {
            let mut books = self.books();
            let (due, later) = std::mem::take(&mut books.late).into_iter().partition(|(at, ..)| *at <= now);
            books.late = later;
            due
        };
        for (_, attempt, entry) in due {
            self.realm.note(format_args!("bank: {attempt} arrives late"));
            self.act(attempt, entry);
        }
    }

    /// Whether nothing is on its way any more.
    pub fn is_quiet(&self) -> bool {
        let books = self.books();
        books.late.is_empty() && books.mail.is_empty()
    }

    /// Notifications that have arrived by now.
    pub fn mail(&self) -> Vec<Mail> {
        let now = self.realm.now();
        let mut books = self.books();
        let (due, later) = std::mem::take(&mut books.mail).into_iter().partition(|mail| mail.due <= now);
        books.mail = later;
        due
    }

    /// Decides on a request, once per attempt.
    fn act(&self, attempt: AttemptId, mut entry: Entry) -> Outcome {
        let mut books = self.books();
        if let Some(known) = books.entries.get_mut(&attempt) {
            known.calls += 1;
            return known.said(self.realm.now());
        }
        entry.calls = 1;
        entry.outcome = if books.fenced.contains(&attempt) {
            declined("FENCED", true)
        } else if let Some(for_good) = books.declines(entry.kind) {
            declined(if for_good { "REPORTED_STOLEN" } else { "DO_NOT_HONOR" }, for_good)
        } else if books.is_taken_back(&entry) {
            declined("CHARGEBACK", true)
        } else {
            self.decide(attempt, &entry)
        };
        if entry.approved() {
            if let Some(breach) = books.doubles(&entry) {
                self.realm.broken(breach);
            }
            if self.realm.strikes(Fault::Pending) {
                let seconds = self.realm.draw(|chance| chance.amount(1, 1_800));
                entry.pending_until = Some(self.realm.now().plus_seconds(seconds));
            }
        }
        self.realm.note(format_args!(
            "bank {}: {:?} {} {} for {}: {}",
            entry.connector.name(),
            entry.kind,
            attempt,
            entry.amount.minor(),
            entry.order,
            word(&entry.outcome)
        ));
        self.realm.reach(format!("bank {:?} {}", entry.kind, word(&entry.outcome)));
        let said = entry.said(self.realm.now());
        if self.realm.strikes(Fault::Notification) {
            let mails = self.letters(&entry, &books);
            books.mail.extend(mails);
        }
        books.entries.insert(attempt, entry);
        said
    }

    fn decide(&self, attempt: AttemptId, entry: &Entry) -> Outcome {
        let first = matches!(entry.kind, AttemptKind::Purchase | AttemptKind::Authorise | AttemptKind::Verify);
        if first && self.realm.strikes(Fault::Challenge) {
            return Outcome::ActionRequired { reference: format!("bank-{attempt}").into() };
        }
        self.verdict(attempt)
    }

    fn verdict(&self, attempt: AttemptId) -> Outcome {
        if self.realm.strikes(Fault::Decline) {
            let hard = self.realm.draw(|chance| chance.hits(300));
            return declined(if hard { "REPORTED_STOLEN" } else { "INSUFFICIENT_FUNDS" }, hard);
        }
        if self.realm.strikes(Fault::Fail) {
            return Outcome::Failed { code: "ERROR".into() };
        }
        Outcome::Approved(Approval {
            eci: None,
            reference: format!("bank-{attempt}").into(),
            code: "SUCCEEDED".into(),
            iso: Some("00".into()),
            authorization_code: Some("123456".into()),
        })
    }

    /// What it writes about a decision: once, more often, late, or wrong in a way the platform must notice.
    fn letters(&self, entry: &Entry, books: &Books) -> Vec<Mail> {
        let about = entry.charge.and_then(|charge| books.entries.get(&charge)).unwrap_or(entry);
        let (Some(payment), Some(code)) = (about.payment, event_code(entry.kind)) else { return Vec::new() };
        let success = match entry.outcome {
            Outcome::Approved(_) => true,
            Outcome::Declined(_) => false,
            _ => return Vec::new(),
        };
        let (times, wait, forged, off) = self.realm.draw(|chance| {
            let times = chance.weighted(&[(6, 1), (3, 2), (1, 20)]).unwrap_or(1);
            (times, chance.amount(0, 3_600), chance.hits(150), chance.hits(100))
        });
        let minor = entry.amount.minor() + i64::from(off);
        let amount = Money::new(minor, entry.amount.currency());
        let mail = self.letter(about.connector, payment, &about.order, code, success, amount, wait, forged);
        vec![mail; times]
    }

    #[expect(clippy::too_many_arguments, reason = "it is a form with so many fields")]
    fn letter(
        &self,
        connector: Connector,
        payment: PaymentId,
        order: &str,
        code: &str,
        success: bool,
        amount: Money,
        wait: i64,
        forged: bool,
    ) -> Mail {
        let now = self.realm.now();
        let body = json!({
            "payment_id": payment.to_string(), "order_id": order, "event_code": code, "success": success,
            "value": amount.minor(), "currency": amount.currency().code(), "event_date": now.to_string(),
        });
        let body = body.to_string();
        let signature = if forged { sign(b"nonsense") } else { sign(body.as_bytes()) };
        Mail { due: now.plus_seconds(wait), connector, body, signature, forged }
    }

    /// A payer's bank takes back what was not refunded yet; whether there was anything.
    pub fn dispute(&self, charge: AttemptId, entry: &Entry, wait: i64) -> bool {
        let left = {
            let books = self.books();
            let bought = entry.kind == AttemptKind::Purchase;
            let taken = if bought { entry.amount.minor() } else { books.followed(charge, AttemptKind::Capture) };
            taken - books.followed(charge, AttemptKind::Refund)
        };
        let Some(payment) = entry.payment.filter(|_| left > 0) else { return false };
        let amount = Money::new(left, entry.amount.currency());
        let mail = self.letter(entry.connector, payment, &entry.order, "CHARGEBACK", true, amount, wait, false);
        let dispute = Dispute { account: entry.account, payment, order: entry.order.clone(), amount, won: None };
        self.realm.reach("bank raises a chargeback");
        let mut books = self.books();
        books.disputes.push(dispute);
        books.mail.push(mail);
        true
    }

    /// An open dispute ends, after its beginning has arrived.
    pub fn judge_dispute(&self, payment: PaymentId, won: bool) {
        let mut books = self.books();
        let Some(connector) =
            books.entries.values().find(|entry| entry.payment == Some(payment) && entry.approved()).map(|entry| entry.connector)
        else {
            return;
        };
        let Some(dispute) = books.disputes.iter_mut().find(|dispute| dispute.payment == payment && dispute.won.is_none()) else {
            return;
        };
        dispute.won = Some(won);
        let code = if won { "CHARGEBACK_WON" } else { "CHARGEBACK_LOST" };
        let (order, amount) = (dispute.order.clone(), dispute.amount);
        let mail = self.letter(connector, payment, &order, code, true, amount, 0, false);
        self.realm.reach(format!("bank says {code}"));
        books.mail.push(mail);
    }

    /// An account's money as the acquirers saw it move: available, in dispute, fees.
    pub fn money_of(&self, account: AccountId, currency: Currency) -> Standing {
        let books = self.books();
        let mut standing = Standing::default();
        for entry in books.entries.values().filter(|entry| entry.approved() && entry.account == account) {
            if entry.amount.currency() != currency {
                continue;
            }
            let minor = entry.amount.minor();
            match entry.kind {
                AttemptKind::Purchase | AttemptKind::Capture => {
                    standing.available += minor - fee(minor);
                    standing.fees += fee(minor);
                }
                AttemptKind::Refund | AttemptKind::Payout => standing.available -= minor,
                AttemptKind::Authorise | AttemptKind::Verify | AttemptKind::Cancel | AttemptKind::Chargeback => {}
            }
        }
        for dispute in books.disputes.iter().filter(|dispute| dispute.account == account) {
            if dispute.amount.currency() != currency {
                continue;
            }
            let minor = dispute.amount.minor();
            standing.available -= if dispute.won == Some(true) { 0 } else { minor };
            standing.disputed += if dispute.won.is_none() { minor } else { 0 };
        }
        standing
    }
}

/// An account's money in one currency, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its own.
    pub available: i64,
    /// In open disputes.
    pub disputed: i64,
    /// Kept by the platform so far.
    pub fees: i64,
}

/// What the platform keeps of an amount: 1.4 %, rounded half up, and 25 minor units, never more than the amount.
pub fn fee(minor: i64) -> i64 {
    ((minor * 140 + 5_000) / 10_000 + 25).min(minor)
}

impl Entry {
    fn said(&self, now: Timestamp) -> Outcome {
        if self.pending_until.is_some_and(|until| now < until) { Outcome::Pending } else { self.outcome.clone() }
    }
}

impl Books {
    fn followed(&self, charge: AttemptId, kind: AttemptKind) -> i64 {
        let of = self.entries.values().filter(|entry| entry.charge == Some(charge) && entry.kind == kind);
        of.filter(|entry| entry.approved()).map(|entry| entry.amount.minor()).sum()
    }

    /// Whether it was told to decline this, and whether for good.
    fn declines(&mut self, kind: AttemptKind) -> Option<bool> {
        let at = self.declines.iter().position(|(declined, _)| *declined == kind)?;
        Some(self.declines.remove(at).1)
    }

    /// Whether a refund would give back what the payer's bank has taken back itself.
    fn is_taken_back(&self, entry: &Entry) -> bool {
        let payment = entry.charge.and_then(|charge| self.entries.get(&charge)).and_then(|first| first.payment);
        let lost = |dispute: &Dispute| Some(dispute.payment) == payment && dispute.won != Some(true);
        entry.kind == AttemptKind::Refund && self.disputes.iter().any(lost)
    }

    /// Whether this approval is one too many: the second effect of an operation, or more than there was.
    fn doubles(&self, fresh: &Entry) -> Option<Breach> {
        let approved = || self.entries.values().filter(|entry| entry.approved());
        let Some(charge) = fresh.charge else {
            if fresh.kind == AttemptKind::Verify {
                return None;
            }
            let same = |entry: &&Entry| entry.charge.is_none() && entry.account == fresh.account && entry.order == fresh.order;
            let twice = approved().any(|entry| same(&entry) && entry.kind != AttemptKind::Verify);
            return twice.then(|| Breach::of("one-effect", format!("{:?} for {} was approved twice", fresh.kind, fresh.order)));
        };
        let Some(first) = self.entries.get(&charge) else {
            return Some(Breach::of("one-effect", format!("{:?} of a charge that never was", fresh.kind)));
        };
        if first.account != fresh.account {
            return Some(Breach::of("tenancy", format!("{:?} of another account's charge", fresh.kind)));
        }
        let sum = |kind| {
            let of = |entry: &&Entry| entry.charge == Some(charge) && entry.kind == kind;
            approved().filter(of).map(|entry| entry.amount.minor()).sum::<i64>()
        };
        let (captured, refunded, voided) = (sum(AttemptKind::Capture), sum(AttemptKind::Refund), sum(AttemptKind::Cancel));
        let bought = if first.kind == AttemptKind::Purchase { first.amount.minor() } else { captured };
        let minor = fresh.amount.minor();
        let too_much = match fresh.kind {
            AttemptKind::Capture => captured + minor > first.amount.minor() || voided > 0,
            AttemptKind::Refund => refunded + minor > bought,
            AttemptKind::Cancel => captured > 0 || voided > 0,
            _ => false,
        };
        too_much.then(|| Breach::of("limits", format!("{:?} of {minor} of {} is too much", fresh.kind, first.order)))
    }
}

impl ChargeListing for Banks {
    fn charges(&self, after: Option<AttemptId>, limit: u32) -> Listing<'_> {
        let books = self.books();
        let sum = |charge: AttemptId, kind| {
            let of = |entry: &&Entry| entry.charge == Some(charge) && entry.kind == kind && entry.approved();
            books.entries.values().filter(of).map(|entry| entry.amount.minor()).sum::<i64>()
        };
        let later =
            books.entries.iter().filter(|(attempt, entry)| entry.approved() && after.is_none_or(|after| **attempt > after));
        let listed = later.filter_map(|(attempt, entry)| {
            let bought = if entry.kind == AttemptKind::Purchase { entry.amount.minor() } else { 0 };
            Some(ListedCharge {
                connector: entry.connector,
                attempt_id: *attempt,
                account_id: entry.account,
                payment_id: entry.payment?,
                amount: entry.amount,
                captured: bought + sum(*attempt, AttemptKind::Capture),
                refunded: sum(*attempt, AttemptKind::Refund),
                voided: sum(*attempt, AttemptKind::Cancel),
            })
        });
        let page = listed.take(limit as usize).collect();
        Box::pin(std::future::ready(Ok(page)))
    }
}

fn sign(body: &[u8]) -> String {
    sha256(&[SECRET, body]).iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

const fn event_code(kind: AttemptKind) -> Option<&'static str> {
    match kind {
        AttemptKind::Purchase | AttemptKind::Authorise | AttemptKind::Verify => Some("AUTHORISATION"),
        AttemptKind::Capture => Some("CAPTURE"),
        AttemptKind::Cancel => Some("CANCELLATION"),
        AttemptKind::Refund => Some("REFUND"),
        AttemptKind::Payout | AttemptKind::Chargeback => None,
    }
}

fn declined(code: &'static str, hard: bool) -> Outcome {
    Outcome::Declined(Decline { reference: None, code: code.into(), hard, iso: None })
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Approved(_) => "approved",
        Outcome::Declined(_) => "declined",
        Outcome::Failed { .. } => "failed",
        Outcome::ActionRequired { .. } => "wants a proof",
        Outcome::Pending => "pending",
        Outcome::NotSent { .. } => "not sent",
        Outcome::Unknown { .. } => "unknown",
    }
}
