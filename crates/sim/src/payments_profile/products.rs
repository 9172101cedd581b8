//! Payouts, stored cards, subscriptions and links: what merchants and payers do with them, and what they are told.

use kernel::Currency;
use serde_json::{Value, json};

use super::model::{Kind, Link, Method, Op, State, Subscription, text};
use super::requests::{money, payment_body};
use super::{Payments, Topic};
use crate::auditor::{Call, Reply};
use crate::chance::Chance;
use crate::faults::Fault;
use crate::realm::{Breach, Holds};
use crate::world::Desk;

/// The largest payout and the dearest cycle, in minor units.
const MINOR_MAX: i64 = 3_000;

impl Payments {
    fn send_new(&mut self, desk: &mut Desk, chance: &mut Chance, op: Op) {
        let number = self.note_op(desk, op);
        let hangs_up = desk.realm.strikes(Fault::HangUp).then(|| chance.between(0, 400));
        self.send_op(desk, number, hangs_up);
    }

    fn somebody(&self, desk: &Desk, chance: &mut Chance) -> (usize, Currency) {
        (chance.index(desk.tenants.len()), *chance.pick(&self.currencies).unwrap_or(&Currency::EUR))
    }

    pub(super) fn pay_out(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let (tenant, currency) = self.somebody(desk, chance);
        let mut op = self.blank(desk, Kind::Payout, tenant, currency);
        op.minor = chance.amount(1, MINOR_MAX);
        op.path = "/v1/payouts".into();
        op.body = payout_body(&desk.tenants[tenant].account, &op.order, &money(op.minor, currency));
        self.send_new(desk, chance, op);
    }

    pub(super) fn enrol(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let (tenant, currency) = self.somebody(desk, chance);
        let Some(customer) = self.customers.get(&tenant).cloned() else { return };
        let mut op = self.blank(desk, Kind::Enrol, tenant, currency);
        op.named = false;
        op.path = format!("/v1/customers/{customer}/payment-methods");
        op.body = card_body(&desk.tenants[tenant].account, chance.below(12));
        if chance.hits(500) {
            op.body["verify"] = json!({ "vault_on_success": true, "currency": currency.code() });
        }
        self.send_new(desk, chance, op);
    }

    fn some_method(&self, chance: &mut Chance) -> Option<usize> {
        let there: Vec<usize> = (0..self.model.methods.len()).filter(|at| !self.model.methods[*at].leaving).collect();
        chance.pick(&there).copied()
    }

    pub(super) fn unenrol(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let Some(at) = self.some_method(chance) else { return };
        let method = &mut self.model.methods[at];
        method.leaving = true;
        let (tenant, path) = (method.tenant, format!("/v1/customers/payment-methods/{}/unenroll", method.id));
        let mut op = self.blank(desk, Kind::Unenrol, tenant, Currency::EUR);
        (op.path, op.other, op.named, op.body) = (path, Some(at), false, json!({}));
        self.send_new(desk, chance, op);
    }

    pub(super) fn pay_stored(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let Some(at) = self.some_method(chance) else { return };
        let method = self.model.methods[at].clone();
        let currency = *chance.pick(&self.currencies).unwrap_or(&Currency::EUR);
        let kind = if chance.hits(700) { Kind::Purchase } else { Kind::Authorise };
        let mut op = self.blank(desk, kind, method.tenant, currency);
        op.minor = chance.amount(1, MINOR_MAX);
        op.other = Some(at);
        op.path = "/v1/payments".into();
        op.body = payment_body(&desk.tenants[method.tenant].account, &op.order, &money(op.minor, currency), kind);
        with_stored_card(&mut op.body, &method, kind == Kind::Purchase);
        self.send_new(desk, chance, op);
    }

    pub(super) fn subscribe(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let Some(at) = self.some_method(chance) else { return };
        let method = self.model.methods[at].clone();
        let currency = *chance.pick(&self.currencies).unwrap_or(&Currency::EUR);
        let mut op = self.blank(desk, Kind::Subscribe, method.tenant, currency);
        (op.minor, op.other, op.path) = (chance.amount(1, MINOR_MAX), Some(at), "/v1/subscriptions".into());
        let frequency = *chance.pick(&["DAY", "WEEK", "MONTH"]).unwrap_or(&"DAY");
        op.body = json!({
            "account_id": desk.tenants[method.tenant].account, "name": op.order, "country": "FR", "amount": money(op.minor, currency),
            "payment_method": { "type": "CARD", "vaulted_token": method.token },
            "customer_payer": { "id": method.customer },
            "frequency": { "type": frequency, "value": chance.between(1, 2) },
            "billing_cycles": { "total": chance.between(1, 4) },
            "retries": {
                "retry_on_decline": chance.hits(600), "amount": chance.between(0, 3), "stop_on_hard_decline": chance.hits(500),
                "cancel_on_exhausted_retries": chance.hits(500),
            },
        });
        self.send_new(desk, chance, op);
    }

    pub(super) fn step_subscription(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let count = self.model.subscriptions.len();
        if count == 0 {
            return;
        }
        let at = chance.index(count);
        let steps = [(3, "pause"), (5, "resume"), (1, "cancel"), (2, "retry")];
        let step = chance.weighted(&steps).unwrap_or("resume");
        self.push_subscription(desk, at, step);
    }

    fn push_subscription(&mut self, desk: &mut Desk, at: usize, step: &str) {
        let of = &self.model.subscriptions[at];
        let (tenant, currency, path) = (of.tenant, of.currency, format!("/v1/subscriptions/{}/{step}", of.id));
        let mut op = self.blank(desk, Kind::StepSubscription, tenant, currency);
        (op.path, op.other, op.named, op.body) = (path, Some(at), false, json!({}));
        let number = self.note_op(desk, op);
        self.send_op(desk, number, None);
    }

    /// Nothing may go on for ever.
    pub(super) fn end_subscriptions(&mut self, desk: &mut Desk) {
        for at in 0..self.model.subscriptions.len() {
            self.push_subscription(desk, at, "cancel");
        }
    }

    pub(super) fn make_link(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let (tenant, currency) = self.somebody(desk, chance);
        let mut op = self.blank(desk, Kind::Link, tenant, currency);
        (op.minor, op.path) = (chance.amount(1, MINOR_MAX), "/v1/payment-links".into());
        op.body = json!({
            "account_id": desk.tenants[tenant].account, "country": "FR", "amount": money(op.minor, currency),
            "payment_method_types": ["CARD"], "description": "Simulated", "merchant_order_id": op.order,
        });
        self.send_new(desk, chance, op);
    }

    pub(super) fn open_link(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let count = self.model.links.len();
        if count == 0 {
            return;
        }
        let at = count - 1 - chance.index(count.min(4));
        let path = format!("/v1/links/{}", self.model.links[at].id);
        // Two payers at once, at times.
        for _ in 0..chance.between(1, 2) {
            let tag = self.topic(Topic::LinkPage(at));
            let (path, headers) = (path.clone(), Vec::new());
            let (content_type, body) = ("application/json", Vec::new());
            desk.send(Call { tenant: None, method: "GET", path, key: None, content_type, body, headers, tag });
        }
    }

    /// A payer fills in the form he was shown, and clicks once or twice.
    pub(super) fn fill_in_form(&mut self, desk: &mut Desk, at: usize, page: &Reply) {
        let html = String::from_utf8_lossy(&page.body).into_owned();
        let Some(csrf) = html.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()) else { return };
        let cookie = page.cookie.as_deref().and_then(|cookie| cookie.split(';').next()).unwrap_or_default().to_owned();
        let path = format!("/v1/links/{}", self.model.links[at].id);
        let body = format!("csrf={csrf}&number=4507990000000002&expiration=12%2F40&security_code=123&holder_name=Ada+Martin");
        let times = if desk.realm.draw(|chance| chance.hits(200)) { 2 } else { 1 };
        let tag = self.topic(Topic::LinkForm);
        for _ in 0..times {
            let (path, body, headers) = (path.clone(), body.clone().into_bytes(), vec![("cookie", cookie.clone())]);
            let content_type = "application/x-www-form-urlencoded";
            desk.send(Call { tenant: None, method: "POST", path, key: None, content_type, body, headers, tag });
        }
    }

    /// What a merchant learns of what is no payment.
    pub(super) fn learn_product(&mut self, desk: &mut Desk, number: usize, op: &Op, answer: &Value) -> Holds {
        let account = &desk.tenants[op.tenant].account;
        if op.kind != Kind::Unenrol && text(answer, "account_id") != account {
            return Err(Breach::of("answers-what-was-asked", format!("{} is answered {answer}", op.key)));
        }
        let id = text(answer, "id").to_owned();
        match op.kind {
            Kind::Enrol if op.state == State::Done && !self.model.methods.iter().any(|method| method.id == id) => {
                let customer = self.customers.get(&op.tenant).cloned().unwrap_or_default();
                let token = text(answer, "vaulted_token").to_owned();
                self.model.methods.push(Method { tenant: op.tenant, customer, id, token, leaving: false, last: Value::Null });
            }
            Kind::Subscribe => self.model.subscriptions.push(Subscription {
                tenant: op.tenant,
                id,
                cycles: op.body["billing_cycles"]["total"].as_i64().unwrap_or(0),
                minor: op.minor,
                currency: op.currency,
                last: Value::Null,
                listed: Value::Null,
            }),
            Kind::Report => return self.learn_report(desk, number, op, answer),
            Kind::Link => self.model.links.push(Link { made_by: number, id, last: Value::Null }),
            _ => {}
        }
        Ok(())
    }

    /// Whether a refusal of something that is about no payment has its reason.
    pub(super) fn product_explains(&self, desk: &Desk, op: &Op, code: &str) -> bool {
        let leaving = op.other.and_then(|at| self.model.methods.get(at)).is_some_and(|method| method.leaving);
        match op.kind {
            Kind::Purchase | Kind::Authorise | Kind::Subscribe => {
                leaving && matches!(code, "PAYMENT_METHOD_NOT_FOUND" | "PAYMENT_METHOD_STATUS_INVALID" | "INVALID_TOKEN")
            }
            Kind::Fulfil => code == "INVALID_STATUS" && self.explains_unfulfilled(op),
            // Its first request may have been carried out long ago, with its answer forgotten.
            Kind::Unenrol => code == "INVALID_STATUS" && desk.realm.now().seconds_since(op.sent_at) > 86_400,
            Kind::StepSubscription => matches!(code, "INVALID_STATE" | "INVALID_STATUS"),
            _ => false,
        }
    }

    /// Reads all of them for the last time.
    pub(super) fn look_at_products(&mut self, desk: &mut Desk) {
        for number in 0..self.model.ops.len() {
            let op = &self.model.ops[number];
            if op.kind == Kind::Payout {
                let (tenant, path) = (op.tenant, format!("/v1/payouts?merchant_reference={}", op.order));
                self.get(desk, tenant, path, Topic::Payout(number));
            }
        }
        for at in 0..self.model.methods.len() {
            let method = &self.model.methods[at];
            let (tenant, path) = (method.tenant, format!("/v1/payment-methods/{}", method.id));
            self.get(desk, tenant, path, Topic::Method(at));
        }
        for at in 0..self.model.subscriptions.len() {
            let of = &self.model.subscriptions[at];
            let (tenant, path) = (of.tenant, format!("/v1/subscriptions/{}", of.id));
            self.get(desk, tenant, format!("{path}/payments?limit=100"), Topic::Cycles(at));
            self.get(desk, tenant, path, Topic::Subscription(at));
        }
        for at in 0..self.model.links.len() {
            let Link { made_by, id, .. } = self.model.links[at].clone();
            let (tenant, order) = (self.model.ops[made_by].tenant, self.model.ops[made_by].order.clone());
            self.get(desk, tenant, format!("/v1/payment-links/{id}"), Topic::Link(at));
            self.get(desk, tenant, format!("/v1/payments?merchant_order_id={order}"), Topic::Order(made_by));
        }
    }

    /// Keeps a last look.
    pub(super) fn keep(&mut self, topic: &Topic, ok: bool, shown: Value) {
        match topic {
            Topic::Payout(number) => {
                self.payouts.insert(*number, if ok { shown } else { Value::Null });
            }
            Topic::Method(at) => self.model.methods[*at].last = shown,
            Topic::Subscription(at) => self.model.subscriptions[*at].last = shown,
            Topic::Cycles(at) => self.model.subscriptions[*at].listed = shown,
            Topic::Link(at) => self.model.links[*at].last = shown,
            _ => {}
        }
    }
}

/// A payout's body.
pub(super) fn payout_body(account: &str, reference: &str, amount: &Value) -> Value {
    json!({
        "account_id": account, "merchant_reference": reference, "country": "FR", "purpose": "REIMBURSEMENT", "amount": amount,
        "beneficiary": { "merchant_beneficiary_id": "ada", "country": "FR", "national_entity": "INDIVIDUAL", "first_name": "Ada" },
        "withdrawal_method": { "type": "BANK_TRANSFER", "provider_id": "sandbox", "detail": { "bank_transfer": {
            "code": "30006", "account": { "number": "FR7630006000011234567890002", "type": "CHECKING" },
        } } },
    })
}

/// The body that keeps a card.
pub(super) fn card_body(account: &str, number: u64) -> Value {
    json!({
        "account_id": account, "country": "FR", "type": "CARD", "workflow": "DIRECT",
        "card_data": {
            "number": card_number(number), "expiration_month": 12, "expiration_year": 2099, "security_code": "123",
            "holder_name": "Ada Lovelace",
        },
    })
}

/// Makes a payment's body one that is paid with a kept card.
pub(super) fn with_stored_card(body: &mut Value, method: &Method, capture: bool) {
    body["payment_method"] = json!({
        "type": "CARD", "vaulted_token": method.token, "detail": { "card": { "capture": capture } },
    });
    body["customer_payer"] = json!({ "id": method.customer });
}

/// A card's number with its check digit.
fn card_number(number: u64) -> String {
    let body = format!("450799{number:09}");
    let sum: u32 = body.bytes().rev().enumerate().map(|(at, digit)| doubled(u32::from(digit - b'0'), at % 2 == 0)).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn doubled(digit: u32, twice: bool) -> u32 {
    match digit * 2 {
        _ if !twice => digit,
        double if double > 9 => double - 9,
        double => double,
    }
}

#[cfg(test)]
mod tests {
    use super::card_number;

    #[test]
    fn card_numbers_end_with_their_check_digit() {
        for (number, expected) in [(0, "4507990000000002"), (1, "4507990000000010"), (5, "4507990000000051")] {
            assert_eq!(card_number(number), expected);
        }
    }
}
