//! Requests as merchants send them.

use serde_json::{Value, json};

use super::model::{Kind, Op, State};
use super::{Payments, Topic, amounts};
use crate::auditor::Call;
use crate::world::Desk;

/// A payment's body; what it is paid with comes from the caller.
pub(super) fn payment_body(account: &str, order: &str, amount: &Value, kind: Kind) -> Value {
    let card = json!({
        "number": "4507990000000002", "expiration_month": 12, "expiration_year": 2099, "security_code": "123",
        "holder_name": "Ada Lovelace",
    });
    let detail = match kind {
        Kind::Verify => json!({ "verify": true, "card_data": card }),
        _ => json!({ "capture": kind == Kind::Purchase, "card_data": card }),
    };
    json!({
        "account_id": account, "merchant_order_id": order, "description": "Simulated", "country": "FR", "amount": amount,
        "workflow": "DIRECT", "payment_method": { "type": "CARD", "detail": { "card": detail } },
    })
}

impl Payments {
    /// A GET.
    pub(super) fn get(&mut self, desk: &mut Desk, tenant: usize, path: String, topic: Topic) {
        let tag = self.topic(topic);
        desk.send(Call {
            tenant: Some(tenant),
            method: "GET",
            path,
            key: None,
            content_type: "application/json",
            body: Vec::new(),
            headers: Vec::new(),
            tag,
        });
    }

    /// A request with a body.
    pub(super) fn send(&mut self, desk: &mut Desk, tenant: usize, method: &'static str, path: &str, body: &Value, topic: Topic) {
        let tag = self.topic(topic);
        desk.send(Call {
            tenant: Some(tenant),
            method,
            path: path.to_owned(),
            key: None,
            content_type: "application/json",
            body: body.to_string().into_bytes(),
            headers: Vec::new(),
            tag,
        });
    }

    /// Sends an operation, once more or for the first time; a caller may hang up after so many milliseconds.
    pub(super) fn send_op(&mut self, desk: &mut Desk, number: usize, hangs_up_after: Option<u64>) {
        let tag = self.topic(Topic::Op(number));
        let op = &mut self.model.ops[number];
        op.calls += 1;
        let call = Call {
            tenant: Some(op.tenant),
            method: "POST",
            path: op.path.clone(),
            key: Some(op.key.clone()),
            content_type: "application/json",
            body: op.body.to_string().into_bytes(),
            headers: Vec::new(),
            tag,
        };
        desk.send_and(call, hangs_up_after);
    }

    /// Writes an operation down before it is sent; its number.
    pub(super) fn note_op(&mut self, desk: &Desk, mut op: Op) -> usize {
        let number = self.model.ops.len();
        op.sent_at = desk.realm.now();
        op.began = desk.sequence();
        op.state = State::Open;
        self.model.ops.push(op);
        number
    }

    /// A blank operation of this kind.
    pub(super) fn blank(&self, desk: &Desk, kind: Kind, tenant: usize, currency: kernel::Currency) -> Op {
        let number = self.model.ops.len();
        Op {
            kind,
            tenant,
            payment: None,
            minor: 0,
            named: true,
            currency,
            path: String::new(),
            key: format!("key-{number}"),
            body: Value::Null,
            order: format!("order-{number}"),
            state: State::Open,
            calls: 0,
            doubtful: false,
            sent_at: desk.realm.now(),
            began: 0,
            ended: None,
            answer: Value::Null,
            other: None,
            retried: false,
            retried_from: None,
        }
    }
}

/// `{currency, value}`.
pub(super) fn money(minor: i64, currency: kernel::Currency) -> Value {
    json!({ "currency": currency.code(), "value": amounts::wire(minor, currency) })
}
