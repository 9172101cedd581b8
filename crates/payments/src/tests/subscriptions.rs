//! Subscriptions: one payment per cycle, whatever happens.

use std::sync::Arc;

use db::{DatabaseUrl, Fault};
use kernel::{AccountId, SubscriptionId};

use super::bank::{Bank, Does};
use super::damage::Damage;
use super::house::*;
use super::recovery::Process;
use crate::subscriptions::*;
use crate::*;

/// A vault with two cards in it.
pub(crate) struct Cards;

impl BillingPort for Cards {
    fn terms(&self, account: AccountId) -> Answering<'_, Result<Option<Terms>, Fault>> {
        Box::pin(std::future::ready(Ok((account == MERCHANT).then_some(TERMS))))
    }

    fn card<'a>(&'a self, _account: AccountId, token: &'a str) -> Answering<'a, Result<StoredCard, Fault>> {
        Box::pin(std::future::ready(Ok(match token {
            "good" | "gone" => StoredCard::Chargeable,
            "declined" => StoredCard::Unusable,
            _ => StoredCard::Unknown,
        })))
    }

    fn means(&self, token: &Arc<str>) -> Means {
        match &**token {
            "good" => Means::Card(card("4507990000000002")),
            _ => Means::VaultedToken(token.clone()),
        }
    }
}

fn monthly(minor: i64) -> CreateSubscription {
    CreateSubscription {
        name: "Magazine".into(),
        country: kernel::Country::parse("FR").expect("a country"),
        amount: eur(minor),
        vaulted_token: "good".into(),
        unit: FrequencyUnit::Month,
        every: 1,
        total: None,
        customer_id: None,
        trial_cycles: 0,
        trial_amount: eur(0),
        start_at: None,
        finish_at: None,
        retries: Retries { on_decline: true, amount: 2, stop_on_hard_decline: true, cancel_on_exhausted: true },
        details: None,
    }
}

const DAY: u32 = 86_400;

impl House {
    fn subscriptions(&self) -> Subscriptions {
        Subscriptions::new(self.payments.clone(), Arc::new(Cards))
    }

    async fn subscribes(&self, ask: CreateSubscription) -> SubscriptionId {
        let answer = self.subscriptions().create(MERCHANT, ask, None).await.expect("a subscription");
        let body = String::from_utf8(bytes(&answer).1).expect("text");
        body[7..43].parse().expect("an id")
    }

    async fn bills(&self) {
        self.subscriptions().bill_once().await.expect("the store works");
    }

    async fn subscription(&self, id: SubscriptionId) -> SubscriptionRow {
        self.subscriptions().get(MERCHANT, Some(id)).await.expect("reads").expect("it is there")
    }

    /// State, cycle and tries.
    async fn progress(&self, id: SubscriptionId) -> (SubscriptionState, i64, i64) {
        let row = self.subscription(id).await;
        (row.state, row.cycle, row.tries)
    }

    /// Cycle and state of its payments, oldest first.
    async fn cycles(&self, id: SubscriptionId) -> Vec<(i64, PaymentState)> {
        let page = self.subscriptions().payments(MERCHANT, id, 100, 0).await.expect("reads");
        assert_eq!(page.total, i64::try_from(page.items.len()).expect("few"));
        page.items.iter().rev().map(|paid| (paid.cycle, paid.state)).collect()
    }

    async fn steps(&self, id: SubscriptionId, step: Step) -> Result<Answer, PaymentsError> {
        self.subscriptions().step(MERCHANT, Some(id), step, None).await
    }
}

on_both_engines! {
    async fn each_cycle_is_paid_once_however_many_schedulers_look(house) {
        let id = house.subscribes(CreateSubscription { total: Some(4), ..monthly(900) }).await;
        assert_eq!(house.progress(id).await, (SubscriptionState::Active, 1, 0));
        for days in [0, 32, 70] {
            house.wait(days * DAY).await;
            let all = (0..4).map(|_| { let one = house.subscriptions(); tokio::spawn(async move { one.bill_once().await }) });
            for one in all.collect::<Vec<_>>() {
                one.await.expect("no panic").expect("the store works");
            }
        }
        house.bills().await;
        let paid = (1..=4).map(|cycle| (cycle, PaymentState::Approved)).collect::<Vec<_>>();
        assert_eq!((house.cycles(id).await, house.progress(id).await.0), (paid, SubscriptionState::Completed));
        assert_eq!(house.bank.sum(AttemptKind::Purchase), 3_600);
        house.wait(100 * DAY).await;
        house.bills().await;
        assert_eq!(house.cycles(id).await.len(), 4, "what is completed is not charged");
    }

    async fn a_declined_cycle_is_tried_by_its_days_and_then_cancelled(house) {
        let id = house.subscribes(monthly(900)).await;
        house.bank.will(&[Does::Decline, Does::Decline, Does::Decline]);
        house.bills().await;
        assert_eq!(house.progress(id).await, (SubscriptionState::PastDue, 1, 1));
        house.bills().await;
        assert_eq!(house.cycles(id).await.len(), 1, "not before its day");
        house.wait(DAY).await;
        house.bills().await;
        assert_eq!(house.progress(id).await, (SubscriptionState::PastDue, 1, 2));
        house.wait(2 * DAY).await;
        house.bills().await;
        assert_eq!(house.progress(id).await, (SubscriptionState::Cancelled, 1, 3));
        assert_eq!(refusal(house.steps(id, Step::Resume).await), Refusal::InvalidState);
        assert_eq!(house.cycles(id).await, vec![(1, PaymentState::Declined); 3]);
    }

    async fn a_cycle_that_wants_its_payer_is_declined_at_once_and_tried_again_by_its_days(house) {
        let id = house.subscribes(monthly(900)).await;
        house.bank.will(&[Does::Challenge, Does::LoseAnswer]);
        house.bills().await;
        assert_eq!(house.progress(id).await, (SubscriptionState::PastDue, 1, 1));
        let page = house.subscriptions().payments(MERCHANT, id, 1, 0).await.expect("reads");
        let read = house.payments.get(MERCHANT, page.items[0].id).await.expect("reads").expect("it is there");
        let said = read.payment.said().map(|said| (said.code, said.hard));
        assert_eq!((read.payment.state, said), (PaymentState::Declined, Some(("AUTHENTICATION_REQUIRED", false))));
        assert_eq!(read.facts(false, false, house.payments.challenges()).redirect_url(), None);
        house.wait(DAY).await;
        house.bills().await;
        assert_eq!(house.progress(id).await, (SubscriptionState::Active, 2, 0));
        assert_eq!(house.cycles(id).await, [(1, PaymentState::Declined), (1, PaymentState::Approved)]);
    }

    async fn a_lost_answer_that_wants_the_payer_is_declined_when_it_is_found(house) {
        let id = house.subscribes(monthly(900)).await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseRequest]);
        house.bills().await;
        assert_eq!(house.cycles(id).await, [(1, PaymentState::Unconfirmed)]);
        house.bank.silent(false);
        house.bank.remembers_a_challenge();
        house.payments.resolve_once().await;
        assert_eq!((house.progress(id).await, house.cycles(id).await), ((SubscriptionState::PastDue, 1, 1), vec![(1, PaymentState::Declined)]));
    }

    async fn a_try_asked_for_mends_it(house) {
        let id = house.subscribes(monthly(900)).await;
        assert_eq!(refusal(house.steps(id, Step::Retry).await), Refusal::InvalidState);
        house.bank.will(&[Does::Decline]);
        house.bills().await;
        house.steps(id, Step::Retry).await.expect("it is past due");
        house.bills().await;
        assert_eq!(house.progress(id).await, (SubscriptionState::Active, 2, 0));
        let page = house.subscriptions().payments(MERCHANT, id, 100, 0).await.expect("reads");
        assert_eq!(page.items.iter().map(|paid| (paid.attempt, paid.forced)).collect::<Vec<_>>(), [(1, true), (0, false)]);
    }

    async fn unknown_outcomes_are_waited_for_and_lost_requests_sent_again(house) {
        let id = house.subscribes(monthly(900)).await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        house.bills().await;
        house.wait(40 * DAY).await;
        house.bills().await;
        assert_eq!((house.cycles(id).await.len(), house.progress(id).await), (1, (SubscriptionState::Active, 1, 0)));
        house.is_sound(false).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        house.bank.will(&[Does::LoseRequest, Does::NotSent]);
        house.bills().await;
        assert_eq!(house.progress(id).await, (SubscriptionState::Active, 2, 0), "the second cycle never left the house");
        for _ in 0..2 {
            house.wait(61).await;
            house.bills().await;
        }
        assert_eq!(house.cycles(id).await, [(1, PaymentState::Approved), (2, PaymentState::Approved)]);
    }

    async fn pausing_stops_and_resuming_skips(house) {
        let id = house.subscribes(monthly(900)).await;
        house.bills().await;
        house.steps(id, Step::Pause).await.expect("it runs");
        assert_eq!(refusal(house.steps(id, Step::Pause).await), Refusal::InvalidState);
        house.wait(100 * DAY).await;
        house.bills().await;
        assert_eq!(house.cycles(id).await.len(), 1);
        house.steps(id, Step::Resume).await.expect("it is paused");
        let row = house.subscription(id).await;
        assert!(row.state == SubscriptionState::Active && row.next_at.is_some_and(|next| next > house.store.clock().now()));
        house.bills().await;
        assert_eq!(house.cycles(id).await.len(), 1, "what was missed is not charged");
        house.steps(id, Step::Cancel).await.expect("it runs");
        assert_eq!(refusal(house.steps(id, Step::Cancel).await), Refusal::InvalidState);
        let stranger = AccountId::from_bytes([2; 16]);
        let foreign = house.subscriptions().step(stranger, Some(id), Step::Cancel, None).await;
        assert_eq!(refusal(foreign), Refusal::SubscriptionNotFound);
    }

    async fn a_cycle_that_was_resumed_past_while_it_was_being_paid_costs_no_other(house) {
        let id = house.subscribes(monthly(900)).await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        house.bills().await;
        house.steps(id, Step::Pause).await.expect("it runs");
        house.steps(id, Step::Resume).await.expect("it is paused");
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!(house.progress(id).await, (SubscriptionState::Active, 2, 0));
        house.wait(32 * DAY).await;
        house.bills().await;
        assert_eq!(house.cycles(id).await, [(1, PaymentState::Approved), (2, PaymentState::Approved)]);
    }

    async fn cards_that_cannot_be_charged_are_refused_at_first_and_count_as_declines_later(house) {
        for (token, expected) in [("unknown", Refusal::PaymentMethodNotFound), ("declined", Refusal::PaymentMethodStatus)] {
            let ask = CreateSubscription { vaulted_token: token.into(), ..monthly(900) };
            assert_eq!(refusal(house.subscriptions().create(MERCHANT, ask, None).await), expected);
        }
        let id = house.subscribes(CreateSubscription { vaulted_token: "gone".into(), ..monthly(900) }).await;
        house.bills().await;
        assert_eq!((house.progress(id).await, house.cycles(id).await), ((SubscriptionState::Cancelled, 1, 1), vec![]));
        assert_eq!(house.bank.requests(), 0);
    }

    async fn changes_count_from_the_next_cycle_on(house) {
        let id = house.subscribes(monthly(900)).await;
        house.bills().await;
        let change = |row: &SubscriptionRow| ChangeSubscription {
            name: "Two magazines".into(),
            amount: eur(1_500),
            vaulted_token: row.vaulted_token.clone(),
            unit: row.unit,
            every: row.every,
            total: Some(2),
            finish_at: None,
            retries: row.retries(),
            details: None,
        };
        house.subscriptions().change(MERCHANT, Some(id), change, None).await.expect("a change");
        house.wait(70 * DAY).await;
        house.bills().await;
        assert_eq!((house.progress(id).await.0, house.bank.sum(AttemptKind::Purchase)), (SubscriptionState::Completed, 2_400));
        assert_eq!(refusal(house.subscriptions().change(MERCHANT, Some(id), change, None).await), Refusal::InvalidState);
    }

    async fn dates_are_judged_and_lists_are_paged(house) {
        let now = house.store.clock().now();
        for (start, finish) in [(Some(now.plus_days(-1)), None), (None, Some(now.plus_days(-1))), (Some(now.plus_days(3)), Some(now.plus_days(3)))] {
            let ask = CreateSubscription { start_at: start, finish_at: finish, ..monthly(900) };
            assert!(matches!(refusal(house.subscriptions().create(MERCHANT, ask, None).await), Refusal::InvalidDate(_)));
        }
        let ask = crate::customers::CreateCustomer { merchant_customer_id: "ada".into(), document: None };
        let answer = house.payments.create_customer(MERCHANT, ask, None).await.expect("a customer");
        let customer: Arc<str> = String::from_utf8(bytes(&answer).1).expect("text")[7..43].into();
        for stranger in ["c", "0199a8b4-1f7e-7c3a-8000-0123456789ab"] {
            let ask = CreateSubscription { customer_id: Some(stranger.into()), ..monthly(900) };
            assert_eq!(refusal(house.subscriptions().create(MERCHANT, ask, None).await), Refusal::PayerNotFound);
        }
        let mut made = Vec::new();
        for number in 0..5 {
            let customer_id = (number % 2 == 0).then(|| customer.clone());
            made.push(house.subscribes(CreateSubscription { customer_id, start_at: Some(now.plus_days(5)), ..monthly(900) }).await);
        }
        house.steps(made[0], Step::Cancel).await.expect("it waits");
        let page = async |filter: Filter, limit, offset| {
            let page = house.subscriptions().list(MERCHANT, &filter, limit, offset).await.expect("reads");
            (page.items.iter().map(|row| made.iter().position(|id| *id == row.id).expect("ours")).collect::<Vec<_>>(), page.total)
        };
        assert_eq!(page(Filter::default(), 2, 2).await, (vec![2, 1], 5));
        let of_customer = Filter { customer_id: Some(customer.clone()), ..Filter::default() };
        assert_eq!(page(of_customer.clone(), 10, 0).await, (vec![4, 2, 0], 3));
        let created = vec![SubscriptionState::Created, SubscriptionState::Active];
        assert_eq!(page(Filter { states: created, ..of_customer }, 10, 0).await, (vec![4, 2], 2));
        let later = Filter { created_from: Some(now.plus_days(1)), ..Filter::default() };
        assert_eq!(page(later, 10, 0).await, (vec![], 0));
    }
}

#[test]
fn a_cycle_is_paid_once_across_a_crash_at_every_step() {
    for (does, before) in [(None, 0), (Some(Does::Hang), 0), (Some(Does::ActAndHang), 900), (Some(Does::Approve), 900)] {
        let folder = tempfile::tempdir().expect("a folder");
        let bank = Bank::new();
        let process = Process::start(folder.path(), &bank);
        let id = process.runtime.block_on(process.house.subscribes(monthly(900)));
        if let Some(does) = does {
            let subscriptions = process.house.subscriptions();
            process.asks(&bank, does, async move { subscriptions.bill_once().await });
        }
        process.kill();
        assert_eq!(bank.sum(AttemptKind::Purchase), before, "{does:?}");
        let process = Process::start(folder.path(), &bank);
        let house = &process.house;
        process.runtime.block_on(async {
            house.bills().await;
            house.payments.resolve_once().await;
            house.wait(61).await;
            house.bills().await;
            assert_eq!(house.cycles(id).await, [(1, PaymentState::Approved)], "{does:?}");
            assert_eq!(bank.sum(AttemptKind::Purchase), 900, "{does:?}");
            house.is_sound(true).await;
        });
        process.kill();
    }
}

#[tokio::test]
async fn damaged_subscriptions_are_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    let id = house.subscribes(monthly(900)).await;
    house.bills().await;
    house.wait(32 * DAY).await;
    house.bills().await;
    house.is_sound(true).await;
    let paid = house.subscriptions().payments(MERCHANT, id, 10, 0).await.expect("reads").items;
    let (first, second) = (paid[1].id, paid[0].id);
    let twice = move |rows: &mut db::Rows| {
        let row = rows.delete::<SubscriptionPaymentRow>(&(MERCHANT, second)).expect("it is there");
        assert_ne!(first, second);
        rows.insert(SubscriptionPaymentRow { cycle: 1, attempt: 1, ..row });
    };
    let Ok(()) = house.store.writer().run(Damage(twice)).await.expect("works");
    assert_eq!(house.rules_broken().await, ["I4.s"]);
    let stray = move |rows: &mut db::Rows| {
        let row = rows.delete::<SubscriptionPaymentRow>(&(MERCHANT, second)).expect("it is there");
        rows.insert(SubscriptionPaymentRow { subscription_id: SubscriptionId::from_bytes([7; 16]), ..row });
    };
    let Ok(()) = house.store.writer().run(Damage(stray)).await.expect("works");
    assert_eq!(house.rules_broken().await, ["I3.d"]);
    let asleep = move |rows: &mut db::Rows| rows.must_mut::<SubscriptionRow>(&(MERCHANT, id)).wake_at = None;
    let Ok(()) = house.store.writer().run(Damage(asleep)).await.expect("works");
    assert_eq!(house.rules_broken().await, ["I3.d", "I4.s"]);
}
