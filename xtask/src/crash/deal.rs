//! One order of a customer and everything that is asked about it: what was sent, what was answered, and what must
//! therefore be true at the platform and at the acquirer. Nothing here knows the product's code.

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::left::Left;
use super::operation::{CHALLENGED, CYCLES, DECLINED, Dispute, Facts, Operation, Source, Way, decimal};
use crate::http::{Answer, Connection};
use crate::random::Random;

/// Steps that follow the ones a deal begins with, at most.
const FOLLOWING_MAX: usize = 4;
/// Currencies with their decimal places.
const CURRENCIES: [(&str, u32); 3] = [("EUR", 2), ("JPY", 0), ("KWD", 3)];
/// Payouts are small: what merchants sell for in a run always covers them.
const PAYOUT_MINOR_MAX: u64 = 99;

/// One request under one idempotency key, or one form of a page.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it does.
    pub operation: Operation,
    /// The key.
    pub key: String,
    /// The path it is sent to.
    pub path: String,
    /// The body.
    pub body: String,
    /// Of a form: the cookie and the token that its page gave the payer.
    pub form: Option<(String, String)>,
    /// In which age it was sent first.
    pub sent: Option<u64>,
    /// Status and bytes of its first success; `None` while nobody has read one.
    pub answer: Option<(u16, Vec<u8>)>,
}

impl Step {
    /// How it is asked.
    pub fn way(&self) -> Way {
        self.operation.way()
    }
}

/// An order with its steps, in the order they were asked.
#[derive(Clone, Debug)]
pub struct Deal {
    /// The merchant's order number, unique in the whole run.
    pub order: String,
    currency: (&'static str, u32),
    /// In minor units.
    amount: u64,
    /// What was asked so far.
    pub steps: Vec<Step>,
    /// What will be asked before the customer thinks of something else.
    ahead: VecDeque<Operation>,
    source: Source,
    /// Ids that answers brought.
    pub facts: Facts,
    /// What became of it, when nobody goes on with it.
    pub left: Option<Left>,
}

impl Deal {
    /// A deal of any kind whose first step is to be sent.
    pub fn open(account: &str, order: String, random: &mut Random) -> Deal {
        use Operation::{
            Authorise, Challenged, Customer, Declined, Enrol, Find, Link, PayLink, PayOut, Prove, Purchase, Session, Subscribe,
            Token,
        };
        let challenged = Challenged(random.pick(&CHALLENGED));
        let checked = random.percent(30);
        let (source, ahead) = match random.between(1, 100) {
            1..=25 => (Source::Card, vec![Purchase]),
            26..=30 => (Source::Card, disputed(random)),
            31..=48 => (Source::Card, vec![Authorise]),
            49..=54 => (Source::Card, vec![Declined(random.pick(&DECLINED))]),
            55..=62 => (Source::Session, vec![Session, Token, Purchase]),
            63..=68 => (Source::Token, vec![Token, Purchase]),
            69..=73 => (Source::Vault, vec![Customer, Enrol(checked), Purchase]),
            74..=76 => (Source::Vault, vec![Customer, Enrol(checked), Authorise]),
            77..=82 => (Source::Card, vec![challenged, Prove]),
            83..=84 => (Source::Card, vec![challenged]),
            85..=90 => (Source::Card, vec![Link, PayLink, Find]),
            91..=96 => (Source::Card, vec![PayOut]),
            _ => (Source::Vault, vec![Customer, Enrol(false), Subscribe]),
        };
        Deal::of(account, order, source, ahead, random)
    }

    /// A plain purchase, as the first payment after a start.
    pub fn purchase(account: &str, order: String, random: &mut Random) -> Deal {
        Deal::of(account, order, Source::Card, vec![Operation::Purchase], random)
    }

    fn of(account: &str, order: String, source: Source, ahead: Vec<Operation>, random: &mut Random) -> Deal {
        let pays_out = ahead.contains(&Operation::PayOut);
        let currency = if pays_out { CURRENCIES[0] } else { random.pick(&CURRENCIES) };
        let amount = if pays_out { random.between(1, PAYOUT_MINOR_MAX) } else { random.between(100, 99_999) };
        let mut deal = Deal {
            facts: Facts { account: account.into(), order: order.clone(), ..Facts::default() },
            order,
            currency,
            amount,
            steps: Vec::new(),
            ahead: ahead.into(),
            source,
            left: None,
        };
        deal.facts.money = deal.money(amount);
        deal.facts.minor = (currency.0, amount);
        deal.begin_next();
        deal
    }

    /// The step that waits for an answer.
    pub fn waiting(&mut self) -> Option<&mut Step> {
        if self.is_left() {
            return None;
        }
        self.steps.last_mut().filter(|step| step.answer.is_none())
    }

    /// Nobody goes on with it.
    pub fn leave(&mut self) {
        self.left = Some(Left::unknown());
    }

    /// Whether nobody goes on with it.
    pub fn is_left(&self) -> bool {
        self.left.is_some()
    }

    /// Whether the waiting step must not be sent in this age: it was sent in an earlier one, whose keys are forgotten, or rests on what
    /// that age brought and does not last, as pages and tokens.
    pub fn is_of_another_age(&mut self, age: u64) -> bool {
        let began = self.steps.first().and_then(|step| step.sent);
        let Some(step) = self.waiting() else { return false };
        let lasts = matches!(
            step.operation,
            Operation::Capture(_) | Operation::Cancel | Operation::Refund(_) | Operation::Undo(_) | Operation::Find
        );
        let resent = step.sent.is_some_and(|sent| sent != age) && step.way() != Way::Get;
        resent || (!lasts && began.is_some_and(|began| began != age))
    }

    /// Begins the next step that this kind of deal needs; false when there is none, or one still waits.
    pub fn begin_next(&mut self) -> bool {
        if self.is_left() || self.waiting().is_some() {
            return false;
        }
        self.ahead.pop_front().map(|operation| self.ask(operation)).is_some()
    }

    /// Adds what this customer does next; false when the deal is done or still waits.
    pub fn go_on(&mut self, random: &mut Random) -> bool {
        if self.is_left() || self.waiting().is_some() {
            return false;
        }
        if self.begin_next() {
            return true;
        }
        let first = self.steps.iter().position(|step| step.operation.is_payment() || step.operation == Operation::Find);
        let done = |first: usize| self.steps.len() - first > FOLLOWING_MAX;
        if first.is_none_or(done) || self.voided() > 0 || self.is_disputed() {
            return false;
        }
        let (held, to_refund) = (self.held(), self.captured() - self.refunded());
        let part_of = |left: u64, random: &mut Random| if random.percent(40) { left } else { random.between(1, left) };
        let next = if held > 0 && self.captured() == 0 && random.percent(20) {
            Some(if random.percent(30) { Operation::Undo(0) } else { Operation::Cancel })
        } else if held > 0 && self.refunded() == 0 && random.percent(70) {
            Some(Operation::Capture(part_of(held, random)))
        } else if to_refund > u64::from(held > 0) && random.percent(50) {
            // While something is held, something stays captured: the rest of a hold is taken in the end.
            let whole = held == 0 && random.percent(20);
            Some(if whole {
                Operation::Undo(to_refund)
            } else {
                Operation::Refund(part_of(to_refund - u64::from(held > 0), random))
            })
        } else {
            None
        };
        next.map(|operation| self.ask(operation)).is_some()
    }

    /// Adds what must be done so that time changes nothing any more: a hold would run out some day. False when nothing must.
    pub fn close(&mut self) -> bool {
        if self.is_left() || self.waiting().is_some() {
            return false;
        }
        if self.begin_next() {
            return true;
        }
        let held = self.held();
        if held > 0 {
            self.ask(Operation::Capture(held));
        }
        held > 0
    }

    /// Takes the answer of the waiting step and checks what it says.
    ///
    /// # Errors
    /// When a success says something else than what was asked for.
    pub fn answered(&mut self, answer: &Answer) -> Result<()> {
        let step = self.waiting().context("a step that waits")?;
        let operation = step.operation;
        ensure!(
            answer.status == operation.success(),
            "{operation:?} is answered {}, not {}",
            answer.short(),
            operation.success()
        );
        step.answer = Some((answer.status, answer.body.clone()));
        if matches!(operation.way(), Way::Form | Way::Signed) {
            return Ok(());
        }
        let said = answer.json()?;
        let (found, expected) = match operation {
            Operation::Refund(_) => (&said["transactions"]["status"], "SUCCEEDED"),
            Operation::Find => (&said[0]["status"], "SUCCEEDED"),
            Operation::Enrol(_) => (&said["status"], "ENROLLED"),
            Operation::Capture(_) | Operation::Cancel | Operation::PayOut => (&said["status"], "SUCCEEDED"),
            Operation::Challenged(_) => (&said["status"], "PENDING"),
            Operation::Purchase | Operation::Authorise | Operation::Declined(_) => (&said["status"], self.status()),
            _ => (&Value::Null, ""),
        };
        ensure!(found == expected || expected.is_empty(), "{}: {operation:?} has status {found}, not {expected}", self.order);
        self.learn(operation, &said)
    }

    /// Keeps the ids that later steps need.
    fn learn(&mut self, operation: Operation, said: &Value) -> Result<()> {
        let order = self.order.clone();
        let text = |value: &Value| {
            let text = value.as_str().filter(|text| !text.is_empty());
            text.map(str::to_owned).with_context(|| format!("{order}: an id is missing in the answer to {operation:?}"))
        };
        let facts = &mut self.facts;
        match operation {
            Operation::Session => facts.session = text(&said["checkout_session"])?,
            Operation::Token => facts.token = text(&said["token"])?,
            Operation::Customer => facts.customer = text(&said["id"])?,
            Operation::Enrol(_) => (facts.method, facts.vaulted) = (text(&said["id"])?, text(&said["vaulted_token"])?),
            Operation::Link => facts.link = text(&said["id"])?,
            Operation::Subscribe => facts.subscription = text(&said["id"])?,
            Operation::PayOut => facts.payout = text(&said["id"])?,
            Operation::Challenged(_) => {
                let address = text(&said["payment_method"]["payment_method_detail"]["card"]["redirect_url"])?;
                let path = address.find("/v1/challenges/").map(|at| address[at..].to_owned());
                facts.page = path.with_context(|| format!("{order}: {address} is no challenge's page"))?;
            }
            _ => {}
        }
        let payment = if operation == Operation::Find { &said[0] } else { said };
        if operation.is_payment() || operation == Operation::Find {
            (facts.payment, facts.transaction) = (text(&payment["id"])?, text(&payment["transactions"]["id"])?);
            facts.connector = text(&payment["transactions"]["connection_data"]["name"])?;
        }
        Ok(())
    }

    /// Asks the platform for this deal and compares.
    ///
    /// # Errors
    /// With the first difference.
    pub fn agrees_with_platform(&self, line: &mut Connection, headers: &str) -> Result<()> {
        if self.steps.iter().any(|step| step.operation == Operation::PayOut) {
            let found = line.get_json(&format!("/v1/payouts?merchant_reference={}", self.order), headers)?;
            self.same("payout", &found["id"], &self.facts.payout)?;
            return self.same("payout's status", &found["status"], "SUCCEEDED");
        }
        if self.is_subscription() {
            let found = line.get_json(&format!("/v1/subscriptions/{}", self.facts.subscription), headers)?;
            self.same("subscription's status", &found["status"], "COMPLETED")?;
            let billed = line.get_json(&format!("/v1/subscriptions/{}/payments", self.facts.subscription), headers)?;
            return self.agrees_with_cycles(&billed);
        }
        let found = line.get_json(&format!("/v1/payments?merchant_order_id={}", self.order), headers)?;
        self.agrees_with_payments(&found)
    }

    fn agrees_with_cycles(&self, billed: &Value) -> Result<()> {
        let mut paid: Vec<u64> = Vec::new();
        for payment in billed["data"].as_array().context("a list of payments")? {
            self.same("cycle's status", &payment["status"], "SUCCEEDED")?;
            paid.extend(payment["billing_cycle"].as_u64());
        }
        paid.sort_unstable();
        ensure!(paid == (1..=CYCLES).collect::<Vec<_>>(), "{}: the cycles {paid:?} were paid", self.order);
        Ok(())
    }

    fn agrees_with_payments(&self, found: &Value) -> Result<()> {
        let all = found.as_array().context("an array of payments")?;
        ensure!(all.len() == 1, "{}: {} payments instead of one", self.order, all.len());
        let payment = &all[0];
        self.same("id", &payment["id"], &self.facts.payment)?;
        self.same("status", &payment["status"], self.status())?;
        self.same("amount", &payment["amount"]["value"], &decimal(self.amount, self.currency.1))?;
        self.same("currency", &payment["amount"]["currency"], self.currency.0)?;
        self.same("refunded amount", &payment["amount"]["refunded"], &decimal(self.refunded(), self.currency.1))
    }

    fn same(&self, what: &str, found: &Value, expected: &str) -> Result<()> {
        let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
        ensure!(found == expected, "{}: the platform's {what} is {found}, not {expected}", self.order);
        Ok(())
    }

    /// The orders under which the acquirer knows this deal.
    pub fn orders(&self) -> Vec<String> {
        let checked = self.steps.iter().any(|step| step.operation == Operation::Enrol(true));
        let method = checked.then(|| self.facts.method.clone()).filter(|method| !(method.is_empty() && self.is_left()));
        let cycles = (1..=CYCLES).map(|cycle| format!("subscription-{}-{cycle}", self.facts.subscription));
        let own = (!self.is_subscription()).then(|| self.order.clone());
        own.into_iter().chain(method).chain(cycles.filter(|_| self.is_subscription() && !self.is_left())).collect()
    }

    /// Checks the acquirer's charges of one of these orders.
    ///
    /// # Errors
    /// With the first difference.
    pub fn agrees_with_acquirer(&self, order: &str, charges: &[Value]) -> Result<()> {
        if let Some(left) = self.left.as_ref().filter(|_| order == self.order) {
            return left.agrees(order, charges, self.currency.1);
        }
        let plain = order != self.order || self.steps.iter().any(|step| step.operation == Operation::PayOut);
        let expected = usize::from(plain || self.is_charged());
        ensure!(charges.len() == expected, "{order}: {} charges at the acquirer instead of {expected}", charges.len());
        let Some(charge) = charges.first() else { return Ok(()) };
        if plain {
            let checks = charge["operation"] == "VERIFY";
            ensure!(checks || charge["authorized"] == self.amount, "{order}: the acquirer has {charge}, not {}", self.amount);
            return Ok(());
        }
        let sums = [("captured", self.captured()), ("refunded", self.refunded()), ("voided", self.voided())];
        for (name, expected) in sums {
            let found = &charge[name];
            ensure!(found == expected, "{order}: the acquirer has {name} {found}, not {expected}");
        }
        ensure!(charge["currency"] == self.currency.0, "{order}: charged in {}", charge["currency"]);
        ensure!(charge["payment_id"] == self.facts.payment.as_str(), "{order}: the charge is for another payment");
        Ok(())
    }

    /// Whether it is billed by the platform's own clock.
    pub fn is_subscription(&self) -> bool {
        self.steps.iter().any(|step| step.operation == Operation::Subscribe)
    }

    /// Whether the acquirer must have charged a card for it.
    pub fn is_charged(&self) -> bool {
        self.captured() + self.voided() > 0 || self.asked(Operation::Authorise)
    }

    /// Whether an acquirer says that its payer's bank takes the money back.
    pub fn is_disputed(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.operation, Operation::Tell(_)))
    }

    fn asked(&self, operation: Operation) -> bool {
        self.steps.iter().any(|step| step.answer.is_some() && step.operation == operation)
    }

    fn held(&self) -> u64 {
        let authorised = self.asked(Operation::Authorise) && self.voided() == 0;
        if authorised { self.amount - self.captured() } else { 0 }
    }

    fn captured(&self) -> u64 {
        self.sum(|operation| match operation {
            Operation::Purchase | Operation::Prove | Operation::PayLink => self.amount,
            Operation::Capture(minor) => minor,
            _ => 0,
        })
    }

    fn refunded(&self) -> u64 {
        self.sum(|operation| if let Operation::Refund(minor) | Operation::Undo(minor) = operation { minor } else { 0 })
    }

    fn voided(&self) -> u64 {
        self.sum(|operation| match operation {
            Operation::Cancel | Operation::Undo(0) => self.amount,
            _ => 0,
        })
    }

    /// Over the steps that were answered.
    fn sum(&self, of: impl Fn(Operation) -> u64) -> u64 {
        self.steps.iter().filter(|step| step.answer.is_some()).map(|step| of(step.operation)).sum()
    }

    /// The payment's status after the answered steps, once the time for challenges is over.
    fn status(&self) -> &'static str {
        let declined = self.steps.iter().any(|step| matches!(step.operation, Operation::Declined(_)));
        let challenged = self.steps.iter().any(|step| matches!(step.operation, Operation::Challenged(_)));
        match (self.captured(), self.refunded(), self.voided()) {
            _ if declined => "DECLINED",
            _ if self.asked(Operation::Tell(Dispute::Lost)) => "CHARGEBACK",
            (_, _, 1..) => "CANCELED",
            (0, ..) if challenged => "EXPIRED",
            (0, ..) => "PENDING",
            (captured, refunded, _) if captured == refunded => "REFUNDED",
            _ => "SUCCEEDED",
        }
    }

    fn money(&self, minor: u64) -> String {
        let (currency, places) = self.currency;
        format!(r#"{{"currency":"{currency}","value":{}}}"#, decimal(minor, places))
    }

    fn ask(&mut self, operation: Operation) {
        let key = format!("{}-{}", self.order, self.steps.len());
        let part = match operation {
            Operation::Capture(minor) | Operation::Refund(minor) => self.money(minor),
            _ => String::new(),
        };
        let (path, body) = self.facts.request(operation, self.source, &key, &part);
        self.steps.push(Step { operation, key, path, body, form: None, sent: None, answer: None });
    }
}

/// A purchase that ends in a dispute, whose words may change places on their way.
fn disputed(random: &mut Random) -> Vec<Operation> {
    let end = random.pick(&[Dispute::Lost, Dispute::Won]);
    let [one, other] = if random.percent(50) { [Dispute::Opened, end] } else { [end, Dispute::Opened] };
    vec![Operation::Purchase, Operation::Tell(one), Operation::Tell(other)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &Value) -> Answer {
        Answer { status, head: String::new(), body: body.to_string().into_bytes() }
    }

    /// A deal of EUR 10.00 whose first step was answered.
    fn deal(operation: Operation) -> Deal {
        let mut deal = Deal::of("account", "o1".into(), Source::Card, vec![operation], &mut Random::of(1));
        (deal.currency, deal.amount) = (("EUR", 2), 1_000);
        let status = if operation == Operation::Purchase { "SUCCEEDED" } else { "PENDING" };
        let said = json!({"id": "p", "status": status, "transactions": {"id": "t", "connection_data": {"name": "sandbox"}}});
        deal.answered(&answer(201, &said)).expect("what was asked for");
        deal
    }

    #[test]
    fn a_refund_counts_when_it_was_answered() {
        let mut deal = deal(Operation::Purchase);
        deal.ask(Operation::Refund(400));
        assert_eq!((deal.refunded(), deal.status()), (0, "SUCCEEDED"));
        let said = json!({"id": "p", "status": "SUCCEEDED", "transactions": {"id": "r", "status": "SUCCEEDED"}});
        deal.answered(&answer(200, &said)).expect("what was asked for");
        assert_eq!((deal.refunded(), deal.status()), (400, "SUCCEEDED"));
        let charge = json!({"captured": 1_000, "refunded": 400, "voided": 0, "currency": "EUR", "payment_id": "p"});
        deal.agrees_with_acquirer("o1", std::slice::from_ref(&charge)).expect("the same sums");
        deal.agrees_with_acquirer("o1", &[charge.clone(), charge]).expect_err("charged twice");
        deal.agrees_with_acquirer("o1", &[]).expect_err("charged never");
    }

    #[test]
    fn what_the_platform_forgot_or_changed_is_noticed() {
        let deal = deal(Operation::Authorise);
        let mut stored = json!([{"id": "p", "status": "PENDING", "amount": {"value": 10, "currency": "EUR", "refunded": 0}}]);
        deal.agrees_with_payments(&stored).expect("as answered");
        deal.agrees_with_payments(&json!([])).expect_err("lost");
        stored[0]["amount"]["value"] = json!(10.01);
        deal.agrees_with_payments(&stored).expect_err("another amount");
    }

    #[test]
    fn a_hold_is_closed_and_a_challenge_nobody_answers_expires() {
        let mut held = deal(Operation::Authorise);
        assert!(held.close());
        assert_eq!(held.waiting().map(|step| step.operation), Some(Operation::Capture(1_000)));
        let card = CHALLENGED[0];
        let mut left = Deal::of("account", "o2".into(), Source::Card, vec![Operation::Challenged(card)], &mut Random::of(1));
        let page = json!({"payment_method_detail": {"card": {"redirect_url": "http://x/v1/challenges/ab"}}});
        let tried = json!({"id": "t", "connection_data": {"name": "sandbox"}});
        let said = json!({"id": "p", "status": "PENDING", "transactions": tried, "payment_method": page});
        left.answered(&answer(201, &said)).expect("what was asked for");
        assert_eq!((left.facts.page.as_str(), left.status(), left.is_charged()), ("/v1/challenges/ab", "EXPIRED", false));
        left.agrees_with_acquirer("o2", &[json!({})]).expect_err("charged without proof");
    }

    #[test]
    fn a_dispute_ends_as_the_acquirer_says_in_whatever_order() {
        for (end, status) in [(Dispute::Lost, "CHARGEBACK"), (Dispute::Won, "SUCCEEDED")] {
            let mut deal = deal(Operation::Purchase);
            for dispute in [end, Dispute::Opened] {
                deal.ask(Operation::Tell(dispute));
                deal.answered(&answer(200, &json!("OK"))).expect("what was asked for");
            }
            assert_eq!((deal.status(), deal.captured(), deal.refunded()), (status, 1_000, 0));
            assert!(!deal.go_on(&mut Random::of(1)), "nothing follows a dispute");
        }
    }

    #[test]
    fn every_cycle_is_paid_once() {
        let deal = Deal::of("account", "o3".into(), Source::Vault, vec![Operation::Subscribe], &mut Random::of(1));
        let paid = |cycles: &[u64]| {
            let data: Vec<Value> = cycles.iter().map(|cycle| json!({"status": "SUCCEEDED", "billing_cycle": cycle})).collect();
            deal.agrees_with_cycles(&json!({ "data": data }))
        };
        paid(&[2, 1]).expect("each once");
        paid(&[1]).expect_err("one is missing");
        paid(&[1, 2, 2]).expect_err("one was paid twice");
    }
}
