//! `POST /v1/subscriptions/{subscription}/pause`, `resume`, `cancel` and `retry`.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::SubscriptionId;
use payments::subscriptions::Step;

use super::parts::EmptyBody;
use super::{SUBSCRIPTIONS, answer, subscription_reply};
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::extract::At;
use crate::once::{Once, Optional};
use crate::route::{Guarded, Route};
use crate::state::Web;

fn described(route: Route) -> Route {
    route
        .params(&[("subscription", "Id of the subscription.")])
        .replies(StatusCode::OK, "The subscription.", subscription_reply())
        .refusals(&[
            (Code::SubscriptionNotFound, "There is no such subscription, or it is somebody else's."),
            (Code::InvalidState, "Its status does not allow it."),
        ])
}

/// The route of a pause.
pub(super) fn pause() -> Guarded {
    async fn pause(
        caller: Caller<Write>,
        subscription: At<Option<SubscriptionId>>,
        State(web): State<Web>,
        once: Once<Optional, EmptyBody>,
    ) -> Response {
        step(&caller, subscription, &web, &once, Step::Pause).await
    }
    Guarded::new(Method::POST, "/v1/subscriptions/{subscription}/pause", pause).about(|route| {
        described(route.named(SUBSCRIPTIONS, "pause-subscription", "Pause a subscription"))
            .text("Nothing is charged until it is resumed.")
    })
}

/// The route of a resumption.
pub(super) fn resume() -> Guarded {
    async fn resume(
        caller: Caller<Write>,
        subscription: At<Option<SubscriptionId>>,
        State(web): State<Web>,
        once: Once<Optional, EmptyBody>,
    ) -> Response {
        step(&caller, subscription, &web, &once, Step::Resume).await
    }
    Guarded::new(Method::POST, "/v1/subscriptions/{subscription}/resume", resume).about(|route| {
        described(route.named(SUBSCRIPTIONS, "resume-subscription", "Resume a subscription"))
            .text("Goes on with the first cycle that is due after now; what was missed is not charged.")
    })
}

/// The route of a cancellation.
pub(super) fn cancel() -> Guarded {
    async fn cancel(
        caller: Caller<Write>,
        subscription: At<Option<SubscriptionId>>,
        State(web): State<Web>,
        once: Once<Optional, EmptyBody>,
    ) -> Response {
        step(&caller, subscription, &web, &once, Step::Cancel).await
    }
    Guarded::new(Method::POST, "/v1/subscriptions/{subscription}/cancel", cancel).about(|route| {
        described(route.named(SUBSCRIPTIONS, "cancel-subscription", "Cancel a subscription")).text("Ends it for good.")
    })
}

/// The route of a retry.
pub(super) fn retry() -> Guarded {
    async fn retry(
        caller: Caller<Write>,
        subscription: At<Option<SubscriptionId>>,
        State(web): State<Web>,
        once: Once<Optional, EmptyBody>,
    ) -> Response {
        step(&caller, subscription, &web, &once, Step::Retry).await
    }
    Guarded::new(Method::POST, "/v1/subscriptions/{subscription}/retry", retry).about(|route| {
        described(route.named(SUBSCRIPTIONS, "retry-subscription", "Try a declined cycle again"))
            .text("The cycle is charged at once, beside the tries that are planned.")
    })
}

async fn step(
    caller: &Caller<Write>,
    At(subscription): At<Option<SubscriptionId>>,
    web: &Web,
    once: &Once<Optional, EmptyBody>,
    step: Step,
) -> Response {
    let answered = web.wiring.subscriptions.step(caller.account_id(), subscription, step, once.key.clone()).await;
    answer(web, once.key.as_ref(), answered)
}
