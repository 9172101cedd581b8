//! `POST /v1/webhooks/{webhook}/deliveries/{delivery}/resend`: sends something again.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::kind;

use super::rotate_signing_secret::NothingToSayBody;
use super::{NOT_FOUND, WEBHOOK_PARAM, WEBHOOKS, answer, not_found, once_of, views};
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::extract::At;
use crate::once::{Once, Optional};
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/webhooks/{webhook}/deliveries/{delivery}/resend", resend_delivery).about(|route| {
        route
            .named(WEBHOOKS, "resend-webhook-delivery", "Send a delivery again")
            .text("It is sent at once and tried as often as a new one, under the same `webhook-id`.")
            .params(&[WEBHOOK_PARAM, ("delivery", "Id of the delivery.")])
            .replies(StatusCode::OK, "The delivery, to be sent.", Content::Json(component::<views::DeliveryView>))
            .refusals(&[NOT_FOUND, (Code::WebhookInvalidRequest, "The webhook is inactive.")])
    })
}

async fn resend_delivery(
    caller: Caller<Write>,
    At(named): At<(Option<kernel::Id<kind::Webhook>>, Option<kernel::Id<kind::Event>>)>,
    State(web): State<Web>,
    once: Once<Optional, NothingToSayBody>,
) -> Response {
    let (Some(webhook), Some(delivery)) = named else { return not_found() };
    let key = once.key.as_ref();
    let resent = web.wiring.messaging.resend(caller.account_id(), webhook, delivery, once_of(key)).await;
    answer(&web, key, resent).await
}
