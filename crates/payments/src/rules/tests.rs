//! The status machine against the published table, and random histories against a model that keeps lists instead of totals.

use kernel::Currency;
use proptest::prelude::*;

use super::*;

/// The table of the payments API: status, sub-status, and whether capture, cancel and refund may be asked for.
const TABLE: [(&str, &str, bool, bool, bool); 19] = [
    ("CREATED", "CREATED", false, false, false),
    ("PENDING", "AUTHORIZED", true, true, false),
    ("PENDING", "PENDING_PROVIDER_CONFIRMATION", false, false, false),
    ("SUCCEEDED", "APPROVED", false, false, true),
    ("SUCCEEDED", "PARTIALLY_CAPTURED", true, false, true),
    ("SUCCEEDED", "CAPTURED", false, false, true),
    ("SUCCEEDED", "PARTIALLY_REFUNDED", true, false, true),
    ("REFUNDED", "REFUNDED", false, false, false),
    ("CANCELED", "CANCELED", false, false, false),
    ("VERIFIED", "VERIFIED", false, false, false),
    ("DECLINED", "DECLINED", false, false, false),
    ("ERROR", "ERROR", false, false, false),
    ("PENDING", "WAITING_ADDITIONAL_STEP", false, false, false),
    ("EXPIRED", "EXPIRED", false, false, false),
    ("IN_DISPUTE", "RECEIVED", false, false, false),
    ("CHARGEBACK", "LOST", false, false, false),
    ("SUCCEEDED", "CAPTURE_RETRY_IN_PROCESS", true, false, true),
    ("SUCCEEDED", "REFUND_RETRY_IN_PROCESS", true, false, true),
    ("SUCCEEDED", "CAPTURE_RETRY_PROCESS_FAILED", true, true, true),
];

#[test]
fn the_status_machine_is_the_published_table() {
    assert_eq!(PaymentState::ALL.len(), TABLE.len());
    for state in PaymentState::ALL {
        let row = TABLE.iter().find(|row| (row.0, row.1) == (state.status(), state.sub_status())).expect("a row of the table");
        let allowed = [Operation::Capture, Operation::Cancel, Operation::Refund].map(|operation| allows(*state, operation));
        assert_eq!(allowed, [row.2, row.3, row.4], "{state:?}");
    }
}

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

fn approved(mode: Mode, minor: i64) -> Standing {
    let mut standing = Standing::created(mode, eur(minor));
    standing.judge(Outcome::Approved, START);
    standing
}

use super::Verdict as Outcome;

#[test]
fn a_verdict_says_where_the_payment_stands() {
    let judged = |mode, verdict| {
        let mut standing = Standing::created(mode, eur(500));
        standing.judge(verdict, START);
        (standing.state, standing.captured, standing.hold_until)
    };
    let until = START.plus_seconds(HOLD_SECONDS);
    assert_eq!(judged(Mode::Purchase, Outcome::Approved), (PaymentState::Approved, 500, None));
    assert_eq!(judged(Mode::Authorise, Outcome::Approved), (PaymentState::Authorised, 0, Some(until)));
    assert_eq!(judged(Mode::Verify, Outcome::Approved), (PaymentState::Verified, 0, None));
    for mode in Mode::ALL {
        assert_eq!(judged(*mode, Outcome::Declined), (PaymentState::Declined, 0, None));
        assert_eq!(judged(*mode, Outcome::Errored), (PaymentState::Errored, 0, None));
    }
}

#[test]
fn amounts_in_another_currency_or_of_nothing_are_refused() {
    let held = approved(Mode::Authorise, 500);
    let dollars = Money::new(100, Currency::USD);
    assert_eq!(held.plan_capture(dollars, START), Err(AmountRefusal::OtherCurrency(Currency::EUR).into()));
    assert_eq!(held.plan_capture(eur(0), START), Err(AmountRefusal::MoreThanLeft(eur(500)).into()));
    assert_eq!(held.plan_capture(eur(-1), START), Err(AmountRefusal::MoreThanLeft(eur(500)).into()));
    let paid = approved(Mode::Purchase, 500);
    assert_eq!(paid.plan_refund(Some(dollars), None), Err(AmountRefusal::OtherCurrency(Currency::EUR).into()));
    assert_eq!(paid.plan_refund(Some(eur(501)), None), Err(AmountRefusal::MoreThanLeft(eur(500)).into()));
    assert_eq!(paid.plan_refund(None, Some(200)), Ok(200));
    assert_eq!(paid.plan_refund(None, None), Ok(500));
}

#[test]
fn a_hold_is_good_until_its_last_microsecond() {
    let held = approved(Mode::Authorise, 500);
    let end = START.plus_seconds(HOLD_SECONDS);
    assert_eq!(held.plan_capture(eur(500), end.plus_micros(-1)), Ok(500));
    assert_eq!(held.plan_capture(eur(500), end), Err(Refusal::InvalidStatus));
    assert_eq!(held.plan_cancel(end), Err(Refusal::InvalidStatus));
    assert_eq!((held.lapsing(end.plus_micros(-1)), held.lapsing(end)), (None, Some(500)));
}

#[test]
fn what_is_tried_again_adds_nothing_to_what_amounts_allow() {
    let allowed =
        |standing: &Standing| [Operation::Capture, Operation::Cancel, Operation::Refund].map(|one| standing.permits(one));
    let mut held = approved(Mode::Authorise, 500);
    held.reserve(Operation::Capture, 200);
    held.keep_trying(Operation::Capture);
    assert_eq!((held.state, allowed(&held)), (PaymentState::CaptureRetried, [true, false, false]), "nothing is paid yet");
    assert_eq!((held.plan_capture(eur(300), START), held.plan_cancel(START)), (Ok(300), Err(Refusal::InvalidStatus)));
    assert_eq!(held.plan_capture(eur(301), START), Err(AmountRefusal::MoreThanLeft(eur(300)).into()));
    assert_eq!(held.plan_refund(Some(eur(1)), None), Err(Refusal::InvalidStatus));
    assert!(!held.can_be_disputed());
    held.give_back(Operation::Capture, 200);
    held.stop_trying(Operation::Capture, true);
    assert_eq!((held.state, allowed(&held)), (PaymentState::CaptureFailed, [true, true, false]));
    assert_eq!(held.plan_cancel(START), Ok(500));
    held.lapse();
    assert_eq!(held.state, PaymentState::Cancelled);

    let mut paid = approved(Mode::Purchase, 500);
    paid.reserve(Operation::Refund, 500);
    paid.keep_trying(Operation::Refund);
    assert_eq!((paid.state, allowed(&paid)), (PaymentState::RefundRetried, [false, false, true]), "a purchase holds nothing");
    assert_eq!(paid.plan_refund(None, None), Err(AmountRefusal::MoreThanLeft(eur(0)).into()));
    assert!(paid.can_be_disputed());
    paid.give_back(Operation::Refund, 500);
    paid.stop_trying(Operation::Refund, true);
    assert_eq!(paid.state, PaymentState::Approved);
}

#[test]
fn a_capture_is_tried_while_its_hold_stands_and_nothing_when_a_dispute_is_lost() {
    let held = approved(Mode::Authorise, 500);
    let end = START.plus_seconds(HOLD_SECONDS);
    assert!(held.may_try_again(Operation::Capture, end.plus_micros(-1)) && !held.may_try_again(Operation::Capture, end));
    let paid = approved(Mode::Purchase, 500);
    assert!(paid.may_try_again(Operation::Refund, end) && !paid.may_try_again(Operation::Cancel, START));
    for (state, may) in [(PaymentState::Disputed, true), (PaymentState::ChargedBack, false)] {
        assert_eq!(Standing { state, ..held }.may_try_again(Operation::Capture, START), may);
        assert_eq!(Standing { state, ..paid }.may_try_again(Operation::Refund, START), may);
    }
}

/// One thing that may happen to a payment.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Ask for an operation on so many hundredths of the payment.
    Ask(Operation, i64),
    /// The oldest operation under way goes through, or not.
    Settle(bool),
    /// The oldest operation under way fails and is tried again, unless it is a cancel.
    FailForNow,
    /// Time passes.
    Wait(i64),
    /// The sweep comes by.
    Sweep,
    /// The payer's bank takes so many hundredths of the payment back.
    Dispute(i64),
    /// The dispute is over: won, or not.
    Judged(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let operation = prop_oneof![Just(Operation::Capture), Just(Operation::Cancel), Just(Operation::Refund)];
    prop_oneof![
        4 => (operation, 1..=110_i64).prop_map(|(operation, percent)| Step::Ask(operation, percent)),
        4 => any::<bool>().prop_map(Step::Settle),
        2 => Just(Step::FailForNow),
        1 => (0..HOLD_SECONDS).prop_map(Step::Wait),
        1 => Just(Step::Sweep),
        1 => (1..=110_i64).prop_map(Step::Dispute),
        1 => any::<bool>().prop_map(Step::Judged),
    ]
}

/// The model: every operation is kept, nothing is added up in advance.
#[derive(Debug, Default)]
struct Model {
    done: Vec<(Operation, i64)>,
    under_way: Vec<(Operation, i64)>,
    /// Of those under way the ones that failed before.
    tried_again: Vec<(Operation, i64)>,
    /// A capture that was tried again failed, and nothing has gone through since.
    capture_failed: bool,
    lapsed: bool,
    disputed: Option<i64>,
    lost: bool,
}

impl Model {
    fn sum(list: &[(Operation, i64)], wanted: Operation) -> i64 {
        list.iter().filter(|(operation, _)| *operation == wanted).map(|(_, minor)| minor).sum()
    }

    fn done(&self, operation: Operation) -> i64 {
        Self::sum(&self.done, operation)
    }

    fn under_way(&self, operation: Operation) -> i64 {
        Self::sum(&self.under_way, operation) + Self::sum(&self.tried_again, operation)
    }

    fn tries_again(&self, wanted: Operation) -> bool {
        self.tried_again.iter().any(|(operation, _)| *operation == wanted)
    }

    fn cancelled(&self) -> bool {
        self.done(Operation::Cancel) > 0
    }

    fn state(&self, mode: Mode, amount: i64) -> PaymentState {
        let captured = if mode == Mode::Purchase { amount } else { self.done(Operation::Capture) };
        let refunded = self.done(Operation::Refund);
        match (captured, refunded) {
            _ if self.lost => PaymentState::ChargedBack,
            _ if self.disputed.is_some() => PaymentState::Disputed,
            _ if self.tries_again(Operation::Capture) => PaymentState::CaptureRetried,
            _ if self.tries_again(Operation::Refund) => PaymentState::RefundRetried,
            _ if self.capture_failed && captured < amount && !self.cancelled() && !self.lapsed => PaymentState::CaptureFailed,
            (0, _) if self.cancelled() || self.lapsed => PaymentState::Cancelled,
            (0, _) => PaymentState::Authorised,
            (captured, refunded) if refunded == captured => PaymentState::Refunded,
            (_, 1..) => PaymentState::PartlyRefunded,
            _ if mode == Mode::Purchase => PaymentState::Approved,
            (captured, _) if captured == amount => PaymentState::Captured,
            _ => PaymentState::PartlyCaptured,
        }
    }
}

proptest! {
    #[test]
    fn totals_stay_within_bounds_whatever_happens(
        purchase in any::<bool>(),
        amount in 1..1_000_000_i64,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mode = if purchase { Mode::Purchase } else { Mode::Authorise };
        let (mut standing, mut model, mut now) = (approved(mode, amount), Model::default(), START);
        for step in steps {
            match step {
                Step::Ask(operation, percent) => {
                    let minor = (amount * percent / 100).max(1);
                    let plan = match operation {
                        Operation::Capture => standing.plan_capture(eur(minor), now),
                        Operation::Cancel => standing.plan_cancel(now),
                        Operation::Refund => standing.plan_refund(Some(eur(minor)), None),
                    };
                    if let Ok(minor) = plan {
                        prop_assert!(standing.permits(operation) && allows(standing.state, operation));
                        standing.reserve(operation, minor);
                        model.under_way.push((operation, minor));
                    }
                }
                Step::FailForNow if model.under_way.first().is_none_or(|(operation, _)| *operation == Operation::Cancel) => {}
                Step::FailForNow => {
                    let failed = model.under_way.remove(0);
                    standing.keep_trying(failed.0);
                    model.tried_again.push(failed);
                }
                Step::Settle(_) if model.under_way.is_empty() && model.tried_again.is_empty() => {}
                Step::Settle(success) => {
                    let again = model.under_way.is_empty();
                    let (operation, minor) = if again { model.tried_again.remove(0) } else { model.under_way.remove(0) };
                    if success {
                        standing.complete(operation, minor);
                        model.done.push((operation, minor));
                        model.capture_failed = false;
                    } else {
                        standing.give_back(operation, minor);
                    }
                    if again {
                        standing.stop_trying(operation, !success);
                        model.capture_failed |= !success && operation == Operation::Capture;
                    }
                }
                Step::Wait(seconds) => now = now.plus_seconds(seconds),
                Step::Sweep => {
                    if let Some(let_go) = standing.lapsing(now) {
                        prop_assert_eq!(let_go, amount - model.done(Operation::Capture));
                        standing.lapse();
                        model.lapsed = true;
                        model.capture_failed = false;
                    }
                }
                Step::Dispute(percent) => {
                    if let Some(minor) = standing.plan_dispute(eur((amount * percent / 100).max(1))) {
                        prop_assert!(minor <= standing.captured && model.disputed.is_none() && !model.lost);
                        standing.state = PaymentState::Disputed;
                        model.disputed = Some(minor);
                    }
                }
                Step::Judged(won) => {
                    if model.disputed.take().is_some() {
                        model.lost = !won;
                        standing.state = if won { standing.state_undisputed() } else { PaymentState::ChargedBack };
                    }
                }
            }
            let paid = if purchase { amount } else { model.done(Operation::Capture) };
            prop_assert_eq!(standing.captured, paid);
            prop_assert_eq!(standing.capturing, model.under_way(Operation::Capture) + model.under_way(Operation::Cancel));
            prop_assert_eq!(standing.refunded, model.done(Operation::Refund));
            prop_assert_eq!(standing.refunding, model.under_way(Operation::Refund));
            prop_assert!(model.done(Operation::Refund) + model.under_way(Operation::Refund) <= paid);
            prop_assert!(model.done(Operation::Capture) + model.under_way(Operation::Capture) <= amount);
            prop_assert!(!(model.cancelled() && model.done(Operation::Capture) > 0), "cancelled and captured");
            prop_assert_eq!(standing.state, model.state(mode, amount));
        }
    }
}
