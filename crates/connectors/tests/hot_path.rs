//! What a purchase costs the writers: rows named exactly, nothing decided twice, nothing read that is not needed.

mod house;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use house::*;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use payments::Answer;

/// Keeps the counters of the writers.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<Vec<Count>>>);

type Count = (String, Arc<AtomicU64>);

impl Counts {
    fn of(&self, name: &str) -> u64 {
        let counters = self.0.lock().expect("nobody panicked");
        counters.iter().filter(|(counter, _)| counter == name).map(|(_, count)| count.load(Ordering::SeqCst)).sum()
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let count = Arc::new(AtomicU64::new(0));
        self.0.lock().expect("nobody panicked").push((key.name().to_owned(), count.clone()));
        Counter::from_arc(count)
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purchases_are_decided_once() {
    let counts = Counts::default();
    metrics::set_global_recorder(counts.clone()).expect("the only recorder of this test");
    let folder = tempfile::tempdir().expect("a folder");
    let database = testkit::postgres::fresh_database();
    for place in [Place::sqlite(folder.path()), Place::postgres(database.url())] {
        let house = House::open(&place).await;
        house.create("first", purchase("first", 1_999, GOOD)).await.expect("a payment");
        let orders: Vec<String> = (0..300).map(|number| format!("order-{number}")).collect();
        let calls = orders.iter().map(|order| house.create(order, purchase(order, 1_999, GOOD)));
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Answer::Done(_)))));
        assert_eq!(counts.of("guichet_writer_extra_rounds_total"), 0, "a row was touched that was not named");
        assert_eq!(counts.of("guichet_writer_conflicts_total"), 0);
        house.close().await;
    }
}
