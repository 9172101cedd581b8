//! `POST /dev/clock`: moves the sandbox clock forward, so that expiry and retention can be seen without waiting.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::Timestamp;

use super::{SANDBOX, json};
use crate::extract::Asked;
use crate::object::{Body, Reader, Whole, object};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Route, component};
use crate::state::Web;
use crate::view::view;

/// Farthest the clock is moved at once: ten years, in seconds.
const ADVANCE_SECONDS_MAX: i64 = 10 * 366 * 86_400;

object! {
    /// How far the clock is to be moved.
    pub(super) struct AdvanceBody {
        /// Seconds, forward.
        advance_seconds: Whole<0, ADVANCE_SECONDS_MAX>,
    }
}

impl Body for AdvanceBody {
    type Ask = u32;

    fn name() -> &'static str {
        "AdvanceBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<u32> {
        u32::try_from(self.advance_seconds.0).ok()
    }
}

view! {
    /// The time on the sandbox clock.
    struct Clock as "Clock" {
        now: Timestamp,
    }
}

pub(super) fn route() -> Route {
    Route::open(Method::POST, "/dev/clock", advance)
        .named(SANDBOX, "advance-clock", "Move the clock forward")
        .text("Never back. All processes on one database follow within a second.")
        .example(r#"{"advance_seconds": 3600}"#)
        .replies(StatusCode::OK, "The new time.", Content::Json(component::<Clock>))
}

async fn advance(State(web): State<Web>, Asked(seconds): Asked<AdvanceBody>) -> Response {
    let now = match web.wiring.clock.advance(&web.wiring.writer, seconds).await {
        Ok(now) => now,
        Err(fault) => return problem_of_fault(&fault).into_response(),
    };
    // Cards of tokens whose time is over by this are gone when it is answered, not a second later.
    match web.wiring.payments.sweep_tokens().await {
        Ok(_) => json(&Clock { now }),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}
