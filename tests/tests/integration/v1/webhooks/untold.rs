//! What was not told, told twice or told as something else is noticed by the checker, whatever it is about.

use std::collections::BTreeSet;

use db::{Access, Command, Keys, Rows, Sql, Store, StoreOptions, args, sql};
use guichet::config::Purpose;
use kernel::{EventId, Source, Timestamp};
use messaging::{DeliveryRow, EventRow, Trigger};
use testkit::on_both_engines;
use testkit::receiver::{Does, Receiver};
use testkit::world::World;

use super::events::{everything, listening};
use super::{PATIENCE, deliveries};

/// Events, each with a status that some object of the story has come to by it and still has.
const PRESENT: [(Trigger, &str); 26] = [
    (Trigger::PaymentAuthorize, "SUCCEEDED"),
    (Trigger::PaymentCancel, "SUCCEEDED"),
    (Trigger::PaymentCancel, "CANCELED"),
    (Trigger::PaymentCapture, "SUCCEEDED"),
    (Trigger::PaymentChargeback, "PENDING"),
    (Trigger::PaymentChargeback, "WON"),
    (Trigger::PaymentChargeback, "LOST"),
    (Trigger::PaymentPurchase, "SUCCEEDED"),
    (Trigger::PaymentPurchase, "DECLINED"),
    (Trigger::PaymentPurchase, "EXPIRED"),
    (Trigger::PaymentRefund, "SUCCEEDED"),
    (Trigger::PaymentVerify, "SUCCEEDED"),
    (Trigger::PaymentVerify, "DECLINED"),
    (Trigger::EnrollmentEnroll, "ENROLLED"),
    (Trigger::EnrollmentEnroll, "DECLINED"),
    (Trigger::EnrollmentUnenroll, "UNENROLLED"),
    (Trigger::SubscriptionCreate, "CREATED"),
    (Trigger::SubscriptionActive, "ACTIVE"),
    (Trigger::SubscriptionPause, "PAUSED"),
    (Trigger::SubscriptionResume, "ACTIVE"),
    (Trigger::SubscriptionCancel, "CANCELED"),
    (Trigger::SubscriptionComplete, "COMPLETED"),
    (Trigger::SubscriptionCloseToRenewal, "ACTIVE"),
    (Trigger::SubscriptionPastDue, "PAST_DUE"),
    (Trigger::PayoutPayout, "SUCCEEDED"),
    (Trigger::PayoutPayout, "DECLINED"),
];

static EVENTS: Sql = sql!("SELECT {} FROM webhook_event ORDER BY id", EventRow);
static DELIVERIES: Sql = sql!("SELECT {} FROM webhook_delivery ORDER BY event_id", DeliveryRow);

/// Takes rows away or brings them, without asking any rule.
struct Tamper {
    gone: Vec<(EventRow, DeliveryRow)>,
    come: Vec<(EventRow, DeliveryRow)>,
}

impl Command for Tamper {
    type Reply = ();
    type Refusal = std::convert::Infallible;

    fn keys(&self, _keys: &mut Keys<'_>) {}

    fn decide(&self, rows: &mut Rows, _now: Timestamp) -> Result<(), Self::Refusal> {
        for (event, delivery) in &self.gone {
            rows.delete::<EventRow>(&(event.account_id, event.id));
            rows.delete::<DeliveryRow>(&(delivery.account_id, delivery.event_id, delivery.webhook_id));
        }
        for (event, delivery) in &self.come {
            rows.append(event.clone());
            rows.append(delivery.clone());
        }
        Ok(())
    }
}

/// The database of a world whose server has stopped.
struct Log(Store);

impl Log {
    async fn open(world: &World) -> Log {
        let options = StoreOptions {
            url: world.config(Purpose::Tool).database,
            schema: None,
            migrations: guichet::schema::MIGRATIONS,
            access: Access::OneShot,
            migrate: false,
            source: Source::system(),
        };
        Log(Store::open(options).await.expect("the database is there"))
    }

    /// Everything that was told, oldest first. There is one receiver, so each event has one delivery.
    async fn told(&self) -> Vec<(EventRow, DeliveryRow)> {
        let events: Vec<EventRow> = self.0.reader().rows(&EVENTS, args![]).await.expect("events");
        let deliveries: Vec<DeliveryRow> = self.0.reader().rows(&DELIVERIES, args![]).await.expect("deliveries");
        assert_eq!(events.len(), deliveries.len());
        events.into_iter().zip(deliveries).inspect(|(event, delivery)| assert_eq!(event.id, delivery.event_id)).collect()
    }

    async fn change(&self, gone: &[(EventRow, DeliveryRow)], come: &[(EventRow, DeliveryRow)]) {
        // Apart: a row that goes and comes in one commit would stay as it is.
        for (gone, come) in [(gone, &[][..]), (&[][..], come)] {
            let tamper = Tamper { gone: gone.to_vec(), come: come.to_vec() };
            let Ok(()) = self.0.writer().run(tamper).await.expect("the store works");
        }
    }
}

/// Whether this event tells of how its object stands now: nothing later is told of the same thing.
fn is_last(one: &EventRow, all: &[(EventRow, DeliveryRow)]) -> bool {
    let goes_on = |event: &EventRow| {
        let apart = [Trigger::SubscriptionCreate, Trigger::SubscriptionCloseToRenewal];
        event.happened.event().starts_with("subscription.") && !apart.contains(&event.happened)
    };
    let follows = |later: &EventRow| later.cause == one.cause || (later.subject == one.subject && goes_on(later) && goes_on(one));
    // A lapsed hold is told under its own transaction's id, whose status it does not change.
    let lapse = |later: &EventRow| later.happened == Trigger::PaymentCancel && one.happened == Trigger::PaymentAuthorize;
    let of_its_own =
        |later: &EventRow| later.happened == Trigger::SubscriptionCreate || one.happened == Trigger::SubscriptionCreate;
    all.iter().map(|(event, _)| event).all(|later| later.id <= one.id || !follows(later) || lapse(later) || of_its_own(later))
}

/// The same under another id.
fn again((event, delivery): &(EventRow, DeliveryRow), source: &Source) -> (EventRow, DeliveryRow) {
    let id = EventId::new(source);
    (EventRow { id, ..event.clone() }, DeliveryRow { event_id: id, sends: 0, ..delivery.clone() })
}

/// The same as something else.
fn renamed((event, delivery): &(EventRow, DeliveryRow)) -> (EventRow, DeliveryRow) {
    let at = Trigger::ALL.iter().position(|trigger| *trigger == event.happened).expect("it is one of all");
    let happened = Trigger::ALL[(at + 1) % Trigger::ALL.len()];
    (EventRow { happened, ..event.clone() }, DeliveryRow { happened, ..delivery.clone() })
}

on_both_engines! {
    async fn what_was_not_told_is_noticed(mut world) {
        let merchant = world.intruder(); // of an account without a past
        let receiver = Receiver::start(Does::Answer(200));
        let hook = listening(&world, &merchant, &receiver).await;
        let expected = everything(&world, &merchant).await;
        receiver.wait_for(expected.len(), PATIENCE);
        deliveries(&world, &merchant, &hook, |all| all.iter().all(|one| one["status"] == "DELIVERED")).await;
        world.verify_settled().await;
        world.stop().await;

        let (log, source) = (Log::open(&world).await, Source::system());
        let told = log.told().await;
        let kinds: BTreeSet<_> = PRESENT.iter().map(|(happened, _)| happened.event()).collect();
        assert_eq!(kinds.len(), Trigger::ALL.len(), "every event there is");
        let mut missed = Vec::new();
        for (happened, status) in PRESENT {
            let fits = |event: &EventRow| event.happened == happened && *event.status == *status && is_last(event, &told);
            let one = told.iter().rfind(|(event, _)| fits(event));
            let one = one.unwrap_or_else(|| panic!("{} {status} is not part of the story", happened.event())).clone();
            let gone = [one.clone()];
            let damages = [
                ("untold", &gone[..], vec![]),
                ("told twice", &[], vec![again(&one, &source)]),
                ("told as something else", &gone[..], vec![renamed(&one)]),
            ];
            for (what, gone, come) in damages {
                log.change(gone, &come).await;
                let report = world.report(true).await;
                let broken: Vec<_> = report.findings().filter(|finding| !finding.ok).map(|finding| finding.id).collect();
                if broken != ["I10.c"] {
                    missed.push(format!("{} {status} {what}: broken are {broken:?}", happened.event()));
                }
                log.change(&come, gone).await;
            }
        }
        log.0.close().await;
        assert!(missed.is_empty(), "{}", missed.join("\n"));
        world.verify_settled().await;
    }
}
