//! One order of a customer and everything that is asked about it: what was sent, what was answered, and what must
//! therefore be true at the platform and at the acquirer. Nothing here knows the product's code.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::http::Answer;
use crate::random::Random;

/// Steps of one deal at most.
const STEPS_MAX: usize = 5;
/// Currencies with their decimal places.
const CURRENCIES: [(&str, u32); 3] = [("EUR", 2), ("JPY", 0), ("KWD", 3)];
/// Test cards that the sandbox acquirer declines.
const DECLINED: [&str; 4] = ["4507990000000010", "4507990000000028", "4507990000000051", "4507990000000069"];
const APPROVED: &str = "4507990000000002";

/// What is asked in one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Charge at once.
    Purchase,
    /// Hold the money.
    Authorise,
    /// A purchase with a card that is declined.
    Declined(&'static str),
    /// Take so many minor units of what is held.
    Capture(u64),
    /// Let go of what is held.
    Cancel,
    /// Give back so many minor units.
    Refund(u64),
}

/// One request under one idempotency key.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it does.
    pub operation: Operation,
    /// The key.
    pub key: String,
    /// The path it is posted to.
    pub path: String,
    /// The body.
    pub body: String,
    /// Status and bytes of its first 2xx answer; `None` while nobody has read one.
    pub answer: Option<(u16, Vec<u8>)>,
}

/// An order with its steps, in the order they were asked.
#[derive(Clone, Debug)]
pub struct Deal {
    /// The merchant's order number, unique in the whole run.
    pub order: String,
    account: String,
    currency: (&'static str, u32),
    /// In minor units.
    amount: u64,
    /// What was asked so far.
    pub steps: Vec<Step>,
    payment: String,
    transaction: String,
}

impl Deal {
    /// A deal whose first step is to be sent.
    pub fn open(account: &str, order: String, random: &mut Random) -> Deal {
        let operation = match random.between(1, 100) {
            1..=55 => Operation::Purchase,
            56..=90 => Operation::Authorise,
            _ => Operation::Declined(random.pick(&DECLINED)),
        };
        let currency = random.pick(&CURRENCIES);
        let amount = random.between(100, 99_999);
        let mut deal = Deal {
            order,
            account: account.into(),
            currency,
            amount,
            steps: Vec::new(),
            payment: String::new(),
            transaction: String::new(),
        };
        deal.ask(operation);
        deal
    }

    /// The step that waits for an answer.
    pub fn waiting(&mut self) -> Option<&mut Step> {
        self.steps.last_mut().filter(|step| step.answer.is_none())
    }

    /// Adds what this customer does next; false when the deal is done or still waits.
    pub fn go_on(&mut self, random: &mut Random) -> bool {
        if self.waiting().is_some() || self.steps.len() >= STEPS_MAX {
            return false;
        }
        let Some(first) = self.steps.first().map(|step| step.operation) else { return false };
        let to_capture = if first == Operation::Authorise { self.amount - self.captured() } else { 0 };
        let to_refund = self.captured() - self.refunded();
        let part_of = |left: u64, random: &mut Random| if random.percent(40) { left } else { random.between(1, left) };
        let next = if self.voided() > 0 || matches!(first, Operation::Declined(_)) {
            None
        } else if first == Operation::Authorise && self.captured() == 0 && random.percent(20) {
            Some(Operation::Cancel)
        } else if to_capture > 0 && self.refunded() == 0 && random.percent(70) {
            Some(Operation::Capture(part_of(to_capture, random)))
        } else if to_refund > 0 && random.percent(50) {
            Some(Operation::Refund(part_of(to_refund, random)))
        } else {
            None
        };
        next.map(|operation| self.ask(operation)).is_some()
    }

    /// Takes the answer of the waiting step and checks what it says.
    ///
    /// # Errors
    /// When a 2xx answer says something else than what was asked for.
    pub fn answered(&mut self, answer: &Answer) -> Result<()> {
        let said = answer.json()?;
        let step = self.waiting().context("a step that waits")?;
        step.answer = Some((answer.status, answer.body.clone()));
        let operation = step.operation;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if matches!(operation, Operation::Purchase | Operation::Authorise | Operation::Declined(_)) {
            ensure!(answer.status == 201, "a new payment is answered 201, not {}", answer.status);
            self.payment = text(&said["id"]);
            self.transaction = text(&said["transactions"]["id"]);
            ensure!(!self.payment.is_empty() && !self.transaction.is_empty(), "no ids in {}", answer.short());
        }
        let (found, expected) = match operation {
            Operation::Refund(_) => (&said["transactions"]["status"], "SUCCEEDED"),
            Operation::Capture(_) | Operation::Cancel => (&said["status"], "SUCCEEDED"),
            Operation::Purchase | Operation::Authorise | Operation::Declined(_) => (&said["status"], self.status()),
        };
        ensure!(found == expected, "{}: {operation:?} has status {found}, not {expected}", self.order);
        Ok(())
    }

    /// Checks what `GET /v1/payments?merchant_order_id=` says of this deal.
    ///
    /// # Errors
    /// With the first difference.
    pub fn agrees_with_platform(&self, found: &Value) -> Result<()> {
        let all = found.as_array().context("an array of payments")?;
        ensure!(all.len() == 1, "{}: {} payments instead of one", self.order, all.len());
        let payment = &all[0];
        let same = |what: &str, found: &Value, expected: &str| {
            let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            ensure!(found == expected, "{}: the platform's {what} is {found}, not {expected}", self.order);
            Ok(())
        };
        same("id", &payment["id"], &self.payment)?;
        same("status", &payment["status"], self.status())?;
        same("amount", &payment["amount"]["value"], &decimal(self.amount, self.currency.1))?;
        same("currency", &payment["amount"]["currency"], self.currency.0)?;
        same("refunded amount", &payment["amount"]["refunded"], &decimal(self.refunded(), self.currency.1))
    }

    /// Checks the acquirer's charges of this order.
    ///
    /// # Errors
    /// With the first difference.
    pub fn agrees_with_acquirer(&self, charges: &[Value]) -> Result<()> {
        let expected = usize::from(self.is_approved());
        ensure!(charges.len() == expected, "{}: {} charges at the acquirer instead of {expected}", self.order, charges.len());
        for charge in charges {
            let sums = [("captured", self.captured()), ("refunded", self.refunded()), ("voided", self.voided())];
            for (name, expected) in sums {
                let found = &charge[name];
                ensure!(found == expected, "{}: the acquirer has {name} {found}, not {expected}", self.order);
            }
            ensure!(charge["currency"] == self.currency.0, "{}: charged in {}", self.order, charge["currency"]);
            ensure!(charge["payment_id"] == self.payment.as_str(), "{}: the charge is for another payment", self.order);
        }
        Ok(())
    }

    /// Whether the acquirer must know it.
    pub fn is_approved(&self) -> bool {
        self.steps.first().is_some_and(|first| first.answer.is_some() && !matches!(first.operation, Operation::Declined(_)))
    }

    fn captured(&self) -> u64 {
        self.sum(|operation| match operation {
            Operation::Purchase => self.amount,
            Operation::Capture(minor) => minor,
            _ => 0,
        })
    }

    fn refunded(&self) -> u64 {
        self.sum(|operation| if let Operation::Refund(minor) = operation { minor } else { 0 })
    }

    fn voided(&self) -> u64 {
        self.sum(|operation| if operation == Operation::Cancel { self.amount } else { 0 })
    }

    /// Over the steps that were answered.
    fn sum(&self, of: impl Fn(Operation) -> u64) -> u64 {
        self.steps.iter().filter(|step| step.answer.is_some()).map(|step| of(step.operation)).sum()
    }

    /// The payment's status after the answered steps.
    fn status(&self) -> &'static str {
        let first = self.steps.first().map(|step| step.operation);
        match (self.captured(), self.refunded(), self.voided()) {
            _ if matches!(first, Some(Operation::Declined(_))) => "DECLINED",
            (_, _, 1..) => "CANCELED",
            (0, ..) => "PENDING",
            (captured, refunded, _) if captured == refunded => "REFUNDED",
            _ => "SUCCEEDED",
        }
    }

    fn ask(&mut self, operation: Operation) {
        let (currency, places) = self.currency;
        let number = self.steps.len();
        let reference = format!("{}-{number}", self.order);
        // Amounts go out as the decimal text they are, never through a float.
        let money = |minor: u64| format!(r#"{{"currency":"{currency}","value":{}}}"#, decimal(minor, places));
        let on_transaction = |verb: &str| format!("/v1/payments/{}/transactions/{}/{verb}", self.payment, self.transaction);
        let reason = "REQUESTED_BY_CUSTOMER";
        let (path, body) = match operation {
            Operation::Purchase => ("/v1/payments".into(), self.create_body(&money(self.amount), true, APPROVED)),
            Operation::Authorise => ("/v1/payments".into(), self.create_body(&money(self.amount), false, APPROVED)),
            Operation::Declined(card) => ("/v1/payments".into(), self.create_body(&money(self.amount), true, card)),
            Operation::Capture(minor) => (
                on_transaction("capture"),
                format!(r#"{{"merchant_reference":"{reference}","reason":"{reason}","amount":{}}}"#, money(minor)),
            ),
            Operation::Cancel => {
                (on_transaction("cancel"), json!({"merchant_reference": reference, "reason": reason}).to_string())
            }
            Operation::Refund(minor) => (
                on_transaction("refund"),
                format!(r#"{{"merchant_reference":"{reference}","reason":"{reason}","amount":{}}}"#, money(minor)),
            ),
        };
        self.steps.push(Step { operation, key: reference, path, body, answer: None });
    }

    fn create_body(&self, amount: &str, capture: bool, card: &str) -> String {
        let Deal { account, order, .. } = self;
        format!(
            r#"{{"account_id":"{account}","merchant_order_id":"{order}","description":"Crash harness","country":"FR","amount":{amount},"workflow":"DIRECT","payment_method":{{"type":"CARD","detail":{{"card":{{"capture":{capture},"card_data":{{"number":"{card}","expiration_month":11,"expiration_year":2035,"security_code":"123","holder_name":"Jeanne Martin"}}}}}}}}}}"#
        )
    }
}

/// Minor units as the shortest decimal: 1990 with two places is `19.9`, 2000 is `20`.
fn decimal(minor: u64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let (whole, rest) = (minor / unit, minor % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let places = usize::try_from(places).unwrap_or_default();
    let text = format!("{whole}.{rest:0places$}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &Value) -> Answer {
        Answer { status, head: String::new(), body: body.to_string().into_bytes() }
    }

    /// A deal of EUR 10.00 whose first step was answered.
    fn deal(operation: Operation) -> Deal {
        let mut deal = Deal::open("account", "o1".into(), &mut Random::of(1));
        (deal.currency, deal.amount) = (("EUR", 2), 1_000);
        deal.steps.clear();
        deal.ask(operation);
        let status = if operation == Operation::Purchase { "SUCCEEDED" } else { "PENDING" };
        let said = json!({"id": "p", "status": status, "transactions": {"id": "t"}});
        deal.answered(&answer(201, &said)).expect("what was asked for");
        deal
    }

    #[test]
    fn decimals_are_the_shortest() {
        assert_eq!([decimal(1_990, 2), decimal(2_000, 2), decimal(5, 3), decimal(7, 0)], ["19.9", "20", "0.005", "7"]);
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
        deal.agrees_with_acquirer(std::slice::from_ref(&charge)).expect("the same sums");
        deal.agrees_with_acquirer(&[charge.clone(), charge]).expect_err("charged twice");
        deal.agrees_with_acquirer(&[]).expect_err("charged never");
    }

    #[test]
    fn what_the_platform_forgot_or_changed_is_noticed() {
        let deal = deal(Operation::Authorise);
        let mut stored = json!([{"id": "p", "status": "PENDING", "amount": {"value": 10, "currency": "EUR", "refunded": 0}}]);
        deal.agrees_with_platform(&stored).expect("as answered");
        deal.agrees_with_platform(&json!([])).expect_err("lost");
        stored[0]["amount"]["value"] = json!(10.01);
        deal.agrees_with_platform(&stored).expect_err("another amount");
    }
}
