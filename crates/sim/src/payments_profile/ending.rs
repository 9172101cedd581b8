//! After the faults: everything is asked for until it is known, repeated once, and read for the last time.

use super::model::State;
use super::{Payments, Topic};
use crate::auditor::KEY_SECONDS;
use crate::world::Desk;

impl Payments {
    /// Asks again for what is open; whether there was anything, or something on its way.
    pub(super) fn ask_open(&mut self, desk: &mut Desk) -> bool {
        let ops = self.model.ops.iter().enumerate();
        let open: Vec<usize> = ops.filter(|(_, op)| op.state == State::Open).map(|(number, _)| number).collect();
        for number in &open {
            let op = &mut self.model.ops[*number];
            // The node has been started anew: of what was under way there is only what is stored, and that is in process.
            op.doubtful = false;
            if op.calls == 0 {
                self.send_op(desk, *number, None);
            }
        }
        !open.is_empty() || !desk.banks.is_quiet()
    }

    /// Repeats every key that is remembered.
    pub(super) fn repeat_known(&mut self, desk: &mut Desk) {
        let now = desk.realm.now();
        for number in 0..self.model.ops.len() {
            let op = &self.model.ops[number];
            let known = matches!(op.state, State::Done | State::Declined | State::Waiting | State::Retried);
            if known && now.seconds_since(op.sent_at) < KEY_SECONDS {
                self.send_op(desk, number, None);
            }
        }
    }

    /// Reads all there is.
    pub(super) fn look_at_all(&mut self, desk: &mut Desk) {
        for payment in 0..self.model.payments.len() {
            self.read(desk, payment);
        }
        for number in 0..self.model.ops.len() {
            let op = &self.model.ops[number];
            if op.kind.makes_payment() {
                let (tenant, path) = (op.tenant, format!("/v1/payments?merchant_order_id={}", op.order));
                self.get(desk, tenant, path, Topic::Order(number));
            }
        }
        for tenant in 0..desk.tenants.len() {
            self.get(desk, tenant, "/v1/balances".into(), Topic::Balances(tenant));
        }
        self.look_at_products(desk);
        self.look_at_fulfilments(desk);
        self.search_all(desk);
        self.report_all(desk);
    }
}
