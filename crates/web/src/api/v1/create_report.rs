//! `POST /v1/reports`: makes a report of payments, transactions or payouts.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use kernel::{Country, Currency};
use payments::reports::{CreateReport, ReportFilter, ReportKind};
use payments::{AttemptKind, AttemptState, Coded, Codes, PaymentState, REJECTED};

use super::parts::{Moment, Until};
use super::{REPORTS, answer, report_reply};
use crate::caller::{Caller, Read};
use crate::envelope::Code;
use crate::object::{self, Body, Reader, Text, object, words};
use crate::once::{Once, Optional};
use crate::route::Guarded;
use crate::state::Web;

object! {
    /// A report to be made. Lists are words separated by commas; what is left out narrows nothing.
    pub(super) struct CreateReportBody {
        /// What its lines are.
        kind as "type": Kind,
        /// Only what was made at this time or later. A date alone means all of its day in UTC.
        start_date: Moment,
        /// Only what was made before this time, or not after this date; at most 62 days after `start_date`.
        end_date: Until,
        /// Your own name for the report.
        merchant_reference_id: Option<Text<1, 255>>,
        /// The account of the key.
        account_id: Option<object::Account>,
        /// Payments in these statuses, and their transactions. Not for payouts.
        payment_status: Option<Text<0, 512>>,
        /// In these currencies: ISO 4217.
        currency: Option<Text<0, 1024>>,
        /// In these countries: ISO 3166-1 alpha-2.
        country: Option<Text<0, 1024>>,
        /// Transactions of these types. Only for transactions.
        transaction_type: Option<Text<0, 512>>,
        /// Transactions, or payouts, in these statuses. Not for payments.
        transaction_status: Option<Text<0, 512>>,
    }
}

words! {
    /// What the lines of a report are.
    pub(super) enum Kind {
        /// Payments.
        Payments = "PAYMENTS",
        /// Each step of a payment.
        Transactions = "TRANSACTIONS",
        /// Payouts.
        Payouts = "PAYOUTS",
    }
}

impl From<Kind> for ReportKind {
    fn from(kind: Kind) -> ReportKind {
        match kind {
            Kind::Payments => ReportKind::Payments,
            Kind::Transactions => ReportKind::Transactions,
            Kind::Payouts => ReportKind::Payouts,
        }
    }
}

impl Body for CreateReportBody {
    type Ask = CreateReport;

    fn name() -> &'static str {
        "CreateReportBody"
    }

    fn judge(self, reader: &mut Reader) -> Option<CreateReport> {
        let kind = ReportKind::from(self.kind);
        let (payment, step) = (self.payment_status.as_ref(), self.transaction_status.as_ref());
        let payment_states = codes(reader, "payment_status", payment, PaymentState::status, |_| kind != ReportKind::Payouts);
        let transaction_kinds =
            codes(reader, "transaction_type", self.transaction_type.as_ref(), AttemptKind::wire, |step| kind.lists(step));
        let transaction_states = codes(reader, "transaction_status", step, AttemptState::wire, |state| kind.shows(state));
        let currencies =
            list(reader, "currency", self.currency.as_ref(), Currency::parse, Code::CurrencyNotAllowed, "a currency of ISO 4217");
        let countries =
            list(reader, "country", self.country.as_ref(), Country::parse, Code::CountryNotSupported, "a country of ISO 3166-1");
        Some(CreateReport {
            kind,
            start_at: self.start_date.0,
            end_at: self.end_date.0,
            merchant_reference: self.merchant_reference_id.map(|Text(text)| text),
            filter: ReportFilter {
                payment_states: payment_states?,
                transaction_kinds: transaction_kinds?,
                transaction_states: transaction_states?,
                currencies: currencies?,
                countries: countries?,
            },
            face: super::views::report,
        })
    }
}

/// What a list of words means. A word that no line of such a report can have is refused: whoever wrote it expects some.
fn codes<T: Coded, const MAX: usize>(
    reader: &mut Reader,
    name: &'static str,
    said: Option<&Text<0, MAX>>,
    word: fn(T) -> &'static str,
    fits: impl Fn(T) -> bool,
) -> Option<Codes<T>> {
    let text: &str = said.map_or("", |Text(text)| text);
    let applies = !Codes::where_(&fits).is_empty();
    let more: &[&'static str] = if applies && name != "transaction_type" { &[REJECTED] } else { &[] };
    // No word is empty, so what does not fit has none.
    let fitting = |one: T| if fits(one) { word(one) } else { "" };
    let found = Codes::of_words(text, fitting, more);
    if found.is_none() && applies {
        let words = Codes::words(fitting, more);
        reader.wrong_at(&[name], Code::InvalidParameters, format_args!("must be some of {words} in a report of this type"));
    } else if found.is_none() {
        reader.wrong_at(&[name], Code::InvalidParameters, "does not apply to reports of this type");
    }
    found
}

/// The things that a list names.
fn list<T, const MAX: usize>(
    reader: &mut Reader,
    name: &'static str,
    said: Option<&Text<0, MAX>>,
    parse: fn(&str) -> Option<T>,
    code: Code,
    what: &str,
) -> Option<Vec<T>> {
    let text: &Arc<str> = match said {
        Some(Text(text)) => text,
        None => return Some(Vec::new()),
    };
    let found: Option<Vec<T>> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(parse).collect();
    if found.is_none() {
        reader.wrong_at(&[name], code, format_args!("each must be {what}"));
    }
    found
}

/// A body that works, for the reference.
const EXAMPLE: &str = r#"{"type": "TRANSACTIONS", "start_date": "2025-12-01", "end_date": "2025-12-31",
 "merchant_reference_id": "december", "transaction_type": "CAPTURE,REFUND", "currency": "EUR"}"#;

/// The route.
pub(super) fn route() -> Guarded {
    Guarded::new(Method::POST, "/v1/reports", create_report).about(|route| {
        route
            .named(REPORTS, "create-report", "Make a report")
            .text(
                "A report is completed at once and can be downloaded for seven days. It lists what was made from `start_date` on and \
                 before `end_date`, so that reports which follow one another list nothing twice, and nothing that was made after the \
                 report itself. Each line shows its object as it stands at the time of the download.\n\n\
                 A transaction's place in time is when it was made (the first one of a payment when the payment was made), not when the \
                 money moved: what still waited at the end of a period is on its report, `PENDING`, and on no later one. So leave \
                 `transaction_status` out where money is added up, or download the report of a period again later. Statuses and types \
                 narrow a report when it is downloaded, not when it is made.\n\n\
                 Whoever may read may make reports: they change nothing.",
            )
            .example(EXAMPLE)
            .replies(StatusCode::CREATED, "The report.", report_reply())
            .drawn(super::views::sample::report_reply)
            .refusals(&[
                (Code::InvalidDate, "A date cannot be read, `end_date` is not after `start_date` or more than 62 days after it."),
                (Code::InvalidParameters, "A status or type is none, or no line of such a report has it."),
                (Code::CurrencyNotAllowed, "A currency is none."),
                (Code::CountryNotSupported, "A country is none."),
                (Code::InvalidAccountId, "`account_id` is not the account of the key."),
            ])
    })
}

async fn create_report(caller: Caller<Read>, State(web): State<Web>, once: Once<Optional, CreateReportBody>) -> Response {
    let made = web.wiring.payments.create_report(caller.account_id(), once.ask, once.key.clone()).await;
    answer(&web, once.key.as_ref(), made)
}
