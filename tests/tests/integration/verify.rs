//! The checker works beside a server under load and never takes timing for damage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use testkit::actors::Actor;
use testkit::on_both_engines;

on_both_engines! {
    async fn a_sound_database_is_found_sound_while_it_is_written_to(world) {
        let stop = Arc::new(AtomicBool::new(false));
        let merchant = world.merchant();
        let writers: Vec<_> = (0..6).map(|_| tokio::spawn(trade(merchant.clone(), stop.clone()))).collect();
        // The acquirer is slow enough that something is under way whenever the snapshot is taken.
        world.slow_acquirer(40).await;
        for _ in 0..20 {
            world.verify().await;
        }
        stop.store(true, Ordering::Relaxed);
        let mut made = 0;
        for writer in writers {
            made += writer.await.expect("no refusal");
        }
        assert!(made > 6, "there was load: {made} payments");
        world.acquirer("normal").await;
        world.verify_settled().await;
    }
}

/// Buys, holds, captures and gives back until told to stop; gives how many payments it made.
async fn trade(merchant: Actor, stop: Arc<AtomicBool>) -> usize {
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        let paid = merchant.pays(merchant.purchase("5 EUR")).await;
        merchant.refunds(&paid, "2 EUR").await.expect(200);
        let held = merchant.pays(merchant.authorisation("7 EUR")).await;
        merchant.captures(&held, "3 EUR").await.expect(200);
        let dropped = merchant.pays(merchant.authorisation("7 EUR")).await;
        merchant.operate(&dropped, "cancel", json!({})).await.expect(200);
        made += 3;
    }
    made
}
