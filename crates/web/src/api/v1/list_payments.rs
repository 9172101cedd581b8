//! `GET /v1/payments?merchant_order_id=`: the payments of one order, oldest first.

use axum::extract::State;
use axum::http::header::LINK;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::cursor::{List, not_ours};
use super::{PAYMENTS, json, views};
use crate::caller::{Caller, Read};
use crate::envelope::{Code, Problem};
use crate::extract::{Facts, Names, Query};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Guarded, component};
use crate::state::Web;

/// Which order.
pub(super) struct ByOrder;

impl Names for ByOrder {
    const NAMES: &'static [(&'static str, &'static str)] = &[("merchant_order_id", "Your name for the order.")];
    const REQUIRED: bool = true;
    const OPTIONAL: &'static [(&'static str, &'static str)] = &[("cursor", "Stands in the address that `Link` gives.")];
}

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::GET, "/v1/payments", list_payments).about(|route| {
        route
            .named(PAYMENTS, "list-payments", "Find the payments of an order")
            .text(
                "Where an order has more than 1,000 payments, the first 1,000 are answered, and the header `Link` with \
                 `rel=\"next\"` (RFC 8288) has the address of the next ones.",
            )
            .replies(
                StatusCode::OK,
                "The payments, oldest first; an empty list when there are none.",
                Content::Json(component::<Vec<views::PaymentView<'_>>>),
            )
            .refusals(&[
                (Code::MissingParameters, "`merchant_order_id` is missing."),
                (Code::BadRequest, "The address was not the one of a `Link`."),
            ])
    })
}

async fn list_payments(caller: Caller<Read>, Facts(exchange): Facts, State(web): State<Web>, query: Query<ByOrder>) -> Response {
    let Some(order) = query.get("merchant_order_id").filter(|order| !order.is_empty()) else {
        return Problem::new(Code::MissingParameters, "merchant_order_id: is required").into_response();
    };
    let list = List::new("payments of an order", caller.account_id(), &[Some(order)]);
    let behind = match list.behind(query.get("cursor")) {
        Ok(behind) => behind,
        Err(problem) => return problem.into_response(),
    };
    match web.wiring.payments.by_order(caller.account_id(), order, behind).await {
        Ok(Some(page)) => {
            let mut reply = json(views::payments(&page.items, web.wiring.payments.challenges()));
            if let Some(next) = page.next.and_then(|last| link(exchange.uri.query(), &list.cursor(last))) {
                reply.headers_mut().insert(LINK, next);
            }
            reply
        }
        Ok(None) => not_ours().into_response(),
        Err(fault) => problem_of_fault(&fault).into_response(),
    }
}

/// The address of the next page, relative to the one that was asked: the same query with another cursor.
fn link(query: Option<&str>, cursor: &str) -> Option<HeaderValue> {
    let kept = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query = kept.map(str::to_owned).chain([format!("cursor={cursor}")]).collect::<Vec<_>>().join("&");
    HeaderValue::try_from(format!("<?{query}>; rel=\"next\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_same_question_from_another_place() {
        let link = |query| link(Some(query), "c2").expect("visible characters");
        assert_eq!(link("merchant_order_id=a%20b"), "<?merchant_order_id=a%20b&cursor=c2>; rel=\"next\"");
        assert_eq!(link("cursor=c1&merchant_order_id=a"), "<?merchant_order_id=a&cursor=c2>; rel=\"next\"");
    }
}
