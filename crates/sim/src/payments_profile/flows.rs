//! Repeat every step, fail at every step, die at every step: named flows, run once for every point at which something can go wrong.

use kernel::Currency;
use payments::AttemptKind;
use serde_json::json;

use super::model::{Kind, State};
use super::requests::{money, payment_body};
use super::{Payments, products};
use crate::chance::Chance;
use crate::faults::{Fault, Faults};
use crate::place::Engine;
use crate::realm::{Aim, Breach, Holds};
use crate::world::{Failed, Options, World};

/// What goes wrong, one at a time, at each of the points where it can.
const DISTURBANCES: [Fault; 13] = [
    Fault::DieBeforeCommit,
    Fault::DieAfterCommit,
    Fault::DieAtPort,
    Fault::Statement,
    Fault::Conflict,
    Fault::StoreAway,
    Fault::Refused,
    Fault::AnswerLost,
    Fault::RequestLost,
    Fault::RequestLate,
    Fault::Garbage,
    Fault::Pending,
    Fault::Slow,
];
/// A client that still has no certain answer after so many tries will never have one.
const TRIES_MAX: u32 = 600;
/// A flow has fewer points than this of one kind.
const POINTS_MAX: u64 = 400;
/// Longer than any lease of a scheduler.
const LEASE_MICROS: i64 = 60_000_000;
/// What everything costs, in minor units.
const PRICE: i64 = 1_000;

/// A named flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// A payment at once.
    Purchase,
    /// A hold, captured in two parts.
    AuthoriseCapture,
    /// A hold that is let go.
    AuthoriseCancel,
    /// A payment, and half of it given back, then the rest.
    Refund,
    /// Money received, and sent on to a bank account.
    Payout,
    /// A card is kept, and charged.
    StoredCard,
    /// A card is kept, and a cycle is charged to it.
    SubscriptionCycle,
    /// A hold of which a capture fails for now, twice, and is made at its third try.
    RetriedCapture,
    /// A payment of which a refund fails for now, and is made at its second try.
    RetriedRefund,
}

/// What one client does in a flow.
#[derive(Clone, Copy, Debug)]
enum Act {
    Pay(Kind),
    Follow(Kind, i64),
    /// As `Follow`, to be tried again where it fails for now.
    FollowOn(Kind, i64),
    /// The acquirer declines the next of these for now.
    Decline(AttemptKind),
    /// So many minutes pass.
    Wait(i64),
    PayOut,
    Enrol,
    PayStored,
    Subscribe,
}

impl Flow {
    /// All of them.
    pub const ALL: [Flow; 9] = [
        Flow::Purchase,
        Flow::AuthoriseCapture,
        Flow::AuthoriseCancel,
        Flow::Refund,
        Flow::Payout,
        Flow::StoredCard,
        Flow::SubscriptionCycle,
        Flow::RetriedCapture,
        Flow::RetriedRefund,
    ];

    const fn acts(self) -> &'static [Act] {
        match self {
            Flow::Purchase => &[Act::Pay(Kind::Purchase)],
            Flow::AuthoriseCapture => {
                &[Act::Pay(Kind::Authorise), Act::Follow(Kind::Capture, 400), Act::Follow(Kind::Capture, 600)]
            }
            Flow::AuthoriseCancel => &[Act::Pay(Kind::Authorise), Act::Follow(Kind::Cancel, PRICE)],
            Flow::Refund => &[Act::Pay(Kind::Purchase), Act::Follow(Kind::Refund, 500), Act::Follow(Kind::Refund, 500)],
            Flow::Payout => &[Act::Pay(Kind::Purchase), Act::PayOut],
            Flow::StoredCard => &[Act::Enrol, Act::PayStored],
            Flow::SubscriptionCycle => &[Act::Enrol, Act::Subscribe],
            Flow::RetriedCapture => &[
                Act::Pay(Kind::Authorise),
                Act::Decline(AttemptKind::Capture),
                Act::Decline(AttemptKind::Capture),
                Act::FollowOn(Kind::Capture, 400),
                Act::Wait(6),
                Act::Wait(60),
            ],
            Flow::RetriedRefund => {
                &[Act::Pay(Kind::Purchase), Act::Decline(AttemptKind::Refund), Act::FollowOn(Kind::Refund, 500), Act::Wait(6)]
            }
        }
    }

    /// Runs it undisturbed, with every step repeated, and then once for every point and disturbance. How many disturbances there were.
    ///
    /// # Errors
    /// What broke, and under which disturbance.
    pub fn everywhere(self, engine: Engine) -> Result<u64, (String, Box<Failed>)> {
        self.against(engine, &DISTURBANCES)
    }

    fn against(self, engine: Engine, disturbances: &[Fault]) -> Result<u64, (String, Box<Failed>)> {
        self.run(engine, None, false).map_err(|failed| ("undisturbed".to_owned(), failed))?;
        self.run(engine, None, true).map_err(|failed| ("every step repeated".to_owned(), failed))?;
        let mut disturbed = 1;
        for &fault in disturbances {
            for at in 1..POINTS_MAX {
                let what = || format!("{fault:?} at point {at}");
                let passed = self.run(engine, Some(Aim::at(fault, at)), false).map_err(|failed| (what(), failed))?;
                if passed < at {
                    break;
                }
                disturbed += 1;
            }
        }
        Ok(disturbed)
    }

    /// One run; at how many points the disturbance could have struck.
    fn run(self, engine: Engine, aim: Option<Aim>, twice: bool) -> Result<u64, Box<Failed>> {
        let rates: Vec<(Fault, u32)> = if aim.is_some() { DISTURBANCES.map(|fault| (fault, 1)).to_vec() } else { Vec::new() };
        let options = Options { engine, nodes: Some(1), only: Some(Faults::only(&rates)), ..Options::of(1, 0) };
        let failed = |breach: Breach| Box::new(Failed { seed: options.seed, step: 0, commit: 0, breach });
        let profile = Payments::new(vec![Currency::EUR], Chance::of(1, 1));
        let mut world = World::new(&options, profile, &[Currency::EUR]).map_err(failed)?;
        world.desk.realm.aim(aim.unwrap_or(Aim::at(Fault::ClockJump, 0)));
        self.drive(&mut world, twice).map_err(failed)?;
        let passed = world.desk.realm.points_passed();
        world.settle().map_err(failed)?;
        self.ended_well(&world).map_err(failed)?;
        Ok(passed)
    }

    fn drive(self, world: &mut World<Payments>, twice: bool) -> Holds {
        for act in self.acts() {
            match act {
                Act::Decline(kind) => {
                    world.desk.banks.decline_next(*kind, false);
                    continue;
                }
                Act::Wait(minutes) => {
                    world.desk.realm.jump_micros(minutes * 60_000_000);
                    world.drive(std::time::Duration::from_secs(5))?;
                    continue;
                }
                _ => {}
            }
            let op = world.profile.write_down(&world.desk, *act);
            let mut tries = 0;
            while world.profile.is_wanted(op) {
                if world.profile.model.ops[op].calls == 0 {
                    for _ in 0..=u32::from(twice) {
                        world.profile.send_op(&mut world.desk, op, None);
                    }
                }
                world.drive(std::time::Duration::from_millis(if tries < 20 { 200 } else { 5_000 }))?;
                tries += 1;
                if tries > TRIES_MAX {
                    return Err(Breach::of("liveness", format!("{act:?} has no certain answer")));
                }
            }
        }
        // The scheduler's turn; that of the next one when the lease of a dead one is over; and once more, when what he had begun is settled.
        for _ in 0..3 {
            world.drive(std::time::Duration::from_secs(5))?;
            world.desk.realm.jump_micros(LEASE_MICROS);
        }
        world.drive(std::time::Duration::from_secs(5))
    }

    /// A client who goes on asking gets what he asked for.
    fn ended_well(self, world: &World<Payments>) -> Holds {
        let model = &world.profile.model;
        let short = model.ops.iter().find(|op| op.kind != Kind::StepSubscription && op.state != State::Done);
        if let Some(op) = short {
            return Err(Breach::of("flow", format!("{:?} ended {:?}: {}", op.kind, op.state, op.answer)));
        }
        let paid = |at: usize| model.subscriptions[at].listed["data"].as_array().map_or(0, Vec::len);
        match self {
            Flow::SubscriptionCycle if paid(0) == 0 => Err(Breach::of("flow", "the first cycle was never tried")),
            _ => Ok(()),
        }
    }
}

impl Payments {
    /// Whether a client still has no certain answer, or one that asks him to come again.
    fn is_wanted(&mut self, op: usize) -> bool {
        let op = &mut self.model.ops[op];
        if matches!(&op.state, State::Refused(code) if code == "PROVIDER_UNAVAILABLE") {
            op.state = State::Open;
            op.ended = None;
        }
        // A refusal that came while another request was under way says nothing of that one.
        op.doubtful &= op.calls > 0;
        op.state == State::Open
    }

    fn write_down(&mut self, desk: &crate::world::Desk, act: Act) -> usize {
        let account = desk.tenants[0].account.clone();
        let price = money(PRICE, Currency::EUR);
        let customer = self.customers.get(&0).cloned().unwrap_or_default();
        let mut op = self.blank(desk, Kind::Purchase, 0, Currency::EUR);
        op.minor = PRICE;
        match act {
            Act::Pay(kind) => {
                (op.kind, op.path) = (kind, "/v1/payments".into());
                op.body = payment_body(&account, &op.order, &price, kind);
            }
            Act::Decline(_) | Act::Wait(_) => {}
            Act::Follow(kind, minor) | Act::FollowOn(kind, minor) => {
                let of = &self.model.payments[0];
                let verb = match kind {
                    Kind::Capture => "capture",
                    Kind::Cancel => "cancel",
                    _ => "refund",
                };
                (op.kind, op.minor, op.payment) = (kind, minor, Some(0));
                op.path = format!("/v1/payments/{}/transactions/{}/{verb}", of.id, of.transaction);
                op.body = json!({ "merchant_reference": op.order, "reason": "REQUESTED_BY_CUSTOMER" });
                if kind != Kind::Cancel {
                    op.body["amount"] = money(minor, Currency::EUR);
                }
                if matches!(act, Act::FollowOn(..)) {
                    op.retried = true;
                    op.body["simplified_mode"] = json!(true);
                }
            }
            Act::PayOut => {
                (op.kind, op.minor, op.path) = (Kind::Payout, 300, "/v1/payouts".into());
                op.body = products::payout_body(&account, &op.order, &money(300, Currency::EUR));
            }
            Act::Enrol => {
                (op.kind, op.path) = (Kind::Enrol, format!("/v1/customers/{customer}/payment-methods"));
                op.body = products::card_body(&account, 0);
                op.body["verify"] = json!({ "vault_on_success": true, "currency": "EUR" });
            }
            Act::PayStored => {
                op.path = "/v1/payments".into();
                op.body = payment_body(&account, &op.order, &price, Kind::Purchase);
                products::with_stored_card(&mut op.body, &self.model.methods[0], true);
            }
            Act::Subscribe => {
                let method = &self.model.methods[0];
                (op.kind, op.path) = (Kind::Subscribe, "/v1/subscriptions".into());
                op.body = json!({
                    "account_id": account, "name": op.order, "country": "FR", "amount": price,
                    "payment_method": { "type": "CARD", "vaulted_token": method.token },
                    "customer_payer": { "id": method.customer },
                    "frequency": { "type": "DAY" }, "billing_cycles": { "total": 2 },
                });
            }
        }
        self.note_op(desk, op)
    }
}

#[cfg(test)]
mod tests {
    use super::Flow;
    use crate::faults::Fault;
    use crate::place::Engine;

    #[test]
    fn a_purchase_survives_a_death_and_a_lost_answer_at_every_point() {
        let disturbances = [Fault::DieBeforeCommit, Fault::DieAfterCommit, Fault::DieAtPort, Fault::AnswerLost];
        let disturbed = Flow::Purchase
            .against(Engine::Sqlite, &disturbances)
            .map_err(|(what, failed)| format!("{what}: {:?}", failed.breach));
        assert!(disturbed.expect("it holds") >= 8);
    }
}
