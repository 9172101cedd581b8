//! `PATCH /v1/subscriptions/{subscription}`: changes what counts from the next cycle on.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::SubscriptionId;
use payments::subscriptions::{ChangeSubscription, SubscriptionRow};

use super::create_subscription::{BillingCycles, RetriesBody, StoredMethod};
use super::details::{SubscriptionDetails, packed, raw, unpacked};
use super::parts::{Availability, Metadata, Reference, must_be_positive};
use super::{SUBSCRIPTIONS, answer, subscription_reply};
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{self, Body, Prose, Reader, Text, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A change of a subscription; what is absent stays.
    pub(super) struct ChangeSubscriptionBody {
        /// Shown to people.
        name: Option<Prose<3, 255>>,
        /// What a cycle costs from now on.
        amount: Option<object::Amount>,
        /// The stored card that is charged.
        payment_method: Option<StoredMethod>,
        /// In your words.
        description: Option<Prose<0, 255>>,
        /// Your own name for it.
        merchant_reference: Option<Reference>,
        /// What the payer reads on his statement.
        soft_descriptor: Option<Prose<0, 255>>,
        /// How many cycles there are.
        billing_cycles: Option<BillingCycles>,
        /// When it ends; the start stays.
        availability: Option<Availability>,
        /// What happens when a cycle is declined.
        retries: Option<RetriesBody>,
        /// Your own notes, at most 50, each key once.
        metadata: Option<Metadata>,
    }
}

impl Body for ChangeSubscriptionBody {
    type Ask = ChangeSubscriptionBody;

    fn name() -> &'static str {
        "ChangeSubscriptionBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<Self> {
        if let Some(object::Amount(amount)) = self.amount {
            must_be_positive(amount, reader);
        }
        Some(self)
    }
}

impl ChangeSubscriptionBody {
    /// What is to be of what is there.
    fn applied(&self, row: &SubscriptionRow) -> ChangeSubscription {
        let mut details: SubscriptionDetails<'_> = unpacked(row.details.as_deref());
        if let Some(Prose(text)) = &self.description {
            details.description = Some(Cow::Borrowed(text));
        }
        if let Some(Text(text)) = &self.merchant_reference {
            details.merchant_reference = Some(Cow::Borrowed(text));
        }
        if let Some(Prose(text)) = &self.soft_descriptor {
            details.soft_descriptor = Some(Cow::Borrowed(text));
        }
        if let Some(metadata) = &self.metadata {
            details.metadata = Some(raw(metadata));
        }
        let (_, finish_at) = Availability::times(self.availability.as_ref());
        ChangeSubscription {
            name: self.name.as_ref().map_or_else(|| row.name.clone(), |Prose(name)| name.clone()),
            amount: self.amount.map_or_else(|| row.money(), |amount| amount.0),
            vaulted_token: match &self.payment_method {
                Some(method) => method.vaulted_token.0.clone(),
                None => row.vaulted_token.clone(),
            },
            total: self.billing_cycles.as_ref().and_then(|cycles| cycles.total).map(|total| total.0).or(row.total),
            finish_at: finish_at.or(row.finish_at),
            retries: self.retries.as_ref().map_or_else(|| row.retries(), RetriesBody::domain),
            details: packed(&details),
        }
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::PATCH, "/v1/subscriptions/{subscription}", change_subscription).about(|route| {
        route
            .named(SUBSCRIPTIONS, "change-subscription", "Change a subscription")
            .text("What is absent stays as it is. Frequency, trial and start cannot be changed.")
            .params(&[("subscription", "Id of the subscription.")])
            .replies(StatusCode::OK, "The subscription.", subscription_reply())
            .refusals(&[
                (Code::SubscriptionNotFound, "There is no such subscription, or it is somebody else's."),
                (Code::InvalidState, "It is completed or cancelled."),
            ])
    })
}

async fn change_subscription(
    caller: Caller<Write>,
    At(subscription): At<Option<SubscriptionId>>,
    State(web): State<Web>,
    once: Once<Optional, ChangeSubscriptionBody>,
) -> Response {
    let change = |row: &SubscriptionRow| once.ask.applied(row);
    let answered = web.wiring.subscriptions.change(caller.account_id(), subscription, change, once.key.clone()).await;
    answer(&web, once.key.as_ref(), answered)
}
