//! The merchants' webhook receivers: they remember what they were told, and notice when they are told wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use messaging::{Post, Posting, Trouble};
use serde_json::Value;
use tokio::time::sleep;

use crate::faults::Fault;
use crate::realm::{Breach, Holds, Realm};

/// The receivers of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Receivers(Arc<Inner>);

struct Inner {
    realm: Realm,
    /// By event id.
    told: Mutex<BTreeMap<String, Told>>,
}

/// What was told under one id.
#[derive(Clone, Debug)]
pub struct Told {
    /// The whole body but for the number of the try.
    pub body: Value,
    /// How often it was confirmed.
    pub confirmed: u32,
    /// How often it was sent, whether it arrived or not.
    pub tries: u32,
}

/// After so many tries nobody expects another.
pub const TRIES: u32 = 7;

impl Receivers {
    /// Nobody was told anything yet.
    pub fn new(realm: Realm) -> Receivers {
        Receivers(Arc::new(Inner { realm, told: Mutex::default() }))
    }

    /// Where a tenant's receiver is.
    pub fn url(account: &str) -> String {
        format!("http://hooks.example:8000/{account}")
    }

    /// Everything that was told, by event id.
    pub fn told(&self) -> BTreeMap<String, Told> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a message in.
    fn take(&self, url: &str, headers: &HeaderMap, body: &[u8], confirms: bool) -> Holds {
        let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let broken = |found: String| Err(Breach::of("webhooks", found));
        let Ok(mut body) = serde_json::from_slice::<Value>(body) else { return broken(format!("{id} is no JSON")) };
        if body["data"]["idempotency_key"] != id.as_str() {
            return broken(format!("{id} names another event in its body"));
        }
        let account = url.rsplit('/').next().unwrap_or_default();
        if body["account_id"] != account {
            return Err(Breach::of("tenancy", format!("{account} is told what belongs to {}", body["account_id"])));
        }
        if let Some(members) = body.as_object_mut() {
            members.remove("retry");
        }
        self.0.realm.reach(format!("webhook {} {}", body["type"], body["type_event"]));
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        let known = told.entry(id.clone()).or_insert_with(|| Told { body: body.clone(), confirmed: 0, tries: 0 });
        known.tries += 1;
        known.confirmed += u32::from(confirms);
        if known.body == body { Ok(()) } else { broken(format!("{id} says something else the second time")) }
    }
}

impl Post for Receivers {
    fn post(&self, url: &str, headers: HeaderMap, body: Vec<u8>) -> Posting<'_> {
        let url = url.to_owned();
        Box::pin(async move {
            let realm = &self.0.realm;
            if !realm.alive() {
                return std::future::pending().await;
            }
            let fails = realm.strikes(Fault::Webhook);
            let arrives = !fails || realm.draw(|chance| chance.hits(500));
            if let Err(breach) = self.take(&url, &headers, &body, !fails) {
                realm.broken(breach);
            }
            let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
            realm.note(format_args!("webhook {id} {}", if fails { "fails" } else { "confirmed" }));
            if !fails {
                return Ok(200);
            }
            sleep(Duration::from_millis(realm.draw(|chance| chance.between(1, 10_000)))).await;
            if arrives { Ok(500) } else { Err(Trouble::Timeout) }
        })
    }
}
