//! What somebody does next.

use kernel::Currency;
use serde_json::json;

use super::model::{Kind, State};
use super::requests::{money, payment_body};
use super::{Payments, Topic};
use crate::auditor::{Call, KEY_SECONDS};
use crate::chance::Chance;
use crate::faults::Fault;
use crate::receivers::Receivers;
use crate::world::Desk;

/// The largest amount of one payment, in minor units: small enough for refunds to stay within a merchant's overdraft as a rule.
const MINOR_MAX: i64 = 20_000;
/// An id that nobody has.
const NOBODY: &str = "0199a8b4-1f7e-7c3a-8000-0123456789ab";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Create,
    FollowUp,
    AskAgain,
    Repeat,
    OtherBody,
    Twice,
    Read,
    Strange,
    Nonsense,
    Prove,
    Dispute,
    JudgeDispute,
    Payout,
    Enrol,
    Unenrol,
    PayStored,
    Subscribe,
    StepSubscription,
    Link,
    PayLink,
    AwaitTry,
    Fulfil,
    Search,
    Report,
    ReadReport,
}

const CHOICES: [(u32, Choice); 25] = [
    (30, Choice::Create),
    (35, Choice::FollowUp),
    (12, Choice::AskAgain),
    (5, Choice::Repeat),
    (2, Choice::OtherBody),
    (2, Choice::Twice),
    (8, Choice::Read),
    (1, Choice::Strange),
    (1, Choice::Nonsense),
    (6, Choice::Prove),
    (2, Choice::Dispute),
    (2, Choice::JudgeDispute),
    (4, Choice::Payout),
    (4, Choice::Enrol),
    (1, Choice::Unenrol),
    (4, Choice::PayStored),
    (3, Choice::Subscribe),
    (2, Choice::StepSubscription),
    (2, Choice::Link),
    (4, Choice::PayLink),
    (6, Choice::AwaitTry),
    (3, Choice::Fulfil),
    (2, Choice::Search),
    (1, Choice::Report),
    (1, Choice::ReadReport),
];

impl Payments {
    /// Receivers and routes, and one look at what a stranger is told.
    pub(super) fn begin(&mut self, desk: &mut Desk) {
        for tenant in 0..desk.tenants.len() {
            let account = desk.tenants[tenant].account.clone();
            let body = json!({
                "account_id": account, "name": "all", "url": Receivers::url(&account),
                "payment_triggers": ["AUTHORIZE", "CANCEL", "CAPTURE", "CHARGEBACK", "PURCHASE", "REFUND", "VERIFY"],
                "enrollment_triggers": ["ENROLL", "UNENROLL"],
                "subscription_triggers": ["CREATE", "ACTIVE", "PAUSE", "RESUME", "CANCEL", "COMPLETE", "PAST_DUE"],
                "payout_triggers": ["PAYOUT"],
            });
            self.send(desk, tenant, "POST", "/v1/webhooks", &body, Topic::Webhook);
            let both = self.chance.hits(700);
            let first = if self.chance.hits(700) { "sandbox" } else { "sandbox_b" };
            let other = if first == "sandbox" { "sandbox_b" } else { "sandbox" };
            let route = if both { json!([first, other]) } else { json!([first]) };
            let retry_on = match self.chance.below(3) {
                0 => json!([]),
                1 => json!(["UNAVAILABLE"]),
                _ => json!(["UNAVAILABLE", "SOFT_DECLINE"]),
            };
            let rule = json!({ "name": "all", "conditions": {}, "route": route, "retry_on": retry_on });
            let customer = json!({ "merchant_customer_id": format!("customer-{tenant}"), "first_name": "Ada" });
            self.send(desk, tenant, "POST", "/v1/customers", &customer, Topic::Customer(tenant));
            self.send(desk, tenant, "PUT", "/v1/routing-rules", &json!({ "rules": [rule] }), Topic::Routing);
        }
        self.get(desk, 0, format!("/v1/payments/{NOBODY}"), Topic::Nobody);
    }

    /// One thing that somebody does.
    pub(super) fn choose(&mut self, desk: &mut Desk, chance: &mut Chance) {
        match chance.weighted(&CHOICES).unwrap_or(Choice::Create) {
            Choice::Create => self.create(desk, chance),
            Choice::FollowUp => self.follow_up(desk, chance),
            Choice::AskAgain => self.ask_one_again(desk, chance),
            Choice::Repeat => self.repeat_one(desk, chance),
            Choice::OtherBody => self.repeat_otherwise(desk, chance),
            Choice::Twice => self.twice(desk, chance),
            Choice::Read => self.read_one(desk, chance),
            Choice::Strange => self.strange(desk, chance),
            Choice::Nonsense => self.nonsense(desk, chance),
            Choice::Prove => self.prove(desk, chance),
            Choice::Dispute => self.dispute(desk, chance),
            Choice::JudgeDispute => self.judge_dispute(desk, chance),
            Choice::Payout => self.pay_out(desk, chance),
            Choice::Enrol => self.enrol(desk, chance),
            Choice::Unenrol => self.unenrol(desk, chance),
            Choice::PayStored => self.pay_stored(desk, chance),
            Choice::Subscribe => self.subscribe(desk, chance),
            Choice::StepSubscription => self.step_subscription(desk, chance),
            Choice::Link => self.make_link(desk, chance),
            Choice::PayLink => self.open_link(desk, chance),
            Choice::AwaitTry => self.await_try(desk, chance),
            Choice::Fulfil => self.fulfil(desk, chance),
            Choice::Search => self.search(desk, chance),
            Choice::Report => self.report(desk, chance),
            Choice::ReadReport => self.read_report(desk, chance),
        }
    }

    fn create(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let number = self.new_payment(desk, chance);
        let hangs_up = desk.realm.strikes(Fault::HangUp).then(|| chance.between(0, 400));
        self.send_op(desk, number, hangs_up);
    }

    /// Writes a new payment down.
    fn new_payment(&mut self, desk: &Desk, chance: &mut Chance) -> usize {
        let tenant = chance.index(desk.tenants.len());
        let currency = *chance.pick(&self.currencies).unwrap_or(&Currency::EUR);
        let kinds = [(55, Kind::Purchase), (38, Kind::Authorise), (7, Kind::Verify)];
        let kind = chance.weighted(&kinds).unwrap_or(Kind::Purchase);
        let minor = if kind == Kind::Verify { 0 } else { chance.amount(1, MINOR_MAX) };
        let mut op = self.blank(desk, kind, tenant, currency);
        op.minor = minor;
        op.path = "/v1/payments".into();
        op.body = payment_body(&desk.tenants[tenant].account, &op.order, &money(minor, currency), kind);
        // Another merchant counts his keys in the same way.
        let known = self.model.ops.len();
        if known > 0 && chance.hits(60) {
            let other = &self.model.ops[known - 1 - chance.index(known.min(20))];
            let taken = |key: &str| self.model.ops.iter().any(|op| op.tenant == tenant && op.key == key);
            if other.path == op.path && !taken(&other.key) {
                op.key.clone_from(&other.key);
            }
        }
        self.note_op(desk, op)
    }

    fn follow_up(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let Some(number) = self.new_follow_up(desk, chance) else { return self.create(desk, chance) };
        let hangs_up = desk.realm.strikes(Fault::HangUp).then(|| chance.between(0, 400));
        self.send_op(desk, number, hangs_up);
    }

    /// Writes down what a merchant does with a payment he knows.
    fn new_follow_up(&mut self, desk: &Desk, chance: &mut Chance) -> Option<usize> {
        // Recent ones as a rule, so that operations meet each other.
        let known = self.model.payments.len();
        let recent = if chance.hits(700) { 6.min(known) } else { known };
        let payment = known.checked_sub(1)? - chance.index(recent);
        let of = self.model.payments[payment].clone();
        let taken = self.model.taken(payment);
        let kind = match of.kind {
            Kind::Purchase => {
                chance.weighted(&[(8, Kind::Refund), (2, Kind::CancelOrRefund), (1, Kind::Cancel), (1, Kind::Capture)])
            }
            Kind::Authorise if taken == 0 => {
                chance.weighted(&[(8, Kind::Capture), (2, Kind::Cancel), (2, Kind::CancelOrRefund), (1, Kind::Refund)])
            }
            Kind::Authorise => {
                chance.weighted(&[(3, Kind::Capture), (4, Kind::Refund), (1, Kind::CancelOrRefund), (1, Kind::Cancel)])
            }
            _ => chance.weighted(&[(1, Kind::Refund), (1, Kind::Capture), (1, Kind::Cancel)]),
        }?;
        let base = if kind == Kind::Capture { of.minor - taken } else { taken - self.model.certain(payment, Kind::Refund) };
        let minor = match chance.below(10) {
            0 => chance.amount(1, MINOR_MAX),
            1..5 => base.max(1),
            _ => chance.amount(1, base.max(1)),
        };
        let mut op = self.blank(desk, kind, of.tenant, of.currency);
        op.payment = Some(payment);
        op.named =
            kind == Kind::Capture || kind == Kind::Refund && chance.hits(700) || kind == Kind::CancelOrRefund && chance.hits(300);
        op.minor = if kind == Kind::Cancel { of.minor } else { minor };
        let verb = match kind {
            Kind::Capture => "capture",
            Kind::Cancel => "cancel",
            Kind::Refund => "refund",
            _ => "cancel-or-refund",
        };
        op.path = if kind == Kind::CancelOrRefund && chance.hits(500) {
            format!("/v1/payments/{}/cancel-or-refund", of.id)
        } else {
            format!("/v1/payments/{}/transactions/{}/{verb}", of.id, of.transaction)
        };
        op.body = json!({ "merchant_reference": op.order, "reason": "REQUESTED_BY_CUSTOMER" });
        if op.named {
            op.body["amount"] = money(op.minor, of.currency);
        }
        if kind == Kind::Cancel || !op.named {
            op.named = false;
        }
        if matches!(kind, Kind::Capture | Kind::Refund) && chance.hits(500) {
            Self::ask_for_tries(desk, chance, &mut op);
        }
        Some(self.note_op(desk, op))
    }

    /// What has no certain answer is asked for again, and what was refused for a passing reason is tried again.
    fn ask_one_again(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let passing = |state: &State| matches!(state, State::Refused(code) if code == "PROVIDER_UNAVAILABLE");
        let ops = self.model.ops.iter().enumerate();
        let open: Vec<usize> =
            ops.filter(|(_, op)| op.state == State::Open || passing(&op.state)).map(|(number, _)| number).collect();
        let Some(&number) = chance.pick(&open) else { return };
        let op = &mut self.model.ops[number];
        if op.state != State::Open {
            if desk.realm.now().seconds_since(op.sent_at) >= KEY_SECONDS / 2 {
                return;
            }
            op.state = State::Open;
            op.ended = None;
        }
        self.send_op(desk, number, None);
    }

    /// Operations whose answer is known and whose key is remembered.
    fn remembered(&self, desk: &Desk) -> Vec<usize> {
        let now = desk.realm.now();
        let ops = self.model.ops.iter().enumerate();
        let answered = ops.filter(|(_, op)| matches!(op.state, State::Done | State::Declined | State::Waiting | State::Retried));
        answered.filter(|(_, op)| now.seconds_since(op.sent_at) < KEY_SECONDS - 3_600).map(|(number, _)| number).collect()
    }

    fn repeat_one(&mut self, desk: &mut Desk, chance: &mut Chance) {
        if let Some(&number) = chance.pick(&self.remembered(desk)) {
            self.send_op(desk, number, None);
        }
    }

    fn repeat_otherwise(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let Some(&number) = chance.pick(&self.remembered(desk)) else { return };
        let op = &mut self.model.ops[number];
        let kept = op.body.clone();
        if !op.body.is_null() {
            op.body["amount"] = money(op.minor + 1, op.currency);
        }
        self.send_op(desk, number, None);
        self.model.ops[number].body = kept;
    }

    /// Two clients at once with one key.
    fn twice(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let number = match self.new_follow_up(desk, chance) {
            Some(number) if chance.hits(600) => number,
            Some(number) => {
                // Written down and not sent after all.
                self.send_op(desk, number, None);
                self.new_payment(desk, chance)
            }
            None => self.new_payment(desk, chance),
        };
        self.send_op(desk, number, None);
        self.send_op(desk, number, None);
    }

    fn read_one(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let known = self.model.payments.len();
        if known > 0 {
            let recent = if chance.hits(700) { 6.min(known) } else { known };
            self.read(desk, known - 1 - chance.index(recent));
        }
    }

    /// Reads a payment; what it shows is not less than what was certain when it was asked for.
    pub(super) fn read(&mut self, desk: &mut Desk, payment: usize) {
        let of = &self.model.payments[payment];
        let certain = |kind| self.model.certain(payment, kind);
        let floor = (of.read.0.max(certain(Kind::Capture)), of.read.1.max(certain(Kind::Refund)));
        let (tenant, path) = (of.tenant, format!("/v1/payments/{}?transactions_history=true", of.id));
        let since = desk.sequence();
        self.get(desk, tenant, path, Topic::Read(payment, floor, since));
    }

    /// Somebody asks for somebody else's payment.
    fn strange(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let known = self.model.payments.len();
        if known == 0 || desk.tenants.len() < 2 {
            return;
        }
        let of = self.model.payments[chance.index(known)].clone();
        let other = (of.tenant + 1 + chance.index(desk.tenants.len() - 1)) % desk.tenants.len();
        if chance.hits(500) {
            return self.get(desk, other, format!("/v1/payments/{}", of.id), Topic::Strange);
        }
        let path = format!("/v1/payments/{}/transactions/{}/refund", of.id, of.transaction);
        let body = json!({ "merchant_reference": "not-mine", "reason": "REQUESTED_BY_CUSTOMER" });
        let tag = self.topic(Topic::Strange);
        let key = Some(format!("strange-{tag}"));
        let body = body.to_string().into_bytes();
        desk.send(Call {
            tenant: Some(other),
            method: "POST",
            path,
            key,
            content_type: "application/json",
            body,
            headers: Vec::new(),
            tag,
        });
    }

    fn nonsense(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let tenant = chance.index(desk.tenants.len());
        let mut body = payment_body(&desk.tenants[tenant].account, "order-x", &money(100, Currency::EUR), Kind::Purchase);
        let text = match chance.below(6) {
            0 => "{".to_owned(),
            1 => "[]".to_owned(),
            2 => {
                body["amount"]["value"] = json!("12");
                body.to_string()
            }
            3 => {
                body["amount"]["currency"] = json!("XXX");
                body.to_string()
            }
            4 => {
                body["account_id"] = json!(NOBODY);
                body.to_string()
            }
            _ => {
                body["payment_method"] = json!(null);
                body.to_string()
            }
        };
        let tag = self.topic(Topic::Nonsense);
        let key = Some(format!("nonsense-{tag}"));
        let (path, body) = ("/v1/payments".to_owned(), text.into_bytes());
        desk.send(Call {
            tenant: Some(tenant),
            method: "POST",
            path,
            key,
            content_type: "application/json",
            body,
            headers: Vec::new(),
            tag,
        });
    }

    /// A payer opens the page on which he proves himself.
    fn prove(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let waiting = self.model.payments.iter().enumerate();
        let waiting = waiting.filter(|(_, of)| of.challenge.is_some() && self.model.ops[of.made_by].state == State::Waiting);
        let waiting: Vec<usize> = waiting.map(|(number, _)| number).collect();
        let Some(&payment) = chance.pick(&waiting) else { return };
        let path = self.model.payments[payment].challenge.clone().unwrap_or_default();
        let tag = self.topic(Topic::Page(payment));
        let (content_type, body) = ("application/json", Vec::new());
        desk.send(Call { tenant: None, method: "GET", path, key: None, content_type, body, headers: Vec::new(), tag });
    }

    /// A payer's bank takes back what was taken from him.
    fn dispute(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let model = &self.model;
        let quiet = |&number: &usize| {
            let of = &model.payments[number];
            !of.disputed && model.taken(number) > 0
        };
        let known: Vec<usize> = (0..model.payments.len()).filter(quiet).collect();
        let Some(&payment) = chance.pick(&known) else { return };
        let of = &mut self.model.payments[payment];
        let order = &self.model.ops[of.made_by].order;
        let entries = desk.banks.of_order(order);
        if let Some((charge, entry)) = entries.iter().find(|(_, entry)| entry.approved()) {
            of.disputed = desk.banks.dispute(*charge, entry, chance.amount(0, 60));
        }
    }

    fn judge_dispute(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let told: Vec<String> = self.model.payments.iter().filter(|of| of.dispute_told).map(|of| of.id.clone()).collect();
        let Some(Ok(id)) = chance.pick(&told).map(|id| id.parse()) else { return };
        let won = chance.hits(500);
        desk.banks.judge_dispute(id, won);
    }
}
