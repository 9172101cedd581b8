//! How much can be done to a payment as far as its client can see: no more than there was, and no refusal without a reason.

use super::Payments;
use super::answers::breach;
use super::model::{Kind, Op, State, text};
use crate::auditor::Reply;
use crate::realm::Holds;
use crate::world::Desk;

/// A hold that nobody captures ends after seven days; an hour less, because the merchant learns of it later than it began.
const HOLD_SECONDS: i64 = 7 * 86_400 - 3_600;
/// How far below zero a merchant's money may go, in minor units.
const OVERDRAFT_MINOR: i64 = 100_000;

impl Payments {
    /// What is certain never exceeds what there was.
    pub(super) fn within_limits(&self, desk: &Desk, op: &Op) -> Holds {
        let Some(payment) = op.payment else { return Ok(()) };
        let of = &self.model.payments[payment];
        let captured = self.model.certain(payment, Kind::Capture);
        let refunded = self.model.certain(payment, Kind::Refund);
        let voided = self.model.on(payment).any(|op| op.did() == Some(Kind::Cancel));
        let perhaps = self.model.on(payment).filter(|op| op.kind == Kind::Capture);
        let perhaps: i64 = perhaps.filter(|op| matches!(op.state, State::Open | State::Retried)).map(|op| op.minor).sum();
        let bought = if of.kind == Kind::Purchase { of.minor } else { captured + perhaps };
        // What waits for its next try is set aside: nobody else gets it.
        let (capturing, refunding) = (self.set_aside(desk, payment, Kind::Capture), self.set_aside(desk, payment, Kind::Refund));
        let too_much = captured + capturing > of.minor || refunded + refunding > bought || voided && captured + capturing > 0;
        if too_much || op.state == State::Done && op.minor <= 0 {
            let found = format!(
                "{}: captured {captured} (and perhaps {perhaps}), refunded {refunded}, tried again {capturing} and {refunding}, \
                 voided {voided} of {}",
                of.id, of.minor
            );
            return breach("limits", found);
        }
        Ok(())
    }

    /// Whether anything the merchant knows of explains a refusal.
    pub(super) fn explained(&self, desk: &Desk, number: usize, reply: &Reply) -> Holds {
        let op = &self.model.ops[number];
        let code = reply.code();
        let unexplained =
            || breach("refused-for-a-reason", format!("{:?} {} is refused {}", op.kind, op.key, text(&reply.json(), "code")));
        let of = op.payment.filter(|_| op.kind.follows_up()).map(|payment| &self.model.payments[payment]);
        let now = desk.realm.now();
        let unsteady = of.is_some_and(|of| of.disputed || now.seconds_since(of.known_at) > HOLD_SECONDS);
        if reply.status == 503 {
            // What never reached an acquirer is tried again, as long as there is time for that.
            return if op.retried && code == "PROVIDER_UNAVAILABLE" && !unsteady { unexplained() } else { Ok(()) };
        }
        if unsteady || self.product_explains(desk, op, &code) {
            return Ok(());
        }
        let Some((payment, of)) = op.payment.zip(of) else { return unexplained() };
        let moved = |other: &&Op| other.key != op.key && other.overlaps(op.began) && other.state != State::Retried;
        if self.model.on(payment).any(|other| moved(&other)) {
            return Ok(());
        }
        // Refunds may not take a merchant's money below his overdraft.
        let money = desk.tenants[of.tenant].account.parse().map(|account| desk.banks.money_of(account, of.currency).available);
        let under_way = self.model.ops.iter().filter(|other| other.tenant == op.tenant && other.currency == of.currency);
        let under_way: i64 = under_way.filter(|other| other.overlaps(op.began)).map(|other| other.minor).sum();
        let poor = code == "INVALID_AMOUNT" && money.is_ok_and(|money| money - under_way < -OVERDRAFT_MINOR);
        if self.is_possible(desk, payment, op) && !poor { unexplained() } else { Ok(()) }
    }

    /// Whether the payment has room for it, whatever has become of what is tried again.
    fn is_possible(&self, desk: &Desk, payment: usize, op: &Op) -> bool {
        let of = &self.model.payments[payment];
        let (taken, refunded) = (self.model.taken(payment), self.model.certain(payment, Kind::Refund));
        let (capturing, refunding) =
            (self.model.tried_again(payment, Kind::Capture), self.model.tried_again(payment, Kind::Refund));
        let (most_taken, most_refunded) = (taken + capturing, refunded + refunding);
        let voided = self.model.on(payment).any(|op| op.did() == Some(Kind::Cancel));
        let held = of.kind == Kind::Authorise && self.model.ops[of.made_by].state == State::Done && !voided;
        match op.kind {
            // A merchant who refunded everything cannot capture the rest.
            Kind::Capture => held && op.minor <= of.minor - most_taken && (most_refunded == 0 || most_refunded < taken),
            // What waits between two tries is ended by it.
            Kind::Cancel => held && taken == 0 && !self.may_be_under_way(desk, payment),
            Kind::CancelOrRefund if held && taken == 0 => !op.named && !self.may_be_under_way(desk, payment),
            Kind::Refund | Kind::CancelOrRefund => taken > most_refunded && (!op.named || op.minor <= taken - most_refunded),
            _ => false,
        }
    }
}
