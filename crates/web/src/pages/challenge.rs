//! `/v1/challenges/{token}`: the page on which a payer proves that a card is his (payments specification, section 4.4).

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use kernel::{SecretText, equal_in_constant_time};
use minijinja::context;
use minijinja::value::Serde;
use payments::{Challenge, ChallengeAnswer, ChallengeShown, PaymentState, Sent};
use serde::Serialize;

use super::money::{Amount, Card, amount, card};
use super::policy::policy;
use super::{Language, Moment, Page, callback as way_back, error, language_of, moment};
use crate::api::v1::{callback_url, link_of, session_callback_url};
use crate::envelope::{Code, Problem};
use crate::exchange::Exchange;
use crate::extract::{At, Facts, Fields, Headers};
use crate::object::{Text, Word as _, object, words};
use crate::refusal::problem_of_fault;
use crate::route::{Content, FORM, Route, sent};
use crate::state::Web;

/// Ties a form to the browser that was shown it.
const COOKIE_NAME: &str = "guichet-challenge";
/// After the form the payer goes on to the merchant's page, wherever that is.
const MAY_LEAVE: &str = "'self' https: http:";
const PATH: &str = "/v1/challenges/{token}";
const GROUP: &str = "Pages for payers";
const TOKEN_PARAM: (&str, &str) = ("token", "Out of the payment's `redirect_url`.");

/// Both routes.
pub(crate) fn routes() -> Vec<Route> {
    let show = Route::open(Method::GET, PATH, show)
        .named(GROUP, "show-challenge", "Ask the payer for a code")
        .text("Where the acquirer asks payers on pages of its own, this leads there, and is where they come back to.")
        .params(&[TOKEN_PARAM])
        .replies(StatusCode::OK, "A page.", Content::Html)
        .replies(StatusCode::SEE_OTHER, "To the acquirer's page; from there, to the payment's `callback_url`.", Content::Html)
        .replies(StatusCode::NOT_FOUND, "A page: there is no such question.", Content::Html)
        .replies(StatusCode::TOO_MANY_REQUESTS, "A page: too many requests from this address.", Content::Html);
    let take = Route::open(Method::POST, PATH, take)
        .named(GROUP, "answer-challenge", "Take the payer's code")
        .params(&[TOKEN_PARAM])
        .text("The page's own form.")
        .takes(FORM, sent::<ChallengeForm>)
        .replies(StatusCode::OK, "A page: the question again, or the outcome.", Content::Html)
        .replies(StatusCode::SEE_OTHER, "To the payment's `callback_url`.", Content::Nothing)
        .replies(StatusCode::FORBIDDEN, "A page: the form was not shown to this browser.", Content::Html)
        .replies(StatusCode::BAD_REQUEST, "The question again: there is no such button.", Content::Html)
        .replies(StatusCode::NOT_FOUND, "A page: there is no such question.", Content::Html)
        .replies(StatusCode::TOO_MANY_REQUESTS, "A page: too many requests from this address.", Content::Html);
    vec![show, take]
}

words! {
    /// Which button was pressed.
    enum Button {
        /// The payer goes on.
        Submit = "submit",
        /// The payer gives up.
        Cancel = "cancel",
    }
}

object! {
    /// The form of a challenge's page, for the reference.
    struct ChallengeForm {
        /// Out of the page; it counts together with the page's cookie.
        csrf: Text<64, 64>,
        /// The code that the payer got; needed unless he gives up.
        otp: Option<Text<0, 64>>,
        /// Which button was pressed; the first when it is not said, as by the Enter key of some browsers.
        action: Option<Button>,
    }
}

/// What the template is told.
#[derive(Serialize)]
struct Told<'a> {
    stage: &'static str,
    merchant: &'a str,
    description: &'a str,
    order: Option<&'a str>,
    amount: Amount,
    card: Option<Card>,
    csrf: &'a str,
    error: Option<&'static str>,
    tries_left: u32,
    callback: Option<String>,
    link: Option<String>,
    at: Moment,
    reference: String,
}

/// The request as this page needs it.
struct Visit<'a> {
    web: &'a Web,
    exchange: &'a Exchange,
    headers: &'a HeaderMap,
    token: &'a str,
    language: Language,
}

async fn show(Facts(exchange): Facts, Headers(headers): Headers, At(token): At<String>, State(web): State<Web>) -> Response {
    let visit = Visit::new(&web, &exchange, &headers, &token);
    if let Err(problem) = visit.admitted() {
        return visit.refuse(problem).await;
    }
    match web.wiring.payments.challenge(&token).await {
        Ok(Some(challenge)) => match visit.open(challenge).await {
            Ok(response) => response,
            Err(problem) => visit.refuse(problem).await,
        },
        Ok(None) => visit.refuse(Problem::new(Code::NotFound, "no such challenge").with_status(StatusCode::NOT_FOUND)).await,
        Err(fault) => visit.refuse(problem_of_fault(&fault)).await,
    }
}

async fn take(
    Facts(exchange): Facts,
    Headers(headers): Headers,
    At(token): At<String>,
    State(web): State<Web>,
    mut fields: Fields,
) -> Response {
    let visit = Visit::new(&web, &exchange, &headers, &token);
    let form = Form {
        csrf: fields.take("csrf"),
        otp: SecretText::new(fields.take("otp").trim().to_owned()),
        action: fields.take("action"),
    };
    let answered = match visit.admitted() {
        Ok(()) => visit.answer(&form).await,
        Err(problem) => Err(problem),
    };
    match answered {
        Ok(response) => response,
        Err(problem) => visit.refuse(problem).await,
    }
}

/// What the page's form sends.
struct Form {
    csrf: String,
    otp: SecretText,
    action: String,
}

impl<'a> Visit<'a> {
    fn new(web: &'a Web, exchange: &'a Exchange, headers: &'a HeaderMap, token: &'a str) -> Visit<'a> {
        Visit { web, exchange, headers, token, language: language_of(&exchange.uri, headers) }
    }

    /// Refuses who comes too often.
    fn admitted(&self) -> Result<(), Problem> {
        let (web, refusal) = (self.web, "too many requests from this address");
        let admitted = web.visitors.admit(self.exchange.client, web.wiring.source.now());
        admitted.map_err(|seconds| Problem::new(Code::TooManyRequests, refusal).retry_after(seconds))
    }

    async fn challenge(&self) -> Result<Challenge, Problem> {
        let found = self.web.wiring.payments.challenge(self.token).await.map_err(|fault| problem_of_fault(&fault))?;
        found.ok_or_else(|| Problem::new(Code::NotFound, "no such challenge").with_status(StatusCode::NOT_FOUND))
    }

    /// The page, or the acquirer's own, or, for who comes back from there, the merchant's.
    async fn open(&self, challenge: Challenge) -> Result<Response, Problem> {
        let returned = self.exchange.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "returned=1"));
        let sent = self.web.wiring.payments.visit_challenge(&challenge).await.map_err(|fault| problem_of_fault(&fault))?;
        let challenge = match sent {
            // Who comes back without an outcome is not sent round in circles.
            Sent::To(page) if !returned => return Ok(see_other(&page)),
            Sent::To(_) | Sent::Nowhere | Sent::NoAnswer => return Ok(self.page_at("under_way", &challenge, None).await),
            Sent::ToUs => challenge,
            Sent::OverNow => self.challenge().await?,
        };
        match callback(&challenge).filter(|_| returned) {
            Some(location) if matches!(challenge.shown(), ChallengeShown::Over(_)) => Ok(see_other(&location)),
            _ => Ok(self.page(&challenge, None).await),
        }
    }

    async fn answer(&self, form: &Form) -> Result<Response, Problem> {
        let challenge = self.challenge().await?;
        if !self.is_ours(&form.csrf) {
            let mut page = self.page_at("forbidden", &challenge, None).await;
            *page.status_mut() = StatusCode::FORBIDDEN;
            return Ok(page);
        }
        let pressed = if form.action.is_empty() { Some(Button::Submit) } else { Button::of(&form.action) };
        let answer = match pressed {
            None => {
                let mut page = self.page(&challenge, Some("unknown_button")).await;
                *page.status_mut() = StatusCode::BAD_REQUEST;
                return Ok(page);
            }
            Some(Button::Cancel) => ChallengeAnswer::Cancel,
            Some(Button::Submit) if form.otp.expose().is_empty() => return Ok(self.page(&challenge, Some("missing")).await),
            Some(Button::Submit) => ChallengeAnswer::Code(form.otp.expose().clone()),
        };
        let answered = self.web.wiring.payments.answer_challenge(&challenge, answer).await;
        answered.map_err(|fault| problem_of_fault(&fault))?;
        let tries = challenge.tries;
        let challenge = self.challenge().await?;
        Ok(match challenge.shown() {
            ChallengeShown::Over(_) => match callback(&challenge) {
                Some(location) => see_other(&location),
                None => self.page(&challenge, None).await,
            },
            // A code that took no try was right, and the acquirer never heard of it.
            ChallengeShown::Asked if challenge.tries == tries => self.page(&challenge, Some("unreachable")).await,
            ChallengeShown::Asked => self.page(&challenge, Some("wrong")).await,
            ChallengeShown::UnderWay => self.page(&challenge, None).await,
        })
    }

    /// Whether the form was shown to this browser: its seal is of the page's token and the browser's cookie.
    fn is_ours(&self, csrf: &str) -> bool {
        let seal = |cookie: &str| self.web.wiring.payments.challenges().form_seal(self.token, cookie);
        let sent = unhex(csrf);
        cookie(self.headers).zip(sent).is_some_and(|(cookie, sent)| equal_in_constant_time(&seal(cookie), &sent))
    }

    /// The page of the link through which the payment was made, in the language the payer chose.
    fn link(&self, challenge: &Challenge) -> Option<String> {
        let link = link_of(challenge.details())?;
        let chosen = Language::asked(self.exchange.uri.query());
        Some(format!("/v1/links/{link}{}", chosen.map_or_else(String::new, |language| format!("?lang={}", language.code()))))
    }

    async fn page(&self, challenge: &Challenge, error: Option<&'static str>) -> Response {
        self.page_at(stage(challenge.shown()), challenge, error).await
    }

    async fn page_at(&self, stage: &'static str, challenge: &Challenge, error: Option<&'static str>) -> Response {
        let fresh = cookie(self.headers).is_none().then(|| hex(&self.web.wiring.source.bytes::<16>()));
        let known = fresh.as_deref().or_else(|| cookie(self.headers)).unwrap_or_default();
        let csrf = hex(&self.web.wiring.payments.challenges().form_seal(self.token, known));
        let told = Told {
            stage,
            merchant: challenge.merchant(),
            description: challenge.description(),
            order: order(challenge),
            amount: amount(challenge.amount(), self.language),
            card: challenge.card().map(|face| card(&face)),
            csrf: &csrf,
            error,
            tries_left: payments::rules::CHALLENGE_TRIES_MAX.saturating_sub(challenge.tries),
            callback: callback(challenge),
            link: self.link(challenge),
            at: moment(challenge.created_at(), self.language),
            reference: challenge.payment_id().to_string(),
        };
        let page = Page {
            template: "challenge.html",
            path: self.exchange.uri.path(),
            language: self.language,
            ready: self.web.is_ready().await,
        };
        let mut response = self.web.pages.reply(StatusCode::OK, &page, context! { challenge => Serde(told) });
        let policy = policy(MAY_LEAVE, &self.web.wiring.options.framed_by);
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        if let Some(value) = fresh.and_then(|value| self.set_cookie(&value)) {
            response.headers_mut().insert(SET_COOKIE, value);
        }
        response
    }

    fn set_cookie(&self, value: &str) -> Option<HeaderValue> {
        let secure = if self.web.wiring.options.only_tls { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{COOKIE_NAME}={value}; Path=/; HttpOnly; SameSite=Lax{secure}")).ok()
    }

    async fn refuse(&self, problem: Problem) -> Response {
        let mut headers = self.headers.clone();
        headers.insert(ACCEPT, HeaderValue::from_static("text/html"));
        let ready = self.web.is_ready().await;
        error::page(&self.web.pages, problem, &self.exchange.uri, &headers, self.exchange.request_id.as_str(), ready)
    }
}

/// The order, as the merchant calls it. Where he gave it no name it has an id of ours, which tells a payer nothing.
fn order(challenge: &Challenge) -> Option<&str> {
    Some(challenge.merchant_order_id()).filter(|order| uuid::Uuid::try_parse(order).is_err())
}

fn stage(shown: ChallengeShown) -> &'static str {
    match shown {
        ChallengeShown::Asked => "asked",
        ChallengeShown::UnderWay => "under_way",
        ChallengeShown::Over(PaymentState::Declined) => "declined",
        ChallengeShown::Over(PaymentState::Expired) => "expired",
        ChallengeShown::Over(PaymentState::Errored) => "failed",
        ChallengeShown::Over(PaymentState::Verified) => "verified",
        ChallengeShown::Over(PaymentState::Authorised) => "held",
        ChallengeShown::Over(_) => "paid",
    }
}

/// The address the payer is sent back to, the payment's own or its session's, with the payment's id and session in its query.
fn callback(challenge: &Challenge) -> Option<String> {
    let address = callback_url(challenge.details()).or_else(|| session_callback_url(challenge.session_details()))?;
    Some(way_back::with_payment(&address, &challenge.payment_id().to_string(), challenge.checkout_session()))
}

fn see_other(location: &str) -> Response {
    let mut response = Response::default();
    if let Ok(value) = HeaderValue::from_str(location) {
        *response.status_mut() = StatusCode::SEE_OTHER;
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

/// This page's cookie.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lists = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lists.flat_map(|list| list.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == COOKIE_NAME && value.len() == 32).then_some(value))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes().chunks_exact(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    bytes?.try_into().ok().filter(|_| text.len() == 64)
}
