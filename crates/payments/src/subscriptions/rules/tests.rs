use kernel::Currency;
use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_micros(1_769_850_487_123_456); // 2026-01-31T09:08:07.123456Z

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

fn plan(unit: FrequencyUnit, every: i64) -> Plan {
    let retries = Retries { on_decline: true, amount: 6, stop_on_hard_decline: true, cancel_on_exhausted: false };
    Plan {
        start_at: START,
        unit,
        every,
        anchor: Anchor::START,
        total: None,
        trial_cycles: 0,
        trial_amount: eur(0),
        amount: eur(1_000),
        finish_at: None,
        retries,
    }
}

fn day(at: Timestamp) -> String {
    at.to_string()[..10].to_owned()
}

/// Charges at `now` until nothing is due, all paid; the cycles in their order.
fn charge_all(progress: &mut Progress, plan: &Plan, now: Timestamp) -> Vec<i64> {
    let mut cycles = Vec::new();
    loop {
        let cycle = progress.cycle;
        match progress.tick(plan, now) {
            Due::Nothing => return cycles,
            Due::WentOn => {}
            Due::Charge(_) => {
                cycles.push(cycle);
                progress.paid(plan);
            }
        }
    }
}

#[test]
fn months_are_clamped_and_do_not_drift() {
    let monthly = plan(FrequencyUnit::Month, 1);
    let days: Vec<_> = (1..=5).map(|cycle| day(monthly.due(cycle))).collect();
    assert_eq!(days, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]);
    let leap = Plan { start_at: "2028-02-29T00:00:00Z".parse().expect("a time"), ..plan(FrequencyUnit::Year, 1) };
    let days: Vec<_> = (1..=5).map(|cycle| day(leap.due(cycle))).collect();
    assert_eq!(days, ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]);
    assert_eq!(day(plan(FrequencyUnit::Week, 2).due(3)), "2026-02-28");
}

#[test]
fn a_changed_frequency_counts_from_the_next_cycle_on() {
    let days = |plan: &Plan, cycles: std::ops::RangeInclusive<i64>| cycles.map(|cycle| day(plan.due(cycle))).collect::<Vec<_>>();
    let weekly = plan(FrequencyUnit::Month, 1).counted_anew(2, FrequencyUnit::Week, 2);
    assert_eq!(days(&weekly, 2..=4), ["2026-02-28", "2026-03-14", "2026-03-28"]);
    let quarterly = plan(FrequencyUnit::Month, 1).counted_anew(2, FrequencyUnit::Month, 3);
    assert_eq!(days(&quarterly, 2..=4), ["2026-02-28", "2026-05-31", "2026-08-31"], "it keeps the day it began with");
    let yearly = weekly.counted_anew(4, FrequencyUnit::Year, 1);
    assert_eq!(days(&yearly, 4..=5), ["2026-03-28", "2027-03-28"]);
}

#[test]
fn a_future_start_waits_and_a_trial_for_nothing_makes_no_payment() {
    let trial = Plan { trial_cycles: 2, total: Some(3), ..plan(FrequencyUnit::Day, 1) };
    let mut progress = Progress::begun(&trial, START.plus_days(-1));
    assert_eq!((progress.state, progress.tick(&trial, START.plus_seconds(-1))), (SubscriptionState::Created, Due::Nothing));
    assert_eq!((progress.tick(&trial, START), progress.state), (Due::WentOn, SubscriptionState::Trialing));
    assert_eq!((progress.tick(&trial, trial.due(2)), progress.state), (Due::WentOn, SubscriptionState::Trialing));
    assert_eq!(progress.tick(&trial, trial.due(3)), Due::Charge(eur(1_000)));
    progress.paid(&trial);
    assert_eq!((progress.state, progress.next_at), (SubscriptionState::Completed, None));
    let paid_trial = Plan { trial_amount: eur(100), ..trial };
    assert_eq!(Progress::begun(&paid_trial, START).tick(&paid_trial, START), Due::Charge(eur(100)));
}

#[test]
fn a_trial_lasts_until_the_first_cycle_that_is_none_is_billed() {
    use SubscriptionState::{Active, PastDue, Trialing};
    let trial = Plan { trial_cycles: 1, ..plan(FrequencyUnit::Month, 1) };
    let begun = || {
        let mut progress = Progress::begun(&trial, START);
        assert_eq!((progress.tick(&trial, START), progress.state, progress.cycle), (Due::WentOn, Trialing, 2));
        progress
    };
    let second = trial.due(2);
    let mut progress = begun();
    assert_eq!((progress.tick(&trial, second), progress.state), (Due::Charge(eur(1_000)), Trialing));
    progress.paid(&trial);
    assert_eq!((progress.state, progress.cycle), (Active, 3));

    // One that is paused comes back to its trial while that lasts, and to nothing but cycles that are paid for afterwards.
    for (at, state, cycle) in [(second.plus_seconds(-1), Trialing, 2), (second, Active, 3)] {
        let mut progress = begun();
        progress.step(Step::Pause, &trial, START).expect("it runs");
        progress.step(Step::Resume, &trial, at).expect("it is paused");
        assert_eq!((progress.state, progress.cycle), (state, cycle));
    }

    let mut progress = begun();
    progress.declined(&trial, false, second);
    assert_eq!((progress.state, progress.cycle), (PastDue, 2));
    progress.paid(&trial);
    assert_eq!((progress.state, progress.cycle), (Active, 3));
    let mut skipping = trial;
    skipping.retries.on_decline = false;
    let mut progress = begun();
    progress.declined(&skipping, false, second);
    assert_eq!((progress.state, progress.cycle), (Active, 3), "billed in vain");

    let paid = Plan { trial_amount: eur(100), ..trial };
    let mut progress = Progress::begun(&paid, START);
    progress.declined(&paid, false, START);
    assert_eq!((progress.state, progress.cycle), (PastDue, 1));
    progress.paid(&paid);
    assert_eq!((progress.state, progress.cycle), (Trialing, 2), "the trial itself was late");
}

#[test]
fn declined_cycles_are_tried_after_their_days_and_then_given_up() {
    for (cancel, end) in [(false, SubscriptionState::Paused), (true, SubscriptionState::Cancelled)] {
        let mut monthly = plan(FrequencyUnit::Month, 1);
        monthly.retries.cancel_on_exhausted = cancel;
        let mut progress = Progress::begun(&monthly, START);
        for days in [0, 1, 3, 5, 7, 10, 14] {
            let now = START.plus_days(days);
            assert_eq!(progress.tick(&monthly, now.plus_seconds(-1)), Due::Nothing);
            assert_eq!(progress.tick(&monthly, now), Due::Charge(eur(1_000)), "{days}");
            progress.declined(&monthly, false, now);
        }
        assert_eq!((progress.state, progress.next_at, progress.tries, progress.cycle), (end, None, 7, 1));
    }
}

#[test]
fn a_hard_decline_ends_the_tries_and_without_tries_the_cycle_is_skipped() {
    let monthly = plan(FrequencyUnit::Month, 1);
    let mut progress = Progress::begun(&monthly, START);
    progress.declined(&monthly, true, START);
    assert_eq!(progress.state, SubscriptionState::Paused);
    let mut skipping = monthly;
    skipping.retries.on_decline = false;
    let mut progress = Progress::begun(&skipping, START);
    progress.declined(&skipping, true, START);
    assert_eq!((progress.state, progress.cycle, progress.next_at), (SubscriptionState::Active, 2, Some(skipping.due(2))));
}

#[test]
fn without_a_card_a_subscription_waits_instead_of_passing_its_cycles() {
    let monthly = plan(FrequencyUnit::Month, 1);
    let mut trying = monthly;
    (trying.retries.stop_on_hard_decline, trying.retries.cancel_on_exhausted) = (false, true);
    let mut skipping = monthly;
    skipping.retries.on_decline = false;
    for (plan, state) in
        [(skipping, SubscriptionState::Paused), (monthly, SubscriptionState::Paused), (trying, SubscriptionState::PastDue)]
    {
        let mut progress = Progress::begun(&plan, START);
        progress.cannot_be_charged(&plan, START);
        assert_eq!((progress.state, progress.cycle), (state, 1));
    }
}

#[test]
fn a_forced_try_does_not_use_the_schedule_up() {
    let monthly = plan(FrequencyUnit::Month, 1);
    let mut progress = Progress::begun(&monthly, START);
    progress.declined(&monthly, false, START);
    let now = START.plus_seconds(60);
    progress.step(Step::Retry, &monthly, now).expect("it is past due");
    assert_eq!((progress.tick(&monthly, now), progress.forced), (Due::Charge(eur(1_000)), true));
    progress.declined(&monthly, false, now);
    assert_eq!((progress.tries, progress.retries_used, progress.next_at), (2, 0, Some(START.plus_days(1))));
    progress.step(Step::Retry, &monthly, now).expect("it is past due");
    progress.paid(&monthly);
    assert_eq!((progress.state, progress.cycle, progress.tries), (SubscriptionState::Active, 2, 0));
}

#[test]
fn resuming_skips_what_was_missed() {
    let monthly = plan(FrequencyUnit::Month, 1);
    let mut progress = Progress::begun(&monthly, START);
    progress.paid(&monthly);
    progress.step(Step::Pause, &monthly, START).expect("it runs");
    assert_eq!(progress.tick(&monthly, START.plus_days(200)), Due::Nothing);
    let now = monthly.due(6);
    progress.step(Step::Resume, &monthly, now).expect("it is paused");
    assert_eq!((progress.cycle, progress.next_at), (7, Some(monthly.due(7))), "what is due now is missed too");
    let short = Plan { total: Some(3), ..monthly };
    progress = Progress { state: SubscriptionState::Paused, next_at: None, cycle: 2, ..progress };
    progress.step(Step::Resume, &short, now).expect("it is paused");
    assert_eq!(progress.state, SubscriptionState::Completed);
}

#[test]
fn it_ends_when_its_time_is_over_and_charges_what_came_before() {
    let ending = Plan { finish_at: Some(START.plus_days(3)), ..plan(FrequencyUnit::Day, 1) };
    let mut progress = Progress::begun(&ending, START);
    assert_eq!(charge_all(&mut progress, &ending, START.plus_days(10)), [1, 2, 3]);
    assert_eq!(progress.state, SubscriptionState::Completed);
    let mut progress = Progress::begun(&ending, START);
    assert_eq!(charge_all(&mut progress, &ending, START.plus_days(2)), [1, 2, 3]);
    assert_eq!((progress.state, progress.shown_next(&ending)), (SubscriptionState::Active, None));
    assert_eq!(progress.wake_at(&ending), ending.finish_at);
}

fn unit() -> impl Strategy<Value = FrequencyUnit> {
    prop::sample::select(FrequencyUnit::ALL)
}

fn step() -> impl Strategy<Value = Step> {
    prop::sample::select(vec![Step::Pause, Step::Resume, Step::Cancel, Step::Retry])
}

proptest! {
    #[test]
    fn due_dates_grow_and_keep_their_day(unit in unit(), every in 1_i64..=365, cycle in 1_i64..200, start in 0_i64..4_000_000_000) {
        let plan = Plan { start_at: Timestamp::from_seconds(start), ..plan(unit, every) };
        let (one, next) = (plan.due(cycle), plan.due(cycle + 1));
        prop_assert!(one < next || next == Timestamp::MAX);
        if matches!(unit, FrequencyUnit::Month | FrequencyUnit::Year) && next < Timestamp::MAX {
            let (day, wanted) = (one.date().2, plan.start_at.date().2);
            prop_assert!(day == wanted || (day < wanted && one.plus_days(1).date().2 == 1), "{} of {}", day, wanted);
            prop_assert_eq!(one.seconds().rem_euclid(86_400), start.rem_euclid(86_400));
        }
    }

    #[test]
    fn a_cycle_is_due_when_it_was_whatever_the_next_ones_are(
        units in (unit(), unit()), every in (1_i64..=365, 1_i64..=365), cycle in 1_i64..200, start in 0_i64..4_000_000_000, days in 0_i64..90_000,
    ) {
        let before = Plan { start_at: Timestamp::from_seconds(start), ..plan(units.0, every.0) };
        let after = before.counted_anew(cycle, units.1, every.1);
        prop_assert_eq!(after.due(cycle), before.due(cycle));
        let next = after.due(cycle + 1);
        prop_assert!(after.due(cycle) < next || next == Timestamp::MAX);
        let now = before.due(cycle).plus_days(days);
        let first = after.first_after(cycle, now);
        prop_assert!(after.due(first) > now || after.due(first) == Timestamp::MAX);
        prop_assert!(first == cycle || after.due(first - 1) <= now);
    }

    #[test]
    fn a_clock_that_jumps_charges_every_cycle_once_and_in_order(unit in unit(), every in 1_i64..5, days in prop::collection::vec(0_i64..400, 1..8)) {
        let plan = plan(unit, every);
        let (mut progress, mut now, mut charged) = (Progress::begun(&plan, START), START, Vec::new());
        for days in days {
            now = now.plus_days(days);
            charged.extend(charge_all(&mut progress, &plan, now));
        }
        let due = (1..100_000).take_while(|cycle| plan.due(*cycle) <= now).collect::<Vec<_>>();
        prop_assert_eq!(charged, due);
    }

    #[test]
    fn resuming_finds_the_first_due_date_after_now(unit in unit(), every in 1_i64..40, from in 1_i64..30, days in 0_i64..3_000) {
        let (plan, now) = (plan(unit, every), START.plus_days(days));
        let cycle = plan.first_after(from, now);
        prop_assert!(cycle >= from && plan.due(cycle) > now);
        prop_assert!(cycle == from || plan.due(cycle - 1) <= now);
    }

    #[test]
    fn no_story_leaves_the_table_of_states(events in prop::collection::vec((0..4_u8, step(), any::<bool>(), 0_i64..20), 1..60), total in prop::option::of(1_i64..6), trial in 0_i64..3, cancel in any::<bool>()) {
        let mut plan = Plan { total, trial_cycles: trial, ..plan(FrequencyUnit::Week, 1) };
        plan.retries.cancel_on_exhausted = cancel;
        let (mut progress, mut now) = (Progress::begun(&plan, START), START);
        for (what, step, hard, days) in events {
            now = now.plus_days(days);
            let before = progress;
            let final_before = matches!(before.state, SubscriptionState::Completed | SubscriptionState::Cancelled);
            match what {
                0 => { let _ = progress.step(step, &plan, now); }
                _ => if let Due::Charge(_) = progress.tick(&plan, now) {
                    if what == 1 { progress.declined(&plan, hard, now) } else { progress.paid(&plan) }
                },
            }
            prop_assert!(progress.cycle >= before.cycle, "cycles never go back");
            prop_assert!(!final_before || progress.state == before.state, "an end is an end");
            let waits = matches!(progress.state, SubscriptionState::Paused | SubscriptionState::Completed | SubscriptionState::Cancelled);
            prop_assert_eq!(progress.next_at.is_none(), waits);
            prop_assert!(total.is_none_or(|total| progress.cycle <= total + 1));
            prop_assert_eq!(progress.state == SubscriptionState::PastDue, progress.declined_at.is_some() && !waits);
        }
    }
}
