//! Metrics for Prometheus, and the answer to whether the product can work.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use db::{DatabaseUrl, SchemaState};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::sync::Mutex;
use tokio::time::Instant;
use web::{Metrics, Ready};

use crate::schema::MIGRATIONS;

/// Bounds of the durations that are counted, in seconds: from a replay out of memory to the longest request.
const SECONDS_BOUNDS: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// How long the answer about the database may be repeated: whoever asks often does not cost a connection each time.
const READINESS_AGE_MAX: Duration = Duration::from_millis(500);
/// How long the database may take to answer before it counts as away.
const READINESS_TIME_MAX: Duration = Duration::from_secs(2);

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// The process's recorder, taken into use on the first call. Without one (somebody else's is in use) metrics are empty.
fn recorder() -> Option<&'static PrometheusHandle> {
    let made = RECORDER.get_or_init(|| {
        let builder =
            PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS_BOUNDS).ok()?;
        let handle = builder.install_recorder().ok()?;
        metrics::gauge!("guichet_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        metrics::describe_gauge!("guichet_info", "The program that answers");
        idempotency::meter::describe();
        Some(handle)
    });
    made.as_ref()
}

/// Takes the recorder into use; comes before the parts that count are made, because they ask for their counters once.
pub fn start() {
    recorder();
}

/// Writes all metrics out.
pub fn metrics() -> Metrics {
    Arc::new(|| recorder().map(PrometheusHandle::render).unwrap_or_default())
}

/// Folds what histograms have collected.
pub fn fold() {
    if let Some(handle) = recorder() {
        handle.run_upkeep();
    }
}

/// Whether the database answers and its schema is this program's.
pub fn readiness(database: DatabaseUrl) -> Ready {
    let last: Arc<Mutex<Option<(Instant, bool)>>> = Arc::default();
    Arc::new(move || {
        let (database, last) = (database.clone(), last.clone());
        Box::pin(async move {
            let mut last = last.lock().await;
            if let Some((_, answer)) = last.filter(|(at, _)| at.elapsed() < READINESS_AGE_MAX) {
                return answer;
            }
            let state = tokio::time::timeout(READINESS_TIME_MAX, db::schema_state(&database, None, MIGRATIONS)).await;
            let answer = matches!(state, Ok(Ok(SchemaState::Current)));
            *last = Some((Instant::now(), answer));
            answer
        })
    })
}
