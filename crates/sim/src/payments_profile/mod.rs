//! The `payments` profile: merchants who charge, capture, cancel and refund, repeat themselves, get each other's ids and make mistakes.
//!
//! `requests` is what they send, `steps` what they decide to do next, `answers` what an answer may say and what follows from it, `limits`
//! how much may be done to a payment, `ending` what they ask at the end, `judge` the comparison with the acquirers' books; `retries` are
//! operations that are tried again, `products` payouts, stored cards, subscriptions and links, `fulfilments`, `searches` and `reports`
//! what is told and asked beside the money.

pub mod amounts;
mod answers;
mod ending;
pub mod flows;
mod fulfilments;
mod judge;
mod limits;
pub mod model;
mod products;
mod products_judge;
mod reports;
mod reports_judge;
mod requests;
mod retries;
mod retries_judge;
mod searches;
mod steps;
mod tables;

use std::collections::BTreeMap;

use kernel::{Currency, Timestamp};
use serde_json::Value;

use self::model::{Model, Op, State};
use self::reports::{Table, Tables};
use self::searches::Walk;
use crate::auditor::{Call, KEY_SECONDS, Reply};
use crate::bank::Mail;
use crate::chance::Chance;
use crate::profile::{Profile, Tag};
use crate::realm::Holds;
use crate::runs::{self, Ran};
use crate::world::{Desk, Options};

/// So long may the way to the last look take, in which keys are still repeated.
const SETTLE_SECONDS: i64 = 4 * 60 * 60;

/// One run: two to eight tenants in two to four currencies, with exponents 0, 2 and 3.
///
/// # Errors
/// The rule that broke, and where.
pub fn run(options: &Options) -> Ran {
    let mut chance = Chance::of(options.seed, 1);
    let tenants = chance.between(2, 8);
    let homes = [Currency::EUR, Currency::JPY, Currency::KWD, Currency::NOK];
    let currencies: Vec<Currency> = (0..tenants).map(|_| *chance.pick(&homes).unwrap_or(&Currency::EUR)).collect();
    let kinds = usize::try_from(chance.between(2, 4)).unwrap_or(2);
    runs::run(options, Payments::new(homes[..kinds].to_vec(), chance), &currencies)
}

/// What a request is about.
#[derive(Clone, Debug)]
enum Topic {
    /// An operation under its key.
    Op(usize),
    /// A payment is read; what it shows is at least this: captured, refunded; the world's number when it was asked for.
    Read(usize, (i64, i64), u64),
    /// A payment that never was is read, to know what the answer to a stranger looks like.
    Nobody,
    /// Somebody else's payment is asked for.
    Strange,
    /// Nobody can make sense of it.
    Nonsense,
    /// The page on which a payer proves himself.
    Page(usize),
    /// What the payer types there.
    Code,
    /// An acquirer tells something.
    Mail(Mail),
    /// A receiver for webhooks is set up.
    Webhook,
    /// Routing rules are set up.
    Routing,
    /// A customer is set up.
    Customer(usize),
    /// A link's page.
    LinkPage(usize),
    /// What a payer fills in there.
    LinkForm,
    /// A page of a list of payments.
    Search(usize),
    /// A report is asked for, at this time.
    Report(usize, Timestamp),
    /// Somebody else's is asked for.
    StrangeReport,
    /// What it lists.
    Table(usize),
    /// At the end: a report is made.
    LastReport(Table),
    /// At the end: what it lists.
    LastTable(Table),
    /// At the end: the reports there are.
    Reports(usize),
    /// At the end: what was told of a payment's goods.
    Fulfilments(usize),
    /// At the end: what there is for an order.
    Order(usize),
    /// At the end: what a tenant has.
    Balances(usize),
    /// At the end: a payout.
    Payout(usize),
    /// At the end: a stored card.
    Method(usize),
    /// At the end: a subscription.
    Subscription(usize),
    /// At the end: its payments.
    Cycles(usize),
    /// At the end: a link.
    Link(usize),
}

/// Merchants, what they know, and what they ask.
pub struct Payments {
    model: Model,
    currencies: Vec<Currency>,
    topics: Vec<Topic>,
    /// The answer to whoever asks for what is not there.
    nobody: Option<Vec<u8>>,
    /// The last looks.
    balances: BTreeMap<usize, Value>,
    orders: BTreeMap<usize, Value>,
    payouts: BTreeMap<usize, Value>,
    fulfilments: BTreeMap<usize, Value>,
    /// Walks through lists of payments.
    walks: Vec<Walk>,
    /// The reports of the end.
    tables: Tables,
    /// A customer of each tenant.
    customers: BTreeMap<usize, String>,
    /// For what is drawn before the first step.
    chance: Chance,
}

impl Payments {
    /// Merchants who work in these currencies.
    pub fn new(currencies: Vec<Currency>, chance: Chance) -> Payments {
        Payments {
            model: Model::default(),
            currencies,
            topics: Vec::new(),
            nobody: None,
            balances: BTreeMap::new(),
            orders: BTreeMap::new(),
            payouts: BTreeMap::new(),
            fulfilments: BTreeMap::new(),
            walks: Vec::new(),
            tables: Tables::default(),
            customers: BTreeMap::new(),
            chance,
        }
    }

    fn topic(&mut self, topic: Topic) -> u64 {
        self.topics.push(topic);
        self.topics.len() as u64 - 1
    }

    fn topic_of(&self, call: &Call) -> Option<Topic> {
        usize::try_from(call.tag).ok().and_then(|tag| self.topics.get(tag)).cloned()
    }
}

impl Profile for Payments {
    const NAME: &'static str = "payments";
    const REACH: &'static [&'static str] = &[
        "node dies",
        "clock jumps",
        "Purchase Done",
        "Purchase Declined",
        "Authorise Done",
        "Verify Done",
        "Capture Done",
        "Capture Declined",
        "Cancel Done",
        "Refund Done",
        "Refund Declined",
        "CancelOrRefund Done",
        "Payout Done",
        "Payout Declined",
        "Enrol Done",
        "Unenrol Done",
        "Subscribe Done",
        "Link Done",
        "cycle paid",
        "inquiry not found",
        "inquiry found",
        "bank raises a chargeback",
        "bank says CHARGEBACK_WON",
        "bank says CHARGEBACK_LOST",
        "waiting Purchase ends Done",
        "waiting Purchase ends Declined",
        "waiting Authorise ends Done",
        "Capture Retried",
        "Refund Retried",
        "a try is waited for",
        "payment is CAPTURE_RETRY_IN_PROCESS",
        "payment is REFUND_RETRY_IN_PROCESS",
        "payment is CAPTURE_RETRY_PROCESS_FAILED",
        "retried Capture ends Done",
        "retried Capture ends Declined",
        "a cancel ends a retried Capture",
        "retried Refund ends Done",
        "retried Refund ends Declined",
        "Fulfil Done",
        "Fulfil refused INVALID_STATUS",
        "search walked to its end",
        "Report Done",
        "report downloaded",
        "report is over",
    ];

    fn prepare(&mut self, desk: &mut Desk) {
        self.begin(desk);
    }

    fn step(&mut self, desk: &mut Desk, chance: &mut Chance) {
        self.choose(desk, chance);
    }

    fn answered(&mut self, desk: &mut Desk, call: &Call, reply: &Reply) -> Holds {
        self.take(desk, call, reply)
    }

    fn lost(&mut self, desk: &mut Desk, call: &Call) {
        match self.topic_of(call) {
            Some(Topic::Op(number)) => {
                let op = &mut self.model.ops[number];
                op.calls -= 1;
                op.doubtful = true;
            }
            Some(Topic::Mail(mail)) => desk.banks.post_again(mail),
            _ => {}
        }
    }

    fn tag(&mut self, Tag::Mail(mail): Tag) -> u64 {
        self.topic(Topic::Mail(mail))
    }

    fn may_pass(&self, desk: &Desk, seconds: i64) -> bool {
        let now = desk.realm.now();
        let left = KEY_SECONDS - SETTLE_SECONDS - seconds;
        // A repeat of what is long known needs its key too, as long as it is under way.
        let needed = |op: &&Op| op.state == State::Open || op.calls > 0;
        self.model.ops.iter().filter(needed).all(|op| now.seconds_since(op.sent_at) < left)
    }

    fn open(&self) -> String {
        let open = self.model.ops.iter().filter(|op| op.state == State::Open);
        open.map(|op| format!("{:?} {} under {}", op.kind, op.order, op.key)).collect::<Vec<_>>().join(", ")
    }

    fn ask_again(&mut self, desk: &mut Desk) -> bool {
        self.ask_open(desk)
    }

    fn repeat_all(&mut self, desk: &mut Desk) {
        self.repeat_known(desk);
    }

    fn wind_up(&mut self, desk: &mut Desk) {
        self.end_subscriptions(desk);
    }

    fn look(&mut self, desk: &mut Desk) {
        self.look_at_all(desk);
    }

    fn judge(&mut self, desk: &mut Desk) -> Holds {
        self.compare(desk)
    }
}
