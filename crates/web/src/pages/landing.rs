//! `/`: what this is, the demo's last payments, the five families, a first payment.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;
use payments::PaymentRow;
use serde::Serialize;

use super::money::{Amount, Card, amount, card};
use super::{Language, Moment, Page, language_of, moment};
use crate::extract::{Facts, Headers};
use crate::route::{Content, Route};
use crate::state::{SandboxWiring, Showcase, Web};

/// Payments on the receipt.
const RECEIPT_PAYMENTS: u32 = 5;
/// The families in the order of the page, with their prefix and, where there is one, their part of the reference.
const FAMILIES: [(&str, &str, Option<&str>); 5] = [
    ("payments", "/v1", Some("/docs#payments")),
    ("oneclick", "/oneclick-api", None),
    ("tickets", "/billig", None),
    ("fpay", "/fpay", None),
    ("support", "/support", None),
];

/// The route.
pub(crate) fn route() -> Route {
    Route::open(Method::GET, "/", landing).named("House", "landing", "Look at the landing page").replies(
        StatusCode::OK,
        "A page.",
        Content::Html,
    )
}

async fn landing(Facts(exchange): Facts, Headers(headers): Headers, State(web): State<Web>) -> Response {
    let language = language_of(&exchange.uri, &headers);
    let sandbox = web.wiring.sandbox.as_ref();
    let families = FAMILIES.map(|(id, path, reference)| Family { id, path, reference });
    let own = context! {
        families => Serde(families),
        receipt => Serde(match sandbox {
            Some(sandbox) => Some(receipt(&web, sandbox, language).await),
            None => None,
        }),
        first_payment => Serde(sandbox.map(|sandbox| first_payment(&web, sandbox.showcase.as_ref()))),
    };
    let page = Page { template: "landing.html", path: "/", language, ready: web.is_ready().await };
    web.pages.reply(StatusCode::OK, &page, own)
}

#[derive(Serialize)]
struct Family {
    id: &'static str,
    path: &'static str,
    reference: Option<&'static str>,
}

#[derive(Serialize)]
struct Receipt {
    payments: Vec<Ticket>,
}

/// One payment as a ticket.
#[derive(Serialize)]
struct Ticket {
    id: String,
    what: String,
    order: String,
    amount: Amount,
    sub_status: &'static str,
    card: Option<Card>,
    at: Moment,
}

#[derive(Serialize)]
struct FirstPayment {
    keys_filled: bool,
    commands: Commands,
}

#[derive(Serialize)]
struct Commands {
    pay: String,
    look: String,
}

/// The demo's last payments; none when they cannot be read, which the page says by its state.
async fn receipt(web: &Web, sandbox: &SandboxWiring, language: Language) -> Receipt {
    let Some(showcase) = &sandbox.showcase else { return Receipt { payments: Vec::new() } };
    let latest = web.wiring.payments.latest(showcase.account_id, RECEIPT_PAYMENTS).await.unwrap_or_else(|fault| {
        tracing::warn!(%fault, "the last payments cannot be shown");
        Vec::new()
    });
    Receipt { payments: latest.iter().map(|payment| ticket(payment, language)).collect() }
}

fn ticket(payment: &PaymentRow, language: Language) -> Ticket {
    let face = payment.card.as_ref().and_then(payments::CardFace::parts);
    Ticket {
        id: payment.id.to_string(),
        what: payment.description.to_string(),
        order: payment.merchant_order_id.to_string(),
        amount: amount(payment.money(), language),
        sub_status: payment.state.sub_status(),
        card: face.map(|face| card(&face)),
        at: moment(payment.created_at, language),
    }
}

/// The two commands of the first payment, with the demo's keys or with names of variables.
fn first_payment(web: &Web, showcase: Option<&Showcase>) -> FirstPayment {
    let base = &web.wiring.options.base_url;
    let (token, secret, account) = match showcase {
        Some(showcase) => (showcase.token.as_str(), showcase.secret.expose().as_str(), showcase.account_id.to_string()),
        None => ("'\"$PUBLIC_API_KEY\"'", "'\"$PRIVATE_SECRET_KEY\"'", "'\"$ACCOUNT_ID\"'".to_owned()),
    };
    let keys = format!("-H 'public-api-key: {token}' \\\n  -H 'private-secret-key: {secret}'");
    let pay = format!(
        "curl -si {base}/v1/payments \\\n  {keys} \\\n  -H 'X-Idempotency-Key: first-payment' \\\n  -H 'content-type: application/json' \\\n  \
         -d '{{\"account_id\": \"{account}\", \"merchant_order_id\": \"first-order\",\n       \
         \"description\": \"First payment\", \"country\": \"FR\", \"workflow\": \"DIRECT\",\n       \
         \"amount\": {{\"currency\": \"EUR\", \"value\": 12.50}},\n       \
         \"payment_method\": {{\"type\": \"CARD\", \"detail\": {{\"card\": {{\"card_data\": {{\n         \
         \"number\": \"4507990000000002\", \"expiration_month\": 12, \"expiration_year\": 2030,\n         \
         \"security_code\": \"123\", \"holder_name\": \"Ada Martin\"}}}}}}}}}}'"
    );
    let look = format!("curl -s '{base}/v1/payments?merchant_order_id=first-order' \\\n  {keys}");
    FirstPayment { keys_filled: showcase.is_some(), commands: Commands { pay, look } }
}
