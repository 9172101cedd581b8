//! What was told of a payment's fulfilment, as it is shown.

use std::borrow::Cow;

use kernel::Timestamp;
use payments::fulfilments::FulfilmentRow;
use serde::Deserialize;

use crate::api::v1::details::unpacked;
use crate::view::{Word, drawn, view};

view! {
    /// What was told of a payment's fulfilment.
    pub(in crate::api::v1) struct FulfilmentsView<'a> as "Fulfillments" {
        /// PARTIAL, COMPLETED, REPLACEMENT or CANCELED, as it was told last; null while nothing was told.
        status: Option<Word>,
        /// Oldest first; of entries with the same id the latest counts.
        fulfillments: Vec<FulfilmentView<'a>>,
    }
}

view! {
    /// One delivery.
    struct FulfilmentView<'a> as "Fulfillment" {
        id: &'a str,
        way as "type": &'a str,
        status: &'a str,
        description: Option<&'a str>,
        carriers: Vec<CarrierView<'a>>,
        created_at: Timestamp,
    }
}

view! {
    /// Who carries it.
    struct CarrierView<'a> as "FulfillmentCarrier" {
        id: &'a str,
        tracking_id: Vec<&'a str>,
        tracking_url: Vec<&'a str>,
        /// The day, as 2026-01-31.
        shipped_at: Option<&'a str>,
        /// The day, as 2026-01-31.
        delivered_at: Option<&'a str>,
    }
}

/// A delivery as it is kept.
#[derive(Deserialize)]
struct Kept<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    way: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    description: Option<Cow<'a, str>>,
    #[serde(borrow)]
    carriers: Vec<KeptCarrier<'a>>,
}

#[derive(Deserialize)]
struct KeptCarrier<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    tracking_id: Vec<String>,
    tracking_url: Vec<String>,
    #[serde(borrow)]
    shipped_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    delivered_at: Option<Cow<'a, str>>,
}

impl FulfilmentsView<'_> {
    /// Drawn from what was told, oldest first.
    pub(in crate::api::v1) fn drawn(told: &[FulfilmentRow]) -> Vec<u8> {
        let kept: Vec<(Timestamp, Vec<Kept<'_>>)> = told.iter().map(|row| (row.created_at, unpacked(Some(&row.items)))).collect();
        let all = kept.iter().flat_map(|(at, items)| items.iter().map(|item| delivery(item, *at)));
        drawn(&FulfilmentsView { status: told.last().map(|row| Word(row.status.wire())), fulfillments: all.collect() })
    }
}

fn delivery<'a>(kept: &'a Kept<'_>, created_at: Timestamp) -> FulfilmentView<'a> {
    FulfilmentView {
        id: &kept.id,
        way: &kept.way,
        status: &kept.status,
        description: kept.description.as_deref(),
        carriers: kept.carriers.iter().map(carrier).collect(),
        created_at,
    }
}

fn carrier<'a>(kept: &'a KeptCarrier<'_>) -> CarrierView<'a> {
    CarrierView {
        id: &kept.id,
        tracking_id: kept.tracking_id.iter().map(String::as_str).collect(),
        tracking_url: kept.tracking_url.iter().map(String::as_str).collect(),
        shipped_at: kept.shipped_at.as_deref(),
        delivered_at: kept.delivered_at.as_deref(),
    }
}
