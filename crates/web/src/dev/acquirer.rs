//! `/dev/acquirer`: how the sandbox acquirer behaves, and what it believes it charged.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use connectors::acquirer_sandbox::{
    Behaviour, CHARGES_PAGE_MAX, ChargeFilter, NAMES, NotRaised, ReceivedRow, SIGNATURE_HEADER, Weather,
};
use kernel::{AccountId, AttemptId, PaymentId, Timestamp};
use payments::Connector;

use super::{SANDBOX, json, sandbox};
use crate::api::v1::acquirer_notification;
use crate::envelope::{Code, JSON, Problem};
use crate::extract::{Asked, Names, Query};
use crate::object::{Body, Reader, Text, Whole, Word as _, object, words};
use crate::refusal::problem_of_fault;
use crate::route::{Content, Route, component};
use crate::state::{SandboxWiring, Web};
use crate::view::{Word, view};

object! {
    /// How the acquirer is to behave. What is not said is normal.
    pub(super) struct BehaviourBody {
        /// What goes wrong.
        mode: Mode = Mode::Normal,
        /// How long an answer takes, in milliseconds.
        slow_ms: Whole<0, 60_000> = Whole(0),
        /// Under which of its names; all when absent.
        connector: Option<Text<1, 64>>,
    }
}

words! {
    /// What goes wrong.
    pub(super) enum Mode {
        /// Nothing.
        Normal = "normal",
        /// Nothing, but slowly.
        SlowMs = "slow_ms",
        /// It charges, and its answer is lost.
        TimeoutAfterCharge = "timeout_after_charge",
        /// It neither charges nor answers.
        TimeoutBeforeCharge = "timeout_before_charge",
        /// It charges and answers with an error; when asked, it tells.
        ErrorAfterCharge = "error_after_charge",
        /// It cannot be reached.
        Down = "down",
    }
}

impl Body for BehaviourBody {
    type Ask = (Option<Connector>, Behaviour);

    fn name() -> &'static str {
        "BehaviourBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<Self::Ask> {
        let named = self.connector.map(|Text(name)| Connector::parse(&name).filter(|connector| NAMES.contains(connector)));
        if named == Some(None) {
            reader.wrong_at(&["connector"], Code::InvalidParameters, names());
        }
        let weather = match self.mode {
            Mode::Normal | Mode::SlowMs => Weather::Normal,
            Mode::TimeoutAfterCharge => Weather::TimeoutAfterCharge,
            Mode::TimeoutBeforeCharge => Weather::TimeoutBeforeCharge,
            Mode::ErrorAfterCharge => Weather::ErrorAfterCharge,
            Mode::Down => Weather::Down,
        };
        Some((named.flatten(), Behaviour { weather, slow_ms: u32::try_from(self.slow_ms.0).ok()? }))
    }
}

view! {
    /// How the acquirer behaves.
    struct AcquirerState as "AcquirerState" {
        /// As the first connector.
        mode: Word,
        /// As the first connector.
        slow_ms: u32,
        /// Under each of its names.
        connectors: Vec<ConnectorState>,
    }
}

view! {
    /// How the acquirer behaves under one of its names.
    struct ConnectorState as "ConnectorState" {
        name: Word,
        mode: Word,
        slow_ms: u32,
    }
}

/// Which charges.
struct Which;

impl Names for Which {
    const NAMES: &'static [(&'static str, &'static str)] = &[
        ("merchant_order_id", "Only those of this order."),
        ("payment_id", "Only those of this payment."),
        ("connector", "Only those sent through this connector."),
        ("all", "`true` adds those it declined."),
        ("limit", "At most so many: 1 to 1000, 1000 when absent."),
        ("after", "The `next` of the page before."),
    ];
    const NUMBERS: &'static [(&'static str, i64, i64)] = &[("limit", 1, CHARGES_PAGE_MAX as i64)];
}

view! {
    /// A page of charges, oldest first.
    struct Charges as "Charges" {
        /// Value of `after` for the next page; null at the end.
        next: Option<AttemptId>,
        charges: Vec<Charge>,
    }
}

view! {
    /// One charge as the acquirer knows it; amounts in minor units.
    struct Charge as "Charge" {
        id: uuid::Uuid,
        /// As asked for.
        amount: i64,
        connector: Word,
        attempt: AttemptId,
        account_id: AccountId,
        payment_id: Option<PaymentId>,
        transaction_id: AttemptId,
        merchant_order_id: Option<String>,
        operation: Word,
        outcome: Word,
        response_code: Word,
        currency: Option<Word>,
        authorized: i64,
        captured: i64,
        refunded: i64,
        voided: i64,
        /// Requests received for this attempt.
        calls: i64,
        lfd: Option<String>,
        created_at: Timestamp,
    }
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::open(Method::GET, "/dev/acquirer", read).named(SANDBOX, "get-acquirer", "See how the acquirer behaves").replies(
            StatusCode::OK,
            "Its behaviour.",
            Content::Json(component::<AcquirerState>),
        ),
        Route::open(Method::POST, "/dev/acquirer", set)
            .named(SANDBOX, "set-acquirer", "Set how the acquirer behaves")
            .text("Replaces the behaviour as a whole: `{\"mode\": \"normal\"}` ends everything. Forgotten at a restart.")
            .example(r#"{"mode": "timeout_after_charge"}"#)
            .replies(StatusCode::OK, "Its behaviour now.", Content::Json(component::<AcquirerState>)),
        Route::open(Method::GET, "/dev/acquirer/charges", charges)
            .named(SANDBOX, "list-charges", "See what the acquirer charged")
            .text("The acquirer's own books, to be compared with ours.")
            .replies(StatusCode::OK, "Charges, oldest first.", Content::Json(component::<Charges>)),
        Route::open(Method::POST, "/dev/acquirer/events", raise)
            .named(SANDBOX, "raise-event", "Let the acquirer raise a chargeback")
            .text("The acquirer sends its signed notification, as any acquirer would. Without an amount, about all that is left.")
            .example(r#"{"payment_id": "01936b1a-0000-7000-8000-00000000a001", "event": "CHARGEBACK"}"#)
            .replies(StatusCode::OK, "An empty object.", Content::Other("application/json"))
            .refusals(&[
                (Code::PaymentNotFound, "The acquirer knows no charge of this payment."),
                (Code::InvalidStatus, "Nothing of the payment is captured, so there is nothing to dispute."),
            ]),
    ]
}

object! {
    /// What the acquirer is to raise.
    pub(super) struct EventBody {
        /// About the charge of which payment.
        payment_id: Text<1, 64>,
        /// What happens.
        event: EventWord,
        /// How much, in minor units; all that is left when absent.
        amount: Option<Whole<1, 1_000_000_000_000>>,
    }
}

words! {
    /// An event of the sandbox acquirer.
    pub(super) enum EventWord {
        /// The payer's bank takes the money back.
        Chargeback = "CHARGEBACK",
        /// The dispute ends for the payer.
        Lost = "CHARGEBACK_LOST",
        /// The dispute ends for the merchant.
        Won = "CHARGEBACK_WON",
    }
}

impl Body for EventBody {
    type Ask = EventBody;

    fn name() -> &'static str {
        "EventBody"
    }

    fn judge(self, _reader: &mut Reader) -> Option<EventBody> {
        Some(self)
    }
}

async fn raise(State(web): State<Web>, Asked(event): Asked<EventBody>) -> Response {
    raised(&web, event).await.map_or_else(IntoResponse::into_response, |()| ([(CONTENT_TYPE, JSON)], "{}").into_response())
}

async fn raised(web: &Web, event: EventBody) -> Result<(), Problem> {
    let unknown = || Problem::new(Code::PaymentNotFound, "payment not found");
    let payment = event.payment_id.0.parse().map_err(|_| unknown())?;
    let amount = event.amount.map(|Whole(amount)| amount);
    let raised = sandbox(web)?.acquirer.raise(payment, event.event.text(), amount).await;
    let raised = raised.map_err(|refused| match &refused {
        NotRaised::NoCharge => unknown(),
        NotRaised::NotCaptured => Problem::new(Code::InvalidStatus, refused.to_string()),
        NotRaised::Fault(fault) => problem_of_fault(fault),
    })?;
    let signature = HeaderValue::from_str(&raised.signature).expect("base64 is visible ASCII");
    let headers = HeaderMap::from_iter([(HeaderName::from_static(SIGNATURE_HEADER), signature)]);
    acquirer_notification::taken(web, raised.connector.name(), &headers, &raised.body).await?;
    // Whoever raises an event here wants to see what comes of it.
    web.wiring.payments.work_off_notifications().await.map_err(|fault| problem_of_fault(&fault))
}

async fn read(State(web): State<Web>) -> Response {
    sandbox(&web).map(state).map_or_else(IntoResponse::into_response, |state| json(&state))
}

async fn set(State(web): State<Web>, Asked((connector, behaviour)): Asked<BehaviourBody>) -> Response {
    let done = sandbox(&web).map(|sandbox| {
        sandbox.acquirer.set(connector, behaviour);
        state(sandbox)
    });
    done.map_or_else(IntoResponse::into_response, |state| json(&state))
}

fn state(sandbox: &SandboxWiring) -> AcquirerState {
    let shown = |(connector, behaviour): (Connector, Behaviour)| ConnectorState {
        name: Word(connector.name()),
        mode: Word(behaviour.weather.word()),
        slow_ms: behaviour.slow_ms,
    };
    let connectors: Vec<ConnectorState> = sandbox.acquirer.behaviours().into_iter().map(shown).collect();
    let first = connectors.first();
    AcquirerState {
        mode: first.map_or(Word(Weather::Normal.word()), |first| first.mode),
        slow_ms: first.map_or(0, |first| first.slow_ms),
        connectors,
    }
}

async fn charges(State(web): State<Web>, query: Query<Which>) -> Response {
    listed(&web, &query).await.map_or_else(IntoResponse::into_response, |charges| json(&charges))
}

async fn listed(web: &Web, query: &Query<Which>) -> Result<Charges, Problem> {
    let named = |text: &str| Connector::parse(text).filter(|connector| NAMES.contains(connector));
    let filter = ChargeFilter {
        merchant_order_id: query.get("merchant_order_id").map(Into::into),
        payment_id: query.parsed("payment_id", "must be the id of a payment", |text| text.parse().ok())?,
        connector: query.parsed("connector", &names(), named)?,
        all: query.parsed("all", "must be true or false", |text| text.parse().ok())?.unwrap_or(false),
    };
    let after = query.parsed("after", "must be the next of the page before", |text| text.parse().ok())?;
    let limit = query.number("limit", 1, CHARGES_PAGE_MAX)?.unwrap_or(CHARGES_PAGE_MAX);
    let page = sandbox(web)?.acquirer.charges(&filter, after, limit).await;
    let page = page.map_err(|fault| problem_of_fault(&fault))?;
    Ok(Charges { next: page.next, charges: page.charges.iter().map(charge).collect() })
}

/// What is said of a name that is none of the sandbox acquirer's.
fn names() -> String {
    NAMES.iter().fold("must be one of".to_owned(), |text, connector| text + " " + connector.name())
}

fn charge(row: &ReceivedRow) -> Charge {
    Charge {
        id: row.id,
        amount: row.amount,
        connector: Word(row.connector.name()),
        attempt: row.attempt_id,
        account_id: row.account_id,
        payment_id: row.payment_id,
        transaction_id: row.attempt_id,
        merchant_order_id: row.merchant_order_id.as_deref().map(str::to_owned),
        operation: Word(row.operation.word()),
        outcome: Word(if row.verdict.approved() { "APPROVED" } else { "DECLINED" }),
        response_code: Word(row.verdict.response_code()),
        currency: row.currency.map(kernel::Currency::code).map(Word),
        authorized: row.authorised(),
        captured: row.captured,
        refunded: row.refunded,
        voided: row.voided,
        calls: row.calls,
        lfd: row.last4.as_deref().map(str::to_owned),
        created_at: row.created_at,
    }
}
