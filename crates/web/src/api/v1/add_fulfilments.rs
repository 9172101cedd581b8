//! `POST /v1/payments/{payment}/fulfillments`: notes what became of the goods of a payment.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::PaymentId;
use payments::fulfilments::{AddFulfilments, FulfilmentStatus};
use serde::Serialize;

use super::parts::Day;
use super::{PAYMENT_NOT_FOUND, PAYMENT_PARAM, PAYMENTS, answer, nothing_reply};
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{Body, Items, Prose, Reader, Shown, Text, object, words};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

words! {
    /// How far a fulfilment is.
    enum Progress {
        /// Part of it is done.
        Partial = "PARTIAL",
        /// All of it is.
        Completed = "COMPLETED",
        /// Something is sent in place of what was sent before.
        Replacement = "REPLACEMENT",
        /// It will not be done.
        Cancelled = "CANCELED",
    }
}

words! {
    /// How goods reach the payer.
    enum Way {
        /// In a way of its own.
        Custom = "CUSTOM",
        /// To a military address.
        Military = "MILITARY",
        /// Over the network.
        Electronic = "ELECTRONIC",
        /// In a hurry.
        Express = "EXPRESS",
        /// As usual.
        Standard = "STANDARD",
        /// At a time that was agreed.
        Scheduled = "SCHEDULED",
        /// Without hurry.
        Economy = "ECONOMY",
        /// Before others.
        Priority = "PRIORITY",
        /// Today.
        SameDay = "SAME_DAY",
        /// Tomorrow.
        NextDay = "NEXT_DAY",
        /// In three days.
        ThirdDay = "THIRD_DAY",
        /// Fetched in a shop.
        StorePickUp = "STORE_PICK_UP",
        /// Fetched from a locker.
        LockerPickUp = "LOCKER_PICK_UP",
        /// Otherwise.
        Other = "OTHER",
    }
}

object! {
    /// Who carries it. Its numbers are the carrier's, so they are not searched for card numbers; its addresses are.
    #[derive(Serialize)]
    struct FulfilmentCarrier {
        /// What the carrier is called.
        id: Prose<3, 255>,
        /// The carrier's numbers for what it carries, at most 20.
        tracking_id: Items<Text<3, 255>, 20>,
        /// Where the payer sees how far it is, at most 20: `http` or `https`.
        tracking_url: Items<Shown<999>, 20>,
        /// The day it was sent.
        shipped_at: Option<Day>,
        /// The day it arrived.
        delivered_at: Option<Day>,
    }
}

object! {
    /// One delivery.
    struct FulfilmentItem {
        /// Your own name for it. Sent again, the newer entry counts.
        id: Text<3, 255>,
        /// How it reaches the payer.
        way as "type": Way,
        /// How far it is.
        status: Progress,
        /// In your words.
        description: Option<Prose<3, 255>>,
        /// Who carries it, at most 20.
        carriers: Option<Items<FulfilmentCarrier, 20>>,
    }
}

object! {
    /// What became of the goods of a payment.
    struct AddFulfilmentsBody {
        /// How far the whole is.
        status: Progress,
        /// What is new, 1 to 50.
        fulfillments: Items<FulfilmentItem, 50, 1>,
    }
}

impl Progress {
    /// The same of all deliveries together.
    fn of_the_whole(self) -> FulfilmentStatus {
        match self {
            Progress::Partial => FulfilmentStatus::Partial,
            Progress::Completed => FulfilmentStatus::Completed,
            Progress::Replacement => FulfilmentStatus::Replacement,
            Progress::Cancelled => FulfilmentStatus::Cancelled,
        }
    }
}

/// A delivery as it is kept, to be read back by [`super::views`].
#[derive(Serialize)]
struct Kept<'a> {
    id: &'a Text<3, 255>,
    #[serde(rename = "type")]
    way: Way,
    status: Progress,
    description: Option<&'a Prose<3, 255>>,
    carriers: &'a [FulfilmentCarrier],
}

impl FulfilmentItem {
    fn kept(&self) -> Kept<'_> {
        let carriers = self.carriers.as_ref().map_or(&[][..], |all| &all.0);
        Kept { id: &self.id, way: self.way, status: self.status, description: self.description.as_ref(), carriers }
    }
}

impl Body for AddFulfilmentsBody {
    type Ask = AddFulfilments;

    fn name() -> &'static str {
        "AddFulfilmentsBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<AddFulfilments> {
        let items = &self.fulfillments.0;
        let kept: Vec<Kept<'_>> = items.iter().map(FulfilmentItem::kept).collect();
        Some(AddFulfilments {
            status: self.status.of_the_whole(),
            count: u32::try_from(items.len()).unwrap_or(u32::MAX),
            items: serde_json::to_vec(&kept).expect("strings always serialise").into(),
        })
    }
}

/// A body that works, for the reference.
const EXAMPLE: &str = r#"{"status": "PARTIAL", "fulfillments": [{"id": "parcel-1", "type": "STANDARD", "status": "COMPLETED",
 "description": "The first chair", "carriers": [{"id": "La Poste", "tracking_id": ["6A12345678901"],
 "tracking_url": ["https://www.laposte.fr/outils/suivre-vos-envois?code=6A12345678901"], "shipped_at": "2026-01-31"}]}]}"#;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/payments/{payment}/fulfillments", add_fulfilments).about(|route| {
        route
            .named(PAYMENTS, "add-fulfillments", "Tell what became of the goods")
            .text(
                "What is sent is added to what was told before; of entries with the same `id` the latest counts. It moves no money \
                 and changes nothing about the payment. A payment keeps at most 1000 entries, and at most 1 MiB of them.",
            )
            .params(&[PAYMENT_PARAM])
            .example(EXAMPLE)
            .replies(StatusCode::ACCEPTED, "It is noted.", nothing_reply())
            .refusals(&[
                PAYMENT_NOT_FOUND,
                (Code::InvalidStatus, "Nothing was ever held or paid, so there is nothing to fulfil."),
                (Code::InvalidParameters, "The payment would keep more than it may."),
            ])
    })
}

async fn add_fulfilments(
    caller: Caller<Write>,
    At(payment): At<Option<PaymentId>>,
    State(web): State<Web>,
    once: Once<Optional, AddFulfilmentsBody>,
) -> Response {
    let answered = web.wiring.payments.add_fulfilments(caller.account_id(), payment, once.ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
