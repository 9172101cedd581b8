//! A store that is stepped by hand: nothing happens by itself, and time is the source's, whatever the engine says.

use std::convert::Infallible;
use std::sync::Arc;

use db::{Access, Command, Keys, LEASE_MICROS, Rows, Step, Stepping, Steps, Store, StoreOptions, Writer};
use kernel::{ManualClock, Source, Timestamp};

use crate::on_both_engines;
use crate::purse::{MIGRATIONS, Open, Place, amounts, owner, purse};

/// Long before any machine's clock.
const START: Timestamp = Timestamp::from_seconds(1_000_000_000);

/// Says what time the batch has.
struct Time;

impl Command for Time {
    type Reply = Timestamp;
    type Refusal = Infallible;
    fn keys(&self, _: &mut Keys<'_>) {}
    fn decide(&self, _: &mut Rows, now: Timestamp) -> Result<Timestamp, Infallible> {
        Ok(now)
    }
}

async fn open(place: &Place, seed: u64) -> (Store, Steps, ManualClock) {
    let (source, clock) = Source::seeded(seed, START);
    let options = StoreOptions {
        url: place.url.clone(),
        schema: None,
        migrations: MIGRATIONS,
        access: Access::Serve,
        migrate: true,
        source,
    };
    let stepping = Stepping { queue_places: 10, turns: Arc::new(|| 1) };
    let (store, steps) = Store::open_stepped(options, stepping).await.expect("opens");
    (store, steps, clock)
}

/// Queues the command, carries one batch out, takes the answer.
async fn carried_out<C: Command<Refusal = Infallible>>(writer: &Writer, steps: &mut Steps, command: C) -> C::Reply {
    let stepping = async {
        steps.queued().await;
        steps.step(usize::MAX, None)
    };
    let (answer, step) = tokio::join!(writer.run(command), stepping);
    assert_eq!(step, Step::Done(1));
    let Ok(reply) = answer.expect("runs");
    reply
}

on_both_engines! {
    async fn the_source_says_what_time_it_is(place) {
        let (store, mut steps, clock) = open(place, 1).await;
        assert_eq!(carried_out(store.writer(), &mut steps, Time).await, START);
        clock.advance_seconds(3_600);
        assert_eq!(carried_out(store.writer(), &mut steps, Time).await, START.plus_seconds(3_600));
        assert_eq!(store.clock().database_time(), START.plus_seconds(3_600));
    }

    async fn what_waits_is_done_when_it_is_stepped_and_read_at_once(place) {
        let (store, mut steps, _clock) = open(place, 1).await;
        assert_eq!(steps.step(usize::MAX, None), Step::Idle);
        let id = owner();
        carried_out(store.writer(), &mut steps, Open(purse(id, 1, 7))).await;
        assert_eq!(amounts(&store, id).await, [7]);
    }
}

/// A runtime whose time stands still and that reaches no sockets, as a simulation's.
#[test]
fn of_two_on_one_database_one_is_taken_over_when_its_lease_is_over_by_the_sources_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let place = Place::postgres();
    runtime.block_on(async {
        let (one, one_steps, _) = open(&place, 1).await;
        let (two, mut steps, clock) = open(&place, 2).await;
        let (dead, boot) = (one.writer().boot(), two.writer().boot());
        drop((one, one_steps)); // without a farewell
        clock.advance_micros(LEASE_MICROS);
        assert!(two.dead_nodes().await.expect("reads").is_empty(), "its lease is not over yet");
        clock.advance_micros(1);
        let stepping = async {
            loop {
                steps.queued().await;
                steps.step(usize::MAX, None);
            }
        };
        let found = tokio::select! {
            found = two.dead_nodes() => found,
            () = stepping => unreachable!("it goes on"),
        };
        assert_eq!(found.expect("reads").iter().map(|node| node.boot).collect::<Vec<_>>(), [dead]);
        assert_ne!(dead, boot);
    });
}
