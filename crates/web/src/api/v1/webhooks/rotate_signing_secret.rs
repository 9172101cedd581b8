//! `POST /v1/webhooks/{webhook}/rotate`: a new signing secret; the present one signs beside it for 24 hours.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::WebhookId;

use super::{NOT_FOUND, WEBHOOK_PARAM, WEBHOOKS, answer, not_found, once_of, webhook_reply};
use crate::caller::{Caller, Write};
use crate::envelope::Code;
use crate::extract::At;
use crate::object::{self, Body, Reader, object};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// Nothing has to be said; the body may be left out.
    pub(super) struct NothingToSayBody {
        /// The account of the key.
        account_id: Option<object::Account>,
    }
}

impl Body for NothingToSayBody {
    type Ask = ();

    const INVALID: Code = Code::WebhookInvalidRequest;
    const MAY_BE_EMPTY: bool = true;

    fn name() -> &'static str {
        "NothingToSayBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<()> {
        Some(())
    }
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/webhooks/{webhook}/rotate", rotate_signing_secret).about(|route| {
        route
            .named(WEBHOOKS, "rotate-signing-secret", "Rotate a signing secret")
            .text(
                "Makes a new signing secret. For 24 hours both sign: the header `webhook-signature` holds two signatures, and a \
                 receiver that knows either secret finds its own.",
            )
            .params(&[WEBHOOK_PARAM])
            .replies(StatusCode::OK, "The webhook, with its new signing secret.", webhook_reply())
            .refusals(&[NOT_FOUND])
    })
}

async fn rotate_signing_secret(
    caller: Caller<Write>,
    At(webhook): At<Option<WebhookId>>,
    State(web): State<Web>,
    once: Once<Optional, NothingToSayBody>,
) -> Response {
    let Some(webhook) = webhook else { return not_found() };
    let key = once.key.as_ref();
    let rotated = web.wiring.messaging.rotate(caller.account_id(), webhook, once_of(key)).await;
    answer(&web, key, rotated).await
}
