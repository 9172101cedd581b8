//! What merchants tell of the goods of a payment, and what is read back of it.

use serde_json::{Value, json};

use super::answers::breach;
use super::model::{Kind, Op, State, text};
use super::{Payments, Topic};
use crate::chance::Chance;
use crate::faults::Fault;
use crate::realm::Holds;
use crate::world::Desk;

/// How far a fulfilment is.
const PROGRESS: [&str; 4] = ["PARTIAL", "COMPLETED", "REPLACEMENT", "CANCELED"];

impl Payments {
    /// A merchant tells what became of the goods.
    pub(super) fn fulfil(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let known = self.model.payments.len();
        if known == 0 {
            return;
        }
        let payment = known - 1 - chance.index(known.min(8));
        let of = self.model.payments[payment].clone();
        let mut op = self.blank(desk, Kind::Fulfil, of.tenant, of.currency);
        (op.payment, op.named, op.path) = (Some(payment), false, format!("/v1/payments/{}/fulfillments", of.id));
        let progress = |chance: &mut Chance| *chance.pick(&PROGRESS).unwrap_or(&"PARTIAL");
        let items: Vec<Value> = (0..chance.between(1, 3))
            .map(|at| json!({ "id": format!("{}-{at}", op.order), "type": "STANDARD", "status": progress(chance) }))
            .collect();
        op.body = json!({ "status": progress(chance), "fulfillments": items });
        let number = self.note_op(desk, op);
        let hangs_up = desk.realm.strikes(Fault::HangUp).then(|| chance.between(0, 400));
        self.send_op(desk, number, hangs_up);
    }

    /// What was noted was noted of something that can be fulfilled.
    pub(super) fn learn_fulfilment(&self, op: &Op) -> Holds {
        let Some(of) = op.payment.map(|payment| &self.model.payments[payment]) else { return Ok(()) };
        if of.kind == Kind::Verify || self.model.ops[of.made_by].state == State::Declined {
            return breach("fulfilments", format!("{} of {} was noted, and there is nothing to fulfil", op.order, of.id));
        }
        Ok(())
    }

    /// Whether there may be nothing to fulfil.
    pub(super) fn explains_unfulfilled(&self, op: &Op) -> bool {
        let of = op.payment.map(|payment| &self.model.payments[payment]);
        of.is_some_and(|of| of.kind == Kind::Verify || self.model.ops[of.made_by].state != State::Done)
    }

    /// Reads them back for the last time.
    pub(super) fn look_at_fulfilments(&mut self, desk: &mut Desk) {
        for payment in 0..self.model.payments.len() {
            let of = &self.model.payments[payment];
            let (tenant, path) = (of.tenant, format!("/v1/payments/{}/fulfillments", of.id));
            self.get(desk, tenant, path, Topic::Fulfilments(payment));
        }
    }

    /// Everything that was told is there once, in the order in which it was told, and nothing else.
    pub(super) fn compare_fulfilments(&self) -> Holds {
        for (payment, of) in self.model.payments.iter().enumerate() {
            let ops = self.model.ops.iter().filter(|op| op.kind == Kind::Fulfil && op.payment == Some(payment));
            let done: Vec<&Op> = ops.filter(|op| op.state == State::Done).collect();
            let shown = self.fulfilments.get(&payment).cloned().unwrap_or_default();
            let found: Vec<&str> = entries(&shown).iter().map(|one| text(one, "id")).collect();
            let mut expected: Vec<&str> = done.iter().flat_map(|op| sent(op)).map(|one| text(one, "id")).collect();
            let mut sorted = found.clone();
            expected.sort_unstable();
            sorted.sort_unstable();
            let place = |op: &Op| sent(op).first().and_then(|first| found.iter().position(|id| *id == text(first, "id")));
            let pairs = || done.iter().flat_map(|one| done.iter().map(move |other| (*one, *other)));
            let swapped = pairs().find(|(one, other)| !one.overlaps(other.began) && place(one) > place(other));
            let last = done.iter().max_by_key(|op| place(op)).map_or("", |op| text(&op.body, "status"));
            if expected != sorted || swapped.is_some() || text(&shown, "status") != last {
                return breach("fulfilments", format!("of {}: {expected:?} and {last:?} were told, {shown} is shown", of.id));
            }
        }
        Ok(())
    }
}

fn entries(shown: &Value) -> &[Value] {
    shown["fulfillments"].as_array().map_or(&[][..], Vec::as_slice)
}

/// What an operation tells.
fn sent(op: &Op) -> &[Value] {
    entries(&op.body)
}
