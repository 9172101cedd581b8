//! Captures and refunds that fail for now and are tried again: what their merchants see of them until they have ended.

use payments::AttemptKind;
use serde_json::{Value, json};

use super::Payments;
use super::answers::breach;
use super::model::{Kind, Op, State, text};
use crate::chance::Chance;
use crate::profile::Profile;
use crate::realm::Holds;
use crate::world::Desk;

/// When tries are made after the first one, in seconds from it, as merchants are promised.
const TRIES_AFTER_SECONDS: [i64; 6] = [5 * 60, 50 * 60, 6 * 3_600, 24 * 3_600, 48 * 3_600, 96 * 3_600];
/// Tries of one operation at most.
pub(super) const TRIES_MAX: usize = TRIES_AFTER_SECONDS.len() + 1;
/// The clock goes back by less than this between two looks at it.
const SLACK_SECONDS: i64 = 2;

impl Op {
    /// Whether its client knew at `since` that it is tried again, and has not heard more.
    fn waited(&self, since: u64) -> bool {
        self.state == State::Retried && self.retried_from.is_some_and(|from| from <= since)
    }

    /// Whether it certainly waits still: its second try has not come.
    fn waits(&self, desk: &Desk) -> bool {
        let age = desk.realm.now().seconds_since(self.sent_at);
        self.state == State::Retried && age < TRIES_AFTER_SECONDS[0] - SLACK_SECONDS
    }
}

impl Payments {
    /// What is certainly set aside on a payment for what is tried again.
    pub(super) fn set_aside(&self, desk: &Desk, payment: usize, kind: Kind) -> i64 {
        if self.model.payments[payment].disputed {
            return 0;
        }
        let waiting = self.model.on(payment).filter(|op| op.kind == kind && op.waits(desk) && !self.may_be_stopped(payment, op));
        waiting.map(|op| op.minor).sum()
    }

    /// Whether a capture that waits may have been ended by a cancel, even by one that came to nothing at the acquirer.
    fn may_be_stopped(&self, payment: usize, op: &Op) -> bool {
        let stops = |other: &Op| match &other.state {
            State::Refused(code) => code == "PROVIDER_UNAVAILABLE",
            _ => other.did() != Some(Kind::Refund),
        };
        let cancels = self.model.on(payment).filter(|other| matches!(other.kind, Kind::Cancel | Kind::CancelOrRefund));
        op.kind == Kind::Capture && cancels.into_iter().any(|other| other.overlaps(op.began) && stops(other))
    }

    /// Whether the payment's hold was certainly let go before this moment.
    fn was_let_go(&self, payment: usize, since: u64) -> bool {
        self.model.on(payment).any(|op| op.did() == Some(Kind::Cancel) && !op.overlaps(since))
    }

    /// What is tried again and may be under way, so that a cancel cannot end it.
    pub(super) fn may_be_under_way(&self, desk: &Desk, payment: usize) -> bool {
        self.model.on(payment).any(|op| op.kind == Kind::Capture && op.state == State::Retried && !op.waits(desk))
    }

    /// It is to be tried again where it fails for now, as it often does.
    pub(super) fn ask_for_tries(desk: &Desk, chance: &mut Chance, op: &mut Op) {
        op.retried = true;
        op.body["simplified_mode"] = json!(true);
        if chance.hits(200) {
            desk.banks.decline_next(attempt_kind(op.kind), false);
        }
    }

    /// Somebody waits for the next try of what he was told is pending.
    pub(super) fn await_try(&mut self, desk: &mut Desk, chance: &mut Chance) {
        let waiting: Vec<&Op> = self.model.ops.iter().filter(|op| op.state == State::Retried).collect();
        let Some(op) = chance.pick(&waiting) else { return };
        let age = desk.realm.now().seconds_since(op.sent_at);
        let Some(next) = TRIES_AFTER_SECONDS.into_iter().find(|after| *after > age) else { return };
        let seconds = next - age + chance.amount(0, 30);
        let (payment, kind) = (op.payment, attempt_kind(op.kind));
        if chance.hits(400) {
            desk.banks.decline_next(kind, chance.hits(500));
        }
        if self.may_pass(desk, seconds) {
            desk.realm.note(format_args!("{seconds} s pass until the next try"));
            desk.realm.reach("a try is waited for");
            desk.realm.jump_micros(seconds * 1_000_000);
        }
        if let Some(payment) = payment {
            self.read(desk, payment);
        }
    }

    /// A payment is shown as it was asked for at `since`: what became of what is tried again, and whether its status says so.
    pub(super) fn hear_of_tries(&mut self, desk: &Desk, payment: usize, since: u64, shown: &Value) -> Holds {
        for number in 0..self.model.ops.len() {
            let op = &self.model.ops[number];
            if op.payment != Some(payment) || !op.waited(since) {
                continue;
            }
            let state = match text(transaction(shown, text(op.transaction(), "id")), "status") {
                "PENDING" if op.kind == Kind::Capture && self.was_let_go(payment, since) => {
                    return breach("retries", format!("{} waits for a hold that was let go", op.order));
                }
                "PENDING" => continue,
                "SUCCEEDED" => State::Done,
                "DECLINED" | "ERROR" => State::Declined,
                other => return breach("reads", format!("{:?} {} is tried again and shown as {other:?}", op.kind, op.order)),
            };
            desk.realm.reach(format!("retried {:?} ends {state:?}", op.kind));
            if op.kind == Kind::Capture && state == State::Declined && self.was_let_go(payment, since) {
                desk.realm.reach("a cancel ends a retried Capture");
            }
            let op = &mut self.model.ops[number];
            op.state = state;
            op.ended = Some(desk.sequence());
        }
        self.status_tells(desk, payment, since, shown)
    }

    /// What is tried again is what the status speaks of, and a capture before a refund.
    fn status_tells(&self, desk: &Desk, payment: usize, since: u64, shown: &Value) -> Holds {
        let status = text(shown, "sub_status");
        if matches!(text(shown, "status"), "IN_DISPUTE" | "CHARGEBACK") {
            return Ok(());
        }
        let waits = |kind| self.model.on(payment).any(|op| op.kind == kind && op.waited(since));
        let is_there = |kind: &str, states: &[&str]| {
            history(shown).iter().any(|one| text(one, "type") == kind && states.contains(&text(one, "status")))
        };
        let sound = match status {
            "CAPTURE_RETRY_IN_PROCESS" => is_there("CAPTURE", &["PENDING"]),
            "REFUND_RETRY_IN_PROCESS" => is_there("REFUND", &["PENDING"]) && !waits(Kind::Capture),
            "CAPTURE_RETRY_PROCESS_FAILED" => {
                is_there("CAPTURE", &["DECLINED", "ERROR"]) && !waits(Kind::Capture) && !waits(Kind::Refund)
            }
            _ => !waits(Kind::Capture) && !waits(Kind::Refund),
        };
        if status.contains("RETRY") {
            desk.realm.reach(format!("payment is {status}"));
        }
        if sound && (!status.contains("RETRY") || text(shown, "status") == "SUCCEEDED") {
            return Ok(());
        }
        breach("retries", format!("{} is {status}: {}", text(shown, "id"), shown["transactions_history"]))
    }
}

const fn attempt_kind(kind: Kind) -> AttemptKind {
    if matches!(kind, Kind::Capture) { AttemptKind::Capture } else { AttemptKind::Refund }
}

/// The transactions of a payment.
pub(super) fn history(shown: &Value) -> &[Value] {
    shown["transactions_history"].as_array().map_or(&[][..], Vec::as_slice)
}

/// One of them.
pub(super) fn transaction<'a>(shown: &'a Value, id: &str) -> &'a Value {
    history(shown).iter().find(|one| text(one, "id") == id).unwrap_or(&Value::Null)
}
