//! What goes on in the background. The lease is kept alive by the writer itself; everything here may run on every node.

use std::sync::Arc;
use std::time::Duration;

use db::Store;
use idempotency::Idempotency;
use messaging::Courier;
use payments::Payments;
use payments::delays::Delays;
use payments::subscriptions::Subscriptions;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::telemetry;

/// How often idempotency keys whose time is over are swept away.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How often the cards of one-time tokens whose time is over are destroyed: a code must not outlive its token.
const SWEEP_TOKENS_EVERY: Duration = Duration::from_secs(1);
/// How often reports whose time is over are taken off.
const SWEEP_REPORTS_EVERY: Duration = Duration::from_mins(1);
/// How often histograms are folded, so that they do not grow.
const FOLD_EVERY: Duration = Duration::from_secs(5);

/// Starts all of them; they end soon after `closing`.
pub fn start(
    store: &Arc<Store>,
    idempotency: &Idempotency,
    payments: &Payments,
    subscriptions: &Subscriptions,
    courier: Arc<Courier>,
    closing: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let sweeper = sweep(store.clone(), idempotency.clone(), closing.clone());
    let folder = every(FOLD_EVERY, closing.clone(), || async { telemetry::fold() });
    let tokens = sweep_tokens(payments.clone(), closing.clone());
    let reports = sweep_reports(payments.clone(), closing.clone());
    let (payments, stop) = (payments.clone(), closing.clone());
    let recovery = async move { payments.resolve_until(stop.cancelled()).await };
    let (subscriptions, stop) = (subscriptions.clone(), closing.clone());
    let billing = async move { subscriptions.bill_until(stop.cancelled()).await };
    let stop = closing.clone();
    let deliveries = async move { courier.deliver_until(stop.cancelled()).await };
    vec![
        tokio::spawn(sweeper),
        tokio::spawn(folder),
        tokio::spawn(tokens),
        tokio::spawn(reports),
        tokio::spawn(recovery),
        tokio::spawn(billing),
        tokio::spawn(deliveries),
    ]
}

/// Captures and cancels what was authorised with a delay; ends soon after `closing`.
pub fn carry_out_delays(delays: Delays, closing: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move { delays.run_until(closing.cancelled()).await })
}

/// Deletes expired keys in small batches until none is left, again and again.
async fn sweep(store: Arc<Store>, idempotency: Idempotency, closing: CancellationToken) {
    every(SWEEP_EVERY, closing, || async {
        loop {
            match idempotency.sweep(store.writer(), store.clock().now()).await {
                Ok(0) => break,
                Ok(count) => tracing::debug!(count, "expired idempotency keys were swept away"),
                Err(fault) => {
                    tracing::warn!(%fault, "expired idempotency keys could not be swept away; the next round will");
                    break;
                }
            }
        }
    })
    .await;
}

/// Destroys the cards of one-time tokens whose time is over, again and again.
async fn sweep_tokens(payments: Payments, closing: CancellationToken) {
    every(SWEEP_TOKENS_EVERY, closing, || async {
        match payments.sweep_tokens().await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "one-time tokens whose time is over were swept away"),
            Err(fault) => tracing::warn!(%fault, "one-time tokens could not be swept away; the next round will"),
        }
    })
    .await;
}

/// Takes off reports whose time is over, again and again.
async fn sweep_reports(payments: Payments, closing: CancellationToken) {
    every(SWEEP_REPORTS_EVERY, closing, || async {
        match payments.sweep_reports().await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "reports whose time is over were taken off"),
            Err(fault) => tracing::warn!(%fault, "reports could not be taken off; the next round will"),
        }
    })
    .await;
}

/// Does something once a period until the end.
async fn every<F: Future<Output = ()>>(period: Duration, closing: CancellationToken, work: impl Fn() -> F) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = closing.cancelled() => return,
            _ = ticks.tick() => work().await,
        }
    }
}
