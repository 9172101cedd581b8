//! `/v1/links/{code}`: the page on which somebody pays a link.
//!
//! Each form carries a token of its own, bound to the link and to a cookie. The token is the payment's idempotency key, so a form that is
//! sent twice pays once and shows the same result twice.

mod form;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use fast_qr::convert::{Builder as _, svg::SvgBuilder};
use fast_qr::qr::QRBuilder;
use idempotency::{BodyHash, IdempotencyKey, Known, Reply, Scope};
use kernel::{KeyedHash, PaymentLinkId, Timestamp, equal_in_constant_time};
use minijinja::context;
use minijinja::value::Serde;
use payments::links::{LinkRow, Openness};
use payments::{Answer, CardAsk, CreatePayment, MadeFor, Means, Mode, Once, PaymentsError, Refusal, Terms, Workflow};
use serde::{Deserialize, Serialize};

use self::form::{Form, LinkForm, Wrong};
use super::money::{Amount, Card, amount, card_of};
use super::policy::policy;
use super::{Language, Moment, Page, callback, language_of, moment};
use crate::api::v1::{LinkDetails, PaymentDetails, packed, unpacked};
use crate::envelope::Problem;
use crate::exchange::Exchange;
use crate::extract::{At, Facts, Headers};
use crate::refusal::{problem_of_fault, problem_of_payments};
use crate::route::{Content, FORM, Route, sent};
use crate::state::Web;

/// The cookie that a form's token is bound to.
const COOKIE_NAME: &str = "guichet_link";
/// Hexadecimal digits of a token and of the cookie's key.
const TOKEN_CHARS: usize = 32;
const KEY_CHARS: usize = 64;
/// How long a form that was sent twice waits for the result of the first.
const WAITS: u32 = 100;
const WAIT: Duration = Duration::from_millis(100);

/// The routes; no key is asked for.
pub(crate) fn routes() -> Vec<Route> {
    let page = |route: Route| {
        route
            .params(&[("code", "Id of the link.")])
            .replies(StatusCode::OK, "A page.", Content::Html)
            .replies(
                StatusCode::FORBIDDEN,
                "A page: it may not be paid yet, or the form was not shown to this browser.",
                Content::Html,
            )
            .replies(StatusCode::NOT_FOUND, "A page: there is no such link.", Content::Html)
            .replies(StatusCode::GONE, "A page: the link is used, cancelled or over.", Content::Html)
            .replies(StatusCode::TOO_MANY_REQUESTS, "A page: too many requests from this address.", Content::Html)
    };
    vec![
        page(Route::open(Method::GET, "/v1/links/{code}", show).named("Payment links", "show-link", "Look at a link's page")),
        page(Route::open(Method::POST, "/v1/links/{code}", pay).named("Payment links", "pay-link", "Pay a link"))
            .text("The page's own form.")
            .takes(FORM, sent::<LinkForm>)
            .replies(StatusCode::ACCEPTED, "A page: the acquirer has not answered yet.", Content::Html)
            .replies(
                StatusCode::SEE_OTHER,
                "To the link's `callback_url`, or to where the payer confirms the payment.",
                Content::Nothing,
            )
            .replies(StatusCode::UNPROCESSABLE_ENTITY, "The page again: something is wrong in the form.", Content::Html)
            .replies(StatusCode::SERVICE_UNAVAILABLE, "The page again: no acquirer can be reached.", Content::Html),
        Route::open(Method::GET, "/v1/links/{code}/qr.svg", qr)
            .named("Payment links", "link-qr", "Get a link's QR code")
            .params(&[("code", "Id of the link.")])
            .replies(StatusCode::OK, "A picture of the page's address.", Content::Other("image/svg+xml"))
            .replies(StatusCode::NOT_FOUND, "A page: there is no such link.", Content::Html)
            .replies(StatusCode::TOO_MANY_REQUESTS, "A page: too many requests from this address.", Content::Html),
    ]
}

/// One visit of the page.
struct Visit<'a> {
    web: &'a Web,
    exchange: &'a Exchange,
    headers: &'a HeaderMap,
    language: Language,
}

/// What the page shows.
#[derive(Default)]
struct Shown {
    state: &'static str,
    status: StatusCode,
    /// Why nothing was paid, as the key of a text.
    reason: Option<Cow<'static, str>>,
    /// Fields that are wrong, in the form's order, with the key of the text that says why.
    wrong: Vec<Wrong>,
    /// What is filled in again; never the card's number or code.
    expiration: String,
    holder_name: String,
    /// What was paid.
    paid: Option<Paid>,
}

/// What the payer keeps of his payment.
#[derive(Serialize)]
struct Paid {
    at: Moment,
    card: Option<Card>,
    reference: String,
}

impl Shown {
    fn state(state: &'static str, status: StatusCode) -> Shown {
        Shown { state, status, ..Shown::default() }
    }

    fn form() -> Shown {
        Shown::state("form", StatusCode::OK)
    }
}

/// What the template is told about the link.
#[derive(Serialize)]
struct Bill<'a> {
    merchant: &'a str,
    what: Option<&'a str>,
    order: Option<&'a str>,
    amount: Amount,
    code: String,
    opens: Option<Moment>,
    /// The amount is only reserved.
    held: bool,
    /// The merchant keeps the card.
    stored: bool,
}

async fn show(
    At(code): At<Option<PaymentLinkId>>,
    Facts(exchange): Facts,
    Headers(headers): Headers,
    State(web): State<Web>,
) -> Response {
    let visit = Visit::of(&web, &exchange, &headers);
    match visit.link(code).await {
        Ok(link) => {
            let shown = closed(&link, &web).unwrap_or_else(Shown::form);
            visit.page(Some(&link), shown).await
        }
        Err(refused) => refused,
    }
}

async fn pay(
    At(code): At<Option<PaymentLinkId>>,
    Facts(exchange): Facts,
    Headers(headers): Headers,
    State(web): State<Web>,
    form: Form,
) -> Response {
    let visit = Visit::of(&web, &exchange, &headers);
    match visit.link(code).await {
        Ok(link) => visit.pay(&link, form).await,
        Err(refused) => refused,
    }
}

async fn qr(
    At(code): At<Option<PaymentLinkId>>,
    Facts(exchange): Facts,
    Headers(headers): Headers,
    State(web): State<Web>,
) -> Response {
    let visit = Visit::of(&web, &exchange, &headers);
    let link = match visit.link(code).await {
        Ok(link) => link,
        Err(refused) => return refused,
    };
    let address = format!("{}/v1/links/{}", web.wiring.options.base_url, link.id);
    match QRBuilder::new(address).build() {
        Ok(code) => {
            let picture = SvgBuilder::default().margin(4).to_str(&code);
            let headers = [(CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")), (CACHE_CONTROL, NO_STORE)];
            (headers, picture).into_response()
        }
        Err(error) => Problem::internal(format!("a QR code cannot be made: {error:?}")).into_response(),
    }
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Why a link may not be paid now, as the page says it.
fn closed(link: &LinkRow, web: &Web) -> Option<Shown> {
    let gone = |state| Some(Shown::state(state, StatusCode::GONE));
    match link.openness(web.wiring.clock.now()) {
        Openness::Open if link.one_time_use && link.paying.is_some() => Some(Shown::state("busy", StatusCode::OK)),
        Openness::Open => None,
        Openness::NotYet(_) => Some(Shown::state("not_yet", StatusCode::FORBIDDEN)),
        Openness::Expired => gone("expired"),
        Openness::Used if link.capture => gone("used"),
        Openness::Used => gone("used_held"),
        Openness::Cancelled => gone("cancelled"),
    }
}

impl<'a> Visit<'a> {
    fn of(web: &'a Web, exchange: &'a Exchange, headers: &'a HeaderMap) -> Visit<'a> {
        Visit { web, exchange, headers, language: language_of(&exchange.uri, headers) }
    }

    /// The link of a code, unless there is none or the visitor comes too often.
    async fn link(&self, code: Option<PaymentLinkId>) -> Result<LinkRow, Response> {
        let wiring = &self.web.wiring;
        if let Err(seconds) = self.web.visitors.admit(self.exchange.client, wiring.source.now()) {
            let mut page = self.page(None, Shown::state("limited", StatusCode::TOO_MANY_REQUESTS)).await;
            page.headers_mut().insert(RETRY_AFTER, seconds.into());
            return Err(page);
        }
        let found = match code {
            Some(code) => wiring.payments.link_by_code(code).await,
            None => Ok(None),
        };
        match found {
            Ok(Some(link)) => Ok(link),
            Ok(None) => Err(self.page(None, Shown::state("missing", StatusCode::NOT_FOUND)).await),
            Err(fault) => Err(self.problem(problem_of_fault(&fault)).await),
        }
    }

    async fn problem(&self, problem: Problem) -> Response {
        let (ready, request_id) = (self.web.is_ready().await, self.exchange.request_id.as_str());
        super::error::page(&self.web.pages, problem, &self.exchange.uri, self.headers, request_id, ready)
    }

    async fn page(&self, link: Option<&LinkRow>, shown: Shown) -> Response {
        let merchant = match link {
            Some(link) => self.web.wiring.keyring.account(link.account_id).await.ok().flatten().map(|account| account.name),
            None => None,
        };
        let bill = link.map(|link| Bill {
            merchant: merchant.as_deref().unwrap_or_default(),
            what: link.description.as_deref(),
            order: link.merchant_order_id.as_deref(),
            amount: amount(link.money(), self.language),
            code: link.id.to_string(),
            opens: link.start_at.map(|start| moment(start, self.language)),
            held: !link.capture,
            stored: unpacked::<LinkDetails<'_>>(link.details.as_deref()).vault_on_success,
        });
        let key = self.key().unwrap_or_else(|| hex(&self.web.wiring.source.bytes::<{ KEY_CHARS / 2 }>()));
        let csrf = link.filter(|_| shown.state == "form").map(|link| {
            let token = self.web.wiring.source.uuid().simple().to_string();
            format!("{token}.{}", proof(&key, link, &token))
        });
        let focus = shown.wrong.first().map(|(field, _)| *field);
        let own = context! {
            state => shown.state, bill => Serde(bill), csrf => csrf.clone(), reason => shown.reason,
            wrong => Serde(shown.wrong.into_iter().collect::<BTreeMap<_, _>>()), focus,
            expiration => shown.expiration, holder_name => shown.holder_name, paid => Serde(shown.paid),
        };
        let page = Page { template: "link.html", path: self.exchange.uri.path(), language: self.language, ready: true };
        let mut response = self.web.pages.reply(shown.status, &page, own);
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, policy(&targets(link), &self.web.wiring.options.framed_by));
        if csrf.is_some() {
            let secure = if self.web.wiring.options.only_tls { "; Secure" } else { "" };
            let cookie = format!("{COOKIE_NAME}={key}; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax{secure}");
            headers.extend(HeaderValue::from_str(&cookie).ok().map(|cookie| (SET_COOKIE, cookie)));
        }
        response
    }

    /// The key in the visitor's cookie.
    fn key(&self) -> Option<String> {
        let cookies = self.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|list| list.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let found = pairs.find_map(|(name, value)| (name == COOKIE_NAME).then_some(value))?;
        is_hex(found, KEY_CHARS).then(|| found.to_owned())
    }

    async fn pay(&self, link: &LinkRow, form: Form) -> Response {
        let Some(once) = self.once(link, &form) else {
            return self.page(Some(link), Shown::state("forbidden", StatusCode::FORBIDDEN)).await;
        };
        // A form that was sent before has its result, whatever the link says by now.
        match self.web.wiring.idempotency.find(&once.scope, self.web.wiring.clock.now()).await {
            Ok(Known::Nothing) => {}
            Ok(Known::InProcess(_)) => return self.wait(link, &once).await,
            Ok(Known::Replay(recorded)) => return self.result(link, recorded.reply().ok()).await,
            Err(fault) => return self.problem(problem_of_fault(&fault)).await,
        }
        if let Some(shown) = closed(link, self.web) {
            return self.page(Some(link), shown).await;
        }
        let card = match form.card(self.web.wiring.clock.now()) {
            Ok(card) => card,
            Err(wrong) => {
                let again = Shown { status: StatusCode::UNPROCESSABLE_ENTITY, wrong, ..form.again() };
                return self.page(Some(link), again).await;
            }
        };
        self.charge(link, card, once, form.again()).await
    }

    async fn charge(&self, link: &LinkRow, mut card: CardAsk, once: Once, again: Shown) -> Response {
        let account = match self.web.wiring.keyring.account(link.account_id).await {
            Ok(Some(account)) => account,
            Ok(None) => return self.page(None, Shown::state("missing", StatusCode::NOT_FOUND)).await,
            Err(fault) => return self.problem(problem_of_fault(&fault)).await,
        };
        card.fingerprint = Some(account.fingerprint(&card.number));
        let terms = Terms { account_id: account.id, fee: account.fee, negative_limit: account.negative_limit_minor };
        let made = self.web.wiring.payments.create_for(MadeFor::Link(link.id), &terms, ask(link, card), once.clone()).await;
        match made {
            Ok(Answer::Done(reply)) => self.outcome(link, Some(reply), again).await,
            Ok(Answer::Replay(recorded)) => self.result(link, recorded.reply().ok()).await,
            Err(PaymentsError::Refused(Refusal::InProcess { .. })) => self.wait(link, &once).await,
            Err(PaymentsError::Refused(Refusal::OutcomeUnknown)) => self.waiting(link).await,
            Err(PaymentsError::Refused(Refusal::NotSent)) => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                self.page(Some(link), Shown { status, reason: Some("UNREACHABLE".into()), ..again }).await
            }
            Err(PaymentsError::Refused(Refusal::LinkBusy)) => self.page(Some(link), Shown::state("busy", StatusCode::OK)).await,
            Err(PaymentsError::Refused(Refusal::LinkClosed)) => {
                self.page(Some(link), Shown::state("used", StatusCode::GONE)).await
            }
            // The merchant has forgotten the customer he made the link for.
            Err(PaymentsError::Refused(Refusal::CustomerNotFound)) => {
                self.page(Some(link), Shown::state("cancelled", StatusCode::GONE)).await
            }
            Err(error @ PaymentsError::Refused(Refusal::KeysChanged)) => {
                self.problem(problem_of_payments(self.web, &error)).await
            }
            Err(PaymentsError::Refused(refusal)) => self.problem(Problem::internal(refusal.to_string())).await,
            Err(PaymentsError::Fault(fault)) => self.problem(problem_of_fault(&fault)).await,
        }
    }

    /// Waits for the result of a form that was sent twice.
    async fn wait(&self, link: &LinkRow, once: &Once) -> Response {
        for _ in 0..WAITS {
            match self.web.wiring.idempotency.find(&once.scope, self.web.wiring.clock.now()).await {
                Ok(Known::Replay(recorded)) => return self.result(link, recorded.reply().ok()).await,
                Ok(Known::InProcess(first)) if !first.unknown => tokio::time::sleep(WAIT).await,
                Ok(Known::InProcess(_)) | Err(_) => break,
                // Nothing was charged; the form may be sent again.
                Ok(Known::Nothing) => {
                    let shown = Shown { reason: Some("UNREACHABLE".into()), ..Shown::form() };
                    return self.page(Some(link), shown).await;
                }
            }
        }
        self.waiting(link).await
    }

    async fn waiting(&self, link: &LinkRow) -> Response {
        self.page(Some(link), Shown::state("waiting", StatusCode::ACCEPTED)).await
    }

    async fn result(&self, link: &LinkRow, reply: Option<Reply>) -> Response {
        let again = closed(link, self.web).unwrap_or_else(Shown::form);
        self.outcome(link, reply, again).await
    }

    /// What a recorded payment came to; `again` is shown when it was refused.
    async fn outcome(&self, link: &LinkRow, reply: Option<Reply>, again: Shown) -> Response {
        let made = reply.as_ref().and_then(|reply| serde_json::from_slice::<Made>(&reply.body).ok());
        let Some(made) = made else {
            return self.problem(Problem::internal("a recorded payment cannot be read".to_owned())).await;
        };
        let means = &made.payment_method.payment_method_detail.card;
        match (made.status.as_str(), made.sub_status.as_str(), &means.redirect_url) {
            ("PENDING", "WAITING_ADDITIONAL_STEP", Some(step)) => see_other(&self.in_chosen_language(step)),
            ("SUCCEEDED", ..) => self.done(link, made, "paid").await,
            ("PENDING", "AUTHORIZED", _) => self.done(link, made, "held").await,
            ("PENDING" | "CREATED", ..) => self.waiting(link).await,
            _ => {
                let code = made.transactions.response_code.unwrap_or_default();
                let reason = if REASONS.contains(&code.as_str()) { code } else { "OTHER".to_owned() };
                self.page(Some(link), Shown { reason: Some(reason.into()), ..again }).await
            }
        }
    }

    /// The payer goes back to the merchant, or keeps what this page says of his payment.
    async fn done(&self, link: &LinkRow, made: Made, state: &'static str) -> Response {
        if let Some(address) = &link.callback_url {
            return see_other(&callback::with_payment(address, &made.id, None));
        }
        let paid = Some(made.paid(self.language));
        self.page(Some(link), Shown { paid, ..Shown::state(state, StatusCode::OK) }).await
    }

    /// The next page, an address of ours without a query, in the language the payer chose here.
    fn in_chosen_language(&self, address: &str) -> String {
        let chosen = Language::asked(self.exchange.uri.query());
        chosen.map_or_else(|| address.to_owned(), |language| format!("{address}?lang={}", language.code()))
    }

    /// The payment's key, if the form is one of ours: made for this link and this browser.
    fn once(&self, link: &LinkRow, form: &Form) -> Option<Once> {
        let (token, found) = form.get("csrf").split_once('.')?;
        let expected = proof(&self.key()?, link, token);
        let same = equal_in_constant_time(&kernel::sha256(&[found.as_bytes()]), &kernel::sha256(&[expected.as_bytes()]));
        if !is_hex(token, TOKEN_CHARS) || !same {
            return None;
        }
        let key = IdempotencyKey::parse(format!("link:{token}").as_bytes()).ok()?;
        Some(Once {
            scope: Scope::of(link.account_id, "POST", &format!("/v1/links/{}", link.id), &key),
            key: key.as_str().into(),
            body_hash: BodyHash::of(token.as_bytes()),
            request_id: self.exchange.request_id.as_str().into(),
            strict: false,
        })
    }
}

/// Response codes that the page explains in words of its own.
const REASONS: [&str; 10] = [
    "INSUFFICIENT_FUNDS",
    "DECLINED_BY_BANK",
    "DO_NOT_HONOR",
    "INVALID_SECURITY_CODE",
    "INVALID_CARD_DATA",
    "INVALID_CARD_NUMBER",
    "EXPIRED_CARD",
    "REPORTED_STOLEN",
    "AUTHENTICATION_FAILED_THREE_D_SECURE",
    "ERROR",
];

/// The part of a payment's reply that the page looks at.
#[derive(Deserialize)]
struct Made {
    id: String,
    created_at: String,
    status: String,
    sub_status: String,
    transactions: Transaction,
    payment_method: Method_,
}

#[derive(Deserialize)]
struct Transaction {
    response_code: Option<String>,
}

#[derive(Deserialize)]
struct Method_ {
    payment_method_detail: Detail,
}

#[derive(Deserialize)]
struct Detail {
    card: MeansOfCard,
}

#[derive(Deserialize)]
struct MeansOfCard {
    redirect_url: Option<String>,
    card_data: Option<Face>,
}

#[derive(Deserialize)]
struct Face {
    brand: String,
    lfd: String,
}

impl Made {
    fn paid(self, language: Language) -> Paid {
        let face = self.payment_method.payment_method_detail.card.card_data;
        Paid {
            at: moment(self.created_at.parse().unwrap_or(Timestamp::EPOCH), language),
            card: face.map(|face| card_of(&face.brand, &face.lfd)),
            reference: self.id,
        }
    }
}

fn ask(link: &LinkRow, card: CardAsk) -> CreatePayment {
    let details: LinkDetails<'_> = unpacked(link.details.as_deref());
    let code = link.id.to_string();
    CreatePayment {
        merchant_order_id: link.merchant_order_id.clone().unwrap_or_else(|| format!("link-{code}").into()),
        description: link.description.clone().unwrap_or_else(|| "Payment link".into()),
        country: link.country,
        amount: link.money(),
        workflow: Workflow::Redirect,
        checkout_session: None,
        mode: if link.capture { Mode::Purchase } else { Mode::Authorise },
        means: Means::Card(card),
        customer: details.customer(),
        vault_on_success: details.vault_on_success,
        delay: None,
        details: packed(&PaymentDetails {
            callback_url: link.callback_url.as_deref().map(Cow::Borrowed),
            vault_on_success: details.vault_on_success,
            customer_payer: details.customer_payer,
            additional_data: details.additional_data,
            metadata: details.metadata,
            payment_link_id: Some(Cow::Borrowed(&code)),
            ..PaymentDetails::default()
        }),
    }
}

fn see_other(address: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().extend(HeaderValue::from_str(address).ok().map(|address| (LOCATION, address)));
    response
}

/// Where the form may lead: here, and afterwards to the merchant's own page.
fn targets(link: Option<&LinkRow>) -> String {
    format!("'self' {}", link.and_then(|link| link.callback_url.as_deref()).and_then(origin).unwrap_or_default())
}

/// Scheme, host and port of an address; nothing when the host has characters that hosts do not have.
fn origin(address: &str) -> Option<&str> {
    let start = address.find("://")? + 3;
    let end = address[start..].find(['/', '?', '#']).map_or(address.len(), |length| start + length);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    address[start..end].bytes().all(plain).then(|| &address[..end])
}

fn proof(key: &str, link: &LinkRow, token: &str) -> String {
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(key.as_bytes().chunks(2)) {
        *byte = std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0);
    }
    hex(&KeyedHash::new(&bytes).hash(format!("{}.{token}", link.id).as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

fn is_hex(text: &str, chars: usize) -> bool {
    text.len() == chars && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_only_plain_origins() {
        for (address, expected) in [
            ("https://shop.example/back?x=1", Some("https://shop.example")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("https://shop.example;script-src/", None),
            ("https://a'b/", None),
        ] {
            assert_eq!(origin(address), expected, "{address}");
        }
    }
}
